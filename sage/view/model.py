"""What a watcher knows: the run so far, folded from telemetry into a few figures."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sage.irp.trajectory import StepRecord
from sage.telemetry.events import (
    Admitted,
    Cycle,
    Dropped,
    Event,
    Finished,
    Health,
    Moved,
    Saw,
    Task,
)
from sage.values import Effect, Scene

CYCLES = 20
"""How many cycles the ATP figures are averaged over."""
RATE_WINDOW_S = 5.0
KEPT_COMMANDS = 200
OVER = ("declined", "done", "failed")


class Rate:
    """How often something happens, over the last seconds of the run's own clock."""

    def __init__(self) -> None:
        self._times_s: deque[float] = deque(maxlen=512)

    def tick(self, at_s: float) -> None:
        """It happened."""
        times_s = self._times_s
        times_s.append(at_s)
        while times_s[0] < at_s - RATE_WINDOW_S:
            times_s.popleft()

    def per_s(self, now_s: float) -> float:
        """Times per second; 0 once nothing happened for the whole window."""
        times_s = [time_s for time_s in self._times_s if time_s > now_s - RATE_WINDOW_S]
        span_s = max(now_s, times_s[-1]) - times_s[0] if times_s else 0.0
        return (len(times_s) - 1) / span_s if len(times_s) > 1 and span_s > 0.0 else 0.0


@dataclass(slots=True)
class PluginFigures:
    """What is known about one plugin."""

    name: str
    state: str = "active"
    detail: str = ""
    trust: float | None = None
    energy: float | None = None
    curve: tuple[float, ...] = ()
    reason: str = ""
    answers: deque[float] = field(default_factory=lambda: deque(maxlen=64))
    steps: deque[int] = field(default_factory=lambda: deque(maxlen=64))
    costs_ms: deque[float] = field(default_factory=lambda: deque(maxlen=256))
    halts: Counter[str] = field(default_factory=Counter)
    drops: Counter[str] = field(default_factory=Counter)
    rate: Rate = field(default_factory=Rate)
    granted_atp: float = 0.0
    spent_atp: float = 0.0
    cycles: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=CYCLES))

    @property
    def mean_steps(self) -> float | None:
        """Steps of a refinement, the mean of the last ones."""
        return sum(self.steps) / len(self.steps) if self.steps else None

    @property
    def atp_per_cycle(self) -> tuple[float, float, float]:
        """Granted, spent and returned per cycle, the mean of the last ones."""
        count = max(1, len(self.cycles))
        granted = sum(entry[0] for entry in self.cycles) / count
        spent = sum(entry[1] for entry in self.cycles) / count
        return granted, spent, granted - spent


@dataclass(slots=True)
class CommandFigures:
    """One command: ``text`` as it was understood, else as it was heard."""

    number: int
    text: str
    phase: str
    outcome: str = ""
    began_s: float = 0.0
    ended_s: float | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.phase in OVER


class RunModel:
    """Folds events into figures. Hold ``lock`` while reading more than one of them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.plugins: dict[str, PluginFigures] = {}
        self.commands: dict[int, CommandFigures] = {}
        self.scene: Scene | None = None
        self.effect: Effect | None = None
        self.lags_ms: deque[float] = deque(maxlen=64)
        self.sights = Rate()
        self.began_s: float | None = None
        self.now_s = 0.0
        self.cycle = 0
        self.pool_atp = 0.0
        self.spent_atp: deque[float] = deque(maxlen=CYCLES)
        self._handlers: dict[type, Callable[[Any], None]] = {
            StepRecord: self._step,
            Admitted: self._admitted,
            Finished: self._finished,
            Dropped: self._dropped,
            Health: self._health,
            Cycle: self._cycled,
            Saw: self._saw,
            Moved: self._moved,
            Task: self._task,
        }

    @property
    def elapsed_s(self) -> float:
        """Seconds of the run's clock since the first event."""
        return self.now_s - self.began_s if self.began_s is not None else 0.0

    def apply(self, event: Event) -> None:
        """Fold one event in; what is not known is passed over."""
        handler = self._handlers.get(type(event))
        if handler is None:
            return
        with self.lock:
            at_s = getattr(event, "at_s", None)
            if at_s is not None:
                if self.began_s is None:
                    self.began_s = at_s
                self.now_s = max(self.now_s, at_s)
            handler(event)

    def current(self) -> CommandFigures | None:
        """The command that runs, else the first that waits."""
        alive = [command for command in self.commands.values() if not command.over]
        return next((command for command in alive if command.phase == "started"), None) or (
            alive[0] if alive else None
        )

    def _plugin(self, name: str) -> PluginFigures:
        figures = self.plugins.get(name)
        if figures is None:
            figures = self.plugins[name] = PluginFigures(name)
        return figures

    def _step(self, record: StepRecord) -> None:
        self._plugin(record.plugin).energy = record.energy

    def _admitted(self, event: Admitted) -> None:
        self._plugin(event.plugin)

    def _finished(self, event: Finished) -> None:
        figures = self._plugin(event.plugin)
        trajectory = event.trajectory
        figures.trust = event.trust
        figures.halts[trajectory.reason.value] += 1
        figures.steps.append(trajectory.steps)
        figures.costs_ms.append(1e3 * trajectory.cost_s)
        figures.granted_atp += event.granted_atp
        figures.spent_atp += event.spent_atp
        figures.rate.tick(event.at_s)
        if trajectory.best_energy is not None:
            figures.curve = trajectory.energies
            figures.reason = trajectory.reason.value
            figures.energy = trajectory.best_energy
            figures.answers.append(trajectory.best_energy)

    def _dropped(self, event: Dropped) -> None:
        self._plugin(event.plugin).drops[event.reason] += 1

    def _health(self, event: Health) -> None:
        figures = self._plugin(event.plugin)
        figures.state, figures.detail = event.state, event.detail

    def _cycled(self, event: Cycle) -> None:
        self.cycle += 1
        self.pool_atp = event.pool_atp
        self.spent_atp.append(event.spent_atp)
        for name, figures in self.plugins.items():
            figures.trust = event.trust.get(name, figures.trust)
            figures.cycles.append((figures.granted_atp, figures.spent_atp))
            figures.granted_atp = figures.spent_atp = 0.0

    def _saw(self, event: Saw) -> None:
        self.scene = event.scene
        self.sights.tick(event.at_s)

    def _moved(self, event: Moved) -> None:
        self.effect = event.effect
        self.lags_ms.append(1e3 * (event.effect.executed_s - event.effect.captured_s))

    def _task(self, event: Task) -> None:
        command = self.commands.get(event.command)
        if command is None:
            command = CommandFigures(event.command, event.text, event.phase, began_s=event.at_s)
            self.commands[event.command] = command
            if len(self.commands) > KEPT_COMMANDS:
                del self.commands[next(iter(self.commands))]
        command.phase = event.phase
        if event.phase in ("understood", "started"):
            command.text = event.text
        if event.phase == "started":
            command.began_s = event.at_s
        if command.over:
            command.outcome, command.ended_s = event.text, event.at_s


def quantile(values: Sequence[float], fraction: float) -> float | None:
    """The value that ``fraction`` of the values do not exceed (nearest rank); None of none."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(fraction * (len(ordered) - 1)))]
