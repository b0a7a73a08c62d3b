"""How a differential drive moves: its limits, many motions rolled out at once, and braking.

Motions are batches, time first: twists (T, K, 2) hold linear m/s and angular rad/s of K motions
over T steps, poses (T + 1, K, 3) hold x, y, yaw with the present first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from sage.irp.errors import ConfigError
from sage.navigation.grid import Float64Array
from sage.values import ActionPlan, Pose, Twist, wrap_angle

Real = TypeVar("Real", np.float32, np.float64)


@dataclass(frozen=True, slots=True)
class RobotLimits:
    """What the robot can do and how wide it is; reversing is kept slow, the camera looks ahead."""

    linear_m_s: float = 1.0
    reverse_m_s: float = 0.25
    angular_rad_s: float = 2.0
    linear_m_s2: float = 1.2
    angular_rad_s2: float = 4.0
    radius_m: float = 0.22

    def __post_init__(self) -> None:
        for name in ("linear_m_s", "angular_rad_s", "linear_m_s2", "angular_rad_s2", "radius_m"):
            value = getattr(self, name)
            if not 0.0 < value <= 20.0:
                raise ConfigError(f"{name} is {value}; valid: above 0, up to 20")
        if not 0.0 <= self.reverse_m_s <= self.linear_m_s:
            raise ConfigError(f"reverse_m_s is {self.reverse_m_s}; valid: 0 to {self.linear_m_s}")


def limit(
    wanted: npt.NDArray[Real], start: Twist, limits: RobotLimits, step_s: float
) -> npt.NDArray[Real]:
    """Twists (T, K, 2) nearest to the ``wanted`` ones, in order, that the robot can follow from
    ``start``: no faster than it may, no harder on the gas than it can."""
    dtype = wanted.dtype
    lowest = np.array([-limits.reverse_m_s, -limits.angular_rad_s], dtype=dtype)
    highest = np.array([limits.linear_m_s, limits.angular_rad_s], dtype=dtype)
    change = np.array([limits.linear_m_s2, limits.angular_rad_s2], dtype=dtype) * dtype.type(step_s)
    twists = np.clip(wanted, lowest, highest)
    before = np.empty(wanted.shape[1:], dtype=dtype)
    before[:] = (start.linear_m_s, start.angular_rad_s)
    for now in twists:
        np.maximum(now, before - change, out=now)
        np.minimum(now, before + change, out=now)
        before = now
    return twists


def roll_out(
    twists: npt.NDArray[Real], pose: Pose, start: Twist, step_s: float
) -> npt.NDArray[Real]:
    """Poses (T + 1, K, 3) of the motions ``twists`` (T, K, 2) from ``pose``.

    The base ramps from one twist to the next, so each step moves by the mean of both.
    """
    steps, count, _ = twists.shape
    dtype = twists.dtype
    mean = np.empty_like(twists)
    mean[0] = (start.linear_m_s, start.angular_rad_s)
    mean[1:] = twists[:-1]
    mean += twists
    mean *= dtype.type(0.5 * step_s)
    poses = np.empty((steps + 1, count, 3), dtype=dtype)
    poses[0] = (pose.x_m, pose.y_m, pose.yaw_rad)
    turned = mean[:, :, 1]
    yaw = np.cumsum(turned, axis=0)
    yaw += dtype.type(pose.yaw_rad)
    poses[1:, :, 2] = yaw
    yaw -= turned * dtype.type(0.5)
    for axis, part in ((0, np.cos(yaw)), (1, np.sin(yaw))):
        part *= mean[:, :, 0]
        np.cumsum(part, axis=0, out=poses[1:, :, axis])
        poses[1:, :, axis] += poses[0, 0, axis]
    return poses


def braking_variants(
    twists: Float64Array, start: Twist, limits: RobotLimits, step_s: float
) -> Float64Array:
    """The plan ``twists`` (T, 2) in T + 1 variants (T + B, T + 1, 2): variant k follows it for k
    steps, then brakes as hard as it may; B steps bring any speed to a stop."""
    steps = len(twists)
    tail = int(
        np.ceil(
            max(
                limits.linear_m_s / (limits.linear_m_s2 * step_s),
                limits.angular_rad_s / (limits.angular_rad_s2 * step_s),
            )
        )
    )
    known = np.vstack([(start.linear_m_s, start.angular_rad_s), twists])
    time = np.arange(steps + tail)[:, None]
    kept = np.arange(steps + 1)[None, :]
    last = known[kept[0]][None]
    change = np.array([limits.linear_m_s2, limits.angular_rad_s2]) * step_s
    slower = np.maximum(np.abs(last) - (time - kept + 1)[:, :, None] * change, 0.0)
    braking = np.copysign(slower, last)
    following = known[np.minimum(time + 1, steps)[:, 0]][:, None, :]
    return np.where((time < kept)[:, :, None], following, braking)


def advance(pose: Pose, linear_m_s: float, angular_rad_s: float, time_s: float) -> Pose:
    """The pose after driving a constant twist for ``time_s`` (midpoint rule)."""
    half = pose.yaw_rad + 0.5 * angular_rad_s * time_s
    return Pose(
        pose.x_m + linear_m_s * time_s * math.cos(half),
        pose.y_m + linear_m_s * time_s * math.sin(half),
        wrap_angle(pose.yaw_rad + angular_rad_s * time_s),
    )


def predict(
    pose: Pose,
    twist: Twist,
    ahead_s: float,
    limits: RobotLimits,
    plan: ActionPlan | None = None,
    elapsed_s: float = 0.0,
) -> tuple[Pose, Twist]:
    """Pose and twist ``ahead_s`` from now, while ``plan``, begun ``elapsed_s`` ago, goes on;
    without one the twist stays as it is."""
    step_s = 0.02
    for step in range(round(ahead_s / step_s)):
        wanted = twist if plan is None else twist_at(plan, elapsed_s + step * step_s)
        change = limits.linear_m_s2 * step_s, limits.angular_rad_s2 * step_s
        linear = wanted.linear_m_s - twist.linear_m_s
        angular = wanted.angular_rad_s - twist.angular_rad_s
        twist = Twist(
            twist.linear_m_s + min(max(linear, -change[0]), change[0]),
            twist.angular_rad_s + min(max(angular, -change[1]), change[1]),
        )
        pose = advance(pose, twist.linear_m_s, twist.angular_rad_s, step_s)
    return pose, twist


def twist_at(plan: ActionPlan, elapsed_s: float = 0.0) -> Twist:
    """The twist that a plan asks for ``elapsed_s`` after its start; past its end, a stop."""
    index = int(elapsed_s / plan.step_s)
    if not 0 <= index < len(plan.twists):
        return Twist()
    return Twist(float(plan.twists[index, 0]), float(plan.twists[index, 1]))
