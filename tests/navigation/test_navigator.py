"""The navigator: readings in, poses and tasks out."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest

from sage.navigation.navigator import Navigator
from sage.navigation.task import ControlTask
from sage.values import ActionPlan, Observation, Pose, Twist
from tests.navigation.flat_world import FlatWorld, two_rooms

START = Pose(1.0, 1.0, 0.0)
TABLE = (5.5, 1.6, 6.5, 2.4)


def _ready(world: FlatWorld) -> Navigator:
    navigator = Navigator(world.static_map, world.start)
    world.subscribe(navigator.feed)
    world.advance(0.5)
    return navigator


def _task(navigator: Navigator, x_m: float, y_m: float) -> ControlTask:
    task = navigator.task_to(x_m, y_m)
    assert task is not None
    return task


def test_a_task_starts_where_the_robot_is() -> None:
    world = FlatWorld(two_rooms(), START)
    navigator = _ready(world)
    task = _task(navigator, 7.0, 3.0)
    assert task.goal == (7.0, 3.0)
    assert task.pose.distance_to(START.x_m, START.y_m) < 0.03
    assert task.captured_s == pytest.approx(world.time_s)
    assert 6.0 < task.to_go.at(1.0, 1.0) < 12.0


def test_the_cost_to_go_is_kept_while_nothing_changes() -> None:
    navigator = _ready(FlatWorld(two_rooms(), START))
    first = _task(navigator, 7.0, 3.0)
    assert _task(navigator, 7.0, 3.0).to_go is first.to_go
    assert _task(navigator, 7.0, 3.1).to_go is not first.to_go


def test_a_new_obstacle_brings_a_new_route() -> None:
    world = FlatWorld(two_rooms(), START)
    navigator = _ready(world)
    first = _task(navigator, 3.0, 1.0)
    other = FlatWorld(two_rooms(), START, furniture=[(1.9, 0.2, 2.1, 1.6)])
    for step in range(20):
        time_s = world.time_s + 0.1 * step
        navigator.feed(Observation("flat", "scan", time_s, step, other.scan()))
    again = _task(navigator, 3.0, 1.0)
    assert again.to_go.at(1.0, 1.0) > first.to_go.at(1.0, 1.0) + 0.3


def test_no_route_gives_no_task_but_a_spot() -> None:
    world = FlatWorld(two_rooms(door_m=0.3), START)
    navigator = _ready(world)
    assert navigator.task_to(7.0, 2.0) is None
    assert navigator.route_to(7.0, 2.0) is None
    spot = navigator.reachable_near(7.0, 2.0)
    assert spot is not None
    assert navigator.task_to(*spot) is not None


def test_the_start_can_lie_ahead() -> None:
    world = FlatWorld(two_rooms(), START)
    navigator = _ready(world)
    plan = ActionPlan(np.tile(np.array([0.6, 0.0]), (20, 1)), np.zeros((21, 3)), 0.1, 1.0, True)
    now_s = world.time_s
    task = navigator.task_to(3.0, 1.0, start_s=now_s + 0.2, previous=plan, previous_start_s=now_s)
    assert task is not None
    assert task.start_s == pytest.approx(now_s + 0.2)
    assert task.twist.linear_m_s == pytest.approx(0.24, abs=0.03)
    assert task.pose.x_m > START.x_m + 0.01


def test_a_standing_point_faces_the_thing_from_floor_that_was_seen() -> None:
    world = FlatWorld(two_rooms(), Pose(4.6, 2.0, 0.0), furniture=[TABLE])
    navigator = _ready(world)
    spot = navigator.free_point_near(6.0, 2.0, 0.5)
    assert spot is not None
    gap_m = math.hypot(
        max(TABLE[0] - spot.x_m, 0.0, spot.x_m - TABLE[2]),
        max(TABLE[1] - spot.y_m, 0.0, spot.y_m - TABLE[3]),
    )
    assert 0.45 <= gap_m < 0.7
    assert abs(spot.bearing_to(6.0, 2.0)) < 1e-6
    assert navigator.task_to(spot.x_m, spot.y_m) is not None


def test_a_standing_point_is_not_behind_a_wall() -> None:
    navigator = _ready(FlatWorld(two_rooms(), START))
    spot = navigator.free_point_near(3.7, 0.5, 0.5)
    assert spot is not None
    assert spot.x_m < 3.95
    assert navigator.free_point_near(7.0, 0.5, 0.5, reach_m=1.0) is None


def test_the_snapshot_shows_walls_obstacles_and_robot() -> None:
    world = FlatWorld(two_rooms(), Pose(4.6, 2.0, 0.0), furniture=[TABLE])
    snapshot = _ready(world).snapshot()
    assert snapshot.walls[snapshot.frame.cell_of(4.0, 0.5)]
    assert not snapshot.walls[snapshot.frame.cell_of(4.0, 2.0)]
    row, col = snapshot.frame.cell_of(5.5, 2.0)
    assert snapshot.obstacles[row, col - 1 : col + 2].any()
    assert snapshot.pose.distance_to(4.6, 2.0) < 0.05


def test_readings_and_tasks_may_come_from_different_threads() -> None:
    world = FlatWorld(two_rooms(), START, furniture=[(2.0, 2.0, 2.5, 2.5)])
    navigator = _ready(world)
    world.drive(Twist(0.2, 0.3))
    reader = threading.Thread(target=world.advance, args=(5.0,))
    reader.start()
    tasks = 0
    while reader.is_alive():
        assert navigator.task_to(7.0, 3.0) is not None
        navigator.snapshot()
        tasks += 1
    reader.join()
    assert tasks > 0
    assert navigator.estimate().pose.distance_to(world.pose.x_m, world.pose.y_m) < 0.05
