"""From a logical form to an intent: what of language's reading this robot can do, and what not.

Forms are those of the GPSR commands dataset (arXiv 1907.01115), and a few of this robot's own:
``( return )``, ``( stop )``, ``( go " <location> " )``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sage.ontology import CATEGORIES, OBJECTS, ROOM_NAMES, furniture_names, rooms_of
from sage.skills.answers import (
    ABILITIES,
    CARRY,
    FOLLOW,
    GUIDE,
    HANDLE,
    SPEAK,
    count_meant,
    declined,
    meant,
    unable,
    uses,
)
from sage.skills.intent import PERSON, Declined, Intent
from sage.skills.meaning import UNKNOWN, Meaning
from sage.skills.vocabulary import Named, look_up

SURE = 0.5
"""Below this probability the robot asks instead of doing."""

_OBJECTS = re.compile(r"\b(?:objects?|things?|items?)\b")
_MAX_TOKENS = 200
_MAX_DEPTH = 12
_SORTS = {
    "room": "room",
    "location": "furniture",
    "object": "object",
    "category": "category",
    "name": "somebody",
}
_KNOWN = {
    "room": frozenset(ROOM_NAMES),
    "furniture": frozenset(furniture_names()),
    "object": frozenset(OBJECTS),
    "category": frozenset(CATEGORIES),
}
_CANNOT = {
    "bring": CARRY,
    "put": CARRY,
    "follow": FOLLOW,
    "guide": GUIDE,
    "say": SPEAK,
    "answer": SPEAK,
    "pour": HANDLE,
}


@dataclass(frozen=True, slots=True)
class Quoted:
    """What stands between quotation marks: a class token such as ``<room>``, or plain words."""

    words: str


Node: TypeAlias = "str | Quoted | tuple[Node, ...]"


class MalformedForm(ValueError):
    """Tokens that are no logical form, or one that no command has."""


def interpret(meaning: Meaning, *, sure: float = SURE) -> Intent | Declined:
    """What to do about a command that language has read; never an exception.

    A form that is not sure enough is asked back, with the runner-up where there is one. Only
    "stop" is obeyed all the same: stopping by mistake costs less than not stopping.

    Args:
        meaning: what language makes of the words.
        sure: the least probability to act on, in [0, 1].

    Returns:
        The intent; or why there is none, in the words that the rule grammar uses too.
    """
    best = _read(meaning, meaning.form)
    if isinstance(best, Intent) and best.kind == "stop":
        return best
    if meaning.probability >= sure:
        return best
    other = _read(meaning, meaning.runner_up) if meaning.runner_up else None
    options: list[str] = []
    for answer in (best, other):
        if isinstance(answer, Intent):
            options.append(answer.phrase)
        elif answer is not None:
            options += answer.suggestions
    if isinstance(best, Intent):
        return declined(meaning.text, "I am not sure what is meant", options)
    return declined(meaning.text, best.reason, options)


def tree(form: Sequence[str]) -> Node:
    """The tokens of a form as nested tuples: ``( find " <room> " )`` is (find, Quoted(<room>)).

    Raises:
        MalformedForm: brackets or quotation marks do not match, or it is far too long or deep.
    """
    if len(form) > _MAX_TOKENS:
        raise MalformedForm(f"a form of {len(form)} tokens; at most {_MAX_TOKENS} are read")
    open_nodes: list[list[Node]] = [[]]
    words: list[str] | None = None
    for token in form:
        if token == '"':
            if words is not None:
                open_nodes[-1].append(Quoted(" ".join(words)))
            words = [] if words is None else None
        elif words is not None:
            words.append(token)
        elif token == "(":
            open_nodes.append([])
            if len(open_nodes) > _MAX_DEPTH:
                raise MalformedForm(f"a form deeper than {_MAX_DEPTH}")
        elif token == ")":
            if len(open_nodes) == 1:
                raise MalformedForm("a bracket closes what none opened")
            node = tuple(open_nodes.pop())
            open_nodes[-1].append(node)
        else:
            open_nodes[-1].append(token)
    if words is not None or len(open_nodes) > 1:
        raise MalformedForm("a bracket or quotation mark is left open")
    if len(open_nodes[0]) != 1:
        raise MalformedForm(f"{len(open_nodes[0])} expressions where one is expected")
    return open_nodes[0][0]


class _Names:
    """Puts the entities of a command in the places of their class tokens, in order."""

    def __init__(self, meaning: Meaning) -> None:
        self._left = list(meaning.entities)
        self._of_objects = _OBJECTS.search(meaning.text.casefold()) is not None

    def take(self, quoted: Quoted) -> Named:
        """The name that stands there; MalformedForm where the command names none."""
        words = quoted.words
        if not (words.startswith("<") and words.endswith(">")):
            named = look_up(words)
            if named is None:
                raise MalformedForm(f"{words!r} is no name")
            return named
        sort = words[1:-1]
        entity = next((entity for entity in self._left if entity.sort == sort), None)
        if entity is None or sort not in _SORTS:
            raise MalformedForm(f"the command names no {sort}")
        self._left.remove(entity)
        kind = _SORTS[sort]
        if kind == "somebody":
            return Named(kind, entity.name)
        if kind == "object" and entity.name == PERSON:
            return Named(PERSON, PERSON)
        if entity.name not in _KNOWN[kind]:
            raise MalformedForm(f"{entity.name!r} is no {sort}")
        return Named(kind, entity.name)

    def all_objects(self, quoted: Quoted) -> bool:
        """Whether a category stands for things of every kind: "the objects", "how many things"."""
        named = any(entity.sort == "category" for entity in self._left)
        return quoted.words == "<category>" and not named and self._of_objects

    def room_beside(self) -> str | None:
        """A room that the command names and the form does not."""
        rooms = [entity.name for entity in self._left if entity.sort == "room"]
        return rooms[0] if len(rooms) == 1 and rooms[0] in ROOM_NAMES else None

    def told_of(self) -> list[Named]:
        """What the command names and can be looked for."""
        found = []
        for entity in self._left:
            kind = _SORTS.get(entity.sort, "")
            if kind == "somebody" or (kind == "object" and entity.name in OBJECTS):
                found.append(Named(kind, entity.name))
        return found


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The thing that a description is about, as far as this robot tells things apart.

    ``unseen`` is a property that it does not see: ``lying``, ``male``, ``smallest``.
    """

    thing: Named | None
    room: str | None
    location: str | None
    unseen: str


