"""What is learned from finished refinements, and whose step is predicted to be worth most."""

from __future__ import annotations

import math
import random
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.profile import Profile, _steepest
from sage.irp import HaltReason, Trajectory
from tests.orchestrator.doubles import House


def learned(energies: list[float], costs_s: list[float] | None = None, times: int = 1) -> Profile:
    profile = Profile()
    for _ in range(times):
        teach(profile, energies, costs_s)
    return profile


def teach(
    profile: Profile,
    energies: list[float],
    costs_s: list[float] | None = None,
    reason: HaltReason = HaltReason.MAX_STEPS,
) -> None:
    costs = tuple(costs_s or [0.01] * len(energies))
    profile.learn(Trajectory(tuple(energies), costs, 0, reason, 20))


def test_the_first_steps_worst_case_is_remembered_and_slowly_forgotten() -> None:
    profile = learned([2.0, 1.0], [0.05, 0.01])
    teach(profile, [2.0, 1.0], [0.02, 0.01])
    assert 0.045 < profile.worst_first_s < 0.05
    for _ in range(300):
        teach(profile, [2.0, 1.0], [0.02, 0.01])
    assert profile.worst_first_s == pytest.approx(0.02)
    teach(profile, [2.0, 1.0], [0.07, 0.01])
    assert profile.worst_first_s == 0.07


def test_what_a_later_step_costs_follows_the_measurements() -> None:
    profile = learned([3.0, 2.0, 1.0], [0.05, 0.02, 0.04])
    assert profile.step_s == pytest.approx(0.03)
    for _ in range(50):
        teach(profile, [3.0, 2.0, 1.0], [0.05, 0.01, 0.01])
    assert profile.step_s == pytest.approx(0.01, rel=0.01)


def test_a_refinement_without_a_step_teaches_nothing() -> None:
    profile = Profile()
    profile.learn(Trajectory((), (), -1, HaltReason.CANCELLED, 20))
    assert profile.count == 0


def test_what_is_unknown_is_found_out_but_behind_every_first_step() -> None:
    known = learned([10.0, 1.0], times=3)
    assert math.inf > Profile().gain_per_s([1.0]) > known.gain_per_s([10.0])


def test_one_that_never_gained_anything_comes_last() -> None:
    assert learned([1.0, 1.0, 1.0], times=3).gain_per_s([1.0]) == 0.0


@pytest.mark.parametrize("reason", [HaltReason.BUDGET, HaltReason.DEADLINE, HaltReason.CANCELLED])
def test_being_cut_short_on_a_plateau_is_no_proof_of_uselessness(reason: HaltReason) -> None:
    profile = Profile()
    for _ in range(50):
        teach(profile, [1.0, 1.0, 1.0], reason=reason)
    assert profile.gain_per_s([1.0]) == 1.0 / profile.step_s, "the next step may bring it all"
    teach(profile, [1.0, 1.0, 1.0, 0.0])
    gain = profile.gain_per_s([1.0])
    assert gain > 0.0
    for _ in range(50):
        teach(profile, [1.0, 1.0], reason=reason)
    assert profile.gain_per_s([1.0]) == pytest.approx(gain)


def test_the_gain_falls_as_the_curve_flattens() -> None:
    profile = learned([8.0, 4.0, 2.0, 1.0], times=3)
    gains = [profile.gain_per_s([8.0, 4.0, 2.0, 1.0][:steps]) for steps in (1, 2, 3)]
    assert gains == sorted(gains, reverse=True)
    assert gains[0] == pytest.approx(4.0 / 7.0 / 0.01)


def test_scale_does_not_count() -> None:
    small, huge = learned([8.0, 4.0, 2.0]), learned([8e9, 4e9, 2e9])
    assert small.gain_per_s([8.0]) == pytest.approx(huge.gain_per_s([8e9]))


def test_dearer_steps_gain_less_per_second() -> None:
    cheap = learned([2.0, 1.0], [0.01, 0.01])
    dear = learned([2.0, 1.0], [0.04, 0.04])
    assert cheap.gain_per_s([2.0]) == pytest.approx(4.0 * dear.gain_per_s([2.0]))


