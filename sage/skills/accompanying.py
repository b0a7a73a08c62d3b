"""Going with people: behind them, or before them."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator

from sage.ontology import ROOM_NAMES
from sage.skills.body import Body, DriveTo, Hold, Order, Sighting, Verdict
from sage.skills.intent import PERSON
from sage.skills.looking import Steps, drive, face, go_and_face, wait
from sage.skills.skills import Skill, approach, come_back, find, go_to_room
from sage.skills.watching import SEEN_WITHIN_S, Track, look_for
from sage.values import wrap_angle

_BEHIND_M = 1.1
_NEAR_M = 1.5
_STAYS_S = 4.0
_WALKED_M = 0.7
_SETS_OUT_S = 6.0
_ASKED = 3
_LOST_S = 30.0
_AT_M = 0.4
_ROOM_M = 1.3
_STEP_BACK_M = 0.8
_LEG_M = 3.0
_WITH_M = 1.9
_FOLLOWS_M = 1.2
_COMES_S = 8.0
_TURN_RAD = 0.25
_FIRST_LEG_M = 3.5
_ELSEWHERE_M = 2.0
_UNHEEDED = "so there was nobody to go with"


def follow(
    body: Body,
    target: str = PERSON,
    room: str | None = None,
    location: str | None = None,
    to: str | None = None,
) -> Skill:
    """Follow a person until they stand still, about a metre behind.

    Args:
        body: the robot.
        target: a person's name, or any person.
        room, location: where they are; None: anywhere.
        to: the room to end in; None: wherever they stop.
    """
    return (
        yield from _whoever_heeds(
            body, target, room, location, lambda track: _follow(body, track, target, to)
        )
    )


def _follow(
    body: Body, track: Track, target: str, to: str | None
) -> Generator[Order, None, Verdict]:
    """Ask this person to lead the way, and walk behind."""
    who = "the person" if target == PERSON else target
    goal = f" to the {to}" if to is not None else ""
    request = f"{_called(target)}please lead the way{goal}, I will follow you"
    for _ in range(_ASKED):
        # From too near, the camera does not see them go, and they may not get past.
        yield from _step_back(body, track)
        body.speak(request)
        if (yield from _sets_out(body, track)):
            break
    else:
        return Verdict(False, f"{who} did not walk, {_UNHEEDED}")
    if not (yield from _walk_behind(body, track)):
        return Verdict(False, f"I lost {who} on the way")
    for _ in range(_ASKED):
        if to is None or body.static_map.room_at(track.x_m, track.y_m) in (to, None):
            break
        # They may stand only because the robot is in their way.
        yield from _step_back(body, track)
        body.speak(request)
        if not (yield from _walk_behind(body, track)):
            return Verdict(False, f"I lost {who} on the way")
    there = body.static_map.room_at(track.x_m, track.y_m)
    at = track.x_m, track.y_m
    if to is not None and there is not None and there != to:
        return Verdict(False, f"{who} stopped in the {there}, not in the {to}", at)
    if there is not None and body.static_map.room_at(body.pose().x_m, body.pose().y_m) != there:
        yield from _closer(body, track)
    where = f" to the {there}" if there is not None else ""
    return Verdict(True, f"I followed {who}{where}", at)


def guide(
    body: Body,
    target: str = PERSON,
    room: str | None = None,
    location: str | None = None,
    to: str | None = None,
    to_room: str | None = None,
) -> Skill:
    """Lead a person to a place, looking back for them on the way.

    Args:
        body: the robot.
        target: a person's name, or any person.
        room, location: where they are; None: anywhere.
        to: a room or a piece of furniture; None: where the robot started.
        to_room: the room of that furniture, where it is told.
    """
    return (
        yield from _whoever_heeds(
            body, target, room, location, lambda track: _guide(body, track, target, to, to_room)
        )
    )


def _guide(
    body: Body, track: Track, target: str, to: str | None, to_room: str | None
) -> Generator[Order, None, Verdict]:
    """Ask this person to come along, and go before them."""
    who = "the person" if target == PERSON else target
    goal = "back to where I started" if to is None else f"to the {to}"
    began = body.pose()
    body.speak(f"{_called(target)}please follow me, I will guide you {goal}")
    yield from wait(body, 0.5)
    while True:
        arrived = yield from _next_leg(body, _way_to(body, to, to_room))
        if isinstance(arrived, Verdict) and not arrived.done:
            return Verdict(False, f"{arrived.text}; {who} is with me on the way")
        if not (yield from _comes_along(body, track, target)):
            near = body.pose().distance_to(began.x_m, began.y_m) < _FIRST_LEG_M
            unheeded = f", {_UNHEEDED}" if near else ""
            return Verdict(False, f"{who} did not follow me {goal}{unheeded}")
        if isinstance(arrived, Verdict):
            break
    body.speak(f"{_called(target)}we are there")
    yield from wait(body, 0.5)
    return Verdict(True, f"I guided {who} {goal}", (track.x_m, track.y_m))


def _called(target: str) -> str:
    return "" if target == PERSON else f"{target}, "


def _whoever_heeds(
    body: Body,
    target: str,
    room: str | None,
    location: str | None,
    along: Callable[[Track], Generator[Order, None, Verdict]],
) -> Skill:
    """Go with the person; where it is somebody else, who heeds no other name, try the next one.

    People are not told apart by sight: whoever does not do what their name is asked to do is taken
    for somebody else, as long as others are known to be about.
    """
    track = yield from _met(body, target, room, location)
    tried: list[tuple[float, float]] = []
    while not isinstance(track, Verdict):
        tried.append((track.x_m, track.y_m))
        done: Verdict = yield from along(track)
        if done.done or target == PERSON or not done.text.endswith(_UNHEEDED):
            return done
        other = _somebody_else(body, tried, room)
        if other is None:
            return done
        yield from go_and_face(body, other)
        track = Track(body, other.x_m, other.y_m)
    return track


def _somebody_else(
    body: Body, tried: list[tuple[float, float]], room: str | None
) -> Sighting | None:
    """The nearest person who was seen elsewhere than those."""
    pose = body.pose()
    others = [
        place
        for place in body.sightings.places(PERSON, least_hits=3, least_probability=0.4)
        if all(math.dist((place.x_m, place.y_m), spot) > _ELSEWHERE_M for spot in tried)
        and room in (None, body.static_map.room_at(place.x_m, place.y_m))
    ]
    return min(others, key=lambda p: pose.distance_to(p.x_m, p.y_m), default=None)


def _met(
    body: Body, target: str, room: str | None, location: str | None
) -> Generator[Order, None, Track | Verdict]:
    """Find the person and face them; the verdict if there is nobody."""
    if location is not None:
        there = yield from approach(body, location, room)
        if not there.done:
            return there
    found = yield from find(body, PERSON, room)
    if not found.done or found.found_at is None:
        who = "anybody" if target == PERSON else target
        where = f" in the {room}" if room is not None else ""
        return Verdict(False, f"I could not find {who}{where}")
    yield from _turn_to(body, *found.found_at)
    return Track(body, *found.found_at)


def _turn_to(body: Body, x_m: float, y_m: float) -> Steps:
    pose = body.pose()
    return (yield from face(body, wrap_angle(pose.yaw_rad + pose.bearing_to(x_m, y_m))))


def _sets_out(body: Body, track: Track) -> Steps:
    """Wait until the person walks."""
    began_s = body.now_s()
    while body.now_s() - began_s < _SETS_OUT_S:
        track.look()
        if track.walked_m > _WALKED_M:
            return True
        yield _facing(body, track)
    if track.unseen_s > SEEN_WITHIN_S:
        pose = body.pose()
        yaw = wrap_angle(pose.yaw_rad + pose.bearing_to(track.x_m, track.y_m))
        return (yield from look_for(body, track, yaw)) and track.walked_m > _WALKED_M
    return False


def _step_back(body: Body, track: Track) -> Steps:
    """Make room for somebody who stands close."""
    pose = body.pose()
    if pose.distance_to(track.x_m, track.y_m) > _ROOM_M:
        return True
    away = math.atan2(pose.y_m - track.y_m, pose.x_m - track.x_m)
    x_m = pose.x_m + _STEP_BACK_M * math.cos(away)
    y_m = pose.y_m + _STEP_BACK_M * math.sin(away)
    point = body.reachable_near(x_m, y_m)
    # From another room nobody is heard.
    room_at = body.static_map.room_at
    if point is not None and room_at(*point) == room_at(track.x_m, track.y_m):
        yield from drive(body, *point, tolerance_m=0.2, limit_s=6.0)
    return (yield from _turn_to(body, track.x_m, track.y_m))


def _walk_behind(body: Body, track: Track) -> Steps:
    """Keep behind the person until they stand; False where they were lost."""
    near_s = body.now_s()
    while True:
        track.look()
        if body.pose().distance_to(track.x_m, track.y_m) > _NEAR_M:
            near_s = body.now_s()  # who waits for the robot is not there yet
        if track.unseen_s > _LOST_S:
            return False
        if track.unseen_s > SEEN_WITHIN_S and (
            body.pose().distance_to(track.x_m, track.y_m) < _AT_M
            or track.unseen_s > _SETS_OUT_S  # from where they went, or nearly so
        ):
            pose = body.pose()
            yaw = wrap_angle(pose.yaw_rad + pose.bearing_to(track.x_m, track.y_m))
            if not (yield from look_for(body, track, yaw)):
                if track.unseen_s > _LOST_S:
                    return False
                yield from drive(body, *_free(body, *track.onward), tolerance_m=0.3, limit_s=5.0)
        elif body.now_s() - near_s > _STAYS_S and track.still:
            return True
        else:
            yield _behind(body, track)


def _behind(body: Body, track: Track) -> Order:
    """Drive to a metre behind the person; to where they went, if they are out of view."""
    pose = body.pose()
    x_m, y_m = track.x_m, track.y_m
    if track.unseen_s <= SEEN_WITHIN_S:
        away_m = pose.distance_to(track.x_m, track.y_m)
        if away_m <= _BEHIND_M:
            return _facing(body, track)
        share = (away_m - _BEHIND_M) / away_m
        x_m = pose.x_m + share * (track.x_m - pose.x_m)
        y_m = pose.y_m + share * (track.y_m - pose.y_m)
    return DriveTo(*_free(body, x_m, y_m), 0.15)


def _free(body: Body, x_m: float, y_m: float) -> tuple[float, float]:
    return body.reachable_near(x_m, y_m) or (x_m, y_m)


def _facing(body: Body, track: Track) -> Order:
    """Stand, and turn to the person."""
    pose = body.pose()
    bearing = pose.bearing_to(track.x_m, track.y_m)
    if abs(bearing) < _TURN_RAD:
        return Hold()
    return DriveTo(pose.x_m, pose.y_m, 0.3, wrap_angle(pose.yaw_rad + bearing))


def _closer(body: Body, track: Track) -> Steps:
    """Come into the room where the person stands."""
    pose = body.pose()
    away_m = max(pose.distance_to(track.x_m, track.y_m), 0.01)
    share = max(away_m - 0.8, 0.0) / away_m
    x_m = pose.x_m + share * (track.x_m - pose.x_m)
    y_m = pose.y_m + share * (track.y_m - pose.y_m)
    point = body.reachable_near(x_m, y_m) or (x_m, y_m)
    return (yield from drive(body, *point, tolerance_m=0.15, limit_s=10.0))


def _way_to(body: Body, to: str | None, to_room: str | None) -> Skill:
    if to is None:
        return come_back(body)
    return go_to_room(body, to) if to in ROOM_NAMES else approach(body, to, to_room)


def _next_leg(body: Body, way: Skill) -> Generator[Order, None, Verdict | None]:
    """A part of the way, not longer than somebody behind can be lost on; the end's verdict."""
    driven_m, before = 0.0, body.pose()
    try:
        while driven_m < _LEG_M:
            try:
                order = next(way)
            except StopIteration as stop:
                verdict: Verdict = stop.value
                return verdict
            yield order
            here = body.pose()
            driven_m += here.distance_to(before.x_m, before.y_m)
            before = here
    finally:
        way.close()
    return None


def _comes_along(body: Body, track: Track, target: str) -> Steps:
    """Turn round and wait until the person is near; call, and go back for them, if they do not."""
    for call in range(_ASKED):
        pose = body.pose()
        back = track.x_m, track.y_m
        bearing = pose.bearing_to(*back)
        track.expect(*pose.point_at(bearing, min(pose.distance_to(*back), _FOLLOWS_M)))
        if (yield from look_for(body, track, wrap_angle(pose.yaw_rad + bearing))):
            began_s = body.now_s()
            while body.now_s() - began_s < _COMES_S:
                track.look()
                if body.pose().distance_to(track.x_m, track.y_m) < _WITH_M:
                    return True
                yield _facing(body, track)
        if call + 1 < _ASKED:
            # Who stands very near is out of the camera's view.
            body.speak(f"{_called(target)}please follow me")
            point = body.reachable_near(*pose.point_at(bearing + math.pi, _STEP_BACK_M))
            if point is not None:
                yield from drive(body, *point, tolerance_m=0.2, limit_s=6.0)
    return False
