"""Set-up on machines that this one is not: no root, no network, an old Python, a second time."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

# Notes how it was called; makes a .venv whose python is itself; fails at what $BROKEN names.
FAKE_PYTHON = """#!/bin/bash
echo "$*" >>"$LOG"
case "$*" in
*"$BROKEN"*) [ -n "$BROKEN" ] && { echo "ERROR: broken: $BROKEN"; exit 1; } ;;
esac
case "$*" in
"-m venv .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
--version) echo "Python 3.11.0" ;;
esac
exit 0
"""


class Machine:
    """A checkout's scripts in a folder of their own, with commands that we decide on."""

    def __init__(self, root: Path, repository: Path) -> None:
        self.root, self.bin, self.log = root / "checkout", root / "bin", root / "log"
        self.bin.mkdir()
        self.root.mkdir()
        for name in ("scripts", "constraints"):
            shutil.copytree(repository / name, self.root / name)
        for name in ("setup.py", "Makefile"):
            shutil.copy(repository / name, self.root / name)
        self.command("python3", FAKE_PYTHON)
        for name in ("apt-get", "sudo"):
            self.command(name, f'#!/bin/bash\necho "{name} $*" >>"$LOG"\nexit 1\n')
        self.command("ldconfig", "#!/bin/bash\n")
        self.installed(True)
        self.user(0)

    def command(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(text)
        path.chmod(0o755)

    def installed(self, yes: bool) -> None:
        status = "install ok installed" if yes else "unknown ok not-installed"
        self.command("dpkg-query", f"#!/bin/bash\nprintf '{status}'\n")

    def user(self, number: int) -> None:
        self.command("id", f"#!/bin/bash\necho {number}\n")

    def call(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        self.log.write_text("")
        base = {"PATH": f"{self.bin}:/usr/bin:/bin", "LOG": str(self.log), "BROKEN": ""}
        return subprocess.run(
            arguments,
            cwd=self.root,
            env=base | {"HOME": os.environ.get("HOME", "/")} | environment,
            capture_output=True,
            text=True,
            timeout=30,
        )

    @property
    def calls(self) -> str:
        return self.log.read_text()


@pytest.fixture
def machine(tmp_path: Path, repository: Path) -> Machine:
    return Machine(tmp_path, repository)


def test_system_packages_that_are_there_cost_nothing(machine: Machine) -> None:
    done = machine.call("scripts/system-packages")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "apt-get" not in machine.calls


def test_root_installs_what_is_missing(machine: Machine) -> None:
    machine.installed(False)
    machine.command("apt-get", '#!/bin/bash\necho "apt-get $*" >>"$LOG"\n')
    done = machine.call("scripts/system-packages")
    assert done.returncode == 0
    assert "installing system packages: libegl1 libgl1" in done.stdout
    assert "apt-get update" in machine.calls
    assert "apt-get install -y -qq --no-install-recommends libegl1" in machine.calls


def test_who_may_not_install_is_told_once_and_goes_on(machine: Machine) -> None:
    machine.installed(False)
    machine.user(1000)
    done = machine.call("scripts/system-packages")
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1
    assert "(that needs root); please do: sudo apt-get install libegl1 libgl1" in done.stderr
    assert "apt-get" not in machine.calls


def test_an_apt_get_that_fails_is_told_once_and_goes_on(machine: Machine) -> None:
    machine.installed(False)
    machine.command(
        "apt-get", "#!/bin/bash\necho 'E: Could not resolve the mirror' >&2\nexit 100\n"
    )
    done = machine.call("scripts/system-packages")
    assert done.returncode == 0
    assert "apt-get failed: E: Could not resolve the mirror" in done.stderr


def test_a_missing_venv_module_is_a_package_too(machine: Machine) -> None:
    machine.user(1000)
    machine.command(
        "python3", "#!/bin/bash\ncase $* in *ensurepip*) exit 1;; esac\necho python3.11-venv\n"
    )
    assert "apt-get install python3.11-venv" in machine.call("scripts/system-packages").stderr


def test_the_runtime_is_installed_once_and_without_torch(machine: Machine) -> None:
    assert machine.call("scripts/setup", "run").returncode == 0
    assert "-m venv .venv" in machine.calls
    assert "-c constraints/run.txt" in machine.calls
    assert machine.calls.splitlines()[-1].endswith("-e .")
    again = machine.call("scripts/setup", "run")
    assert (again.returncode, again.stdout, machine.calls) == (0, "", "")


def test_tests_add_to_a_runtime_and_contain_it(machine: Machine) -> None:
    machine.call("scripts/setup", "run")
    machine.call("scripts/setup", "test")
    assert machine.calls.splitlines()[-1].endswith("-e .[train,dev]")
    assert "-m venv" not in machine.calls
    machine.call("scripts/setup", "run")
    assert machine.calls == ""


def test_peers_add_to_a_runtime_and_leave_the_tests_installed(machine: Machine) -> None:
    machine.call("scripts/setup", "test")
    machine.call("scripts/setup", "bench")
    assert "-c constraints/bench.txt" in machine.calls
    assert machine.calls.splitlines()[-1].endswith("-e .[bench]")
    for kind in ("run", "test", "bench"):
        assert machine.call("scripts/setup", kind).returncode == 0
        assert machine.calls == ""


@pytest.mark.parametrize("changed", ["setup.py", "constraints/run.txt"])
def test_a_changed_requirement_installs_again(machine: Machine, changed: str) -> None:
    machine.call("scripts/setup", "run")
    with (machine.root / changed).open("a") as file:
        file.write("# changed\n")
    machine.call("scripts/setup", "run")
    assert machine.calls.splitlines()[-1].endswith("-e .")
    assert "-m venv" not in machine.calls


def test_pip_that_fails_is_shown_and_tried_again(machine: Machine) -> None:
    done = machine.call("scripts/setup", "run", BROKEN="-e .")
    assert done.returncode == 1
    assert "ERROR: broken" in done.stderr
    assert "error: pip could not install the runtime" in done.stderr
    assert "check the network" in done.stderr
    assert machine.call("scripts/setup", "run").returncode == 0


def test_a_broken_environment_is_made_anew(machine: Machine) -> None:
    machine.call("scripts/setup", "run")
    (machine.root / ".venv/bin/python").unlink()
    assert "making a new one" in machine.call("scripts/setup", "run").stdout
    assert "-m venv .venv" in machine.calls


def test_a_python_outside_the_range_is_named(machine: Machine) -> None:
    old = "#!/bin/bash\ncase $1 in --version) echo 'Python 3.9.2';; *) exit 1;; esac\n"
    for name in ("python3", "python3.10", "python3.11", "python3.12"):
        machine.command(name, old)
    done = machine.call("scripts/setup", "run")
    assert done.returncode == 1
    assert done.stderr.startswith(
        "error: SAGE needs Python 3.10, 3.11 or 3.12 (found: Python 3.9.2)"
    )


def test_a_python_that_is_named_is_taken(machine: Machine) -> None:
    machine.command("mypython", FAKE_PYTHON)
    machine.command("python3", "#!/bin/bash\nexit 1\n")
    assert machine.call("scripts/setup", "run", PYTHON="mypython").returncode == 0
    done = machine.call("scripts/setup", "run", PYTHON="nopython")
    assert done.returncode == 0  # what is installed already needs no other Python


def test_wrong_arguments_name_the_valid_ones(machine: Machine) -> None:
    assert "valid: run, test, bench" in machine.call("scripts/setup", "train").stderr
    machine.command("ruff", "#!/bin/bash\n")
    assert "run 'make check' once" in machine.call("scripts/check").stderr


def test_make_alone_says_what_there_is(machine: Machine) -> None:
    done = machine.call("make")
    assert done.returncode == 0
    assert "make run ARGS=" in done.stdout
    assert machine.calls == ""
