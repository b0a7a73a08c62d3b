"""Swaps: words and meaning exchanged together, and the frames for what is said at home."""

from __future__ import annotations

import random

import pytest

from models.language import everyday
from models.language.forms import encode, read, tokens_of
from models.language.swaps import swapped

HEAVIEST = '( say ( lambda $1 e ( and ( heaviest $1 ) ( at $1 " <location> " ) ) ) )'
LYING = (
    '( say ( answer " <question> " ) '
    '( lambda $1 e ( person $1 ) ( lying $1 ) ( at $1 " <room> " ) ) )'
)
BEHIND = (
    '( bring ( lambda $1 e ( lambda $2 e ( is_a $2 " <object> " ) ( behind $1 $2 ) ) ) '
    '" <location> " )'
)


def made(text: str, form: str) -> dict[str, str]:
    pairs = [(tuple(text.split()), form)]
    return {" ".join(words): meant for words, meant in swapped(pairs, 0, tries=300)}


@pytest.mark.parametrize(
    ("text", "form", "said", "meant"),
    [
        (
            "what is the heaviest thing on the <location>",
            HEAVIEST,
            "what is the thinnest thing on the <location>",
            HEAVIEST.replace("heaviest", "thinnest"),
        ),
        (
            "get the object behind the <object> that is on the <location>",
            BEHIND,
            "get the object above the <object> that is on the <location>",
            BEHIND.replace("behind", "above"),
        ),
        (
            "go to the <room> find the person lying down and answer a question",
            LYING,
            "go to the <room> find the person sitting and answer a question",
            LYING.replace("lying", "sitting"),
        ),
        (
            "go to the <room> find the person lying down and answer a question",
            LYING,
            "go to the <room> find the person lying down and tell <whattosay>",
            LYING.replace('( answer " <question> " )', '" <whattosay> "'),
        ),
    ],
)
def test_what_is_said_and_what_is_meant_change_together(
    text: str, form: str, said: str, meant: str
) -> None:
    assert made(text, form).get(said) == meant


def test_what_comes_out_is_new_and_well_formed() -> None:
    for text, form in (("what is the heaviest thing on the <location>", HEAVIEST),):
        found = made(text, form)
        assert len(found) > 5
        assert text not in found
        for meant in found.values():
            assert read(encode(tokens_of(meant)))


def test_who_left_something_out_is_no_example() -> None:
    form = BEHIND.replace("behind", "below")
    assert made("get what is below the <object> on the <location>", form)
    assert not made("get what is below that on the <location>", form)


@pytest.mark.parametrize(
    "frame",
    [
        everyday.told,
        everyday.answered,
        everyday.follow_anyone,
        everyday.follow_named,
        everyday.guide_anyone,
        everyday.carry_it,
        everyday.carry_kind,
        everyday.bring_anyone,
    ],
)
def test_frames_of_every_day_make_forms_that_the_code_can_hold(frame) -> None:
    rng = random.Random(0)
    pairs = [frame(rng) for _ in range(200)]
    assert len({text for text, _ in pairs}) > 20
    for text, form in pairs:
        assert " ".join(read(encode(tokens_of(form)))) == form
        assert "{" not in text
        assert "(" not in text
