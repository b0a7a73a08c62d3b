"""Control: every intermediate answer can be driven, refinement helps, nothing is touched."""

from __future__ import annotations

import math
from dataclasses import Field, fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plugins.control import ControlConfig, ControlPlugin, ControlState
from sage.irp import NO_CONTEXT, HaltPolicy, check_plugin, refine
from sage.irp.errors import ConfigError
from sage.navigation.grid import Costmap, GridFrame, Rectangle, wall_distance
from sage.navigation.motion import twist_at
from sage.navigation.navigator import Navigator
from sage.navigation.route import distance_map
from sage.navigation.task import ControlTask
from sage.values import ActionPlan, Pose, Twist, wrap_angle
from tests.navigation.flat_world import FlatWorld, Walker, two_rooms

SIX_STEPS = HaltPolicy(max_steps=6, slope_eps=0.0, window=6)


def _task(
    pose: Pose,
    goal: tuple[float, float],
    twist: Twist | None = None,
    furniture: tuple[Rectangle, ...] = (),
    **more: object,
) -> ControlTask:
    flat = two_rooms()
    frame = GridFrame.around(flat.bounds)
    costmap = Costmap(frame, wall_distance(frame, [*flat.walls, *furniture], flat.bounds))
    return ControlTask(
        0.0, 0.0, pose, twist or Twist(), distance_map(costmap, goal), costmap, **more
    )  # type: ignore[arg-type]


TASKS = (
    _task(Pose(1.0, 1.0, 0.0), (7.0, 3.0)),
    _task(Pose(1.0, 1.0, math.pi), (3.0, 3.0), Twist(0.5, 0.2), seed=3),
    _task(Pose(2.0, 2.0, 0.5), (2.0, 2.0), goal_yaw_rad=-2.0, seed=9),
)


def _assert_drivable(plan: ActionPlan, task: ControlTask) -> None:
    limits = task.limits
    assert np.isfinite(plan.twists).all()
    assert np.isfinite(plan.poses).all()
    assert plan.poses.shape == (len(plan.twists) + 1, 3)
    start = np.array([[task.twist.linear_m_s, task.twist.angular_rad_s]])
    change = np.abs(np.diff(np.concatenate([start, plan.twists]), axis=0)).max(axis=0)
    assert change[0] <= limits.linear_m_s2 * plan.step_s + 1e-6
    assert change[1] <= limits.angular_rad_s2 * plan.step_s + 1e-6
    assert np.abs(plan.twists[:, 0]).max() <= limits.linear_m_s + 1e-6
    assert np.abs(plan.twists[:, 1]).max() <= limits.angular_rad_s + 1e-6
    np.testing.assert_allclose(
        plan.poses[0], [task.pose.x_m, task.pose.y_m, task.pose.yaw_rad], atol=1e-6
    )


def test_it_keeps_the_contract() -> None:
    check_plugin(ControlPlugin, TASKS)


@settings(max_examples=40)
@given(
    st.floats(0.3, 7.7),
    st.floats(0.3, 3.7),
    st.floats(-3.1, 3.1),
    st.floats(-0.2, 1.0),
    st.floats(-2.0, 2.0),
    st.integers(0, 99),
)
def test_every_intermediate_answer_can_be_driven(
    x_m: float, y_m: float, yaw: float, linear: float, angular: float, seed: int
) -> None:
    table = (5.4, 1.6, 6.4, 2.3)
    task = _task(Pose(x_m, y_m, yaw), (7.0, 3.0), Twist(linear, angular), (table,), seed=seed)
    plugin = ControlPlugin()
    state = plugin.init_state(task, NO_CONTEXT)
    rim = task.limits.radius_m + plugin.config.margin_m
    here = float(task.costmap.clearance(np.array([[x_m, y_m]]))[0])
    for _ in range(3):
        plan = plugin.result(state)
        _assert_drivable(plan, task)
        if plan.safe:
            clearance = task.costmap.clearance(plan.poses[:, :2]).min()
            assert clearance >= min(rim, here - 0.01) - 1e-3
        state = plugin.project(plugin.step(state))


