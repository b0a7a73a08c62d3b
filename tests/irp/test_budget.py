"""The meter and the deadline: measured costs, live grants, and books that balance."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage.clock import VirtualClock
from sage.irp import (
    BudgetError,
    ConfigError,
    HaltPolicy,
    HaltReason,
    Meter,
    Refinement,
    Trajectory,
    refine,
)
from tests.doubles import Broken, Scripted, Settling, drive

ATP_PER_S = 5000.0
STEP_S = 0.25  # a power of two: sums of it are exact
MANY = [float(100 - step) for step in range(100)]

costs = st.floats(0.0, 10.0)


def metered(
    energies: list[Any] | None = None, meter: Meter | None = None, **options: Any
) -> tuple[Refinement[Any, Any], Scripted, VirtualClock]:
    """A scripted refinement whose costs are those of a virtual clock."""
    clock = VirtualClock()
    plugin_options = {
        name: options.pop(name)
        for name in ("init_s", "costs_s", "result_s", "raises")
        if name in options
    }
    plugin = Scripted(MANY if energies is None else energies, clock=clock, **plugin_options)
    refinement = Refinement(
        plugin, None, meter=meter, clock=clock, stopwatch=clock.now_s, **options
    )
    return refinement, plugin, clock


def finish(refinement: Refinement[Any, Any]) -> Any:
    while refinement.advance():
        pass
    assert refinement.outcome is not None
    return refinement.outcome


# --- the meter itself ---


@given(costs_s=st.lists(costs, max_size=50), granted_atp=st.floats(0.0, 1e9))
def test_a_meter_adds_up(costs_s: list[float], granted_atp: float) -> None:
    meter = Meter(granted_atp, atp_per_s=ATP_PER_S)
    for cost_s in costs_s:
        meter.charge_s(cost_s)
    assert meter.spent_atp == pytest.approx(math.fsum(costs_s) * ATP_PER_S)
    assert meter.remaining_atp == meter.granted_atp - meter.spent_atp
    assert meter.granted_atp == granted_atp


@pytest.mark.parametrize("cost_s", [-1e-9, math.nan, math.inf, -math.inf])
def test_a_cost_that_cannot_be_is_refused_and_not_charged(cost_s: float) -> None:
    meter = Meter(10.0)
    with pytest.raises(BudgetError, match=f"a cost must be finite and not negative, got {cost_s}"):
        meter.charge_s(cost_s)
    assert meter.spent_atp == 0.0


@pytest.mark.parametrize("granted_atp", [-1.0, math.nan, -math.inf])
def test_a_grant_that_cannot_be_is_refused(granted_atp: float) -> None:
    with pytest.raises(BudgetError, match=f"a grant must be 0 ATP or more, got {granted_atp}"):
        Meter(granted_atp)


@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan, math.inf])
def test_a_rate_that_cannot_be_is_refused(rate: float) -> None:
    with pytest.raises(BudgetError, match=f"must be finite and positive, got {rate}"):
        Meter(1.0, atp_per_s=rate)


def test_a_meter_is_unlimited_by_default() -> None:
    meter = Meter()
    assert meter.affords_s(1e300)
    assert meter.remaining_atp == math.inf


def test_affording_is_up_to_the_last_atp() -> None:
    meter = Meter(1000.0, atp_per_s=1000.0)
    assert meter.affords_s(1.0)
    assert not meter.affords_s(1.0 + 1e-9)
    assert not meter.affords_s(math.nan)
    meter.charge_s(1.5)
    assert meter.remaining_atp == -500.0
    assert not meter.affords_s(0.0)


# --- what is charged is what was measured ---


@given(
    init_s=costs,
    costs_s=st.lists(costs, min_size=1, max_size=12),
    result_s=costs,
    fail=st.none() | st.tuples(st.sampled_from(["step", "energy", "result"]), st.integers(0, 11)),
)
def test_the_meter_is_charged_all_the_time_that_passed(
    init_s: float, costs_s: list[float], result_s: float, fail: tuple[str, int] | None
) -> None:
    meter = Meter(atp_per_s=ATP_PER_S)
    refinement, plugin, clock = metered(
        MANY[: len(costs_s)],
        meter,
        init_s=init_s,
        costs_s=costs_s,
        result_s=result_s,
        raises={} if fail is None else {fail: Broken()},
        policy=HaltPolicy(max_steps=len(costs_s), slope_eps=0.0),
    )
    trajectory = finish(refinement).trajectory
    assert meter.spent_atp == pytest.approx(clock.now_s() * ATP_PER_S)
    assert trajectory.cost_s == pytest.approx(clock.now_s())
    if trajectory.steps:
        assert trajectory.costs_s[0] == pytest.approx(init_s + costs_s[0])
        assert trajectory.costs_s[1:] == pytest.approx(costs_s[1 : trajectory.steps])
        assert trajectory.result_cost_s == pytest.approx(result_s)
    if trajectory.steps < len(costs_s):
        init_too_s = 0.0 if trajectory.steps else init_s
        assert trajectory.failed_step_cost_s == pytest.approx(
            costs_s[trajectory.steps] + init_too_s
        )
    else:
        assert trajectory.failed_step_cost_s == 0.0
    assert plugin.calls.count("step") == trajectory.steps + (
        fail is not None and fail[0] != "result" and fail[1] < len(costs_s)
    )


def test_settling_is_work_too() -> None:
    clock = VirtualClock()

    class Ponders(Settling):
        def settled(self, previous: Any, state: Any) -> Any:
            clock.advance_to(clock.now_s() + STEP_S)

    meter = Meter()
    plugin = Ponders([2.0, 1.0], clock=clock, costs_s=STEP_S)
    policy = HaltPolicy(max_steps=2, slope_eps=0.0)
    outcome = refine(plugin, None, meter=meter, stopwatch=clock.now_s, policy=policy)
    assert outcome.trajectory.costs_s == (2 * STEP_S, 2 * STEP_S)
    assert meter.spent_atp == clock.now_s()


def test_costs_are_measured_on_the_real_clock_by_default() -> None:
    meter = Meter()
    outcome = refine(Scripted([2.0, 1.0]), None, meter=meter, policy=HaltPolicy(max_steps=2))
    assert all(0.0 < cost_s < 1.0 for cost_s in outcome.trajectory.costs_s)
    assert meter.spent_atp == pytest.approx(outcome.trajectory.cost_s)


# --- the budget ---


def test_with_nothing_granted_the_first_step_still_runs() -> None:
    refinement, plugin, _ = metered(meter=Meter(0.0), costs_s=STEP_S)
    assert refinement.advance()
    assert not refinement.advance()
    assert refinement.outcome is not None
    assert refinement.outcome.reason is HaltReason.BUDGET
    assert refinement.outcome.result == 1
    assert plugin.calls.count("step") == 1


def test_with_nothing_granted_even_free_steps_end_after_the_first() -> None:
    refinement, _, _ = metered(meter=Meter(0.0), costs_s=0.0)
    assert finish(refinement).trajectory.steps == 1


@given(steps=st.integers(1, 40), spare=st.floats(0.0, 0.99))
def test_a_grant_buys_the_steps_that_fit_and_no_more(steps: int, spare: float) -> None:
    meter = Meter((steps + spare) * STEP_S * 1024.0, atp_per_s=1024.0)
    refinement, _, _ = metered(meter=meter, costs_s=STEP_S)
    outcome = finish(refinement)
    assert outcome.reason is HaltReason.BUDGET
    assert outcome.trajectory.steps == steps
    assert meter.spent_atp <= meter.granted_atp
    assert outcome.trajectory.saved_steps == 0


def test_a_grant_that_grows_reaches_a_running_refinement() -> None:
    meter = Meter(2 * STEP_S)
    refinement, _, _ = metered(meter=meter, costs_s=STEP_S)
    drive(refinement, 2)
    meter.granted_atp += 3 * STEP_S
    drive(refinement, 3)
    assert not refinement.advance()
    assert refinement.outcome is not None
    assert refinement.outcome.trajectory.steps == 5


def test_a_grant_that_shrinks_stops_it_before_the_next_step() -> None:
    meter = Meter(50 * STEP_S)
    refinement, plugin, _ = metered(meter=meter, costs_s=STEP_S)
    drive(refinement, 3)
    meter.granted_atp = STEP_S
    assert not refinement.advance()
    assert refinement.outcome is not None
    assert refinement.outcome.reason is HaltReason.BUDGET
    assert refinement.outcome.result == 3
    assert plugin.calls.count("step") == 3


@pytest.mark.parametrize("grant", [math.nan, -1.0, -math.inf])
def test_a_grant_that_went_wrong_stops_it(grant: float) -> None:
    meter = Meter()
    refinement, _, _ = metered(meter=meter, costs_s=STEP_S)
    drive(refinement, 2)
    meter.granted_atp = grant
    assert finish(refinement).reason is HaltReason.BUDGET


@given(
    costs_s=st.lists(costs, min_size=12, max_size=12),
    grants=st.lists(st.floats(0.0, 60.0), min_size=12, max_size=12),
    result_s=costs,
)
def test_conservation_on_one_meter_whatever_the_grants_do(
    costs_s: list[float], grants: list[float], result_s: float
) -> None:
    """A later step begins only with ATP left, and overspends by its own surprise at most."""
    meter = Meter(grants[0])
    refinement, _, clock = metered(meter=meter, costs_s=costs_s, result_s=result_s)
    expected_s = math.inf
    for step, grant in enumerate(grants):
        meter.granted_atp = grant
        before_atp, steps = meter.spent_atp, len(refinement.energies)
        going = refinement.advance()
        assert len(refinement.energies) - steps in (0, 1)
        made = len(refinement.energies) > steps
        if step and made:
            assert before_atp < grant
            assert meter.spent_atp <= max(grant, grant + costs_s[step] - expected_s) + 1e-9
        assert meter.spent_atp == pytest.approx(clock.now_s())
        if not going:
            assert meter.spent_atp == pytest.approx(before_atp + result_s)
            break
        expected_s = costs_s[step] if step < 2 else max(expected_s, costs_s[step])


def test_the_first_cost_with_its_start_does_not_predict_later_steps() -> None:
    meter = Meter(20.0)
    refinement, _, _ = metered(meter=meter, init_s=9.0, costs_s=1.0)
    drive(refinement, 2)  # 10 for the first, which leaves 10: enough for one more like it
    drive(refinement, 9)  # and by then later steps are known to cost 1
    assert not refinement.advance()
    assert meter.spent_atp == 20.0


def test_a_later_step_is_predicted_by_the_dearest_so_far() -> None:
    meter = Meter(10.0)
    refinement, _, _ = metered(meter=meter, costs_s=[1.0, 4.0, 1.0, 1.0, 1.0])
    drive(refinement, 3)
    assert finish(refinement).trajectory.steps == 4  # 7 spent, and 4 more do not fit
    assert meter.spent_atp == 7.0


@pytest.mark.parametrize(("expected_s", "steps"), [(None, 1), (5.0, 1), (0.5, 2)])
def test_an_expected_cost_decides_about_the_second_step(
    expected_s: float | None, steps: int
) -> None:
    refinement, _, _ = metered(
        meter=Meter(3.75), costs_s=[3.0, 0.5, 9.0], expected_step_s=expected_s
    )
    assert finish(refinement).trajectory.steps == steps


# --- the deadline ---


def test_a_deadline_already_past_leaves_one_step_and_its_answer() -> None:
    refinement, plugin, _ = metered(costs_s=STEP_S, deadline_s=-5.0)
    outcome = finish(refinement)
    assert outcome.reason is HaltReason.DEADLINE
    assert (outcome.answered, outcome.result) == (True, 1)
    assert plugin.calls.count("step") == 1
    assert outcome.trajectory.saved_steps == 0


@given(deadline_s=st.floats(-10.0, 20.0), cost_s=st.sampled_from([0.25, 0.5, 1.0]))
def test_no_step_begins_that_would_end_after_the_deadline(deadline_s: float, cost_s: float) -> None:
    refinement, _, clock = metered(costs_s=cost_s, deadline_s=deadline_s)
    outcome = finish(refinement)
    assert outcome.reason is HaltReason.DEADLINE
    assert outcome.trajectory.steps == max(1, math.floor(deadline_s / cost_s))
    assert clock.now_s() <= max(deadline_s, cost_s)


def test_time_that_others_use_counts_against_the_deadline() -> None:
    refinement, _, clock = metered(costs_s=1.0, deadline_s=10.0)
    drive(refinement, 2)
    clock.advance_to(9.5)
    assert finish(refinement).reason is HaltReason.DEADLINE
    assert len(refinement.energies) == 2


def test_the_deadline_is_named_before_the_budget() -> None:
    refinement, _, _ = metered(meter=Meter(0.0), costs_s=1.0, deadline_s=0.0)
    assert finish(refinement).reason is HaltReason.DEADLINE


def test_cancelling_is_named_before_both() -> None:
    refinement, _, _ = metered(meter=Meter(0.0), costs_s=1.0, deadline_s=0.0)
    drive(refinement, 1)
    refinement.cancel()
    assert finish(refinement).reason is HaltReason.CANCELLED


def test_being_done_is_not_blamed_on_the_deadline() -> None:
    clock = VirtualClock()
    plugin = Scripted([1.0, 1.0], clock=clock, costs_s=1.0)
    outcome = refine(
        plugin,
        None,
        policy=HaltPolicy(window=1),
        clock=clock,
        deadline_s=2.0,
        stopwatch=clock.now_s,
    )
    assert outcome.reason is HaltReason.CONVERGED


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"deadline_s": 1.0, "clock": None}, "a deadline .1.0 s. needs a clock"),
        ({"deadline_s": math.nan}, "deadline_s must be a time in seconds, got nan"),
        ({"expected_step_s": math.nan}, "expected_step_s must be finite and not negative, got nan"),
        ({"expected_step_s": -0.1}, "expected_step_s .* got -0.1"),
        ({"expected_step_s": math.inf}, "expected_step_s .* got inf"),
    ],
)
def test_times_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Refinement(Scripted([1.0]), None, **{"clock": VirtualClock(), **options})


# --- the trajectory ---


@pytest.mark.parametrize("reason", list(HaltReason))
def test_steps_are_saved_only_by_being_done_early(reason: HaltReason) -> None:
    trajectory = Trajectory((3.0, 1.0), (0.1, 0.2), 1, reason, 10, 0.3, 0.4)
    early = reason in (HaltReason.CONVERGED, HaltReason.FEASIBLE, HaltReason.STABLE)
    assert trajectory.saved_steps == (8 if early else 0)
    assert trajectory.steps == 2
    assert trajectory.best_energy == 1.0
    assert trajectory.cost_s == pytest.approx(1.0)
