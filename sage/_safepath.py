"""Keeps a user's own ``models/`` or ``memory/`` folder from being imported as SAGE's.

Our top-level names are common ones. ``python -m sage.run`` puts the current directory first on the
import path, where a robot builder may well have a folder ``models/``. The commands therefore call
``secure_imports()`` before they import anything outside ``sage``; ``import sage`` changes nothing.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

# The top-level packages that are installed beside `sage`.
FIRST_PARTY = ("models", "plugins", "orchestrator", "memory")


class _FirstPartyFinder(importlib.abc.MetaPathFinder):
    """Finds our packages beside ``sage`` itself, whatever else the import path holds."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is not None or fullname not in FIRST_PARTY:
            return None
        return importlib.machinery.PathFinder.find_spec(fullname, [str(self.root)], target)


def secure_imports() -> None:
    """Drop the current directory from the import path, and pin our packages to where ``sage`` is.

    The first is what ``python -P`` does; a directory that the user names in PYTHONPATH stays, and
    the second keeps even that from shadowing our packages. Calling it again changes nothing.
    """
    root = Path(__file__).resolve().parents[1]
    if not any(isinstance(finder, _FirstPartyFinder) for finder in sys.meta_path):
        _drop_current_directory()
        sys.meta_path.insert(0, _FirstPartyFinder(root))
    # Not installed, or started from the checkout's root: the entry just dropped was our own.
    if str(root) not in sys.path:
        sys.path.append(str(root))


def _drop_current_directory() -> None:
    """Remove what the interpreter put first for ``-m`` and ``-c``, if it did."""
    try:
        here = os.getcwd()
    except OSError:  # the directory was deleted under us
        here = ""
    # Only the first entry: a later one that equals it is an editable install or PYTHONPATH.
    if sys.path and not getattr(sys.flags, "safe_path", False) and sys.path[0] in ("", here):
        del sys.path[0]
    sys.path[:] = [entry for entry in sys.path if entry]
