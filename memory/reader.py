"""Reading the store: by number, as a list, by likeness."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from memory.experience import Experience
from memory.rows import COLUMNS, decode, wall_us
from memory.schema import MemoryStoreError, describe, is_begun, open_to_read, pruned
from memory.vectors import DamagedEmbedding, Neighbour, VectorIndex
from sage.irp.errors import ConfigError
from sage.values import Float32Array

Order = Literal["newest", "oldest", "salient"]

_ORDERS: dict[Order, str] = {
    "newest": "id DESC",
    "oldest": "id",
    "salient": "salience DESC, id DESC",
}
_SELECT = f"SELECT id, {', '.join(COLUMNS)} FROM experience"


class Record(NamedTuple):
    """An experience in the store; ``picture_bytes`` is None where it has no picture."""

    id: int
    experience: Experience
    picture_bytes: int | None


class StoreReader:
    """What a store holds. Nothing is written; another process may be writing meanwhile.

    Safe from any thread. Every method raises ``MemoryStoreError`` where the store cannot be read
    or a row of it is damaged.

    Args:
        path: the store's file.

    Raises:
        MemoryStoreError: it is missing, damaged, locked, or not a store of this version.
    """

    def __init__(self, path: Path | str) -> None:
        self._begin(Path(path), check=True)
        with self._read():
            pass

    def _begin(self, path: Path, check: bool) -> None:
        self.path = path
        self._check = check
        self._reading = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._indices: dict[tuple[str, int], VectorIndex] = {}

    def __enter__(self) -> StoreReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the file go; reading again opens it again."""
        self._let_go()

    def _let_go(self) -> None:
        with self._reading:
            if self._connection is not None:
                self._connection.close()
            self._connection, self._file = None, None
            self._indices.clear()

    def count(self, modality: str | None = None) -> int:
        """How many experiences there are, in all or of one modality."""
        where, values = ("", ()) if modality is None else (" WHERE modality = ?", (modality,))
        with self._read() as connection:
            row = connection.execute(f"SELECT count(*) FROM experience{where}", values).fetchone()
        return int(row[0])

    def modalities(self) -> dict[str, int]:
        """How many experiences there are of each modality."""
        with self._read() as connection:
            rows = connection.execute(
                "SELECT modality, count(*) FROM experience GROUP BY modality ORDER BY modality"
            ).fetchall()
        return {str(modality): int(count) for modality, count in rows}

    def ids(self) -> tuple[int, int] | None:
        """The first and the last number in the store; None where it is empty."""
        with self._read() as connection:
            first, last = connection.execute("SELECT min(id), max(id) FROM experience").fetchone()
        return None if first is None else (int(first), int(last))

    def pruned(self) -> int:
        """How many experiences this store has pruned in its life, to stay within its budget."""
        with self._read() as connection:
            return pruned(connection)

    def get(self, number: int) -> Experience:
        """One experience with its picture.

        Raises:
            MemoryStoreError: there is none of that number; the text names those there are.
        """
        with self._read() as connection:
            row = connection.execute(f"{_SELECT} WHERE id = ?", (_id(number),)).fetchone()
            png = connection.execute(
                "SELECT png FROM picture WHERE experience = ?", (_id(number),)
            ).fetchone()
        if row is None:
            held = self.ids()
            valid = f"valid: {held[0]} to {held[1]}" if held else "it is empty"
            raise MemoryStoreError(f"no experience {number} in {self.path}; {valid}")
        record = self._record(row, None if png is None else png[0])
        if (record.picture_bytes is None) != (png is None):
            raise self._damaged(number, "its picture is lost")
        return record.experience

    def list(
        self,
        limit: int | None = None,
        *,
        modality: str | None = None,
        since: datetime | None = None,
        least_salience: float = 0.0,
        order: Order = "newest",
        on_damaged: Callable[[MemoryStoreError], None] | None = None,
    ) -> tuple[Record, ...]:
        """Experiences without their pictures, which ``get`` reads.

        Args:
            limit: as many at most; None: all.
            modality: only this one.
            since: only what happened then or later; a time without a zone is UTC.
            least_salience: only what is at least as salient.
            order: ``newest``, ``oldest`` or ``salient`` first.
            on_damaged: told of each damaged row, which is then left out; without it, the first
                one is raised.
        """
        if order not in _ORDERS:
            raise ConfigError(f"order is '{order}'; valid: {', '.join(_ORDERS)}")
        if limit is not None and limit < 0:
            raise ConfigError(f"limit must be 0 or more, got {limit}")
        conditions = ["salience >= ?"]
        arguments: Any = [least_salience]
        if modality is not None:
            conditions.append("modality = ?")
            arguments.append(modality)
        if since is not None:
            conditions.append("wall_us >= ?")
            arguments.append(wall_us(since.isoformat()))
        arguments.append(-1 if limit is None else limit)
        with self._read() as connection:
            rows = connection.execute(
                f"{_SELECT} WHERE {' AND '.join(conditions)} ORDER BY {_ORDERS[order]} LIMIT ?",
                arguments,
            ).fetchall()
        records = []
        for row in rows:
            try:
                records.append(self._record(row, None))
            except MemoryStoreError as error:
                if on_damaged is None:
                    raise
                on_damaged(error)
        return tuple(records)

    def nearest(
        self,
        embedding: Float32Array,
        modality: str,
        k: int = 5,
        *,
        before: int | None = None,
    ) -> tuple[Neighbour, ...]:
        """The experiences of a modality whose embeddings are most like one, the best first.

        Exact search (FAISS ``IndexFlatIP``, Johnson et al. 2017), over what is committed. The
        index is built from the store and follows it; built again, it answers the same.

        Args:
            embedding: float32 (D,), unit length; only embeddings of the same D are compared.
            modality: where to look.
            k: as many at most.
            before: only experiences with smaller numbers.
        """
        query = np.ascontiguousarray(embedding, dtype=np.float32).reshape(1, -1)
        if k < 1 or not query.size:
            return ()
        with self._read() as connection:
            key = (modality, query.shape[1])
            index = self._indices.setdefault(key, VectorIndex(modality, query.shape[1]))
            try:
                index.follow(connection)
            except DamagedEmbedding as error:
                del self._indices[key]
                raise self._damaged(error.number, str(error)) from error
            return index.search(query, k, before)

    @contextlib.contextmanager
    def _read(self) -> Iterator[sqlite3.Connection]:
        with self._reading:
            try:
                stat = os.stat(self.path)
                file = (stat.st_dev, stat.st_ino)
            except (OSError, ValueError):
                file = None
            if self._connection is None or self._file is None or file != self._file:
                self._let_go()
                connection = open_to_read(self.path, self._check)
                # One that is not begun is looked at anew each time: it may be by then.
                self._connection, self._file = connection, file if is_begun(connection) else None
            try:
                yield self._connection
            except sqlite3.Error as error:
                raise MemoryStoreError(describe(self.path, error)) from error

    def _record(self, row: tuple[Any, ...], picture: bytes | None) -> Record:
        try:
            size = row[1 + COLUMNS.index("picture_bytes")]
            return Record(row[0], decode(row[1:], picture), None if size < 0 else size)
        except (TypeError, ValueError) as error:
            raise self._damaged(row[0], str(error)) from error

    def _damaged(self, number: int, why: str) -> MemoryStoreError:
        return MemoryStoreError(f"experience {number} in {self.path} is damaged: {why}")


def _id(number: int) -> int:
    """SQLite's integers have 64 bits; whatever has more is no experience's number."""
    return number if -(2**63) <= number < 2**63 else -1
