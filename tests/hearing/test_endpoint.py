"""Where speech begins and ends."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage.hearing.endpoint import EarsConfig, EndPointer
from sage.irp.errors import ConfigError

BLOCK_S = 0.032


def hear(pointer: EndPointer, probabilities: list[float], start: int = 0) -> list[bool]:
    return [
        pointer.hear(p, (start + k) * BLOCK_S, (start + k + 1) * BLOCK_S)
        for k, p in enumerate(probabilities)
    ]


def test_speech_begins_after_three_blocks_in_a_row_and_began_with_the_first():
    pointer = EndPointer(EarsConfig())
    assert hear(pointer, [0.0, 0.9, 0.9, 0.4, 0.5, 0.6]) == [False] * 6
    assert hear(pointer, [0.9, 0.9], 6) == [True, False]
    assert pointer.speaking
    assert pointer.began_s == pytest.approx(4 * BLOCK_S)
    assert pointer.ended_s == pytest.approx(8 * BLOCK_S)


def test_what_is_no_number_is_no_speech():
    pointer = EndPointer(EarsConfig())
    assert not any(hear(pointer, [math.nan] * 5 + [0.9, 0.9, math.nan, 0.9, 0.9]))


def test_speech_goes_on_at_a_lower_activity_than_it_began_with():
    pointer = EndPointer(EarsConfig())
    hear(pointer, [0.9] * 5 + [0.4] * 5 + [0.34] * 7)
    assert pointer.ended_s == pytest.approx(10 * BLOCK_S)
    assert pointer.silent(17 * BLOCK_S, 7 * BLOCK_S)
    assert not pointer.silent(17 * BLOCK_S, 8 * BLOCK_S)
    assert not pointer.too_short
    pointer.end()
    assert not pointer.speaking


def test_too_short_counts_the_sound_and_not_the_pauses():
    pointer = EndPointer(EarsConfig(min_speech_s=0.16))
    hear(pointer, [0.9] * 3 + [0.0] * 10 + [0.9])
    assert pointer.voiced_s == pytest.approx(4 * BLOCK_S)
    assert pointer.too_short
    hear(pointer, [0.9], 14)
    assert not pointer.too_short


@given(st.lists(st.sampled_from([0.0, 0.3, 0.4, 0.6, 1.0, math.nan]), max_size=80))
def test_whatever_comes_an_utterance_lies_within_what_was_heard(probabilities: list[float]):
    pointer = EndPointer(EarsConfig())
    began = hear(pointer, probabilities)
    assert sum(began) == pointer.speaking
    if pointer.speaking:
        end = (began.index(True) + 1) * BLOCK_S
        assert pointer.began_s == pytest.approx(end - 3 * BLOCK_S)
        assert end - 1e-9 <= pointer.ended_s <= len(probabilities) * BLOCK_S + 1e-9
        assert pointer.voiced_s <= pointer.ended_s - pointer.began_s + 1e-9


@pytest.mark.parametrize(
    ("name", "value", "valid"),
    [
        ("on_probability", 1.5, "[0.01, 1]"),
        ("off_probability", 0.6, "[0, 0.5]"),
        ("pause_complete_s", 0.7, "[0.03, 0.64]"),
        ("pause_s", math.nan, "[0.03, 5]"),
        ("max_utterance_s", 0.5, "[1, 120]"),
        ("failures", 0, "[1, 100]"),
        ("begin_s", -0.1, "[0, 1]"),
    ],
)
def test_a_config_that_cannot_be(name: str, value: float, valid: str):
    with pytest.raises(ConfigError) as caught:
        EarsConfig(**{name: value})
    assert name in str(caught.value)
    assert valid in str(caught.value)
