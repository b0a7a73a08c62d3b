"""The store's file: its tables, how it is opened, and what to say of one that cannot be.

One SQLite file in WAL mode. ``application_id`` says that it is SAGE's and ``user_version`` which
migrations it has seen.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

from sage.irp.errors import SageError

logger = logging.getLogger(__name__)

APPLICATION_ID = 0x53414745  # "SAGE"
FILE_NAME = "memory.db"
BUSY_S = 1.0

Synchronous = Literal["NORMAL", "FULL"]

# Number i brings a store from version i to i + 1; a new store runs them all. Pictures have a
# table of their own, so that a listing does not read past them.
MIGRATIONS = (
    """
    CREATE TABLE experience (
        id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used again, whatever is pruned
        at_s REAL NOT NULL,
        wall_us INTEGER NOT NULL,              -- wall_time as microseconds since 1970
        wall_time TEXT NOT NULL,
        modality TEXT NOT NULL,
        summary TEXT NOT NULL,
        surprise REAL NOT NULL CHECK (surprise BETWEEN 0 AND 1),
        novelty REAL NOT NULL CHECK (novelty BETWEEN 0 AND 1),
        arousal REAL NOT NULL CHECK (arousal BETWEEN 0 AND 1),
        reward REAL NOT NULL CHECK (reward BETWEEN 0 AND 1),
        conflict REAL NOT NULL CHECK (conflict BETWEEN 0 AND 1),
        salience REAL NOT NULL CHECK (salience BETWEEN 0 AND 1),
        why TEXT NOT NULL,                     -- JSON
        payload TEXT NOT NULL,                 -- JSON
        embedding BLOB NOT NULL,               -- float32, little-endian
        picture_bytes INTEGER NOT NULL,        -- -1: no picture
        size_bytes INTEGER NOT NULL            -- of everything, picture included
    ) STRICT;
    CREATE INDEX experience_modality ON experience (modality, id);
    CREATE INDEX experience_salience ON experience (salience, id);
    CREATE TABLE picture (
        experience INTEGER PRIMARY KEY REFERENCES experience (id) ON DELETE CASCADE,
        png BLOB NOT NULL
    ) STRICT;
    CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    INSERT INTO counter VALUES ('pruned', 0);
    """,
    """
    CREATE TABLE phrase (
        words TEXT PRIMARY KEY,
        meaning TEXT NOT NULL,                 -- JSON
        learned TEXT NOT NULL                  -- when, ISO 8601, UTC
    ) STRICT, WITHOUT ROWID;
    """,
)
SCHEMA_VERSION = len(MIGRATIONS)
_KEEP_NOTHING = "keep nothing with `--state none`"


class MemoryStoreError(SageError):
    """A memory store cannot be opened, read or written; the text names it and what to do."""


def default_store_path(state: Path | None = None) -> Path:
    """``memory.db`` in ``state``, by default ``$XDG_STATE_HOME/sage`` or ``~/.local/state/sage``.

    Raises:
        MemoryStoreError: this user has no home folder and ``XDG_STATE_HOME`` names none.
    """
    if state is not None:
        return state / FILE_NAME
    base = Path(os.environ.get("XDG_STATE_HOME", ""))
    if not base.is_absolute():  # as the XDG specification asks
        try:
            base = Path.home() / ".local" / "state"
        except RuntimeError as error:
            raise MemoryStoreError(
                "there is no home folder to keep memory in; set XDG_STATE_HOME to a folder, or "
                f"{_KEEP_NOTHING}"
            ) from error
    return base / "sage" / FILE_NAME


def open_to_write(path: Path, synchronous: Synchronous) -> sqlite3.Connection:
    """Open a store, created where there is none, moved aside and begun anew where it is damaged.

    Raises:
        MemoryStoreError: it cannot be: another program's file, a newer version, a read-only place.
        sqlite3.OperationalError: locked, a full disk: what may pass.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _no_place(path, error.strerror or str(error)) from error
    with _one_opener(path.parent):
        check_file(path)
        if path.exists():
            if _holds_something(path, "-journal"):  # cut short before it had its log: undo that
                with (
                    contextlib.closing(connect(path, "rw")) as connection,
                    contextlib.suppress(sqlite3.DatabaseError),  # the check says what it means
                ):
                    connection.execute("PRAGMA schema_version").fetchone()
            try:
                check_store(path)
            except _Damaged as damage:
                _set_aside(path, str(damage))
        for place in (path.parent, path):  # the folder holds the log
            if place.exists() and not _writable(place):
                raise _no_place(path, f"{place} is read-only")
        try:
            connection = connect(path, "rwc")
        except sqlite3.OperationalError as error:
            raise _no_place(path, str(error)) from error
        try:
            _prepare(connection, synchronous)
        except BaseException:
            connection.close()
            raise
    return connection


