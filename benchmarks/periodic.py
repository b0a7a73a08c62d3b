"""Periodic anytime work: three tasks with deadlines, plugins that do it, and how it is scored."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.stalls import Stalls
from sage.clock import Clock
from sage.irp import HaltPolicy, Invariants, IRPPlugin
from sage.values import Observation

TICK_S = 0.01


@dataclass(frozen=True, slots=True)
class Task:
    """A periodic plugin: an observation every ``every`` ticks, answered before the next.

    Attributes:
        name: the plugin's.
        every: its period and its deadline, in ticks.
        steps: how many it makes when nothing stops it; the first one is mandatory.
        step_s: what a step takes, in seconds, before jitter.
        essential: it moves the robot, so that no lack of ATP keeps it out.
    """

    name: str
    every: int
    steps: int
    step_s: float
    essential: bool = False

    @property
    def deadline_s(self) -> float:
        """An answer is due this long after the observation."""
        return self.every * TICK_S

    @property
    def load(self) -> float:
        """All its steps, by its period."""
        return self.steps * self.step_s / self.deadline_s


TASKS = (
    Task("balance", 1, 4, 0.0005, essential=True),
    Task("follow", 2, 6, 0.001),
    Task("look", 5, 10, 0.0015),
)
LOAD = sum(task.load for task in TASKS)
SLACK_S = min(task.deadline_s - task.step_s for task in TASKS) - max(task.step_s for task in TASKS)
"""What is left of the shortest deadline after the longest step and the own first one."""


@dataclass(slots=True)
class Score:
    """What became of the observations: how long each answer took, how many steps went into it.

    ``late`` counts answers after their deadline, ``stalled`` those of them that would have been
    in time had the machine not taken the core away.
    """

    clock: Clock
    due: int = 0
    late: int = 0
    stalled: int = 0
    steps: int = 0
    full: int = 0
    stalls: Stalls = field(default_factory=Stalls)
    took: dict[str, list[float]] = field(default_factory=dict)

    def submitted(self, task: Task, number: int) -> Observation:
        """An observation, captured now."""
        self.due += 1
        now_s = self.clock.now_s()
        return Observation(task.name, "none", now_s, number, (now_s, self.stalls.total_s))

    def answered(self, task: Task, observation: Observation, steps: int) -> None:
        """An answer came."""
        captured_s, stalled_s = observation.data
        took_s = self.clock.now_s() - captured_s
        if took_s > task.deadline_s:
            self.late += 1
            self.stalled += took_s - (self.stalls.total_s - stalled_s) <= task.deadline_s
        self.steps += steps
        self.full += task.steps
        self.took.setdefault(task.name, []).append(took_s / task.deadline_s)

    @property
    def missed(self) -> int:
        """Answers that came late or not at all."""
        answers = sum(map(len, self.took.values()))
        return self.late + self.due - answers

    @property
    def miss_rate(self) -> float:
        """Missed by all that were due."""
        return self.missed / self.due

    @property
    def refined(self) -> float:
        """Steps made, of all that the answered ones could have made."""
        return self.steps / self.full if self.full else 0.0

    @property
    def longest(self) -> float:
        """The longest that an answer took, in its deadlines."""
        return max((max(took) for took in self.took.values()), default=0.0)


Work = Callable[[float], None]


def laborious(task: Task, work: Work, rng: random.Random) -> type[IRPPlugin[int, int]]:
    """A plugin class whose steps take time, a tenth more or less, and halve its energy."""

    class Laborious(IRPPlugin[int, int]):
        invariants = Invariants("how many steps", "none", "halves with each step", "none")
        halting = HaltPolicy(max_steps=task.steps, slope_eps=0.0)

        def init_state(self, observation: Any, context: Any) -> int:
            return 0

        def step(self, state: int) -> int:
            work(task.step_s * rng.uniform(0.9, 1.1))
            return state + 1

        def energy(self, state: int) -> float:
            return 0.5**state

        def result(self, state: int) -> int:
            return state

    Laborious.name = task.name
    return Laborious
