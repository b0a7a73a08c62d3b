"""What a command means: an intent to carry out, or a reasoned no."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from sage.irp.errors import ConfigError

IntentKind = Literal["go", "approach", "find", "return", "stop"]

INTENT_KINDS: tuple[IntentKind, ...] = get_args(IntentKind)
_TARGETED = ("go", "approach", "find")
_ROOMED = ("approach", "find")


@dataclass(frozen=True, slots=True)
class Intent:
    """One thing that the robot is asked to do.

    Attributes:
        kind: ``go`` to a room, ``approach`` a piece of furniture, ``find`` an object or a person,
            ``return`` to where the robot started, ``stop``.
        target: the ontology's name of the room, furniture or object; None for return and stop.
        text: the words as they were said.
        room: the only room to look in; None where the speaker left it open.
    """

    kind: IntentKind
    target: str | None
    text: str
    room: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in INTENT_KINDS:
            raise ConfigError(f"intent {self.kind!r} is none of {', '.join(INTENT_KINDS)}")
        if (self.target is not None) != (self.kind in _TARGETED):
            raise ConfigError(f"intent {self.kind!r} cannot have the target {self.target!r}")
        if self.room is not None and self.kind not in _ROOMED:
            raise ConfigError(f"intent {self.kind!r} cannot be limited to the room {self.room!r}")

    @property
    def phrase(self) -> str:
        """The plainest command that means this."""
        place = f" in the {self.room}" if self.room else ""
        if self.kind == "find":
            article = "a" if self.target == "person" else "the"
            return f"find {article} {self.target}{place}"
        if self.kind in _TARGETED:
            return f"go to the {self.target}{place}"
        return "come back" if self.kind == "return" else "stop"


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
