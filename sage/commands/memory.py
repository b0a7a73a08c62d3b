"""``sage memory``: what the robot kept of its runs, and why."""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import re
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sage.irp.errors import ConfigError

if TYPE_CHECKING:
    from memory.experience import Experience
    from memory.reader import Record, StoreReader
    from memory.vectors import Neighbour

EXAMPLES = """\
examples:
  sage memory list                          the last 20 things it kept
  sage memory list --salient --limit 5      the five most salient ones
  sage memory list --modality speech --since 2h
  sage memory show 12                       everything about number 12
  sage memory show 12 --picture seen.png    and what it saw then
  sage memory explain 12                    why it was kept
"""
NEIGHBOURS = 3
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def main(argv: Sequence[str] | None = None) -> int:
    """Read a store and print; 0 done, 1 where a row of a listing is damaged."""
    options = _parser().parse_args(argv)
    from memory.reader import StoreReader
    from memory.schema import default_store_path

    if options.state == "none":  # as `sage run --state none`; a folder of that name is ./none
        raise ConfigError("nothing is kept with `--state none`; name a run's own state folder")
    state = None if options.state is None else Path(options.state)
    path = options.store or default_store_path(state)
    with StoreReader(path) as store:
        command: Any = {"list": _list, "show": _show, "explain": _explain}[options.command]
        return int(command(store, options))


