"""What a plugin's steps have cost and brought so far: the basis of every prediction."""

from __future__ import annotations

from collections.abc import Sequence

from sage.irp import Trajectory

_RATE = 0.2
_HORIZON = 4
_WORST_DECAY = 0.99


class Profile:
    """Running averages over one plugin's finished refinements.

    ``worst_first_s`` is the decaying maximum of the first step's cost, ``step_s`` the mean cost
    of a later one, both in seconds. Energy drops are kept per step, as fractions of the
    plugin's own typical total drop, so that plugins can be compared.
    """

    __slots__ = ("_drops", "_scale", "count", "step_s", "worst_first_s")

    def __init__(self) -> None:
        self.count = 0
        self.worst_first_s = 0.0
        self.step_s = 0.0
        self._scale = 0.0
        self._drops: list[float] = []

    def learn(self, trajectory: Trajectory) -> None:
        """Take in one finished refinement."""
        energies, costs = trajectory.energies, trajectory.costs_s
        if not energies:
            return
        self.count += 1
        self.worst_first_s = max(costs[0], self.worst_first_s * _WORST_DECAY)
        if len(costs) < 2:
            return
        mean_s = sum(costs[1:]) / (len(costs) - 1)
        self.step_s += (mean_s - self.step_s) * (_RATE if self.step_s else 1.0)
        span = energies[0] - min(energies)
        self._scale += (span - self._scale) * (_RATE if self._scale else 1.0)
        if self._scale <= 0.0:
            return
        drops = self._drops
        for index in range(1, len(energies)):
            drop = (energies[index - 1] - energies[index]) / self._scale
            if index > len(drops):
                drops.append(drop)
            else:
                drops[index - 1] += (drop - drops[index - 1]) * _RATE

    def gain_per_s(self, energies: Sequence[float]) -> float:
        """The best expected drop per second over the next steps, in own typical total drops.

        ``energies`` is the trajectory so far (at least one step). The best over a horizon, so
        that a plateau before a drop is not starved.
        """
        if self._scale <= 0.0 or self.step_s <= 0.0:
            return float("inf")  # nothing known yet: find out
        done = len(energies) - 1
        gained = best = 0.0
        recent = (energies[-2] - energies[-1]) / self._scale if done else 0.0
        for ahead in range(_HORIZON):
            if done + ahead < len(self._drops):
                gained += self._drops[done + ahead]
            else:
                recent *= 0.5  # past all experience: diminishing returns
                gained += recent
            best = max(best, gained / (ahead + 1))
        return best / self.step_s
