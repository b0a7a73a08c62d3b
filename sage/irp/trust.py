"""What a finished refinement says about its plugin: three figures in [0, 1], higher is better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import lt, mul, sub

_PLAIN = (1e-60, 1e60)


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
    count = len(energies) - 1
    if count < 1:
        return None
    lowest, highest = min(energies), max(energies)
    if lowest == highest:
        return None
    size = max(highest, -lowest)
    if not _PLAIN[0] < size < _PLAIN[1]:
        # Only the shape counts; scaling keeps squares of huge and tiny energies in range.
        energies = [energy / size for energy in energies]
        lowest = min(energies)
    # Passes that run in C: this is done for every refinement.
    later = energies[1:]
    changes = tuple(map(sub, later, energies))
    mean = (energies[-1] - energies[0]) / count
    mean_square = sum(map(mul, changes, changes)) / count
    variance = max(0.0, mean_square - mean * mean)
    span = energies[0] - lowest
    left = sum(later) - count * lowest
    return TrustMetrics(
        monotonicity=1.0 - sum(map(lt, energies, later)) / count,
        steadiness=1.0 / (1.0 + variance / mean_square),
        convergence=min(1.0, max(0.0, 1.0 - left / (count * span))) if span > 0.0 else 0.0,
    )
