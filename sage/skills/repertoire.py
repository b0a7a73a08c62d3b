"""The skill for every intent."""

from __future__ import annotations

from sage.skills.accompanying import follow, guide
from sage.skills.body import Body
from sage.skills.carrying import bring, put
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
    if intent.kind in ("bring", "put"):
        return _carry(intent, body)
    if intent.kind == "follow":
        return follow(body, target, room, location, intent.to)
    if intent.kind == "guide":
        return guide(body, target, room, location, intent.to, intent.to_room)
    return stand_still(body)


def _carry(intent: Intent, body: Body) -> Skill:
    what, room, location = intent.target, intent.room, intent.location
    if intent.kind == "put":
        return put(body, what, room, location, intent.to or "", intent.to_room)
    return bring(body, what, room, location, intent.to, intent.to_room, intent.person)
