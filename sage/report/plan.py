"""The floor plan of a report: rooms, walls, the way driven by command, what was seen where."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

from sage.report.summary_file import CommandRecord, Rect, RunSummary
from sage.report.svg import Point, Svg, clock_text

_WIDTH = 900.0
_MARGIN = 18.0
_FOOT = 14.0
_MOST_POINTS = 1500
_MOST_SIGHTINGS = 60
_CHAR_PX = 6.2


def floor_plan(summary: RunSummary) -> str:
    """The map as SVG; nothing where the run had none."""
    home = summary.map
    if home is None:
        return ""
    x0, y0, x1, y1 = home.bounds
    if not (all(map(math.isfinite, home.bounds)) and x1 > x0 and y1 > y0):
        return ""
    scale = (_WIDTH - 2 * _MARGIN) / (x1 - x0)
    height = (y1 - y0) * scale + 2 * _MARGIN + _FOOT
    svg = Svg(_WIDTH, height, "Floor plan with the way that the robot drove", "chart plan")

    def at(x_m: float, y_m: float) -> Point:
        return _MARGIN + (x_m - x0) * scale, _MARGIN + (y1 - y_m) * scale

    def fill(rect: Rect, cls: str, tip: str = "") -> None:
        left, top = at(rect[0], rect[3])
        right, bottom = at(rect[2], rect[1])
        svg.mark("rect", x=left, y=top, width=right - left, height=bottom - top, cls=cls, tip=tip)

    for index, room in enumerate(sorted(home.rooms, key=lambda room: room.name)):
        fill(room.rect, f"room r{index % 6}", room.name)
    for piece in home.furniture:
        fill(piece.rect, "piece", piece.name)
    for wall in home.walls:
        fill(wall, "wall")
    for room in home.rooms:
        x, y = at(room.rect[0], room.rect[3])
        svg.text(x + 0.16 * scale, y + 0.16 * scale + 10, room.name.upper(), "roomname")
    _way(svg, summary, at)
    places = [
        (seen, *at(seen.x_m, seen.y_m))
        for seen in summary.sightings[:_MOST_SIGHTINGS]
        # A belief that no place on the map can hold is not drawn.
        if seen.x_m is not None
        and seen.y_m is not None
        and x0 <= seen.x_m <= x1
        and y0 <= seen.y_m <= y1
    ]
    taken: list[Rect] = [(x - 4, y - 4, x + 4, y + 4) for _, x, y in places]
    if summary.start is not None and None not in summary.start[:2]:
        x, y = at(summary.start[0] or 0.0, summary.start[1] or 0.0)
        svg.mark("circle", cx=x, cy=y, r=6, cls="start", tip="start")
        _name(svg, x, y, "start", taken)
    for seen, x, y in places:
        chance = "" if seen.probability is None else f", {100 * seen.probability:.0f} %"
        svg.mark("circle", cx=x, cy=y, r=3.5, cls="seen", tip=f"{seen.label}{chance}")
        _name(svg, x, y, seen.label, taken)
    foot = f"M{_MARGIN:.0f} {height - 8:.0f}h{scale:.0f}"
    svg.mark("path", d=foot, cls="scale", fill="none")
    svg.text(_MARGIN + scale + 6, height - 4, "1 m", "tick")
    return str(svg)


def path_length_m(summary: RunSummary) -> float:
    """How far the robot drove."""
    places = [(x, y) for _, x, y, _ in summary.path if x is not None and y is not None]
    pairs = itertools.pairwise(places)
    return sum(math.hypot(x1 - x0, y1 - y0) for (x0, y0), (x1, y1) in pairs)


def _way(svg: Svg, summary: RunSummary, at: Callable[[float, float], Point]) -> None:
    """The way, a colour for each command."""
    poses = [
        (at_s, x, y, yaw)
        for at_s, x, y, yaw in summary.path
        if at_s is not None and x is not None and y is not None
    ]
    poses = poses[:: max(1, math.ceil(len(poses) / _MOST_POINTS))] + poses[-1:]
    if len(poses) < 2:
        return
    pieces: list[tuple[CommandRecord | None, list[Point], float]] = []
    for at_s, x_m, y_m, _ in poses:
        during = _during(summary.commands, at_s)
        place = at(x_m, y_m)
        if pieces and pieces[-1][0] is during:
            pieces[-1][1].append(place)
        else:
            joined = [pieces[-1][1][-1]] if pieces else []
            pieces.append((during, [*joined, place], at_s))
    svg.line([point for _, points, _ in pieces for point in points], "way halo")
    for during, points, _ in pieces:
        svg.line(points, "way idle" if during is None else f"way w{during.command % 8}")
    _, x_m, y_m, yaw = poses[-1]
    if yaw is not None:
        x, y = at(x_m, y_m)
        nose = [
            (x + 15 * math.cos(yaw + turn) * size, y - 15 * math.sin(yaw + turn) * size)
            for turn, size in ((0.0, 1.25), (2.4, 0.8), (math.pi, 0.4), (-2.4, 0.8))
        ]
        svg.area(nose, "robot")
    start_s = summary.began_s if summary.began_s is not None else poses[0][0]
    for during, points, at_s in pieces:  # on top of all ways
        if during is None:
            continue
        x, y = points[-1]
        tip = f"{during.command + 1} “{during.text}”, from {clock_text(at_s - start_s)}"
        with svg.link(f"command-{during.command}", f"end of command {during.command + 1}"):
            svg.mark("circle", cx=x, cy=y, r=9, cls=f"end w{during.command % 8}", tip=tip)
            svg.text(x, y + 4, str(during.command + 1), "endno mid")


def _during(commands: Sequence[CommandRecord], at_s: float) -> CommandRecord | None:
    for item in commands:
        if item.began_s is None or item.ended_s is None or item.began_s >= item.ended_s:
            continue
        if item.began_s <= at_s <= item.ended_s:
            return item
    return None


def _name(svg: Svg, x: float, y: float, label: str, taken: list[Rect]) -> None:
    """A label beside its mark, at the first place that is free; none where none is."""
    wide = _CHAR_PX * len(label)
    for dx, dy in ((9, 4), (-9 - wide, 4), (-wide / 2, -9), (-wide / 2, 18)):
        box = (x + dx, y + dy - 10, x + dx + wide, y + dy + 3)
        inside = box[0] > 2 and box[2] < _WIDTH - 2
        if inside and all(
            box[2] <= other[0] or box[0] >= other[2] or box[3] <= other[1] or box[1] >= other[3]
            for other in taken
        ):
            taken.append(box)
            svg.text(x + dx, y + dy, label, "seenname")
            return
