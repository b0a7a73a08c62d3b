"""The floor plan: a home from above, with the way that was driven."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from sage.irp.errors import ConfigError
from sage.navigation.grid import GridFrame
from sage.values import Pose, UInt8Array
from sage.view.ink import INK, Colour, chip, fit, readable_on, text_size, write
from sage.worlds.static_map import StaticMap

_Box = tuple[float, float, float, float]
_PAPER: Colour = (250, 249, 246)
_ROUTE: Colour = (38, 110, 215)
_MARKS: dict[str, Colour] = {
    "start": (60, 66, 78),
    "goal": (222, 116, 16),
    "found": (22, 150, 84),
    "person": (150, 70, 190),
    "fault": (212, 46, 56),
}


@dataclass(frozen=True, slots=True)
class Mark:
    """A place worth showing on a floor plan; ``kind`` gives its colour.

    Kinds: ``start``, ``goal``, ``found``, ``person``, ``fault`` (a collision, a failure).
    """

    x_m: float
    y_m: float
    label: str = ""
    kind: str = "goal"

    def __post_init__(self) -> None:
        if self.kind not in _MARKS:
            raise ConfigError(f"mark kind is {self.kind!r}; valid: {', '.join(_MARKS)}")


@dataclass(frozen=True, slots=True)
class Occupancy:
    """How likely each cell of a grid is occupied: (rows, cols) in [0, 1], row 0 at smallest y."""

    grid: GridFrame
    probability: npt.NDArray[np.floating[Any]]

    def __post_init__(self) -> None:
        if self.probability.shape != self.grid.shape:
            raise ConfigError(
                f"occupancy has shape {self.probability.shape}; its grid has {self.grid.shape}"
            )


class _Paper:
    """A sheet with a map's coordinates: x to the right, y up, drawn to a sixteenth of a pixel."""

    def __init__(self, bounds: tuple[float, float, float, float], width_px: int) -> None:
        self.margin = width_px // 24
        x0, y0, x1, y1 = bounds
        if not (x1 > x0 and y1 > y0):
            raise ConfigError(f"the map's bounds {bounds} are empty")
        self.px_per_m = (width_px - 2 * self.margin) / (x1 - x0)
        self.origin = (x0, y1)
        self.footer = round(1.4 * self.margin)
        height_px = round((y1 - y0) * self.px_per_m) + self.margin + self.footer
        self.rgb: UInt8Array = np.full((height_px, width_px, 3), _PAPER, np.uint8)

    def at(self, x_m: float, y_m: float) -> tuple[float, float]:
        """Pixel coordinates of a map point."""
        x0, y1 = self.origin
        return (
            self.margin + (x_m - x0) * self.px_per_m,
            self.margin + (y1 - y_m) * self.px_per_m,
        )

    def around(self, x_m: float, y_m: float, radius_px: float) -> _Box:
        """The square (left, top, right, bottom) around a map point, in pixels."""
        x, y = self.at(x_m, y_m)
        return x - radius_px, y - radius_px, x + radius_px, y + radius_px

    def points(self, points_m: Sequence[tuple[float, float]]) -> npt.NDArray[np.int32]:
        return np.round([[16 * v for v in self.at(*p)] for p in points_m]).astype(np.int32)

    def fill(self, points_m: Sequence[tuple[float, float]], colour: Colour) -> None:
        cv2.fillPoly(self.rgb, [self.points(points_m)], colour, cv2.LINE_AA, 4)

    def line(self, points_m: Sequence[tuple[float, float]], colour: Colour, thick: int) -> None:
        cv2.polylines(self.rgb, [self.points(points_m)], False, colour, thick, cv2.LINE_AA, 4)

    def disc(self, x_m: float, y_m: float, radius_px: float, colour: Colour) -> None:
        ((x, y),) = self.points([(x_m, y_m)])
        cv2.circle(self.rgb, (int(x), int(y)), round(16 * radius_px), colour, -1, cv2.LINE_AA, 4)


def _rectangle(x0: float, y0: float, x1: float, y1: float) -> list[tuple[float, float]]:
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def floor_plan(
    static_map: StaticMap,
    path: Sequence[Pose] = (),
    marks: Sequence[Mark] = (),
    occupancy: Occupancy | None = None,
    *,
    width_px: int = 1100,
) -> UInt8Array:
    """The map from above: rooms, walls, what the range sensor met, the way driven, the marks.

    The way fades from pale (its start) to full colour, and ends in an arrow at the last pose.
    """
    if not 200 <= width_px <= 4000:
        raise ConfigError(f"width_px is {width_px}; it must be in [200, 4000]")
    paper = _Paper(static_map.bounds, width_px)
    size = width_px / 1500
    for number, room in enumerate(sorted(static_map.rooms, key=lambda room: room.name)):
        red, green, blue = colorsys.hls_to_rgb(0.08 + number * 0.618 % 1.0, 0.94, 0.42)
        tint = (round(255 * red), round(255 * green), round(255 * blue))
        paper.fill(_rectangle(room.x_min, room.y_min, room.x_max, room.y_max), tint)
    if occupancy is not None:
        _shade(paper, occupancy)
    for wall in static_map.walls:
        paper.fill(_rectangle(*wall), INK)
    for room in static_map.rooms:
        name = room.name.upper()
        x, y = paper.at(room.x_min, room.y_max)
        inset = 0.16 * paper.px_per_m
        fitted = fit(
            name, round((room.x_max - room.x_min) * paper.px_per_m - 2 * inset), size, True
        )
        write(paper.rgb, fitted, x + inset, y + inset + 24 * size, size, (120, 124, 134), True)
    _draw_way(paper, path, width_px)
    taken = [_draw_disc(paper, mark, width_px) for mark in marks]
    if path:
        taken.append(_draw_robot(paper, path[-1]))
    for mark in marks:
        _draw_label(paper, mark, width_px, taken)
    _draw_scale(paper, size)
    return paper.rgb


