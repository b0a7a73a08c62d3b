"""The ring between an audio callback, which may not wait, and the thread that reads it."""

from __future__ import annotations

import numpy as np

from sage.irp.errors import ConfigError
from sage.values import Float32Array


class RingBuffer:
    """The newest ``capacity`` samples, for one writer and one reader, without a lock.

    The writer never waits: where the reader is behind, the oldest samples are overwritten, and the
    reader, which finds them gone, counts them. Every sample ever written has an index, from 0;
    ``position`` is the index of the next one to be read, so that the reader sees each gap and
    knows when what it reads was captured.
    """

    def __init__(self, capacity: int) -> None:
        """ConfigError unless ``capacity`` is at least 1."""
        if capacity < 1:
            raise ConfigError(f"a ring of {capacity} samples; it must hold at least 1")
        self._samples = np.zeros(capacity, np.float32)
        self._claimed = 0  # all before it is written or being overwritten right now
        self._written = 0  # all before it is written
        self._position = 0
        self._lost = 0
        self._episodes = 0

    @property
    def capacity(self) -> int:
        """How many samples it holds."""
        return len(self._samples)

    @property
    def written(self) -> int:
        """How many samples were ever written."""
        return self._written

    @property
    def position(self) -> int:
        """The index of the next sample to be read."""
        return self._position

    @property
    def available(self) -> int:
        """How many samples can be read now."""
        return min(self._written - self._position, self.capacity)

    @property
    def overflow_samples(self) -> int:
        """How many samples were overwritten before they were read."""
        return self._lost + self._overwritten()

    @property
    def overflow_episodes(self) -> int:
        """How often that happened: samples lost in a row count once."""
        return self._episodes + (self._overwritten() > 0)

    def write(self, samples: Float32Array) -> None:
        """Add samples, shape (N,); called by the writer. Never waits."""
        capacity = self.capacity
        end = self._claimed + len(samples)
        # The order matters: a reader that copies meanwhile checks the claim afterwards.
        self._claimed = end
        kept = samples[-capacity:]
        start = (end - len(kept)) % capacity
        first = min(len(kept), capacity - start)
        self._samples[start : start + first] = kept[:first]
        self._samples[: len(kept) - first] = kept[first:]
        self._written = end

    def read(self, count: int) -> Float32Array | None:
        """The next ``count`` samples, or None where fewer are there; called by the reader.

        They are consecutive, and end before ``position``. ValueError unless 0 < count <= capacity.
        """
        if not 0 < count <= self.capacity:
            raise ValueError(f"cannot read {count} samples of a ring of {self.capacity}")
        while True:
            self._skip_overwritten()
            position = self._position
            if self._written - position < count:
                return None
            start = position % self.capacity
            first = min(count, self.capacity - start)
            samples = np.empty(count, np.float32)
            samples[:first] = self._samples[start : start + first]
            samples[first:] = self._samples[: count - first]
            if not self._overwritten():  # else the writer was here while this copied
                self._position = position + count
                return samples

    def _overwritten(self) -> int:
        return max(0, self._claimed - self.capacity - self._position)

    def _skip_overwritten(self) -> None:
        lost = self._overwritten()
        if lost:
            self._episodes += 1
            self._lost += lost
            self._position += lost
