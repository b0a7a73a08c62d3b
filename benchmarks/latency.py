"""How long a simple task takes from submission to result: a warm plugin with one step.

Everything is on, and the orchestrator ticks in a thread of its own, as in life. One submission
after the other, so nothing waits for anything but the runtime. Beside it, in the same run, the
same nothing through the standard library: a thread pool, a coroutine handed to a running event
loop in another thread, and two bare queues with a thread between them.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from benchmarks.contend import Contender, each, side_by_side
from benchmarks.peers import thread_hops
from benchmarks.report import Row, parser, publish, whole
from benchmarks.runtime import Runtime, everything_on

OURS = "SAGE: submit to result"
POOL = "thread pool: submit to result"
LOOP = "event loop in a thread: coroutine to result"
_BATCH = 500  # at least, where so many are asked for


@contextlib.contextmanager
def ticking(runtime: Runtime) -> Iterator[None]:
    """Tick once a cycle, as ``HRMOrchestrator.run`` does, in a thread."""
    stop = threading.Event()
    cycle_s = runtime.orchestrator.config.cycle_s

    def tick() -> None:
        while not stop.wait(cycle_s):
            runtime.orchestrator.tick()

    thread = threading.Thread(target=tick, name="ticks")
    runtime.orchestrator.tick()
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextlib.contextmanager
def pool_task(batch: int) -> Iterator[Contender]:
    """A task handed to a thread pool of one worker."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        yield Contender(POOL, each(lambda: pool.submit(float).result()), batch)


@contextlib.contextmanager
def loop_task(batch: int) -> Iterator[Contender]:
    """A coroutine handed to an event loop that runs in another thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def answer() -> float:
        return 0.0

    try:
        yield Contender(
            LOOP,
            each(lambda: asyncio.run_coroutine_threadsafe(answer(), loop).result()),
            batch,
        )
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    options = parser(
        "latency",
        __doc__.splitlines()[0],
        "  python -m benchmarks.latency --quick\n"
        "  python -m benchmarks.latency --submissions 10000 --json latency.json",
    )
    options.add_argument(
        "--submissions",
        type=whole("--submissions", 100, 100_000_000),  # fewer have no 99th percentile
        default=10_000,
        help="of each, in equal rounds (default 10000)",
    )
    args = options.parse_args(argv)
    rounds = max(1, args.submissions // _BATCH)
    batch = args.submissions // rounds
    with (
        everything_on(1) as runtime,
        ticking(runtime),
        pool_task(batch) as pool,
        loop_task(batch) as loop,
        thread_hops() as queues,
    ):
        contenders = [Contender(OURS, each(lambda: runtime.answer("first")), batch)]
        contenders += [pool, loop, Contender(queues.name, queues.batch, batch)]
        times = side_by_side(contenders, rounds)
    times.show("submit to result, one after the other")
    p99_ms = times.percentile_us(OURS, 0.99) / 1e3
    baselines = {"p50": times.median_us(OURS) / 1e3, "worst": times.percentile_us(OURS, 1.0) / 1e3}
    for name in (POOL, LOOP, queues.name):
        baselines[f"{name.split(':')[0].split(' and')[0]} p99"] = (
            times.percentile_us(name, 0.99) / 1e3
        )
    publish(
        "latency",
        [Row("latency.simple_ms_p99", p99_ms, "lower", 10, 1, baselines)],
        f"latency: {p99_ms:.2f} ms from submit to result (p99 of {rounds * batch})",
        args.json,
    )
    return 0


if __name__ == "__main__":
    from sage.commands.cli import run_guarded

    sys.exit(run_guarded(main))
