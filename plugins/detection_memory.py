"""What a camera's last frames leave to the next one, and how it is carried along with motion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.detection.boxes import NONE, Boxes, overlaps
from models.detection.crops import Region
from sage.values import Float32Array, UInt8Array

BoolArray = npt.NDArray[np.bool_]

_THUMB_PX: Final = 384  # longer side of the small grey picture that motion is seen in
_BLOCK: Final = 4  # thumbnail pixels a side, over which change is averaged against noise
_NOISE: Final = 5.0  # grey levels: a block that changed by less did not change
_CUT: Final = 0.6  # of the blocks cannot be explained by motion: another scene
_POINTS: Final = np.linspace(0.2, 0.8, 5, dtype=np.float32)  # of a box, where its motion is read


@dataclass(frozen=True, slots=True)
class Things:
    """What is believed to be there: (N,) each.

    ``boxes.scores`` are smoothed over time; ``shown`` says which are reported; ``unseen`` counts
    frames since a look at the place, ``unscored`` since one that decided the score.
    """

    boxes: Boxes
    shown: BoolArray
    unseen: npt.NDArray[np.int64]
    unscored: npt.NDArray[np.int64]

    def older(self, boxes: Boxes) -> Things:
        """A frame later, where their boxes are now."""
        return Things(boxes, self.shown, self.unseen + 1, self.unscored + 1)

    def __getitem__(self, chosen: BoolArray) -> Things:
        """Some of them: a mask."""
        return Things(
            self.boxes[chosen], self.shown[chosen], self.unseen[chosen], self.unscored[chosen]
        )


NOTHING: Final = Things(NONE, np.zeros(0, np.bool_), np.zeros(0, np.int64), np.zeros(0, np.int64))


@dataclass(frozen=True, slots=True)
class View:
    """The latest look at one region, moved along since.

    Attributes:
        found: in the frame's pixels, with raw scores.
        seen: the thumbnail of the frame that was looked at.
        age: frames since; 0 in the frame itself.
        novel: how much of the region changed since in a way that motion does not explain.
    """

    found: Boxes
    seen: UInt8Array
    age: int
    novel: float


@dataclass(frozen=True, slots=True)
class DetectionMemory:
    """One camera's past, read-only: hand it to ``init_state`` as ``context["previous"]``.

    ``views`` has one entry per region of the frame, None where none was looked at;
    ``yields`` (regions,) how many things a look there used to change.
    """

    size_px: tuple[int, int]
    thumb: UInt8Array
    views: tuple[View | None, ...]
    things: Things
    yields: Float32Array


def thumbnail(rgb: UInt8Array) -> UInt8Array:
    """The small grey picture of a frame; never larger than it."""
    import cv2

    height, width = rgb.shape[:2]
    scale = min(1.0, _THUMB_PX / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    if scale < 1.0:
        rgb = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)


def blocks(difference: npt.NDArray[Any]) -> Float32Array:
    """Means of a thumbnail-sized picture over small blocks."""
    import cv2

    height, width = difference.shape
    size = (max(1, width // _BLOCK), max(1, height // _BLOCK))
    small = cv2.resize(
        difference.astype(np.float32, copy=False), size, interpolation=cv2.INTER_AREA
    )
    return np.asarray(small, np.float32).reshape(size[1], size[0])


def changed(now: UInt8Array, before: UInt8Array) -> BoolArray:
    """Which blocks differ by more than noise."""
    import cv2

    if now is before:
        return np.zeros((max(1, now.shape[0] // _BLOCK), max(1, now.shape[1] // _BLOCK)), np.bool_)
    return blocks(cv2.absdiff(now, before).reshape(now.shape)) > _NOISE


def textured(thumb: UInt8Array) -> BoolArray:
    """Which blocks show anything at all: an edge stronger than noise."""
    import cv2

    blurred = cv2.blur(thumb, (5, 5)).reshape(thumb.shape)
    return blocks(cv2.absdiff(thumb, blurred).reshape(thumb.shape)) > 1.5


class Grid:
    """Rectangles of the frame as rectangles of blocks, and sums over them at once."""

    def __init__(self, size_px: tuple[int, int], shape: tuple[int, int]) -> None:
        self._scale = np.array([shape[1] / size_px[0], shape[0] / size_px[1]] * 2, np.float32)
        self._most = np.array([shape[1], shape[0]] * 2)

    def share(self, mask: npt.NDArray[Any], corners_px: Float32Array) -> Float32Array:
        """(N,) mean of a picture of blocks inside (N, 4) rectangles."""
        return self.shares(summed(mask), corners_px)

    def shares(self, table: Float32Array, corners_px: Float32Array) -> Float32Array:
        """(..., N) the same of any number of pictures that were :func:`summed`."""
        scaled = corners_px * self._scale
        low = np.clip(np.floor(scaled[:, :2] + 0.25), 0, self._most[:2] - 1).astype(np.int64)
        high = np.clip(np.ceil(scaled[:, 2:] - 0.25), 1, self._most[2:]).astype(np.int64)
        high = np.maximum(high, low + 1)
        (x0, y0), (x1, y1) = low.T, high.T
        total = table[..., y1, x1] - table[..., y0, x1] - table[..., y1, x0] + table[..., y0, x0]
        return (total / ((x1 - x0) * (y1 - y0))).astype(np.float32)


def summed(mask: npt.NDArray[Any]) -> Float32Array:
    """Sums of a picture of blocks from its corner on, so that any rectangle's takes four reads."""
    table = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), np.float32)
    np.cumsum(np.cumsum(mask, 0, dtype=np.float32), 1, out=table[1:, 1:])
    return table


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed between each view's look and this frame; computed once a frame.

    Attributes:
        rows: (regions,) which picture holds the change since a region's view, -1 without a view.
        differs: (pictures,) whether a single pixel differs.
        tables: (pictures, h + 1, w + 1) the blocks that differ by more than noise, summed.
    """

    rows: npt.NDArray[np.int64]
    differs: BoolArray
    tables: Float32Array
    grid: Grid

    @classmethod
    def since(
        cls, thumb: UInt8Array, views: tuple[View | None, ...], size_px: tuple[int, int]
    ) -> Changes:
        """Between the pictures that the views were made of and ``thumb``."""
        distinct = {id(view.seen): view.seen for view in views if view is not None}
        row = {key: index for index, key in enumerate(distinct)}
        rows = np.array([-1 if view is None else row[id(view.seen)] for view in views], np.int64)
        differs = np.array(
            [not np.array_equal(thumb, then) for then in distinct.values()], np.bool_
        )
        shape = (max(1, thumb.shape[0] // _BLOCK), max(1, thumb.shape[1] // _BLOCK))
        tables = np.zeros((len(distinct), shape[0] + 1, shape[1] + 1), np.float32)
        for index, then in enumerate(distinct.values()):
            if differs[index]:
                tables[index] = summed(changed(thumb, then))
        return cls(rows, differs, tables, Grid(size_px, shape))

    def shares(self, corners_px: Float32Array) -> Float32Array:
        """(N, pictures) how much of each rectangle changed."""
        return self.grid.shares(self.tables, corners_px).T


@dataclass(frozen=True, slots=True)
class Carried:
    """The past, brought to the present frame."""

    views: tuple[View | None, ...]
    things: Things
    yields: Float32Array


def carry(
    memory: DetectionMemory, thumb: UInt8Array, regions: tuple[Region, ...], corners: Float32Array
) -> Carried | None:
    """All that is remembered, moved to where it is now; None after a cut to another scene.

    Motion is dense inverse search flow (Kroeger et al. 2016) between thumbnails; a box moves by
    the median of 25 points of it.

    Args:
        memory: of the frame before, with the same size and regions.
        thumb: the present frame's thumbnail.
        regions: of the frame, ``corners`` (R, 4) their corners.
    """
    moved = changed(thumb, memory.thumb)
    if not moved.any():
        views = tuple(
            None if v is None else View(v.found, v.seen, v.age + 1, v.novel) for v in memory.views
        )
        things = memory.things
        return Carried(views, things.older(things.boxes), memory.yields)
    flow = _flow(memory.thumb, thumb)
    novel = _unexplained(memory.thumb, thumb, flow, moved)
    if novel.mean() > _CUT:
        return None
    scale = memory.size_px[0] / thumb.shape[1]
    grid = Grid(memory.size_px, moved.shape)
    parts = [NONE if view is None else view.found for view in memory.views]
    counts = np.cumsum([0, *map(len, parts)])
    stacked = np.concatenate([*(p.corners_px for p in parts), memory.things.boxes.corners_px])
    stacked = _shifted(stacked, flow, scale, memory.size_px)
    inside = (stacked[:, 2:] - stacked[:, :2]).min(axis=1, initial=np.inf) >= 1.0
    here = inside[counts[-1] :]  # the others have left the frame
    boxes = Boxes(stacked[counts[-1] :], memory.things.boxes.scores, memory.things.boxes.labels)
    things = memory.things.older(boxes)[here]
    boxes = things.boxes
    fresh = novel & ~_covered(boxes.corners_px[things.shown], memory.size_px, moved.shape)
    share = grid.share(fresh, corners)
    views = tuple(
        None
        if view is None
        else View(
            Boxes(
                stacked[counts[i] : counts[i + 1]],
                view.found.scores,
                view.found.labels,
            )[inside[counts[i] : counts[i + 1]]],
            view.seen,
            view.age + 1,
            min(1.0, view.novel + float(share[i])),
        )
        for i, view in enumerate(memory.views)
    )
    return Carried(views, things, memory.yields)


def _flow(before: UInt8Array, now: UInt8Array) -> Float32Array:
    """(h, w, 2) motion in thumbnail pixels from ``before`` to ``now``."""
    import cv2

    if min(now.shape) < 32:  # too small to follow anything in
        return np.zeros((*now.shape, 2), np.float32)
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    return np.asarray(search.calc(before, now, None), np.float32)  # type: ignore[call-overload]


def _unexplained(
    before: UInt8Array, now: UInt8Array, flow: Float32Array, moved: BoolArray
) -> BoolArray:
    """Which blocks changed and are not where flow says that they came from.

    Only where most of the picture moves (the camera does) is motion taken out: before a camera
    that stands still, whatever moves may be something new.
    """
    import cv2

    if moved.mean() < 0.3:
        return moved
    height, width = now.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    source_x, source_y = x - flow[..., 0], y - flow[..., 1]
    expected = cv2.remap(
        before, source_x, source_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0
    )
    outside = (source_x < 0) | (source_y < 0) | (source_x > width - 1) | (source_y > height - 1)
    residual = cv2.absdiff(now, expected).reshape(now.shape)
    residual[outside] = 255
    return moved & (blocks(residual) > 3.0 * _NOISE)


def _shifted(
    corners: Float32Array, flow: Float32Array, scale: float, size_px: tuple[int, int]
) -> Float32Array:
    """(N, 4) corners moved by the median flow inside each."""
    if not len(corners):
        return corners
    height, width = flow.shape[:2]
    low, sides = corners[:, :2] / scale, (corners[:, 2:] - corners[:, :2]) / scale
    x = (low[:, :1] + sides[:, :1] * _POINTS).clip(0, width - 1).astype(np.int64)
    y = (low[:, 1:] + sides[:, 1:] * _POINTS).clip(0, height - 1).astype(np.int64)
    sampled = flow[y[:, :, None], x[:, None, :]].reshape(len(corners), -1, 2)
    shift = (np.median(sampled, axis=1) * scale).astype(np.float32)
    moved = corners + np.concatenate([shift, shift], axis=1)
    most = np.array([*size_px, *size_px], np.float32)
    return np.clip(moved, 0.0, most, dtype=np.float32)


def _covered(corners: Float32Array, size_px: tuple[int, int], shape: tuple[int, int]) -> BoolArray:
    """Which blocks lie in a box, or within a block of one."""
    mask = np.zeros(shape, np.bool_)
    scale = np.array([shape[1] / size_px[0], shape[0] / size_px[1]] * 2)
    edges = np.round(corners * scale).astype(np.int64)
    for x0, y0, x1, y1 in edges.tolist():
        mask[max(0, y0 - 1) : y1 + 1, max(0, x0 - 1) : x1 + 1] = True
    return mask


def matches(one: Boxes, other: Boxes, least: float) -> tuple[npt.NDArray[np.int64], Float32Array]:
    """(N,) the index in ``other`` of each of ``one``, or -1; greedy, one to one, class by class.

    Also the (N, M) overlaps, 0 between classes.
    """
    table = overlaps(one.corners_px, other.corners_px)
    table *= one.labels[:, None] == other.labels[None]
    partner = np.full(len(one), -1, np.int64)
    if table.size:
        rows, columns = np.nonzero(table >= least)
        taken: set[int] = set()
        for index in np.argsort(-table[rows, columns], kind="stable"):
            row, column = int(rows[index]), int(columns[index])
            if partner[row] < 0 and column not in taken:
                partner[row] = column
                taken.add(column)
    return partner, table
