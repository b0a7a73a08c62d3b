"""The scorer believes ground truth, not the robot."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from sage.skills.agent import Report
from sage.skills.body import Verdict
from sage.skills.intent import Intent
from sage.values import Pose
from sage.worlds.apartment.judge import distance_to_rect, judge
from sage.worlds.apartment.truth import (
    Collisions,
    FurnitureTruth,
    ObjectTruth,
    PersonTruth,
    Truth,
)

TRUTH = Truth(
    0.0,
    Pose(1.0, 1.0, 0.0),
    "kitchen",
    (FurnitureTruth("fridge", 2.0, 1.0, (1.7, 0.7, 2.3, 1.3), "kitchen"),),
    (ObjectTruth("apple", 2.0, 1.2, 0.9, "fridge", "kitchen"),),
    (PersonTruth("Alex", "kitchen", 1.5, 2.0),),
    Collisions(),
)


def report(kind: str, target: str | None, at: tuple[float, float] | None = None) -> Report:
    intent = Intent(kind, target, "")  # type: ignore[arg-type]
    return Report(0, "", intent, Verdict(True, "of course", at), 0.0, 1.0)


def agrees(said: Report, truth: Truth = TRUTH, start: Pose | None = None) -> bool:
    return judge(said, truth, start)[0]


def test_a_room_is_where_the_robot_really_is() -> None:
    assert agrees(report("go", "kitchen"))
    assert not agrees(report("go", "bathroom"))
    assert not agrees(report("go", "kitchen"), replace(TRUTH, room=None))


@pytest.mark.parametrize(
    ("pose", "room", "done"),
    [
        (Pose(1.0, 1.0, 0.0), "kitchen", True),
        (Pose(1.0, 1.0, math.pi), "kitchen", False),  # turned away
        (Pose(0.5, 1.0, 0.0), "kitchen", False),  # too far
        (Pose(1.0, 1.0, 0.0), "corridor", False),  # behind a wall
    ],
)
def test_furniture_is_near_faced_and_in_the_same_room(pose: Pose, room: str, done: bool) -> None:
    assert agrees(report("approach", "fridge"), replace(TRUTH, robot=pose, room=room)) is done


def test_an_object_is_found_where_it_is_and_from_close_by() -> None:
    assert agrees(report("find", "apple", (2.1, 1.5)))
    assert not agrees(report("find", "apple", (2.0, 2.0)))
    assert not agrees(report("find", "apple"))
    assert not agrees(report("find", "mug", (2.0, 1.2)))
    far = replace(TRUTH, robot=Pose(-2.0, 1.0, 0.0))
    assert not agrees(report("find", "apple", (2.0, 1.2)), far)


def test_what_is_in_another_room_is_not_what_was_asked_for() -> None:
    for target, at in (("apple", (2.0, 1.2)), ("person", (1.5, 2.0))):
        said = report("find", target, at)
        there, elsewhere = (
            replace(said, intent=Intent("find", target, "", room=room))
            for room in ("kitchen", "bedroom")
        )
        assert agrees(there)
        assert not agrees(elsewhere)


def test_any_person_will_do() -> None:
    assert agrees(report("find", "person", (1.6, 2.1)))


@pytest.mark.parametrize(
    ("target", "room", "location", "number"),
    [
        ("apple", "kitchen", None, 1),
        ("fruits", "kitchen", "fridge", 2),
        ("fruits", "kitchen", "counter", 0),
        ("drinks", "kitchen", None, 1),
        ("object", "kitchen", None, 3),
        ("object", "bathroom", None, 1),
        ("fruits", "bathroom", None, 0),
        ("person", "kitchen", None, 1),
        ("person", "bathroom", None, 0),
    ],
)
def test_a_count_is_right_if_the_number_is(
    target: str, room: str, location: str | None, number: int
) -> None:
    things = (
        *TRUTH.objects,
        ObjectTruth("banana", 2.1, 1.0, 0.9, "fridge", "kitchen"),
        ObjectTruth("milk", 3.0, 1.0, 0.9, "counter", "kitchen"),
        ObjectTruth("milk", 9.0, 1.0, 0.9, "sink", "bathroom"),
    )
    truth = replace(TRUTH, objects=things)
    intent = Intent("count", target, "", room=room, location=location)
    for counted in (None, 0, 1, 2, 3, 4):
        said = Report(0, "", intent, Verdict(True, "so many", None, counted), 0.0, 1.0)
        right, why = judge(said, truth, None)
        assert right is (counted == number)
        assert why.startswith(f"{number} ")


def test_a_count_names_what_is_there() -> None:
    intent = Intent("count", "fruits", "", room="kitchen")
    said = Report(0, "", intent, Verdict(True, "", None, 0), 0.0, 1.0)
    assert judge(said, TRUTH, None) == (False, "1 in the kitchen: apple")


def test_back_is_where_it_started() -> None:
    assert agrees(report("return", None), start=Pose(1.2, 1.2, 0.0))
    assert not agrees(report("return", None), start=Pose(3.0, 1.0, 0.0))
    assert not agrees(report("return", None), start=None)


def test_distance_to_a_rectangle() -> None:
    assert distance_to_rect(0.5, 0.5, (0.0, 0.0, 1.0, 1.0)) == 0.0
    assert distance_to_rect(4.0, 5.0, (0.0, 0.0, 1.0, 1.0)) == 5.0
