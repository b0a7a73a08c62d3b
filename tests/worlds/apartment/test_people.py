"""People who are spoken to follow the robot or lead it; to anything else they are deaf."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from sage.ontology import PEOPLE, ROOM_NAMES
from sage.values import Pose
from sage.worlds.apartment import guided
from sage.worlds.apartment.floor import Floor, Point, in_sight
from sage.worlds.apartment.geometry import clearance_to_rects
from sage.worlds.apartment.layout import PERSON_RADIUS_M, Layout, make_layout
from sage.worlds.apartment.simulation import Simulation
from sage.worlds.apartment.truth import PersonTruth

SEED = 2
STANDS, STROLLS = 0, 1


class Stage:
    """A simulation with a robot that is set down wherever a test wants it."""

    def __init__(self, seed: int = SEED) -> None:
        self.simulation = Simulation(make_layout(seed))
        self.layout: Layout = self.simulation.layout
        self.floor = Floor()
        rects = [*self.layout.static_map.walls, *(f.footprint for f in self.layout.furniture)]
        self.rects = np.array(rects)
        self.robot: Point = (0.0, 0.0)
        self.nearest_m = self.clearance_m = math.inf

    def set_robot(self, at: Point) -> None:
        self.robot = at
        data = self.simulation.scene.data
        data.qpos[:2] = at
        data.qvel[:] = 0.0

    def face(self, yaw: float) -> None:
        self.simulation.scene.data.qpos[3:7] = math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2)
        self.simulation.step_to(self.simulation.time_s + 0.05)

    def person(self, index: int = STANDS) -> PersonTruth:
        return self.simulation.truth().people[index]

    def away(self, index: int = STANDS) -> float:
        told = self.person(index)
        return math.dist((told.x_m, told.y_m), self.robot)

    def beside(self, index: int = STANDS, metres: float = 1.1) -> Point:
        """A free point at that distance from a person, in their room and in sight."""
        told = self.person(index)
        for angle in np.linspace(0.0, math.tau, 48):
            at = told.x_m + metres * math.cos(angle), told.y_m + metres * math.sin(angle)
            if self.layout.static_map.room_at(*at) == told.room and self.floor.clear(
                self.layout, at, (told.x_m, told.y_m)
            ):
                return at
        raise AssertionError("no free point beside the person")

    def live(self, seconds: float, move: Callable[[], Point] | None = None) -> None:
        """Let time pass; ``move`` says every tenth of a second where the robot is."""
        for _ in range(round(seconds / 0.1)):
            self.set_robot(self.robot if move is None else move())
            self.simulation.step_to(self.simulation.time_s + 0.1)
            told = self.person()
            self.nearest_m = min(self.nearest_m, self.away())
            here = np.array(told.x_m), np.array(told.y_m)
            self.clearance_m = min(self.clearance_m, float(clearance_to_rects(*here, self.rects)))

    def along(self, room: str, speed_m_s: float = 0.5) -> Callable[[], Point]:
        """The robot on its way to a room."""
        goal = self.floor.resting_place(self.layout, room, self.robot)
        assert goal is not None
        return self.on(self.floor.route(self.layout, self.robot, goal), speed_m_s)

    def on(self, path: list[Point], speed_m_s: float = 0.5) -> Callable[[], Point]:
        """The robot on its way along a path."""

        def move() -> Point:
            left = 0.1 * speed_m_s
            here = self.robot
            while path and left > 0.0:
                away = math.dist(here, path[0])
                share = min(left / away, 1.0) if away > 1e-9 else 1.0
                here = (
                    here[0] + share * (path[0][0] - here[0]),
                    here[1] + share * (path[0][1] - here[1]),
                )
                left -= away
                if share == 1.0:
                    path.pop(0)
            return here

        return move

    def behind(self, keep_m: float = 1.0, speed_m_s: float = 0.6) -> Callable[[], Point]:
        """The robot that goes after the person."""

        def move() -> Point:
            told = self.person()
            goal = told.x_m, told.y_m
            if math.dist(goal, self.robot) <= keep_m:
                return self.robot
            straight = self.floor.clear(self.layout, self.robot, goal)
            path = [goal] if straight else self.floor.route(self.layout, self.robot, goal)
            away = math.dist(self.robot, path[0])
            share = min(0.1 * speed_m_s / max(away, 1e-9), 1.0)
            return (
                self.robot[0] + share * (path[0][0] - self.robot[0]),
                self.robot[1] + share * (path[0][1] - self.robot[1]),
            )

        return move

    def say(self, text: str) -> None:
        self.simulation.speak(text)

    def elsewhere(self, index: int = STANDS) -> str:
        here = self.layout.people[index].room
        return next(room for room in ("kitchen", "bedroom", "living room") if room != here)


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    stage.set_robot(stage.beside())
    stage.live(0.1)
    yield stage
    stage.simulation.close()


def test_who_is_asked_to_follow_walks_behind_until_it_is_over(stage: Stage) -> None:
    room = stage.elsewhere()
    stage.say("Hello! Please follow me.")
    assert stage.person().activity == "following"
    stage.live(40.0, stage.along(room))
    told = stage.person()
    assert told.room == stage.layout.static_map.room_at(*stage.robot) == room
    assert 0.6 <= stage.away() <= 1.1
    assert stage.nearest_m >= guided.KEEP_OFF_ROBOT_M - 0.05
    assert stage.clearance_m >= PERSON_RADIUS_M - 0.05
    stage.say("We are there.")
    assert stage.person().activity == "followed"
    stage.live(5.0, stage.along(stage.layout.people[STANDS].room))
    assert (stage.person().x_m, stage.person().y_m) == (told.x_m, told.y_m)


def test_a_follower_stands_where_the_robot_stands(stage: Stage) -> None:
    stage.say("follow me")
    stage.live(6.0)
    before = stage.person()
    stage.live(3.0)
    assert stage.person() == before


def test_a_follower_gives_up_after_a_time_without_a_step(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert guided.PATIENCE_S == 60.0
    monkeypatch.setattr(guided, "PATIENCE_S", 6.0)
    stage.say("follow me")
    stage.live(5.0)
    assert stage.person().activity == "following"
    stage.live(3.0)
    assert stage.person().activity == "followed"


def test_a_follower_comes_through_the_door(stage: Stage) -> None:
    """However short behind the door the robot stops: both end in the same room."""
    stage.say("follow me")
    room = stage.person().room
    door = next(d for d in stage.layout.static_map.doors if set(d.between) == {room, "corridor"})
    area = stage.layout.static_map.room("corridor")
    inward = math.copysign(0.75, area.center[1] - door.y)
    goal = (door.x, door.y + inward)
    path = [stage.robot, *stage.floor.route(stage.layout, stage.robot, goal)]
    assert math.dist(path[-1], goal) < 0.1
    stage.live(40.0, stage.on(path[1:]))
    assert stage.person().room == "corridor"


@pytest.mark.parametrize("asks", [True, False])
def test_who_stands_in_the_way_steps_aside(asks: bool) -> None:
    stage = Stage(1)
    stage.set_robot(stage.beside())
    stage.live(0.1)
    if not asks:
        stage.say("follow me")
        stage.live(3.0)
    told = stage.person()
    at = told.x_m, told.y_m
    yaw = math.atan2(at[1] - stage.robot[1], at[0] - stage.robot[0])
    stage.face(yaw)
    if asks:
        stage.say("Excuse me, please step aside.")
        stage.live(4.0)
        assert stage.person().activity == "free"
    else:
        step = 0.03 * math.cos(yaw), 0.03 * math.sin(yaw)
        stage.live(1.5, lambda: (stage.robot[0] + step[0], stage.robot[1] + step[1]))
        stage.live(1.0)
    now = stage.person()
    pose = Pose(*stage.robot, yaw)
    beside = pose.distance_to(now.x_m, now.y_m) * abs(math.sin(pose.bearing_to(now.x_m, now.y_m)))
    assert beside > 0.7
    assert stage.nearest_m > guided.KEEP_OFF_ROBOT_M
    assert stage.clearance_m >= PERSON_RADIUS_M - 0.05
    stage.simulation.close()


def test_who_leads_goes_to_the_room_named_and_stays(stage: Stage) -> None:
    room = stage.elsewhere()
    stage.say(f"I will follow you to the {room}")
    assert (stage.person().activity, stage.person().led_to) == ("leading", room)
    stage.live(60.0, stage.behind())
    told = stage.person()
    assert (told.activity, told.room) == ("led", room)
    assert stage.away() < 1.8
    assert stage.clearance_m >= PERSON_RADIUS_M - 0.05
    assert stage.nearest_m >= 0.4
    doors = [d for d in stage.layout.static_map.doors if room in d.between]
    assert all(math.dist((told.x_m, told.y_m), (d.x, d.y)) > 0.8 for d in doors)
    stage.live(5.0)
    assert stage.person() == told


def test_who_leads_waits_for_a_robot_that_stays_behind(stage: Stage) -> None:
    room = stage.elsewhere()
    stage.say(f"lead the way to the {room}")
    stage.live(20.0)
    told = stage.person()
    at = told.x_m, told.y_m
    assert told.activity == "leading"
    assert told.room != room or stage.away() <= guided.LEAD_WAITS_M + 0.1
    stage.live(3.0)
    assert math.dist((stage.person().x_m, stage.person().y_m), at) < 1e-9
    assert stage.away() > guided.LEAD_WAITS_M or not in_sight(stage.layout, at, stage.robot)


def test_without_a_room_they_choose_one_and_always_the_same() -> None:
    chosen = []
    for seed in (SEED, SEED, 5, 6, 7, 8):
        stage = Stage(seed)
        stage.set_robot(stage.beside())
        stage.live(0.1)
        stage.say("Please lead the way, I follow you!")
        told = stage.person()
        assert told.led_to in ROOM_NAMES
        assert told.led_to not in (told.room, "corridor")
        chosen.append(told.led_to)
        stage.simulation.close()
    assert chosen[0] == chosen[1]
    assert len(set(chosen)) > 1


def test_furniture_names_its_room_and_the_longest_name_counts(stage: Stage) -> None:
    piece = next(f for f in stage.layout.furniture if f.room not in ("corridor", "bathroom"))
    stage.say(f"I am following you to the {piece.name}")
    assert stage.person().led_to == piece.room
    stage.say("I will follow you from the kitchen to the dining room")
    assert stage.person().led_to == "dining room"


def test_to_anything_else_they_are_deaf(stage: Stage) -> None:
    before = stage.simulation.truth().people
    for text in (
        "I go to the kitchen",
        "I follow nobody",
        "we are there",
        "here we are",
        "Where is the apple?",
        "",
        "follow",
        "!" * 300,
        "フォローミー",
    ):
        stage.say(text)
        assert stage.simulation.truth().people == before


def test_only_who_is_called_near_and_in_the_room_hears(stage: Stage) -> None:
    name = stage.layout.people[STANDS].name
    absent = next(n for n in PEOPLE if all(n != p.name for p in stage.layout.people))
    stage.say(f"{absent}, follow me")
    stage.say(f"{stage.layout.people[STROLLS].name}, please follow me")
    assert [told.activity for told in stage.simulation.truth().people] == ["free", "free"]
    stage.set_robot(stage.layout.static_map.room(stage.elsewhere()).center)
    stage.live(0.1)
    stage.say(f"{name}, follow me")
    assert stage.person().activity == "free"
    told = stage.person()
    stage.set_robot((told.x_m, told.y_m))
    stage.live(0.1)
    stage.say(f"{name.upper()}: follow me, please!")
    assert stage.person().activity == "following"


def test_the_nearest_is_meant_where_no_name_falls() -> None:
    stage = Stage()
    stage.set_robot(stage.beside(STROLLS))
    stage.live(0.1)
    stage.say("follow me")
    assert [told.activity for told in stage.simulation.truth().people] == ["free", "following"]
    assert stage.person(STROLLS).led_to is None
    stage.simulation.close()


def test_somebody_who_went_to_another_room_is_still_drawn_there(stage: Stage) -> None:
    """The camera's culling by room must not lose a person who left theirs."""
    room = stage.elsewhere()
    stage.say("follow me")
    stage.live(40.0, stage.along(room))
    told = stage.person()
    assert told.room == room
    stage.live(0.1)
    pose = Pose(*stage.robot, math.atan2(told.y_m - stage.robot[1], told.x_m - stage.robot[0]))
    stage.simulation.scene.eye_at(pose, 1.0, math.radians(12.0))
    labels = stage.simulation.scene.labels(pose)
    seen = [label for label in labels if label.label == "person"]
    assert seen
    assert min(abs(label.distance_m - stage.away()) for label in seen) < 0.05


