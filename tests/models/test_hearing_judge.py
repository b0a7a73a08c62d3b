"""What is said to this robot, whether or not it is a command by itself."""

from __future__ import annotations

import pytest

from models.hearing.judge import ASKS, PLAIN, Judge, shipped_judge


@pytest.fixture(scope="module")
def judge() -> Judge:
    return shipped_judge()


@pytest.mark.parametrize(
    "text",
    [
        "go to the kitchen",
        "stop",
        "the kitchen",
        "the one in the kitchen",
        "the second one",
        "no the bathroom",
        "no i meant the fridge",
        "tell me the time",
        "what do you see",
        "who invented the c programming language",
    ],
)
def test_commands_answers_corrections_and_questions_are_for_this_robot(
    judge: Judge, text: str
) -> None:
    assert judge(text) >= 0.8


@pytest.mark.parametrize(
    "text", ["go to the moon", "what is the capital of portugal", "i love you", "the moon", ""]
)
def test_all_else_is_not(judge: Judge, text: str) -> None:
    assert judge(text) == 0.0


@pytest.mark.parametrize("text", ["call my brother and say that i am late", "happy day to you"])
def test_a_word_of_a_known_question_is_no_question(judge: Judge, text: str) -> None:
    assert judge(text) <= ASKS


def test_what_lacks_a_name_is_doubted(judge: Judge) -> None:
    assert 0.0 < judge("put the coke on the boat shelf") < 0.5


def test_what_can_only_be_asked_back_is_doubted(judge: Judge) -> None:
    assert ASKS <= judge("put it on the table") < PLAIN
