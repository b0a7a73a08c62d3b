"""Replay recorded curves through the real orchestrator, in virtual time.

Each plugin is a :class:`Replay`: its steps look energies up and move a stopwatch by what the step
took when it was recorded. Everything else is real: pool, admission, profiles, trust, lanes. All
plugins share one lane, the device.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from benchmarks.curves import Curve, Recording
from orchestrator import (
    HRMOrchestrator,
    LockStep,
    OrchestratorConfig,
    PluginSettings,
    TrustLedger,
)
from orchestrator.policy import Policy
from sage.clock import VirtualClock
from sage.irp import ConfigError, Context, HaltPolicy, HaltReason, Invariants, IRPPlugin, Outcome

DEVICE = "device"
_ROOM = 2.0  # a cycle lasts so many times the full demand, so that a pool of 1000 ATP grants that
_SAMPLES = 50  # arrivals fall on so many moments of a cycle
_SAME_S = 1e-9


class Stopwatch:
    """Lane time, moved by the steps that are replayed."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now_s


@dataclass(frozen=True, slots=True)
class Arrival:
    """One input on its way to a plugin; times in seconds, ``salience`` in (0, 1]."""

    stream: str
    plugin: str
    curve: Curve
    captured_s: float
    due_s: float
    salience: float
    cycle: int
    number: int


@dataclass(frozen=True, slots=True)
class ReplayState:
    """How many steps of a curve were made."""

    arrival: Arrival
    steps: int


class Replay(IRPPlugin[ReplayState, int]):
    """A plugin that was recorded. Its result is the number of steps that were made.

    Args:
        name: the recorded plugin's.
        stopwatch: moved by the recorded costs.
        most_steps: no refinement goes on after so many; None leaves it to the recorded halting.
    """

    invariants = Invariants(
        state_space="a position on a recorded curve",
        noise_model="that of the recording",
        energy="as recorded",
        coherence="none: it is replayed to measure who gets how much",
    )

    def __init__(self, name: str, stopwatch: Stopwatch, most_steps: int | None = None) -> None:
        self.name = name  # type: ignore[misc]  # one class replays every plugin
        self._stopwatch = stopwatch
        self._most = most_steps or 1000
        self.halting = HaltPolicy(max_steps=1000, slope_eps=0.0, window=1000)

    def init_state(self, observation: Arrival, context: Context) -> ReplayState:
        """Before the first step, which pays for this too."""
        return ReplayState(observation, 0)

    def step(self, state: ReplayState) -> ReplayState:
        """One step further, for its recorded cost."""
        self._stopwatch.now_s += 1e-6 * state.arrival.curve.costs_us[state.steps]
        return ReplayState(state.arrival, state.steps + 1)

    def energy(self, state: ReplayState) -> float:
        """As recorded."""
        return state.arrival.curve.energies[state.steps - 1]

    def settled(self, previous: ReplayState, state: ReplayState) -> HaltReason | None:
        """STABLE where the recorded plugin's own halting ended it."""
        done = state.steps >= min(state.arrival.curve.stop, self._most)
        return HaltReason.STABLE if done else None

    def result(self, state: ReplayState) -> int:
        """The steps made, for what reading the answer took."""
        self._stopwatch.now_s += 1e-6 * state.arrival.curve.result_us
        return state.steps


@dataclass(frozen=True, slots=True)
class Stream:
    """Where inputs of a plugin come from; times in cycles.

    Attributes:
        name: a plugin is registered for each stream, by this name.
        plugin: the one that was recorded.
        every: one burst in so many cycles, at random where ``most`` or ``random`` says so.
        most: a burst has 1 to so many inputs.
        phase: when in its cycle the first one comes; the further ones at random after it.
        deadline: due so long after capture.
        salience: drawn from this range, evenly on a logarithmic scale: most of what is seen is
            nothing new.
        essential: never shed, under any policy.
    """

    name: str
    plugin: str
    every: float = 1.0
    most: int = 1
    phase: float = 0.02
    deadline: float = 0.9
    salience: tuple[float, float] = (1.0, 1.0)
    essential: bool = False

    def __post_init__(self) -> None:
        if not (self.every >= 1.0 and self.most >= 1):
            raise ConfigError(f"every {self.every} and most {self.most} must be 1 or more")
        if not (0.0 < self.phase < 1.0 and 0.0 < self.deadline <= 100.0):
            raise ConfigError(
                f"phase {self.phase} must lie in (0, 1) and deadline {self.deadline} in (0, 100] "
                f"cycles"
            )
        if not 0.0 < self.salience[0] <= self.salience[1] <= 1.0:
            raise ConfigError(f"salience {self.salience} must be a range in (0, 1]")

    @property
    def per_cycle(self) -> float:
        """Inputs per cycle on average."""
        return 0.5 * (1 + self.most) / self.every


