"""A robot that drives where it is told and sees what is before it: no physics, no noise."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from memory import SightingMap
from sage.skills.body import DriveTo, Hold, Order, Verdict
from sage.skills.skills import Skill
from sage.values import CameraModel, Detection, Pose, Scene, wrap_angle
from sage.worlds.static_map import Room, StaticMap

HOME = StaticMap(
    rooms=(
        Room("living room", 0.0, 0.0, 5.0, 4.0),
        Room("kitchen", 5.0, 0.0, 9.0, 4.0),
        Room("bedroom", 0.0, 4.0, 5.0, 8.0),
        Room("corridor", 5.0, 4.0, 9.0, 8.0),
    ),
    walls=(),
    doors=(),
    bounds=(0.0, 0.0, 9.0, 8.0),
)
CAMERA = CameraModel(640, 480, 1.0)
START = Pose(1.0, 1.0, 0.0)
TICK_S = 0.1
SPEED_M_S, TURN_RAD_S, SIGHT_M = 0.8, 2.0, 3.5
REACH_M = 1.1


@dataclass(frozen=True, slots=True)
class Ghost:
    """A false detection: seen like a thing, but only from further away than ``from_m``."""

    label: str
    x_m: float
    y_m: float
    from_m: float = 2.3


class KinematicBody:
    """The body, strictly: an order that it does not know, or that is no number, is an error.

    It drives straight through everything but what is ``blocked``: rooms that it cannot enter.
    It sees things, ``more`` of them and ghosts of the room that it is in. ``visited`` keeps the
    rooms it was in, ``refuted`` what turned out not to be there, and which looks had seen it.
    """

    def __init__(
        self,
        things: Mapping[str, tuple[float, float]] | None = None,
        *,
        more: Sequence[tuple[str, float, float]] = (),
        ghosts: Sequence[Ghost] = (),
        blocked: Sequence[str] = (),
        blind: bool = False,
        start: Pose = START,
    ) -> None:
        self.things = dict(things or {})
        self.more = tuple(more)
        self.ghosts = tuple(ghosts)
        self.blocked = tuple(blocked)
        self.blind = blind
        self.static_map = HOME
        self.start = start
        self.refuted: list[tuple[str, tuple[int, ...]]] = []
        self.sightings = SightingMap(on_refuted=lambda *what: self.refuted.append(what))
        self.scenes_seen = 0
        self.scene: Scene | None = None
        self.visited = ["living room"]
        self.orders: list[Order] = []
        self.spoken: list[str] = []
        self.has_gripper = True
        self.holding: str | None = None
        self.tops: dict[str, tuple[float, float]] = {}
        """Furniture that things can be put on; what was put down lies in ``things`` again."""
        self._pose = start
        self._ticks = 0

    def now_s(self) -> float:
        return self._ticks * TICK_S

    def speak(self, text: str) -> None:
        self.spoken.append(text)

    def grasp(self, name: str, x_m: float, y_m: float) -> None:
        """Take what is there, at once; REACH_M is as far as the arm goes."""
        assert self.has_gripper
        assert self._pose.distance_to(x_m, y_m) <= REACH_M, "out of reach"
        if self.holding is not None:
            return
        for label, at in self.things.items():
            if label not in self.tops and math.dist(at, (x_m, y_m)) < 0.35:
                self.holding = label
                del self.things[label]
                return

    def place(self, x_m: float, y_m: float) -> None:
        """Put it down there, on a top within 0.5 m or on the floor."""
        assert self.has_gripper
        assert self.holding is not None, "nothing to put down"
        assert self._pose.distance_to(x_m, y_m) <= REACH_M, "out of reach"
        self.things[self.holding] = x_m, y_m
        self.holding = None

    def pose(self) -> Pose:
        return self._pose

    def reachable_near(self, x_m: float, y_m: float) -> tuple[float, float] | None:
        return None if self.static_map.room_at(x_m, y_m) in self.blocked else (x_m, y_m)

    def stand_near(self, x_m: float, y_m: float, stand_off_m: float) -> tuple[float, float] | None:
        if self.static_map.room_at(x_m, y_m) in self.blocked:
            return None
        here = self._pose
        distance_m = here.distance_to(x_m, y_m)
        if distance_m < stand_off_m:
            return here.x_m, here.y_m
        share = 1.0 - stand_off_m / distance_m
        return here.x_m + share * (x_m - here.x_m), here.y_m + share * (y_m - here.y_m)

    def obey(self, order: Order) -> None:
        """Do what is ordered for one tick, then look."""
        self.orders.append(order)
        if isinstance(order, DriveTo):
            self._drive(order)
        elif not isinstance(order, Hold):
            raise TypeError(f"{order!r} is no order")
        self._ticks += 1
        room = self.static_map.room_at(self._pose.x_m, self._pose.y_m)
        if room is not None and room != self.visited[-1]:
            self.visited.append(room)
        if not self.blind:
            self._look()

    def _drive(self, order: DriveTo) -> None:
        numbers = (order.x_m, order.y_m, order.tolerance_m, order.yaw_rad or 0.0)
        assert all(map(math.isfinite, numbers)), order
        assert order.tolerance_m > 0.0, order
        pose = self._pose
        distance_m = pose.distance_to(order.x_m, order.y_m)
        x_m, y_m, turn = pose.x_m, pose.y_m, 0.0
        if distance_m > order.tolerance_m:
            turn = pose.bearing_to(order.x_m, order.y_m)
            if abs(turn) < 0.3:
                x_m, y_m = pose.point_at(turn, min(distance_m, SPEED_M_S * TICK_S))
                if self.static_map.room_at(x_m, y_m) in (*self.blocked, None):
                    x_m, y_m = pose.x_m, pose.y_m
        elif order.yaw_rad is not None:
            turn = wrap_angle(order.yaw_rad - pose.yaw_rad)
        most = TURN_RAD_S * TICK_S
        self._pose = Pose(x_m, y_m, wrap_angle(pose.yaw_rad + min(most, max(-most, turn))))

    def _look(self) -> None:
        pose = self._pose
        here = self.static_map.room_at(pose.x_m, pose.y_m)
        half_view = 0.5 * CAMERA.width_px / CAMERA.focal_px
        candidates = [(label, x, y, 0.0) for label, (x, y) in self.things.items()]
        candidates += [(label, x, y, 0.0) for label, x, y in self.more]
        candidates += [(ghost.label, ghost.x_m, ghost.y_m, ghost.from_m) for ghost in self.ghosts]
        detections = []
        for label, x_m, y_m, from_m in candidates:
            distance_m, bearing = pose.distance_to(x_m, y_m), pose.bearing_to(x_m, y_m)
            seen = from_m < distance_m < SIGHT_M and abs(math.tan(bearing)) < half_view
            if seen and abs(bearing) < 1.0 and self.static_map.room_at(x_m, y_m) == here:
                detections.append(Detection(label, 0.9, (0.0, 0.0, 9.0, 9.0), bearing, distance_m))
        self.scenes_seen += 1
        self.scene = scene = Scene(self.now_s(), tuple(detections))
        self.sightings.see(scene, pose, CAMERA, self.scenes_seen)


def carry_out(skill: Skill, body: KinematicBody, limit_s: float = 900.0) -> Verdict:
    """Run a skill to its end; how it ended."""
    while True:
        try:
            order = next(skill)
        except StopIteration as stop:
            verdict = stop.value
            break
        body.obey(order)
        assert body.now_s() < limit_s, "the skill does not end"
    assert isinstance(verdict, Verdict)
    return verdict
