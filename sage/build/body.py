"""The robot as skills know it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

from memory import SightingMap
from sage.clock import Clock
from sage.navigation.navigator import Navigator
from sage.skills.body import Body, Verdict
from sage.skills.intent import Intent
from sage.skills.repertoire import skill_for
from sage.skills.skills import Skill, tell_view
from sage.skills.talking import Answers
from sage.values import Observation, Odometry, Pose, Scene
from sage.worlds.static_map import StaticMap


class Gripper(Protocol):
    """A hand; points are in the robot's frame, metres: x forward, y to the left."""

    def grasp(self, forward_m: float, left_m: float) -> None:
        """Take the thing at that point."""
        ...

    def place(self, forward_m: float, left_m: float) -> None:
        """Put what is held down there."""
        ...


class RobotBody:
    """A robot with a map: what skills know of it (see :class:`sage.skills.body.Body`).

    ``gripper`` is None where it has no hand.
    """

    def __init__(
        self, navigator: Navigator, start: Pose, sightings: SightingMap, clock: Clock
    ) -> None:
        self.navigator = navigator
        self.sightings = sightings
        self.scenes_seen = 0
        self.scene: Scene | None = None
        self.voices: list[Callable[[str], None]] = []
        """Told whatever is said aloud."""
        self.gripper: Gripper | None = None
        self._start = start
        self._clock = clock
        self._closed_on_something = False
        self._grasped = ""

    def feed(self, observation: Observation) -> None:
        """What the wheels, the gripper and the range sensor measure."""
        self.navigator.feed(observation)
        if isinstance(observation.data, Odometry):
            self._closed_on_something = observation.data.holding

    @property
    def static_map(self) -> StaticMap:
        """Rooms, walls and doors."""
        return self.navigator.static_map

    @property
    def start(self) -> Pose:
        """Where the robot was switched on."""
        return self._start

    def now_s(self) -> float:
        """The time."""
        return self._clock.now_s()

    def pose(self) -> Pose:
        """Where the robot believes to be."""
        return self.navigator.estimate().pose

    def reachable_near(self, x_m: float, y_m: float) -> tuple[float, float] | None:
        """The free point nearest to a place that can be driven to."""
        return self.navigator.reachable_near(x_m, y_m)

    def stand_near(self, x_m: float, y_m: float, stand_off_m: float) -> tuple[float, float] | None:
        """A free point in sight of a place, ``stand_off_m`` clear of all that stands there."""
        spot = self.navigator.free_point_near(x_m, y_m, stand_off_m)
        return None if spot is None else (spot.x_m, spot.y_m)

    def speak(self, text: str) -> None:
        """Say something aloud."""
        for voice in self.voices:
            voice(text)

    @property
    def has_gripper(self) -> bool:
        """Whether there is a hand to take things with."""
        return self.gripper is not None

    @property
    def holding(self) -> str | None:
        """What the gripper holds, by the name that it was grasped by; None where it is empty."""
        return self._grasped if self._closed_on_something else None

    def grasp(self, name: str, x_m: float, y_m: float) -> None:
        """Begin to take the thing at a map point."""
        assert self.gripper is not None
        if self.holding is None:
            self._grasped = name
        self.gripper.grasp(*self._ahead(x_m, y_m))

    def place(self, x_m: float, y_m: float) -> None:
        """Begin to put what is held down at a map point."""
        assert self.gripper is not None
        self.gripper.place(*self._ahead(x_m, y_m))

    def _ahead(self, x_m: float, y_m: float) -> tuple[float, float]:
        """A map point in the robot's frame."""
        pose = self.pose()
        away_m, bearing = pose.distance_to(x_m, y_m), pose.bearing_to(x_m, y_m)
        return away_m * math.cos(bearing), away_m * math.sin(bearing)


class Bystander:
    """Somebody who watches and listens and has nothing to drive."""

    def __init__(self, clock: Clock) -> None:
        self.scenes_seen = 0
        self.scene: Scene | None = None
        self.voices: list[Callable[[str], None]] = []
        """Told whatever is said aloud."""
        self._clock = clock

    def now_s(self) -> float:
        """The time."""
        return self._clock.now_s()

    def speak(self, text: str) -> None:
        """Say something aloud."""
        for voice in self.voices:
            voice(text)


def skill_without_robot(intent: Intent, body: Body, answers: Answers | None = None) -> Skill:
    """Tell what is seen, say something, answer; nothing is done about any other command."""
    if intent.kind == "describe":
        return (yield from tell_view(body))
    if intent.kind in ("say", "answer") and intent.person is None:
        return (yield from skill_for(intent, body, answers))
    return Verdict(False, f"I understood {intent.phrase!r}; there is no robot here to do it")
