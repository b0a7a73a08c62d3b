"""What is seen, in one line of plain words: for whoever asks the robot, and for who watches it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Final

from sage.skills.intent import plural
from sage.values import Detection, Scene

#: Most characters of a description.
MAX_CHARS: Final = 120
#: From this probability on the room is a fact; below the other one it is not even a guess.
SURE_OF_ROOM: Final = 0.7
GUESSED_ROOM: Final = 0.35
#: A thing that is less certain than this is "perhaps" there.
SURE_OF_THING: Final = 0.5

_AHEAD_RAD: Final = math.radians(10.0)
_FAR_M: Final = 3.0  # what has no distance is listed as if it were so far away
_LABEL_CHARS: Final = 40
_NUMBERS: Final = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
#: Labels that are stuff rather than things: not "a milk".
_STUFF: Final = frozenset(("milk", "water", "cereal", "pringles", "shampoo", "coke"))


def describe(scene: Scene) -> str:
    """One line of at most 120 characters: where this is and what is there.

    What is near and certain comes first; things of one kind are told together; what does not fit
    is counted. It depends on nothing but the scene.

    Example:
        >>> describe(scene)
        'in the kitchen: a person 1.2 m ahead, a table on the left at 2.0 m, two mugs'
    """
    where = _where(scene)
    kinds = _kinds(scene.detections)
    if not kinds:
        return f"{where}nothing that I know"
    parts = [_phrase(kind) for kind in kinds]
    told = len(parts)
    while (line := _line(where, kinds, parts, told)) is None:
        told -= 1
    return line


def _line(
    where: str, kinds: Sequence[Sequence[Detection]], parts: Sequence[str], told: int
) -> str | None:
    """The line with so many kinds told and the other things counted; None if it is too long."""
    left = sum(map(len, kinds[told:]))
    more = f"{left} {'more' if told else 'things'}"
    line = where + ", ".join([*parts[:told], *([more] if left else [])])
    return line if len(line) <= MAX_CHARS or told == 0 else None


def _where(scene: Scene) -> str:
    """The room, as far as it is known; nothing where the scene says nothing of rooms."""
    if scene.room is None:
        return ""
    if scene.room_probability < GUESSED_ROOM:
        return "in a room that I cannot tell: "
    perhaps = "" if scene.room_probability >= SURE_OF_ROOM else "perhaps "
    return f"{perhaps}in the {_plain(scene.room)}: "


def _kinds(detections: Sequence[Detection]) -> list[list[Detection]]:
    """The things by kind, each kind's first thing first; near and certain things come first."""
    ordered = sorted(detections, key=lambda seen: (seen.label, _rank(seen)))
    kinds = [list(kind) for _, kind in groupby(ordered, key=lambda seen: seen.label)]
    return sorted(kinds, key=lambda kind: _rank(kind[0]))


def _rank(seen: Detection) -> tuple[float, str, float, tuple[float, ...]]:
    distance_m = _FAR_M if seen.distance_m is None else max(seen.distance_m, 0.0)
    return -seen.confidence / (1.0 + distance_m), seen.label, seen.bearing_rad, seen.box_px


def _phrase(kind: Sequence[Detection]) -> str:
    """One kind of thing: ``a table on the left at 2.0 m``, ``two mugs``."""
    first = kind[0]
    label = _plain(first.label)
    perhaps = "perhaps " if max(seen.confidence for seen in kind) < SURE_OF_THING else ""
    if len(kind) > 1:
        number = _NUMBERS[len(kind) - 2] if len(kind) - 2 < len(_NUMBERS) else str(len(kind))
        return f"{perhaps}{number} {plural(label, len(kind))}"
    article = "an " if label[:1].lower() in tuple("aeiou") else "a "
    return f"{perhaps}{'' if label in _STUFF else article}{label}{_place(first)}"


def _place(seen: Detection) -> str:
    """Where one thing is; nothing where the detector gives no distance, and so no bearing."""
    if seen.distance_m is None:
        return ""
    if abs(seen.bearing_rad) < _AHEAD_RAD:
        return f" {seen.distance_m:.1f} m ahead"
    return f" on the {'left' if seen.bearing_rad > 0.0 else 'right'} at {seen.distance_m:.1f} m"


def _plain(name: str) -> str:
    """A name from anywhere as a few printable characters of one line."""
    shown = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    shown = shown or "thing"
    return shown if len(shown) <= _LABEL_CHARS else f"{shown[: _LABEL_CHARS - 3]}..."
