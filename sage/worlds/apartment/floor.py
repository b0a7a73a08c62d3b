"""Where people can walk: free floor, routes over it, and places to stand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sage.navigation.grid import Costmap, Float32Array, GridFrame, signed_distance
from sage.navigation.route import RouteConfig, distance_map, nearest_reachable, trace
from sage.worlds.apartment.geometry import sight_is_blocked
from sage.worlds.apartment.layout import Layout

Point = tuple[float, float]
Disc = tuple[float, float, float]
"""(x, y, radius) of what stands in the way, metres."""

WALKING = RouteConfig(blocked_m=0.21, comfort_m=0.45)
SQUEEZING = RouteConfig(blocked_m=0.13, comfort_m=0.45)
"""How people keep off walls and obstacles, and how where there is no other way."""
_LINE_STEP_M = 0.05
_OPEN_M = (0.6, 0.45, 0.3)
_FROM_DOOR_M = 0.9


class Floor:
    """The floor of one apartment; what is known of it is kept until furniture moves."""

    def __init__(self) -> None:
        self._layout: Layout | None = None
        self._frame: GridFrame | None = None
        self._clearance: Float32Array | None = None

    def route(
        self,
        layout: Layout,
        start: Point,
        goal: Point,
        discs: Sequence[Disc] = (),
        steps: RouteConfig = WALKING,
    ) -> list[Point]:
        """The corners of a way for a person, ``start`` left out; empty where there is none."""
        costmap = self._costmap(layout, discs)
        to_go = distance_map(costmap, goal, steps, within_m=0.5)
        found = trace(costmap, to_go, start, steps)
        return [] if found is None else [(float(x), float(y)) for x, y in found.points[1:]]

    def clear(self, layout: Layout, a: Point, b: Point) -> bool:
        """Whether a person can walk straight from one point to the other."""
        count = max(2, int(math.dist(a, b) / _LINE_STEP_M))
        line = np.linspace(a, b, count)
        return float(self._costmap(layout).clearance(line).min()) >= WALKING.blocked_m

    def resting_place(
        self,
        layout: Layout,
        room: str,
        start: Point,
        discs: Sequence[Disc] = (),
        steps: RouteConfig = WALKING,
    ) -> Point | None:
        """Open floor near the middle of a room and out of its doors, that ``start`` leads to."""
        costmap = self._costmap(layout, discs)
        x_m, y_m = costmap.frame.centres()
        x, y = np.meshgrid(x_m, y_m)
        area = layout.static_map.room(room)
        inside = (x > area.x_min) & (x < area.x_max) & (y > area.y_min) & (y < area.y_max)
        for door in layout.static_map.doors:
            if room in door.between:
                inside &= np.hypot(x - door.x, y - door.y) >= _FROM_DOOR_M
        away = np.hypot(x - area.center[0], y - area.center[1])
        for open_m in _OPEN_M:
            open_floor = np.where(inside & (costmap.clearance_m >= open_m), away, np.inf)
            row, column = divmod(int(open_floor.argmin()), open_floor.shape[1])
            if not math.isfinite(open_floor[row, column]):
                continue
            place = costmap.frame.centre_of(row, column)
            if nearest_reachable(costmap, start, place, steps) == place:
                return place
        return None

    def _costmap(self, layout: Layout, discs: Sequence[Disc] = ()) -> Costmap:
        if self._layout is None or self._layout.furniture is not layout.furniture:
            frame = GridFrame.around(layout.static_map.bounds)
            x_m, y_m = frame.centres()
            rects = [*layout.static_map.walls, *(piece.footprint for piece in layout.furniture)]
            distance = signed_distance(rects, x_m[None, :], y_m[:, None])
            self._frame, self._clearance = frame, distance.astype(np.float32)
            self._layout = layout
        assert self._frame is not None
        assert self._clearance is not None
        clearance = self._clearance
        x_m, y_m = self._frame.centres()
        for x, y, radius in discs:
            away = np.hypot(x_m[None, :] - x, y_m[:, None] - y) - radius
            clearance = np.minimum(clearance, away.astype(np.float32))
        return Costmap(self._frame, clearance)


def in_sight(layout: Layout, a: Point, b: Point) -> bool:
    """Whether no wall stands between two points."""
    walls = np.array(layout.static_map.walls)
    return not sight_is_blocked(np.array([a]), b, walls)[0]


__all__ = ["SQUEEZING", "WALKING", "Disc", "Floor", "Point", "in_sight"]
