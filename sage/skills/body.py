"""What skills know of the robot: what they may order, and what they may ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from sage.values import Pose, Scene
from sage.worlds.static_map import StaticMap


@dataclass(frozen=True, slots=True)
class DriveTo:
    """Be within ``tolerance_m`` of a map point, looking along ``yaw_rad`` where it is given."""

    x_m: float
    y_m: float
    tolerance_m: float = 0.15
    yaw_rad: float | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """Stand still."""


Order: TypeAlias = DriveTo | Hold


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a skill ended: whether it did what was asked, and in words.

    ``found_at`` is where it found what it searched, ``count`` how many it counted, ``used`` what
    it knew of that from sight.
    """

    done: bool
    text: str
    found_at: tuple[float, float] | None = None
    count: int | None = None
    used: tuple[Sighting, ...] = ()


@dataclass(frozen=True, slots=True)
class Sighting:
    """Where a thing is believed to be, from ``hits`` detections; ``nearest_m`` was the closest.

    ``refinements`` are the numbers of vision's latest refinements that saw it there.
    """

    label: str
    x_m: float
    y_m: float
    probability: float
    hits: int
    seen_s: float
    nearest_m: float
    refinements: tuple[int, ...] = ()


class Sightings(Protocol):
    """The memory of where things were seen."""

    def best(
        self, label: str, least_hits: int = 3, least_probability: float = 0.3
    ) -> Sighting | None:
        """The likeliest place of a label."""
        ...

    def places(
        self, label: str, least_hits: int = 3, least_probability: float = 0.3
    ) -> Sequence[Sighting]:
        """Every place where a label is believed to be, the likeliest first."""
        ...

    def all(self, least_hits: int = 3, least_probability: float = 0.3) -> Sequence[Sighting]:
        """The best place of every label."""
        ...

    def forget(self, label: str, x_m: float, y_m: float, *, refuted: bool = False) -> None:
        """Drop what was believed of a place; ``refuted``: a closer look found nothing there."""
        ...


class Body(Protocol):
    """The robot as a skill sees it."""

    @property
    def static_map(self) -> StaticMap:
        """Rooms, walls and doors."""
        ...

    @property
    def start(self) -> Pose:
        """Where the robot stood when it was switched on."""
        ...

    @property
    def sightings(self) -> Sightings:
        """What was seen where."""
        ...

    @property
    def scenes_seen(self) -> int:
        """How many frames vision has read so far."""
        ...

    @property
    def scene(self) -> Scene | None:
        """What vision read last; None where it read nothing so far."""
        ...

    def now_s(self) -> float:
        """The time."""
        ...

    def pose(self) -> Pose:
        """Where the robot believes to be."""
        ...

    def reachable_near(self, x_m: float, y_m: float) -> tuple[float, float] | None:
        """The free point nearest to a place that can be driven to; None if the robot is shut in."""
        ...

    def stand_near(self, x_m: float, y_m: float, stand_off_m: float) -> tuple[float, float] | None:
        """A free point in sight of a place, ``stand_off_m`` clear of all that stands there.

        None where there is no such point that can be driven to.
        """
        ...

    def speak(self, text: str) -> None:
        """Say something aloud, where there is a voice; whoever stands near hears it."""
        ...

    @property
    def holding(self) -> str | None:
        """What the gripper holds, by the name that it was grasped by; None where it is empty."""
        ...

    @property
    def has_gripper(self) -> bool:
        """Whether there is a hand to take things with."""
        ...

    def grasp(self, name: str, x_m: float, y_m: float) -> None:
        """Begin to take the thing at a map point, which is within reach; stand still meanwhile."""
        ...

    def place(self, x_m: float, y_m: float) -> None:
        """Begin to put what is held down at a map point; stand still meanwhile."""
        ...
