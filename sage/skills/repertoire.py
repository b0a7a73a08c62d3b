"""The skill for every intent."""

from __future__ import annotations

from sage.skills.body import Body, Verdict
from sage.skills.counting import count
from sage.skills.intent import Intent
from sage.skills.skills import (
    Skill,
    approach,
    come_back,
    find,
    go_to_room,
    stand_still,
    tell_view,
)
from sage.skills.talking import Answers, answer, say


def skill_for(intent: Intent, body: Body, answers: Answers | None = None) -> Skill:
    """The skill that does what was asked.

    Args:
        intent: what to do.
        body: the robot.
        answers: what is known to answer, and to tell; by default only what needs no knowledge.
    """
    answers = Answers() if answers is None else answers
    target, room, location = intent.target or "", intent.room, intent.location
    if intent.kind == "go":
        return go_to_room(body, target)
    if intent.kind == "approach":
        return approach(body, target, room)
    if intent.kind == "find":
        return find(body, target, room)
    if intent.kind == "count":
        return count(body, target, room or "", location)
    if intent.kind == "describe":
        return tell_view(body)
    if intent.kind == "return":
        return come_back(body)
    if intent.kind == "say":
        return say(body, intent.words or "", intent.person, room, location, answers=answers)
    if intent.kind == "answer":
        return answer(body, intent.words, intent.person, room, location, answers=answers)
    if intent.kind == "stop":
        return stand_still(body)
    return _cannot(intent)


def _cannot(intent: Intent) -> Skill:
    """Say that this cannot be done."""
    yield from ()
    return Verdict(False, f"I cannot {intent.kind} anything")
