"""What every benchmark prints and writes: rows with a floor and a goal, and one headline."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from sage.device import device_name


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