def _read(meaning: Meaning, form: Sequence[str]) -> Intent | Declined:
    """What one form asks for."""
    text = meaning.text
    not_understood = Declined(text, f"not understood; this robot can {ABILITIES}")
    if UNKNOWN in form and len(form) == 1:
        return not_understood
    try:
        node = tree(form)
        if not isinstance(node, tuple) or not node or not isinstance(node[0], str):
            raise MalformedForm("no action comes first")
        return _action(node[0], node[1:], _Names(meaning), text)
    except MalformedForm:
        return not_understood


def _action(verb: str, rest: tuple[Node, ...], names: _Names, text: str) -> Intent | Declined:
    if verb in ("return", "stop"):
        if rest:
            raise MalformedForm(f"{verb!r} stands alone")
        return Intent("return" if verb == "return" else "stop", None, text)
    if verb == "go":
        return _go(rest, names, text)
    if verb == "find":
        return _find(rest, names, text)
    if (
        verb == "say"
        and len(rest) == 1
        and isinstance(rest[0], tuple)
        and rest[0][:1] == ("count",)
    ):
        return _count(rest[0][1:], names, text)
    if verb == "count":
        return _count(rest, names, text)
    if verb == "sequence":
        return declined(text, "one command at a time", _parts(rest, names, text))
    if verb == "lambda":
        verbs = [node for node in _flat(rest) if node in _CANNOT]
        return unable(_CANNOT[verbs[0]] if verbs else HANDLE, names.told_of(), text)
    if verb in _CANNOT:
        return unable(_CANNOT[verb], names.told_of(), text)
    raise MalformedForm(f"{verb!r} is no action")


def _go(rest: tuple[Node, ...], names: _Names, text: str) -> Intent | Declined:
    """``( go " <room> " )``, ``( go " <location> " )``, a room after it or beside it."""
    spots = [names.take(node) for node in rest if isinstance(node, Quoted)]
    if not spots or len(spots) != len(rest):
        raise MalformedForm("go needs a place")
    place, *around = spots
    if len(around) > 1 or any(spot.sort != "room" for spot in around):
        raise MalformedForm("go needs one place")
    room = around[0].name if around else None
    if place.sort == "furniture" and room is None:
        room = names.room_beside()
    return meant(place, room, text)


