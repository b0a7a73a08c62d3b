"""The apartment benchmark's figures: fractions of commands, and the rows of the 20 kinds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.report import Row, publish
from benchmarks.spoken import KINDS, REFUSED
from benchmarks.trial import Tried


def fraction(tried: Sequence[Tried], keep: Callable[[Tried], bool] = lambda t: True) -> float:
    """The fraction of the kept commands that were done."""
    kept = [item for item in tried if keep(item)]
    return sum(item.done for item in kept) / len(kept) if kept else 0.0


def by_kind(tried: Sequence[Tried]) -> dict[str, float]:
    """The fraction that was done, by kind of command."""
    kinds = sorted({item.kind for item in tried})
    return {kind: fraction([item for item in tried if item.kind == kind]) for kind in kinds}


def each(tried: Sequence[Tried]) -> list[dict[str, object]]:
    """Every command with what became of it, for JSON."""
    return [
        {
            "seed": t.seed,
            "sight": t.sight,
            "kind": t.kind,
            "text": t.text,
            "heard": t.heard,
            "done": t.done,
            "repeated": t.repeated,
            "deaf": t.deaf,
            "why": t.why,
            "took_s": round(t.took_s, 1),
            "budget": t.budget,
        }
        for t in tried
    ]


def publish_script(
    tried: Sequence[Tried], how: str, apartments: int, took_s: float, json_path: Path | None
) -> None:
    """The rows of the 20 kinds, ``how`` said: what can be done, and what must be declined."""
    trained = [item for item in tried if item.sight == "trained"]
    wanted = [item for item in trained if item.kind not in REFUSED]
    refused = [item for item in trained if item.kind in REFUSED]
    drives = [item for item in tried if item.sight == "go only" and item.kind not in REFUSED]
    print(_table(wanted, refused, drives))
    deaf = sum(item.deaf for item in wanted) / len(wanted) if wanted else 0.0
    trivial = {"deaf": deaf}
    if drives:
        trivial["go only"] = fraction(drives)
    completed = fraction(wanted)
    at_once = sum(item.done and not item.repeated for item in wanted) / max(1, len(wanted))
    if how == "spoken":
        trivial["said once only"] = at_once
    collisions = sum(item.collisions for item in trained) / max(1, len(trained))
    publish(
        "apartment",
        [
            Row(
                f"apartment.{how}_completed",
                completed if wanted else None,
                "higher",
                0.8,
                0.95,
                trivial | by_kind(wanted),
            ),
            Row(
                f"apartment.{how}_declined",
                fraction(refused) if refused else None,
                "higher",
                0.8,
                0.95,
                by_kind(refused),
            ),
            Row("apartment.collisions_per_command", collisions, "lower", 0.05, 0.0),
        ],
        f"apartment, {how}: {completed:.3f} of {len(wanted)} commands of "
        f"{len({item.kind for item in wanted})} kinds done in {apartments} apartments "
        f"(deaf {deaf:.3f}{f', go only {fraction(drives):.3f}' if drives else ''}), "
        f"{fraction(refused):.3f} of {len(refused)} others rightly declined, "
        f"{took_s:.0f} s of wall time",
        json_path,
        commands=each(tried),
    )


def _table(wanted: Sequence[Tried], refused: Sequence[Tried], drives: Sequence[Tried]) -> str:
    """One line a kind: how many were done, how long they took, and what trivial robots do."""
    lines = [f"{'kind':14s} {'done':>9s} {'seconds':>8s} {'deaf':>6s} {'go only':>8s}"]
    for kind in (*KINDS, *REFUSED):
        items = [item for item in (*wanted, *refused) if item.kind == kind]
        if not items:
            continue
        alone = [item for item in drives if item.kind == kind]
        mean_s = sum(item.took_s for item in items) / len(items)
        deaf = f"{sum(item.deaf for item in items) / len(items):.2f}" if kind in KINDS else "-"
        lines.append(
            f"{kind:14s} {sum(item.done for item in items):4d}/{len(items):<4d} {mean_s:8.1f} "
            f"{deaf:>6s} {f'{fraction(alone):.2f}' if alone else '-':>8s}"
        )
    return "\n".join(lines)
