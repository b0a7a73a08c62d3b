"""Exact search among the store's embeddings, in RAM, following what is committed."""

from __future__ import annotations

import bisect
import sqlite3
from typing import Any, NamedTuple

import numpy as np

from memory.rows import decode_embedding
from memory.schema import MemoryStoreError, pruned
from sage.values import Float32Array

_BLOCK = 4096  # rows that are copied at once


class Neighbour(NamedTuple):
    """An experience that resembles another: ``similarity`` is the inner product, at most 1."""

    id: int
    similarity: float


class DamagedEmbedding(ValueError):
    """An embedding that cannot be decoded; ``number`` is its experience's."""

    def __init__(self, number: int, why: str) -> None:
        super().__init__(why)
        self.number = number


class VectorIndex:
    """The embeddings of one modality and one D, in the order of their numbers.

    FAISS's ``IndexFlatIP`` (Johnson et al. 2017): every one of them is compared. One thread at a
    time.
    """

    def __init__(self, modality: str, dimensions: int) -> None:
        self._modality = modality
        self._dimensions = dimensions
        self._flat: Any = None
        self._ids: list[int] = []
        self._last = 0
        self._pruned = 0

    def follow(self, connection: sqlite3.Connection) -> None:
        """Take in what was committed since; begin anew where something was pruned.

        Raises:
            DamagedEmbedding: a row holds no embedding.
        """
        connection.execute("BEGIN")  # one snapshot for both questions
        try:
            so_far = pruned(connection)
            if self._flat is None or so_far != self._pruned:
                self._flat, self._ids, self._last = _faiss().IndexFlatIP(self._dimensions), [], 0
                self._pruned = so_far
            rows = connection.execute(
                "SELECT id, embedding FROM experience WHERE modality = ? AND id > ? ORDER BY id",
                (self._modality, self._last),
            )
            while block := rows.fetchmany(_BLOCK):
                self._add(block)
        finally:
            connection.execute("ROLLBACK")

    def search(self, query: Float32Array, k: int, before: int | None) -> tuple[Neighbour, ...]:
        """The ``k`` best for ``query`` (1, D), equals in the order of their numbers."""
        ids = self._ids
        last = len(ids) if before is None else bisect.bisect_left(ids, before)
        if not last:
            return ()
        faiss = _faiss()
        among = faiss.SearchParameters(sel=faiss.IDSelectorRange(0, last))
        faiss.omp_set_num_threads(1)  # of this thread: one query gains nothing by more
        similarities, positions = self._flat.search(query, min(k, last), params=among)
        found = [
            Neighbour(ids[position], float(similarity))
            for similarity, position in zip(similarities[0], positions[0], strict=True)
            if position >= 0
        ]
        return tuple(sorted(found, key=lambda neighbour: (-neighbour.similarity, neighbour.id)))

    def _add(self, block: list[tuple[int, bytes]]) -> None:
        same = [row for row in block if len(row[1]) == 4 * self._dimensions]
        vectors = np.frombuffer(b"".join(blob for _, blob in same), dtype="<f4")
        if not np.isfinite(vectors).all() or any(len(blob) % 4 for _, blob in block):
            for number, blob in block:
                try:
                    decode_embedding(blob)
                except ValueError as error:
                    raise DamagedEmbedding(number, str(error)) from error
        if same:
            self._flat.add(vectors.astype(np.float32).reshape(-1, self._dimensions))
            self._ids.extend(number for number, _ in same)
        self._last = block[-1][0]


def _faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise MemoryStoreError(
            f"recall needs faiss, which does not load ({error}); pip install faiss-cpu"
        ) from error
    return faiss
