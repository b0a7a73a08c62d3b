"""Bounded collections for a log of any length: bins over time, a sample of many, a histogram."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")

_LONGEST_S = 90 * 86_400.0


class Bins:
    """Count, sum and maximum over time, in at most ``most`` bins that grow as time goes on.

    Args:
        start_s: when the first bin begins; what is earlier falls into it.
        width_s: how long a bin is at first; it doubles whenever ``most`` are full.
    """

    def __init__(self, start_s: float, width_s: float = 0.1, most: int = 1024) -> None:
        self.start_s = start_s
        self.width_s = width_s
        self._most = most
        self.counts: list[int] = []
        self.sums: list[float] = []
        self.tops: list[float] = []

    def add(self, at_s: float, value: float = 1.0) -> None:
        """Put a value into its bin; one that lies absurdly late is left out."""
        offset_s = max(0.0, at_s - self.start_s)
        if not offset_s < _LONGEST_S:
            return
        while (index := int(offset_s / self.width_s)) >= self._most:
            self._double()
        while len(self.counts) <= index:
            self.counts.append(0)
            self.sums.append(0.0)
            self.tops.append(0.0)
        self.tops[index] = value if not self.counts[index] else max(self.tops[index], value)
        self.counts[index] += 1
        self.sums[index] += value

    def widened(self, width_s: float) -> Bins:
        """The same, in bins of at least ``width_s``."""
        copy = Bins(self.start_s, self.width_s, self._most)
        copy.counts, copy.sums, copy.tops = self.counts[:], self.sums[:], self.tops[:]
        while copy.width_s < width_s:
            copy._double()
        return copy

    def means(self) -> list[tuple[float, float]]:
        """(middle of the bin in seconds, mean) of every bin that holds something."""
        return [
            (self.start_s + (index + 0.5) * self.width_s, total / count)
            for index, (count, total) in enumerate(zip(self.counts, self.sums, strict=True))
            if count
        ]

    def peaks(self) -> list[tuple[float, float]]:
        """(middle of the bin in seconds, maximum) of every bin that holds something."""
        return [
            (self.start_s + (index + 0.5) * self.width_s, top)
            for index, (count, top) in enumerate(zip(self.counts, self.tops, strict=True))
            if count
        ]

    def _double(self) -> None:
        pairs = range(0, len(self.counts), 2)
        if len(self.counts) % 2:
            self.counts.append(0)
            self.sums.append(0.0)
            self.tops.append(0.0)
        tops = []
        for i in pairs:
            held = [self.tops[j] for j in (i, i + 1) if self.counts[j]]
            tops.append(max(held, default=0.0))
        self.sums = [self.sums[i] + self.sums[i + 1] for i in pairs]
        self.counts = [self.counts[i] + self.counts[i + 1] for i in pairs]
        self.tops = tops
        self.width_s *= 2.0


class Sample(Generic[T]):
    """Every n-th of many, evenly spread: n doubles whenever ``most`` are held."""

    def __init__(self, most: int = 400) -> None:
        self.items: list[T] = []
        self.seen = 0
        self._most = most
        self._every = 1

    def add(self, item: T) -> None:
        """Take an item in, if it is its turn."""
        if self.seen % self._every == 0:
            self.items.append(item)
            if len(self.items) >= self._most:
                del self.items[1::2]
                self._every *= 2
        self.seen += 1


class Milliseconds:
    """A histogram of durations in bins of one millisecond, the last one open."""

    def __init__(self, most_ms: int = 2000) -> None:
        self.counts = [0] * (most_ms + 1)
        self.total = 0

    def add(self, duration_s: float) -> None:
        """Count a duration; negative ones count as 0."""
        self.counts[min(len(self.counts) - 1, max(0, int(1e3 * min(duration_s, 1e6))))] += 1
        self.total += 1

    def percentile_ms(self, fraction: float) -> float:
        """The middle of the bin that holds this fraction of the durations (nearest rank)."""
        wanted = max(1.0, fraction * self.total)
        seen = 0
        for ms, count in enumerate(self.counts):
            seen += count
            if seen >= wanted:
                return ms + 0.5
        return len(self.counts) - 0.5