@pytest.mark.parametrize("plateau", [1, 5, 15])
def test_a_plateau_before_a_drop_is_looked_across(plateau: int) -> None:
    curve = [1.0] * (plateau + 1) + [0.0]
    profile = learned(curve)
    gains = [profile.gain_per_s(curve[: steps + 1]) for steps in range(plateau + 1)]
    assert gains[0] == pytest.approx(1.0 / (plateau + 1) / 0.01)
    assert gains == sorted(gains), "the nearer the drop, the more it is worth"


def test_a_part_of_the_curve_does_not_pass_for_the_whole() -> None:
    profile = learned([8.0, 4.0, 2.0, 1.0, 0.0])
    gain = profile.gain_per_s([8.0])
    for _ in range(50):
        teach(profile, [8.0, 4.0], reason=HaltReason.BUDGET)
    assert profile.gain_per_s([8.0]) == pytest.approx(gain)


def test_past_all_experience_returns_diminish() -> None:
    profile = learned([8.0, 4.0])
    assert profile.gain_per_s([8.0, 4.0]) == pytest.approx(0.5 * 4.0 / 4.0 / 0.01)
    assert profile.gain_per_s([8.0, 4.0, 5.0]) == 0.0


def test_experience_is_averaged() -> None:
    profile = learned([2.0, 0.0])
    assert profile.gain_per_s([2.0]) == pytest.approx(100.0)
    for _ in range(60):
        teach(profile, [2.0, 1.0, 0.0])
    first, second = profile.gain_per_s([2.0]), profile.gain_per_s([2.0, 1.0])
    assert first == pytest.approx(50.0, rel=0.01)
    assert second == pytest.approx(50.0, rel=0.01)


@given(st.lists(st.floats(-10.0, 10.0), max_size=12))
def test_the_index_is_the_best_mean_over_every_horizon(drops: list[float]) -> None:
    rates = _steepest(drops)
    for index in range(len(drops)):
        means = [total / steps for steps, total in enumerate(accumulate(drops[index:]), 1)]
        assert rates[index] == pytest.approx(max(0.0, *means), abs=1e-9)


def test_a_plateau_then_drop_is_not_starved_by_steady_descent() -> None:
    """A cycle has room for 12 of the 16 steps that both want: the drop is worth 1/5 a step, the
    steady descent 1/9; who only looked at the next step would take the latter."""
    house = House()
    house.add("plateau", [1.0] * 5 + [0.0], 0.0082, deadline_s=0.09)
    house.add("steady", [float(10 - step) for step in range(10)], 0.0082, deadline_s=0.09)
    for names in (("plateau",), ("steady",), *[("plateau", "steady")] * 30):
        house.wait(0.1)
        house.orchestrator.tick()
        for name in names:
            house.submit(name)
        house.drain()
    steps = {
        name: [outcome.trajectory.steps for _, outcome in told[10:]]
        for name, told in house.outcomes.items()
    }
    reached = sum(count == 6 for count in steps["plateau"])
    assert reached >= 10, "the drop at the end of the plateau was not reached in half of the cycles"
    assert min(steps["steady"]) >= 4


def test_the_lane_goes_to_the_one_that_still_gains() -> None:
    useful = [float(20 - step) for step in range(20)]
    useless = [1.0 + 1e-9 * random.Random(3).random() for _ in range(20)]
    house = House()
    house.add("useful", useful, 0.004)
    house.add("useless", useless, 0.004)
    for _ in range(3):  # what they are worth is found out one by one
        for name in ("useful", "useless"):
            house.submit(name)
            house.drain()
            house.orchestrator.tick()
    house.submit("useless")
    house.submit("useful")
    order = [house.step() for _ in range(10)]
    assert sorted(filter(None, order[:2])) == ["useful", "useless"], "first answers come first"
    assert order[2:] == ["useful"] * 8
