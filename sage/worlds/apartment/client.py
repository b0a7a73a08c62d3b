"""``sim:apartment`` as the runtime sees it: a robot in an apartment that lives elsewhere."""

from __future__ import annotations

import contextlib
import logging
import queue
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, TypeVar

import numpy as np

from sage.clock import Clock
from sage.irp.errors import ConfigError, DeviceError
from sage.values import (
    CameraModel,
    Effect,
    Observation,
    Pose,
    Twist,
    UInt8Array,
)
from sage.worlds.apartment import protocol
from sage.worlds.apartment.robot import MAX_ANGULAR_RAD_S, MAX_LINEAR_M_S
from sage.worlds.apartment.truth import Truth
from sage.worlds.static_map import StaticMap

log = logging.getLogger(__name__)

SOURCE = "sim:apartment"
START_TIMEOUT_S = 60.0
REPLY_TIMEOUT_S = 30.0
SILENCE_TIMEOUT_S = 10.0  # a world in real time always has something to tell

Subscriber = Callable[[Observation], None]
_R = TypeVar("_R")

# -c leaves the current directory on the import path, where a user may keep a `sage` of their own.
_BOOT = (
    "import sys; sys.path[:] = [p for p in sys.path if p] + [sys.argv[2]]; "
    "from sage.worlds.apartment.server import main; sys.exit(main(sys.argv[1:2]))"
)


