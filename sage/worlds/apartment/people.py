"""The people of the apartment: one strolls, and who is asked to follows the robot or leads it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from sage.ontology import PEOPLE, ROOM_NAMES
from sage.values import Pose, wrap_angle
from sage.worlds.apartment.floor import SQUEEZING, WALKING, Disc, Floor, Point, in_sight
from sage.worlds.apartment.layout import Layout, Person
from sage.worlds.apartment.scene import Scene
from sage.worlds.apartment.truth import Activity, PersonTruth

WALK_M_S = 0.3
WALKER_STOPS_M = 1.2
HEARING_M = 3.0
FOLLOW_M_S = 0.6
FOLLOW_FROM_M = 0.9
LEAD_M_S = 0.5
LEAD_WAITS_M = 2.5
KEEP_OFF_ROBOT_M = 0.6
KEEP_OFF_PEOPLE_M = 0.45
PATIENCE_S = 60.0
_SETS_OFF_M = 1.05
_CLOSE_BEHIND_M = 1.3  # so near, a robot out of sight is just coming around the corner
_RESTS_S = 2.0
_THINKS_S = 0.2
_REPLANS_S = 1.5
_SQUEEZES_AFTER_S = 3.0
_SQUEEZED_M = 0.45
_TURNS_RAD_S = 4.0
_MARGIN_M = 0.14  # of the distances above: less than what a route keeps by itself

_FOLLOW = re.compile(r"\b(follow|come with) me\b")
_LEAD = re.compile(
    r"\b(lead|show me) the way\b|\bi(m| am| will|ll|) (going to )?follow(ing)? you\b"
)
_ARRIVED = re.compile(r"\bwe (are|re) (there|here)\b|\bhere we are\b|\bwe (have|ve) arrived\b")


@dataclass(frozen=True, slots=True)
class _Around:
    """What a person has to mind while walking."""

    layout: Layout
    robot: Pose
    others: tuple[Point, ...]

    def obstacles(self, robot_m: float = KEEP_OFF_ROBOT_M) -> list[Disc]:
        """The robot and the other people, as what a route keeps clear of."""
        robot = (self.robot.x_m, self.robot.y_m, robot_m - _MARGIN_M)
        return [robot, *((x, y, KEEP_OFF_PEOPLE_M - _MARGIN_M) for x, y in self.others)]

    def lets(self, here: Point, there: Point, squeeze: bool) -> bool:
        """Whether a step leads nowhere too near to anyone, or away from them.

        With ``squeeze`` they pass closer, as people do when they have waited long enough.
        """
        robot_m = _SQUEEZED_M if squeeze else KEEP_OFF_ROBOT_M
        kept = [((self.robot.x_m, self.robot.y_m), robot_m)]
        if not squeeze:
            kept += [(other, KEEP_OFF_PEOPLE_M) for other in self.others]
        return all(
            math.dist(there, it) >= least_m or math.dist(there, it) > math.dist(here, it)
            for it, least_m in kept
        )


class People:
    """Everybody in the apartment. They change nothing by themselves but where they are."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._floor = Floor()
        people = scene.layout.people
        self._strollers = {
            index: _Stroller(scene, index)
            for index, person in enumerate(people)
            if person.stroll_to is not None
        }
        self._guided: dict[int, _Guided] = {}

    def live(self, dt_s: float, layout: Layout, robot: Pose) -> None:
        """Let ``dt_s`` pass: whoever walks takes a step."""
        data = self._scene.data
        for index, stroller in self._strollers.items():
            if index not in self._guided and not self._in_the_way(index):
                stroller.walk(dt_s, data, robot)
        for index, guided in self._guided.items():
            others = tuple(self._at(i) for i in range(len(layout.people)) if i != index)
            guided.walk(dt_s, self._floor, _Around(layout, robot, others))

    def hear(self, text: str, layout: Layout, robot: Pose) -> None:
        """What the robot says, it says to the person whose name falls, or to the nearest.

        Within 3 m, in the same room, somebody reacts to "follow me", to "lead the way" and "I
        will follow you" (to the room that is named, or to one of their own choice), and, where
        they follow, to "we are there" and "here we are".
        """
        words = " ".join(re.findall(r"[a-z]+", text.lower().replace("'", "").replace("’", "")))
        near = self._within_earshot(words, layout, robot)
        if not near:
            return
        if _FOLLOW.search(words):
            self._guide(near[0], layout).follow()
        elif _LEAD.search(words):
            self._guide(near[0], layout).lead(self._destination(near[0], words, layout))
        elif _ARRIVED.search(words):
            for index in near:
                if index in self._guided:
                    self._guided[index].arrive()

    def truths(self, layout: Layout) -> tuple[PersonTruth, ...]:
        """Everybody as they are now."""
        told = []
        for index, person in enumerate(layout.people):
            x, y = self._at(index)
            room = layout.static_map.room_at(x, y) or person.room
            guided = self._guided.get(index)
            if guided is None:
                told.append(PersonTruth(person.name, room, x, y))
            else:
                told.append(PersonTruth(person.name, room, x, y, guided.activity, guided.led_to))
        return tuple(told)

    def whereabouts(self, people: tuple[Person, ...]) -> tuple[Person, ...]:
        """The people, those who went somewhere with the robot where they are now."""
        moved = list(people)
        for index in self._guided:
            x_m, y_m = self._at(index)
            moved[index] = replace(people[index], x_m=x_m, y_m=y_m)
        return tuple(moved)

    def _at(self, index: int) -> Point:
        x, y, _ = self._scene.data.mocap_pos[index]
        return float(x), float(y)

    def _in_the_way(self, index: int) -> bool:
        """Whether somebody who was led here stands where a stroller is."""
        here = self._at(index)
        return any(math.dist(here, self._at(other)) < KEEP_OFF_PEOPLE_M for other in self._guided)

    def _within_earshot(self, words: str, layout: Layout, robot: Pose) -> list[int]:
        """Who feels addressed, the nearest first."""
        room = layout.static_map.room_at(robot.x_m, robot.y_m)
        called = {name for name in PEOPLE if re.search(rf"\b{name.lower()}\b", words)}
        near = []
        for index, person in enumerate(layout.people):
            at = self._at(index)
            away_m = robot.distance_to(*at)
            if away_m > HEARING_M or layout.static_map.room_at(*at) != room:
                continue
            if not called or person.name in called:
                near.append((away_m, index))
        return [index for _, index in sorted(near)]

    def _guide(self, index: int, layout: Layout) -> _Guided:
        if index not in self._guided:
            self._guided[index] = _Guided(self._scene, index)
            self._scene.roam(f"person:{layout.people[index].name}", True)
        return self._guided[index]

    def _destination(self, index: int, words: str, layout: Layout) -> str:
        """The room named last, or that of the furniture named last, or one drawn by the seed."""
        rooms = {name: name for name in ROOM_NAMES}
        rooms |= {piece.name: piece.room for piece in layout.furniture}
        # The longest name wins: a bathroom cabinet is no bathroom, and no cabinet either.
        pattern = "|".join(sorted(rooms, key=len, reverse=True))
        named = re.findall(rf"\b({pattern})\b", words)
        if named:
            return rooms[named[-1]]
        here = layout.static_map.room_at(*self._at(index))
        elsewhere = (room.name for room in layout.static_map.rooms)
        choice = [name for name in elsewhere if name not in (here, "corridor")]
        rng = np.random.default_rng((layout.seed, 5005, index))
        return choice[int(rng.integers(len(choice)))]


