"""The effectors ``sim:`` (a robot in a world) and ``none:`` (no robot at all)."""

from __future__ import annotations

import dataclasses
import logging

from sage.clock import Clock
from sage.irp.errors import DeviceError
from sage.sensors.apartment import World
from sage.values import Effect, Twist

log = logging.getLogger(__name__)


class WorldEffector:
    """Drives the robot of a world. The world itself is closed by whoever opened it."""

    def __init__(self, uri: str, world: World) -> None:
        self.uri = uri
        self._world = world

    def apply(self, twist: Twist, captured_s: float) -> Effect:
        """Command the wheels; the effect is what the world says it executes."""
        return dataclasses.replace(self._world.drive(twist), captured_s=captured_s)

    def stop(self) -> None:
        """Stand still now. A world that has ended holds no robot that could still move."""
        try:
            self._world.drive(Twist())
        except DeviceError as error:
            log.debug("%s: nothing to stop: %s", self.uri, error)

    def close(self) -> None:
        """Stand still."""
        self.stop()


class NoEffector:
    """A run that only watches: it executes nothing, and its effects say so."""

    def __init__(self, uri: str, clock: Clock) -> None:
        self.uri = uri
        self._clock = clock

    def apply(self, twist: Twist, captured_s: float) -> Effect:
        """Nothing moves; clipped where motion was asked for."""
        still = Twist()
        return Effect(
            self._clock.now_s(), still, captured_s, twist != still, {"ignored": "no robot"}
        )

    def stop(self) -> None:
        """It stands still already."""

    def close(self) -> None:
        """Nothing is held."""
