"""Plane geometry on a grid: clearances, connectivity and lines of sight among rectangles."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from sage.worlds.static_map import Rect

BoolGrid = npt.NDArray[np.bool_]
Points = npt.NDArray[np.float64]


def oriented_rect(
    x_m: float, y_m: float, yaw_rad: float, depth_m: float, width_m: float
) -> tuple[float, float, float, float]:
    """The axis-aligned rectangle of a footprint whose yaw is a multiple of 90 degrees."""
    sideways = abs(math.sin(yaw_rad)) > 0.5
    half_x, half_y = (width_m / 2, depth_m / 2) if sideways else (depth_m / 2, width_m / 2)
    return x_m - half_x, y_m - half_y, x_m + half_x, y_m + half_y


def overlap(a: Rect, b: Rect, margin_m: float = 0.0) -> bool:
    """Whether two rectangles come closer than ``margin_m`` along both axes."""
    return (
        a[0] < b[2] + margin_m
        and b[0] < a[2] + margin_m
        and a[1] < b[3] + margin_m
        and b[1] < a[3] + margin_m
    )


def clearance_to_rects(x: Points, y: Points, rects: npt.NDArray[np.float64]) -> Points:
    """Distance from each point to the nearest of the rectangles (K, 4); inf if there is none."""
    if len(rects) == 0:
        return np.full(np.shape(x), np.inf)
    x, y = np.asarray(x)[..., None], np.asarray(y)[..., None]
    dx = np.maximum(np.maximum(rects[:, 0] - x, x - rects[:, 2]), 0.0)
    dy = np.maximum(np.maximum(rects[:, 1] - y, y - rects[:, 3]), 0.0)
    nearest: Points = np.sqrt((dx * dx + dy * dy).min(axis=-1))
    return nearest


def connected_from(free: BoolGrid, start: tuple[int, int]) -> BoolGrid:
    """The free cells that can be reached from ``start`` in steps to the four neighbours."""
    rows, columns = free.shape
    # A flat list with a sealed border is the quickest flood fill without a compiled helper.
    width = columns + 2
    cells = np.zeros((rows + 2, width), dtype=np.uint8)
    cells[1:-1, 1:-1] = free
    flat = bytearray(cells.tobytes())
    first = (start[0] + 1) * width + start[1] + 1
    reached = bytearray(len(flat))
    if flat[first]:
        stack = [first]
        flat[first] = 0
        while stack:
            cell = stack.pop()
            reached[cell] = 1
            for neighbour in (cell - 1, cell + 1, cell - width, cell + width):
                if flat[neighbour]:
                    flat[neighbour] = 0
                    stack.append(neighbour)
    grid = np.frombuffer(bytes(reached), dtype=np.uint8).reshape(cells.shape)
    return grid[1:-1, 1:-1].astype(bool)


def sight_is_blocked(
    origins: Points, target: tuple[float, float], rects: npt.NDArray[np.float64]
) -> npt.NDArray[np.bool_]:
    """For each origin (N, 2): does the segment to the target cross one of the rectangles?"""
    if len(rects) == 0:
        return np.zeros(len(origins), dtype=bool)
    delta = np.asarray(target) - origins
    delta = np.where(np.abs(delta) < 1e-9, 1e-9, delta)
    t_a = (rects[None, :, :2] - origins[:, None]) / delta[:, None]
    t_b = (rects[None, :, 2:] - origins[:, None]) / delta[:, None]
    enter = np.minimum(t_a, t_b).max(axis=2)
    leave = np.maximum(t_a, t_b).min(axis=2)
    hit = (enter < leave) & (enter < 1.0) & (leave > 0.0)
    blocked: npt.NDArray[np.bool_] = hit.any(axis=1)
    return blocked
