"""Counting over a kinematic body: everything once, and nothing that is not there."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from sage.skills.body import Order, Verdict
from sage.skills.counting import count
from sage.skills.intent import Intent
from sage.skills.repertoire import skill_for
from sage.values import CameraModel, Pose, Scene
from tests.skills.kinematic_body import HOME, Ghost, KinematicBody, carry_out

FRIDGE, COUNTER = (8.2, 3.2), (6.0, 3.4)
HOLDERS = {"fridge": FRIDGE, "counter": COUNTER}
FRUITS = {"apple": (8.2, 3.0), "banana": (6.3, 3.3)}


def counted(
    things: Mapping[str, tuple[float, float]],
    target: str,
    location: str | None = None,
    **options: object,
) -> Verdict:
    body = KinematicBody({**HOLDERS, **things}, **options)  # type: ignore[arg-type]
    return carry_out(count(body, target, "kitchen", location), body)


@pytest.mark.parametrize(
    ("target", "number", "text"),
    [
        ("apple", 1, "I count 1 apple in the kitchen"),
        ("melon", 0, "I count 0 melons in the kitchen"),
        ("fruits", 2, "I count 2 fruits in the kitchen: apple, banana"),
        ("drinks", 1, "I count 1 drink in the kitchen: coke"),
        ("object", 3, "I count 3 objects in the kitchen: apple, banana, coke"),
        ("person", 0, "I count 0 people in the kitchen"),
    ],
)
def test_what_is_in_the_room_is_counted(target: str, number: int, text: str) -> None:
    verdict = counted({**FRUITS, "coke": (7.0, 0.5)}, target)
    assert (verdict.done, verdict.count) == (True, number)
    head, _, names = verdict.text.partition(": ")
    assert (head, sorted(names.split(", "))) == (
        text.partition(": ")[0],
        sorted(text.partition(": ")[2].split(", ")),
    )


def test_two_of_a_kind_are_two() -> None:
    verdict = counted({}, "apple", more=[("apple", 8.2, 3.0), ("apple", 6.3, 3.3)])
    assert verdict.count == 2
    assert verdict.text == "I count 2 apples in the kitchen"
    verdict = counted({"banana": (7.0, 1.0)}, "fruits", more=[("apple", 8, 3), ("apple", 6, 3)])
    assert verdict.text.startswith("I count 3 fruits in the kitchen: ")
    assert "2 apples" in verdict.text


def test_what_is_in_another_room_is_not_counted() -> None:
    verdict = counted({"apple": (2.0, 2.0), "banana": (6.0, 6.0)}, "fruits")
    assert verdict.count == 0


def test_what_stands_behind_the_wall_is_not_counted() -> None:
    """Its place is as good as in the wall; it was seen on the way, from its own room."""
    body = KinematicBody({**HOLDERS, "banana": (6.0, 1.0), "apple": (4.8, 2.0)})
    assert carry_out(count(body, "fruits", "kitchen"), body).count == 1
    assert body.sightings.best("apple") is not None


def test_what_was_seen_before_and_is_gone_is_not_counted() -> None:
    body = KinematicBody({**HOLDERS, **FRUITS})
    assert carry_out(count(body, "fruits", "kitchen"), body).count == 2
    del body.things["apple"]
    assert carry_out(count(body, "fruits", "kitchen"), body).count == 1


def test_a_false_detection_is_not_counted() -> None:
    verdict = counted(FRUITS, "fruits", ghosts=[Ghost("melon", 6.0, 0.7)])
    assert verdict.count == 2


def test_a_thing_that_is_taken_for_another_now_and_then_counts_once() -> None:
    verdict = counted({**FRUITS, "melon": (8.2, 3.05)}, "fruits")
    assert verdict.count == 2


def test_a_low_thing_that_leaves_the_picture_from_close_by_is_counted() -> None:
    """It is missed again and again from near, but was seen from near as well."""
    body = KinematicBody({**HOLDERS, **FRUITS})
    seen = body.sightings.see

    def see(scene: Scene, pose: Pose, camera: CameraModel, refinement: int | None = None) -> None:
        if body.scenes_seen % 4:
            things = tuple(thing for thing in scene.detections if thing.label != "banana")
            scene = Scene(scene.captured_s, things)
        seen(scene, pose, camera, refinement)

    body.sightings.see = see  # type: ignore[method-assign]
    assert carry_out(count(body, "fruits", "kitchen"), body).count == 2


def test_only_what_stands_on_the_piece_is_counted() -> None:
    things = {**FRUITS, "coke": (8.1, 3.4)}
    verdict = counted(things, "object", "fridge")
    assert verdict.count == 2
    assert "on the fridge in the kitchen" in verdict.text
    assert counted(things, "fruits", "counter").count == 1
    assert counted(things, "drinks", "counter").count == 0


def test_a_piece_that_is_not_there() -> None:
    body = KinematicBody({"fridge": FRIDGE})
    verdict = carry_out(count(body, "apple", "kitchen", "counter"), body)
    assert (verdict.done, verdict.count) == (False, None)
    assert verdict.text == "I could not find the counter in the kitchen"


def test_a_room_that_cannot_be_entered_is_not_counted() -> None:
    verdict = counted(FRUITS, "fruits", blocked=["kitchen"])
    assert (verdict.done, verdict.count) == (False, None)
    assert verdict.text == "I could not get into the kitchen"


def test_a_room_that_is_not_there() -> None:
    body = KinematicBody()
    verdict = carry_out(count(body, "apple", "bathroom"), body)
    assert (verdict.done, verdict.text) == (False, "there is no bathroom here")
    assert body.orders == []


def test_people_who_stand_are_each_counted() -> None:
    assert counted({"person": (6.0, 0.8)}, "person").count == 1
    two = counted({}, "person", more=[("person", 6.0, 0.8), ("person", 7.6, 3.2)])
    assert (two.count, two.text) == (2, "I count 2 people in the kitchen")


def test_a_person_who_strolls_is_one() -> None:

    class Strolling(KinematicBody):
        def obey(self, order: Order) -> None:
            along = 2.0 * abs((0.15 * self.now_s()) % 2.0 - 1.0)  # 0.3 m/s to and fro
            self.things["person"] = (6.0 + along, 1.0)
            super().obey(order)

    body = Strolling(HOLDERS)
    assert carry_out(count(body, "person", "kitchen"), body).count == 1


def test_counting_takes_a_minute_or_so() -> None:
    body = KinematicBody({**HOLDERS, **FRUITS})
    assert carry_out(skill_for(Intent("count", "object", "", room="kitchen"), body), body).done
    assert body.now_s() < 90.0
    assert HOME.room_at(body.pose().x_m, body.pose().y_m) == "kitchen"
