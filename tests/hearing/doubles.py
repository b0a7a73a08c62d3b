"""Strict doubles of what hearing asks of others: they check how they are used."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sage.hearing import RATE_HZ, Hypothesis
from sage.values import AudioBlock, Float32Array, Observation

BLOCK = 512
BLOCK_S = BLOCK / RATE_HZ


def until(condition: Callable[[], object], timeout_s: float = 5.0) -> None:
    """Wait for what another thread does; fails after ``timeout_s``."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.002)


def sound(seconds: float, level: float = 0.5, rate_hz: int = RATE_HZ) -> Float32Array:
    """A tone that the doubles take for speech."""
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    return (level * np.sin(2 * np.pi * 440.0 * times)).astype(np.float32)


def silence(seconds: float) -> Float32Array:
    return np.zeros(round(seconds * RATE_HZ), np.float32)


class LoudIsSpeech:
    """Voice activity that goes by loudness. One thread may use it."""

    block_samples = BLOCK

    def __init__(self) -> None:
        self.resets = 0
        self.fails = False
        self._thread: int | None = None

    def probability(self, samples: Float32Array) -> float:
        assert samples.shape == (BLOCK,)
        assert samples.dtype == np.float32
        assert np.isfinite(samples).all()
        self._thread = self._thread or threading.get_ident()
        assert self._thread == threading.get_ident(), "two threads use it"
        if self.fails:
            raise RuntimeError("the network is broken")
        return 1.0 if np.sqrt(np.mean(samples**2)) > 0.05 else 0.0

    def reset(self) -> None:
        self.resets += 1


class ScriptedRecogniser:
    """Answers from a script, one hypothesis per utterance; keeps what it was fed."""

    name = "scripted"
    any_words = False

    def __init__(self, *answers: Hypothesis | str, complete: bool = False) -> None:
        self.answers = [
            answer if isinstance(answer, Hypothesis) else Hypothesis(answer, 0.9, complete)
            for answer in answers
        ]
        self.partials: Callable[[int], Hypothesis] | None = None
        self.fails: set[str] = set()
        self.heard: list[Float32Array] = []
        self.calls = 0
        self.closed = False
        self.open = False

    def begin(self) -> None:
        self._called("begin")
        assert not self.open, "begin() without finish()"
        self.open = True
        self.heard.append(np.empty(0, np.float32))

    def feed(self, samples: Float32Array) -> None:
        self._called("feed")
        assert self.open, "feed() without begin()"
        assert samples.ndim == 1
        self.heard[-1] = np.concatenate([self.heard[-1], samples])

    def partial(self) -> Hypothesis:
        self._called("partial")
        assert self.open, "partial() without begin()"
        if self.partials is not None:
            return self.partials(len(self.heard[-1]))
        return self.answers[len(self.heard) - 1]

    def finish(self) -> Hypothesis:
        self._called("finish")
        assert self.open, "finish() without begin()"
        self.open = False
        return self.answers[len(self.heard) - 1]

    def close(self) -> None:
        assert not self.closed, "closed twice"
        self.closed = True

    def _called(self, method: str) -> None:
        assert not self.closed, f"{method}() after close()"
        self.calls += 1
        if method in self.fails:
            self.open = False
            raise RuntimeError(f"{method} does not work today")