def test_words_without_an_addressee_leave_the_world_as_it_was() -> None:
    """Same seed, same time: talk that concerns nobody changes neither people nor any draw."""
    told = []
    for talks in (False, True):
        stage = Stage()
        stage.live(0.0)
        for _ in range(8):
            if talks:
                stage.say("I am on my way to the kitchen")
                stage.simulation.speak("Nobody: lead on")
            stage.simulation.step_to(stage.simulation.time_s + 0.5)
        truth = stage.simulation.truth()
        told.append(
            (truth.people, truth.robot, stage.simulation.odometry(), stage.simulation.scan())
        )
        stage.simulation.close()
    quiet, talking = told
    assert quiet[:3] == talking[:3]
    assert (quiet[3].ranges_m == talking[3].ranges_m).all()
    moved = math.dist(
        (quiet[0][1].x_m, quiet[0][1].y_m), (stage.layout.people[1].x_m, stage.layout.people[1].y_m)
    )
    assert moved > 0.1


def test_furniture_goes_where_a_person_was_and_not_where_they_are(stage: Stage) -> None:
    room = stage.elsewhere()
    stage.say("follow me")
    stage.live(40.0, stage.along(room))
    told = stage.person()
    for piece in stage.layout.furniture:
        with pytest.raises(ValueError, match="would stand"):
            stage.simulation.put(piece.name, told.x_m, told.y_m)
    assert stage.simulation.layout.people == stage.layout.people
    taken = 0
    stage.set_robot(stage.layout.static_map.room("corridor").center)
    was = stage.layout.people[STANDS]
    for piece in stage.layout.furniture:
        try:
            stage.simulation.put(piece.name, was.x_m, was.y_m)
        except ValueError:
            continue
        taken += 1
        break
    assert taken


def test_a_led_stroller_no_longer_strolls() -> None:
    stage = Stage()
    stage.set_robot(stage.beside(STROLLS))
    stage.live(0.1)
    stage.say("follow me")
    stage.say("here we are")
    before = stage.person(STROLLS)
    assert before.activity == "followed"
    stage.set_robot(stage.layout.static_map.room("bathroom").center)
    stage.live(12.0)
    assert stage.person(STROLLS) == before
    stage.simulation.close()
