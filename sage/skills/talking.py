"""Saying something, and answering questions: to the speaker, or to somebody who must be found."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sage.skills.body import Body, Order, Verdict
from sage.skills.intent import PERSON
from sage.skills.looking import face, wait
from sage.skills.skills import Skill, find

NAME: Final = "SAGE"
ASK: Final = "please ask your question"
QUESTION_WITHIN_S: Final = 20.0
"""How long the robot waits for the question that it asked for."""

_NO_ANSWER = "I do not know the answer to that"
_SPOKEN_S = 0.5
_JOKES = (
    "Why did the robot cross the road? It was programmed by a chicken.",
    "I would tell you a joke about my battery, but it has no charge.",
    "There are ten kinds of people: those who read binary, and those who do not.",
)


@dataclass(slots=True)
class Answers:
    """What the robot can answer and tell.

    ``answer`` gives the answer to a question, or None; ``now`` local time. ``asked`` is the
    question that somebody put after the robot asked for one; whoever hears it sets it.
    """

    answer: Callable[[str], str | None] = lambda question: None
    now: Callable[[], datetime] = datetime.now
    asked: str | None = None
    listening: bool = False
    told: int = 0

    def text_of(self, words: str) -> str:
        """What to say for the words of a say: the time, a joke, or the words themselves."""
        now = self.now()
        tomorrow = now + timedelta(days=1)
        if words == "a joke":
            self.told += 1
            return _JOKES[(self.told - 1) % len(_JOKES)]
        return {
            "the time": f"It is {now:%H:%M}.",
            "what day it is": f"Today is {now:%A}, {now:%d %B %Y}.",
            "what day tomorrow is": f"Tomorrow is {tomorrow:%A}, {tomorrow:%d %B %Y}.",
            "the day of the week": f"It is {now:%A}.",
            "the day of the month": f"It is day {now.day} of {now:%B}.",
            "your name": f"My name is {NAME}.",
            "your team's name": f"My team is called {NAME}.",
            "something about yourself": (
                f"I am {NAME}, a robot that lives in this apartment: I find things, carry them, and"
                " go with people where they want to go."
            ),
        }.get(words, words)

    def text_for(self, question: str) -> str | None:
        """The answer to a question, if it is known."""
        return self.answer(question)


def say(
    body: Body,
    words: str,
    person: str | None = None,
    room: str | None = None,
    location: str | None = None,
    *,
    answers: Answers,
) -> Skill:
    """Say something: at once, or to a person once they are found."""
    if person is not None and (why := (yield from _go_to(body, person, room, location))):
        return Verdict(False, why)
    text = answers.text_of(words)
    yield from _spoken(body, text if person in (None, PERSON) else f"{person}: {text}")
    return Verdict(True, text)


def answer(
    body: Body,
    question: str | None,
    person: str | None = None,
    room: str | None = None,
    location: str | None = None,
    *,
    answers: Answers,
) -> Skill:
    """Answer a question; one that is still to be asked is asked for, and waited for."""
    if person is not None and (why := (yield from _go_to(body, person, room, location))):
        return Verdict(False, why)
    if question is None:
        answers.asked, answers.listening = None, True
        try:
            named = "" if person in (None, PERSON) else f"{person}: "
            yield from _spoken(body, f"{named}{ASK}")
            began_s = body.now_s()
            while answers.asked is None and body.now_s() - began_s < QUESTION_WITHIN_S:
                yield from wait(body, 0.1)
        finally:
            question, answers.listening = answers.asked, False
        if question is None:
            return Verdict(False, "nothing was asked")
    text = answers.text_for(question)
    yield from _spoken(body, text or _NO_ANSWER)
    return Verdict(text is not None, text or _NO_ANSWER)


def _go_to(
    body: Body, person: str, room: str | None, location: str | None
) -> Generator[Order, None, str]:
    """Find a person and face them; returns why that failed, or nothing."""
    where = f" in the {room}" if room is not None else ""
    found = yield from find(body, PERSON, room)
    if not found.done:
        who = "anybody" if person == PERSON else person
        return f"I could not find {who}{where}"
    if found.found_at is not None:
        pose = body.pose()
        yield from face(body, pose.yaw_rad + pose.bearing_to(*found.found_at))
    return ""


def _spoken(body: Body, text: str) -> Generator[Order, None, None]:
    body.speak(text)
    yield from wait(body, _SPOKEN_S)
