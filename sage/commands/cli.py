"""``sage COMMAND``: finds the command in one table, runs it, turns errors into one line.

A command is a function ``(argv: list[str]) -> int`` that parses its own arguments and returns an
exit code. Its module is imported only when it is called, so ``sage --help`` stays quick.

Exit codes: 0 done; 1 the command ran and the answer is no (a run that failed its commands, a
doctor that found a fault); 2 a wrong command line or configuration, or something missing that the
message names; 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple, TextIO

from sage.irp.errors import ConfigError, SageError

EXIT_OK = 0
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


class Command(NamedTuple):
    """One line of the table: what ``sage --help`` says, and where the function is."""

    help: str
    target: str


COMMANDS: dict[str, Command] = {
    "run": Command("see, decide and drive: a robot in the apartment, or yours", "sage.run:main"),
    "memory": Command("what it kept of its runs, and why", "sage.commands.memory:main"),
    "report": Command("make the page of a run again", "sage.commands.report:main"),
    "doctor": Command("check this machine, and say how to mend it", "sage.commands.doctor:main"),
    "models": Command("list and verify the shipped models", "sage.commands.models:main"),
}

EXAMPLES = """\
examples:
  sage run                                   the default world, live view
  sage run --headless --say "go to the kitchen"
  sage run --camera camera:0                 your own camera
  sage memory list                           what it kept; explain ID says why
  sage report                                the page of the newest run, made again
  sage doctor                                what works here, what does not
"""


def usage() -> str:
    """The text of ``sage --help``."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {command.help}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: sage COMMAND [OPTIONS]",
            "",
            "An edge robotics runtime: every model refines, one budget decides who steps next.",
            "",
            "commands:",
            *lines,
            "",
            "sage COMMAND --help lists the options of one command; sage --version the version.",
            "",
            EXAMPLES,
        ]
    ).rstrip()


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``argv`` (default: the process's own) and return the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    return run_guarded(lambda: _dispatch(arguments))


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage())
        return EXIT_OK if arguments else EXIT_USAGE
    if arguments[0] == "--version":
        print(f"sage {_version()}")
        return EXIT_OK
    name, rest = arguments[0], arguments[1:]
    if name not in COMMANDS:
        raise ConfigError(unknown_command(name))
    return _load(COMMANDS[name])(rest)


def run_guarded(function: Callable[[], int]) -> int:
    """Call ``function``; an error of ours or of the system becomes one line, Ctrl-C becomes 130."""
    _ready_streams()
    try:
        code = function()
    except SageError as error:
        _complain(f"error: {one_line(error)}")
        code = EXIT_USAGE
    except KeyboardInterrupt:
        _complain("stopped")
        code = EXIT_INTERRUPTED
    except BrokenPipeError:
        code = EXIT_OK
    except OSError as error:
        lost = _flushed()
        _complain(_unwritten(lost) if lost else f"error: {one_line(error)}")
        return EXIT_USAGE
    except SystemExit:  # of a parser, after its help or its complaint
        lost = _flushed()
        if lost is None or isinstance(lost, BrokenPipeError):
            raise
        _complain(_unwritten(lost))
        return EXIT_USAGE
    lost = _flushed()  # here, because at exit nobody could answer
    if lost is None or code in (EXIT_USAGE, EXIT_INTERRUPTED):
        return code
    if isinstance(lost, BrokenPipeError):  # whoever read our output (`| head`) has seen enough
        return EXIT_OK
    _complain(_unwritten(lost))
    return EXIT_USAGE


def _ready_streams() -> None:
    """Let every text be written: nowhere if a stream is closed, escaped if it cannot encode it."""
    # In this order each gets its own number, which no later file or socket can then take.
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _flushed() -> OSError | None:
    """Flush the standard output; what went wrong, after which nothing is written there."""
    try:
        sys.stdout.flush()
    except OSError as error:
        _silence(sys.stdout)
        return error
    return None


def _complain(text: str) -> None:
    """Print a line on the standard error, if that can still be written."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        _silence(sys.stderr)


def _silence(stream: TextIO) -> None:
    """Send what a stream still holds, and all that follows, nowhere."""
    with contextlib.suppress(OSError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def _unwritten(error: OSError) -> str:
    return f"error: the standard output cannot be written: {error.strerror or one_line(error)}"


def one_line(error: BaseException) -> str:
    """The text of an error on one line."""
    return " ".join(str(error).split()) or type(error).__name__


def unknown_command(name: str) -> str:
    """The message for a command that does not exist: the valid ones and the closest."""
    near = difflib.get_close_matches(name, COMMANDS, n=1)
    hint = f" (did you mean '{near[0]}'?)" if near else ""
    return f"unknown command '{name}'{hint}; valid: {', '.join(COMMANDS)}"


def _load(command: Command) -> Callable[[list[str]], int]:
    module, _, attribute = command.target.partition(":")
    function: Callable[[list[str]], int] = getattr(importlib.import_module(module), attribute)
    return function


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("sage-irp")
    except PackageNotFoundError:
        return "(not installed)"
