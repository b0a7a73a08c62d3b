"""Skills over a kinematic body: they get there, find what is there, and say what is not."""

from __future__ import annotations

import pytest

from sage.skills.body import DriveTo, Hold
from sage.skills.counting import count
from sage.skills.intent import Intent
from sage.skills.repertoire import skill_for
from sage.skills.skills import approach, come_back, find, go_to_room, stand_still
from sage.values import Detection, Pose, Scene
from tests.skills.kinematic_body import CAMERA, HOME, Ghost, KinematicBody, carry_out

FRIDGE, SOFA, BED = (8.2, 3.2), (4.0, 3.4), (1.0, 7.0)
COKE, PERSON = (8.0, 2.6), (6.0, 1.0)


def room_of(body: KinematicBody) -> str | None:
    return HOME.room_at(body.pose().x_m, body.pose().y_m)


@pytest.mark.parametrize("name", [room.name for room in HOME.rooms])
def test_go_ends_well_inside_the_room(name: str) -> None:
    body = KinematicBody()
    verdict = carry_out(go_to_room(body, name), body)
    assert (verdict.done, verdict.text) == (True, f"I am in the {name}")
    room, pose = HOME.room(name), body.pose()
    assert room.x_min + 0.3 < pose.x_m < room.x_max - 0.3
    assert room.y_min + 0.3 < pose.y_m < room.y_max - 0.3
    assert isinstance(body.orders[-1], Hold)


def test_go_does_not_claim_a_room_that_it_cannot_enter() -> None:
    body = KinematicBody(blocked=["kitchen"])
    verdict = carry_out(go_to_room(body, "kitchen"), body)
    assert (verdict.done, verdict.text) == (False, "I could not get into the kitchen")
    assert 30.0 < body.now_s() < 90.0


def test_go_says_at_once_that_there_is_no_such_room() -> None:
    body = KinematicBody()
    verdict = carry_out(go_to_room(body, "cellar"), body)
    assert (verdict.done, verdict.text) == (False, "there is no cellar here")
    assert body.orders == []


def test_come_back_ends_where_it_started() -> None:
    body = KinematicBody(start=Pose(2.0, 3.0, 1.0))
    carry_out(go_to_room(body, "kitchen"), body)
    assert body.pose().distance_to(2.0, 3.0) > 3.0
    verdict = carry_out(come_back(body), body)
    assert (verdict.done, verdict.text) == (True, "I am back")
    assert body.pose().distance_to(2.0, 3.0) <= 0.25


def test_come_back_says_that_it_could_not() -> None:
    body = KinematicBody(start=Pose(2.0, 3.0, 1.0))
    carry_out(go_to_room(body, "kitchen"), body)
    body.blocked = ("living room",)
    assert not carry_out(come_back(body), body).done


def test_stop_holds_still_for_a_second() -> None:
    body = KinematicBody()
    assert carry_out(stand_still(body), body).done
    assert body.now_s() == pytest.approx(1.0)
    assert set(body.orders) == {Hold()}


def test_approach_searches_drives_there_and_faces_it() -> None:
    body = KinematicBody({"fridge": FRIDGE})
    verdict = carry_out(approach(body, "fridge"), body)
    assert (verdict.done, verdict.text) == (True, "I am at the fridge")
    assert verdict.found_at == pytest.approx(FRIDGE, abs=0.1)
    assert body.pose().distance_to(*FRIDGE) < 0.7
    assert abs(body.pose().bearing_to(*FRIDGE)) < 0.3
    assert body.visited == ["living room", "kitchen"], "it is to be expected in the kitchen"


def test_approach_goes_straight_to_what_was_seen_before() -> None:
    body = KinematicBody({"fridge": FRIDGE})
    carry_out(approach(body, "fridge"), body)
    carry_out(come_back(body), body)
    came_back_s = body.now_s()
    assert carry_out(approach(body, "fridge"), body).done
    assert body.now_s() - came_back_s < 20.0


def test_approach_finds_furniture_in_an_unusual_room() -> None:
    body = KinematicBody({"fridge": BED})
    assert carry_out(approach(body, "fridge"), body).done
    assert room_of(body) == "bedroom"
    assert "kitchen" in body.visited


def test_approach_gives_up_after_it_has_looked_everywhere() -> None:
    body = KinematicBody({"sofa": SOFA})
    verdict = carry_out(approach(body, "fridge"), body)
    assert (verdict.done, verdict.text) == (False, "I could not find the fridge")
    assert set(body.visited) == {room.name for room in HOME.rooms}


