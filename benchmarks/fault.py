"""What bad neighbours cost the others: latencies beside plugins that hang, crash and lie.

Healthy plugins are submitted to at a steady rate on one lane of a real-time orchestrator, in
rounds alone and rounds with four bad ones on the same lane, in turn: one never comes back, one
crashes, one has NaN as energy, one never releases the interpreter lock. All but the NaN have
processes of their own. By default they would be quarantined after five failures, about 3.5 s, and
be quiet from then on; here nobody is, and backoff ends at half a second, so that they are
restarted and fail again all through the round, which begins when they do. A last round has what a
runtime survives without processes: pauses of 0.2 s with and without the lock, on the lane's own
thread.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks.fault_plugins import Crashing, Healthy, Hung, LockHolding, NotANumber
from benchmarks.report import Row, parser, percentile, publish, real, whole
from orchestrator import HRMOrchestrator, PluginSettings, RestartPolicy
from orchestrator.member import Factory, Isolation
from sage.irp import Outcome, SageError
from sage.values import Observation

_LANE = "perception"
_WARM_S = 0.5
_PAUSE_S = 0.2
_AGAIN_AND_AGAIN = RestartPolicy(
    first_backoff_s=0.2, longest_backoff_s=0.5, most_failures=1_000_000
)
_ROUNDS_PER_S = 60_000_000  # of sum(range(n)), about


@dataclass(frozen=True, slots=True)
class Bad:
    """A neighbour: how it is made, and where it runs."""

    factory: Factory
    isolation: Isolation


ISOLATED: Sequence[Bad] = (
    Bad(Hung, "process"),
    Bad(Crashing, "process"),
    Bad(NotANumber, "thread"),
    Bad(LockHolding, "process"),
)
IN_THREADS: Sequence[Bad] = (
    Bad(partial(Hung, _PAUSE_S), "thread"),
    Bad(NotANumber, "thread"),
    Bad(partial(LockHolding, int(_PAUSE_S * _ROUNDS_PER_S)), "thread"),
)


@dataclass(frozen=True, slots=True)
class Load:
    """Healthy plugins at so many submissions per second each, bad ones at theirs."""

    healthy: int
    size: int
    rate_hz: float
    bad_hz: float
    seconds: float


def latencies_ms(load: Load, neighbours: Sequence[Bad]) -> tuple[list[float], Counter[str]]:
    """From submit to result of every healthy submission, and what became of all submissions."""
    orchestrator = HRMOrchestrator()
    taken: list[float] = []
    counts: Counter[str] = Counter()

    def healthy_result(observation: Any, outcome: Outcome[Any]) -> None:
        if observation.data is not None and outcome.answered:
            taken.append((time.perf_counter() - observation.data) * 1e3)

    def bad_result(observation: Any, outcome: Outcome[Any]) -> None:
        counts["failures"] += 1

    settings = PluginSettings(_LANE, queue=4)
    names = [f"healthy_{number}" for number in range(load.healthy)]
    bad_names = []
    try:
        for name in names:
            orchestrator.register(partial(Healthy, name, load.size), settings, healthy_result)
        for bad in neighbours:
            member = orchestrator.register(
                bad.factory,
                PluginSettings(_LANE, isolation=bad.isolation, restart=_AGAIN_AND_AGAIN),
                bad_result,
            )
            bad_names.append(member.name)
        orchestrator.start()
        stop = threading.Event()
        ticks = threading.Thread(target=_tick, args=(orchestrator, stop), daemon=True)
        ticks.start()
        submit = partial(_submit, orchestrator)
        _drive(load, names, [], _WARM_S, partial(submit, measured=False))
        _drive(load, names, bad_names, load.seconds, partial(submit, measured=True))
        time.sleep(0.3)
        stop.set()
        ticks.join()
        for name in names:
            counts["healthy dropped"] += sum(orchestrator.members[name].dropped.values())
    finally:
        orchestrator.close()
    return taken, counts


def _tick(orchestrator: HRMOrchestrator, stop: threading.Event) -> None:
    while not stop.wait(orchestrator.config.cycle_s):
        orchestrator.tick()


def _submit(orchestrator: HRMOrchestrator, name: str, *, measured: bool) -> None:
    now_s = time.perf_counter() if measured else None
    observation = Observation("benchmark:", "none", orchestrator.clock.now_s(), 0, now_s)
    orchestrator.submit(name, observation)


def _drive(
    load: Load,
    healthy: Sequence[str],
    bad: Sequence[str],
    seconds: float,
    submit: Callable[[str], None],
) -> None:
    """Submit on schedule; the phases are spread, so that nobody always meets the same other."""
    due = [
        (number / load.rate_hz + phase / len(healthy) / load.rate_hz, name)
        for phase, name in enumerate(healthy)
        for number in range(int(seconds * load.rate_hz))
    ]
    due += [
        (number / load.bad_hz + phase / len(bad) / load.bad_hz, name)
        for phase, name in enumerate(bad)
        for number in range(int(seconds * load.bad_hz))
    ]
    began_s = time.perf_counter()
    for at_s, name in sorted(due):
        pause_s = began_s + at_s - time.perf_counter()
        if pause_s > 0.0:
            time.sleep(pause_s)
        submit(name)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    options = parser(
        "fault",
        __doc__.splitlines()[0],
        "  python -m benchmarks.fault --quick\n"
        "  python -m benchmarks.fault --rounds 20 --json fault.json",
    )
    options.add_argument(
        "--rounds",
        type=whole("--rounds", 1, 10_000),
        default=10,
        help="pairs of rounds (default 10)",
    )
    options.add_argument(
        "--seconds", type=real("--seconds", 1, 3600), default=6.0, help="of each round (default 6)"
    )
    options.add_argument(
        "--rate", type=real("--rate", 1, 1000), default=30.0, help="Hz per plugin (default 30)"
    )
    options.add_argument(
        "--healthy",
        type=whole("--healthy", 1, 100),
        default=3,
        help="healthy plugins (default 3)",
    )
    options.add_argument(
        "--size",
        type=whole("--size", 1, 10_000_000),
        default=60_000,
        help="numbers in a state (default 60000)",
    )
    args = options.parse_args(argv)
    rounds, seconds = args.rounds, args.seconds
    if args.quick:
        rounds, seconds = min(rounds, 4), min(seconds, 4.5)
    load = Load(args.healthy, args.size, args.rate, 10.0, seconds)
    alone: list[float] = []
    beside: list[float] = []
    ratios: list[float] = []
    counts: Counter[str] = Counter()
    for number in range(rounds):
        found: dict[bool, list[float]] = {}
        for bad in (False, True) if number % 2 == 0 else (True, False):
            found[bad], told = latencies_ms(load, ISOLATED if bad else ())
            if not found[bad]:
                raise SageError(
                    f"no healthy plugin answered at --size {args.size}, --rate {args.rate:g} and "
                    f"--healthy {args.healthy}: this machine cannot carry it; take less"
                )
            counts += told
        alone += found[False]
        beside += found[True]
        ratios.append(percentile(found[True], 0.99) / percentile(found[False], 0.99) - 1.0)
    threads, _ = latencies_ms(load, IN_THREADS)
    p99 = percentile(alone, 0.99)
    inflation = percentile(beside, 0.99) / p99 - 1.0
    rows = [
        Row(
            "fault.p99_inflation",
            inflation,
            "lower",
            0.10,
            0.03,
            {
                "median of pairs": float(np.median(ratios)),
                "p99 ms alone": p99,
                "p99 ms beside them": percentile(beside, 0.99),
                "p50 ms alone": percentile(alone, 0.5),
                "p50 ms beside them": percentile(beside, 0.5),
                "failures contained": counts["failures"],
                "healthy dropped": counts["healthy dropped"],
                "pauses of 0.2 s in threads": percentile(threads, 0.99) / p99 - 1.0,
            },
        )
    ]
    publish(
        "fault",
        rows,
        f"fault: the others' p99 grows by {inflation:.1%} beside plugins that hang, crash, lie "
        f"and hold the lock ({counts['failures']} failures contained)",
        args.json,
    )
    return 0


if __name__ == "__main__":
    from sage.commands.cli import run_guarded

    sys.exit(run_guarded(main))
