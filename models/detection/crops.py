"""Where a detector looks: the whole frame, and overlapping square crops of it at two zooms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from models.detection.boxes import Boxes

OVERLAP: Final = 0.25  # of neighbours, so that what is smaller than that is whole in one of them
_BORDER_PX: Final = 3.0  # a box that ends so near to its crop's border may go on beyond it


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of the frame, in its pixels; ``whole`` is said of the first, which is all."""

    left: int
    top: int
    right: int
    bottom: int
    whole: bool = False

    @property
    def width(self) -> int:
        """In pixels."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """In pixels."""
        return self.bottom - self.top


@lru_cache(maxsize=64)
def regions_of(
    width: int, height: int, input_px: int, zooms: tuple[float, ...], most: int
) -> tuple[Region, ...]:
    """The whole frame, then crops row by row, the coarser first.

    A crop at zoom 1 shows the network as many pixels of the frame as its input has; at zoom 2,
    half as many a side. Where that were more than ``most`` crops (or the crop no smaller than the
    frame), a level is made of larger ones, or left out.

    Args:
        width: of the frame, in pixels, like ``height``.
        input_px: the longer side of the network's input.
        zooms: how much larger than the frame its pixels are in each level of crops.
        most: crops in all.
    """
    made = [Region(0, 0, width, height, True)]
    sizes: set[int] = set()
    for number, zoom in enumerate(sorted(zooms)):
        room = (most - len(made) + 1) / (len(zooms) - number)
        side = max(8, round(input_px / zoom))
        while side < max(width, height) and _count(width, height, side) > room:
            side = math.ceil(side * 1.1)
        if side >= max(width, height) or side in sizes:
            continue
        sizes.add(side)
        made += [
            Region(x, y, x + min(side, width), y + min(side, height))
            for y in _starts(height, side)
            for x in _starts(width, side)
        ]
    return tuple(made)


def _count(width: int, height: int, side: int) -> int:
    return len(_starts(width, side)) * len(_starts(height, side))


def _starts(length: int, side: int) -> list[int]:
    """Where crops begin so that neighbours overlap by a quarter at least and the ends are met."""
    if length <= side:
        return [0]
    steps = math.ceil((length - side) / (side * (1.0 - OVERLAP)) - 1e-9)
    return [round(index * (length - side) / steps) for index in range(steps + 1)]


def cut_by(found: Boxes, region: Region, width: int, height: int) -> npt.NDArray[np.bool_]:
    """(N,) whether a border of the region that is none of the frame's cuts a box."""
    corners = found.corners_px
    cut = np.zeros(len(found), np.bool_)
    if region.left > 0:
        cut |= corners[:, 0] < region.left + _BORDER_PX
    if region.top > 0:
        cut |= corners[:, 1] < region.top + _BORDER_PX
    if region.right < width:
        cut |= corners[:, 2] > region.right - _BORDER_PX
    if region.bottom < height:
        cut |= corners[:, 3] > region.bottom - _BORDER_PX
    return cut


def corners_of(regions: Sequence[Region]) -> npt.NDArray[np.float32]:
    """(N, 4) left, top, right, bottom."""
    return np.array([(r.left, r.top, r.right, r.bottom) for r in regions], np.float32)
