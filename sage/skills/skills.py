"""Skills: small plans over vision and control.

A skill is a generator. It yields what the robot is to do until the next tick and returns a
:class:`Verdict`; everything it knows, it asks of its :class:`Body`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable
from typing import TypeAlias

from sage.ontology import APARTMENT_FURNITURE, object_entry, rooms_of
from sage.skills.body import Body, DriveTo, Hold, Order, Sighting, Verdict
from sage.skills.intent import PERSON, Intent
from sage.values import wrap_angle
from sage.worlds.static_map import Room

Skill: TypeAlias = Generator[Order, None, Verdict]
Steps: TypeAlias = Generator[Order, None, bool]

_VIEWS = 5
_ARRIVED_RAD = 0.2
_NO_PROGRESS_S = 8.0
_LEG_S = 60.0
_STAND_OFFS_M = (0.4, 0.33, 0.28)
_FARTHER_M = (0.8, 0.6, 0.4, 0.28)  # a thing on a low table is out of view from close by
_SURE_HITS = 5


def skill_for(intent: Intent, body: Body) -> Skill:
    """The skill that does what was asked."""
    target = intent.target or ""
    if intent.kind == "go":
        return go_to_room(body, target)
    if intent.kind == "approach":
        return approach(body, target, intent.room)
    if intent.kind == "find":
        return find(body, target, intent.room)
    if intent.kind == "return":
        return come_back(body)
    return stand_still(body)


def go_to_room(body: Body, name: str) -> Skill:
    """Drive into a room."""
    try:
        room = body.static_map.room(name)
    except KeyError:
        return Verdict(False, f"there is no {name} here")
    if (yield from _enter(body, room)):
        return Verdict(True, f"I am in the {name}")
    return Verdict(False, f"I could not get into the {name}")


def come_back(body: Body) -> Skill:
    """Drive to where the robot started."""
    start = body.start
    if (yield from _drive(body, start.x_m, start.y_m, tolerance_m=0.25)):
        return Verdict(True, "I am back")
    return Verdict(False, "I could not get back to where I started")


def stand_still(body: Body) -> Skill:
    """Stop, and stay."""
    yield from _wait(body, 1.0)
    return Verdict(True, "I stand still")


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
            arrived = yield from _go_and_face(body, sighting)
            better = body.sightings.best(name)
            if arrived and better is not None and _agree(sighting, better):
                at = better.x_m, better.y_m
                return Verdict(True, f"I am at the {name}", at)
            if better is None or _agree(sighting, better):
                # Nothing there, or no way there: this place is not it.
                body.sightings.forget(name, sighting.x_m, sighting.y_m)
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
    for look in _searches(body, name, rooms, closely=True):
        if body.sightings.best(name) is None:
            yield from look()
        while (sighting := body.sightings.best(name)) is not None:
            if (thing := (yield from _looked_at(body, sighting))) is not None:
                return Verdict(True, _found(body, thing), (thing.x_m, thing.y_m))
            # Not there from near, nor from farther off: something else looked like it.
            body.sightings.forget(name, sighting.x_m, sighting.y_m)
    return Verdict(False, f"I could not find the {name}")


def _looked_at(body: Body, sighting: Sighting) -> Generator[Order, None, Sighting | None]:
    """Go to where an object is believed to be; the sighting, if it is seen from there."""
    for stand_offs_m in (_STAND_OFFS_M, _FARTHER_M):
        yield from _go_and_face(body, sighting, stand_offs_m=stand_offs_m)
        gazes_s = body.now_s()
        yield from _gaze(body, 4)
        thing = body.sightings.best(sighting.label)
        if thing is not None and thing.hits >= _SURE_HITS and thing.seen_s >= gazes_s - 0.5:
            return thing
    return None


def _searches(
    body: Body, name: str, rooms: Iterable[Room], *, closely: bool = False
) -> Generator[Callable[[], Steps], None, None]:
    """The looks that a search is made of, most promising first, each made when it is called.

    Between two of them the caller checks whether the thing was seen.
    """

    def seen() -> bool:
        return body.sightings.best(name) is not None

    for room in rooms:
        yield lambda room=room: _survey(body, room, seen)  # type: ignore[misc]
        if not closely:
            yield lambda room=room: _survey_corners(body, room, seen)  # type: ignore[misc]
            continue
        looked: set[str] = set()
        while True:
            pieces = [piece for piece in _furniture_in(body, room) if piece.label not in looked]
            if not pieces:
                break
            here = body.pose()
            usual = None if name == PERSON else object_entry(name).default_location
            piece = min(
                pieces,
                key=lambda piece: (piece.label != usual, here.distance_to(piece.x_m, piece.y_m)),
            )
            looked.add(piece.label)
            yield lambda piece=piece: _inspect(body, piece, seen)  # type: ignore[misc]


def _survey(body: Body, room: Room, seen: Callable[[], bool]) -> Steps:
    """Go to the middle of a room and look around."""
    yield from _drive_near(body, *room.center, until=seen)
    return (yield from _look_around(body, seen))


def _survey_corners(body: Body, room: Room, seen: Callable[[], bool]) -> Steps:
    """Look around from two more points of a room, towards its far ends."""
    center_x, center_y = room.center
    wide, high = room.x_max - room.x_min, room.y_max - room.y_min
    shift_x, shift_y = (0.28 * wide, 0.0) if wide > high else (0.0, 0.28 * high)
    for sign in (1.0, -1.0):
        yield from _drive_near(
            body, center_x + sign * shift_x, center_y + sign * shift_y, until=seen
        )
        if (yield from _look_around(body, seen)):
            return True
    return False


def _inspect(body: Body, piece: Sighting, seen: Callable[[], bool]) -> Steps:
    """Look at a piece of furniture from close by, and to both sides of it."""
    yield from _go_and_face(body, piece, until=seen)
    yaw = body.pose().yaw_rad
    for turn in (0.0, 0.5, -0.5):
        if seen():
            return True
        yield from _face(body, wrap_angle(yaw + turn), until=seen)
        yield from _gaze(body, 3)
    return seen()


def _enter(body: Body, room: Room) -> Steps:
    """Drive to a free point well inside a room."""
    began_s = body.now_s()
    while body.now_s() - began_s < _LEG_S:
        x_m, y_m = body.reachable_near(*room.center) or room.center
        if not room.contains(x_m, y_m):
            x_m, y_m = room.center
        yield from _drive(body, x_m, y_m, tolerance_m=0.4, limit_s=2.0)
        pose = body.pose()
        inside = min(
            pose.x_m - room.x_min,
            room.x_max - pose.x_m,
            pose.y_m - room.y_min,
            room.y_max - pose.y_m,
        )
        if pose.distance_to(x_m, y_m) <= 0.4 and inside > 0.3:
            yield from _wait(body, 0.3)
            return True
    return False


def _drive_near(body: Body, x_m: float, y_m: float, *, until: Callable[[], bool]) -> Steps:
    """Drive to the free point nearest to a place, chosen anew as the map fills."""
    began_s = body.now_s()
    while body.now_s() - began_s < _LEG_S:
        point = body.reachable_near(x_m, y_m)
        if point is None:
            return False
        if (yield from _drive(body, *point, tolerance_m=0.3, limit_s=1.5, until=until)):
            return True
        if until():
            return False
    return False


def _go_and_face(
    body: Body,
    thing: Sighting,
    until: Callable[[], bool] | None = None,
    stand_offs_m: tuple[float, ...] = _STAND_OFFS_M,
) -> Steps:
    """Drive to a standing point near a thing, then turn to it; the place is refined on the way."""
    began_s = body.now_s()
    x_m, y_m = thing.x_m, thing.y_m
    while True:
        point = _standing_point(body, x_m, y_m, stand_offs_m)
        if point is None or body.now_s() - began_s > _LEG_S:
            return False
        arrived = yield from _drive(body, *point, tolerance_m=0.15, limit_s=1.5, until=until)
        if until is not None and until():
            return False
        better = body.sightings.best(thing.label)
        if better is not None and _agree(thing, better):
            moved_m = math.hypot(better.x_m - x_m, better.y_m - y_m)
            x_m, y_m = better.x_m, better.y_m
            if arrived and moved_m > 0.25:
                continue
        if arrived:
            break
    pose = body.pose()
    yaw = wrap_angle(pose.yaw_rad + pose.bearing_to(x_m, y_m))
    faced = yield from _face(body, yaw)
    yield from _gaze(body, 2)
    return faced


def _standing_point(
    body: Body, x_m: float, y_m: float, stand_offs_m: tuple[float, ...]
) -> tuple[float, float] | None:
    """Where to stand before a thing: as far off its front as the room allows."""
    for stand_off_m in stand_offs_m:
        if (point := body.stand_near(x_m, y_m, stand_off_m)) is not None:
            return point
    return None


def _look_around(body: Body, seen: Callable[[], bool]) -> Steps:
    """Turn once around, stopping to look; ends early when the thing is seen."""
    yaw = body.pose().yaw_rad
    for view in range(_VIEWS):
        if seen():
            return True
        yield from _face(body, wrap_angle(yaw + view * math.tau / _VIEWS), until=seen)
        yield from _gaze(body, 3)
    return seen()


def _face(body: Body, yaw_rad: float, until: Callable[[], bool] | None = None) -> Steps:
    """Turn on the spot."""
    here = body.pose()
    return (
        yield from _drive(
            body, here.x_m, here.y_m, tolerance_m=0.3, yaw_rad=yaw_rad, limit_s=6.0, until=until
        )
    )


def _gaze(body: Body, frames: int, limit_s: float = 1.5) -> Generator[Order, None, None]:
    """Stand still until vision has read some more frames."""
    enough, began_s = body.scenes_seen + frames, body.now_s()
    while body.scenes_seen < enough and body.now_s() - began_s < limit_s:
        yield Hold()


def _wait(body: Body, seconds: float) -> Generator[Order, None, None]:
    began_s = body.now_s()
    while body.now_s() - began_s < seconds:
        yield Hold()


def _drive(
    body: Body,
    x_m: float,
    y_m: float,
    *,
    tolerance_m: float,
    yaw_rad: float | None = None,
    limit_s: float = _LEG_S,
    until: Callable[[], bool] | None = None,
) -> Steps:
    """Drive until there, or until it takes too long, stops to come nearer, or ``until`` holds."""
    began_s = progress_s = body.now_s()
    nearest_m = math.inf
    while True:
        pose, now_s = body.pose(), body.now_s()
        distance_m = pose.distance_to(x_m, y_m)
        turned = yaw_rad is None or abs(wrap_angle(yaw_rad - pose.yaw_rad)) < _ARRIVED_RAD
        if distance_m <= tolerance_m and turned:
            return True
        if distance_m < nearest_m - 0.05:
            nearest_m, progress_s = distance_m, now_s
        if now_s - progress_s > _NO_PROGRESS_S or now_s - began_s > limit_s:
            return False
        if until is not None and until():
            return False
        yield DriveTo(x_m, y_m, tolerance_m * 0.7, yaw_rad)


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


def _furniture_in(body: Body, room: Room) -> list[Sighting]:
    return [
        sighting
        for sighting in body.sightings.all(least_hits=2, least_probability=0.2)
        if sighting.label in APARTMENT_FURNITURE and room.contains(sighting.x_m, sighting.y_m)
    ]


def _agree(one: Sighting, other: Sighting) -> bool:
    """Whether two sightings mean the same place."""
    return math.hypot(one.x_m - other.x_m, one.y_m - other.y_m) < 0.9


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
