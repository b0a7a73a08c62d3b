"""The robot's hand on its lift: it reaches out, takes, carries and puts down.

No contact physics: the arm is where its plan says, and what is held rides along with it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from sage.values import Pose, wrap_angle
from sage.worlds.apartment import handling, robot
from sage.worlds.apartment.catalogue import OBJECT_HEIGHT_M, OBJECT_RADIUS_M
from sage.worlds.apartment.furnishing import PlacedObject
from sage.worlds.apartment.handling import GRIPPER
from sage.worlds.apartment.layout import Layout
from sage.worlds.apartment.scene import Scene

ACTION_S = 1.5
STOW_S = 0.8
STILL_M = 0.05
STILL_RAD = math.radians(15.0)
_FINGERTIP_M = 0.2
_LOWEST_M, _HIGHEST_M = 0.2, 1.15
_FARTHEST_M = 0.95
_TALL_ON_FLOOR_M = 0.1


@dataclass(frozen=True, slots=True)
class _Reach:
    """Where the hand is relative to the shoulder: height over the floor, reach, turn."""

    height_m: float = robot.STOWED_HEIGHT_M
    reach_m: float = robot.STOWED_REACH_M
    turn_rad: float = 0.0


@dataclass(frozen=True, slots=True)
class _Action:
    """A grasp or a place under way at a map point, begun at a time and a pose of the robot."""

    places: bool
    point: tuple[float, float]
    began_s: float
    pose: Pose
    goal: _Reach


class Gripper:
    """The hand of one robot. It is told the layout and gives back the changed one."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._model = scene.model
        self._link = self._model.geom("arm link").id
        self._action: _Action | None = None
        self._reach = _Reach()
        self._left_at = (-math.inf, _Reach())
        self._held: PlacedObject | None = None
        self.handled: set[str] = set()
        self._held_yaw_rad = 0.0

    @property
    def holding(self) -> str | None:
        """The name of what is held."""
        return None if self._held is None else self._held.name

    def carried(self, pose: Pose) -> tuple[float, float, float]:
        """Where the base of what is held is in the map, metres."""
        assert self._held is not None
        radius, height = OBJECT_RADIUS_M[self._held.name], OBJECT_HEIGHT_M[self._held.name]
        out = self._reach
        # At the fingertips while stretched out; stowed, in front of the chassis.
        ahead = max(out.reach_m - robot.STOWED_REACH_M, 0.0)
        away_m = _FINGERTIP_M + radius - robot.SHOULDER_M + ahead
        x = robot.SHOULDER_M + away_m * math.cos(out.turn_rad)
        y = away_m * math.sin(out.turn_rad)
        point = pose.point_at(math.atan2(y, x), math.hypot(x, y))
        return (*point, max(out.height_m - height / 2, 0.0))

    def grasp(self, layout: Layout, pose: Pose, now_s: float, point: tuple[float, float]) -> None:
        """Begin to reach for the object at a map point; nothing happens while something is held."""
        if self._held is not None:
            return
        thing = handling.within_grasp(layout, pose, point)
        height_m = 0.7 if thing is None else thing.z_m + OBJECT_HEIGHT_M[thing.name] / 2
        target = point if thing is None else (thing.x_m, thing.y_m)
        self._begin(False, point, pose, now_s, self._toward(pose, target, height_m))

    def place(self, layout: Layout, pose: Pose, now_s: float, point: tuple[float, float]) -> None:
        """Begin to put down what is held at a map point; nothing happens with an empty hand."""
        if self._held is None:
            return
        spot = handling.put_down(layout, pose, self._held, point)
        target = point if spot is None else (spot.x_m, spot.y_m)
        base_m = _TALL_ON_FLOOR_M if spot is None else spot.z_m
        height_m = base_m + OBJECT_HEIGHT_M[self._held.name] / 2
        self._begin(True, point, pose, now_s, self._toward(pose, target, height_m))

    def _begin(
        self, places: bool, point: tuple[float, float], pose: Pose, now_s: float, goal: _Reach
    ) -> None:
        self._left_at = (now_s, self._reach)
        self._action = _Action(places, point, now_s, pose, goal)

    def live(self, layout: Layout, pose: Pose, now_s: float) -> Layout:
        """Move the arm to where it is at this time; the layout, changed where a hand closed."""
        action = self._action
        if action is not None:
            moved_m = pose.distance_to(action.pose.x_m, action.pose.y_m)
            turned_rad = abs(wrap_angle(pose.yaw_rad - action.pose.yaw_rad))
            if moved_m > STILL_M or turned_rad > STILL_RAD:
                self._stow(now_s)
            elif now_s - action.began_s >= ACTION_S:
                layout = self._finish(action, layout, pose)
                self._stow(now_s)
        self._move(now_s)
        if self._held is not None:
            self._scene.carry(
                self._held.name, self.carried(pose), pose.yaw_rad + self._held_yaw_rad
            )
        return layout

    def _finish(self, action: _Action, layout: Layout, pose: Pose) -> Layout:
        self._reach = action.goal
        if action.places:
            assert self._held is not None
            spot = handling.put_down(layout, pose, self._held, action.point)
            if spot is None:
                return layout
            thing = replace(spot, yaw_rad=pose.yaw_rad + self._held_yaw_rad)
            self._held = None
        else:
            found = handling.within_grasp(layout, pose, action.point)
            if found is None:
                return layout
            self.handled.add(found.name)
            self._held_yaw_rad = wrap_angle(found.yaw_rad - pose.yaw_rad)
            room = layout.static_map.room_at(pose.x_m, pose.y_m) or found.room
            thing = self._held = replace(found, furniture=GRIPPER, room=room)
        objects = tuple(thing if o.name == thing.name else o for o in layout.objects)
        changed = replace(layout, objects=objects)
        self._scene.roam(f"object:{thing.name}", self._held is not None)
        self._scene.rearrange(changed)
        return changed

    def _stow(self, now_s: float) -> None:
        self._action = None
        self._left_at = (now_s, self._reach)

    def _stowed(self) -> _Reach:
        if self._held is None:
            return _Reach()
        # Low enough that the camera, which looks over it, does not see it.
        radius, height = OBJECT_RADIUS_M[self._held.name], OBJECT_HEIGHT_M[self._held.name]
        camera = robot.CAMERA
        slope = math.tan(camera.pitch_down_rad + camera.fov_y_rad / 2)
        top_m = camera.mount_height_m - slope * (_FINGERTIP_M + 2 * radius) - 0.03
        return _Reach(max(min(top_m - height / 2, robot.STOWED_HEIGHT_M), height / 2 + 0.03))

    def _toward(self, pose: Pose, point: tuple[float, float], height_m: float) -> _Reach:
        bearing, away_m = pose.bearing_to(*point), pose.distance_to(*point)
        x = away_m * math.cos(bearing) - robot.SHOULDER_M
        y = away_m * math.sin(bearing)
        reach_m = math.hypot(x, y) - robot.FINGER_AHEAD_M
        return _Reach(
            min(max(height_m, _LOWEST_M), _HIGHEST_M),
            min(max(reach_m, robot.STOWED_REACH_M), _FARTHEST_M),
            math.atan2(y, x),
        )

    def _move(self, now_s: float) -> None:
        """First up and around, then out; back the other way."""
        since_s, start = self._left_at
        action = self._action
        goal = self._stowed() if action is None else action.goal
        part = (now_s - since_s) / (STOW_S if action is None else ACTION_S)
        if part >= 1.0 and self._reach == goal:
            return
        early, late = _eased(part / 0.5), _eased((part - 0.4) / 0.6)
        if action is None:
            early, late = late, early
        self._reach = _Reach(
            start.height_m + early * (goal.height_m - start.height_m),
            start.reach_m + late * (goal.reach_m - start.reach_m),
            start.turn_rad + early * (goal.turn_rad - start.turn_rad),
        )
        if part >= 1.0:
            self._reach = goal
        self._show()

    def _show(self) -> None:
        """Put the arm's parts of the model where the hand is."""
        model, out = self._model, self._reach
        model.body("arm").pos[:] = robot.SHOULDER_M, 0.0, out.height_m
        half = out.turn_rad / 2
        turn = math.cos(half), 0.0, 0.0, math.sin(half)
        model.body("arm").quat[:] = turn
        model.body("hand").pos[0] = out.reach_m
        model.geom_size[self._link, 0] = model.geom_pos[self._link, 0] = out.reach_m / 2
        ahead_m = out.reach_m + robot.FINGER_AHEAD_M
        sin, cos = math.sin(out.turn_rad), math.cos(out.turn_rad)
        for side, sign in (("left", 1), ("right", -1)):
            beside_m = sign * robot.FINGER_SIDE_M
            finger = model.body(f"{side} finger")
            finger.pos[:] = (
                robot.SHOULDER_M + ahead_m * cos - beside_m * sin,
                ahead_m * sin + beside_m * cos,
                out.height_m,
            )
            finger.quat[:] = turn


def _eased(share: float) -> float:
    """From 0 to 1 with a gentle start and end."""
    share = min(max(share, 0.0), 1.0)
    return share * share * (3.0 - 2.0 * share)


__all__ = ["ACTION_S", "Gripper"]
