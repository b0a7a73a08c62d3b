from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sage.commands import cli
from sage.irp.errors import ConfigError, DeviceError


def planted(monkeypatch: pytest.MonkeyPatch, function: Callable[[list[str]], int]) -> None:
    """Make ``function`` the command ``try``."""
    monkeypatch.setitem(cli.COMMANDS, "try", cli.Command("try it", "nowhere:main"))
    monkeypatch.setattr(cli, "_load", lambda command: function)


def raising(error: BaseException) -> Callable[[list[str]], int]:
    def command(_: list[str]) -> int:
        raise error

    return command


@pytest.mark.parametrize("argument", ["-h", "--help", "help"])
def test_help_lists_every_command_and_examples(
    argument: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([argument]) == 0
    printed = capsys.readouterr().out
    assert all(
        name in printed and command.help in printed for name, command in cli.COMMANDS.items()
    )
    assert "examples:" in printed


def test_no_command_is_a_mistake_that_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    assert "usage: sage COMMAND" in capsys.readouterr().out


def test_an_unknown_command_names_the_valid_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["docter"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    valid = ", ".join(cli.COMMANDS)
    assert printed.err == (
        f"error: unknown command 'docter' (did you mean 'doctor'?); valid: {valid}\n"
    )


def test_arguments_and_exit_code_pass_through(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def command(argv: list[str]) -> int:
        seen.extend(argv)
        return 1

    planted(monkeypatch, command)
    assert cli.main(["try", "--camera", "camera:0"]) == 1
    assert seen == ["--camera", "camera:0"]


@pytest.mark.parametrize(
    "error", [DeviceError("no camera 9\n  tried /dev/video9"), ConfigError("x")]
)
def test_an_error_of_ours_is_one_line(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    planted(monkeypatch, raising(error))
    assert cli.main(["try"]) == 2
    printed = capsys.readouterr().err
    assert printed == f"error: {cli.one_line(error)}\n"


def test_ctrl_c_is_130_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    planted(monkeypatch, raising(KeyboardInterrupt()))
    assert cli.main(["try"]) == 130
    assert capsys.readouterr().err == "stopped\n"


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    planted(monkeypatch, raising(ZeroDivisionError("a bug")))
    with pytest.raises(ZeroDivisionError):
        cli.main(["try"])


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_of_the_table_exists(name: str) -> None:
    module, _, attribute = cli.COMMANDS[name].target.partition(":")
    assert callable(getattr(importlib.import_module(module), attribute))


def test_help_imports_nothing_heavy(repository: Path) -> None:
    code = (
        "import sys; from sage.commands.cli import main; main(['--help']); "
        "assert not {'cv2', 'mujoco', 'onnxruntime', 'rich', 'torch'} & sys.modules.keys()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_a_closed_pipe_is_no_error(repository: Path) -> None:
    done = subprocess.run(
        f"'{sys.executable}' -m sage --help | true; exit ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        cwd=repository,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


def shell(command: str, repository: Path, **environment: str) -> tuple[int, str, str]:
    done = subprocess.run(
        command.replace("python", f"'{sys.executable}'", 1),
        shell=True,
        cwd=repository,
        env={**os.environ, "PYTHONUNBUFFERED": "", **environment},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_written_nowhere(closed: str, repository: Path) -> None:
    code, _, complaint = shell(f"python -m sage --help {closed}", repository)
    assert (code, complaint) == (0, "")
    assert shell(f"python -m sage nonsense {closed}", repository)[0] == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", ["--help", "models", "models --help"])
def test_a_full_disk_is_one_line(arguments: str, repository: Path) -> None:
    assert shell(f"python -m sage {arguments} > /dev/full", repository) == (
        2,
        "",
        "error: the standard output cannot be written: No space left on device\n",
    )
    assert shell("python -m sage nonsense 2> /dev/full", repository)[0] == 2


def test_an_error_of_the_system_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    planted(monkeypatch, raising(PermissionError(13, "Permission denied", "out.json")))
    assert cli.main(["try"]) == 2
    assert capsys.readouterr().err == "error: [Errno 13] Permission denied: 'out.json'\n"


def test_what_a_stream_cannot_encode_is_escaped(repository: Path) -> None:
    code, _, complaint = shell("python -m sage caf\u00e9", repository, PYTHONIOENCODING="ascii")
    assert code == 2
    assert "unknown command 'caf\\xe9'" in complaint
