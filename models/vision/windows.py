"""Where the next refinement step looks: a window of the latent, where most is to be gained.

A step costs what its window costs, a third of the whole frame, and every cell gets as much of the
computation as it needs (in the manner of Figurnov et al., "Spatially Adaptive Computation Time for
Residual Networks", 2017).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from models.vision.layout import FOLD, LATENT_CELLS, WINDOW

Float32Array = npt.NDArray[np.float32]
UInt8Array = npt.NDArray[np.uint8]

#: What a look at a cell leaves of the gain that is expected there, before it is estimated anew. As
#: little as in training: all of the frame is looked at before any of it for a third time.
DISCOUNT = 0.15
#: Of the positions along one side those that reach a cell.
_REACHING = np.array(
    [
        min(cell, LATENT_CELLS - WINDOW) - max(cell - WINDOW + 1, 0) + 1
        for cell in range(LATENT_CELLS)
    ]
)
#: Cells near the border, which few windows reach, count for more: windows that begin there leave
#: no rest, and four of them cover the frame.
_REACH = 1.0 / np.sqrt(np.outer(_REACHING, _REACHING))


def best_window(
    gains: npt.NDArray[np.floating[Any]], visits: UInt8Array, discount: float = DISCOUNT
) -> tuple[int, int]:
    """Row and column (in cells) of the window of 4 x 4 cells with the largest expected gain.

    ``gains`` (7, 7), not negative: expected gain per cell; ``visits`` (7, 7): how often each was
    looked at. Of windows that are alike the first in reading order is taken.
    """
    worth = gains * np.power(discount, visits, dtype=np.float64) * _REACH
    sums = np.zeros((LATENT_CELLS + 1, LATENT_CELLS + 1))
    sums[1:, 1:] = worth.cumsum(0).cumsum(1)
    windows = (
        sums[WINDOW:, WINDOW:]
        - sums[:-WINDOW, WINDOW:]
        - sums[WINDOW:, :-WINDOW]
        + sums[:-WINDOW, :-WINDOW]
    )
    row, column = np.unravel_index(int(windows.argmax()), windows.shape)
    return int(row), int(column)


def cut(values: Float32Array, at: tuple[int, int]) -> Float32Array:
    """The window at (row, column) of values (N, C, 7, 7) per cell or (N, C, 28, 28) per patch."""
    rows, columns = _slices(values.shape[-1], at)
    return np.ascontiguousarray(values[:, :, rows, columns])


def pasted(values: Float32Array, part: Float32Array, at: tuple[int, int]) -> Float32Array:
    """A copy of the values with the window at (row, column) replaced."""
    rows, columns = _slices(values.shape[-1], at)
    out = values.copy()
    out[:, :, rows, columns] = part
    return out


def visited(visits: UInt8Array, at: tuple[int, int]) -> UInt8Array:
    """The visits after a look at one more window."""
    rows, columns = _slices(LATENT_CELLS, at)
    out = visits.copy()
    out[rows, columns] += 1
    return out


def _slices(side: int, at: tuple[int, int]) -> tuple[slice, slice]:
    scale = FOLD if side == LATENT_CELLS * FOLD else 1
    row, column = at[0] * scale, at[1] * scale
    return slice(row, row + WINDOW * scale), slice(column, column + WINDOW * scale)
