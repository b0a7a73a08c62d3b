"""Between a camera's picture, of any size, and the network's 224 x 224 one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.vision.layout import INPUT_PX
from sage.values import CameraModel

_PADDING = 128

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How a picture lies inside the network's: scaled by ``scale``, moved by left and top (px)."""

    scale: float
    left_px: float
    top_px: float
    width_px: int
    height_px: int

    def inside(self) -> tuple[slice, slice]:
        """Rows and columns of the network's picture that show the camera's, not bars around it."""
        height = max(round(self.height_px * self.scale), 1)
        width = max(round(self.width_px * self.scale), 1)
        top, left = int(self.top_px), int(self.left_px)
        return slice(top, top + height), slice(left, left + width)

    def column_to_source(self, column_px: float) -> float:
        """A column of the network's picture as one of the camera's (it may lie outside)."""
        return (column_px - self.left_px) / self.scale

    def box_to_source(self, box_px: Box) -> Box:
        """A box of the network's picture in the camera's, clipped to it."""
        left, top, right, bottom = box_px
        return (
            min(max(self.column_to_source(left), 0.0), float(self.width_px)),
            min(max((top - self.top_px) / self.scale, 0.0), float(self.height_px)),
            min(max(self.column_to_source(right), 0.0), float(self.width_px)),
            min(max((bottom - self.top_px) / self.scale, 0.0), float(self.height_px)),
        )

    def focal_px(self, camera: CameraModel) -> float:
        """The camera's focal length in pixels of the network's picture."""
        return camera.focal_px * self.scale * self.height_px / camera.height_px


def missing_in(missing: npt.NDArray[np.bool_], letterbox: Letterbox) -> npt.NDArray[np.bool_]:
    """A mask (H, W) of missing pixels as one of the network's picture, (224, 224).

    A pixel there is missing where any that it is made of is. ValueError if it is no such mask.
    """
    wanted = (letterbox.height_px, letterbox.width_px)
    if not isinstance(missing, np.ndarray) or missing.dtype != bool or missing.shape != wanted:
        raise ValueError(
            f"missing must be bool of the picture's shape {wanted}, got {_told(missing)}"
        )
    if wanted == (INPUT_PX, INPUT_PX):
        return missing
    import cv2

    out = np.zeros((INPUT_PX, INPUT_PX), bool)
    rows, columns = letterbox.inside()
    size = (columns.stop - columns.start, rows.stop - rows.start)
    method = cv2.INTER_AREA if letterbox.scale < 1.0 else cv2.INTER_LINEAR
    part = cv2.resize(missing.astype(np.float32), size, interpolation=method)
    out[rows, columns] = part > 0.0
    return out


def letterboxed(rgb: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint8], Letterbox]:
    """A picture (H, W, 3) uint8 scaled and padded with grey to 224 x 224 x 3.

    ValueError if it is no such picture.
    """
    if (
        not isinstance(rgb, np.ndarray)
        or rgb.dtype != np.uint8
        or rgb.ndim != 3
        or rgb.shape[2] != 3
        or 0 in rgb.shape
    ):
        raise ValueError(
            f"a picture must be an array, uint8 of shape (height, width, 3), got {_told(rgb)}"
        )
    height, width = rgb.shape[:2]
    if (height, width) == (INPUT_PX, INPUT_PX):
        return np.ascontiguousarray(rgb), Letterbox(1.0, 0.0, 0.0, width, height)
    import cv2

    scale = INPUT_PX / max(height, width)
    inner_width, inner_height = max(round(width * scale), 1), max(round(height * scale), 1)
    left, top = (INPUT_PX - inner_width) // 2, (INPUT_PX - inner_height) // 2
    method = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_LINEAR
    out = np.full((INPUT_PX, INPUT_PX, 3), _PADDING, np.uint8)
    out[top : top + inner_height, left : left + inner_width] = cv2.resize(
        rgb, (inner_width, inner_height), interpolation=method
    )
    return out, Letterbox(scale, float(left), float(top), width, height)


def _told(value: object) -> str:
    """What somebody gave instead of an array."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    return f"a {type(value).__name__}"
