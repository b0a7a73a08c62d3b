"""What SAGE itself costs: per step, per cycle, to import, and beside its peers.

The plugins do nothing but improve, so all that is measured is the runtime, with everything on:
lanes in threads of their own, telemetry written as JSON lines, trust, values and profiles.

- ``overhead.step_us`` counts until it is written: a refinement of many steps from its submission
  until the telemetry of all its steps is in the file, by its steps, less the bare loop of the same
  calls. ``to the result`` beside it leaves out what is written afterwards.
- ``overhead.cycle_us`` counts to the three results: a tick, three submissions, three one-step
  refinements and their results; telemetry is written meanwhile, and what is left of it afterwards
  is not counted. ``until written`` beside it counts that too.
- A hop is a piece of work handed out, done, and its outcome back with who decides what comes next.
  In Ray it is an actor's call, in dora a message and its answer, both to another process; in SAGE
  a lane's step is one, and its lanes are threads. ``overhead.ratio_ray`` and
  ``overhead.ratio_dora`` divide the peer's hop by a step of a lane, until written. Beside them
  stand the ratios to a whole submission, from ``submit`` to its result in another thread, and like
  for like, to a plugin of SAGE's in a process of its own. What is divided is measured in turn, in
  the same rounds; each table lists only what works alike, in one process or across two.
"""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks import loopback, peers
from benchmarks.contend import Contender, Times, each, side_by_side
from benchmarks.hop_plugins import Mirror
from benchmarks.process_hop import one_step
from benchmarks.report import Row, parser, percentile, publish, whole
from benchmarks.runtime import Runtime, descending, everything_on
from orchestrator.isolation import IsolatedPlugin
from sage.clock import RealClock
from sage.irp import Refinement
from sage.values import Frame, Observation

_FRAME = np.zeros((224, 224, 3), np.uint8)
_NOTHING = np.zeros((1, 1, 3), np.uint8)
_PATIENCE_S = 60.0


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


STEP = "SAGE: a step of a lane, until written"
STEP_RESULT = "SAGE: a step of a lane, to the result"
BARE = "the plugin's own calls in a bare loop"
ENGINE = "the refinement loop alone"
CYCLE = "SAGE: a cycle of three, to the results"
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
SUBMIT = "SAGE: submit to result, in threads"
WITH_FRAME = ", 224x224x3"
IN_PROCESS = (STEP, SUBMIT, SUBMIT + WITH_FRAME)
"""What peers in other processes are divided by, and no table shows among them."""


def both_payloads(name: str, hop: Callable[[Any], Callable[[int], list[float]]]) -> list[Contender]:
    """A hop with nothing, and with a picture."""
    return [Contender(name, hop(None), 30), Contender(name + WITH_FRAME, hop(_FRAME), 15)]


def submissions(runtime: Runtime) -> list[Contender]:
    """Our hops between threads, from ``submit`` to the result."""
    return both_payloads(SUBMIT, runtime.hops)


def in_process_peers(runtime: Runtime, rounds: int) -> tuple[Times, list[Row]]:
    """All that share our process."""
    with (
        peers.py_trees_tick() as py_trees,
        peers.gather_ticks() as gather,
        peers.pool_tick() as pool,
        peers.thread_hops() as thread_hop,
    ):
        times = in_process(
            runtime,
            rounds,
            [
                Contender(PY_TREES, each(py_trees), 50),
                Contender(GATHER, gather, 50),
                Contender(POOL, each(pool), 50),
                thread_hop,
                *submissions(runtime),
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
PROCESS = "SAGE: a plugin in a process of its own"


def cross_process_peers(runtime: Runtime, rounds: int) -> tuple[Times, list[Row]]:
    """Those with a process of their own, beside our hops."""
    with contextlib.ExitStack() as stack:
        contenders = [Contender(STEP, runtime.refinements, 2), *submissions(runtime)]
        hops = {
            RAY: each_payload(stack.enter_context(peers.ray_hop())),
            DORA: each_payload(stack.enter_context(peers.dora_hop())),
            PROCESS: each_payload(stack.enter_context(process_hop())),
        }
        for name, hop in hops.items():
            contenders += both_payloads(name, hop)
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
    options.add_argument(
        "--rounds",
        type=whole("--rounds", 1, 100_000),
        default=30,
        help="rounds of all (default 30)",
    )
    options.add_argument(
        "--steps",
        type=whole("--steps", 1, 1_000_000),
        default=2000,
        help="steps per refinement (default 2000)",
    )
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
            cross.show("across processes: work handed out, done, and its outcome back", IN_PROCESS)
            rows += [*cross_ratios, *ratios]
        else:
            times = in_process(runtime, rounds)
            times.show("in one process")
    rows = [*overhead_rows(times), *rows, import_row(min(rounds, 10))]
    publish(
        "overhead",
        rows,
        f"overhead: {rows[0].value:.1f} us per step, until written; {rows[1].value:.0f} us per "
        f"cycle of three, to the results",
        args.json,
    )
    return 0


if __name__ == "__main__":
    from sage.commands.cli import run_guarded

    sys.exit(run_guarded(main))
