"""Taking things and bringing them somewhere: find, grasp, carry, put down."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from typing import Final

from sage.ontology import APARTMENT_OBJECTS, ROOM_NAMES, object_entry, rooms_of
from sage.skills.body import Body, Order, Sighting, Verdict
from sage.skills.intent import PERSON
from sage.skills.looking import Steps, agree, drive, face, gaze, go_and_face, wait
from sage.skills.skills import Skill, approach, come_back, find, go_to_room
from sage.values import wrap_angle

REACH_M: Final = 1.0
"""How far from the robot's centre a thing may be to be taken."""

_HAND_S = 2.0
"""How long the gripper takes, with what passes until it is known to hold something."""

_SETTLE_S = 0.4
_TRIES = 3
_CLOSE_M = ((0.33, 0.28), (0.28,), (0.4, 0.33))
_NEAR_M = 0.9
_AHEAD_M = (0.65, 0.85, 0.5)
_BESIDE_M = 0.5
_NO_GRIPPER = Verdict(False, "I have no gripper to take anything with")


def bring(
    body: Body,
    target: str | None,
    room: str | None = None,
    location: str | None = None,
    to: str | None = None,
    to_room: str | None = None,
    person: str | None = None,
) -> Skill:
    """Fetch a thing and bring it to the speaker, to a person, or to a place.

    Args:
        body: the robot.
        target: an object, or a category: any object of it; None: what is held.
        room, location: where it is; None: looked for, where it usually is first.
        to, to_room: furniture to put it on, or a room; of a person, where they are.
        person: who gets it; None: the speaker, who is where the robot started.
    """
    held = yield from _fetched(body, target, room, location)
    if isinstance(held, Verdict):
        return held
    if person is not None:
        return (yield from _hand_over(body, held, person, to, to_room))
    if to is None:
        back = yield from come_back(body)
        if not back.done:
            return Verdict(False, f"I have the {held}, but {back.text}")
        body.speak(f"here is the {held}")
        return Verdict(True, f"here is the {held}")
    if to in ROOM_NAMES:
        there = yield from go_to_room(body, to)
        if not there.done:
            return Verdict(False, f"I have the {held}, but {there.text}")
        return Verdict(True, f"I brought the {held} to the {to}")
    return (yield from _put_on(body, held, to, to_room))


def put(
    body: Body,
    target: str | None,
    room: str | None,
    location: str | None,
    to: str,
    to_room: str | None = None,
) -> Skill:
    """Fetch a thing and put it on a piece of furniture, or down in a room.

    The arguments are those of :func:`bring`.
    """
    held = yield from _fetched(body, target, room, location)
    if isinstance(held, Verdict):
        return held
    if to not in ROOM_NAMES:
        return (yield from _put_on(body, held, to, to_room))
    there = yield from go_to_room(body, to)
    if there.done and (yield from _put_down(body)):
        return Verdict(True, f"I put the {held} down in the {to}")
    return Verdict(False, f"I have the {held}, but could not put it down in the {to}")


def _fetched(
    body: Body, target: str | None, room: str | None, location: str | None
) -> Generator[Order, None, str | Verdict]:
    """Have the thing in the gripper; its name, or why not."""
    if not body.has_gripper:
        return _NO_GRIPPER
    if target is None:
        return body.holding or Verdict(False, "I hold nothing; please say what to take")
    wanted = _objects(body, target)
    if body.holding in wanted:
        return body.holding or ""
    if (held := body.holding) is not None:
        body.speak(f"I put the {held} down here first")
        if not (yield from _put_down(body)):
            return Verdict(False, f"I hold the {held} and could not put it down")
    where = room or (rooms_of(location)[0] if location is not None else None)
    tried = Verdict(False, f"I know no {target} by sight")
    for name in wanted:
        tried = yield from find(body, name, where)
        if tried.done and (yield from _grasped(body, name)):
            return name
        if tried.done:
            tried = Verdict(False, f"{tried.text}, but could not take it", tried.found_at)
    return tried


