"""The live layer: furniture stays, people leave no trail, walls are not obstacles twice."""

from __future__ import annotations

import numpy as np
import pytest

from sage.irp.errors import ConfigError
from sage.navigation.obstacles import ObstacleConfig, ObstacleLayer
from sage.values import Pose, RangeScan
from tests.navigation.flat_world import FlatWorld, Walker, two_rooms

HERE = Pose(1.0, 2.0, 0.0)


def _layer(world: FlatWorld, scans: int = 5, config: ObstacleConfig | None = None) -> ObstacleLayer:
    layer = ObstacleLayer(world.static_map.walls, world.static_map.bounds, config)
    for _ in range(scans):
        layer.add(world.scan(), world.pose)
    return layer


def test_bare_walls_leave_the_layer_empty() -> None:
    assert not _layer(FlatWorld(two_rooms(), HERE), scans=20).occupied.any()


def test_furniture_is_mapped_where_it_stands() -> None:
    layer = _layer(FlatWorld(two_rooms(), HERE, furniture=[(2.0, 1.5, 2.6, 2.5)]))
    clearance = layer.costmap().clearance(np.array([[2.0, 2.0], [1.5, 2.0], [1.0, 2.0]]))
    np.testing.assert_allclose(clearance, [0.0, 0.5, 0.95], atol=0.07)


def test_furniture_stays_when_out_of_sight() -> None:
    world = FlatWorld(two_rooms(), HERE, furniture=[(2.0, 1.5, 2.6, 2.5)])
    layer = _layer(world)
    before = layer.occupied.sum()
    world.pose = Pose(6.0, 3.5, 0.0)
    for _ in range(50):
        layer.add(world.scan(), world.pose)
    assert layer.occupied.sum() >= 0.9 * before


def test_a_person_who_left_is_cleared() -> None:
    world = FlatWorld(two_rooms(), HERE, people=[Walker((2.2, 2.0), (2.2, 2.0))])
    layer = _layer(world, scans=30)
    assert layer.occupied.any()
    world.people = []
    for turn in np.linspace(0.0, 0.3, 40):  # the robot turns a little, so beams sweep the spot
        world.pose = Pose(HERE.x_m, HERE.y_m, float(turn))
        layer.add(world.scan(), world.pose)
    assert not layer.occupied.any()


def test_a_dropped_beam_clears_nothing() -> None:
    world = FlatWorld(two_rooms(), HERE, furniture=[(2.0, 1.5, 2.6, 2.5)])
    layer = _layer(world)
    before = layer.occupied
    scan = world.scan()
    lost = RangeScan(np.full_like(scan.ranges_m, scan.max_range_m), scan.bearings_rad, 8.0)
    for _ in range(20):
        layer.add(lost, HERE)
    np.testing.assert_array_equal(layer.occupied, before)


def test_the_costmap_changes_only_with_the_obstacles() -> None:
    world = FlatWorld(two_rooms(), HERE)
    layer = _layer(world)
    first = layer.costmap()
    layer.add(world.scan(), HERE)
    assert layer.costmap() is first
    other = FlatWorld(two_rooms(), HERE, furniture=[(1.5, 1.8, 1.9, 2.2)])
    layer.add(other.scan(), HERE)
    assert layer.costmap().revision == first.revision + 1


def test_floor_is_seen_free_up_to_what_stands_on_it() -> None:
    world = FlatWorld(two_rooms(), HERE, furniture=[(2.0, 1.5, 2.6, 2.5)])
    layer = _layer(world)
    frame = layer.frame.coarser()
    seen = layer.seen_free
    assert seen[frame.cell_of(1.5, 2.0)]
    assert not seen[frame.cell_of(2.3, 2.0)]
    assert not seen[frame.cell_of(3.2, 2.0)]


def test_bad_evidence_is_refused() -> None:
    with pytest.raises(ConfigError, match="occupied_from"):
        ObstacleConfig(hit=0.5, occupied_from=0.7)
    with pytest.raises(ConfigError, match="robot width"):
        ObstacleConfig(link_gap_m=1.0)
