"""The one refinement loop: ``Refinement.advance`` makes a step, ``refine`` makes them all."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from types import MappingProxyType
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from sage.irp.errors import PluginError
from sage.irp.halting import HaltPolicy, HaltReason
from sage.irp.meter import Meter
from sage.irp.plugin import Context, IRPPlugin
from sage.irp.trajectory import Outcome, StepRecord, Trajectory

S = TypeVar("S")
R = TypeVar("R")

NO_CONTEXT: Context = MappingProxyType({})
_identities = itertools.count()
_isfinite = math.isfinite


class _Clock(Protocol):
    def now_s(self) -> float: ...


class Refinement(Generic[S, R]):
    """One observation on its way to an answer.

    Args:
        plugin: the maths; this class owns the loop.
        observation: handed to ``plugin.init_state`` as it is.
        context: read-only snapshot for ``init_state``.
        policy: when to stop; the plugin's own ``halting`` by default.
        meter: what may be spent; unlimited by default. It stays live: a grant that changes
            between two steps counts at the next one.
        clock: where ``deadline_s`` is read; needed only with a deadline.
        deadline_s: the time by which the answer must be there. The first step runs even if it
            has passed.
        expected_step_s: what a step is expected to cost before one was measured.
        on_step: called after each step; what it raises reaches the caller of ``advance``.
        stopwatch: measures what a step costs, in seconds.
    """

    __slots__ = (
        "_best",
        "_best_step",
        "_cancelled",
        "_clock",
        "_context",
        "_deadline_s",
        "_next_step_s",
        "_observation",
        "_on_step",
        "_plugin",
        "_policy",
        "_settled",
        "_state",
        "_stopwatch",
        "costs_s",
        "energies",
        "identity",
        "meter",
        "outcome",
    )

    def __init__(
        self,
        plugin: IRPPlugin[S, R],
        observation: Any,
        *,
        context: Context = NO_CONTEXT,
        policy: HaltPolicy | None = None,
        meter: Meter | None = None,
        clock: _Clock | None = None,
        deadline_s: float | None = None,
        expected_step_s: float | None = None,
        on_step: Callable[[StepRecord], None] | None = None,
        stopwatch: Callable[[], float] = time.perf_counter,
    ) -> None:
        if deadline_s is not None and clock is None:
            raise PluginError(f"a deadline ({deadline_s} s) needs a clock to be read on")
        self.identity = next(_identities)
        self.meter = meter if meter is not None else Meter()
        self.energies: list[float] = []
        self.costs_s: list[float] = []
        self.outcome: Outcome[R] | None = None
        self._plugin = plugin
        self._observation = observation
        self._context = context
        self._policy = policy if policy is not None else plugin.halting
        self._clock = clock
        self._deadline_s = deadline_s
        self._next_step_s = expected_step_s
        self._on_step = on_step
        self._stopwatch = stopwatch
        self._settled: Callable[[S, S], HaltReason | None] | None = getattr(plugin, "settled", None)
        self._cancelled = False
        self._state: S | None = None
        self._best: S | None = None
        self._best_step = -1

    @property
    def done(self) -> bool:
        """Whether it has ended; ``outcome`` is set then."""
        return self.outcome is not None

    def cancel(self) -> None:
        """End before the next step, with the best answer so far; safe from any thread."""
        self._cancelled = True

    def abandon(self, error: BaseException) -> Outcome[R]:
        """End it from outside, without touching the plugin again: its step never came back."""
        if self.outcome is None:
            self.outcome = Outcome(None, self._trajectory(HaltReason.FAILED), False, error)
        return self.outcome

    def advance(self) -> bool:
        """Make one step: step, project, energy, spend, and look whether to stop.

        Returns:
            True while there is a next step to make; False once ``outcome`` is set. What the
            plugin raises ends the refinement as FAILED, with the best answer so far.
        """
        energies = self.energies
        if self.outcome is not None:
            return False
        if self._cancelled:
            return self._halt(HaltReason.CANCELLED)
        if energies and (reason := self._exhausted()) is not None:
            return self._halt(reason)
        plugin = self._plugin
        stopwatch = self._stopwatch
        began_s = stopwatch()
        try:
            previous = self._state
            if previous is None:
                previous = plugin.init_state(self._observation, self._context)
            state = plugin.project(plugin.step(previous))
            energy = float(plugin.energy(state))
        except Exception as error:
            self.meter.charge_s(stopwatch() - began_s)
            return self._halt(HaltReason.FAILED, error)
        cost_s = stopwatch() - began_s
        self.meter.charge_s(cost_s)
        if not _isfinite(energy):
            return self._halt(
                HaltReason.FAILED, PluginError(f"plugin {plugin.name!r}: energy is {energy}")
            )
        index = len(energies)
        energies.append(energy)
        self.costs_s.append(cost_s)
        self._state = state
        # The first cost includes init_state; a later step is predicted by the dearest later one.
        if index == 0:
            if self._next_step_s is None:
                self._next_step_s = cost_s
        elif index == 1 or cost_s > self._next_step_s:  # type: ignore[operator]
            self._next_step_s = cost_s
        best_step = self._best_step
        if best_step < 0 or energy < energies[best_step]:
            self._best, self._best_step = state, index
        if self._on_step is not None:
            self._on_step(StepRecord(plugin.name, self.identity, index, energy, cost_s))
        if self._settled is not None:
            try:
                reason = self._settled(previous, state)
            except Exception as error:
                return self._halt(HaltReason.FAILED, error)
            if reason is not None:
                return self._halt(reason)
        policy = self._policy
        if index and energy == energies[index - 1] and unchanged(previous, state):
            return self._halt(HaltReason.STUCK)
        if policy.converged(energies):
            return self._halt(HaltReason.CONVERGED)
        if index + 1 >= policy.max_steps:
            return self._halt(HaltReason.MAX_STEPS)
        return True

    def _exhausted(self) -> HaltReason | None:
        """Whether time or ATP would run out during the next step."""
        cost_s = self._next_step_s or 0.0
        if self._deadline_s is not None:
            assert self._clock is not None
            if self._clock.now_s() + cost_s > self._deadline_s:
                return HaltReason.DEADLINE
        meter = self.meter
        if meter.spent_atp >= meter.granted_atp or not meter.affords_s(cost_s):
            return HaltReason.BUDGET
        return None

    def _halt(self, reason: HaltReason, error: BaseException | None = None) -> bool:
        """Read the answer from the best state, and close."""
        result: R | None = None
        answered = False
        cost_s = 0.0
        if self._best_step >= 0:
            began_s = self._stopwatch()
            try:
                result = self._plugin.result(self._best)  # type: ignore[arg-type]
                answered = True
            except Exception as failure:
                reason, error = HaltReason.FAILED, failure
            cost_s = self._stopwatch() - began_s
            self.meter.charge_s(cost_s)
        if self.outcome is None:  # abandoned meanwhile: that verdict stands
            self.outcome = Outcome(result, self._trajectory(reason, cost_s), answered, error)
        self._state = self._best = None
        return False

    def _trajectory(self, reason: HaltReason, result_cost_s: float = 0.0) -> Trajectory:
        return Trajectory(
            tuple(self.energies),
            tuple(self.costs_s),
            self._best_step,
            reason,
            self._policy.max_steps,
            result_cost_s,
        )


def refine(plugin: IRPPlugin[S, R], observation: Any, **options: Any) -> Outcome[R]:
    """Refine one observation to the end; ``options`` are those of :class:`Refinement`.

    Example:
        >>> refine(plugin, frame, deadline_s=clock.now_s() + 0.02, clock=clock).result
    """
    refinement: Refinement[S, R] = Refinement(plugin, observation, **options)
    while refinement.advance():
        pass
    assert refinement.outcome is not None
    return refinement.outcome


def unchanged(before: Any, after: Any) -> bool:
    """Whether two states hold the same values, whatever they are made of."""
    if before is after:
        return True
    if type(before) is not type(after):
        return False
    if isinstance(before, np.ndarray):
        return bool(np.array_equal(before, after, equal_nan=before.dtype.kind in "fc"))
    if is_dataclass(before):
        return all(
            unchanged(getattr(before, item.name), getattr(after, item.name))
            for item in fields(before)
        )
    if isinstance(before, Mapping):
        return before.keys() == after.keys() and all(
            unchanged(value, after[key]) for key, value in before.items()
        )
    if isinstance(before, tuple | list):
        return len(before) == len(after) and all(map(unchanged, before, after))
    try:
        return bool(before == after)
    except Exception:  # a state without a usable comparison counts as changed
        return False
