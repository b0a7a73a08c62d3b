"""The folder of a run: made anew, found again, and named ``latest``."""

from __future__ import annotations

import contextlib
import os
from datetime import datetime
from pathlib import Path

from sage.irp.errors import ConfigError
from sage.report.summary_file import SUMMARY_NAME, TELEMETRY_NAME

LATEST = "latest"


def new_run_folder(parent: Path, now: datetime | None = None) -> Path:
    """Make ``parent/<timestamp>`` and point ``parent/latest`` at it.

    Raises:
        ConfigError: it cannot be made; the text names the folder and why.
    """
    stamp = (now or datetime.now()).strftime("%Y%m%d-%H%M%S")
    for number in range(1, 100):
        folder = parent / (stamp if number == 1 else f"{stamp}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            if not folder.is_dir():
                raise ConfigError(f"{str(parent)!r} is not a folder") from None
            continue
        except OSError as error:
            why = error.strerror or error
            raise ConfigError(f"{str(parent)!r} cannot be written: {why}") from None
        point_latest(folder)
        return folder
    raise ConfigError(f"{str(parent)!r}: too many runs began in this second")


def point_latest(folder: Path) -> bool:
    """Let ``latest``, beside a run's folder, lead to it; False where that cannot be.

    What is no symbolic link is left alone, and so is everything where links are not to be had.
    """
    link = folder.parent / LATEST
    partial = folder.parent / f".{LATEST}-{os.getpid()}"
    if link.exists() and not link.is_symlink():
        return False
    try:
        partial.symlink_to(folder.name, target_is_directory=True)
        partial.replace(link)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        return False
    return True


def find_run(given: Path) -> Path:
    """The folder of a run: ``given`` itself, or the newest one in it.

    Raises:
        ConfigError: there is no run there; the text says what was looked for.
    """
    if not given.is_dir():
        raise ConfigError(f"{str(given)!r} is not a folder; name one that a run left, in runs/")
    if _is_run(given):
        return given.resolve()
    runs = sorted((entry for entry in given.iterdir() if _is_run(entry)), key=_made)
    if not runs:
        raise ConfigError(
            f"{str(given)!r} holds no run: neither {TELEMETRY_NAME} nor {SUMMARY_NAME} is there"
        )
    return runs[-1].resolve()


def _is_run(folder: Path) -> bool:
    names = (TELEMETRY_NAME, SUMMARY_NAME)
    return not folder.is_symlink() and any((folder / name).is_file() for name in names)


def _made(folder: Path) -> tuple[float, str]:
    return folder.stat().st_mtime, folder.name
