"""Answers to the robot's questions, corrections, and what is remembered of them."""

from __future__ import annotations

from typing import Any

import pytest

from sage.skills.agent import Agent, Report
from sage.skills.body import Body, Hold, Verdict
from sage.skills.dialogue import Dialogue
from sage.skills.grammar import parse
from sage.skills.intent import Declined, Intent
from sage.skills.skills import Skill
from tests.skills.kinematic_body import KinematicBody


def _busy(intent: Intent, body: Body) -> Skill:
    """A skill that takes its time, whatever is asked; "stop" is done at once."""
    while intent.kind != "stop":
        yield Hold()
    return Verdict(True, "I stand still")


class Talk:
    """An agent with a parser that counts what it is asked."""

    def __init__(self) -> None:
        self.body = KinematicBody({})
        self.parsed: list[str] = []
        self.agent = Agent.with_parser(
            self.body, self._parse, emit=lambda event: None, limit_s=20.0, skills=_busy
        )

    def _parse(self, text: str) -> Intent | Declined:
        self.parsed.append(text)
        return parse(text)

    def say(self, text: str, ticks: int = 3) -> Report | None:
        """Say something; its report, where there is one already."""
        number = self.agent.hear(text)
        for _ in range(ticks):
            self.agent.tick()
            self.body.obey(self.agent.order)
        return next((item for item in self.agent.reports if item.command == number), None)

    @property
    def doing(self) -> str | None:
        return None if self.agent.doing is None else self.agent.doing.phrase


@pytest.fixture
def talk() -> Talk:
    return Talk()


@pytest.mark.parametrize(
    ("question", "answer", "meaning"),
    [
        ("go to the sink", "the bathroom", "go to the sink in the bathroom"),
        ("go to the sink", "The one in the kitchen, please.", "go to the sink in the kitchen"),
        ("go to the sink", "the second one", "go to the sink in the bathroom"),
        ("go to the sink", "go to the sink in the kitchen", "go to the sink in the kitchen"),
        ("go to the sink", "no, I meant the bathroom", "go to the sink in the bathroom"),
        ("kitchen", "yes", "go to the kitchen"),
        ("put the apple on the table", "the coffee table", "put the apple on the coffee table"),
        ("put it on the sink", "in the bathroom", "put it on the sink in the bathroom"),
        ("guide Robin", "to the bedroom", "guide Robin to the bedroom"),
        ("guide Robin", "the bathroom", "guide Robin to the bathroom"),
        ("bring me the aple", "yes", "bring me the apple"),
        ("find a drink", "the coke", "find the coke"),
        ("go to the washing", "machine", "go to the washing machine"),
    ],
)
def test_an_answer_to_its_question_is_carried_out(
    talk: Talk, question: str, answer: str, meaning: str
) -> None:
    asked = talk.say(question)
    assert asked is not None
    assert "did you mean" in asked.verdict.text
    talk.say(answer)
    assert talk.doing == meaning


def test_what_was_asked_once_is_understood_at_once(talk: Talk) -> None:
    talk.say("go to the sink")
    talk.say("the bathroom")
    talk.say("stop")
    talk.say("Go to the sink!")
    assert talk.doing == "go to the sink in the bathroom"
    assert talk.parsed == ["go to the sink"]


def test_a_whole_command_that_was_suggested_is_an_answer() -> None:
    dialogue, sink = Dialogue(), "go to the sink in the kitchen"
    dialogue.asked("go to the sink", [sink, "go to the sink in the bathroom"], 0.0)
    assert dialogue.reply("roll along to where dishes get done", 1.0) is None
    meant = parse(sink)
    assert isinstance(meant, Intent)
    dialogue.understood(1, meant)
    learned = dialogue.reply("go to the sink", 2.0)
    assert learned is not None
    assert isinstance(learned.answer, Intent)
    assert learned.answer.phrase == sink


def test_another_command_is_no_answer() -> None:
    dialogue = Dialogue()
    dialogue.asked("go to the sink", ["go to the sink in the kitchen"], 0.0)
    assert dialogue.reply("roll along to where one sleeps", 1.0) is None
    meant = parse("go to the bed")
    assert isinstance(meant, Intent)
    dialogue.understood(1, meant)
    assert dialogue.reply("go to the sink", 2.0) is None


def test_a_correction_takes_the_place_of_what_runs(talk: Talk) -> None:
    talk.say("go to the bedroom")
    talk.say("no, I meant the kitchen")
    assert talk.doing == "go to the kitchen"
    (ended,) = talk.agent.reports
    assert (ended.command, ended.ended_by, ended.verdict.done) == (0, "correction", False)
    assert "no, I meant the kitchen" in ended.verdict.text


