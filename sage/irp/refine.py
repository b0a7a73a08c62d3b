"""The one refinement loop: ``Refinement.advance`` makes a step, ``refine`` makes them all."""

from __future__ import annotations

import itertools
import math
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from numbers import Number
from types import MappingProxyType
from typing import Any, Generic, Protocol, TypeVar

from sage.irp.errors import ConfigError, PluginError, ProcessDiedError
from sage.irp.halting import HaltPolicy, HaltReason
from sage.irp.meter import Meter
from sage.irp.plugin import Context, IRPPlugin
from sage.irp.trajectory import Outcome, StepRecord, Trajectory

S = TypeVar("S")
R = TypeVar("R")

NO_CONTEXT: Context = MappingProxyType({})
_identities = itertools.count()
_isfinite = math.isfinite
_BY_IDENTITY: Any = object.__eq__
_FEASIBLE, _STABLE = HaltReason.FEASIBLE, HaltReason.STABLE
_closing = threading.Lock()  # held for a few instructions, once per refinement


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
        answer_s: what reading the answer takes: so much is left before the deadline.
        on_step: watches each finished step; one that raises is logged and not called again.
        stopwatch: measures what a step costs, in seconds.

    Raises:
        ConfigError: a deadline without a clock, or a time that is not a number.
    """

    __slots__ = (
        "_best",
        "_best_energy",
        "_cancelled",
        "_clock",
        "_context",
        "_deadline_s",
        "_name",
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
        answer_s: float = 0.0,
        on_step: Callable[[StepRecord], None] | None = None,
        stopwatch: Callable[[], float] = time.perf_counter,
    ) -> None:
        if deadline_s is not None and clock is None:
            raise ConfigError(f"a deadline ({deadline_s} s) needs a clock to be read on")
        if deadline_s is not None and math.isnan(deadline_s):
            raise ConfigError("deadline_s must be a time in seconds, got nan")
        if expected_step_s is not None and not 0.0 <= expected_step_s < math.inf:
            raise ConfigError(
                f"expected_step_s must be finite and not negative, got {expected_step_s}"
            )
        if not 0.0 <= answer_s < math.inf:
            raise ConfigError(f"answer_s must be finite and not negative, got {answer_s}")
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
        self._deadline_s = None if deadline_s is None else deadline_s - answer_s
        self._next_step_s = expected_step_s
        self._on_step = on_step
        self._stopwatch = stopwatch
        self._settled: Callable[[S, S], HaltReason | None] | None = getattr(plugin, "settled", None)
        self._name: str = getattr(plugin, "name", type(plugin).__name__)
        self._cancelled = False
        self._state: Any = None  # an S from the first finished step on
        self._best: Any = None
        self._best_energy = math.inf

    @property
    def done(self) -> bool:
        """Whether it has ended; ``outcome`` is set then."""
        return self.outcome is not None

    @property
    def plugin(self) -> IRPPlugin[S, R]:
        """Whose refinement it is."""
        return self._plugin

    @property
    def next_step_s(self) -> float:
        """What its next step is expected to cost, in seconds; 0 while nothing is known."""
        return self._next_step_s or 0.0

    def cancel(self) -> None:
        """End before the next step, with the best answer so far; safe from any thread."""
        self._cancelled = True

    def abandon(self, error: BaseException) -> Outcome[R]:
        """End it from outside, without touching the plugin again: its step never came back.

        Safe from any thread. Should that step come back after all, it is neither recorded nor
        charged; one that had already ended keeps its outcome.
        """
        trajectory = self._trajectory(HaltReason.FAILED)
        return self._close(Outcome(None, trajectory, False, error, self.identity))

    def advance(self) -> bool:
        """Make one step: step, project, energy, spend, and look whether to stop.

        Returns:
            True while there is a next step to make; False once ``outcome`` is set. What the
            plugin raises ends the refinement as FAILED, with the best answer so far; a
            ``KeyboardInterrupt`` and its like pass through and leave it as it was.
        """
        if not self._ready():
            return False
        began_s = self._stopwatch()
        try:
            previous = self._previous()
            state = self._plugin.step(previous)
        except Exception as error:
            return self._fail(error, self._stopwatch() - began_s)
        return self._absorb(previous, state, began_s)

    def _ready(self) -> bool:
        """Whether there is a step to make; it closes where there is none any more."""
        if self.outcome is not None:
            return False
        if self._cancelled:
            return self._halt(HaltReason.CANCELLED)
        if self.energies and (exhausted := self._exhausted()) is not None:
            return self._halt(exhausted)
        return True

    def _previous(self) -> S:
        """The state that the next step starts from."""
        if self.energies:
            state: S = self._state
            return state
        return self._plugin.init_state(self._observation, self._context)

    def _absorb(self, previous: S, state: S, began_s: float) -> bool:
        """All that follows a plugin's step: feasibility, energy, cost, and whether to go on.

        Args:
            previous: what the step started from.
            state: what it gave.
            began_s: the stopwatch's time at which this step began; it costs all since then.
        """
        energies = self.energies
        plugin = self._plugin
        stopwatch = self._stopwatch
        try:
            state = plugin.project(state)
            energy = plugin.energy(state)
            if not _isfinite(energy):  # a TypeError for what is not a number at all
                raise PluginError(f"plugin {self._name!r}: energy is {energy}")
            energy = float(energy)  # numpy scalars end here
        except Exception as error:
            return self._fail(error, stopwatch() - began_s)
        reason: HaltReason | None = None
        failure: Exception | None = None
        if self._settled is not None:
            try:
                reason = self._settled(previous, state)
                if not (reason is None or reason is _FEASIBLE or reason is _STABLE):
                    raise PluginError(
                        f"plugin {self._name!r}: settled() must return FEASIBLE, STABLE or None, "
                        f"got {reason!r}"
                    )
            except Exception as error:
                failure = error
        cost_s = stopwatch() - began_s
        if self.outcome is not None:  # abandoned while it stepped
            return False
        self.meter.charge_s(cost_s)
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
        if energy < self._best_energy:
            self._best, self._best_energy = state, energy
        if self._on_step is not None:
            try:
                self._on_step(StepRecord(self._name, self.identity, index, energy, cost_s))
            except Exception:
                self._drop_watcher()
        if failure is not None:
            return self._halt(HaltReason.FAILED, failure)
        policy = self._policy
        if reason is None and policy.converged(energies):
            reason = HaltReason.CONVERGED
        # A step that changes nothing is no saving, whatever it and its energy say.
        may_be_stuck = reason is not None or (index and energy == energies[index - 1])
        if may_be_stuck and unchanged(previous, state):
            reason = HaltReason.STUCK
        if reason is None and index + 1 >= policy.max_steps:
            reason = HaltReason.MAX_STEPS
        if reason is not None:
            return self._halt(reason)
        return self.outcome is None

    def _exhausted(self) -> HaltReason | None:
        """Whether time or ATP would run out during the next step."""
        cost_s = self._next_step_s or 0.0
        if self._deadline_s is not None:
            assert self._clock is not None
            if self._clock.now_s() + cost_s > self._deadline_s:
                return HaltReason.DEADLINE
        meter = self.meter
        if not meter.affords_s(cost_s):
            return HaltReason.BUDGET
        return None

    def _can_wait(self, together_s: float) -> bool:
        """Whether the deadline leaves time for a step shared with others."""
        if self._deadline_s is None or not self.energies:
            return True
        assert self._clock is not None
        return self._clock.now_s() + together_s <= self._deadline_s

    def _fail(self, error: Exception, cost_s: float) -> bool:
        """A step that gave nothing: charge it, and keep what there was before."""
        if self.outcome is None:
            if isinstance(error, ProcessDiedError):
                cost_s = 0.0
            self.meter.charge_s(cost_s)
            self._halt(HaltReason.FAILED, error, cost_s)
        return False

    def _halt(
        self, reason: HaltReason, error: Exception | None = None, failed_step_cost_s: float = 0.0
    ) -> bool:
        """Read the answer from the best state, and close."""
        result: R | None = None
        answered = False
        cost_s = 0.0
        if self.energies:
            began_s = self._stopwatch()
            try:
                result = self._plugin.result(self._best)
                answered = True
            except Exception as failure:
                reason, error = HaltReason.FAILED, failure
            cost_s = self._stopwatch() - began_s
            if not self.done:  # not abandoned meanwhile
                self.meter.charge_s(cost_s)
        trajectory = self._trajectory(reason, cost_s, failed_step_cost_s)
        self._close(Outcome(result, trajectory, answered, error, self.identity))
        self._state = self._best = None
        return False

    def _close(self, outcome: Outcome[R]) -> Outcome[R]:
        """The first verdict stands, whichever thread brings it."""
        with _closing:
            if self.outcome is None:
                self.outcome = outcome
            return self.outcome

    def _trajectory(
        self, reason: HaltReason, result_cost_s: float = 0.0, failed_step_cost_s: float = 0.0
    ) -> Trajectory:
        # Costs first: another thread may be adding a step, and it adds the energy before the cost.
        costs_s = tuple(self.costs_s)
        energies = tuple(self.energies[: len(costs_s)])
        return Trajectory(
            energies,
            costs_s,
            energies.index(min(energies)) if energies else -1,
            reason,
            self._policy.max_steps,
            result_cost_s,
            failed_step_cost_s,
        )

    def _drop_watcher(self) -> None:
        import logging  # here, because the contract must load quickly and this never happens

        logging.getLogger(__name__).exception("on_step %r removed: it raised", self._on_step)
        self._on_step = None


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
    """Whether two states hold the same values, whatever they are made of.

    Numbers that are not a number equal each other here. What cannot be compared counts as changed.
    """
    try:
        return _same(before, after)
    except Exception:  # an array's ambiguous truth, a cycle, a comparison that raises
        return False


def _same(before: Any, after: Any) -> bool:
    if before is after:
        return True
    if type(before) is not type(after):
        return False
    numpy = sys.modules.get("numpy")  # whoever holds an array has imported it
    if numpy is not None and isinstance(before, numpy.ndarray):
        return bool(numpy.array_equal(before, after, equal_nan=before.dtype.kind in "fc"))
    if isinstance(before, Number):  # numpy's scalars are registered as such
        return bool(before == after or (before != before and after != after))
    if is_dataclass(before):
        return all(
            _same(getattr(before, item.name), getattr(after, item.name)) for item in fields(before)
        )
    if isinstance(before, Mapping):
        return before.keys() == after.keys() and all(
            _same(value, after[key]) for key, value in before.items()
        )
    if isinstance(before, tuple | list):
        return len(before) == len(after) and all(map(_same, before, after))
    if type(before).__eq__ is _BY_IDENTITY:  # compares by identity: look at its parts
        return _same(before.__reduce_ex__(4), after.__reduce_ex__(4))
    return bool(before == after)
