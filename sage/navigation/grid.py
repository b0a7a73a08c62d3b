"""Grids over the map: where cells lie, how a field is sampled, and the clearance of the flat.

Fields are float32 (rows, cols); row 0 is the smallest y, column 0 the smallest x, and a value
belongs to its cell's centre.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from sage.irp.errors import ConfigError

Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.intp]
Rectangle = tuple[float, float, float, float]


@dataclass(frozen=True)
class GridFrame:
    """Where a grid lies in the map: the corner of its first cell, cell size, shape."""

    origin_x_m: float
    origin_y_m: float
    cell_m: float
    rows: int
    cols: int

    def __post_init__(self) -> None:
        if not 0.01 <= self.cell_m <= 1.0:
            raise ConfigError(f"cell_m is {self.cell_m}; a grid cell measures 0.01 to 1.0 m")
        if self.rows < 2 or self.cols < 2:
            raise ConfigError(f"a grid of {self.rows} x {self.cols} cells; at least 2 x 2 needed")

    @classmethod
    def around(cls, bounds: Rectangle, cell_m: float = 0.05, margin_m: float = 0.3) -> GridFrame:
        """The grid that covers ``bounds`` (x0, y0, x1, y1) and a margin; even rows and columns."""
        x0, y0, x1, y1 = bounds
        if not (x1 > x0 and y1 > y0):
            raise ConfigError(f"bounds {bounds} are empty; give x0 < x1 and y0 < y1")
        cols = int(np.ceil((x1 - x0 + 2.0 * margin_m) / cell_m / 2.0)) * 2
        rows = int(np.ceil((y1 - y0 + 2.0 * margin_m) / cell_m / 2.0)) * 2
        return cls(x0 - margin_m, y0 - margin_m, cell_m, rows, cols)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.rows, self.cols

    def coarser(self) -> GridFrame:
        """The same area in cells twice as wide."""
        return GridFrame(
            self.origin_x_m, self.origin_y_m, 2.0 * self.cell_m, self.rows // 2, self.cols // 2
        )

    def centres(self) -> tuple[Float64Array, Float64Array]:
        """x of every column (cols,) and y of every row (rows,), in metres."""
        x_m: Float64Array = (
            self.origin_x_m + (np.arange(self.cols, dtype=np.float64) + 0.5) * self.cell_m
        )
        y_m: Float64Array = (
            self.origin_y_m + (np.arange(self.rows, dtype=np.float64) + 0.5) * self.cell_m
        )
        return x_m, y_m

    def cell_of(self, x_m: float, y_m: float) -> tuple[int, int]:
        """Row and column of a map point; a point outside gets the nearest cell."""
        col = int((x_m - self.origin_x_m) / self.cell_m)
        row = int((y_m - self.origin_y_m) / self.cell_m)
        return min(max(row, 0), self.rows - 1), min(max(col, 0), self.cols - 1)

    def centre_of(self, row: int, col: int) -> tuple[float, float]:
        """The map point (x, y) in the middle of a cell."""
        return (
            self.origin_x_m + (col + 0.5) * self.cell_m,
            self.origin_y_m + (row + 0.5) * self.cell_m,
        )

    def flat_cells(self, x_m: Float64Array, y_m: Float64Array) -> tuple[IntArray, BoolArray]:
        """Flat cell indices (N,) of points, and which of them lie inside the grid (N,)."""
        col = np.floor((x_m - self.origin_x_m) / self.cell_m).astype(np.intp)
        row = np.floor((y_m - self.origin_y_m) / self.cell_m).astype(np.intp)
        inside = (col >= 0) & (col < self.cols) & (row >= 0) & (row < self.rows)
        flat = np.clip(row, 0, self.rows - 1) * self.cols + np.clip(col, 0, self.cols - 1)
        return flat, inside

    def sample(
        self, field: Float32Array, x_m: npt.NDArray[np.floating], y_m: npt.NDArray[np.floating]
    ) -> Float32Array:
        """``field`` (rows, cols) at points of any shape, bilinear; the border extends outwards."""
        gx = np.asarray((x_m - self.origin_x_m) * (1.0 / self.cell_m) - 0.5, dtype=np.float32)
        gy = np.asarray((y_m - self.origin_y_m) * (1.0 / self.cell_m) - 0.5, dtype=np.float32)
        gx = np.clip(gx, 0.0, self.cols - 1.001)
        gy = np.clip(gy, 0.0, self.rows - 1.001)
        col, row = gx.astype(np.int32), gy.astype(np.int32)
        gx -= col
        gy -= row
        index = row * np.int32(self.cols) + col
        flat = field.ravel()
        low = flat.take(index)
        low += gx * (flat.take(index + 1) - low)
        index += self.cols
        high = flat.take(index)
        high += gx * (flat.take(index + 1) - high)
        high -= low
        high *= gy
        high += low
        return high


def signed_distance(
    rectangles: Sequence[Rectangle], x_m: Float64Array, y_m: Float64Array
) -> Float64Array:
    """Exact distance in metres to the nearest rectangle, negative inside; infinite for none."""
    nearest = np.full(np.broadcast(x_m, y_m).shape, np.inf)
    for x0, y0, x1, y1 in rectangles:
        dx = np.maximum(x0 - x_m, x_m - x1)
        dy = np.maximum(y0 - y_m, y_m - y1)
        outside = np.hypot(np.maximum(dx, 0.0), np.maximum(dy, 0.0))
        np.minimum(nearest, outside + np.minimum(np.maximum(dx, dy), 0.0), out=nearest)
    return nearest


def wall_distance(frame: GridFrame, walls: Sequence[Rectangle], bounds: Rectangle) -> Float32Array:
    """Distance (rows, cols) of every cell centre to the walls; what is out of bounds is solid."""
    x_m, y_m = frame.centres()
    x0, y0, x1, y1 = bounds
    to_edge = np.minimum(
        np.minimum(x_m - x0, x1 - x_m)[None, :], np.minimum(y_m - y0, y1 - y_m)[:, None]
    )
    distance = signed_distance(walls, x_m[None, :], y_m[:, None])
    return np.minimum(distance, to_edge).astype(np.float32)


def distance_to_cells(occupied: BoolArray, cell_m: float) -> Float32Array:
    """Euclidean distance (rows, cols) in metres from each cell's centre to the nearest occupied
    cell's near side; 100 m everywhere when none is occupied."""
    if not occupied.any():
        return np.full(occupied.shape, 100.0, dtype=np.float32)
    import cv2

    free = np.where(occupied, 0, 255).astype(np.uint8)
    cells = cv2.distanceTransform(free, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray((cells - 0.5) * cell_m, dtype=np.float32)


@dataclass(frozen=True)
class Costmap:
    """A frozen view of what stands where, for one plan.

    ``clearance_m`` (rows, cols) float32 is the distance to the nearest wall or live obstacle;
    ``revision`` grows with every change of the live obstacles.
    """

    frame: GridFrame
    clearance_m: Float32Array
    revision: int = 0

    def clearance(self, points: npt.NDArray[np.floating]) -> Float32Array:
        """Distance in metres (N,) from points (N, 2) to the nearest obstacle."""
        return self.frame.sample(self.clearance_m, points[:, 0], points[:, 1])

    @cached_property
    def coarse_clearance_m(self) -> Float32Array:
        """The clearance on cells twice as wide (the mean of four), for routes."""
        rows, cols = self.frame.shape
        blocks = self.clearance_m[: rows // 2 * 2, : cols // 2 * 2]
        return np.asarray(
            blocks.reshape(rows // 2, 2, cols // 2, 2).mean(axis=(1, 3)), dtype=np.float32
        )
