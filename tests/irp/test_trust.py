"""What an energy curve says about its plugin."""

from __future__ import annotations

import math
from dataclasses import astuple

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sage.irp import TrustMetrics, trust_metrics

finite = st.floats(allow_nan=False, allow_infinity=False)


def metrics(energies: list[float]) -> TrustMetrics:
    measured = trust_metrics(energies)
    assert measured is not None
    return measured


@pytest.mark.parametrize("energies", [[], [1.0], [2.0, 2.0, 2.0], [0.0, 0.0]])
def test_fewer_than_two_steps_or_no_movement_say_nothing(energies: list[float]) -> None:
    assert trust_metrics(energies) is None


@given(st.lists(finite, min_size=2, max_size=30))
def test_each_metric_is_within_0_and_1(energies: list[float]) -> None:
    measured = trust_metrics(energies)
    if measured is None:
        return
    assert all(0.0 <= figure <= 1.0 for figure in (*astuple(measured), measured.score))


@given(
    st.lists(st.integers(-1000, 1000), min_size=3, max_size=15, unique=True),
    st.randoms(use_true_random=False),
)
def test_a_monotone_descent_is_never_below_the_same_energies_in_another_order(
    levels: list[int], shuffler: object
) -> None:
    descent = metrics([float(level) for level in sorted(levels, reverse=True)])
    other = metrics([float(level) for level in levels])
    assert descent.monotonicity == 1.0
    assert descent.monotonicity >= other.monotonicity
    assert descent.steadiness >= other.steadiness - 1e-9
    assert descent.convergence >= other.convergence - 1e-9


@given(
    amplitude=st.floats(1e-150, 1e150),
    steps=st.integers(4, 20),
    decay=st.floats(0.1, 0.9),
)
def test_descent_is_trusted_more_than_oscillation(
    amplitude: float, steps: int, decay: float
) -> None:
    descent = metrics([amplitude * decay**step for step in range(steps)])
    oscillation = metrics([amplitude * (1 + step % 2) for step in range(steps)])
    rise = metrics([-amplitude * decay**step for step in range(steps)])
    assert descent.score > oscillation.score + 0.1
    assert descent.score > rise.score + 0.1


@given(st.lists(finite, min_size=2, max_size=10), st.integers(-30, 30))
def test_only_the_shape_counts(energies: list[float], exponent: int) -> None:
    moderate = [math.remainder(energy, 1000.0) for energy in energies]
    assume(max(moderate) - min(moderate) > 1e-6)
    scaled = [energy * 2.0**exponent for energy in moderate]
    assert astuple(metrics(scaled)) == pytest.approx(astuple(metrics(moderate)), abs=1e-6)


@pytest.mark.parametrize("scale", [5e-324, 1e-300, 1e-160, 1.0, 1e160, 8e307])
def test_huge_and_tiny_energies_keep_their_shape(scale: float) -> None:
    assert metrics([2.0 * scale, scale, 0.0]) == TrustMetrics(1.0, 1.0, 0.75)


@pytest.mark.parametrize(
    ("energies", "expected"),
    [
        ([4.0, 3.0, 2.0, 1.0, 0.0], TrustMetrics(1.0, 1.0, 0.625)),
        ([1.0, 0.0, 0.0, 0.0, 0.0], TrustMetrics(1.0, 1.0 / 1.75, 1.0)),
        ([1.0, 2.0, 1.0, 2.0, 1.0], TrustMetrics(0.5, 0.5, 0.0)),
        ([1.0, 2.0], TrustMetrics(0.0, 1.0, 0.0)),
        ([2.0, 1.0], TrustMetrics(1.0, 1.0, 1.0)),
    ],
)
def test_known_curves(energies: list[float], expected: TrustMetrics) -> None:
    assert astuple(metrics(energies)) == pytest.approx(astuple(expected))