class _Stroller:
    """A person who strolls between two points, rests at each, and waits for a robot nearby."""

    def __init__(self, scene: Scene, index: int) -> None:
        person: Person = scene.layout.people[index]
        assert person.stroll_to is not None
        self._index = index
        self._ends = (np.array([person.x_m, person.y_m]), np.array(person.stroll_to))
        self._length = float(np.hypot(*(self._ends[1] - self._ends[0])))
        self._along = 0.0
        self._direction = 1.0
        self._rests_s = _RESTS_S

    def walk(self, dt_s: float, data: object, robot_pose: Pose) -> None:
        """Move on by ``dt_s`` unless it rests or the robot is near."""
        position = data.mocap_pos[self._index]  # type: ignore[attr-defined]
        if robot_pose.distance_to(position[0], position[1]) < WALKER_STOPS_M:
            return
        if self._rests_s > 0:
            self._rests_s -= dt_s
            return
        self._along += self._direction * WALK_M_S * dt_s
        if not 0.0 <= self._along <= self._length:
            self._along = min(max(self._along, 0.0), self._length)
            self._direction = -self._direction
            self._rests_s = _RESTS_S
        step = (self._ends[1] - self._ends[0]) / self._length
        position[:2] = self._ends[0] + self._along * step
        yaw = math.atan2(*(self._direction * step)[::-1])
        quaternion = data.mocap_quat[self._index]  # type: ignore[attr-defined]
        quaternion[:] = math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2)


