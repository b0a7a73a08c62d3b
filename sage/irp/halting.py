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
        window: how many flat steps in a row make it converged (>= 1). Oscillation is told from
            convergence where the energy turns at least every ``window - 1`` (or 1) changes.
    """

    max_steps: int = 20
    slope_eps: float = 0.01
    window: int = 3

    def __post_init__(self) -> None:
        for name in ("max_steps", "window"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")
        if not (math.isfinite(self.slope_eps) and self.slope_eps >= 0.0):
            raise ValueError(f"slope_eps must be finite and not negative, got {self.slope_eps}")

    def converged(self, energies: Sequence[float]) -> bool:
        """Whether the last ``window`` steps were all flat, and not because they oscillate.

        ``energies`` holds one finite value per step, oldest first.
        """
        window = self.window
        last = len(energies) - 1
        if last < window:
            return False
        bound = self.slope_eps * abs(energies[0])
        for index in range(last, last - window, -1):
            if abs(energies[index] - energies[index - 1]) > bound:
                return False
        return not _turns(energies, window)


def _turns(energies: Sequence[float], window: int) -> bool:
    """Whether the latest changes go up and down; level steps between them hide nothing.

    Looks at the last ``window`` changes (2 at least) that are not 0, however far back; a curve
    level all through the window does not turn, whatever came before.
    """
    last = len(energies) - 1
    wanted = max(window, 2)
    rises = falls = 0
    for index in range(last, 0, -1):
        change = energies[index] - energies[index - 1]
        rises += change > 0.0
        falls += change < 0.0
        if rises and falls:
            return True
        if rises + falls == wanted or (last - index + 1 == window and not rises + falls):
            return False
    return False
