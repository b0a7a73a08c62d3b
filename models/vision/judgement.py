"""What the error head's maps mean for a whole picture: its energy, and where there is a gain."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from models.vision.layout import FOLD, LATENT_CELLS

Float32Array = npt.NDArray[np.float32]
UInt8Array = npt.NDArray[np.uint8]

#: What a look at a cell leaves of the gain that the head still hopes for there.
_LEFT: Final = 0.3
#: Estimates of two states of one frame that differ by less than this part do not tell them apart:
#: the first glance and the looks after it are judged by different layers.
_TOLD_APART: Final = 0.25
_NO_WORSE: Final = 1.0 - 1e-6


def patch_weights(missing: Float32Array) -> Float32Array:
    """Weights (28, 28) of the patches, 1 in all, from what is missing of them, (1, 16, 28, 28).

    What was observed of an incomplete frame is kept as it is, so that only the rest can be wrong;
    of a complete one all patches count alike.
    """
    part = missing[0].mean(0)
    total = float(part.sum())
    if total == 0.0:
        return np.full(part.shape, 1.0 / part.size, np.float32)
    return np.asarray(part / total, np.float32)


def expected_errors(
    errors: Float32Array, weights: Float32Array, visits: UInt8Array
) -> tuple[float, float]:
    """Mean squared errors of a picture in [0, 1], now and at the end, from (2, 28, 28) of patches.

    A cell that was looked at, ``visits`` (7, 7), has given most of what it had to give, whatever
    the head still hopes for: its gain counts less.
    """
    now = float(np.einsum("ij,ij->", errors[0], weights))
    left = np.power(_LEFT, visits, dtype=np.float64)
    return now, now - float((expected_gains(errors, weights) * left).sum())


def steadied(estimate: float, previous: float) -> float:
    """The energy of a state, from the estimate of its error and the energy of the one before it.

    Where the head cannot tell the two apart, the later state is as good: what was refined further
    is not given up for noise in the estimate. Where it can, the estimate stands.
    """
    if estimate > previous * (1.0 + _TOLD_APART):
        return estimate
    return min(estimate, previous * _NO_WORSE)


def expected_gains(errors: Float32Array, weights: Float32Array) -> Float32Array:
    """What each cell, (7, 7), can still take off the mean squared error; never negative."""
    gains = np.maximum(errors[0] - errors[1], 0.0) * weights
    cells = gains.reshape(LATENT_CELLS, FOLD, LATENT_CELLS, FOLD).sum((1, 3))
    return np.asarray(cells, np.float32)
