"""From the heads' maps to things: decode, merge what overlaps, calibrated confidence."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.vision.layout import CELL_PX, GRID, INPUT_PX, SLOTS, Slot
from models.vision.picture import Box
from sage.irp.errors import ModelError

Float32Array = npt.NDArray[np.float32]

#: Logits below this are never looked at (probability 0.05).
_FLOOR_LOGIT: Final = -2.9
#: Boxes of one class that overlap by more are averaged.
MERGE_OVERLAP: Final = 0.45
#: Boxes of one class that overlap by more, lie in each other by more, or whose middles are nearer
#: are one thing.
SAME_OVERLAP: Final = 0.3
SAME_INSIDE: Final = 0.6
SAME_MIDDLE_PX: Final = {"furniture": 16.0, "objects": 24.0}
#: No scale or bias of a calibration reaches it.
MAX_CALIBRATION: Final = 1e6
#: Of two boxes of different classes that overlap by more, one is wrong.
OTHER_OVERLAP: Final = 0.7
#: At most so many sub-cells answer for one thing.
_MOST_CELLS: Final = 25


@dataclass(frozen=True, slots=True)
class SlotCalibration:
    """Turns a slot's logit into a probability: sigmoid(scale * logit + bias).

    ``threshold`` is the probability from which on a detection is reported.
    """

    scale: float = 1.0
    bias: float = 0.0
    threshold: float = 0.5

    def __post_init__(self) -> None:
        if not (self.scale > 0.0 and math.isfinite(self.bias) and 0.0 < self.threshold < 1.0):
            raise ModelError(
                f"calibration needs scale > 0, a finite bias and a threshold in (0, 1), got {self}"
            )

    def probability(self, logit: float) -> float:
        """Calibrated probability that the detection is right."""
        return 1.0 / (1.0 + math.exp(-min(max(self.scale * logit + self.bias, -30.0), 30.0)))


Calibration = dict[str, SlotCalibration]


def calibration_from(card: dict[str, Any]) -> Calibration:
    """The calibration per slot from a model card; ModelError if it is damaged."""
    calibration = {}
    for slot in SLOTS:
        try:
            entry = card["calibration"][slot.name]
            numbers = {item.name: entry[item.name] for item in fields(SlotCalibration)}
        except KeyError as error:
            raise ModelError(f"the calibration of {slot.name} lacks {error}") from error
        except TypeError as error:
            raise ModelError(f"the calibration of {slot.name} holds no keys") from error
        for name, value in numbers.items():
            if type(value) not in (int, float) or not abs(value) < MAX_CALIBRATION:
                raise ModelError(
                    f"the calibration of {slot.name} has {name} {repr(value)[:40]}; "
                    f"valid: a number below {MAX_CALIBRATION:g}"
                )
        calibration[slot.name] = SlotCalibration(**numbers)
    return calibration


@dataclass(frozen=True, slots=True)
class Found:
    """One thing in the network's 224 x 224 picture.

    ``logit`` is the surest sub-cell's plus the logarithm of how many agree with it (the sum of
    their probabilities): a thing that several sub-cells see alike is there more often, and where
    they say. ``column_px`` is the column of the thing's own centre, which may lie outside the
    picture; ``distance_m`` holds for the focal length that the network was trained with.
    """

    label: str
    slot: str
    logit: float
    box_px: Box
    column_px: float
    distance_m: float


def relations(
    box: Float32Array, others: Float32Array
) -> tuple[Float32Array, Float32Array, Float32Array]:
    """Intersection over union and over the smaller area, and the middles' distance (px)."""
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    inner = np.prod(np.clip(high - low, 0.0, None), axis=1)
    area = np.prod(box[2:] - box[:2])
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1)
    apart = 0.5 * (others[:, :2] + others[:, 2:] - box[:2] - box[2:])
    return (
        np.asarray(inner / np.maximum(area + areas - inner, 1e-6), np.float32),
        np.asarray(inner / np.maximum(np.minimum(area, areas), 1e-6), np.float32),
        np.asarray(np.hypot(apart[:, 0], apart[:, 1]), np.float32),
    )


def decode(maps: Float32Array, slot: Slot) -> tuple[Any, Float32Array, Float32Array]:
    """Candidates of one slot from maps (C, 14, 14).

    Returns class indices (N,), logits (N,) descending and geometry (N, 6): left, top, right,
    bottom, centre column (px) and log distance.
    """
    part = maps[slot.first_channel : slot.first_channel + slot.channels]
    logits = part[: len(slot.classes)]
    raw = part[len(slot.classes) :]
    kinds, rows, cols = np.nonzero(logits > _FLOOR_LOGIT)
    scores = logits[kinds, rows, cols]
    order = np.argsort(-scores, kind="stable")
    kinds, rows, cols, scores = kinds[order], rows[order], cols[order], scores[order]
    at = raw[:, rows, cols]
    x = (cols + 0.5 + at[0]) * CELL_PX
    y = (rows + 0.5 + at[1]) * CELL_PX
    half_width = 0.5 * slot.reference_px * np.exp(np.clip(at[2], -4.0, 3.0))
    half_height = 0.5 * slot.reference_px * np.exp(np.clip(at[3], -4.0, 3.0))
    column = (cols + 0.5 + at[5]) * CELL_PX
    geometry = np.stack(
        [x - half_width, y - half_height, x + half_width, y + half_height, column, at[4]], axis=1
    )
    geometry[:, :4] = np.clip(geometry[:, :4], 0.0, INPUT_PX)
    return kinds, scores, geometry.astype(np.float32)


def things_in(maps: Float32Array, calibration: Calibration | None = None) -> list[Found]:
    """Things in detection maps (C, 14, 14), most certain first.

    Candidates of one class that lie on each other are one thing: the geometry of those that
    agree with the most certain one is averaged by probability.
    With a calibration only what reaches the slot's threshold is returned.
    """
    if maps.shape[1:] != (GRID, GRID):
        raise ValueError(f"detection maps must be (channels, {GRID}, {GRID}), got {maps.shape}")
    found: list[Found] = []
    for slot in SLOTS:
        kinds, scores, geometry = decode(maps, slot)
        boxes = geometry[:, :4]
        open_ = np.ones(len(kinds), bool)
        for index in range(len(kinds)):
            if not open_[index]:
                continue
            score = float(scores[index])
            if calibration is not None:
                rule = calibration[slot.name]
                most = score + math.log(_MOST_CELLS / (1.0 + math.exp(-score)))
                if rule.probability(most) < rule.threshold:
                    break
            overlap, inside, apart_px = relations(boxes[index], boxes)
            same = kinds == kinds[index]
            one_thing = same & (
                (overlap > SAME_OVERLAP)
                | (inside > SAME_INSIDE)
                | (apart_px < SAME_MIDDLE_PX[slot.name])
            )
            mine = open_ & same & (overlap > MERGE_OVERLAP)
            mine[index] = True
            weights = 1.0 / (1.0 + np.exp(-scores[mine]))
            merged = (geometry[mine] * weights[:, None]).sum(0) / weights.sum()
            open_ &= ~one_thing & ~(~same & (overlap > OTHER_OVERLAP))
            open_[index] = False
            score += math.log(float(weights.sum()))
            if calibration is not None and rule.probability(score) < rule.threshold:
                continue
            left, top, right, bottom, column, log_distance = (float(v) for v in merged)
            distance = math.exp(min(max(log_distance, -4.0), 4.0))
            label = slot.classes[int(kinds[index])]
            box = (left, top, right, bottom)
            found.append(Found(label, slot.name, score, box, column, distance))
    return sorted(found, key=lambda thing: -thing.logit)
