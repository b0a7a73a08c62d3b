"""Where a detector may look, and how what it finds there is merged."""

from __future__ import annotations

import numpy as np
import pytest

from models.detection import Boxes, merged, regions_of
from models.detection.crops import cut_by


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 4000), (416, 416), (640, 480), (768, 576), (7680, 4320)]
)
def test_crops_cover_every_pixel_and_are_not_too_many(size: tuple[int, int]) -> None:
    regions = regions_of(*size, 416, (1.0, 2.0), 60)
    assert regions[0].whole
    assert (regions[0].width, regions[0].height) == size
    assert len(regions) <= 61
    for side in {r.width for r in regions[1:]}:
        covered = np.zeros((-(-size[1] // 8) + 1, -(-size[0] // 8) + 1), bool)
        for r in (r for r in regions[1:] if r.width == side):
            assert 0 <= r.left < r.right <= size[0]
            assert 0 <= r.top < r.bottom <= size[1]
            covered[r.top // 8 : -(-r.bottom // 8), r.left // 8 : -(-r.right // 8)] = True
        assert covered[: -(-size[1] // 8), : -(-size[0] // 8)].all()


def test_borders_of_the_frame_cut_nothing() -> None:
    regions = regions_of(768, 576, 416, (2.0,), 60)
    found = Boxes(
        np.array([[0, 10, 40, 90], [150, 10, 208, 90]], np.float32),
        np.ones(2, np.float32),
        np.zeros(2, np.int64),
    )
    assert cut_by(found, regions[1], 768, 576).tolist() == [False, True]
    assert not cut_by(found, regions[0], 768, 576).any()


def test_views_are_merged_class_by_class() -> None:
    corners = np.array(
        [[0, 0, 10, 10], [1, 0, 11, 10], [1, 0, 11, 10], [50, 0, 60, 10]], np.float32
    )
    found = Boxes(corners, np.array([0.6, 0.9, 0.5, 0.4], np.float32), np.array([0, 0, 1, 0]))
    assert merged(found).tolist() == [1, 2, 3]


def test_a_box_carried_along_gives_way_sooner_than_another_seen_now() -> None:
    found = Boxes(
        np.array([[0, 0, 10, 10], [5, 0, 15, 10]], np.float32),
        np.array([0.9, 0.8], np.float32),
        np.zeros(2, np.int64),
    )
    assert merged(found, np.array([True, True])).tolist() == [0, 1]
    assert merged(found, np.array([True, False])).tolist() == [0]
