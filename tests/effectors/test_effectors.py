"""Opening effectors, the ones without hardware, and the hold that stops an abandoned base."""

from __future__ import annotations

import logging
import math
import threading

import pytest

from sage.clock import VirtualClock
from sage.effectors import EFFECTORS, Effector, SafeHold, open_effector
from sage.irp.errors import ConfigError, DeviceError
from sage.values import Effect, Twist

BAD = [
    ("", ConfigError, ["''", "record:PATH.jsonl", "python:module:Class"]),
    ("robot", ConfigError, ["'robot'", "sim:"]),
    ("record", ConfigError, ["record:PATH.jsonl"]),
    ("recrod:a.jsonl", ConfigError, ["'recrod'", "did you mean 'record'"]),
    ("serial:/dev/ttyUSB0", ConfigError, ["'serial'", "python:module:Class"]),
    ("sim:", ConfigError, ["no world is open", "--camera sim:apartment"]),
    ("sim:garden", ConfigError, ["'garden'", "sim:apartment"]),
    ("none:x", ConfigError, ["'none:x'"]),
    ("none:?a=1", ConfigError, ["'a'", "none"]),
    ("record:", ConfigError, ["record:PATH.jsonl"]),
    ("record:/", DeviceError, ["folder", "record:PATH.jsonl"]),
    ("record:/no/such/folder/a.jsonl", DeviceError, ["/no/such/folder", "create it"]),
    ("record:a.jsonl?fsync=1", ConfigError, ["'fsync'", "none"]),
    ("python:", ConfigError, ["python:module:Class"]),
    ("python:robot", ConfigError, ["python:module:Class"]),
    ("python:robot.py:Base", ConfigError, ["'robot.py'"]),
    ("python:../robot:Base", ConfigError, ["malformed", "python:robot:Base"]),
    ("python:robot:", ConfigError, ["malformed"]),
]


@pytest.mark.parametrize(("uri", "error", "words"), BAD, ids=[repr(row[0]) for row in BAD])
def test_a_bad_uri_is_one_line_that_names_the_valid_choice(uri, error, words):
    with pytest.raises(error) as caught:
        open_effector(uri, clock=VirtualClock())
    text = str(caught.value)
    assert "\n" not in text
    for word in words:
        assert word in text


def test_every_scheme_is_in_the_table():
    assert set(EFFECTORS) == {"sim", "record", "python", "none"}


def test_no_robot_executes_nothing_and_says_so():
    base = open_effector("none:", clock=VirtualClock(3.0))
    effect = base.apply(Twist(0.2, 0.1), 2.9)
    assert effect == Effect(3.0, Twist(), 2.9, True, {"refused": "no robot"})
    assert base.apply(Twist(), 2.9).clipped is False
    base.stop()
    base.close()


class Base:
    """An effector that notes what it is told."""

    uri = "test:"

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.log: list[str] = []
        self.fails = False

    def apply(self, twist: Twist, captured_s: float) -> Effect:
        self.log.append(f"apply {twist.linear_m_s:g}")
        if self.fails:
            raise DeviceError("test: unplugged")
        return Effect(self.clock.now_s(), twist, captured_s)

    def stop(self) -> None:
        self.log.append("stop")
        if self.fails:
            raise DeviceError("test: unplugged")

    def close(self) -> None:
        self.log.append("close")


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def test_a_base_that_nobody_commands_stands_still(clock, caplog):
    base = Base(clock)
    hold = SafeHold(base, clock)
    assert hold.tick() is False  # never commanded, so nothing to stop
    hold.apply(Twist(0.3), 0.0)
    clock.advance_to(0.49)
    assert hold.tick() is False
    clock.advance_to(0.5)
    with caplog.at_level(logging.WARNING):
        assert hold.tick() is True
    assert "no command for 0.50 s" in caplog.text
    clock.advance_to(5.0)
    assert hold.tick() is False  # told once
    assert base.log == ["apply 0.3", "stop"]
    assert hold.holds == 1
    hold.apply(Twist(0.1), 5.0)
    clock.advance_to(5.6)
    assert hold.tick() is True


def test_fresh_commands_keep_the_base_going(clock):
    base = Base(clock)
    hold = SafeHold(base, clock)
    for number in range(20):
        clock.advance_to(0.4 * number)
        hold.apply(Twist(0.3), clock.now_s())
        assert hold.tick() is False
    assert "stop" not in base.log


def test_a_command_that_fails_half_way_is_stopped_and_the_stop_repeated(clock):
    base = Base(clock)
    hold = SafeHold(base, clock)
    base.fails = True
    with pytest.raises(DeviceError):
        hold.apply(Twist(0.3), 0.0)
    clock.advance_to(0.6)
    for _ in range(2):
        with pytest.raises(DeviceError):
            hold.tick()
    base.fails = False
    assert hold.tick() is True
    assert base.log == ["apply 0.3", "stop", "stop", "stop"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_motion_stops_the_base(clock, value):
    base = Base(clock)
    hold = SafeHold(base, clock)
    for twist in (Twist(value, 0.0), Twist(0.0, value)):
        effect = hold.apply(twist, 0.0)
        assert effect.twist == Twist()
        assert effect.clipped
        assert effect.detail == {"refused": "not finite"}
    assert base.log == ["stop", "stop"]


def test_a_hanging_command_does_not_hang_the_tick(clock, caplog):
    base = Base(clock)
    inside, go_on = threading.Event(), threading.Event()

    def apply(twist: Twist, captured_s: float) -> Effect:
        inside.set()
        go_on.wait(10)
        return Effect(0.0, twist, captured_s)

    base.apply = apply
    hold = SafeHold(base, clock)
    thread = threading.Thread(target=hold.apply, args=(Twist(0.3), 0.0))
    thread.start()
    assert inside.wait(5)
    clock.advance_to(1.0)
    with caplog.at_level(logging.ERROR):
        assert hold.tick() is False
        assert hold.tick() is False
    assert len(caplog.records) == 1
    assert "hangs" in caplog.text
    go_on.set()
    thread.join(5)
    assert hold.tick() is True


def test_closing_closes_once_and_refuses_what_follows(clock):
    base = Base(clock)
    hold = SafeHold(base, clock)
    hold.apply(Twist(0.3), 0.0)
    hold.close()
    hold.close()
    assert base.log == ["apply 0.3", "close"]
    assert hold.apply(Twist(0.3), 0.0).detail == {"refused": "closed"}
    clock.advance_to(9.0)
    assert hold.tick() is False
    assert base.log == ["apply 0.3", "close"]


@pytest.mark.parametrize("hold_s", [0.0, -1.0, 11.0, math.nan])
def test_the_hold_time_is_checked(clock, hold_s):
    with pytest.raises(ConfigError, match=r"hold_s is .* \(0, 10\]"):
        SafeHold(Base(clock), clock, hold_s=hold_s)


def test_the_hold_is_itself_an_effector(clock):
    effector: Effector = SafeHold(open_effector("none:", clock=clock), clock)
    assert effector.uri == "none:"
    effector.stop()