STREAMS: tuple[Stream, ...] = (
    Stream("front camera", "vision", phase=0.02, deadline=0.9, salience=(0.05, 1.0)),
    Stream("left camera", "vision", phase=0.02, deadline=0.9, salience=(0.05, 1.0)),
    Stream("right camera", "vision", phase=0.02, deadline=0.9, salience=(0.05, 1.0)),
    Stream("control", "control", phase=0.02, deadline=0.5, essential=True),
    Stream("commands", "language", every=4.0, most=4, phase=0.1, deadline=3.0, salience=(0.3, 1.0)),
)
"""Three cameras and a plan each cycle, due in it; commands, in bursts of up to four, can wait."""


@dataclass(frozen=True)
class Demand:
    """What a workload asks for, and what its answers are worth.

    ``full_s`` is the mean lane time per cycle of refining everything fully, ``first_s`` that of
    everybody's first answer; ``worth`` is, by plugin, the mean error that full refinement takes
    away on the training split, and ``later_worth`` what all steps after the first have of that,
    where the first has 1.
    """

    recording: Recording
    streams: tuple[Stream, ...]
    full_s: float
    first_s: float
    worth: Mapping[str, float]
    later_worth: Mapping[str, float]

    @property
    def cycle_s(self) -> float:
        """The period of the H level."""
        return _ROOM * self.full_s

    def pool_atp(self, budget: float) -> float:
        """The pool that grants ``budget`` times the full demand per cycle."""
        if not 0.01 <= budget <= _ROOM:
            raise ConfigError(f"a budget must lie in [0.01, {_ROOM:g}] of demand, got {budget}")
        return 1000.0 * budget / _ROOM

    def utility(self, arrival: Arrival, steps: int) -> float:
        """What the answer after ``steps`` is worth: 0 like none at all, about 1 fully refined;
        times salience."""
        if steps < 1:
            return 0.0
        gained = arrival.curve.trivial - arrival.curve.answer_errors[steps - 1]
        return arrival.salience * gained / self.worth[arrival.plugin]


def demand_of(recording: Recording, streams: Sequence[Stream] = STREAMS) -> Demand:
    """The demand of streams whose plugins were recorded.

    Raises:
        ConfigError: one of them was not, or its answers are worth nothing.
    """
    full_s, first_s, worth, later_worth = 0.0, 0.0, {}, {}
    for stream in streams:
        try:
            curves = recording.plugins[stream.plugin].train
        except KeyError:
            known = ", ".join(recording.plugins)
            raise ConfigError(f"no curves of {stream.plugin!r}; recorded are {known}") from None
        full_s += stream.per_cycle * float(np.mean([curve.total_s for curve in curves]))
        first_us = float(np.mean([curve.costs_us[0] + curve.result_us for curve in curves]))
        first_s += 1e-6 * stream.per_cycle * first_us
        gained = float(np.mean([curve.trivial - curve.answer_errors[-1] for curve in curves]))
        if not gained > 0.0:
            raise ConfigError(
                f"{stream.plugin!r}: full refinement is no better than no answer ({gained:+.4g})"
            )
        worth[stream.plugin] = gained
        later = float(np.mean([c.answer_errors[0] - c.answer_errors[-1] for c in curves]))
        later_worth[stream.plugin] = max(0.0, later / max(gained - later, 1e-12))
    return Demand(
        recording,
        tuple(streams),
        full_s,
        first_s,
        MappingProxyType(worth),
        MappingProxyType(later_worth),
    )


