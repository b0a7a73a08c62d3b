"""How many things a look at each region is expected to put right."""

from __future__ import annotations

from typing import Final

import numpy as np

from models.detection.boxes import areas_px, intersections_px, joined, overlaps
from models.detection.crops import Region, corners_of
from plugins.detection_memory import Changes, Things, View, textured
from sage.values import Float32Array, UInt8Array

_SPREAD: Final = 0.06  # how far a score moves from look to look
_FLIP: Final = 0.6  # odds that a thing right at its threshold changes sides at the next look
_DRIFT: Final = 0.02  # odds per frame that a carried box no longer fits
_NEW: Final = 0.5  # new things in a region that changed much and used to yield one per look
_SMALL: Final = 0.05  # of a region: so much change is as likely something new as not
_UNSEEN: Final = 0.5  # things in a region full of texture that was never looked at
_EVER: Final = 1e-4  # per frame, whatever is known
_RIVAL: Final = 0.1  # how far below the best view's score another may still overtake it
_LOST: Final = 0.3  # odds that something which no view holds is gone, or elsewhere
_AROUND: Final = 0.15  # of its sides, what is looked at for change around a box
_MOVED: Final = 1.0 / 3.0  # of that has to change until a carried box may be as wrong as any
_BARELY: Final = 0.3  # a view that gave this score may miss a thing where it went
_SURELY: Final = 0.5  # one that gave this will see where it went
_LONGEST: Final = 10  # frames, after which a look is as old as can be


def gains_of(
    thumb: UInt8Array,
    regions: tuple[Region, ...],
    views: tuple[View | None, ...],
    things: Things,
    yields: Float32Array,
    changes: Changes,
    threshold: float,
    margin: float,
) -> Float32Array:
    """(regions,) expected number of things that a look there would add, drop or move.

    A known thing counts where its pixels changed since the region's view: where its score is near
    its threshold, as far as that view decides its score; for each frame in which it was carried
    along, as far as that view is sure to see where it went, which a coarse one may be for many
    things at once. Something new is expected where change is explained by nothing known, more so
    where looks used to find things.
    """
    corners = corners_of(regions)
    gains = np.zeros(len(regions), np.float32)
    unseen = [i for i, view in enumerate(views) if view is None]
    if unseen:
        share = changes.grid.share(textured(thumb), corners[unseen])
        gains[unseen] = _UNSEEN * share
    looked = np.array([i for i, view in enumerate(views) if view and view.age], np.int64)
    if not len(looked):
        return gains
    at = changes.rows[looked]
    ages = np.array([view.age for view in views if view and view.age])
    novel = np.array([view.novel for view in views if view and view.age], np.float32)
    gains[looked] += _EVER * changes.differs[at] * np.minimum(ages, _LONGEST)
    gains[looked] += _NEW * yields[looked] * novel / (novel + _SMALL)
    if not len(things.boxes) or not changes.differs.any():
        return gains
    scores = things.boxes.scores
    edge = np.where(things.shown, threshold - margin, threshold + margin)
    flips = _FLIP * np.exp(-0.5 * np.square((scores - edge) / _SPREAD))
    grown = things.boxes.corners_px + _AROUND * _sides(things.boxes.corners_px)
    moved = np.minimum(1.0, changes.shares(grown)[:, at] / _MOVED)
    best = _scores_by(things, views)
    top = best.max(axis=1, keepdims=True)
    decides = np.exp(-(top - best) / _RIVAL)[:, looked]
    sees = np.clip((best - _BARELY) / (_SURELY - _BARELY), 0.0, 1.0)[:, looked]
    lost = top[:, 0] == 0.0
    sees[lost] = 1.0
    drift = np.where(lost, _LOST, _DRIFT * np.minimum(things.unseen, _LONGEST)) * things.shown
    weight = moved * _within(things, corners[looked])
    gains[looked] += (weight * (decides * flips[:, None] + sees * drift[:, None])).sum(axis=0)
    return gains


def _within(things: Things, corners: Float32Array) -> Float32Array:
    """(things, regions) how much of each thing lies in each rectangle."""
    boxes = things.boxes.corners_px
    area = np.maximum(areas_px(boxes), 1e-6)[:, None]
    share: Float32Array = (intersections_px(boxes, corners) / area).astype(np.float32)
    return share


def _sides(corners: Float32Array) -> Float32Array:
    sides = corners[:, 2:] - corners[:, :2]
    return np.concatenate([-sides, sides], axis=1)


def _scores_by(things: Things, views: tuple[View | None, ...]) -> Float32Array:
    """(things, views) the score that each view gave to each thing; 0 where it saw none."""
    held = [(i, view) for i, view in enumerate(views) if view is not None and len(view.found)]
    best = np.zeros((len(things.boxes), len(views)), np.float32)
    if held:
        raw = joined([view.found for _, view in held])
        same = overlaps(things.boxes.corners_px, raw.corners_px) > 0.4
        same &= things.boxes.labels[:, None] == raw.labels[None]
        table = np.where(same, raw.scores[None], 0.0)
        starts = np.cumsum([0, *(len(view.found) for _, view in held[:-1])])
        best[:, [i for i, _ in held]] = np.maximum.reduceat(table, starts, axis=1)
    return best
