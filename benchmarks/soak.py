"""Runs the apartment for minutes on end: does it stay up, and does anything grow?

``sage run --headless`` is started as a user would start it, in a state folder of its own, and told
one command after the other for as long as it lasts. What is measured is the runtime with all the
processes that it started, but for the world, which stands for what is no part of SAGE on a robot
and is told apart. Memory is resident memory (``Rss`` of ``/proc/PID/smaps_rollup``) once a second.

The slope is Theil and Sen's, the median over all pairs of samples, without the first fifth (models
load, buffers fill), in percent of the mean per hour; its interval is from a moving-block bootstrap
of the residuals, since neighbouring samples are alike.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from benchmarks.processes import Sample, look
from benchmarks.report import Row, parser, publish
from sage.irp.errors import ConfigError, SageError

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = (
    "go to the kitchen",
    "find the apple",
    "go to the sofa",
    "bring me the coke",
    "go to the bedroom",
    "how many fruits are there in the dining room",
    "drive to the fridge",
    "look for the mug",
    "how far away is the moon",
    "go to the bathroom",
    "come back",
    "stop",
)
"""All of them are recorded, and played into the microphone; a stop on stdin goes straight in."""
OVER = ("done", "failed", "declined")
PHASES = (*OVER, "unheard")
_WARM_UP = 0.2
_WAITING = 2  # commands that the run has in hand beyond those that are over
_SPEAKS_AFTER_S = 5.0  # a run's first word comes this long after its start at most
_GRACE_S = 60.0  # for its last words, and 5 % of the time that the report is about
_BLOCK_S = 20.0
_REPLICAS = 300
_STATUS = re.compile(r" \| (\w+) rate=(.*?)(?= \| |$)")
_COUNTS = re.compile(r"\b(halt|drop)=(\S+)")


@dataclass(slots=True)
class Told:
    """What a run says of itself, line by line; ``began`` is set once it speaks."""

    phases: Counter[str] = field(default_factory=Counter)
    halts: Counter[str] = field(default_factory=Counter)
    drops: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    began: threading.Event = field(default_factory=threading.Event)
    _explained: bool = False  # the line before said what the traceback is about

    @property
    def over(self) -> int:
        """Commands that are over."""
        return sum(self.phases[phase] for phase in OVER)

    def take(self, line: str) -> None:
        """One line of ``--headless``."""
        self.began.set()
        if line.startswith("task "):
            if found := re.search(r" phase=(\w+) ", line):
                self.phases[found[1]] += 1
        elif line.startswith("health "):
            if " state=active " not in line:
                self.faults.append(line.strip())
        elif line.startswith("status "):
            for plugin, rest in _STATUS.findall(line):
                for kind, counts in _COUNTS.findall(rest):
                    total = self.halts if kind == "halt" else self.drops
                    for entry in counts.split(","):
                        reason, _, number = entry.rpartition(":")
                        total[f"{plugin} {reason}"] += int(number)

    def complaint(self, line: str) -> None:
        """One line of standard error: an error or a traceback is a fault."""
        self.phases["unheard"] += "was said, and not heard" in line
        error = line.startswith(("ERROR", "CRITICAL", "error:", "Fatal", "Exception "))
        if error or (line.startswith("Traceback") and not self._explained):
            self.faults.append(line.strip())
        self._explained = error


@dataclass(slots=True)
class Life:
    """One process from its start to its end; ``ended`` says how it died, empty where it lived."""

    samples: list[Sample]
    told: Told
    ended: str
    figures: dict[str, float]


def theil_sen(at: np.ndarray, values: np.ndarray) -> float:
    """The median slope over all pairs."""
    first, second = np.triu_indices(len(at), 1)
    run = at[second] - at[first]
    keep = run > 0
    return float(np.median((values[second] - values[first])[keep] / run[keep]))


def slope_pct_per_h(
    at_s: npt.ArrayLike, values: npt.ArrayLike, *, replicas: int = _REPLICAS
) -> tuple[float, float, float]:
    """(slope, low, high): percent of the mean per hour, and its 95 % bootstrap interval."""
    at_h, level = np.asarray(at_s) / 3600.0, np.asarray(values, dtype=np.float64)
    if len(at_h) > 600:  # all pairs of more are slow, and say no more
        keep = np.linspace(0, len(at_h) - 1, 600).astype(int)
        at_h, level = at_h[keep], level[keep]
    if len(at_h) < 8 or not level.mean() > 0.0:
        raise SageError(f"{len(at_h)} samples are too few for a slope; run for longer")
    scale = 100.0 / level.mean()
    slope = theil_sen(at_h, level)
    line = np.median(level - slope * at_h) + slope * at_h
    residual = level - line
    count = len(residual)
    period_s = 3600.0 * (at_h[-1] - at_h[0]) / (count - 1)
    block = int(min(max(2, round(_BLOCK_S / period_s)), count // 3))
    rng = np.random.default_rng(0)
    slopes = []
    for _ in range(replicas):
        starts = rng.integers(0, count - block + 1, size=-(-count // block))
        drawn = np.concatenate([residual[start : start + block] for start in starts])[:count]
        slopes.append(theil_sen(at_h, line + drawn))
    low, high = np.percentile(slopes, [2.5, 97.5])
    return slope * scale, float(low) * scale, float(high) * scale


def live(seed: int, seconds: float, folder: Path, bar: Progress, task: TaskID) -> Life:
    """One ``sage run`` for so many seconds, or until it dies."""
    folder.mkdir()
    options = {
        "--seed": seed,
        "--duration": seconds + _SPEAKS_AFTER_S,
        "--state": folder / "state",
        "--out": folder / "runs",
    }
    command = [sys.executable, "-m", "sage.run", "--headless", "--stdin"]
    for name, value in options.items():
        command += [name, str(value)]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,  # Ctrl-C is for the benchmark, which then ends the run
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    told = Told()
    readers = [
        threading.Thread(target=_read, args=(stream, take), daemon=True)
        for stream, take in ((process.stdout, told.take), (process.stderr, told.complaint))
    ]
    for reader in readers:
        reader.start()
    samples: list[Sample] = []
    said, endless = 0, itertools.cycle(COMMANDS)
    patience_s = 1.05 * seconds + _GRACE_S
    before = bar.tasks[task].completed
    try:
        began_s = time.perf_counter()  # it loads; the time counts from its first word on
        while process.poll() is None and not told.began.wait(0.1):
            if time.perf_counter() - began_s > _GRACE_S:
                break
        began_s = time.perf_counter()
        while process.poll() is None:
            at_s = time.perf_counter() - began_s
            if at_s > patience_s:
                break
            if said < told.over + _WAITING and at_s < seconds:
                said += 1
                try:
                    process.stdin.write(f"{next(endless)}\n")
                    process.stdin.flush()
                except OSError:
                    pass  # it has ended, which the next look finds
            if (sample := look(process.pid, at_s)) is not None and at_s < seconds:
                samples.append(sample)
                bar.update(task, completed=before + at_s, memory=f"{sample.rss_mb:.0f} MB")
            time.sleep(max(0.0, began_s + int(at_s) + 1.0 - time.perf_counter()))
        lived_s = time.perf_counter() - began_s
    finally:
        hung = process.poll() is None
        if hung:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for reader in readers:
            reader.join(5.0)
        process.stdin.close()
    ended = ""
    if hung:
        ended = f"did not end within {patience_s - seconds:.0f} s"
    elif process.returncode not in (0, 1) or lived_s < seconds:
        ended = f"ended with {process.returncode} after {lived_s:.0f} s"
    return Life(samples, told, ended, _written(folder))


def _read(stream: IO[str], take: object) -> None:
    assert callable(take)
    with stream:
        for line in stream:
            take(line)


def _written(folder: Path) -> dict[str, float]:
    """What a run leaves on disk, in MB, and what its telemetry says it lost."""
    figures: dict[str, float] = {}
    for name, where in (("run folder MB", folder / "runs"), ("state folder MB", folder / "state")):
        sizes = [path.stat().st_size for path in where.rglob("*") if path.is_file()]
        figures[name] = sum(sizes) / 1e6
    for path in (folder / "runs").glob("*/telemetry.jsonl"):
        *_, last = path.read_text(encoding="utf-8").splitlines() or ["{}"]
        end = json.loads(last)
        figures["telemetry lines"] = end.get("lines", 0)
        figures["telemetry lost"] = end.get("lost", 0)
    return figures


def soak(seed: int, seconds: float) -> list[Life]:
    """Lives that together last so long; a run that dies is followed by a new one."""
    lives: list[Life] = []
    columns = (
        TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(),
        TextColumn("{task.fields[memory]}"),
    )  # fmt: skip
    with (
        tempfile.TemporaryDirectory(prefix="sage-soak-") as folder,
        Progress(*columns, console=Console(stderr=True), transient=True) as bar,
    ):
        task = bar.add_task("soaking", total=seconds, memory="")
        ends_s = time.perf_counter() + seconds
        while (left_s := ends_s - time.perf_counter()) > (5.0 if lives else 0.0):
            lives.append(live(seed, left_s, Path(folder) / str(len(lives)), bar, task))
            if len(lives) >= 10:
                break  # it dies at once: more of it says nothing new
    return lives


def _growth(values: Iterable[int]) -> float:
    """The median of the last fifth less that of the first."""
    every = list(values)
    fifth = max(1, len(every) // 5)
    return statistics.median(every[-fifth:]) - statistics.median(every[:fifth])


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    options = parser(
        "soak",
        __doc__.splitlines()[0],
        "  python -m benchmarks.soak --minutes 10 --json soak.json\n"
        "  python -m benchmarks.soak --minutes 60 --seed 42",
    )
    options.add_argument("--minutes", type=float, default=10.0, help="how long (default 10)")
    options.add_argument("--seed", type=int, default=0, help="which apartment (default 0)")
    args = options.parse_args(argv)
    if not 0.5 <= args.minutes <= 10_000.0:
        raise ConfigError(f"--minutes must lie in [0.5, 10000], got {args.minutes:g}")
    if not Path("/proc/self/smaps_rollup").exists():
        raise SageError("memory is read from /proc/PID/smaps_rollup, which this system lacks")
    seconds = 45.0 if args.quick else 60.0 * args.minutes
    lives = soak(args.seed, seconds)
    exits = [life.ended for life in lives if life.ended]
    faults = [fault for life in lives for fault in life.told.faults]
    for text in (*exits, *faults[:20]):
        print(f"fault: {text}")
    longest = max(lives, key=lambda life: len(life.samples))
    warm = [s for s in longest.samples if s.at_s >= _WARM_UP * longest.samples[-1].at_s]
    at_s = [sample.at_s for sample in warm]
    rss = [sample.rss_mb for sample in warm]
    slope, low, high = slope_pct_per_h(at_s, rss)
    main_slope = slope_pct_per_h(at_s, [sample.main_mb for sample in warm], replicas=1)[0]
    heap_slope = slope_pct_per_h(at_s, [sample.heap_mb for sample in warm], replicas=1)[0]
    world_slope = slope_pct_per_h(at_s, [sample.world_mb for sample in warm], replicas=1)[0]
    phases = sum((life.told.phases for life in lives), Counter())
    halts = sum((life.told.halts for life in lives), Counter())
    drops = sum((life.told.drops for life in lives), Counter())
    misses = {name: count for name, count in halts.items() if name.endswith(" deadline")}
    rows = [
        Row(
            "soak.exits",
            len(exits) + len(faults),
            "lower",
            0,
            0,
            {
                "minutes": seconds / 60.0,
                "exits": len(exits),
                "faults": len(faults),
                **{f"commands {phase}": phases[phase] for phase in PHASES},
            },
        ),
        Row(
            "soak.rss_slope_pct_per_h",
            slope,
            "lower",
            6.0,
            1.0,
            {
                "low": low,
                "high": high,
                "mean MB": statistics.fmean(rss),
                "runtime's process": main_slope,
                "anonymous only": heap_slope,
                "world": world_slope,
                "world MB": statistics.fmean(sample.world_mb for sample in warm),
                "threads": warm[-1].threads,
                "threads more": _growth(sample.threads for sample in warm),
                "files": warm[-1].files,
                "files more": _growth(sample.files for sample in warm),
                "processes": warm[-1].processes,
            },
        ),
    ]
    print("ended by deadline: " + (_told(misses, halts) or "nothing"))
    print("dropped: " + (", ".join(f"{n} {what}" for what, n in drops.most_common()) or "nothing"))
    for name, value in longest.figures.items():
        print(f"{name}: {value:.6g}")
    publish(
        "soak",
        rows,
        f"soak: {seconds / 60.0:.1f} min, {len(exits)} exits, {len(faults)} faults, memory "
        f"{slope:+.2f} % per hour (95 %: {low:+.2f} to {high:+.2f}) "
        f"of {statistics.fmean(rss):.0f} MB",
        args.json,
        quick=args.quick,
        seed=args.seed,
        samples=[
            {
                "at_s": s.at_s,
                "rss_mb": s.rss_mb,
                "main_mb": s.main_mb,
                "heap_mb": s.heap_mb,
                "world_mb": s.world_mb,
            }
            for s in longest.samples
        ],
        halts=dict(halts),
        drops=dict(drops),
    )
    return 0


def _told(misses: dict[str, int], halts: Counter[str]) -> str:
    parts = []
    for name, count in misses.items():
        plugin = name.rpartition(" ")[0]
        every = sum(n for other, n in halts.items() if other.rpartition(" ")[0] == plugin)
        parts.append(f"{count} of {every} of {plugin}")
    return ", ".join(parts)


if __name__ == "__main__":
    from sage.commands.cli import run_guarded

    sys.exit(run_guarded(main))
