"""Contenders side by side: batches of each in turn, so that all of them see the same machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from benchmarks.report import percentile


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to do the job.

    Attributes:
        name: as the table shows it.
        batch: does it so many times; returns how long each took, in seconds.
        count: how often in each round.
    """

    name: str
    batch: Callable[[int], list[float]]
    count: int


def each(act: Callable[[], object]) -> Callable[[int], list[float]]:
    """A batch of one act after the other, timed one by one."""

    def batch(count: int) -> list[float]:
        took_s = []
        for _ in range(count):
            began_s = time.perf_counter()
            act()
            took_s.append(time.perf_counter() - began_s)
        return took_s

    return batch


class Times:
    """What the rounds took, by contender: the same round of each belongs together."""

    def __init__(self, rounds: Mapping[str, Sequence[Sequence[float]]]) -> None:
        self.rounds = rounds

    def median_us(self, name: str) -> float:
        """Median over all rounds, in microseconds."""
        return statistics.median(took for batch in self.rounds[name] for took in batch) * 1e6

    def percentile_us(self, name: str, fraction: float) -> float:
        """That percentile over all rounds, in microseconds."""
        return percentile([took for batch in self.rounds[name] for took in batch], fraction) * 1e6

    def ratio(self, above: str, below: str) -> float:
        """Median over the rounds of one contender's median over another's."""
        pairs = zip(self.rounds[above], self.rounds[below], strict=True)
        return statistics.median(
            statistics.median(over) / statistics.median(under) for over, under in pairs
        )

    def show(self, title: str, but: Collection[str] = ()) -> None:
        """Print them, the quickest first; those in ``but`` are only there to be divided by."""
        table = Table(title=title, title_justify="left")
        for column in ("what", "median", "p95", "p99", "times"):
            table.add_column(column, justify="left" if column == "what" else "right")
        for name in sorted(self.rounds.keys() - set(but), key=self.median_us):
            times = sum(map(len, self.rounds[name]))
            figures = (self.percentile_us(name, fraction) for fraction in (0.5, 0.95, 0.99))
            table.add_row(name, *(f"{figure:.1f} us" for figure in figures), str(times))
        Console(width=120, highlight=False).print(table)


def side_by_side(contenders: Sequence[Contender], rounds: int) -> Times:
    """Run all of them in each round, another one first each time, after a round to warm up."""
    took: dict[str, list[list[float]]] = {contender.name: [] for contender in contenders}
    for number in range(rounds + 1):
        first = number % len(contenders)
        for contender in (*contenders[first:], *contenders[:first]):
            batch = contender.batch(contender.count)
            if number:
                took[contender.name].append(batch)
    return Times(took)
