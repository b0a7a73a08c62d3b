"""What a process of its own costs: a 224 x 224 picture there and back, beside a bare pipe.

One round trip is a refinement of one step that costs nothing: the observation crosses into the
plugin's process, is stepped, and its result, an array as large, is read here. The baselines move
the same picture: pickled through ``multiprocessing.Pipe``, as bare bytes through pipes, and not
at all (the same plugin on the caller's thread).
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from benchmarks.hop_plugins import Mirror
from benchmarks.report import Row, add_seed, parser, percentile, publish, whole
from orchestrator.isolation import IsolatedPlugin
from sage.irp import NO_CONTEXT, IRPPlugin
from sage.values import Frame, Observation, UInt8Array

_WARM = 50


def picture(size_px: int, seed: int) -> UInt8Array:
    """Noise, uint8 (size, size, 3)."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (size_px, size_px, 3), dtype=np.uint8)


def times_us(call: Callable[[], Any], rounds: int, pause_s: float = 0.0) -> list[float]:
    """Wall time of each of so many calls in microseconds, the first ones left out."""
    taken = []
    for _ in range(rounds + _WARM):
        if pause_s:
            time.sleep(pause_s)
        began_s = time.perf_counter()
        call()
        taken.append((time.perf_counter() - began_s) * 1e6)
    return taken[_WARM:]


def one_step(plugin: IRPPlugin[Any, Any], observation: Any) -> Any:
    """The calls that the engine makes for a refinement of one step."""
    state = plugin.project(plugin.step(plugin.init_state(observation, NO_CONTEXT)))
    plugin.energy(state)
    return plugin.result(state)


def frame_round_trip_us(
    size_px: int = 224, rounds: int = 2000, seed: int = 0, pause_s: float = 0.0
) -> list[float]:
    """Round trips through the process tier; ``pause_s`` lets both sides sleep between them."""
    sent = picture(size_px, seed)
    observation = Observation("benchmark:", "camera", 0.0, 0, Frame(sent))
    plugin = IsolatedPlugin(Mirror, step_limit_s=5.0)
    try:
        assert np.array_equal(one_step(plugin, observation), sent)
        return times_us(partial(one_step, plugin, observation), rounds, pause_s)
    finally:
        plugin.close()


def in_thread_us(size_px: int, rounds: int, seed: int) -> list[float]:
    """The same calls without a process."""
    observation = Observation("benchmark:", "camera", 0.0, 0, Frame(picture(size_px, seed)))
    return times_us(partial(one_step, Mirror(), observation), rounds)


def pickled_us(size_px: int, rounds: int, seed: int) -> list[float]:
    """An Observation through ``multiprocessing.Pipe`` to an echo, and the picture back."""
    observation = Observation("benchmark:", "camera", 0.0, 0, Frame(picture(size_px, seed)))
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_echo_pickled, args=(theirs,), daemon=True
    )
    process.start()
    theirs.close()

    def exchange() -> None:
        ours.send(observation)
        ours.recv()

    try:
        return times_us(exchange, rounds)
    finally:
        ours.close()
        process.join()


def _echo_pickled(connection: Connection) -> None:
    try:
        while True:
            connection.send(connection.recv().data.rgb)
    except EOFError:
        return


def piped_us(size_bytes: int, rounds: int) -> list[float]:
    """So many bare bytes through a pipe to an echo and back."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_echo_bytes, args=(theirs, size_bytes), daemon=True
    )
    process.start()
    theirs.close()
    raw = os.urandom(size_bytes)
    got = bytearray(size_bytes)

    def exchange() -> None:
        ours.send_bytes(raw)
        ours.recv_bytes_into(got)

    try:
        return times_us(exchange, rounds)
    finally:
        ours.close()
        process.join()


def _echo_bytes(connection: Connection, size_bytes: int) -> None:
    got = bytearray(size_bytes)
    try:
        while True:
            connection.recv_bytes_into(got)
            connection.send_bytes(got)
    except EOFError:
        return


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    options = parser(
        "process_hop",
        __doc__.splitlines()[0],
        "  python -m benchmarks.process_hop --quick\n"
        "  python -m benchmarks.process_hop --rounds 20000 --json process_hop.json",
    )
    options.add_argument(
        "--rounds",
        type=whole("--rounds", 1, 10_000_000),
        default=5000,
        help="round trips (default 5000)",
    )
    options.add_argument(
        "--size-px",
        type=whole("--size-px", 1, 4096),
        default=224,
        help="picture's side (default 224)",
    )
    add_seed(options, help="of the picture (default 0)")
    args = options.parse_args(argv)
    rounds = min(args.rounds, 1000) if args.quick else args.rounds
    size_px, seed = args.size_px, args.seed
    ours = frame_round_trip_us(size_px, rounds, seed)
    paced = frame_round_trip_us(size_px, min(rounds, 500), seed, pause_s=0.01)
    pickled = pickled_us(size_px, rounds, seed)
    pipe_picture = piped_us(size_px * size_px * 3, rounds)
    pipe_word = piped_us(8, rounds)
    thread = in_thread_us(size_px, rounds, seed)
    middle = percentile(ours, 0.5)
    rows = [
        Row(
            "process.frame_round_trip_us",
            middle,
            "lower",
            300,
            100,
            {
                "p95": percentile(ours, 0.95),
                "p50 at 100 Hz": percentile(paced, 0.5),
                "p95 at 100 Hz": percentile(paced, 0.95),
                "multiprocessing.Pipe, pickled": percentile(pickled, 0.5),
                "pipe, bare bytes": percentile(pipe_picture, 0.5),
                "pipe, 8 bytes": percentile(pipe_word, 0.5),
                "same thread": percentile(thread, 0.5),
            },
        )
    ]
    publish(
        "process_hop",
        rows,
        f"process: {middle:.0f} us for a {size_px} x {size_px} picture there and back, "
        f"{percentile(pickled, 0.5) / middle:.1f} times quicker than pickled through a pipe",
        args.json,
    )
    return 0


if __name__ == "__main__":
    from sage.commands.cli import run_guarded

    sys.exit(run_guarded(main))
