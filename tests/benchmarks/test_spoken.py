"""Spoken commands: what is drawn for an apartment, and the rows that come of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import apartment
from benchmarks.trial import REFUSED, SPOKEN, Speech, Tried, parse_kind, spoken_for
from sage.irp.errors import ConfigError
from sage.skills.grammar import parse
from sage.skills.intent import Declined, Intent
from sage.values import Pose
from sage.worlds.apartment.truth import Collisions, FurnitureTruth, ObjectTruth, Truth
from sage.worlds.apartment.voices import COLUMNS, INDEX, recordings

PLACES = {
    "kitchen": ("fridge", "counter", "sink"),
    "dining room": ("dining table", "chair", "side table"),
    "bathroom": ("toilet", "washing machine", "sink"),
}
THINGS = ("apple", "milk", "mug", "towel", "coke", "banana", "bowl")
ROOMS = (*PLACES, "corridor")
TRUTH = Truth(
    0.0,
    Pose(0, 0, 0),
    "kitchen",
    tuple(
        FurnitureTruth(name, 1, 1, (0.5, 0.5, 1.5, 1.5), room)
        for room, names in PLACES.items()
        for name in names
    ),
    tuple(ObjectTruth(name, 1, 1, 0.9, "counter", "kitchen") for name in THINGS),
    (),
    Collisions(),
)


@pytest.mark.parametrize("seed", range(12))
def test_what_is_spoken_is_recorded_and_about_what_is_there(seed: int) -> None:
    commands = spoken_for(seed, TRUTH, ROOMS, Speech())
    assert commands == spoken_for(seed, TRUTH, ROOMS, Speech())
    assert tuple(kind for kind, _ in commands) == SPOKEN
    assert len({text for _, text in commands}) == len(commands)
    recorded = {(item.kind, item.text) for item in recordings()}
    assert set(commands) <= recorded
    declined = [text for kind, text in commands if kind in REFUSED]
    assert len(declined) == 2
    assert all(isinstance(parse(text), Declined) for text in declined)
    for kind, text in commands:
        if kind in REFUSED:
            continue
        assert parse_kind(text) == kind
        wanted = parse(text)
        assert isinstance(wanted, Intent)
        if kind == "go":
            assert wanted.target in ROOMS
        elif kind == "approach":
            at = {room for room, names in PLACES.items() if wanted.target in names}
            assert at
            assert wanted.room is None or wanted.room in at
        elif kind == "find":
            assert wanted.target in THINGS


def test_apartments_hear_different_commands() -> None:
    assert spoken_for(1, TRUTH, ROOMS, Speech()) != spoken_for(2, TRUTH, ROOMS, Speech())


def folder_with(path: Path, *sentences: tuple[str, str]) -> Path:
    rows = ["\t".join(COLUMNS)]
    for number, (kind, text) in enumerate(sentences):
        rows.append(f"{number}.flac\tpaula\ttest\t{text}\t{kind}\t1.0\t0.8")
    path.mkdir()
    (path / INDEX).write_text("\n".join(rows) + "\n")
    return path


def test_other_voices_are_drawn_from(tmp_path: Path) -> None:
    voices = folder_with(
        tmp_path / "own", ("go", "go to the kitchen"), ("find", "find the zebra"), ("stop", "halt")
    )
    speech = Speech(("go", "stop"), voices)
    wanted = [("go", "go to the kitchen"), ("stop", "halt")]
    assert spoken_for(0, TRUTH, ROOMS, speech) == wanted


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        (("count",), r"own has 0 sentences of the kind 'count' that fit apartment 0, 1 needed"),
        (("find",), r"own has 0 sentences of the kind 'find' that fit apartment 0, 1 needed"),
        (("go", "go"), r"own has 1 sentences of the kind 'go' that fit apartment 0, 2 needed"),
    ],
)
def test_a_kind_that_a_folder_lacks_is_named(
    tmp_path: Path, kinds: tuple[str, ...], message: str
) -> None:
    voices = folder_with(tmp_path / "own", ("go", "go to the kitchen"), ("find", "find the zebra"))
    with pytest.raises(ConfigError, match=message):
        spoken_for(0, TRUTH, ROOMS, Speech(kinds, voices))


def test_a_folder_without_an_index_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"--voices '{tmp_path}' has no {INDEX}"):
        apartment.main(["--spoken", "--voices", str(tmp_path)])
    with pytest.raises(ConfigError, match="add --spoken"):
        apartment.main(["--voices", str(tmp_path)])


def tried(kind: str, done: bool, collisions: int = 0) -> Tried:
    return Tried(0, "trained", kind, "words", done, done, "", 1.0, collisions)


def test_commands_that_can_be_done_and_those_to_decline_have_rows_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = [
        tried("go", True),
        tried("find", False, 1),
        tried("find", True),
        tried("stop", True),
        tried("declined", True),
        tried("elsewhere", False),
    ]
    asked: list[tuple[object, ...]] = []

    def run_all(jobs: int, work: list[tuple[object, ...]]) -> list[Tried]:
        asked.extend(work)
        return outcomes

    monkeypatch.setattr(apartment, "run_all", run_all)
    voices = folder_with(tmp_path / "own", ("go", "go to the kitchen"))
    path = tmp_path / "spoken.json"
    arguments = ["--spoken", "--seeds", "4:6", "--commands", "3", "--voices", str(voices)]
    assert apartment.main([*arguments, "--json", str(path)]) == 0
    # The seeds once each, with no controls, in the voices of the folder.
    assert asked == [
        (seed, "trained", 3, 180.0, Speech(("go", "approach", "find"), voices), 1.0)
        for seed in (4, 5)
    ]
    body = json.loads(path.read_text())
    rows = {row["id"]: row for row in body["rows"]}
    assert rows["apartment.spoken_completed"]["value"] == 0.75
    assert rows["apartment.spoken_completed"]["baselines"] == {"find": 0.5, "go": 1.0, "stop": 1.0}
    assert rows["apartment.spoken_declined"]["value"] == 0.5
    assert rows["apartment.collisions_per_command"]["value"] == pytest.approx(1 / 6)
    assert len(body["commands"]) == 6


def test_without_any_to_decline_that_row_is_not_measured(tmp_path: Path) -> None:
    path = tmp_path / "spoken.json"
    apartment._publish_spoken([tried("go", True)], 1, 1.0, path)
    rows = {row["id"]: row for row in json.loads(path.read_text())["rows"]}
    assert rows["apartment.spoken_declined"]["value"] is None
    assert rows["apartment.spoken_completed"]["value"] == 1.0