def test_refinement_beats_the_first_step_and_never_gets_worse() -> None:
    rng = np.random.default_rng(0)
    first = last = 0.0
    for seed in range(12):
        pose = Pose(float(rng.uniform(0.6, 3.4)), float(rng.uniform(0.6, 3.4)), rng.uniform(-3, 3))
        task = _task(pose, (7.0, float(rng.uniform(0.6, 3.4))), seed=seed)
        policy = HaltPolicy(max_steps=10, slope_eps=0.0, window=10)
        energies = refine(ControlPlugin(), task, policy=policy).trajectory.energies
        assert list(energies) == sorted(energies, reverse=True)
        first += energies[0]
        last += energies[-1]
    assert last < 0.95 * first


def test_the_previous_plan_is_gone_on_with() -> None:
    task = TASKS[0]
    plan = refine(ControlPlugin(), task, policy=SIX_STEPS).result
    assert plan is not None
    x_m, y_m, yaw = plan.poses[2]
    later = replace(
        task,
        start_s=0.2,
        pose=Pose(float(x_m), float(y_m), float(yaw)),
        twist=Twist(*map(float, plan.twists[1])),
    )
    cold = ControlPlugin().init_state(later, NO_CONTEXT)
    warm = ControlPlugin().init_state(
        replace(later, previous=plan, previous_start_s=0.0), NO_CONTEXT
    )
    assert warm.cost <= cold.cost + 1e-9
    np.testing.assert_allclose(warm.plan.twists[:20], plan.twists[2:22], atol=0.05)


def test_a_goal_behind_is_turned_to_first() -> None:
    plan = refine(ControlPlugin(), _task(Pose(3.0, 2.0, 0.0), (1.0, 2.0)), policy=SIX_STEPS).result
    assert plan is not None
    assert abs(plan.poses[-1, 2]) > 2.0
    assert plan.poses[-1, 0] < 3.0


def test_at_the_goal_it_stands_and_turns_to_the_wanted_heading() -> None:
    still = refine(ControlPlugin(), _task(Pose(2.0, 2.0, 0.0), (2.0, 2.0)), policy=SIX_STEPS).result
    assert still is not None
    assert np.hypot(*(still.poses[-1, :2] - [2.0, 2.0])) < 0.05
    turned = refine(ControlPlugin(), TASKS[2], policy=SIX_STEPS).result
    assert turned is not None
    assert abs(wrap_angle(float(turned.poses[-1, 2]) + 2.0)) < 0.2


def test_too_late_to_stop_is_braking_and_not_safe() -> None:
    task = _task(Pose(3.35, 0.7, 0.0), (7.0, 2.0), Twist(1.0, 0.0))
    plan = refine(ControlPlugin(), task, policy=SIX_STEPS).result
    assert plan is not None
    assert not plan.safe
    assert plan.twists[0, 0] == pytest.approx(0.88)
    assert plan.twists[9, 0] == pytest.approx(0.0)
    _assert_drivable(plan, task)


def test_shut_in_it_stands_still_safely() -> None:
    wall = ((1.3, 0.0, 1.4, 4.0), (0.6, 1.3, 1.4, 1.4))
    task = _task(Pose(0.9, 0.9, 0.3), (7.0, 2.0), furniture=wall)
    plan = refine(ControlPlugin(), task, policy=SIX_STEPS).result
    assert plan is not None
    assert plan.safe
    assert np.abs(plan.poses[:, :2] - [0.9, 0.9]).max() < 0.4


def test_a_robot_that_stands_too_near_comes_away() -> None:
    task = _task(Pose(0.21, 2.0, 1.5), (2.0, 2.0))
    plan = refine(ControlPlugin(), task, policy=SIX_STEPS).result
    assert plan is not None
    assert plan.safe
    assert plan.poses[-1, 0] > 0.5


