"""``none:`` - no microphone at all."""

from __future__ import annotations

from sage.clock import Clock
from sage.hearing.blocks import BlockFeed
from sage.irp.errors import DeviceError
from sage.sensors.source import Deliver, SourceCounts
from sage.sensors.uri import DeviceUri, read_options
from sage.values import Observation


class NoMicrophone:
    """Hears nothing, which is what was asked for: it is finished from the beginning."""

    modalities = ("audio",)
    finished = True
    healthy = True
    error: DeviceError | None = None

    def __init__(self, uri: str, clock: Clock) -> None:
        self.uri = uri
        self._feed = BlockFeed(uri, clock, inline=True)

    def start(self, deliver: Deliver) -> None:
        """Nothing will come."""
        self._feed.open(deliver)

    def pump(self, until_s: float) -> None:
        """Nothing is due."""

    def stop(self) -> None:
        """Nothing to release."""
        self._feed.close()

    def latest(self, modality: str, max_age_s: float) -> Observation | None:
        """None."""
        return self._feed.latest(modality, max_age_s)

    def counts(self) -> SourceCounts:
        """Nothing was captured."""
        return self._feed.counts()


def open_none(uri: DeviceUri, clock: Clock) -> NoMicrophone:
    """``none:``; ConfigError where it is given options."""
    read_options(uri, {})
    return NoMicrophone(uri.text, clock)