def _shade(paper: _Paper, occupancy: Occupancy) -> None:
    grid = occupancy.grid
    x0, y0 = paper.at(grid.origin_x_m, grid.origin_y_m + grid.rows * grid.cell_m)
    x1, y1 = paper.at(grid.origin_x_m + grid.cols * grid.cell_m, grid.origin_y_m)
    probability = np.clip(np.nan_to_num(occupancy.probability), 0.0, 1.0).astype(np.float32)
    wide, high = round(x1 - x0), round(y1 - y0)
    how = cv2.INTER_LINEAR if wide >= grid.cols else cv2.INTER_AREA
    cover = cv2.resize(np.ascontiguousarray(probability[::-1]), (wide, high), interpolation=how)
    left, top = round(x0), round(y0)
    rows = slice(max(top, 0), min(top + high, paper.rgb.shape[0]))
    cols = slice(max(left, 0), min(left + wide, paper.rgb.shape[1]))
    cover = cover[rows.start - top : rows.stop - top, cols.start - left : cols.stop - left, None]
    area = paper.rgb[rows, cols]
    area[:] = np.round(area + 0.62 * cover * (np.array((92, 98, 112)) - area)).astype(np.uint8)


def _draw_way(paper: _Paper, path: Sequence[Pose], width_px: int) -> None:
    if len(path) < 2:
        return
    places = [(pose.x_m, pose.y_m) for pose in path]
    thick = max(2, width_px // 260)
    paper.line(places, (255, 255, 255), thick + 4)
    pieces = min(48, len(places) - 1)
    for piece in range(pieces):
        begin = piece * (len(places) - 1) // pieces
        end = (piece + 1) * (len(places) - 1) // pieces
        share = 0.35 + 0.65 * (piece + 1) / pieces
        pale = [round(255 + share * (full - 255)) for full in _ROUTE]
        paper.line(places[begin : end + 1], (pale[0], pale[1], pale[2]), thick)


def _draw_robot(paper: _Paper, pose: Pose) -> _Box:
    radius_px = 0.19 * paper.px_per_m
    paper.disc(pose.x_m, pose.y_m, radius_px + 3, (255, 255, 255))
    paper.disc(pose.x_m, pose.y_m, radius_px, _ROUTE)
    arrow = [pose.point_at(turn, 0.13) for turn in (0.0, 2.45, -2.45)]
    paper.fill(arrow, (255, 255, 255))
    return paper.around(pose.x_m, pose.y_m, radius_px)


def _mark_radius_px(width_px: int) -> float:
    return max(4.0, width_px / 130)


def _draw_disc(paper: _Paper, mark: Mark, width_px: int) -> _Box:
    radius_px = _mark_radius_px(width_px)
    paper.disc(mark.x_m, mark.y_m, radius_px + 2, (255, 255, 255))
    paper.disc(mark.x_m, mark.y_m, radius_px, _MARKS[mark.kind])
    paper.disc(mark.x_m, mark.y_m, 0.36 * radius_px, (255, 255, 255))
    return paper.around(mark.x_m, mark.y_m, radius_px)


def _draw_label(paper: _Paper, mark: Mark, width_px: int, taken: list[_Box]) -> None:
    """The mark's label beside it, where it covers no other mark or label."""
    if not mark.label:
        return
    colour, radius_px = _MARKS[mark.kind], _mark_radius_px(width_px)
    size = width_px / 1650
    width, height = text_size(mark.label, size, True)
    pad = round(0.5 * height)
    wide, high = width + 2 * pad, height + 2 * pad
    x, y = paper.at(mark.x_m, mark.y_m)
    places = [
        place
        for gap in (radius_px + 5, 0.19 * paper.px_per_m + 8)  # the second clears the robot
        for place in (
            (x + gap, y - high / 2),
            (x - gap - wide, y - high / 2),
            (x - wide / 2, y - gap - high),
            (x - wide / 2, y + gap),
            (x + gap, y + gap),
            (x - gap - wide, y + gap),
        )
    ]
    sheet_high, sheet_wide = paper.rgb.shape[:2]

    def free(place: tuple[float, float]) -> bool:
        left, top = place
        inside = 0 <= left <= sheet_wide - wide and 0 <= top <= sheet_high - high
        return inside and all(
            left >= x1 or left + wide <= x0 or top >= y1 or top + high <= y0
            for x0, y0, x1, y1 in taken
        )

    left, top = next(filter(free, places), places[0])
    taken.append((left, top, left + wide, top + high))
    chip(paper.rgb, round(left), round(top), wide, high, colour, 0.92)
    write(paper.rgb, mark.label, left + pad, top + pad + height, size, readable_on(colour), True)


def _draw_scale(paper: _Paper, size: float) -> None:
    """One metre, in the lower left corner."""
    high = paper.rgb.shape[0]
    x, y = paper.margin, high - round(0.55 * paper.footer)
    end = round(x + paper.px_per_m)
    cv2.line(paper.rgb, (x, y), (end, y), INK, 2, cv2.LINE_AA)
    for tick in (x, end):
        cv2.line(paper.rgb, (tick, y - 5), (tick, y + 5), INK, 2, cv2.LINE_AA)
    write(paper.rgb, "1 m", end + 10, y + 9 * size, 0.9 * size, INK, False)
