"""A run's telemetry in a file: one strict JSON object a line, whatever happens to the disk."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import threading
import time
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path

import msgspec

from sage.clock import Clock
from sage.irp.errors import ConfigError
from sage.irp.trajectory import StepRecord
from sage.telemetry.events import Event
from sage.telemetry.lines import SCHEMA_ID, record, text

logger = logging.getLogger(__name__)

_BUFFER_BYTES = 64 * 1024
_isfinite = math.isfinite
_END_BYTES = 256  # kept free below the limit, for the line that says why it ends there


class JsonlSink:
    """An observer of the bus that writes each event as a line; see ``telemetry.schema.json``.

    The first line is a header, the last one (of a file that was closed, or that reached its limit)
    says how it ended. What is buffered is written every ``flush_s`` seconds while events arrive,
    and synchronised with the disk at the end. A disk that is full, a folder that is removed, a
    quota: logged once, told by ``fault``, counted by ``lost``; the file then ends at the last whole
    line that fitted. Nothing is ever raised into the bus.

    Args:
        path: a new file in a folder that exists.
        clock: the runtime's; the header holds its time beside the wall's.
        device: what it runs on, in words.
        limit_bytes: the file ends, with a line that says so, before it grows beyond this.
        flush_s: how long a line waits at most, while others follow.

    Raises:
        ConfigError: the file exists already or cannot be written, a number is out of its range.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        clock: Clock,
        device: str = "",
        limit_bytes: int = 2_000_000_000,
        flush_s: float = 1.0,
    ) -> None:
        if limit_bytes < 4096:
            raise ConfigError(f"limit_bytes must be at least 4096, got {limit_bytes}")
        if not 0.0 <= flush_s <= 60.0:
            raise ConfigError(f"flush_s must lie in [0, 60] s, got {flush_s}")
        self.path = Path(path)
        self.fault = ""
        """Why nothing is written any more; empty while all is well."""
        self.lost = 0
        """Events that are not in the file."""
        self.lines = 0
        """Lines in the file or about to be."""
        self._clock = clock
        self._limit_bytes = limit_bytes
        self._flush_s = flush_s
        self._lock = threading.Lock()
        self._encoder = msgspec.json.Encoder()
        self._buffer = bytearray()
        self._waiting = 0  # lines in the buffer
        self._written = 0  # bytes of whole lines in the file
        self._latest_s = clock.now_s()
        self._flushed_s = time.monotonic()
        self._complained = False
        self._ended = False
        try:
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except OSError as error:
            why = error.strerror or error
            raise ConfigError(f"{str(path)!r} cannot be written: {why}") from None
        self._same: tuple[str, int, float] | None = None  # what the lines of a refinement share
        self._form = b""
        self._append(
            self._encoder.encode(
                {
                    "event": "header",
                    "at_s": round(self._latest_s, 6),
                    "schema": SCHEMA_ID,
                    "sage": sage_version(),
                    "device": text(device)[:200],
                    "wall_time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
                }
            )
        )
        self._write()

    def __call__(self, event: Event) -> None:
        """Take an event in; never raises."""
        with self._lock:
            if self._ended:
                self.lost += 1
                return
            try:
                if type(event) is StepRecord:
                    self._append(self._step_line(event))
                else:
                    told = record(event, self._latest_s)
                    self._latest_s = max(self._latest_s, told["at_s"])
                    self._append(self._encoder.encode(told))
            except Exception as error:
                # An event that cannot be told costs its own line and no other.
                self.lost += 1
                if not self._complained:
                    self._complained = True
                    logger.exception("an event is not in %s: %s", self.path, error)
                return
            due = time.monotonic() - self._flushed_s >= self._flush_s
            if due or len(self._buffer) >= _BUFFER_BYTES:
                self._write()

    def flush(self) -> None:
        """Write what is buffered."""
        with self._lock:
            self._write()

    def close(self, untold: int = 0) -> None:
        """Write the rest, and the last line; a second call does nothing.

        Args:
            untold: events that the bus itself lost (``Telemetry.lost``).
        """
        with self._lock:
            if self._ended:
                return
            self._end("closed", untold)

    def _step_line(self, event: StepRecord) -> bytes:
        """A step as a line: there are more of them than of all else, and their shape is fixed."""
        plugin, refinement, index, energy, cost_s = event
        if not (_isfinite(energy) and _isfinite(cost_s)):
            return self._encoder.encode(record(event, self._latest_s))
        same = (plugin, refinement, self._latest_s)
        if same != self._same:
            head = {
                "event": "step",
                "at_s": round(self._latest_s, 6),
                "plugin": text(plugin),
                "refinement": int(refinement),
            }
            begin = self._encoder.encode(head)[:-1].replace(b"%", b"%%")
            self._form = begin + b',"step":%d,"energy":%.6g,"cost_s":%.6g}'
            self._same = same
        return self._form % (index, energy, cost_s)

    def _append(self, line: bytes) -> None:
        room = self._limit_bytes - _END_BYTES - self._written - len(self._buffer)
        if len(line) + 1 > room:
            self.lost += 1
            self.fault = f"{self.path} has reached its limit of {self._limit_bytes} bytes"
            logger.warning("%s: the telemetry ends there", self.fault)
            self._end("limit", 0)
            return
        self._buffer += line
        self._buffer += b"\n"
        self._waiting += 1
        self.lines += 1

    def _end(self, reason: str, untold: int) -> None:
        """The last line, and the end of the file (holding the lock)."""
        self._ended = True
        last = {
            "event": "end",
            "at_s": round(max(self._latest_s, self._clock.now_s()), 6),
            "reason": reason,
            "lines": self.lines + 1,
            "lost": self.lost + untold,
        }
        self._buffer += self._encoder.encode(last) + b"\n"
        self._waiting += 1
        self.lines += 1
        self._write()
        if self._file >= 0:
            try:
                os.fsync(self._file)
            except OSError as error:
                self._fail(error)
        self._release()

    def _write(self) -> None:
        """Put the buffer into the file, whole lines only (holding the lock)."""
        self._flushed_s = time.monotonic()
        if self._file < 0:
            return
        done = 0
        try:
            if self._buffer and os.fstat(self._file).st_nlink == 0:
                raise OSError("it was removed")
            while done < len(self._buffer):
                done += os.write(self._file, memoryview(self._buffer)[done:])
        except OSError as error:
            self._salvage(done)
            self._fail(error)
            return
        self._written += done
        self._buffer.clear()
        self._waiting = 0

    def _salvage(self, done: int) -> None:
        """After ``done`` bytes of the buffer, end the file at the last whole line among them."""
        whole = self._buffer.rfind(b"\n", 0, done) + 1
        kept = self._buffer.count(b"\n", 0, whole)
        missing = self._waiting - kept
        self.lines -= missing
        self.lost += missing - (1 if self._ended else 0)  # the last line is no event
        self._written += whole
        with contextlib.suppress(OSError):
            os.ftruncate(self._file, self._written)

    def _fail(self, error: OSError) -> None:
        self._ended = True
        self.fault = f"{self.path} cannot be written: {error.strerror or error}"
        logger.error("%s; the run goes on without telemetry", self.fault)
        self._release()

    def _release(self) -> None:
        self._buffer = bytearray()
        self._waiting = 0
        if self._file >= 0:
            with contextlib.suppress(OSError):
                os.close(self._file)
            self._file = -1


def sage_version() -> str:
    """The installed version, or why there is none."""
    try:
        return metadata.version("sage-irp")
    except metadata.PackageNotFoundError:
        return "not installed"
