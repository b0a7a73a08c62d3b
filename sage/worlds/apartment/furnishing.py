"""Placing furniture, objects and people in rooms so that everything can be reached and seen."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sage import ontology
from sage.worlds.apartment.catalogue import HOMES, OBJECT_HEIGHT_M, OBJECT_RADIUS_M, PIECES
from sage.worlds.apartment.geometry import (
    clearance_to_rects,
    connected_from,
    oriented_rect,
    overlap,
    sight_is_blocked,
)
from sage.worlds.apartment.plan import WALL_THICKNESS_M
from sage.worlds.static_map import Rect, Room, StaticMap

ROBOT_RADIUS_M = 0.22
CLEARANCE_M = ROBOT_RADIUS_M + 0.15
_GRID_M = 0.1
_EYE_HEIGHT_M = 1.0


@dataclass(frozen=True, slots=True)
class Furniture:
    """A piece at (x, y), its front facing ``yaw_rad`` (a multiple of 90 degrees)."""

    name: str
    room: str
    x_m: float
    y_m: float
    yaw_rad: float
    width_m: float
    depth_m: float
    height_m: float

    @property
    def footprint(self) -> Rect:
        """The rectangle that it covers on the floor."""
        return oriented_rect(self.x_m, self.y_m, self.yaw_rad, self.depth_m, self.width_m)

    @property
    def surface_z_m(self) -> float | None:
        """Height of the surface that carries objects, None if it has none."""
        surface = PIECES[self.name].surface
        return None if surface is None else surface[4]

    def to_map(self, x_local: float, y_local: float) -> tuple[float, float]:
        """A point of the piece's own frame (x out of the front) in the map frame."""
        c, s = math.cos(self.yaw_rad), math.sin(self.yaw_rad)
        return self.x_m + c * x_local - s * y_local, self.y_m + s * x_local + c * y_local


@dataclass(frozen=True, slots=True)
class PlacedObject:
    """An object whose base stands at (x, y, z) on a piece of furniture."""

    name: str
    furniture: str
    room: str
    x_m: float
    y_m: float
    z_m: float
    yaw_rad: float


