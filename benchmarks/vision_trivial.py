"""What knows nothing of errors and may follow them all the same: the energy is held against it."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from models.vision.degradation import Degraded, motion_kernel
from sage.values import UInt8Array

#: The benchmark's blur is 5 to 15 px long; this one is always the same.
BLUR_PX: Final = 10.0

Float32Array = npt.NDArray[np.float32]


def trivial_energies(frame: Float32Array, restored: Float32Array) -> dict[str, float]:
    """Energies without an error head, of a frame and what was made of it, (224, 224, 3) in [0, 1].

    ``residual`` is the mean squared difference of both (the frame with its missing pixels guessed
    from those around them), ``variance`` the frame's, ``frame_gradient`` and ``gradient`` mean
    squared differences of neighbouring pixels, of the frame and of what was made of it.
    """
    return {
        "residual": float(np.square(restored - frame).mean()),
        "variance": float(frame.var()),
        "frame_gradient": gradient_energy(frame),
        "gradient": gradient_energy(restored),
    }


def gradient_energy(picture: Float32Array) -> float:
    """Mean squared difference of neighbouring pixels, down and across."""
    down, across = picture[1:] - picture[:-1], picture[:, 1:] - picture[:, :-1]
    return float(np.square(down).mean() + np.square(across).mean())


def fixed_blur(pictures: UInt8Array, seed: int) -> list[Degraded]:
    """Pictures (N, 224, 224, 3) moved by 10 px each, in directions drawn with ``seed``."""
    import cv2

    moved = []
    for index, picture in enumerate(pictures):
        angle_rad = np.random.default_rng([seed, index]).uniform(0.0, math.pi)
        kernel = motion_kernel(BLUR_PX, angle_rad)
        values = picture.astype(np.float32) / np.float32(255.0)
        blurred = cv2.filter2D(values, -1, kernel, borderType=cv2.BORDER_REFLECT)
        seen = np.round(np.clip(blurred, 0.0, 1.0) * 255.0).astype(np.uint8)
        moved.append(Degraded(seen, None))
    return moved
