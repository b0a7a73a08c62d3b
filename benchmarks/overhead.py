"""What SAGE itself costs: per step, per cycle, to import, and beside its peers.

The plugins do nothing but improve, so all that is measured is the runtime, with everything on:
lanes in threads of their own, telemetry written as JSON lines, trust, values and profiles.

- A step is charged all that it causes, until its line is in the file: a refinement of many steps
  from its submission until the telemetry is written, by its steps, less the bare loop of the same
  calls. ``to the result`` leaves out what is written afterwards.
- A cycle is a tick, three submissions, three one-step refinements and their results.
- A hop is a piece of work handed out, done, and its outcome back with who decides what comes next.
  In SAGE a lane's step is one; in Ray it is an actor's call, in dora a message and its answer.
  ``overhead.ratio_ray`` and ``overhead.ratio_dora`` compare these. Beside them stand the ratios
  for a whole submission, from ``submit`` to its result in another thread, and like for like, with
  a plugin of SAGE's in a process of its own.
"""

from __future__ import annotations

import contextlib
import queue
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import loopback, peers
from benchmarks.contend import Contender, Times, each, side_by_side
from benchmarks.hop_plugins import Mirror
from benchmarks.process_hop import one_step
from benchmarks.report import Row, parser, percentile, publish
from orchestrator import HRMOrchestrator, PluginSettings, TrustLedger
from orchestrator.isolation import IsolatedPlugin
from sage.clock import RealClock
from sage.irp import HaltPolicy, Invariants, IRPPlugin, Refinement, SageError
from sage.telemetry import Telemetry
from sage.telemetry.jsonl import JsonlSink
from sage.values import Frame, Observation

_INVARIANTS = Invariants("a real number", "none", "the number itself", "none")
_THREE = ("first", "second", "third")
_FRAME = np.zeros((224, 224, 3), np.uint8)
_NOTHING = np.zeros((1, 1, 3), np.uint8)
_PATIENCE_S = 60.0


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


@dataclass(slots=True)
class Runtime:
    """A running orchestrator with everything on, and the plugins of the benchmark."""

    orchestrator: HRMOrchestrator
    telemetry: Telemetry
    sink: JsonlSink
    steps: int
    results: queue.SimpleQueue[object]
    submitted: int = 0

    def submit(self, plugin: str, data: Any = None) -> None:
        """Hand in an observation that was captured just now."""
        self.submitted += 1
        now_s = self.orchestrator.clock.now_s()
        self.orchestrator.submit(
            plugin, Observation("benchmark:", "none", now_s, self.submitted, data)
        )

    def answer(self, plugin: str, data: Any = None) -> None:
        """Submit, and wait for the result."""
        self.submit(plugin, data)
        self.results.get(timeout=_PATIENCE_S)

    def refinements(self, count: int) -> list[float]:
        """Seconds per step of a long refinement, until the telemetry of its steps is written."""
        return [self._refinement(written=True) for _ in range(count)]

    def results_only(self, count: int) -> list[float]:
        """Seconds per step of a long refinement, until its result."""
        return [self._refinement(written=False) for _ in range(count)]

    def _refinement(self, *, written: bool) -> float:
        self.orchestrator.tick()
        self._write()
        began_s = time.perf_counter()
        self.answer("steps")
        if written:
            self._write()
        return (time.perf_counter() - began_s) / self.steps

    def _write(self) -> None:
        self.telemetry.flush()
        self.sink.flush()

    def cycle(self) -> None:
        """A tick, three submissions, three results."""
        self.orchestrator.tick()
        for name in _THREE:
            self.submit(name)
        for _ in _THREE:
            self.results.get(timeout=_PATIENCE_S)

    def cycles_written(self, count: int) -> list[float]:
        """Seconds per cycle of many, until all their telemetry is written."""
        self._write()
        began_s = time.perf_counter()
        for _ in range(count):
            self.cycle()
        self._write()
        return [(time.perf_counter() - began_s) / count]

    def hops(self, data: Any) -> Any:
        """A batch of one-step refinements from submission to result, one after the other."""

        batch = each(lambda: self.answer("first", data))

        def ticked(count: int) -> list[float]:
            self.orchestrator.tick()
            return batch(count)

        return ticked


