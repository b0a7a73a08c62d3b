"""Resampling: no seams, no drift, no NaN."""

from __future__ import annotations

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from sage.hearing.resample import Resampler, to_hearing
from sage.irp.errors import DeviceError
from tests.hearing.doubles import sound


@settings(max_examples=30)
@given(
    rate_hz=st.sampled_from([8000, 11025, 16000, 22050, 44100, 48000, 96000]),
    cuts=st.lists(st.integers(1, 3000), min_size=1, max_size=12),
)
def test_piece_by_piece_gives_what_the_whole_gives(rate_hz: int, cuts: list[int]):
    noise = 0.2 * np.random.default_rng(1).standard_normal(sum(cuts)).astype(np.float32)
    resampler = Resampler(rate_hz)
    got = [resampler.push(part) for part in np.split(noise, np.cumsum(cuts)[:-1])]
    got.append(resampler.push(np.empty(0, np.float32), last=True))
    whole = noise if rate_hz == 16000 else soxr.resample(noise, rate_hz, 16000)
    np.testing.assert_allclose(np.concatenate(got), np.clip(whole, -1, 1), atol=1e-6)


@pytest.mark.parametrize("rate_hz", [8000, 44100, 48000])
def test_a_tone_keeps_its_pitch_level_and_place(rate_hz: int):
    got = to_hearing(sound(1.0, 0.5, rate_hz), rate_hz)
    assert len(got) == 16000
    np.testing.assert_allclose(got[800:-800], sound(1.0)[800:-800], atol=0.01)


def test_samples_that_are_no_numbers_are_silent_and_counted():
    samples = sound(0.5, rate_hz=48000)
    samples[100:103] = [np.nan, np.inf, -np.inf]
    samples[200] = 3e38
    resampler = Resampler(48000)
    got = resampler.push(samples, last=True)
    assert resampler.cleaned == 3
    assert np.isfinite(got).all()
    assert np.abs(got).max() <= 1.0
    np.testing.assert_allclose(got[1000:-800], sound(0.5)[1000:-800], atol=0.01)


def test_channels_are_mixed_down():
    left, right = sound(0.1, 0.6), sound(0.1, 0.2)
    got = to_hearing(np.stack([left, right], axis=1), 16000)
    np.testing.assert_allclose(got, sound(0.1, 0.4), atol=1e-6)


@pytest.mark.parametrize("pieces", [1, 7])
def test_of_channels_that_cancel_each_other_the_louder_is_heard(pieces: int, caplog):
    voice = sound(0.5, 0.6)
    resampler = Resampler(16000)
    both = np.stack([-0.95 * voice, voice], axis=1)
    got = [resampler.push(part) for part in np.array_split(both, pieces)]
    np.testing.assert_allclose(np.concatenate(got), voice, atol=1e-6)
    assert caplog.text.count("only number 2 is heard") == 1


@pytest.mark.parametrize("other", [0.0, -0.5, 1.0])
def test_channels_that_leave_something_of_each_other_are_mixed(other: float, caplog):
    voice = sound(0.1, 0.6)
    got = to_hearing(np.stack([voice, other * voice], axis=1), 16000)
    np.testing.assert_allclose(got, (1 + other) / 2 * voice, atol=1e-6)
    assert not to_hearing(np.zeros((160, 2), np.float32), 16000).any()
    assert not caplog.text


@pytest.mark.parametrize("rate_hz", [0, 999, 1e6, float("nan")])
def test_a_rate_that_cannot_be_is_refused(rate_hz: float):
    with pytest.raises(DeviceError, match=r"must be in \[1000, 768000\]"):
        Resampler(rate_hz)
