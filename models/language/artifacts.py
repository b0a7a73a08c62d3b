"""The shipped weights: network, tokenizer and card beside this module, and the trunk's folder.

The trunk is read only by training and by its measurement: an installed package is without it.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

from models import artifacts as shipped
from models.backends import OnnxRuntimeBackend
from models.language.calibration import Calibration, calibration_of
from models.language.forms import VOCABULARY
from models.language.parser import Parser
from models.language.recall import load as load_recall
from models.language.words import WordTokenizer, load
from sage.irp.errors import ModelError

FOLDER: Final = Path(__file__).parent
LOWER: Final = "lower.onnx"
UPPER: Final = "upper.onnx"
NETWORK: Final = (LOWER, UPPER)
"""The network's two halves: a step of the refinement runs one of them."""
TOKENIZER: Final = "tokenizer.json"
RECALLED: Final = "recalled.json"
"""What people meant before with which names."""
TRUNK: Final = "trunk/trunk.onnx"
"""The weights before people's paraphrases were seen, where fine-tuning starts; with its own card,
in a folder that is no package and so is not installed."""
REMEDY: Final = "git checkout -- models/language` or `python -m models.language.train"


def load_card(folder: Path = FOLDER) -> dict[str, Any]:
    """The model card's data; ModelError if it is missing or what is used of it is damaged."""
    return shipped.load_card(folder, REMEDY, _fault)


def _fault(card: dict[str, Any]) -> str:
    """What is wrong with the part of a card that is used at run time; empty if nothing is."""
    if card.get("chunks") != len(VOCABULARY):
        return f"'chunks' is {card.get('chunks')!r}; the forms have {len(VOCABULARY)}"
    calibration = card.get("calibration")
    if not isinstance(calibration, dict):
        return "'calibration' must hold numbers"
    for key in ("bias", "energy_weight", "margin_weight"):
        value = calibration.get(key)
        if (
            isinstance(value, bool)
            or not isinstance(value, (int, float))
            or not math.isfinite(value)
            or abs(value) > 1e6
        ):
            return f"'calibration' has {key} {value!r:.40}; valid: a finite number"
    return ""


def load_file(name: str, folder: Path = FOLDER) -> bytes:
    """One file's content, checked against the SHA-256 of the card beside it.

    Raises:
        ModelError: the file or its card is missing or damaged; for the trunk of an installed
            package the message says that only a checkout holds it.
    """
    path = folder / name
    if name != TRUNK:
        return shipped.load_file(path, load_card(folder), REMEDY)
    if not path.parent.is_dir():
        raise ModelError(
            f"weights {path} are missing: training starts from them, only a checkout of SAGE holds "
            f"them, an installed package does not; in a checkout run `{REMEDY}`"
        )
    return shipped.load_file(path, shipped.load_card(path.parent, REMEDY), REMEDY)


def load_tokenizer(folder: Path = FOLDER) -> WordTokenizer:
    """The shipped tokenizer."""
    return WordTokenizer(load_file(TOKENIZER, folder).decode(), TOKENIZER, REMEDY)


def load_parser(
    weights: tuple[bytes, bytes] | None = None,
    threads: int = 1,
    calibration: Calibration | None = None,
    tokenizer_from: Path | None = None,
) -> Parser:
    """A loaded and warm parser; all that is shipped unless something else is given.

    Args:
        weights: the serialised halves of the network, the lower and the upper.
        threads: of a batch; one command takes one.
        calibration: instead of the card's.
        tokenizer_from: a folder whose tokenizer and memory are read as they are, before there is
            a card.
    """
    if weights is None:
        weights = load_file(LOWER), load_file(UPPER)
    halves = []
    for content, name in zip(weights, NETWORK, strict=True):
        halves.append(OnnxRuntimeBackend(content, name, remedy=REMEDY))
        halves[-1].warm_up()
    lower, upper = halves
    if tokenizer_from is None:
        tokenizer, recalled = load_tokenizer(), load_file(RECALLED)
    else:
        tokenizer = load(tokenizer_from / TOKENIZER, REMEDY)
        recalled = (tokenizer_from / RECALLED).read_bytes()
    calibration = calibration or calibration_of(load_card())
    return Parser(lower, upper, tokenizer, calibration, threads, load_recall(recalled))
