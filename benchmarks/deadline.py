"""Answers that come too late, or never: three periodic anytime plugins at 80 % load.

Each has a mandatory first step and optional ones after it, and owes an answer by the end of its
period. All their steps together come to 80 % of the lane's time; whenever all three are due at
once, a part of the optional steps does not fit before the shortest deadline. A miss is an answer
later than its deadline, or none, counted per observation.

Simulated: virtual time, in which a step takes what it is said to take. Real: busy steps on a
lane's thread, in a process that ticks and submits as a robot's would. Beside both stands the
same work without a runtime: one after the other, each run to completion (FIFO).

What no runtime can help is measured, not guessed, and counted as a miss all the same: the time
for which the machine took the core away in the middle of a step (more than 1 ms between two looks
at the clock), how many of the misses would have been none without it, and how often a bare
process that only sleeps from tick to tick wakes later than there is slack.
"""

from __future__ import annotations

import queue
import random
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.periodic import LOAD, SLACK_S, TASKS, TICK_S, Score, Task, Work, laborious
from benchmarks.report import Row, add_seed, parser, publish, whole
from benchmarks.stalls import Sleeper
from orchestrator import HRMOrchestrator, LockStep, OrchestratorConfig, PluginSettings
from orchestrator.policy import POLICIES
from sage.clock import RealClock, VirtualClock
from sage.irp import Outcome
from sage.values import Observation

_LANE = "perception"
_MARGIN_TICKS = 10  # after the last observation, so that its answer can come


def _register(orchestrator: HRMOrchestrator, score: Score, work: Work, seed: int) -> None:
    for task in TASKS:
        rng = random.Random(f"{seed} {task.name}")

        def answered(observation: Any, outcome: Outcome[int], task: Task = task) -> None:
            if outcome.answered:
                score.answered(task, observation, outcome.result or 0)

        orchestrator.register(
            laborious(task, work, rng),
            PluginSettings(_LANE, deadline_s=task.deadline_s, essential=task.essential),
            answered,
        )


def _config(policy: str) -> OrchestratorConfig:
    return OrchestratorConfig(cycle_s=TICK_S, lanes=(_LANE,), policy=policy)


def simulated(ticks: int, policy: str, seed: int) -> Score:
    """Virtual time: the same every time for a seed."""
    clock = VirtualClock()
    score = Score(clock)
    lane_s = 0.0

    def work(seconds: float) -> None:
        nonlocal lane_s
        lane_s += seconds

    orchestrator = HRMOrchestrator(_config(policy), clock=clock, stopwatch=lambda: lane_s)
    _register(orchestrator, score, work, seed)
    coming = 1

    def world(seconds: float) -> None:
        nonlocal coming
        now_s = clock.now_s() + seconds
        if coming <= ticks and now_s >= coming * TICK_S - 1e-9:
            clock.advance_to(now_s)
            for task in TASKS:
                if coming % task.every == 0:
                    orchestrator.submit(task.name, score.submitted(task, coming))
            coming += 1

    driver = LockStep(orchestrator, clock, world, sample_s=TICK_S)
    driver.run_until((ticks + _MARGIN_TICKS) * TICK_S)
    orchestrator.close()
    return score


def simulated_fifo(ticks: int, seed: int) -> Score:
    """The same observations, each refined to its end, in the order in which they came."""
    clock = VirtualClock()
    score = Score(clock)
    rngs = {task.name: random.Random(f"{seed} {task.name}") for task in TASKS}
    for tick in range(1, ticks + 1):
        for task in TASKS:
            if tick % task.every:
                continue
            seen = Observation(task.name, "none", tick * TICK_S, tick, (tick * TICK_S, 0.0))
            clock.advance_to(max(clock.now_s(), tick * TICK_S))
            score.due += 1
            took_s = sum(task.step_s * rngs[task.name].uniform(0.9, 1.1) for _ in range(task.steps))
            clock.advance_to(clock.now_s() + took_s)
            score.answered(task, seen, task.steps)
    return score


def _drive(
    ticks: int, score: Score, tick: Callable[[], None], submit: Callable[[Task, Observation], None]
) -> int:
    """Tick and submit in real time; returns how many ticks came too late to be of use."""
    clock = score.clock
    skipped = 0
    due_s = clock.now_s() + TICK_S
    for number in range(1, ticks + 1 + _MARGIN_TICKS):
        time.sleep(max(0.0, due_s - clock.now_s()))
        tick()
        for task in TASKS:
            if number <= ticks and number % task.every == 0:
                submit(task, score.submitted(task, number))
        due_s += TICK_S
        while due_s < clock.now_s():  # a camera drops frames, too
            due_s += TICK_S
            skipped += 1
    return skipped


def real(ticks: int, policy: str, seed: int) -> tuple[Score, int]:
    """Real time on a lane's thread; the score, and how many ticks this machine skipped."""
    clock = RealClock()
    score = Score(clock)
    orchestrator = HRMOrchestrator(_config(policy), clock=clock)
    _register(orchestrator, score, score.stalls.busy, seed)
    orchestrator.start()
    try:
        skipped = _drive(
            ticks,
            score,
            orchestrator.tick,
            lambda task, observation: orchestrator.submit(task.name, observation),
        )
    finally:
        orchestrator.close()
    return score, skipped


