"""Grids: sampling is bilinear, distances are Euclidean, bad frames are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage.irp.errors import ConfigError
from sage.navigation.grid import (
    Costmap,
    GridFrame,
    distance_to_cells,
    signed_distance,
    wall_distance,
)

FRAME = GridFrame(-1.0, 2.0, 0.1, 30, 40)


@given(st.floats(-0.9, 2.8), st.floats(2.1, 4.8))
def test_a_plane_is_sampled_exactly(x_m: float, y_m: float) -> None:
    columns, rows = FRAME.centres()
    field = (2.0 * columns[None, :] - 0.5 * rows[:, None]).astype(np.float32)
    sampled = FRAME.sample(field, np.array([x_m]), np.array([y_m]))
    assert sampled[0] == pytest.approx(2.0 * x_m - 0.5 * y_m, abs=1e-4)


def test_points_outside_read_the_border() -> None:
    field = np.arange(1200, dtype=np.float32).reshape(FRAME.shape)
    sampled = FRAME.sample(field, np.array([-99.0, 99.0]), np.array([-99.0, 99.0]))
    np.testing.assert_allclose(sampled, [0.0, 1199.0], atol=0.5)


def test_cells_and_their_centres_agree() -> None:
    for row, col in ((0, 0), (7, 31), (29, 39)):
        assert FRAME.cell_of(*FRAME.centre_of(row, col)) == (row, col)
    flat, inside = FRAME.flat_cells(np.array([-0.95, 50.0]), np.array([2.05, 2.05]))
    assert flat[0] == 0
    assert inside.tolist() == [True, False]


def test_distance_to_rectangles_is_signed() -> None:
    x_m = np.array([2.0, 0.5, 4.0])
    y_m = np.array([0.5, 0.5, 5.0])
    found = signed_distance([(0.0, 0.0, 1.0, 1.0)], x_m, y_m)
    np.testing.assert_allclose(found, [1.0, -0.5, 5.0])


def test_out_of_bounds_is_solid() -> None:
    bounds = (0.0, 0.0, 4.0, 3.0)
    frame = GridFrame.around(bounds)
    distance = wall_distance(frame, [], bounds)
    assert distance[0, 0] < 0.0
    assert distance[frame.cell_of(2.0, 1.5)] == pytest.approx(1.5, abs=0.05)


def test_distance_to_cells_is_euclidean() -> None:
    occupied = np.zeros((40, 40), dtype=bool)
    occupied[10, 10] = True
    distance = distance_to_cells(occupied, 0.05)
    assert distance[13, 14] == pytest.approx(5 * 0.05 - 0.025, abs=1e-4)
    assert distance_to_cells(np.zeros((4, 4), dtype=bool), 0.05).min() > 10.0


def test_clearance_looks_up_points() -> None:
    frame = GridFrame.around((0.0, 0.0, 4.0, 4.0))
    walls = [(1.0, 1.0, 1.2, 3.0)]
    costmap = Costmap(frame, wall_distance(frame, walls, (0.0, 0.0, 4.0, 4.0)))
    found = costmap.clearance(np.array([[2.0, 2.0], [0.3, 2.0], [1.1, 2.0]]))
    np.testing.assert_allclose(found, [0.8, 0.3, -0.1], atol=0.03)


@pytest.mark.parametrize("bounds", [(0.0, 0.0, 0.0, 1.0), (2.0, 0.0, 1.0, 1.0)])
def test_empty_bounds_are_refused(bounds: tuple[float, float, float, float]) -> None:
    with pytest.raises(ConfigError, match="empty"):
        GridFrame.around(bounds)


def test_a_senseless_cell_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"0\.01 to 1\.0"):
        GridFrame(0.0, 0.0, 0.0, 10, 10)