class _Guided:
    """A person who was spoken to: follows the robot, leads it, or stays where that ended."""

    def __init__(self, scene: Scene, index: int) -> None:
        self._position = scene.data.mocap_pos[index]
        self._quaternion = scene.data.mocap_quat[index]
        self.activity: Activity = "free"
        self.led_to: str | None = None
        self._path: list[Point] = []
        self._goal: Point | None = None
        self._planned_among: object = None
        self._thinks_s = self._replans_s = self._stood_s = self._squeezes_s = 0.0
        self._waits = True

    @property
    def _here(self) -> Point:
        return float(self._position[0]), float(self._position[1])

    def follow(self) -> None:
        """Walk behind the robot from now on."""
        self._set_out("following", None)

    def lead(self, room: str) -> None:
        """Walk to a room, with the robot behind."""
        self._set_out("leading", room)

    def arrive(self) -> None:
        """Hear that this is where the robot was to bring them."""
        if self.activity == "following":
            self.activity = "followed"

    def _set_out(self, activity: Activity, room: str | None) -> None:
        self.activity, self.led_to = activity, room
        self._path, self._goal, self._waits = [], None, True
        self._thinks_s = self._replans_s = self._stood_s = self._squeezes_s = 0.0

    def walk(self, dt_s: float, floor: Floor, around: _Around) -> None:
        """Move on by ``dt_s``."""
        think: dict[Activity, Callable[[Floor, _Around], None]] = {
            "following": self._think_following,
            "leading": self._think_leading,
        }
        if self.activity not in think:
            return
        self._thinks_s -= dt_s
        self._replans_s -= dt_s
        if self._thinks_s <= 0.0:
            self._thinks_s = _THINKS_S
            think[self.activity](floor, around)
        speed_m_s = FOLLOW_M_S if self.activity == "following" else LEAD_M_S
        self._squeezes_s -= dt_s
        if not self._waits and self._step(speed_m_s * dt_s, dt_s, around):
            self._stood_s = 0.0
            return
        self._stood_s += dt_s
        if not self._waits and self._stood_s > _SQUEEZES_AFTER_S:
            self._squeezes_s = _SQUEEZES_AFTER_S
        if self.activity == "following" and self._stood_s > PATIENCE_S:
            self.activity = "followed"

    def _think_following(self, floor: Floor, around: _Around) -> None:
        robot = (around.robot.x_m, around.robot.y_m)
        enough_m = _SETS_OFF_M if self._waits else FOLLOW_FROM_M
        away_m = math.dist(self._here, robot)
        self._waits = away_m <= enough_m and in_sight(around.layout, self._here, robot)
        if self._waits:
            return
        stuck = self._stood_s > _REPLANS_S
        if not stuck and floor.clear(around.layout, self._here, robot):
            self._path = [robot]
        elif self._replans_s <= 0.0 or not self._path:
            # The robot itself is the goal: only the others are in the way.
            self._replans_s = _REPLANS_S / 2
            self._path = floor.route(around.layout, self._here, robot, around.obstacles()[1:])

    def _think_leading(self, floor: Floor, around: _Around) -> None:
        robot = (around.robot.x_m, around.robot.y_m)
        away_m = math.dist(self._here, robot)
        lost = away_m > LEAD_WAITS_M
        lost |= away_m > _CLOSE_BEHIND_M and not in_sight(around.layout, self._here, robot)
        stuck = self._stood_s > _REPLANS_S and not (lost or self._waits)
        self._waits = lost
        moved = self._planned_among is not around.layout.furniture
        if self._goal is None or moved or (stuck and self._replans_s <= 0.0):
            self._replans_s = _REPLANS_S
            self._planned_among = around.layout.furniture
            self._plan_lead(floor, around)
        if self._goal is None or math.dist(self._here, self._goal) < 0.02:
            self.activity = "led"  # there, or no way leads there: this is as far as it goes

    def _plan_lead(self, floor: Floor, around: _Around) -> None:
        """Choose where to stand in the room, and the way: around the robot if there is one."""
        assert self.led_to is not None
        ways = (
            (around.obstacles(), WALKING),
            (around.obstacles(_SQUEEZED_M + 0.05), SQUEEZING),
            (around.obstacles()[1:], WALKING),
        )
        for discs, steps in ways:
            goal = floor.resting_place(around.layout, self.led_to, self._here, discs, steps)
            if goal is not None:
                self._goal = goal
                self._path = floor.route(around.layout, self._here, goal, discs, steps)
                return

    def _step(self, length_m: float, dt_s: float, around: _Around) -> bool:
        """Walk so far along the path; False where nobody can."""
        here = self._here
        while self._path and math.dist(here, self._path[0]) < 1e-6:
            self._path.pop(0)
        if not self._path:
            return False
        corner = self._path[0]
        away_m = math.dist(here, corner)
        share = min(length_m / away_m, 1.0)
        there = (
            here[0] + share * (corner[0] - here[0]),
            here[1] + share * (corner[1] - here[1]),
        )
        self._face(math.atan2(corner[1] - here[1], corner[0] - here[0]), dt_s)
        if not around.lets(here, there, squeeze=self._squeezes_s > 0.0):
            return False
        self._position[:2] = there
        return True

    def _face(self, yaw_rad: float, dt_s: float) -> None:
        """Turn toward where the next step goes."""
        w, _, _, z = self._quaternion
        now = 2.0 * math.atan2(z, w)
        most = _TURNS_RAD_S * dt_s
        yaw = now + min(max(wrap_angle(yaw_rad - now), -most), most)
        self._quaternion[:] = math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2)


__all__ = ["People"]
