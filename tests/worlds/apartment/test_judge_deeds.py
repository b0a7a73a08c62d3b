"""The scorer of things carried and people accompanied: the state decides, not the report."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sage.skills.agent import Report
from sage.skills.body import Verdict
from sage.skills.intent import Intent
from sage.values import Pose
from sage.worlds.apartment.judge import judge
from sage.worlds.apartment.truth import (
    Activity,
    Collisions,
    FurnitureTruth,
    ObjectTruth,
    PersonTruth,
    Truth,
)

START = Pose(0.0, 0.0, 0.0)
COUNTER = FurnitureTruth("counter", 5.0, 5.0, (4.5, 4.5, 5.5, 5.5), "kitchen")
SINK = FurnitureTruth("sink", 9.0, 9.0, (8.5, 8.5, 9.5, 9.5), "bathroom")
ON_COUNTER = ObjectTruth("apple", 5.0, 5.0, 0.9, "counter", "kitchen", handled=True)
HELD = ObjectTruth("apple", 0.3, 0.0, 0.4, "gripper", "corridor", handled=True)


def truth(
    robot: tuple[float, float] = (0.0, 0.0),
    room: str = "corridor",
    objects: tuple[ObjectTruth, ...] = (),
    people: tuple[PersonTruth, ...] = (),
) -> Truth:
    return Truth(0.0, Pose(*robot, 0.0), room, (COUNTER, SINK), objects, people, Collisions())


def done(now: Truth, kind: str, target: str | None, said: bool = True, **fields: Any) -> bool:
    intent = Intent(kind, target, "", **fields)  # type: ignore[arg-type]
    report = Report(0, "", intent, Verdict(said, "of course", None), 0.0, 1.0)
    right, why = judge(report, now, START)
    assert why
    return right


def alex(
    x: float, y: float, room: str, activity: Activity = "free", led_to: str | None = None
) -> PersonTruth:
    return PersonTruth("Alex", room, x, y, activity, led_to)


def test_what_was_never_taken_was_never_brought() -> None:
    untouched = replace(ON_COUNTER, handled=False)
    at_start = replace(untouched, x_m=0.3, y_m=0.0)
    assert not done(truth(objects=(untouched,)), "put", "apple", to="counter")
    assert not done(truth(objects=(untouched,)), "bring", "apple", to="kitchen")
    assert not done(truth(objects=(at_start,)), "bring", "apple")


@pytest.mark.parametrize(
    ("robot", "thing", "right"),
    [
        ((0.7, 0.0), HELD, True),
        ((0.9, 0.0), HELD, False),
        ((3.0, 0.0), replace(HELD, furniture="floor", x_m=0.9), True),
        ((0.0, 0.0), replace(HELD, furniture="floor", x_m=1.1), False),
        ((0.0, 0.0), ON_COUNTER, False),
        ((0.0, 0.0), replace(HELD, name="banana"), False),
    ],
)
def test_to_the_speaker_means_to_where_it_started(
    robot: tuple[float, float], thing: ObjectTruth, right: bool
) -> None:
    assert done(truth(robot, objects=(thing,)), "bring", "apple") is right


def test_any_of_a_category_will_do_but_only_what_was_handled() -> None:
    banana = replace(ON_COUNTER, name="banana", furniture="floor", x_m=3.0, room="bedroom")
    both = truth(objects=(banana, ON_COUNTER))
    assert done(both, "put", "fruits", to="counter")
    assert not done(truth(objects=(banana,)), "put", "fruits", to="counter")
    assert not done(both, "put", "drinks", to="counter")
    assert done(both, "put", None, to="counter")


def test_a_thing_is_put_where_it_stands() -> None:
    now = truth(objects=(ON_COUNTER,))
    assert done(now, "put", "apple", to="counter")
    assert done(now, "bring", "apple", to="counter")
    assert done(now, "bring", "apple", to="kitchen")
    assert not done(now, "bring", "apple", to="bathroom")
    assert not done(now, "put", "apple", to="fridge")
    held = truth(objects=(replace(HELD, room="kitchen", x_m=5.0, y_m=5.0),))
    assert not done(held, "put", "apple", to="counter")
    sink = replace(ON_COUNTER, furniture="sink", room="bathroom")
    assert done(truth(objects=(sink,)), "put", "apple", to="sink", to_room="bathroom")
    assert not done(truth(objects=(sink,)), "put", "apple", to="sink", to_room="kitchen")
    assert done(truth(objects=(sink,)), "put", "apple", to="sink")


def test_to_a_person_means_beside_them() -> None:
    people = (alex(5.0, 5.0, "kitchen"), PersonTruth("Robin", "bedroom", 1.0, 1.0))
    here = truth((4.0, 5.0), "kitchen", (replace(HELD, room="kitchen"),), people)
    assert done(here, "bring", "apple", person="Alex")
    assert done(here, "bring", "apple", person="person")
    assert not done(here, "bring", "apple", person="Robin")
    assert not done(here, "bring", "apple", person="Jamie")
    far = replace(here, robot=Pose(3.7, 5.0, 0.0))
    assert not done(far, "bring", "apple", person="Alex")
    through_a_wall = replace(here, objects=(HELD,))
    assert not done(through_a_wall, "bring", "apple", person="Alex")
    laid_down = replace(far, objects=(ON_COUNTER,))
    assert done(laid_down, "bring", "apple", person="Alex")


@pytest.mark.parametrize(
    ("activity", "away_m", "room", "right"),
    [
        ("led", 1.7, "kitchen", True),
        ("led", 1.9, "kitchen", False),
        ("leading", 1.0, "kitchen", False),
        ("free", 1.0, "kitchen", False),
        ("following", 1.0, "kitchen", False),
        ("led", 1.0, "bedroom", False),
    ],
)
def test_following_ends_beside_whoever_led(
    activity: Activity, away_m: float, room: str, right: bool
) -> None:
    now = truth((1.0, 0.0), room, people=(alex(1.0 + away_m, 0.0, room, activity, "kitchen"),))
    assert done(now, "follow", "Alex", to="kitchen") is right
    assert done(now, "follow", "person", to="kitchen") is right
    assert not done(now, "follow", "Robin", to="kitchen")
    if room == "bedroom":
        assert done(now, "follow", "Alex")


@pytest.mark.parametrize(
    ("activity", "away_m", "right"),
    [
        ("followed", 1.0, True),
        ("following", 1.9, True),
        ("following", 2.1, False),
        ("free", 1.0, False),
        ("led", 1.0, False),
    ],
)
def test_guiding_ends_with_the_guided_beside_the_robot(
    activity: Activity, away_m: float, right: bool
) -> None:
    now = truth((5.0, 3.0), "kitchen", people=(alex(5.0 + away_m, 3.0, "kitchen", activity),))
    assert done(now, "guide", "Alex", to="kitchen") is right
    assert not done(now, "guide", "Alex", to="bedroom")
    assert not done(now, "guide", "Robin", to="kitchen")
    assert not done(now, "guide", "Alex", to=None)
    left_behind = replace(now, people=(replace(now.people[0], room="corridor"),))
    assert not done(left_behind, "guide", "Alex", to="kitchen")


def test_guiding_to_furniture_and_back_to_the_start() -> None:
    there = truth((5.0, 3.2), "kitchen", people=(alex(5.0, 3.0, "kitchen", "followed"),))
    assert done(there, "guide", "person", to="counter")
    short = replace(there, people=(alex(5.0, 2.7, "kitchen", "followed"),))
    assert not done(short, "guide", "person", to="counter")
    assert not done(there, "guide", "person", to="sink")
    back = truth((0.5, 0.0), people=(alex(1.4, 0.0, "corridor", "followed"),))
    assert done(back, "guide", "person")
    off = replace(back, people=(alex(1.6, 0.0, "corridor", "followed"),))
    assert not done(off, "guide", "person")
    report = Report(0, "", Intent("guide", "person", ""), Verdict(True, "", None), 0.0, 1.0)
    assert not judge(report, back, None)[0]


def test_words_for_somebody_are_said_beside_them() -> None:
    now = truth((4.0, 5.0), "kitchen", people=(alex(5.0, 5.0, "kitchen"),))
    assert done(now, "say", None, words="hello", person="Alex")
    assert done(now, "say", None, words="hello", person="person")
    assert not done(now, "say", None, said=False, words="hello", person="Alex")
    assert not done(now, "say", None, words="hello", person="Robin")
    assert not done(replace(now, room="corridor"), "answer", None, person="Alex")
    assert not done(replace(now, robot=Pose(1.9, 5.0, 0.0)), "answer", None, person="Alex")
    assert not done(now, "say", None, words="hello", person="Alex", room="bedroom")
    assert done(now, "say", None, words="hello")
    assert not done(now, "answer", None, said=False)
