"""The loop: one step per advance, best so far, reasons, no-op steps, cancelling."""

from __future__ import annotations

import itertools
import logging
import math
import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage.irp import (
    HaltPolicy,
    HaltReason,
    IRPPlugin,
    PluginError,
    Refinement,
    StepRecord,
    Trajectory,
    refine,
)
from tests.doubles import INVARIANTS, PATIENT, Broken, Descent, Scripted, Settling, drive

finite = st.floats(allow_nan=False, allow_infinity=False)
any_float = st.floats() | st.sampled_from([0.0, -0.0, math.nan, math.inf, -math.inf, 1.7e308])


# --- the loop ---


def test_one_advance_is_one_step() -> None:
    plugin = Scripted([5.0, 4.0, 3.0])
    refinement = Refinement(plugin, None, policy=HaltPolicy(max_steps=3, slope_eps=0.0))
    assert plugin.calls == []
    assert refinement.advance()
    assert plugin.calls == ["init_state", "step", "project", "energy"]
    assert refinement.energies == [5.0]
    assert refinement.advance()
    assert plugin.calls[4:] == ["step", "project", "energy"]
    assert not refinement.done
    assert not refinement.advance()
    assert plugin.calls[7:] == ["step", "project", "energy", "result"]
    assert refinement.done


def test_advance_after_the_end_does_nothing() -> None:
    plugin = Scripted([1.0, 0.5])
    refinement = Refinement(plugin, None, policy=HaltPolicy(max_steps=1))
    assert not refinement.advance()
    outcome, calls, spent = refinement.outcome, list(plugin.calls), refinement.meter.spent_atp
    refinement.cancel()
    assert not refinement.advance()
    assert not refinement.advance()
    assert refinement.outcome is outcome
    assert plugin.calls == calls
    assert refinement.meter.spent_atp == spent


def test_observation_and_context_reach_the_plugin_as_they_are() -> None:
    seen: list[Any] = []

    class Looks(Descent):
        def init_state(self, observation: Any, context: Any) -> Any:
            seen.extend([observation, context])
            return super().init_state(observation, context)

    observation, context = [1.0], {"goal": "kitchen"}
    refine(Looks(), observation, context=context)
    assert seen[0] is observation
    assert seen[1] is context


def test_refine_drives_to_the_end_by_the_plugins_own_policy() -> None:
    outcome = refine(Descent(), [1.0, -1.0])
    assert outcome.reason is HaltReason.CONVERGED
    assert outcome.answered
    assert outcome.trajectory.max_steps == 20
    assert outcome.trajectory.steps == 8
    assert outcome.trajectory.saved_steps == 12
    np.testing.assert_array_equal(outcome.result, [0.5**8, -(0.5**8)])


def test_a_state_that_is_none_is_a_state() -> None:
    starts = []

    class Stateless(IRPPlugin[None, str]):
        name = "stateless"
        invariants = INVARIANTS
        halting = HaltPolicy(max_steps=4)

        def init_state(self, observation: Any, context: Any) -> None:
            starts.append(observation)

        def step(self, state: None) -> None:
            return None

        def energy(self, state: None) -> float:
            return 1.0

        def result(self, state: None) -> str:
            return "answer"

    outcome = refine(Stateless(), "here")
    assert starts == ["here"]
    assert (outcome.reason, outcome.result) == (HaltReason.STUCK, "answer")


def test_watchers_get_one_record_per_finished_step() -> None:
    records: list[StepRecord] = []
    plugin = Scripted([3.0, 2.0, math.nan])
    refinement = Refinement(plugin, None, on_step=records.append)
    while refinement.advance():
        assert len(records) == len(refinement.energies)
    assert [(r.plugin, r.refinement, r.step, r.energy) for r in records] == [
        ("scripted", refinement.identity, 0, 3.0),
        ("scripted", refinement.identity, 1, 2.0),
    ]
    assert Refinement(plugin, None).identity != refinement.identity


def test_a_watcher_that_raises_is_logged_and_removed(caplog: pytest.LogCaptureFixture) -> None:
    seen = []

    def watcher(record: StepRecord) -> None:
        seen.append(record)
        raise Broken("no terminal")

    policy = HaltPolicy(max_steps=3, slope_eps=0.0)
    with caplog.at_level(logging.ERROR):
        outcome = refine(Scripted([3.0, 2.0, 1.0]), None, policy=policy, on_step=watcher)
    assert outcome.reason is HaltReason.MAX_STEPS
    assert len(seen) == 1
    assert "watcher" in caplog.text
    assert "no terminal" in caplog.text


# --- the best answer so far ---


