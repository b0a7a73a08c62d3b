"""A person who was spoken to: how they follow the robot, lead it, and make way for it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sage.values import Pose, wrap_angle
from sage.worlds.apartment.floor import SQUEEZING, WALKING, Disc, Floor, Point, in_sight
from sage.worlds.apartment.layout import Layout
from sage.worlds.apartment.scene import Scene
from sage.worlds.apartment.truth import Activity

FOLLOW_M_S = 0.6
FOLLOW_FROM_M = 0.9
LEAD_M_S = 0.5
LEAD_WAITS_M = 2.5
KEEP_OFF_ROBOT_M = 0.6
KEEP_OFF_PEOPLE_M = 0.45
PATIENCE_S = 60.0
_SETS_OFF_M = 1.05
_CLOSE_BEHIND_M = 1.6  # so near, a robot out of sight is just coming around the corner
_THROUGH_DOOR_M = 0.7  # nobody stays in the door when the robot has just come in
_THINKS_S = 0.2
_REPLANS_S = 1.5
_SQUEEZES_AFTER_S = 3.0
_SQUEEZED_M = 0.45
_TURNS_RAD_S = 4.0
_MARGIN_M = 0.14  # of the distances above: less than what a route keeps by itself
_ASIDE_M = (0.3, 0.5, 0.7, 1.0, 1.3)
_DETOUR = 0.1
_AWAY = 0.25
_MAKES_WAY_M = 1.0
_LETS_PASS_S = 1.5
_TOO_CLOSE_M = 0.55
_APPROACHES_M_S = 0.1
_AHEAD_RAD = math.radians(50.0)


@dataclass(frozen=True, slots=True)
class Around:
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


class Guided:
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
        self._aside = False
        self._was_away_m = math.inf

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

    def step_aside(self, floor: Floor, around: Around) -> None:
        """Make way: to free floor nearby that lies out of the robot's path."""
        here, robot = self._here, around.robot
        best, chosen = self._out_of_the_way(here, robot), here
        least_m = min(robot.distance_to(*here), KEEP_OFF_ROBOT_M) - 0.02
        for angle in np.linspace(0.0, math.tau, 16, endpoint=False):
            for step_m in _ASIDE_M:
                there = here[0] + step_m * math.cos(angle), here[1] + step_m * math.sin(angle)
                good = self._out_of_the_way(there, robot) - _DETOUR * step_m
                way = np.linspace(here, there, 6)
                kept_m = np.hypot(way[:, 0] - robot.x_m, way[:, 1] - robot.y_m).min()
                if good > best and kept_m > least_m and floor.clear(around.layout, here, there):
                    best, chosen = good, there
        if chosen != here:
            self._path, self._aside = [chosen], True

    @staticmethod
    def _out_of_the_way(point: Point, robot: Pose) -> float:
        """How good a place is: metres beside where the robot is going, one is as good as more;
        where there is no room beside, farther ahead of the robot is better than near."""
        away_m, bearing = robot.distance_to(*point), robot.bearing_to(*point)
        beside_m = away_m * abs(math.sin(bearing)) if math.cos(bearing) > 0.0 else away_m
        return min(beside_m, 1.0) + _AWAY * min(away_m, 2.0)

    def _set_out(self, activity: Activity, room: str | None) -> None:
        self.activity, self.led_to = activity, room
        self._path, self._goal, self._waits, self._aside = [], None, True, False
        self._thinks_s = self._replans_s = self._stood_s = self._squeezes_s = 0.0

    def walk(self, dt_s: float, floor: Floor, around: Around) -> None:
        """Move on by ``dt_s``."""
        think: dict[Activity, Callable[[Floor, Around], None]] = {
            "following": self._think_following,
            "leading": self._think_leading,
        }
        if self._aside:
            self._aside = self._step(FOLLOW_M_S * dt_s, dt_s, around)
            self._thinks_s = _LETS_PASS_S
            return
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

    def _think_following(self, floor: Floor, around: Around) -> None:
        robot = (around.robot.x_m, around.robot.y_m)
        enough_m = _SETS_OFF_M if self._waits else FOLLOW_FROM_M
        room_at = around.layout.static_map.room_at
        if room_at(*self._here) != room_at(*robot):
            enough_m = _THROUGH_DOOR_M
        away_m = math.dist(self._here, robot)
        comes = self._was_away_m - away_m > _APPROACHES_M_S * _THINKS_S
        self._was_away_m = away_m
        ahead = abs(around.robot.bearing_to(*self._here)) < _AHEAD_RAD
        if self._waits and (away_m < _TOO_CLOSE_M or (comes and ahead and away_m < _MAKES_WAY_M)):
            self.step_aside(floor, around)
            return
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

    def _think_leading(self, floor: Floor, around: Around) -> None:
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

    def _plan_lead(self, floor: Floor, around: Around) -> None:
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

    def _step(self, length_m: float, dt_s: float, around: Around) -> bool:
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


__all__ = ["Around", "Guided"]