def test_a_correction_takes_the_place_of_what_waits(talk: Talk) -> None:
    talk.say("go to the bedroom")
    talk.say("go to the bathroom")
    talk.say("no I meant the kitchen")
    assert talk.doing == "go to the bedroom"
    (replaced,) = talk.agent.reports
    assert (replaced.command, replaced.ended_by) == (1, "correction")
    talk.say("come back", ticks=250)
    assert [report.command for report in talk.agent.reports] == [1, 0]
    assert talk.doing == "go to the kitchen"  # before what was said after it


def test_a_correction_of_what_was_remembered_is_remembered(talk: Talk) -> None:
    talk.say("go to the sink")
    talk.say("the bathroom")
    talk.say("sorry, I meant the kitchen")
    assert talk.doing == "go to the sink in the kitchen"
    talk.say("stop")
    talk.say("go to the sink")
    assert talk.doing == "go to the sink in the kitchen"


def test_a_slip_of_the_tongue_gives_no_room_another_name(talk: Talk) -> None:
    talk.say("go to the bedroom")
    talk.say("no, I meant the kitchen")
    talk.say("stop")
    talk.say("go to the bedroom")
    assert talk.doing == "go to the bedroom"


@pytest.mark.parametrize(
    ("command", "correction", "meaning"),
    [
        ("find the coke in the kitchen", "i meant the bedroom", "find the coke in the bedroom"),
        ("find the coke", "no, i meant the apple", "find the apple"),
        ("go to the fridge", "no, i meant the sofa", "go to the sofa"),
        (
            "count the drinks in the kitchen",
            "no, I meant the bathroom",
            "count the drinks in the bathroom",
        ),
        (
            "count people in the kitchen",
            "no, make it the bedroom",
            "count the people in the bedroom",
        ),
        ("go to the bedroom", "no, I meant find the apple", "find the apple"),
        ("bring me the apple", "no, I meant the coke", "bring me the coke"),
        ("bring me the apple", "no, make it the kitchen", "bring me the apple from the kitchen"),
        ("bring the apple to Alex", "I meant Taylor", "bring the apple to Taylor"),
        ("put the apple on the desk", "no, I meant the sofa", "put the apple on the sofa"),
        (
            "put it on the sink in the kitchen",
            "no, I meant the bathroom",
            "put it on the sink in the bathroom",
        ),
        ("follow Alex", "no I meant Robin", "follow Robin"),
        ("follow Alex", "no I meant the kitchen", "follow Alex in the kitchen"),
        ("guide Alex to the kitchen", "sorry, I meant the desk", "guide Alex to the desk"),
        ("guide Alex to the kitchen", "sorry, I meant Tracy", "guide Tracy to the kitchen"),
        ("say hello to Alex", "no, I meant Tracy", "say hello to Tracy"),
    ],
)
def test_a_correction_replaces_what_it_names(command: str, correction: str, meaning: str) -> None:
    dialogue = Dialogue()
    intent = parse(command)
    assert isinstance(intent, Intent)
    dialogue.understood(4, intent)
    reply = dialogue.reply(correction, 1.0)
    assert reply is not None
    assert isinstance(reply.answer, Intent)
    wanted = parse(meaning)
    assert isinstance(wanted, Intent)
    assert (reply.answer.phrase, reply.instead_of) == (wanted.phrase, 4)


def test_a_correction_that_means_two_things_is_asked_back(talk: Talk) -> None:
    talk.say("go to the fridge")
    asked = talk.say("no, I meant the sink")
    assert asked is not None
    assert "did you mean" in asked.verdict.text
    talk.say("the bathroom")
    assert talk.doing is not None


def test_a_question_is_over_with_the_next_command_or_in_time() -> None:
    dialogue = Dialogue(answer_within_s=5.0)
    dialogue.asked("go to the sink", ("go to the sink in the kitchen",), 0.0)
    assert dialogue.reply("kitchen", 6.0) is None
    dialogue.asked("go to the sink", ("go to the sink in the kitchen",), 0.0)
    assert dialogue.reply("come back", 1.0) is None
    assert dialogue.reply("the kitchen", 2.0) is None
    assert dialogue.reply("no, i meant the kitchen", 2.0) is None  # nothing was done before


def test_old_phrases_make_room() -> None:
    dialogue = Dialogue(most=1)
    for number, (about, option) in enumerate(
        [("go to the sink", "go to the sink in the kitchen"), ("kitchen", "go to the kitchen")]
    ):
        dialogue.asked(about, (option,), 0.0)
        reply = dialogue.reply("yes", 0.0)
        assert reply is not None
        assert isinstance(reply.answer, Intent)
        dialogue.understood(number, reply.answer, reply)
    assert dialogue.reply("go to the sink", 0.0) is None
    assert dialogue.reply("kitchen", 0.0) is not None


@pytest.mark.parametrize("options", [{"answer_within_s": 0.0}, {"most": 0}])
def test_impossible_settings_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="got 0"):
        Dialogue(**options)