def _parser() -> argparse.ArgumentParser:
    where = argparse.ArgumentParser(add_help=False)
    place = where.add_mutually_exclusive_group()
    place.add_argument("--store", type=Path, metavar="FILE", help="the store to read")
    place.add_argument("--state", metavar="DIR", help="the folder with memory.db")
    where.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser = argparse.ArgumentParser(
        prog="sage memory",
        description="What the robot kept of its runs, and why.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            parents=[where],
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            epilog=EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    listing = add("list", "list what was kept, newest first")
    listing.add_argument(
        "--limit", type=_positive, default=20, metavar="N", help="as many at most (default 20)"
    )
    listing.add_argument("--modality", help="only this one: scene, speech, motion, outcome")
    listing.add_argument("--salient", action="store_true", help="most salient first")
    listing.add_argument(
        "--least-salience", type=_fraction, default=0.0, metavar="X", help="only from X in [0, 1]"
    )
    listing.add_argument(
        "--since", type=_since, metavar="WHEN", help="30m, 2h, 3d ago, or 2026-01-31[T12:00] (UTC)"
    )
    showing = add("show", "show everything about one experience")
    showing.add_argument("id", type=_positive, metavar="ID", help="its number in the list")
    showing.add_argument("--picture", type=Path, metavar="FILE", help="save its picture (PNG) here")
    explaining = add("explain", "explain why one experience was kept")
    explaining.add_argument("id", type=_positive, metavar="ID", help="its number in the list")
    return parser


def _list(store: StoreReader, options: argparse.Namespace) -> int:
    damaged: list[str] = []
    kinds = store.modalities()
    if options.modality is not None and kinds and options.modality not in kinds:
        raise ConfigError(
            f"nothing of modality '{options.modality}' is kept; valid: {', '.join(kinds)}"
        )
    records = store.list(
        options.limit,
        modality=options.modality,
        since=options.since,
        least_salience=options.least_salience,
        order="salient" if options.salient else "newest",
        on_damaged=lambda error: damaged.append(str(error)),
    )
    for line in damaged:
        print(f"warning: {line}", file=sys.stderr)
    total = sum(kinds.values())
    if options.json:
        _print_json(
            {
                "store": str(store.path),
                "count": total,
                "pruned": store.pruned(),
                "experiences": [_brief(record) for record in records],
            }
        )
    elif not total:
        print(f"{store.path} holds nothing yet: `sage run` fills it with what is salient")
    elif not records and not damaged:
        print(f"none of the {total} kept is as asked for")
    else:
        _print_table(records)
        parts = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        print(f"{len(records)} of {total} in {store.path} ({_plain(parts)})")
    return 1 if damaged else 0


def _print_table(records: Sequence[Record]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for title in ("ID", "when", "modality", "salience", "most by", "picture", "summary"):
        right = title in ("ID", "salience")
        table.add_column(title, justify="right" if right else "left", no_wrap=title != "summary")
    for record in records:
        experience = record.experience
        shares = contributions(experience)
        top = max(shares, key=lambda name: shares[name])
        table.add_row(
            str(record.id),
            _local(experience.wall_time),
            Text(_plain(experience.modality)),
            f"{experience.salience:.2f}",
            top if shares[top] > 0.0 else "-",
            "-" if record.picture_bytes is None else f"{record.picture_bytes / 1024:.1f} KB",
            Text(_plain(experience.summary)),
        )
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=140)
    console.print(table)


def _show(store: StoreReader, options: argparse.Namespace) -> int:
    experience = store.get(options.id)
    if options.picture is not None:
        if experience.picture is None:
            raise ConfigError(f"experience {options.id} has no picture")
        options.picture.write_bytes(experience.picture)
    if options.json:
        _print_json(_whole(options.id, experience))
        return 0
    picture, embedding = experience.picture, experience.embedding
    if picture is None:
        about_picture = "none"
    elif options.picture is None:
        about_picture = f"PNG, {len(picture)} bytes (--picture FILE saves it)"
    else:
        about_picture = f"PNG, {len(picture)} bytes, saved as {options.picture}"
    _print_fields(
        {
            "experience": str(options.id),
            "summary": experience.summary,
            "when": f"{_local(experience.wall_time)} ({experience.wall_time}), "
            f"{experience.at_s:.3f} s on the run's clock",
            "modality": experience.modality,
            "salience": f"{experience.salience:.3f}",
            "scores": ", ".join(
                f"{name} {score:.3f}" for name, score in experience.scores.as_dict().items()
            ),
            "picture": about_picture,
            "embedding": f"float32 ({len(embedding)},), length "
            f"{math.sqrt(float(embedding @ embedding)):.4f}",
        }
    )
    for name, sentence in experience.why.items():
        print(f"  why {_plain(name)}: {_plain(sentence)}")
    payload = dict(experience.payload)
    lines = _context_lines(payload.get("context"))
    if lines is not None:
        del payload["context"]
    if lines:
        print("before it")
        print("\n".join(lines))
    print("payload")
    print(json.dumps(payload, indent=2, allow_nan=False))
    return 0


def _context_lines(context: Any) -> list[str] | None:
    """What led to it, a line each; None where that is not ``memory.context``'s."""
    if not isinstance(context, (list, tuple)):
        return None
    try:
        return [
            f"  {float(s):5.1f} s  {_plain(modality):<7} {float(salience):.2f}  {_plain(text)}"
            for s, modality, salience, text in context
        ]
    except (TypeError, ValueError, AttributeError):
        return None


def _explain(store: StoreReader, options: argparse.Namespace) -> int:
    from memory.snarc import WEIGHTS

    experience = store.get(options.id)
    scores, shares = experience.scores.as_dict(), contributions(experience)
    near = store.nearest(experience.embedding, experience.modality, NEIGHBOURS, before=options.id)
    if options.json:
        _print_json(
            {
                "id": options.id,
                "summary": experience.summary,
                "salience": experience.salience,
                "scores": [
                    {
                        "name": name,
                        "score": score,
                        "weight": WEIGHTS[name],
                        "contribution": shares[name],
                        "why": experience.why.get(name),
                    }
                    for name, score in scores.items()
                ],
                "nearest_earlier": [
                    {
                        "id": neighbour.id,
                        "similarity": neighbour.similarity,
                        "summary": store.get(neighbour.id).summary,
                    }
                    for neighbour in near
                ],
            }
        )
        return 0
    print(f"{options.id}: {_plain(experience.summary)}")
    print(
        f"{_plain(experience.modality)}, {_local(experience.wall_time)}; "
        f"salience {experience.salience:.2f}, of which"
    )
    print(_how_they_combine(experience))
    for name in sorted(filter(scores.get, scores), key=lambda name: -shares[name]):
        print(f"  {shares[name]:5.2f}  {name:<8} {scores[name]:.2f} x weight {WEIGHTS[name]:.2f}")
        if name in experience.why:
            print(f"         {_plain(experience.why[name])}")
    _print_neighbours(store, near)
    return 0


def contributions(experience: Experience) -> dict[str, float]:
    """What each score adds to the salience; together they are the salience.

    Salience is 1 - product(1 - weight x score), scaled while a scorer warms up: each score has
    its share of the product's logarithm.
    """
    from memory.snarc import WEIGHTS

    parts = {
        name: -math.log(max(1e-12, 1.0 - WEIGHTS[name] * score)) if score else 0.0
        for name, score in experience.scores.as_dict().items()
    }
    total = sum(parts.values())
    return {
        name: experience.salience * part / total if total > 0.0 else 0.0
        for name, part in parts.items()
    }


def _how_they_combine(experience: Experience) -> str:
    """One line: why the contributions are not the products beside them."""
    from memory.snarc import combine

    whole = combine(experience.scores)
    warm_up = ""
    if whole - experience.salience > 0.005:
        warm_up = f", x {experience.salience / whole:.2f} during warm-up"
    return (
        f"(salience = 1 - product of (1 - weight x score){warm_up}; first, each one's share of it)"
    )


def _print_neighbours(store: StoreReader, near: Sequence[Neighbour]) -> None:
    if not near:
        print("nothing that was kept before it can be compared with it")
        return
    print("most like it, of what was kept before:")
    for neighbour in near:
        summary = _plain(store.get(neighbour.id).summary)
        print(f"  {neighbour.similarity:5.2f}  {neighbour.id}: {summary}")


def _brief(record: Record) -> dict[str, Any]:
    experience = record.experience
    return {
        "id": record.id,
        "at_s": experience.at_s,
        "wall_time": experience.wall_time,
        "modality": experience.modality,
        "summary": experience.summary,
        "salience": experience.salience,
        "scores": experience.scores.as_dict(),
        "picture_bytes": record.picture_bytes,
    }


def _whole(number: int, experience: Experience) -> dict[str, Any]:
    from memory.reader import Record

    picture = experience.picture
    brief = _brief(Record(number, experience, None if picture is None else len(picture)))
    return {
        **brief,
        "why": dict(experience.why),
        "payload": dict(experience.payload),
        "embedding": [float(value) for value in experience.embedding],
        "picture_sha256": None if picture is None else hashlib.sha256(picture).hexdigest(),
    }


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, allow_nan=False))


