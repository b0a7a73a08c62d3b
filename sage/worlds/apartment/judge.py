"""The scorer: whether ground truth agrees that a command was done."""

from __future__ import annotations

import math

from sage.ontology import object_entry
from sage.skills.agent import Report
from sage.skills.intent import OBJECT, PERSON, Intent
from sage.values import Pose
from sage.worlds.apartment.truth import Truth
from sage.worlds.static_map import Rect

AT_FURNITURE_M = 0.9
FACING_RAD = math.radians(45.0)
FOUND_WITHIN_M = 0.6
NEAR_OBJECT_M = 2.0
BACK_WITHIN_M = 0.5


def judge(report: Report, truth: Truth, start: Pose | None) -> tuple[bool, str]:
    """Hold what the robot reports against what is the case now.

    Done means, by intent: ``go``: the robot's centre is in the room; ``approach``: it is within
    0.9 m of the piece's footprint in the same room, and faces it within 45 degrees; ``find``: the
    place that it names is within 0.6 m of the object (of a person: one of them), and the robot is
    within 2 m of it; ``count``: the number that it says is how many there are in the room, or on
    the piece of furniture; ``return``: it is within 0.5 m of where it started. ``stop`` is done
    when the robot says so: standing still shows over time, not in one moment.

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
        return _found(report, truth, intent.target or "")
    if intent.kind == "count":
        return _counted(report, truth, intent)
    if intent.kind == "return":
        if start is None:
            return False, "the start is not known"
        away_m = robot.distance_to(start.x_m, start.y_m)
        return away_m <= BACK_WITHIN_M, f"the robot is {away_m:.2f} m from the start"
    return report.verdict.done, report.verdict.text


def distance_to_rect(x_m: float, y_m: float, rect: Rect) -> float:
    """Metres from a point to a rectangle; 0 inside."""
    x_min, y_min, x_max, y_max = rect
    return math.hypot(max(x_min - x_m, 0.0, x_m - x_max), max(y_min - y_m, 0.0, y_m - y_max))


def _at_furniture(truth: Truth, name: str) -> tuple[bool, str]:
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


def _found(report: Report, truth: Truth, name: str) -> tuple[bool, str]:
    spots = [(thing.x_m, thing.y_m) for thing in truth.objects if thing.name == name]
    if name == PERSON:
        spots = [(person.x_m, person.y_m) for person in truth.people]
    if not spots:
        return False, f"there is no {name}"
    if report.verdict.found_at is None:
        return False, "no place was named"
    x_m, y_m = report.verdict.found_at
    off_m, spot = min((math.hypot(x - x_m, y - y_m), (x, y)) for x, y in spots)
    away_m = truth.robot.distance_to(*spot)
    return (
        off_m <= FOUND_WITHIN_M and away_m <= NEAR_OBJECT_M,
        f"the place named is {off_m:.2f} m off, the robot {away_m:.2f} m away",
    )


def _counted(report: Report, truth: Truth, intent: Intent) -> tuple[bool, str]:
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
