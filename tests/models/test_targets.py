"""Training targets: what the heads are taught is what reading them gives back."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("torch", reason="training targets need torch (extra 'train')")

from models.vision.augment import degrade, jitter, mirrored
from models.vision.data import LABELS, THING
from models.vision.layout import DETECTION_CHANNELS, GRID, SLOTS
from models.vision.reading import things_in
from models.vision.targets import slot_targets

FOCAL_PX = 146.0
THINGS = np.array(
    [
        (LABELS.index("fridge"), (20, 40, 90, 180), 2.0, 0.3, 6000),
        (LABELS.index("apple"), (100, 90, 114, 103), 1.2, 0.02, 120),
        (LABELS.index("mug"), (150, 88, 166, 106), 1.4, -0.3, 150),
        (LABELS.index("person"), (180, 10, 224, 200), 1.5, -0.65, 7000),
    ],
    THING,
)


def taught(things: np.ndarray) -> np.ndarray:
    """Maps of a network that learned the targets perfectly."""
    maps = np.zeros((DETECTION_CHANNELS, GRID, GRID), np.float32)
    for slot in SLOTS:
        classes, geometry, _ = slot_targets(things, slot, FOCAL_PX)
        end = slot.first_channel + slot.channels
        maps[slot.first_channel : end] = np.concatenate(
            [np.where(classes == 1, 5.0, -9.0).astype(np.float32), geometry]
        )
    return maps


@pytest.mark.parametrize("things", [THINGS, mirrored(THINGS)], ids=["plain", "mirrored"])
def test_reading_the_targets_gives_the_things_back(things: np.ndarray) -> None:
    found = {f.label: f for f in things_in(taught(things))}
    assert set(found) == {"fridge", "apple", "mug", "person"}
    for thing in things:
        item = found[LABELS[thing["label"]]]
        assert item.box_px == pytest.approx(tuple(thing["box_px"]), abs=0.1)
        assert item.distance_m == pytest.approx(float(thing["distance_m"]), rel=1e-3)
        bearing = -math.atan2(item.column_px - 112, FOCAL_PX)
        assert bearing == pytest.approx(float(thing["bearing_rad"]), abs=1e-3)


def test_mirroring_twice_changes_nothing() -> None:
    twice = mirrored(mirrored(THINGS))
    for name in THING.names or ():
        np.testing.assert_allclose(twice[name], THINGS[name])
    once = mirrored(THINGS)
    assert tuple(once["box_px"][0]) == (134, 40, 204, 180)
    assert once["bearing_rad"][0] == pytest.approx(-0.3)


def test_a_hardly_visible_thing_is_neither_required_nor_forbidden() -> None:
    hidden = THINGS[1:2].copy()
    hidden["visible_px"] = 3
    classes, _, positive = slot_targets(hidden, SLOTS[1], FOCAL_PX)
    assert not positive.any()
    assert (classes[SLOTS[1].classes.index("apple")] == -1).any()
    assert not (classes == 1).any()


def test_degrading_is_random_but_repeatable_and_keeps_the_range() -> None:
    picture = np.random.default_rng(0).random((224, 224, 3)).astype(np.float32)
    for change in (jitter, degrade):
        outs = [change(picture, np.random.default_rng(seed)) for seed in range(12)]
        np.testing.assert_array_equal(outs[3], change(picture, np.random.default_rng(3)))
        assert all(out.shape == picture.shape for out in outs)
        assert all(out.min() >= 0.0 and out.max() <= 1.0 for out in outs)
        assert any(not np.array_equal(out, picture) for out in outs)
