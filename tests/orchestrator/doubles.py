"""Plugins that do as they are told, and what the orchestrator's tests share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator import HealthState, HRMOrchestrator, OrchestratorConfig, PluginSettings
from orchestrator.lane import step
from orchestrator.member import Member
from sage.clock import VirtualClock
from sage.irp import Context, HaltPolicy, IRPPlugin, Outcome
from sage.telemetry import Event
from tests.doubles import INVARIANTS, PATIENT, Counted, Scripted

LANES = ("perception", "control")
ATP_PER_S = 5000.0
"""Of the default configuration: 500 ATP, a lane's cycle, are 100 ms."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An observation: all that counts is when it was captured."""

    captured_s: float
    what: Any = None


def scripted(
    name: str, energies: Sequence[Any], watch: VirtualClock, cost_s: float = 0.01, **options: Any
) -> Callable[[], Scripted]:
    """The factory of a scripted plugin; each step takes ``cost_s`` of lane time.

    It ends with its script, at the latest.
    """
    policy = HaltPolicy(max_steps=len(energies), slope_eps=0.0, window=1000)

    def factory() -> Scripted:
        plugin = Scripted(energies, clock=watch, costs_s=cost_s, **options)
        plugin.name = name  # type: ignore[misc]
        plugin.halting = policy
        return plugin

    return factory


class Willing(IRPPlugin[Counted, int]):
    """Ask ``will`` at each step what it costs (on ``watch``), and what energy comes of it.

    An energy that is an exception is raised.
    """

    name = "willing"
    invariants = INVARIANTS
    halting = PATIENT

    def __init__(
        self, name: str, watch: VirtualClock, will: Callable[[int], tuple[float, Any]]
    ) -> None:
        self.name = name  # type: ignore[misc]
        self._watch = watch
        self._will = will
        self._energies: dict[int, float] = {}

    def init_state(self, observation: Any, context: Context) -> Counted:
        return Counted(0)

    def step(self, state: Counted) -> Counted:
        cost_s, energy = self._will(state.steps)
        self._watch.advance_to(self._watch.now_s() + cost_s)
        if isinstance(energy, BaseException):
            raise energy
        self._energies[state.steps + 1] = energy
        return Counted(state.steps + 1)

    def energy(self, state: Counted) -> float:
        return self._energies[state.steps]

    def result(self, state: Counted) -> int:
        return state.steps


@dataclass
class House:
    """An orchestrator in virtual time whose lanes the test steps by hand.

    ``clock`` is what deadlines are read on, ``watch`` what measures lane time; both stand still
    unless something moves them.
    """

    config: OrchestratorConfig = field(default_factory=OrchestratorConfig)
    clock: VirtualClock = field(default_factory=VirtualClock)
    watch: VirtualClock = field(default_factory=VirtualClock)

    stopwatch: Callable[[], float] | None = None
    """Measures lane time instead of ``watch``."""

    def __post_init__(self) -> None:
        self.events: list[Event] = []
        self.outcomes: dict[str, list[tuple[Any, Outcome[Any]]]] = {}
        self.orchestrator = HRMOrchestrator(
            self.config,
            clock=self.clock,
            emit=self.events.append,
            stopwatch=self.stopwatch or self.watch.now_s,
        )

    def add(
        self,
        name: str,
        energies: Sequence[Any] = (1.0,),
        cost_s: float = 0.01,
        *,
        lane: str = "perception",
        factory: Callable[[], IRPPlugin[Any, Any]] | None = None,
        script: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> Member:
        """Register a plugin whose script is as long as its energies."""
        self.outcomes[name] = []
        make = factory or scripted(name, energies, self.watch, cost_s, **(script or {}))
        return self.orchestrator.register(
            make,
            PluginSettings(lane, **settings),
            lambda observation, outcome: self.outcomes[name].append((observation, outcome)),
        )

    def submit(self, name: str, what: Any = None) -> None:
        """An observation captured now."""
        self.orchestrator.submit(name, Seen(self.clock.now_s(), what))

    def step(self, lane: str = "perception") -> str | None:
        """Make the lane's next step; says whose it was."""
        found = self.orchestrator.lanes[lane]
        found.take_in()
        job = found.choose()
        if job is None:
            return None
        found.settle(step(found.company(job), self.watch.now_s))
        return job.member.name

    def drain(self, lane: str = "perception") -> list[str]:
        """Step a lane until nothing is left to do."""
        names = []
        while (name := self.step(lane)) is not None:
            names.append(name)
        return names

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance_to(self.clock.now_s() + seconds)

    def told(self, kind: type) -> list[Any]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]


def check_counts(member: Member) -> None:
    """Every submission is accounted for, once."""
    with member.lock:
        held = len(member.running) + len(member.waiting)
        ended = member.finished + sum(member.dropped.values())
        assert member.submitted == ended + held, member.counts()
        if member.supervisor.state is not HealthState.ACTIVE:
            assert not member.waiting
