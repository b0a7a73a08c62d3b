"""JSON files that outlive a run: written whole or not at all, set aside where they are broken."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)


def write_whole(path: Path, entries: Mapping[str, Any]) -> None:
    """Replace a file by these entries; OSError where that cannot be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("w") as stream:
        stream.write(json.dumps(entries, indent=1, sort_keys=True) + "\n")
        stream.flush()
        os.fsync(stream.fileno())  # or a power cut may leave the new name with no content
    os.replace(partial, path)


def set_aside(path: Path, what: str, error: Exception) -> None:
    """Keep a file that cannot be read under another name, so that nothing overwrites it."""
    aside = path.with_suffix(".corrupt")
    try:
        path.replace(aside)
    except OSError as refused:
        logger.warning("%s in %s cannot be read (%s), nor kept: %s", what, path, error, refused)
    else:
        logger.warning("%s in %s cannot be read (%s); kept as %s", what, path, error, aside)
