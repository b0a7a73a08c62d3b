"""The apartment as camera, range sensor and wheels: one world behind a source and an effector."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import numpy as np
import pytest

from sage.clock import RealClock, VirtualClock
from sage.effectors import open_effector
from sage.irp.errors import ConfigError, DeviceError
from sage.sensors import open_apartment, open_source
from sage.values import Frame, Observation, Odometry, RangeScan, Twist
from sage.worlds.apartment.client import ApartmentWorld
from tests.sensors.conftest import until

URI = "sim:apartment?seed=3&frame_hz=10&scan_hz=20"
TYPES = {"camera": Frame, "scan": RangeScan, "odometry": Odometry}


@pytest.fixture(scope="module")
def living() -> Iterator[ApartmentWorld]:
    """An apartment in real time, shared by the tests that leave it as it is."""
    with open_apartment(URI, clock=RealClock()) as world:
        yield world


def test_lock_step_delivers_every_sense_and_drives():
    clock = VirtualClock(5.0)
    got: list[Observation] = []
    with open_apartment(URI, clock=clock, lockstep=True) as world:
        source = open_source(URI, clock=clock, world=world, lockstep=True)
        base = open_effector("sim:", clock=clock, world=world)
        source.start(got.append)
        while clock.now_s() < 6.0:
            effect = base.apply(Twist(0.0, 5.0), clock.now_s() - 0.01)
            assert effect.twist == Twist(0.0, 2.0)
            assert effect.clipped
            assert effect.captured_s == clock.now_s() - 0.01
            until_s = clock.now_s() + 0.033
            source.pump(until_s)
            clock.advance_to(until_s)
            assert source.latest("scan", 0.2) is not None or until_s < 5.2
        counts = source.counts()
        assert counts.produced == counts.delivered == len(got)
        source.stop()
        assert world.error is None
        base.stop()  # the world outlives a source that does not own it
    assert {seen.modality for seen in got} == set(TYPES)
    assert all(isinstance(seen.data, TYPES[seen.modality]) for seen in got)
    assert all(5.0 <= seen.captured_s <= 6.1 for seen in got)
    frames = [seen for seen in got if seen.modality == "camera"]
    assert 9 <= len(frames) <= 12
    assert frames[0].data.camera is not None
    last = [seen for seen in got if seen.modality == "odometry"][-1]
    assert last.data.angular_rad_s > 1.0


def test_real_time_delivers_fresh_captures_and_drives(living: ApartmentWorld):
    clock = RealClock()
    source = open_source(URI, clock=clock, world=living)
    base = open_effector("sim:apartment", clock=clock, world=living)
    got: list[tuple[float, Observation]] = []
    source.start(lambda seen: got.append((clock.now_s(), seen)))
    until(lambda: {seen.modality for _, seen in got} == set(TYPES))
    began_s = clock.now_s()
    turning = False
    while clock.now_s() - began_s < 5.0 and not turning:
        effect = base.apply(Twist(0.0, 1.0), clock.now_s())
        assert effect.twist == Twist(0.0, 1.0)
        seen = source.latest("odometry", 0.3)
        turning = seen is not None and seen.data.angular_rad_s > 0.5
    assert turning
    base.close()
    source.stop()
    ages = [now_s - seen.captured_s for now_s, seen in got]
    assert min(ages) > -0.01
    assert np.median(ages) < 0.2
    counts = source.counts()
    assert counts.produced == counts.delivered + sum(counts.dropped.values())
    assert counts.delivered == len(got)
    assert source.finished
    assert living.error is None


def test_a_slow_consumer_of_the_camera_costs_frames_only(living: ApartmentWorld):
    clock = RealClock()
    source = open_source(URI, clock=clock, world=living)
    source.start(lambda _: until(lambda: source.counts().dropped["superseded"] >= 3))
    until(lambda: source.counts().delivered >= 2)
    assert source.latest("odometry", 0.3) is not None
    source.stop()


def test_a_real_time_world_cannot_be_pumped(living: ApartmentWorld):
    source = open_source(URI, clock=RealClock(), world=living)
    with pytest.raises(ConfigError, match="real time"):
        source.pump(1.0)


def test_a_source_ends_the_world_that_it_opened_itself():
    clock = VirtualClock()
    source = open_source("sim:apartment?seed=1", clock=clock, lockstep=True)
    source.start(lambda _: None)
    source.pump(0.2)
    assert source.counts().delivered > 0
    process = source._world.pid
    source.stop()
    source.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_a_world_that_dies_is_told_and_can_be_stopped(caplog):
    clock = RealClock()
    with open_apartment(URI, clock=clock) as world:
        source = open_source(URI, clock=clock, world=world)
        base = open_effector("sim:", clock=clock, world=world)
        source.start(lambda _: None)
        assert source.healthy
        os.kill(world.pid, signal.SIGKILL)
        until(lambda: source.finished)
        assert not source.healthy
        assert "sim:apartment" in str(source.error)
        with pytest.raises(DeviceError, match="sim:apartment"):
            base.apply(Twist(0.1), clock.now_s())
        source.stop()
        base.stop()
        base.close()
    assert not caplog.records  # the source and the effector told it


def test_a_world_that_hangs_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sage.worlds.apartment.client.SILENCE_TIMEOUT_S", 1.0)
    clock = RealClock()
    with open_apartment(URI, clock=clock) as world:
        source = open_source(URI, clock=clock, world=world)
        source.start(lambda _: None)
        os.kill(world.pid, signal.SIGSTOP)
        until(lambda: source.finished)
        assert not source.healthy
        assert str(source.error) == "sim:apartment stopped answering"
        source.stop()


def test_a_late_reply_answers_no_other_request(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sage.worlds.apartment.client.REPLY_TIMEOUT_S", 0.2)
    with open_apartment(URI, clock=RealClock()) as world:
        os.kill(world.pid, signal.SIGSTOP)
        with pytest.raises(DeviceError, match="did not answer"):
            world.truth()
        os.kill(world.pid, signal.SIGCONT)
        with pytest.raises(DeviceError, match="did not answer"):
            world.view_from_above(64, 64)
