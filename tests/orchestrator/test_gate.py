"""The safety gate: limits, freshness, the hold and the stops, whatever the effector does."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import SafetyGate, SafetyLimits
from sage.clock import VirtualClock
from sage.effectors import open_effector
from sage.irp.errors import DeviceError
from sage.telemetry import Moved
from sage.values import Effect, Proposal, Twist

LIMITS = SafetyLimits(linear_m_s=0.5, angular_rad_s=1.0, hold_s=0.4, oldest_s=0.3)


class Wheels:
    """An effector that notes what it is told and keeps moving until told otherwise."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.log: list[str] = []
        self.twist = Twist()
        self.apply_fails = self.stop_fails = False
        self.on_apply: Callable[[], Any] = lambda: None

    def apply(self, twist: Twist, captured_s: float) -> Effect:
        assert math.isfinite(twist.linear_m_s)
        assert math.isfinite(twist.angular_rad_s)
        self.log.append(f"apply {twist.linear_m_s:g} {twist.angular_rad_s:g}")
        self.on_apply()
        if self.apply_fails:
            raise DeviceError("test: unplugged")
        self.twist = twist
        return Effect(self.clock.now_s(), twist, captured_s)

    def stop(self) -> None:
        self.log.append("stop")
        if self.stop_fails:
            raise DeviceError("test: unplugged")
        self.twist = Twist()


