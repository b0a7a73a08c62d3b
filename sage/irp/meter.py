"""The live meter: how much adenosine triphosphate (ATP), SAGE's currency, a refinement may spend.

The grant of a *running* refinement can grow or shrink between two of its steps: the orchestrator
writes ``granted_atp`` while the loop reads it. Each field has one writer, so no lock is needed.
"""

from __future__ import annotations

import math

from sage.irp.errors import BudgetError


class Meter:
    """What one refinement was granted and has spent, in ATP.

    ``atp_per_s`` converts measured lane time: 1 ATP is (cycle period x lanes) / 1000 seconds.
    ``overdraws`` lets a step begin while anything is left, even where it may cost more: nobody
    else could use the rest, and what is overdrawn becomes a debt of the next cycle.
    """

    __slots__ = ("atp_per_s", "granted_atp", "overdraws", "spent_atp")

    def __init__(self, granted_atp: float = math.inf, *, atp_per_s: float = 1.0) -> None:
        if math.isnan(granted_atp) or granted_atp < 0.0:
            raise BudgetError(f"a grant must be 0 ATP or more, got {granted_atp}")
        if not (math.isfinite(atp_per_s) and atp_per_s > 0.0):
            raise BudgetError(f"ATP per second must be finite and positive, got {atp_per_s}")
        self.granted_atp = granted_atp
        self.spent_atp = 0.0
        self.atp_per_s = atp_per_s
        self.overdraws = False

    @property
    def remaining_atp(self) -> float:
        """What may still be spent; negative after a step that cost more than was left."""
        return self.granted_atp - self.spent_atp

    def charge_s(self, cost_s: float) -> None:
        """Spend ``cost_s`` seconds of measured lane time.

        Raises:
            BudgetError: the cost is negative, NaN or infinite.
        """
        if not 0.0 <= cost_s < math.inf:
            raise BudgetError(f"a cost must be finite and not negative, got {cost_s} s")
        self.spent_atp += cost_s * self.atp_per_s

    def affords_s(self, cost_s: float) -> bool:
        """Whether a step of ``cost_s`` seconds may begin: it fits into what remains."""
        left_atp = self.granted_atp - self.spent_atp
        return left_atp > 0.0 and (self.overdraws or cost_s * self.atp_per_s <= left_atp)
