"""Logical forms as trees: what they describe, with the names of a command put in.

Forms are those of the GPSR commands dataset (arXiv 1907.01115).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sage.ontology import CATEGORIES, OBJECTS, ROOM_NAMES, furniture_names, rooms_of
from sage.skills.acting import Where, where_meant
from sage.skills.intent import PERSON
from sage.skills.meaning import Meaning
from sage.skills.vocabulary import Named, look_up

_OBJECTS = re.compile(r"\b(?:objects?|things?|items?)\b")
_MAX_TOKENS = 200
_MAX_DEPTH = 12
_SORTS = {
    "room": "room",
    "location": "furniture",
    "object": "object",
    "category": "category",
    "name": "somebody",
    "whattosay": "words",
}
_KNOWN = {
    "room": frozenset(ROOM_NAMES),
    "furniture": frozenset(furniture_names()),
    "object": frozenset(OBJECTS),
    "category": frozenset(CATEGORIES),
}


@dataclass(frozen=True, slots=True)
class Quoted:
    """What stands between quotation marks: a class token such as ``<room>``, or plain words."""

    words: str


Node: TypeAlias = "str | Quoted | tuple[Node, ...]"


class MalformedForm(ValueError):
    """Tokens that are no logical form, or one that no command has."""


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


class Names:
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
        if (
            entity is None and sort == "location"
        ):  # somebody's place is called a location throughout
            entity = next((entity for entity in self._left if entity.sort == "room"), None)
        if entity is None or sort not in _SORTS:
            raise MalformedForm(f"the command names no {sort}")
        self._left.remove(entity)
        kind = _SORTS[entity.sort]
        if kind in ("somebody", "words"):
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

    def thing(self, quoted: Quoted) -> Named | None:
        """The thing that stands there; None where a pronoun does."""
        sort = quoted.words.strip("<>")
        if sort in ("object", "category") and all(one.sort != sort for one in self._left):
            return None
        return self.take(quoted)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The thing that a description is about, as far as this robot tells things apart.

    ``unseen`` is a property that it does not see: ``lying``, ``male``, ``smallest``.
    """

    thing: Named | None
    room: str | None
    location: str | None
    unseen: str

    @property
    def where(self) -> Where:
        """The place that it is at."""
        if self.location is None:
            return Where(self.room)
        named = Named("furniture", self.location)
        place = where_meant(named, self.room) or Where(None, self.location)
        known = place.room is None or place.room in rooms_of(self.location)
        return place if known else Where(None, self.location)


def wanted_by(node: Node, names: Names, *, held: bool = False) -> Wanted:
    """What ``( lambda $1 e CONDITION ... )`` describes; conditions may stand inside ``and``.

    ``held``: where the command names no thing, a pronoun stands for one.

    Raises:
        MalformedForm: it describes nothing.
    """
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
                thing = names.thing(value) if held else names.take(value)
        elif what == "at" and isinstance(value, Quoted):
            spot = names.take(value)
            if spot.sort == "room" and room is None:
                room = spot
            elif spot.sort == "furniture" and piece is None:
                piece = spot
            else:
                raise MalformedForm("a place that is none, or two")
        elif what.isalpha():
            if thing is None and isinstance(value, Quoted) and value.words == "<gesture>":
                thing = Named(PERSON, PERSON)
            unseen = unseen or (value.words.strip("<>") if isinstance(value, Quoted) else what)
        else:
            raise MalformedForm(f"{what!r} is no condition")
    where = None if room is None else room.name
    if piece is None:
        return Wanted(thing, where, None, unseen)
    return Wanted(thing, where or names.room_beside(), piece.name, unseen)


def _conditions(nodes: Sequence[Node]) -> Iterator[tuple[Node, ...]]:
    for node in nodes:
        if not isinstance(node, tuple) or not node:
            raise MalformedForm("a condition is an expression")
        if node[0] == "and":
            yield from _conditions(node[1:])
        else:
            yield node
