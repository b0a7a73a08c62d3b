"""The scorer: whether ground truth agrees that a command was done."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from sage.ontology import ROOM_NAMES, object_entry
from sage.skills.agent import Report
from sage.skills.intent import OBJECT, PERSON, Intent
from sage.values import Pose
from sage.worlds.apartment.handling import GRIPPER
from sage.worlds.apartment.truth import ObjectTruth, PersonTruth, Truth
from sage.worlds.static_map import Rect

AT_FURNITURE_M = 0.9
FACING_RAD = math.radians(45.0)
FOUND_WITHIN_M = 0.6
NEAR_OBJECT_M = 2.0
BACK_WITHIN_M = 0.5
HANDS_OVER_M = 0.8
LIES_AT_START_M = 1.0
AT_PERSON_M = 1.2
BEHIND_LEADER_M = 1.8
WITH_GUIDE_M = 2.0
GUIDED_TO_M = 1.6
GUIDED_BACK_M = 1.5
SPEAKS_WITHIN_M = 3.0

Judgement = tuple[bool, str]
"""Whether it is done, and the measured figure in words."""


def judge(report: Report, truth: Truth, start: Pose | None) -> Judgement:
    """Hold what the robot reports against what is the case now.

    Done means, by intent: ``go``: the robot's centre is in the room; ``approach``: it is within
    0.9 m of the piece's footprint in the same room, and faces it within 45 degrees; ``find``: the
    place that it names is within 0.6 m of the object (of a person: one of them), which is in the
    room that was named, if one was, and the robot is within 2 m of it;
    ``count``: the number that it says is how many there are in the room, or on
    the piece of furniture; ``return``: it is within 0.5 m of where it started.

    Where something is to be moved, only things count that the robot has had in its gripper.
    ``bring`` to the speaker, who is where it started: it holds the thing within 0.8 m of there, or
    the thing lies within 1 m of there; to a person: within 1.2 m of them; to a room or a piece of
    furniture, and ``put``: the thing is there. ``follow``: the person stands where they led it,
    in the room asked for, and the robot is within 1.8 m of them. ``guide``: the person has been
    following and is within 2 m of the robot, and both are in the room, within 1.6 m of the
    furniture, or within 1.5 m of the start.

    What is to be said to somebody is said within 3 m of them and in the same room; the words
    themselves are for others to judge. ``stop`` and the rest are done when the robot says so:
    standing still shows over time, not in one moment.

    Returns:
        Whether it is done, and the measured figure in words.
    """
    intent = report.intent
    if intent is None:
        return True, "declined, nothing was to be done"
    robot = truth.robot
    if intent.kind == "go":
        return truth.room == intent.target, f"the robot is in the {truth.room}"
    if intent.kind == "approach":
        return _at_furniture(truth, intent.target or "")
    if intent.kind == "find":
        return _found(report, truth, intent.target or "", intent.room)
    if intent.kind == "count":
        return _counted(report, truth, intent)
    if intent.kind == "return":
        return _within(BACK_WITHIN_M, start, robot.x_m, robot.y_m, "the robot")
    if intent.kind in ("bring", "put"):
        return _moved(truth, intent, start)
    if intent.kind == "follow":
        return _followed(truth, intent)
    if intent.kind == "guide":
        return _guided(truth, intent, start)
    if intent.kind in ("say", "answer") and intent.person is not None:
        return _addressed(report, truth, intent)
    return report.verdict.done, report.verdict.text


def distance_to_rect(x_m: float, y_m: float, rect: Rect) -> float:
    """Metres from a point to a rectangle; 0 inside."""
    x_min, y_min, x_max, y_max = rect
    return math.hypot(max(x_min - x_m, 0.0, x_m - x_max), max(y_min - y_m, 0.0, y_m - y_max))


def _at_furniture(truth: Truth, name: str) -> Judgement:
    pieces = [piece for piece in truth.furniture if piece.name == name]
    if not pieces:
        return False, f"there is no {name}"
    piece = pieces[0]
    robot = truth.robot
    away_m = distance_to_rect(robot.x_m, robot.y_m, piece.footprint)
    # Facing any part of it counts: a long sofa's centre may lie to the side.
    x_min, y_min, x_max, y_max = piece.footprint
    spots = [(piece.x_m, piece.y_m)]
    spots += [(x, y) for x in (x_min, x_max) for y in (y_min, y_max)]
    off_rad = min(abs(robot.bearing_to(x, y)) for x, y in spots)
    return (
        away_m <= AT_FURNITURE_M and off_rad <= FACING_RAD and truth.room == piece.room,
        f"{away_m:.2f} m from the {name}, {math.degrees(off_rad):.0f} degrees off, "
        f"in the {truth.room}",
    )


def _found(report: Report, truth: Truth, name: str, room: str | None) -> Judgement:
    there: Sequence[ObjectTruth | PersonTruth] = [t for t in truth.objects if t.name == name]
    if name == PERSON:
        there = truth.people
    spots = [(thing.x_m, thing.y_m) for thing in there if room in (None, thing.room)]
    if not spots:
        return False, f"there is no {name}" + (f" in the {room}" if room else "")
    if report.verdict.found_at is None:
        return False, "no place was named"
    x_m, y_m = report.verdict.found_at
    off_m, spot = min((math.hypot(x - x_m, y - y_m), (x, y)) for x, y in spots)
    away_m = truth.robot.distance_to(*spot)
    return (
        off_m <= FOUND_WITHIN_M and away_m <= NEAR_OBJECT_M,
        f"the place named is {off_m:.2f} m off, the robot {away_m:.2f} m away",
    )


def _counted(report: Report, truth: Truth, intent: Intent) -> Judgement:
    if intent.target == PERSON:
        there = [person.name for person in truth.people if person.room == intent.room]
    else:
        there = [
            thing.name
            for thing in truth.objects
            if intent.target in (OBJECT, thing.name, object_entry(thing.name).category)
            and thing.room == intent.room
            and intent.location in (None, thing.furniture)
        ]
    on = f" on the {intent.location}" if intent.location and intent.target != PERSON else ""
    names = f": {', '.join(sorted(there))}" if there else ""
    why = f"{len(there)}{on} in the {intent.room}{names}"
    return report.verdict.count == len(there), why


def _within(most_m: float, spot: Pose | None, x_m: float, y_m: float, what: str) -> Judgement:
    if spot is None:
        return False, "the start is not known"
    away_m = spot.distance_to(x_m, y_m)
    return away_m <= most_m, f"{what} is {away_m:.2f} m from the start"


def _moved(truth: Truth, intent: Intent, start: Pose | None) -> Judgement:
    things = [
        thing
        for thing in truth.objects
        if thing.handled
        and intent.target in (None, OBJECT, thing.name, object_entry(thing.name).category)
    ]
    if not things:
        return False, f"no {intent.target or 'thing'} was taken"
    return _best(_delivered(truth, intent, thing, start) for thing in things)


def _delivered(truth: Truth, intent: Intent, thing: ObjectTruth, start: Pose | None) -> Judgement:
    held = thing.furniture == GRIPPER
    if intent.person is not None:
        return _best(
            (
                math.dist(_place_of(thing, truth), (person.x_m, person.y_m)) <= AT_PERSON_M
                and thing.room == person.room,
                f"the {thing.name} is "
                f"{math.dist(_place_of(thing, truth), (person.x_m, person.y_m)):.2f} m from "
                f"{person.name}",
            )
            for person in _people(truth, intent.person)
        )
    if intent.to is None:
        most_m = HANDS_OVER_M if held else LIES_AT_START_M
        return _within(most_m, start, *_place_of(thing, truth), f"the {thing.name}")
    at = f"the {thing.name} is on the {thing.furniture} in the {thing.room}"
    if held:
        at = f"the {thing.name} is held in the {thing.room}"
    if intent.to in ROOM_NAMES:
        return thing.room == intent.to, at
    there = thing.furniture == intent.to and intent.to_room in (None, thing.room)
    return there, at


def _place_of(thing: ObjectTruth, truth: Truth) -> tuple[float, float]:
    """Where a thing counts as being: what is held is where the robot is."""
    if thing.furniture == GRIPPER:
        return truth.robot.x_m, truth.robot.y_m
    return thing.x_m, thing.y_m


def _people(truth: Truth, who: str | None) -> list[PersonTruth]:
    return [person for person in truth.people if who in (PERSON, person.name)]


def _followed(truth: Truth, intent: Intent) -> Judgement:
    return _best(
        (
            person.activity == "led"
            and truth.robot.distance_to(person.x_m, person.y_m) <= BEHIND_LEADER_M
            and intent.to in (None, person.room)
            and truth.room == person.room,
            f"{person.name} ({person.activity}) is "
            f"{truth.robot.distance_to(person.x_m, person.y_m):.2f} m away in the {person.room}",
        )
        for person in _people(truth, intent.target)
    )


def _guided(truth: Truth, intent: Intent, start: Pose | None) -> Judgement:
    robot = truth.robot
    judged = []
    for person in _people(truth, intent.target):
        away_m = robot.distance_to(person.x_m, person.y_m)
        behind = person.activity in ("following", "followed") and away_m <= WITH_GUIDE_M
        spots = ((robot.x_m, robot.y_m), (person.x_m, person.y_m))
        there, where = _arrived(truth, intent, person, spots, start)
        why = f"{person.name} ({person.activity}) is {away_m:.2f} m away, {where}"
        judged.append((behind and there, why))
    return _best(judged)


def _arrived(
    truth: Truth,
    intent: Intent,
    person: PersonTruth,
    spots: tuple[tuple[float, float], ...],
    start: Pose | None,
) -> Judgement:
    """Whether a guide and the guided are where the way was to end."""
    rooms = f"in the {person.room}, the robot in the {truth.room}"
    if intent.to is None:
        if start is None:
            return False, "the start is not known"
        off_m = max(start.distance_to(*spot) for spot in spots)
        return off_m <= GUIDED_BACK_M, f"{off_m:.2f} m from the start"
    if intent.to in ROOM_NAMES:
        return truth.room == person.room == intent.to, rooms
    pieces = [
        piece
        for piece in truth.furniture
        if piece.name == intent.to and intent.to_room in (None, piece.room)
    ]
    return _best(
        (
            max(distance_to_rect(*spot, piece.footprint) for spot in spots) <= GUIDED_TO_M
            and truth.room == person.room == piece.room,
            f"{max(distance_to_rect(*spot, piece.footprint) for spot in spots):.2f} m from the "
            f"{piece.name}, {rooms}",
        )
        for piece in pieces
    )


def _addressed(report: Report, truth: Truth, intent: Intent) -> Judgement:
    near, why = _best(
        (
            truth.robot.distance_to(person.x_m, person.y_m) <= SPEAKS_WITHIN_M
            and truth.room == person.room
            and intent.room in (None, person.room),
            f"{person.name} is {truth.robot.distance_to(person.x_m, person.y_m):.2f} m away",
        )
        for person in _people(truth, intent.person)
    )
    return near and report.verdict.done, f"{why}: {report.verdict.text}"


def _best(judged: Iterable[Judgement]) -> Judgement:
    """The first that is done, else the last; nothing to judge is not done."""
    last = (False, "there is no such one")
    for last in judged:
        if last[0]:
            break
    return last
