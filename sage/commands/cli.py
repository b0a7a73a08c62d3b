"""``sage COMMAND``: finds the command in one table, runs it, turns errors into one line.

A command is a function ``(argv: list[str]) -> int`` that parses its own arguments and returns an
exit code. Its module is imported only when it is called, so ``sage --help`` stays quick.

Exit codes: 0 done; 1 the command ran and the answer is no (a run that failed its commands, a
doctor that found a fault); 2 a wrong command line or configuration, or something missing that the
message names; 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

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
    "doctor": Command("check this machine, and say how to mend it", "sage.commands.doctor:main"),
    "models": Command("list and verify the shipped models", "sage.commands.models:main"),
}

EXAMPLES = """\
examples:
  sage run                                   the default world, live view
  sage run --headless --say "go to the kitchen"
  sage run --camera camera:0                 your own camera
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
    """Call ``function``; an error of ours becomes one line, Ctrl-C becomes 130."""
    try:
        code = function()
        sys.stdout.flush()  # so that a closed pipe is noticed here and not at exit
        return code
    except SageError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output (`| head`) has seen enough. Nothing may write there any more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK


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
