"""The shipped network of voice activity, and the card that describes hearing."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from models import artifacts as shipped
from models.hearing.confidence import confidence_from
from sage.irp.errors import ModelError

FOLDER: Final = Path(__file__).parent
ACTIVITY: Final = "silero_vad.onnx"
CARD: Final = shipped.CARD
REMEDY: Final = "git checkout -- models/hearing"


def load_card(folder: Path = FOLDER) -> dict[str, Any]:
    """The card's data; ModelError if it is missing or what is used of it is damaged."""
    return shipped.load_card(folder, REMEDY, _fault)


def _fault(card: dict[str, Any]) -> str:
    """What is wrong with the part of a card that is used at run time; empty if nothing is."""
    try:
        confidence_from(card)
    except ModelError as error:
        return str(error)
    return ""


def load_weights(name: str = ACTIVITY, folder: Path = FOLDER) -> bytes:
    """A serialised ONNX model, checked against the card's SHA-256."""
    return shipped.load_file(folder / name, load_card(folder), REMEDY)
