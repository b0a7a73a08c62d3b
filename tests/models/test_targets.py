"""Training targets: what the heads are taught is what reading them gives back."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("torch", reason="training targets need torch (extra 'train')")

import torch

from models.vision.augment import degrade, jitter, mirrored, zoomed
from models.vision.data import LABELS, THING
from models.vision.layout import DETECTION_CHANNELS, GRID, SLOTS
from models.vision.reading import things_in
from models.vision.targets import batch_targets, detection_loss, overlap_loss, slot_targets

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
        classes, geometry, _, _ = slot_targets(things, slot, FOCAL_PX)
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


@pytest.mark.parametrize("seed", range(6))
def test_a_zoomed_view_keeps_boxes_on_their_things(seed: int) -> None:
    picture = np.zeros((224, 224, 3), np.uint8)
    picture[90:130, 100:140] = 255
    bearing = -math.atan2(120 - 112, FOCAL_PX)
    thing = np.array([(0, (100, 90, 140, 130), 2.0, bearing, 1600)], THING)
    large, things = zoomed(picture, thing, FOCAL_PX, np.random.default_rng(seed))
    rows, cols = np.nonzero(large[:, :, 0] > 127)
    seen = (cols.min(), rows.min(), cols.max() + 1, rows.max() + 1)
    assert tuple(things["box_px"][0]) == pytest.approx(seen, abs=1.5)
    zoom = 2.0 / float(things["distance_m"][0])
    assert 1.0 <= zoom <= 1.26
    column = 112 - FOCAL_PX * math.tan(float(things["bearing_rad"][0]))
    assert column == pytest.approx(0.5 * (seen[0] + seen[2]), abs=1.5)


def test_a_hardly_visible_thing_is_neither_required_nor_forbidden() -> None:
    hidden = THINGS[1:2].copy()
    hidden["visible_px"] = 3
    classes, _, positive, located = slot_targets(hidden, SLOTS[1], FOCAL_PX)
    assert not positive.any()
    assert not located.any()
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


def test_overlap_loss_is_zero_for_the_same_box_and_grows_with_the_shift() -> None:
    truth = torch.zeros(4, 6)
    shifted = truth.clone()
    shifted[:, 0] = torch.tensor([0.0, 0.25, 0.5, 3.0])
    loss = overlap_loss(shifted, truth, 16.0)
    assert float(loss[0]) == 0.0
    assert (loss.diff() > 0).all()
    assert float(loss[3]) > 1.0, "boxes apart cost more than boxes that touch"


@pytest.mark.parametrize("overlap_weight", [0.0, 1.0])
def test_perfect_maps_cost_next_to_nothing(overlap_weight: float) -> None:
    targets = batch_targets([THINGS], FOCAL_PX)
    perfect = torch.from_numpy(taught(THINGS))[None]
    good = float(detection_loss(perfect, targets, overlap_weight))
    shifted = perfect.roll(1, dims=3)
    assert good < 0.01
    assert float(detection_loss(shifted, targets, overlap_weight)) > 100 * good
