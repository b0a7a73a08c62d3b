"""Routes: the cost to go to a goal from everywhere, and the polyline that follows it.

The cost to go is the fixed point of Dijkstra's recursion on the 8-connected grid (Dijkstra 1959),
found by sweeping whole rows, columns and diagonals back and forth (fast sweeping: Zhao 2005): along
a line, ``min over k of d[k] + C[j] - C[k]`` with C the running sum of edge costs is a prefix
minimum, so one numpy call relaxes every line of a direction at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from sage.irp.errors import ConfigError
from sage.navigation.grid import BoolArray, Costmap, Float32Array, Float64Array, GridFrame, IntArray

WALL = 1e6
"""Edge cost that no route can afford; finite, so that running sums stay exact enough."""
UNREACHABLE = 1e4


@dataclass(frozen=True, slots=True)
class RouteConfig:
    """How routes keep their distance.

    Cells with less than ``blocked_m`` clearance are closed; between there and ``comfort_m`` a
    metre costs up to ``1 + crowding`` metres. Of the cost to go inside closed cells,
    ``escape_per_m`` is the slope that leads back out.
    """

    blocked_m: float = 0.27
    comfort_m: float = 0.55
    crowding: float = 3.0
    escape_per_m: float = 12.0

    def __post_init__(self) -> None:
        if not 0.0 < self.blocked_m < self.comfort_m:
            raise ConfigError(
                f"blocked_m {self.blocked_m} and comfort_m {self.comfort_m}: 0 < blocked < comfort"
            )


@dataclass(frozen=True)
class CostToGo:
    """Cost in metres (rows, cols) from everywhere to one goal, on the coarse grid.

    Closed cells next to open ones carry a slope that leads out of them; cells that no route
    reaches carry ``far_m``, more than any cell that one does.
    """

    frame: GridFrame
    goal: tuple[float, float]
    cost_m: Float32Array
    reached: BoolArray
    far_m: float

    def at(self, x_m: float, y_m: float) -> float:
        """Cost to go from one map point."""
        return float(self.frame.sample(self.cost_m, np.array([x_m]), np.array([y_m]))[0])

    def reachable(self, x_m: float, y_m: float) -> bool:
        """Whether a route leads from here to the goal; a spot in a closed cell counts where an
        open cell lies within 0.3 m, because a robot that stands there can leave it."""
        row, col = self.frame.cell_of(x_m, y_m)
        if self.reached[row, col]:
            return True
        reach = max(1, round(0.3 / self.frame.cell_m))
        near = self.reached[
            max(row - reach, 0) : row + reach + 1, max(col - reach, 0) : col + reach + 1
        ]
        return bool(near.any())


@dataclass(frozen=True)
class Route:
    """A polyline (N, 2) in the map from where the robot is to ``goal``; its length in metres."""

    points: Float64Array
    length_m: float


class Lines:
    """All rows, columns and diagonals of a grid as index tables, for whole-line sweeps."""

    def __init__(self, rows: int, cols: int) -> None:
        flat = np.arange(rows * cols).reshape(rows, cols)
        self.tables: tuple[tuple[IntArray, float], ...] = (
            (flat, 1.0),
            (np.ascontiguousarray(flat.T), 1.0),
            (_diagonals(flat), math.sqrt(2.0)),
            (_diagonals(flat[:, ::-1]), math.sqrt(2.0)),
        )


@lru_cache(maxsize=4)
def _lines(rows: int, cols: int) -> Lines:
    return Lines(rows, cols)


def _diagonals(flat: IntArray) -> IntArray:
    """Every diagonal as a row, padded with the index one past the last cell."""
    rows, cols = flat.shape
    table = np.full((rows + cols - 1, min(rows, cols)), flat.size, dtype=np.intp)
    for line, offset in enumerate(range(-(rows - 1), cols)):
        diagonal = np.diagonal(flat, offset)
        table[line, : diagonal.size] = diagonal
    return table


def cell_costs(costmap: Costmap, config: RouteConfig) -> Float64Array:
    """Cost per metre (rows, cols) on the coarse grid; ``WALL`` where closed."""
    clearance = costmap.coarse_clearance_m.astype(np.float64)
    span = config.comfort_m - config.blocked_m
    crowd = np.clip((config.comfort_m - clearance) / span, 0.0, 1.0)
    return np.where(clearance < config.blocked_m, WALL, 1.0 + config.crowding * crowd * crowd)


def propagate(costs: Float64Array, cell_m: float, seeds: Float64Array) -> Float64Array:
    """Cheapest cost (rows, cols) from each cell to any seed: ``seeds`` (rows, cols) holds the cost
    at the seeds and infinity elsewhere; the result is infinite where no seed is in reach."""
    rows, cols = costs.shape
    size = rows * cols
    price = np.append(costs.ravel(), WALL)
    found = np.append(np.minimum(seeds.ravel(), UNREACHABLE * 10.0), UNREACHABLE * 10.0)
    sweeps = []
    for table, stretch in _lines(rows, cols).tables:
        along = price[table]
        edges = 0.5 * stretch * cell_m * (along[:, 1:] + along[:, :-1])
        running = np.zeros(table.shape)
        np.cumsum(edges, axis=1, out=running[:, 1:])
        sweeps.append((table, running))
    while True:
        before = found.copy()
        for table, running in sweeps:
            line = found[table]
            ahead = np.minimum.accumulate(line - running, axis=1)
            ahead += running
            behind = np.minimum.accumulate((line + running)[:, ::-1], axis=1)[:, ::-1]
            behind -= running
            np.minimum(ahead, behind, out=line)
            found[table] = line
            found[size] = UNREACHABLE * 10.0
        if np.max(before - found) < 1e-6:
            break
    grid = found[:size].reshape(rows, cols)
    return np.where(grid < UNREACHABLE, grid, np.inf)


def distance_map(
    costmap: Costmap,
    goal: tuple[float, float],
    config: RouteConfig | None = None,
    within_m: float = 0.1,
) -> CostToGo:
    """The cost to go to ``goal`` (x, y) from everywhere.

    Where the goal itself is closed, open cells ``within_m`` of it will do; where there are none,
    nothing is reached.
    """
    config = config or RouteConfig()
    frame = costmap.frame.coarser()
    costs = cell_costs(costmap, config)
    seeds = _seeds(frame, costs, goal, within_m)
    cost = propagate(costs, frame.cell_m, seeds)
    reached = np.isfinite(cost)
    return CostToGo(frame, goal, *_fill_closed(cost, reached, frame.cell_m, config))


def _seeds(
    frame: GridFrame, costs: Float64Array, goal: tuple[float, float], within_m: float
) -> Float64Array:
    """The goal's cell and its neighbours with their true distances, so that the cost is lowest at
    the goal itself and not at a cell's centre."""
    x_m, y_m = frame.centres()
    away = np.hypot(x_m[None, :] - goal[0], y_m[:, None] - goal[1])
    reach = 1.5 * frame.cell_m
    if costs[frame.cell_of(*goal)] >= WALL:
        reach = max(reach, within_m)
    return np.where((away <= reach) & (costs < WALL), away * costs, np.inf)


