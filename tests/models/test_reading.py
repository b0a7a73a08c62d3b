"""Detection maps to things."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.vision.layout import DETECTION_CHANNELS, GRID, LARGE, SMALL, Slot
from models.vision.reading import SlotCalibration, relations, things_in


def empty() -> np.ndarray:
    return np.full((DETECTION_CHANNELS, GRID, GRID), -9.0, np.float32)


def put(
    maps: np.ndarray, slot: Slot, label: str, row: int, col: int, logit: float, **geometry: float
) -> None:
    first = slot.first_channel
    maps[first + slot.classes.index(label), row, col] = logit
    start = first + len(slot.classes)
    names = ("x", "y", "log_width", "log_height", "log_distance", "column")
    maps[start : start + 6, row, col] = [geometry.get(name, 0.0) for name in names]


def test_geometry_of_one_thing() -> None:
    maps = empty()
    put(
        maps,
        SMALL,
        "apple",
        5,
        3,
        4.0,
        x=0.25,
        log_width=math.log(2.0),
        log_distance=math.log(1.5),
        column=-1.0,
    )
    (found,) = things_in(maps)
    assert (found.label, found.slot) == ("apple", "objects")
    assert found.box_px == pytest.approx((60 - 16, 88 - 8, 60 + 16, 88 + 8))
    assert found.distance_m == pytest.approx(1.5)
    assert found.column_px == pytest.approx((3.5 - 1.0) * 16)


def test_neighbours_that_agree_are_one_thing() -> None:
    maps = empty()
    put(maps, LARGE, "fridge", 6, 6, 3.0)
    put(maps, LARGE, "fridge", 6, 7, 1.0, x=-1.0)
    put(maps, LARGE, "fridge", 6, 12, 2.0)
    found = things_in(maps)
    assert [f.box_px[0] for f in found] == pytest.approx([72.0, 168.0], abs=1.0)


def test_what_several_cells_agree_on_is_surer() -> None:
    maps = empty()
    put(maps, SMALL, "mug", 3, 3, 1.0)
    put(maps, SMALL, "apple", 9, 9, 1.0)
    for row, col in ((9, 8), (8, 9), (10, 9)):
        put(maps, SMALL, "apple", row, col, 0.9, x=9.0 - col, y=9.0 - row)
    logits = {thing.label: thing.logit for thing in things_in(maps)}
    assert logits["apple"] == pytest.approx(logits["mug"] + math.log(4.0), abs=0.1)
    rule = SlotCalibration(1.0, 0.0, 0.75)
    kept = things_in(maps, {"furniture": rule, "objects": rule})
    assert [thing.label for thing in kept] == ["apple"]


def test_a_second_guess_beside_the_first_is_no_second_thing() -> None:
    maps = empty()
    put(maps, SMALL, "tray", 6, 6, 3.0, log_height=-1.5)
    put(maps, SMALL, "tray", 7, 6, 2.0, log_height=-1.5)
    put(maps, SMALL, "tray", 6, 9, 1.0)
    (first, far) = things_in(maps)
    assert first.box_px[1] > 6 * 16, "a guess that disagrees does not move the first"
    assert round(far.logit) == 1


def test_two_classes_on_one_box_leave_the_surer_one() -> None:
    maps = empty()
    put(maps, LARGE, "fridge", 6, 6, 1.0)
    put(maps, LARGE, "stove", 6, 7, 3.0, x=-1.0)
    assert [f.label for f in things_in(maps)] == ["stove"]


def test_an_object_on_furniture_stays() -> None:
    maps = empty()
    put(maps, LARGE, "dining table", 7, 7, 3.0)
    put(maps, SMALL, "mug", 7, 7, 3.0)
    assert {f.label for f in things_in(maps)} == {"dining table", "mug"}


def test_threshold_is_on_the_calibrated_probability() -> None:
    maps = empty()
    put(maps, SMALL, "mug", 7, 7, 1.0)
    (found,) = things_in(maps)
    low = SlotCalibration(1.0, 0.0, 0.6)
    high = SlotCalibration(1.0, 0.0, 0.7)
    assert low.probability(found.logit) == pytest.approx(0.665, abs=1e-3)
    assert things_in(maps, {"furniture": low, "objects": low})
    assert not things_in(maps, {"furniture": high, "objects": high})


def test_nothing_in_empty_maps() -> None:
    assert things_in(empty()) == []
    with pytest.raises(ValueError, match="detection maps"):
        things_in(np.zeros((3, 7, 7), np.float32))


def test_relations_of_boxes() -> None:
    box = np.array([0, 0, 2, 2], np.float32)
    others = np.array([[0, 0, 2, 2], [1, 0, 3, 2], [5, 0, 7, 2], [0, 0, 1, 1]], np.float32)
    overlap, inside, apart_px = relations(box, others)
    assert overlap == pytest.approx([1.0, 1 / 3, 0.0, 0.25])
    assert inside == pytest.approx([1.0, 0.5, 0.0, 1.0])
    assert apart_px == pytest.approx([0.0, 1.0, 5.0, math.hypot(0.5, 0.5)])