def open_to_read(path: Path, check: bool = True) -> sqlite3.Connection:
    """Open a store that exists; it is neither created, mended nor migrated.

    Of a file that was never begun (a full disk leaves one without tables) this is an empty store
    in memory, of which :func:`is_begun` is false: the file may be begun at any time.

    Args:
        path: its file.
        check: look for damage too, which reads all of it (0.7 s for 512 MB).

    Raises:
        MemoryStoreError: it is missing, damaged, locked, or not a store of this version.
    """
    check_file(path)
    if not path.exists():
        raise MemoryStoreError(f"there is no memory store {path} yet; `sage run` begins one")
    try:
        check_store(path, check)
        # May write, but not the data: so that whoever closes last tidies the log away.
        connection = _connect_to_read(path, "rw")
        try:
            if not is_begun(connection):
                connection.close()
                connection = _empty()
            connection.execute("PRAGMA query_only = ON")
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise MemoryStoreError(describe(path, error)) from error
    return connection


def is_begun(connection: sqlite3.Connection) -> bool:
    """Whether any migration was committed to what a connection reads."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0]) > 0


def check_file(path: Path) -> None:
    """MemoryStoreError where something stands at ``path`` that no store can be."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, ValueError) as error:
        raise _no_place(path, getattr(error, "strerror", None) or str(error)) from error
    if stat.S_ISDIR(mode):
        raise MemoryStoreError(
            f"the memory store {path} is a folder; name a file, such as {path / FILE_NAME}"
        )
    if not stat.S_ISREG(mode):
        raise MemoryStoreError(f"the memory store {path} is not a regular file; name another")


class _Damaged(MemoryStoreError):
    """SQLite finds the file malformed."""


def check_store(path: Path, whole: bool = True) -> None:
    """Whether a file is a (whole) store of a version that is understood; it is not changed.

    Raises:
        MemoryStoreError: it is not; a subclass of it where the file is SAGE's but damaged.
        sqlite3.OperationalError: it is locked.
    """
    # Not through its bytes: closing a plain file of a database drops this process's locks on it.
    with contextlib.closing(_connect_to_read(path)) as connection:
        try:
            found = int(connection.execute("PRAGMA application_id").fetchone()[0])
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])
            tables = int(connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0])
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            # A file that only the user's command line calls a store stays where it is.
            if path.suffix != Path(FILE_NAME).suffix:
                raise MemoryStoreError(
                    f"{path} is no memory store ({error}); name another file"
                ) from error
            raise _Damaged(f"the memory store {path} is damaged: {error}") from error
        if (found, version, tables) == (0, 0, 0):
            return  # an empty file, or one that was never begun
        if found != APPLICATION_ID:
            raise MemoryStoreError(
                f"{path} is another program's database (application id {found:#x}); name another "
                "file"
            )
        if version > SCHEMA_VERSION:
            raise MemoryStoreError(
                f"the memory store {path} is of version {version} and this SAGE reads up to "
                f"{SCHEMA_VERSION}: it is left as it is; update SAGE, or name another store"
            )
        if not whole:
            return
        try:
            verdict = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            verdict = str(error)
        if verdict != "ok":
            text = " ".join(verdict.split())
            raise _Damaged(f"the memory store {path} is damaged: {text}")


def pruned(connection: sqlite3.Connection) -> int:
    """How many experiences a store has pruned in its life."""
    row = connection.execute("SELECT value FROM counter WHERE name = 'pruned'").fetchone()
    return 0 if row is None else int(row[0])


