"""How a frame reaches the networks: missing pixels guessed, and said to be missing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.vision.degradation import fill
from models.vision.layout import INPUT_PX, MISSING_CHANNELS, PATCHES

BoolArray = npt.NDArray[np.bool_]
Float32Array = npt.NDArray[np.float32]
UInt8Array = npt.NDArray[np.uint8]


def filled(picture: UInt8Array, missing: BoolArray) -> UInt8Array:
    """(224, 224, 3) with its missing pixels (224, 224) guessed from those around them."""
    guessed = fill(picture.astype(np.float32) / np.float32(255.0), missing)
    return np.round(np.clip(guessed, 0.0, 1.0) * 255.0).astype(np.uint8)


def missing_cells(missing: BoolArray) -> Float32Array:
    """(224, 224) to (1, 16, 28, 28): the fraction that is missing of each 2 px square."""
    half = INPUT_PX // 2
    quarters = missing.reshape(half, 2, half, 2).mean((1, 3), dtype=np.float32)
    side = half // PATCHES
    cells = quarters.reshape(PATCHES, side, PATCHES, side).transpose(1, 3, 0, 2)
    return np.ascontiguousarray(cells.reshape(1, MISSING_CHANNELS, PATCHES, PATCHES))


def network_input(
    seen: UInt8Array, missing: BoolArray | None = None
) -> tuple[UInt8Array, Float32Array]:
    """The picture (224, 224, 3) and the map (1, 16, 28, 28) that the graphs take for a frame."""
    if missing is None or not missing.any():
        whole = np.zeros((1, MISSING_CHANNELS, PATCHES, PATCHES), np.float32)
        return np.ascontiguousarray(seen), whole
    return filled(seen, missing), missing_cells(missing)
