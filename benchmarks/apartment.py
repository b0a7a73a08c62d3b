"""Typed commands in apartments never trained on: how many are really done, by ground truth.

Lock-step: virtual time advances by the lane time that each step was measured to take. Each seed is
one apartment and one run of commands, drawn from what is there. "No vision" leaves vision out,
"random weights" runs the same networks untrained; both are given the find and furniture commands.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from rich.console import Console
from rich.progress import track

from benchmarks.report import Row, parser, publish
from models.vision.artifacts import random_weights
from orchestrator import LockStep
from plugins.vision import VisionPlugin
from sage.build import RunConfig, Runtime, build
from sage.clock import VirtualClock
from sage.irp.errors import ConfigError
from sage.ontology import rooms_of
from sage.worlds.apartment.judge import judge

Sight = Literal["trained", "none", "random"]

_SETTLE_S = 1.0
_STOP_AFTER_S = 2.0


@dataclass(frozen=True, slots=True)
class Tried:
    """One command and what became of it."""

    seed: int
    sight: Sight
    kind: str
    text: str
    done: bool
    claimed: bool
    why: str
    took_s: float
    collisions: int


def commands_for(seed: int, truth: Any, rooms: Sequence[str], count: int) -> list[tuple[str, str]]:
    """(kind, text) of the commands of one apartment: things that are really there."""
    rng = np.random.default_rng([seed, 20181])
    pieces = [truth.furniture[index] for index in rng.permutation(len(truth.furniture))]
    # Two rooms have a sink or a cabinet; who does not say which is asked back.
    furniture = [
        f"{piece.name} in the {piece.room}" if len(rooms_of(piece.name)) > 1 else piece.name
        for piece in pieces
    ]
    things = [str(name) for name in rng.permutation([thing.name for thing in truth.objects])]
    places = [str(name) for name in rng.permutation(rooms)]
    plan = [
        ("go", f"go to the {places[0]}"),
        ("approach", f"go to the {furniture[0]}"),
        ("find", f"find the {things[0]}"),
        ("stop", f"go to the {places[1]}"),
        ("approach", f"drive to the {furniture[1]}"),
        ("find", f"look for the {things[1]}"),
        ("go", f"move to the {places[2]}"),
        ("return", "come back"),
    ]
    return plan[:count]


def run_seed(seed: int, sight: Sight, count: int, limit_s: float) -> list[Tried]:
    """All commands of one apartment, one after the other."""
    logging.basicConfig(level=logging.ERROR)
    clock = VirtualClock()
    config = RunConfig(camera=f"sim:apartment?seed={seed}&frame_hz=10", command_limit_s=limit_s)
    weights = random_weights(seed) if sight == "random" else None
    runtime = build(
        config,
        clock=clock,
        lockstep=True,
        vision=lambda: VisionPlugin(config.vision, weights),
        see=sight != "none",
    )
    try:
        return _run(runtime, clock, seed, sight, count, limit_s)
    finally:
        runtime.close()


def _run(
    runtime: Runtime, clock: VirtualClock, seed: int, sight: Sight, count: int, limit_s: float
) -> list[Tried]:
    agent, body, world = runtime.agent, runtime.body, runtime.world
    assert agent is not None
    assert body is not None
    assert world is not None
    source = runtime.source
    driver = LockStep(runtime.orchestrator, clock, lambda dt_s: source.pump(clock.now_s() + dt_s))
    source.start(runtime.take)
    driver.run_until(_SETTLE_S)
    rooms = [room.name for room in body.static_map.rooms]
    tried = []
    for kind, text in commands_for(seed, world.truth(), rooms, count):
        if sight != "trained" and kind not in ("approach", "find"):
            continue
        began_s, bumps = clock.now_s(), world.truth().collisions.total
        agent.hear(text)
        if kind == "stop":
            driver.run_until(clock.now_s() + _STOP_AFTER_S)
            agent.hear("stop")
        driver.run_until(clock.now_s() + limit_s + 1.0, done=lambda: agent.idle)
        report = agent.reports[-1]
        driver.run_until(clock.now_s() + 0.5)
        runtime.telemetry.flush()
        truth = world.truth()
        agrees, why = judge(report, truth, body.start)
        if kind == "stop":
            driver.run_until(clock.now_s() + 1.0)
            later = world.truth()
            moved_m = later.robot.distance_to(truth.robot.x_m, truth.robot.y_m)
            agrees, why = moved_m < 0.05, f"moved {moved_m:.2f} m in the second after"
        done = report.verdict.done and agrees
        tried.append(
            Tried(
                seed,
                sight,
                kind,
                text,
                done,
                report.verdict.done,
                why if report.verdict.done else report.verdict.text,
                report.ended_s - began_s,
                truth.collisions.total - bumps,
            )
        )
    return tried


def run_all(jobs: int, work: Sequence[tuple[int, Sight, int, float]]) -> list[Tried]:
    """Every apartment, ``jobs`` at a time, with a progress bar; in the order of ``work``."""
    console = Console(stderr=True)
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        futures = [pool.submit(run_seed, *item) for item in work]
        for future in track(as_completed(futures), "runs", len(futures), console=console):
            future.result()  # a run that cannot start ends the benchmark at once
    return [tried for future in futures for tried in future.result()]


def fraction(tried: Sequence[Tried], keep: Callable[[Tried], bool] = lambda t: True) -> float:
    """The fraction of the kept commands that were done."""
    kept = [item for item in tried if keep(item)]
    return sum(item.done for item in kept) / len(kept) if kept else 0.0


def seeds_of(text: str) -> range:
    """``A:B`` as the range from A to B - 1."""
    try:
        first, _, last = text.partition(":")
        seeds = range(int(first), int(last) if last else int(first) + 1)
    except ValueError:
        raise ConfigError(f"--seeds {text!r}: A:B is expected, two whole numbers") from None
    if not seeds or seeds.start < 0:
        raise ConfigError(f"--seeds {text!r}: A:B needs 0 <= A < B")
    return seeds


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    options = parser(
        "apartment",
        __doc__.splitlines()[0],
        "  python -m benchmarks.apartment --quick\n"
        "  python -m benchmarks.apartment --seeds 0:25 --json apartment.json\n"
        "  python -m benchmarks.apartment --seeds 40:41 --controls 0 --verbose",
    )
    options.add_argument("--seeds", default="0:12", metavar="A:B", help="apartments (default 0:12)")
    options.add_argument("--commands", type=int, default=8, help="per apartment, 1 to 8")
    options.add_argument(
        "--controls", type=int, default=4, help="apartments for each control (default 4)"
    )
    options.add_argument("--limit", type=float, default=180.0, help="virtual seconds a command")
    options.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="runs at a time")
    options.add_argument("--verbose", action="store_true", help="every command, not only failures")
    args = options.parse_args(argv)
    seeds, count = seeds_of(args.seeds), args.commands
    if not 1 <= count <= 8:
        raise ConfigError(f"--commands must lie in 1 to 8, got {count}")
    controls = max(0, args.controls)
    if args.quick:
        seeds, count, controls = seeds[:1], 3, min(1, controls)
        args.limit = min(args.limit, 27.0)
    began_s = time.perf_counter()

    def work(sight: Sight, some: range) -> list[tuple[int, Sight, int, float]]:
        return [(seed, sight, count, args.limit) for seed in some]

    few = seeds[:controls]
    tried = run_all(args.jobs, work("trained", seeds) + work("none", few) + work("random", few))
    trained, blind, untrained = (
        [item for item in tried if item.sight == sight] for sight in ("trained", "none", "random")
    )
    _tell(trained, args.verbose)

    def needs_sight(item: Tried) -> bool:
        return item.kind in ("approach", "find") and item.seed in seeds[:controls]

    sighted = fraction(trained, needs_sight)
    completed = fraction(trained)
    collisions = sum(item.collisions for item in trained) / max(1, len(trained))
    kinds = sorted({item.kind for item in trained})
    by_kind = {kind: fraction([item for item in trained if item.kind == kind]) for kind in kinds}
    rows = [
        Row("apartment.completed", completed, "higher", 0.85, 0.97, by_kind),
        Row(
            "apartment.margin_no_vision",
            sighted - fraction(blind) if blind else None,
            "higher",
            0.2,
            0.4,
            {"completed without": fraction(blind), "completed with": sighted},
        ),
        Row(
            "apartment.margin_random_weights",
            sighted - fraction(untrained) if untrained else None,
            "higher",
            0.2,
            0.4,
            {"completed with random weights": fraction(untrained), "completed with": sighted},
        ),
        Row("apartment.collisions_per_command", collisions, "lower", 0.05, 0.0),
    ]
    publish(
        "apartment",
        rows,
        f"apartment: {completed:.3f} of {len(trained)} commands done in {len(seeds)} apartments, "
        f"{collisions:.3f} collisions each, {time.perf_counter() - began_s:.0f} s of wall time",
        args.json,
        commands=[
            {"seed": t.seed, "kind": t.kind, "text": t.text, "done": t.done, "why": t.why}
            for t in trained
        ],
    )
    return 0


def _tell(tried: Sequence[Tried], verbose: bool) -> None:
    """Failures, and how; everything where asked."""
    for item in tried:
        if verbose or not item.done or item.collisions:
            state = "done" if item.done else "wrong" if item.claimed else "failed"
            print(
                f"seed {item.seed:4d} {state:6s} {item.took_s:6.1f} s  {item.text!r}: {item.why}"
                + (f" ({item.collisions} collisions)" if item.collisions else "")
            )
    failed = Counter(item.kind for item in tried if not item.done)
    if failed:
        print("failures by kind: " + ", ".join(f"{n} {kind}" for kind, n in failed.items()))


if __name__ == "__main__":
    from sage.commands.cli import run_guarded

    sys.exit(run_guarded(main))
