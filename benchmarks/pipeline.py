"""From a sensor to the wheels in real time: how old is what a wheel command was computed from.

The apartment lives in a process of its own, the plugins share the runtime and memory is on, as in
a run that `make run` starts, and the robot drives from room to room. Two ways are timed, both up to
the moment at which the effector executed the command:

- ``pipeline.capture_to_actuator_ms``: from the capture of a picture to the first command computed
  from a scan that arrived after what vision saw in the picture had been entered in the map.
- ``pipeline.scan_to_actuator_ms``: from the capture of the newest range scan that a command was
  computed from (20 a second, with the wheels' own readings).

Route and control steer by the scans alone. What is seen acts through the map of sightings: a skill
reads it at its next tick, every 100 ms, and may then order another way. That wait is no part of the
first figure, which says when the wheels could answer to a picture first, not that they did.

A capture is stamped when it is due, before the world draws it or casts its rays: that, the way
between the processes and every wait is inside the figures. Only commands that control computed
count: while nothing is ordered the robot is told to stand still, at once, which would flatter them.
"""

from __future__ import annotations

import asyncio
import bisect
import itertools
import logging
import math
import statistics
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress

from benchmarks.apartment import seeds_of
from benchmarks.report import Row, parser, percentile, publish
from sage.build import RunConfig, Runtime, build
from sage.clock import RealClock
from sage.irp.errors import ConfigError, SageError
from sage.summary import Recorder, Robot
from sage.telemetry import Admitted, Dropped, Event, Finished, Moved
from sage.telemetry.jsonl import JsonlSink
from sage.values import Observation, Scene

_WARM_UP_S = 3.0


@dataclass(frozen=True, slots=True)
class Steered:
    """One wheel command, with the clock times of its way.

    ``arrived_s``: its scan was in the runtime's process; ``planned_s``: pose, map and route were
    up to date and control was asked; ``finished_s``: control had a plan; ``executed_s``: the
    effector had the command.
    """

    captured_s: float
    arrived_s: float
    planned_s: float
    finished_s: float
    steps: int
    executed_s: float

    def stages_ms(self) -> dict[str, float]:
        """Where the time went; the sum is the whole."""
        return {
            "world and transport": 1e3 * (self.arrived_s - self.captured_s),
            "pose, map, route": 1e3 * (self.planned_s - self.arrived_s),
            "control": 1e3 * (self.finished_s - self.planned_s),
            "gate and effector": 1e3 * (self.executed_s - self.finished_s),
        }


@dataclass(frozen=True, slots=True)
class Looked:
    """One picture on its way to the wheels: ``mapped_s`` is when its things were in the map."""

    captured_s: float
    mapped_s: float
    executed_s: float

    def stages_ms(self) -> dict[str, float]:
        """Where the time went; the sum is the whole."""
        return {
            "world, transport, vision": 1e3 * (self.mapped_s - self.captured_s),
            "next scan to the wheels": 1e3 * (self.executed_s - self.mapped_s),
        }


