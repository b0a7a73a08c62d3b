"""Writing the store: groups of rows in one transaction each, and what the budget asks to go."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from memory.rows import COLUMNS, Row
from memory.schema import Synchronous, open_to_write

logger = logging.getLogger(__name__)

_KEEP_FRACTION = 0.9  # of the budget, once pruned: so that pruning is rare
_COLUMNS = ("id", *COLUMNS)
_INSERT = (
    f"INSERT INTO experience ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"
)
_NEXT = (
    "SELECT 1 + max((SELECT coalesce(max(id), 0) FROM experience),"
    " (SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'experience'))"
)


class StoreWriter:
    """The one connection of a process that writes. One thread at a time.

    Every method raises ``sqlite3.Error`` where the store cannot be written and
    ``MemoryStoreError`` where it cannot be opened; nothing of what it was to write is then there.
    """

    def __init__(self, path: Path, synchronous: Synchronous, byte_budget: int) -> None:
        self._path = path
        self._synchronous = synchronous
        self._byte_budget = byte_budget
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None

    def open(self) -> sqlite3.Connection:
        """The connection; a new one where somebody moved or deleted the file."""
        if self._connection is not None and self._file != _identity(self._path):
            logger.warning("the memory store %s was moved away; a new one is begun", self._path)
            self.close()
        if self._connection is None:
            self._connection = open_to_write(self._path, self._synchronous)
            self._file = _identity(self._path)
        return self._connection

    def close(self) -> None:
        """Let the file go; ``open`` opens and checks it again."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def commit(self, rows: Sequence[tuple[Row, bytes | None]]) -> int:
        """Write rows and their pictures; the number of the first, which the others follow."""
        with _transaction(self.open()) as connection:
            first = int(connection.execute(_NEXT).fetchone()[0])
            connection.executemany(
                _INSERT, [(number, *row) for number, (row, _) in enumerate(rows, first)]
            )
            connection.executemany(
                "INSERT INTO picture VALUES (?, ?)",
                [
                    (number, picture)
                    for number, (_, picture) in enumerate(rows, first)
                    if picture is not None
                ],
            )
        return first

    def prune(self) -> int:
        """Bring the store within its budget: the least salient go, the oldest of equals first.

        Returns:
            How many went.
        """
        connection = self.open()
        page, pages, free = (
            int(connection.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_size", "page_count", "freelist_count")
        )
        used = (pages - free) * page
        if used <= self._byte_budget:
            return 0
        with _transaction(connection):
            # Rows do not count what pages and indices add: their sizes are scaled by what is used.
            total = connection.execute("SELECT sum(size_bytes) FROM experience").fetchone()[0]
            surplus = (1.0 - _KEEP_FRACTION * self._byte_budget / used) * (total or 0)
            going = []
            for number, size in connection.execute(
                "SELECT id, size_bytes FROM experience ORDER BY salience, id"
            ):
                if surplus <= 0.0:
                    break
                going.append((number,))
                surplus -= size
            connection.executemany("DELETE FROM experience WHERE id = ?", going)
            connection.execute(
                "UPDATE counter SET value = value + ? WHERE name = 'pruned'", (len(going),)
            )
        excess = pages * page - self._byte_budget
        if excess > 0:
            # As a script: a plain execute would make one step of it, which frees one page.
            connection.executescript(f"PRAGMA incremental_vacuum({excess // page + 1})")
        logger.info("the memory store %s: %d experiences pruned", self._path, len(going))
        return len(going)


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_dev, stat.st_ino
