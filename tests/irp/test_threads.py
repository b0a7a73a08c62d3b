"""Cancelling and abandoning from another thread, while a step is under way."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from sage.irp import HaltPolicy, HaltReason, PluginError, Refinement, StepRecord
from tests.doubles import Counted, Scripted, drive

LOST = PluginError("its step never came back")


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads change places all the time, so that races show."""
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval_s)


class Hanging(Scripted):
    """Hangs in ``method`` at ``step`` until released."""

    def __init__(self, energies: list[Any], method: str, step: int) -> None:
        super().__init__(energies)
        self.hang = (method, step)
        self.hangs = threading.Event()
        self.release = threading.Event()

    def _called(self, method: str, step: int) -> None:
        if (method, step) == self.hang:
            self.hangs.set()
            assert self.release.wait(10.0)
        super()._called(method, step)


def test_abandoned_between_steps() -> None:
    plugin = Scripted([3.0, 2.0])
    refinement = Refinement(plugin, None)
    drive(refinement, 2)
    calls = list(plugin.calls)
    outcome = refinement.abandon(LOST)
    assert refinement.outcome is outcome
    assert (outcome.reason, outcome.error) == (HaltReason.FAILED, LOST)
    assert (outcome.answered, outcome.result) == (False, None)
    assert outcome.trajectory.energies == (3.0, 2.0)
    assert outcome.trajectory.best_step == 1
    assert not refinement.advance()
    assert plugin.calls == calls, "the plugin was touched again"


def test_abandoned_before_the_first_step() -> None:
    outcome = Refinement(Scripted([1.0]), None).abandon(LOST)
    assert outcome.trajectory.energies == ()
    assert outcome.trajectory.best_step == -1


def test_abandoned_while_a_step_is_being_recorded() -> None:
    """The thread stopped between the energy and the cost: the step is not in the trajectory."""
    refinement = Refinement(Scripted([3.0, 2.0]), None)
    drive(refinement, 2)
    refinement.energies.append(1.0)
    trajectory = refinement.abandon(LOST).trajectory
    assert trajectory.energies == (3.0, 2.0)
    assert trajectory.best_step == 1


def test_abandoned_by_a_watcher_there_is_no_next_step() -> None:
    def watcher(record: StepRecord) -> None:
        refinement.abandon(LOST)

    refinement = Refinement(Scripted([3.0, 2.0]), None, on_step=watcher)
    assert not refinement.advance()
    assert refinement.outcome is not None
    assert refinement.outcome.error is LOST
    assert refinement.outcome.trajectory.energies == (3.0,)


def test_what_had_ended_keeps_its_outcome() -> None:
    refinement = Refinement(Scripted([1.0]), None, policy=HaltPolicy(max_steps=1))
    assert not refinement.advance()
    assert refinement.abandon(LOST) is refinement.outcome
    assert refinement.outcome is not None
    assert refinement.outcome.reason is HaltReason.MAX_STEPS


@pytest.mark.parametrize("late_energy", [0.5, float("nan")])
@pytest.mark.parametrize("method", ["step", "energy"])
def test_a_step_that_comes_back_late_changes_nothing(method: str, late_energy: float) -> None:
    records: list[StepRecord] = []
    plugin = Hanging([3.0, late_energy, 0.1], method, 1)
    refinement = Refinement(plugin, None, on_step=records.append)
    went_on: list[bool] = []

    def work() -> None:
        went_on.append(refinement.advance())
        went_on.append(refinement.advance())

    lane = threading.Thread(target=work)
    lane.start()
    assert plugin.hangs.wait(10.0)
    spent_atp = refinement.meter.spent_atp
    outcome = refinement.abandon(LOST)
    plugin.release.set()
    lane.join(10.0)
    assert went_on == [True, False]
    assert refinement.outcome is outcome
    assert refinement.energies == [3.0]
    assert refinement.costs_s == list(outcome.trajectory.costs_s)
    assert refinement.meter.spent_atp == spent_atp
    assert len(records) == 1
    assert "result" not in plugin.calls


def test_an_answer_that_comes_back_late_changes_nothing() -> None:
    plugin = Hanging([3.0], "result", 0)
    refinement = Refinement(plugin, None, policy=HaltPolicy(max_steps=1))
    lane = threading.Thread(target=refinement.advance)
    lane.start()
    assert plugin.hangs.wait(10.0)
    spent_atp = refinement.meter.spent_atp
    outcome = refinement.abandon(LOST)
    plugin.release.set()
    lane.join(10.0)
    assert refinement.outcome is outcome
    assert refinement.meter.spent_atp == spent_atp


def test_cancelled_during_a_step_that_step_still_counts() -> None:
    plugin = Hanging([3.0, 1.0, 0.5], "step", 1)
    refinement = Refinement(plugin, None)

    def work() -> None:
        while refinement.advance():
            pass

    lane = threading.Thread(target=work)
    lane.start()
    assert plugin.hangs.wait(10.0)
    refinement.cancel()
    plugin.release.set()
    lane.join(10.0)
    assert refinement.outcome is not None
    assert refinement.outcome.reason is HaltReason.CANCELLED
    assert refinement.outcome.result == 2


class Endless(Scripted):
    """Improves for ever."""

    def __init__(self) -> None:
        super().__init__([])
        self.costs_s = 0.0

    def energy(self, state: Counted) -> float:
        return -float(state.steps)


@pytest.mark.usefixtures("hasty_threads")
@pytest.mark.parametrize("way", ["abandon", "cancel"])
def test_ending_it_from_outside_at_any_moment_leaves_one_whole_outcome(way: str) -> None:
    chance = random.Random(7)
    for _ in range(150):
        plugin = Endless()
        refinement = Refinement(plugin, None, policy=HaltPolicy(max_steps=40, slope_eps=0.0))
        began = threading.Event()

        def work(refinement: Any = refinement, began: threading.Event = began) -> None:
            began.set()
            while refinement.advance():
                pass

        lane = threading.Thread(target=work)
        lane.start()
        began.wait(10.0)
        for _ in range(chance.randrange(400)):
            pass
        verdict = refinement.abandon(LOST) if way == "abandon" else refinement.cancel()
        lane.join(10.0)
        outcome = refinement.outcome
        assert outcome is not None
        trajectory = outcome.trajectory
        assert len(trajectory.costs_s) == len(trajectory.energies)
        assert trajectory.best_step == trajectory.steps - 1
        if way == "abandon":
            assert outcome is verdict
            assert outcome.reason in (HaltReason.FAILED, HaltReason.MAX_STEPS)
        else:
            assert outcome.reason in (HaltReason.CANCELLED, HaltReason.MAX_STEPS)
            assert outcome.result == (trajectory.steps or None)
