"""The shipped network of voice activity, and the card that describes hearing."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from models.hearing.confidence import confidence_from
from sage.irp.errors import ModelError

FOLDER: Final = Path(__file__).parent
CARD: Final = "card.json"
ACTIVITY: Final = "silero_vad.onnx"
REMEDY: Final = "git checkout -- models/hearing"


def load_card(folder: Path = FOLDER) -> dict[str, Any]:
    """The card's data; ModelError if it is missing or what is used of it is damaged."""
    path = folder / CARD
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"model card {path} is missing; run `{REMEDY}`") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"model card {path} is damaged ({error}); run `{REMEDY}`") from error
    fault = _fault(card)
    if fault:
        raise ModelError(f"model card {path} is damaged ({fault}); run `{REMEDY}`")
    data: dict[str, Any] = card
    return data


def _fault(card: Any) -> str:
    """What is wrong with the part of a card that is used at run time; empty if nothing is."""
    if not isinstance(card, dict):
        return "it holds no keys with values"
    files = card.get("files")
    if not isinstance(files, dict):
        return "'files' must name the weights files"
    for name, entry in files.items():
        if not isinstance(entry, dict) or not isinstance(entry.get("sha256"), str):
            return f"'files' gives no SHA-256 for {name!r}"
    try:
        confidence_from(card)
    except ModelError as error:
        return str(error)
    return ""


def load_weights(name: str = ACTIVITY, folder: Path = FOLDER) -> bytes:
    """A serialised ONNX model, checked against the card's SHA-256."""
    path = folder / name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"weights {path} are missing; run `{REMEDY}`") from error
    expected = load_card(folder)["files"].get(name, {}).get("sha256")
    if hashlib.sha256(content).hexdigest() != expected:
        raise ModelError(f"weights {path} do not match their card (SHA-256); run `{REMEDY}`")
    return content
