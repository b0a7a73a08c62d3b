"""The apartment alive: physics, the robot's senses, people who walk, and the record of contacts."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from sage.values import Odometry, Pose, RangeScan, Twist, wrap_angle
from sage.worlds.apartment import robot
from sage.worlds.apartment.changes import put
from sage.worlds.apartment.furnishing import PlacedObject
from sage.worlds.apartment.gripper import Gripper
from sage.worlds.apartment.layout import Layout
from sage.worlds.apartment.mjcf import SOLID_GROUP, TIMESTEP_S
from sage.worlds.apartment.people import People
from sage.worlds.apartment.scene import Scene
from sage.worlds.apartment.truth import (
    Collisions,
    FurnitureTruth,
    ObjectTruth,
    Truth,
)

BEAMS = 72
MAX_RANGE_M = 8.0
RANGE_NOISE_M = 0.01
DROPOUT = 0.005
COMMAND_LIFE_S = 0.5
_EPISODE_GAP_S = 0.5
_STEPS_PER_TICK = 2
TICK_S = _STEPS_PER_TICK * TIMESTEP_S
"""Contacts, people and the wheels' ramps are looked at once per tick."""


class Simulation:
    """A robot in the apartment of one seed. Time is its own and moves with ``step_to`` only."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.scene = Scene(layout)
        self._mujoco = self.scene.mujoco
        self._model, self._data = self.scene.model, self.scene.data
        self._rng = np.random.default_rng((layout.seed, 9001))
        common = self._rng.uniform(-0.007, 0.007)
        self._wheel_bias = 1.0 + common + self._rng.uniform(-0.003, 0.003, 2)
        self._target = Twist()
        self._commanded_s = -math.inf
        self._ramped = (0.0, 0.0)
        self._contacts = _Contacts(self.scene)
        self._gripper = Gripper(self.scene)
        self._said = ""
        self._people = People(self.scene)
        wheels = [self._model.joint(f"{side} wheel") for side in ("left", "right")]
        self._wheel_qpos = np.array([wheel.qposadr[0] for wheel in wheels])
        self._wheel_qvel = np.array([wheel.dofadr[0] for wheel in wheels])
        self._finger_ctrl = [
            self._model.actuator(f"{side} finger").id for side in ("left", "right")
        ]
        self._bearings = np.linspace(-math.pi, math.pi, BEAMS, endpoint=False)
        self._solid = np.zeros(6, dtype=np.uint8)
        self._solid[SOLID_GROUP] = 1
        # Let the wheels settle on the floor before anything is measured.
        self._mujoco.mj_step(self._model, self._data, 60)
        self._data.time = 0.0
        self._dead_reckoning = Pose(0.0, 0.0, 0.0)
        self._encoders = self._data.qpos[self._wheel_qpos].copy()

    @property
    def time_s(self) -> float:
        """Simulated seconds since the start."""
        return float(self._data.time)

    @property
    def pose(self) -> Pose:
        """Where the robot really is (for scoring and drawing only)."""
        x, y, _, w, i, j, k = self._data.qpos[:7]
        yaw = math.atan2(2 * (w * k + i * j), 1 - 2 * (j * j + k * k))
        return Pose(float(x), float(y), yaw)

    def drive(self, twist: Twist) -> Twist:
        """Take a new command, clipped to the base's limits; it lapses after half a second."""
        self._target = clip_twist(twist)
        self._commanded_s = self.time_s
        return self._target

    def grip(self, opening: float) -> None:
        """Move the fingers: 0 is closed, 1 is open."""
        self._data.ctrl[self._finger_ctrl] = min(max(opening, 0.0), 1.0) * robot.FINGER_TRAVEL_M

    def grasp(self, forward_m: float, left_m: float) -> None:
        """Reach for the object at a point of the robot's frame; it takes 1.5 s at a stand."""
        self._gripper.grasp(self.layout, self.pose, self.time_s, self._ahead(forward_m, left_m))

    def place(self, forward_m: float, left_m: float) -> None:
        """Put what is held down at a point of the robot's frame; it takes 1.5 s at a stand."""
        self._gripper.place(self.layout, self.pose, self.time_s, self._ahead(forward_m, left_m))

    def speak(self, text: str) -> None:
        """Say something aloud; the people around react to it."""
        self._said = text
        self._people.hear(text, self.layout, self.pose)

    def _ahead(self, forward_m: float, left_m: float) -> tuple[float, float]:
        bearing_rad = math.atan2(left_m, forward_m)
        return self.pose.point_at(bearing_rad, math.hypot(forward_m, left_m))

    def put(self, name: str, x_m: float, y_m: float) -> None:
        """Move an object or a piece of furniture now; ValueError where it cannot stand there."""
        people = self.layout.people
        now = replace(self.layout, people=self._people.whereabouts(people))
        self.layout = replace(put(now, name, x_m, y_m, self.pose), people=people)
        self.scene.rearrange(self.layout)

    def step_to(self, time_s: float) -> None:
        """Let the world live until ``time_s``, to the nearest physics step."""
        while True:
            steps = round((time_s - self.time_s) / TIMESTEP_S)
            if steps <= 0:
                return
            self._tick(min(steps, _STEPS_PER_TICK))

    def _tick(self, steps: int) -> None:
        dt = steps * TIMESTEP_S
        target = self._target
        if self.time_s - self._commanded_s > COMMAND_LIFE_S:
            target = Twist()
        v = _toward(self._ramped[0], target.linear_m_s, robot.MAX_LINEAR_ACCELERATION_M_S2 * dt)
        w = _toward(
            self._ramped[1], target.angular_rad_s, robot.MAX_ANGULAR_ACCELERATION_RAD_S2 * dt
        )
        self._ramped = (v, w)
        turn = 0.5 * w * robot.TRACK_M
        self._data.ctrl[:2] = (v - turn) / robot.WHEEL_RADIUS_M, (v + turn) / robot.WHEEL_RADIUS_M
        pose = self.pose
        self._people.live(dt, self.layout, pose)
        self.layout = self._gripper.live(self.layout, pose, self.time_s)
        self._mujoco.mj_step(self._model, self._data, steps)
        self._contacts.look(self._data)
        self._reckon()

    def _reckon(self) -> None:
        """Integrate the wheel encoders, each increment with its noise (about 2 %)."""
        now = self._data.qpos[self._wheel_qpos]
        turned = now - self._encoders
        self._encoders = now.copy()
        noise = self._wheel_bias + 0.02 * self._rng.standard_normal(2)
        left, right = turned * noise * robot.WHEEL_RADIUS_M
        old = self._dead_reckoning
        forward, turn = 0.5 * (left + right), (right - left) / robot.TRACK_M
        heading = old.yaw_rad + 0.5 * turn
        self._dead_reckoning = Pose(
            float(old.x_m + forward * math.cos(heading)),
            float(old.y_m + forward * math.sin(heading)),
            wrap_angle(float(old.yaw_rad + turn)),
        )

    def odometry(self) -> Odometry:
        """Dead reckoning since the start, in a frame that begins where the robot did."""
        left, right = self._data.qvel[self._wheel_qvel] * robot.WHEEL_RADIUS_M * self._wheel_bias
        return Odometry(
            pose=self._dead_reckoning,
            linear_m_s=float(0.5 * (left + right)),
            angular_rad_s=float((right - left) / robot.TRACK_M),
            bumper=self._contacts.touching,
            holding=self._gripper.holding is not None,
        )

    def scan(self) -> RangeScan:
        """One sweep at ankle height: 1 cm of noise, one beam in 200 lost to the full range."""
        exact = self.ranges()
        noisy = exact + RANGE_NOISE_M * self._rng.standard_normal(BEAMS)
        lost = (exact >= MAX_RANGE_M) | (self._rng.random(BEAMS) < DROPOUT)
        noisy = np.where(lost, MAX_RANGE_M, np.clip(noisy, 0.0, MAX_RANGE_M))
        return RangeScan(noisy, self._bearings, MAX_RANGE_M)

    def ranges(self) -> np.ndarray:
        """What a perfect range sensor would read (72,), metres."""
        pose = self.pose
        angles = self._bearings + pose.yaw_rad
        rays = np.stack([np.cos(angles), np.sin(angles), np.zeros(BEAMS)], axis=1)
        origin = np.array([pose.x_m, pose.y_m, robot.SCAN_HEIGHT_M])
        hit = np.full(BEAMS, -1, dtype=np.int32)
        distance = np.full(BEAMS, -1.0)
        self._mujoco.mj_multiRay(
            self._model, self._data, origin, rays.ravel(), self._solid, 1, -1,
            hit, distance, None, BEAMS, MAX_RANGE_M,
        )  # fmt: skip
        return np.where(hit < 0, MAX_RANGE_M, np.minimum(distance, MAX_RANGE_M))

    def truth(self) -> Truth:
        """Everything as it is now, for scoring."""
        pose = self.pose
        rooms = self.layout.static_map
        return Truth(
            time_s=self.time_s,
            robot=pose,
            room=rooms.room_at(pose.x_m, pose.y_m),
            furniture=tuple(
                FurnitureTruth(f.name, f.x_m, f.y_m, f.footprint, f.room)
                for f in self.layout.furniture
            ),
            objects=tuple(self._object(thing, pose) for thing in self.layout.objects),
            people=self._people.truths(self.layout),
            collisions=self._contacts.counted(),
            said=self._said,
        )

    def _object(self, thing: PlacedObject, robot_pose: Pose) -> ObjectTruth:
        x, y, z, room = thing.x_m, thing.y_m, thing.z_m, thing.room
        if thing.name == self._gripper.holding:
            x, y, z = self._gripper.carried(robot_pose)
            room = self.layout.static_map.room_at(x, y) or room
        handled = thing.name in self._gripper.handled
        return ObjectTruth(thing.name, x, y, z, thing.furniture, room, handled)

    def close(self) -> None:
        """Free the renderer."""
        self.scene.close()


