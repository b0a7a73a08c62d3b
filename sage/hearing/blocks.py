"""From samples to the blocks that hearing takes: consecutive, timed, every one accounted for."""

from __future__ import annotations

import logging
import threading
from typing import Final

import numpy as np

from sage.clock import Clock
from sage.hearing.recogniser import RATE_HZ
from sage.irp.errors import ConfigError, DeviceError
from sage.sensors.feed import COMPLAIN_EVERY_S
from sage.sensors.source import DROP_REASONS, Deliver, DropReason, SourceCounts
from sage.values import AudioBlock, Float32Array, Observation

log = logging.getLogger(__name__)

BLOCK_SAMPLES: Final = 512
BLOCK_S: Final = BLOCK_SAMPLES / RATE_HZ


class BlockFeed:
    """Cuts samples into blocks of 512 (32 ms) and hands them over on the publisher's thread.

    Pictures may be dropped where a newer one is there; sound may not, so nothing is ever skipped
    here: a source that lost samples says so with ``lose``, and the sequence shows the gap.
    """

    def __init__(self, uri: str, clock: Clock, *, inline: bool) -> None:
        """With ``inline`` (lock-step) what the consumer raises reaches the publisher."""
        self.uri = uri
        self.closed = False
        self._clock = clock
        self._inline = inline
        self._lock = threading.Lock()
        self._deliver: Deliver | None = None
        self._pending = np.empty(0, np.float32)
        self._sequence = 0
        self._delivered = 0
        self._dropped: dict[DropReason, int] = dict.fromkeys(DROP_REASONS, 0)
        self._latest: Observation | None = None
        self._failures = 0
        self._complained_s: float | None = None

    def open(self, deliver: Deliver) -> None:
        """Begin to deliver; a feed opens once."""
        if self._deliver is not None or self.closed:
            raise DeviceError(f"{self.uri}: already started; open the source anew")
        self._deliver = deliver

    def push(self, samples: Float32Array, ended_s: float) -> None:
        """The next samples at 16 kHz, the last of which was captured at ``ended_s``."""
        if len(self._pending):
            samples = np.concatenate([self._pending, samples])
        whole = len(samples) - len(samples) % BLOCK_SAMPLES
        self._pending = samples[whole:]
        for end in range(BLOCK_SAMPLES, whole + 1, BLOCK_SAMPLES):
            block = samples[end - BLOCK_SAMPLES : end]
            self._publish(block, ended_s - (len(samples) - end) / RATE_HZ)

    def lose(self, lost_s: float) -> None:
        """So much sound never arrived, nor does what waited for the rest of its block."""
        lost = max(1, round(lost_s / BLOCK_S))
        self._pending = self._pending[:0]
        with self._lock:
            self._sequence += lost
            self._dropped["stale"] += lost

    def latest(self, modality: str, max_age_s: float) -> Observation | None:
        """The newest block, unless it is older than ``max_age_s``."""
        if not max_age_s >= 0:
            raise ConfigError(f"max_age_s is {max_age_s!r}; it must be 0 or more")
        newest = self._latest
        if newest is None or modality != newest.modality:
            return None
        return None if self._clock.now_s() - newest.captured_s > max_age_s else newest

    def counts(self) -> SourceCounts:
        """A consistent snapshot of the books."""
        with self._lock:
            dropped = dict(self._dropped)
            return SourceCounts(self._delivered + sum(dropped.values()), self._delivered, dropped)

    def close(self) -> None:
        """Deliver nothing more."""
        self.closed = True

    def _publish(self, block: Float32Array, captured_s: float) -> None:
        with self._lock:
            observation = Observation(
                self.uri, "audio", captured_s, self._sequence, AudioBlock(block, RATE_HZ)
            )
            self._sequence += 1
            deliver = None if self.closed else self._deliver
            if deliver is None:
                self._dropped["closed"] += 1
                return
            self._delivered += 1
            self._latest = observation
        if self._inline:
            deliver(observation)
            return
        try:
            deliver(observation)
        except Exception:
            self._complain()

    def _complain(self) -> None:
        """The consumer's fault: it must not end the source, nor flood the log."""
        self._failures += 1
        now_s = self._clock.now_s()
        if self._complained_s is None or now_s - self._complained_s >= COMPLAIN_EVERY_S:
            self._complained_s = now_s
            log.exception(
                "the consumer of %s raised (failures so far: %d)", self.uri, self._failures
            )