def test_approach_looks_in_the_named_room_only() -> None:
    body = KinematicBody({"chair": SOFA}, start=Pose(6.0, 2.0, 0.0))
    verdict = carry_out(approach(body, "chair", "kitchen"), body)
    assert not verdict.done
    assert set(body.visited) == {"living room", "kitchen"}


def test_approach_is_not_fooled_by_a_ghost() -> None:
    body = KinematicBody({"fridge": FRIDGE}, ghosts=[Ghost("fridge", 6.0, 0.7)])
    verdict = carry_out(approach(body, "fridge"), body)
    assert verdict.done
    assert verdict.found_at == pytest.approx(FRIDGE, abs=0.2)


def test_find_looks_at_the_usual_place_and_says_where_it_is() -> None:
    body = KinematicBody({"fridge": FRIDGE, "coke": COKE})
    verdict = carry_out(find(body, "coke"), body)
    assert (verdict.done, verdict.text) == (True, "I found the coke at the fridge in the kitchen")
    assert verdict.found_at == pytest.approx(COKE, abs=0.1)
    assert abs(body.pose().bearing_to(*COKE)) < 0.3


def test_find_turns_to_what_it_sees_on_the_way() -> None:
    """The coke is expected in the kitchen; it stands in the living room, on the way there."""
    body = KinematicBody({"coke": (3.5, 1.4)})
    verdict = carry_out(find(body, "coke"), body)
    assert verdict.done
    assert body.visited == ["living room"]


def test_find_takes_up_what_appears_later() -> None:
    body = KinematicBody({"fridge": FRIDGE})
    skill = find(body, "coke")
    while room_of(body) != "kitchen":
        body.obey(next(skill))
    body.things["coke"] = COKE
    verdict = carry_out(skill, body)
    assert verdict.done
    assert verdict.found_at == pytest.approx(COKE, abs=0.1)


def test_find_says_that_it_is_nowhere_after_looking_everywhere() -> None:
    body = KinematicBody({"fridge": FRIDGE, "sofa": SOFA, "bed": BED})
    verdict = carry_out(find(body, "coke"), body)
    assert (verdict.done, verdict.text) == (False, "I could not find the coke")
    assert verdict.found_at is None
    assert set(body.visited) == {room.name for room in HOME.rooms}


def test_find_is_not_fooled_by_a_ghost() -> None:
    body = KinematicBody({"fridge": FRIDGE}, ghosts=[Ghost("coke", 6.0, 0.7)])
    verdict = carry_out(find(body, "coke"), body)
    assert not verdict.done


def test_find_goes_on_to_the_real_one_after_a_ghost() -> None:
    body = KinematicBody({"fridge": FRIDGE, "coke": COKE}, ghosts=[Ghost("coke", 3.0, 3.0)])
    verdict = carry_out(find(body, "coke"), body)
    assert verdict.done
    assert verdict.found_at == pytest.approx(COKE, abs=0.2)


def test_who_saw_what_is_not_there_is_told() -> None:
    body = KinematicBody({"fridge": FRIDGE, "coke": (3.5, 1.4)})
    skill = find(body, "coke")
    while body.pose().distance_to(3.5, 1.4) > 1.0:
        body.obey(next(skill))
    del body.things["coke"]  # so that was something else
    latest = body.scenes_seen
    assert carry_out(skill, body).used == ()
    ((label, looks),) = body.refuted
    assert label == "coke"
    assert looks == tuple(range(latest - 7, latest + 1))


def test_find_says_by_which_sighting_it_went() -> None:
    body = KinematicBody({"fridge": FRIDGE, "coke": COKE})
    (used,) = carry_out(find(body, "coke"), body).used
    assert used.label == "coke"
    assert used.refinements[-1] == body.scenes_seen


def test_what_could_not_be_looked_at_is_not_refuted() -> None:
    body = KinematicBody({"coke": (5.5, 1.0)}, start=Pose(4.2, 1.0, 0.0))
    body.sightings.see(
        Scene(0.0, tuple(Detection("coke", 0.9, (0.0, 0.0, 9.0, 9.0), 0.0, 1.3) for _ in range(5))),
        body.start,
        CAMERA,
        1,
    )
    body.blocked = ("kitchen",)
    carry_out(stand_still(body), body)
    assert not carry_out(find(body, "coke"), body).done
    assert body.refuted == []


def test_approach_and_count_say_which_sightings_they_used() -> None:
    body = KinematicBody({"fridge": FRIDGE, "coke": COKE})
    (fridge,) = carry_out(approach(body, "fridge"), body).used
    assert (fridge.label, bool(fridge.refinements)) == ("fridge", True)
    counted = carry_out(count(body, "coke", "kitchen"), body)
    assert [thing.label for thing in counted.used] == ["coke"] * (counted.count or 0)
    assert counted.count == 1


