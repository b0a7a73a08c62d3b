"""The README's table of figures, written from the results that benchmarks left.

Each file in ``benchmarks/results`` is what a benchmark wrote with ``--json``: its rows, the device
and the date. What is in no file, or is null there, is not measured, and the table says so.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from benchmarks.table_figures import FIGURES, Figure
from sage.irp.errors import ConfigError

BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
_ROOT = Path(__file__).resolve().parent.parent
NOT_MEASURED = "not measured"
_PLACE = re.compile(r"\{([^{}:]+):([^{}]*)\}")


class Measured(msgspec.Struct, frozen=True):
    """A row, as ``benchmarks.report.publish`` writes it."""

    id: str
    value: float | None
    better: Literal["higher", "lower"]
    floor: float | None
    goal: float
    baselines: dict[str, float]


class _Body(msgspec.Struct, frozen=True):
    device: str
    date: str
    rows: list[Measured]


@dataclass(frozen=True, slots=True)
class Result:
    """A row of a result, and where and when it was measured."""

    row: Measured
    device: str
    date: str


def read(folder: Path) -> dict[str, Result]:
    """The rows of all results by id.

    Raises:
        ConfigError: the folder or a file is not what it should be, or two files hold a row of the
            same id.
    """
    if not folder.is_dir():
        raise ConfigError(f"--results {str(folder)!r} is no folder; give one with results in it")
    found: dict[str, Result] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            body = msgspec.json.decode(path.read_bytes(), type=_Body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{path} is not what a benchmark writes with --json: {error}"
            ) from None
        for row in body.rows:
            if row.id in found:
                raise ConfigError(f"{row.id} is in {path} and in another result")
            found[row.id] = Result(row, body.device, body.date)
    return found


def render(results: Mapping[str, Result]) -> str:
    """The table, between its marks."""
    lines = [
        BEGIN,
        "| what | figure | floor; goal | beside it | command |",
        "| --- | --- | --- | --- | --- |",
    ]
    places: dict[str, None] = {}
    for figure in FIGURES:
        result = results.get(figure.id)
        if result is None or result.row.value is None:
            lines.append(f"| {figure.what} | {NOT_MEASURED} | | | `{figure.command}` |")
            continue
        places[f"{result.device}, {result.date}"] = None
        row = result.row
        cells = (
            figure.what,
            figure.form.format(value=row.value),
            _wanted(row),
            "; ".join(_said(figure, row.baselines)),
            f"`{figure.command}`",
        )
        lines.append(f"| {' | '.join(cells)} |")
    if places:
        lines += ["", f"Measured on {'; '.join(places)}."]
    return "\n".join([*lines, END])


def _wanted(row: Measured) -> str:
    sign = ">=" if row.better == "higher" else "<="
    wanted = (row.floor, row.goal)
    return "; ".join("-" if limit is None else f"{sign} {limit:g}" for limit in wanted)


def _said(figure: Figure, baselines: Mapping[str, float]) -> list[str]:
    said = []
    for form in figure.beside:
        try:
            said.append(_PLACE.sub(lambda place: format(baselines[place[1]], place[2]), form))
        except KeyError:  # this result was measured without it
            continue
    return said


def main(argv: Sequence[str] | None = None) -> int:
    """Write the table, or say whether it is up to date."""
    options = argparse.ArgumentParser(
        prog="python -m benchmarks.table",
        description=__doc__.splitlines()[0] if __doc__ else None,
    )
    options.add_argument("--results", type=Path, default=_ROOT / "benchmarks" / "results")
    options.add_argument("--readme", type=Path, default=_ROOT / "README.md")
    options.add_argument("--check", action="store_true", help="write nothing, fail if it differs")
    args = options.parse_args(argv)
    try:
        text = args.readme.read_text(encoding="utf-8")
    except OSError as error:
        told = error.strerror or error
        raise ConfigError(f"--readme {str(args.readme)!r} cannot be read: {told}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"--readme {str(args.readme)!r} is no UTF-8 text: {error}") from None
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(END) < text.index(BEGIN):
        print(
            f"error: {args.readme} needs the lines {BEGIN} and {END} once, in this order",
            file=sys.stderr,
        )
        return 2
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    wanted = before + render(read(args.results)) + after
    if wanted == text:
        return 0
    if args.check:
        print(
            f"error: {args.readme} disagrees with {args.results}; run: python -m benchmarks.table"
        )
        return 1
    args.readme.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    from sage.commands.cli import run_guarded

    sys.exit(run_guarded(main))
