"""The map a robot is given: rooms, walls and doors, and nothing that can be moved."""

from __future__ import annotations

from dataclasses import dataclass

Rect = tuple[float, float, float, float]
"""(x_min, y_min, x_max, y_max) in metres of the map frame."""


@dataclass(frozen=True, slots=True)
class Room:
    """A named rectangle; neighbouring rooms meet on the centre line of their common wall."""

    name: str
    x_min: float
    y_min: float
    x_max: float
    y_max: float

    @property
    def center(self) -> tuple[float, float]:
        """The middle of the room (x, y) in metres."""
        return 0.5 * (self.x_min + self.x_max), 0.5 * (self.y_min + self.y_max)

    def contains(self, x_m: float, y_m: float) -> bool:
        """Whether the point lies in the rectangle, its lower edges included."""
        return self.x_min <= x_m < self.x_max and self.y_min <= y_m < self.y_max


@dataclass(frozen=True, slots=True)
class Door:
    """An opening in a wall: its centre (x, y), its width, and the two rooms that it joins."""

    x: float
    y: float
    width_m: float
    between: tuple[str, str]


@dataclass(frozen=True, slots=True)
class StaticMap:
    """Rooms, walls and doors of a home in metres; furniture, objects and people are not on it."""

    rooms: tuple[Room, ...]
    walls: tuple[Rect, ...]
    doors: tuple[Door, ...]
    bounds: Rect

    def room_at(self, x_m: float, y_m: float) -> str | None:
        """The name of the room that holds the point, None outside."""
        for room in self.rooms:
            if room.contains(x_m, y_m):
                return room.name
        return None

    def room(self, name: str) -> Room:
        """The room of that name; KeyError names the known ones."""
        for room in self.rooms:
            if room.name == name:
                return room
        raise KeyError(f"no room {name!r} on the map; it has {[room.name for room in self.rooms]}")
