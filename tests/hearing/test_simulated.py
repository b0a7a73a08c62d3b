"""The apartment's microphone."""

from __future__ import annotations

import numpy as np
import pytest

from sage.clock import RealClock, VirtualClock
from sage.hearing import SimulatedMicrophone, open_microphone
from sage.irp.errors import ConfigError, DeviceError
from sage.values import Float32Array, Observation
from tests.hearing.doubles import sound, until


def opened(options: str = "") -> tuple[SimulatedMicrophone, list[Observation]]:
    clock = VirtualClock(5.0)
    source = open_microphone(f"sim:apartment{options}", clock=clock, lockstep=True)
    assert isinstance(source, SimulatedMicrophone)
    got: list[Observation] = []
    source.start(got.append)
    return source, got


def joined(got: list[Observation]) -> Float32Array:
    return np.concatenate([block.data.samples for block in got])


def test_silence_is_a_faint_noise_that_repeats():
    source, got = opened()
    source.pump(5.0 + 3.2)
    assert len(got) == 100
    assert got[0].captured_s == pytest.approx(5.032)
    level = np.sqrt(np.mean(joined(got) ** 2))
    assert 20 * np.log10(level) == pytest.approx(-66.0, abs=0.2)
    other, again = opened()
    other.pump(5.0 + 3.2)
    np.testing.assert_array_equal(joined(got), joined(again))


def test_what_is_played_is_heard_when_it_was_said_to_begin():
    source, got = opened("?noise_db=-140")
    source.pump(5.5)
    began_s = source.play(sound(1.0, 0.5, 44100), 44100)
    assert source.playing
    source.pump(8.0)
    assert not source.playing
    at = round((began_s - 5.0) * 16000)
    samples = joined(got)
    assert at == 512 * 15
    np.testing.assert_allclose(samples[at + 800 : at + 15000], sound(1.0)[800:15000], atol=0.01)
    assert np.abs(samples[:at]).max() < 1e-5
    assert np.abs(samples[at + 16100 :]).max() < 1e-5


def test_what_is_played_at_once_is_mixed_and_never_beyond_full_scale():
    source, got = opened("?noise_db=-140")
    source.play(sound(0.4, 0.2), 16000)
    source.play(sound(0.4, 0.3), 16000, after_s=0.1)
    source.play(np.ones((16000, 2), np.float32), 16000, after_s=1.0)
    source.play(np.ones(16000, np.float32), 16000, after_s=1.0)
    source.pump(8.0)
    samples = joined(got)
    want = np.zeros(8000, np.float32)
    want[:6400] += sound(0.4, 0.2)
    want[1600:] += sound(0.4, 0.3)
    np.testing.assert_allclose(samples[:8000], want, atol=1e-4)
    assert samples.max() == 1.0


def test_in_real_time_it_begins_after_it_was_played():
    clock = RealClock()
    source = open_microphone("sim:?noise_db=-140", clock=clock)
    assert isinstance(source, SimulatedMicrophone)
    got: list[Observation] = []
    source.start(got.append)
    until(lambda: len(got) >= 3)
    now_s = clock.now_s()
    began_s = source.play(np.ones(1600, np.float32), 16000)
    assert now_s - 0.001 <= began_s <= now_s + 0.1
    until(lambda: not source.playing)
    source.stop()
    first = next(block for block in got if block.data.samples.max() > 0.5)
    offset = int(np.argmax(first.data.samples > 0.5))
    block_began_s = first.captured_s - first.data.duration_s
    assert block_began_s + offset / 16000 == pytest.approx(began_s, abs=1e-3)
    assert [block.sequence for block in got] == list(range(len(got)))
    assert source.finished


def test_a_thread_that_lags_does_not_make_it_begin_in_the_past():
    clock = VirtualClock()
    source = SimulatedMicrophone("sim:", clock)
    source.start(lambda _: None)
    clock.advance_to(2.0)
    assert source.play(sound(0.1), 16000) >= 2.0
    source.stop()


def test_what_cannot_be_played():
    unstarted = SimulatedMicrophone("sim:", VirtualClock())
    with pytest.raises(DeviceError, match="before it is started"):
        unstarted.play(sound(0.1), 16000)
    source, _ = opened()
    for samples, rate_hz in [
        (np.empty(0, np.float32), 16000),
        (np.zeros((2, 2, 2), np.float32), 16000),
        (sound(1.0), 1.0),
        (sound(1.0), float("nan")),
    ]:
        with pytest.raises(ConfigError, match="cannot play"):
            source.play(samples, rate_hz)
    with pytest.raises(ConfigError, match="after_s is -1"):
        source.play(sound(0.1), 16000, after_s=-1)
