"""A runtime with everything on, whose plugins do nothing but improve.

Lanes in threads of their own, telemetry written as JSON lines, trust and profiles kept in files:
what is measured with it is what the runtime itself costs.
"""

from __future__ import annotations

import contextlib
import queue
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.contend import each
from orchestrator import HRMOrchestrator, PluginSettings, TrustLedger
from sage.clock import RealClock
from sage.irp import HaltPolicy, Invariants, IRPPlugin, SageError
from sage.telemetry import Telemetry
from sage.telemetry.jsonl import JsonlSink
from sage.values import Observation

_INVARIANTS = Invariants("a real number", "none", "the number itself", "none")
_THREE = ("first", "second", "third")
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