def _find(rest: tuple[Node, ...], names: _Names, text: str) -> Intent | Declined:
    """``( find ( lambda $1 e ( is_a $1 " <object> " ) ( at $1 " <room> " ) ) )`` and the like."""
    if not rest or len(rest) > 2:
        raise MalformedForm("find needs one thing")
    wanted = _wanted(rest[0], names)
    thing, room = wanted.thing, wanted.room
    if thing is None:
        raise MalformedForm("find needs a thing")
    if wanted.location is not None:
        rooms = rooms_of(wanted.location)
        if room is None and len(rooms) > 1:
            reason = f"{wanted.location!r} is in more than one room"
            return declined(text, reason, uses([thing], rooms))
        room = room or rooms[0]
    if len(rest) == 2:
        return declined(text, "one thing at a time", uses([thing], [room]))
    if wanted.unseen:
        reason = f"what is {wanted.unseen} is not seen"
        return declined(text, reason, uses([thing], [room]))
    return meant(thing, room, text)


def _count(rest: tuple[Node, ...], names: _Names, text: str) -> Intent | Declined:
    """``( count ( lambda $1 e ( is_a $1 " <object> " ) ( at $1 " <location> " ) ) )``."""
    if len(rest) != 1:
        raise MalformedForm("count needs one description")
    wanted = _wanted(rest[0], names)
    answer = count_meant(wanted.thing, wanted.room, wanted.location, text)
    if not wanted.unseen:
        return answer
    return declined(text, f"what is {wanted.unseen} is not seen", _phrases(answer))


def _phrases(answer: Intent | Declined) -> tuple[str, ...]:
    return (answer.phrase,) if isinstance(answer, Intent) else answer.suggestions


def _parts(rest: tuple[Node, ...], names: _Names, text: str) -> list[str]:
    """What of a sequence the robot could do by itself."""
    options: list[str] = []
    for node in rest:
        if isinstance(node, tuple) and node and isinstance(node[0], str):
            answer = _action(node[0], node[1:], names, text)
            options += _phrases(answer)
    return options


def _wanted(node: Node, names: _Names) -> _Wanted:
    """What ``( lambda $1 e CONDITION ... )`` describes; conditions may stand inside ``and``."""
    if not isinstance(node, tuple) or len(node) < 4 or node[0] != "lambda" or node[2] != "e":
        raise MalformedForm("a description is a lambda expression")
    thing: Named | None = None
    room: Named | None = None
    piece: Named | None = None
    unseen = ""
    for condition in _conditions(node[3:]):
        what, about, *values = (*condition, None)
        value = values[0]
        if what == "lambda":
            unseen = unseen or "beside, above or below something else"
            continue
        if about != node[1] or not isinstance(what, str):
            raise MalformedForm("a condition that is about something else")
        if what == "person" and thing is None:
            thing = Named(PERSON, PERSON)
        elif isinstance(value, Quoted) and (
            (what == "is_a" and thing is None)
            or (what == "name" and (thing is None or thing.sort == PERSON))
        ):
            if not names.all_objects(value):
                thing = names.take(value)
        elif what == "at" and isinstance(value, Quoted):
            spot = names.take(value)
            if spot.sort == "room" and room is None:
                room = spot
            elif spot.sort == "furniture" and piece is None:
                piece = spot
            else:
                raise MalformedForm("a place that is none, or two")
        elif what.isalpha():
            unseen = unseen or (value.words.strip("<>") if isinstance(value, Quoted) else what)
        else:
            raise MalformedForm(f"{what!r} is no condition")
    where = None if room is None else room.name
    if piece is None:
        return _Wanted(thing, where, None, unseen)
    return _Wanted(thing, where or names.room_beside(), piece.name, unseen)


def _conditions(nodes: Sequence[Node]) -> Iterator[tuple[Node, ...]]:
    for node in nodes:
        if not isinstance(node, tuple) or not node:
            raise MalformedForm("a condition is an expression")
        if node[0] == "and":
            yield from _conditions(node[1:])
        else:
            yield node


def _flat(nodes: Sequence[Node]) -> Iterator[str]:
    """Every bare word of a form, in order."""
    for node in nodes:
        if isinstance(node, tuple):
            yield from _flat(node)
        elif isinstance(node, str):
            yield node
