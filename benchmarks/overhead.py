"""What SAGE itself costs: per step, per cycle, and to import the contract.

The plugin does nothing but improve, so all that is measured is the runtime: real lanes in real
threads, telemetry on and delivered. The bare loop that calls the same four methods is taken off.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.report import Row, parser, percentile, publish
from orchestrator import HRMOrchestrator, PluginSettings
from sage.irp import HaltPolicy, Invariants, IRPPlugin, Refinement
from sage.telemetry import Telemetry
from sage.values import Observation

_INVARIANTS = Invariants("a real number", "none", "the number itself", "none")


def descending(name: str, steps: int) -> type[IRPPlugin[float, float]]:
    """A plugin class that costs nothing and improves at every one of its steps."""

    class Descending(IRPPlugin[float, float]):
        invariants = _INVARIANTS
        halting = HaltPolicy(max_steps=steps, slope_eps=0.0)

        def init_state(self, observation: Any, context: Any) -> float:
            return 1e9

        def step(self, state: float) -> float:
            return state - 1.0

        def energy(self, state: float) -> float:
            return state

        def result(self, state: float) -> float:
            return state

    Descending.name = name
    return Descending


def _observation(orchestrator: HRMOrchestrator, number: int) -> Observation:
    return Observation("benchmark:", "none", orchestrator.clock.now_s(), number, None)


def bare_step_us(steps: int) -> float:
    """The same calls in a plain loop, in microseconds per step."""
    plugin = descending("bare", steps)()
    step, project, energy = plugin.step, plugin.project, plugin.energy
    state = plugin.init_state(None, {})
    began_s = time.perf_counter()
    for _ in range(steps):
        state = project(step(state))
        energy(state)
    return (time.perf_counter() - began_s) / steps * 1e6


def engine_step_us(steps: int) -> float:
    """The refinement loop alone, without lanes or telemetry, in microseconds per step."""
    refinement: Refinement[float, float] = Refinement(descending("engine", steps)(), None)
    began_s = time.perf_counter()
    while refinement.advance():
        pass
    return (time.perf_counter() - began_s) / steps * 1e6


def lane_step_us(rounds: int, steps: int) -> list[float]:
    """Steps on a lane of a running orchestrator, telemetry delivered, microseconds per step."""
    telemetry = Telemetry((lambda event: None,))
    telemetry.start()
    orchestrator = HRMOrchestrator(emit=telemetry.emit)
    finished = threading.Semaphore(0)
    took_s: list[float] = []
    orchestrator.register(
        descending("steps", steps),
        PluginSettings("perception", max_age_s=60.0),
        lambda observation, outcome: finished.release(),
    )
    orchestrator.start()
    try:
        for number in range(rounds + 1):
            orchestrator.tick()
            began_s = time.perf_counter()
            orchestrator.submit("steps", _observation(orchestrator, number))
            finished.acquire()
            took_s.append((time.perf_counter() - began_s) / steps)
    finally:
        orchestrator.close()
        telemetry.close()
    return [seconds * 1e6 for seconds in took_s[1:]]


def cycle_us(rounds: int) -> list[float]:
    """A tick, three submissions, three one-step refinements and their results."""
    telemetry = Telemetry((lambda event: None,))
    telemetry.start()
    orchestrator = HRMOrchestrator(emit=telemetry.emit)
    finished = threading.Semaphore(0)
    names = ("first", "second", "third")
    for name in names:
        orchestrator.register(
            descending(name, 1),
            PluginSettings("perception", max_age_s=60.0),
            lambda observation, outcome: finished.release(),
        )
    orchestrator.start()
    took_s = []
    try:
        for number in range(rounds + 20):
            began_s = time.perf_counter()
            orchestrator.tick()
            for name in names:
                orchestrator.submit(name, _observation(orchestrator, number))
            for _ in names:
                finished.acquire()
            took_s.append(time.perf_counter() - began_s)
    finally:
        orchestrator.close()
        telemetry.close()
    return [seconds * 1e6 for seconds in took_s[20:]]


def import_ms(module: str, rounds: int) -> list[float]:
    """Wall time of importing modules in fresh interpreters, in milliseconds."""
    code = (
        "import time; began = time.perf_counter(); "
        f"import {module}; print((time.perf_counter() - began) * 1e3)"
    )
    times = []
    for _ in range(rounds + 1):
        out = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        times.append(float(out.stdout))
    return times[1:]  # the first one also warms the disk cache


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    options = parser(
        "overhead",
        __doc__.splitlines()[0],
        "  python -m benchmarks.overhead --quick\n"
        "  python -m benchmarks.overhead --rounds 40 --json overhead.json",
    )
    options.add_argument("--rounds", type=int, default=30, help="repetitions (default 30)")
    options.add_argument("--steps", type=int, default=2000, help="steps per refinement")
    args = options.parse_args(argv)
    rounds = min(args.rounds, 10) if args.quick else args.rounds
    bare = statistics.median(bare_step_us(args.steps) for _ in range(rounds))
    engine = statistics.median(engine_step_us(args.steps) for _ in range(rounds)) - bare
    lane = [value - bare for value in lane_step_us(rounds, args.steps)]
    cycles = cycle_us(rounds * 50)
    # The contract does without numpy until a state holds an array; a user's plugin brings it.
    kernel = import_ms("numpy, sage.irp", rounds)
    numpy_only = statistics.median(import_ms("numpy", rounds))
    alone = statistics.median(import_ms("sage.irp", rounds))
    step_us, cycle = statistics.median(lane), statistics.median(cycles)
    rows = [
        Row(
            "overhead.step_us",
            step_us,
            "lower",
            50,
            8,
            {"bare loop": bare, "engine alone": engine, "p95": percentile(lane, 0.95)},
        ),
        Row("overhead.cycle_us", cycle, "lower", 500, 100, {"p95": percentile(cycles, 0.95)}),
        Row(
            "kernel.import_ms",
            statistics.median(kernel),
            "lower",
            150,
            80,
            {"numpy alone": numpy_only, "contract alone": alone, "p95": percentile(kernel, 0.95)},
        ),
    ]
    publish(
        "overhead",
        rows,
        f"overhead: {step_us:.1f} us per step, {cycle:.0f} us per cycle of three plugins",
        args.json,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
