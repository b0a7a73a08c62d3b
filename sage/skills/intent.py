"""What a command means: an intent to carry out, or a reasoned no."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from sage.irp.errors import ConfigError
from sage.ontology import (
    APARTMENT_OBJECTS,
    CATEGORIES,
    OBJECTS,
    PEOPLE,
    ROOM_NAMES,
    object_entry,
    rooms_of,
)

IntentKind = Literal[
    "go",
    "approach",
    "find",
    "count",
    "describe",
    "return",
    "stop",
    "bring",
    "put",
    "follow",
    "guide",
    "say",
    "answer",
]

INTENT_KINDS: tuple[IntentKind, ...] = get_args(IntentKind)
_TARGETED = ("go", "approach", "find", "count", "follow", "guide")
_MAY_HAVE_TARGET = (*_TARGETED, "bring", "put")
_ROOMED = ("approach", "find", "count", "bring", "put", "follow", "guide", "say", "answer")
_LOCATED = ("count", "bring", "put", "follow", "guide", "say", "answer")
_ENDING = ("bring", "put", "follow", "guide")
_FOR_SOMEBODY = ("bring", "say", "answer")
MAX_WORDS_CHARS: Final = 200

PERSON: Final = "person"
"""The target that means a person, any person."""

OBJECT: Final = "object"
"""The target of a count that means objects of every kind."""

TOLD: Final = (
    "the time",
    "what day it is",
    "what day tomorrow is",
    "the day of the week",
    "the day of the month",
    "a joke",
    "your name",
    "your team's name",
    "something about yourself",
)
"""Words of a say that stand for something else, which is said; any others are said as they are."""


@dataclass(frozen=True, slots=True)
class Intent:
    """One thing that the robot is asked to do.

    Attributes:
        kind: ``go`` to a room, ``approach`` a piece of furniture, ``find`` an object or a person,
            ``count`` what is in a room or at a piece of furniture, ``describe`` the view,
            ``return`` to where the robot started, ``stop``, ``bring`` a thing to somebody or to a
            place, ``put`` it on a piece of furniture, ``follow`` a person, ``guide`` a person
            to a place, ``say`` something, ``answer`` a question.
        target: the ontology's name of the room, furniture or object; of a count also a category,
            ``person`` or ``object``; of bring and put an object, a category (any object of it),
            or None: what is held. Of follow and guide ``person`` or somebody's name. None for the
            others.
        text: the words as they were said.
        room: the only room to look in for the target, or for the person to speak to; None where
            the speaker left it open. A count needs one.
        location: the only piece of furniture of that room to look at; None for all of the room.
        to: where it ends. Of put a piece of furniture; of bring furniture or a room, None: where
            the person is; of guide a room or furniture, None: where the robot started; of follow a
            room, None: where the person stands still.
        to_room: the room of ``to``, where that is furniture.
        person: who gets the thing or is spoken to: ``person`` or somebody's name; None: the
            speaker.
        words: of say what to say (see ``TOLD``); of answer the question, None: it is still to be
            asked.

    A piece of furniture that stands in one room only brings its room with it.
    """

    kind: IntentKind
    target: str | None
    text: str
    room: str | None = None
    location: str | None = None
    to: str | None = None
    to_room: str | None = None
    person: str | None = None
    words: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in INTENT_KINDS:
            raise ConfigError(f"intent {self.kind!r} is none of {', '.join(INTENT_KINDS)}")
        kind, target = self.kind, self.target
        if kind not in (_MAY_HAVE_TARGET if target is not None else _untargeted()):
            raise ConfigError(f"intent {kind!r} cannot have the target {target!r}")
        for allowed, name in (
            (_ROOMED, "room"),
            (_LOCATED, "location"),
            (_ENDING, "to"),
            (_ENDING, "to_room"),
            (_FOR_SOMEBODY, "person"),
            (("say", "answer"), "words"),
        ):
            value = getattr(self, name)
            if value is not None and kind not in allowed:
                raise ConfigError(f"intent {kind!r} cannot have the {name} {value!r}")
        if kind == "count":
            self._check_count()
        elif kind in _LOCATED:
            self._check_acting()

    def _check_count(self) -> None:
        counted_labels(self.target or "")
        if self.room is None:
            raise ConfigError("intent 'count' needs the room to count in")
        if self.location is not None and self.room not in rooms_of(self.location):
            raise ConfigError(f"there is no {self.location!r} in the {self.room!r} to count at")

    def _check_acting(self) -> None:
        """What bring, put, follow, guide, say and answer need; fills in rooms that are plain."""
        kind, target = self.kind, self.target
        if self.location is not None:
            object.__setattr__(self, "room", _room_for(self.location, self.room))
        if self.to is not None and self.to not in ROOM_NAMES:
            object.__setattr__(self, "to_room", _room_for(self.to, self.to_room))
        elif self.to_room is not None:
            raise ConfigError(f"intent {kind!r} cannot end at {self.to!r} in the {self.to_room!r}")
        if kind in ("follow", "guide") and target not in (PERSON, *PEOPLE):
            raise ConfigError(f"intent {kind!r} is about a person, and {target!r} is none")
        if kind in ("bring", "put") and target not in (None, *OBJECTS, *CATEGORIES):
            raise ConfigError(f"intent {kind!r} is about things, and {target!r} is none")
        if self.person not in (None, PERSON, *PEOPLE):
            raise ConfigError(f"{self.person!r} is nobody; known: {', '.join((PERSON, *PEOPLE))}")
        if kind == "put" and (self.to is None or self.to in ROOM_NAMES):
            raise ConfigError(f"intent 'put' needs a piece of furniture, not {self.to!r}")
        if kind == "follow" and self.to not in (None, *ROOM_NAMES):
            raise ConfigError(f"intent 'follow' ends in a room, not at {self.to!r}")
        words = self.words
        if kind == "say" and not words:
            raise ConfigError("intent 'say' needs the words to say")
        if words is not None and not 0 < len(words.strip()) <= MAX_WORDS_CHARS:
            raise ConfigError(
                f"words must have 1 to {MAX_WORDS_CHARS} characters, these have {len(words)}"
            )

    @property
    def phrase(self) -> str:
        """The plainest command that means this."""
        target, place = self.target or "", _place("in", self.room, None)
        if self.kind == "count":
            at = f" on the {self.location}" if self.location else ""
            return f"count the {plural(target)}{at}{place}"
        if self.kind == "find":
            article = "a" if target == PERSON else "the"
            return f"find {article} {target}{place}"
        if self.kind in ("go", "approach"):
            return f"go to the {target}{place}"
        if self.kind in _ENDING:
            return self._moving()
        if self.kind in ("say", "answer"):
            return self._speaking()
        return {"return": "come back", "describe": "describe what you see"}.get(self.kind, "stop")

    def _moving(self) -> str:
        """The phrase of what takes a thing or a person somewhere."""
        at = _place("at", self.room, self.location)
        to = _place("to", self.to_room, self.to) if self.to else ""
        if self.kind == "follow":
            return f"follow {self._who}{at}{to}"
        if self.kind == "guide":
            return f"guide {self._who}{at}{to or ' back'}"
        source = _place("from", self.room, self.location)
        some = "it" if self.target is None else f"the {self.target}"
        if self.target in CATEGORIES:
            some = f"some {self.target}"
        if self.kind == "put":
            onto = _place("on", self.to_room, self.to)
            return f"take {some}{source} and put it{onto}" if source else f"put {some}{onto}"
        if self.person is not None:
            whose = _place("at", self.to_room, self.to) if self.to else ""
            return f"bring {some}{source} to {_somebody(self.person)}{whose}"
        if to or self.target is None:
            return f"bring {some}{source}{to or ' to me'}"
        return f"bring me {some}{source}"

    def _speaking(self) -> str:
        """The phrase of saying something, and of answering."""
        to = ""
        if self.person is not None:
            to = f" to {_somebody(self.person)}{_place('at', self.room, self.location)}"
        if self.kind == "answer":
            about = " a question" if self.words is None else f" the question {self.words}"
            return f"answer{about}{to}"
        if self.person is None and self.words in TOLD:
            return f"tell me {self.words}"
        return f"say {self.words}{to}"

    @property
    def _who(self) -> str:
        """Who is followed or guided: anybody who speaks, unless a place or a name is given."""
        if self.target != PERSON:
            return self.target or ""
        return "me" if self.room is None else "the person"


def _untargeted() -> tuple[str, ...]:
    return tuple(kind for kind in INTENT_KINDS if kind not in _TARGETED)


def _somebody(person: str) -> str:
    return "a person" if person == PERSON else person


def _place(preposition: str, room: str | None, location: str | None) -> str:
    """Where: at the sofa, at the sink in the bathroom, from the kitchen; "" for nowhere."""
    within = "in" if preposition == "at" else preposition
    if location is None:
        return f" {within} the {room}" if room else ""
    if location in ROOM_NAMES:
        return f" {within} the {location}"
    there = f" in the {room}" if room is not None and len(rooms_of(location)) > 1 else ""
    return f" {preposition} the {location}{there}"


def _room_for(location: str, room: str | None) -> str | None:
    """The room of a piece of furniture, where it is said or plain; ConfigError if wrong."""
    rooms = rooms_of(location)
    if room is None:
        return rooms[0] if len(rooms) == 1 else None
    if room not in rooms:
        raise ConfigError(f"there is no {location!r} in the {room!r}")
    return room


def counted_labels(target: str) -> tuple[str, ...]:
    """What vision may call the things that a count is about; ConfigError where it knows none."""
    if target == PERSON:
        return (PERSON,)
    labels = tuple(
        name for name in APARTMENT_OBJECTS if target in (OBJECT, name, object_entry(name).category)
    )
    if not labels:
        known = ", ".join((OBJECT, PERSON, *CATEGORIES, *APARTMENT_OBJECTS))
        raise ConfigError(f"{target!r} cannot be counted; what can: {known}")
    return labels


def plural(target: str, number: int = 2) -> str:
    """The word for so many of what is counted: one ``fruit``, two ``boxes``, three ``people``."""
    if target in CATEGORIES:
        if number != 1 or not target.endswith("s"):
            return target
        return f"{target[:-3]}y" if target.endswith("ies") else target[:-1]
    if number == 1:
        return target
    if target == PERSON:
        return "people"
    if target.endswith("s"):
        return target
    return f"{target}es" if target.endswith(("x", "sh", "ch")) else f"{target}s"


@dataclass(frozen=True, slots=True)
class Declined:
    """A command that is not carried out, and why.

    Attributes:
        text: the words as they were said.
        reason: one sentence for the speaker.
        suggestions: commands that would be understood, the likeliest first; may be empty.
        asks: what plain words ask for, where nothing in them was guessed; None elsewhere.
    """

    text: str
    reason: str
    suggestions: tuple[str, ...] = ()
    asks: IntentKind | None = None

    @property
    def answer(self) -> str:
        """The reason, with the suggestions as a question."""
        if not self.suggestions:
            return self.reason
        return f"{self.reason}; did you mean {' or '.join(map(repr, self.suggestions))}?"
