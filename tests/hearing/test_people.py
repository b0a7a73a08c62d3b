"""Real people, real rooms: recordings through the ears with the real voice activity."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.hearing.activity import SileroActivity
from sage.clock import VirtualClock
from sage.hearing import Ears, open_microphone
from sage.values import Observation
from tests.hearing.doubles import ScriptedRecogniser


def utterances(path: Path) -> list[Observation]:
    clock = VirtualClock()
    source = open_microphone(f"file:{path}", clock=clock, lockstep=True)
    got: list[Observation] = []
    recogniser = ScriptedRecogniser(*["words"] * 5)
    ears = Ears(SileroActivity(), recogniser, got.append, clock=clock, synchronous=True)
    source.start(ears.take)
    while not source.finished:
        clock.advance_to(clock.now_s() + 0.1)
        source.pump(clock.now_s())
    ears.stop()
    assert ears.counts().errors == 0
    return got


@pytest.mark.parametrize(
    ("name", "began_s", "ended_s"),
    [
        ("5-newcommand0", 0.6, 2.5),
        ("12-5a21eb", 0.9, 2.9),
        ("12-f65f12", 1.2, 4.3),
        ("7-382f13", 0.8, 5.3),
    ],
)
def test_a_spoken_command_is_one_utterance(
    shared_data: Path, name: str, began_s: float, ended_s: float
):
    (heard,) = utterances(shared_data / "voices" / f"{name}.wav")
    assert heard.data.began_s == pytest.approx(began_s, abs=0.15)
    assert heard.data.ended_s == pytest.approx(ended_s, abs=0.15)


def test_rooms_in_which_nobody_speaks_are_silent(shared_data: Path):
    rooms = sorted((shared_data / "voices").glob("17-*.wav"))
    assert len(rooms) == 5
    for room in rooms:
        assert utterances(room) == []
