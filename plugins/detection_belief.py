"""What is believed of a frame: earlier beliefs, moved by what its looks showed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from models.detection import Region, merged
from models.detection.boxes import Boxes, joined, overlaps
from models.detection.crops import corners_of
from plugins.detection_memory import Things, View, matches
from sage.values import UInt8Array


def believed(
    base: Things,
    regions: tuple[Region, ...],
    views: tuple[View | None, ...],
    *,
    threshold: float,
    margin: float,
    pace: float,
    least: float,
) -> Things:
    """What was believed before a frame, ``base``, moved by what the frame's looks showed.

    Args:
        base: carried to where it is in this frame.
        regions: of the frame, ``views`` the latest look at each.
        threshold: the score from which something is reported, ``margin`` below or above it for
            what was reported or was not.
        pace: how far one look moves a known thing's score, in (0, 1].
        least: what scores less is forgotten.
    """
    held = [view for view in views if view is not None and len(view.found)]
    raw = joined([view.found for view in held])
    fresh = np.concatenate(
        [np.full(len(view.found), view.age == 0) for view in held] or [np.zeros(0, np.bool_)]
    )
    kept = merged(raw, fresh)
    now = raw[kept]
    # Carried boxes were put where a fresh one was found: that place was seen now.
    placed = fresh[kept] | same_place(now, raw[fresh])
    fresh = fresh[kept]
    partner, _ = matches(now, base.boxes, 0.3)
    known = partner >= 0
    scores = now.scores.copy()
    before = base.boxes.scores[partner[known]]
    # After some frames without a look, one look counts for as many.
    rest = np.power(1.0 - pace, np.maximum(base.unscored, 1))
    moved = (1.0 - rest[partner[known]]) * fresh[known]
    scores[known] = before + moved * (scores[known] - before)
    was_shown = np.zeros(len(now), np.bool_)
    was_shown[known] = base.shown[partner[known]]
    unseen = np.zeros(len(now), np.int64)
    unseen[known] = np.where(placed[known], 0, base.unseen[partner[known]])
    unscored = np.zeros(len(now), np.int64)
    unscored[known] = np.where(fresh[known], 0, base.unscored[partner[known]])
    # What no view holds any more fades once its place was looked at.
    missed = np.ones(len(base.boxes), np.bool_)
    missed[partner[known]] = False
    lost = np.flatnonzero(missed)
    looked = _looked_at(base.boxes[lost], regions, views)
    faded = base.boxes.scores[lost] * np.where(looked, rest[lost], 1.0)
    boxes = joined(
        [
            Boxes(now.corners_px, scores.astype(np.float32), now.labels),
            Boxes(base.boxes.corners_px[lost], faded.astype(np.float32), base.boxes.labels[lost]),
        ]
    )
    was_shown = np.concatenate([was_shown, base.shown[lost]])
    new = np.concatenate([~known, np.zeros(len(lost), np.bool_)])
    unseen = np.concatenate([unseen, np.where(looked, 0, base.unseen[lost])])
    unscored = np.concatenate([unscored, np.where(looked, 0, base.unscored[lost])])
    needed = np.where(was_shown, threshold - margin, threshold + margin)
    if not len(base.boxes):
        needed[new] = threshold
    shown = boxes.scores >= needed
    alive = boxes.scores >= least
    return Things(boxes[alive], shown[alive], unseen[alive], unscored[alive])


def _inside(found: Boxes, region: Region) -> Any:
    """(N,) whether a box's centre lies in a region."""
    x = 0.5 * (found.corners_px[:, 0] + found.corners_px[:, 2])
    y = 0.5 * (found.corners_px[:, 1] + found.corners_px[:, 3])
    return (x >= region.left) & (x < region.right) & (y >= region.top) & (y < region.bottom)


def same_place(one: Boxes, other: Boxes) -> Any:
    """(N,) whether something of the same class lies where a box is."""
    same = overlaps(one.corners_px, other.corners_px) >= 0.5
    return (same & (one.labels[:, None] == other.labels[None])).any(axis=1)


def _looked_at(found: Boxes, regions: tuple[Region, ...], views: tuple[View | None, ...]) -> Any:
    """(N,) whether this frame was looked at where a box is."""
    now = [r for r, view in zip(regions, views, strict=True) if view is not None and not view.age]
    if not now or not len(found):
        return np.zeros(len(found), np.bool_)
    return _within_each(found, now).any(axis=1)


def _within_each(found: Boxes, regions: Sequence[Region]) -> Any:
    """(N, regions) which of the regions the middle of each box lies in."""
    corners = corners_of(regions)
    middle = 0.5 * (found.corners_px[:, None, :2] + found.corners_px[:, None, 2:])
    return ((middle >= corners[:, :2]) & (middle < corners[:, 2:])).all(axis=2)


def snapped(views: tuple[View | None, ...], known: Boxes, found: Boxes) -> tuple[View | None, ...]:
    """The views with their boxes of a known thing put where a look has just found it.

    A coarse look is enough to see where things went; who looked closer still knows what they are.
    """
    held = [(i, view) for i, view in enumerate(views) if view and view.age and len(view.found)]
    partner, _ = matches(found, known, 0.3)
    here = partner >= 0
    if not held or not here.any():
        return views
    before, now = known[partner[here]], found.corners_px[here]
    boxes = joined([view.found for _, view in held])
    same = overlaps(boxes.corners_px, before.corners_px)
    same *= boxes.labels[:, None] == before.labels[None]
    which = same.argmax(axis=1)
    corners = np.where(same.max(axis=1, keepdims=True) >= 0.5, now[which], boxes.corners_px)
    after = list(views)
    start = 0
    for index, view in held:
        end = start + len(view.found)
        moved = Boxes(corners[start:end], view.found.scores, view.found.labels)
        after[index] = dataclasses.replace(view, found=moved)
        start = end
    return tuple(after)


def replaced(
    views: tuple[View | None, ...],
    regions: tuple[Region, ...],
    chosen: int,
    found: Boxes,
    thumb: UInt8Array,
) -> tuple[View | None, ...]:
    """The views after a look.

    What moved out of the region since the last look there stays in mind until somebody looks
    where it went; what others remember to have moved in here is replaced by what was found.
    """
    after = list(views)
    before = views[chosen]
    if before is not None and len(before.found):
        found = joined([found, before.found[~_inside(before.found, regions[chosen])]])
    after[chosen] = View(found, thumb, 0, 0.0)
    held = [(i, v) for i, v in enumerate(views) if v and v.age and i != chosen and len(v.found)]
    if not held:
        return tuple(after)
    inside = _within_each(joined([view.found for _, view in held]), regions)
    owner = np.repeat([i for i, _ in held], [len(view.found) for _, view in held])
    strayed = ~inside[np.arange(len(owner)), owner] & inside[:, chosen]
    for index in np.unique(owner[strayed]).tolist():
        view = views[index]
        assert view is not None
        kept = view.found[~strayed[owner == index]]
        after[index] = dataclasses.replace(view, found=kept)
    return tuple(after)


def differences(before: Things, after: Things) -> float:
    """How many reported things differ between two beliefs."""
    one, other = before.boxes[before.shown], after.boxes[after.shown]
    partner, _ = matches(one, other, 0.5)
    same = int((partner >= 0).sum())
    return float(len(one) + len(other) - 2 * same)
