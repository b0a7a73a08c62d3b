"""What ambiguous words turned out to mean, kept in the memory store from one run to the next."""

from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

from memory.schema import MemoryStoreError, connect, describe
from sage.irp.errors import ConfigError
from sage.skills.intent import Intent

logger = logging.getLogger(__name__)

MOST_PHRASES = 256
"""More are not kept: the oldest makes room."""


class Phrases:
    """The phrases of a memory store, which must have been begun.

    Args:
        path: the store's file.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)

    def load(self) -> dict[str, Intent]:
        """Every phrase and what it means, the oldest first; what is no intent is left out.

        Raises:
            MemoryStoreError: the store cannot be read.
        """
        learned: dict[str, Intent] = {}
        with self._open("ro") as connection:
            rows = connection.execute("SELECT words, meaning FROM phrase ORDER BY learned, words")
            for words, meaning in rows:
                try:
                    learned[str(words)] = Intent(**json.loads(meaning))
                except (TypeError, ValueError, ConfigError) as error:
                    logger.warning("the phrase %r is not understood any more: %s", words, error)
        return learned

    def keep(self, words: str, intent: Intent) -> None:
        """Keep what a phrase means; a store that cannot be written is logged, not raised."""
        meaning = json.dumps(asdict(intent), ensure_ascii=True)
        now = datetime.now(timezone.utc).isoformat()
        try:
            with self._open("rw") as connection:
                connection.execute(
                    "INSERT OR REPLACE INTO phrase VALUES (?, ?, ?)", (words, meaning, now)
                )
                connection.execute(
                    "DELETE FROM phrase WHERE words IN (SELECT words FROM phrase "
                    "ORDER BY learned DESC, words LIMIT -1 OFFSET ?)",
                    (MOST_PHRASES,),
                )
        except MemoryStoreError as error:
            logger.warning("%s; the phrase %r is not kept", error, words)

    def forget(self, words: str) -> bool:
        """Forget a phrase; whether it was known.

        Raises:
            MemoryStoreError: the store cannot be written.
        """
        with self._open("rw") as connection:
            gone = connection.execute("DELETE FROM phrase WHERE words = ?", (words,)).rowcount
        return bool(gone)

    @contextlib.contextmanager
    def _open(self, mode: str) -> Iterator[sqlite3.Connection]:
        try:
            with contextlib.closing(connect(self._path, "rw" if mode == "rw" else "ro")) as opened:
                yield opened
        except sqlite3.Error as error:
            raise MemoryStoreError(describe(self._path, error)) from error
