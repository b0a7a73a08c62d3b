"""Refine frames with the exported graphs step by step, as the plugin does, and time them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.backends import OnnxRuntimeBackend
from models.vision.judgement import expected_errors, expected_gains, patch_weights, steadied
from models.vision.layout import LATENT_CELLS, STEPS
from models.vision.observing import network_input
from models.vision.reading import things_in
from models.vision.windows import best_window, cut, pasted, visited

NO_VISITS: Final = np.zeros((LATENT_CELLS, LATENT_CELLS), np.uint8)

Backends = Mapping[str, OnnxRuntimeBackend]
Float32Array = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Trace:
    """One frame refined: ``latents`` from the first on, each (1, 256, 7, 7), and ``errors``
    (steps + 1, 2): the energy of each, and what is expected of it after all steps."""

    latents: list[Float32Array]
    errors: npt.NDArray[np.float64]


def refine_frame(
    graphs: Backends,
    seen: npt.NDArray[np.uint8],
    missing: BoolArray | None = None,
    steps: int = STEPS,
) -> Trace:
    """Encode a (224, 224, 3) frame and refine it by ``steps`` steps, halting nowhere."""
    picture, cells = network_input(seen, missing)
    state = graphs["encode"].infer({"frame": picture[None], "missing": cells})
    frame = {"observed": state["observed"], "missing": cells, "glance": state["glance"]}
    weights = patch_weights(cells)
    maps = state["errors"]
    latents, thought, visits = [state["latent"]], state["glance"], NO_VISITS
    errors: list[tuple[float, float]] = []
    for step in range(steps + 1):
        now, settled = expected_errors(maps[0], weights, visits)
        energy = now if step < 2 else steadied(now, errors[-1][0])
        errors.append((energy, energy * settled / now))
        if step == steps:
            break
        at = best_window(expected_gains(maps[0], weights), visits)
        window = {name: cut(part, at) for name, part in frame.items()}
        parts = {"latent": cut(latents[-1], at), "thought": cut(thought, at), **window}
        told = {"context": state["context"], "step": np.array(step, np.int64)}
        out = graphs["step"].infer({**parts, **told})
        latents.append(pasted(latents[-1], out["next_latent"], at))
        thought, visits = pasted(thought, out["next_thought"], at), visited(visits, at)
        maps = pasted(maps, out["errors"], at)
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