class Watch:
    """Notes the times of a run; each method is called from the thread that knows."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._arrived: dict[float, float] = {}
        self._planned: dict[float, float] = {}
        self._finished: dict[float, tuple[float, int]] = {}
        self._pictures: list[tuple[float, float]] = []
        self._stood_s: list[float] = []
        self._steered: list[Steered] = []
        self.drops: Counter[str] = Counter()
        self.vision_steps: list[int] = []
        self.vision_ms: list[float] = []

    def arrived(self, observation: Observation) -> None:
        """A reading reached this process."""
        if observation.modality == "scan":
            self._arrived[observation.captured_s] = self._now_s()

    def mapped(self, observation: Observation, scene: Scene) -> None:
        """What was seen in a picture is in the map."""
        self._pictures.append((observation.captured_s, self._now_s()))

    def __call__(self, event: Event) -> None:
        """Telemetry, in the order in which it happened."""
        if isinstance(event, Moved):
            self._moved(event)
        elif isinstance(event, Admitted) and event.plugin == "control":
            self._planned[event.captured_s] = event.at_s
        elif isinstance(event, Finished) and event.plugin == "control":
            self._finished[event.captured_s] = event.at_s, event.trajectory.steps
        elif isinstance(event, Finished) and event.plugin == "vision":
            self.vision_steps.append(event.trajectory.steps)
            self.vision_ms.append(1e3 * event.trajectory.cost_s)
        elif isinstance(event, Dropped):
            self.drops[f"{event.plugin} {event.reason}"] += 1

    def steered(self) -> list[Steered]:
        """Every command that control computed, but for the warm-up's, by time."""
        return [item for item in self._steered if item.captured_s > self._began_s]

    def looked(self) -> list[Looked]:
        """Every picture with the first command whose scan arrived when it was in the map.

        Where the robot was told to stand still in between, nothing was ordered: left out.
        """
        found = []
        arrived = np.array([item.arrived_s for item in self._steered])
        for captured_s, mapped_s in self._pictures:
            index = int(np.searchsorted(arrived, mapped_s))
            if captured_s > self._began_s and index < len(arrived):
                executed_s = self._steered[index].executed_s
                if not self._stood(mapped_s, executed_s):
                    found.append(Looked(captured_s, mapped_s, executed_s))
        return found

    def until_replaced_ms(self) -> list[float]:
        """How old each command's reading was when the next command came."""
        return [
            1e3 * (after.executed_s - before.captured_s)
            for before, after in itertools.pairwise(self.steered())
            if not self._stood(before.executed_s, after.executed_s)
        ]

    @property
    def _began_s(self) -> float:
        return self._steered[0].captured_s + _WARM_UP_S if self._steered else math.inf

    def _stood(self, after_s: float, before_s: float) -> bool:
        """Whether the robot was told to stand still between two times."""
        index = bisect.bisect_left(self._stood_s, after_s)
        return index < len(self._stood_s) and self._stood_s[index] <= before_s

    def _moved(self, event: Moved) -> None:
        captured_s, executed_s = event.effect.captured_s, event.effect.executed_s
        planned_s = self._planned.pop(captured_s, None)
        finished = self._finished.pop(captured_s, None)
        arrived_s = self._arrived.pop(captured_s, None)
        if planned_s is None or finished is None or arrived_s is None:
            self._stood_s.append(executed_s)  # nothing was ordered, so nothing was computed
            return
        self._steered.append(Steered(captured_s, arrived_s, planned_s, *finished, executed_s))


def drive(seed: int, duration_s: float, tell: Callable[[float], None]) -> Watch:
    """Drive about one apartment in real time; what was noted."""
    clock = RealClock()
    watch = Watch(clock.now_s)
    with tempfile.TemporaryDirectory(prefix="sage-pipeline-") as name:
        folder = Path(name)
        # What a run keeps is kept here too: it costs the same interpreter its time.
        config = RunConfig(camera=f"sim:apartment?seed={seed}", state_dir=str(folder / "state"))
        runtime = build(config, clock=clock)
        sink = JsonlSink(folder / "telemetry.jsonl", clock=clock)
        try:
            _record(runtime, folder, watch, sink)
            asyncio.run(_drive(runtime, seed, duration_s, tell))
            runtime.telemetry.flush()
            fault = runtime.fault or runtime.source.error
        finally:
            runtime.close()
            sink.close()
    if fault is not None:
        raise fault
    if not watch.looked():
        raise SageError(f"apartment {seed}: no picture led to a wheel command in {duration_s:g} s")
    return watch


def _record(runtime: Runtime, folder: Path, watch: Watch, sink: JsonlSink) -> None:
    agent, body, world = runtime.agent, runtime.body, runtime.world
    assert agent is not None
    assert body is not None
    assert world is not None
    robot = Robot(body.navigator, body.sightings, body.start)
    recorder = Recorder(runtime.config.camera, folder, agent, robot, world.truth)
    for observer in (watch, recorder, sink):
        runtime.telemetry.subscribe(observer)
    runtime.on_scene += [watch.mapped, recorder.saw]
    world.subscribe(watch.arrived)
    runtime.telemetry.start()


async def _drive(
    runtime: Runtime, seed: int, duration_s: float, tell: Callable[[float], None]
) -> None:
    agent, body = runtime.agent, runtime.body
    assert agent is not None
    assert body is not None
    rooms = [room.name for room in body.static_map.rooms]
    rooms = [rooms[index] for index in np.random.default_rng([seed, 7]).permutation(len(rooms))]
    places = itertools.cycle(rooms)
    ends_s = runtime.clock.now_s() + duration_s
    stop = asyncio.Event()

    def tick() -> None:
        left_s = ends_s - runtime.clock.now_s()
        tell(duration_s - max(0.0, left_s))
        if left_s <= 0.0 or runtime.source.finished or runtime.fault is not None:
            stop.set()
        elif agent.idle:
            agent.hear(f"go to the {next(places)}")

    runtime.orchestrator.on_tick(tick)
    runtime.start()
    await runtime.orchestrator.run(stop)


def stages(ways: Sequence[Steered] | Sequence[Looked]) -> dict[str, list[float]]:
    """The milliseconds of each stage, over all ways."""
    each = [way.stages_ms() for way in ways]
    return {name: [stage[name] for stage in each] for name in each[0]} if each else {}


