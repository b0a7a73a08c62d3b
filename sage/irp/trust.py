"""What a finished refinement says about its plugin: three figures in [0, 1], higher is better."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrustMetrics:
    """How an energy curve behaved.

    Attributes:
        monotonicity: fraction of steps that lowered the energy.
        steadiness: 1 / (1 + variance of the energy changes over their mean square); 1 is a
            straight descent, about 0.5 or less is noise or oscillation.
        convergence: how early the drop came; 1 is all at the second step, 0 is no drop.
    """

    monotonicity: float
    steadiness: float
    convergence: float

    @property
    def score(self) -> float:
        """The mean of the three."""
        return (self.monotonicity + self.steadiness + self.convergence) / 3.0


def trust_metrics(energies: Sequence[float]) -> TrustMetrics | None:
    """The metrics of one energy curve; None for fewer than two steps, which say nothing."""
    if len(energies) < 2:
        return None
    changes = [later - earlier for earlier, later in itertools.pairwise(energies)]
    count = len(changes)
    mean = sum(changes) / count
    mean_square = sum(change * change for change in changes) / count
    variance = max(0.0, mean_square - mean * mean)
    lowest = min(energies)
    span = energies[0] - lowest
    left = sum(max(0.0, energy - lowest) for energy in energies[1:])
    return TrustMetrics(
        monotonicity=sum(change < 0.0 for change in changes) / count,
        steadiness=1.0 / (1.0 + variance / mean_square) if mean_square > 0.0 else 0.0,
        convergence=max(0.0, 1.0 - left / (count * span)) if span > 0.0 else 0.0,
    )
