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
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.report import Row, parser, publish
from orchestrator import HRMOrchestrator, LockStep, OrchestratorConfig, PluginSettings
from orchestrator.policy import POLICIES
from sage.clock import Clock, RealClock, VirtualClock
from sage.irp import HaltPolicy, Invariants, IRPPlugin, Outcome
from sage.values import Observation

TICK_S = 0.01
_LANE = "perception"
_MARGIN_TICKS = 10  # after the last observation, so that its answer can come
_STALL_S = 0.001


@dataclass(frozen=True, slots=True)
class Task:
    """A periodic plugin: an observation every ``every`` ticks, answered before the next.

    Attributes:
        name: the plugin's.
        every: its period and its deadline, in ticks.
        steps: how many it makes when nothing stops it; the first one is mandatory.
        step_s: what a step takes, in seconds, before jitter.
        essential: it moves the robot, so that no lack of ATP keeps it out.
    """

    name: str
    every: int
    steps: int
    step_s: float
    essential: bool = False

    @property
    def deadline_s(self) -> float:
        """An answer is due this long after the observation."""
        return self.every * TICK_S

    @property
    def load(self) -> float:
        """All its steps, by its period."""
        return self.steps * self.step_s / self.deadline_s


TASKS = (
    Task("balance", 1, 4, 0.0005, essential=True),
    Task("follow", 2, 6, 0.001),
    Task("look", 5, 10, 0.0015),
)
LOAD = sum(task.load for task in TASKS)
SLACK_S = min(task.deadline_s - task.step_s for task in TASKS) - max(task.step_s for task in TASKS)
"""What is left of the shortest deadline after the longest step and the own first one."""


@dataclass(slots=True)
class Stalls:
    """How often, and for how long in all, the core was taken away from a step."""

    count: int = 0
    total_s: float = 0.0
    longest_s: float = 0.0

    def busy(self, seconds: float) -> None:
        """Compute for so long, holding the interpreter as any Python does."""
        now_s = time.perf_counter()
        ends_s = now_s + seconds
        while now_s < ends_s:
            before_s, now_s = now_s, time.perf_counter()
            if now_s - before_s > _STALL_S:
                self.count += 1
                self.total_s += now_s - before_s
                self.longest_s = max(self.longest_s, now_s - before_s)


@dataclass(slots=True)
class Score:
    """What became of the observations: how long each answer took, how many steps went into it.

    ``late`` counts answers after their deadline, ``stalled`` those of them that would have been
    in time had the machine not taken the core away.
    """

    clock: Clock
    due: int = 0
    late: int = 0
    stalled: int = 0
    steps: int = 0
    full: int = 0
    stalls: Stalls = field(default_factory=Stalls)
    took: dict[str, list[float]] = field(default_factory=dict)

    def submitted(self, task: Task, number: int) -> Observation:
        """An observation, captured now."""
        self.due += 1
        now_s = self.clock.now_s()
        return Observation(task.name, "none", now_s, number, (now_s, self.stalls.total_s))

    def answered(self, task: Task, observation: Observation, steps: int) -> None:
        """An answer came."""
        captured_s, stalled_s = observation.data
        took_s = self.clock.now_s() - captured_s
        if took_s > task.deadline_s:
            self.late += 1
            self.stalled += took_s - (self.stalls.total_s - stalled_s) <= task.deadline_s
        self.steps += steps
        self.full += task.steps
        self.took.setdefault(task.name, []).append(took_s / task.deadline_s)

    @property
    def missed(self) -> int:
        """Answers that came late or not at all."""
        answers = sum(map(len, self.took.values()))
        return self.late + self.due - answers

    @property
    def miss_rate(self) -> float:
        """Missed by all that were due."""
        return self.missed / self.due

    @property
    def refined(self) -> float:
        """Steps made, of all that the answered ones could have made."""
        return self.steps / self.full if self.full else 0.0

    @property
    def longest(self) -> float:
        """The longest that an answer took, in its deadlines."""
        return max((max(took) for took in self.took.values()), default=0.0)


Work = Callable[[float], None]


def laborious(task: Task, work: Work, rng: random.Random) -> type[IRPPlugin[int, int]]:
    """A plugin class whose steps take time, a tenth more or less, and halve its energy."""

    class Laborious(IRPPlugin[int, int]):
        invariants = Invariants("how many steps", "none", "halves with each step", "none")
        halting = HaltPolicy(max_steps=task.steps, slope_eps=0.0)

        def init_state(self, observation: Any, context: Any) -> int:
            return 0

        def step(self, state: int) -> int:
            work(task.step_s * rng.uniform(0.9, 1.1))
            return state + 1

        def energy(self, state: int) -> float:
            return 0.5**state

        def result(self, state: int) -> int:
            return state

    Laborious.name = task.name
    return Laborious


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


_SLEEPER = """
import select, sys, time
tick_s, slack_s = float(sys.argv[1]), float(sys.argv[2])
worst_s, ticks, late = 0.0, 0, 0
print("ready", flush=True)
due_s = time.perf_counter() + tick_s
while not select.select([sys.stdin], [], [], 0)[0]:
    time.sleep(max(0.0, due_s - time.perf_counter()))
    over_s = time.perf_counter() - due_s
    worst_s, ticks, late = max(worst_s, over_s), ticks + 1, late + (over_s > slack_s)
    due_s = max(due_s + tick_s, time.perf_counter())
print(ticks, late, worst_s)
"""


class Sleeper:
    """A process that does nothing but sleep from tick to tick, and measures by how much too long.

    Used as a context manager; ``ticks``, ``late`` and ``worst_s`` are there at its end.
    """

    def __init__(self) -> None:
        self.ticks = self.late = 0
        self.worst_s = 0.0

    def __enter__(self) -> Sleeper:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SLEEPER, str(TICK_S), str(SLACK_S)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()
        return self

    def __exit__(self, *exception: object) -> None:
        told, _ = self._process.communicate("\n", timeout=10.0)
        ticks, late, worst_s = told.split()
        self.ticks, self.late, self.worst_s = int(ticks), int(late), float(worst_s)


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
    options.add_argument("--ticks", type=int, default=10_000, help="of real time, 10 ms each")
    options.add_argument("--simulated", type=int, default=100_000, help="ticks of virtual time")
    options.add_argument("--policy", choices=tuple(POLICIES), default="greedy")
    options.add_argument("--seed", type=int, default=0, help="of the jitter of step times")
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
    with Sleeper() as sleeper:
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
    sys.exit(main())
