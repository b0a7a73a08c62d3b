"""What a file shows, picture by picture: a video, one picture, or a folder of pictures."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from sage.irp.errors import DeviceError
from sage.sensors.opencv import Capture, load_cv2, read_picture, to_rgb
from sage.sensors.uri import DeviceUri
from sage.values import UInt8Array

log = logging.getLogger(__name__)

PICTURE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
FORMATS = "videos: mp4, avi, mkv, mov, webm, ...; pictures: jpg, png, bmp, tif, webp"


class Reel(Protocol):
    """Pictures in a row. ``grab`` moves on, ``picture`` decodes where it stands."""

    @property
    def fps(self) -> float:
        """Pictures per second."""
        ...

    def grab(self) -> bool:
        """Move to the next picture; False at the end."""
        ...

    def picture(self) -> UInt8Array | None:
        """The picture, uint8 RGB; None where it cannot be decoded."""
        ...

    def rewind(self) -> None:
        """Back to before the first picture; DeviceError where the file went away."""
        ...

    def complaint(self) -> str | None:
        """At the end: what was wrong with the file, if anything."""
        ...

    def close(self) -> None:
        """Release the file."""
        ...


class VideoReel:
    """A video file, decoded by OpenCV. Raises DeviceError where it holds no readable frame."""

    def __init__(self, path: Path, shown: str) -> None:
        self._path = path
        self._shown = shown
        self._cv2 = load_cv2()
        self._capture: Capture = self._cv2.VideoCapture(str(path))
        self._grabbed = 0
        if not self._capture.isOpened():
            raise DeviceError(f"{shown}: {path} is no readable video or picture ({FORMATS})")
        self._declared = self._property(self._cv2.CAP_PROP_FRAME_COUNT)
        self.fps = self._property(self._cv2.CAP_PROP_FPS)
        if not 0.01 <= self.fps <= 1000.0:
            log.warning("%s: %s states no frame rate; taking 25 fps", shown, path)
            self.fps = 25.0
        if not self.grab() or self.picture() is None:
            self.close()
            raise DeviceError(f"{shown}: {path} holds no readable frame ({FORMATS})")
        self.rewind()

    def grab(self) -> bool:
        """Move to the next frame; False at the end."""
        more = self._capture.grab()
        self._grabbed += more
        return more

    def picture(self) -> UInt8Array | None:
        """The frame, uint8 RGB; None where it cannot be decoded."""
        decoded, picture = self._capture.retrieve()
        return to_rgb(picture) if decoded else None

    def rewind(self) -> None:
        """Open anew: seeking to frame 0 is not exact with every codec."""
        self._capture.release()
        self._capture = self._cv2.VideoCapture(str(self._path))
        self._grabbed = 0
        if not self._capture.isOpened():
            raise DeviceError(f"{self._shown}: {self._path} went away")

    def complaint(self) -> str | None:
        """Truncation; containers estimate their frame count, so a few missing are no fault."""
        if self._grabbed >= 0.9 * self._declared - 1:
            return None
        return f"ends after {self._grabbed} of {self._declared:.0f} frames: truncated or damaged"

    def close(self) -> None:
        """Release the file."""
        self._capture.release()

    def _property(self, number: int) -> float:
        value = float(self._capture.get(number))
        return value if math.isfinite(value) else 0.0


class PictureReel:
    """Picture files in order, one per second unless told otherwise."""

    fps = 1.0

    def __init__(self, paths: Sequence[Path], shown: str) -> None:
        self._paths = tuple(paths)
        self._shown = shown
        self._at = -1
        self._unreadable: set[Path] = set()
        if not any(read_picture(path) is not None for path in self._paths):
            many = len(self._paths)
            what = str(self._paths[0]) if many == 1 else f"none of its {many} pictures"
            verb = "is no readable picture" if many == 1 else "can be decoded"
            raise DeviceError(f"{shown}: {what} {verb} ({FORMATS})")

    def grab(self) -> bool:
        """Move to the next picture; False after the last."""
        self._at += 1
        return self._at < len(self._paths)

    def picture(self) -> UInt8Array | None:
        """The picture, uint8 RGB; None where it cannot be decoded."""
        path = self._paths[self._at]
        picture = read_picture(path)
        if picture is None and path not in self._unreadable:
            self._unreadable.add(path)
            log.warning("%s: skipping %s, it cannot be decoded", self._shown, path.name)
        return picture

    def rewind(self) -> None:
        """Back to before the first picture."""
        self._at = -1

    def complaint(self) -> str | None:
        """None: an unreadable picture is skipped and counted, the others are good."""
        return None

    def close(self) -> None:
        """Nothing is held open."""


def open_reel(uri: DeviceUri) -> Reel:
    """The video, picture or folder that a ``file:`` URI names; DeviceError where it is none."""
    place = uri.place.removeprefix("//")
    if not place:
        raise DeviceError(f"{uri.text!r} names no file; write file:PATH ({FORMATS})")
    try:
        return _open_path(uri, Path(place).expanduser())
    except OSError as error:  # no permission on the way to it, a name too long, ...
        raise DeviceError(
            f"{uri.text}: {place} cannot be read: {error.strerror or error}"
        ) from None
    except RuntimeError:
        raise DeviceError(f"{uri.text}: {place} cannot be read: no such user's home") from None


def _open_path(uri: DeviceUri, path: Path) -> Reel:
    if path.is_dir():
        paths = sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES)
        if not paths:
            raise DeviceError(f"{uri.text}: folder {path} holds no pictures ({FORMATS})")
        return PictureReel(paths, uri.text)
    if not path.exists():
        raise DeviceError(f"{uri.text}: there is no file {path.absolute()} ({FORMATS})")
    if not path.is_file():
        raise DeviceError(f"{uri.text}: {path} is no regular file ({FORMATS})")
    if not os.access(path, os.R_OK):
        raise DeviceError(f"{uri.text}: {path} may not be read; check its permissions")
    if path.stat().st_size == 0:
        raise DeviceError(f"{uri.text}: {path} is empty ({FORMATS})")
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return PictureReel([path], uri.text)
    return VideoReel(path, uri.text)