def test_find_looks_in_the_named_room_only() -> None:
    body = KinematicBody({"coke": COKE, "sofa": SOFA})
    verdict = carry_out(find(body, "coke", "living room"), body)
    assert not verdict.done
    assert body.visited == ["living room"]
    assert carry_out(find(body, "coke", "kitchen"), body).done


def test_find_knows_the_rooms() -> None:
    body = KinematicBody()
    verdict = carry_out(find(body, "coke", "bathroom"), body)
    assert (verdict.done, verdict.text) == (False, "there is no bathroom here")
    assert body.orders == []


def test_find_finds_a_person() -> None:
    body = KinematicBody({"person": PERSON, "fridge": FRIDGE})
    verdict = carry_out(find(body, "person"), body)
    assert (verdict.done, verdict.text) == (True, "I found the person in the kitchen")
    assert verdict.found_at == pytest.approx(PERSON, abs=0.1)


def test_find_says_that_nobody_is_there() -> None:
    body = KinematicBody({"fridge": FRIDGE})
    assert not carry_out(find(body, "person"), body).done


def test_a_blind_robot_finds_nothing_and_says_so() -> None:
    body = KinematicBody({"fridge": FRIDGE, "coke": COKE}, blind=True)
    assert not carry_out(find(body, "coke"), body).done
    assert not carry_out(approach(body, "fridge"), body).done


def test_a_room_that_cannot_be_entered_does_not_end_a_search() -> None:
    body = KinematicBody({"coke": (3.0, 6.0)}, blocked=["kitchen"])
    assert carry_out(find(body, "coke"), body).done
    assert room_of(body) in ("bedroom", "living room")


@pytest.mark.parametrize(
    ("intent", "text"),
    [
        (Intent("go", "bedroom", ""), "I am in the bedroom"),
        (Intent("approach", "fridge", "", "kitchen"), "I am at the fridge"),
        (Intent("find", "coke", "", "kitchen"), "I found the coke at the fridge in the kitchen"),
        (Intent("return", None, ""), "I am back"),
        (Intent("stop", None, ""), "I stand still"),
    ],
)
def test_each_intent_has_its_skill(intent: Intent, text: str) -> None:
    body = KinematicBody({"fridge": FRIDGE, "coke": COKE})
    verdict = carry_out(skill_for(intent, body), body)
    assert (verdict.done, verdict.text) == (True, text)


def test_it_looks_and_tells_what_it_sees() -> None:
    body = KinematicBody({"sofa": (2.5, 1.0), "mug": (2.0, 1.5)})
    verdict = carry_out(skill_for(Intent("describe", None, ""), body), body)
    assert verdict.done
    assert verdict.text == "a mug on the left at 1.1 m, a sofa 1.5 m ahead"
    assert all(isinstance(order, Hold) for order in body.orders)
    assert body.scenes_seen == 2


def test_who_sees_nothing_now_does_not_tell_of_the_past_as_if_it_were() -> None:
    body = KinematicBody({"sofa": (2.5, 1.0)}, blind=True)
    verdict = carry_out(skill_for(Intent("describe", None, ""), body), body)
    assert (verdict.done, verdict.text) == (False, "I have seen nothing so far")
    body.blind = False
    body.obey(Hold())
    body.blind = True
    for _ in range(40):
        body.obey(Hold())
    verdict = carry_out(skill_for(Intent("describe", None, ""), body), body)
    assert not verdict.done
    assert verdict.text == "I see nothing now; 6 s ago: a sofa 1.5 m ahead"


def test_orders_are_for_one_tick_each() -> None:
    """A skill that is not asked any more gives no more orders: nothing runs on by itself."""
    body = KinematicBody()
    skill = go_to_room(body, "kitchen")
    assert isinstance(next(skill), DriveTo)
    where = body.pose()
    skill.close()
    assert body.pose() == where
    with pytest.raises(StopIteration):
        next(skill)


def test_a_room_whose_door_is_barred_is_searched_once_it_is_open() -> None:
    class Doorway(KinematicBody):
        def reachable_near(self, x_m: float, y_m: float) -> tuple[float, float] | None:
            if "bedroom" in self.visited:
                self.blocked = ()  # who stood in the door has gone on
            return super().reachable_near(x_m, y_m)

    body = Doorway({"fridge": FRIDGE}, blocked=["kitchen"])
    assert carry_out(approach(body, "fridge"), body).done