def test_a_plan_can_stop_after_its_end() -> None:
    """Whatever the horizon cuts off, braking after the last twist keeps clear too."""
    config = ControlConfig(steps=8, knots=4)
    task = _task(Pose(1.0, 0.6, 0.0), (3.2, 0.6), Twist(0.9, 0.0), ((2.6, 0.0, 2.8, 2.0),))
    plugin = ControlPlugin(config)
    state: ControlState = plugin.init_state(task, NO_CONTEXT)
    for _ in range(5):
        state = plugin.project(plugin.step(state))
    speed, end = state.plan.twists[-1, 0], state.plan.poses[-1]
    ahead = max(speed, 0.0) ** 2 / (2.0 * task.limits.linear_m_s2)
    stop = end[:2] + ahead * np.array([math.cos(end[2]), math.sin(end[2])])
    assert task.costmap.clearance(stop[None])[0] > task.limits.radius_m


def _drive(
    world: FlatWorld, goal: tuple[float, float], yaw: float | None = None, limit_s: float = 40.0
) -> bool:
    navigator = Navigator(world.static_map, world.start)
    world.subscribe(navigator.feed)
    world.advance(0.3)
    plugin, previous, began_s = ControlPlugin(ControlConfig(samples=96)), None, 0.0
    policy = HaltPolicy(max_steps=2)
    while world.time_s < limit_s:
        task = navigator.task_to(*goal, 0.12, yaw, previous=previous, previous_start_s=began_s)
        if task is None:
            world.drive(Twist())
            world.advance(0.1)
            continue
        previous, began_s = refine(plugin, task, policy=policy).result, task.start_s
        assert previous is not None
        turned = yaw is None or abs(wrap_angle(task.pose.yaw_rad - yaw)) < 0.15
        if task.distance_m < 0.12 and turned and abs(world.twist.linear_m_s) < 0.05:
            return True
        world.drive(twist_at(previous))
        world.advance(0.1)
    return False


@pytest.mark.parametrize("seed", range(2))
def test_it_drives_through_furnished_rooms_without_touching(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x_m, y_m = rng.uniform(5.0, 6.0), rng.uniform(1.2, 2.2)
    furniture = [
        (x_m, y_m, x_m + 0.9, y_m + 0.6),
        (1.9, 0.1, 2.7, 0.1 + float(rng.uniform(0.4, 1.1))),
        (0.1, 3.2, 1.6, 3.9),
    ]
    world = FlatWorld(two_rooms(), Pose(0.8, 1.0, 2.5), furniture, seed=seed)
    assert _drive(world, (7.3, 0.8), yaw=0.0)
    assert world.contacts == 0
    assert world.travelled_m / world.time_s > 0.45


def test_it_goes_around_somebody_in_the_way() -> None:
    people = [Walker((2.4, 1.0), (2.4, 1.0)), Walker((5.6, 2.1), (5.6, 2.1))]
    world = FlatWorld(two_rooms(), Pose(0.8, 1.0, 0.0), people=people)
    assert _drive(world, (7.2, 2.1))
    assert world.contacts == 0


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"control\.samples is 2; valid: 16 to 8192"):
        ControlConfig(samples=2)
    with pytest.raises(ConfigError, match=r"control\.knots is 30"):
        ControlConfig(knots=30)
    with pytest.raises(ConfigError, match=r"control\.elite is 500; valid: 1 to samples - 1 \(15\)"):
        ControlConfig(samples=16, elite=500)


@pytest.mark.parametrize("field", fields(ControlConfig), ids=lambda field: field.name)
@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_every_setting_has_a_range(field: Field[Any], value: float) -> None:
    given_values: dict[str, Any] = {field.name: value}
    with pytest.raises(ConfigError, match=rf"control\.{field.name} is {value}; valid: "):
        ControlConfig(**given_values)
