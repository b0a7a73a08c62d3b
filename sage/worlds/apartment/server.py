"""The apartment's own process: physics and drawing, apart from the runtime's interpreter.

It serves one client over an inherited socket and ends when that closes, or when its parent dies.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import socket
import sys
import time

from sage.irp.errors import SageError
from sage.values import Twist
from sage.worlds.apartment import protocol
from sage.worlds.apartment.layout import make_layout
from sage.worlds.apartment.robot import CAMERA
from sage.worlds.apartment.simulation import Simulation

log = logging.getLogger(__name__)

_MAX_LAG_S = 0.25
_PARENT_CHECK_S = 1.0


class ParentGone(Exception):
    """Nobody is left to serve."""


class Timer:
    """Due times of one sensor, at a fixed rate from 0 on."""

    def __init__(self, rate_hz: float) -> None:
        self._period_s = 1.0 / rate_hz
        self._count = 0

    @property
    def due_s(self) -> float:
        """When the next capture is due."""
        return self._count * self._period_s

    def take(self, now_s: float) -> int:
        """The sequence number of this capture; those already missed by ``now_s`` leave a gap."""
        sequence = self._count
        self._count += 1
        while self.due_s < now_s - self._period_s:
            self._count += 1
        return sequence


class Server:
    """One apartment for one client."""

    def __init__(self, channel: socket.socket, request: protocol.Open) -> None:
        self._channel = channel
        self._parent = os.getppid()
        self._realtime = request.realtime
        if self._realtime:
            # Mesa's software renderer: the other cores are the runtime's.
            os.environ.setdefault("LP_NUM_THREADS", "1")
        self._frames = Timer(request.frame_hz)
        self._scans = Timer(request.scan_hz)
        self._simulation = Simulation(make_layout(request.seed))
        # Draw once: what fails to draw shall fail now, and the first frame shall not be late.
        self._simulation.scene.render()
        self._until_s = 0.0
        self._started_s = 0.0

    def serve(self) -> None:
        """Answer until the client has gone."""
        layout = self._simulation.layout
        protocol.send(self._channel, protocol.Ready(layout.static_map, CAMERA, layout.start_pose))
        try:
            if self._realtime:
                self._serve_realtime()
            else:
                while self._wait(_PARENT_CHECK_S * 10) is not False:
                    pass
        except (ParentGone, ConnectionError):
            return
        finally:
            self._simulation.close()

    def _serve_realtime(self) -> None:
        self._started_s = time.perf_counter()
        checked_s = self._started_s
        while True:
            now_s = time.perf_counter()
            if now_s - checked_s > _PARENT_CHECK_S:
                checked_s = now_s
                self._check_parent()
            lag_s = now_s - self._started_s - self._simulation.time_s
            if lag_s > _MAX_LAG_S:
                # The machine was busy: the world loses this time rather than racing after it.
                self._started_s += lag_s
                lag_s = 0.0
            self._live(self._simulation.time_s + lag_s)
            if not self._serve_pending():
                return

    def _serve_pending(self) -> bool:
        """Answer all that waits, then wait for the next due time; False once the client left."""
        while True:
            due_s = min(self._frames.due_s, self._scans.due_s, self._simulation.time_s + 0.02)
            pause_s = max(self._started_s + due_s - time.perf_counter(), 0.0)
            answered = self._wait(pause_s, block=False)
            if answered is False:
                return False
            if answered is None:
                return True

    def _wait(self, timeout_s: float, block: bool = True) -> bool | None:
        """Answer one request: True if one came, False if the client left, None if none came."""
        ready, _, _ = select.select([self._channel], [], [], timeout_s)
        if not ready:
            if block:
                self._check_parent()
            return None
        request = protocol.receive_request(self._channel)
        if request is None:
            return False
        self._answer(request)
        return True

    def _check_parent(self) -> None:
        if os.getppid() != self._parent:
            raise ParentGone

    def _answer(self, request: protocol.Request) -> None:
        simulation = self._simulation
        if isinstance(request, protocol.Drive):
            simulation.drive(Twist(request.linear_m_s, request.angular_rad_s))
        elif isinstance(request, protocol.Grip):
            simulation.grip(request.opening)
        elif isinstance(request, protocol.Grasp):
            simulation.grasp(request.forward_m, request.left_m)
        elif isinstance(request, protocol.Place):
            simulation.place(request.forward_m, request.left_m)
        elif isinstance(request, protocol.Speak):
            simulation.speak(request.text)
        elif isinstance(request, protocol.Sync):
            protocol.send(self._channel, protocol.Synced(time.perf_counter()))
        elif isinstance(request, protocol.AskTruth):
            protocol.send(self._channel, protocol.TruthTold(simulation.truth()))
        elif isinstance(request, protocol.AskPicture):
            size = request.width_px, request.height_px
            rgb = simulation.scene.view_from_above(*size)
            protocol.send(self._channel, protocol.PictureTaken(*size, rgb.tobytes()))
        elif isinstance(request, protocol.Advance) and not self._realtime:
            self._until_s += request.dt_s
            self._live(self._until_s)
            protocol.send(self._channel, protocol.Advanced(self._until_s))
        elif isinstance(request, protocol.Put) and not self._realtime:
            try:
                simulation.put(request.name, request.x_m, request.y_m)
            except ValueError as error:
                protocol.send(self._channel, protocol.PutDone(str(error)))
            else:
                protocol.send(self._channel, protocol.PutDone())
        else:
            raise protocol.ProtocolError(f"{type(request).__name__} is out of place here")

    def _stamp_s(self) -> float:
        """The time of the last physics step: on this process's clock, or the world's own."""
        return self._started_s + self._simulation.time_s

    def _live(self, until_s: float) -> None:
        """Step to ``until_s`` and send what falls due on the way, in order."""
        simulation = self._simulation
        while True:
            due_s = min(self._frames.due_s, self._scans.due_s)
            if due_s > until_s + 1e-9:
                simulation.step_to(until_s)
                return
            simulation.step_to(due_s)
            # A camera that is late skips pictures; in lock-step nothing is ever late.
            now_s = until_s if self._realtime else due_s
            if self._scans.due_s <= due_s:
                self._send_scan(self._scans.take(now_s))
            if self._frames.due_s <= due_s:
                self._send_frame(self._frames.take(now_s))

    def _send_scan(self, sequence: int) -> None:
        at_s = self._stamp_s()
        odometry = self._simulation.odometry()
        protocol.send(
            self._channel,
            protocol.OdometryTaken(
                at_s,
                sequence,
                odometry.pose,
                odometry.linear_m_s,
                odometry.angular_rad_s,
                odometry.bumper,
                odometry.holding,
            ),
        )
        scan = self._simulation.scan()
        ranges, bearings = scan.ranges_m.tobytes(), scan.bearings_rad.tobytes()
        protocol.send(
            self._channel,
            protocol.ScanTaken(at_s, sequence, ranges, bearings, scan.max_range_m),
        )

    def _send_frame(self, sequence: int) -> None:
        at_s = self._stamp_s()
        rgb = self._simulation.scene.render()
        height, width, _ = rgb.shape
        protocol.send(
            self._channel,
            protocol.FrameTaken(at_s, sequence, width, height, rgb.tobytes()),
        )


def main(arguments: list[str]) -> int:
    """Serve the socket whose file descriptor is the only argument; the process's exit status."""
    channel = socket.socket(fileno=int(arguments[0]))
    with channel:
        try:
            request = protocol.receive_request(channel)
            if request is None:
                return 0
            if not isinstance(request, protocol.Open):
                raise protocol.ProtocolError(f"{type(request).__name__} before Open")
            Server(channel, request).serve()
        except (protocol.ProtocolError, SageError) as error:
            with contextlib.suppress(OSError):
                protocol.send(channel, protocol.Failed(str(error)))
            return 2
        except OSError:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
