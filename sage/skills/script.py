"""Scripts: files of commands, one a line."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from sage.irp.errors import ConfigError
from sage.skills.wording import MAX_COMMAND_CHARS

MAX_SCRIPT_BYTES = 1_000_000


def read_script(path: str | Path) -> list[str]:
    """The commands of a script: UTF-8 text, one a line; ``#`` begins a comment.

    Raises:
        ConfigError: the file cannot be read, is not text, holds no command or a line that is too
            long; the message names the file and the line.
    """
    try:
        if Path(path).exists() and not Path(path).is_file():
            raise ConfigError(f"cannot read the command file {str(path)!r}: it is no file")
        with Path(path).open("rb") as file:
            raw = file.read(MAX_SCRIPT_BYTES + 1)
        if len(raw) > MAX_SCRIPT_BYTES:
            raise ConfigError(f"{str(path)!r} has more than {MAX_SCRIPT_BYTES} bytes")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConfigError(f"cannot read the command file {str(path)!r}: {why}") from error
    commands = []
    for number, line in enumerate(raw.removeprefix(b"\xef\xbb\xbf").splitlines(), start=1):
        where = f"{str(path)!r}, line {number}"
        try:
            command = re.sub(r"(?:^|\s)#.*", "", line.decode()).strip()
        except UnicodeDecodeError:
            raise ConfigError(f"{where}: not UTF-8 text; one command a line is expected") from None
        if any(unicodedata.category(character) == "Cc" for character in command.replace("\t", "")):
            raise ConfigError(f"{where}: control characters; one command a line is expected")
        if len(command) > MAX_COMMAND_CHARS:
            raise ConfigError(
                f"{where}: {len(command)} characters; a command has at most {MAX_COMMAND_CHARS}"
            )
        if command:
            commands.append(command)
    if not commands:
        lines = len(raw.splitlines())
        raise ConfigError(
            f"no command in {str(path)!r} ({lines} lines read); one a line is expected"
        )
    return commands
