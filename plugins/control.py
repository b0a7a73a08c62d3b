"""Driving: model predictive path integral control for the differential drive.

Each refinement step is one MPPI iteration (Williams et al. 2017): sample motions around the plan,
weigh them by their cost, average. What comes out is made feasible, and the better of it and the
plan before it is kept, so that every intermediate answer can be driven as it stands.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from sage.irp import Context, HaltPolicy, HaltReason, Invariants, IRPPlugin
from sage.irp.errors import ConfigError
from sage.navigation.grid import Float64Array
from sage.navigation.motion import braking_variants, limit, roll_out
from sage.navigation.task import ControlTask
from sage.values import ActionPlan

Batch = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ControlConfig:
    """How plans are searched and judged. Costs are in metres of delay.

    ``samples`` motions of ``steps`` steps of ``step_s`` each; their noise has the standard
    deviations ``noise_linear_m_s`` and ``noise_angular_rad_s`` at first and shrinks by
    ``noise_decay`` per iteration; the weight falls by e-fold twice up to the ``elite``-th best
    motion; the ``judged`` most promising are made feasible. ``margin_m`` is kept from every
    obstacle, whatever the cost; nearer than ``comfort_m`` (from the robot's rim) being fast costs.
    """

    samples: int = 256
    steps: int = 25
    step_s: float = 0.1
    knots: int = 5
    noise_linear_m_s: float = 0.35
    noise_angular_rad_s: float = 0.9
    noise_decay: float = 0.85
    elite: int = 12
    judged: int = 3
    margin_m: float = 0.03
    comfort_m: float = 0.22
    weight_end: float = 1.0
    weight_near: float = 1.0
    weight_yaw: float = 0.4
    weight_crowding: float = 6.0
    weight_reverse: float = 0.6
    weight_smooth: float = 0.02
    weight_collision: float = 60.0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("samples", 16, 8192),
            ("steps", 5, 200),
            ("step_s", 0.02, 0.5),
            ("knots", 2, 50),
            ("noise_linear_m_s", 0.001, 10.0),
            ("noise_angular_rad_s", 0.001, 30.0),
            ("noise_decay", 0.3, 1.0),
            ("elite", 1, 1000),
            ("judged", 1, 100),
            ("margin_m", 0.0, 0.3),
            ("comfort_m", 0.0, 5.0),
            ("weight_end", 0.0, 1000.0),
            ("weight_near", 0.0, 1000.0),
            ("weight_yaw", 0.0, 1000.0),
            ("weight_crowding", 0.0, 1000.0),
            ("weight_reverse", 0.0, 1000.0),
            ("weight_smooth", 0.0, 1000.0),
            ("weight_collision", 0.0, 10000.0),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"control.{name} is {value}; valid: {low} to {high}")
        if self.elite >= self.samples:
            raise ConfigError(
                f"control.elite is {self.elite}; valid: 1 to samples - 1 ({self.samples - 1})"
            )
        if self.knots > self.steps:
            raise ConfigError(f"control.knots is {self.knots}; valid: 2 to steps ({self.steps})")


@dataclass(frozen=True)
class ControlState:
    """A feasible plan, and the motions (T, C, 2) proposed since that `project` has yet to judge.

    ``cost`` is the plan's cost less ``floor``, what a robot that drove straight down the cost to
    go at full speed would have to pay. ``quiet`` counts steps that left the near future alone.
    """

    task: ControlTask
    iteration: int
    plan: ActionPlan
    cost: float
    floor: float
    proposals: Float64Array | None = None


class ControlPlugin(IRPPlugin[ControlState, ActionPlan]):
    """Refines an `ActionPlan` for a `ControlTask`."""

    name: ClassVar[str] = "control"
    invariants: ClassVar[Invariants] = Invariants(
        state_space="sequences of base twists within speed and acceleration limits",
        noise_model="Gaussian twists at knots, interpolated; counter-based, keyed by the task",
        energy="metres of delay against driving down the cost to go at full speed, plus penalties "
        "for crowding, wrong heading and jerk",
        coherence="turns a goal of the skills into wheel motion, given pose and obstacles",
    )
    halting = HaltPolicy(max_steps=12, slope_eps=0.005, window=3)

    def __init__(self, config: ControlConfig | None = None) -> None:
        self.config = config or ControlConfig()

    def init_state(self, observation: ControlTask, context: Context) -> ControlState:
        """The best of standing still, the previous plan gone on, and following the slope."""
        task = observation
        config = self.config
        limits, step_s = task.limits, config.step_s
        wanted = [np.zeros((config.steps, 1, 2)), _slope_following(task, config)]
        if task.previous is not None:
            wanted.append(_shifted(task.previous, task, config)[:, None])
        proposals = limit(np.concatenate(wanted, axis=1), task.twist, limits, step_s)
        still, cost, safe, clearance, poses = _feasible(proposals[:, 0], task, config)
        plan = ActionPlan(still, poses, step_s, clearance, safe)
        state = ControlState(task, 0, plan, cost, _floor(task, config), proposals)
        return self.project(replace(state, cost=cost - state.floor))

    def step(self, state: ControlState) -> ControlState:
        """One MPPI iteration: propose the weighted mean of the sampled motions, and the best."""
        task, config = state.task, self.config
        sampled = _samples(state, config)
        poses = roll_out(sampled, task.pose, task.twist, config.step_s)
        costs = _costs(sampled, poses, task, config)
        best = int(np.argmin(costs))
        excess = costs - costs[best]
        scale = max(float(np.partition(excess, config.elite)[config.elite]), 1e-6)
        weights = np.exp(-2.0 * excess / scale)
        weights /= weights.sum()
        mean = np.tensordot(sampled, weights, axes=([1], [0]))
        proposals = np.stack([mean, sampled[:, best]], axis=1).astype(np.float64)
        return replace(state, iteration=state.iteration + 1, proposals=proposals)

    def project(self, state: ControlState) -> ControlState:
        """Make the proposals feasible, and keep the best of them and the plan."""
        if state.proposals is None:
            return state
        task, config = state.task, self.config
        plan, cost = state.plan, state.cost
        drivable = limit(state.proposals, task.twist, task.limits, config.step_s)
        poses = roll_out(drivable, task.pose, task.twist, config.step_s)
        promise = np.argsort(_costs(drivable, poses, task, config), kind="stable")
        for index in promise[: config.judged]:
            twists, raw, safe, clearance, poses = _feasible(drivable[:, index], task, config)
            if raw - state.floor < cost:
                cost = raw - state.floor
                plan = ActionPlan(twists, poses, config.step_s, clearance, safe)
        return replace(state, plan=plan, cost=cost, proposals=None)

    def energy(self, state: ControlState) -> float:
        """The cost of the plan, in metres of delay."""
        return state.cost

    def settled(self, previous: ControlState, state: ControlState) -> HaltReason | None:
        """STABLE once an iteration leaves the plan as good as it was for the near future."""
        near = max(1, round(0.4 / self.config.step_s))
        if previous.iteration == 0 or state.plan is previous.plan:
            return None
        change = np.abs(state.plan.twists[:near] - previous.plan.twists[:near]).max(axis=0)
        small = change[0] < 0.01 and change[1] < 0.02
        return HaltReason.STABLE if small and previous.cost - state.cost < 0.01 else None

    def result(self, state: ControlState) -> ActionPlan:
        """The plan."""
        return state.plan

    def verify(self, result: ActionPlan) -> bool:
        """Whether the plan keeps its limits and its clearance."""
        return result.safe


def _samples(state: ControlState, config: ControlConfig) -> Batch:
    """Motions (T, K, 2) that the robot can drive: noise around the plan, and at first a fan of
    steady turns, so that no plan is missed because the present one is far from it."""
    task = state.task
    noise = np.random.Generator(
        np.random.Philox(key=task.seed & 0xFFFFFFFFFFFFFFFF, counter=[state.iteration, 0, 0, 0])
    ).standard_normal((config.knots, config.samples, 2), dtype=np.float32)
    shrink = config.noise_decay**state.iteration
    noise *= np.array(
        [config.noise_linear_m_s * shrink, config.noise_angular_rad_s * shrink], dtype=np.float32
    )
    # A quarter searches closely: the last metres need finer motions than the open floor.
    noise[:, : config.samples // 4] *= 0.25
    spread = _interpolation(config.steps, config.knots)
    wanted = (spread @ noise.reshape(config.knots, -1)).reshape(config.steps, -1, 2)
    wanted += state.plan.twists.astype(np.float32)[:, None]
    if state.iteration == 0:
        fan = _fan(config.steps, task.limits.linear_m_s, task.limits.angular_rad_s)
        count = min(fan.shape[1], config.samples // 2)
        wanted[:, -count:] = fan[:, :: max(1, fan.shape[1] // count)][:, :count]
    return limit(wanted, task.twist, task.limits, config.step_s)


@lru_cache(maxsize=8)
def _interpolation(steps: int, knots: int) -> Batch:
    """Linear interpolation (steps, knots) from evenly spaced knots."""
    at = np.linspace(0.0, knots - 1.0, steps)
    return np.maximum(1.0 - np.abs(at[:, None] - np.arange(knots)[None]), 0.0).astype(np.float32)


@lru_cache(maxsize=8)
def _fan(steps: int, linear_m_s: float, angular_rad_s: float) -> Batch:
    """Steady motions (steps, 63, 2): speeds from standing to full, turns from right to left."""
    speed, turn = np.meshgrid(
        np.linspace(0.0, linear_m_s, 7), np.linspace(-0.8, 0.8, 9) * angular_rad_s
    )
    motions = np.stack([speed.ravel(), turn.ravel()], axis=-1).astype(np.float32)
    return np.repeat(motions[None], steps, axis=0)


def _shifted(previous: ActionPlan, task: ControlTask, config: ControlConfig) -> Float64Array:
    """The previous plan (T, 2) from ``task.start_s`` on; its last twist fades out at the end."""
    past = (task.start_s - task.previous_start_s) / previous.step_s
    at = past + np.arange(config.steps) * (config.step_s / previous.step_s)
    index = np.arange(len(previous.twists))
    columns = [
        np.interp(at, index, previous.twists[:, axis], right=0.0 if axis else None)
        for axis in range(2)
    ]
    return np.stack(columns, axis=-1)


def _slope_following(task: ControlTask, config: ControlConfig) -> Float64Array:
    """Motions (T, C, 2) of robots that steer down the cost to go: turn towards its lowest point a
    little ahead, the slower the more it lies aside, and slow down for the goal."""
    limits = task.limits
    ahead_m = np.repeat(np.array([0.25, 0.5]), 3)
    top_m_s = np.tile(np.array([0.4, 0.7, 1.0]), 2) * limits.linear_m_s
    count = ahead_m.size
    circle = np.linspace(-np.pi, np.pi, 24, endpoint=False)
    ring_x = ahead_m[:, None] * np.cos(circle)
    ring_y = ahead_m[:, None] * np.sin(circle)
    x_m, y_m, yaw = (
        np.full(count, value) for value in (task.pose.x_m, task.pose.y_m, task.pose.yaw_rad)
    )
    twists = np.zeros((config.steps, count, 2))
    before = np.tile([task.twist.linear_m_s, task.twist.angular_rad_s], (count, 1))
    change = np.array([limits.linear_m_s2, limits.angular_rad_s2]) * config.step_s
    goal_x, goal_y = task.goal
    for step in range(config.steps):
        cost = task.to_go.frame.sample(
            task.to_go.cost_m, x_m[:, None] + ring_x, y_m[:, None] + ring_y
        )
        heading = circle[np.argmin(cost, axis=1)]
        left_m = np.hypot(goal_x - x_m, goal_y - y_m)
        direct = np.arctan2(goal_y - y_m, goal_x - x_m)
        heading = np.where(left_m < 1.2 * ahead_m, direct, heading)
        arrived = left_m < 0.4 * task.tolerance_m
        if task.goal_yaw_rad is not None:
            heading = np.where(arrived, task.goal_yaw_rad, heading)
        error = np.remainder(heading - yaw + np.pi, 2.0 * np.pi) - np.pi
        speed = top_m_s * np.maximum(np.cos(error), 0.0) ** 4
        speed = np.minimum(speed, np.sqrt(1.2 * limits.linear_m_s2 * left_m))
        speed = np.where(arrived, 0.0, speed)
        turn = 2.5 * error
        if task.goal_yaw_rad is None:
            turn = np.where(arrived, 0.0, turn)
        now = np.clip(np.stack([speed, turn], axis=-1), before - change, before + change)
        now[:, 1] = np.clip(now[:, 1], -limits.angular_rad_s, limits.angular_rad_s)
        twists[step] = now
        mean = 0.5 * (before + now) * config.step_s
        middle = yaw + 0.5 * mean[:, 1]
        x_m = x_m + mean[:, 0] * np.cos(middle)
        y_m = y_m + mean[:, 0] * np.sin(middle)
        yaw = yaw + mean[:, 1]
        before = now
    return twists


def _feasible(
    twists: Float64Array, task: ControlTask, config: ControlConfig
) -> tuple[Float64Array, float, bool, float, Float64Array]:
    """(twists, cost, safe, clearance, poses) of the plan (T, 2), cut short by braking where it
    would come too near to something, or could not stop in time after its end.

    Where not even braking at once keeps clear, the gentlest of these motions, marked unsafe. A
    robot that already stands too near may only come away.
    """
    variants = braking_variants(twists, task.twist, task.limits, config.step_s)
    poses = roll_out(variants, task.pose, task.twist, config.step_s)
    clearance = _clearance(poses, task)
    rim = task.limits.radius_m + config.margin_m
    kept = np.minimum(rim, clearance[0] - 0.01)
    clear = (clearance >= kept).all(axis=0)
    safe = bool(clear.any())
    lowest = clearance.min(axis=0)
    chosen = int(np.flatnonzero(clear)[-1]) if safe else int(np.argmax(lowest))
    steps = config.steps
    plan = variants[:steps, chosen]
    path = poses[: steps + 1, chosen : chosen + 1]
    cost = float(_costs(plan[:, None], path, task, config)[0])
    if not safe:
        cost += config.weight_collision * (1.0 + rim - float(lowest[chosen]))
    return plan, cost, safe, float(lowest[chosen]), path[:, 0]


def _clearance(poses: npt.NDArray[np.floating], task: ControlTask) -> Batch:
    """Distance (T + 1, K) from the robot's centre to the nearest obstacle."""
    costmap = task.costmap
    return costmap.frame.sample(costmap.clearance_m, poses[:, :, 0], poses[:, :, 1])


def _costs(
    twists: npt.NDArray[np.floating],
    poses: npt.NDArray[np.floating],
    task: ControlTask,
    config: ControlConfig,
) -> npt.NDArray[np.floating]:
    """Cost (K,) in metres of the motions: delay, crowding, wrong heading, reversing, jerk."""
    limits = task.limits
    after = poses[1:]
    x_m, y_m = after[:, :, 0], after[:, :, 1]
    to_go = task.to_go.frame.sample(task.to_go.cost_m, x_m, y_m)
    cost = to_go.mean(axis=0) + config.weight_end * to_go[-1]
    goal_m = np.hypot(x_m - np.float32(task.goal[0]), y_m - np.float32(task.goal[1]))
    cost += config.weight_near * np.minimum(goal_m, 0.5).mean(axis=0)
    if task.goal_yaw_rad is not None:
        close = np.maximum(1.0 - goal_m / np.float32(2.0 * task.tolerance_m), 0.0)
        wrong = 1.0 - np.cos(after[:, :, 2] - np.float32(task.goal_yaw_rad))
        cost += config.weight_yaw * (close * wrong).mean(axis=0)
    clearance = _clearance(poses, task)
    rim = limits.radius_m + config.margin_m
    kept = np.minimum(rim, clearance[0] - 0.01)
    cost += config.weight_collision * np.maximum(kept - clearance[1:], 0.0).max(axis=0)
    cost += np.where((clearance[1:] < kept).any(axis=0), config.weight_collision, 0.0)
    speed = twists[:, :, 0]
    tight = np.maximum(np.float32(limits.radius_m + config.comfort_m) - clearance[1:], 0.0)
    cost += config.weight_crowding * (tight * np.square(speed)).mean(axis=0)
    cost += config.weight_reverse * np.maximum(-speed, 0.0).mean(axis=0)
    change = np.diff(twists, axis=0)
    change *= np.array([1.0 / limits.linear_m_s2, 1.0 / limits.angular_rad_s2], change.dtype) / (
        change.dtype.type(config.step_s)
    )
    cost += config.weight_smooth * np.square(change).sum(axis=2).mean(axis=0)
    return cost


def _floor(task: ControlTask, config: ControlConfig) -> float:
    """What driving down the cost to go at full speed from the first moment would cost."""
    time_s = (np.arange(config.steps) + 1) * config.step_s
    start_m = task.to_go.at(task.pose.x_m, task.pose.y_m)
    left_m = np.maximum(start_m - task.limits.linear_m_s * time_s, 0.0)
    near = np.minimum(np.maximum(task.distance_m - task.limits.linear_m_s * time_s, 0.0), 0.5)
    return float(left_m.mean() + config.weight_end * left_m[-1] + config.weight_near * near.mean())
