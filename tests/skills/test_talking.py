"""Saying things and answering questions."""

from __future__ import annotations

from datetime import datetime

import pytest

from sage.skills.intent import TOLD, Intent
from sage.skills.repertoire import skill_for
from sage.skills.talking import Answers
from tests.skills.kinematic_body import KinematicBody, carry_out

NOW = datetime(2026, 11, 30, 9, 5)
ANSWERS = Answers(lambda question: "Ottawa." if "canada" in question else None, lambda: NOW)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("the time", "It is 09:05."),
        ("what day it is", "Today is Monday, 30 November 2026."),
        ("what day tomorrow is", "Tomorrow is Tuesday, 01 December 2026."),
        ("the day of the week", "It is Monday."),
        ("the day of the month", "It is day 30 of November."),
        ("your name", "My name is SAGE."),
        ("dinner is ready", "dinner is ready"),
    ],
)
def test_what_is_told(words: str, text: str) -> None:
    assert ANSWERS.text_of(words) == text


def test_everything_that_stands_for_something_else_is_replaced() -> None:
    assert all(ANSWERS.text_of(words) != words for words in TOLD)
    assert ANSWERS.text_of("a joke") != ANSWERS.text_of("a joke")


def test_somebody_is_found_faced_and_spoken_to() -> None:
    body = KinematicBody({"person": (7.5, 2.0)})
    intent = Intent("say", None, "", room="kitchen", person="Taylor", words="the time")
    verdict = carry_out(skill_for(intent, body, ANSWERS), body)
    assert verdict.done, verdict.text
    assert body.spoken == ["Taylor: It is 09:05."]
    assert body.pose().distance_to(7.5, 2.0) < 3.0
    assert abs(body.pose().bearing_to(7.5, 2.0)) < 0.3


def test_nobody_there_is_not_spoken_to() -> None:
    body = KinematicBody()
    intent = Intent("answer", None, "", room="kitchen", person="person")
    verdict = carry_out(skill_for(intent, body, ANSWERS), body)
    assert (verdict.done, verdict.text) == (False, "I could not find anybody in the kitchen")
    assert not body.spoken


def test_a_question_is_answered_or_not_known() -> None:
    body = KinematicBody()
    known = Intent("answer", None, "", words="what is the capital of canada")
    assert carry_out(skill_for(known, body, ANSWERS), body).text == "Ottawa."
    unknown = Intent("answer", None, "", words="what is the capital of france")
    verdict = carry_out(skill_for(unknown, body, ANSWERS), body)
    assert not verdict.done
    assert body.spoken == ["Ottawa.", "I do not know the answer to that"]
