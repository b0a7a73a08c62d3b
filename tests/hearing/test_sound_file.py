"""Sound files as microphones: any rate and format, and whatever can be wrong with a file."""

from __future__ import annotations

import os
import resource
import struct
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sage.clock import RealClock, VirtualClock
from sage.hearing import open_microphone
from sage.hearing.sound_file import SoundFileSource
from sage.irp.errors import ConfigError, DeviceError
from sage.sensors.source import Source
from sage.values import Float32Array, Observation
from tests.hearing.doubles import BLOCK_S, sound, until


def opened(path: Path | str, options: str = "", clock: VirtualClock | None = None) -> Source:
    return open_microphone(f"file:{path}{options}", clock=clock or VirtualClock(), lockstep=True)


def heard(source: Source, for_s: float = 60.0) -> list[Observation]:
    got: list[Observation] = []
    source.start(got.append)
    source.pump(for_s)
    return got


def joined(got: list[Observation]) -> Float32Array:
    return np.concatenate([block.data.samples for block in got])


def wav(path: Path, samples: Float32Array, rate_hz: int = 16000, **options: str) -> Path:
    soundfile.write(path, samples, rate_hz, **options)
    return path


@pytest.mark.parametrize("rate_hz", [8000, 11025, 16000, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("channels", [1, 2])
def test_any_rate_and_stereo_become_16_khz_mono(tmp_path: Path, rate_hz: int, channels: int):
    tone = sound(0.7, 0.5, rate_hz)
    path = wav(tmp_path / "take.wav", np.stack([tone] * channels, axis=1), rate_hz)
    source = opened(path)
    got = heard(source)
    assert all(block.modality == "audio" and block.data.rate_hz == 16000 for block in got)
    assert all(len(block.data.samples) == 512 for block in got)
    assert len(got) == 22  # 0.7 s, the last block filled up with silence
    samples = joined(got)
    np.testing.assert_allclose(samples[1000:10000], sound(0.7)[1000:10000], atol=0.01)
    assert not samples[11400:].any()
    assert source.finished
    assert source.healthy


@pytest.mark.parametrize(
    ("name", "subtype", "error"),
    [
        ("take.wav", "PCM_U8", 0.01),
        ("take.wav", "PCM_16", 1e-4),
        ("take.wav", "PCM_24", 1e-6),
        ("take.wav", "PCM_32", 1e-6),
        ("take.wav", "FLOAT", 1e-6),
        ("take.wav", "DOUBLE", 1e-6),
        ("take.wav", "ULAW", 0.03),
        ("take.flac", "PCM_16", 1e-4),
        ("take.flac", "PCM_24", 1e-6),
        ("take.ogg", "VORBIS", 0.05),
        ("take.aiff", "PCM_16", 1e-4),
    ],
)
def test_formats(tmp_path: Path, name: str, subtype: str, error: float):
    path = wav(tmp_path / name, sound(0.32), subtype=subtype)
    source = opened(path)
    np.testing.assert_allclose(joined(heard(source)), sound(0.32), atol=error)
    assert source.error is None


def test_times_and_numbers_are_consecutive(tmp_path: Path):
    clock = VirtualClock(100.0)
    source = opened(wav(tmp_path / "take.wav", sound(1.0)), clock=clock)
    got: list[Observation] = []
    source.start(got.append)
    for step in range(1, 12):
        until_s = 100.0 + 0.1 * step
        clock.advance_to(until_s)
        source.pump(until_s)
        assert len(got) == min(32, int(0.1 * step / BLOCK_S + 1e-6))
        assert all(block.captured_s <= until_s + 1e-6 for block in got)
    assert [block.sequence for block in got] == list(range(32))
    times = [100.0 + BLOCK_S * (number + 1) for number in range(32)]
    assert [block.captured_s for block in got] == pytest.approx(times)
    assert source.latest("audio", 0.2) is got[-1]
    assert source.latest("audio", 0.01) is None
    assert source.latest("camera", 10.0) is None
    assert source.counts().delivered == 32


def test_in_real_time_nothing_comes_early_and_a_slow_consumer_loses_nothing(tmp_path: Path):
    clock = RealClock()
    path = wav(tmp_path / "take.wav", sound(0.512))
    source = open_microphone(f"file:{path}", clock=clock)
    got: list[tuple[float, Observation]] = []
    delays = iter([0.0, 0.0, 0.2])

    def consume(block: Observation) -> None:
        got.append((clock.now_s(), block))
        time.sleep(next(delays, 0.0))

    source.start(consume)
    until(lambda: source.finished)
    source.stop()
    assert all(now_s >= block.captured_s for now_s, block in got)
    assert [block.sequence for _, block in got] == list(range(16))
    np.testing.assert_allclose(joined([block for _, block in got]), sound(0.512), atol=1e-4)


def test_a_consumer_that_raises_does_not_end_the_source(tmp_path: Path, caplog):
    path = wav(tmp_path / "take.wav", sound(0.2))
    source = open_microphone(f"file:{path}", clock=RealClock())

    def consume(_: Observation) -> None:
        raise RuntimeError("not today")

    source.start(consume)
    until(lambda: source.finished)
    assert source.healthy
    assert source.counts().delivered == 7
    assert len(caplog.records) == 1
    assert "not today" in caplog.text


def test_options(tmp_path: Path):
    path = wav(tmp_path / "take.wav", np.concatenate([sound(0.5, 0.1), sound(0.5, 0.9)]))
    late = heard(opened(path, "?from_s=0.5"))
    assert len(late) == 16
    np.testing.assert_allclose(joined(late)[:8000], sound(0.5, 0.9), atol=1e-4)
    source = opened(path, "?loop=1&from_s=0.5")
    got = heard(source, for_s=3.2)
    assert len(got) == 100
    assert not source.finished
    np.testing.assert_allclose(joined(got)[8000:16000], sound(0.5, 0.9), atol=1e-4)
    source.stop()
    assert source.finished
    with pytest.raises(ConfigError, match=r"from_s=1.5 lies past the end .* 1.0 s"):
        opened(path, "?from_s=1.5")
    with pytest.raises(ConfigError, match="unknown option 'lop'; did you mean 'loop'"):
        opened(path, "?lop=1")


def test_a_truncated_wav_is_heard_as_far_as_it_goes_and_then_said_to_be_truncated(
    tmp_path: Path, caplog
):
    path = wav(tmp_path / "take.wav", sound(1.0), subtype="PCM_16")
    path.write_bytes(path.read_bytes()[: 44 + 16000])
    source = opened(path)
    got = heard(source)
    np.testing.assert_allclose(joined(got)[:8000], sound(0.5), atol=1e-4)
    assert source.finished
    assert not source.healthy
    assert "holds 50 % of its sound: truncated or damaged" in str(source.error)
    assert str(path) in caplog.text


@pytest.mark.parametrize("name", ["take.flac", "take.mp3"])
def test_other_truncated_formats(tmp_path: Path, name: str):
    path = wav(tmp_path / name, sound(4.0))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    source = opened(path)
    got = heard(source)
    assert 0.5 < len(got) * BLOCK_S < 3.0
    assert source.finished
    assert not source.healthy
    assert "truncated" in str(source.error) or "cannot be read past" in str(source.error)


def test_a_wav_written_into_a_pipe_states_no_length_and_is_not_called_truncated(tmp_path: Path):
    path = wav(tmp_path / "take.wav", sound(0.32), subtype="PCM_16")
    data = bytearray(path.read_bytes())
    data[40:44] = struct.pack("<I", 0xFFFFFFFF)
    path.write_bytes(data)
    source = opened(path)
    np.testing.assert_allclose(joined(heard(source)), sound(0.32), atol=1e-4)
    assert source.error is None


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b"This is no sound at all. " * 50, "no readable sound file"),
        (b"RIFF\x00\x00", "no readable sound file"),
        (b"\x89PNG\r\n\x1a\n" + bytes(500), "no readable sound file"),
    ],
)
def test_what_is_no_sound_file(tmp_path: Path, data: bytes, says: str):
    path = tmp_path / "take.wav"
    path.write_bytes(data)
    with pytest.raises(DeviceError, match=says) as caught:
        opened(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_header_without_a_sample(tmp_path: Path):
    with pytest.raises(DeviceError, match="holds no sound"):
        opened(wav(tmp_path / "take.wav", sound(0.0)))


def test_a_rate_that_cannot_be(tmp_path: Path):
    with pytest.raises(DeviceError, match="sampling rate of 10 Hz"):
        opened(wav(tmp_path / "take.wav", sound(0.1), 10))


def test_paths_that_lead_nowhere(tmp_path: Path):
    for uri, says in [
        ("file:", "names no file"),
        (f"file:{tmp_path}", "is a folder"),
        (f"file:{tmp_path}/nothing.wav", "there is no file"),
        ("file:/dev/null", "no regular file"),
        (f"file:{'x' * 300}.wav", "cannot be read"),
        ("file:~nobody-of-that-name/x.wav", "cannot be read"),
    ]:
        with pytest.raises(DeviceError, match=says):
            open_microphone(uri, clock=VirtualClock())


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = wav(tmp_path / "take.wav", sound(0.1))
    # Root may read everything, so the system's answer is made up.
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(DeviceError, match="may not be read"):
        opened(path)


def test_numbers_that_are_none_are_silent_and_counted(tmp_path: Path, caplog):
    samples = sound(0.32)
    samples[100:110] = np.nan
    samples[200] = np.inf
    source = opened(wav(tmp_path / "take.wav", samples, subtype="FLOAT"))
    assert isinstance(source, SoundFileSource)
    got = joined(heard(source))
    samples[100:110] = samples[200] = 0.0
    np.testing.assert_allclose(got, samples, atol=1e-6)
    assert source.cleaned == 11
    assert "11 samples were no numbers" in caplog.text


def test_a_gigantic_file_is_read_piece_by_piece(tmp_path: Path):
    path = wav(tmp_path / "take.wav", sound(0.1), 48000, subtype="PCM_16")
    data = bytearray(path.read_bytes()[:44])
    size = 1_900_000_000
    data[4:8] = struct.pack("<I", size + 36)
    data[40:44] = struct.pack("<I", size)
    with path.open("wb") as file:  # sparse: it takes no room on the disk
        file.write(data)
        file.truncate(size + 44)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    source = opened(path)
    assert len(heard(source, for_s=3.2)) == 100
    source.stop()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 50_000
    assert not source.counts().dropped["closed"]


def test_it_starts_once_and_stops_twice(tmp_path: Path):
    source = opened(wav(tmp_path / "take.wav", sound(0.1)))
    source.start(lambda _: None)
    with pytest.raises(DeviceError, match="already started"):
        source.start(lambda _: None)
    source.stop()
    source.stop()
    assert source.finished


def test_recordings_of_people(shared_data: Path):
    path = shared_data / "voices" / "5-newcommand0.wav"
    source = opened(path)
    want, rate_hz = soundfile.read(path, dtype="float32")
    assert rate_hz == 16000
    np.testing.assert_array_equal(joined(heard(source))[: len(want)], want)
    assert source.healthy
