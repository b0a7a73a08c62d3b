"""Plugins of the fault benchmark: one that works, and four that each go wrong in their own way."""

from __future__ import annotations

import ctypes
import math
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from sage.irp import Context, HaltPolicy, Invariants, IRPPlugin

Array = npt.NDArray[np.float64]


class Healthy(IRPPlugin[Array, float]):
    """Two steps of numpy, about a millisecond each, in which the interpreter lock is free."""

    invariants = Invariants("a vector", "none", "its mean size", "none")
    halting = HaltPolicy(max_steps=2, slope_eps=0.0)

    def __init__(self, name: str, size: int) -> None:
        self.name = name  # type: ignore[misc]
        self._begin: Array = np.linspace(-2.0, 2.0, size)

    def init_state(self, observation: Any, context: Context) -> Array:
        """Always the same."""
        return self._begin

    def step(self, state: Array) -> Array:
        """A contraction."""
        return np.tanh(state)

    def energy(self, state: Array) -> float:
        """The mean size."""
        return float(np.abs(state).mean())

    def result(self, state: Array) -> float:
        """The first number."""
        return float(state[0])


class _Bad(IRPPlugin[int, int]):
    """Goes wrong in each first step."""

    invariants = Invariants("nothing", "none", "none", "none")

    def init_state(self, observation: Any, context: Context) -> int:
        """Nothing yet."""
        return 0

    def step(self, state: int) -> int:
        """Where it goes wrong."""
        return state + 1

    def energy(self, state: int) -> float:
        """As good as any."""
        return 1.0 / state

    def result(self, state: int) -> int:
        """How far it came."""
        return state


class Hung(_Bad):
    """Never comes back."""

    name = "hung"

    def __init__(self, seconds: float = 3600.0) -> None:
        self._seconds = seconds

    def step(self, state: int) -> int:
        """Sleeps."""
        time.sleep(self._seconds)
        return state + 1


class Crashing(_Bad):
    """Reads where nothing is."""

    name = "crashing"

    def step(self, state: int) -> int:
        """A segmentation fault."""
        ctypes.string_at(0)
        return state + 1


class NotANumber(_Bad):
    """Has no energy."""

    name = "not_a_number"

    def energy(self, state: int) -> float:
        """NaN."""
        return math.nan


class LockHolding(_Bad):
    """Computes in a C loop that never lets go of the interpreter lock."""

    name = "lock_holding"

    def __init__(self, rounds: int = 10**12) -> None:
        self._rounds = rounds

    def step(self, state: int) -> int:
        """As native code does that never lets go."""
        sum(range(self._rounds))
        return state + 1
