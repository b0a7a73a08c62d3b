"""What the ears do about parts that fail: count, tell, carry on."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import TypeVar

from sage.clock import Clock
from sage.irp.errors import SageError
from sage.sensors.feed import COMPLAIN_EVERY_S
from sage.telemetry.events import Event, Health

log = logging.getLogger(__name__)

_R = TypeVar("_R")


class Guard:
    """Calls what may raise, and keeps the books of what is out of order, by name."""

    def __init__(self, clock: Clock, on_event: Callable[[Event], None] | None) -> None:
        self.errors = 0
        """How many calls raised."""
        self.last_error = ""
        """What the last of them said, in one line."""
        self._clock = clock
        self._on_event = on_event
        self._reasons: dict[str, str] = {}
        self._complained_s: dict[str, float] = {}

    @property
    def reason(self) -> str | None:
        """What is out of order, None where nothing is."""
        return "; ".join(list(self._reasons.values())) or None

    def call(self, who: str, call: Callable[[], _R], otherwise: _R) -> _R:
        """The call's answer; ``otherwise`` where it raises, which is logged every now and then."""
        try:
            return call()
        except Exception as error:
            self.errors += 1
            text = " ".join(str(error).split()) or type(error).__name__
            self.last_error = f"{who} failed: {text}"
            now_s = self._clock.now_s()
            if now_s - self._complained_s.get(who, -math.inf) >= COMPLAIN_EVERY_S:
                self._complained_s[who] = now_s
                # What says what is wrong in its own words needs no traceback.
                traced = None if isinstance(error, SageError) else error
                log.error(
                    "hearing: %s (errors so far: %d)", self.last_error, self.errors, exc_info=traced
                )
            return otherwise

    def out_of_order(self, who: str, failures: str) -> None:
        """It failed too often."""
        reason = f"{failures} failed: {self.last_error}"
        self._reasons[who] = reason
        self.tell(Health(self._clock.now_s(), "ears", "backing_off", reason))

    def works(self, who: str) -> None:
        """It did what was asked of it."""
        if self._reasons.pop(who, None) is not None:
            log.info("hearing: %s works again", who)
            self.tell(Health(self._clock.now_s(), "ears", "active", f"{who} works again"))

    def tell(self, event: Event) -> None:
        """Tell the observer, if there is one; it must not hurt the ears."""
        on_event = self._on_event
        if on_event is not None:
            self.call("the observer of the ears", lambda: on_event(event), None)
