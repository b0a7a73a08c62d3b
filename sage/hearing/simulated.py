"""``sim:apartment``: the microphone in the apartment, into which voices are played."""

from __future__ import annotations

import logging
import math
import threading

import numpy as np

from sage.clock import Clock
from sage.hearing.blocks import BLOCK_S, BLOCK_SAMPLES, BlockFeed
from sage.hearing.recogniser import RATE_HZ
from sage.hearing.resample import to_hearing
from sage.irp.errors import ConfigError, DeviceError
from sage.sensors.feed import STOP_WAIT_S
from sage.sensors.source import Deliver, SourceCounts
from sage.sensors.uri import DeviceUri, Option, closest, read_options
from sage.values import Float32Array, Observation

log = logging.getLogger(__name__)

OPTIONS = {
    "noise_db": Option(-66.0, -140.0, 0.0),  # root mean square against full scale
    "seed": Option(0, 0, 2**31 - 1),  # of the world, and of its noise
}
LONGEST_PLAY_S = 600.0


class SimulatedMicrophone:
    """A quiet room: a faint noise, and whatever is played into it, mixed.

    The first sample is captured at the start; block k ends 32 ms x (k + 1) later.
    """

    modalities = ("audio",)
    error: DeviceError | None = None
    healthy = True

    def __init__(
        self,
        uri: str,
        clock: Clock,
        *,
        lockstep: bool = False,
        noise_db: float = -66.0,
        seed: int = 0,
    ) -> None:
        self.uri = uri
        self._clock = clock
        self._lockstep = lockstep
        self._noise = np.float32(10.0 ** (noise_db / 20.0))
        self._random = np.random.default_rng(seed)
        self._feed = BlockFeed(uri, clock, inline=lockstep)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()  # of what follows
        self._playing: list[tuple[int, Float32Array]] = []  # from which sample on, and what
        self._at = 0  # the next sample to be captured
        self._start_s = math.inf

    @property
    def finished(self) -> bool:
        """True after ``stop``."""
        return self._feed.closed

    @property
    def playing(self) -> bool:
        """Whether something that was played is still to be heard."""
        with self._lock:
            return bool(self._playing)

    def play(self, samples: Float32Array, rate_hz: float, *, after_s: float = 0.0) -> float:
        """Let something be said ``after_s`` from now; returns when its first sample is captured.

        ``samples`` is (N,) or (N, channels) at ``rate_hz``. What is played at the same time is
        mixed. DeviceError before ``start``; ConfigError where the samples cannot be played.
        """
        samples = np.asarray(samples, dtype=np.float32)
        if samples.ndim not in (1, 2) or not 0 < len(samples) <= LONGEST_PLAY_S * rate_hz:
            raise ConfigError(
                f"{self.uri}: cannot play samples of shape {samples.shape} at {rate_hz:g} Hz; "
                f"valid: (N,) or (N, channels), at most {LONGEST_PLAY_S:g} s"
            )
        if not 0.0 <= after_s <= LONGEST_PLAY_S:
            raise ConfigError(f"after_s is {after_s!r}; it must be in [0, {LONGEST_PLAY_S:g}]")
        if math.isinf(self._start_s):
            raise DeviceError(f"{self.uri}: nothing can be played before it is started")
        voice = to_hearing(samples, rate_hz)
        with self._lock:
            now = self._at
            if not self._lockstep:  # later than what was captured, if its thread lags
                now = max(now, math.ceil((self._clock.now_s() - self._start_s) * RATE_HZ))
            first = now + round(after_s * RATE_HZ)
            self._playing.append((first, voice))
        return self._start_s + first / RATE_HZ

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
            self._thread = threading.Thread(target=self._run, name=f"mic {self.uri}", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Hear nothing more."""
        self._stopping.set()
        self._feed.close()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(STOP_WAIT_S)

    def pump(self, until_s: float) -> None:
        """Deliver every block that ends up to ``until_s``."""
        # A nanosecond of grace: sums of block times are not exact.
        while not self._feed.closed and self._due_s() <= until_s + 1e-9:
            captured_s = self._due_s()
            self._feed.push(self._capture(), captured_s)

    def _due_s(self) -> float:
        return self._start_s + (self._at + BLOCK_SAMPLES) / RATE_HZ

    def _capture(self) -> Float32Array:
        block: Float32Array = self._noise * self._random.standard_normal(BLOCK_SAMPLES, np.float32)
        with self._lock:
            begin, end = self._at, self._at + BLOCK_SAMPLES
            self._at = end
            for first, voice in self._playing:
                low, high = max(begin, first), min(end, first + len(voice))
                if low < high:
                    block[low - begin : high - begin] += voice[low - first : high - first]
            self._playing = [said for said in self._playing if said[0] + len(said[1]) > end]
        return np.clip(block, -1.0, 1.0)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.pump(self._clock.now_s())
            self._stopping.wait(min(BLOCK_S, max(0.0, self._due_s() - self._clock.now_s())))


def open_simulated(uri: DeviceUri, clock: Clock, *, lockstep: bool) -> SimulatedMicrophone:
    """The microphone that a ``sim:`` URI asks for; ConfigError where it names another world."""
    place = uri.place.removeprefix("//")
    if place not in ("apartment", ""):
        raise ConfigError(
            f"{uri.text!r}: unknown world {place!r}{closest(place, ('apartment',))}; "
            "valid: sim:apartment"
        )
    options = read_options(uri, OPTIONS)
    return SimulatedMicrophone(uri.text, clock, lockstep=lockstep, **options)
