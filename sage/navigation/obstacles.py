"""What the range sensor sees and the map does not: furniture and people, as a log-odds layer.

Hits are added where a beam ends away from the walls; a cell that a later beam passes through is
cleared. So furniture stays and people leave no trail. The inverse sensor model is the usual
log-odds one (Elfes 1989; Thrun, Burgard, Fox 2005, chapter 9), evaluated only at cells that hold
evidence: what was never hit counts as free.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sage.irp.errors import ConfigError
from sage.navigation.grid import (
    BoolArray,
    Costmap,
    Float32Array,
    Float64Array,
    GridFrame,
    Rectangle,
    distance_to_cells,
    wall_distance,
)
from sage.values import Pose, RangeScan


@dataclass(frozen=True, slots=True)
class ObstacleConfig:
    """How evidence is gathered; log-odds per beam.

    ``wall_tolerance_m`` plus ``wall_tolerance_per_m`` of range is how near a wall a beam may end
    and still count as having hit that wall. ``link_gap_m``: two neighbouring hits closer than
    this belong to one surface (the robot could not pass between them anyway). Every
    ``look_every``-th scan also notes which floor has been seen.
    """

    hit: float = 0.9
    pass_through: float = 0.6
    pass_beside: float = 0.12
    ceiling: float = 3.5
    occupied_from: float = 0.7
    mapped_range_m: float = 5.0
    wall_tolerance_m: float = 0.09
    wall_tolerance_per_m: float = 0.02
    link_gap_m: float = 0.35
    beside_gap_m: float = 0.25
    look_every: int = 4

    def __post_init__(self) -> None:
        if not 0.0 < self.occupied_from <= self.hit <= self.ceiling:
            raise ConfigError(
                f"occupied_from {self.occupied_from}, hit {self.hit}, ceiling {self.ceiling}: "
                "they must rise in this order, from above 0"
            )
        if not 0.0 <= self.link_gap_m <= 0.44:
            raise ConfigError(f"link_gap_m is {self.link_gap_m}; valid: 0 to 0.44 (robot width)")


class ObstacleLayer:
    """The live obstacles over the walls of one map. Not thread-safe: its owner holds the lock."""

    def __init__(
        self,
        walls: Sequence[Rectangle],
        bounds: Rectangle,
        config: ObstacleConfig | None = None,
        cell_m: float = 0.05,
    ) -> None:
        self.config = config or ObstacleConfig()
        self.frame = GridFrame.around(bounds, cell_m)
        self.wall_distance_m: Float32Array = wall_distance(self.frame, walls, bounds)
        self._evidence = np.zeros(self.frame.shape, dtype=np.float32)
        self._occupied = np.zeros(self.frame.shape, dtype=np.bool_)
        self._drawn = self._occupied
        self._costmap = Costmap(self.frame, self.wall_distance_m, 0)
        coarse = self.frame.coarser()
        self._seen_free = np.zeros(coarse.shape, dtype=np.bool_)
        centres = np.meshgrid(*coarse.centres())
        self._centre_x_m, self._centre_y_m = centres[0].ravel(), centres[1].ravel()
        self._scans = 0

    @property
    def occupied(self) -> BoolArray:
        """Cells (rows, cols) that hold a live obstacle; a copy."""
        return self._occupied.copy()

    @property
    def seen_free(self) -> BoolArray:
        """Cells of the coarse grid (rows, cols) that beams have passed over; a copy. The inside of
        a piece of furniture is neither occupied nor seen free."""
        return self._seen_free.copy()

    def add(self, scan: RangeScan, pose: Pose) -> None:
        """Enter one scan taken at ``pose``: hits are marked, what beams passed is cleared."""
        hit = scan.ranges_m < scan.max_range_m - 0.05
        self._clear(scan, pose, hit)
        self._mark(scan, pose, hit)
        self._occupied = self._evidence > self.config.occupied_from
        if self._scans % self.config.look_every == 0:
            self._look(scan, pose, hit)
        self._scans += 1

    def costmap(self) -> Costmap:
        """The clearance to walls and live obstacles now; the same object while nothing changes."""
        if not np.array_equal(self._occupied, self._drawn):
            live = distance_to_cells(self._occupied, self.frame.cell_m)
            clearance = np.minimum(self.wall_distance_m, live)
            self._costmap = Costmap(self.frame, clearance, self._costmap.revision + 1)
            self._drawn = self._occupied
        return self._costmap

    def _mark(self, scan: RangeScan, pose: Pose, hit: BoolArray) -> None:
        config = self.config
        angle = pose.yaw_rad + scan.bearings_rad
        x_m = pose.x_m + scan.ranges_m * np.cos(angle)
        y_m = pose.y_m + scan.ranges_m * np.sin(angle)
        tolerance = config.wall_tolerance_m + config.wall_tolerance_per_m * scan.ranges_m
        wall = self.frame.sample(self.wall_distance_m, x_m, y_m)
        live = hit & (wall > tolerance) & (scan.ranges_m < config.mapped_range_m)
        cells, inside = self.frame.flat_cells(x_m[live], y_m[live])
        evidence = self._evidence.reshape(-1)
        cells = np.unique(cells[inside])
        evidence[cells] += config.hit

        # Neighbouring hits of one surface: fill the gap that the beam spacing leaves.
        following = np.roll(np.arange(live.size), -1)
        gap = np.hypot(x_m[following] - x_m, y_m[following] - y_m)
        near = live & live[following] & (gap < config.link_gap_m) & (gap > self.frame.cell_m)
        if near.any():
            share = np.linspace(0.0, 1.0, 9)[None, 1:-1]
            other = following[near]
            fill_x = (x_m[near, None] + share * (x_m[other] - x_m[near])[:, None]).ravel()
            fill_y = (y_m[near, None] + share * (y_m[other] - y_m[near])[:, None]).ravel()
            filled, inside = self.frame.flat_cells(fill_x, fill_y)
            filled = np.setdiff1d(filled[inside], cells)
            evidence[filled] += config.hit
        np.minimum(evidence, config.ceiling, out=evidence)

    def _clear(self, scan: RangeScan, pose: Pose, hit: BoolArray) -> None:
        config = self.config
        evidence = self._evidence.reshape(-1)
        held = np.flatnonzero(evidence > 0.0)
        if held.size == 0:
            return
        cell = self.frame.cell_m
        x_m = self.frame.origin_x_m + (held % self.frame.cols + 0.5) * cell - pose.x_m
        y_m = self.frame.origin_y_m + (held // self.frame.cols + 0.5) * cell - pose.y_m
        distance = np.hypot(x_m, y_m)
        bearing = np.arctan2(y_m, x_m) - pose.yaw_rad
        low, high, span = _neighbours(scan.bearings_rad, bearing)
        # A beam that hit nothing may have been dropped, so it proves no free space.
        reach = np.where(hit, scan.ranges_m, 0.0)
        beyond = distance + 0.12
        low_off, high_off = _offsets(scan.bearings_rad, bearing, low, high)
        half = 0.6 * cell
        through = ((reach[low] > beyond) & (distance * np.abs(low_off) < half)) | (
            (reach[high] > beyond) & (distance * np.abs(high_off) < half)
        )
        beside = (
            (reach[low] > beyond) & (reach[high] > beyond) & (distance * span < config.beside_gap_m)
        )
        loss = np.where(through, config.pass_through, np.where(beside, config.pass_beside, 0.0))
        evidence[held] = np.maximum(evidence[held] - loss, 0.0)

    def _look(self, scan: RangeScan, pose: Pose, hit: BoolArray) -> None:
        """Note which floor lies before the ends of the beams on both sides of it."""
        x_m, y_m = self._centre_x_m - pose.x_m, self._centre_y_m - pose.y_m
        near = np.flatnonzero(np.square(x_m) + np.square(y_m) < self.config.mapped_range_m**2)
        distance = np.hypot(x_m[near], y_m[near])
        bearing = np.arctan2(y_m[near], x_m[near]) - pose.yaw_rad
        low, high, _ = _neighbours(scan.bearings_rad, bearing)
        reach = np.where(hit, scan.ranges_m, 0.0)
        self._seen_free.reshape(-1)[near[np.minimum(reach[low], reach[high]) > distance]] = True


def _neighbours(
    bearings: Float64Array, wanted: Float64Array
) -> tuple[np.ndarray, np.ndarray, Float64Array]:
    """The beams below and above each wanted bearing, and the angle between the two."""
    relative = (wanted - bearings[0]) % (2.0 * np.pi)
    high = np.searchsorted(bearings - bearings[0], relative)
    low = (high - 1) % bearings.size
    high = high % bearings.size
    span = (bearings[high] - bearings[low]) % (2.0 * np.pi)
    return low, high, span


def _offsets(
    bearings: Float64Array, wanted: Float64Array, low: np.ndarray, high: np.ndarray
) -> tuple[Float64Array, Float64Array]:
    """Angles in (-pi, pi] from each wanted bearing to its two neighbouring beams."""
    turn = 2.0 * np.pi
    below = (wanted - bearings[low] + np.pi) % turn - np.pi
    above = (bearings[high] - wanted + np.pi) % turn - np.pi
    return below, above
