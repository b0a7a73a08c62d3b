"""From labelled things to what the heads should say, and the losses that compare the two."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from models.vision.data import LABELS
from models.vision.layout import CELL_PX, GEOMETRY_CHANNELS, GRID, INPUT_PX, SLOTS, Slot

#: Things with fewer visible pixels than this are neither required nor forbidden, per slot.
MIN_VISIBLE_PX: Final = {"furniture": 120.0, "objects": 16.0}
#: Nearer than this the thing's own centre column is learned even where it lies outside.
_MAX_COLUMN_CELLS: Final = 10.0

Float32Array = npt.NDArray[np.float32]


class Targets(NamedTuple):
    """Per slot: ``classes`` (N, K, 14, 14) is 1 present, 0 absent, -1 either; ``positive``
    (N, 14, 14) says where any is 1; ``geometry`` (N, 6, 14, 14) holds where ``located``
    (N, 14, 14) says so, which is a little farther out: a sub-cell that answers all the same
    should know where the thing is."""

    classes: Tensor
    geometry: Tensor
    positive: Tensor
    located: Tensor


def _extents(side_px: float) -> tuple[float, float]:
    """How far (px) from a box's middle a sub-cell's middle may be to be responsible for it, and
    how far until "present" is wrong; in between either answer will do."""
    responsible = min(max(0.2 * side_px, 0.75 * CELL_PX), 1.5 * CELL_PX)
    return responsible, min(max(0.3 * side_px, responsible + 0.5 * CELL_PX), 2.5 * CELL_PX)


def _within(middles: Float32Array, x: float, y: float, dx: float, dy: float) -> Any:
    """Index of the sub-cells whose middle is at most (dx, dy) px from (x, y)."""
    rows = np.flatnonzero(np.abs(middles - y) <= dy)
    cols = np.flatnonzero(np.abs(middles - x) <= dx)
    return np.ix_(rows, cols)


def slot_targets(
    things: npt.NDArray[Any], slot: Slot, focal_px: float
) -> tuple[npt.NDArray[np.int8], Float32Array, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Targets of one frame for one slot, see :class:`Targets` (without the batch axis)."""
    classes = np.zeros((len(slot.classes), GRID, GRID), np.int8)
    geometry = np.zeros((GEOMETRY_CHANNELS, GRID, GRID), np.float32)
    positive, located = np.zeros((2, GRID, GRID), bool)
    nearest = np.full((GRID, GRID), np.inf, np.float32)
    middles = (np.arange(GRID, dtype=np.float32) + 0.5) * np.float32(CELL_PX)
    mine = [t for t in things if LABELS[t["label"]] in slot.classes]
    # Far things first, so that where two claim a sub-cell the nearer one keeps it.
    for thing in sorted(mine, key=lambda t: -float(t["distance_m"])):
        left, top, right, bottom = (float(v) for v in thing["box_px"])
        width, height = max(right - left, 1.0), max(bottom - top, 1.0)
        x, y = 0.5 * (left + right), 0.5 * (top + bottom)
        kind = slot.classes.index(LABELS[thing["label"]])
        required = thing["visible_px"] >= MIN_VISIBLE_PX[slot.name]
        (near_x, far_x), (near_y, far_y) = _extents(width), _extents(height)
        if not required:
            far_x, far_y = max(0.5 * width, CELL_PX), max(0.5 * height, CELL_PX)
        area = _within(middles, x, y, far_x, far_y)
        classes[kind][area] = np.where(classes[kind][area] == 1, 1, -1)
        if not required:
            continue
        area = _within(middles, x, y, near_x, near_y)
        taken = classes[:, area[0], area[1]]
        taken[taken == 1] = -1
        classes[:, area[0], area[1]] = taken
        classes[kind][area] = 1
        positive[area] = True
        column = 0.5 * INPUT_PX - focal_px * np.tan(np.clip(thing["bearing_rad"], -1.2, 1.2))
        here = np.zeros((GRID, GRID), bool)
        here[_within(middles, x, y, far_x, far_y)] = True
        # A responsible sub-cell belongs to its thing, others to the nearest middle.
        away = np.hypot(middles[:, None] - y, middles[None, :] - x)
        core = np.zeros((GRID, GRID), bool)
        core[area] = True
        here &= core | (~positive & (away < nearest))
        nearest[here] = np.where(core, 0.0, away)[here]
        located |= here
        rows, cols = np.nonzero(here)
        geometry[0, rows, cols] = (x - middles[cols]) / CELL_PX
        geometry[1, rows, cols] = (y - middles[rows]) / CELL_PX
        geometry[2, rows, cols] = np.log(width / slot.reference_px)
        geometry[3, rows, cols] = np.log(height / slot.reference_px)
        geometry[4, rows, cols] = np.log(max(float(thing["distance_m"]), 0.1))
        offset = (column - middles[cols]) / CELL_PX
        geometry[5, rows, cols] = np.clip(offset, -_MAX_COLUMN_CELLS, _MAX_COLUMN_CELLS)
    return classes, geometry, positive, located


