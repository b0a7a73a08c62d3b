"""What happens to a frame before the network sees it, in training only.

``jitter`` and ``zoomed`` change the world (light, colour, mirror, lens): the clean target changes
with it.
``degrade`` is the observation's noise model (sensor noise, blur, hidden patches, lost rows): the
target stays clean, so a refinement step is worth making.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from models.vision.layout import INPUT_PX

Float32Array = npt.NDArray[np.float32]
UInt8Array = npt.NDArray[np.uint8]


def mirrored(things: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same things in the mirrored picture."""
    out = things.copy()
    out["box_px"][:, 0] = INPUT_PX - things["box_px"][:, 2]
    out["box_px"][:, 2] = INPUT_PX - things["box_px"][:, 0]
    out["bearing_rad"] = -things["bearing_rad"]
    return out


def zoomed(
    picture: UInt8Array, things: npt.NDArray[Any], focal_px: float, rng: np.random.Generator
) -> tuple[UInt8Array, npt.NDArray[Any]]:
    """A random part of the picture, up to a fifth smaller, enlarged to the full size.

    Things come nearer by the enlargement; those that are mostly cut off lose visible pixels.
    """
    zoom = float(rng.uniform(1.0, 1.25))
    size = round(INPUT_PX / zoom)
    zoom = INPUT_PX / size
    left, top = (int(v) for v in rng.integers(0, INPUT_PX - size + 1, 2))
    part = picture[top : top + size, left : left + size]
    large = cv2.resize(part, (INPUT_PX, INPUT_PX), interpolation=cv2.INTER_LINEAR)
    out = things.copy()
    moved = (things["box_px"] - np.array([left, top, left, top], np.float32)) * np.float32(zoom)
    out["box_px"] = np.clip(moved, 0.0, INPUT_PX)
    area = np.prod(moved[:, 2:] - moved[:, :2], axis=1)
    inside = np.prod(out["box_px"][:, 2:] - out["box_px"][:, :2], axis=1)
    out["visible_px"] = things["visible_px"] * zoom**2 * inside / np.maximum(area, 1e-3)
    out["distance_m"] = things["distance_m"] / zoom
    column = 0.5 * INPUT_PX - focal_px * np.tan(np.clip(things["bearing_rad"], -1.3, 1.3))
    out["bearing_rad"] = np.arctan((0.5 * INPUT_PX - (column - left) * zoom) / focal_px)
    return np.asarray(large, np.uint8), out[inside > 1.0]


def jitter(picture: Float32Array, rng: np.random.Generator) -> Float32Array:
    """Another light on the same scene, (H, W, 3) in [0, 1]: channel gains, contrast, gamma."""
    gain = rng.uniform(0.75, 1.25) * rng.uniform(0.94, 1.06, 3)
    picture = np.clip(picture * gain.astype(np.float32), 0.0, 1.0)
    if rng.random() < 0.3:
        picture = np.power(picture, np.float32(rng.uniform(0.75, 1.4)))
    if rng.random() < 0.15:
        picture = picture * np.float32(rng.uniform(0.35, 0.75))
    return picture


def degrade(picture: Float32Array, rng: np.random.Generator) -> Float32Array:
    """A worse observation of the same picture; (H, W, 3) in [0, 1]."""
    out = picture
    if rng.random() < 0.25:
        blurred = cv2.GaussianBlur(out, (0, 0), float(rng.uniform(0.5, 1.3)))
        out = np.asarray(blurred, np.float32)
    if rng.random() < 0.2:
        out = out.copy()
        for _ in range(rng.integers(1, 4)):
            height, width = rng.integers(8, 40, 2)
            top, left = rng.integers(0, INPUT_PX - height), rng.integers(0, INPUT_PX - width)
            out[top : top + height, left : left + width] = rng.random(3)
    if rng.random() < 0.1:
        out = out.copy()
        top = rng.integers(0, INPUT_PX - 16)
        out[top : top + rng.integers(2, 16)] = 0.0
    if rng.random() < 0.6:
        sigma = np.float32(rng.uniform(0.005, 0.06))
        noise = rng.standard_normal(out.shape, np.float32)
        out = np.clip(out + sigma * noise, 0.0, 1.0)
    return out
