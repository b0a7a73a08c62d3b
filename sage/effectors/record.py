"""``record:PATH.jsonl``: every command as one line of strict JSON."""

from __future__ import annotations

import contextlib
import io
import json
import os
import stat
from pathlib import Path

from sage.clock import Clock
from sage.irp.errors import ConfigError, DeviceError
from sage.sensors.uri import DeviceUri, read_options
from sage.values import Effect, Twist

_LINE_START = b'{"command": "'


class RecordEffector:
    """Appends commands to a file, whole lines only.

    A line is in the operating system's hands when ``apply`` returns, so a killed process loses
    none. Where the disk is full a DeviceError says so once, the partial line is taken back, and
    later commands are refused: their effects are clipped to standing still.
    """

    def __init__(self, uri: str, stream: io.RawIOBase, clock: Clock) -> None:
        """``stream`` is unbuffered and stands at the end of a whole line."""
        self.uri = uri
        self._stream = stream
        self._clock = clock
        self._broken: str | None = None

    def apply(self, twist: Twist, captured_s: float) -> Effect:
        """Record one command."""
        now_s = self._clock.now_s()
        if self._broken is not None:
            return Effect(now_s, Twist(), captured_s, True, {"refused": self._broken})
        self._write("apply", now_s, captured_s, twist)
        return Effect(now_s, twist, captured_s)

    def stop(self) -> None:
        """Record that the base was told to stand still."""
        if self._broken is None and not self._stream.closed:
            now_s = self._clock.now_s()
            self._write("stop", now_s, now_s, Twist())

    def close(self) -> None:
        """Record a stop, force the file to the disk and close it."""
        if self._stream.closed:
            return
        try:
            self.stop()
        finally:
            with contextlib.suppress(OSError):  # pipes cannot be forced, and hold nothing
                os.fsync(self._stream.fileno())
            self._stream.close()

    def _write(self, command: str, now_s: float, captured_s: float, twist: Twist) -> None:
        record = {
            "command": command,
            "executed_s": now_s,
            "captured_s": captured_s,
            "linear_m_s": float(twist.linear_m_s),
            "angular_rad_s": float(twist.angular_rad_s),
        }
        try:
            left = memoryview(json.dumps(record, allow_nan=False).encode() + b"\n")
        except ValueError:
            raise DeviceError(f"{self.uri}: {record!r} is not finite, so not recorded") from None
        written = 0
        try:
            while written < len(left):
                written += self._stream.write(left[written:]) or 0
        except OSError as error:
            self._broken = f"recording ended: {error.strerror or error}"
            self._take_back(written)
            raise DeviceError(
                f"{self.uri}: {error.strerror or error}; what was recorded before is kept"
            ) from None

    def _take_back(self, written: int) -> None:
        if written:
            with contextlib.suppress(OSError, ValueError):  # else trimmed at the next opening
                self._stream.truncate(self._stream.seek(0, os.SEEK_END) - written)


def open_record(uri: DeviceUri, clock: Clock) -> RecordEffector:
    """Open ``record:PATH`` to append; DeviceError names the path and what is wrong with it.

    A partial last line, left by a power cut, is trimmed. A file that is no recording is not
    touched.
    """
    read_options(uri, {})
    place = uri.place.removeprefix("//")
    if not place:
        raise ConfigError(f"{uri.text!r} names no file; write record:PATH.jsonl")
    try:
        path = Path(place).expanduser()
    except RuntimeError:
        raise DeviceError(f"{uri.text}: {place} cannot be written: no such user's home") from None
    try:
        if path.is_dir():
            raise DeviceError(f"{uri.text}: {path} is a folder; write record:PATH.jsonl")
        if not path.absolute().parent.is_dir():
            raise DeviceError(f"{uri.text}: there is no folder {path.absolute().parent}; create it")
        stream = io.FileIO(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644), "r+")
    except OSError as error:
        raise DeviceError(f"{uri.text}: {path} cannot be written: {error.strerror}") from None
    try:
        if stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            _trim(uri, path, stream)
    except (OSError, DeviceError) as error:
        stream.close()
        if isinstance(error, DeviceError):
            raise
        raise DeviceError(f"{uri.text}: {path} cannot be read: {error.strerror}") from None
    return RecordEffector(uri.text, stream, clock)


def _trim(uri: DeviceUri, path: Path, stream: io.RawIOBase) -> None:
    size = stream.seek(0, os.SEEK_END)
    if size == 0:
        return
    stream.seek(0)
    head = stream.read(len(_LINE_START)) or b""
    if not _LINE_START.startswith(head.split(b"\n")[0] or b"?"):
        raise DeviceError(f"{uri.text}: {path} is no recording of commands; choose a new name")
    # Lines are short: the last newline, if there is one, lies in the last few kilobytes.
    tail_at = max(0, size - 4096)
    stream.seek(tail_at)
    tail = stream.read(4096) or b""
    newline = tail.rfind(b"\n")
    if newline < 0 and tail_at > 0:
        raise DeviceError(f"{uri.text}: {path} is no recording of commands; choose a new name")
    stream.truncate(tail_at + newline + 1)
    stream.seek(0, os.SEEK_END)
