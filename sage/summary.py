"""What a run comes to: a verdict per command, figures per plugin, pictures."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sage.describing import describe
from sage.irp.errors import SageError
from sage.navigation.navigator import Navigator
from sage.plugin_figures import PluginFigures, Worth
from sage.skills.agent import Agent, Report
from sage.skills.body import Sightings
from sage.skills.grammar import parse
from sage.skills.intent import Intent
from sage.telemetry import Credited, Dropped, Event, Finished, Kept, Task
from sage.values import Frame, Observation, Pose, Scene, UInt8Array
from sage.way import Way
from sage.worlds.apartment.judge import judge
from sage.worlds.apartment.truth import Truth

_SHEET_FRAMES = 12
_SHOWN_CHARS = 200
_PICTURED_COMMANDS = 40
_EXIT_INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Judged:
    """A command, what the robot says of it, and what ground truth says (None: there is none).

    ``said`` is what was really said, where that is known; ``to_decline`` says that declining it
    is right; ``picture`` names the file with the last frame, ``view`` says what it shows.
    """

    report: Report
    agrees: bool | None
    why: str
    said: str | None = None
    to_decline: bool = False
    picture: str | None = None
    view: str = ""

    @property
    def done(self) -> bool:
        """As it should be, as far as anyone can tell."""
        if self.to_decline:
            return self.report.intent is None
        return self.report.verdict.done and self.agrees is not False

    @property
    def state(self) -> str:
        """``done``, ``failed`` or, where the robot refused, ``declined``."""
        report = self.report
        if report.intent is None and report.understood_s is not None:
            return "declined"
        return "done" if report.verdict.done else "failed"

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
    way: tuple[tuple[float, Pose], ...] = ()
    kept: int = 0
    report: Path | None = None
    driven: bool = True
    unsaid: tuple[str, ...] = ()
    hearing: str = ""

    @property
    def exit_code(self) -> int:
        """0 all done, or nothing to drive; 1 not all; 2 something unwritten; 130 interrupted."""
        if self.interrupted:
            return _EXIT_INTERRUPTED
        if self.problem:
            return 2
        if not self.driven:
            return 0
        return 0 if all(item.done for item in self.judged) and not self.unsaid else 1

    def text(self) -> str:
        """A few lines for people."""
        lines = [""]
        for item in self.judged:
            heard = item.said is not None and item.said != item.report.text
            took_s = item.report.ended_s - item.report.began_s
            text, said = plain(item.report.text), plain(item.report.verdict.text)
            lines.append(f'{item.state:<6}  {took_s:5.1f} s  "{text}": {said}')
            if heard:
                lines.append(f'                  what was said: "{plain(item.said or "")}"')
            if item.to_decline:
                lines.append("                  declining it is right")
            if item.agrees is not None:
                lines.append(f"                  ground truth {item.verdict}: {plain(item.why)}")
        lines += [f'not said           "{plain(text)}"' for text in self.unsaid]
        lines += [f"{name}: {figures.text()}" for name, figures in sorted(self.plugins.items())]
        done = sum(item.done for item in self.judged)
        asked = len(self.judged) + len(self.unsaid)
        if asked and self.driven:
            right = " or rightly declined" if any(item.to_decline for item in self.judged) else ""
            lines.append(f"{done} of {asked} commands done{right}")
        if self.hearing:
            lines.append(self.hearing)
        if self.sheet is not None:
            lines.append(f"pictures: {self.sheet}")
        if self.report is not None:
            lines.append(f"report: {self.report}")
        if self.problem:
            lines.append(f"error: {self.problem}")
        if self.interrupted:
            lines.append("stopped by Ctrl-C, or by a signal to end")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Robot:
    """What the summary asks a robot with a map: where it is, and what it saw where."""

    navigator: Navigator
    sightings: Sightings
    start: Pose


@dataclass(frozen=True, slots=True)
class _Ended:
    """A command at its end: the report, ground truth at that moment, and the last frame."""

    report: Report
    truth: Truth | None
    no_truth: str
    frame: tuple[UInt8Array, Scene] | None


class Recorder:
    """Watches a run; an observer of its telemetry, and of the scenes that vision reads.

    Args:
        title: what the contact sheet says under its heading.
        out: the folder for pictures; made when there is one to write.
        agent: who obeys, and knows what came of each command.
        robot: None where nothing can be driven.
        truth: ground truth now, for scoring; None where there is none.
    """

    def __init__(
        self,
        title: str,
        out: Path,
        agent: Agent,
        robot: Robot | None = None,
        truth: Callable[[], Truth] | None = None,
    ) -> None:
        self._title = title
        self._out = out
        self._agent = agent
        self._robot = robot
        self._truth = truth
        self._lock = threading.Lock()
        self._plugins: defaultdict[str, PluginFigures] = defaultdict(PluginFigures)
        self._ended: list[_Ended] = []
        self._judged: dict[int, Judged] = {}
        self._problem = ""
        self._said: dict[int, tuple[str, bool]] = {}
        self._last: tuple[UInt8Array, Scene] | None = None
        # As PNG: raw frames are ten times as large, and a run has hours to fill the sheet.
        self._seen: deque[tuple[bytes, Scene, str]] = deque(maxlen=_SHEET_FRAMES)
        self._way = Way()
        self._kept = 0

    def __call__(self, event: Event) -> None:
        """Count an event."""
        if isinstance(event, Finished):
            self._plugins[event.plugin].count(event)
        elif isinstance(event, Dropped):
            self._plugins[event.plugin].drops[event.reason] += 1
        elif isinstance(event, Credited):
            self._plugins[event.plugin].trust = event.trust
        elif isinstance(event, Kept):
            self._kept += 1
        elif isinstance(event, Task) and event.phase in ("done", "failed", "declined"):
            self._end(event)

    def expect(self, command: int, said: str, *, to_decline: bool = False) -> None:
        """What was really said as a command, and whether declining it is right."""
        with self._lock:
            self._said[command] = said, to_decline

    def saw(self, observation: Observation, scene: Scene) -> None:
        """Keep the newest frame; without a robot, one a second until the sheet is full."""
        from sage.view.frames import as_png

        frame: Frame = observation.data
        robot = self._robot
        with self._lock:
            self._last = frame.rgb, scene
            if robot is not None:
                pose = robot.navigator.pose_at(scene.captured_s)
                self._way.add(scene.captured_s, pose)
            elif len(self._seen) < _SHEET_FRAMES:
                before = self._seen[-1][1].captured_s if self._seen else -1e9
                if scene.captured_s - before > 1.0:
                    self._seen.append((as_png(frame.rgb), scene, describe(scene)))

    def finish(
        self,
        *,
        interrupted: bool,
        unsaid: tuple[str, ...] = (),
        worth: Mapping[str, Worth] | None = None,
    ) -> Summary:
        """Judge what is left, and sum up; the contact sheet is still to be drawn.

        Args:
            interrupted: whether somebody ended the run.
            unsaid: the commands that were not said any more.
            worth: what the plugins' results were worth, by name.
        """
        self._settle()
        for name, of_plugin in (worth or {}).items():
            self._plugins[name].take(of_plugin)
        judged = dict(self._judged)
        for report in self._agent.reports:
            if report.command not in judged:  # it ended after the telemetry did
                said, to_decline = self._said.get(report.command, (None, False))
                text = report.verdict.text
                judged[report.command] = Judged(report, None, text, said, to_decline)
        return Summary(
            tuple(judged[number] for number in sorted(judged)),
            dict(self._plugins),
            None,
            interrupted,
            self._problem,
            way=self._way.poses(),
            kept=self._kept,
            driven=self._robot is not None,
            unsaid=unsaid,
        )

    def draw(self, summary: Summary) -> Summary:
        """The summary with its contact sheet, or with the reason why there is none."""
        try:
            return replace(summary, sheet=self._draw())
        except (SageError, OSError) as error:  # the figures are told all the same
            return replace(summary, problem=summary.problem or str(error))

    def _end(self, event: Task) -> None:
        """A command is over: what is true now counts; it is judged once more is known of it."""
        reports = self._agent.reports
        report = next((r for r in reversed(reports) if r.command == event.command), None)
        if report is None:
            return
        self._settle()
        truth, no_truth = None, "there is none"
        if self._truth is not None:
            try:
                truth = self._truth()
            except SageError as error:  # the world has gone, which ends the run
                no_truth = str(error)
        with self._lock:
            self._ended.append(_Ended(report, truth, no_truth, self._last))

    def _settle(self) -> None:
        """Judge what has ended; by now it is known what was really said."""
        from sage.view.frames import as_png

        with self._lock:
            ended, self._ended = self._ended, []
        for item in ended:
            judged = self._judge(item)
            report = item.report
            if item.frame is not None:
                stood_still = report.intent is None or report.intent.kind == "stop"
                if not stood_still:
                    state = "done" if report.verdict.done else "failed"
                    text = judged.said or report.text
                    rgb, scene = item.frame
                    said_of_it = f"{text}\n{state}: {report.verdict.text}"
                    self._seen.append((as_png(rgb), scene, said_of_it))
                try:
                    judged = self._picture(judged, item.frame)
                except (SageError, OSError) as error:
                    self._problem = str(error)
            self._judged[report.command] = judged

    def _judge(self, ended: _Ended) -> Judged:
        """Hold a report against what was said, and against ground truth at its end."""
        report = ended.report
        said, to_decline = self._said.get(report.command, (None, False))
        wanted = parse(said) if said is not None else None
        if report.intent is None:
            why = f"it could have been done: {wanted.phrase}" if isinstance(wanted, Intent) else ""
            return Judged(report, None, why, said, to_decline)
        if ended.truth is None or self._robot is None:
            return Judged(report, None, ended.no_truth, said, to_decline)
        if isinstance(wanted, Intent):
            if wanted.kind != report.intent.kind:
                why = f"it was told to {wanted.phrase!r}, not to {report.intent.phrase!r}"
                return Judged(report, False, why, said, to_decline)
            report = replace(report, intent=wanted)
        elif said is not None and said != report.text:
            return Judged(report, False, f"what was said was {said!r}", said, to_decline)
        agrees, why = judge(report, ended.truth, self._robot.start)
        return Judged(ended.report, agrees, why, said, to_decline)

    def _picture(self, item: Judged, frame: tuple[UInt8Array, Scene]) -> Judged:
        """Save what the robot saw when a command ended."""
        from sage.view.frames import draw_scene, save_picture

        if len(self._judged) >= _PICTURED_COMMANDS:
            return item
        name = f"command-{item.report.command + 1:02d}.png"
        self._out.mkdir(parents=True, exist_ok=True)
        save_picture(self._out / name, draw_scene(*frame, min_width_px=448))
        return replace(item, picture=name, view=describe(frame[1]))

    def _draw(self) -> Path | None:
        from sage.view.frames import contact_sheet, draw_scene, from_png, save_picture

        with self._lock:  # what sees goes on while this draws
            kept, last = tuple(self._seen), self._last
        shown = [(from_png(png), scene, text) for png, scene, text in kept]
        if not shown and last is not None:
            shown = [(*last, "the last frame")]
        if not shown:
            return None
        pictures = [(draw_scene(rgb, scene, min_width_px=448), text) for rgb, scene, text in shown]
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
            tuple(pose for _, pose in self._way.poses()),
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