@contextlib.contextmanager
def everything_on(steps: int) -> Iterator[Runtime]:
    """A runtime whose telemetry, trust and profiles go to files in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="overhead-") as name:
        folder, clock = Path(name), RealClock()
        sink = JsonlSink(folder / "telemetry.jsonl", clock=clock)
        telemetry = Telemetry((sink,))
        telemetry.start()
        orchestrator = HRMOrchestrator(
            clock=clock,
            emit=telemetry.emit,
            trust=TrustLedger(folder / "trust.json"),
            profiles=folder / "profiles.json",
        )
        results: queue.SimpleQueue[object] = queue.SimpleQueue()
        for plugin, most in (("steps", steps), *((name, 1) for name in _THREE)):
            orchestrator.register(
                descending(plugin, most),
                PluginSettings("perception", max_age_s=_PATIENCE_S),
                lambda observation, outcome: results.put(outcome),
            )
        orchestrator.start()
        try:
            yield Runtime(orchestrator, telemetry, sink, steps, results)
        finally:
            orchestrator.close()
            telemetry.close()
            sink.close(telemetry.lost)
        if telemetry.lost or sink.lost or sink.fault:
            raise SageError(f"telemetry lost {telemetry.lost + sink.lost} events: {sink.fault}")


def bare_step_s(steps: int) -> float:
    """The same calls in a plain loop, in seconds per step."""
    plugin = descending("bare", steps)()
    step, project, energy = plugin.step, plugin.project, plugin.energy
    state = plugin.init_state(None, {})
    began_s = time.perf_counter()
    for _ in range(steps):
        state = project(step(state))
        energy(state)
    return (time.perf_counter() - began_s) / steps


def engine_step_s(steps: int) -> float:
    """The refinement loop alone, without lanes or telemetry, in seconds per step."""
    refinement: Refinement[float, float] = Refinement(descending("engine", steps)(), None)
    began_s = time.perf_counter()
    while refinement.advance():
        pass
    return (time.perf_counter() - began_s) / steps


@contextlib.contextmanager
def thread_hops() -> Iterator[Contender]:
    """The least that a hop between two threads takes: there and back over two queues."""
    from threading import Thread

    there: queue.SimpleQueue[object] = queue.SimpleQueue()
    back: queue.SimpleQueue[object] = queue.SimpleQueue()

    def answer() -> None:
        while (item := there.get()) is not None:
            back.put(item)

    thread = Thread(target=answer, daemon=True)
    thread.start()

    def hop() -> None:
        there.put(0)
        back.get(timeout=_PATIENCE_S)

    try:
        yield Contender("two queues and a thread, nothing else", each(hop), 50)
    finally:
        there.put(None)
        thread.join()


STEP = "SAGE: a step of a lane"
STEP_RESULT = "SAGE: a step of a lane, to the result"
BARE = "the plugin's own calls in a bare loop"
ENGINE = "the refinement loop alone"
CYCLE = "SAGE: a cycle of three"
CYCLE_WRITTEN = "SAGE: a cycle of three, until written"


def in_process(runtime: Runtime, rounds: int, extra: Sequence[Contender] = ()) -> Times:
    """Steps and cycles, and those who are given in ``extra``."""
    steps = runtime.steps
    return side_by_side(
        [
            Contender(STEP, runtime.refinements, 2),
            Contender(STEP_RESULT, runtime.results_only, 2),
            Contender(BARE, lambda count: [bare_step_s(steps) for _ in range(count)], 2),
            Contender(ENGINE, lambda count: [engine_step_s(steps) for _ in range(count)], 2),
            Contender(CYCLE, each(runtime.cycle), 50),
            Contender(CYCLE_WRITTEN, runtime.cycles_written, 50),
            *extra,
        ],
        rounds,
    )


def overhead_rows(times: Times) -> list[Row]:
    """``overhead.step_us`` and ``overhead.cycle_us``."""
    bare = times.median_us(BARE)
    return [
        Row(
            "overhead.step_us",
            times.median_us(STEP) - bare,
            "lower",
            25,
            8,
            {
                "p95": times.percentile_us(STEP, 0.95) - bare,
                "to the result": times.median_us(STEP_RESULT) - bare,
                "refinement loop alone": times.median_us(ENGINE) - bare,
                "bare loop": bare,
            },
        ),
        Row(
            "overhead.cycle_us",
            times.median_us(CYCLE),
            "lower",
            250,
            100,
            {
                "p95": times.percentile_us(CYCLE, 0.95),
                "until written": times.median_us(CYCLE_WRITTEN),
            },
        ),
    ]


PY_TREES = "py_trees: a tick of a sequence of three"
GATHER = "asyncio.gather: a tick of three coroutines"
POOL = "thread pool: three tasks and their results"


def in_process_peers(runtime: Runtime, rounds: int) -> tuple[Times, list[Row]]:
    """All that share our process."""
    with (
        peers.py_trees_tick() as py_trees,
        peers.gather_ticks() as gather,
        peers.pool_tick() as pool,
    ):
        times = in_process(
            runtime,
            rounds,
            [
                Contender(PY_TREES, each(py_trees), 50),
                Contender(GATHER, gather, 50),
                Contender(POOL, each(pool), 50),
            ],
        )
    ours = {"ours us": times.median_us(CYCLE), "thread pool us": times.median_us(POOL)}
    rows = [
        Row(
            f"overhead.ratio_{name}",
            times.ratio(title, CYCLE),
            "higher",
            None,
            0.5,
            {"peer us": times.median_us(title), **ours},
        )
        for name, title in (("py_trees", PY_TREES), ("gather", GATHER))
    ]
    return times, rows


RAY, DORA = "Ray: an actor's call", "dora: a message and its answer"
SUBMIT = "SAGE: submit to result, in threads"
PROCESS = "SAGE: a plugin in a process of its own"
WITH_FRAME = ", 224x224x3"


def cross_process_peers(runtime: Runtime, rounds: int) -> tuple[Times, list[Row]]:
    """Those with a process of their own, beside our hops."""
    with contextlib.ExitStack() as stack:
        contenders = [
            Contender(STEP, runtime.refinements, 2),
            stack.enter_context(thread_hops()),
        ]
        hops = {
            RAY: each_payload(stack.enter_context(peers.ray_hop())),
            DORA: each_payload(stack.enter_context(peers.dora_hop())),
            PROCESS: each_payload(stack.enter_context(process_hop())),
            SUBMIT: runtime.hops,
        }
        for name, hop in hops.items():
            contenders.append(Contender(name, hop(None), 30))
            contenders.append(Contender(name + WITH_FRAME, hop(_FRAME), 15))
        times = side_by_side(contenders, rounds)
    rows = []
    for name, title in (("ray", RAY), ("dora", DORA)):
        against = {
            "peer us": times.median_us(title),
            "ours us": times.median_us(STEP),
            "with a frame": times.ratio(title + WITH_FRAME, STEP),
        }
        for what, our in (("to submit to result", SUBMIT), ("process to process", PROCESS)):
            against[what] = times.ratio(title, our)
            against[f"{what}, with a frame"] = times.ratio(title + WITH_FRAME, our + WITH_FRAME)
        rows.append(
            Row(f"overhead.ratio_{name}", times.ratio(title, STEP), "higher", 10, 40, against)
        )
    return times, rows


@contextlib.contextmanager
def process_hop() -> Iterator[peers.Hop]:
    """A refinement of one step by a plugin in a process of its own, its picture there and back."""
    plugin = IsolatedPlugin(Mirror, step_limit_s=_PATIENCE_S)
    clock = RealClock()

    def hop(payload: np.ndarray[Any, Any] | None) -> object:
        picture = _NOTHING if payload is None else payload
        return one_step(
            plugin, Observation("benchmark:", "camera", clock.now_s(), 0, Frame(picture))
        )

    try:
        hop(None)
        yield hop
    finally:
        plugin.close()


def each_payload(hop: peers.Hop) -> Any:
    """A batch of hops with what is given."""
    return lambda data: each(lambda: hop(data))


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


def import_row(rounds: int) -> Row:
    """``kernel.import_ms``: the contract with numpy, which a user's plugin brings."""
    kernel = import_ms("numpy, sage.irp", rounds)
    baselines = {
        "numpy alone": statistics.median(import_ms("numpy", rounds)),
        "contract alone": statistics.median(import_ms("sage.irp", rounds)),
        "p95": percentile(kernel, 0.95),
    }
    return Row("kernel.import_ms", statistics.median(kernel), "lower", 150, 80, baselines)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    options = parser(
        "overhead",
        __doc__.splitlines()[0],
        "  python -m benchmarks.overhead --quick\n"
        "  python -m benchmarks.overhead --peers --json overhead.json",
    )
    options.add_argument("--rounds", type=int, default=30, help="rounds of all (default 30)")
    options.add_argument("--steps", type=int, default=2000, help="steps per refinement")
    options.add_argument(
        "--peers", action="store_true", help=f"beside Ray, dora, py_trees ({peers.INSTALL})"
    )
    args = options.parse_args(argv)
    rounds = min(args.rounds, 10) if args.quick else args.rounds
    if args.peers:
        try:
            peers.require()
        except peers.PeerError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        if not loopback.inside():
            if not loopback.available():
                print(f"error: {loopback.UNAVAILABLE}", file=sys.stderr)
                return 1
            return loopback.run_again("benchmarks.overhead", argv or sys.argv[1:])
        loopback.bring_up()
    rows: list[Row] = []
    with everything_on(args.steps) as runtime:
        if args.peers:
            times, ratios = in_process_peers(runtime, rounds)
            times.show("in one process")
            cross, cross_ratios = cross_process_peers(runtime, rounds)
            cross.show("hops: work handed out, done, and its outcome back")
            rows += [*cross_ratios, *ratios]
        else:
            times = in_process(runtime, rounds)
            times.show("in one process")
    rows = [*overhead_rows(times), *rows, import_row(min(rounds, 10))]
    publish(
        "overhead",
        rows,
        f"overhead: {rows[0].value:.1f} us per step, {rows[1].value:.0f} us per cycle of three",
        args.json,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
