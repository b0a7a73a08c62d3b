"""Pictures of any size in, boxes in the camera's own pixels out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.vision.picture import letterboxed
from sage.values import CameraModel


def test_native_size_passes_unchanged() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    picture, box = letterboxed(rgb)
    np.testing.assert_array_equal(picture, rgb)
    assert box.box_to_source((1.0, 2.0, 3.0, 4.0)) == (1.0, 2.0, 3.0, 4.0)


@pytest.mark.parametrize("shape", [(576, 768), (768, 576), (100, 50), (1, 1), (480, 640)])
def test_a_marked_box_maps_back(shape: tuple[int, int]) -> None:
    height, width = shape
    rgb = np.zeros((height, width, 3), np.uint8)
    left, right = width // 4, max(width // 2, width // 4 + 1)
    top, bottom = height // 3, max(height // 2, height // 3 + 1)
    rgb[top:bottom, left:right] = 255
    picture, box = letterboxed(rgb)
    assert picture.shape == (224, 224, 3)
    rows, cols = np.nonzero(picture[:, :, 0] > 200)
    mapped = box.box_to_source((cols.min(), rows.min(), cols.max() + 1.0, rows.max() + 1.0))
    tolerance = 1.5 / box.scale
    assert mapped == pytest.approx((left, top, right, bottom), abs=max(tolerance, 1.5))


def test_boxes_are_clipped_to_the_source() -> None:
    _, box = letterboxed(np.zeros((100, 200, 3), np.uint8))
    assert box.box_to_source((-9.0, 0.0, 300.0, 224.0)) == (0.0, 0.0, 200.0, 100.0)


def test_focal_length_scales_with_the_picture() -> None:
    camera = CameraModel(640, 480, math.radians(60.0))
    _, box = letterboxed(np.zeros((480, 640, 3), np.uint8))
    assert box.focal_px(camera) == pytest.approx(camera.focal_px * 224 / 640)


@pytest.mark.parametrize(
    "rgb",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_no_picture(rgb: np.ndarray) -> None:
    with pytest.raises(ValueError, match="uint8 of shape"):
        letterboxed(rgb)
