"""What each plugin did in a run, and what came of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from sage.telemetry import Finished


class Worth(Protocol):
    """What the results of a plugin were worth downstream; see the orchestrator's value ledger."""

    @property
    def credited(self) -> int:
        """How many of its refinements somebody judged."""
        ...

    @property
    def late(self) -> int:
        """Judgements that came when the refinement was not known any more."""
        ...

    @property
    def mean_value(self) -> float | None:
        """Of those, in [0, 1]."""
        ...

    @property
    def value_per_1000_atp(self) -> float | None:
        """Over all that it spent."""
        ...

    @property
    def agreement(self) -> float | None:
        """How well low energy went with high value, in [0, 1]."""
        ...


@dataclass(slots=True)
class PluginFigures:
    """What one plugin did in a run, and what it was worth (None: nobody judged it)."""

    refinements: int = 0
    steps: int = 0
    saved_steps: int = 0
    spent_atp: float = 0.0
    returned_atp: float = 0.0
    cost_s: float = 0.0
    trust: float = 0.0
    credited: int = 0
    late: int = 0
    mean_value: float | None = None
    value_per_1000_atp: float | None = None
    agreement: float | None = None
    reasons: Counter[str] = field(default_factory=Counter)
    drops: Counter[str] = field(default_factory=Counter)

    def count(self, event: Finished) -> None:
        """A refinement ended."""
        trajectory = event.trajectory
        self.refinements += 1
        self.steps += trajectory.steps
        self.saved_steps += trajectory.saved_steps
        self.cost_s += trajectory.cost_s
        self.spent_atp += event.spent_atp
        self.returned_atp += max(0.0, event.granted_atp - event.spent_atp)
        self.trust = event.trust
        self.reasons[trajectory.reason.value] += 1

    def take(self, worth: Worth) -> None:
        """What it was worth in the end."""
        self.credited = worth.credited
        self.late = worth.late
        self.mean_value = worth.mean_value
        self.value_per_1000_atp = worth.value_per_1000_atp
        self.agreement = worth.agreement

    def text(self) -> str:
        """One line for people."""
        count = max(1, self.refinements)
        reasons = ", ".join(f"{n} {reason}" for reason, n in self.reasons.most_common())
        drops = ", ".join(f"{n} {reason}" for reason, n in self.drops.most_common())
        return (
            f"{self.refinements} refinements, {self.steps / count:.1f} steps and "
            f"{1e3 * self.cost_s / count:.1f} ms each, ended {reasons or 'never'}; "
            f"{self.spent_atp:.0f} ATP spent, {self.returned_atp:.0f} returned, "
            f"trust {self.trust:.2f}{self._told_worth()}" + (f"; dropped {drops}" if drops else "")
        )

    def _told_worth(self) -> str:
        """That in words; empty where nobody judged it."""
        if self.mean_value is None:
            return ""
        per_atp = self.value_per_1000_atp
        rate = "" if per_atp is None else f" ({per_atp:.3g} per 1000 ATP)"
        agrees = "" if self.agreement is None else f", energy agrees {self.agreement:.2f}"
        late = f", {self.late} late" if self.late else ""
        return f"; {self.credited} judged, worth {self.mean_value:.2f} each{rate}{agrees}{late}"
