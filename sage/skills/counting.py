"""Counting what is in a room or on a piece of furniture: look everywhere, then tally places."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from typing import Final

from sage.skills.body import Body, Order, Sighting, Verdict
from sage.skills.intent import PERSON, counted_labels, plural
from sage.skills.looking import furniture_in, inspect, survey, survey_corners
from sage.worlds.static_map import Room

_LEAST_HITS: Final = 4
_LEAST_PROBABILITY: Final = 0.35
_SAME_M: Final = 0.25
_AT_M: Final = 0.9
_BEYOND_M: Final = 0.25


def count(
    body: Body, target: str, room_name: str, location: str | None = None
) -> Generator[Order, None, Verdict]:
    """Count objects, or people, of a room or at a piece of its furniture.

    Args:
        body: the robot.
        target: an object, a category, ``person`` or ``object``; see ``counted_labels``.
        room_name: where.
        location: the piece to count at; None for the whole room.
    """
    labels = counted_labels(target)
    try:
        room = body.static_map.room(room_name)
    except KeyError:
        return Verdict(False, f"there is no {room_name} here")
    yield from survey(body, room, _never)
    pose = body.pose()
    if not room.contains(pose.x_m, pose.y_m):
        return Verdict(False, f"I could not get into the {room_name}")
    yield from survey_corners(body, room, _never)
    looked: list[str] = []
    while True:
        pieces = [
            piece
            for piece in furniture_in(body, room)
            if piece.label not in looked and location in (None, piece.label)
        ]
        if not pieces or target == PERSON:
            break
        here = body.pose()
        piece = min(pieces, key=lambda piece: here.distance_to(piece.x_m, piece.y_m))
        looked.append(piece.label)
        yield from inspect(body, piece, _never)
    if location is not None and location not in looked:
        return Verdict(False, f"I could not find the {location} in the {room_name}")
    found = _there(body, labels, room, location)
    return Verdict(True, _told(target, found, room_name, location), None, len(found))


def _never() -> bool:
    return False


def _there(body: Body, labels: Sequence[str], room: Room, location: str | None) -> list[Sighting]:
    """The places that count."""
    return [
        place
        for label in labels
        for place in body.sightings.places(label, _LEAST_HITS, _LEAST_PROBABILITY)
        if room.contains(place.x_m, place.y_m)
    ]


def _told(target: str, found: Sequence[Sighting], room: str, location: str | None) -> str:
    """The number in words, and what is counted."""
    where = f"on the {location} in the {room}" if location else f"in the {room}"
    number = len(found)
    text = f"I count {number} {plural(target, number)} {where}"
    names = Counter(place.label for place in found)
    if set(names) <= {target}:
        return text
    return f"{text}: " + ", ".join(
        name if many == 1 else f"{many} {plural(name, many)}" for name, many in names.items()
    )
