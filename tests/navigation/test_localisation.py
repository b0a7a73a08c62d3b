"""Pose tracking: centimetres over minutes, furniture and drift notwithstanding."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sage.irp.errors import ConfigError
from sage.navigation.localisation import Localiser, LocaliserConfig, WallCaster
from sage.values import Observation, Odometry, Pose, RangeScan, Twist, wrap_angle
from tests.navigation.flat_world import BEAMS, FlatWorld, Walker, two_rooms

START = Pose(1.5, 2.0, 0.0)


def _tracked(world: FlatWorld, localiser: Localiser) -> None:
    def listen(observation: Observation) -> None:
        if isinstance(observation.data, Odometry):
            localiser.add_odometry(observation.captured_s, observation.data)
        elif isinstance(observation.data, RangeScan):
            localiser.add_scan(observation.captured_s, observation.data)

    world.subscribe(listen)


def _tour(world: FlatWorld, localiser: Localiser, seconds: float) -> np.ndarray:
    """Circle about and go back and forth through the door; errors (N, 2) in m and rad."""
    errors = []
    while world.time_s < seconds:
        phase = world.time_s % 16.0
        if phase < 5.0:
            world.drive(Twist(0.8, 0.0))
        elif phase < 8.0:
            world.drive(Twist(0.0, math.pi / 3.0 * 1.011))
        elif phase < 13.0:
            world.drive(Twist(0.8, 0.0))
        else:
            world.drive(Twist(0.0, -math.pi / 3.0 * 1.011))
        world.advance(0.1)
        pose = localiser.pose_at(world.time_s)
        errors.append(
            (
                pose.distance_to(world.pose.x_m, world.pose.y_m),
                abs(wrap_angle(pose.yaw_rad - world.pose.yaw_rad)),
            )
        )
    return np.array(errors)


@pytest.mark.parametrize("seed", range(2))
def test_minutes_of_driving_stay_within_centimetres(seed: int) -> None:
    furniture = [(0.1, 3.2, 1.5, 3.9), (2.0, 0.1, 3.0, 0.7), (6.5, 3.3, 7.9, 3.9)]
    people = [Walker((5.5, 0.8), (7.0, 0.8))]
    world = FlatWorld(two_rooms(), START, furniture, people, seed=seed)
    localiser = Localiser(world.static_map.walls, START)
    _tracked(world, localiser)
    errors = _tour(world, localiser, 90.0)
    assert world.travelled_m > 30.0
    assert np.percentile(errors[:, 0], 95) < 0.05
    assert np.degrees(np.percentile(errors[:, 1], 95)) < 2.0
    estimate = localiser.estimate_at(world.time_s)
    assert not estimate.lost
    assert max(estimate.deviation) < 0.05


def test_without_scans_the_wheels_drift_much_further() -> None:
    world = FlatWorld(two_rooms(), START, seed=1)
    localiser = Localiser(world.static_map.walls, START)
    world.subscribe(
        lambda o: (
            localiser.add_odometry(o.captured_s, o.data) if isinstance(o.data, Odometry) else None
        )
    )
    errors = _tour(world, localiser, 60.0)
    assert errors[-1, 0] > 0.1


def test_a_small_error_of_the_start_is_pulled_in() -> None:
    world = FlatWorld(two_rooms(), START)
    localiser = Localiser(world.static_map.walls, Pose(1.56, 1.95, math.radians(2.0)))
    _tracked(world, localiser)
    world.advance(2.0)
    assert localiser.pose_at(world.time_s).distance_to(START.x_m, START.y_m) < 0.02


def test_a_robot_carried_elsewhere_knows_that_it_is_lost() -> None:
    world = FlatWorld(two_rooms(), START)
    localiser = Localiser(world.static_map.walls, START)
    _tracked(world, localiser)
    world.advance(1.0)
    assert not localiser.estimate_at(world.time_s).lost
    hall = RangeScan(np.full(72, 6.0) + 0.3 * np.sin(3.0 * BEAMS), BEAMS, 8.0)
    for _ in range(30):
        localiser.add_scan(world.time_s, hall)
    assert localiser.estimate_at(world.time_s).lost


def test_a_knock_is_found_again_by_search() -> None:
    world = FlatWorld(two_rooms(), START)
    localiser = Localiser(world.static_map.walls, START)
    _tracked(world, localiser)
    world.advance(1.0)
    world.pose = Pose(START.x_m + 0.4, START.y_m - 0.3, math.radians(14.0))
    world.advance(4.0)
    estimate = localiser.estimate_at(world.time_s)
    assert not estimate.lost
    assert estimate.pose.distance_to(world.pose.x_m, world.pose.y_m) < 0.05


def test_pose_between_and_beyond_readings() -> None:
    localiser = Localiser(two_rooms().walls, START)
    assert localiser.pose_at(3.0) == START
    for step in range(11):
        pose = Pose(0.1 * step, 0.0, 0.0)
        localiser.add_odometry(0.1 * step, Odometry(pose, 1.0, 0.0))
    assert localiser.pose_at(0.55).x_m == pytest.approx(START.x_m + 0.55)
    assert localiser.pose_at(1.2).x_m == pytest.approx(START.x_m + 1.2)
    assert localiser.pose_at(9.0).x_m == pytest.approx(START.x_m + 1.3)


def test_stale_odometry_changes_nothing() -> None:
    localiser = Localiser(two_rooms().walls, START)
    localiser.add_odometry(1.0, Odometry(Pose(0.0, 0.0, 0.0), 0.0, 0.0))
    localiser.add_odometry(0.5, Odometry(Pose(9.0, 0.0, 0.0), 0.0, 0.0))
    assert localiser.pose_at(1.0) == START


def test_beams_meet_the_nearest_wall() -> None:
    ranges, normals = WallCaster(two_rooms().walls).cast(1.0, 2.0, BEAMS)
    ahead = int(np.argmin(np.abs(BEAMS)))
    assert ranges[ahead] == pytest.approx(6.95)  # through the door
    np.testing.assert_allclose(normals[ahead], [-1.0, 0.0])
    back = int(np.argmin(np.abs(BEAMS + math.pi)))
    assert ranges[back] == pytest.approx(0.95)


def test_bad_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="beam_sigma_m"):
        LocaliserConfig(beam_sigma_m=0.5)
    with pytest.raises(ConfigError, match="1 to 20"):
        LocaliserConfig(iterations=0)
    with pytest.raises(ConfigError, match="no walls"):
        Localiser((), START)