class ApartmentWorld:
    """An apartment with a robot in it, in a process of its own. Open it with ``open``.

    In real time, observations reach subscribers from a reader thread as they are captured. In
    lock-step the world stands still but inside ``advance``, which delivers them before it returns.
    """

    static_map: StaticMap
    camera: CameraModel
    start_pose: Pose

    def __init__(
        self, channel: socket.socket, process: subprocess.Popen[bytes], stderr: IO[bytes],
        clock: Clock, *, realtime: bool,
    ) -> None:  # fmt: skip
        self._channel = channel
        self._process = process
        self._stderr = stderr
        self._clock = clock
        self._realtime = realtime
        self._offset_s = clock.now_s()
        self._subscribers: list[Subscriber] = []
        self._replies: queue.SimpleQueue[protocol.Reply | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._request_lock = threading.Lock()
        self._error: DeviceError | None = None
        self._closed = False
        self._twist = Twist()
        self._reader: threading.Thread | None = None

    @classmethod
    def open(
        cls,
        seed: int = 0,
        *,
        realtime: bool,
        clock: Clock,
        frame_hz: float = 15.0,
        scan_hz: float = 20.0,
    ) -> ApartmentWorld:
        """Start the apartment of a seed.

        ConfigError if a value is out of range; DeviceError if MuJoCo cannot start or cannot draw.
        """
        if not 0 <= seed < 2**31:
            raise ConfigError(f"apartment seed {seed} is out of range; valid: 0 to {2**31 - 1}")
        for name, rate in (("frame_hz", frame_hz), ("scan_hz", scan_hz)):
            if not 0.1 <= rate <= 200.0:
                raise ConfigError(f"apartment {name} {rate} is out of range; valid: 0.1 to 200")
        ours, theirs = socket.socketpair()
        stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the world
        root = Path(__file__).resolve().parents[3]
        try:
            process = subprocess.Popen(
                [sys.executable, "-c", _BOOT, str(theirs.fileno()), str(root)],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                # Ctrl-C is for the runtime, which then closes its world in its own order.
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            stderr.close()
            raise DeviceError(f"{SOURCE} cannot start its process: {error}") from error
        finally:
            theirs.close()
        world = cls(ours, process, stderr, clock, realtime=realtime)
        try:
            ours.settimeout(START_TIMEOUT_S)
            world._send(protocol.Open(seed, realtime, frame_hz, scan_hz))
            ready = world._read(protocol.Ready)
            world.static_map = ready.static_map
            world.camera = ready.camera
            world.start_pose = ready.start_pose
            if realtime:
                world._synchronise()
                ours.settimeout(SILENCE_TIMEOUT_S + 1.0 / max(frame_hz, scan_hz))
                world._reader = threading.Thread(
                    target=world._read_on, name="apartment-reader", daemon=True
                )
                world._reader.start()
            else:
                ours.settimeout(REPLY_TIMEOUT_S)
        except BaseException:
            world.close()
            raise
        return world

    def __enter__(self) -> ApartmentWorld:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def error(self) -> DeviceError | None:
        """Why the world ended by itself, None while it lives."""
        return self._error

    @property
    def pid(self) -> int:
        """The process that the world runs in."""
        return self._process.pid

    def subscribe(self, callback: Subscriber) -> None:
        """Call ``callback`` with every observation from now on.

        It must return quickly and ask nothing of the world: it may run on the thread that reads
        the world's answers.
        """
        self._subscribers.append(callback)

    def drive(self, twist: Twist) -> Effect:
        """Command the base until the next command, half a second at most.

        The effect carries the twist as clipped to 1.0 m/s and 2.0 rad/s. A value that is not
        finite is refused with a ConfigError; DeviceError if the world has ended.
        """
        for value in (twist.linear_m_s, twist.angular_rad_s):
            if not np.isfinite(value):
                raise ConfigError(f"{SOURCE} cannot drive at {value}; valid: a finite number")
        executed = Twist(
            min(max(twist.linear_m_s, -MAX_LINEAR_M_S), MAX_LINEAR_M_S),
            min(max(twist.angular_rad_s, -MAX_ANGULAR_RAD_S), MAX_ANGULAR_RAD_S),
        )
        now_s = self._clock.now_s()
        self._send(protocol.Drive(executed.linear_m_s, executed.angular_rad_s))
        return Effect(now_s, executed, now_s, clipped=executed != twist)

    def gripper(self, opening: float) -> None:
        """Move the fingers: 0 is closed, 1 is open; ConfigError outside."""
        if not 0.0 <= opening <= 1.0:
            raise ConfigError(f"gripper opening {opening} is out of range; valid: 0 to 1")
        self._send(protocol.Grip(opening))

    def grasp(self, forward_m: float, left_m: float) -> None:
        """Take the object nearest to a point of the robot's frame (x forward, y left).

        It takes 1.5 s, for which the robot has to stand still; whether something is held then,
        the odometry says. What can be reached: `sage.worlds.apartment.handling`. ConfigError
        for a point that is not finite.
        """
        self._send(protocol.Grasp(*self._point("grasp", forward_m, left_m)))

    def place(self, forward_m: float, left_m: float) -> None:
        """Put what is held down at a point of the robot's frame, on furniture or the floor.

        It takes 1.5 s like ``grasp``; it is still held then where there was no room for it in
        reach. ConfigError for a point that is not finite.
        """
        self._send(protocol.Place(*self._point("place", forward_m, left_m)))

    def speak(self, text: str) -> None:
        """Say something to the people near the robot; ConfigError unless 1 to 300 characters."""
        if not 1 <= len(text) <= protocol.SPEECH_LIMIT:
            raise ConfigError(
                f"{SOURCE} cannot say {len(text)} characters; valid: 1 to {protocol.SPEECH_LIMIT}"
            )
        # Half a character, as a careless decoder leaves it, cannot be sent.
        self._send(protocol.Speak(text.encode("utf-8", "replace").decode()))

    def advance(self, dt_s: float) -> float:
        """Lock-step: let the world live for ``dt_s``; returns its time on the client's clock.

        What fell due reaches the subscribers, in order of capture, before this returns.
        """
        if self._realtime:
            raise ConfigError(f"{SOURCE} runs in real time: open it with realtime=False to advance")
        if not 0.0 < dt_s <= 3600.0:
            raise ConfigError(f"cannot advance by {dt_s} s; valid: above 0, at most 3600")
        reply = self._ask(protocol.Advance(dt_s), protocol.Advanced)
        return reply.time_s + self._offset_s

    def put(self, name: str, x_m: float, y_m: float) -> None:
        """Lock-step: move an object, or a piece of furniture with what stands on it.

        An object goes onto the furniture at that map point, furniture onto free floor.
        ConfigError where there is no such thing or it cannot stand there.
        """
        if self._realtime:
            raise ConfigError(f"{SOURCE} runs in real time: open it with realtime=False to put")
        if not (np.isfinite(x_m) and np.isfinite(y_m)):
            raise ConfigError(f"cannot put {name!r} at ({x_m}, {y_m}); valid: finite metres")
        if not 1 <= len(name) <= 64:
            raise ConfigError(f"cannot put {name!r}: a name of 1 to 64 characters is expected")
        reply = self._ask(protocol.Put(name, float(x_m), float(y_m)), protocol.PutDone)
        if reply.refusal:
            raise ConfigError(f"cannot put {name!r}: {reply.refusal}")

    def truth(self) -> Truth:
        """The world as it really is: for scoring only."""
        return self._ask(protocol.AskTruth(), protocol.TruthTold).truth

    def view_from_above(self, width_px: int = 1280, height_px: int = 960) -> UInt8Array:
        """A picture of the whole apartment, uint8 (height, width, 3), for people to look at."""
        if not (64 <= width_px <= 1280 and 64 <= height_px <= 960):
            raise ConfigError(
                f"a picture of {width_px} x {height_px} px is out of range; "
                "valid: 64 x 64 to 1280 x 960"
            )
        picture = self._ask(protocol.AskPicture(width_px, height_px), protocol.PictureTaken)
        rgb = np.frombuffer(picture.rgb, dtype=np.uint8)
        return rgb.reshape(picture.height_px, picture.width_px, 3)

    def close(self) -> None:
        """End the world; a second call does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)
        if self._reader is not None and self._reader is not threading.current_thread():
            self._reader.join(timeout=2.0)
        self._channel.close()
        try:
            # One that failed has nothing left to put in order, and may hang.
            self._process.wait(timeout=3.0 if self._error is None else 0.5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._stderr.close()

    @staticmethod
    def _point(what: str, forward_m: float, left_m: float) -> tuple[float, float]:
        if not (np.isfinite(forward_m) and np.isfinite(left_m)):
            raise ConfigError(
                f"{SOURCE} cannot {what} at ({forward_m}, {left_m}); valid: finite metres"
            )
        return float(forward_m), float(left_m)

    def _synchronise(self) -> None:
        """Map the server's clock to ours: the quickest of a few exchanges decides."""
        best_s = float("inf")
        for _ in range(5):
            before_s = self._clock.now_s()
            self._send(protocol.Sync())
            answer = self._read(protocol.Synced)
            after_s = self._clock.now_s()
            if after_s - before_s < best_s:
                best_s = after_s - before_s
                self._offset_s = 0.5 * (before_s + after_s) - answer.server_s

    def _send(self, request: protocol.Request) -> None:
        if self._error is not None:
            raise self._error
        if self._closed:
            raise DeviceError(f"{SOURCE} is closed")
        try:
            with self._lock:
                protocol.send(self._channel, request)
        except TimeoutError:  # part of the request may be out: nothing can follow it
            raise self._ended(self._error or DeviceError(f"{SOURCE} stopped answering")) from None
        except OSError as error:
            raise self._ended(self._error or DeviceError(self._obituary())) from error

    def _ask(self, request: protocol.Request, kind: type[_R]) -> _R:
        with self._request_lock:
            self._send(request)
            if self._reader is None:
                return self._read(kind)
            try:
                reply = self._replies.get(timeout=REPLY_TIMEOUT_S)
            except queue.Empty:  # its late reply must not answer the next request: it is over
                raise self._ended(
                    DeviceError(f"{SOURCE} did not answer within {REPLY_TIMEOUT_S:.0f} s")
                ) from None
        if reply is None:
            raise self._error or DeviceError(f"{SOURCE} is closed")
        if not isinstance(reply, kind):
            raise self._ended(
                DeviceError(f"{SOURCE} answered {type(reply).__name__}, not {kind.__name__}")
            )
        return reply

    def _read(self, kind: type[_R]) -> _R:
        """Read up to the reply of that kind, delivering the observations before it."""
        while True:
            reply = self._next_reply()
            if isinstance(reply, kind):
                return reply
            self._deliver(reply)

    def _next_reply(self) -> protocol.Reply:
        try:
            reply = protocol.receive_reply(self._channel)
        except protocol.ProtocolError as error:
            raise self._ended(DeviceError(f"{SOURCE} sent garbage: {error}")) from error
        except TimeoutError:
            raise self._ended(DeviceError(f"{SOURCE} stopped answering")) from None
        except OSError as error:
            raise self._ended(DeviceError(self._obituary())) from error
        if reply is None:
            raise self._ended(DeviceError(self._obituary()))
        if isinstance(reply, protocol.Failed):
            raise self._ended(DeviceError(reply.reason))
        return reply

    def _read_on(self) -> None:
        """The reader thread of a world in real time."""
        try:
            while True:
                reply = self._next_reply()
                if isinstance(reply, (protocol.TruthTold, protocol.PictureTaken)):
                    self._replies.put(reply)
                else:
                    self._deliver(reply)
        except DeviceError as error:
            log.debug("%s", error)  # whoever uses the world reports its ``error``
        finally:
            self._replies.put(None)

    def _deliver(self, reply: protocol.Reply) -> None:
        observation = self._observation(reply)
        for subscriber in list(self._subscribers):
            try:
                subscriber(observation)
            except Exception:
                if not self._realtime:
                    raise
                log.exception("a subscriber of %s failed", SOURCE)

    def _observation(self, reply: protocol.Reply) -> Observation:
        try:
            return protocol.observed(reply, SOURCE, self.camera, self._offset_s)
        except protocol.ProtocolError as error:
            raise self._ended(DeviceError(f"{SOURCE} sent garbage: {error}")) from error

    def _ended(self, error: DeviceError) -> DeviceError:
        if self._error is None:
            self._error = error
        return error

    def _obituary(self) -> str:
        """One line on why the process ended: the last that it wrote to its standard error."""
        try:
            status = self._process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            return f"{SOURCE} closed its connection"
        try:
            self._stderr.seek(0)
            lines = self._stderr.read().decode("utf-8", "replace").strip().splitlines()
        except (OSError, ValueError):
            lines = []
        last = f": {lines[-1]}" if lines else ""
        return f"{SOURCE} ended with status {status}{last}"
