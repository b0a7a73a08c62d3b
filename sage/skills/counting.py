"""Counting what is in a room or on a piece of furniture: look everywhere, then tally places.

Detections miss things and see things that are not there, so a thing counts only where it was seen
several times, from near, during this count, and more often than it was missed. A person who
strolls is seen in several places; two places are two people only if one could not have walked
from one to the other in between.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from typing import Final

from sage.ontology import APARTMENT_OBJECTS, ROOMS
from sage.skills.body import Body, Order, Sighting, Verdict
from sage.skills.intent import PERSON, counted_labels, plural
from sage.skills.looking import Steps, furniture_in, inspect, survey, survey_corners
from sage.worlds.static_map import Room

_LEAST_HITS: Final = 4
_LEAST_PROBABILITY: Final = 0.5
# A thing on a low table leaves the picture from close by, which looks like a miss.
_CLOSE_M: Final = 1.5
_CLOSE_HITS: Final = 6
_CLOSE_PROBABILITY: Final = 0.2
_NEAR_M: Final = 2.2
_BEYOND_WALL_M: Final = 0.3  # a place is not known better than that
_SAME_M: Final = 0.2  # things do not stand closer to each other
_REACH_M: Final = 0.4  # how far off its usual width a thing on a piece may seem to stand
_WALK_M_S: Final = 0.5
_STEP_ASIDE_M: Final = 0.6

# Half of how wide pieces usually are, in metres; the others are narrower.
_HALF_WIDTH_M: Final = {
    "bed": 0.8,
    "sofa": 0.8,
    "bathtub": 0.7,
    "counter": 0.7,
    "dining table": 0.6,
    "desk": 0.55,
    "fireplace": 0.55,
    "wardrobe": 0.5,
    "coffee table": 0.45,
    "dresser": 0.45,
    "cupboard": 0.45,
    "bookshelf": 0.45,
    "cabinet": 0.45,
}
_USUAL_HALF_WIDTH_M: Final = 0.35


def count(
    body: Body, target: str, room_name: str, location: str | None = None
) -> Generator[Order, None, Verdict]:
    """Count objects, or people, of a room or on a piece of its furniture.

    Args:
        body: the robot.
        target: an object, a category, ``person`` or ``object``; see ``counted_labels``.
        room_name: where.
        location: the piece to count on; None for the whole room.
    """
    labels = counted_labels(target)
    try:
        room = body.static_map.room(room_name)
    except KeyError:
        return Verdict(False, f"there is no {room_name} here")
    entered_s = yield from _enter(body, room, survey(body, room, _never))
    if entered_s is None or not _inside(body, room):
        return Verdict(False, f"I could not get into the {room_name}")
    yield from survey_corners(body, room, _never)
    if location is not None and location not in _pieces(body, room, location):
        return Verdict(False, f"I could not find the {location} in the {room_name}")
    if target == PERSON:
        found = _people(_there(body, labels, room, entered_s))
    else:
        looked: list[str] = []
        while (piece := _next_piece(body, room, location, looked)) is not None:
            looked.append(piece.label)
            yield from inspect(body, piece, _never)
        things = _distinct(_there(body, APARTMENT_OBJECTS, room, entered_s))
        found = [thing for thing in things if thing.label in labels]
        if location is not None:
            pieces = _pieces(body, room, location).values()
            found = [thing for thing in found if _holder(thing, pieces) == location]
    where = f"on the {location} in the {room_name}" if location else f"in the {room_name}"
    return Verdict(True, _told(target, found, where), None, len(found), used=tuple(found))


def _never() -> bool:
    return False


def _enter(body: Body, room: Room, steps: Steps) -> Generator[Order, None, float | None]:
    """Carry out steps; when the robot came into the room. Walls hide other rooms from there."""
    entered_s: float | None = None
    for order in steps:
        if entered_s is None and _inside(body, room):
            entered_s = body.now_s()
        yield order
    return entered_s


def _inside(body: Body, room: Room) -> bool:
    pose = body.pose()
    return room.contains(pose.x_m, pose.y_m)


def _pieces(body: Body, room: Room, location: str | None) -> dict[str, Sighting]:
    """Where the pieces of that room are believed to stand that may hold something."""
    holding = {piece.name for piece in ROOMS.get(room.name, ()) if piece.placement}
    return {
        piece.label: piece
        for piece in furniture_in(body, room)
        if piece.label in holding or piece.label == location
    }


def _next_piece(
    body: Body, room: Room, location: str | None, looked: Sequence[str]
) -> Sighting | None:
    """The nearest piece to look at that was not looked at."""
    here = body.pose()
    return min(
        (
            piece
            for label, piece in _pieces(body, room, location).items()
            if label not in looked and location in (None, label)
        ),
        key=lambda piece: here.distance_to(piece.x_m, piece.y_m),
        default=None,
    )


def _there(body: Body, labels: Iterable[str], room: Room, since_s: float) -> list[Sighting]:
    """What was seen well since the robot came into a room, there or in its walls."""
    beyond = _BEYOND_WALL_M
    return [
        place
        for label in labels
        for place in body.sightings.places(label, _LEAST_HITS, _CLOSE_PROBABILITY)
        if place.seen_s >= since_s
        and (place.probability >= _LEAST_PROBABILITY or _seen_close(place))
        and place.nearest_m <= _NEAR_M
        and room.x_min - beyond <= place.x_m < room.x_max + beyond
        and room.y_min - beyond <= place.y_m < room.y_max + beyond
    ]


def _seen_close(place: Sighting) -> bool:
    """Whether a thing was seen so often from so near that misses do not tell against it."""
    often = place.hits >= _CLOSE_HITS and place.nearest_m <= _CLOSE_M
    return often and place.label != PERSON  # a person may have gone


def _distinct(things: Iterable[Sighting]) -> list[Sighting]:
    """Things at different places; where two are at one, the one that was seen more often."""
    kept: list[Sighting] = []
    for thing in sorted(things, key=lambda thing: -thing.probability * thing.hits):
        if all(_apart_m(thing, other) > _SAME_M for other in kept):
            kept.append(thing)
    return kept


def _people(places: Iterable[Sighting]) -> list[Sighting]:
    """Places of different people: too far apart to have been walked between two sightings."""
    kept: list[Sighting] = []
    for place in sorted(places, key=lambda place: -place.seen_s):
        if all(
            _apart_m(place, other) > _STEP_ASIDE_M + _WALK_M_S * abs(place.seen_s - other.seen_s)
            for other in kept
        ):
            kept.append(place)
    return kept


def _holder(thing: Sighting, pieces: Iterable[Sighting]) -> str | None:
    """The piece of furniture that a thing stands on: the nearest one, wide ones reach farther."""
    beside = {
        piece.label: _apart_m(piece, thing) - _HALF_WIDTH_M.get(piece.label, _USUAL_HALF_WIDTH_M)
        for piece in pieces
    }
    label = min(beside, key=beside.__getitem__, default=None)
    return label if label is not None and beside[label] <= _REACH_M else None


def _apart_m(one: Sighting, other: Sighting) -> float:
    return math.hypot(one.x_m - other.x_m, one.y_m - other.y_m)


def _told(target: str, found: Sequence[Sighting], where: str) -> str:
    """The number in words, and what was counted."""
    number = len(found)
    text = f"I count {number} {plural(target, number)} {where}"
    names = Counter(place.label for place in found)
    if set(names) <= {target}:
        return text
    parts = [name if many == 1 else f"{many} {plural(name, many)}" for name, many in names.items()]
    return f"{text}: {', '.join(parts)}"
