"""The last guard before the wheels: a base that nobody commands any more stands still."""

from __future__ import annotations

import logging
import math
import threading

from sage.clock import Clock
from sage.effectors.effector import Effector
from sage.irp.errors import ConfigError
from sage.values import Effect, Twist

log = logging.getLogger(__name__)


class SafeHold:
    """An effector that stops when no command has come for ``hold_s``.

    Commands come from the control lane, ``tick`` from the runtime's own cycle: a control lane that
    hangs cannot keep the robot moving. Commands that are no numbers stop it too.
    """

    def __init__(self, effector: Effector, clock: Clock, *, hold_s: float = 0.5) -> None:
        if not 0 < hold_s <= 10:
            raise ConfigError(f"hold_s is {hold_s!r}; it must be in (0, 10] seconds")
        self._effector = effector
        self._clock = clock
        self._hold_s = hold_s
        self._lock = threading.Lock()
        self._commanded_s: float | None = None  # None: standing still, nothing to watch
        self._closed = False
        self._complained = False
        self.holds = 0
        """How often the watchdog stopped the base."""

    @property
    def uri(self) -> str:
        """The guarded effector's URI."""
        return self._effector.uri

    def apply(self, twist: Twist, captured_s: float) -> Effect:
        """Send a command; one that is not finite is answered by a stop."""
        with self._lock:
            now_s = self._clock.now_s()
            if self._closed:
                return Effect(now_s, Twist(), captured_s, True, {"refused": "closed"})
            if not (math.isfinite(twist.linear_m_s) and math.isfinite(twist.angular_rad_s)):
                self._effector.stop()
                self._commanded_s = None
                log.error("refused %r, which is no motion; the base stands still", twist)
                return Effect(now_s, Twist(), captured_s, True, {"refused": "not finite"})
            # Armed before it is sent: a command that fails half-way must be stopped as well.
            self._commanded_s = now_s
            return self._effector.apply(twist, captured_s)

    def tick(self) -> bool:
        """Stop the base if its last command is too old; True where it did. Never waits.

        A stop that fails is tried again at the next tick.
        """
        if not self._lock.acquire(blocking=False):
            self._complain_if_hung()
            return False  # a command is on its way this very moment
        try:
            now_s = self._clock.now_s()
            if self._commanded_s is None or now_s - self._commanded_s < self._hold_s:
                return False
            self._effector.stop()
            log.warning("%s: no command for %.2f s, stopped", self.uri, now_s - self._commanded_s)
            self._commanded_s = None
            self.holds += 1
            return True
        finally:
            self._lock.release()

    def _complain_if_hung(self) -> None:
        commanded_s, now_s = self._commanded_s, self._clock.now_s()
        if commanded_s is not None and now_s - commanded_s >= self._hold_s and not self._complained:
            self._complained = True
            log.error("%s: a command hangs since %.2f s", self.uri, now_s - commanded_s)

    def stop(self) -> None:
        """Stand still now."""
        with self._lock:
            self._effector.stop()
            self._commanded_s = None

    def close(self) -> None:
        """Stop and release the effector. May be repeated."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._commanded_s = None
            self._effector.close()