class RoomSpace:
    """The free space of one room while it is being furnished."""

    def __init__(self, room: Room, static_map: StaticMap) -> None:
        half = WALL_THICKNESS_M / 2
        self.room = room
        self.inner: Rect = (
            room.x_min + half,
            room.y_min + half,
            room.x_max - half,
            room.y_max - half,
        )
        self.furniture: list[Furniture] = []
        self.people: list[tuple[float, float]] = []
        self.keep_free: list[Rect] = []
        self._gates: list[tuple[float, float]] = []
        for door in static_map.doors:
            if room.name in door.between:
                self._add_door(door.x, door.y, door.width_m)
        self.grid_x, self.grid_y = np.meshgrid(
            np.arange(self.inner[0] + CLEARANCE_M, self.inner[2] - CLEARANCE_M + 1e-9, _GRID_M),
            np.arange(self.inner[1] + CLEARANCE_M, self.inner[3] - CLEARANCE_M + 1e-9, _GRID_M),
        )

    def _add_door(self, x: float, y: float, width: float) -> None:
        x0, y0, x1, y1 = self.inner
        reach, half = 0.85, width / 2 + 0.1
        inset = WALL_THICKNESS_M / 2 + CLEARANCE_M + 0.02
        for edge, along_x, sign in ((x0, False, 1), (x1, False, -1), (y0, True, 1), (y1, True, -1)):
            if abs((y if along_x else x) - edge) > WALL_THICKNESS_M:
                continue
            if along_x:
                low, high = sorted((edge, edge + sign * reach))
                self.keep_free.append((x - half, low, x + half, high))
                self._gates.append((x, y + sign * inset))
            else:
                low, high = sorted((edge, edge + sign * reach))
                self.keep_free.append((low, y - half, high, y + half))
                self._gates.append((x + sign * inset, y))

    def reachable(self, radius_of_people_m: float = 0.2) -> np.ndarray | None:
        """Free cells (grid, bool); None if they are not one piece, or miss a door or a front."""
        rects = np.array([piece.footprint for piece in self.furniture]).reshape(-1, 4)
        free = clearance_to_rects(self.grid_x, self.grid_y, rects) >= CLEARANCE_M
        for x, y in self.people:
            distance = np.hypot(self.grid_x - x, self.grid_y - y)
            free &= distance >= radius_of_people_m + CLEARANCE_M
        cells = [self._cell(x, y) for x, y in self._gates]
        if not all(free[cell] for cell in cells):
            return None
        if (connected_from(free, cells[0]) != free).any():
            return None
        for piece in self.furniture:
            if not self._approachable(piece, free):
                return None
        return free

    def _cell(self, x: float, y: float) -> tuple[int, int]:
        row = round((y - self.grid_y[0, 0]) / _GRID_M)
        column = round((x - self.grid_x[0, 0]) / _GRID_M)
        rows, columns = self.grid_x.shape
        return min(max(row, 0), rows - 1), min(max(column, 0), columns - 1)

    def _approachable(self, piece: Furniture, free: np.ndarray) -> bool:
        c, s = math.cos(piece.yaw_rad), math.sin(piece.yaw_rad)
        dx, dy = self.grid_x - piece.x_m, self.grid_y - piece.y_m
        ahead = c * dx + s * dy - piece.depth_m / 2
        side = np.abs(-s * dx + c * dy)
        zone = (ahead > 0) & (ahead < 0.8) & (side < piece.width_m / 2)
        if PIECES[piece.name].island:
            rect = np.array([piece.footprint])
            zone = clearance_to_rects(self.grid_x, self.grid_y, rect) < 0.7
        return bool((free & zone).any())

    def try_piece(self, name: str, rng: np.random.Generator, tries: int = 24) -> bool:
        """Place a piece of that class; False if no drawn place would do."""
        spec = PIECES[name]
        scale = rng.uniform(0.94, 1.06, size=2)
        width, depth = float(spec.width_m * scale[0]), float(spec.depth_m * scale[1])
        for _ in range(tries):
            x, y, yaw = self._candidate(width, depth, spec.island, rng)
            piece = Furniture(
                name, self.room.name, float(x), float(y), yaw, width, depth, spec.height_m
            )
            rect = piece.footprint
            inner = self.inner
            if rect[0] < inner[0] or rect[1] < inner[1]:
                continue
            if rect[2] > inner[2] or rect[3] > inner[3]:
                continue
            if any(overlap(rect, other) for other in self.keep_free):
                continue
            if any(overlap(rect, other.footprint, 0.04) for other in self.furniture):
                continue
            self.furniture.append(piece)
            if self.reachable() is not None:
                return True
            self.furniture.pop()
        return False

    def _candidate(
        self, width: float, depth: float, island: bool, rng: np.random.Generator
    ) -> tuple[float, float, float]:
        x0, y0, x1, y1 = self.inner
        quarter = int(rng.integers(4))
        yaw = (0.0, math.pi / 2, math.pi, -math.pi / 2)[quarter]
        if island:
            u, v = rng.uniform(0.25, 0.75, size=2)
            return float(x0 + u * (x1 - x0)), float(y0 + v * (y1 - y0)), yaw
        gap = depth / 2 + rng.uniform(0.01, 0.03)
        # A third of the pieces goes into a corner: it leaves the most room to drive.
        u = float(rng.choice((0.0, 1.0))) if rng.random() < 0.35 else float(rng.random())
        along = width / 2 + 0.01
        if quarter in (0, 2):
            y = y0 + along + u * (y1 - y0 - 2 * along)
            return (x0 + gap if quarter == 0 else x1 - gap), y, yaw
        x = x0 + along + u * (x1 - x0 - 2 * along)
        return x, (y0 + gap if quarter == 1 else y1 - gap), yaw

    def open_place(
        self, clearance_m: float, rng: np.random.Generator
    ) -> tuple[float, float] | None:
        """A free place that keeps more than the usual distance, None if there is none."""
        rects = np.array([*(piece.footprint for piece in self.furniture), (0.0, -99.0, 0.1, -98.0)])
        extra = clearance_m - CLEARANCE_M
        x, y, inner = self.grid_x, self.grid_y, self.inner
        free = clearance_to_rects(x, y, rects) >= clearance_m
        free &= (x > inner[0] + CLEARANCE_M + extra) & (x < inner[2] - CLEARANCE_M - extra)
        free &= (y > inner[1] + CLEARANCE_M + extra) & (y < inner[3] - CLEARANCE_M - extra)
        for px, py in self.people:
            free &= np.hypot(x - px, y - py) >= clearance_m + 0.4
        rows, columns = np.nonzero(free)
        if len(rows) == 0:
            return None
        i = int(rng.integers(len(rows)))
        return float(x[rows[i], columns[i]]), float(y[rows[i], columns[i]])

    def place_person(
        self, radius_m: float, strolls: bool, rng: np.random.Generator
    ) -> tuple[tuple[float, float], tuple[float, float] | None] | None:
        """A standing place, and where to stroll to, that leave every way open; or None."""
        rects = np.array([*(piece.footprint for piece in self.furniture), *self.keep_free])
        clear = clearance_to_rects(self.grid_x, self.grid_y, rects) >= radius_m + 0.05
        rows, columns = np.nonzero(clear)
        if len(rows) == 0:
            return None
        places = np.stack([self.grid_x[rows, columns], self.grid_y[rows, columns]], axis=1)
        for _ in range(20):
            a = places[rng.integers(len(places))]
            b = places[rng.integers(len(places))] if strolls else a
            length = float(np.hypot(*(b - a)))
            if strolls and not 0.6 <= length <= 2.0:
                continue
            steps = [a + (b - a) * t for t in np.linspace(0, 1, 6 if strolls else 1)]
            points = np.array(steps)
            if (clearance_to_rects(points[:, 0], points[:, 1], rects) < radius_m + 0.04).any():
                continue
            if all(self._open_with(float(x), float(y)) for x, y in steps):
                start = (float(a[0]), float(a[1]))
                self.people.append(start)
                return start, ((float(b[0]), float(b[1])) if strolls else None)
        return None

    def _open_with(self, x: float, y: float) -> bool:
        self.people.append((x, y))
        try:
            return self.reachable() is not None
        finally:
            self.people.pop()


