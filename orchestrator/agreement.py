"""Whether a plugin's energy tells what its results turn out to be worth."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

WINDOW = 64


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

    Results of equal value leave nothing at stake, and a low energy is right to claim that an
    answer is good as far as answers are good. So where values do not vary, the mean value stands
    in for it, and in between both count by how much values vary.
    """

    __slots__ = ("_at_stake", "_judged", "_total", "_won", "window")

    def __init__(self, window: int = WINDOW) -> None:
        if window < 2:
            raise ValueError(f"a window holds at least 2 results, got {window}")
        self.window = window
        self._judged: deque[Judged] = deque()
        self._won = self._at_stake = self._total = 0.0

    def __len__(self) -> int:
        return len(self._judged)

    def __iter__(self) -> Iterator[Judged]:
        return iter(self._judged)

    def add(self, judged: Judged) -> None:
        """Take in a judged result; the oldest one leaves a full window."""
        if len(self._judged) == self.window:
            oldest = self._judged.popleft()
            won, at_stake = self._against_others(oldest)
            self._won -= won
            self._at_stake -= at_stake
            self._total -= oldest.value
        won, at_stake = self._against_others(judged)
        self._won += won
        self._at_stake += at_stake
        self._total += judged.value
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
        """In [0, 1]: 1 full agreement; unrelated or opposed is 0. None where nothing was judged."""
        mean = self.mean_value
        rank = self.rank
        if mean is None or rank is None:
            return mean
        count = len(self._judged)
        # Twice the mean difference: 1 where half of the results are worth all, half nothing.
        varies = min(1.0, 4.0 * self._at_stake / (count * count))
        return mean + (max(0.0, rank) - mean) * varies

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
