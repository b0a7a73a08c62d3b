"""Microphones by URI: one line for whatever is wrong with one."""

from __future__ import annotations

import pytest

from sage.clock import VirtualClock
from sage.hearing import MICROPHONES, open_microphone
from sage.irp.errors import ConfigError


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("", "is no URI; valid: file:take.wav, mic:"),
        ("mic", "lacks its colon"),
        ("take.wav", "for a file write 'file:take.wav'"),
        ("mik:0", "unknown scheme 'mik'; did you mean 'mic'"),
        ("sim:house", "unknown world 'house'"),
        ("sim:apartment?noise_db=3", r"noise_db='3' must be a number in \[-140, 0\]"),
        ("none:?x=1", "unknown option 'x'"),
        ("mic:?rate=8000", "unknown option 'rate'"),
    ],
)
def test_uris_that_cannot_be(uri: str, says: str):
    with pytest.raises(ConfigError, match=says) as caught:
        open_microphone(uri, clock=VirtualClock())
    assert "\n" not in str(caught.value)


def test_a_live_microphone_is_not_driven_in_lock_step():
    with pytest.raises(ConfigError, match="runs in real time only"):
        open_microphone("mic:", clock=VirtualClock(), lockstep=True)


def test_no_microphone_hears_nothing():
    source = open_microphone("none:", clock=VirtualClock())
    source.start(lambda _: pytest.fail("it heard something"))
    source.pump(10.0)
    assert source.finished
    assert source.healthy
    assert source.error is None
    assert source.latest("audio", 10.0) is None
    assert source.counts().produced == 0
    source.stop()


def test_the_table_names_every_scheme():
    assert set(MICROPHONES) == {"mic", "file", "sim", "none"}
