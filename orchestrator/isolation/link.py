"""The runtime's end of a plugin's process: one exchange at a time, each within its limit."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import select
import signal
import socket
import threading
import time
from typing import Any, TypeVar

import msgspec

from orchestrator.isolation import protocol, spawn
from orchestrator.isolation.codec import CodecError, Decoder, Extent, UnknownModuleError, encode
from orchestrator.isolation.protocol import Failed, Open, Ready, Reply, Request, Where
from orchestrator.isolation.shared import COPIED, SharedSlots, create
from sage.irp.errors import (
    ConfigError,
    DeviceError,
    ModelError,
    PluginError,
    ProcessDiedError,
    SageError,
)

log = logging.getLogger(__name__)

_R = TypeVar("_R", bound=Reply)

_TOLD_BYTES = 8192
_REAP_S = 1.0
_ERRORS: dict[str, type[SageError]] = {
    kind.__name__: kind for kind in (ConfigError, DeviceError, ModelError, PluginError)
}


class Link:
    """A plugin's process. Starts it; raises PluginError where it cannot be started.

    ``what`` names the plugin in messages.
    """

    def __init__(self, what: str, slot_bytes: int, kept: int) -> None:
        self.what = what
        self.lock = threading.RLock()
        """Held by whoever prepares and makes an exchange."""
        self.ended: str | None = None
        """How it ended; None while it lives."""
        self._creator = os.getpid()
        self._closing = False
        self._reaped = False
        self._handle = threading.Lock()  # of the process: who holds it, may use its descriptor
        self._number = 0
        self._expected_s = math.inf
        self._told = b""
        self._held: list[int] = []
        self._decoder = Decoder(imports=False)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        told, errors = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            os.set_blocking(errors, True)
            memory = create(slot_bytes, kept)
            try:
                self.slots = SharedSlots(memory, slot_bytes, kept)
                files = theirs.fileno(), memory, errors
                self.pid, self._death = spawn.start(files, slot_bytes, kept)
            finally:
                os.close(memory)
        except OSError as error:
            ours.close()
            os.close(told)
            raise PluginError(f"{what} cannot have a process of its own: {error}") from error
        finally:
            theirs.close()
            os.close(errors)
        ours.setblocking(False)
        self._channel = ours
        self._errors = told
        self._waiter = protocol.Waiter(ours.fileno(), told, self._death)

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        with self._handle:
            return self._death >= 0 and not self._gone(0.0)

    def open(self, request: Open, timeout_s: float) -> Ready:
        """Wait until the plugin stands; raises what its factory raised, where that is ours."""
        with self.lock:
            reply = self._exchange(request, timeout_s, f"was not ready within {timeout_s:g} s")
            if isinstance(reply, Ready):
                return reply
            if isinstance(reply, Failed):
                kind = _ERRORS.get(reply.kind)
                self.close()
                if kind is not None:
                    raise kind(reply.reason)
                raise PluginError(f"{self.what} cannot be made: {reply.kind}: {reply.reason}")
            raise self.garbage(f"sent {type(reply).__name__} first")

    def ask(self, request: protocol.Step | protocol.Ask, kind: type[_R], limit_s: float) -> _R:
        """One exchange. PluginError: it raised, died, sent garbage or took longer than that."""
        reply = self._exchange(
            request, limit_s, f"took longer than {limit_s:g} s and its process was killed"
        )
        if isinstance(reply, Ready) or reply.number != request.number:
            raise self.garbage("answered what was not asked")
        self._expected_s, self._held = reply.took_s, reply.held
        if isinstance(reply, kind):
            return reply
        if isinstance(reply, Failed):
            ours = reply.kind in _ERRORS or reply.kind == "CodecError"
            raise PluginError(
                f"{self.what}: {reply.reason if ours else f'{reply.kind}: {reply.reason}'}"
            )
        raise self.garbage(f"answered {type(reply).__name__}")

    def next_number(self) -> int:
        """The number of the next request."""
        self._number = (self._number + 1) % 2**31
        return self._number

    def put(self, value: Any) -> Where:
        """Lay a value where the process will read it; PluginError where it cannot be carried."""
        slot = COPIED
        for free in self.slots.leased:
            if free not in self._held:
                slot = free
                break
        try:
            arrays, tree = encode(value, self.slots[slot])
        except CodecError as error:
            raise PluginError(f"{self.what}: {error}") from error
        return Where(slot, arrays, tree)

    def value(self, where: Where, allowed: tuple[int, ...]) -> Any:
        """What the process laid into one of these slots; PluginError where that is garbage.

        One of a class whose module was never imported here is refused, but the process lives on.
        """
        try:
            if where.slot not in allowed:
                raise CodecError(f"a value in slot {where.slot}")
            return self._decoder.decode(self.slots[where.slot], Extent(where.arrays, where.tree))
        except UnknownModuleError as error:
            raise PluginError(f"{self.what}: {error}") from error
        except CodecError as error:
            raise self.garbage(str(error)) from error

    def garbage(self, how: str) -> PluginError:
        """It sent what it must not: it is ended; returns the error to raise."""
        self._end(f"sent garbage: {how}")
        return PluginError(f"{self.what} sent garbage: {how}")

    def close(self) -> None:
        """End the process; a second call does nothing, nor does one in a fork of the runtime."""
        if os.getpid() != self._creator:
            return  # whoever forked still uses it, and may have held our locks as it did
        self._closing = True
        self._kill()  # whoever waits for it, waits no longer
        with self.lock:
            self._end("is closed")

    def _exchange(self, request: Request, limit_s: float, late: str) -> Reply:
        if self.ended is not None:
            raise ProcessDiedError(f"{self.what} {self.ended}")
        ends_s = time.perf_counter() + limit_s
        packet = protocol.pack(request)
        if len(packet) > protocol.PACKET_LIMIT_BYTES:
            raise PluginError(f"{self.what}: a request of {len(packet)} bytes is too long")
        try:
            self._channel.send(packet)
        except OSError:
            raise self._died() from None
        while True:
            left_s = ends_s - time.perf_counter()
            if left_s <= 0.0:
                self._end(late)
                raise ProcessDiedError(f"{self.what} {self.ended}")
            for file, _ in self._waiter.wait(left_s, self._expected_s):
                if file == self._errors:
                    self._listen()
                elif file == self._death:
                    raise self._died()
                else:
                    return self._receive()

    def _receive(self) -> Reply:
        try:
            packet = self._channel.recv(protocol.PACKET_LIMIT_BYTES + 1)
        except OSError:
            raise self._died() from None
        if not packet:
            raise self._died()
        try:
            if len(packet) > protocol.PACKET_LIMIT_BYTES:
                raise msgspec.DecodeError("a packet that is too long")
            reply: Reply = protocol.unpack_reply(packet)
            return reply
        except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
            raise self.garbage(str(error)) from None

    def _listen(self) -> None:
        """Keep the last that it wrote to its standard output and error."""
        with contextlib.suppress(OSError, KeyError):
            said = os.read(self._errors, 65536)
            if not said:
                self._waiter.forget(self._errors)
                return
            self._told = (self._told + said)[-_TOLD_BYTES:]
            log.info("%s wrote: %s", self.what, said.decode("utf-8", "replace").rstrip())

    def _died(self) -> ProcessDiedError:
        """It closed its end, or ended; says how."""
        if self._gone(_REAP_S):
            self._listen()
            self._kill()  # what it had started
            self._reaped = True
            status, told = spawn.status(self.pid), self._told.decode("utf-8", "replace")
            how = f"died: its process {spawn.ending(status, told)}"
            self._end("is closed" if self._closing else how)
        else:
            self._end("closed its connection")
        return ProcessDiedError(f"{self.what} {self.ended}")

    def _gone(self, within_s: float) -> bool:
        poll = select.poll()
        poll.register(self._death, select.POLLIN)
        return bool(poll.poll(within_s * 1e3))

    def _kill(self) -> None:
        """Kill it and its group: what it started goes with it."""
        with self._handle, contextlib.suppress(OSError):
            signal.pidfd_send_signal(self._death, signal.SIGKILL)
            os.killpg(self.pid, signal.SIGKILL)

    def _end(self, how: str) -> None:
        """Kill it, note how it ended, release what it held."""
        if self.ended is not None:
            return
        self.ended = how
        self._kill()
        if not self._reaped and self._gone(_REAP_S):
            spawn.status(self.pid)
        with self._handle:
            self._channel.close()
            os.close(self._errors)
            os.close(self._death)
            self._death = -1