def _print_fields(fields: dict[str, str]) -> None:
    width = max(map(len, fields))
    for name, text in fields.items():
        print(f"{name:<{width}}  {_plain(text)}")


def _plain(text: str) -> str:
    """Text that cannot drive a terminal: what was heard or read may hold anything."""
    return "".join(char if char.isprintable() else " " for char in text)


def _local(wall_time: str) -> str:
    from memory.rows import wall_us

    try:
        when = datetime.fromtimestamp(wall_us(wall_time) / 1e6).astimezone()
    except (ValueError, OverflowError, OSError):
        return _plain(wall_time)
    return when.strftime("%Y-%m-%d %H:%M:%S")


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number from 1")
    return number


def _fraction(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0.0 <= number <= 1.0:
        raise argparse.ArgumentTypeError(f"'{text}' is no number in [0, 1]")
    return number


def _since(text: str) -> datetime:
    match = re.fullmatch(r"(\d{1,6})([smhdw])", text)
    if match:
        ago = timedelta(seconds=int(match[1]) * _UNITS_S[match[2]])
        try:
            return datetime.now(timezone.utc) - ago
        except OverflowError:
            return datetime.min.replace(tzinfo=timezone.utc)
    try:
        when = datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"'{text}' is no time; valid: 30m, 2h, 3d, 2026-01-31, 2026-01-31T12:00"
        ) from error
    return when if when.tzinfo else when.replace(tzinfo=timezone.utc)
