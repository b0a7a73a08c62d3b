"""Agreement of energy with value, and how much there is to tell it by."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.agreement import Agreement, Judged, agreement_of

results = st.builds(
    Judged,
    st.floats(0.0, 1.0),
    st.one_of(st.floats(-1e6, 1e6), st.just(math.nan)),
    st.floats(0.0, 1.0),
)


def pairs(values: list[float], energies: list[float]) -> list[Judged]:
    return [Judged(*pair) for pair in zip(values, energies, strict=True)]


def score(judged: list[Judged]) -> float:
    found = agreement_of(judged).score
    assert found is not None
    return found


def test_nothing_judged_says_nothing() -> None:
    nothing = Agreement()
    assert (nothing.score, nothing.rank, nothing.mean_value, len(nothing)) == (None, None, None, 0)
    assert nothing.evidence == 0.0


def test_lower_energy_that_is_worth_more_agrees_and_the_reverse_does_not() -> None:
    values = [0.0, 1.0] * 16
    assert score(pairs(values, [1.0 - value for value in values])) == pytest.approx(1.0)
    opposed = agreement_of(pairs(values, values))
    assert opposed.rank == pytest.approx(-1.0)
    assert opposed.score == 0.0
    assert opposed.evidence == 1.0


@pytest.mark.parametrize("energies", ["random", "constant"])
def test_energy_that_tells_nothing_agrees_with_nothing(energies: str) -> None:
    chance = random.Random(3)
    values = [float(chance.random() < 0.5) for _ in range(64)]
    drawn = [chance.random() if energies == "random" else 0.5 for _ in values]
    assert score(pairs(values, drawn)) < 0.25


def test_for_two_outcomes_it_is_somers_d() -> None:
    """Held against the area under the ROC curve, counted by hand: D = 2 AUC - 1."""
    values = [1.0, 1.0, 0.0, 1.0, 0.0, 0.0]
    energies = [0.1, 0.4, 0.3, 0.2, 0.9, 0.2]
    wins = sum(
        1.0 if good < bad else 0.5 if good == bad else 0.0
        for good, v in zip(energies, values, strict=True)
        if v
        for bad, w in zip(energies, values, strict=True)
        if not w
    )
    assert agreement_of(pairs(values, energies)).rank == pytest.approx(2.0 * wins / 9.0 - 1.0)


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_where_values_do_not_vary_nothing_is_known(value: float) -> None:
    same = agreement_of(pairs([value] * 10, [float(n) for n in range(10)]))
    assert (same.score, same.evidence) == (None, 0.0)
    assert same.mean_value == pytest.approx(value)


@pytest.mark.parametrize("rare", [0.0, 1.0])
def test_some_four_failures_among_many_successes_are_evidence_enough(rare: float) -> None:
    found = []
    for many in (0, 1, 2, 5, 20):
        values = [rare] * many + [1.0 - rare] * (100 - many)
        found.append(agreement_of(pairs(values, values)).evidence)
    assert found == [0.0, pytest.approx(0.25, abs=0.01), pytest.approx(0.5, abs=0.02), 1.0, 1.0]
    assert agreement_of(pairs([0.0, 1.0], [1.0, 0.0])).evidence < 0.2, "two results are few"


def test_small_differences_of_value_are_little_evidence() -> None:
    chance = random.Random(5)
    values = [0.9 + 0.05 * chance.random() for _ in range(64)]
    energies = [chance.random() for _ in values]
    assert agreement_of(pairs(values, energies)).evidence < 0.05
    unknown = agreement_of([Judged(value) for value in [0.0, 1.0] * 16])
    assert unknown.evidence == 0.0, "no energy, nothing to tell agreement by"


def test_energies_within_the_blur_are_one_claim() -> None:
    near = [Judged(value, 1.0 - 0.001 * value, 0.001) for value in (0.0, 1.0) * 8]
    assert agreement_of(near).rank == 0.0
    apart = [Judged(value, 1.0 - value, 0.001) for value in (0.0, 1.0) * 8]
    assert agreement_of(apart).rank == 1.0


def test_a_value_without_an_energy_counts_for_the_mean_alone() -> None:
    known = pairs([0.0, 1.0] * 4, [1.0, 0.0] * 4)
    both = agreement_of([*known, *(Judged(1.0) for _ in range(4))])
    assert both.rank == 1.0
    assert both.mean_value == pytest.approx(8.0 / 12.0)


@given(st.lists(results, max_size=40), st.integers(2, 12))
def test_a_window_that_moves_is_as_one_made_anew(judged: list[Judged], window: int) -> None:
    moving = Agreement(window)
    for result in judged:
        moving.add(result)
        assert 0.0 <= (moving.score or 0.0) <= 1.0
        assert 0.0 <= moving.evidence <= 1.0
    fresh = agreement_of(judged[-window:])
    assert len(moving) == min(window, len(judged))
    assert moving.evidence == pytest.approx(fresh.evidence, abs=1e-9)
    if fresh.evidence > 1e-6:  # below it, what is at stake is lost in rounding
        assert moving.score == pytest.approx(fresh.score, abs=1e-6)
    if judged:
        assert moving.mean_value == pytest.approx(fresh.mean_value, abs=1e-9)


def test_a_window_of_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 results, got 1"):
        Agreement(1)
