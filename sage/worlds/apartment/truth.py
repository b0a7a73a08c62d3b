"""What is really the case in the apartment: for scoring a run, never for the robot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sage.values import Pose
from sage.worlds.static_map import Rect

Activity = Literal["free", "following", "followed", "leading", "led"]


@dataclass(frozen=True, slots=True)
class FurnitureTruth:
    """A piece of furniture: its centre, and the rectangle that it covers."""

    name: str
    x_m: float
    y_m: float
    footprint: Rect
    room: str


@dataclass(frozen=True, slots=True)
class ObjectTruth:
    """An object and the piece of furniture that it stands on; z is the base's height.

    ``furniture`` is ``gripper`` while the robot holds it, and ``floor`` where it lies there;
    ``handled`` once the robot has had it in its gripper.
    """

    name: str
    x_m: float
    y_m: float
    z_m: float
    furniture: str
    room: str
    handled: bool = False


@dataclass(frozen=True, slots=True)
class PersonTruth:
    """A person, where they are now.

    Attributes:
        activity: ``free`` until the robot speaks to them; then ``following`` it, ``followed`` once
            that is over, ``leading`` it, or ``led`` once they stand where they led it.
        led_to: the room that they lead or led to.
    """

    name: str
    room: str
    x_m: float
    y_m: float
    activity: Activity = "free"
    led_to: str | None = None


@dataclass(frozen=True, slots=True)
class Collisions:
    """Episodes of contact; touching the same thing again within 0.5 s is the same episode."""

    walls: int = 0
    furniture: int = 0
    people: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.walls + self.furniture + self.people


@dataclass(frozen=True, slots=True)
class Truth:
    """The apartment at one moment.

    ``room`` is the robot's, None while it is outside; ``said`` is what the robot said last.
    """

    time_s: float
    robot: Pose
    room: str | None
    furniture: tuple[FurnitureTruth, ...]
    objects: tuple[ObjectTruth, ...]
    people: tuple[PersonTruth, ...]
    collisions: Collisions
    said: str = ""
