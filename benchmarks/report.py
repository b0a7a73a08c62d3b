"""What every benchmark prints and writes: rows with a floor and a goal, and one headline."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from sage.device import device_name
from sage.irp.errors import ConfigError

_MOST_SEED = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Row:
    """One measured figure.

    ``value`` is None only for what needs something absent (a device, a peer that is not
    installed), ``floor`` only for a figure that is printed and need not reach anything.
    """

    id: str
    value: float | None
    better: Literal["higher", "lower"]
    floor: float | None
    goal: float
    baselines: Mapping[str, float] = field(default_factory=dict)

    def verdict(self) -> str:
        """``goal``, ``floor``, ``below``, ``printed`` (there is no floor) or ``not measured``."""
        if self.value is None:
            return "not measured"
        sign = 1.0 if self.better == "higher" else -1.0
        if sign * self.value >= sign * self.goal:
            return "goal"
        if self.floor is None:
            return "printed"
        return "floor" if sign * self.value >= sign * self.floor else "below"


def parser(name: str, description: str, examples: str) -> argparse.ArgumentParser:
    """A parser with the options that every benchmark has."""
    made = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}",
        description=description,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--json", type=Path, metavar="FILE", help="write the rows here too")
    made.add_argument("--quick", action="store_true", help="a smaller run, under 60 s")
    return made


def whole(option: str, low: int, high: int) -> Callable[[str], int]:
    """What turns the text of ``option`` into a whole number in [low, high].

    It raises ConfigError, which names the option, the text and the range, on one line: a parser
    would print its usage before anything else.
    """

    def value_of(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise ConfigError(f"{option} must be a whole number in [{low}, {high}], got {text!r}")
        return value

    return value_of


def real(option: str, low: float, high: float) -> Callable[[str], float]:
    """The same for any number in [low, high]; NaN lies in no range."""

    def value_of(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise ConfigError(f"{option} must be a number in [{low:g}, {high:g}], got {text!r}")
        return value

    return value_of


def add_seed(made: argparse.ArgumentParser, default: int = 0, help: str | None = None) -> None:
    """Add ``--seed``, which may be whatever every generator of random numbers takes."""
    made.add_argument("--seed", type=whole("--seed", 0, _MOST_SEED), default=default, help=help)


def publish(
    benchmark: str,
    rows: Sequence[Row],
    headline: str,
    json_path: Path | None,
    **details: Any,
) -> None:
    """Print the table and the headline; write the JSON where asked."""
    table = Table(title=f"{benchmark} on {device_name()}", title_justify="left")
    for title in ("id", "value", "floor", "goal", "verdict", "baselines"):
        table.add_column(title)
    for row in rows:
        sign = ">=" if row.better == "higher" else "<="
        table.add_row(
            row.id,
            "not measured" if row.value is None else f"{row.value:.4g}",
            "" if row.floor is None else f"{sign} {row.floor:g}",
            f"{sign} {row.goal:g}",
            row.verdict(),
            ", ".join(f"{name} {value:.4g}" for name, value in row.baselines.items()),
        )
    Console(width=120, highlight=False).print(table)
    if json_path is not None:
        body = {
            "benchmark": benchmark,
            "device": device_name(),
            "date": date.today().isoformat(),
            "rows": [
                {
                    "id": row.id,
                    "value": row.value,
                    "better": row.better,
                    "floor": row.floor,
                    "goal": row.goal,
                    "baselines": dict(row.baselines),
                }
                for row in rows
            ],
            **details,
        }
        json_path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_text(json.dumps(body, indent=1, allow_nan=False) + "\n")
    print(headline)


def percentile(values: Sequence[float], fraction: float) -> float:
    """The value below which ``fraction`` of the values lie (nearest rank)."""
    if not values:
        raise ValueError("no values to take a percentile of")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, math.ceil(fraction * len(ordered)) - 1))]