class Drive:
    """A gate, its wheels and its clock."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.wheels = Wheels(self.clock)
        self.events: list[Any] = []
        self.gate = SafetyGate(self.wheels, self.clock, limits=LIMITS, emit=self.events.append)

    def propose(self, linear: float, angular: float = 0.0, age_s: float = 0.0) -> Effect | None:
        now_s = self.clock.now_s()
        twist = Twist(linear, angular)
        return self.gate.propose(Proposal("control", now_s - age_s, now_s, twist))

    def tick_at(self, time_s: float) -> None:
        self.clock.advance_to(time_s)
        self.gate.tick()


@pytest.fixture
def drive() -> Drive:
    return Drive()


def test_what_is_within_the_limits_is_executed_as_it_is(drive: Drive) -> None:
    effect = drive.propose(0.3, -0.5, age_s=0.1)
    assert effect == Effect(0.0, Twist(0.3, -0.5), -0.1)
    assert drive.events == [Moved(0.0, effect)]


@pytest.mark.parametrize(
    ("asked", "executed"),
    [((9.0, 0.0), (0.5, 0.0)), ((-9.0, 9.0), (-0.5, 1.0)), ((0.1, -9.0), (0.1, -1.0))],
)
def test_limits_clip_and_the_effect_says_so(
    drive: Drive, asked: tuple[float, float], executed: tuple[float, float]
) -> None:
    effect = drive.propose(*asked)
    assert effect is not None
    assert effect.twist == drive.wheels.twist == Twist(*executed)
    assert effect.clipped


@given(st.floats(), st.floats())
def test_no_proposal_exceeds_the_limits(linear: float, angular: float) -> None:
    drive = Drive()
    drive.propose(linear, angular)
    assert abs(drive.wheels.twist.linear_m_s) <= LIMITS.linear_m_s
    assert abs(drive.wheels.twist.angular_rad_s) <= LIMITS.angular_rad_s


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("which", [0, 1])
def test_what_is_no_motion_is_refused_and_stops_the_robot(
    drive: Drive, value: float, which: int
) -> None:
    drive.propose(0.3)
    assert drive.propose(*((value, 0.0), (0.0, value))[which]) is None
    assert drive.wheels.log == ["apply 0.3 0", "stop"]
    assert drive.wheels.twist == Twist()
    assert drive.gate.refused == {"not_finite": 1}


@pytest.mark.parametrize("age_s", [0.31, 100.0, -0.31, math.nan, math.inf, -math.inf])
def test_what_is_stale_is_refused(drive: Drive, age_s: float) -> None:
    assert drive.propose(0.3, age_s=age_s) is None
    assert drive.wheels.log == []
    assert drive.gate.refused == {"stale": 1}


def test_what_is_refused_does_not_put_off_the_hold(drive: Drive) -> None:
    drive.propose(0.3)
    for tick in range(1, 5):
        drive.clock.advance_to(0.1 * tick)
        drive.propose(0.3, age_s=5.0)
        drive.gate.tick()
    assert drive.wheels.twist == Twist()


def test_a_base_that_nobody_commands_stands_still(
    drive: Drive, caplog: pytest.LogCaptureFixture
) -> None:
    drive.tick_at(5.0)
    assert drive.wheels.log == [], "it was never commanded"
    drive.propose(0.3)
    drive.tick_at(5.39)
    assert drive.wheels.twist == Twist(0.3)
    with caplog.at_level(logging.WARNING):
        drive.tick_at(5.4)
    assert drive.wheels.twist == Twist()
    assert "stands still" in caplog.text
    drive.tick_at(9.0)
    assert drive.wheels.log == ["apply 0.3 0", "stop"], "told once"
    assert drive.gate.holds == 1
    drive.propose(0.1)
    drive.tick_at(9.5)
    assert drive.gate.holds == 2


def test_with_the_default_cycle_it_stands_within_half_a_second() -> None:
    drive = Drive()
    drive.clock.advance_to(0.0999)
    drive.propose(0.3)
    for tick in range(1, 7):
        drive.tick_at(0.1 * tick)
        if drive.wheels.twist == Twist():
            break
    assert drive.clock.now_s() - 0.0999 <= 0.5 + 1e-9


def test_fresh_commands_keep_it_going(drive: Drive) -> None:
    for number in range(20):
        drive.clock.advance_to(0.39 * number)
        drive.gate.tick()
        drive.propose(0.3)
    assert "stop" not in drive.wheels.log


def test_a_command_that_fails_is_contained_armed_and_told_once(
    drive: Drive, caplog: pytest.LogCaptureFixture
) -> None:
    drive.wheels.apply_fails = True
    with caplog.at_level(logging.ERROR):
        for _ in range(5):
            assert drive.propose(0.3) is None
    assert len(caplog.records) == 1
    assert "unplugged" in caplog.text
    assert drive.gate.refused == {"effector_failed": 5}
    assert drive.events == []
    drive.tick_at(0.4)
    assert drive.wheels.log[-1] == "stop", "half a command may have arrived"


def test_failing_commands_do_not_put_off_the_hold(drive: Drive) -> None:
    drive.propose(0.3)
    drive.wheels.apply_fails = True
    for tick in range(1, 5):
        drive.clock.advance_to(0.1 * tick)
        drive.propose(0.2)
        drive.gate.tick()
    assert drive.wheels.twist == Twist()


def test_a_stop_that_fails_is_tried_again_at_every_tick(
    drive: Drive, caplog: pytest.LogCaptureFixture
) -> None:
    drive.propose(0.3)
    drive.wheels.stop_fails = True
    with caplog.at_level(logging.ERROR):
        for tick in range(3):
            drive.tick_at(1.0 + 0.1 * tick)
    assert drive.wheels.log == ["apply 0.3 0", "stop", "stop", "stop"]
    assert len(caplog.records) == 1
    assert drive.wheels.twist == Twist(0.3)
    drive.wheels.stop_fails = False
    drive.tick_at(1.3)
    assert drive.wheels.twist == Twist()
    drive.tick_at(1.4)
    assert drive.wheels.log.count("stop") == 4


def test_a_stop_after_nonsense_that_fails_is_tried_again_too(drive: Drive) -> None:
    drive.propose(0.3)
    drive.wheels.stop_fails = True
    drive.propose(math.nan)
    drive.wheels.stop_fails = False
    drive.tick_at(0.01)
    assert drive.wheels.twist == Twist()


def test_nothing_overrides_an_emergency_stop(drive: Drive) -> None:
    drive.propose(0.3)
    drive.gate.emergency_stop()
    assert drive.wheels.twist == Twist()
    for _ in range(3):
        assert drive.propose(0.1) is None
    drive.tick_at(3.0)
    assert drive.wheels.log == ["apply 0.3 0", "stop"]
    assert drive.gate.refused == {"emergency_stop": 3}
    drive.gate.release()
    assert drive.propose(0.1) is not None


def test_an_emergency_stop_that_fails_is_tried_again(drive: Drive) -> None:
    drive.propose(0.3)
    drive.wheels.stop_fails = True
    drive.gate.emergency_stop()
    drive.wheels.stop_fails = False
    drive.tick_at(0.1)
    assert drive.wheels.twist == Twist()


def test_an_emergency_stop_while_a_command_is_on_its_way_wins(drive: Drive) -> None:
    drive.wheels.on_apply = lambda: setattr(drive.gate, "emergency_stopped", True)
    drive.propose(0.3)
    assert drive.wheels.log == ["apply 0.3 0", "stop"]
    assert drive.wheels.twist == Twist()


class Hung:
    """A command that hangs in the effector until ``go_on`` is set."""

    def __init__(self, drive: Drive) -> None:
        self.drive = drive
        inside, self.go_on = threading.Event(), threading.Event()

        def hang() -> None:
            inside.set()
            assert self.go_on.wait(10.0)

        drive.wheels.on_apply = hang
        self.thread = threading.Thread(target=drive.propose, args=(0.3,))
        self.thread.start()
        assert inside.wait(5.0)

    def end(self) -> None:
        self.go_on.set()
        self.thread.join(5.0)
        assert not self.thread.is_alive()


@pytest.fixture
def hung(drive: Drive) -> Iterator[Hung]:
    hung = Hung(drive)
    yield hung
    hung.end()


def test_a_command_that_hangs_holds_up_neither_tick_nor_proposals(
    drive: Drive, hung: Hung, caplog: pytest.LogCaptureFixture
) -> None:
    began_s = time.perf_counter()
    with caplog.at_level(logging.ERROR):
        drive.tick_at(1.0)
        drive.tick_at(1.1)
        assert drive.propose(0.1) is None
    assert time.perf_counter() - began_s < 2.0
    assert len(caplog.records) == 1
    assert "hangs" in caplog.text
    assert drive.gate.refused == {"busy": 1}
    hung.end()
    drive.tick_at(1.6)
    assert drive.wheels.twist == Twist()


def test_an_emergency_stop_waits_for_no_hung_command_and_follows_it(
    drive: Drive, hung: Hung
) -> None:
    began_s = time.perf_counter()
    drive.gate.emergency_stop()
    assert time.perf_counter() - began_s < 2.0
    hung.end()
    assert drive.wheels.log == ["apply 0.3 0", "stop"]
    assert drive.wheels.twist == Twist()
    assert drive.propose(0.1) is None


def test_an_effector_can_be_driven_through_it() -> None:
    clock = VirtualClock(1.0)
    gate = SafetyGate(open_effector("none:", clock=clock), clock)
    effect = gate.propose(Proposal("control", 0.9, 1.0, Twist(0.2)))
    assert effect is not None
    assert effect.twist == Twist()
    assert effect.clipped


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        ({"linear_m_s": 0.0}, "speed limits must be positive, got 0.0"),
        ({"angular_rad_s": math.nan}, "got 1.0 m/s and nan"),
        ({"hold_s": 0.6}, r"hold_s .*\(0, 0.5\] s, got 0.6"),
        ({"hold_s": math.nan}, "hold_s .*nan"),
        ({"oldest_s": 0.0}, "oldest_s must be positive, got 0.0"),
    ],
)
def test_limits_are_checked(limits: dict[str, float], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        SafetyLimits(**limits)
