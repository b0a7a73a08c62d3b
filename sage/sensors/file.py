"""Files as cameras, played at their own frame rate by the injected clock."""

from __future__ import annotations

import logging
import math
import threading

from sage.clock import Clock
from sage.irp.errors import DeviceError
from sage.sensors.feed import STOP_WAIT_S, Feed
from sage.sensors.reel import Reel, open_reel
from sage.sensors.source import Deliver, SourceCounts
from sage.sensors.uri import DeviceUri, Option, read_options
from sage.values import CameraModel, Frame, Observation, UInt8Array

log = logging.getLogger(__name__)

OPTIONS = {
    "loop": Option(False),
    "fps": Option(None, 0.01, 1000.0),
    "fov_y_deg": Option(None, 1.0, 170.0),
}
MOST_SKIPPED = 30
"""Frames that a slow machine skips in a row before it shows one and takes its time from there."""


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
