"""When a refinement stops, and what to call it."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass


class HaltReason(enum.Enum):
    """Why a refinement ended. Only the first three are savings: it was done early."""

    CONVERGED = "converged"
    FEASIBLE = "feasible"
    STABLE = "stable"
    STUCK = "stuck"
    MAX_STEPS = "max_steps"
    BUDGET = "budget"
    DEADLINE = "deadline"
    CANCELLED = "cancelled"
    FAILED = "failed"

    @property
    def is_saving(self) -> bool:
        """Whether stopping here left out only steps that were not needed."""
        return self in (HaltReason.CONVERGED, HaltReason.FEASIBLE, HaltReason.STABLE)


@dataclass(frozen=True, slots=True)
class HaltPolicy:
    """When to stop a refinement.

    Attributes:
        max_steps: the most steps that one refinement may take (>= 1).
        slope_eps: a step counts as flat when the energy moves by less than this fraction of the
            first step's energy; 0 waits for an exactly flat curve.
        window: how many flat steps in a row make it converged (>= 1).
    """

    max_steps: int = 20
    slope_eps: float = 0.01
    window: int = 3

    def __post_init__(self) -> None:
        if self.max_steps < 1:
            raise ValueError(f"max_steps must be at least 1, got {self.max_steps}")
        if not (math.isfinite(self.slope_eps) and self.slope_eps >= 0.0):
            raise ValueError(f"slope_eps must be finite and not negative, got {self.slope_eps}")
        if self.window < 1:
            raise ValueError(f"window must be at least 1, got {self.window}")

    def converged(self, energies: Sequence[float]) -> bool:
        """Whether the last ``window`` steps were all flat, and not because they oscillate.

        ``energies`` holds one finite value per step, oldest first.
        """
        window = self.window
        last = len(energies) - 1
        if last < window:
            return False
        bound = self.slope_eps * abs(energies[0])
        current = energies[last]
        turns = 0
        later_drop = 0.0
        for index in range(last - 1, last - 1 - window, -1):
            earlier = energies[index]
            drop = earlier - current
            if drop > bound or -drop > bound:
                return False
            if (drop > 0.0 > later_drop) or (drop < 0.0 < later_drop):
                turns += 1
            later_drop = drop
            current = earlier
        return window < 2 or turns < window - 1
