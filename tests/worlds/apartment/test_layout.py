from __future__ import annotations

import math

import numpy as np
import pytest

from sage import ontology
from sage.worlds.apartment.catalogue import PIECES
from sage.worlds.apartment.geometry import connected_from, overlap
from sage.worlds.apartment.layout import Layout, free_cells, make_layout

SEEDS = tuple(range(8))


@pytest.fixture(scope="module", params=SEEDS)
def layout(request: pytest.FixtureRequest) -> Layout:
    return make_layout(request.param)


def test_the_seed_decides() -> None:
    assert make_layout(5) == make_layout(5)
    assert make_layout(5).furniture != make_layout(6).furniture
    assert make_layout(5).static_map != make_layout(6).static_map
    with pytest.raises(ValueError, match="-1"):
        make_layout(-1)


def test_every_free_place_is_reachable_from_the_start(layout: Layout) -> None:
    free, x, y = free_cells(layout)
    start = layout.start_pose
    cell = (int(np.abs(y - start.y_m).argmin()), int(np.abs(x - start.x_m).argmin()))
    assert free[cell]
    assert (connected_from(free, cell) == free).all()
    rooms = {
        layout.static_map.room_at(float(x[column]), float(y[row]))
        for row, column in zip(*np.nonzero(free), strict=True)
    }
    assert rooms == set(ontology.ROOM_NAMES)


def test_rooms_hold_what_the_ontology_says(layout: Layout) -> None:
    names = [piece.name for piece in layout.furniture]
    assert len(set(names)) == len(names)
    for piece in layout.furniture:
        assert piece.room in ontology.rooms_of(piece.name)
        assert layout.static_map.room_at(piece.x_m, piece.y_m) == piece.room
    for room in ontology.ROOM_NAMES:
        count = sum(piece.room == room for piece in layout.furniture)
        assert 3 <= count <= 6 or room == "corridor"


def test_furniture_keeps_clear_of_walls_doors_and_each_other(layout: Layout) -> None:
    rects = [piece.footprint for piece in layout.furniture]
    for index, rect in enumerate(rects):
        assert not any(overlap(rect, wall) for wall in layout.static_map.walls)
        assert not any(overlap(rect, other) for other in rects[index + 1 :])
        for door in layout.static_map.doors:
            assert door.width_m >= 1.0
            approach = (door.x - 0.5, door.y - 0.5, door.x + 0.5, door.y + 0.5)
            assert not overlap(rect, approach)


def test_objects_stand_on_their_furniture_and_apart(layout: Layout) -> None:
    pieces = {piece.name: piece for piece in layout.furniture}
    assert 10 <= len(layout.objects) <= 14
    assert len({thing.name for thing in layout.objects}) == len(layout.objects)
    for index, thing in enumerate(layout.objects):
        piece = pieces[thing.furniture]
        x0, y0, x1, y1 = piece.footprint
        assert x0 < thing.x_m < x1
        assert y0 < thing.y_m < y1
        assert thing.z_m == piece.surface_z_m
        assert 0.4 <= thing.z_m <= 1.05
        assert thing.room == piece.room
        for other in layout.objects[index + 1 :]:
            if other.furniture == thing.furniture:
                assert math.hypot(other.x_m - thing.x_m, other.y_m - thing.y_m) >= 0.35


def test_two_people_one_of_whom_strolls(layout: Layout) -> None:
    one, other = layout.people
    assert one.name != other.name
    assert one.shirt != other.shirt
    assert one.stroll_to is None
    assert other.stroll_to is not None
    assert layout.static_map.room_at(*other.stroll_to) == other.room
    assert {one.name, other.name} <= set(ontology.PEOPLE)


def test_most_objects_are_where_they_belong() -> None:
    things = [thing for seed in range(25) for thing in make_layout(seed).objects]
    home = [ontology.OBJECTS[thing.name].default_room == thing.room for thing in things]
    assert 0.7 <= np.mean(home) <= 0.9


def test_catalogue_covers_the_apartment_classes() -> None:
    assert set(PIECES) == set(ontology.APARTMENT_FURNITURE)


def test_map_lists_no_furniture_and_tiles_the_apartment(layout: Layout) -> None:
    static_map = layout.static_map
    assert {room.name for room in static_map.rooms} == set(ontology.ROOM_NAMES)
    for name in ontology.ROOM_NAMES:
        assert static_map.room_at(*static_map.room(name).center) == name
    x_min, y_min, x_max, y_max = static_map.bounds
    assert static_map.room_at(x_max + 1, y_max + 1) is None
    area = sum((r.x_max - r.x_min) * (r.y_max - r.y_min) for r in static_map.rooms)
    assert area == pytest.approx((x_max - x_min - 0.1) * (y_max - y_min - 0.1))
    for door in static_map.doors:
        assert not any(
            wall[0] < door.x < wall[2] and wall[1] < door.y < wall[3] for wall in static_map.walls
        )
    with pytest.raises(KeyError, match="cellar"):
        static_map.room("cellar")
