"""Which rooms a camera can see into: a sweep of view wedges through doors.

The plan is rooms joined by doors, so what can be seen is what lies in the camera's own wedge, and
beyond each door in the part of the wedge that the door lets through (portal culling, Luebke and
Georges 1995, in the plane).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from sage.values import Pose, wrap_angle
from sage.worlds.static_map import Door, StaticMap

Wedge = tuple[float, float]
"""(right, left) bearings in radians, relative to the camera's heading."""

_MAX_DOORS = 4
_AT_DOOR_M = 0.35


def wedges(static_map: StaticMap, pose: Pose, half_angle_rad: float) -> dict[str, list[Wedge]]:
    """Room name to the wedges through which a camera at ``pose`` sees into it."""
    found: dict[str, list[Wedge]] = {}
    start = static_map.room_at(pose.x_m, pose.y_m)
    if start is None:
        everything = (-math.pi, math.pi)
        return {room.name: [everything] for room in static_map.rooms}

    def enter(room: str, wedge: Wedge, used: tuple[Door, ...]) -> None:
        found.setdefault(room, []).append(wedge)
        if len(used) == _MAX_DOORS:
            return
        for door in static_map.doors:
            if room not in door.between or door in used:
                continue
            gap = _bearings(door, pose)
            through = (max(wedge[0], gap[0]), min(wedge[1], gap[1]))
            if through[0] < through[1]:
                other = door.between[1] if door.between[0] == room else door.between[0]
                enter(other, through, (*used, door))

    enter(start, (-half_angle_rad, half_angle_rad), ())
    return found


def _bearings(door: Door, pose: Pose) -> Wedge:
    if pose.distance_to(door.x, door.y) < 0.5 * door.width_m + _AT_DOOR_M:
        return -math.pi, math.pi
    # Corridor doors open in a wall along x, the others in a wall along y.
    half = door.width_m / 2 + 0.02
    along_x = "corridor" in door.between
    dx, dy = (half, 0.0) if along_x else (0.0, half)
    middle = pose.bearing_to(door.x, door.y)
    ends = [
        wrap_angle(pose.bearing_to(door.x + sign * dx, door.y + sign * dy) - middle)
        for sign in (-1, 1)
    ]
    return middle + min(ends), middle + max(ends)


def in_wedges(
    bearing_rad: npt.NDArray[np.float64],
    spread_rad: npt.NDArray[np.float64],
    room: npt.NDArray[np.int64],
    names: tuple[str, ...],
    seen: dict[str, list[Wedge]],
) -> npt.NDArray[np.bool_]:
    """Which things (bearing of the middle, half their angle, index of their room) lie in a wedge.

    ``names`` gives the rooms that the indices mean; index -1 belongs to no room and is seen.
    """
    visible = room < 0
    for index, name in enumerate(names):
        for right, left in seen.get(name, ()):
            visible |= (
                (room == index) & (bearing_rad + spread_rad > right)
                & (bearing_rad - spread_rad < left)
            )  # fmt: skip
    return visible
