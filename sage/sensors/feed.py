"""From a capture to its consumer: newest wins, nothing stale, every capture accounted for."""

from __future__ import annotations

import logging
import threading

from sage.clock import Clock
from sage.irp.errors import ConfigError, DeviceError
from sage.sensors.mailbox import Mailbox
from sage.sensors.source import DROP_REASONS, Deliver, DropReason, SourceCounts
from sage.values import Observation

log = logging.getLogger(__name__)

STOP_WAIT_S = 2.0
"""How long ``stop`` waits for a thread that is stuck in a device or in a consumer."""

COMPLAIN_EVERY_S = 10.0
"""How often a consumer that keeps raising is reported again."""


class Feed:
    """Hands observations to ``deliver``, and keeps the books.

    With ``inline`` it delivers on the publisher's thread (lock-step). Otherwise a thread of its own
    does, so that a slow consumer costs frames (``superseded``) and never delays a capture.
    What waited longer than ``stale_after_s`` is dropped rather than served as fresh.
    """

    def __init__(self, clock: Clock, *, inline: bool, stale_after_s: float = 1.0) -> None:
        if not stale_after_s > 0:
            raise ConfigError(f"stale_after_s is {stale_after_s!r}; it must be above 0")
        self._clock = clock
        self._inline = inline
        self._stale_after_s = stale_after_s
        self._lock = threading.Lock()
        self._delivered = 0
        self._dropped: dict[DropReason, int] = dict.fromkeys(DROP_REASONS, 0)
        self._latest: dict[str, Observation] = {}
        self._mailbox: Mailbox[Observation] = Mailbox()
        self._deliver: Deliver | None = None
        self._thread: threading.Thread | None = None
        self._waiting = 0  # published, and neither delivered nor dropped yet
        self._closed = False
        self._failures = 0
        self._complained_s: float | None = None

    def open(self, deliver: Deliver, *, name: str) -> None:
        """Begin to deliver; a feed opens once."""
        if self._deliver is not None or self._closed:
            raise DeviceError(f"{name}: already started; open the source anew to start it again")
        self._deliver = deliver
        if not self._inline:
            self._thread = threading.Thread(target=self._run, name=f"feed {name}", daemon=True)
            self._thread.start()

    @property
    def closed(self) -> bool:
        """True after ``close``."""
        return self._closed

    @property
    def failures(self) -> int:
        """How often the consumer raised on the feed's own thread."""
        return self._failures

    @property
    def idle(self) -> bool:
        """True when nothing waits and no delivery is going on."""
        with self._lock:
            return self._waiting == 0

    def publish(self, observation: Observation) -> None:
        """A capture arrived. One that is older than its modality's newest is superseded."""
        with self._lock:
            known = self._latest.get(observation.modality)
            if self._closed or self._deliver is None:
                self._dropped["closed"] += 1
                return
            if known is not None and observation.captured_s < known.captured_s:
                self._dropped["superseded"] += 1
                return
            self._latest[observation.modality] = observation
            if not self._inline:
                if self._mailbox.put(observation.modality, observation) is None:
                    self._waiting += 1
                else:
                    self._dropped["superseded"] += 1
        if self._inline:
            self._hand_over(observation)

    def drop(self, reason: DropReason) -> None:
        """A capture was lost before it became an observation."""
        with self._lock:
            self._dropped[reason] += 1

    def latest(self, modality: str, max_age_s: float) -> Observation | None:
        """The newest capture of a modality, unless it is older than ``max_age_s``."""
        if not max_age_s >= 0:
            raise ConfigError(f"max_age_s is {max_age_s!r}; it must be 0 or more")
        with self._lock:
            observation = self._latest.get(modality)
        if observation is None or self._clock.now_s() - observation.captured_s > max_age_s:
            return None
        return observation

    def counts(self) -> SourceCounts:
        """A consistent snapshot of the books."""
        with self._lock:
            dropped = dict(self._dropped)
            return SourceCounts(self._delivered + sum(dropped.values()), self._delivered, dropped)

    def close(self) -> None:
        """Deliver nothing more; what still waits is dropped as ``closed``."""
        with self._lock:
            self._closed = True
            left = len(self._mailbox.close())
            self._dropped["closed"] += left
            self._waiting -= left
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(STOP_WAIT_S)
            if self._thread.is_alive():
                log.warning("%s: its consumer still holds the last observation", self._thread.name)

    def _run(self) -> None:
        while not self._closed:
            observation = self._mailbox.take()
            if observation is None:
                continue
            try:
                self._hand_over(observation)
            except Exception:
                self._complain(observation.source)
            finally:
                with self._lock:
                    self._waiting -= 1

    def _complain(self, source: str) -> None:
        """The consumer's fault: it must not end the source, nor flood the log."""
        self._failures += 1
        now_s = self._clock.now_s()
        if self._complained_s is None or now_s - self._complained_s >= COMPLAIN_EVERY_S:
            self._complained_s = now_s
            log.exception("the consumer of %s raised (failures so far: %d)", source, self._failures)

    def _hand_over(self, observation: Observation) -> None:
        with self._lock:
            if self._closed:
                self._dropped["closed"] += 1
                return
            if self._clock.now_s() - observation.captured_s > self._stale_after_s:
                self._dropped["stale"] += 1
                return
            self._delivered += 1
            deliver = self._deliver
        if deliver is not None:
            deliver(observation)
