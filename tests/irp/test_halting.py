"""When the policy calls a curve converged, and how it refuses settings that cannot be."""

from __future__ import annotations

import math
from itertools import cycle, islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage.irp import HaltPolicy, HaltReason

finite = st.floats(allow_nan=False, allow_infinity=False)
policies = st.builds(
    HaltPolicy,
    max_steps=st.integers(1, 30),
    slope_eps=st.floats(0.0, 0.5),
    window=st.integers(1, 6),
)


def halts_at(policy: HaltPolicy, energies: list[float]) -> int | None:
    """The step (from 0) at which the curve is first called converged."""
    for step in range(len(energies)):
        if policy.converged(energies[: step + 1]):
            return step
    return None


@pytest.mark.parametrize("window", [1, 2, 3, 5])
@pytest.mark.parametrize("level", [0.0, -0.0, 1.0, -3.5, 5e-324, 1.7e308, -1.7e308])
def test_a_level_curve_converges_after_window_flat_steps(level: float, window: int) -> None:
    policy = HaltPolicy(slope_eps=0.0, window=window)
    assert halts_at(policy, [level] * 10) == window


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_flat_is_measured_against_the_first_energy(sign: float) -> None:
    policy = HaltPolicy(slope_eps=0.01, window=3)
    slow = [sign * 100.0 - 0.9 * step for step in range(8)]
    fast = [sign * 100.0 - 1.1 * step for step in range(8)]
    assert halts_at(policy, slow) == 3
    assert halts_at(policy, fast) is None


def test_from_a_first_energy_of_zero_only_an_exactly_level_curve_converges() -> None:
    policy = HaltPolicy(slope_eps=0.5, window=2)
    assert halts_at(policy, [0.0, -1e-9, -2e-9, -3e-9, -4e-9]) is None
    assert halts_at(policy, [0.0, -1.0, -1.0, -1.0]) == 3


def test_plateau_then_drop_goes_on_while_the_plateau_is_shorter_than_the_window() -> None:
    policy = HaltPolicy(slope_eps=0.01, window=3)
    plateau_then_drop = [1.0, 1.0, 1.0, 0.2, 0.2, 0.2, 0.1, 0.1, 0.1, 0.1]
    assert halts_at(policy, plateau_then_drop) == 9


def test_a_last_slow_rise_converges_once_the_turn_is_out_of_the_window() -> None:
    policy = HaltPolicy(slope_eps=0.01, window=3)
    valley = [1.0, 0.5, 0.498, 0.497, 0.498, 0.499, 0.5]
    assert halts_at(policy, valley) == 6


@given(
    middle=st.floats(-1e6, 1e6),
    amplitude=st.floats(1e-3, 1e6),
    window=st.integers(2, 6),
    eps=st.floats(0.0, 1e6),
    offset=st.integers(0, 1),
)
def test_a_two_step_oscillation_never_converges_however_small(
    middle: float, amplitude: float, window: int, eps: float, offset: int
) -> None:
    waves = [middle + amplitude, middle - amplitude]
    energies = list(islice(cycle(waves), offset, offset + 4 * window))
    policy = HaltPolicy(slope_eps=eps, window=window)
    assert halts_at(policy, energies) is None


@given(window=st.integers(2, 6), data=st.data())
def test_a_triangle_wave_never_converges_while_its_half_period_is_within_the_window(
    window: int, data: st.DataObject
) -> None:
    half = data.draw(st.integers(1, window - 1))
    start = data.draw(st.integers(0, 2 * half - 1))
    rise = data.draw(st.floats(1e-9, 1e-3))
    wave = [1.0 + rise * min(step % (2 * half), -step % (2 * half)) for step in range(40)]
    policy = HaltPolicy(slope_eps=0.5, window=window)
    assert halts_at(policy, wave[start:]) is None


def test_level_steps_do_not_hide_an_oscillation() -> None:
    policy = HaltPolicy(slope_eps=0.1, window=3)
    assert not policy.converged([1.0, 1.01, 1.01, 1.0])
    assert not policy.converged([1.0, 1.01, 1.01, 1.0, 1.0])
    assert not policy.converged([1.0, 1.01, 1.01, 1.0, 1.0, 1.01])
    assert policy.converged([1.0, 1.01, 1.0, 1.01, 1.01, 1.01, 1.01])


def test_a_window_of_one_sees_the_turn_before_it() -> None:
    policy = HaltPolicy(slope_eps=0.1, window=1)
    assert policy.converged([1.0, 0.5, 0.49])
    assert not policy.converged([1.0, 0.5, 0.51])


def test_differences_that_overflow_are_not_flat() -> None:
    huge = 1.7e308
    assert not HaltPolicy(slope_eps=0.01, window=1).converged([huge, -huge])
    assert not HaltPolicy(slope_eps=0.01, window=2).converged([huge, -huge, huge, -huge])


@given(policy=policies, energies=st.lists(finite, max_size=12))
def test_converged_means_flat_and_not_turning(policy: HaltPolicy, energies: list[float]) -> None:
    """The definition, written out plainly."""
    changes = [later - earlier for earlier, later in pairwise(energies)]
    recent = changes[-policy.window :]
    expected = len(changes) >= policy.window and all(
        abs(change) <= policy.slope_eps * abs(energies[0]) for change in recent
    )
    if expected and any(recent):
        moves = [change > 0.0 for change in changes if change][-max(2, policy.window) :]
        expected = len(set(moves)) == 1
    assert policy.converged(energies) is expected


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_steps": 0}, "max_steps .* at least 1, got 0"),
        ({"max_steps": -3}, "max_steps .* got -3"),
        ({"max_steps": 2.5}, "max_steps must be a whole number .* got 2.5"),
        ({"max_steps": "20"}, "max_steps must be a whole number .* got '20'"),
        ({"max_steps": True}, "max_steps must be a whole number .* got True"),
        ({"window": 0}, "window .* at least 1, got 0"),
        ({"window": 1.0}, "window must be a whole number .* got 1.0"),
        ({"slope_eps": -0.1}, "slope_eps must be finite and not negative, got -0.1"),
        ({"slope_eps": math.nan}, "slope_eps .* got nan"),
        ({"slope_eps": math.inf}, "slope_eps .* got inf"),
    ],
)
def test_a_policy_names_the_setting_that_cannot_be(
    settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        HaltPolicy(**settings)  # type: ignore[arg-type]


def test_only_three_reasons_are_savings() -> None:
    savings = {reason for reason in HaltReason if reason.is_saving}
    assert savings == {HaltReason.CONVERGED, HaltReason.FEASIBLE, HaltReason.STABLE}
