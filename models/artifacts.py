"""Shipped files and their model cards: read whole or refused, in one way for every family.

A folder that ships weights holds ``card.json``; its ``files`` give every file's SHA-256.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from sage.irp.errors import ModelError

CARD: Final = "card.json"

Fault = Callable[[dict[str, Any]], str]
"""What is wrong with the part of a card that one family uses at run time; empty if nothing is."""


def load_card(folder: Path, remedy: str, fault: Fault | None = None) -> dict[str, Any]:
    """A model card's data.

    Args:
        folder: where ``card.json`` lies.
        remedy: commands that bring the files back, named in every error.
        fault: the family's own check, after that of ``files``.

    Raises:
        ModelError: the card is missing, or what is used of it is damaged.
    """
    path = folder / CARD
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"model card {path} is missing; run `{remedy}`") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"model card {path} is damaged ({error}); run `{remedy}`") from error
    found = _fault(card) or (fault(card) if fault else "")
    if found:
        raise ModelError(f"model card {path} is damaged ({found}); run `{remedy}`")
    data: dict[str, Any] = card
    return data


def load_file(path: Path, card: dict[str, Any], remedy: str) -> bytes:
    """A shipped file's content; ModelError if it is missing or not what ``card`` describes."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"weights {path} are missing; run `{remedy}`") from error
    if hashlib.sha256(content).hexdigest() != card["files"].get(path.name, {}).get("sha256"):
        raise ModelError(f"weights {path} do not match their card (SHA-256); run `{remedy}`")
    return content


def _fault(card: Any) -> str:
    if not isinstance(card, dict):
        return "it holds no keys with values"
    files = card.get("files")
    if not isinstance(files, dict):
        return "'files' must name the weights files"
    for name, entry in files.items():
        if not isinstance(entry, dict) or not isinstance(entry.get("sha256"), str):
            return f"'files' gives no SHA-256 for {name!r}"
    return ""