def batch_targets(things: list[npt.NDArray[Any]], focal_px: float) -> tuple[Targets, ...]:
    """Targets of a batch, one entry per slot."""
    out = []
    for slot in SLOTS:
        parts = [slot_targets(t, slot, focal_px) for t in things]
        out.append(Targets(*(torch.from_numpy(np.stack(p)) for p in zip(*parts, strict=True))))
    return tuple(out)


def _boxes(geometry: Tensor, reference_px: float) -> tuple[Tensor, Tensor]:
    """Low and high corners (M, 2) in px, seen from the sub-cell's middle, of geometry (M, 6)."""
    middle = geometry[:, :2] * CELL_PX
    half = 0.5 * reference_px * torch.exp(geometry[:, 2:4].clamp(-4.0, 3.0))
    return middle - half, middle + half


def overlap_loss(geometry: Tensor, truth: Tensor, reference_px: float) -> Tensor:
    """One minus the generalised intersection over union (Rezatofighi et al., 2019), (M,)."""
    low, high = _boxes(geometry, reference_px)
    true_low, true_high = _boxes(truth, reference_px)
    inner = (torch.minimum(high, true_high) - torch.maximum(low, true_low)).clamp(min=0).prod(1)
    union = (high - low).prod(1) + (true_high - true_low).prod(1) - inner
    hull = (torch.maximum(high, true_high) - torch.minimum(low, true_low)).prod(1)
    return 1.0 - inner / union + (hull - union) / hull


def detection_loss(
    maps: Tensor, targets: tuple[Targets, ...], overlap_weight: float = 0.0
) -> Tensor:
    """Focal loss (Lin et al., 2017) on classes plus distances on the geometry, over all slots.

    With an ``overlap_weight`` boxes are also drawn to overlap, and every located sub-cell, not
    only the responsible ones, answers for its geometry.
    """
    total = maps.new_zeros((), dtype=torch.float32)
    for slot, target in zip(SLOTS, targets, strict=True):
        part = maps[:, slot.first_channel : slot.first_channel + slot.channels].float()
        logits, geometry = part[:, : len(slot.classes)], part[:, len(slot.classes) :]
        truth = target.classes.clamp(min=0).float()
        cross = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
        surprise = (torch.sigmoid(logits) - truth).abs().square()
        count = target.positive.sum().clamp(min=1)
        total = total + 4.0 * (cross * surprise * (target.classes >= 0)).sum() / count
        where = target.located if overlap_weight else target.positive
        found = geometry.movedim(1, -1)[where]
        wanted = target.geometry.movedim(1, -1)[where]
        if not len(found):
            continue
        error = F.smooth_l1_loss(found, wanted, reduction="none", beta=0.1).mean(0)
        total = total + 0.5 * (error * error.new_tensor([1.0, 1.0, 1.0, 1.0, 2.0, 1.0])).sum()
        if overlap_weight:
            overlap = overlap_loss(found, wanted, slot.reference_px)
            total = total + overlap_weight * overlap.mean()
    return total
