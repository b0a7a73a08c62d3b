"""The shipped weights: four ONNX files beside this module and the card that describes them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from models import artifacts as shipped
from models.backends import OnnxRuntimeBackend
from models.vision.reading import calibration_from
from sage.irp.errors import ModelError

FOLDER: Final = Path(__file__).parent
GRAPHS: Final = ("encode", "step", "decode", "read")
CARD: Final = shipped.CARD
REMEDY: Final = "git checkout -- models/vision` or `python -m models.vision.train"
#: No number of a card reaches it.
MAX_NUMBER: Final = 1e9


def load_card(folder: Path = FOLDER) -> dict[str, Any]:
    """The model card's data; ModelError if it is missing or what is used of it is damaged."""
    return shipped.load_card(folder, REMEDY, _fault)


def _fault(card: dict[str, Any]) -> str:
    """What is wrong with the part of a card that is used at run time; empty if nothing is."""
    for key in ("focal_px", "room_scale", "tolerance_db"):
        if not _is_number(card.get(key)) or not 0.0 < card[key] < MAX_NUMBER:
            found = repr(card[key])[:40] if key in card else "missing"
            return f"'{key}' is {found}; valid: a number above 0, below {MAX_NUMBER:g}"
    for name, entry in card["files"].items():
        tensors = entry.get("float16_tensors")
        if not isinstance(tensors, list) or not all(map(_is_span, tensors)):
            return f"'float16_tensors' of {name!r} must be pairs of offset and count"
    try:
        calibration_from(card)
    except ModelError as error:
        return str(error)
    return ""


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_span(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(type(item) is int and 0 <= item < MAX_NUMBER for item in value)
    )


def load_weights(folder: Path = FOLDER) -> dict[str, bytes]:
    """Graph name to serialised ONNX model, each checked against the card's SHA-256."""
    card = load_card(folder)
    return {graph: shipped.load_file(folder / f"{graph}.onnx", card, REMEDY) for graph in GRAPHS}


def random_weights(seed: int, folder: Path = FOLDER) -> dict[str, bytes]:
    """The same graphs with every weight tensor's values shuffled: the control of the benchmarks.

    The distribution of the weights stays as trained and so does the cost; what was learned goes.
    """
    files = load_card(folder)["files"]
    rng = np.random.default_rng(seed)
    shuffled = {}
    for graph, content in load_weights(folder).items():
        mutable = bytearray(content)
        for offset, count in files[f"{graph}.onnx"]["float16_tensors"]:
            if offset + 2 * count > len(mutable):
                raise ModelError(
                    f"model card {folder / CARD} is damaged (a tensor of {graph}.onnx ends beyond "
                    f"the file); run `{REMEDY}`"
                )
            values = np.frombuffer(mutable, np.float16, count, offset)
            values[:] = rng.permutation(values)
        shuffled[graph] = bytes(mutable)
    return shuffled


def backends(
    weights: Mapping[str, bytes] | None = None, threads: int = 1, folder: Path = FOLDER
) -> dict[str, OnnxRuntimeBackend]:
    """Loaded and warm backends by graph name; the shipped weights unless others are given."""
    chosen = load_weights(folder) if weights is None else weights
    out = {}
    for graph in GRAPHS:
        if graph not in chosen:
            raise ModelError(f"weights for {graph!r} are missing; needed are {', '.join(GRAPHS)}")
        backend = OnnxRuntimeBackend(chosen[graph], f"{graph}.onnx", threads, REMEDY)
        backend.warm_up()
        out[graph] = backend
    return out
