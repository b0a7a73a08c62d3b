from __future__ import annotations

import json
import re
import sqlite3
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from memory.experience import Scores
from memory.snarc import combine
from memory.store import ExperienceStore
from sage.commands import cli
from sage.commands import memory as command
from tests.memory.experiences import PNG, experience, unit

Capture = pytest.CaptureFixture[str]
SCORES = Scores(surprise=0.5, novelty=1.0, reward=0.25)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store of five: 1-3 scenes, 4 speech with salience 0.9, 5 a scene with a picture."""
    path = tmp_path / "memory.db"
    with ExperienceStore(path) as kept:
        for number in (1, 2, 3):
            kept.keep(experience(number, salience=0.1 * number))
        kept.keep(experience(4, modality="speech", summary="somebody said: \x1b[2J[bold]go"))
        kept.keep(
            experience(
                5,
                embedding=unit(1.0, 2.1, 0.5, -1.0),
                scores=SCORES,
                salience=combine(SCORES),
                why={"novelty": "The most alike of 9 remembered has a cosine of 0.30."},
                picture=PNG,
                wall_time=datetime.now(timezone.utc).isoformat(),
            )
        )
    return path


def run(path: Path, *words: str) -> int:
    return cli.main(["memory", *words, "--store", str(path)])


def test_a_list_has_the_newest_first(store: Path, capsys: Capture) -> None:
    assert run(store, "list") == 0
    printed = capsys.readouterr().out
    rows = [line.split()[0] for line in printed.splitlines()[1:-1]]
    assert rows == ["5", "4", "3", "2", "1"]
    assert f"5 of 5 in {store} (4 scene, 1 speech)" in printed
    assert "thing 5" in printed
    assert "novelty" in printed  # what it was kept for most
    assert "\x1b" not in printed
    assert "[bold]go" in printed


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        (["--limit", "2"], [5, 4]),
        (["--modality", "speech"], [4]),
        (["--salient"], [5, 4, 3, 2, 1]),
        (["--salient", "--limit", "1"], [5]),
        (["--least-salience", "0.25"], [5, 4, 3]),
        (["--since", "1h"], [5]),
        (["--since", "2026-01-31T12:00:03"], [5, 4, 3]),
        (["--since", "2026-01-31T14:00:03+02:00"], [5, 4, 3]),
        (["--since", "99999w"], [5, 4, 3, 2, 1]),
    ],
)
def test_a_list_holds_what_was_asked_for(
    store: Path, capsys: Capture, words: list[str], ids: list[int]
) -> None:
    assert run(store, "list", "--json", *words) == 0
    listing = strict(capsys.readouterr().out)
    assert [one["id"] for one in listing["experiences"]] == ids
    assert (listing["count"], listing["pruned"]) == (5, 0)


def test_everything_about_one_is_shown(store: Path, capsys: Capture, tmp_path: Path) -> None:
    picture = tmp_path / "seen.png"
    assert run(store, "show", "5", "--picture", str(picture)) == 0
    printed = capsys.readouterr().out
    for part in ("thing 5", "scene", "surprise 0.500", "why novelty: The most alike", '"apple"'):
        assert part in printed
    assert picture.read_bytes() == PNG
    assert f"saved as {picture}" in printed


CONTEXT = [[9.96, "scene", 0.125, "hall: \x1b[2Jdoor"], [0.5, "motion", 0.8, "turning left"]]


def test_what_led_to_it_is_a_block_of_its_own(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "memory.db"
    with ExperienceStore(path) as kept:
        kept.keep(experience(1, payload={"room": "hall", "context": CONTEXT}))
        kept.keep(experience(2, payload={"context": "by hand"}))
        kept.keep(experience(3, payload={"context": []}))
    assert run(path, "show", "1") == 0
    before, payload = capsys.readouterr().out.split("\npayload\n")
    assert before.endswith(
        "\nbefore it\n"
        "   10.0 s  scene   0.12  hall:  [2Jdoor\n"
        "    0.5 s  motion  0.80  turning left"
    )
    assert strict(payload) == {"room": "hall"}
    assert run(path, "show", "1", "--json") == 0
    assert strict(capsys.readouterr().out)["payload"] == {"room": "hall", "context": CONTEXT}
    assert run(path, "show", "2") == 0
    assert '"context": "by hand"' in capsys.readouterr().out  # not memory's own: shown as it is
    assert run(path, "show", "3") == 0
    assert "before it" not in capsys.readouterr().out


def test_one_is_shown_as_json(store: Path, capsys: Capture) -> None:
    assert run(store, "show", "5", "--json") == 0
    shown = strict(capsys.readouterr().out)
    assert shown["payload"] == {"number": 5, "labels": ["apple", None, True], "at": {"x_m": 0.1}}
    assert shown["embedding"] == [float(value) for value in unit(1.0, 2.1, 0.5, -1.0)]
    assert shown["picture_bytes"] == len(PNG)
    assert len(shown["picture_sha256"]) == 64


def test_an_explanation_adds_up_and_names_what_is_like_it(store: Path, capsys: Capture) -> None:
    assert run(store, "explain", "5") == 0
    printed = capsys.readouterr().out
    parts = re.findall(r"^ +(\d\.\d+)  (\w+) +(\d\.\d+) x weight (\d\.\d+)$", printed, re.M)
    assert {name for _, name, _, _ in parts} == {"surprise", "novelty", "reward"}
    assert sum(float(part) for part, *_ in parts) == pytest.approx(combine(SCORES), abs=0.02)
    assert parts[0][1] == "novelty"  # what weighs most comes first
    assert "The most alike of 9 remembered" in printed
    assert "most like it, of what was kept before:" in printed
    assert re.search(r"1\.00  2: thing 2\n", printed)


def test_an_explanation_says_how_scores_combine(store: Path, capsys: Capture) -> None:
    assert run(store, "explain", "5") == 0
    line = "(salience = 1 - product of (1 - weight x score); first, each one's share of it)\n"
    assert line in capsys.readouterr().out
    assert run(store, "explain", "1") == 0  # a salience of 0.1: cut by warm-up
    cut = 0.1 / combine(Scores(surprise=0.25, novelty=0.5))
    assert f"(1 - weight x score), x {cut:.2f} during warm-up; first" in capsys.readouterr().out


def test_an_explanation_as_json_sums_to_the_salience(store: Path, capsys: Capture) -> None:
    assert run(store, "explain", "5", "--json") == 0
    explained = strict(capsys.readouterr().out)
    total = sum(score["contribution"] for score in explained["scores"])
    assert total == pytest.approx(explained["salience"])
    assert [near["id"] for near in explained["nearest_earlier"]] == [2, 3, 1]
    assert {score["name"]: score["why"] for score in explained["scores"]}["surprise"] is None


def test_the_first_has_nothing_to_be_compared_with(store: Path, capsys: Capture) -> None:
    assert run(store, "explain", "1") == 0
    assert "nothing that was kept before it" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["show", "6"], "no experience 6 in {store}; valid: 1 to 5"),
        (["explain", "99999999999999999999"], "no experience 99999999999999999999 in"),
        (["list", "--modality", "smell"], "nothing of modality 'smell' is kept; valid: scene, sp"),
        (["show", "1", "--picture", "x.png"], "experience 1 has no picture"),
        (["show", "5", "--picture", "/proc/none/x.png"], "No such file or directory"),
    ],
)
def test_mistakes_are_one_line(store: Path, capsys: Capture, words: list[str], says: str) -> None:
    assert run(store, *words) == 2
    complaint = capsys.readouterr().err
    assert complaint.startswith("error: ")
    assert complaint.count("\n") == 1
    assert says.format(store=store) in complaint


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["show", "x"], "'x' is no whole number from 1"),
        (["show", "0"], "'0' is no whole number from 1"),
        (["list", "--limit", "0"], "'0' is no whole number from 1"),
        (["list", "--least-salience", "2"], r"'2' is no number in [0, 1]"),
        (["list", "--since", "soon"], "'soon' is no time; valid: 30m, 2h, 3d, 2026-01-31"),
        (["list", "--state", "x"], "not allowed with argument"),
        ([], "required: COMMAND"),
    ],
)
def test_a_wrong_command_line_names_what_is_wrong(
    store: Path, capsys: Capture, words: list[str], says: str
) -> None:
    with pytest.raises(SystemExit) as raised:
        cli.main(["memory", *words[:1], "--store", str(store), *words[1:]] if words else ["memory"])
    assert raised.value.code == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("words", [["list"], ["show", "1"], ["explain", "1"]])
def test_a_missing_store_is_named_with_how_to_begin_one_and_not_made(
    tmp_path: Path, capsys: Capture, words: list[str]
) -> None:
    assert run(tmp_path / "none.db", *words) == 2
    assert "there is no memory store" in (complaint := capsys.readouterr().err)
    assert "`sage run` begins one" in complaint
    assert list(tmp_path.iterdir()) == []


def test_an_empty_store_says_how_to_fill_it(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "memory.db"
    ExperienceStore(path).close()
    assert run(path, "list") == 0
    assert "holds nothing yet: `sage run` fills it" in capsys.readouterr().out
    assert run(path, "list", "--json") == 0
    assert strict(capsys.readouterr().out)["experiences"] == []
    assert run(path, "list", "--modality", "scene") == 0


def test_a_store_that_was_never_begun_holds_nothing_yet(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "memory.db"
    path.touch()
    assert run(path, "list") == 0
    assert "holds nothing yet: `sage run` fills it" in capsys.readouterr().out
    assert run(path, "list", "--json") == 0
    assert strict(capsys.readouterr().out)["count"] == 0
    for word in ("show", "explain"):
        assert run(path, word, "1") == 2
        assert f"no experience 1 in {path}; it is empty" in capsys.readouterr().err
    assert path.stat().st_size == 0


def test_state_none_keeps_nothing_and_a_folder_of_that_name_is_read(
    store: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(store.parent)
    (store.parent / "none").mkdir()
    store.rename(store.parent / "none" / "memory.db")
    assert cli.main(["memory", "list", "--state", "none"]) == 2
    assert "error: nothing is kept with `--state none`" in capsys.readouterr().err
    assert cli.main(["memory", "list", "--state", "./none"]) == 0
    assert "thing 5" in capsys.readouterr().out


def test_reading_leaves_the_store_as_it_is(store: Path, capsys: Capture) -> None:
    before = store.read_bytes()
    for words in (["list"], ["show", "5"], ["explain", "5"]):
        assert run(store, *words) == 0
    assert store.read_bytes() == before
    assert [item.name for item in store.parent.iterdir()] == ["memory.db"]


def test_a_damaged_row_is_told_and_the_others_are_listed(store: Path, capsys: Capture) -> None:
    with sqlite3.connect(store) as connection:
        connection.execute("UPDATE experience SET why = '{' WHERE id = 3")
    connection.close()
    assert run(store, "list") == 1
    printed = capsys.readouterr()
    assert f"warning: experience 3 in {store} is damaged: why is not JSON" in printed.err
    assert "4 of 5 in" in printed.out


def test_a_damaged_store_is_named_and_stays(store: Path, capsys: Capture) -> None:
    store.write_bytes(b"garbage" * 1000)
    assert run(store, "list") == 2
    assert f"error: the memory store {store} is damaged" in capsys.readouterr().err
    assert store.read_bytes() == b"garbage" * 1000


def test_a_store_is_found_in_its_folder_and_by_default(
    store: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli.main(["memory", "list", "--state", str(store.parent)]) == 0
    (store.parent / "sage").mkdir()
    store.rename(store.parent / "sage" / "memory.db")
    monkeypatch.setenv("XDG_STATE_HOME", str(store.parent))
    assert cli.main(["memory", "list"]) == 0
    assert capsys.readouterr().out.count("thing 5") == 2


def test_a_store_in_use_can_be_read(store: Path, capsys: Capture) -> None:
    with ExperienceStore(store) as kept:
        assert kept.keep(experience(6)).wait(5.0)
        assert run(store, "list", "--limit", "1") == 0
        assert "thing 6" in capsys.readouterr().out
        assert kept.keep(experience(7)).wait(5.0)


def test_help_shows_examples(capsys: Capture) -> None:
    for words in (["--help"], ["list", "--help"], ["show", "--help"], ["explain", "--help"]):
        with pytest.raises(SystemExit):
            command.main(words)
        assert "sage memory explain 12" in capsys.readouterr().out


def strict(text: str) -> Any:
    def refuse(constant: str) -> Any:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)
