from __future__ import annotations

import math

from sage.skills.accompanying import follow, guide
from sage.skills.body import Hold, Verdict
from sage.skills.carrying import bring, put
from sage.skills.intent import PERSON
from sage.skills.looking import MAKE_WAY
from sage.skills.skills import Skill, come_back, find
from sage.values import Pose
from tests.skills.kinematic_body import START, KinematicBody, carry_out

APPLE = {"apple": (7.0, 1.5)}


def test_a_thing_is_brought_to_the_speaker() -> None:
    body = KinematicBody(APPLE)
    verdict = carry_out(bring(body, "apple"), body)
    assert verdict.done, verdict.text
    assert body.holding == "apple"
    assert body.pose().distance_to(START.x_m, START.y_m) < 0.5
    assert body.spoken == ["here is the apple"]


def test_any_thing_of_a_category_will_do() -> None:
    body = KinematicBody({"banana": (7.0, 1.5)})
    assert carry_out(bring(body, "fruits"), body, limit_s=3000.0).done
    assert body.holding == "banana"


def test_a_thing_is_put_on_furniture() -> None:
    body = KinematicBody({**APPLE, "desk": (2.0, 6.5)})
    body.tops = {"desk": (2.0, 6.5)}
    verdict = carry_out(put(body, "apple", None, None, "desk", "bedroom"), body)
    assert verdict.done, verdict.text
    assert body.holding is None
    assert math.dist(body.things["apple"], (2.0, 6.5)) < 0.6


def test_what_is_held_is_put_without_a_search_and_down_before_another_is_taken() -> None:
    body = KinematicBody({**APPLE, "desk": (2.0, 6.5)})
    body.holding = "mug"
    assert carry_out(put(body, None, None, None, "desk"), body).done
    assert math.dist(body.things["mug"], (2.0, 6.5)) < 0.6
    body.holding = "box"
    assert carry_out(bring(body, "apple"), body).done
    assert body.holding == "apple"
    assert "box" in body.things
    assert "I put the box down here first" in body.spoken


def test_what_cannot_be_carried_is_told() -> None:
    body = KinematicBody()
    verdict = carry_out(bring(body, "apple"), body, limit_s=3000.0)
    assert not verdict.done
    assert "could not find the apple" in verdict.text
    assert carry_out(bring(body, None), body).text == "I hold nothing; please say what to take"
    body.has_gripper = False
    assert carry_out(bring(body, "apple"), body).text == ("I have no gripper to take anything with")


def test_a_search_in_a_room_is_not_content_with_what_is_in_another() -> None:
    body = KinematicBody({"person": (3.0, 2.0)})
    verdict = carry_out(find(body, "person", "kitchen"), body, limit_s=3000.0)
    assert not verdict.done
    assert carry_out(find(body, "person", "living room"), body).done


def accompanied(
    skill: Skill, body: KinematicBody, *, leads_to: tuple[float, float] | None = None
) -> Verdict:
    """Run a skill with a person who walks: to a place once asked, or behind the robot."""
    for _ in range(3000):
        try:
            order = next(skill)
        except StopIteration as stop:
            verdict = stop.value
            assert isinstance(verdict, Verdict)
            return verdict
        body.obey(order)
        x_m, y_m = body.things["person"]
        pose = body.pose()
        goal: tuple[float, float] | None = None
        if leads_to is not None and any("lead the way" in text for text in body.spoken):
            goal = leads_to if pose.distance_to(x_m, y_m) < 2.5 else None
        if leads_to is None and any("follow me" in text for text in body.spoken):
            goal = (pose.x_m, pose.y_m) if pose.distance_to(x_m, y_m) > 0.9 else None
        if goal is not None and (away_m := math.dist(goal, (x_m, y_m))) > 0.05:
            share = min(0.05 / away_m, 1.0)
            body.things["person"] = (
                x_m + share * (goal[0] - x_m),
                y_m + share * (goal[1] - y_m),
            )
    raise AssertionError("the skill does not end")


def test_a_person_is_followed_until_they_stand() -> None:
    body = KinematicBody({"person": (3.5, 2.0)})
    verdict = accompanied(follow(body, to="kitchen"), body, leads_to=(7.5, 2.0))
    assert verdict.done, verdict.text
    assert math.dist(body.things["person"], (7.5, 2.0)) < 0.1
    assert body.pose().distance_to(*body.things["person"]) < 1.8
    assert "to the kitchen" in verdict.text


def test_who_does_not_walk_is_not_followed() -> None:
    body = KinematicBody({"person": (3.5, 2.0)})
    verdict = carry_out(follow(body), body)
    assert not verdict.done
    assert "did not walk" in verdict.text
    assert len(body.spoken) == 3


def test_a_person_is_guided_to_a_room() -> None:
    body = KinematicBody({"person": (3.5, 2.0)})
    verdict = accompanied(guide(body, "Taylor", to="kitchen"), body)
    assert verdict.done, verdict.text
    assert body.spoken[0].startswith("Taylor, please follow me")
    assert body.spoken[-1] == "Taylor, we are there"
    assert body.static_map.room_at(*body.things["person"]) == "kitchen"


def test_who_stays_behind_is_called_and_not_claimed() -> None:
    body = KinematicBody({"person": (3.5, 2.0)})
    verdict = carry_out(guide(body, to="bedroom"), body)
    assert not verdict.done
    assert "did not follow me" in verdict.text


def test_who_does_not_heed_a_name_is_taken_for_somebody_else() -> None:
    for target, tried in (("Robin", 2), (PERSON, 1)):
        body = KinematicBody({"person": (3.5, 2.0)}, more=[("person", 7.5, 2.0)])
        assert carry_out(find(body, "person", "kitchen"), body).done
        assert carry_out(find(body, "person", "living room"), body).done
        verdict = carry_out(follow(body, target), body)
        assert not verdict.done
        assert len(body.spoken) == 3 * tried


def test_who_stands_in_the_way_is_asked_to_make_room_once() -> None:
    body = KinematicBody({})
    skill, orders, verdict = come_back(body), 0, None
    body.start = Pose(4.0, 1.0, 0.0)
    while verdict is None:  # it stays where it is, whatever it is told
        try:
            next(skill)
        except StopIteration as stop:
            verdict = stop.value
        body.obey(Hold())
        orders += 1
    assert not verdict.done
    assert body.spoken == [MAKE_WAY]
    assert orders * 0.1 > 10.0