@given(energies=st.lists(finite, min_size=1, max_size=25), policy_window=st.integers(1, 5))
def test_the_answer_is_the_first_of_lowest_energy(
    energies: list[float], policy_window: int
) -> None:
    policy = HaltPolicy(max_steps=len(energies), slope_eps=0.01, window=policy_window)
    outcome = refine(Scripted(energies), None, policy=policy)
    trajectory = outcome.trajectory
    assert trajectory.energies == tuple(energies[: trajectory.steps])
    assert trajectory.best_energy == min(trajectory.energies)
    assert trajectory.best_step == trajectory.energies.index(min(trajectory.energies))
    assert outcome.result == trajectory.best_step + 1
    assert outcome.answered
    assert outcome.error is None


@given(
    energies=st.lists(any_float, min_size=1, max_size=20),
    max_steps=st.integers(1, 20),
    eps=st.floats(0.0, 0.1),
    window=st.integers(1, 4),
)
def test_any_curve_at_all_ends_as_defined(
    energies: list[float], max_steps: int, eps: float, window: int
) -> None:
    policy = HaltPolicy(max_steps=min(max_steps, len(energies)), slope_eps=eps, window=window)
    outcome = refine(Scripted(energies), None, policy=policy)
    trajectory, reason = outcome.trajectory, outcome.reason
    good = list(itertools.takewhile(math.isfinite, energies))
    assert trajectory.energies == tuple(good[: trajectory.steps])
    assert len(trajectory.costs_s) == trajectory.steps <= policy.max_steps
    assert outcome.answered is bool(trajectory.steps)
    assert reason in (HaltReason.CONVERGED, HaltReason.MAX_STEPS, HaltReason.FAILED)
    if reason is HaltReason.FAILED:
        assert trajectory.steps == len(good) < policy.max_steps
        assert isinstance(outcome.error, PluginError)
    elif reason is HaltReason.MAX_STEPS:
        assert trajectory.steps == policy.max_steps
    else:
        assert policy.converged(trajectory.energies)
        assert not policy.converged(trajectory.energies[:-1])


@pytest.mark.parametrize("lowest", [0.0, -0.0, -1.0, -1.7e308])
def test_zero_and_negative_energies_are_energies_like_others(lowest: float) -> None:
    outcome = refine(
        Scripted([1.0, lowest, 0.5]), None, policy=HaltPolicy(max_steps=3, slope_eps=0.0)
    )
    assert outcome.result == 2
    assert outcome.trajectory.best_energy == lowest
    assert outcome.reason is HaltReason.MAX_STEPS


def test_a_first_energy_of_zero_does_not_end_it() -> None:
    outcome = refine(
        Scripted([0.0, -1.0, -2.0]), None, policy=HaltPolicy(max_steps=3, slope_eps=0.01, window=1)
    )
    assert outcome.trajectory.energies == (0.0, -1.0, -2.0)


def test_plateau_then_drop_is_followed_down() -> None:
    energies = [1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.1]
    outcome = refine(Scripted(energies), None, policy=HaltPolicy(max_steps=7, window=3))
    assert outcome.reason is HaltReason.CONVERGED
    assert outcome.result == 4
    assert outcome.trajectory.steps == 7


@pytest.mark.parametrize("amplitude", [1e-9, 1e-3, 1.0, 1e6])
def test_oscillation_uses_its_steps_up_and_saves_nothing(amplitude: float) -> None:
    energies = [1.0 + amplitude * (step % 2) for step in range(20)]
    outcome = refine(Scripted(energies), None, policy=HaltPolicy(slope_eps=0.01))
    assert outcome.reason is HaltReason.MAX_STEPS
    assert outcome.trajectory.saved_steps == 0


# --- steps that change nothing ---


@dataclass(frozen=True)
class Pose:
    """A state whose copies are equal by value."""

    values: Any


class Handle:
    """A state that compares by identity."""

    def __init__(self, values: Any) -> None:
        self.values = values


class Idle(IRPPlugin[Any, float]):
    """Copies its state and otherwise does nothing; its energy drifts by ``drift`` per call."""

    name = "idle"
    invariants = INVARIANTS

    def __init__(self, kind: Any = Pose, drift: float = 0.0) -> None:
        self.kind = kind
        self.energies = itertools.count(1.0, drift) if drift else itertools.repeat(1.0)

    def init_state(self, observation: Any, context: Any) -> Any:
        return self.kind(np.array([1.0, math.nan]))

    def step(self, state: Any) -> Any:
        return self.kind(state.values.copy())

    def energy(self, state: Any) -> float:
        return next(self.energies)

    def result(self, state: Any) -> float:
        return 1.0


@pytest.mark.parametrize("kind", [Pose, Handle])
@pytest.mark.parametrize("window", [1, 3])
def test_a_step_that_changes_nothing_is_stuck_and_saves_nothing(kind: Any, window: int) -> None:
    outcome = refine(Idle(kind), None, policy=HaltPolicy(window=window))
    assert outcome.reason is HaltReason.STUCK
    assert outcome.trajectory.steps == 2
    assert outcome.trajectory.saved_steps == 0
    assert outcome.answered


