"""Phrases that were learnt are understood tomorrow."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from memory import schema
from memory.phrases import MOST_PHRASES, Phrases
from memory.schema import MemoryStoreError, open_to_write
from sage.skills.dialogue import Dialogue
from sage.skills.grammar import parse
from sage.skills.intent import Intent


@pytest.fixture
def phrases(tmp_path: Path) -> Phrases:
    path = tmp_path / "memory.db"
    open_to_write(path, "NORMAL").close()
    return Phrases(path)


def test_what_is_learnt_today_is_understood_tomorrow(phrases: Phrases) -> None:
    today = Dialogue(learned=phrases.load(), on_learned=phrases.keep)
    today.asked("put it on the table", ("put it on the side table", "put it on the desk"), 0.0)
    reply = today.reply("the desk", 1.0)
    assert reply is not None
    assert isinstance(reply.answer, Intent)
    today.understood(0, reply.answer, reply)
    tomorrow = Dialogue(learned=phrases.load(), on_learned=phrases.keep)
    known = tomorrow.reply("Put it on the table!", 0.0)
    assert known is not None
    assert isinstance(known.answer, Intent)
    assert known.answer.phrase == "put it on the desk"
    assert phrases.forget("put it on the table")
    assert not phrases.forget("put it on the table")
    assert phrases.load() == {}


def test_the_oldest_make_room_and_what_is_damaged_is_left_out(phrases: Phrases) -> None:
    intent = parse("come back")
    assert isinstance(intent, Intent)
    for number in range(MOST_PHRASES + 2):
        phrases.keep(f"phrase {number}", intent)
    learned = phrases.load()
    assert len(learned) == MOST_PHRASES
    assert "phrase 1" not in learned
    with contextlib.closing(sqlite3.connect(phrases._path)) as connection, connection:
        connection.execute(
            "UPDATE phrase SET meaning = '{\"kind\": \"fly\"}' WHERE words = 'phrase 2'"
        )
    assert len(phrases.load()) == MOST_PHRASES - 1


def test_a_store_of_the_first_version_is_brought_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "memory.db"
    with monkeypatch.context() as patch:
        patch.setattr(schema, "SCHEMA_VERSION", 1)
        open_to_write(path, "NORMAL").close()
    with pytest.raises(MemoryStoreError, match="no such table"):
        Phrases(path).load()
    open_to_write(path, "NORMAL").close()
    assert Phrases(path).load() == {}


def test_a_store_that_is_gone_keeps_nothing_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    intent = parse("come back")
    assert isinstance(intent, Intent)
    Phrases(tmp_path / "nowhere.db").keep("home", intent)
    assert "is not kept" in caplog.text
