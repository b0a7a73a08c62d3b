"""An apartment drawn from a seed: what stands where, who is in, how it is lit.

Everything is deterministic in the seed and free of MuJoCo, so a layout can be made, checked and
scored anywhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sage import ontology
from sage.values import Pose
from sage.worlds.apartment import furnishing
from sage.worlds.apartment.catalogue import OBJECT_HEIGHT_M
from sage.worlds.apartment.furnishing import CLEARANCE_M, Furniture, PlacedObject, RoomSpace
from sage.worlds.apartment.geometry import clearance_to_rects, connected_from
from sage.worlds.apartment.plan import make_plan
from sage.worlds.static_map import StaticMap

GRID_M = 0.05
PERSON_RADIUS_M = 0.2

Color = tuple[float, float, float]

__all__ = [
    "CLEARANCE_M",
    "OBJECT_HEIGHT_M",
    "Furniture",
    "Layout",
    "Light",
    "Person",
    "PlacedObject",
    "free_cells",
    "make_layout",
]

_SHIRTS: tuple[Color, ...] = (
    (0.78, 0.16, 0.16),
    (0.13, 0.35, 0.72),
    (0.95, 0.72, 0.12),
    (0.16, 0.52, 0.28),
    (0.48, 0.2, 0.58),
    (0.9, 0.9, 0.88),
    (0.95, 0.45, 0.1),
)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who stands at (x, y), or strolls between there and ``stroll_to``."""

    name: str
    room: str
    x_m: float
    y_m: float
    yaw_rad: float
    height_m: float
    shirt: Color
    trousers: Color
    skin: Color
    hair: Color
    stroll_to: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Light:
    """The sun through the windows and the light of the rooms."""

    direction: tuple[float, float, float]
    diffuse: Color
    fill: Color
    ambient: float


@dataclass(frozen=True, slots=True)
class Layout:
    """One apartment. ``start_pose`` is in the map frame; colours follow from ``seed``."""

    seed: int
    static_map: StaticMap
    furniture: tuple[Furniture, ...]
    objects: tuple[PlacedObject, ...]
    people: tuple[Person, ...]
    start_pose: Pose
    light: Light


class _Infeasible(Exception):
    """This draw cannot be furnished; take the next one."""


def make_layout(seed: int) -> Layout:
    """Draw the apartment of a seed (an integer >= 0); about 0.1 s.

    Every free place is reachable for a robot of radius 0.22 m with 0.15 m to spare.
    """
    if seed < 0:
        raise ValueError(f"seed must be >= 0, got {seed}")
    for attempt in range(200):
        rng = np.random.default_rng((seed, attempt))
        try:
            return _draw(seed, rng)
        except _Infeasible:
            continue
    raise RuntimeError(f"no apartment found for seed {seed}")


def _draw(seed: int, rng: np.random.Generator) -> Layout:
    static_map = make_plan(rng)
    spaces = {room.name: RoomSpace(room, static_map) for room in static_map.rooms}
    sink_room = "kitchen" if rng.random() < 0.35 else "bathroom"
    for name, space in spaces.items():
        if not furnishing.furnish(space, name == sink_room, rng):
            raise _Infeasible
    furniture = tuple(piece for space in spaces.values() for piece in space.furniture)
    people = _people(spaces, rng)
    objects = furnishing.place_objects(furniture, spaces, rng)
    if objects is None:
        raise _Infeasible
    layout = Layout(
        seed=seed,
        static_map=static_map,
        furniture=furniture,
        objects=objects,
        people=people,
        start_pose=_start(spaces, rng),
        light=_light(rng),
    )
    free, x, y = free_cells(layout)
    start = layout.start_pose
    cell = (int(np.abs(y - start.y_m).argmin()), int(np.abs(x - start.x_m).argmin()))
    if not free[cell] or (connected_from(free, cell) != free).any():
        raise _Infeasible
    return layout


