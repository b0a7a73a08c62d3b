"""The shipped model of voice activity, and the card that describes hearing."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from sage.irp.errors import ModelError

FOLDER: Final = Path(__file__).parent
CARD: Final = "card.json"
ACTIVITY: Final = "silero_vad.onnx"
REMEDY: Final = "git checkout -- models/hearing"


def load_card(folder: Path = FOLDER) -> dict[str, Any]:
    """The card's data; ModelError if it is missing or damaged."""
    path = folder / CARD
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"model card {path} is missing; run `{REMEDY}`") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"model card {path} is damaged ({error}); run `{REMEDY}`") from error
    if not isinstance(card, dict):
        raise ModelError(f"model card {path} is damaged (it holds no keys); run `{REMEDY}`")
    return card


def load_weights(name: str = ACTIVITY, folder: Path = FOLDER) -> bytes:
    """A serialised ONNX model, checked against the card's SHA-256."""
    path = folder / name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"weights {path} are missing; run `{REMEDY}`") from error
    files = load_card(folder).get("files")
    entry = files.get(name) if isinstance(files, dict) else None
    expected = entry.get("sha256") if isinstance(entry, dict) else None
    if hashlib.sha256(content).hexdigest() != expected:
        raise ModelError(f"weights {path} do not match their card (SHA-256); run `{REMEDY}`")
    return content
