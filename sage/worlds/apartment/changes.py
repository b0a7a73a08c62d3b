"""Things put elsewhere while the robot lives there: for benchmarks that need a known event."""

from __future__ import annotations

from dataclasses import replace

from sage.values import Pose
from sage.worlds.apartment.furnishing import Furniture, PlacedObject
from sage.worlds.apartment.geometry import overlap
from sage.worlds.apartment.handling import GRIPPER
from sage.worlds.apartment.layout import Layout
from sage.worlds.apartment.plan import WALL_THICKNESS_M
from sage.worlds.apartment.robot import BASE_RADIUS_M
from sage.worlds.static_map import Rect, Room


def put(layout: Layout, name: str, x_m: float, y_m: float, robot: Pose) -> Layout:
    """The layout with one thing moved to a map point; it keeps its heading.

    An object goes onto the piece of furniture that stands there, a piece of furniture onto free
    floor, with all that stands on it. ValueError, in one line, where that cannot be.
    """
    room = next((room for room in layout.static_map.rooms if room.contains(x_m, y_m)), None)
    if room is None:
        raise ValueError(f"({x_m:.2f}, {y_m:.2f}) m lies in no room")
    for index, piece in enumerate(layout.furniture):
        if piece.name == name:
            moved = replace(piece, x_m=x_m, y_m=y_m, room=room.name)
            _check(moved, room, layout, robot)
            dx_m, dy_m = x_m - piece.x_m, y_m - piece.y_m
            furniture = (*layout.furniture[:index], moved, *layout.furniture[index + 1 :])
            objects = tuple(
                replace(thing, x_m=thing.x_m + dx_m, y_m=thing.y_m + dy_m, room=room.name)
                if thing.furniture == name and thing.room == piece.room
                else thing
                for thing in layout.objects
            )
            return replace(layout, furniture=furniture, objects=objects)
    for index, thing in enumerate(layout.objects):
        if thing.name == name:
            if thing.furniture == GRIPPER:
                raise ValueError(f"the robot holds the {name}")
            carried = _onto(thing, x_m, y_m, layout)
            objects = (*layout.objects[:index], carried, *layout.objects[index + 1 :])
            return replace(layout, objects=objects)
    known = sorted([*(f.name for f in layout.furniture), *(o.name for o in layout.objects)])
    raise ValueError(f"no {name!r} in this apartment; it has {', '.join(known)}")


def _onto(thing: PlacedObject, x_m: float, y_m: float, layout: Layout) -> PlacedObject:
    for piece in layout.furniture:
        if _within((x_m, y_m, x_m, y_m), piece.footprint):
            height_m = piece.surface_z_m
            if height_m is None:
                raise ValueError(f"the {piece.name} carries nothing")
            return replace(
                thing, furniture=piece.name, room=piece.room, x_m=x_m, y_m=y_m, z_m=height_m
            )
    raise ValueError(f"no furniture at ({x_m:.2f}, {y_m:.2f}) m to put the {thing.name} on")


def _check(moved: Furniture, room: Room, layout: Layout, robot: Pose) -> None:
    rect, half = moved.footprint, WALL_THICKNESS_M / 2
    inner = (room.x_min + half, room.y_min + half, room.x_max - half, room.y_max - half)
    at = f"the {moved.name} at ({moved.x_m:.2f}, {moved.y_m:.2f}) m"
    if not _within(rect, inner):
        raise ValueError(f"{at} would stand in a wall of the {room.name}")
    for other in layout.furniture:
        if other.name != moved.name and overlap(rect, other.footprint):
            raise ValueError(f"{at} would stand in the {other.name}")
    for person in layout.people:
        if overlap(rect, (person.x_m, person.y_m, person.x_m, person.y_m), 0.2):
            raise ValueError(f"{at} would stand where {person.name} is")
    here = robot.x_m, robot.y_m
    if overlap(rect, (*here, *here), BASE_RADIUS_M):
        raise ValueError(f"{at} would stand in the robot")


def _within(inner: Rect, outer: Rect) -> bool:
    return (
        outer[0] <= inner[0]
        and outer[1] <= inner[1]
        and inner[2] <= outer[2]
        and inner[3] <= outer[3]
    )
