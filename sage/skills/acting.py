"""What is answered to a command that moves things or people, or speaks: an intent, or a no.

Whoever reads commands, by rule or by a learned parser, answers through :func:`made`, so that a
place that two rooms share is asked back in the same words, and a thing that is not known by sight
is declined.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sage.ontology import (
    APARTMENT_FURNITURE,
    APARTMENT_OBJECTS,
    CATEGORIES,
    ROOM_NAMES,
    objects_in_category,
    rooms_of,
)
from sage.skills.answers import declined
from sage.skills.intent import Declined, Intent, IntentKind
from sage.skills.vocabulary import Named, look_up


@dataclass(frozen=True, slots=True)
class Where:
    """A place: a room, or a piece of furniture; no room where nobody said which."""

    room: str | None = None
    location: str | None = None

    def __bool__(self) -> bool:
        return self.room is not None or self.location is not None

    @property
    def rooms(self) -> tuple[str, ...]:
        """Every room that can be meant."""
        if self.location is None or self.room is not None:
            return () if self.room is None else (self.room,)
        return rooms_of(self.location)


NOWHERE = Where()


@dataclass(frozen=True, slots=True)
class Deed:
    """What a command asks for, before it is known whether it can be done.

    Attributes:
        kind: bring, put, follow, guide, say or answer.
        target: the thing or the person; None as in :class:`Intent`.
        at: where the target is, or the person to speak to.
        to: where it ends.
        person: who gets it, or is spoken to.
        words: what to say, or the question.
    """

    kind: IntentKind
    target: str | None = None
    at: Where = NOWHERE
    to: Where = NOWHERE
    person: str | None = None
    words: str | None = None


def where_meant(named: Named | None, room: str | None = None) -> Where | None:
    """The place that a name stands for; None where it is none."""
    if named is None:
        return None
    if named.sort == "room":
        return Where(named.name) if room in (None, named.name) else None
    if named.sort != "furniture":
        return None
    if room is not None and room not in rooms_of(named.name):
        special = look_up(f"{room} {named.name}")  # "the cabinet in the bathroom"
        if special is not None and special.sort == "furniture":
            return Where(room, special.name)
    return Where(room, named.name)


def made(deed: Deed, text: str) -> Intent | Declined:
    """The intent to do a deed, if the robot can; what is open is asked back.

    Bringing a thing to a piece of furniture is putting it there.
    """
    deed = _plain(deed)
    if (why := _unknown(deed)) is not None:
        return Declined(text, why)
    for part in ("at", "to"):
        place: Where = getattr(deed, part)
        if place.location is None:
            continue
        rooms = rooms_of(place.location)
        if place.room is not None and place.room in rooms:
            continue
        options = [_at(deed, part, Where(room, place.location)) for room in rooms]
        if place.room is not None:
            reason = f"there is no {place.location} in the {place.room}"
            return declined(text, reason, _phrases(options))
        if len(rooms) > 1:
            reason = f"there is a {place.location} in {len(rooms)} rooms"
            return declined(text, reason, _phrases(options))
        deed = options[0]
    if deed.kind == "put" and not deed.to:
        return declined(text, "where to put it was not said", _phrases(_with_usual_place(deed)))
    return _intent(deed, text)


def _at(deed: Deed, part: str, place: Where) -> Deed:
    return replace(deed, at=place) if part == "at" else replace(deed, to=place)


def _plain(deed: Deed) -> Deed:
    """A deed in the one way in which it is told."""
    kind, at, to = deed.kind, deed.at, deed.to
    if at.location is not None and at.location not in APARTMENT_FURNITURE:
        rooms = at.rooms  # what is not known by sight still tells where to look
        at = Where(rooms[0]) if len(rooms) == 1 else NOWHERE
    if kind == "bring" and deed.person is None and to.location is not None:
        kind = "put"
    elif kind == "put" and to.location is None and to.room is not None:
        kind = "bring"
    if to.location is not None and (kind == "follow" or deed.person is not None):
        rooms = to.rooms
        if kind == "follow" or to.location not in APARTMENT_FURNITURE:
            to = Where(rooms[0]) if len(rooms) == 1 else NOWHERE
    return replace(deed, kind=kind, at=at, to=to)


def _unknown(deed: Deed) -> str | None:
    """Why what a deed is about cannot be seen; None where it can."""
    if deed.kind in ("bring", "put") and deed.target is not None:
        names: tuple[str, ...] = (deed.target,)
        if deed.target in CATEGORIES:
            names = objects_in_category(deed.target)
        if not any(name in APARTMENT_OBJECTS for name in names):
            what = "none of them is" if deed.target in CATEGORIES else "it is not"
            known = ", ".join(APARTMENT_OBJECTS)
            return f"{deed.target!r} cannot be taken: {what} known by sight; known: {known}"
    if deed.to.location is not None and deed.to.location not in APARTMENT_FURNITURE:
        known = ", ".join(APARTMENT_FURNITURE)
        return f"{deed.to.location!r} is not known by sight; known: {known}"
    return None


def _with_usual_place(deed: Deed) -> Iterator[Deed]:
    for name in ("dining table", "coffee table", "counter", "desk"):
        yield replace(deed, to=Where(None, name))


def _phrases(options: list[Deed] | Iterator[Deed]) -> list[str]:
    answers = [made(option, "") for option in options]
    return [answer.phrase for answer in answers if isinstance(answer, Intent)]


def _intent(deed: Deed, text: str) -> Intent:
    end = deed.to.location or deed.to.room
    return Intent(
        deed.kind,
        deed.target,
        text,
        room=deed.at.room,
        location=deed.at.location,
        to=end,
        to_room=None if end is None or end in ROOM_NAMES else deed.to.room,
        person=deed.person,
        words=deed.words,
    )
