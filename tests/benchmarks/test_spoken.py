"""The script of 20 kinds: what is drawn for an apartment, how it is judged, and its rows."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from benchmarks import apartment
from benchmarks.apartment_rows import publish_script
from benchmarks.spoken import (
    KINDS,
    QUICK,
    REFUSED,
    Command,
    Script,
    There,
    done,
    names_place,
    says,
)
from benchmarks.trial import Speech, Tried
from sage.irp.errors import ConfigError
from sage.skills.agent import Report
from sage.skills.body import Verdict
from sage.skills.intent import Intent
from sage.values import Pose
from sage.worlds.apartment.truth import (
    Collisions,
    FurnitureTruth,
    ObjectTruth,
    PersonTruth,
    Truth,
)
from sage.worlds.apartment.voices import COLUMNS, FOLDER, INDEX, recordings
from sage.worlds.apartment.voices.sentences import Sentence

PLACES = {
    "kitchen": ("fridge", "counter", "sink"),
    "dining room": ("dining table", "chair", "side table"),
    "bathroom": ("toilet", "washing machine"),
    "living room": ("sofa", "coffee table"),
}
THINGS = ("apple", "milk", "mug", "towel", "coke", "banana", "bowl")
ROOMS = (*PLACES, "corridor")
TRUTH = Truth(
    0.0,
    Pose(0, 0, 0),
    "corridor",
    tuple(
        FurnitureTruth(name, 1, 1, (0.5, 0.5, 1.5, 1.5), room)
        for room, names in PLACES.items()
        for name in names
    ),
    tuple(ObjectTruth(name, 1, 1, 0.9, "counter", "kitchen") for name in THINGS),
    (PersonTruth("Robin", "kitchen", 2, 2), PersonTruth("Alex", "living room", 5, 5)),
    Collisions(),
)
THERE = There(TRUTH, ROOMS)


def test_there_are_20_kinds() -> None:
    assert len(KINDS) == len(set(KINDS)) == 20
    assert KINDS.index("ambiguous") < KINDS.index("remembered")
    assert KINDS.index("bring") < KINDS.index("put") < KINDS.index("bring_to")
    assert set(QUICK) <= {*KINDS, *REFUSED}


def drawn(seed: int) -> dict[str, Command]:
    script = Script(seed, FOLDER)
    return {kind: script.command(kind, THERE) for kind in (*KINDS, *REFUSED)}


@pytest.mark.parametrize("seed", range(12))
def test_what_is_said_is_recorded_and_about_what_is_there(seed: int) -> None:
    commands = drawn(seed)
    assert commands == drawn(seed)
    recorded = {item.text for item in recordings()}
    people, rooms = {p.name for p in TRUTH.people}, {p.room for p in TRUTH.people}
    for kind, command in commands.items():
        assert command.kind == kind
        assert {sentence.text for sentence in command.says} <= recorded
        assert (command.wanted is None) == (kind in REFUSED)
    wanted = {kind: command.wanted for kind, command in commands.items() if command.wanted}
    assert wanted["go"].target in ROOMS
    assert wanted["approach"].target in {name for names in PLACES.values() for name in names}
    for kind in ("find", "bring", "bring_to", "put"):
        assert wanted[kind].target in THINGS
    assert wanted["find_in"].room == "kitchen"
    assert (wanted["count"].location, wanted["count"].room) == ("counter", "kitchen")
    assert wanted["count_people"].room in rooms
    for kind in ("follow", "guide"):
        assert wanted[kind].target in {*people, "person"}
    assert wanted["bring_to"].to in set(ROOMS) - {"kitchen"}
    assert commands["ambiguous"].says[0].about == "sink"
    assert wanted["ambiguous"] == wanted["remembered"]
    assert wanted["ambiguous"].room == "kitchen"
    assert len(commands["remembered"].says) == 1
    first, meant = commands["correction"].says
    assert first.wanted is not None
    assert wanted["correction"].target == meant.about != first.wanted.target


def test_apartments_hear_different_commands() -> None:
    assert drawn(1) != drawn(2)


def test_what_is_held_is_put_and_what_was_moved_is_left_alone() -> None:
    held = replace(TRUTH.objects[0], furniture="gripper", room="corridor", handled=True)
    there = There(replace(TRUTH, objects=(held, *TRUTH.objects[1:])), ROOMS)
    command = Script(1, FOLDER).command("put", there)
    assert command.text.startswith("put it on the ")
    moved = replace(TRUTH.objects[0], handled=True)
    only = There(replace(TRUTH, objects=(moved,)), ROOMS)
    with pytest.raises(ConfigError, match="no sentence of the kind 'bring_to' that fits"):
        Script(1, FOLDER).command("bring_to", only)


def test_nothing_is_remembered_before_it_was_asked() -> None:
    with pytest.raises(ConfigError, match="'remembered' comes after 'ambiguous'"):
        Script(1, FOLDER).command("remembered", THERE)


def report(intent: Intent | None, text: str = "", well: bool = True, **more: object) -> Report:
    return Report(0, "words", intent, Verdict(well, text), 0.0, 1.0, **more)  # type: ignore[arg-type]


def command(kind: str, wanted: Intent | None) -> Command:
    return Command(kind, (Sentence(kind, "words", wanted),), wanted)


GO = Intent("go", "corridor", "go")
SINK = Intent("approach", "sink", "go", room="kitchen")


@pytest.mark.parametrize(
    ("asked", "reports", "right"),
    [
        (command("go", GO), [report(GO)], True),
        (command("go", GO), [report(GO, well=False)], False),
        (command("go", GO), [report(None, "say it again")], False),
        (command("go", GO), [report(SINK)], False),
        (command("go", GO), [], False),
        (command("declined", None), [report(None)], True),
        (command("declined", None), [report(GO)], False),
        (command("remembered", GO), [report(GO)], True),
        (command("remembered", GO), [report(None, asked=("a", "b")), report(GO)], False),
        (command("remembered", GO), [report(None), report(GO)], True),
        (command("ambiguous", GO), [report(None, asked=("a", "b")), report(GO)], True),
        (command("ambiguous", GO), [report(GO)], False),
    ],
)
def test_what_was_done_is_held_against_what_was_said(
    asked: Command, reports: list[Report], right: bool
) -> None:
    assert done(asked, reports, TRUTH, TRUTH.robot)[0] == right


def test_the_right_words_have_to_be_said() -> None:
    joke = command("say", Intent("say", None, "a joke", words="a joke"))
    told = report(joke.wanted, "Why did the robot cross the road? It was told to.")
    assert done(joke, [told], TRUTH, None)[0]
    assert not done(joke, [report(joke.wanted, "no")], TRUTH, None)[0]
    monday = date(2024, 1, 1)
    assert says("the day of the week", "it is monday", monday)
    assert not says("the day of the week", "it is tuesday", monday)
    assert says("what day tomorrow is", "tuesday", monday)
    assert says("the time", "it is a quarter past nine")
    assert not says("the time", "i do not know")
    assert says("what is the capital of canada", "the capital of canada is ottawa.")
    assert not says("what is the capital of canada", "the capital of canada is toronto.")


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("in the corridor: a mug 1.0 m ahead, two people", True),
        ("in the corridor: a mug 1.0 m ahead, perhaps a bed", True),
        ("in the corridor: a mug 1.0 m ahead, a bed", False),
        ("in the kitchen: a mug 1.0 m ahead", False),
        ("in the corridor: nothing that I know", False),
    ],
)
def test_a_description_names_what_is_in_sight(text: str, right: bool) -> None:
    bed = FurnitureTruth("bed", 20, 20, (19, 19, 21, 21), "bedroom")
    truth = replace(TRUTH, furniture=(*TRUTH.furniture, bed))
    asked = command("describe", Intent("describe", None, "describe"))
    assert done(asked, [report(asked.wanted, text)], truth, None)[0] == right


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("bring the milk to the kitchen", "kitchen"),
        ("count the objects on the bathroom cabinet", "bathroom cabinet"),
        ("go to the sink", "sink in the kitchen"),
        ("tell me a joke", None),
    ],
)
def test_who_only_drives_goes_where_the_first_place_is(text: str, place: str | None) -> None:
    assert names_place(text) == place


def folder_with(path: Path, *sentences: tuple[str, str]) -> Path:
    rows = ["\t".join(COLUMNS)]
    for number, (kind, text) in enumerate(sentences):
        rows.append(f"{number}.flac\tpaula\ttest\t{text}\t{kind}\t1.0\t0.8")
    path.mkdir()
    (path / INDEX).write_text("\n".join(rows) + "\n")
    return path


def test_other_voices_are_drawn_from(tmp_path: Path) -> None:
    voices = folder_with(
        tmp_path / "own",
        ("go", "drive to the kitchen"),
        ("stop", "halt"),
        ("find", "find the zebra"),
        ("elsewhere", "the sea is blue"),
    )
    script = Script(0, voices)
    found = script.command("stop", THERE)
    assert found.text == "drive to the kitchen / halt"
    assert script.command("elsewhere", THERE).wanted is None
    with pytest.raises(ConfigError, match=r"own has no sentence of the kind 'find' that fits"):
        script.command("find", THERE)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--voices", "."], "add --spoken"),
        (["--kinds", "go"], "add --spoken"),
        (["--typed", "--kinds", "jump"], "--kinds 'jump' is none of go, ambiguous"),
        (["--typed", "--kinds", "remembered"], "comes after 'ambiguous'"),
        (["--typed", "--commands", "2"], "use --kinds"),
        (["--typed", "--recogniser", "whisper"], "use --spoken"),
        (["--spoken", "--recogniser", "parrot"], "unknown recogniser 'parrot'"),
        (["--spoken", "--budget", "0.5"], "leave out --spoken"),
    ],
)
def test_what_does_not_fit_together_is_named(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        apartment.main(arguments)


def test_a_folder_without_an_index_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"--voices '{tmp_path}' has no {INDEX}"):
        apartment.main(["--spoken", "--voices", str(tmp_path)])


def tried(kind: str, right: bool, collisions: int = 0, deaf: bool = False) -> Tried:
    return Tried(0, "trained", kind, "words", right, right, "", 1.0, collisions, deaf=deaf)


def test_commands_that_can_be_done_and_those_to_decline_have_rows_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = [
        tried("go", True),
        tried("find", False, 1),
        replace(tried("find", True), repeated=True),
        tried("return", True, deaf=True),
        tried("declined", True),
        tried("elsewhere", False),
        replace(tried("go", True), sight="go only"),
        replace(tried("find", False), sight="go only"),
    ]
    asked: list[tuple[object, ...]] = []

    def run_all(jobs: int, work: list[tuple[object, ...]]) -> list[Tried]:
        asked.extend(work)
        return outcomes

    monkeypatch.setattr(apartment, "run_all", run_all)
    voices = folder_with(tmp_path / "own", ("go", "go to the kitchen"))
    path = tmp_path / "spoken.json"
    arguments = ["--spoken", "--seeds", "4:6", "--kinds", "go,find", "--voices", str(voices)]
    assert apartment.main([*arguments, "--json", str(path)]) == 0
    # The seeds once each, and the first once more for the robot that only drives.
    speech = Speech(("go", "find"), voices)
    assert asked == [
        (seed, sight, 8, 180.0, speech, 1.0)
        for seed, sight in ((4, "trained"), (5, "trained"), (4, "go only"))
    ]
    body = json.loads(path.read_text())
    rows = {row["id"]: row for row in body["rows"]}
    assert rows["apartment.spoken_completed"]["value"] == 0.75
    assert rows["apartment.spoken_completed"]["baselines"] == {
        "deaf": 0.25,
        "go only": 0.5,
        "said once only": 0.5,
        "find": 0.5,
        "go": 1.0,
        "return": 1.0,
    }
    assert rows["apartment.spoken_declined"]["value"] == 0.5
    assert rows["apartment.collisions_per_command"]["value"] == pytest.approx(1 / 6)
    assert len(body["commands"]) == 8


def test_without_any_to_decline_that_row_is_not_measured(tmp_path: Path) -> None:
    path = tmp_path / "typed.json"
    publish_script([tried("go", True)], "typed", 1, 1.0, path)
    rows = {row["id"]: row for row in json.loads(path.read_text())["rows"]}
    assert rows["apartment.typed_declined"]["value"] is None
    assert rows["apartment.typed_completed"]["value"] == 1.0
