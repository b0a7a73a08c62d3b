"""The folder of a run: found again, and named ``latest``."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from sage.irp.errors import ConfigError
from sage.report.summary_file import SUMMARY_NAME, TELEMETRY_NAME

LATEST = "latest"


def point_latest(folder: Path) -> bool:
    """Let ``latest``, beside a run's folder, lead to it; False where that cannot be.

    What is no symbolic link is left alone, and so is everything where links are not to be had.
    """
    link = folder.parent / LATEST
    partial = folder.parent / f".{LATEST}-{os.getpid()}"
    try:
        if link.exists() and not link.is_symlink():
            return False
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
    folder = given.resolve()
    if not folder.is_dir():
        raise ConfigError(f"{str(given)!r} is no folder; name one that a run left, as in runs/")
    if _is_run(folder):
        return folder
    runs = [entry for entry in folder.iterdir() if not entry.is_symlink() and _is_run(entry)]
    if not runs:
        raise ConfigError(
            f"{str(given)!r} holds no run: neither {TELEMETRY_NAME} nor {SUMMARY_NAME} is there"
        )
    return max(runs, key=lambda run: (run.stat().st_mtime, run.name))


def _is_run(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (TELEMETRY_NAME, SUMMARY_NAME))
