"""The shipped weights: three ONNX files beside this module and the card that describes them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.backends import OnnxRuntimeBackend
from sage.irp.errors import ModelError

FOLDER: Final = Path(__file__).parent
GRAPHS: Final = ("encode", "step", "read")
CARD: Final = "card.json"
REMEDY: Final = "git checkout -- models/vision` or `python -m models.vision.train"


def load_card(folder: Path = FOLDER) -> dict[str, Any]:
    """The model card's data; ModelError if it is missing or damaged."""
    path = folder / CARD
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"model card {path} is missing; run `{REMEDY}`") from error
    except ValueError as error:
        raise ModelError(f"model card {path} is damaged ({error}); run `{REMEDY}`") from error
    if not isinstance(card, dict) or not {"files", "calibration"} <= card.keys():
        raise ModelError(f"model card {path} lacks 'files' or 'calibration'; run `{REMEDY}`")
    return card


def load_weights(folder: Path = FOLDER) -> dict[str, bytes]:
    """Graph name to serialised ONNX model, each checked against the card's SHA-256."""
    files = load_card(folder)["files"]
    weights = {}
    for graph in GRAPHS:
        path = folder / f"{graph}.onnx"
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ModelError(f"weights {path} are missing; run `{REMEDY}`") from error
        expected = files.get(path.name, {}).get("sha256")
        if hashlib.sha256(content).hexdigest() != expected:
            raise ModelError(f"weights {path} do not match their card (SHA-256); run `{REMEDY}`")
        weights[graph] = content
    return weights


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
