"""What others need for the same job: a tick of three, and work handed out and answered.

In-process: a tick of py_trees with three behaviours, ``asyncio.gather`` of three coroutines, a
thread pool of three tasks, a hop between two threads and nothing else. Cross-process: a call of a
Ray actor, a message to a dora node and back. All of them do nothing but return; none of them
meters, trusts or logs.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contend import Contender, each
from sage.irp import SageError

Tick = Callable[[], object]
Hop = Callable[["np.ndarray[Any, Any] | None"], object]

INSTALL = "make bench"
THREAD_HOP = "two queues and a thread, nothing else"
_PACKAGES = {"py_trees": "py_trees", "ray": "ray", "dora": "dora-rs", "pyarrow": "pyarrow"}
_ZENOH_PORT = 37447
_ATTACH_S = 20.0
_PATIENCE_S = 60.0


class PeerError(SageError):
    """A peer that is not installed, or does not start."""


def require() -> None:
    """All peers are installed.

    Raises:
        PeerError: names those that are not and the command that installs them.
    """
    missing = [package for name, package in _PACKAGES.items() if not _installed(name)]
    if missing:
        raise PeerError(f"peers not installed: {', '.join(missing)}; run: {INSTALL}")


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


@contextlib.contextmanager
def py_trees_tick() -> Iterator[Tick]:
    """A sequence of three behaviours that succeed at once."""
    import py_trees

    class Succeeds(py_trees.behaviour.Behaviour):  # type: ignore[misc]
        """The shortest behaviour there is."""

        def update(self) -> Any:
            """Done."""
            return py_trees.common.Status.SUCCESS

    root = py_trees.composites.Sequence(
        "three", memory=False, children=[Succeeds(name) for name in ("first", "second", "third")]
    )
    tree = py_trees.trees.BehaviourTree(root)
    tree.setup()
    try:
        yield tree.tick
    finally:
        tree.shutdown()


@contextlib.contextmanager
def gather_ticks() -> Iterator[Callable[[int], list[float]]]:
    """``asyncio.gather`` of three coroutines in a running loop; called with how many ticks."""

    async def answer() -> float:
        return 0.0

    async def ticks(count: int) -> list[float]:
        took_s = []
        for _ in range(count):
            began_s = time.perf_counter()
            await asyncio.gather(answer(), answer(), answer())
            took_s.append(time.perf_counter() - began_s)
        return took_s

    loop = asyncio.new_event_loop()
    try:
        yield lambda count: loop.run_until_complete(ticks(count))
    finally:
        loop.close()


@contextlib.contextmanager
def pool_tick() -> Iterator[Tick]:
    """Three tasks handed to a thread pool of one worker, and their results."""
    with ThreadPoolExecutor(max_workers=1) as pool:

        def tick() -> None:
            for future in [pool.submit(float) for _ in range(3)]:
                future.result()

        yield tick


@contextlib.contextmanager
def thread_hops() -> Iterator[Contender]:
    """The least that a hop between two threads takes: there and back over two queues."""
    there: queue.SimpleQueue[object] = queue.SimpleQueue()
    back: queue.SimpleQueue[object] = queue.SimpleQueue()

    def answer() -> None:
        while (item := there.get()) is not None:
            back.put(item)

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()

    def hop() -> None:
        there.put(0)
        back.get(timeout=_PATIENCE_S)

    try:
        yield Contender(THREAD_HOP, each(hop), 50)
    finally:
        there.put(None)
        thread.join()


@contextlib.contextmanager
def ray_hop() -> Iterator[Hop]:
    """Call a method of an actor in another process and get what it returns."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # nobody else is on this network
    import ray

    ray.init(
        num_cpus=1,
        include_dashboard=False,
        _node_ip_address="127.0.0.1",
        object_store_memory=100 * 2**20,
        configure_logging=False,
        log_to_driver=False,
    )
    try:

        class Echo:
            """Sends back what it gets."""

            def answer(self, payload: Any) -> Any:
                """The same again."""
                return payload

        actor: Any = ray.remote(Echo)
        echo = actor.remote()

        def hop(payload: np.ndarray[Any, Any] | None) -> object:
            return ray.get(echo.answer.remote(payload))

        hop(None)  # the actor's process starts with its first call
        yield hop
    finally:
        ray.shutdown()


_FLOW = """
nodes:
  - id: benchmark
    path: dynamic
    inputs: {{answer: echo/answer}}
    outputs: [request]
  - id: echo
    path: {echo}
    inputs: {{request: benchmark/request}}
    outputs: [answer]
"""
# Without a configuration of its own it listens for multicasts on every interface.
_ZENOH = """
{{
  mode: "peer",
  scouting: {{ multicast: {{ enabled: false }} }},
  listen: {{ endpoints: ["tcp/127.0.0.1:{port}", "tcp/127.0.0.1:0"], exit_on_failure: false }},
  connect: {{ endpoints: ["tcp/127.0.0.1:{port}"], exit_on_failure: false }},
}}
"""


@contextlib.contextmanager
def dora_hop() -> Iterator[Hop]:
    """Send a message to a node in another process and receive what it sends back."""
    with tempfile.TemporaryDirectory(prefix="dora-") as folder:
        settings = Path(folder) / "zenoh.json5"
        settings.write_text(_ZENOH.format(port=_ZENOH_PORT))
        flow = Path(folder) / "flow.yml"
        flow.write_text(_FLOW.format(echo=Path(__file__).with_name("dora_echo.py")))
        os.environ["ZENOH_CONFIG"] = str(settings)
        os.environ.setdefault("RUST_LOG", "error")  # it warns of its own diagnostics
        binaries = str(Path(sys.executable).parent)  # dora looks for a "python" to run nodes with
        daemon = subprocess.Popen(
            [sys.executable, "-c", f"import dora; dora.run({str(flow)!r}, False)"],
            cwd=folder,
            env=os.environ | {"PATH": binaries + os.pathsep + os.environ.get("PATH", "")},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            node = _attach(daemon)
            yield _dora_round_trip(node)
            del node
        finally:
            _end(daemon)


def _attach(daemon: subprocess.Popen[bytes]) -> Any:
    """Join the dataflow as its node ``benchmark``, as soon as it runs."""
    from dora import Node

    ends_s = time.monotonic() + _ATTACH_S
    while True:
        try:
            return Node("benchmark")
        except Exception as error:
            if daemon.poll() is not None or time.monotonic() > ends_s:
                raise PeerError(f"dora's dataflow does not start: {error}") from error
            time.sleep(0.2)


def _dora_round_trip(node: Any) -> Hop:
    import pyarrow

    nothing = pyarrow.array(np.zeros(1, np.uint8))

    def hop(payload: np.ndarray[Any, Any] | None) -> object:
        sent = nothing if payload is None else pyarrow.array(payload.reshape(-1))
        node.send_output("request", sent)
        event = node.next(timeout=5.0)
        if event is None or event["type"] != "INPUT":
            raise PeerError(f"dora did not answer: {event}")
        return event["value"].to_numpy()

    return hop


def _end(daemon: subprocess.Popen[bytes]) -> None:
    """End the daemon and the nodes that it started, which are of one session."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(daemon.pid, signal.SIGTERM)
    try:
        daemon.wait(5.0)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(daemon.pid, signal.SIGKILL)
        daemon.wait(5.0)
