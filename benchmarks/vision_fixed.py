"""What halting is held against: the same number of steps for every frame, planned beforehand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Final, Protocol

import numpy as np

from benchmarks.vision_curves import observation_of
from models.backends import OnnxRuntimeBackend
from models.vision import artifacts
from models.vision.degradation import Degraded
from models.vision.layout import LATENT_CELLS, WINDOW
from models.vision.windows import cut, pasted
from plugins.vision import VisionPlugin, VisionState
from sage.irp.errors import ModelError
from sage.values import UInt8Array

#: Where the windows of a sweep lie: side by side, the last ones at the frame's edge.
_STARTS: Final = (*range(0, LATENT_CELLS - WINDOW, WINDOW), LATENT_CELLS - WINDOW)
SWEEP: Final = tuple(product(_STARTS, _STARTS))
_PARTS: Final = ("latent", "thought", "observed", "missing", "glance")


def unjudged(step: bytes) -> bytes:
    """The step's graph without what only its expected errors need; ModelError without onnx."""
    try:
        import onnx
    except ImportError as error:
        raise ModelError("the error head is cut out by onnx; `pip install onnx`") from error
    proto = onnx.load_from_string(step)
    kept = [output for output in proto.graph.output if output.name != "errors"]
    del proto.graph.output[:]
    proto.graph.output.extend(kept)
    return bytes(proto.SerializeToString())


def whole(step: bytes) -> bytes:
    """The unjudged step's graph for whole frames: it is of convolutions, which have no size."""
    import onnx

    proto = onnx.load_from_string(step)
    del proto.graph.value_info[:]
    for value in (*proto.graph.input, *proto.graph.output):
        for side in value.type.tensor_type.shape.dim[2:]:
            side.dim_value = side.dim_value * LATENT_CELLS // WINDOW
    return bytes(proto.SerializeToString())


class Schedule(Protocol):
    """A plan that never looks at how far a frame has come."""

    def run(self, harmed: Degraded, steps: int) -> VisionState:
        """The state after so many steps."""
        ...

    def after_each(self, harmed: Degraded, steps: int) -> Iterator[UInt8Array]:
        """The pictures before the first step and after each."""
        ...


class Guided:
    """The plugin's own steps, so many of them, each where the error head expects most."""

    def __init__(self, vision: VisionPlugin) -> None:
        self._vision = vision

    def run(self, harmed: Degraded, steps: int) -> VisionState:
        """The error head is paid for: it says where to look."""
        state = self._vision.init_state(observation_of(harmed, 0), {})
        for _ in range(steps):
            state = self._vision.step(state)
        return state

    def after_each(self, harmed: Degraded, steps: int) -> Iterator[UInt8Array]:
        """One after the other."""
        state = self._vision.init_state(observation_of(harmed, 0), {})
        yield self._vision.restored(state)
        for _ in range(steps):
            state = self._vision.step(state)
            yield self._vision.restored(state)


class Sweeps:
    """The same steps over the whole frame, window by window in reading order, again and again.

    No step pays for an error head, which is cut out of its graph (the encoder's brings its one
    judgement along). ``weights`` are the plugin's.
    """

    def __init__(self, vision: VisionPlugin, weights: Mapping[str, bytes] | None = None) -> None:
        self._vision = vision
        chosen = artifacts.load_weights() if weights is None else weights
        self._step = OnnxRuntimeBackend(
            self._graph(chosen["step"]), "step without judgement", vision.config.threads
        )
        self._step.warm_up()

    def run(self, harmed: Degraded, steps: int) -> VisionState:
        """Encode and step."""
        *_, last = self._states(harmed, steps)
        return last

    def after_each(self, harmed: Degraded, steps: int) -> Iterator[UInt8Array]:
        """One after the other."""
        return map(self._vision.restored, self._states(harmed, steps))

    def _graph(self, step: bytes) -> bytes:
        return unjudged(step)

    def _states(self, harmed: Degraded, steps: int) -> Iterator[VisionState]:
        state = self._vision.init_state(observation_of(harmed, 0), {})
        yield state
        for step in range(steps):
            state = self._next(state, step)
            yield state

    def _next(self, state: VisionState, step: int) -> VisionState:
        at = SWEEP[step % len(SWEEP)]
        parts = {name: cut(getattr(state, name), at) for name in _PARTS}
        out = self._step.infer(
            {**parts, "context": state.context, "step": np.array(step, np.int64)}
        )
        return replace(
            state,
            latent=pasted(state.latent, out["next_latent"], at),
            thought=pasted(state.thought, out["next_thought"], at),
        )


class Passes(Sweeps):
    """The refiner over the whole frame in one call, again and again: no step of the plugin, which
    takes a part of the frame so that it can end between, but what one would do who never ends."""

    def _graph(self, step: bytes) -> bytes:
        return whole(unjudged(step))

    def _next(self, state: VisionState, step: int) -> VisionState:
        parts = {name: getattr(state, name) for name in _PARTS}
        number = np.array(step * len(SWEEP), np.int64)
        out = self._step.infer({**parts, "context": state.context, "step": number})
        return replace(state, latent=out["next_latent"], thought=out["next_thought"])
