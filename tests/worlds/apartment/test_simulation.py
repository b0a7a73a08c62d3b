from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

from sage.values import Twist
from sage.worlds.apartment.layout import make_layout
from sage.worlds.apartment.simulation import MAX_RANGE_M, Simulation

SEED = 3


@pytest.fixture
def simulation() -> Iterator[Simulation]:
    simulation = Simulation(make_layout(SEED))
    yield simulation
    simulation.close()


def drive(simulation: Simulation, twist: Twist, seconds: float) -> None:
    for _ in range(round(seconds / 0.1)):
        simulation.drive(twist)
        simulation.step_to(simulation.time_s + 0.1)


def face_open_space(simulation: Simulation) -> float:
    """Turn toward the farthest thing; returns its distance."""
    ranges = simulation.ranges()
    # The nearest of five beams: the robot has a width.
    around = np.min([np.roll(ranges, shift) for shift in range(-2, 3)], axis=0)
    bearing = -math.pi + math.tau * int(around.argmax()) / len(ranges)
    drive(simulation, Twist(0.0, math.copysign(1.0, bearing)), abs(bearing))
    simulation.step_to(simulation.time_s + 1.0)
    return float(around.max())


def test_half_a_metre_per_second_for_two_seconds_is_a_metre(simulation: Simulation) -> None:
    assert face_open_space(simulation) > 1.6
    start, reckoned = simulation.pose, simulation.odometry().pose
    drive(simulation, Twist(0.5, 0.0), 2.0)
    simulation.step_to(simulation.time_s + 1.5)  # the command lapses, the wheels stop
    end, now = simulation.pose, simulation.odometry().pose
    moved = start.distance_to(end.x_m, end.y_m)
    assert moved == pytest.approx(1.15, abs=0.15)
    assert abs(simulation.odometry().linear_m_s) < 0.01
    by_wheels = reckoned.distance_to(now.x_m, now.y_m)
    assert by_wheels != moved
    assert by_wheels == pytest.approx(moved, rel=0.05)
    assert simulation.truth().collisions.total == 0


def test_turning_turns_on_the_spot(simulation: Simulation) -> None:
    start = simulation.pose
    drive(simulation, Twist(0.0, 1.0), 3.0)
    end = simulation.pose
    assert end.yaw_rad - start.yaw_rad == pytest.approx(2.9, abs=0.2)
    assert start.distance_to(end.x_m, end.y_m) < 0.02


def test_commands_are_clipped_and_ramped(simulation: Simulation) -> None:
    assert simulation.drive(Twist(9.0, -9.0)) == Twist(1.0, -2.0)
    simulation.drive(Twist(1.0, 0.0))
    simulation.step_to(simulation.time_s + 0.2)
    assert 0.1 < simulation.odometry().linear_m_s < 0.35


def test_scan_matches_the_geometry_within_noise(simulation: Simulation) -> None:
    exact = simulation.ranges()
    pose = simulation.pose
    layout = simulation.layout
    rects = [*layout.static_map.walls, *(piece.footprint for piece in layout.furniture)]
    for index, distance in enumerate(exact):
        if distance >= MAX_RANGE_M:
            continue
        angle = pose.yaw_rad - math.pi + math.tau * index / len(exact)
        x, y = pose.x_m + distance * math.cos(angle), pose.y_m + distance * math.sin(angle)
        to_rect = min(
            math.hypot(max(a - x, 0, x - c), max(b - y, 0, y - d)) for a, b, c, d in rects
        )
        to_person = min(math.hypot(x - p.x_m, y - p.y_m) - 0.2 for p in layout.people)
        # The round table's box is larger than itself, so a beam may end inside it.
        assert min(to_rect, abs(to_person)) < 0.01
    errors = np.concatenate([simulation.scan().ranges_m - exact for _ in range(50)])
    kept = errors[np.abs(errors) < 0.1]
    assert 0.008 < kept.std() < 0.012
    assert 0.001 < 1 - len(kept) / len(errors) < 0.02


def drive_until_contact(simulation: Simulation) -> None:
    for _ in range(200):
        drive(simulation, Twist(0.4, 0.0), 0.1)
        if simulation.odometry().bumper:
            return
    pytest.fail("drove for 20 s and met nothing")


def test_driving_into_something_is_one_collision(simulation: Simulation) -> None:
    drive_until_contact(simulation)
    drive(simulation, Twist(0.05, 0.0), 1.5)  # keep pressing: still the same episode
    assert simulation.truth().collisions.total == 1
    drive(simulation, Twist(-0.4, 0.0), 1.0)
    assert not simulation.odometry().bumper
    drive_until_contact(simulation)
    assert simulation.truth().collisions.total == 2
    x, y, z = simulation.scene.data.qpos[:3]
    assert abs(z) < 0.01, "the robot stands on its wheels"
    assert simulation.layout.static_map.room_at(float(x), float(y)) is not None


def test_one_person_strolls_and_waits_for_the_robot() -> None:
    simulation = Simulation(make_layout(SEED))
    simulation.scene.data.qpos[:2] = simulation.layout.static_map.room("bathroom").center
    _, walker = simulation.layout.people
    seen = []
    for _ in range(16):
        simulation.step_to(simulation.time_s + 1.0)
        _, person = simulation.truth().people
        seen.append((person.x_m, person.y_m))
    assert walker.stroll_to is not None
    assert np.ptp(np.array(seen), axis=0).max() > 0.3
    simulation.scene.data.qpos[:2] = (seen[-1][0] + 0.8, seen[-1][1])
    still = simulation.truth().people[1]
    simulation.step_to(simulation.time_s + 5.0)
    assert simulation.truth().people[1] == still
    simulation.close()


def test_the_gripper_opens_and_closes(simulation: Simulation) -> None:
    finger = simulation.scene.data.joint("left finger")
    for opening in (1.0, 0.0):
        simulation.grip(opening)
        simulation.step_to(simulation.time_s + 1.0)
        assert finger.qpos[0] == pytest.approx(0.04 * opening, abs=0.003)
