"""What halting is held against: the same number of steps for every frame, planned beforehand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Final, Protocol

import numpy as np

from benchmarks.vision_curves import observation_of
from models.vision import artifacts
from models.vision.degradation import Degraded
from models.vision.layout import LATENT_CELLS, WINDOW
from models.vision.windows import cut, pasted
from plugins.vision import VisionPlugin, VisionState
from sage.values import UInt8Array

#: Where the windows of a sweep lie: side by side, the last ones at the frame's edge.
_STARTS: Final = (*range(0, LATENT_CELLS - WINDOW, WINDOW), LATENT_CELLS - WINDOW)
SWEEP: Final = tuple(product(_STARTS, _STARTS))


class Schedule(Protocol):
    """A plan that never looks at how far a frame has come."""

    def run(self, harmed: Degraded, steps: int) -> UInt8Array:
        """The restored picture after so many steps."""
        ...

    def after_each(self, harmed: Degraded, steps: int) -> Iterator[UInt8Array]:
        """The pictures before the first step and after each."""
        ...


class Guided:
    """The plugin's own steps, so many of them, each where the error head expects most."""

    def __init__(self, vision: VisionPlugin) -> None:
        self._vision = vision

    def run(self, harmed: Degraded, steps: int) -> UInt8Array:
        """The error head is paid for: it says where to look."""
        state = self._vision.init_state(observation_of(harmed, 0), {})
        for _ in range(steps):
            state = self._vision.step(state)
        return self._vision.restored(state)

    def after_each(self, harmed: Degraded, steps: int) -> Iterator[UInt8Array]:
        """One after the other."""
        state = self._vision.init_state(observation_of(harmed, 0), {})
        yield self._vision.restored(state)
        for _ in range(steps):
            state = self._vision.step(state)
            yield self._vision.restored(state)


class Sweeps:
    """The same steps over the whole frame, window by window in reading order, again and again.

    No step pays for an error head (the encoder's graph brings its one judgement along). ``weights``
    are the plugin's.
    """

    def __init__(self, vision: VisionPlugin, weights: Mapping[str, bytes] | None = None) -> None:
        self._vision = vision
        self._step = artifacts.backends(weights, vision.config.threads)["step"]

    def run(self, harmed: Degraded, steps: int) -> UInt8Array:
        """Encode, step, decode."""
        *_, last = self._states(harmed, steps)
        return self._vision.restored(last)

    def after_each(self, harmed: Degraded, steps: int) -> Iterator[UInt8Array]:
        """One after the other."""
        return map(self._vision.restored, self._states(harmed, steps))

    def _states(self, harmed: Degraded, steps: int) -> Iterator[VisionState]:
        start = self._vision.init_state(observation_of(harmed, 0), {})
        latent, thought = start.latent, start.thought
        yield start
        for step in range(steps):
            at = SWEEP[step % len(SWEEP)]
            out = self._step.infer(
                {
                    "latent": cut(latent, at),
                    "thought": cut(thought, at),
                    "observed": cut(start.observed, at),
                    "missing": cut(start.missing, at),
                    "step": np.array(step, np.int64),
                }
            )
            latent = pasted(latent, out["next_latent"], at)
            thought = pasted(thought, out["next_thought"], at)
            yield replace(start, latent=latent)
