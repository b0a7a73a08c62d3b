"""The experience store: what salience keeps, verbatim, in SQLite."""

from __future__ import annotations

import heapq
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from memory.experience import Experience
from memory.reader import StoreReader
from memory.rows import Row, encode
from memory.schema import BUSY_S, MemoryStoreError, Synchronous, describe
from memory.writer import StoreWriter
from sage.clock import RealClock
from sage.irp.errors import ConfigError
from sage.values import UInt8Array

logger = logging.getLogger(__name__)

DEFAULT_BUDGET_BYTES = 512 * 2**20
_ROW_BYTES = 1024  # what the rest of an experience takes in the queue, about
_FIRST_RETRY_S, _SLOWEST_RETRY_S = 0.1, 5.0
# A row that SQLite will never take, however often it is offered.
_HOPELESS = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)

_now_s = RealClock.now_s


class Receipt:
    """What became of one experience that was handed to the store.

    Attributes:
        id: its number in the store; None until it is acknowledged.
        reason: why it was dropped; None unless it was.
    """

    __slots__ = ("_done", "id", "reason")

    def __init__(self) -> None:
        self.id: int | None = None
        self.reason: str | None = None
        self._done = threading.Lock()  # held until it is settled: cheaper than an event
        self._done.acquire()

    @property
    def acknowledged(self) -> bool:
        """Whether it is in the store, to stay."""
        return self.id is not None

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it is acknowledged or dropped; whether it is acknowledged by now."""
        if self._done.acquire(timeout=-1.0 if timeout_s is None else max(0.0, timeout_s)):
            self._done.release()
        return self.acknowledged

    def _settle(self, number: int | None, reason: str | None) -> None:
        self.id, self.reason = number, reason
        self._done.release()


@dataclass(slots=True, order=True)
class _Waiting:
    """Handed over and not yet committed; ordered by what would be dropped first."""

    salience: float
    sequence: int
    experience: Experience = field(compare=False)
    rgb: UInt8Array | None = field(compare=False)
    receipt: Receipt = field(compare=False)
    on_acknowledged: Callable[[int], None] | None = field(compare=False)
    size_bytes: int = field(compare=False)


class ExperienceStore(StoreReader):
    """Keeps experiences in one file; ``StoreReader``'s methods read what is committed.

    ``keep`` hands an experience to a writer thread and returns: nothing is encoded, compressed or
    written on the caller's thread. The writer commits what waits, at most every ``group_commit_s``
    seconds, and acknowledges it only after the COMMIT. What was acknowledged survives a
    ``kill -9`` of this process: it is in SQLite's write-ahead log, which the kernel holds, and the
    next process that opens the store finds it there. ``synchronous="NORMAL"`` lets the kernel
    write the log to the disk when it sees fit, so a power cut may take the last seconds of it
    (never the store's integrity); ``"FULL"`` waits for the disk at every commit.

    Where storing fails for now (a lock, a full disk), the robot goes on: ``fault`` says what is
    wrong, the writer tries again, and experiences wait in a bounded queue. When that is full the
    least salient of them is dropped, the oldest of equals first: counted in ``dropped``, told to
    ``on_dropped`` and written on its receipt. Several processes may keep to one store at once.

    Args:
        path: the file; it and its folder are made where they are missing. A damaged store is
            moved aside, to ``NAME.corrupt-TIME``, and a new one begun.
        group_commit_s: least time between commits, in [0, 10].
        synchronous: ``NORMAL`` or ``FULL``.
        byte_budget: how large the store may grow, at least 1 MiB; beyond it the least salient are
            pruned, the oldest of equals first, and counted in ``pruned()``.
        capacity: experiences that may wait.
        capacity_bytes: their embeddings and pictures together.
        on_dropped: called with every experience that is dropped, and the reason.
        on_fault: called with every new ``fault``, and with "" when it is over.

    The callbacks are called from the writer or the caller of ``keep``; they must be quick. One
    that raises is logged.

    Raises:
        ConfigError: an argument is out of its range.
        MemoryStoreError: nothing can be stored there: a folder, a read-only place, another
            program's file, a store of a newer version. (A lock or a full disk is a ``fault``.)
    """

    def __init__(
        self,
        path: Path | str,
        *,
        group_commit_s: float = 0.1,
        synchronous: Synchronous = "NORMAL",
        byte_budget: int = DEFAULT_BUDGET_BYTES,
        capacity: int = 4096,
        capacity_bytes: int = 64 * 2**20,
        on_dropped: Callable[[Experience, str], None] | None = None,
        on_fault: Callable[[str], None] | None = None,
    ) -> None:
        if not 0.0 <= group_commit_s <= 10.0:
            raise ConfigError(f"group_commit_s must lie in [0, 10] s, got {group_commit_s}")
        if synchronous not in ("NORMAL", "FULL"):
            raise ConfigError(f"synchronous is '{synchronous}'; valid: NORMAL, FULL")
        if byte_budget < 2**20:
            raise ConfigError(f"byte_budget must be at least {2**20} bytes, got {byte_budget}")
        if capacity < 1 or capacity_bytes < 1:
            raise ConfigError(
                f"capacity and capacity_bytes must be at least 1, got {capacity}, {capacity_bytes}"
            )
        self._begin(Path(path), check=False)  # the writer checks what it opens
        self._group_commit_s = group_commit_s
        self._capacity = capacity
        self._capacity_bytes = capacity_bytes
        self._on_dropped = on_dropped
        self._on_fault = on_fault
        self._changed = threading.Condition()
        self._waiting: list[_Waiting] = []  # a heap
        self._waiting_bytes = 0
        self._in_flight = 0
        self._in_flight_bytes = 0
        self._idle = False
        self._flushing = 0
        self._stop_at_s: float | None = None
        self._stopping = threading.Event()
        self._sequence = 0
        self.fault: str | None = None
        self.acknowledged = 0
        self.dropped = 0
        self._last_reason = ""
        self._writer = StoreWriter(self.path, synchronous, byte_budget)
        try:
            self._writer.open()
        except (sqlite3.Error, OSError) as error:
            self._set_fault(describe(self.path, error))
        self._thread = threading.Thread(target=self._run, name="memory store", daemon=True)
        self._thread.start()

    def __enter__(self) -> ExperienceStore:
        return self

    @property
    def waiting(self) -> int:
        """How many experiences are neither acknowledged nor dropped."""
        with self._changed:
            return len(self._waiting) + self._in_flight

    def keep(
        self,
        experience: Experience,
        *,
        rgb: UInt8Array | None = None,
        on_acknowledged: Callable[[int], None] | None = None,
    ) -> Receipt:
        """Hand an experience to the writer; returns at once.

        Args:
            experience: kept verbatim; it and its arrays must not be changed any more.
            rgb: its frame, uint8 height x width x 3, where it has no ``picture`` yet: the writer
                makes the PNG.
            on_acknowledged: called from the writer with its number, once it is safe.
        """
        receipt = Receipt()
        size = _ROW_BYTES + experience.embedding.nbytes
        size += len(experience.picture or b"") + (0 if rgb is None else rgb.nbytes)
        out: list[_Waiting] = []
        with self._changed:
            self._sequence += 1
            item = _Waiting(
                experience.salience,
                self._sequence,
                experience,
                rgb,
                receipt,
                on_acknowledged,
                size,
            )
            closed = self._stop_at_s is not None
            if closed:
                out.append(item)
            else:
                heapq.heappush(self._waiting, item)
                self._waiting_bytes += size
                while self._waiting and (
                    len(self._waiting) + self._in_flight > self._capacity
                    or self._waiting_bytes + self._in_flight_bytes > self._capacity_bytes
                ):
                    out.append(heapq.heappop(self._waiting))
                    self._waiting_bytes -= out[-1].size_bytes
                if self._idle or self._urgent():
                    self._changed.notify_all()
        if out:
            why = "the store is closed" if closed else "too many wait to be stored"
            self._drop(out, f"{why}; {self.fault}" if self.fault else why)
        return receipt

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Commit what waits now; whether all of it was acknowledged or dropped in that time."""
        with self._changed:
            self._flushing += 1
            self._changed.notify_all()
            try:
                return self._changed.wait_for(
                    lambda: not self._waiting and not self._in_flight, timeout_s
                )
            finally:
                self._flushing -= 1

    def close(self, timeout_s: float = 2.0) -> None:
        """Commit the rest and stop; what cannot be committed in that time is dropped, counted."""
        with self._changed:
            if self._stop_at_s is None:
                self._stop_at_s = _now_s() + timeout_s
            self._stopping.set()
            self._changed.notify_all()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout_s + 2.0 * BUSY_S + 1.0)
        self._let_go()

    # What follows runs on the writer's thread.

    def _run(self) -> None:
        next_commit_s = _now_s()
        try:
            while True:
                with self._changed:
                    while not self._waiting and self._stop_at_s is None:
                        self._idle = True
                        self._changed.wait()
                    self._idle = False
                    if not self._waiting:
                        return
                    while not self._urgent() and (pause_s := next_commit_s - _now_s()) > 0.0:
                        self._changed.wait(pause_s)
                    group = sorted(self._waiting, key=lambda item: item.sequence)
                    self._waiting = []
                    self._in_flight = len(group)
                    self._in_flight_bytes, self._waiting_bytes = self._waiting_bytes, 0
                next_commit_s = _now_s() + self._group_commit_s
                try:
                    self._store(group)
                except Exception as error:  # the robot's run must go on without its memory
                    logger.exception("the memory store %s: a group was not stored", self.path)
                    self._drop([item for item in group if item.receipt.id is None], str(error))
                with self._changed:
                    self._in_flight = self._in_flight_bytes = 0
                    self._changed.notify_all()
        finally:
            if self.dropped:
                logger.warning("the memory store %s dropped %d in all", self.path, self.dropped)
            self._let_go()  # first, so that the last to close is one that may tidy up
            self._writer.close()

    def _urgent(self) -> bool:
        """Whether the next commit should not wait for its turn."""
        return bool(
            self._flushing
            or self._stop_at_s is not None
            or 2 * len(self._waiting) >= self._capacity
            or 2 * self._waiting_bytes >= self._capacity_bytes
        )

    def _store(self, group: list[_Waiting]) -> None:
        """Commit a group, however long that takes, and acknowledge it."""
        good: list[tuple[_Waiting, Row, bytes | None]] = []
        for item in group:
            try:
                picture = item.experience.picture
                if picture is None and item.rgb is not None:
                    picture = _png(item.rgb)
                good.append((item, encode(item.experience, picture), picture))
            except (TypeError, ValueError, AttributeError, OverflowError) as error:
                self._drop([item], f"it cannot be stored: {error}")
        if not good:
            return
        first = self._insist([(row, picture) for _, row, picture in good])
        if first is None:
            self._drop([item for item, _, _ in good], self.fault or "the store is closed")
            return
        self._set_fault(None)
        self.acknowledged += len(good)
        for number, (item, _, _) in enumerate(good, first):
            item.receipt._settle(number, None)
        for number, (item, _, _) in enumerate(good, first):
            if item.on_acknowledged is not None:
                _call(item.on_acknowledged, number)
        try:
            self._writer.prune()
        except sqlite3.Error as error:
            self._set_fault(describe(self.path, error))

    def _insist(self, rows: Sequence[tuple[Row, bytes | None]]) -> int | None:
        """Commit rows, again and again while that fails; None where the store closes meanwhile."""
        pause_s = _FIRST_RETRY_S
        while True:
            try:
                return self._writer.commit(rows)
            except _HOPELESS:
                raise
            except (sqlite3.Error, MemoryStoreError, OSError) as error:
                self._set_fault(describe(self.path, error))
                if not isinstance(error, sqlite3.OperationalError):
                    self._writer.close()  # damaged: opened anew, it is moved aside
            if self._stop_at_s is None:
                self._stopping.wait(pause_s)
                pause_s = min(2.0 * pause_s, _SLOWEST_RETRY_S)
            elif _now_s() + _FIRST_RETRY_S < self._stop_at_s:
                time.sleep(_FIRST_RETRY_S)
            else:
                return None

    def _set_fault(self, fault: str | None) -> None:
        if fault == self.fault:
            return
        self.fault = fault
        if fault is None:
            logger.warning("the memory store %s stores again", self.path)
        else:
            logger.warning("%s; until then nothing is stored", fault)
        if self._on_fault is not None:
            _call(self._on_fault, fault or "")

    def _drop(self, items: Sequence[_Waiting], reason: str) -> None:
        with self._changed:
            self.dropped += len(items)
            known, self._last_reason = self._last_reason == reason, reason
        for item in items:
            item.receipt._settle(None, reason)
            if self._on_dropped is not None:
                _call(self._on_dropped, item.experience, reason)
        if not known:  # a stream of them is counted, not written line by line
            logger.warning("the memory store %s drops an experience: %s", self.path, reason)


def _png(rgb: UInt8Array) -> bytes:
    import cv2

    if rgb.dtype != "uint8" or rgb.ndim != 3 or rgb.shape[2] != 3 or not rgb.size:
        raise ValueError(f"rgb must be uint8 (height, width, 3), got {rgb.dtype} {rgb.shape}")
    made, data = cv2.imencode(".png", rgb[:, :, ::-1])
    if not made:
        raise ValueError(f"rgb of shape {rgb.shape} cannot be made a PNG")
    return bytes(data.tobytes())


def _call(function: Callable[..., None], *arguments: Any) -> None:
    try:
        function(*arguments)
    except Exception:
        logger.exception("the memory store's callback %r raised", function)
