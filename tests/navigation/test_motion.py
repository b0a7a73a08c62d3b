"""Motions: limits hold, arcs are arcs, braking stops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage.irp.errors import ConfigError
from sage.navigation.motion import (
    RobotLimits,
    advance,
    braking_variants,
    limit,
    predict,
    roll_out,
    twist_at,
)
from sage.values import ActionPlan, Pose, Twist

LIMITS = RobotLimits()


@given(st.integers(0, 1000), st.floats(-0.25, 1.0), st.floats(-2.0, 2.0))
def test_limited_motions_can_be_driven(seed: int, linear: float, angular: float) -> None:
    wanted = np.random.default_rng(seed).normal(0.0, 2.0, (20, 8, 2))
    twists = limit(wanted, Twist(linear, angular), LIMITS, 0.1)
    assert twists[..., 0].min() >= -LIMITS.reverse_m_s - 1e-9
    assert twists[..., 0].max() <= LIMITS.linear_m_s + 1e-9
    assert np.abs(twists[..., 1]).max() <= LIMITS.angular_rad_s + 1e-9
    start = np.broadcast_to(np.array([linear, angular]), (1, 8, 2))
    change = np.abs(np.diff(np.concatenate([start, twists]), axis=0)).max(axis=(0, 1))
    assert change[0] <= LIMITS.linear_m_s2 * 0.1 + 1e-9
    assert change[1] <= LIMITS.angular_rad_s2 * 0.1 + 1e-9


def test_what_can_be_driven_is_left_alone() -> None:
    twists = np.tile(np.array([0.1, 0.3]), (10, 1, 1))
    np.testing.assert_allclose(limit(twists, Twist(0.1, 0.3), LIMITS, 0.1), twists)


def test_rolling_out_follows_the_arc() -> None:
    twists = np.tile(np.array([0.5, 0.5]), (100, 3, 1))
    poses = roll_out(twists, Pose(1.0, 2.0, 0.0), Twist(0.5, 0.5), 0.01 * math.pi)
    np.testing.assert_allclose(poses[0], [[1.0, 2.0, 0.0]] * 3)
    np.testing.assert_allclose(poses[-1], [[2.0, 3.0, math.pi / 2.0]] * 3, atol=1e-4)


def test_advancing_follows_the_arc() -> None:
    pose = Pose(0.0, 0.0, 0.0)
    for _ in range(1000):
        pose = advance(pose, 1.0, 1.0, 0.001 * math.pi / 2.0)
    assert (pose.x_m, pose.y_m) == pytest.approx((1.0, 1.0), abs=1e-3)


def test_every_variant_keeps_its_head_and_ends_at_rest() -> None:
    twists = limit(np.tile(np.array([1.0, -2.0]), (25, 1, 1)), Twist(), LIMITS, 0.1)[:, 0]
    variants = braking_variants(twists, Twist(0.4, 0.0), LIMITS, 0.1)
    assert variants.shape[1:] == (26, 2)
    for kept in range(26):
        np.testing.assert_array_equal(variants[:kept, kept], twists[:kept])
        np.testing.assert_array_equal(variants[-1, kept], [0.0, 0.0])
    np.testing.assert_allclose(variants[0, 0], [0.4 - 0.12, 0.0])


def test_prediction_goes_on_with_the_plan() -> None:
    twists = np.tile(np.array([0.6, 0.0]), (10, 1))
    plan = ActionPlan(twists, np.zeros((11, 3)), 0.1, 1.0, True)
    pose, twist = predict(Pose(0.0, 0.0, 0.0), Twist(), 1.0, LIMITS, plan)
    assert twist.linear_m_s == pytest.approx(0.6)
    assert pose.x_m == pytest.approx(0.6 - 0.5 * 0.6 * 0.5, abs=0.01)
    pose, twist = predict(Pose(0.0, 0.0, 0.0), Twist(0.3, 0.0), 0.2, LIMITS)
    assert (pose.x_m, twist.linear_m_s) == pytest.approx((0.06, 0.3))


def test_past_its_end_a_plan_stands_still() -> None:
    plan = ActionPlan(np.array([[0.5, 0.1], [0.2, 0.0]]), np.zeros((3, 3)), 0.1, 1.0, True)
    assert twist_at(plan) == Twist(0.5, 0.1)
    assert twist_at(plan, 0.15) == Twist(0.2, 0.0)
    assert twist_at(plan, 0.25) == Twist()


def test_impossible_limits_are_refused() -> None:
    with pytest.raises(ConfigError, match="linear_m_s is 0"):
        RobotLimits(linear_m_s=0.0)
    with pytest.raises(ConfigError, match="reverse_m_s is 3"):
        RobotLimits(reverse_m_s=3.0)
