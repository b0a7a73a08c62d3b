"""The plugin of the hop between processes: it costs nothing and answers with what it was shown."""

from __future__ import annotations

from sage.irp import Context, HaltPolicy, Invariants, IRPPlugin
from sage.values import Observation, UInt8Array


class Mirror(IRPPlugin[UInt8Array, UInt8Array]):
    """One step that does nothing; its result is the whole picture."""

    name = "mirror"
    invariants = Invariants("the picture itself", "none", "always 0", "none")
    halting = HaltPolicy(max_steps=1)

    def init_state(self, observation: Observation, context: Context) -> UInt8Array:
        """The picture of a camera's observation."""
        rgb: UInt8Array = observation.data.rgb
        return rgb

    def step(self, state: UInt8Array) -> UInt8Array:
        """Nothing."""
        return state

    def energy(self, state: UInt8Array) -> float:
        """Nothing can be better."""
        return 0.0

    def result(self, state: UInt8Array) -> UInt8Array:
        """The picture."""
        return state
