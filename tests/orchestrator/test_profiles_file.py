"""Profiles survive the run in one file; one plugin's that cannot be costs no other its own."""

from __future__ import annotations

import json
import logging
import math
from pathlib import Path
from typing import Any

import pytest

from orchestrator.profile import Profile, ProfileBook
from sage.irp import HaltReason, Trajectory

GOOD: dict[str, Any] = {
    "count": 5,
    "worst_first_s": 0.04,
    "first_s": 0.03,
    "worst_s": 0.04,
    "step_s": 0.01,
    "answer_s": 0.002,
    "turn_s": 0.05,
    "scale": 2.0,
    "drops": [0.5, 0.25],
}
HUGE = 10**400


def written(path: Path, entries: Any) -> Path:
    path.write_text(json.dumps(entries))
    return path


def teach(profile: Profile, *energies: float, costs_s: tuple[float, ...] | None = None) -> None:
    costs = costs_s or (0.01,) * len(energies)
    profile.learn(Trajectory(energies, costs, 0, HaltReason.MAX_STEPS, 20))


def strict(path: Path) -> Any:
    """The content of a file that any reader of JSON accepts."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(path.read_text(), parse_constant=refuse)


def test_they_survive_the_run(tmp_path: Path) -> None:
    path = tmp_path / "state" / "profiles.json"
    book = ProfileBook(path)
    teach(book.of("eye"), 3.0, 1.0, 0.5)
    book.of("eye").took_together(0.02)
    book.save()
    again = ProfileBook(path).of("eye")
    assert again.as_dict() == book.of("eye").as_dict()
    assert again.gain_per_s([3.0]) == book.of("eye").gain_per_s([3.0]) > 0.0
    assert [entry.name for entry in path.parent.iterdir()] == ["profiles.json"]


@pytest.mark.parametrize(
    "bad",
    [
        7,
        math.nan,
        "much",
        None,
        [],
        {**GOOD, "count": -1},
        {**GOOD, "count": True},
        {**GOOD, "count": 1.5},
        {**GOOD, "step_s": HUGE},
        {**GOOD, "step_s": -0.1},
        {**GOOD, "scale": math.inf},
        {**GOOD, "turn_s": math.nan},
        {**GOOD, "worst_s": "long"},
        {**GOOD, "drops": 3},
        {**GOOD, "drops": [0.5, math.nan]},
        {**GOOD, "drops": [HUGE]},
        {**GOOD, "drops": [0.0] * 1025},
    ],
    ids=lambda bad: repr(bad)[-40:],
)
def test_a_profile_that_cannot_be_is_discarded_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, bad: Any
) -> None:
    path = written(tmp_path / "profiles.json", {"ear": GOOD, "eye": bad, "hand": GOOD})
    with caplog.at_level(logging.WARNING):
        book = ProfileBook(path)
    assert [book.of(name).count for name in ("ear", "eye", "hand")] == [5, 0, 5]
    (record,) = caplog.records
    assert "'eye'" in record.getMessage()
    assert str(path) in record.getMessage()
    assert len(record.getMessage()) < len(str(path)) + 200
    assert [entry.name for entry in tmp_path.iterdir()] == ["profiles.json"]
    book.save()
    assert strict(path)["ear"] == GOOD


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000, "7", "NaN", "\udcff"], ids=repr)
def test_a_file_that_is_no_table_is_set_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    path = tmp_path / "profiles.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with caplog.at_level(logging.WARNING):
        book = ProfileBook(path)
    assert book.of("eye").count == 0
    assert str(path) in caplog.text
    aside = tmp_path / "profiles.corrupt"
    assert str(aside) in caplog.text
    assert aside.read_bytes() == text.encode(errors="surrogateescape")
    book.save()
    assert ProfileBook(path).of("eye").count == 0


def test_a_file_that_cannot_be_set_aside_is_no_end_of_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "profiles.json"
    path.write_text("{")
    (tmp_path / "profiles.corrupt").mkdir()
    with caplog.at_level(logging.WARNING):
        book = ProfileBook(path)
    assert str(path) in caplog.text
    assert str(tmp_path / "profiles.corrupt") in caplog.text
    teach(book.of("eye"), 1.0)
    book.save()
    assert ProfileBook(path).of("eye").count == 1


@pytest.mark.parametrize("missing", sorted(GOOD))
def test_what_an_older_file_lacks_is_nothing_and_what_a_newer_adds_is_ignored(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, missing: str
) -> None:
    entry = {key: value for key, value in GOOD.items() if key != missing}
    path = written(tmp_path / "profiles.json", {"eye": {**entry, "colour": "green"}})
    with caplog.at_level(logging.DEBUG):
        read = ProfileBook(path).of("eye").as_dict()
    assert read == {**entry, missing: [] if missing == "drops" else 0}
    assert not caplog.records


def test_what_is_not_finite_is_never_written(tmp_path: Path) -> None:
    path = tmp_path / "profiles.json"
    book = ProfileBook(path)
    profile = book.of("eye")
    teach(profile, 3.0, 1.0, 0.5)
    profile.turn_s, profile.scale = math.nan, math.inf
    profile._drops.append(-math.inf)
    book.save()
    entry = strict(path)["eye"]
    assert entry["drops"] == [0.8, 0.2]
    assert "turn_s" not in entry
    assert "scale" not in entry
    assert ProfileBook(path).of("eye").count == 1


@pytest.mark.parametrize(
    "energies",
    [
        (1e308, -1e308, 0.0),
        (-1e308, 1e308, 0.0),
        (5e-324, 1e300, 0.0),
        (1.0, -1e308, 1e300),
        (math.inf, 1.0, 0.0),
        (1.0, math.nan, 0.0),
    ],
)
def test_nothing_that_is_not_finite_is_learned(energies: tuple[float, ...]) -> None:
    profile = Profile()
    for _ in range(3):
        teach(profile, 5e-324, 0.0, 0.0)
        teach(profile, *energies)
    numbers = [getattr(profile, name) for name in GOOD if name != "drops"]
    assert all(map(math.isfinite, numbers + profile._drops))
    assert math.isfinite(profile.gain_per_s([1.0]))
    assert math.isfinite(profile.gain_per_s([1.0, 0.5]))


def test_costs_that_are_not_finite_teach_nothing() -> None:
    profile = Profile()
    teach(profile, 2.0, 1.0, costs_s=(math.inf, 0.01))
    teach(profile, 2.0, 1.0, costs_s=(0.01, math.nan))
    assert profile.as_dict() == Profile().as_dict()
