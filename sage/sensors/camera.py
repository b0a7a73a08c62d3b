"""Live cameras: read on a thread, lost and found again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from sage.clock import Clock
from sage.irp.errors import ConfigError, DeviceError
from sage.sensors.feed import STOP_WAIT_S, Feed
from sage.sensors.file import camera_model
from sage.sensors.opencv import Capture, to_rgb
from sage.sensors.source import Deliver, SourceCounts
from sage.values import Frame, Observation

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReconnectConfig:
    """How a lost device is sought: after ``first_s``, then twice as long, ``cap_s`` at most.

    A device that gives no frame for ``silent_s`` counts as unhealthy.
    """

    first_s: float = 0.25
    cap_s: float = 5.0
    silent_s: float = 2.0

    def __post_init__(self) -> None:
        if not 0 < self.first_s <= self.cap_s:
            raise ConfigError(f"first_s is {self.first_s!r}; it must be in (0, cap_s={self.cap_s}]")
        if not self.silent_s > 0:
            raise ConfigError(f"silent_s is {self.silent_s!r}; it must be above 0")


class LiveSource:
    """Reads a camera on a thread of its own, and looks for it again where it vanishes."""

    modalities = ("camera",)

    def __init__(
        self,
        uri: str,
        connect: Callable[[], Capture],
        clock: Clock,
        *,
        fov_y_deg: float | None = None,
        reconnect: ReconnectConfig | None = None,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        """``connect`` opens the device or raises DeviceError, as this does where it is missing."""
        self.uri = uri
        self.reconnects = 0
        """How often the lost device was sought."""
        self._connect = connect
        self._clock = clock
        self._fov_y_deg = fov_y_deg
        self._reconnect = reconnect or ReconnectConfig()
        self._delay_s = self._reconnect.first_s
        self._feed = Feed(clock, inline=False)
        self._stopping = threading.Event()
        self._wait = wait or self._stopping.wait
        self._thread: threading.Thread | None = None
        self._sequence = 0
        self._lost: DeviceError | None = None
        self._heard_s = clock.now_s()
        self._capture: Capture | None = connect()
        if not self._capture.grab():  # many devices open though they are in use
            self._capture.release()
            raise DeviceError(f"{uri}: it opened but gave no picture; is another program using it?")

    @property
    def finished(self) -> bool:
        """A camera ends only when it is stopped."""
        return self._feed.closed

    @property
    def healthy(self) -> bool:
        """False while the device is away or silent."""
        silent_s = self._clock.now_s() - self._heard_s
        return self._lost is None and silent_s <= self._reconnect.silent_s

    @property
    def error(self) -> DeviceError | None:
        """Why the device is away."""
        return self._lost

    def latest(self, modality: str, max_age_s: float) -> Observation | None:
        """The newest frame, unless it is older than ``max_age_s``."""
        return self._feed.latest(modality, max_age_s)

    def counts(self) -> SourceCounts:
        """What became of the frames so far."""
        return self._feed.counts()

    def pump(self, until_s: float) -> None:
        """A live device cannot be driven in lock-step."""
        raise ConfigError(f"{self.uri} runs in real time only; lock-step wants sim: or file:")

    def start(self, deliver: Deliver) -> None:
        """Begin to capture."""
        self._feed.open(deliver, name=self.uri)
        self._heard_s = self._clock.now_s()
        self._thread = threading.Thread(target=self._run, name=self.uri, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop capturing. A thread stuck in a driver is left behind; it releases the device."""
        self._stopping.set()
        self._feed.close()
        if self._thread is None:
            self._release()
        elif self._thread is not threading.current_thread():
            self._thread.join(STOP_WAIT_S)

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                if self._capture is None:
                    self._seek()
                else:
                    self._read(self._capture)
        finally:
            self._release()

    def _read(self, capture: Capture) -> None:
        try:
            grabbed = capture.grab()
            captured_s = self._clock.now_s()  # before decoding: nearest to the exposure
            decoded, picture = capture.retrieve() if grabbed else (False, None)
            rgb = to_rgb(picture) if decoded else None
        except Exception as error:  # a driver's failure is a device that went away
            log.debug("%s: %s", self.uri, error)
            grabbed, rgb = False, None
        sequence = self._sequence
        self._sequence += 1
        if rgb is None:
            self._feed.drop("unreadable")
            if not grabbed:
                self._lose()
            return
        self._heard_s = captured_s
        if self._lost is not None:
            self._lost = None
            self._delay_s = self._reconnect.first_s
            log.info("%s is back after %d attempts", self.uri, self.reconnects)
        frame = Frame(rgb, camera_model(rgb, self._fov_y_deg))
        self._feed.publish(Observation(self.uri, "camera", captured_s, sequence, frame))

    def _lose(self) -> None:
        self._release()
        if self._lost is None:
            self._lost = DeviceError(f"{self.uri} went away; it is being sought again")
            log.warning("%s", self._lost)

    def _seek(self) -> None:
        self._wait(self._delay_s)
        if self._stopping.is_set():
            return
        self._delay_s = min(2 * self._delay_s, self._reconnect.cap_s)
        self.reconnects += 1
        try:
            self._capture = self._connect()
        except Exception as error:  # still away; a driver may raise anything
            log.debug("%s: %s", self.uri, error)

    def _release(self) -> None:
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.release()
