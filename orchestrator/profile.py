"""What a plugin's steps have cost and brought so far: the basis of every prediction."""

from __future__ import annotations

from collections.abc import Sequence

from sage.irp import HaltReason, Trajectory

_RATE = 0.2
_WORST_DECAY = 0.99
_CUT_SHORT = (HaltReason.BUDGET, HaltReason.DEADLINE, HaltReason.CANCELLED)
_EXPLORED = 3
_FIND_OUT = 1e300  # before every known gain, yet behind a first step, which is infinite


class Profile:
    """Running averages over one plugin's finished refinements.

    ``worst_first_s`` is the decaying maximum of the first step's cost, ``step_s`` the mean cost
    of a later one, both in seconds. Energy drops are kept per step, as fractions of the
    plugin's own typical total drop, so that plugins can be compared. A refinement that was cut
    short says nothing of what would have come: ``count`` and the typical drop leave it out.
    """

    __slots__ = ("_drops", "_rates", "_scale", "count", "step_s", "worst_first_s")

    def __init__(self) -> None:
        self.count = 0
        self.worst_first_s = 0.0
        self.step_s = 0.0
        self._scale = 0.0
        self._drops: list[float] = []
        self._rates: list[float] | None = None  # made from the drops when they are asked for

    def learn(self, trajectory: Trajectory) -> None:
        """Take in one finished refinement."""
        energies, costs = trajectory.energies, trajectory.costs_s
        if not energies:
            return
        cut_short = trajectory.reason in _CUT_SHORT
        self.count += not cut_short
        self.worst_first_s = max(costs[0], self.worst_first_s * _WORST_DECAY)
        if len(costs) < 2:
            return
        mean_s = sum(costs[1:]) / (len(costs) - 1)
        self.step_s += (mean_s - self.step_s) * (_RATE if self.step_s else 1.0)
        span = energies[0] - min(energies)
        if span > self._scale or not cut_short:
            self._scale += (span - self._scale) * (_RATE if self._scale else 1.0)
        if self._scale <= 0.0:
            return
        self._rates = None
        drops = self._drops
        for index in range(1, len(energies)):
            drop = (energies[index - 1] - energies[index]) / self._scale
            if index > len(drops):
                drops.append(drop)
            else:
                drops[index - 1] += (drop - drops[index - 1]) * _RATE

    def gain_per_s(self, energies: Sequence[float]) -> float:
        """The best expected drop per second over the next steps, in own typical total drops.

        ``energies`` is the trajectory so far (at least one step). The best over every number of
        further steps that experience covers, so that a plateau before a drop is not starved.
        """
        if self._scale <= 0.0 or self.step_s <= 0.0:
            # Nothing known yet: find out. Nothing ever gained: everybody else comes first.
            return _FIND_OUT if self.count < _EXPLORED else 0.0
        if self._rates is None:
            self._rates = _steepest(self._drops)
        done = len(energies) - 1
        if done < len(self._rates):
            return self._rates[done] / self.step_s
        # Past all experience: diminishing returns.
        recent = (energies[-2] - energies[-1]) / self._scale if done else 0.0
        return max(0.0, 0.5 * recent) / self.step_s


def _steepest(drops: Sequence[float]) -> list[float]:
    """For each step, the highest mean drop of the run of steps that begins there; at least 0.

    That is the slope of the upper hull of what is gained, found from the end in one pass.
    """
    rates = [0.0] * len(drops)
    runs: list[tuple[float, int]] = []  # (sum, steps), the first run last
    for index in range(len(drops) - 1, -1, -1):
        total, steps = drops[index], 1
        while runs and runs[-1][0] * steps > total * runs[-1][1]:
            further, more = runs.pop()
            total, steps = total + further, steps + more
        runs.append((total, steps))
        rates[index] = max(0.0, total / steps)
    return rates
