"""``mic:`` - a real microphone: recorded by PortAudio, lost and found again."""

from __future__ import annotations

import logging
import threading
from typing import Any

import numpy as np

from sage.clock import Clock
from sage.hearing.blocks import BLOCK_S, BlockFeed
from sage.hearing.portaudio import InputDevice, check_input, find_input, load_sounddevice, refresh
from sage.hearing.recogniser import RATE_HZ
from sage.hearing.resample import Resampler
from sage.hearing.ring import RingBuffer
from sage.irp.errors import ConfigError, DeviceError
from sage.sensors.camera import ReconnectConfig
from sage.sensors.feed import STOP_WAIT_S
from sage.sensors.source import Deliver, SourceCounts
from sage.sensors.uri import DeviceUri, read_options
from sage.values import Float32Array, Observation

log = logging.getLogger(__name__)

RING_S = 4.0
"""How long the source's thread may be held up before sound is lost."""
WAKE_S = 0.1
DRIFT = 2e-4
"""How far a sound card's clock may be off from ours, as a fraction."""
JUMP_S = 0.5
REPORTED_JUMP_S = 0.02
"""Samples that come so much later than they should were preceded by others that never came; less
is needed where the driver has reported a loss."""


class Microphone:
    """Records on PortAudio's thread into a ring, and delivers from a thread of its own.

    A device that vanishes makes the source unhealthy, and is looked for until it is back.
    """

    modalities = ("audio",)

    def __init__(
        self,
        uri: str,
        place: str,
        clock: Clock,
        *,
        reconnect: ReconnectConfig | None = None,
    ) -> None:
        """``place`` is empty, a number or a part of a name; DeviceError where none matches."""
        self.uri = uri
        self.reconnects = 0
        """How often the lost device was sought."""
        self.driver_overflows = 0
        """How often the driver reported that it had lost sound."""
        self._place = place
        self._clock = clock
        self._reconnect = reconnect or ReconnectConfig()
        self._delay_s = self._reconnect.first_s
        self._feed = BlockFeed(uri, clock, inline=False)
        self._stopping = threading.Event()
        self._arrived = threading.Event()
        self._thread: threading.Thread | None = None
        self._lost: DeviceError | None = None
        self._cleaned = 0
        self._overflow_samples = 0
        self._overflow_episodes = 0
        self._heard_s = clock.now_s()
        self._lost_s: float | None = None
        self._recorder: Recorder | None = self._connect()

    @property
    def finished(self) -> bool:
        """A microphone ends only when it is stopped."""
        return self._feed.closed

    @property
    def healthy(self) -> bool:
        """False while the device is away or silent."""
        silent_s = self._clock.now_s() - self._heard_s
        return self._lost is None and silent_s <= self._reconnect.silent_s

    @property
    def error(self) -> DeviceError | None:
        """Why the device is away."""
        return self._lost

    @property
    def cleaned(self) -> int:
        """How many samples were no finite numbers, and were made silent."""
        recorder = self._recorder
        return self._cleaned + (recorder.resampler.cleaned if recorder else 0)

    @property
    def overflow_samples(self) -> int:
        """How many samples, at the device's rate, were lost because this machine was too slow."""
        recorder = self._recorder
        return self._overflow_samples + (recorder.ring.overflow_samples if recorder else 0)

    @property
    def overflow_episodes(self) -> int:
        """How often that happened."""
        recorder = self._recorder
        return self._overflow_episodes + (recorder.ring.overflow_episodes if recorder else 0)

    def latest(self, modality: str, max_age_s: float) -> Observation | None:
        """The newest block, unless it is older than ``max_age_s``."""
        return self._feed.latest(modality, max_age_s)

    def counts(self) -> SourceCounts:
        """What became of the blocks so far."""
        return self._feed.counts()

    def pump(self, until_s: float) -> None:
        """A microphone cannot be driven in lock-step."""
        raise ConfigError(f"{self.uri} runs in real time only; lock-step wants sim: or file:")

    def start(self, deliver: Deliver) -> None:
        """Begin to record."""
        self._feed.open(deliver)
        self._heard_s = self._clock.now_s()
        self._thread = threading.Thread(target=self._run, name=self.uri, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop recording. A thread stuck in a driver is left behind; it releases the device."""
        self._stopping.set()
        self._arrived.set()
        self._feed.close()
        if self._thread is None:
            self._release()
        elif self._thread is not threading.current_thread():
            self._thread.join(STOP_WAIT_S)

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                recorder = self._recorder
                if recorder is None:
                    self._seek()
                    continue
                try:
                    self._listen(recorder)
                except Exception as error:  # a driver may raise anything: the device went away
                    self._lose(error)
        finally:
            self._release()

    def _listen(self, recorder: Recorder) -> None:
        if not recorder.started:
            recorder.start()
            self._heard_s = self._clock.now_s()
        self._arrived.wait(WAKE_S)
        self._arrived.clear()
        self.driver_overflows += recorder.take_overflows()
        while not self._stopping.is_set():
            part = recorder.read()
            if part is None:
                break
            samples, ended_s, lost_s = part
            self._heard_s = self._clock.now_s()
            if self._lost_s is not None:
                lost_s = max(BLOCK_S, ended_s - len(samples) / RATE_HZ - self._lost_s)
                self._recovered()
            if lost_s > 0.0:
                self._feed.lose(lost_s)
            self._feed.push(samples, ended_s)
        if not recorder.active:
            raise DeviceError("its stream ended")
        if self._clock.now_s() - self._heard_s > self._reconnect.silent_s:
            raise DeviceError(f"no sound for {self._reconnect.silent_s:g} s")

    def _recovered(self) -> None:
        self._lost = None
        self._lost_s = None
        self._delay_s = self._reconnect.first_s
        log.info("%s is back after %d attempts", self.uri, self.reconnects)

    def _lose(self, error: Exception) -> None:
        if self._lost_s is None:
            self._lost_s = self._heard_s
        self._release()
        if self._lost is None:
            reason = " ".join(str(error).split())
            self._lost = DeviceError(f"{self.uri} went away ({reason}); it is being sought again")
            log.warning("%s", self._lost)

    def _seek(self) -> None:
        self._stopping.wait(self._delay_s)
        if self._stopping.is_set():
            return
        self._delay_s = min(2 * self._delay_s, self._reconnect.cap_s)
        self.reconnects += 1
        try:
            refresh(load_sounddevice())
            self._recorder = self._connect()
        except Exception as error:  # still away; a driver may raise anything
            log.debug("%s: %s", self.uri, error)

    def _connect(self) -> Recorder:
        sounddevice = load_sounddevice()
        device = find_input(sounddevice, self._place, self.uri)
        return Recorder(sounddevice, device, self.uri, self._clock, self._arrived)

    def _release(self) -> None:
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            self._cleaned += recorder.resampler.cleaned
            self._overflow_samples += recorder.ring.overflow_samples
            self._overflow_episodes += recorder.ring.overflow_episodes
            recorder.close()


class Recorder:
    """One open stream: its callback fills the ring, ``read`` takes from it at 16 kHz."""

    def __init__(
        self,
        sounddevice: Any,
        device: InputDevice,
        uri: str,
        clock: Clock,
        arrived: threading.Event,
    ) -> None:
        """DeviceError where the device cannot be opened."""
        self.rate_hz, channels = check_input(sounddevice, device, uri)
        self.ring = RingBuffer(int(RING_S * self.rate_hz))
        self.resampler = Resampler(self.rate_hz)
        self.started = False
        self._clock = clock
        self._arrived = arrived
        self._overflows = 0  # written by the callback only
        self._overflows_taken = 0
        self._overflows_timed = 0
        self._mark: tuple[int, float] | None = None  # a sample's index, and when it was captured
        self._offset_s: float | None = None  # when sample 0 was captured
        self._offset_at_s = 0.0
        self._first = 0  # the index of the first sample that the resampler was given
        self._resampled = 0
        try:
            self._stream = sounddevice.InputStream(
                samplerate=self.rate_hz,
                device=device.index,
                channels=channels,
                dtype="float32",
                latency="low",
                callback=self._callback,
            )
        except Exception as error:  # PortAudioError, and ValueError where a setting is refused
            reason = " ".join(str(error).split())
            raise DeviceError(f"{uri!r}: {device.name!r} cannot be opened: {reason}") from None

    @property
    def active(self) -> bool:
        """Whether the stream still runs."""
        return bool(self._stream.active)

    def start(self) -> None:
        """Begin to record."""
        self.started = True
        self._stream.start()

    def close(self) -> None:
        """Release the device, whatever the driver says to it."""
        for end in (self._stream.abort, self._stream.close):
            try:
                end()
            except Exception as error:
                log.debug("closing a microphone: %s", error)

    def take_overflows(self) -> int:
        """How often the driver lost sound since the last call."""
        count, self._overflows_taken = self._overflows - self._overflows_taken, self._overflows
        return count

    def read(self) -> tuple[Float32Array, float, float] | None:
        """(samples at 16 kHz, when the last was captured, seconds lost before them), or None."""
        count = min(self.ring.available, self.rate_hz // 10)
        if count == 0:
            return None
        expected = self.ring.position
        samples = self.ring.read(count)
        if samples is None:
            return None
        begin = self.ring.position - count
        offset_s, jumped_s = self._offset()
        lost_s = (begin - expected) / self.rate_hz + jumped_s
        if lost_s > 0.0:  # what is on either side of a gap must not be smeared over it
            cleaned = self.resampler.cleaned
            self.resampler = Resampler(self.rate_hz)
            self.resampler.cleaned = cleaned
            self._first, self._resampled = begin, 0
        resampled = self.resampler.push(samples)
        self._resampled += len(resampled)
        ended_s = offset_s + self._first / self.rate_hz + self._resampled / RATE_HZ
        return resampled, ended_s, lost_s

    def _offset(self) -> tuple[float, float]:
        """When sample 0 was captured by this device's count, and by how much that has jumped.

        Callbacks come late at times and never early, so the earliest counts, as far as the two
        clocks may have drifted apart since.
        """
        mark = self._mark
        assert mark is not None  # there is something to read, so the callback has run
        index, captured_s = mark
        offset_s = captured_s - index / self.rate_hz
        known_s = self._offset_s
        jumped_s = 0.0
        overflows = self._overflows
        jump_s = JUMP_S if overflows == self._overflows_timed else REPORTED_JUMP_S
        self._overflows_timed = overflows
        if known_s is None or offset_s - known_s > jump_s:
            jumped_s = 0.0 if known_s is None else offset_s - known_s
        else:
            drift_s = DRIFT * max(0.0, captured_s - self._offset_at_s)
            offset_s = min(offset_s, known_s + drift_s)
        self._offset_s, self._offset_at_s = offset_s, captured_s
        return offset_s, jumped_s

    def _callback(self, indata: Any, frames: int, time: Any, status: Any) -> None:
        """PortAudio's thread: it must not wait."""
        now_s = self._clock.now_s()
        if status.input_overflow:
            self._overflows += 1
        duration_s = frames / self.rate_hz
        age_s = time.currentTime - time.inputBufferAdcTime  # of the first sample
        if not duration_s <= age_s <= 1.0:  # some drivers tell nothing, or nonsense
            age_s = duration_s
        self.ring.write(indata[:, 0] if indata.shape[1] == 1 else np.mean(indata, axis=1))
        self._mark = (self.ring.written - frames, now_s - age_s)
        self._arrived.set()


def open_mic(uri: DeviceUri, clock: Clock) -> Microphone:
    """``mic:``, ``mic:N`` or ``mic:NAME``; DeviceError lists the inputs that exist."""
    read_options(uri, {})
    return Microphone(uri.text, uri.place.removeprefix("//").strip(), clock)
