"""The people of the apartment: one strolls, and who is asked to follows the robot or leads it."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np

from sage.ontology import PEOPLE, ROOM_NAMES
from sage.values import Pose
from sage.worlds.apartment.floor import Floor, Point
from sage.worlds.apartment.guided import KEEP_OFF_PEOPLE_M, Around, Guided
from sage.worlds.apartment.layout import Layout, Person
from sage.worlds.apartment.scene import Scene
from sage.worlds.apartment.truth import PersonTruth

WALK_M_S = 0.3
WALKER_STOPS_M = 1.2
HEARING_M = 3.0
_RESTS_S = 2.0

_FOLLOW = re.compile(r"\b(follow|come with) me\b")
_LEAD = re.compile(
    r"\b(lead|show me) the way\b|\bi(m| am| will|ll|) (going to )?follow(ing)? you\b"
)
_ASIDE = re.compile(r"\b(step|move) aside\b|\bmake way\b|\blet me (through|pass)\b|\bexcuse me\b")
_ARRIVED = re.compile(r"\bwe (are|re) (there|here)\b|\bhere we are\b|\bwe (have|ve) arrived\b")


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
        self._guided: dict[int, Guided] = {}

    def live(self, dt_s: float, layout: Layout, robot: Pose) -> None:
        """Let ``dt_s`` pass: whoever walks takes a step."""
        data = self._scene.data
        for index, stroller in self._strollers.items():
            if index not in self._guided and not self._in_the_way(index):
                stroller.walk(dt_s, data, robot)
        for index, guided in self._guided.items():
            guided.walk(dt_s, self._floor, Around(layout, robot, self._others(index, layout)))

    def hear(self, text: str, layout: Layout, robot: Pose) -> None:
        """What the robot says, it says to the person whose name falls, or to the nearest.

        Within 3 m, in the same room, somebody reacts to "follow me", to "lead the way" and "I
        will follow you" (to the room that is named, or to one of their own choice), and, where
        they follow, to "we are there" and "here we are"; they make way on "step aside".
        """
        words = " ".join(re.findall(r"[a-z]+", text.lower().replace("'", "").replace("’", "")))
        near = self._within_earshot(words, layout, robot)
        if not near:
            return
        if _FOLLOW.search(words):
            self._guide(near[0], layout).follow()
        elif _LEAD.search(words):
            self._guide(near[0], layout).lead(self._destination(near[0], words, layout))
        elif _ASIDE.search(words):
            guided, others = self._guide(near[0], layout), self._others(near[0], layout)
            guided.step_aside(self._floor, Around(layout, robot, others))
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

    def _others(self, index: int, layout: Layout) -> tuple[Point, ...]:
        return tuple(self._at(i) for i in range(len(layout.people)) if i != index)

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

    def _guide(self, index: int, layout: Layout) -> Guided:
        if index not in self._guided:
            self._guided[index] = Guided(self._scene, index)
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


__all__ = ["People"]
