"""Files as cameras: a video at its own frame rate, a picture, a folder of pictures."""

from __future__ import annotations

import logging
import math
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from sage.clock import Clock
from sage.irp.errors import DeviceError
from sage.sensors.feed import STOP_WAIT_S, Feed
from sage.sensors.opencv import Capture, load_cv2, read_picture, to_rgb
from sage.sensors.source import Deliver, SourceCounts
from sage.sensors.uri import DeviceUri, Option, read_options
from sage.values import CameraModel, Frame, Observation, UInt8Array

log = logging.getLogger(__name__)

VIDEO_SUFFIXES = (".avi", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm")
PICTURE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
FORMATS = "videos: mp4, avi, mkv, mov, webm, ...; pictures: jpg, png, bmp, tif, webp"
OPTIONS = {
    "loop": Option(False),
    "fps": Option(None, 0.01, 1000.0),
    "fov_y_deg": Option(None, 1.0, 170.0),
}
MOST_SKIPPED = 30
"""Frames that a slow machine skips in a row before it shows one and takes its time from there."""


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


class FileSource:
    """Plays a reel: frame k is captured at start + k / fps of the injected clock.

    A machine too slow for the frame rate skips frames, as a camera would, and counts them as
    ``superseded``.
    """

    modalities = ("camera",)

    def __init__(
        self,
        uri: str,
        reel: Reel,
        clock: Clock,
        *,
        lockstep: bool = False,
        loop: bool = False,
        fps: float | None = None,
        fov_y_deg: float | None = None,
    ) -> None:
        self.uri = uri
        self.error: DeviceError | None = None
        self._reel = reel
        self._clock = clock
        self._lockstep = lockstep
        self._loop = loop
        self._fov_y_deg = fov_y_deg
        self._period_s = 1.0 / (fps or reel.fps)
        self._feed = Feed(clock, inline=lockstep)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._due_s = math.inf
        self._sequence = 0
        self._since_rewind = 0
        self._passed_over = False  # grabbed, too late to be shown, and not counted yet
        self._ended = False

    @property
    def finished(self) -> bool:
        """True once the last frame was delivered and its time is over, or after ``stop``."""
        return self._feed.closed or (self._ended and self._feed.idle)

    @property
    def healthy(self) -> bool:
        """False once the file failed."""
        return self.error is None

    def latest(self, modality: str, max_age_s: float) -> Observation | None:
        """The newest frame, unless it is older than ``max_age_s``."""
        return self._feed.latest(modality, max_age_s)

    def counts(self) -> SourceCounts:
        """What became of the frames so far."""
        return self._feed.counts()

    def start(self, deliver: Deliver) -> None:
        """Frame 0 is due now."""
        self._feed.open(deliver, name=self.uri)
        self._due_s = self._clock.now_s()
        if not self._lockstep:
            self._thread = threading.Thread(target=self._run, name=self.uri, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop playing and release the file."""
        self._stopping.set()
        self._feed.close()
        if self._thread is None:
            self._reel.close()
        elif self._thread is not threading.current_thread():
            self._thread.join(STOP_WAIT_S)

    def pump(self, until_s: float) -> None:
        """Capture what is due up to ``until_s``; of several frames the newest wins."""
        skipped = 0
        while not self._ended and not self._stopping.is_set() and self._due_s <= until_s:
            if not self._grab():
                return
            sequence, captured_s = self._sequence, self._due_s
            self._sequence += 1
            self._due_s += self._period_s
            if self._due_s <= until_s:  # the next one is due as well, so this one is late
                if self._lockstep or skipped < MOST_SKIPPED:
                    skipped += 1
                    self._passed_over = True
                    continue
                captured_s = until_s
                self._due_s = until_s + self._period_s
            rgb = self._reel.picture()
            if rgb is None:
                self._feed.drop("unreadable")
                continue
            frame = Frame(rgb, camera_model(rgb, self._fov_y_deg))
            self._feed.publish(Observation(self.uri, "camera", captured_s, sequence, frame))

    def _grab(self) -> bool:
        more = False
        try:
            more = self._next()
        finally:
            if self._passed_over:
                self._passed_over = False
                self._feed.drop("superseded" if more else "stale")
        return more

    def _next(self) -> bool:
        if self._reel.grab():
            self._since_rewind += 1
            return True
        if self._loop and self._since_rewind:
            self._since_rewind = 0
            self._reel.rewind()
            return self._next()
        complaint = self._reel.complaint()
        if complaint is not None:
            self._fail(DeviceError(f"{self.uri}: {complaint}"))
        self._ended = True
        return False

    def _fail(self, error: DeviceError) -> None:
        self.error = error
        self._ended = True
        log.warning("%s", error)

    def _run(self) -> None:
        try:
            while not self._ended and not self._stopping.is_set():
                self.pump(self._clock.now_s())
                if not self._ended:
                    self._stopping.wait(max(0.0, self._due_s - self._clock.now_s()))
        except DeviceError as error:
            self._fail(error)
        except Exception as error:  # a decoder's failure ends the source, not the run
            log.exception("%s: reading failed", self.uri)
            self._fail(DeviceError(f"{self.uri}: reading failed: {error}"))
        finally:
            self._reel.close()


def camera_model(rgb: UInt8Array, fov_y_deg: float | None) -> CameraModel | None:
    """The camera that took a picture, where the user has told its vertical field of view."""
    if fov_y_deg is None:
        return None
    return CameraModel(rgb.shape[1], rgb.shape[0], math.radians(fov_y_deg))


def open_file(uri: DeviceUri, clock: Clock, *, lockstep: bool) -> FileSource:
    """Open ``file:PATH``; DeviceError names the path and the formats where it cannot be played."""
    options = read_options(uri, OPTIONS)
    return FileSource(uri.text, open_reel(uri), clock, lockstep=lockstep, **options)


def open_reel(uri: DeviceUri) -> Reel:
    """The video, picture or folder that a ``file:`` URI names."""
    place = uri.place.removeprefix("//")
    path = Path(place).expanduser()
    if not place:
        raise DeviceError(f"{uri.text!r} names no file; write file:PATH ({FORMATS})")
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