def _fill_closed(
    cost: Float64Array, reached: BoolArray, cell_m: float, config: RouteConfig
) -> tuple[Float32Array, BoolArray, float]:
    far_m = (float(cost[reached].max()) if reached.any() else 0.0) + 20.0
    filled = np.where(reached, cost, np.inf)
    slope = config.escape_per_m * cell_m
    for _ in range(5):
        padded = np.pad(filled, 1, constant_values=np.inf)
        ring = np.minimum.reduce(
            [padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]]
        )
        filled = np.where(np.isfinite(filled), filled, ring + slope)
    return np.minimum(filled, far_m).astype(np.float32), reached, far_m


def nearest_reachable(
    costmap: Costmap,
    start: tuple[float, float],
    wanted: tuple[float, float],
    config: RouteConfig | None = None,
) -> tuple[float, float] | None:
    """The open spot nearest to ``wanted`` that a route from ``start`` reaches, ``wanted`` itself
    where it is one; None where the robot is shut in."""
    config = config or RouteConfig()
    frame = costmap.frame.coarser()
    reached = reachable_from(costmap, start, config)
    if reached[frame.cell_of(*wanted)]:
        return wanted
    rows, cols = np.nonzero(reached)
    if rows.size == 0:
        return None
    x_m, y_m = frame.centres()
    # A little further off but not squeezed in is better: what is near was seen only in part.
    squeezed = np.maximum(config.blocked_m + 0.1 - costmap.coarse_clearance_m[rows, cols], 0.0)
    best = int(np.argmin(np.hypot(x_m[cols] - wanted[0], y_m[rows] - wanted[1]) + 2.0 * squeezed))
    return frame.centre_of(int(rows[best]), int(cols[best]))


