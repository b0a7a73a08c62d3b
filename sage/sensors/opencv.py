"""OpenCV, loaded when the first picture is needed and kept from chattering on stderr."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any, Protocol

from sage.irp.errors import DeviceError
from sage.values import UInt8Array


class Capture(Protocol):
    """The part of ``cv2.VideoCapture`` that sources use."""

    def isOpened(self) -> bool:
        """Whether the device is open."""
        ...

    def grab(self) -> bool:
        """Take the next frame; False where there is none."""
        ...

    def retrieve(self) -> tuple[bool, Any]:
        """Decode the grabbed frame."""
        ...

    def get(self, property_id: int) -> float:
        """A property of the stream."""
        ...

    def set(self, property_id: int, value: float) -> bool:
        """Ask for a property."""
        ...

    def release(self) -> None:
        """Close the device."""
        ...


def load_cv2() -> Any:
    """The cv2 module; DeviceError with the command that installs it where it is missing.

    FFmpeg and OpenCV report through the errors of the sources; what they would also print is
    silenced, unless the user has set their log levels.
    """
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    chatty = "OPENCV_LOG_LEVEL" in os.environ
    try:
        cv2 = importlib.import_module("cv2")
    except ImportError as error:
        raise DeviceError(
            f"OpenCV cannot be loaded ({error}); run: pip install opencv-python-headless"
        ) from None
    logging = getattr(cv2.utils, "logging", None)
    if logging is not None and not chatty:
        logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    return cv2


def to_rgb(picture: Any) -> UInt8Array | None:
    """OpenCV's blue-first, grey or four-channel picture as uint8 RGB; None where it is neither."""
    if picture is None or getattr(picture, "dtype", None) != "uint8" or not picture.size:
        return None
    cv2 = load_cv2()
    channels = 1 if picture.ndim == 2 else picture.shape[-1]
    codes = {1: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGB}
    if channels not in codes or picture.ndim not in (2, 3):
        return None
    rgb: UInt8Array = cv2.cvtColor(picture, codes[channels])
    return rgb


def read_picture(path: Path) -> UInt8Array | None:
    """A picture file as uint8 RGB; None where OpenCV cannot decode it."""
    cv2 = load_cv2()
    try:
        return to_rgb(cv2.imread(str(path), cv2.IMREAD_COLOR))
    except cv2.error:  # for example more pixels than OpenCV accepts
        return None
