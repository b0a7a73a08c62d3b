"""Whether a plugin's energy tells what its results turn out to be worth."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

WINDOW = 128
_ENOUGH = 4.0  # failures among many successes that are evidence enough, or the reverse


class Judged(NamedTuple):
    """A result that was judged: its energy (NaN: unknown) and its value in [0, 1].

    Energies closer than the sum of both ``blur`` are the same claim.
    """

    value: float
    energy: float = math.nan
    blur: float = 0.0


class Agreement:
    """How well lower energy goes with higher value, over the latest ``window`` judged results.

    A rank agreement in which each pair of results counts by the difference of their values: of
    all the value at stake between pairs, the share won by taking the one of lower energy, less
    the share lost by it (Somers' D of 1962, with weights; for values of 0 and 1 it is Somers' D).
    1: the lower energy is always worth more; 0: energy and value are unrelated; -1: opposed.

    Results of equal value leave nothing at stake: whether energy agrees is then not known, and
    :attr:`evidence` says how well it is known elsewhere.
    """

    __slots__ = ("_at_stake", "_judged", "_known", "_squares", "_sum", "_total", "_won", "window")

    def __init__(self, window: int = WINDOW) -> None:
        if window < 2:
            raise ValueError(f"a window holds at least 2 results, got {window}")
        self.window = window
        self._judged: deque[Judged] = deque()
        self._won = self._at_stake = self._total = 0.0
        self._known = 0  # how many have an energy, then their values and the squares of those
        self._sum = self._squares = 0.0

    def __len__(self) -> int:
        return len(self._judged)

    def __iter__(self) -> Iterator[Judged]:
        return iter(self._judged)

    def add(self, judged: Judged) -> None:
        """Take in a judged result; the oldest one leaves a full window."""
        if len(self._judged) == self.window:
            self._count(self._judged.popleft(), -1)
        self._count(judged, 1)
        self._judged.append(judged)

    @property
    def mean_value(self) -> float | None:
        """The mean value in the window; None where nothing was judged."""
        count = len(self._judged)
        return min(1.0, max(0.0, self._total / count)) if count else None

    @property
    def rank(self) -> float | None:
        """The rank agreement alone, in [-1, 1]; None where nothing is at stake."""
        if self._at_stake < 1e-9:
            return None
        return min(1.0, max(-1.0, self._won / self._at_stake))

    @property
    def score(self) -> float | None:
        """In [0, 1]: 1 full agreement; unrelated or opposed is 0. None: nothing is at stake."""
        rank = self.rank
        return None if rank is None else max(0.0, rank)

    @property
    def evidence(self) -> float:
        """How much there is to tell it by, in [0, 1].

        The squared deviations of values from their mean: each of a few failures among many
        successes adds nearly 1, and four are enough; many small differences add little.
        """
        if not self._known:
            return 0.0
        deviations = self._squares - self._sum * self._sum / self._known
        return min(1.0, max(0.0, deviations / _ENOUGH))

    def _count(self, judged: Judged, sign: int) -> None:
        """Add a result to the sums, or take it out again; it is not among the others."""
        won, at_stake = self._against_others(judged)
        self._won += sign * won
        self._at_stake += sign * at_stake
        value = judged.value
        self._total += sign * value
        if judged.energy == judged.energy:
            self._known += sign
            self._sum += sign * value
            self._squares += sign * value * value

    def _against_others(self, judged: Judged) -> tuple[float, float]:
        """What is won by energy, and what was at stake, over pairs with all in the window."""
        value, energy, blur = judged
        won = at_stake = 0.0
        if energy != energy:  # unknown
            return won, at_stake
        for other_value, other_energy, other_blur in self._judged:
            gain = value - other_value
            if gain == 0.0 or other_energy != other_energy:
                continue
            at_stake += gain if gain > 0.0 else -gain
            apart = other_energy - energy
            if apart > (bound := blur + other_blur):
                won += gain
            elif apart < -bound:
                won -= gain
        return won, at_stake


def agreement_of(judged: Iterable[Judged]) -> Agreement:
    """The agreement of these results, oldest first."""
    agreement = Agreement()
    for result in judged:
        agreement.add(result)
    return agreement
