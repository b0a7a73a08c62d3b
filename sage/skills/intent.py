"""What a command means: an intent to carry out, or a reasoned no."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from sage.irp.errors import ConfigError
from sage.ontology import APARTMENT_OBJECTS, CATEGORIES, object_entry, rooms_of

IntentKind = Literal["go", "approach", "find", "count", "describe", "return", "stop"]

INTENT_KINDS: tuple[IntentKind, ...] = get_args(IntentKind)
_TARGETED = ("go", "approach", "find", "count")
_ROOMED = ("approach", "find", "count")

PERSON: Final = "person"
"""The target that means a person, any person."""

OBJECT: Final = "object"
"""The target of a count that means objects of every kind."""


@dataclass(frozen=True, slots=True)
class Intent:
    """One thing that the robot is asked to do.

    Attributes:
        kind: ``go`` to a room, ``approach`` a piece of furniture, ``find`` an object or a person,
            ``count`` what is in a room or at a piece of furniture, ``return`` to where the robot
            started, ``stop``.
        target: the ontology's name of the room, furniture or object; of a count also a category,
            ``person`` or ``object``; None for return and stop.
        text: the words as they were said.
        room: the only room to look in; None where the speaker left it open. A count needs one.
        location: the only piece of furniture of that room to count at; None for all of the room.
    """

    kind: IntentKind
    target: str | None
    text: str
    room: str | None = None
    location: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in INTENT_KINDS:
            raise ConfigError(f"intent {self.kind!r} is none of {', '.join(INTENT_KINDS)}")
        if (self.target is not None) != (self.kind in _TARGETED):
            raise ConfigError(f"intent {self.kind!r} cannot have the target {self.target!r}")
        if self.room is not None and self.kind not in _ROOMED:
            raise ConfigError(f"intent {self.kind!r} cannot be limited to the room {self.room!r}")
        if self.kind == "count":
            self._check_count()
        elif self.location is not None:
            raise ConfigError(f"intent {self.kind!r} cannot be limited to the {self.location!r}")

    def _check_count(self) -> None:
        counted_labels(self.target or "")
        if self.room is None:
            raise ConfigError("intent 'count' needs the room to count in")
        if self.location is not None and self.room not in rooms_of(self.location):
            raise ConfigError(f"there is no {self.location!r} in the {self.room!r} to count at")

    @property
    def phrase(self) -> str:
        """The plainest command that means this."""
        place = f" in the {self.room}" if self.room else ""
        if self.kind == "count":
            at = f" on the {self.location}" if self.location else ""
            return f"count the {plural(self.target or '')}{at}{place}"
        if self.kind == "find":
            article = "a" if self.target == PERSON else "the"
            return f"find {article} {self.target}{place}"
        if self.kind in _TARGETED:
            return f"go to the {self.target}{place}"
        untargeted = {"return": "come back", "describe": "describe what you see"}
        return untargeted.get(self.kind, "stop")


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
    """

    text: str
    reason: str
    suggestions: tuple[str, ...] = ()

    @property
    def answer(self) -> str:
        """The reason, with the suggestions as a question."""
        if not self.suggestions:
            return self.reason
        return f"{self.reason}; did you mean {' or '.join(map(repr, self.suggestions))}?"
