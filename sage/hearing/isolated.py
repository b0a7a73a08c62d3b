"""A recogniser in a process of its own, so that its work never holds up a wheel command.

Recognisers are native code that keeps Python's interpreter lock while it decodes: measured with
pocketsphinx, up to half a second at the end of an utterance.
"""

from __future__ import annotations

import contextlib
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
ALIVE_S = 3.0
"""A process that has not even answered the beginning of an utterance by then hangs."""
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
    died, or hung before the utterance, is replaced at once, and the new one hears the utterance
    from its beginning. Where that one dies too, or it hung later, the utterance fails with a
    DeviceError, and another process is started for the next.
    """

    def __init__(
        self,
        entry: str,
        options: Mapping[str, Any] | None = None,
        *,
        start_timeout_s: float = 60.0,
        reply_timeout_s: float = 10.0,
        kept_s: float = 20.0,
    ) -> None:
        """Waits until it stands; raises what the function raised there (a SageError).

        ``kept_s`` is how much of an utterance is kept for a process that replaces a dead one.
        """
        self.restarts = 0
        """How often its process had to be started anew."""
        self._entry = entry
        self._options = dict(options or {})
        self._start_timeout_s = start_timeout_s
        self._reply_timeout_s = reply_timeout_s
        self._kept_samples = int(kept_s * RATE_HZ)
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Pipe[Reply] | None = None
        self._standing = False
        self._started_s = 0.0
        self._unsent: list[Begin | Feed | Finish] = []  # until it stands
        self._said: list[Begin | Feed | Finish] = []  # of this utterance
        self._failed = False  # this utterance
        self._replayed = False
        self._answered = False
        self._begun_s = 0.0
        self._utterance = 0
        self._fed = 0
        self._newest = _NOTHING
        self._newest_heard = 0
        self.name = entry
        self.any_words = False
        self._start()
        while not self._standing:
            self._stand(start_timeout_s)

    @property
    def pid(self) -> int | None:
        """Its process; None where it has died."""
        return None if self._process is None else self._process.pid

    def begin(self) -> None:
        """A new utterance; starts the process anew where it has died."""
        self._said.clear()
        self._unsent.clear()
        self._failed = self._replayed = False
        self._utterance += 1
        self._fed = 0
        self._forget()
        if self._pipe is None:
            self._restart()
        self._send(Begin(self._utterance))

    def feed(self, samples: Float32Array) -> None:
        """Its next samples at 16 kHz."""
        self._fed += len(samples)
        self._send(Feed(samples.astype("float32", copy=False).tobytes()))
        self._check_life()

    def partial(self) -> Hypothesis:
        """The newest answer; complete only where it is about all but the last 0.1 s."""
        if self._standing:
            self._take_answers()
        if self._newest.complete and self._fed - self._newest_heard > FRESH_S * RATE_HZ:
            return Hypothesis(self._newest.text, self._newest.confidence)
        return self._newest

    def finish(self) -> Hypothesis:
        """What it was; DeviceError where no answer comes in time."""
        deadline_s = time.monotonic() + self._reply_timeout_s
        self._send(Finish())
        while True:
            left_s = max(0.0, deadline_s - time.monotonic())
            if not self._standing:
                self._stand(left_s)
            else:
                reply = self._next(left_s if self._answered else min(left_s, ALIVE_S))
                if reply is not None and self._note(reply):
                    self._said.clear()
                    return self._newest
                self._check_life()
            if time.monotonic() >= deadline_s:
                break
        if not self._standing:  # let it finish what it does
            self._failed = True
            raise DeviceError(f"recogniser {self.name!r} is still starting")
        raise self._given_up(f"no answer within {self._reply_timeout_s:g} s")

    def close(self) -> None:
        """End the process."""
        self._said.clear()
        self._drop()

    def _drop(self) -> None:
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

    def _restart(self) -> None:
        self.restarts += 1
        log.warning("starting recogniser %r again", self.name)
        self._start()

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
            raise self._died(str(error))[0] from None

    def _stand(self, timeout_s: float) -> None:
        """See whether it stands by now, and send what waited for that."""
        reply = self._next(timeout_s)
        if isinstance(reply, Ready):
            self.name, self.any_words = reply.name, reply.any_words
            self._standing = True
            unsent, self._unsent = self._unsent, []
            self._transmit(unsent)
        elif isinstance(reply, Failed):
            self._failed = True
            self._drop()
            if reply.kind in _ERRORS:
                raise _ERRORS[reply.kind](reply.reason)
            raise ModelError(f"{self._entry}: {reply.kind}: {reply.reason}")
        elif time.monotonic() - self._started_s >= self._start_timeout_s:
            self._recover(f"not ready within {self._start_timeout_s:g} s")

    def _note(self, reply: Reply) -> bool:
        """Take an answer in; True where it is the last one of this utterance."""
        if isinstance(reply, Ready) or reply.utterance != self._utterance:
            return False
        self._answered = True
        if isinstance(reply, Failed):
            self._failed = True
            raise DeviceError(f"recogniser {self.name!r} failed: {reply.kind}: {reply.reason}")
        self._newest = Hypothesis(reply.text, reply.confidence, reply.complete)
        self._newest_heard = reply.heard
        return reply.final

    def _take_answers(self) -> None:
        while (reply := self._next(0.0)) is not None:
            self._note(reply)

    def _forget(self) -> None:
        """Nothing was answered in this utterance."""
        self._newest, self._newest_heard, self._answered = _NOTHING, 0, False

    def _next(self, timeout_s: float) -> Reply | None:
        pipe = self._living()
        try:
            return pipe.receive(timeout_s)
        except PipeError as error:
            self._recover(str(error))
        return None

    def _send(self, request: Begin | Feed | Finish) -> None:
        self._living()
        if self._fed <= self._kept_samples:
            self._said.append(request)
        self._unsent.append(request)
        if not self._standing:
            self._stand(0.0)  # which sends it too
            return
        unsent, self._unsent = self._unsent, []
        self._transmit(unsent)

    def _transmit(self, requests: list[Begin | Feed | Finish]) -> None:
        pipe = self._living()
        try:
            for request in requests:
                pipe.send(request, SEND_TIMEOUT_S)
                if isinstance(request, Begin):
                    self._begun_s = time.monotonic()
        except PipeError as error:
            self._recover(str(error))

    def _check_life(self) -> None:
        """Replace a process that hung before the utterance began."""
        if self._answered or not self._standing or time.monotonic() - self._begun_s < ALIVE_S:
            return
        self._take_answers()
        if self._standing and not self._answered:
            self._recover(f"no sign of life for {ALIVE_S:g} s", hung=True)

    def _living(self) -> Pipe[Reply]:
        if self._pipe is None or self._failed:
            raise DeviceError(f"recogniser {self.name!r} has failed; begin another utterance")
        return self._pipe

    def _recover(self, reason: str, *, hung: bool = False) -> None:
        """Replace the process and say everything again, once; else DeviceError."""
        stood = self._standing
        error, died = self._died(reason)
        kept = bool(self._said) and self._fed <= self._kept_samples
        if not (stood and kept and (died or hung)) or self._replayed:
            raise self._failure(error, stood)
        log.warning("%s; the utterance is heard again", error)
        self._replayed = True
        self._forget()
        self._restart()
        self._unsent = list(self._said)

    def _given_up(self, reason: str) -> DeviceError:
        stood = self._standing
        return self._failure(self._died(reason)[0], stood)

    def _failure(self, error: DeviceError, stood: bool) -> DeviceError:
        """The utterance is lost; the next one need not wait for a process that could stand."""
        self._failed = True
        self._said.clear()
        self._unsent.clear()
        if stood:
            with contextlib.suppress(DeviceError):  # begin() tries again
                self._restart()
        return error

    def _died(self, reason: str) -> tuple[DeviceError, bool]:
        """Its process is of no use any more; whether it had ended by itself."""
        process, ended = self._process, False
        if process is not None:
            try:
                status = process.wait(timeout=0.1)
                reason, ended = f"{reason}; it ended with status {status}", True
            except subprocess.TimeoutExpired:
                process.kill()
        self._standing = False
        self._drop()
        return DeviceError(f"the process of recogniser {self.name!r} failed: {reason}"), ended