def real_fifo(ticks: int, seed: int) -> Score:
    """Real time, one thread, each refined to its end in the order in which they came."""
    clock = RealClock()
    score = Score(clock)
    inbox: queue.SimpleQueue[tuple[Task, Observation] | None] = queue.SimpleQueue()
    rng = random.Random(seed)

    def serve() -> None:
        while (item := inbox.get()) is not None:
            task, observation = item
            for _ in range(task.steps):
                score.stalls.busy(task.step_s * rng.uniform(0.9, 1.1))
            score.answered(task, observation, task.steps)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        _drive(ticks, score, lambda: None, lambda task, seen: inbox.put((task, seen)))
    finally:
        inbox.put(None)
        thread.join()
    return score


def _show(scores: Mapping[str, Score]) -> None:
    table = Table(title=f"three periodic plugins at {LOAD:.0%} load", title_justify="left")
    for column in ("what", "due", "late", "never", "miss rate", "longest", "steps made"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for name, score in scores.items():
        table.add_row(
            name,
            str(score.due),
            str(score.late),
            str(score.missed - score.late),
            f"{score.miss_rate:.5f}",
            f"{score.longest:.2f} deadlines",
            f"{score.refined:.0%}",
        )
    Console(width=120, highlight=False).print(table)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    options = parser(
        "deadline",
        __doc__.splitlines()[0],
        "  python -m benchmarks.deadline --quick\n"
        "  python -m benchmarks.deadline --ticks 10000 --simulated 100000 --json deadline.json",
    )
    # All three are due at once every tenth tick; the other policies get a tenth of the simulated.
    options.add_argument(
        "--ticks",
        type=whole("--ticks", 10, 100_000_000),
        default=10_000,
        help="of real time, 10 ms each",
    )
    options.add_argument(
        "--simulated",
        type=whole("--simulated", 100, 1_000_000_000),
        default=100_000,
        help="ticks of virtual time",
    )
    options.add_argument("--policy", choices=tuple(POLICIES), default="greedy")
    add_seed(options, help="of the jitter of step times")
    args = options.parse_args(argv)
    ticks, virtual = args.ticks, args.simulated
    if args.quick:
        ticks, virtual = min(ticks, 2000), min(virtual, 20_000)
    fifo_ticks = max(100, ticks // 10)
    scores = {f"simulated, {args.policy}": simulated(virtual, args.policy, args.seed)}
    for other in POLICIES:
        if other != args.policy:
            scores[f"simulated, {other}"] = simulated(virtual // 10, other, args.seed)
    scores["simulated, no runtime (FIFO)"] = simulated_fifo(virtual, args.seed)
    with Sleeper(TICK_S, SLACK_S) as sleeper:
        score, skipped = real(ticks, args.policy, args.seed)
    scores[f"real, {args.policy}"] = score
    scores["real, no runtime (FIFO)"] = real_fifo(fifo_ticks, args.seed)
    _show(scores)
    stalls = score.stalls
    print(
        f"the machine, over {ticks} ticks of {TICK_S * 1e3:g} ms with {SLACK_S * 1e3:g} ms of "
        f"slack: the core was taken away {stalls.count} times, {stalls.total_s:.2f} s in all, "
        f"{stalls.longest_s * 1e3:.1f} ms at most; {score.stalled} of {score.late} late answers "
        f"would have been in time without that; {skipped} ticks came too late to be of use; a "
        f"process that only sleeps woke more than the slack too late {sleeper.late} times in "
        f"{sleeper.ticks}, {sleeper.worst_s * 1e3:.1f} ms at most"
    )
    first = scores[f"simulated, {args.policy}"]
    rows = [
        Row(
            "deadline.miss_simulated",
            first.miss_rate,
            "lower",
            0.001,
            0.0,
            {
                "no runtime (FIFO)": scores["simulated, no runtime (FIFO)"].miss_rate,
                "ticks": virtual,
                "steps made": first.refined,
            },
        ),
        Row(
            "deadline.miss_real",
            score.miss_rate,
            "lower",
            0.001,
            0.0,
            {
                "no runtime (FIFO)": scores["real, no runtime (FIFO)"].miss_rate,
                "ticks": ticks,
                "steps made": score.refined,
                "late by the machine alone": score.stalled / score.due,
                "a bare sleeper overslept the slack": sleeper.late / max(1, sleeper.ticks),
            },
        ),
    ]
    publish(
        "deadline",
        rows,
        f"deadlines: {first.missed} of {first.due} missed in virtual time, {score.missed} of "
        f"{score.due} in {ticks} real ticks",
        args.json,
    )
    return 0


if __name__ == "__main__":
    from sage.commands.cli import run_guarded

    sys.exit(run_guarded(main))
