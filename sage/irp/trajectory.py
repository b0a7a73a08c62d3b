"""The trace that a refinement leaves behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from sage.irp.halting import HaltReason

R = TypeVar("R")


class StepRecord(NamedTuple):
    """One step as telemetry sees it: ``step`` counts from 0."""

    plugin: str
    refinement: int
    step: int
    energy: float
    cost_s: float


@dataclass(frozen=True, slots=True)
class Trajectory:
    """The energy and the measured cost (seconds) of each step, and how it ended.

    ``energies`` and ``costs_s`` have one entry per finished step; both are empty where no step
    finished. The first cost includes ``init_state``; ``result_cost_s`` is what reading the answer
    took, ``failed_step_cost_s`` what a step cost that raised or had no finite energy.
    ``best_step`` is the index of the (first) lowest energy, -1 where no step finished.
    """

    energies: tuple[float, ...]
    costs_s: tuple[float, ...]
    best_step: int
    reason: HaltReason
    max_steps: int
    result_cost_s: float = 0.0
    failed_step_cost_s: float = 0.0

    @property
    def steps(self) -> int:
        """How many steps finished."""
        return len(self.energies)

    @property
    def cost_s(self) -> float:
        """All that was spent, in seconds of lane time."""
        return sum(self.costs_s) + self.result_cost_s + self.failed_step_cost_s

    @property
    def best_energy(self) -> float | None:
        """The lowest energy reached."""
        return self.energies[self.best_step] if self.energies else None

    @property
    def saved_steps(self) -> int:
        """Steps left out because the refinement was done; 0 for any other way to end."""
        return self.max_steps - self.steps if self.reason.is_saving else 0


@dataclass(frozen=True, slots=True)
class Outcome(Generic[R]):
    """What a refinement gave back: the best answer so far, and how it came about.

    ``answered`` is false, and ``result`` None, where no step finished, where reading the answer
    raised, and where the refinement was abandoned in the middle of a call of its plugin.
    ``error`` is the exception of a refinement that failed; an earlier answer may still stand.
    ``refinement`` is its number in telemetry.
    """

    result: R | None
    trajectory: Trajectory
    answered: bool
    error: BaseException | None = None
    refinement: int = -1

    @property
    def reason(self) -> HaltReason:
        """Why it ended."""
        return self.trajectory.reason