def free_cells(
    layout: Layout, clearance_m: float = CLEARANCE_M
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the robot's centre can be: (free (H, W) bool, x (W,), y (H,)) on a 5 cm grid.

    Strolling people count as standing where they start.
    """
    x_min, y_min, x_max, y_max = layout.static_map.bounds
    x = np.arange(x_min + GRID_M / 2, x_max, GRID_M)
    y = np.arange(y_min + GRID_M / 2, y_max, GRID_M)
    free = np.ones((len(y), len(x)), dtype=bool)
    rects = [*layout.static_map.walls, *(piece.footprint for piece in layout.furniture)]
    for a, b, c, d in rects:
        # Only the neighbourhood of a rectangle can lie within the clearance.
        i0, i1 = np.searchsorted(x, (a - clearance_m, c + clearance_m))
        j0, j1 = np.searchsorted(y, (b - clearance_m, d + clearance_m))
        grid_x, grid_y = np.meshgrid(x[i0:i1], y[j0:j1])
        free[j0:j1, i0:i1] &= (
            clearance_to_rects(grid_x, grid_y, np.array([[a, b, c, d]])) >= clearance_m
        )
    for person in layout.people:
        distance = np.hypot(x[None, :] - person.x_m, y[:, None] - person.y_m)
        free &= distance >= PERSON_RADIUS_M + clearance_m
    return free, x, y


def _people(spaces: dict[str, RoomSpace], rng: np.random.Generator) -> tuple[Person, Person]:
    names = rng.choice(len(ontology.PEOPLE), size=2, replace=False)
    shirts = rng.choice(len(_SHIRTS), size=2, replace=False)
    rooms = ["living room", "dining room", "kitchen", "bedroom"]
    rng.shuffle(rooms)
    people: list[Person] = []
    for room in rooms:
        strolls = len(people) == 1
        place = spaces[room].place_person(PERSON_RADIUS_M, strolls, rng)
        if place is None:
            continue
        (x, y), stroll_to = place
        skin = rng.choice([0.92, 0.8, 0.62, 0.45])
        shade, dark = float(rng.uniform(0.08, 0.3)), float(rng.uniform(0.05, 0.3))
        people.append(
            Person(
                name=ontology.PEOPLE[names[len(people)]],
                room=room,
                x_m=x,
                y_m=y,
                yaw_rad=float(rng.uniform(-math.pi, math.pi)),
                height_m=float(rng.uniform(1.6, 1.85)),
                shirt=_SHIRTS[shirts[len(people)]],
                trousers=(shade, shade, shade + 0.12),
                skin=(float(skin), float(skin * 0.78), float(skin * 0.64)),
                hair=(1.3 * dark, dark, 0.7 * dark),
                stroll_to=stroll_to,
            )
        )
        if len(people) == 2:
            return people[0], people[1]
    raise _Infeasible


def _start(spaces: dict[str, RoomSpace], rng: np.random.Generator) -> Pose:
    names = [name for name in spaces if name not in ("corridor", "bathroom")]
    room = "corridor" if rng.random() < 0.7 else names[rng.integers(len(names))]
    place = spaces[room].open_place(0.5, rng)
    if place is None:
        raise _Infeasible
    return Pose(place[0], place[1], float(rng.uniform(-math.pi, math.pi)))


def _light(rng: np.random.Generator) -> Light:
    azimuth = rng.uniform(0, math.tau)
    slope = rng.uniform(0.5, 1.1)
    warmth = rng.uniform(-0.06, 0.08)
    power = rng.uniform(0.3, 0.46)
    return Light(
        direction=(math.cos(azimuth) * slope, math.sin(azimuth) * slope, -1.0),
        diffuse=(power * (1 + warmth), power, power * (1 - warmth)),
        fill=(0.15 * (1 - warmth), 0.15, 0.15 * (1 + warmth)),
        ambient=float(rng.uniform(0.42, 0.54)),
    )