def furnish(space: RoomSpace, with_sink: bool, rng: np.random.Generator) -> bool:
    """Fill a room with three to five pieces (the corridor: one); False if it did not work out."""
    names = list(HOMES[space.room.name])
    if with_sink:
        names.insert(1, "sink")
    wanted = [name for name in names if PIECES[name].essential or rng.random() < 0.88]
    least = min(3, len(names))
    for _ in range(6):
        space.furniture.clear()
        placed = [name for name in wanted if space.try_piece(name, rng)]
        essential = all(name in placed for name in wanted if PIECES[name].essential)
        if essential and len(placed) >= least:
            return True
        wanted = names
    return False


def place_objects(
    furniture: tuple[Furniture, ...], spaces: dict[str, RoomSpace], rng: np.random.Generator
) -> tuple[PlacedObject, ...] | None:
    """Put 10 to 14 objects, four in five of them at home, where the robot can see them."""
    carriers = [piece for piece in furniture if piece.surface_z_m is not None]
    tall = np.array(
        [piece.footprint for piece in furniture if piece.height_m > _EYE_HEIGHT_M + 0.05]
    ).reshape(-1, 4)
    views = {name: _view_points(space) for name, space in spaces.items()}
    names = list(ontology.APARTMENT_OBJECTS)
    rng.shuffle(names)
    wanted = int(rng.integers(11, len(names) + 1))
    placed: list[PlacedObject] = []
    for name in names[:wanted]:
        entry = ontology.object_entry(name)
        at_home = rng.random() < 0.8
        candidates = [p for p in carriers if (p.room == entry.default_room) == at_home]
        order = [candidates[i] for i in rng.permutation(len(candidates))]
        if at_home and rng.random() < 0.5:
            order.sort(key=lambda piece: piece.name != entry.default_location)
        for piece in order:
            found = _put(name, piece, placed, tall, views[piece.room], rng)
            if found is not None:
                placed.append(found)
                break
    return tuple(placed) if len(placed) >= 10 else None


def _view_points(space: RoomSpace) -> np.ndarray:
    free = space.reachable()
    if free is None:
        return np.zeros((0, 2))
    return np.stack([space.grid_x[free], space.grid_y[free]], axis=1)


def _put(
    name: str,
    piece: Furniture,
    placed: list[PlacedObject],
    tall: np.ndarray,
    views: np.ndarray,
    rng: np.random.Generator,
) -> PlacedObject | None:
    spec = PIECES[piece.name]
    assert spec.surface is not None
    fx0, fy0, fx1, fy1, z = spec.surface
    radius = OBJECT_RADIUS_M[name]
    # Against a wall only the front of the surface is near; a table is reached from all sides.
    reach = 0.36 + radius
    x_low = max(
        fx0 * piece.depth_m + radius, (-9.0 if spec.island else 0.5 * piece.depth_m - reach)
    )
    x_high = fx1 * piece.depth_m - radius
    y_low, y_high = fy0 * piece.width_m + radius, fy1 * piece.width_m - radius
    slack = 0.03  # a tray may stand a finger's breadth over the edge
    if x_high < x_low - 2 * slack or y_high < y_low - 2 * slack:
        return None
    own = piece.footprint
    blockers = np.array([rect for rect in tall if tuple(rect) != own]).reshape(-1, 4)
    for _ in range(12):
        local = (_between(x_low, x_high, rng), _between(y_low, y_high, rng))
        x, y = piece.to_map(*local)
        others = [o for o in placed if o.furniture == piece.name]
        if any(math.hypot(o.x_m - x, o.y_m - y) < 0.35 for o in others):
            continue
        distance = np.hypot(views[:, 0] - x, views[:, 1] - y)
        near = views[(distance > 0.7) & (distance < 2.0)]
        if not spec.island:
            # From behind the front edge a hutch or the piece itself would hide it.
            c, s = math.cos(piece.yaw_rad), math.sin(piece.yaw_rad)
            near = near[(c * (near[:, 0] - x) + s * (near[:, 1] - y)) > 0.3]
        if len(near) == 0 or (~sight_is_blocked(near, (x, y), blockers)).sum() < 4:
            continue
        yaw = piece.yaw_rad + rng.uniform(-0.4, 0.4)
        return PlacedObject(name, piece.name, piece.room, x, y, z, float(yaw))
    return None


def _between(low: float, high: float, rng: np.random.Generator) -> float:
    return float(rng.uniform(low, high)) if high > low else 0.5 * (low + high)


__all__ = [
    "CLEARANCE_M",
    "OBJECT_HEIGHT_M",
    "ROBOT_RADIUS_M",
    "Furniture",
    "PlacedObject",
    "RoomSpace",
    "furnish",
    "place_objects",
]
