"""What a hand can take and where it can put things down: plane geometry, no physics.

Distances are along the ground. A wall between the robot and a thing keeps the hand away from it;
furniture does not, the hand reaches over it.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from sage.values import Pose
from sage.worlds.apartment.catalogue import OBJECT_RADIUS_M, PIECES, RESTS
from sage.worlds.apartment.furnishing import Furniture, PlacedObject
from sage.worlds.apartment.geometry import clearance_to_rects, sight_is_blocked
from sage.worlds.apartment.layout import Layout
from sage.worlds.apartment.robot import FOOTPRINT_RADIUS_M
from sage.worlds.static_map import Rect

GRIPPER, FLOOR = "gripper", "floor"
"""What an object stands on while it is held, or lies on the floor."""

OFF_TARGET_M = 0.35
REACH_M = 1.05
AHEAD_RAD = math.radians(60.0)
BESIDE_TOP_M = 0.25
PLACE_REACH_M = 1.1
FLOOR_OFF_M = 0.5
CROWDED = 0.7
"""On a full top things stand this much closer than their radii: few of them are round."""
_GRID_M = 0.025

Point = tuple[float, float]


def within_grasp(layout: Layout, robot: Pose, point: Point) -> PlacedObject | None:
    """The object nearest to a map point that the hand can take, None if there is none.

    It has to lie within 0.35 m of the point, 1.05 m of the robot's centre, 60 degrees of straight
    ahead, and behind no wall.
    """
    found = [
        thing
        for thing in layout.objects
        if thing.furniture != GRIPPER
        and math.dist((thing.x_m, thing.y_m), point) <= OFF_TARGET_M
        and robot.distance_to(thing.x_m, thing.y_m) <= REACH_M
        and abs(robot.bearing_to(thing.x_m, thing.y_m)) <= AHEAD_RAD
        and not _walled_off(layout, robot, (thing.x_m, thing.y_m))
    ]
    return min(found, key=lambda thing: math.dist((thing.x_m, thing.y_m), point), default=None)


def put_down(layout: Layout, robot: Pose, thing: PlacedObject, point: Point) -> PlacedObject | None:
    """The object where it comes to stand if it is put down at a map point; None if it cannot.

    It goes onto the furniture whose top is at the point or within 0.25 m of it, at the nearest
    free spot of the top that is within 1.1 m of the robot's centre; where there is no such
    furniture, onto the free floor nearest to the point and within 0.5 m of it.
    """
    room = layout.static_map.room_at(*point)
    beside = []
    for piece in layout.furniture:
        top = top_of(piece) if piece.room == room else None
        if top is not None and (away_m := _away(point, top[0])) <= BESIDE_TOP_M:
            beside.append((away_m, piece, *top))
    beside.sort(key=lambda found: found[0])
    for _, piece, top_rect, height_m in beside:
        others = [o for o in layout.objects if (o.furniture, o.room) == (piece.name, piece.room)]
        spots = _grid_on(top_rect, thing)
        for spacing in (1.0, CROWDED):
            spot = _free_spot(layout, robot, thing, point, spots, others, spacing)
            if spot is not None:
                x, y = spot
                return replace(
                    thing, furniture=piece.name, room=piece.room, x_m=x, y_m=y, z_m=height_m
                )
    if beside:
        return None
    others = [o for o in layout.objects if o.furniture == FLOOR]
    spot = _free_spot(layout, robot, thing, point, _floor_near(layout, robot, thing), others)
    if spot is None or math.dist(spot, point) > FLOOR_OFF_M:
        return None
    room = layout.static_map.room_at(*spot)
    if room is None:
        return None
    return replace(thing, furniture=FLOOR, room=room, x_m=spot[0], y_m=spot[1], z_m=0.0)


def top_of(piece: Furniture) -> tuple[Rect, float] | None:
    """The rectangle of the map, and the height, where something can stand on the piece."""
    surface = PIECES[piece.name].surface or RESTS.get(piece.name)
    if surface is None:
        return None
    x0, y0, x1, y1, height_m = surface
    a = piece.to_map(x0 * piece.depth_m, y0 * piece.width_m)
    b = piece.to_map(x1 * piece.depth_m, y1 * piece.width_m)
    rect = (min(a[0], b[0]), min(a[1], b[1]), max(a[0], b[0]), max(a[1], b[1]))
    return rect, height_m


def _away(point: Point, rect: Rect) -> float:
    return float(clearance_to_rects(np.array(point[0]), np.array(point[1]), np.array([rect])))


def _walled_off(layout: Layout, robot: Pose, point: Point) -> bool:
    origin = np.array([(robot.x_m, robot.y_m)])
    return bool(sight_is_blocked(origin, point, np.array(layout.static_map.walls))[0])


def _grid_on(top: Rect, thing: PlacedObject) -> np.ndarray:
    """Points (N, 2) of a top where the object's base does not stand over the edge."""
    radius = OBJECT_RADIUS_M[thing.name]
    axes = []
    for low, high in ((top[0], top[2]), (top[1], top[3])):
        low, high = low + radius, high - radius
        # What is too big for the top stands in the middle of it.
        steps = int((high - low) / _GRID_M) + 1 if high > low else 1
        axes.append(np.linspace(low, high, steps) if high > low else [(low + high) / 2])
    x, y = np.meshgrid(*axes)
    return np.stack([x.ravel(), y.ravel()], axis=1)


def _floor_near(layout: Layout, robot: Pose, thing: PlacedObject) -> np.ndarray:
    """Points (N, 2) of free floor around the robot, out from under its base."""
    radius = OBJECT_RADIUS_M[thing.name]
    steps = np.arange(-PLACE_REACH_M, PLACE_REACH_M + 1e-9, 2 * _GRID_M)
    x, y = np.meshgrid(robot.x_m + steps, robot.y_m + steps)
    rects = [*layout.static_map.walls, *(piece.footprint for piece in layout.furniture)]
    free = clearance_to_rects(x, y, np.array(rects)) >= radius
    free &= np.hypot(x - robot.x_m, y - robot.y_m) >= FOOTPRINT_RADIUS_M + radius
    return np.stack([x[free], y[free]], axis=1)


def _free_spot(
    layout: Layout,
    robot: Pose,
    thing: PlacedObject,
    point: Point,
    spots: np.ndarray,
    others: list[PlacedObject],
    spacing: float = 1.0,
) -> Point | None:
    """The spot nearest to the point that is in reach and where nothing else stands."""
    free = np.hypot(spots[:, 0] - robot.x_m, spots[:, 1] - robot.y_m) <= PLACE_REACH_M
    for other in others:
        apart_m = spacing * (OBJECT_RADIUS_M[thing.name] + OBJECT_RADIUS_M[other.name])
        free &= np.hypot(spots[:, 0] - other.x_m, spots[:, 1] - other.y_m) >= apart_m
    spots = spots[free]
    if len(spots):
        walls = np.array(layout.static_map.walls)
        spots = spots[~sight_is_blocked(spots, (robot.x_m, robot.y_m), walls)]
    if len(spots) == 0:
        return None
    nearest = spots[np.hypot(spots[:, 0] - point[0], spots[:, 1] - point[1]).argmin()]
    return float(nearest[0]), float(nearest[1])


__all__ = ["FLOOR", "GRIPPER", "put_down", "top_of", "within_grasp"]
