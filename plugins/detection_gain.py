"""How many things a look at each region is expected to put right."""

from __future__ import annotations

from typing import Final

import numpy as np

from models.detection.boxes import areas_px, intersections_px, joined, overlaps
from models.detection.crops import Region, corners_of
from plugins.detection_memory import Grid, Things, View, changed, textured
from sage.values import Float32Array, UInt8Array

_SPREAD: Final = 0.06  # how far a score moves from look to look
_FLIP: Final = 0.35  # odds that a thing right at its threshold changes sides at the next look
_DRIFT: Final = 0.03  # odds per frame that a carried box no longer fits
_NEW: Final = 0.5  # new things in a region that changed much and used to yield one per look
_SMALL: Final = 0.05  # of a region: so much change is as likely something new as not
_UNSEEN: Final = 0.5  # things in a region full of texture that was never looked at
_EVER: Final = 1e-4  # per frame, whatever is known
_RIVAL: Final = 0.1  # how far below the best view's score another may still overtake it
_LONGEST: Final = 10  # frames, after which a look is as old as can be


def gains_of(
    thumb: UInt8Array,
    regions: tuple[Region, ...],
    views: tuple[View | None, ...],
    things: Things,
    yields: Float32Array,
    threshold: float,
    margin: float,
) -> Float32Array:
    """(regions,) expected number of things that a look there would add, drop or move.

    A known thing counts where its score is near its threshold, where the region's view decides
    its score, and where its pixels changed since that view; something new is expected where
    change is explained by nothing known, more so where looks used to find things.
    """
    corners = corners_of(regions)
    gains = np.zeros(len(regions), np.float32)
    seen = np.array([view is not None for view in views])
    if not seen.all():
        texture = textured(thumb)
        height, width = regions[0].bottom, regions[0].right
        share = Grid((width, height), texture.shape).share(texture, corners)
        gains[~seen] = (_UNSEEN * share)[~seen]
    looked = [i for i, view in enumerate(views) if view is not None and view.age]
    if not looked:
        return gains
    distinct = {id(views[i].seen): views[i].seen for i in looked}  # type: ignore[union-attr]
    row = {key: index for index, key in enumerate(distinct)}
    at = [row[id(views[i].seen)] for i in looked]  # type: ignore[union-attr]
    differs = np.array([not np.array_equal(thumb, then) for then in distinct.values()])[at]
    ages = np.array([views[i].age for i in looked])  # type: ignore[union-attr]
    novel = np.array([views[i].novel for i in looked], np.float32)  # type: ignore[union-attr]
    gains[looked] += _EVER * differs * np.minimum(ages, _LONGEST)
    gains[looked] += _NEW * yields[looked] * novel / (novel + _SMALL)
    if not len(things.boxes) or not differs.any():
        return gains
    scores = things.boxes.scores
    edge = np.where(things.shown, threshold - margin, threshold + margin)
    flips = _FLIP * np.exp(-0.5 * np.square((scores - edge) / _SPREAD))
    drift = np.where(things.shown, _DRIFT, 0.0) * np.minimum(things.unseen, _LONGEST)
    masks = [changed(thumb, then) for then in distinct.values()]
    grid = Grid((regions[0].right, regions[0].bottom), masks[0].shape)
    moved = np.stack([grid.share(mask, things.boxes.corners_px) for mask in masks], axis=1)
    weight = _decides(things, views)[:, looked] * _within(things, corners[looked])
    weight *= np.minimum(1.0, 2.0 * moved[:, at])
    gains[looked] += (weight * (flips + drift)[:, None]).sum(axis=0)
    return gains


def _within(things: Things, corners: Float32Array) -> Float32Array:
    """(things, regions) how much of each thing lies in each rectangle."""
    boxes = things.boxes.corners_px
    area = np.maximum(areas_px(boxes), 1e-6)[:, None]
    share: Float32Array = (intersections_px(boxes, corners) / area).astype(np.float32)
    return share


def _decides(things: Things, views: tuple[View | None, ...]) -> Float32Array:
    """(things, views) how likely a new look of a view is to change a thing's score.

    A thing's score is that of its best view: others matter as far as they come near it.
    """
    held = [(i, view) for i, view in enumerate(views) if view is not None and len(view.found)]
    best = np.zeros((len(things.boxes), len(views)), np.float32)
    if held:
        raw = joined([view.found for _, view in held])
        owner = np.concatenate([np.full(len(view.found), i) for i, view in held])
        same = overlaps(things.boxes.corners_px, raw.corners_px) > 0.4
        same &= things.boxes.labels[:, None] == raw.labels[None]
        table = np.where(same, raw.scores[None], 0.0)
        for i, _ in held:
            best[:, i] = table[:, owner == i].max(axis=1)
    top = best.max(axis=1, keepdims=True)
    weight: Float32Array = np.exp(-(top - best) / _RIVAL).astype(np.float32)
    return weight
