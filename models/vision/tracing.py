"""Refine frames with the exported graphs, step by step; the plugin's steps are the same ones."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from models.backends import Backend, OnnxRuntimeBackend
from models.vision.halting import FLAT_STEPS
from models.vision.judgement import (
    counted,
    expected_errors,
    expected_gains,
    gave_something,
    patch_weights,
    steadied,
    unseen_errors,
)
from models.vision.layout import LATENT_CELLS, PATCHES, STEPS
from models.vision.observing import network_input
from models.vision.reading import things_in
from models.vision.windows import best_window, cut, pasted, visited

Backends = Mapping[str, OnnxRuntimeBackend]
Float32Array = npt.NDArray[np.float32]
UInt8Array = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]

_NO_LOOKS: Final = np.zeros((LATENT_CELLS, LATENT_CELLS), np.uint8)
_ALL_SEEN: Final = np.zeros((PATCHES, PATCHES), np.float32)


@dataclass(frozen=True, slots=True)
class Refined:
    """A frame being refined. Network arrays are float32 with a leading batch axis of 1.

    ``latent`` (1, 256, 7, 7); ``glance`` (1, 48, 28, 28) and ``context`` (1, 66), what the
    first look at the frame told of its patches, and of it all;
    ``thought`` (1, 48, 28, 28), which begins there and is what the steps hand on to each other;
    ``observed`` (1, 64, 28, 28), the components of the frame's patches;
    ``missing`` (1, 16, 28, 28), what of them was not delivered. ``errors`` (2, 28, 28) are the
    squared errors that the patches are expected to have (pixels in [0, 1]), now and after all
    steps, and ``unseen`` (28, 28) those that they have at least, far from all that was observed;
    ``weights`` (28, 28) say how much each counts. ``visits`` (7, 7) counts the looks at each cell,
    ``gave`` (7, 7) those that may have brought something; ``idle`` counts the latest ones in a row
    that cannot have, and ``steps`` all that were made. ``energy`` is the error expected of it all.
    """

    latent: Float32Array
    glance: Float32Array
    context: Float32Array
    thought: Float32Array
    observed: Float32Array
    missing: Float32Array
    weights: Float32Array
    unseen: Float32Array
    errors: Float32Array
    visits: UInt8Array
    gave: UInt8Array
    idle: int
    steps: int
    energy: float

    @property
    def remaining_db(self) -> float:
        """What all further steps together are expected to win, in dB."""
        now, settled = expected_errors(self.errors, self.weights, self.gave)
        return 10.0 * math.log10(now / settled)


R = TypeVar("R", bound=Refined)


def encoded(
    encode: Backend, picture: UInt8Array, missing: Float32Array, unseen: BoolArray | None = None
) -> dict[str, Any]:
    """The fields of a :class:`Refined` before the first step.

    Args:
        encode: the encoder's graph.
        picture: (224, 224, 3) and ``missing`` (1, 16, 28, 28) as the graphs take them.
        unseen: (224, 224), pixels of which nothing is known; None where a frame is complete.
    """
    out = encode.infer({"frame": picture[None], "missing": missing})
    weights = patch_weights(missing)
    least = _ALL_SEEN if unseen is None else unseen_errors(unseen)
    errors = np.maximum(out["errors"][0], least)
    return {
        "latent": out["latent"],
        "thought": out["glance"],
        "glance": out["glance"],
        "context": out["context"],
        "observed": out["observed"],
        "missing": missing,
        "weights": weights,
        "unseen": least,
        "errors": errors,
        "visits": _NO_LOOKS,
        "gave": _NO_LOOKS,
        "idle": 0,
        "steps": 0,
        "energy": expected_errors(errors, weights, _NO_LOOKS)[0],
    }


def stepped(step: Backend, state: R) -> R:
    """One refinement step, of the window where most is to be gained, and what it brought.

    The state itself where nothing came of it: of this step anything at all, or of the looks at all
    of the frame what was hoped for. It must not look like a step, nor what follows like a saving.
    """
    if state.idle >= FLAT_STEPS:
        return state
    at = best_window(expected_gains(state.errors, state.weights), state.visits)
    observed, missing = cut(state.observed, at), cut(state.missing, at)
    latent = cut(state.latent, at)
    out = step.infer(
        {
            "latent": latent,
            "thought": cut(state.thought, at),
            "observed": observed,
            "missing": missing,
            "glance": cut(state.glance, at),
            "context": state.context,
            "step": np.array(state.steps, np.int64),
        }
    )
    moved = out["next_latent"] - latent
    if not moved.any():
        return state
    hoped, part = cut(state.errors[None], at)[0], cut(counted(state.missing)[None, None], at)[0, 0]
    gave = gave_something(moved, hoped, part)
    told = np.maximum(out["errors"], cut(state.unseen[None, None], at))
    if not gave:  # nothing has become better, and what was hoped for stands: nobody has tried yet
        told[:, 0] = np.maximum(told[:, 0], hoped[0])
        told[:, 1] = np.minimum(told[:, 1], hoped[1])
    errors = pasted(state.errors[None], told, at)[0]
    given = visited(state.gave, at) if gave else state.gave
    estimate, _ = expected_errors(errors, state.weights, given)
    return replace(
        state,
        latent=pasted(state.latent, out["next_latent"], at),
        thought=pasted(state.thought, out["next_thought"], at),
        errors=errors,
        visits=visited(state.visits, at),
        gave=given,
        idle=0 if gave else state.idle + 1,
        steps=state.steps + 1,
        energy=estimate if state.steps == 0 else steadied(estimate, state.energy),
    )


@dataclass(frozen=True, slots=True)
class Trace:
    """One frame refined: ``latents`` from the first on, each (1, 256, 7, 7), and ``errors``
    (steps + 1, 2): the energy of each, and what is expected of it after all steps."""

    latents: list[Float32Array]
    errors: npt.NDArray[np.float64]


def refine_frame(
    graphs: Backends,
    seen: UInt8Array,
    missing: BoolArray | None = None,
    steps: int = STEPS,
) -> Trace:
    """Encode a (224, 224, 3) frame and refine it by ``steps`` steps, halting nowhere."""
    picture, cells = network_input(seen, missing)
    state = Refined(**encoded(graphs["encode"], picture, cells, missing))
    latents, errors = [], []
    for step in range(steps + 1):
        if step:
            state = stepped(graphs["step"], state)
        latents.append(state.latent)
        now, settled = expected_errors(state.errors, state.weights, state.gave)
        errors.append((state.energy, state.energy * settled / now))
    return Trace(latents, np.array(errors, np.float64))


def latency_ms(
    graphs: Backends, frame: npt.NDArray[np.uint8], runs: int = 60
) -> dict[str, dict[str, float]]:
    """p50 and p95 in milliseconds, warm, of each graph, and of a frame with all steps and one
    reading."""
    picture, cells = network_input(frame)
    whole: dict[str, npt.NDArray[Any]] = {"frame": picture[None], "missing": cells}
    encoded = graphs["encode"].infer(whole)
    parts = {"missing": cells, "thought": encoded["glance"]}
    parts |= {name: encoded[name] for name in ("latent", "observed", "glance")}
    window = {name: cut(part, (0, 0)) for name, part in parts.items()}
    inputs: dict[str, dict[str, npt.NDArray[Any]]] = {
        "encode": whole,
        "step": {**window, "context": encoded["context"], "step": np.array(1, np.int64)},
        "read": {"latent": encoded["latent"]},
        "decode": {"latent": encoded["latent"]},
    }
    times: dict[str, list[float]] = {name: [] for name in (*inputs, "frame")}
    for _ in range(runs):
        for name, values in inputs.items():
            started = time.perf_counter()
            graphs[name].infer(values)
            times[name].append(time.perf_counter() - started)
        started = time.perf_counter()
        latent = refine_frame(graphs, frame).latents[-1]
        things_in(graphs["read"].infer({"latent": latent})["maps"][0])
        times["frame"].append(time.perf_counter() - started)
    return {
        name: {f"p{q}": 1e3 * float(np.percentile(values, q)) for q in (50, 95)}
        for name, values in times.items()
    }
