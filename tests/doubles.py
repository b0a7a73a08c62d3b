"""Strict doubles that several tests share: they do what their script says and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sage.clock import VirtualClock
from sage.irp import Context, HaltPolicy, Invariants, IRPPlugin, Refinement

INVARIANTS = Invariants("a counter", "none", "as scripted", "none")

PATIENT = HaltPolicy(max_steps=1000, slope_eps=0.0, window=1000)
"""A policy that lets a script run on: only an error, the meter or the clock ends it early."""


class Broken(Exception):
    """What a scripted plugin raises."""


@dataclass(frozen=True, slots=True)
class Counted:
    """How many steps were made; the whole state of a scripted plugin."""

    steps: int


class Scripted(IRPPlugin[Counted, int]):
    """A plugin whose n-th step has the n-th scripted energy, and whose answer is n (from 1).

    Args:
        energies: one per step; a step past the last one is a test's mistake and raises.
        raises: what to raise in which method at which step (from 0; ``init_state`` has 0).
        clock: moved on by ``init_s`` in ``init_state``, by ``costs_s`` (one number, or one per
            step) in ``step`` and by ``result_s`` in ``result``.
    """

    name = "scripted"
    invariants = INVARIANTS
    halting = PATIENT

    def __init__(
        self,
        energies: Sequence[Any],
        *,
        raises: Mapping[tuple[str, int], BaseException] | None = None,
        clock: VirtualClock | None = None,
        init_s: float = 0.0,
        costs_s: float | Sequence[float] = 0.0,
        result_s: float = 0.0,
    ) -> None:
        self.energies = tuple(energies)
        self.raises = dict(raises or {})
        self.clock = clock
        self.init_s = init_s
        self.costs_s = costs_s
        self.result_s = result_s
        self.calls: list[str] = []

    def init_state(self, observation: Any, context: Context) -> Counted:
        self._called("init_state", 0)
        self._spend(self.init_s)
        return Counted(0)

    def step(self, state: Counted) -> Counted:
        cost_s = self.costs_s
        self._spend(cost_s if isinstance(cost_s, float) else cost_s[state.steps])
        self._called("step", state.steps)
        return Counted(state.steps + 1)

    def project(self, state: Counted) -> Counted:
        self._called("project", state.steps - 1)
        return state

    def energy(self, state: Counted) -> float:
        self._called("energy", state.steps - 1)
        return self.energies[state.steps - 1]  # type: ignore[no-any-return]

    def result(self, state: Counted) -> int:
        self._spend(self.result_s)
        self._called("result", state.steps - 1)
        return state.steps

    def _called(self, method: str, step: int) -> None:
        self.calls.append(method)
        if (method, step) in self.raises:
            raise self.raises[method, step]

    def _spend(self, cost_s: float) -> None:
        if self.clock is not None:
            self.clock.advance_to(self.clock.now_s() + cost_s)


class Settling(Scripted):
    """A scripted plugin whose ``settled`` answers with ``verdicts[step]``; None past the last."""

    def __init__(
        self, energies: Sequence[Any], verdicts: Sequence[Any] = (), **options: Any
    ) -> None:
        super().__init__(energies, **options)
        self.verdicts = tuple(verdicts)

    def settled(self, previous: Counted, state: Counted) -> Any:
        self._called("settled", state.steps - 1)
        assert previous.steps == state.steps - 1
        return self.verdicts[previous.steps] if previous.steps < len(self.verdicts) else None


@dataclass(frozen=True, slots=True)
class Vector:
    """A state made of an array, as real plugins have it."""

    values: npt.NDArray[np.float64]


class Descent(IRPPlugin[Vector, npt.NDArray[np.float64]]):
    """A plugin that keeps the contract: halves the distance to 0 with each step."""

    name = "descent"
    invariants = Invariants("real vectors", "none", "squared length", "none")
    halting = HaltPolicy(max_steps=20)

    def init_state(self, observation: Any, context: Context) -> Vector:
        return Vector(np.asarray(observation, dtype=np.float64))

    def step(self, state: Vector) -> Vector:
        return Vector(0.5 * state.values)

    def project(self, state: Vector) -> Vector:
        return Vector(np.clip(state.values, -1.0, 1.0))

    def energy(self, state: Vector) -> float:
        return float(np.sum(state.values**2))

    def result(self, state: Vector) -> npt.NDArray[np.float64]:
        return state.values.copy()


def drive(refinement: Refinement[Any, Any], steps: int) -> None:
    """Make ``steps`` steps, none of which may be the last."""
    for _ in range(steps):
        assert refinement.advance()
