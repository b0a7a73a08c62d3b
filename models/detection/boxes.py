"""Boxes with scores and classes, and what is done to them: overlap, suppression, merging."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

_MOST_KEPT: Final = 300  # of one picture, as detectors' own evaluations do


@dataclass(frozen=True, slots=True)
class Boxes:
    """Things that were found.

    ``corners_px`` (N, 4) float32 holds left, top, right, bottom; ``scores`` (N,) float32 lie in
    [0, 1]; ``labels`` (N,) int64 number the network's classes from 0.
    """

    corners_px: Float32Array
    scores: Float32Array
    labels: IntArray

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, chosen: Any) -> Boxes:
        """Some of them: a mask or indices."""
        return Boxes(self.corners_px[chosen], self.scores[chosen], self.labels[chosen])

    def moved(self, scale: float, left_px: float, top_px: float) -> Boxes:
        """The same things where a picture is scaled first and shifted then."""
        shift = np.array([left_px, top_px, left_px, top_px], np.float32)
        return Boxes(self.corners_px * np.float32(scale) + shift, self.scores, self.labels)

    def clipped(self, left: float, top: float, right: float, bottom: float) -> Boxes:
        """Cut at a frame, without those of which less than a pixel is left."""
        low = np.array([left, top, left, top], np.float32)
        high = np.array([right, bottom, right, bottom], np.float32)
        corners = np.clip(self.corners_px, low, high)
        inside = (corners[:, 2:] - corners[:, :2]).min(axis=1, initial=np.inf) >= 1.0
        return Boxes(corners[inside], self.scores[inside], self.labels[inside])


NONE: Final = Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))


def joined(parts: Sequence[Boxes]) -> Boxes:
    """All of them, in their order."""
    parts = [part for part in parts if len(part)]
    if not parts:
        return NONE
    if len(parts) == 1:
        return parts[0]
    return Boxes(
        np.concatenate([part.corners_px for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.labels for part in parts]),
    )


def areas_px(corners: Float32Array) -> Float32Array:
    """(N,) areas of (N, 4) corners."""
    sides = np.maximum(corners[:, 2:] - corners[:, :2], 0.0)
    area: Float32Array = sides[:, 0] * sides[:, 1]
    return area


def intersections_px(one: Float32Array, other: Float32Array) -> Float32Array:
    """(N, M) areas shared by (N, 4) and (M, 4) corners."""
    width, height = (  # axis by axis: numpy is several times slower on a last axis of two
        np.minimum(one[:, None, axis + 2], other[None, :, axis + 2])
        - np.maximum(one[:, None, axis], other[None, :, axis])
        for axis in (0, 1)
    )
    shared: Float32Array = np.maximum(width, 0.0) * np.maximum(height, 0.0)
    return shared


def overlaps(one: Float32Array, other: Float32Array) -> Float32Array:
    """(N, M) intersection over union."""
    shared = intersections_px(one, other)
    union = areas_px(one)[:, None] + areas_px(other)[None] - shared
    ratio: Float32Array = shared / np.maximum(union, 1e-9)
    return ratio


def suppressed(found: Boxes, overlap: float) -> Boxes:
    """Greedy non-maximum suppression, class by class: the surest first (score, then order)."""
    if len(found) < 2:
        return found
    order = np.argsort(-found.scores, kind="stable")[: 4 * _MOST_KEPT]
    found = found[order]
    rivals = overlaps(found.corners_px, found.corners_px) > overlap
    rivals &= found.labels[:, None] == found.labels[None]
    return found[_survivors(rivals)[:_MOST_KEPT]]


def merged(
    found: Boxes,
    fresh: npt.NDArray[np.bool_] | None = None,
    *,
    overlap: float = 0.5,
    overlap_moved: float = 0.25,
    within: float = 0.85,
) -> IntArray:
    """What several views of one picture found, once each: indices into ``found``, surest first.

    Args:
        found: of all views, in the picture's pixels, without what a view's border cuts.
        fresh: (N,) whether it was seen in this very picture, not carried along; all by default.
        overlap: intersection over union from which two boxes of a class are one thing.
        overlap_moved: the same where only one of them is fresh: the other may be out of place.
        within: how much of one must lie in the other for it to be a part of that, not another
            thing: crops show parts of what is larger than they are (Akyon et al. 2022).
    """
    order: IntArray = np.argsort(-found.scores, kind="stable")
    if len(found) < 2:
        return order
    corners, labels = found.corners_px[order], found.labels[order]
    needed: Any = np.float32(overlap)
    if fresh is not None and not fresh.all():
        fresh = fresh[order]
        needed = np.where(fresh[:, None] == fresh[None], overlap, overlap_moved)
    shared, area = intersections_px(corners, corners), areas_px(corners)
    union = area[:, None] + area[None] - shared
    rivals = shared > needed * np.maximum(union, 1e-9)
    rivals |= shared > within * np.maximum(np.minimum(area[:, None], area[None]), 1e-9)
    rivals &= labels[:, None] == labels[None]
    kept: IntArray = order[_survivors(rivals)[:_MOST_KEPT]]
    return kept


def _survivors(rivals: npt.NDArray[np.bool_]) -> IntArray:
    """Indices of what no earlier survivor is a rival of."""
    dead = np.zeros(len(rivals), np.bool_)
    kept = []
    for index in range(len(rivals)):
        if not dead[index]:
            kept.append(index)
            dead |= rivals[index]
    return np.array(kept, np.int64)