def clip_twist(twist: Twist) -> Twist:
    """The nearest twist that the base can drive."""
    return Twist(
        min(max(twist.linear_m_s, -robot.MAX_LINEAR_M_S), robot.MAX_LINEAR_M_S),
        min(max(twist.angular_rad_s, -robot.MAX_ANGULAR_RAD_S), robot.MAX_ANGULAR_RAD_S),
    )


def _toward(value: float, target: float, most: float) -> float:
    return value + min(max(target - value, -most), most)


class _Contacts:
    """Counts episodes of contact between the robot and what stands around it."""

    def __init__(self, scene: Scene) -> None:
        model = scene.model
        self._what = {}
        for geom in range(model.ngeom):
            if model.geom_group[geom] != SOLID_GROUP or model.geom(geom).name == "ground":
                continue
            kind, _, name = model.body(int(model.geom_bodyid[geom])).name.partition(":")
            kind = kind if name else "wall"
            self._what[geom] = (kind, name or str(geom))
        self._last_s: dict[tuple[str, str], float] = {}
        self._counts = {"wall": 0, "furniture": 0, "person": 0}
        self.touching = False

    def look(self, data: object) -> None:
        """Take note of the contacts of this moment."""
        self.touching = False
        now = data.time  # type: ignore[attr-defined]
        for pair in data.contact.geom:  # type: ignore[attr-defined]
            for geom in (int(pair[0]), int(pair[1])):
                thing = self._what.get(geom)
                if thing is None:
                    continue
                self.touching = True
                if now - self._last_s.get(thing, -math.inf) >= _EPISODE_GAP_S:
                    self._counts[thing[0]] += 1
                self._last_s[thing] = now

    def counted(self) -> Collisions:
        """The episodes so far."""
        counts = self._counts
        return Collisions(counts["wall"], counts["furniture"], counts["person"])


__all__ = ["BEAMS", "MAX_RANGE_M", "TICK_S", "Simulation", "clip_twist"]