def describe(path: Path, error: BaseException) -> str:
    """What an error of SQLite's means for a store and what to do, in one line."""
    if isinstance(error, MemoryStoreError):
        return str(error)
    text = str(error)  # error codes are named from Python 3.11 only
    if "locked" in text or "busy" in text:
        return (
            f"the memory store {path} is locked by another program; close that "
            f"(`fuser {path}` names it), or name another store"
        )
    if "full" in text:
        return f"the disk of the memory store {path} is full; free some space on it"
    if "readonly" in text or "unable to open" in text:
        return (
            f"the memory store {path} cannot be written or opened here: {text}; name another "
            f"place, or {_KEEP_NOTHING}"
        )
    if "malformed" in text or "not a database" in text:
        return f"the memory store {path} is damaged ({text}); the next `sage run` moves it aside"
    return f"the memory store {path} fails: {text}"


def connect(path: Path, mode: Literal["ro", "rw", "rwc"], extra: str = "") -> sqlite3.Connection:
    """A connection without implicit transactions that any thread may use, one at a time."""
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}{extra}",
        uri=True,
        timeout=BUSY_S,
        isolation_level=None,
        check_same_thread=False,
    )


def _empty() -> sqlite3.Connection:
    """All tables and nothing in them, in memory; its version stays 0."""
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    for migration in MIGRATIONS:
        connection.executescript(migration)
    return connection


def _connect_to_read(path: Path, mode: Literal["ro", "rw"] = "ro") -> sqlite3.Connection:
    connection = connect(path, mode)
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.OperationalError as error:
        # A WAL store in a read-only place opens only if nothing waits in its log.
        connection.close()
        barred = "unable to open" in str(error) or "readonly" in str(error)
        if not barred or _holds_something(path, "-wal") or _holds_something(path, "-journal"):
            raise
        connection = connect(path, "ro", "&immutable=1")
    except sqlite3.DatabaseError:
        pass  # the caller finds the same, and says what it means
    return connection


def _prepare(connection: sqlite3.Connection, synchronous: Synchronous) -> None:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version == 0:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    for number in range(version, SCHEMA_VERSION):
        connection.executescript(
            f"BEGIN IMMEDIATE;{MIGRATIONS[number]}"
            f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {number + 1}; COMMIT;"
        )
    # After the tables, so that the file itself says what it is, not only its log.
    mode = str(connection.execute("PRAGMA journal_mode = WAL").fetchone()[0])
    if mode != "wal":
        logger.warning("this place has no write-ahead log (%s instead): storing is slower", mode)
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA journal_size_limit = 16777216")


def _set_aside(path: Path, why: str) -> None:
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    aside = path.with_name(f"{path.name}.corrupt-{stamp}")
    number = 2
    while aside.exists():
        aside = path.with_name(f"{path.name}.corrupt-{stamp}-{number}")
        number += 1
    try:
        path.with_name(path.name + "-shm").unlink(missing_ok=True)  # an index of the log
        for end in ("-wal", "-journal"):
            if _holds_something(path, end):
                path.with_name(path.name + end).rename(aside.with_name(aside.name + end))
            else:
                path.with_name(path.name + end).unlink(missing_ok=True)
        path.rename(aside)
    except OSError as error:
        raise MemoryStoreError(f"{why}; it cannot be moved aside: {error.strerror}") from error
    logger.warning("%s; it was moved to %s and a new one is begun", why, aside)


@contextlib.contextmanager
def _one_opener(folder: Path) -> Iterator[None]:
    """Let one process at a time create, check or move aside a store in this folder.

    A second one waits for a moment only: it would find out itself, later and less politely.
    """
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        yield
        return
    try:
        for _ in range(100):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.05)
            except OSError:  # a file system without locks
                break
        yield
    finally:
        os.close(handle)


def _holds_something(path: Path, end: str) -> bool:
    beside = path.with_name(path.name + end)
    return beside.exists() and beside.stat().st_size > 0


def _writable(place: Path) -> bool:
    return os.access(place, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def _no_place(path: Path, why: str) -> MemoryStoreError:
    return MemoryStoreError(
        f"the memory store {path} cannot be kept there: {why}; name another place, set "
        f"XDG_STATE_HOME to a folder of yours, or {_KEEP_NOTHING}"
    )
