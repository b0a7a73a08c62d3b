"""What passes between the ears and a recogniser in a process of its own.

Each message is four bytes of length (big-endian) and a tagged msgspec struct. Both sides decode
into the declared types and refuse what does not fit or is too long. Nothing is ever unpickled.
"""

from __future__ import annotations

import math
import socket
import struct
import time
from typing import Annotated, Any, Generic, TypeVar

import msgspec

LIMIT_BYTES = 2 * 2**20
_LENGTH = struct.Struct(">I")
_Count = Annotated[int, msgspec.Meta(ge=0)]
_Chance = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]


class PipeError(Exception):
    """The other side is gone, or sent what it must not."""


class _Message(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """What all have in common: a tag that names the type, and no unknown fields."""


class Open(_Message, frozen=True):
    """First message: which recogniser, as ``module:function`` and the function's arguments."""

    entry: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$", max_length=200)]
    options: dict[str, Any]


class Begin(_Message, frozen=True):
    """A new utterance, by its number."""

    utterance: _Count


class Feed(_Message, frozen=True):
    """Its next samples: float32 in the machine's own order."""

    samples: bytes


class Finish(_Message, frozen=True):
    """There are no more: what was it?"""


class Ready(_Message, frozen=True):
    """The recogniser stands."""

    name: str
    any_words: bool = False


class Answer(_Message, frozen=True):
    """What the utterance seems to be after ``heard`` samples, or what it was (``final``)."""

    utterance: _Count
    heard: _Count
    text: str
    confidence: _Chance
    complete: bool
    final: bool


class Failed(_Message, frozen=True):
    """The recogniser raised: in an utterance, or when it was opened (``utterance`` is None)."""

    utterance: int | None
    kind: str
    reason: str


Request = Open | Begin | Feed | Finish
Reply = Ready | Answer | Failed
_M = TypeVar("_M")


class Pipe(Generic[_M]):
    """One end of a connection, on which messages of one union arrive."""

    def __init__(self, channel: socket.socket, arriving: Any) -> None:
        self._channel = channel
        self._decoder: msgspec.msgpack.Decoder[_M] = msgspec.msgpack.Decoder(arriving)
        self._encoder = msgspec.msgpack.Encoder()
        self._buffer = bytearray()

    def send(self, message: Request | Reply, timeout_s: float | None = None) -> None:
        """Send one message; PipeError where the other side is gone or does not read it in time."""
        body = self._encoder.encode(message)
        if len(body) > LIMIT_BYTES:
            raise PipeError(f"a message of {len(body)} bytes; at most {LIMIT_BYTES} are accepted")
        try:
            self._channel.settimeout(timeout_s)
            self._channel.sendall(_LENGTH.pack(len(body)) + body)
        except TimeoutError:
            raise PipeError("it does not keep up") from None
        except OSError as error:
            raise PipeError(f"it is gone ({error})") from None

    def receive(self, timeout_s: float | None = None) -> _M | None:
        """The next message; None where none has arrived whole within ``timeout_s``."""
        deadline_s = math.inf if timeout_s is None else time.monotonic() + timeout_s
        while True:
            message = self._decode()
            if message is not None:
                return message
            left_s = None if timeout_s is None else max(0.0, deadline_s - time.monotonic())
            try:
                self._channel.settimeout(left_s)
                got = self._channel.recv(65536)
            except (TimeoutError, BlockingIOError):
                return None
            except OSError as error:
                raise PipeError(f"it is gone ({error})") from None
            if not got:
                raise PipeError("it is gone")
            self._buffer += got

    def close(self) -> None:
        """End the connection."""
        self._channel.close()

    def _decode(self) -> _M | None:
        if len(self._buffer) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._buffer)
        if length > LIMIT_BYTES:
            raise PipeError(f"a message of {length} bytes; at most {LIMIT_BYTES} are accepted")
        end = _LENGTH.size + length
        if len(self._buffer) < end:
            return None
        body = bytes(self._buffer[_LENGTH.size : end])
        del self._buffer[:end]
        try:
            return self._decoder.decode(body)
        except msgspec.DecodeError as error:
            raise PipeError(f"it sent garbage: {error}") from None
