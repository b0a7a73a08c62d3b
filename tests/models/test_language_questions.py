"""The ontology's questions, in other words."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from models.language.questions import QUESTIONS, Questions, answer
from sage.irp.errors import ModelError


def test_each_question_as_the_ontology_words_it_has_its_own_answer() -> None:
    for one in json.loads(QUESTIONS.read_text())["questions"]:
        found = answer(one["question"])
        assert found is not None
        assert found.name == one["id"]
        assert found.text


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("Robot, which city is Canada's capital?", "The capital of Canada is Ottawa."),
        ("who came up with the compiler", "Grace Brewster Murray Hopper invented it"),
        ("do you dream at night", "I dream of Electric Sheep."),
    ],
)
def test_other_wordings(asked: str, said: str) -> None:
    found = answer(asked)
    assert found is not None
    assert found.text.startswith(said)


@pytest.mark.parametrize(
    "asked", ["what is the capital of France", "go to the kitchen", "", "canada " * 60]
)
def test_what_is_no_known_question_has_no_answer(asked: str) -> None:
    assert answer(asked) is None


def test_time_and_day_are_those_given() -> None:
    now = datetime(2024, 5, 6, 7, 8)
    time, day = answer("what is the time", now), answer("which day is it", now)
    assert time is not None
    assert day is not None
    assert (time.text, day.text) == ("It is 07:08.", "Today is Monday, 06 May 2024.")


def test_damaged_questions_are_named() -> None:
    with pytest.raises(ModelError, match=r"questions\.json is damaged"):
        Questions({"sets": {}})
