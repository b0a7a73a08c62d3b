"""Skills: small plans over vision and control.

A skill is a generator. It yields what the robot is to do until the next tick and returns a
:class:`Verdict`; everything it knows, it asks of its :class:`Body`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable
from typing import TypeAlias

from sage.describing import describe
from sage.ontology import APARTMENT_FURNITURE, object_entry, rooms_of
from sage.skills.body import Body, Order, Sighting, Verdict
from sage.skills.intent import PERSON
from sage.skills.looking import (
    FARTHER_M,
    STAND_OFFS_M,
    Steps,
    agree,
    drive,
    enter,
    furniture_in,
    gaze,
    go_and_face,
    inspect,
    survey,
    survey_corners,
    wait,
)
from sage.worlds.static_map import Room

Skill: TypeAlias = Generator[Order, None, Verdict]

_SURE_HITS = 5
_WALL_M = 0.3
_NOW_S = 3.0  # what was captured longer ago is no longer what is seen


def go_to_room(body: Body, name: str) -> Skill:
    """Drive into a room."""
    try:
        room = body.static_map.room(name)
    except KeyError:
        return Verdict(False, f"there is no {name} here")
    if (yield from enter(body, room)):
        return Verdict(True, f"I am in the {name}")
    return Verdict(False, f"I could not get into the {name}")


def come_back(body: Body) -> Skill:
    """Drive to where the robot started."""
    start = body.start
    if (yield from drive(body, start.x_m, start.y_m, tolerance_m=0.25)):
        return Verdict(True, "I am back")
    return Verdict(False, "I could not get back to where I started")


def stand_still(body: Body) -> Skill:
    """Stop, and stay."""
    yield from wait(body, 1.0)
    return Verdict(True, "I stand still")


def tell_view(body: Body) -> Skill:
    """Look once more, and tell what is seen."""
    yield from gaze(body, 2)
    scene = body.scene
    if scene is None:
        return Verdict(False, "I have seen nothing so far")
    ago_s = body.now_s() - scene.captured_s
    if ago_s > _NOW_S:
        return Verdict(False, f"I see nothing now; {ago_s:.0f} s ago: {describe(scene)}")
    return Verdict(True, describe(scene))


def approach(body: Body, name: str, room: str | None = None) -> Skill:
    """Drive to a piece of furniture and face it."""
    rooms = _by_likelihood(body, rooms_of(name))
    if room is not None:
        rooms = [place for place in rooms if place.name == room]
    for look in _searches(body, name, rooms):
        sighting = body.sightings.best(name)
        if sighting is None:
            yield from look()
            sighting = body.sightings.best(name)
        while sighting is not None:
            arrived = yield from go_and_face(body, sighting)
            better = body.sightings.best(name)
            if arrived and better is not None and agree(sighting, better):
                at = better.x_m, better.y_m
                return Verdict(True, f"I am at the {name}", at, used=(better,))
            if better is None or agree(sighting, better):
                # Nothing there, or no way there: this place is not it.
                nothing = better is None
                body.sightings.forget(name, sighting.x_m, sighting.y_m, refuted=nothing)
                better = body.sightings.best(name)
            sighting = better
    return Verdict(False, f"I could not find the {name}")


def find(body: Body, name: str, room: str | None = None) -> Skill:
    """Search an object, its usual room first; go and look at it closely."""
    usual: tuple[str, ...] = ()
    if room is not None:
        usual = (room,)
    elif name != PERSON:
        usual = (object_entry(name).default_room,)
    rooms = _by_likelihood(body, usual)
    if room is not None:
        rooms = [place for place in rooms if place.name == room]
        if not rooms:
            return Verdict(False, f"there is no {room} here")
    for look in _searches(body, name, rooms, room, closely=True):
        if _believed(body, name, room) is None:
            yield from look()
        while (sighting := _believed(body, name, room)) is not None:
            thing, faced = yield from _looked_at(body, sighting)
            if thing is not None:
                at = thing.x_m, thing.y_m
                return Verdict(True, _found(body, thing), at, used=(thing,))
            # Not there from near, nor from farther off: something else looked like it.
            body.sightings.forget(name, sighting.x_m, sighting.y_m, refuted=faced)
    return Verdict(False, f"I could not find the {name}")


def _believed(body: Body, name: str, room: str | None) -> Sighting | None:
    """The likeliest place of a thing; in a room, where only what is there is wanted."""
    places = body.sightings.places(name)
    if room is None:
        return places[0] if places else None
    inside = body.static_map.room(room)
    return next((place for place in places if _within(inside, place)), None)


def _within(room: Room, place: Sighting) -> bool:
    """Whether a place is in a room, or as near to its wall as sight is exact."""
    return (
        room.x_min - _WALL_M < place.x_m < room.x_max + _WALL_M
        and room.y_min - _WALL_M < place.y_m < room.y_max + _WALL_M
    )


def _looked_at(
    body: Body, sighting: Sighting
) -> Generator[Order, None, tuple[Sighting | None, bool]]:
    """Go to where an object is believed to be.

    Returns:
        The sighting, if it is seen from there; and whether the robot stood and looked there.
    """
    faced = False
    for stand_offs_m in (STAND_OFFS_M, FARTHER_M):
        arrived = yield from go_and_face(body, sighting, stand_offs_m=stand_offs_m)
        faced = faced or arrived
        gazes_s = body.now_s()
        yield from gaze(body, 4)
        seen = body.sightings.places(sighting.label)
        thing = next((place for place in seen if agree(place, sighting)), None)
        if thing is not None and thing.hits >= _SURE_HITS and thing.seen_s >= gazes_s - 0.5:
            return thing, True
    return None, faced


def _searches(
    body: Body,
    name: str,
    rooms: Iterable[Room],
    within: str | None = None,
    *,
    closely: bool = False,
) -> Generator[Callable[[], Steps], None, None]:
    """The looks that a search is made of, most promising first, each made when it is called.

    Between two of them the caller checks whether the thing was seen.
    """

    def seen() -> bool:
        return _believed(body, name, within) is not None

    waiting = list(rooms)
    while waiting:
        # Somebody in a doorway bars a room for a while: it is searched once its door is open.
        room = next((room for room in waiting if _open(body, room)), waiting[0])
        waiting.remove(room)
        yield lambda room=room: survey(body, room, seen)  # type: ignore[misc]
        if not closely:
            yield lambda room=room: survey_corners(body, room, seen)  # type: ignore[misc]
            continue
        looked: set[str] = set()
        while True:
            pieces = [piece for piece in furniture_in(body, room) if piece.label not in looked]
            if not pieces:
                break
            here = body.pose()
            usual = None if name == PERSON else object_entry(name).default_location
            piece = min(
                pieces,
                key=lambda piece: (piece.label != usual, here.distance_to(piece.x_m, piece.y_m)),
            )
            looked.add(piece.label)
            yield lambda piece=piece: inspect(body, piece, seen)  # type: ignore[misc]


def _open(body: Body, room: Room) -> bool:
    """Whether the way into a room is free, as far as the robot knows."""
    point = body.reachable_near(*room.center)
    return point is not None and room.contains(*point)


def _by_likelihood(body: Body, first: Iterable[str]) -> list[Room]:
    """The rooms of the map: the usual ones first, then the others by distance; corridor last."""
    usual, here = tuple(first), body.pose()
    return sorted(
        body.static_map.rooms,
        key=lambda room: (
            room.name not in usual,
            room.name == "corridor",
            here.distance_to(*room.center),
        ),
    )


def _found(body: Body, thing: Sighting) -> str:
    room = body.static_map.room_at(thing.x_m, thing.y_m)
    near = [
        piece
        for piece in body.sightings.all()
        if piece.label in APARTMENT_FURNITURE
        and math.hypot(piece.x_m - thing.x_m, piece.y_m - thing.y_m) < 0.8
    ]
    where = ""
    if near:
        piece = min(near, key=lambda p: math.hypot(p.x_m - thing.x_m, p.y_m - thing.y_m))
        where += f" at the {piece.label}"
    if room is not None:
        where += f" in the {room}"
    return f"I found the {thing.label}{where}"