def test_an_idle_step_with_a_drifting_energy_is_not_converged_either() -> None:
    outcome = refine(Idle(drift=-1e-6), None, policy=HaltPolicy(slope_eps=0.01, window=3))
    assert outcome.reason is HaltReason.STUCK
    assert outcome.trajectory.saved_steps == 0


@pytest.mark.parametrize("verdict", [HaltReason.FEASIBLE, HaltReason.STABLE])
def test_an_idle_step_that_calls_itself_settled_saves_nothing(verdict: HaltReason) -> None:
    class Liar(Idle):
        def settled(self, previous: Any, state: Any) -> HaltReason:
            return verdict

    outcome = refine(Liar(), None)
    assert outcome.reason is HaltReason.STUCK
    assert outcome.trajectory.saved_steps == 0


def test_what_project_undoes_changes_nothing() -> None:
    class Against(Descent):
        def step(self, state: Any) -> Any:
            return type(state)(state.values + 1.0)

    assert refine(Against(), [1.0, 1.0]).reason is HaltReason.STUCK


def test_a_level_energy_with_a_moving_state_is_not_stuck() -> None:
    outcome = refine(Scripted([1.0] * 9), None, policy=HaltPolicy(window=4))
    assert outcome.reason is HaltReason.CONVERGED
    assert outcome.trajectory.steps == 5


def test_a_state_whose_comparison_raises_does_not_break_the_loop() -> None:
    class Prickly:
        def __eq__(self, other: object) -> bool:
            raise Broken("not comparable")

        __hash__ = None  # type: ignore[assignment]

    class Odd(Idle):
        def init_state(self, observation: Any, context: Any) -> Any:
            return Prickly()

        def step(self, state: Any) -> Any:
            return Prickly()

    assert refine(Odd(), None).reason is HaltReason.CONVERGED


# --- settled() ---


@pytest.mark.parametrize("verdict", [HaltReason.FEASIBLE, HaltReason.STABLE])
def test_settled_ends_it_early_and_saves(verdict: HaltReason) -> None:
    plugin = Settling([3.0, 2.0, 1.0], [None, verdict])
    outcome = refine(plugin, None, policy=HaltPolicy(max_steps=10))
    assert outcome.reason is verdict
    assert outcome.trajectory.energies == (3.0, 2.0)
    assert outcome.trajectory.saved_steps == 8
    assert outcome.result == 2


def test_settled_may_end_it_at_the_first_step() -> None:
    outcome = refine(Settling([3.0], [HaltReason.FEASIBLE]), None)
    assert (outcome.reason, outcome.result) == (HaltReason.FEASIBLE, 1)


@pytest.mark.parametrize(
    "verdict", [True, False, 0, "stable", HaltReason.CONVERGED, HaltReason.BUDGET, np.array([1, 2])]
)
def test_settled_may_answer_feasible_stable_or_none_only(verdict: Any) -> None:
    outcome = refine(Settling([3.0, 2.0], [None, verdict]), None)
    assert outcome.reason is HaltReason.FAILED
    assert isinstance(outcome.error, PluginError)
    assert "settled() must return FEASIBLE, STABLE or None" in str(outcome.error)
    assert outcome.result == 2


# --- cancelling ---


def test_cancelled_before_the_first_step_there_is_no_answer() -> None:
    plugin = Scripted([1.0])
    refinement = Refinement(plugin, None)
    refinement.cancel()
    assert not refinement.advance()
    outcome = refinement.outcome
    assert outcome is not None
    assert (outcome.reason, outcome.answered, outcome.result) == (HaltReason.CANCELLED, False, None)
    assert outcome.trajectory == Trajectory((), (), -1, HaltReason.CANCELLED, PATIENT.max_steps)
    assert plugin.calls == []
    assert refinement.meter.spent_atp == 0.0


def test_cancelled_in_the_middle_the_best_so_far_stands() -> None:
    plugin = Scripted([3.0, 1.0, 2.0, 0.0])
    refinement = Refinement(plugin, None)
    drive(refinement, 3)
    refinement.cancel()
    refinement.cancel()
    assert not refinement.done
    assert not refinement.advance()
    outcome = refinement.outcome
    assert outcome is not None
    assert (outcome.reason, outcome.result) == (HaltReason.CANCELLED, 2)
    assert outcome.trajectory.saved_steps == 0
    assert plugin.calls.count("step") == 3


def test_states_are_let_go_at_the_end() -> None:
    states: list[weakref.ref[Handle]] = []

    class Remembered(Idle):
        def step(self, state: Handle) -> Handle:
            after = Handle(state.values + 1.0)
            states.append(weakref.ref(after))
            return after

    refinement = Refinement(Remembered(Handle), None, policy=HaltPolicy(max_steps=3))
    drive(refinement, 2)
    assert [state() is None for state in states] == [False, False], "best and last are kept"
    assert not refinement.advance()
    assert [state() is None for state in states] == [True, True, True]
