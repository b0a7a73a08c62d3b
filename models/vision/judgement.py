"""What the error head's maps mean for a whole picture: its energy, and where there is a gain."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from models.vision.layout import FOLD, LATENT_CELLS, PATCH_PX, PATCHES

BoolArray = npt.NDArray[np.bool_]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
UInt8Array = npt.NDArray[np.uint8]

#: Mean squared error, of pixels in [0, 1], of a guess that knows nothing of a picture: the variance
#: of the patches of the pictures trained on, which the decoder's basis holds.
PRIOR_ERROR: Final = 0.074
#: In patches, from a missing one to what was delivered. Nearer than half of the largest box that
#: training covers up (72 px) the error head knows; twice as far off photographs tell nothing any
#: more: what is drawn there is as wrong as the mean picture is.
_KNOWN_TO: Final = 4.0
_UNKNOWN_FROM: Final = 8.0
#: What a look at a cell leaves of the gain that the head still hopes for there. Cautious, since
#: once round the frame brings some 95 % of all that refinement wins; but little enough to end a
#: hope that is in vain (blur): four looks leave less than a hundredth. Tolerances are calibrated
#: with it.
_LEFT: Final = 0.3
#: A look gave something if it moved the picture by this part of the way that its gain takes; only
#: on average is it known how far the move of a latent goes. Steps that refine measure 1.4 and more,
#: those long after there is nothing left to win 0.6, one that adds a thousandth of noise 0.02.
_LEAST_MOVE: Final = 0.5
#: Estimates of two states of one frame that differ by less than this part do not tell them apart:
#: the first glance and the looks after it are judged by different layers. Of a quarter of the
#: pictures an estimate is too low by 0.7 dB (17 %) or more, of blurred ones by more than that.
_TOLD_APART: Final = 0.25
#: Nor do any that differ by no more than an error of two of 255 grey levels, whatever part that is:
#: of a black frame the head's estimates wander that far, while the error itself does not.
_TOO_FINE: Final = (2.0 / 255.0) ** 2
_NO_WORSE: Final = 1.0 - 1e-6


def counted(missing: Float32Array) -> Float32Array:
    """How much of each patch counts, (28, 28), from what is missing of it, (1, 16, 28, 28).

    What was observed of an incomplete frame is kept as it is, so that only the rest can be wrong;
    of a complete one all patches count alike.
    """
    part = missing[0].mean(0)
    return np.asarray(part if part.any() else np.ones_like(part), np.float32)


def patch_weights(missing: Float32Array) -> Float32Array:
    """Weights (28, 28) of the patches, 1 in all: how much of each of them counts."""
    part = counted(missing)
    return np.asarray(part / float(part.sum()), np.float32)


def unseen_errors(unseen: BoolArray) -> Float32Array:
    """The squared errors (28, 28) that patches have at least, so far from all that was observed.

    ``unseen`` (224, 224): pixels of which nothing is known. The error head never learned of such
    distances: of a frame of which all is missing it sees an even grey, and knows that well.
    """
    import cv2

    blocks = unseen.reshape(PATCHES, PATCH_PX, PATCHES, PATCH_PX)
    dark = np.asarray(blocks.all((1, 3)), np.uint8)
    away = cv2.distanceTransform(dark, cv2.DIST_L2, 5)  # huge where nothing at all was seen
    unknown = np.clip((away - _KNOWN_TO) / (_UNKNOWN_FROM - _KNOWN_TO), 0.0, 1.0)
    return np.asarray(PRIOR_ERROR * unknown, np.float32)


def expected_errors(
    errors: Float32Array, weights: Float32Array, gave: UInt8Array
) -> tuple[float, float]:
    """Mean squared errors of a picture in [0, 1], now and at the end, from (2, 28, 28) of patches.

    A cell to which looks, ``gave`` (7, 7), gave something has been given most of what there was,
    whatever the head still hopes for: its gain counts less.
    """
    now = float(np.einsum("ij,ij->", errors[0], weights))
    left = np.power(_LEFT, gave, dtype=np.float64)
    return now, now - float((expected_gains(errors, weights) * left).sum())


def gave_something(moved: Float32Array, errors: Float32Array, part: Float32Array) -> bool:
    """Whether a look may have brought the gain that was hoped for: whether it went far enough.

    A picture whose root mean squared error is to fall from a to b must move by a - b at least (the
    triangle inequality), so a step that hardly moves it has used up no hope, whatever it is called.

    Args:
        moved: (1, 256, 4, 4), the change of the window's latent. A latent is of unit variance, so
            that on average one that moves by 1 moves the picture by the root of the prior error.
        errors: (2, 16, 16), what was expected there before: error now, and at the end.
        part: (16, 16), how much of each patch counts.
    """
    now = float(np.einsum("ij,ij->", errors[0], part))
    gain = float(np.einsum("ij,ij->", np.maximum(errors[0] - errors[1], 0.0), part))
    way = math.sqrt(now) - math.sqrt(max(now - gain, 0.0))
    patches = FOLD**2 * float(np.square(moved, dtype=np.float64).mean(1).sum())
    return math.sqrt(PRIOR_ERROR * patches) >= _LEAST_MOVE * way


def steadied(estimate: float, previous: float) -> float:
    """The energy of a state, from the estimate of its error and the energy of the one before it.

    Where the head cannot tell the two apart, the later state is as good: what was refined further
    is not given up for noise in the estimate. Where it can, the estimate stands.
    """
    if estimate > previous * (1.0 + _TOLD_APART) + _TOO_FINE:
        return estimate
    return min(estimate, previous * _NO_WORSE)


def expected_gains(errors: Float32Array, weights: Float32Array) -> Float32Array:
    """What each cell, (7, 7), can still take off the mean squared error; never negative."""
    gains = np.maximum(errors[0] - errors[1], 0.0) * weights
    cells = gains.reshape(LATENT_CELLS, FOLD, LATENT_CELLS, FOLD).sum((1, 3))
    return np.asarray(cells, np.float32)