def _objects(body: Body, target: str) -> Sequence[str]:
    """The objects that are meant, those seen already first."""
    known = [name for name in APARTMENT_OBJECTS if target in (name, object_entry(name).category)]
    return sorted(known, key=lambda name: body.sightings.best(name) is None)


def _grasped(body: Body, name: str) -> Steps:
    """Take the thing that was found, from another spot where the first was none."""
    for stand_offs_m in _CLOSE_M[:_TRIES]:
        thing = body.sightings.best(name)
        if thing is None:
            return False
        if body.pose().distance_to(thing.x_m, thing.y_m) > _NEAR_M:
            yield from go_and_face(body, thing, stand_offs_m=stand_offs_m)
            thing = body.sightings.best(name) or thing
        if body.pose().distance_to(thing.x_m, thing.y_m) > REACH_M:
            continue
        yield from _turn_to(body, thing)
        yield from wait(body, _SETTLE_S)
        body.grasp(name, thing.x_m, thing.y_m)
        yield from wait(body, _HAND_S)
        if body.holding is not None:
            body.sightings.forget(name, thing.x_m, thing.y_m)
            return True
        body.sightings.forget(name, thing.x_m, thing.y_m)
        yield from gaze(body, 6)
        seen = body.sightings.best(name)
        if seen is None or agree(seen, thing):
            yield from _from_elsewhere(body, thing)
    return False


def _from_elsewhere(body: Body, thing: Sighting) -> Generator[Order, None, None]:
    """Look again from a step back: from close by, things on low tables are out of view."""
    pose = body.pose()
    x_m, y_m = pose.point_at(math.pi, 0.5)
    point = body.reachable_near(x_m, y_m)
    if point is not None:
        yield from drive(body, *point, tolerance_m=0.2, limit_s=6.0)
    yield from _turn_to(body, thing)
    yield from gaze(body, 6)


def _turn_to(body: Body, thing: Sighting) -> Steps:
    pose = body.pose()
    return (yield from face(body, wrap_angle(pose.yaw_rad + pose.bearing_to(thing.x_m, thing.y_m))))


def _hand_over(body: Body, held: str, person: str, to: str | None, to_room: str | None) -> Skill:
    """Bring what is held to a person."""
    room = to if to in ROOM_NAMES else to_room
    if to is not None and to not in ROOM_NAMES:
        near = yield from approach(body, to, to_room)
        if not near.done:
            return Verdict(False, f"I have the {held}, but {near.text}")
    met = yield from find(body, PERSON, room)
    who = "the person" if person == PERSON else person
    if not met.done:
        return Verdict(False, f"I have the {held}, but could not find {who}")
    called = "" if person == PERSON else f"{person}, "
    body.speak(f"{called}here is the {held}")
    return Verdict(True, f"{called}here is the {held}", met.found_at)


def _put_on(body: Body, held: str, to: str, to_room: str | None) -> Skill:
    """Put what is held on a piece of furniture."""
    there = yield from approach(body, to, to_room)
    if not there.done or there.found_at is None:
        return Verdict(False, f"I have the {held}, but {there.text}")
    for ahead_m in _AHEAD_M:
        pose = body.pose()
        away_m = pose.distance_to(*there.found_at)
        point = pose.point_at(pose.bearing_to(*there.found_at), min(ahead_m, away_m))
        yield from wait(body, _SETTLE_S)
        body.place(*point)
        yield from wait(body, _HAND_S)
        if body.holding is None:
            return Verdict(True, f"I put the {held} on the {to}", there.found_at, used=there.used)
    return Verdict(False, f"I have the {held}, and found no room for it on the {to}")


def _put_down(body: Body) -> Steps:
    """Put what is held down, before or beside the robot."""
    for bearing in (0.0, 0.8, -0.8):
        yield from wait(body, _SETTLE_S)
        body.place(*body.pose().point_at(bearing, _BESIDE_M))
        yield from wait(body, _HAND_S)
        if body.holding is None:
            return True
    return False
