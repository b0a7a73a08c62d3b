"""Recent context in RAM: what was around something salient, when it comes."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from sage.irp.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that just happened: a frame, a scene, an event; ``kind`` says which."""

    at_s: float
    kind: str
    item: Any
    size_bytes: int = 0


class ContextRing:
    """The most recent moments, bounded by count and by bytes; the oldest leave first.

    Adding costs the same however many are held (what it evicts was added once). Nothing is
    copied: the ring holds what it is given. Safe from any thread.

    Args:
        capacity: moments at most.
        byte_budget: their ``size_bytes`` together at most.

    Attributes:
        evicted: how many have left to make room.
        refused: how many were larger than the whole budget, and never held.

    Raises:
        ConfigError: a bound is below 1.
    """

    def __init__(self, capacity: int = 256, byte_budget: int = 32 * 2**20) -> None:
        if capacity < 1:
            raise ConfigError(f"capacity must be at least 1 moment, got {capacity}")
        if byte_budget < 1:
            raise ConfigError(f"byte_budget must be at least 1 byte, got {byte_budget}")
        self._slots: list[Moment | None] = [None] * capacity
        self._byte_budget = byte_budget
        self._lock = threading.Lock()
        self._oldest = 0
        self._count = 0
        self._bytes = 0
        self.evicted = 0
        self.refused = 0

    def __len__(self) -> int:
        return self._count

    @property
    def size_bytes(self) -> int:
        """How many bytes the moments have together, by their own account."""
        return self._bytes

    def add(self, at_s: float, kind: str, item: Any, size_bytes: int = 0) -> bool:
        """Hold an item; False where it alone is larger than the budget."""
        if size_bytes < 0:
            raise ValueError(f"size_bytes must be 0 or more, got {size_bytes}")
        moment = Moment(at_s, kind, item, size_bytes)
        with self._lock:
            if size_bytes > self._byte_budget:
                self.refused += 1
                return False
            while self._count == len(self._slots) or self._bytes + size_bytes > self._byte_budget:
                self._evict()
            self._slots[(self._oldest + self._count) % len(self._slots)] = moment
            self._count += 1
            self._bytes += size_bytes
        return True

    def last(self, count: int = 1, kind: str | None = None) -> tuple[Moment, ...]:
        """The last ``count`` moments (of a kind), the oldest of them first."""
        found = [moment for moment in self._all() if kind is None or moment.kind == kind]
        return tuple(found[max(0, len(found) - count) :])

    def around(
        self, at_s: float, before_s: float, after_s: float = 0.0, kind: str | None = None
    ) -> tuple[Moment, ...]:
        """The moments (of a kind) in [at_s - before_s, at_s + after_s], the oldest first."""
        return tuple(
            sorted(
                (
                    moment
                    for moment in self._all()
                    if at_s - before_s <= moment.at_s <= at_s + after_s
                    and (kind is None or moment.kind == kind)
                ),
                key=lambda moment: moment.at_s,
            )
        )

    def clear(self) -> None:
        """Let everything go; nothing of it is counted as evicted."""
        with self._lock:
            self._slots = [None] * len(self._slots)
            self._oldest = self._count = self._bytes = 0

    def _all(self) -> list[Moment]:
        with self._lock:
            size = len(self._slots)
            held = (self._slots[(self._oldest + n) % size] for n in range(self._count))
            return [moment for moment in held if moment is not None]

    def _evict(self) -> None:
        moment = self._slots[self._oldest]
        self._slots[self._oldest] = None
        self._oldest = (self._oldest + 1) % len(self._slots)
        self._count -= 1
        self._bytes -= 0 if moment is None else moment.size_bytes
        self.evicted += 1
