"""What a finished refinement says about its plugin: three figures in [0, 1], higher is better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class TrustMetrics:
    """How an energy curve behaved.

    Attributes:
        monotonicity: fraction of steps that did not raise the energy.
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
    """The metrics of one energy curve; None where it says nothing.

    Fewer than two steps, or a curve that never moves, is neither good nor bad: a refinement that
    was warm-started at its optimum has nothing left to gain.
    """
    if len(energies) < 2 or min(energies) == max(energies):
        return None
    # Only the shape counts; scaling keeps squares of huge and tiny energies in range.
    lowest = min(energies)
    scale = max(map(abs, energies))
    heights = [energy / scale - lowest / scale for energy in energies]
    changes = [later - earlier for earlier, later in pairwise(heights)]
    count = len(changes)
    mean = sum(changes) / count
    mean_square = sum(change * change for change in changes) / count
    variance = max(0.0, mean_square - mean * mean)
    span = heights[0]
    left = sum(heights[1:])
    return TrustMetrics(
        monotonicity=sum(change <= 0.0 for change in changes) / count,
        steadiness=1.0 / (1.0 + variance / mean_square),
        convergence=max(0.0, 1.0 - left / (count * span)) if span > 0.0 else 0.0,
    )
