"""What is answered to a name that a command holds: the intent that it means, or a reasoned no.

Whoever reads commands, by rule or by a learned parser, answers through these, in the same words.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sage.irp.errors import ConfigError
from sage.ontology import (
    APARTMENT_FURNITURE,
    APARTMENT_OBJECTS,
    VISION_CLASSES,
    object_entry,
    objects_in_category,
    rooms_of,
)
from sage.skills.intent import OBJECT, PERSON, Declined, Intent, counted_labels
from sage.skills.vocabulary import Named, look_up

MAX_SUGGESTIONS = 4

ABILITIES = (
    "go to a room or to a piece of furniture, find, bring or put a thing, find, follow or guide a"
    " person, count things or people in a room, tell what it knows, describe what it sees, come"
    " back, stop"
)

CARRY = "what to bring, or where to, was not understood"
FOLLOW = "whom to follow was not understood"
GUIDE = "whom to guide, or where to, was not understood"
SPEAK = "what to say or to answer was not understood"
LIFT = "this robot cannot throw, push, lift or buy things"
HANDLE = "this robot cannot open, pour, clean or switch things"


def meant(named: Named, room: str | None, text: str) -> Intent | Declined:
    """The intent that a name stands for, if the robot can have it."""
    name = named.name
    if named.sort == "room":
        if room not in (None, name):
            return declined(text, f"the {name} is not in the {room}", uses([named]))
        return Intent("go", name, text)
    if named.sort == "somebody":
        reason = f"people are not told apart, so {name!r} cannot be looked for"
        return replace(declined(text, reason, uses([named], [room])), asks="find")
    if named.sort == "category":
        return declined(text, f"{name!r} is a whole category", uses([named], [room]))
    if name not in VISION_CLASSES:
        known = APARTMENT_FURNITURE if named.sort == "furniture" else APARTMENT_OBJECTS
        return Declined(text, f"{name!r} is not known by sight; known: {', '.join(known)}")
    if named.sort != "furniture":
        return Intent("find", name, text, room=room)
    rooms = rooms_of(name)
    if room is not None and room not in rooms:
        special = look_up(f"{room} {name}")  # "the cabinet in the bathroom"
        if special is not None:
            return meant(special, None, text)
        return declined(text, f"there is no {name} in the {room}", uses([named]))
    if room is None and len(rooms) > 1:
        return declined(text, f"there is a {name} in {len(rooms)} rooms", uses([named]))
    return Intent("approach", name, text, room=room)


def rooms_meant(named: Named) -> tuple[str, ...]:
    """The rooms that a place can mean; none for what is no place."""
    if named.sort == "room":
        return (named.name,)
    return rooms_of(named.name) if named.sort == "furniture" else ()


def count_meant(
    named: Named | None, room: str | None, location: str | None, text: str
) -> Intent | Declined:
    """The intent to count what a name stands for (None: any object), if the robot can.

    Args:
        named: what to count.
        room: where; None where nobody said.
        location: the piece of furniture to count at; None for the whole room.
        text: the words of the command.
    """
    target = OBJECT if named is None else named.name
    if named is not None and named.sort in ("room", "furniture"):
        reason = f"rooms and furniture are not counted, so not {target!r}"
        return declined(text, reason, uses([named], [room]))
    if named is not None and named.sort == "somebody":
        reason = f"people are not told apart, so {target!r} cannot be counted"
        return declined(text, reason, _counts(PERSON, room, location))
    try:
        counted_labels(target)
    except ConfigError:
        what = "none of them is" if named and named.sort == "category" else "it is not"
        known = ", ".join(APARTMENT_OBJECTS)
        return Declined(
            text, f"{target!r} cannot be counted: {what} known by sight; known: {known}"
        )
    if location is not None:
        if location not in APARTMENT_FURNITURE:
            known = ", ".join(APARTMENT_FURNITURE)
            return Declined(text, f"{location!r} is not known by sight; known: {known}")
        rooms = rooms_of(location)
        if room is not None and room not in rooms:
            special = look_up(f"{room} {location}")  # "the cabinet in the bathroom"
            if special is not None and special.sort == "furniture":
                return count_meant(named, None, special.name, text)
            reason = f"there is no {location} in the {room}"
            return declined(text, reason, _counts(target, None, location))
        if room is None and len(rooms) > 1:
            reason = f"there is a {location} in {len(rooms)} rooms"
            return declined(text, reason, _counts(target, None, location))
        room = room or rooms[0]
        if target == PERSON:
            location = None  # people stand beside furniture, not on it
    if room is None:
        return declined(text, "where to count was not said", _counts(target, None, None))
    return Intent("count", target, text, room=room, location=location)


def _counts(target: str, room: str | None, location: str | None) -> list[str]:
    """Commands to count something, where it usually is if nobody said where."""
    if location is not None and target != PERSON:
        rooms = [room] if room in rooms_of(location) else list(rooms_of(location))
        return [Intent("count", target, "", place, location).phrase for place in rooms]
    usual = [object_entry(name).default_room for name in counted_labels(target) if name != PERSON]
    places = [room] if room is not None else [*usual, "living room", "kitchen", "dining room"]
    return [Intent("count", target, "", place).phrase for place in dict.fromkeys(places)]


def uses(names: Iterable[Named], rooms: Iterable[str | None] = (None,)) -> list[str]:
    """Commands about these names that are understood, in each of the rooms where that holds."""
    options: list[str] = []
    given = tuple(rooms) or (None,)
    for named in names:
        targets, places = [named], given
        if named.sort == "category":
            targets = [Named("object", name) for name in objects_in_category(named.name)]
        elif named.sort == "somebody":
            targets = [Named("person", PERSON)]
        elif named.sort == "furniture" and len(rooms_of(named.name)) > 1:
            places = rooms_of(named.name)
        for target in targets:
            for room in places:
                answer = meant(target, room, "")
                if isinstance(answer, Intent):
                    options.append(answer.phrase)
    return options


def unable(why: str, names: Iterable[Named], text: str) -> Declined:
    """The answer to a wish that is not fulfilled; ``why`` is one of those above."""
    known = [named for named in names if named.sort in ("object", "somebody")]
    options = uses(known)
    if why == CARRY:
        options = [f"bring me {phrase.removeprefix('find ')}" for phrase in options]
        options = [phrase for phrase in options if "person" not in phrase]
    return declined(text, why, options)


def quoted(words: str) -> str:
    """Some words of the user's, quoted and of limited length."""
    return repr(words if len(words) <= 40 else words[:37] + "...")


def declined(text: str, reason: str, options: Iterable[str]) -> Declined:
    """A no, with the first few of the commands that may have been meant."""
    return Declined(text, reason, tuple(dict.fromkeys(options))[:MAX_SUGGESTIONS])
