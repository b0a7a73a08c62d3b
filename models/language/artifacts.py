"""The shipped weights: network, tokenizer and trunk beside this module, and the card of them."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any, Final

from models.backends import OnnxRuntimeBackend
from models.language.forms import VOCABULARY
from models.language.parser import Calibration, Parser, calibration_of
from models.language.words import WordTokenizer, load
from sage.irp.errors import ModelError

FOLDER: Final = Path(__file__).parent
NETWORK: Final = "parse.onnx"
TOKENIZER: Final = "tokenizer.json"
TRUNK: Final = "trunk.onnx"
"""The weights before people's paraphrases were seen: where fine-tuning starts."""
CARD: Final = "card.json"
REMEDY: Final = "git checkout -- models/language` or `python -m models.language.train"


def load_card(folder: Path = FOLDER) -> dict[str, Any]:
    """The model card's data; ModelError if it is missing or what is used of it is damaged."""
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
    """One file's content, checked against the card's SHA-256."""
    path = folder / name
    expected = load_card(folder)["files"].get(name, {}).get("sha256")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"weights {path} are missing; run `{REMEDY}`") from error
    if hashlib.sha256(content).hexdigest() != expected:
        raise ModelError(f"weights {path} do not match their card (SHA-256); run `{REMEDY}`")
    return content


def load_tokenizer(folder: Path = FOLDER) -> WordTokenizer:
    """The shipped tokenizer."""
    return WordTokenizer(load_file(TOKENIZER, folder).decode(), TOKENIZER, REMEDY)


def load_parser(
    weights: bytes | None = None,
    threads: int = 1,
    calibration: Calibration | None = None,
    tokenizer_from: Path | None = None,
) -> Parser:
    """A loaded and warm parser; all that is shipped unless something else is given.

    Args:
        weights: the serialised network.
        threads: of one inference.
        calibration: instead of the card's.
        tokenizer_from: a folder whose tokenizer is read as it is, before there is a card.
    """
    content = load_file(NETWORK) if weights is None else weights
    backend = OnnxRuntimeBackend(content, NETWORK, threads, REMEDY)
    backend.warm_up()
    if tokenizer_from is None:
        tokenizer = load_tokenizer()
    else:
        tokenizer = load(tokenizer_from / TOKENIZER, REMEDY)
    return Parser(backend, tokenizer, calibration or calibration_of(load_card()))
