"""``sim:apartment``: the world that stands in for camera, range sensor and wheels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from sage.clock import Clock
from sage.irp.errors import ConfigError, DeviceError
from sage.sensors.feed import Feed
from sage.sensors.source import Deliver, SourceCounts
from sage.sensors.uri import DeviceUri, Option, closest, read_options
from sage.values import Effect, Observation, Twist

OPTIONS = {
    "seed": Option(0, 0, 2**31 - 1),
    "frame_hz": Option(15.0, 0.1, 200.0),
    "scan_hz": Option(20.0, 0.1, 200.0),
}


class World(Protocol):
    """The part of a world that its source and its effector use."""

    @property
    def error(self) -> DeviceError | None:
        """Why the world ended by itself, None while it lives."""
        ...

    def subscribe(self, callback: Callable[[Observation], None]) -> object:
        """Call ``callback`` with every observation from now on."""
        ...

    def drive(self, twist: Twist) -> Effect:
        """Command the robot's base."""
        ...

    def advance(self, dt_s: float) -> float:
        """Lock-step only: let ``dt_s`` pass; returns the world's time on the runtime's clock."""
        ...

    def close(self) -> object:
        """End the world."""
        ...


@dataclass(frozen=True, slots=True)
class ApartmentOptions:
    """What ``sim:apartment?seed=3&frame_hz=15`` asks for."""

    seed: int
    frame_hz: float
    scan_hz: float


def apartment_options(uri: DeviceUri) -> ApartmentOptions:
    """The options of a ``sim:`` URI; ConfigError where it names another world."""
    place = uri.place.removeprefix("//")
    if place not in ("apartment", ""):
        raise ConfigError(
            f"{uri.text!r}: unknown world {place!r}{closest(place, ('apartment',))}; "
            "valid: sim:apartment"
        )
    return ApartmentOptions(**read_options(uri, OPTIONS))


def open_apartment(uri: DeviceUri, clock: Clock, *, lockstep: bool) -> Any:
    """Start the apartment that a ``sim:`` URI asks for; the caller closes it.

    Returns the ``ApartmentWorld``, which a run's source and effector share.
    """
    options = apartment_options(uri)
    from sage.worlds.apartment.client import ApartmentWorld

    return ApartmentWorld.open(
        options.seed,
        realtime=not lockstep,
        clock=clock,
        frame_hz=options.frame_hz,
        scan_hz=options.scan_hz,
    )


class WorldSource:
    """The robot's senses in a world. A world that it opened itself ends with ``stop``."""

    modalities = ("camera", "scan", "odometry")

    def __init__(
        self, uri: str, world: World, clock: Clock, *, lockstep: bool = False, owned: bool = False
    ) -> None:
        self.uri = uri
        self._world = world
        self._clock = clock
        self._owned = owned
        self._lockstep = lockstep
        self._at_s = clock.now_s()
        self._feed = Feed(clock, inline=lockstep)

    @property
    def error(self) -> DeviceError | None:
        """Why the world ended by itself."""
        return self._world.error

    @property
    def finished(self) -> bool:
        """True after ``stop``, or once the world failed."""
        return self._feed.closed or self.error is not None

    @property
    def healthy(self) -> bool:
        """False once the world failed."""
        return self.error is None

    def latest(self, modality: str, max_age_s: float) -> Observation | None:
        """The newest capture of a modality, unless it is older than ``max_age_s``."""
        return self._feed.latest(modality, max_age_s)

    def counts(self) -> SourceCounts:
        """What became of the captures so far."""
        return self._feed.counts()

    def start(self, deliver: Deliver) -> None:
        """Subscribe to the robot's senses."""
        self._feed.open(deliver, name=self.uri)
        self._at_s = self._clock.now_s()
        self._world.subscribe(self._feed.publish)

    def pump(self, until_s: float) -> None:
        """Lock-step: let the world live up to ``until_s``; DeviceError if it ended by itself."""
        if not self._lockstep:
            raise ConfigError(f"{self.uri} runs in real time; open it with lockstep to pump it")
        dt_s = until_s - self._at_s
        if dt_s > 0 and not self._feed.closed:
            self._at_s = self._world.advance(dt_s)

    def stop(self) -> None:
        """Deliver nothing more."""
        self._feed.close()
        if self._owned:
            self._owned = False
            self._world.close()


def open_sim(uri: DeviceUri, clock: Clock, *, world: World | None, lockstep: bool) -> WorldSource:
    """The senses of ``world``, or of an apartment opened for this source alone."""
    apartment_options(uri)
    owned = world is None
    if world is None:
        world = open_apartment(uri, clock, lockstep=lockstep)
    return WorldSource(uri.text, world, clock, lockstep=lockstep, owned=owned)
