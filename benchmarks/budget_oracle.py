"""What a clairvoyant could have had: an upper bound on every policy's utility."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.budget_replay import Arrival, Demand
from orchestrator.lane import Job
from orchestrator.policy import Claim

Float64Array = npt.NDArray[np.float64]
_ROUNDS = 400


def bound(demand: Demand, arrivals: Sequence[Arrival], budget: float) -> float:
    """More utility than this nobody gets out of a budget, whatever they know in advance.

    Each arrival may be refined to any step, in any cycle between its capture and its deadline;
    what all take from a cycle is at most its grant. The linear relaxation of that (fractions of
    answers, so the concave hull of every curve) is bounded by its dual: one price per cycle,
    ``sum(price x grant) + sum over arrivals of max(utility - cheapest price x cost)``, for any
    prices at all (weak duality; Everett, 1963). The least found by subgradient descent is
    returned. That steps cannot be interrupted and wait for capture is left out.
    """
    if not arrivals:
        return 0.0
    granted_s = budget * demand.full_s
    last = 1 + max(int(one.due_s / demand.cycle_s + 1e-6) for one in arrivals)
    most = max(len(one.curve.energies) for one in arrivals)
    costs = np.full((len(arrivals), most), np.inf)
    worth = np.zeros((len(arrivals), most))
    reach = 1 + max(int(one.due_s / demand.cycle_s + 1e-6) - one.cycle for one in arrivals)
    windows = np.zeros((len(arrivals), reach), np.int64)
    for row, one in enumerate(arrivals):
        steps = len(one.curve.energies)
        costs[row, :steps] = 1e-6 * (np.cumsum(one.curve.costs_us) + one.curve.result_us)
        worth[row, :steps] = [demand.utility(one, step) for step in range(1, steps + 1)]
        ends = int(one.due_s / demand.cycle_s + 1e-6)
        windows[row] = np.minimum(np.arange(one.cycle, one.cycle + reach), ends)
    spare = np.isinf(costs)
    costs[spare] = 0.0
    worth[spare] = -1.0
    rows = np.arange(len(arrivals))

    def dual(prices: Float64Array) -> tuple[float, Float64Array]:
        cheapest = windows[rows, np.argmin(prices[windows], axis=1)]
        gains = worth - prices[cheapest, None] * costs
        best = np.argmax(gains, axis=1)
        kept = gains[rows, best] > 0.0
        slope = np.full(last, granted_s)
        np.subtract.at(slope, cheapest[kept], costs[rows, best][kept])
        return float(granted_s * prices.sum() + gains[rows, best][kept].sum()), slope

    flat = np.linspace(0.0, 2.0 * float((worth / np.maximum(costs, 1e-9)).max()), 200)
    level = min(flat, key=lambda price: dual(np.full(last, price))[0])
    prices = np.full(last, level)
    least, slope = dual(prices)
    stride = max(level, 1e-9) / max(float(np.abs(slope).max()), 1e-12)
    for turn in range(_ROUNDS):
        prices = np.maximum(0.0, prices - stride / math.sqrt(1.0 + turn) * slope)
        value, slope = dual(prices)
        least = min(least, value)
    return least


class Clairvoyant:
    """The greedy policy of somebody who knows the true errors and costs of what has arrived.

    It goes by the steepest slope of each recorded curve's concave hull, so it is what a perfect
    predictor would make of the real pool and its admission.
    """

    name = "oracle"
    first_steps_first = False
    shares = False

    def __init__(self, demand: Demand) -> None:
        self._demand = demand

    def weight(self, trust: float) -> float:
        """The same for all."""
        return 1.0

    def index(self, job: Job, now_s: float) -> float:
        """The steepest true gain per second that is left."""
        return self._slope(job.observation, len(job.refinement.energies))

    def rank(self, claim: Claim) -> float:
        """The steepest true gain per second from no answer at all."""
        return self._slope(claim.observation, 0)

    def _slope(self, arrival: Any, made: int) -> float:
        curve = arrival.curve
        before = self._demand.utility(arrival, made)
        cost_s = 0.0 if made else 1e-6 * curve.result_us
        steepest = 0.0
        for step in range(made, len(curve.energies)):
            cost_s += 1e-6 * curve.costs_us[step]
            gained = self._demand.utility(arrival, step + 1) - before
            steepest = max(steepest, gained / cost_s)
        return steepest
