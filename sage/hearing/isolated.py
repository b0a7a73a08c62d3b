"""A recogniser in a process of its own, so that its work never holds up a wheel command.

Recognisers are native code that keeps Python's interpreter lock while it decodes: measured with
pocketsphinx, up to half a second at the end of an utterance.
"""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sage.hearing.pipe import Begin, Failed, Feed, Finish, Open, Pipe, PipeError, Ready, Reply
from sage.hearing.recogniser import RATE_HZ, Hypothesis
from sage.irp.errors import ConfigError, DeviceError, ModelError, SageError
from sage.values import Float32Array

log = logging.getLogger(__name__)

SEND_TIMEOUT_S = 5.0
FRESH_S = 0.1
"""An answer that lags further behind the sound may be about to change: it is not complete."""
_ERRORS: dict[str, type[SageError]] = {
    "ConfigError": ConfigError,
    "DeviceError": DeviceError,
    "ModelError": ModelError,
}
_NOTHING = Hypothesis("", 0.0)

# -c leaves the current directory on the import path, where a user may keep a `sage` of their own.
_BOOT = (
    "import sys; sys.path[:] = [p for p in sys.path if p] + [sys.argv[2]]; "
    "from sage.hearing.recogniser_process import main; sys.exit(main(sys.argv[1:2]))"
)


class IsolatedRecogniser:
    """Any recogniser, by the ``module:function`` that makes it and the function's arguments.

    ``feed`` returns at once; ``partial`` is the newest answer that has arrived. A process that
    dies or hangs fails the utterance with a DeviceError, and the next one starts another.
    """

    def __init__(
        self,
        entry: str,
        options: Mapping[str, Any] | None = None,
        *,
        start_timeout_s: float = 60.0,
        reply_timeout_s: float = 10.0,
    ) -> None:
        """Waits until it stands; raises what the function raised there (a SageError)."""
        self.restarts = 0
        """How often its process had to be started anew."""
        self._entry = entry
        self._options = dict(options or {})
        self._start_timeout_s = start_timeout_s
        self._reply_timeout_s = reply_timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Pipe[Reply] | None = None
        self._standing = False
        self._started_s = 0.0
        self._unsent: list[Begin | Feed | Finish] = []  # until it stands
        self._utterance = 0
        self._fed = 0
        self._newest = _NOTHING
        self._newest_heard = 0
        self.name = entry
        self._start()
        while not self._standing:
            self._stand(start_timeout_s)

    @property
    def pid(self) -> int | None:
        """Its process; None where it has died."""
        return None if self._process is None else self._process.pid

    def begin(self) -> None:
        """A new utterance; starts the process anew where it has died."""
        if self._pipe is None:
            self.restarts += 1
            log.warning("starting recogniser %r again", self.name)
            self._start()
        self._unsent.clear()
        self._utterance += 1
        self._fed = 0
        self._newest, self._newest_heard = _NOTHING, 0
        self._send(Begin(self._utterance))

    def feed(self, samples: Float32Array) -> None:
        """Its next samples at 16 kHz."""
        self._send(Feed(samples.astype("float32", copy=False).tobytes()))
        self._fed += len(samples)

    def partial(self) -> Hypothesis:
        """The newest answer; complete only where it is about all but the last 0.1 s."""
        if not self._standing:
            return self._newest
        while (reply := self._next(0.0)) is not None:
            self._note(reply)
        if self._newest.complete and self._fed - self._newest_heard > FRESH_S * RATE_HZ:
            return Hypothesis(self._newest.text, self._newest.confidence)
        return self._newest

    def finish(self) -> Hypothesis:
        """What it was; DeviceError where no answer comes in time."""
        deadline_s = time.monotonic() + self._reply_timeout_s
        self._send(Finish())
        if not self._standing:
            self._stand(self._reply_timeout_s)
            if not self._standing:  # let it finish what it does
                raise DeviceError(f"recogniser {self.name!r} is still starting")
        while True:
            reply = self._next(max(0.0, deadline_s - time.monotonic()))
            if reply is None:
                raise self._died(f"no answer within {self._reply_timeout_s:g} s")
            if self._note(reply):
                return self._newest

    def close(self) -> None:
        """End the process."""
        pipe, self._pipe = self._pipe, None
        process, self._process = self._process, None
        if pipe is not None:
            pipe.close()
        if process is not None:
            try:
                process.wait(timeout=0.5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        root = Path(__file__).resolve().parents[2]
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _BOOT, str(theirs.fileno()), str(root)],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                # Ctrl-C is for the runtime, which then closes its ears in its own order.
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            raise DeviceError(
                f"recogniser {self.name!r} cannot start its process: {error}"
            ) from error
        finally:
            theirs.close()
        self._pipe = Pipe(ours, Reply)
        self._standing = False
        self._started_s = time.monotonic()
        try:
            self._pipe.send(Open(self._entry, self._options), SEND_TIMEOUT_S)
        except PipeError as error:
            raise self._died(str(error)) from None

    def _stand(self, timeout_s: float) -> None:
        """See whether it stands by now, and send what waited for that."""
        reply = self._next(timeout_s)
        if isinstance(reply, Ready):
            self.name = reply.name
            self._standing = True
            unsent, self._unsent = self._unsent, []
            for request in unsent:
                self._send(request)
        elif isinstance(reply, Failed):
            self.close()
            if reply.kind in _ERRORS:
                raise _ERRORS[reply.kind](reply.reason)
            raise ModelError(f"{self._entry}: {reply.kind}: {reply.reason}")
        elif time.monotonic() - self._started_s >= self._start_timeout_s:
            raise self._died(f"not ready within {self._start_timeout_s:g} s")

    def _note(self, reply: Reply) -> bool:
        """Take an answer in; True where it is the last one of this utterance."""
        if isinstance(reply, Ready) or reply.utterance != self._utterance:
            return False
        if isinstance(reply, Failed):
            raise DeviceError(f"recogniser {self.name!r} failed: {reply.kind}: {reply.reason}")
        self._newest = Hypothesis(reply.text, reply.confidence, reply.complete)
        self._newest_heard = reply.heard
        return reply.final

    def _next(self, timeout_s: float) -> Reply | None:
        pipe = self._living()
        try:
            return pipe.receive(timeout_s)
        except PipeError as error:
            raise self._died(str(error)) from None

    def _send(self, request: Begin | Feed | Finish) -> None:
        pipe = self._living()
        if not self._standing:
            self._stand(0.0)
        if not self._standing:
            self._unsent.append(request)
            return
        try:
            pipe.send(request, SEND_TIMEOUT_S)
        except PipeError as error:
            raise self._died(str(error)) from None

    def _living(self) -> Pipe[Reply]:
        if self._pipe is None:
            raise DeviceError(f"recogniser {self.name!r} has died; the next utterance restarts it")
        return self._pipe

    def _died(self, reason: str) -> DeviceError:
        """Its process is of no use any more."""
        process = self._process
        if process is not None:
            try:
                status = process.wait(timeout=0.1)
                reason = f"{reason}; it ended with status {status}"
            except subprocess.TimeoutExpired:
                process.kill()
        self.close()
        return DeviceError(f"the process of recogniser {self.name!r} failed: {reason}")