def reachable_from(
    costmap: Costmap, start: tuple[float, float], config: RouteConfig | None = None
) -> BoolArray:
    """Open coarse cells (rows, cols) that a route from ``start`` reaches; a start in a closed cell
    first steps out to the nearest open cell within 0.4 m."""
    config = config or RouteConfig()
    frame = costmap.frame.coarser()
    costs = cell_costs(costmap, config)
    seeds = np.full(frame.shape, np.inf)
    x_m, y_m = frame.centres()
    away = np.hypot(x_m[None, :] - start[0], y_m[:, None] - start[1])
    away = np.where(costs < WALL, away, np.inf)
    if away.min() > 0.4:
        return np.zeros(frame.shape, dtype=np.bool_)
    seeds[np.unravel_index(int(np.argmin(away)), away.shape)] = 0.0
    return np.isfinite(propagate(costs, frame.cell_m, seeds))


def trace(
    costmap: Costmap, to_go: CostToGo, start: tuple[float, float], config: RouteConfig | None = None
) -> Route | None:
    """The smoothed polyline down the cost to go from ``start``; None where no route exists."""
    config = config or RouteConfig()
    if not to_go.reachable(*start):
        return None
    frame = to_go.frame
    row, col = frame.cell_of(*start)
    goal_cell = frame.cell_of(*to_go.goal)
    cells = [start]
    for _ in range(frame.rows * frame.cols):
        if (row, col) == goal_cell:
            break
        top, left = max(row - 1, 0), max(col - 1, 0)
        window = to_go.cost_m[top : row + 2, left : col + 2]
        step_row, step_col = divmod(int(np.argmin(window)), window.shape[1])
        if (top + step_row, left + step_col) == (row, col):
            break
        row, col = top + step_row, left + step_col
        cells.append(frame.centre_of(row, col))
    cells.append(to_go.goal)
    points = _shortcut(costmap, np.array(cells), config)
    legs = np.hypot(*np.diff(points, axis=0).T)
    return Route(points, float(legs.sum()))


def _shortcut(costmap: Costmap, points: Float64Array, config: RouteConfig) -> Float64Array:
    """Keep only the corners that are needed to stay as clear of obstacles as the cells were."""
    room = costmap.clearance(points)
    keep = [0]
    here, last = 0, len(points) - 1
    while here < last:
        reach = last
        while reach > here + 1:
            count = max(2, int(np.hypot(*(points[reach] - points[here])) / 0.05))
            share = np.linspace(0.0, 1.0, count)[:, None]
            line = points[here] + share * (points[reach] - points[here])
            wanted = min(float(room[here : reach + 1].min()), config.comfort_m) - 0.03
            if float(costmap.clearance(line).min()) >= wanted:
                break
            reach = here + max(1, (reach - here) // 2)
        keep.append(reach)
        here = reach
    return points[keep]


def plan_route(
    costmap: Costmap,
    start: tuple[float, float],
    goal: tuple[float, float],
    config: RouteConfig | None = None,
) -> Route | None:
    """The smoothed route from ``start`` to ``goal``; None where none exists (then
    `nearest_reachable` offers a spot)."""
    return trace(costmap, distance_map(costmap, goal, config), start, config)
