"""Time, injected: nothing in SAGE reads the wall clock but through one of these."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """A monotonic time in seconds. Only differences mean anything."""

    def now_s(self) -> float:
        """The time now."""
        ...


class RealClock:
    """The machine's own monotonic time."""

    __slots__ = ()

    @staticmethod
    def now_s() -> float:
        """Seconds of ``time.perf_counter``."""
        return time.perf_counter()


class VirtualClock:
    """A time that moves only when told to, for tests and lock-step benchmarks."""

    __slots__ = ("_now_s",)

    def __init__(self, start_s: float = 0.0) -> None:
        self._now_s = start_s

    def now_s(self) -> float:
        """The time now."""
        return self._now_s

    def advance_to(self, time_s: float) -> None:
        """Move to ``time_s``; ValueError if that lies in the past."""
        if time_s < self._now_s:
            raise ValueError(f"time cannot go back from {self._now_s:.6f} s to {time_s:.6f} s")
        self._now_s = time_s
