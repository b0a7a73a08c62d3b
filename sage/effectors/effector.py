"""The contract of an effector: what every wheel base looks like to the runtime."""

from __future__ import annotations

from typing import Protocol

from sage.values import Effect, Twist


class Effector(Protocol):
    """Something that moves.

    The runtime uses one like this::

        base = open_effector("sim:", clock=clock, world=world)
        effect = base.apply(twist, captured_s)  # what was really sent, after the base's limits
        base.stop()                             # nobody commands it any more
        base.close()

    Behind the orchestrator's safety gate it hears one command at a time, from changing threads;
    the gate also stops a base that nobody commands any more.
    """

    @property
    def uri(self) -> str:
        """The URI that opened it."""
        ...

    def apply(self, twist: Twist, captured_s: float) -> Effect:
        """Send a command that answers a capture; DeviceError where the base is gone."""
        ...

    def stop(self) -> None:
        """Stand still, safely and now."""
        ...

    def close(self) -> None:
        """Stop and release the device. May be repeated."""
        ...
