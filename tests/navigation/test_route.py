"""Routes: as short as they can be, away from walls, none where there is none."""

from __future__ import annotations

import heapq
import math

import numpy as np
import pytest

from sage.navigation.grid import Costmap, Float64Array, GridFrame, wall_distance
from sage.navigation.route import (
    WALL,
    RouteConfig,
    distance_map,
    nearest_reachable,
    plan_route,
    propagate,
    reachable_from,
)
from tests.navigation.flat_world import two_rooms


def _costmap(
    door_m: float = 1.0, extra: tuple[tuple[float, float, float, float], ...] = ()
) -> Costmap:
    flat = two_rooms(door_m)
    frame = GridFrame.around(flat.bounds)
    return Costmap(frame, wall_distance(frame, [*flat.walls, *extra], flat.bounds))


def _dijkstra(costs: Float64Array, cell_m: float, seed: tuple[int, int]) -> Float64Array:
    found = np.full(costs.shape, np.inf)
    found[seed] = 0.0
    heap = [(0.0, seed)]
    while heap:
        cost, (row, col) = heapq.heappop(heap)
        if cost > found[row, col]:
            continue
        for dr in (-1, 0, 1):
            for dc in (-1, 0, 1):
                r, c = row + dr, col + dc
                if (dr, dc) == (0, 0) or not (0 <= r < costs.shape[0] and 0 <= c < costs.shape[1]):
                    continue
                if costs[r, c] >= WALL:
                    continue
                there = cost + 0.5 * math.hypot(dr, dc) * cell_m * (costs[row, col] + costs[r, c])
                if there < found[r, c] - 1e-12:
                    found[r, c] = there
                    heapq.heappush(heap, (there, (r, c)))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_sweeps_find_what_dijkstra_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    costs = 1.0 + 3.0 * rng.random((24, 31))
    costs[rng.random(costs.shape) < 0.35] = WALL
    costs[3, 4] = 1.0
    seeds = np.full(costs.shape, np.inf)
    seeds[3, 4] = 0.0
    found = propagate(costs, 0.1, seeds)
    np.testing.assert_allclose(found, _dijkstra(costs, 0.1, (3, 4)), atol=1e-9)


def test_a_route_goes_through_the_door() -> None:
    route = plan_route(_costmap(), (1.0, 3.2), (7.0, 3.2))
    assert route is not None
    assert 6.0 < route.length_m < 7.2
    np.testing.assert_allclose(route.points[[0, -1]], [[1.0, 3.2], [7.0, 3.2]])
    at_door = np.interp(4.0, route.points[:, 0], route.points[:, 1])
    assert abs(at_door - 2.0) < 0.3


def test_a_route_keeps_clear_of_walls() -> None:
    costmap = _costmap()
    route = plan_route(costmap, (1.0, 3.2), (7.0, 3.2))
    assert route is not None
    for first, last in zip(route.points[:-1], route.points[1:], strict=True):
        line = first + np.linspace(0.0, 1.0, 60)[:, None] * (last - first)
        assert costmap.clearance(line).min() > 0.24


def test_cost_to_go_is_least_at_the_goal_and_falls_along_the_way() -> None:
    to_go = distance_map(_costmap(), (6.53, 1.37))
    assert to_go.at(6.53, 1.37) < 0.08
    way = [to_go.at(x, 2.0) for x in (1.0, 2.0, 3.0, 4.0, 5.0)]
    assert way == sorted(way, reverse=True)


def test_a_closed_door_leaves_no_route_but_a_nearest_spot() -> None:
    costmap = _costmap(extra=((3.95, 1.0, 4.05, 3.0),))
    assert plan_route(costmap, (1.0, 2.0), (7.0, 2.0)) is None
    assert not distance_map(costmap, (7.0, 2.0)).reachable(1.0, 2.0)
    spot = nearest_reachable(costmap, (1.0, 2.0), (7.0, 2.0))
    assert spot is not None
    assert 3.3 < spot[0] < 3.75
    assert nearest_reachable(costmap, (1.0, 2.0), (2.0, 3.0)) == (2.0, 3.0)


def test_walls_are_never_reached() -> None:
    costmap = _costmap()
    reached = reachable_from(costmap, (1.0, 2.0))
    assert reached.any()
    assert costmap.coarse_clearance_m[reached].min() >= RouteConfig().blocked_m


def test_a_goal_inside_a_wall_is_not_reached_unless_near_will_do() -> None:
    costmap = _costmap()
    assert not distance_map(costmap, (4.0, 0.5)).reached.any()
    assert distance_map(costmap, (3.6, 0.5), within_m=0.3).reachable(1.0, 2.0)


def test_closed_cells_slope_back_to_open_floor() -> None:
    to_go = distance_map(_costmap(), (6.0, 2.0))
    assert to_go.at(1.0, 0.12) > to_go.at(1.0, 0.22) > to_go.at(1.0, 0.35)
