"""What skills are made of: driving, turning, looking around, looking closely.

Each is a generator that yields what the robot is to do until the next tick.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from typing import TypeAlias

from sage.ontology import APARTMENT_FURNITURE
from sage.skills.body import Body, DriveTo, Hold, Order, Sighting
from sage.values import wrap_angle
from sage.worlds.static_map import Room

Steps: TypeAlias = Generator[Order, None, bool]

_VIEWS = 5
_ARRIVED_RAD = 0.2
_NO_PROGRESS_S = 8.0
_PATIENCE_S = 4.0
_SOMEWHERE_M = 0.8
MAKE_WAY = "excuse me, please let me pass"
_LEG_S = 60.0
STAND_OFFS_M = (0.4, 0.33, 0.28)
FARTHER_M = (0.8, 0.6, 0.4, 0.28)  # a thing on a low table is out of view from close by


def survey(body: Body, room: Room, seen: Callable[[], bool]) -> Steps:
    """Go to the middle of a room and look around."""
    yield from drive_near(body, *room.center, until=seen)
    return (yield from look_around(body, seen))


def survey_corners(body: Body, room: Room, seen: Callable[[], bool]) -> Steps:
    """Look around from two more points of a room, towards its far ends."""
    center_x, center_y = room.center
    wide, high = room.x_max - room.x_min, room.y_max - room.y_min
    shift_x, shift_y = (0.28 * wide, 0.0) if wide > high else (0.0, 0.28 * high)
    for sign in (1.0, -1.0):
        yield from drive_near(
            body, center_x + sign * shift_x, center_y + sign * shift_y, until=seen
        )
        if (yield from look_around(body, seen)):
            return True
    return False


def inspect(body: Body, piece: Sighting, seen: Callable[[], bool]) -> Steps:
    """Look at a piece of furniture from close by, and to both sides of it."""
    yield from go_and_face(body, piece, until=seen)
    yaw = body.pose().yaw_rad
    for turn in (0.0, 0.5, -0.5):
        if seen():
            return True
        yield from face(body, wrap_angle(yaw + turn), until=seen)
        yield from gaze(body, 3)
    return seen()


def enter(body: Body, room: Room) -> Steps:
    """Drive to a free point well inside a room."""
    began_s = body.now_s()
    while body.now_s() - began_s < _LEG_S:
        x_m, y_m = body.reachable_near(*room.center) or room.center
        if not room.contains(x_m, y_m):
            x_m, y_m = room.center
        yield from drive(body, x_m, y_m, tolerance_m=0.4, limit_s=2.0)
        pose = body.pose()
        inside = min(
            pose.x_m - room.x_min,
            room.x_max - pose.x_m,
            pose.y_m - room.y_min,
            room.y_max - pose.y_m,
        )
        if pose.distance_to(x_m, y_m) <= 0.4 and inside > 0.3:
            yield from wait(body, 0.3)
            return True
    return False


def drive_near(body: Body, x_m: float, y_m: float, *, until: Callable[[], bool]) -> Steps:
    """Drive to the free point nearest to a place, chosen anew as the map fills."""
    began_s = body.now_s()
    while body.now_s() - began_s < _LEG_S:
        point = body.reachable_near(x_m, y_m)
        if point is None:
            return False
        if (yield from drive(body, *point, tolerance_m=0.3, limit_s=1.5, until=until)):
            return True
        if until():
            return False
    return False


def go_and_face(
    body: Body,
    thing: Sighting,
    until: Callable[[], bool] | None = None,
    stand_offs_m: tuple[float, ...] = STAND_OFFS_M,
) -> Steps:
    """Drive to a standing point near a thing, then turn to it; the place is refined on the way."""
    began_s = body.now_s()
    x_m, y_m = thing.x_m, thing.y_m
    while True:
        point = _standing_point(body, x_m, y_m, stand_offs_m)
        if point is None or body.now_s() - began_s > _LEG_S:
            return False
        arrived = yield from drive(body, *point, tolerance_m=0.15, limit_s=1.5, until=until)
        if until is not None and until():
            return False
        better = body.sightings.best(thing.label)
        if better is not None and agree(thing, better):
            moved_m = math.hypot(better.x_m - x_m, better.y_m - y_m)
            x_m, y_m = better.x_m, better.y_m
            if arrived and moved_m > 0.25:
                continue
        if arrived:
            break
    pose = body.pose()
    yaw = wrap_angle(pose.yaw_rad + pose.bearing_to(x_m, y_m))
    faced = yield from face(body, yaw)
    yield from gaze(body, 2)
    return faced


def _standing_point(
    body: Body, x_m: float, y_m: float, stand_offs_m: tuple[float, ...]
) -> tuple[float, float] | None:
    """Where to stand before a thing: as far off its front as the room allows."""
    for stand_off_m in stand_offs_m:
        if (point := body.stand_near(x_m, y_m, stand_off_m)) is not None:
            return point
    return None


def look_around(body: Body, seen: Callable[[], bool]) -> Steps:
    """Turn once around, stopping to look; ends early when the thing is seen."""
    yaw = body.pose().yaw_rad
    for view in range(_VIEWS):
        if seen():
            return True
        yield from face(body, wrap_angle(yaw + view * math.tau / _VIEWS), until=seen)
        yield from gaze(body, 3)
    return seen()


def face(body: Body, yaw_rad: float, until: Callable[[], bool] | None = None) -> Steps:
    """Turn on the spot."""
    here = body.pose()
    return (
        yield from drive(
            body, here.x_m, here.y_m, tolerance_m=0.3, yaw_rad=yaw_rad, limit_s=6.0, until=until
        )
    )


def gaze(body: Body, frames: int, limit_s: float = 1.5) -> Generator[Order, None, None]:
    """Stand still until vision has read some more frames."""
    enough, began_s = body.scenes_seen + frames, body.now_s()
    while body.scenes_seen < enough and body.now_s() - began_s < limit_s:
        yield Hold()


def wait(body: Body, seconds: float) -> Generator[Order, None, None]:
    """Stand still for so long."""
    began_s = body.now_s()
    while body.now_s() - began_s < seconds:
        yield Hold()


def drive(
    body: Body,
    x_m: float,
    y_m: float,
    *,
    tolerance_m: float,
    yaw_rad: float | None = None,
    limit_s: float = _LEG_S,
    until: Callable[[], bool] | None = None,
) -> Steps:
    """Drive until there, or until it takes too long, gets nowhere, or ``until`` holds.

    Whoever may stand in the way is asked to make room, once.
    """
    began_s = progress_s = body.now_s()
    been, nearest_m, asked = body.pose(), math.inf, False
    while True:
        pose, now_s = body.pose(), body.now_s()
        distance_m = pose.distance_to(x_m, y_m)
        turned = yaw_rad is None or abs(wrap_angle(yaw_rad - pose.yaw_rad)) < _ARRIVED_RAD
        if distance_m <= tolerance_m and turned:
            return True
        # The way around leads away from the goal at first.
        if distance_m < nearest_m - 0.05 or pose.distance_to(been.x_m, been.y_m) > _SOMEWHERE_M:
            been, nearest_m, progress_s = pose, min(distance_m, nearest_m), now_s
        if not asked and now_s - progress_s > _PATIENCE_S:
            body.speak(MAKE_WAY)
            asked, progress_s = True, now_s
        if now_s - progress_s > _NO_PROGRESS_S or now_s - began_s > limit_s:
            return False
        if until is not None and until():
            return False
        yield DriveTo(x_m, y_m, tolerance_m * 0.7, yaw_rad)


def furniture_in(body: Body, room: Room) -> list[Sighting]:
    """The pieces of furniture that are believed to stand in a room."""
    found: list[Sighting] = []
    for label in APARTMENT_FURNITURE:
        places = body.sightings.places(label, least_hits=2, least_probability=0.2)
        found += [place for place in places if room.contains(place.x_m, place.y_m)][:1]
    return found


def agree(one: Sighting, other: Sighting) -> bool:
    """Whether two sightings mean the same place."""
    return math.hypot(one.x_m - other.x_m, one.y_m - other.y_m) < 0.9