def blocks(samples: Float32Array, start_s: float = 0.0, first: int = 0) -> list[Observation]:
    """The samples as a source delivers them; what is no whole block is left out."""
    return [
        Observation(
            "test:",
            "audio",
            start_s + (number + 1) * BLOCK_S,
            first + number,
            AudioBlock(samples[number * BLOCK : (number + 1) * BLOCK]),
        )
        for number in range(len(samples) // BLOCK)
    ]


class PortAudioError(Exception):
    """As sounddevice's."""


class _Status:
    """As ``sounddevice.CallbackFlags``."""

    def __init__(self, overflow: bool) -> None:
        self.input_overflow = overflow


class _Time:
    """As PortAudio's ``PaStreamCallbackTimeInfo``; zero where a driver tells nothing."""

    def __init__(self, adc_s: float, now_s: float) -> None:
        self.inputBufferAdcTime = adc_s
        self.currentTime = now_s
        self.outputBufferDacTime = 0.0


class Sounddevice:
    """A machine with sound cards, with sounddevice's functions; devices can be unplugged.

    As in PortAudio, the list of devices is the one of the last initialisation.
    """

    PortAudioError = PortAudioError

    def __init__(self, devices: Sequence[dict[str, Any]] | None = None) -> None:
        self.plugged = list(devices if devices is not None else [card("Built-in Mic")])
        self.rates: set[int] = {16000, 44100, 48000}
        self.channels: set[int] = {1, 2}
        self.default = 0
        self.streams: list[InputStream] = []
        self.initialised = 1
        self._listed = list(self.plugged)

    def _terminate(self) -> None:
        assert self.initialised == 1
        assert not any(stream.open for stream in self.streams), "a stream is still open"
        self.initialised = 0

    def _initialize(self) -> None:
        self.initialised += 1
        self._listed = list(self.plugged)

    def query_devices(self, device: int | None = None, kind: str | None = None) -> Any:
        assert self.initialised == 1
        assert device is None
        if kind is None:
            return [dict(found) for found in self._listed]
        assert kind == "input"
        if not self._listed or self.default < 0:
            raise PortAudioError("Error querying device -1")
        return {"index": self.default, **self._listed[self.default]}

    def check_input_settings(
        self, *, device: int, channels: int, dtype: str, samplerate: float
    ) -> None:
        assert dtype == "float32"
        if samplerate not in self.rates:
            raise PortAudioError("Invalid sample rate [PaErrorCode -9997]")
        if channels not in self.channels or channels > self._listed[device]["max_input_channels"]:
            raise PortAudioError("Invalid number of channels [PaErrorCode -9998]")

    def InputStream(self, **settings: Any) -> InputStream:
        index = settings.pop("device")
        if self._listed[index] not in self.plugged:
            raise PortAudioError("Error opening InputStream: Device unavailable")
        stream = InputStream(self, self._listed[index], **settings)
        self.streams.append(stream)
        return stream


def card(name: str, inputs: int = 2, rate_hz: float = 44100.0) -> dict[str, Any]:
    return {"name": name, "max_input_channels": inputs, "default_samplerate": rate_hz}


class InputStream:
    """A stream whose callback the test calls by ``say``, with what PortAudio would give it."""

    def __init__(
        self,
        machine: Sounddevice,
        device: dict[str, Any],
        *,
        samplerate: int,
        channels: int,
        dtype: str,
        latency: str,
        callback: Callable[..., None],
    ) -> None:
        assert dtype == "float32"
        assert latency == "low"
        self.rate_hz = samplerate
        self.channels = channels
        self.started = False
        self.open = True
        self.dead = False
        self._machine = machine
        self._device = device
        self._callback = callback

    def start(self) -> None:
        assert self.open
        assert not self.started, "started twice"
        self.started = True

    @property
    def active(self) -> bool:
        if self._device not in self._machine.plugged:
            raise PortAudioError("Unanticipated host error")
        return self.open and self.started and not self.dead

    def abort(self) -> None:
        assert self.open, "abort() of a closed stream"
        if self._device not in self._machine.plugged:
            raise PortAudioError("Unanticipated host error")
        self.started = False

    def close(self) -> None:
        assert self.open, "closed twice"
        self.open = False

    def say(
        self,
        samples: Float32Array,
        *,
        frames: int = 256,
        overflow: bool = False,
        adc_age_s: float | None = None,
    ) -> None:
        """Call the callback, ``frames`` at a time; its array is valid during the call only."""
        assert self.open
        assert self.started
        for begin in range(0, len(samples), frames):
            part = samples[begin : begin + frames]
            indata = np.repeat(part[:, None], self.channels, axis=1)
            time_info = _Time(0.0, 0.0) if adc_age_s is None else _Time(100.0, 100.0 + adc_age_s)
            returned = self._callback(indata, len(part), time_info, _Status(overflow))  # type: ignore[func-returns-value]
            assert returned is None
            indata[:] = np.nan  # PortAudio's buffer is reused
            overflow = False
