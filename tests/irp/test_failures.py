"""What a plugin gets wrong is contained: energies that are none, exceptions, interrupts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from sage.irp import HaltPolicy, HaltReason, IRPPlugin, Refinement, StepRecord, refine
from tests.doubles import INVARIANTS, Broken, Counted, Scripted, Settling, drive

NOT_FINITE = [math.nan, math.inf, -math.inf, np.float32("nan"), np.array(np.inf)]


@pytest.mark.parametrize(
    "energy",
    [1, True, Fraction(3, 2), np.float64(1.5), np.float32(1.5), np.int64(2), np.array(1.5)],
    ids=repr,
)
def test_whatever_is_a_number_becomes_a_plain_float(energy: Any) -> None:
    outcome = refine(Scripted([energy]), None, policy=HaltPolicy(max_steps=1))
    assert type(outcome.trajectory.energies[0]) is float
    assert outcome.trajectory.energies[0] == float(energy)


@pytest.mark.parametrize(
    "energy",
    [
        *NOT_FINITE,
        None,
        "0.5",
        b"1",
        "nan",
        1j,
        10**400,
        object(),
        [1.0],
        np.array([1.0]),
        np.array([1.0, 2.0]),
        np.array([]),
        (value for value in [1.0]),
    ],
    ids=lambda energy: repr(energy)[:20],
)
def test_whatever_is_no_finite_number_fails_and_keeps_the_answer(energy: Any) -> None:
    outcome = refine(Scripted([2.0, 1.0, energy]), None)
    assert outcome.reason is HaltReason.FAILED
    assert isinstance(outcome.error, Exception)
    assert outcome.trajectory.energies == (2.0, 1.0)
    assert (outcome.answered, outcome.result) == (True, 2)
    assert outcome.trajectory.saved_steps == 0

    at_once = refine(Scripted([energy]), None)
    assert at_once.reason is HaltReason.FAILED
    assert (at_once.answered, at_once.result) == (False, None)
    assert at_once.trajectory.energies == ()
    assert at_once.trajectory.best_step == -1
    assert at_once.trajectory.best_energy is None


def test_the_error_names_the_plugin_and_the_energy() -> None:
    outcome = refine(Scripted([math.nan]), None)
    assert str(outcome.error) == "plugin 'scripted': energy is nan"


METHODS = ["init_state", "step", "project", "energy", "settled", "result"]


@pytest.mark.parametrize("error", [Broken("broken"), MemoryError(), RecursionError()], ids=repr)
@pytest.mark.parametrize("step", range(4))
@pytest.mark.parametrize("method", METHODS)
def test_whatever_a_plugin_raises_is_contained(method: str, step: int, error: Exception) -> None:
    plugin = Settling([4.0, 3.0, 2.0, 1.0], raises={(method, step): error})
    outcome = refine(plugin, None, policy=HaltPolicy(max_steps=4, slope_eps=0.0))
    reached = (method != "init_state" or step == 0) and (method != "result" or step == 3)
    if not reached:
        assert outcome.reason is HaltReason.MAX_STEPS
        return
    assert outcome.reason is HaltReason.FAILED
    assert outcome.error is error
    assert outcome.trajectory.saved_steps == 0
    # settled() and result() come after the step's energy is known.
    finished = {"result": 4, "settled": step + 1}.get(method, step)
    assert outcome.trajectory.energies == (4.0, 3.0, 2.0, 1.0)[:finished]
    assert outcome.answered is (finished > 0 and method != "result")
    assert outcome.result == (finished if outcome.answered else None)


def test_a_failure_keeps_the_best_answer_not_the_last() -> None:
    plugin = Scripted([3.0, 1.0, 2.0, 0.0], raises={("step", 3): Broken()})
    outcome = refine(plugin, None)
    assert (outcome.reason, outcome.result) == (HaltReason.FAILED, 2)


def test_a_failing_step_and_then_a_failing_result_still_end() -> None:
    first, second = Broken("step"), Broken("result")
    plugin = Scripted([3.0, 2.0], raises={("step", 1): first, ("result", 0): second})
    outcome = refine(plugin, None)
    assert outcome.reason is HaltReason.FAILED
    assert outcome.answered is False
    assert outcome.error is second
    assert second.__context__ is first


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit, GeneratorExit])
@pytest.mark.parametrize("method", METHODS)
def test_interrupts_pass_through_and_the_refinement_can_still_be_ended(
    method: str, interrupt: type[BaseException]
) -> None:
    step = {"init_state": 0, "result": 3}.get(method, 2)
    plugin = Settling([4.0, 3.0, 2.0, 1.0], raises={(method, step): interrupt()})
    refinement = Refinement(plugin, None, policy=HaltPolicy(max_steps=4, slope_eps=0.0))
    with pytest.raises(interrupt):
        drive(refinement, 4)
    assert not refinement.done
    plugin.raises.clear()
    refinement.cancel()
    assert not refinement.advance()
    assert refinement.outcome is not None
    assert refinement.outcome.reason is HaltReason.CANCELLED
    finished = {"init_state": 0, "result": 4}.get(method, 2)
    assert refinement.outcome.result == (finished or None)


def test_an_interrupt_in_a_watcher_passes_through() -> None:
    def watcher(record: StepRecord) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        refine(Scripted([1.0]), None, on_step=watcher)


def test_a_step_written_as_a_generator_fails_at_once() -> None:
    class Yields(Scripted):
        def step(self, state: Counted) -> Iterator[Counted]:  # type: ignore[override]
            yield Counted(state.steps + 1)

    outcome = refine(Yields([1.0]), None)
    assert outcome.reason is HaltReason.FAILED
    assert isinstance(outcome.error, AttributeError)


def test_a_plugin_without_a_name_does_not_break_the_loop() -> None:
    class Anonymous(IRPPlugin[float, float]):
        invariants = INVARIANTS

        def init_state(self, observation: Any, context: Any) -> float:
            return 1.0

        def step(self, state: float) -> float:
            return state + 1.0

        def energy(self, state: float) -> float:
            return -state if state < 4.0 else math.nan

        def result(self, state: float) -> float:
            return state

    records: list[StepRecord] = []
    outcome = refine(Anonymous(), None, on_step=records.append)
    assert str(outcome.error) == "plugin 'Anonymous': energy is nan"
    assert {record.plugin for record in records} == {"Anonymous"}
