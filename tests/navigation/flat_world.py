"""A flat world for tests: rectangles and round people, an exact base, noisy wheels and beams."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from sage.navigation.grid import Rectangle, signed_distance
from sage.navigation.localisation import WallCaster
from sage.navigation.motion import RobotLimits
from sage.values import Observation, Odometry, Pose, RangeScan, Twist, wrap_angle
from sage.worlds.static_map import Room, StaticMap

BEAMS = np.linspace(-math.pi, math.pi, 72, endpoint=False)


@dataclass
class Walker:
    """Somebody round who strolls between two points (or stands, where they are one)."""

    start: tuple[float, float]
    end: tuple[float, float]
    speed_m_s: float = 0.5
    radius_m: float = 0.2

    def at(self, time_s: float) -> tuple[float, float]:
        length = math.hypot(self.end[0] - self.start[0], self.end[1] - self.start[1])
        if length < 1e-6:
            return self.start
        way = (time_s * self.speed_m_s) % (2.0 * length)
        share = (way if way <= length else 2.0 * length - way) / length
        return (
            self.start[0] + share * (self.end[0] - self.start[0]),
            self.start[1] + share * (self.end[1] - self.start[1]),
        )


@dataclass
class FlatWorld:
    """A differential drive among ``static_map``'s walls, ``furniture`` and ``people``."""

    static_map: StaticMap
    start: Pose
    furniture: Sequence[Rectangle] = ()
    people: Sequence[Walker] = ()
    seed: int = 0
    limits: RobotLimits = field(default_factory=RobotLimits)

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)
        self._caster = WallCaster([*self.static_map.walls, *self.furniture])
        self._solid = [*self.static_map.walls, *self.furniture]
        self._scale = 1.0 + self._rng.uniform(-0.02, 0.02, 2)
        self.time_s = 0.0
        self.pose = self.start
        self.twist = Twist()
        self._wanted = Twist()
        self._wheels = Pose(0.0, 0.0, 0.0)
        self._listeners: list[Callable[[Observation], None]] = []
        self._count = 0
        self.contacts = 0
        self._touching = False
        self.closest_m = math.inf
        self.travelled_m = 0.0

    def subscribe(self, listener: Callable[[Observation], None]) -> None:
        self._listeners.append(listener)

    def drive(self, twist: Twist) -> None:
        self._wanted = twist

    def advance(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.02)):
            self._move(0.02)
            self._count += 1
            if self._count % 2 == 0:
                self._publish("odometry", self._odometry())
            if self._count % 5 == 0:
                self._publish("scan", self.scan())

    def scan(self) -> RangeScan:
        angles = self.pose.yaw_rad + BEAMS
        ranges, _ = self._caster.cast(self.pose.x_m, self.pose.y_m, angles)
        for person in self.people:
            x_m, y_m = person.at(self.time_s)
            dx, dy = x_m - self.pose.x_m, y_m - self.pose.y_m
            along = dx * np.cos(angles) + dy * np.sin(angles)
            aside = dx * np.sin(angles) - dy * np.cos(angles)
            half = np.sqrt(np.maximum(person.radius_m**2 - aside**2, 0.0))
            meets = (np.abs(aside) < person.radius_m) & (along > 0.0)
            ranges = np.where(meets, np.minimum(ranges, along - half), ranges)
        ranges = ranges + self._rng.normal(0.0, 0.01, ranges.size)
        ranges[self._rng.random(ranges.size) < 0.005] = 8.0
        return RangeScan(np.clip(ranges, 0.05, 8.0), BEAMS, 8.0)

    def clearance_m(self) -> float:
        """Distance from the robot's rim to the nearest thing."""
        here = signed_distance(self._solid, np.array([self.pose.x_m]), np.array([self.pose.y_m]))
        nearest = float(here[0])
        for person in self.people:
            x_m, y_m = person.at(self.time_s)
            nearest = min(nearest, self.pose.distance_to(x_m, y_m) - person.radius_m)
        return nearest - self.limits.radius_m

    def _move(self, dt: float) -> None:
        limits, before = self.limits, self.twist
        linear = _ramp(before.linear_m_s, self._wanted.linear_m_s, limits.linear_m_s2 * dt)
        angular = _ramp(
            before.angular_rad_s, self._wanted.angular_rad_s, limits.angular_rad_s2 * dt
        )
        self.twist = Twist(linear, angular)
        self.time_s += dt
        self.pose = _drive(self.pose, linear * dt, angular * dt)
        noise = 1.0 + self._rng.normal(0.0, 0.05, 2)
        self._wheels = _drive(
            self._wheels,
            linear * dt * self._scale[0] * noise[0],
            angular * dt * self._scale[1] * noise[1],
        )
        self.travelled_m += abs(linear) * dt
        clearance = self.clearance_m()
        self.closest_m = min(self.closest_m, clearance)
        if clearance < 0.0 and not self._touching:
            self.contacts += 1
        self._touching = clearance < 0.0

    def _odometry(self) -> Odometry:
        return Odometry(self._wheels, self.twist.linear_m_s, self.twist.angular_rad_s)

    def _publish(self, modality: str, data: object) -> None:
        observation = Observation("flat", modality, self.time_s, self._count, data)
        for listener in self._listeners:
            listener(observation)


def _ramp(now: float, wanted: float, most: float) -> float:
    return now + min(max(wanted - now, -most), most)


def _drive(pose: Pose, forward_m: float, turn_rad: float) -> Pose:
    middle = pose.yaw_rad + 0.5 * turn_rad
    return Pose(
        pose.x_m + forward_m * math.cos(middle),
        pose.y_m + forward_m * math.sin(middle),
        wrap_angle(pose.yaw_rad + turn_rad),
    )


def two_rooms(door_m: float = 1.0) -> StaticMap:
    """Two rooms of 4 x 4 m side by side, joined by a door in the middle of their wall."""
    half = 0.5 * door_m
    walls = (
        (-0.05, -0.05, 8.05, 0.05),
        (-0.05, 3.95, 8.05, 4.05),
        (-0.05, 0.05, 0.05, 3.95),
        (7.95, 0.05, 8.05, 3.95),
        (3.95, 0.05, 4.05, 2.0 - half),
        (3.95, 2.0 + half, 4.05, 3.95),
    )
    rooms = (Room("west", 0.0, 0.0, 4.0, 4.0), Room("east", 4.0, 0.0, 8.0, 4.0))
    return StaticMap(rooms, walls, (), (-0.05, -0.05, 8.05, 4.05))
