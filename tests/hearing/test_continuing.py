"""Speech that goes on after a pause."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sage.clock import VirtualClock
from sage.hearing import Ears, EarsConfig
from sage.values import Float32Array, Utterance
from tests.hearing.doubles import LoudIsSpeech, ScriptedRecogniser, blocks, silence, sound

GO, FIND = sound(0.96), sound(0.64)


def said(
    answers: list[str],
    *parts: Float32Array,
    any_words: bool = True,
    answered: bool = False,
    **config: Any,
) -> tuple[list[Utterance], ScriptedRecogniser, Ears]:
    """What is delivered; every utterance is a whole command, and answered at once or not."""
    clock = VirtualClock()
    recogniser = ScriptedRecogniser(*answers, complete=True)
    recogniser.any_words = any_words
    got: list[Utterance] = []
    ears = Ears(
        LoudIsSpeech(),
        recogniser,
        lambda observation: (got.append(observation.data), answered and ears.answered()),
        clock=clock,
        config=EarsConfig(**config),
        synchronous=True,
    )
    for block in blocks(np.concatenate([silence(0.32), *parts, silence(1.6)])):
        clock.advance_to(block.captured_s)
        ears.take(block)
    return got, recogniser, ears


def test_who_goes_on_is_heard_as_a_whole() -> None:
    got, recogniser, _ = said(
        ["go to the kitchen", "go to the kitchen and find the apple"], GO, silence(0.64), FIND
    )
    assert [item.text for item in got] == [
        "go to the kitchen",
        "go to the kitchen and find the apple",
    ]
    assert got[0].began_s == got[1].began_s == pytest.approx(0.32)
    assert got[1].ended_s == pytest.approx(0.32 + 0.96 + 0.64 + 0.64)
    first, second = recogniser.heard
    assert len(second) > len(first) + len(FIND)
    # No sound is missing, none is there twice.
    np.testing.assert_array_equal(second[: len(first)], first)
    assert np.count_nonzero(np.abs(second) > 0.4) == pytest.approx(
        np.count_nonzero(np.abs(GO) > 0.4) + np.count_nonzero(np.abs(FIND) > 0.4), rel=0.01
    )


def test_what_is_said_after_an_answer_is_new() -> None:
    got, recogniser, _ = said(
        ["go to the sink", "the one in the kitchen"], GO, silence(0.64), FIND, answered=True
    )
    assert [item.text for item in got] == ["go to the sink", "the one in the kitchen"]
    assert got[1].began_s == pytest.approx(0.32 + 0.96 + 0.64)
    assert len(recogniser.heard[1]) < len(recogniser.heard[0])


def test_an_answer_that_comes_while_somebody_speaks_is_none_to_that() -> None:
    clock = VirtualClock()
    recogniser = ScriptedRecogniser("go to", "go to the sink", "find", complete=True)
    recogniser.any_words = True
    got: list[Utterance] = []
    ears = Ears(
        LoudIsSpeech(),
        recogniser,
        lambda observation: got.append(observation.data),
        clock=clock,
        synchronous=True,
    )
    parts = [silence(0.32), GO, silence(0.64), GO, silence(0.64), FIND, silence(1.6)]
    for block in blocks(np.concatenate(parts)):
        clock.advance_to(block.captured_s)
        ears.take(block)
        if len(got) == 1 and ears.speaking:
            ears.answered()
    assert len({item.began_s for item in got}) == 1


def test_it_goes_on_more_than_once() -> None:
    got, _, _ = said(["go", "go to", "go to the sink"], GO, silence(0.64), FIND, silence(0.64), GO)
    assert [item.text for item in got] == ["go", "go to", "go to the sink"]
    assert len({item.began_s for item in got}) == 1


@pytest.mark.parametrize(
    ("pause_s", "config", "any_words"),
    [(1.6, {}, True), (0.64, {"continue_s": 0.0}, True), (0.64, {}, False)],
)
def test_what_comes_late_is_new(pause_s: float, config: dict[str, float], any_words: bool) -> None:
    got, recogniser, _ = said(
        ["go to the kitchen", "and find the apple"],
        *(GO, silence(pause_s), FIND),
        any_words=any_words,
        **config,
    )
    assert got[1].text == "and find the apple"
    assert got[1].began_s == pytest.approx(0.32 + 0.96 + pause_s)
    assert len(recogniser.heard[1]) < len(recogniser.heard[0])


def test_stop_is_never_read_together_with_what_came_before() -> None:
    got, _, _ = said(["go to the kitchen", "go to the kitchen stop"], GO, silence(0.64), FIND)
    assert [item.text for item in got] == ["go to the kitchen", "stop"]
    assert got[1].began_s == pytest.approx(0.32 + 0.96 + 0.64)


def test_a_noise_after_a_command_says_nothing_again() -> None:
    got, _, ears = said(["go to the kitchen", "go to the kitchen"], GO, silence(0.64), FIND)
    assert [item.text for item in got] == ["go to the kitchen"]
    assert ears.counts().rejected == 1


def test_what_never_ends_is_cut_and_not_continued() -> None:
    got, recogniser, _ = said(
        ["long", "long and longer", "more"],
        sound(1.2),
        silence(0.64),
        sound(4.0),
        max_utterance_s=3.0,
    )
    assert [item.text for item in got] == ["long", "long and longer", "more"]
    assert got[0].began_s == got[1].began_s
    assert got[2].began_s is not None
    assert got[1].began_s is not None
    assert got[2].began_s > got[1].began_s + 2.9
    assert len(recogniser.heard[1]) <= 3.4 * 16000
