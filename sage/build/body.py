"""The robot as skills know it."""

from __future__ import annotations

from collections.abc import Callable

from memory import SightingMap
from sage.clock import Clock
from sage.navigation.navigator import Navigator
from sage.skills.body import Body, Verdict
from sage.skills.intent import Intent
from sage.skills.repertoire import skill_for
from sage.skills.skills import Skill, tell_view
from sage.skills.talking import Answers
from sage.values import Pose, Scene
from sage.worlds.static_map import StaticMap


class RobotBody:
    """A robot with a map: what skills know of it (see :class:`sage.skills.body.Body`)."""

    def __init__(
        self, navigator: Navigator, start: Pose, sightings: SightingMap, clock: Clock
    ) -> None:
        self.navigator = navigator
        self.sightings = sightings
        self.scenes_seen = 0
        self.scene: Scene | None = None
        self.voices: list[Callable[[str], None]] = []
        """Told whatever is said aloud."""
        self._start = start
        self._clock = clock

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
