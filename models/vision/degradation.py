"""What goes wrong between a scene and a camera's frame: noise, little light, motion, lost pixels.

Training draws from these and the benchmark measures with them. Noise is Gaussian. In low light it
is the Poisson-Gaussian model of sensors (Foi et al., "Practical Poissonian-Gaussian noise modeling
and fitting for single-image raw-data", 2008) after the gain that makes up for the dark, with the
deviation named at full brightness and a quarter of it in black. Motion is a straight line of 5 to
15 px. Holes are boxes of 24 to 72 px that cover 30 % of the picture, rows are bands of 1 to 8 that
come to 20 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from models.vision.layout import INPUT_PX
from sage.irp.errors import ConfigError

Float32Array = npt.NDArray[np.float32]
UInt8Array = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]

#: ``noise50`` and ``dark50`` have a standard deviation of 50 of 255.
KINDS: Final = ("clean", "noise25", "noise50", "dark25", "dark50", "blur", "holes", "rows")
HOLES_PART: Final = 0.3
ROWS_PART: Final = 0.2
_NOISE_PART: Final = 0.25  # of the deviation at full brightness, in black
#: Ranges drawn from for training: factor on a deviation, missing parts.
_VARIED_NOISE: Final = (0.7, 1.15)
_VARIED_HOLES: Final = (0.1, 0.4)
_VARIED_ROWS: Final = (0.05, 0.35)
_BLUR_PX: Final = (5.0, 15.0)
_BOX_PX: Final = (24, 72)
_ROWS_PX: Final = (1, 8)
#: The coarsest level that missing pixels are guessed from.
_COARSEST_PX: Final = 7
_LITTLE: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Degraded:
    """What the camera delivered: ``seen`` (224, 224, 3), 0 where ``missing`` (224, 224) is set.

    ``missing`` is None where every pixel was delivered.
    """

    seen: UInt8Array
    missing: BoolArray | None


def degrade(
    clean: Float32Array, kind: str, rng: np.random.Generator, vary: bool = False
) -> Degraded:
    """A picture (224, 224, 3) in [0, 1] as a camera would deliver it under one of :data:`KINDS`.

    With ``vary`` how strong a degradation is is drawn too, as training needs it.

    Raises:
        ConfigError: another kind, or no such picture.
    """
    if kind not in KINDS:
        raise ConfigError(f"degradation {kind!r} is unknown; valid: {', '.join(KINDS)}")
    _check(clean)
    picture, missing = clean, None
    if kind.startswith("noise"):
        deviation = _deviation(kind.removeprefix("noise"), rng, vary)
        noise = rng.standard_normal(picture.shape, np.float32)
        picture = picture + np.float32(deviation) * noise
    elif kind.startswith("dark"):
        variance = _deviation(kind.removeprefix("dark"), rng, vary) ** 2
        spread = np.float32(variance) * picture + np.float32(variance * _NOISE_PART**2)
        picture = picture + np.sqrt(spread) * rng.standard_normal(picture.shape, np.float32)
    elif kind == "blur":
        import cv2

        kernel = motion_kernel(rng.uniform(*_BLUR_PX), rng.uniform(0.0, math.pi))
        blurred = cv2.filter2D(picture, -1, kernel, borderType=cv2.BORDER_REFLECT)
        picture = np.asarray(blurred, np.float32)
    elif kind == "holes":
        missing = boxes(rng, rng.uniform(*_VARIED_HOLES) if vary else HOLES_PART)
    elif kind == "rows":
        missing = rows(rng, rng.uniform(*_VARIED_ROWS) if vary else ROWS_PART)
    seen = np.round(np.clip(picture, 0.0, 1.0) * 255.0).astype(np.uint8)
    if missing is not None:
        seen[missing] = 0
    return Degraded(seen, missing)


def _deviation(of_255: str, rng: np.random.Generator, vary: bool) -> float:
    """Standard deviation of noise in a picture in [0, 1]."""
    return float(of_255) * (rng.uniform(*_VARIED_NOISE) if vary else 1.0) / 255.0


def boxes(rng: np.random.Generator, part: float = HOLES_PART) -> BoolArray:
    """A mask (224, 224) of boxes, 24 to 72 px a side, that cover at least ``part`` of it."""
    _check_part(part)
    mask = np.zeros((INPUT_PX, INPUT_PX), bool)
    while mask.mean() < part:
        height, width = rng.integers(_BOX_PX[0], _BOX_PX[1] + 1, 2)
        top = rng.integers(0, INPUT_PX - height + 1)
        left = rng.integers(0, INPUT_PX - width + 1)
        mask[top : top + height, left : left + width] = True
    return mask


def rows(rng: np.random.Generator, part: float = ROWS_PART) -> BoolArray:
    """A mask (224, 224) of bands of 1 to 8 whole rows that cover at least ``part`` of it."""
    _check_part(part)
    mask = np.zeros((INPUT_PX, INPUT_PX), bool)
    while mask.mean() < part:
        height = rng.integers(_ROWS_PX[0], _ROWS_PX[1] + 1)
        top = rng.integers(0, INPUT_PX - height + 1)
        mask[top : top + height] = True
    return mask


def motion_kernel(length_px: float, angle_rad: float) -> Float32Array:
    """The kernel of a straight, even motion, drawn with bilinear weights; its sum is 1."""
    if not 1.0 <= length_px <= INPUT_PX:
        raise ConfigError(f"length_px {length_px} must be in [1, {INPUT_PX}]")
    odd = int(length_px) | 1
    kernel = np.zeros((odd + 2, odd + 2), np.float32)
    middle = (odd + 1) / 2
    half = (length_px - 1.0) / 2
    for along in np.linspace(-half, half, 8 * odd):
        x, y = middle + along * math.cos(angle_rad), middle + along * math.sin(angle_rad)
        row, column = int(y), int(x)
        down, right = y - row, x - column
        for i, j, weight in (
            (row, column, (1 - down) * (1 - right)),
            (row + 1, column, down * (1 - right)),
            (row, column + 1, (1 - down) * right),
            (row + 1, column + 1, down * right),
        ):
            if i < odd + 2 and j < odd + 2:
                kernel[i, j] += weight
    return np.asarray(kernel / kernel.sum(), np.float32)


def fill(picture: Float32Array, missing: BoolArray) -> Float32Array:
    """A picture (224, 224, 3) with its missing pixels guessed from those around them.

    Push-pull over a pyramid (Gortler et al., "The Lumigraph", 1996): what was seen is averaged
    down to 7 x 7, and on the way up again every level keeps what was seen at it and takes the rest
    from the coarser one. Grey where nothing was seen at all. What ``picture`` holds where
    ``missing`` is set means nothing.

    Raises:
        ConfigError: no such picture, or no mask of its shape.
    """
    import cv2

    _check(picture)
    if missing.dtype != bool or missing.shape != (INPUT_PX, INPUT_PX):
        raise ConfigError(
            f"missing must be bool of shape ({INPUT_PX}, {INPUT_PX}), "
            f"got {missing.dtype} {missing.shape}"
        )
    weight = np.asarray(~missing, np.float32)
    total = np.where(missing[..., None], np.float32(0.0), picture)
    levels = [(total, weight)]
    size = INPUT_PX
    while size > _COARSEST_PX:
        size //= 2
        total, weight = (
            np.asarray(cv2.resize(a, (size, size), interpolation=cv2.INTER_AREA), np.float32)
            for a in (total, weight)
        )
        levels.append((total, weight))
    seen = float(weight.sum())
    whole = total.sum((0, 1)) / seen if seen > 0.0 else np.full(3, 0.5, np.float32)
    guess = (total + _LITTLE * whole) / (weight[..., None] + _LITTLE)
    for total, weight in levels[-2::-1]:
        above = cv2.resize(guess, weight.shape[::-1], interpolation=cv2.INTER_LINEAR)
        guess = total + (1.0 - weight[..., None]) * above
    return np.asarray(guess, np.float32)


def _check(picture: Float32Array) -> None:
    wanted = (INPUT_PX, INPUT_PX, 3)
    if picture.dtype != np.float32 or picture.shape != wanted:
        raise ConfigError(
            f"a picture must be float32 of shape {wanted}, got {picture.dtype} {picture.shape}"
        )


def _check_part(part: float) -> None:
    if not 0.0 <= part <= 1.0:
        raise ConfigError(f"the part {part} that is missing must be in [0, 1]")