def arrivals(demand: Demand, split: str, cycles: int, seed: int) -> list[Arrival]:
    """The inputs of one episode, in order of capture."""
    rng = np.random.default_rng([seed, len(split)])
    cycle_s = demand.cycle_s
    drawn: list[Arrival] = []
    for stream in demand.streams:
        curves = demand.recording.plugins[stream.plugin].split(split)
        order = rng.permutation(len(curves))
        used = 0
        for cycle in range(cycles):
            if stream.every > 1.0 and rng.random() >= 1.0 / stream.every:
                continue
            count = int(rng.integers(1, stream.most + 1))
            phases = [stream.phase, *rng.uniform(stream.phase, 0.98, count - 1)]
            for phase in sorted(phases):
                captured_s = (cycle + math.ceil(phase * _SAMPLES) / _SAMPLES) * cycle_s
                due_s = captured_s + stream.deadline * cycle_s
                drawn.append(
                    Arrival(
                        stream.name,
                        stream.plugin,
                        curves[order[used % len(curves)]],
                        captured_s,
                        due_s,
                        float(np.exp(rng.uniform(*np.log(stream.salience)))),
                        cycle,
                        len(drawn),
                    )
                )
                used += 1
    return sorted(drawn, key=lambda one: (one.captured_s, one.number))


@dataclass(slots=True)
class Replayed:
    """One episode: the steps that each arrival (by its number) was answered with; 0 is none."""

    arrivals: list[Arrival]
    steps: dict[int, int] = field(default_factory=dict)
    late: int = 0

    def utility(self, demand: Demand) -> float:
        """The sum over all inputs."""
        return sum(
            demand.utility(arrival, self.steps.get(arrival.number, 0)) for arrival in self.arrivals
        )


def replay(
    demand: Demand,
    sequence: list[Arrival],
    policy: Policy,
    budget: float,
    *,
    kept: Path | None = None,
    teach: bool = False,
    most_steps: int | None = None,
) -> Replayed:
    """Send arrivals through an orchestrator.

    Args:
        demand: of the workload that they come from.
        sequence: in order of capture.
        policy: who steps next.
        budget: lane time per cycle, as a share of the full demand.
        kept: folder that profiles and trust are read from, and with ``teach`` written to.
        teach: tell the orchestrator what each answer was worth, as a verified outcome would.
        most_steps: let no refinement go on after so many steps.
    """
    clock, stopwatch = VirtualClock(), Stopwatch()
    cycle_s = demand.cycle_s
    trust = TrustLedger(None if kept is None else kept / "trust.json")
    orchestrator = HRMOrchestrator(
        OrchestratorConfig(cycle_s=cycle_s, pool_atp=demand.pool_atp(budget), lanes=(DEVICE,)),
        clock=clock,
        trust=trust,
        stopwatch=stopwatch,
        policy=policy,
        profiles=None if kept is None else kept / "profiles.json",
    )
    done = Replayed(sequence)

    def take(arrival: Arrival, outcome: Outcome[Any]) -> None:
        if not outcome.answered:
            return
        if clock.now_s() > arrival.due_s + _SAME_S:
            done.late += 1
            return
        done.steps[arrival.number] = outcome.trajectory.steps
        if teach:
            worth = demand.utility(arrival, outcome.trajectory.steps) / arrival.salience
            orchestrator.credit(arrival.stream, outcome.refinement, min(1.0, max(0.0, worth)))

    def factory(name: str) -> Callable[[], Replay]:
        return lambda: Replay(name, stopwatch, most_steps)

    for stream in demand.streams:
        orchestrator.register(
            factory(stream.name),
            PluginSettings(
                DEVICE,
                deadline_s=stream.deadline * cycle_s,
                max_age_s=stream.deadline * cycle_s,
                queue=16,
                most_running=16,
                later_worth=demand.later_worth[stream.plugin],
                essential=stream.essential,
            ),
            take,
        )
    coming = iter(sequence)
    following = next(coming, None)

    def world(dt_s: float) -> None:
        nonlocal following
        until_s = clock.now_s() + dt_s
        while following is not None and following.captured_s <= until_s + _SAME_S:
            orchestrator.submit(following.stream, following, salience=following.salience)
            following = next(coming, None)

    cycles = 1 + max((arrival.cycle for arrival in sequence), default=0)
    LockStep(orchestrator, clock, world, sample_s=cycle_s / _SAMPLES).run_until(
        (cycles + 1) * cycle_s
    )
    orchestrator.close()
    return done
