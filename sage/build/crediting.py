"""What results turned out to be worth: from what became of commands, sightings and plans.

Language is judged by the command that it read, vision by the sightings that a skill went by and
looked at closely, control by where the robot was a moment after a plan was made. Nobody here
knows the truth; all of it is what the robot itself finds out, or is told.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from sage.navigation.navigator import Navigator
from sage.navigation.task import ControlTask
from sage.skills.agent import Report
from sage.values import ActionPlan, wrap_angle

CreditTo = Callable[[str, int, float], object]

_DONE: Final = 1.0
_FAILED: Final = 0.5  # the words may well have been understood
_STOPPED: Final = 0.2  # perhaps because that was not what was meant
_ASKED_BACK: Final = 0.25  # what was meant was among its suggestions, but not sure enough
_REFUSED: Final = 0.0  # the same words were understood the next time
_DENIED: Final = 0.0  # "no!"

_NO: Final = frozenset({"no", "no no", "wrong", "not that", "that is wrong", "that's wrong"})
_AGAIN_S = 30.0  # within that, a command may be another try of the one before
_KEPT_READINGS = 64

_AHEAD_S = 0.3  # how far ahead a plan is held against what came
_LEAST_M = 0.02
_LEAST_RAD = 0.05
_OTHER_GOAL_M = 0.3
_KEPT_PROMISES = 32


@dataclass(frozen=True, slots=True)
class _Promise:
    """Where a plan wanted the robot to be at ``due_s``."""

    refinement: int
    task: ControlTask
    plan: ActionPlan
    due_s: float
    index: int


class Crediting:
    """Judges results and says so to ``credit(plugin, refinement, value)``.

    :meth:`read`, :meth:`refuted`, :meth:`planned`, :meth:`moved` and :meth:`halted` may come from
    any thread, :meth:`tick` from the H level.

    Args:
        credit: who is told each value, in [0, 1].
        language: the plugin that reads commands; ``vision`` that sees, ``control`` that plans.
    """

    def __init__(
        self,
        credit: CreditTo,
        *,
        language: str = "language",
        vision: str = "vision",
        control: str = "control",
    ) -> None:
        self.vision = vision
        self._credit = credit
        self._language = language
        self._control = control
        self._readings: dict[int, int] = {}
        self._judged_reports = 0
        self._latest: tuple[int, float] | None = None
        self._went_by: tuple[Report, tuple[int, ...]] | None = None
        self._declined: deque[tuple[int, Report]] = deque(maxlen=8)
        self._promises: deque[_Promise] = deque(maxlen=_KEPT_PROMISES)

    def read(self, command: int, refinement: int) -> None:
        """Language answered a command with this refinement."""
        self._readings[command] = refinement
        while len(self._readings) > _KEPT_READINGS:
            self._readings.pop(next(iter(self._readings)))

    def tick(self, reports: Sequence[Report]) -> None:
        """Judge by the commands that ended since the last tick; ``reports`` only grows."""
        while self._judged_reports < len(reports):
            report = reports[self._judged_reports]
            self._judged_reports += 1
            self._judge_language(report, self._readings.pop(report.command, None))
            verdict = report.verdict
            if verdict.done and verdict.count is None:  # nobody checks what was counted
                seen_by = sorted({number for seen in verdict.used for number in seen.refinements})
                for number in seen_by:
                    self._credit(self.vision, number, 1.0)
                self._went_by = report, tuple(seen_by)

    def refuted(self, label: str, refinements: tuple[int, ...]) -> None:
        """A closer look found nothing where these refinements of vision saw something."""
        for number in refinements:
            self._credit(self.vision, number, 0.0)

    def planned(self, task: ControlTask, plan: ActionPlan, refinement: int) -> None:
        """A plan is being executed from ``task.start_s`` on."""
        promises = self._promises
        if promises and math.dist(task.goal, promises[-1].task.goal) > _OTHER_GOAL_M:
            promises.clear()  # somebody else decided that the plans before are not followed
        index = min(max(1, round(_AHEAD_S / plan.step_s)), len(plan.poses) - 1)
        due_s = task.start_s + index * plan.step_s
        promises.append(_Promise(refinement, task, plan, due_s, index))

    def halted(self) -> None:
        """There is nowhere to drive to any more."""
        self._promises.clear()

    def moved(self, captured_s: float, navigator: Navigator) -> None:
        """A reading of wheels or range sensor: hold the plans that are due against it."""
        promises = self._promises
        while promises and promises[0].due_s <= captured_s:
            try:
                promise = promises.popleft()
            except IndexError:  # halted meanwhile
                return
            value = _followed(promise, navigator)
            if value is not None:
                self._credit(self._control, promise.refinement, value)

    def _judge_language(self, report: Report, refinement: int | None) -> None:
        said = " ".join(report.text.casefold().replace(",", " ").strip(" .!").split())
        if said in _NO and report.intent is None:
            self._deny(report)
            return
        if refinement is not None:
            self._latest = refinement, report.ended_s
        if report.intent is None:
            if refinement is not None:
                self._declined.append((refinement, report))
            return  # nobody knows yet whether that was right
        if report.verdict.done:
            self._judge_declined(report, said)
        if refinement is None:
            return
        if report.verdict.done:
            self._credit(self._language, refinement, _DONE)
        elif report.ended_by == "stop":
            if report.ended_s > report.began_s:  # it had begun: somebody did not like it
                self._credit(self._language, refinement, _STOPPED)
        elif report.ended_by != "cancel":
            self._credit(self._language, refinement, _FAILED)

    def _judge_declined(self, done: Report, said: str) -> None:
        """A command was done; was it another try of one that was declined?"""
        assert done.intent is not None
        waiting, self._declined = self._declined, deque(maxlen=8)
        for refinement, report in waiting:
            began_s = done.began_s if done.heard_s is None else done.heard_s
            if began_s - report.ended_s > _AGAIN_S:
                continue
            if done.intent.phrase in report.asked:
                self._credit(self._language, refinement, _ASKED_BACK)
            elif " ".join(report.text.casefold().split()) == said:
                self._credit(self._language, refinement, _REFUSED)
            else:
                self._declined.append((refinement, report))

    def _deny(self, report: Report) -> None:
        """Somebody said no: to what the robot does, or to what it did or asked last."""
        if self._went_by is not None:
            before_it, seen_by = self._went_by
            at_once = report.ended_s - before_it.ended_s <= _AGAIN_S
            if at_once and report.command == before_it.command + 1:  # about no later command
                for number in seen_by:
                    self._credit(self.vision, number, _DENIED)
        refinement: int | None = None
        if before := [command for command in self._readings if command < report.command]:
            refinement = self._readings[max(before)]
        elif self._latest is not None:
            latest, at_s = self._latest
            if report.ended_s - at_s <= _AGAIN_S:
                refinement = latest
        if refinement is not None:
            self._credit(self._language, refinement, _DENIED)


def _followed(promise: _Promise, navigator: Navigator) -> float | None:
    """What of a plan's progress came true, in [0, 1]; None where it promised none.

    Progress is how far the cost to go fell, or where the plan only turns, how far it turned. A
    plan that was not safe, or ended in a touch, is worth nothing.
    """
    plan, task, index = promise.plan, promise.task, promise.index
    if not plan.safe or navigator.bumper:
        return 0.0
    began, now = navigator.pose_at(task.start_s), navigator.pose_at(promise.due_s)
    first, last = plan.poses[0], plan.poses[index]
    before_m, after_m, wanted_before_m, wanted_after_m = task.to_go.frame.sample(
        task.to_go.cost_m,
        np.array([began.x_m, now.x_m, first[0], last[0]]),
        np.array([began.y_m, now.y_m, first[1], last[1]]),
    )
    promised = float(wanted_before_m - wanted_after_m)
    realised = float(before_m - after_m)
    if promised < _LEAST_M:
        promised = wrap_angle(float(last[2] - first[2]))
        realised = wrap_angle(now.yaw_rad - began.yaw_rad)
        if abs(promised) < _LEAST_RAD:
            return None
    return min(1.0, max(0.0, realised / promised))
