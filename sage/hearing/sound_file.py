"""``file:take.wav`` as a microphone, played by the injected clock."""

from __future__ import annotations

import logging
import math
import threading

import numpy as np

from sage.clock import Clock
from sage.hearing.blocks import BLOCK_S, BLOCK_SAMPLES, BlockFeed
from sage.hearing.recording import Recording, open_recording
from sage.hearing.resample import Resampler
from sage.irp.errors import DeviceError
from sage.sensors.feed import STOP_WAIT_S
from sage.sensors.source import Deliver, SourceCounts
from sage.sensors.uri import DeviceUri, Option, read_options
from sage.values import Float32Array, Observation

log = logging.getLogger(__name__)

OPTIONS = {"loop": Option(False), "from_s": Option(0.0, 0.0, 1e6)}
READ_S = 0.1


class SoundFileSource:
    """Plays a recording: its first sample is captured at the start.

    A machine that is too slow hears it late, but hears all of it. What is readable of a damaged
    file is heard; then ``error`` says what was wrong.
    """

    modalities = ("audio",)

    def __init__(
        self,
        uri: str,
        recording: Recording,
        clock: Clock,
        *,
        lockstep: bool = False,
        loop: bool = False,
    ) -> None:
        self.uri = uri
        self.error: DeviceError | None = None
        self._recording = recording
        self._resampler = Resampler(recording.rate_hz)
        self._clock = clock
        self._lockstep = lockstep
        self._loop = loop
        self._feed = BlockFeed(uri, clock, inline=lockstep)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._ready = np.empty(0, np.float32)
        self._exhausted = False  # nothing is left to be read
        self._heard_any = False
        self._start_s = math.inf
        self._blocks = 0
        self._ended = False

    @property
    def finished(self) -> bool:
        """True once the last block was delivered, or after ``stop``."""
        return self._feed.closed or self._ended

    @property
    def healthy(self) -> bool:
        """False once the file failed."""
        return self.error is None

    @property
    def cleaned(self) -> int:
        """How many samples were no finite numbers, and were made silent."""
        return self._resampler.cleaned

    def latest(self, modality: str, max_age_s: float) -> Observation | None:
        """The newest block, unless it is older than ``max_age_s``."""
        return self._feed.latest(modality, max_age_s)

    def counts(self) -> SourceCounts:
        """What became of the blocks so far."""
        return self._feed.counts()

    def start(self, deliver: Deliver) -> None:
        """The first sample is captured now."""
        self._feed.open(deliver)
        self._start_s = self._clock.now_s()
        if not self._lockstep:
            self._thread = threading.Thread(target=self._run, name=self.uri, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop playing and release the file."""
        self._stopping.set()
        self._feed.close()
        if self._thread is None:
            self._recording.close()
        elif self._thread is not threading.current_thread():
            self._thread.join(STOP_WAIT_S)

    def pump(self, until_s: float) -> None:
        """Deliver every block that ends up to ``until_s``."""
        # A nanosecond of grace: sums of block times are not exact.
        while not self.finished and not self._stopping.is_set() and self._due_s() <= until_s + 1e-9:
            block = self._next_block()
            if block is None:
                self._end()
                return
            captured_s = self._due_s()
            self._blocks += 1
            self._feed.push(block, captured_s)
            if self._exhausted and not len(self._ready):
                self._end()

    def _due_s(self) -> float:
        return self._start_s + (self._blocks + 1) * BLOCK_S

    def _next_block(self) -> Float32Array | None:
        """The next 512 samples, the last ones filled up with silence; None at the end."""
        while len(self._ready) < BLOCK_SAMPLES and not self._exhausted:
            self._read_on()
        if not len(self._ready):
            return None
        block, self._ready = self._ready[:BLOCK_SAMPLES], self._ready[BLOCK_SAMPLES:]
        return np.pad(block, (0, BLOCK_SAMPLES - len(block)))

    def _read_on(self) -> None:
        samples = self._recording.read(READ_S)
        if samples is not None:
            self._heard_any = True
            more = self._resampler.push(samples)
        elif self._loop and self._heard_any and self._recording.complaint() is None:
            self._heard_any = False
            self._recording.rewind()
            return
        else:
            self._exhausted = True
            more = self._resampler.push(np.empty(0, np.float32), last=True)
        self._ready = np.concatenate([self._ready, more])

    def _end(self) -> None:
        if self.cleaned:
            log.warning("%s: %d samples were no numbers; played as silence", self.uri, self.cleaned)
        complaint = self._recording.complaint()
        if complaint is not None:
            self._fail(DeviceError(f"{self.uri}: {complaint}"))
        self._ended = True

    def _fail(self, error: DeviceError) -> None:
        self.error = error
        self._ended = True
        log.warning("%s", error)

    def _run(self) -> None:
        try:
            while not self.finished and not self._stopping.is_set():
                self.pump(self._clock.now_s())
                self._stopping.wait(min(BLOCK_S, max(0.0, self._due_s() - self._clock.now_s())))
        except DeviceError as error:
            self._fail(error)
        except Exception as error:  # a decoder's failure ends the source, not the run
            log.exception("%s: reading failed", self.uri)
            self._fail(DeviceError(f"{self.uri}: reading failed: {error}"))
        finally:
            self._recording.close()


def open_file(uri: DeviceUri, clock: Clock, *, lockstep: bool) -> SoundFileSource:
    """Open ``file:PATH``; DeviceError names the path and what is wrong with it."""
    options = read_options(uri, OPTIONS)
    recording = open_recording(uri.place, uri.text, from_s=options["from_s"])
    return SoundFileSource(uri.text, recording, clock, lockstep=lockstep, loop=options["loop"])
