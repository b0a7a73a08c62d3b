"""The typed summary of a run, from what was recorded of it."""

from __future__ import annotations

import platform
from datetime import datetime, timezone

from sage.device import device_name
from sage.report.summary_file import (
    AreaRecord,
    CommandRecord,
    MapRecord,
    PictureRecord,
    PluginRecord,
    RunSummary,
    SightingRecord,
)
from sage.summary import Judged, Robot, Summary
from sage.telemetry.jsonl import sage_version
from sage.worlds.static_map import StaticMap

_LONGEST_WAY = 4000


def run_summary(
    summary: Summary,
    *,
    title: str,
    robot: Robot | None,
    began: datetime,
    began_s: float,
    ended_s: float,
    problems: list[str],
    untold: int,
    memory: str | None,
) -> RunSummary:
    """Everything of a run that ``summary.json`` tells.

    Args:
        summary: what it came to.
        title: what was run.
        robot: None where nothing could be driven.
        began: wall time of the start, aware of its zone.
        began_s: the same on the runtime's clock; ``ended_s`` likewise.
        problems: what went wrong, beside what the summary knows.
        untold: events missing from the telemetry.
        memory: where the store is.
    """
    way = summary.way[:: max(1, len(summary.way) // _LONGEST_WAY)]
    pictures = [
        PictureRecord(item.picture, _whole(item.view or item.said or item.report.text))
        for item in summary.judged
        if item.picture is not None
    ]
    if summary.sheet is not None:
        pictures.append(PictureRecord(summary.sheet.name, "the whole run"))
    return RunSummary(
        title=title,
        device=device_name(),
        sage=sage_version(),
        python=platform.python_version(),
        began_wall_time=began.astimezone(timezone.utc).isoformat(timespec="seconds"),
        began_s=began_s,
        ended_s=ended_s,
        exit_code=summary.exit_code,
        interrupted=summary.interrupted,
        problems=[*([summary.problem] if summary.problem else []), *problems],
        commands=[*map(_command, summary.judged), *_unsaid(summary)],
        plugins={
            name: PluginRecord(
                refinements=figures.refinements,
                steps=figures.steps,
                saved_steps=figures.saved_steps,
                spent_atp=figures.spent_atp,
                returned_atp=figures.returned_atp,
                cost_s=figures.cost_s,
                trust=figures.trust,
                credited=figures.credited,
                late=figures.late,
                mean_value=figures.mean_value,
                value_per_1000_atp=figures.value_per_1000_atp,
                agreement=figures.agreement,
                reasons=dict(figures.reasons),
                drops=dict(figures.drops),
            )
            for name, figures in sorted(summary.plugins.items())
        },
        map=None if robot is None else _map(robot.navigator.static_map),
        start=None if robot is None else (robot.start.x_m, robot.start.y_m, robot.start.yaw_rad),
        path=[(at_s, pose.x_m, pose.y_m, pose.yaw_rad) for at_s, pose in way],
        sightings=[]
        if robot is None
        else [
            SightingRecord(seen.label, seen.x_m, seen.y_m, seen.probability, seen.hits)
            for seen in robot.sightings.all()
        ],
        pictures=pictures,
        untold=untold,
        memory=memory,
        kept=summary.kept,
    )


def _command(item: Judged) -> CommandRecord:
    report = item.report
    return CommandRecord(
        command=report.command,
        text=_whole(item.said or report.text),
        intent=_whole(report.intent.phrase) if report.intent is not None else None,
        state=item.state,
        said=_whole(report.verdict.text),
        truth=item.agrees,
        why=_whole(item.why),
        began_s=report.began_s,
        ended_s=report.ended_s,
        found_at=report.verdict.found_at,
        picture=item.picture,
        as_expected=item.done if item.to_decline else None,
    )


def _unsaid(summary: Summary) -> list[CommandRecord]:
    """The commands that were not said any more, numbered after the others."""
    first = max((item.report.command for item in summary.judged), default=-1) + 1
    return [
        CommandRecord(command=number, text=_whole(text), said="never said: the run ended before")
        for number, text in enumerate(summary.unsaid, first)
    ]


def _whole(text: str) -> str:
    """A text that may come from anywhere, without what no file can hold (lone surrogates)."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _map(static_map: StaticMap) -> MapRecord:
    return MapRecord(
        bounds=static_map.bounds,
        rooms=[
            AreaRecord(room.name, (room.x_min, room.y_min, room.x_max, room.y_max))
            for room in static_map.rooms
        ],
        walls=list(static_map.walls),
        doors=[(door.x, door.y, door.width_m) for door in static_map.doors],
    )