def _totals(ways: Sequence[Steered] | Sequence[Looked]) -> list[float]:
    return [1e3 * (way.executed_s - way.captured_s) for way in ways]


def _rows(
    way: str,
    ways: Sequence[Steered] | Sequence[Looked],
    typical: Mapping[str, float],
    slow: Mapping[str, float],
) -> list[Row]:
    """The two rows of a way, with its stages' own medians and 99th percentiles beside."""
    totals, parts = _totals(ways), stages(ways)
    name = f"pipeline.{way}_to_actuator_ms"
    medians = {part: statistics.median(values) for part, values in parts.items()}
    tails = {part: percentile(values, 0.99) for part, values in parts.items()}
    return [
        Row(f"{name}_p50", percentile(totals, 0.5), "lower", 120, 30, {**typical, **medians}),
        Row(f"{name}_p99", percentile(totals, 0.99), "lower", 250, 60, {**tails, **slow}),
    ]


def _tell(title: str, named: Mapping[str, Sequence[float]]) -> None:
    print(title)
    for name, values in named.items():
        p50, p95, p99 = (percentile(values, fraction) for fraction in (0.5, 0.95, 0.99))
        worst = max(values)
        print(f"  {name:26s} p50 {p50:6.1f}  p95 {p95:6.1f}  p99 {p99:6.1f}  worst {worst:6.1f} ms")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    options = parser(
        "pipeline",
        __doc__.splitlines()[0],
        "  python -m benchmarks.pipeline --json pipeline.json\n"
        "  python -m benchmarks.pipeline --seeds 40:42 --duration 60 --verbose",
    )
    options.add_argument(
        "--duration", type=float, metavar="S", help="real seconds per apartment (default 40)"
    )
    options.add_argument("--seeds", default="0:1", metavar="A:B", help="apartments (default 0:1)")
    options.add_argument("--verbose", action="store_true", help="where the time went, by stage")
    args = options.parse_args(argv)
    seeds = seeds_of(args.seeds)
    duration_s = args.duration if args.duration is not None else 15.0 if args.quick else 40.0
    if not _WARM_UP_S + 2.0 <= duration_s <= 3600.0:
        raise ConfigError(
            f"--duration must lie in [{_WARM_UP_S + 2.0:g}, 3600] s, got {duration_s:g}"
        )
    if args.quick:
        seeds = seeds[:1]
    logging.basicConfig(level=logging.ERROR)
    watches = []
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("driving", total=duration_s * len(seeds))
        for done, seed in enumerate(seeds):
            watches.append(
                drive(
                    seed,
                    duration_s,
                    lambda at_s, done=done: progress.update(  # type: ignore[misc]
                        bar, completed=done * duration_s + at_s
                    ),
                )
            )
    steered = [item for watch in watches for item in watch.steered()]
    looked = [item for watch in watches for item in watch.looked()]
    replaced_ms = [age for watch in watches for age in watch.until_replaced_ms()]
    vision_ms = [took for watch in watches for took in watch.vision_ms]
    drops = sum((watch.drops for watch in watches), Counter())
    if args.verbose:
        _tell(
            f"scan to wheels, {len(steered)} commands",
            {**stages(steered), "whole": _totals(steered)},
        )
        _tell("reading's age when the next command came", {"until replaced": replaced_ms})
        _tell(
            f"picture to wheels, {len(looked)} pictures",
            {**stages(looked), "whole": _totals(looked)},
        )
        _tell("lane time of vision", {"vision": vision_ms})
        steps = statistics.mean(item.steps for item in steered)
        looks = statistics.mean(itertools.chain(*(watch.vision_steps for watch in watches)))
        print(f"steps: control {steps:.1f}, vision {looks:.1f}; threads {threading.active_count()}")
        print("dropped: " + (", ".join(f"{n} {what}" for what, n in drops.items()) or "nothing"))
    rows = [
        *_rows(
            "capture",
            looked,
            {"pictures": len(looked), "vision's lane time": statistics.median(vision_ms)},
            {},
        ),
        *_rows(
            "scan",
            steered,
            {"commands": len(steered), "scan period": 50.0},
            {"until replaced": percentile(replaced_ms, 0.99)},
        ),
    ]
    publish(
        "pipeline",
        rows,
        f"pipeline: picture to wheels {rows[0].value:.1f} ms (p99 {rows[1].value:.1f}), "
        f"scan to wheels {rows[2].value:.1f} ms (p99 {rows[3].value:.1f})",
        args.json,
        quick=args.quick,
        seeds=list(seeds),
        duration_s=duration_s,
    )
    return 0


if __name__ == "__main__":
    from sage.commands.cli import run_guarded

    sys.exit(run_guarded(main))
