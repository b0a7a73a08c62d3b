"""The benchmarks' own logic: rows, verdicts, seeds, what is asked for."""

from __future__ import annotations

import pytest

from benchmarks.apartment import seeds_of
from benchmarks.apartment_rows import fraction
from benchmarks.report import Row, percentile
from benchmarks.trial import Tried, commands_for
from sage.irp.errors import ConfigError
from sage.skills.grammar import parse
from sage.skills.intent import Intent
from sage.values import Pose
from sage.worlds.apartment.truth import Collisions, FurnitureTruth, ObjectTruth, Truth

TRUTH = Truth(
    0.0,
    Pose(0, 0, 0),
    "kitchen",
    tuple(
        FurnitureTruth(name, 1, 1, (0.5, 0.5, 1.5, 1.5), "kitchen")
        for name in ("fridge", "stove", "counter")
    ),
    tuple(ObjectTruth(name, 1, 1, 0.9, "counter", "kitchen") for name in ("apple", "mug", "bowl")),
    (),
    Collisions(),
)
ROOMS = ("kitchen", "corridor", "bedroom", "bathroom")


@pytest.mark.parametrize(
    ("value", "better", "verdict"),
    [
        (0.99, "higher", "goal"),
        (0.9, "higher", "floor"),
        (0.1, "higher", "below"),
        (0.1, "lower", "goal"),
        (0.9, "lower", "floor"),
        (1.1, "lower", "below"),
        (None, "higher", "not measured"),
    ],
)
def test_a_row_says_what_it_reached(value: float | None, better: str, verdict: str) -> None:
    floor, goal = (0.85, 0.97) if better == "higher" else (1.0, 0.5)
    assert Row("x", value, better, floor, goal).verdict() == verdict  # type: ignore[arg-type]


def test_a_row_without_a_floor_is_printed() -> None:
    assert Row("x", 0.3, "higher", None, 0.5).verdict() == "printed"
    assert Row("x", 0.5, "higher", None, 0.5).verdict() == "goal"


def test_percentiles_are_values_that_were_measured() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile(list(range(1, 101)), 0.95) == 95
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


@pytest.mark.parametrize("text", ["", "a:b", "5:5", "7:3", "-1:2", "1:2:3"])
def test_bad_seeds_are_named(text: str) -> None:
    with pytest.raises(ConfigError, match="--seeds"):
        seeds_of(text)


def test_seeds_are_a_half_open_range() -> None:
    assert list(seeds_of("3:6")) == [3, 4, 5]
    assert list(seeds_of("7")) == [7]


def test_commands_are_the_same_for_a_seed_and_all_understood() -> None:
    commands = commands_for(5, TRUTH, ROOMS, 8)
    assert commands == commands_for(5, TRUTH, ROOMS, 8)
    assert commands != commands_for(6, TRUTH, ROOMS, 8)
    for kind, text in commands:
        intent = parse(text)
        assert isinstance(intent, Intent)
        assert intent.kind == ("go" if kind == "stop" else kind)


def test_the_fraction_counts_what_was_really_done() -> None:
    tried = [
        Tried(0, "trained", "go", "", done, True, "", 1.0, 0) for done in (True, False, True, True)
    ]
    assert fraction(tried) == 0.75
    assert fraction([]) == 0.0
