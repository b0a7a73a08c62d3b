"""Rooms, walls and doors of an apartment: a corridor with rooms on both sides."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from sage.worlds.static_map import Door, Rect, Room, StaticMap

WALL_THICKNESS_M = 0.1
WALL_HEIGHT_M = 2.4
DOOR_HEIGHT_M = 2.05

_SHARES = {"living room": 1.2, "bedroom": 1.12, "kitchen": 1.1, "dining room": 1.1}
_OPENINGS = {
    frozenset(("kitchen", "dining room")),
    frozenset(("kitchen", "living room")),
    frozenset(("living room", "dining room")),
}


def make_plan(rng: np.random.Generator) -> StaticMap:
    """Draw a floor plan of about 11 x 8 m: all six rooms, a door from each to the corridor."""
    length = rng.uniform(10.6, 11.6)
    corridor_width = rng.uniform(1.95, 2.25)
    depth_three = rng.uniform(3.0, 3.25)
    depth_two = rng.uniform(2.9, 3.2)
    guest = ("dining room", "kitchen", "bedroom")[rng.integers(3)]
    two = ["living room", guest]
    three = [name for name in ("dining room", "kitchen", "bedroom") if name != guest]
    three.append("bathroom")
    rng.shuffle(two)
    rng.shuffle(three)
    low, high = (three, two) if rng.random() < 0.5 else (two, three)
    depth_low = depth_three if low is three else depth_two
    y1 = depth_low
    y2 = y1 + corridor_width
    y3 = y2 + (depth_two if low is three else depth_three)
    rooms = [
        *_row(low, length, 0.0, y1, rng),
        *_row(high, length, y2, y3, rng),
        Room("corridor", 0.0, y1, length, y2),
    ]
    doors = [
        *(_corridor_door(room, y1, rng) for room in rooms[: len(low)]),
        *(_corridor_door(room, y2, rng) for room in rooms[len(low) : -1]),
    ]
    for row in (rooms[: len(low)], rooms[len(low) : -1]):
        for left, right in pairwise(row):
            if frozenset((left.name, right.name)) in _OPENINGS and rng.random() < 0.6:
                width = rng.uniform(1.1, 1.35)
                y = rng.uniform(left.y_min + 0.6 + width / 2, left.y_max - 0.6 - width / 2)
                doors.append(Door(left.x_max, y, width, (left.name, right.name)))
    half = WALL_THICKNESS_M / 2
    return StaticMap(
        rooms=tuple(rooms),
        walls=tuple(_walls(rooms, len(low), length, (0.0, y1, y2, y3), doors)),
        doors=tuple(doors),
        bounds=(-half, -half, length + half, y3 + half),
    )


def _row(
    names: list[str], length: float, y_min: float, y_max: float, rng: np.random.Generator
) -> list[Room]:
    shares = np.array([_SHARES.get(name, 0.82) * rng.uniform(0.95, 1.05) for name in names])
    edges = np.concatenate([[0.0], np.cumsum(shares / shares.sum() * length)])
    return [
        Room(name, float(edges[i]), y_min, float(edges[i + 1]), y_max)
        for i, name in enumerate(names)
    ]


def _corridor_door(room: Room, y: float, rng: np.random.Generator) -> Door:
    width = rng.uniform(1.0, 1.2)
    side = 0.3 + width / 2
    spread = room.x_max - room.x_min - 2 * side
    # Near a corner more often than in the middle: that leaves wall for the furniture.
    place = rng.beta(0.6, 0.6) * spread
    return Door(float(room.x_min + side + place), y, float(width), (room.name, "corridor"))


def _walls(
    rooms: list[Room], split: int, length: float, levels: tuple[float, ...], doors: list[Door]
) -> list[Rect]:
    half = WALL_THICKNESS_M / 2
    walls: list[Rect] = []
    for y in levels:
        gaps = [(d.x, d.width_m) for d in doors if "corridor" in d.between and d.y == y]
        for a, b in _cut(-half, length + half, gaps):
            walls.append((a, y - half, b, y + half))
    for y_a, y_b in pairwise(levels):
        for x in (0.0, length):
            walls.append((x - half, y_a + half, x + half, y_b - half))
    for row in (rooms[:split], rooms[split:-1]):
        for left in row[:-1]:
            x = left.x_max
            gaps = [
                (d.y, d.width_m) for d in doors if d.between[0] == left.name and d.x == left.x_max
            ]
            for a, b in _cut(left.y_min + half, left.y_max - half, gaps):
                walls.append((x - half, a, x + half, b))
    return walls


def _cut(start: float, end: float, gaps: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """What is left of an interval when gaps (centre, width) are taken out."""
    pieces, cursor = [], start
    for centre, width in sorted(gaps):
        pieces.append((cursor, centre - width / 2))
        cursor = centre + width / 2
    pieces.append((cursor, end))
    return [(a, b) for a, b in pieces if b - a > 1e-6]
