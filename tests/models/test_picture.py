"""Pictures of any size in, boxes in the camera's own pixels out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.vision.picture import letterboxed, missing_in
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
        [[[0, 0, 0]]],
        None,
    ],
)
def test_no_picture(rgb: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"uint8 of shape \(height, width, 3\), got "):
        letterboxed(rgb)


@pytest.mark.parametrize("shape", [(576, 768), (768, 576), (100, 50), (224, 224), (1, 1), (3, 900)])
def test_what_lies_inside_is_the_picture_and_nothing_of_the_bars(shape: tuple[int, int]) -> None:
    picture, box = letterboxed(np.zeros((*shape, 3), np.uint8))
    shown = np.zeros((224, 224), bool)
    shown[box.inside()] = True
    np.testing.assert_array_equal(shown, (picture == 0).all(-1))


def test_missing_pixels_of_a_picture_of_native_size_stay_as_they_are() -> None:
    _, box = letterboxed(np.zeros((224, 224, 3), np.uint8))
    missing = np.random.default_rng(0).random((224, 224)) < 0.3
    np.testing.assert_array_equal(missing_in(missing, box), missing)


@pytest.mark.parametrize("shape", [(576, 768), (768, 576), (100, 50), (480, 640), (1, 1), (3, 900)])
def test_whatever_a_missing_pixel_touches_is_missing(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    rgb = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    missing = np.zeros(shape, bool)
    missing[shape[0] // 3 : shape[0] // 3 + max(shape[0] // 10, 1)] = True
    other = rgb.copy()
    other[missing] = 255 - other[missing]
    (one, box), (two, _) = letterboxed(rgb), letterboxed(other)
    mapped = missing_in(missing, box)
    assert mapped.shape == (224, 224)
    assert not (one != two).any(-1)[~mapped].any()
    # No more than that: a part as large as in the picture, and a rim of the pixels beside it.
    part = missing.mean() * round(shape[0] * box.scale) * round(shape[1] * box.scale)
    assert mapped.sum() <= part + 2 * (2 + box.scale) * 224


def test_what_was_added_around_a_picture_is_not_missing() -> None:
    _, box = letterboxed(np.zeros((100, 200, 3), np.uint8))
    mapped = missing_in(np.ones((100, 200), bool), box)
    assert mapped[56:168].all()
    assert not mapped[:56].any()
    assert not mapped[168:].any()
    assert not missing_in(np.zeros((100, 200), bool), box).any()


@pytest.mark.parametrize(
    "missing", [np.zeros((4, 5), np.uint8), np.zeros((5, 4), bool), np.zeros(20, bool), None]
)
def test_no_mask(missing: object) -> None:
    _, box = letterboxed(np.zeros((4, 5, 3), np.uint8))
    with pytest.raises(ValueError, match=r"bool of the picture's shape \(4, 5\), got"):
        missing_in(missing, box)  # type: ignore[arg-type]
