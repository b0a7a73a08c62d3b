"""The contract of a source: what every camera, file and world looks like to the runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from sage.irp.errors import DeviceError
from sage.values import Observation

Deliver = Callable[[Observation], None]
DropReason = Literal["superseded", "stale", "unreadable", "closed"]
DROP_REASONS: tuple[DropReason, ...] = ("superseded", "stale", "unreadable", "closed")


@dataclass(frozen=True, slots=True)
class SourceCounts:
    """What became of a source's captures: ``produced == delivered + sum(dropped.values())``.

    A capture is counted once its fate is settled: it was handed over, or it was dropped because a
    newer one took its place (``superseded``), it got too old while it waited (``stale``), it could
    not be decoded (``unreadable``), or the source was stopped (``closed``).
    """

    produced: int
    delivered: int
    dropped: Mapping[DropReason, int]


class Source(Protocol):
    """Something that captures.

    The runtime uses one like this::

        source = open_source("camera:0", clock=clock)
        source.start(runtime.post)  # calls post(observation) from a thread of the source's own
        ...
        scan = source.latest("scan", max_age_s=0.2)
        ...
        source.stop()

    In lock-step no thread runs: ``pump(until_s)`` delivers on the caller's thread what was
    captured up to then.
    """

    @property
    def uri(self) -> str:
        """The URI that opened it, without passwords."""
        ...

    @property
    def modalities(self) -> tuple[str, ...]:
        """What its observations are: some of ``camera``, ``scan``, ``odometry``, ``speech``."""
        ...

    @property
    def finished(self) -> bool:
        """True once nothing more will come: a file at its end, or a source that was stopped."""
        ...

    @property
    def healthy(self) -> bool:
        """False while the device is away, or after it failed for good."""
        ...

    @property
    def error(self) -> DeviceError | None:
        """Why it ended before its time; None while all is well."""
        ...

    def start(self, deliver: Deliver) -> None:
        """Begin to capture; once per source."""
        ...

    def pump(self, until_s: float) -> None:
        """Lock-step only: capture and deliver all that is due up to ``until_s``."""
        ...

    def stop(self) -> None:
        """Stop capturing and release the device; waits 2 s at most. May be repeated."""
        ...

    def latest(self, modality: str, max_age_s: float) -> Observation | None:
        """The newest capture of a modality, unless it is older than ``max_age_s``."""
        ...

    def counts(self) -> SourceCounts:
        """What became of the captures so far."""
        ...
