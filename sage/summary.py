"""What a run leaves behind: a verdict per command, figures per plugin, a contact sheet."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sage.irp.errors import SageError
from sage.navigation.navigator import Navigator
from sage.skills.agent import Agent, Report
from sage.skills.body import Sightings
from sage.telemetry import Dropped, Event, Finished, Task
from sage.values import Frame, Observation, Pose, Scene, UInt8Array
from sage.worlds.apartment.judge import judge
from sage.worlds.apartment.truth import Truth

_SHEET_FRAMES = 12
_SHOWN_CHARS = 200
_WAY_POSES = 20_000
_WAY_STEP_M = 0.03
_EXIT_INTERRUPTED = 130


@dataclass(slots=True)
class PluginFigures:
    """What one plugin did in a run."""

    refinements: int = 0
    steps: int = 0
    saved_steps: int = 0
    spent_atp: float = 0.0
    returned_atp: float = 0.0
    cost_s: float = 0.0
    trust: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)
    drops: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Judged:
    """A command, what the robot says of it, and what ground truth says (None: there is none)."""

    report: Report
    agrees: bool | None
    why: str

    @property
    def done(self) -> bool:
        """Done as far as anyone can tell."""
        return self.report.verdict.done and self.agrees is not False

    @property
    def verdict(self) -> str:
        """Ground truth beside what the robot says of itself."""
        if self.agrees == self.report.verdict.done:
            return "agrees"
        return "DISAGREES" if self.report.verdict.done else "says it is done"


@dataclass(frozen=True, slots=True)
class Summary:
    """The end of a run."""

    judged: tuple[Judged, ...]
    plugins: dict[str, PluginFigures]
    sheet: Path | None
    interrupted: bool
    problem: str = ""

    @property
    def exit_code(self) -> int:
        """0 all done, 1 not all, 2 something could not be written, 130 interrupted."""
        if self.interrupted:
            return _EXIT_INTERRUPTED
        if self.problem:
            return 2
        return 0 if all(item.done for item in self.judged) else 1

    def text(self) -> str:
        """A few lines for people."""
        lines = [""]
        for item in self.judged:
            state = "done  " if item.report.verdict.done else "failed"
            if item.report.intent is None:
                state = "declined"
            took_s = item.report.ended_s - item.report.began_s
            text, said = plain(item.report.text), plain(item.report.verdict.text)
            lines.append(f'{state}  {took_s:5.1f} s  "{text}": {said}')
            if item.agrees is not None:
                lines.append(f"                  ground truth {item.verdict}: {plain(item.why)}")
        for name, figures in sorted(self.plugins.items()):
            count = max(1, figures.refinements)
            reasons = ", ".join(f"{n} {reason}" for reason, n in figures.reasons.most_common())
            drops = ", ".join(f"{n} {reason}" for reason, n in figures.drops.most_common())
            lines.append(
                f"{name}: {figures.refinements} refinements, {figures.steps / count:.1f} steps and "
                f"{1e3 * figures.cost_s / count:.1f} ms each, ended {reasons or 'never'}; "
                f"{figures.spent_atp:.0f} ATP spent, {figures.returned_atp:.0f} returned, "
                f"trust {figures.trust:.2f}" + (f"; dropped {drops}" if drops else "")
            )
        done = sum(item.done for item in self.judged)
        if self.judged:
            lines.append(f"{done} of {len(self.judged)} commands done")
        if self.sheet is not None:
            lines.append(f"pictures: {self.sheet}")
        if self.problem:
            lines.append(f"error: {self.problem}")
        if self.interrupted:
            lines.append("stopped by Ctrl-C")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Robot:
    """What the summary asks a robot with a map: what it did, where it is, what it saw where."""

    agent: Agent
    navigator: Navigator
    sightings: Sightings
    start: Pose


class Recorder:
    """Watches a run; an observer of its telemetry, and of the scenes that vision reads.

    Args:
        title: what the contact sheet says under its heading.
        out: the folder for pictures; made when there is one to write.
        robot: None where nothing can be driven.
        truth: ground truth now, for scoring; None where there is none.
    """

    def __init__(
        self,
        title: str,
        out: Path,
        robot: Robot | None = None,
        truth: Callable[[], Truth] | None = None,
    ) -> None:
        self._title = title
        self._out = out
        self._robot = robot
        self._truth = truth
        self._lock = threading.Lock()
        self._plugins: defaultdict[str, PluginFigures] = defaultdict(PluginFigures)
        self._judged: list[Judged] = []
        self._last: tuple[UInt8Array, Scene] | None = None
        self._kept: deque[tuple[UInt8Array, Scene, str]] = deque(maxlen=_SHEET_FRAMES)
        self._way: deque[Pose] = deque(maxlen=_WAY_POSES)

    def __call__(self, event: Event) -> None:
        """Count an event."""
        if isinstance(event, Finished):
            figures = self._plugins[event.plugin]
            trajectory = event.trajectory
            figures.refinements += 1
            figures.steps += trajectory.steps
            figures.saved_steps += trajectory.saved_steps
            figures.cost_s += trajectory.cost_s
            figures.spent_atp += event.spent_atp
            figures.returned_atp += max(0.0, event.granted_atp - event.spent_atp)
            figures.trust = event.trust
            figures.reasons[trajectory.reason.value] += 1
        elif isinstance(event, Dropped):
            self._plugins[event.plugin].drops[event.reason] += 1
        elif isinstance(event, Task) and event.phase in ("done", "failed"):
            self._judge(event)

    def saw(self, observation: Observation, scene: Scene) -> None:
        """Keep the newest frame; without a robot, one a second until the sheet is full."""
        frame: Frame = observation.data
        robot = self._robot
        with self._lock:
            self._last = frame.rgb, scene
            if robot is not None:
                pose = robot.navigator.pose_at(scene.captured_s)
                way = self._way
                if not way or way[-1].distance_to(pose.x_m, pose.y_m) > _WAY_STEP_M:
                    way.append(pose)
            elif len(self._kept) < _SHEET_FRAMES:
                before = self._kept[-1][1].captured_s if self._kept else -1e9
                if scene.captured_s - before > 1.0:
                    self._kept.append((frame.rgb, scene, f"{len(scene.detections)} things"))

    def finish(self, *, interrupted: bool) -> Summary:
        """Draw the contact sheet and sum up."""
        known = {item.report.command for item in self._judged}
        reports = self._robot.agent.reports if self._robot is not None else []
        rest = [report for report in reports if report.command not in known]
        judged = [*self._judged, *(Judged(report, None, report.verdict.text) for report in rest)]
        judged.sort(key=lambda item: item.report.command)
        sheet, problem = None, ""
        try:
            sheet = self._draw()
        except (SageError, OSError) as error:  # the figures are told all the same
            problem = str(error)
        return Summary(tuple(judged), dict(self._plugins), sheet, interrupted, problem)

    def _judge(self, event: Task) -> None:
        assert self._robot is not None
        reports = self._robot.agent.reports
        report = next((r for r in reversed(reports) if r.command == event.command), None)
        if report is None:
            return
        agrees: bool | None = None
        why = "there is none"
        if self._truth is not None:
            try:
                agrees, why = judge(report, self._truth(), self._robot.start)
            except SageError as error:  # the world has gone, which ends the run
                why = str(error)
        with self._lock:
            self._judged.append(Judged(report, agrees, why))
            stood_still = report.intent is not None and report.intent.kind == "stop"
            if self._last is not None and not stood_still:
                self._kept.append((*self._last, f"{report.text}\n{event.phase}: {event.text}"))

    def _draw(self) -> Path | None:
        from sage.view.frames import contact_sheet, draw_scene, save_picture

        with self._lock:
            kept = tuple(self._kept)
            if not kept and self._last is not None:
                kept = ((*self._last, "the last frame"),)
        if not kept:
            return None
        pictures = [(draw_scene(rgb, scene, min_width_px=448), text) for rgb, scene, text in kept]
        if self._robot is not None:
            plan = self._plan(self._robot)
            pictures.append((plan, "where it went\nand what it believes stands there"))
        sheet = contact_sheet(pictures, subtitle=self._title)
        self._out.mkdir(parents=True, exist_ok=True)
        path = self._out / "contact_sheet.png"
        save_picture(path, sheet)
        return path

    def _plan(self, robot: Robot) -> UInt8Array:
        """The map with the robot's way and what was seen where."""
        from sage.view.frames import Mark, Occupancy, floor_plan

        grid = robot.navigator.snapshot()
        return floor_plan(
            robot.navigator.static_map,
            tuple(self._way),
            [
                Mark(robot.start.x_m, robot.start.y_m, "start", "start"),
                *(Mark(s.x_m, s.y_m, s.label, "found") for s in robot.sightings.all()),
            ],
            Occupancy(grid.frame, grid.obstacles.astype(float)),
        )


def plain(text: str) -> str:
    """A text that may come from anywhere, fit for one line of a terminal."""
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[: _SHOWN_CHARS + 1])
    return shown if len(text) <= _SHOWN_CHARS else shown[:_SHOWN_CHARS] + "..."
