"""The store when something is wrong: never a traceback, never a silent loss, never a deletion."""

from __future__ import annotations

import contextlib
import logging
import os
import resource
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from memory import schema
from memory.reader import StoreReader
from memory.schema import SCHEMA_VERSION, MemoryStoreError
from memory.store import ExperienceStore
from memory.writer import StoreWriter
from tests.memory.experiences import PNG, experience, same

NOBODY = 65534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "memory.db"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks are waited for a moment only, so that tests of them are quick."""
    monkeypatch.setattr(schema, "BUSY_S", 0.05)


@contextlib.contextmanager
def connected(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def fill(path: Path, count: int = 3) -> None:
    with ExperienceStore(path) as store:
        for number in range(1, count + 1):
            store.keep(experience(number, picture=PNG if number == 1 else None))


def until(condition: Callable[[], object], within_s: float = 10.0) -> None:
    end_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end_s, "it did not happen"
        time.sleep(0.005)


@pytest.mark.usefixtures("impatient")
def test_while_another_writes_the_robot_goes_on_and_all_is_stored_afterwards(path: Path) -> None:
    faults: list[str] = []
    with connected(path) as other, ExperienceStore(path, on_fault=faults.append) as store:
        store.keep(experience(1)).wait(5.0)
        other.execute("BEGIN IMMEDIATE")
        receipts = [store.keep(experience(number)) for number in (2, 3)]
        until(lambda: store.fault)
        assert f"the memory store {path} is locked by another program" in str(store.fault)
        assert "\n" not in str(store.fault)
        assert [record.id for record in store.list()] == [1]  # reading works
        other.execute("ROLLBACK")
        assert all(receipt.wait(10.0) for receipt in receipts)
        until(lambda: store.fault is None)
        assert (store.acknowledged, store.dropped) == (3, 0)
    assert len(faults) == 2
    assert faults[1] == ""


@pytest.mark.usefixtures("impatient")
def test_a_store_locked_from_the_start_is_a_fault_until_it_is_free(path: Path) -> None:
    fill(path)
    with connected(path) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(MemoryStoreError, match="is locked by another program; close that"):
            StoreReader(path)
        store = ExperienceStore(path)
        assert "is locked by another program" in str(store.fault)
        with pytest.raises(MemoryStoreError, match="is locked"):
            store.count()
        receipt = store.keep(experience(4))
        assert not receipt.wait(0.2)
    assert receipt.wait(10.0)
    assert store.count() == 4
    store.close()
    assert store.fault is None


@pytest.mark.usefixtures("impatient")
def test_closing_a_locked_store_ends_and_counts_what_is_lost(path: Path) -> None:
    told: list[str] = []
    store = ExperienceStore(path, on_dropped=lambda _, reason: told.append(reason))
    with connected(path) as other:
        other.execute("BEGIN IMMEDIATE")
        receipt = store.keep(experience())
        until(lambda: store.fault)
        began_s = time.monotonic()
        store.close(timeout_s=0.3)
        assert time.monotonic() - began_s < 3.0
    assert not receipt.acknowledged
    assert "is locked by another program" in str(receipt.reason)
    assert told == [receipt.reason]
    assert store.dropped == 1


def truncated(data: bytes) -> bytes:
    return data[: len(data) // 2]


def scribbled(data: bytes) -> bytes:
    return data[:4096] + b"\xa5" * 8192 + data[4096 + 8192 :]


def no_header(data: bytes) -> bytes:
    return bytes(4096) + data[4096:]


def garbage(data: bytes) -> bytes:
    return b"This is not what you think it is.\n" * 10


DAMAGES = [truncated, scribbled, no_header, garbage]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_store_is_moved_aside_and_a_new_one_begun(
    path: Path, damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    fill(path, 200)
    data = damage(path.read_bytes())
    path.write_bytes(data)
    with caplog.at_level(logging.WARNING), ExperienceStore(path) as store:
        assert store.fault is None
        assert store.count() == 0
        assert store.keep(experience()).wait(5.0)
    (aside,) = [item for item in path.parent.iterdir() if ".corrupt-" in item.name]
    assert aside.name.startswith("memory.db.corrupt-2")
    assert aside.read_bytes() == data
    assert f"it was moved to {aside}" in caplog.text
    with StoreReader(path) as reader:
        assert reader.count() == 1


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_reader_names_a_damaged_store_and_leaves_it(
    path: Path, damage: Callable[[bytes], bytes]
) -> None:
    fill(path, 200)
    data = damage(path.read_bytes())
    path.write_bytes(data)
    with pytest.raises(MemoryStoreError, match=f"the memory store {path} is damaged"):
        StoreReader(path)
    assert path.read_bytes() == data
    assert not [item for item in path.parent.iterdir() if ".corrupt-" in item.name]


def test_two_damaged_stores_of_one_second_are_both_kept(path: Path) -> None:
    for _ in range(3):
        path.write_bytes(b"x" * 5000)
        ExperienceStore(path).close()
    assert len([item for item in path.parent.iterdir() if ".corrupt-" in item.name]) == 3


def test_damage_during_a_run_begins_a_new_store(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(path, 200)
    commit = StoreWriter.commit

    def fails(self: StoreWriter, rows: Any) -> int:
        monkeypatch.setattr(StoreWriter, "commit", commit)
        path.write_bytes(truncated(path.read_bytes()))
        raise sqlite3.DatabaseError("database disk image is malformed")

    with ExperienceStore(path) as store:
        monkeypatch.setattr(StoreWriter, "commit", fails)
        receipt = store.keep(experience())
        assert receipt.wait(10.0)
        assert receipt.id == 1
        assert store.get(1).summary == "thing 0"
    assert [item for item in path.parent.iterdir() if ".corrupt-" in item.name]


def test_a_newer_version_is_refused_and_left_as_it_is(path: Path) -> None:
    fill(path)
    newer = SCHEMA_VERSION + 1
    with connected(path) as connection:
        connection.execute(f"PRAGMA user_version = {newer}")
    data = path.read_bytes()
    for opening in (ExperienceStore, StoreReader):
        with pytest.raises(
            MemoryStoreError, match=f"is of version {newer} and this SAGE reads up to {newer - 1}"
        ):
            opening(path)
    assert path.read_bytes() == data


def test_another_programs_database_is_refused_and_left_as_it_is(path: Path) -> None:
    with connected(path) as connection:
        connection.execute("CREATE TABLE accounts (name TEXT)")
    data = path.read_bytes()
    for opening in (ExperienceStore, StoreReader):
        with pytest.raises(MemoryStoreError, match="is another program's database"):
            opening(path)
    assert path.read_bytes() == data


def test_a_file_that_is_no_database_is_refused_and_left_where_it_is(tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("buy milk")
    for opening in (ExperienceStore, StoreReader):
        with pytest.raises(MemoryStoreError, match=r"notes.txt is no memory store .*name another"):
            opening(notes)
    assert notes.read_text() == "buy milk"
    assert list(tmp_path.iterdir()) == [notes]


def test_a_transaction_cut_short_before_there_was_a_log_is_undone(path: Path) -> None:
    fill(path)
    with connected(path) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE experience SET embedding = zeroblob(50000), summary = 'lost'")
        cut = path.with_name("cut.db")
        for end in ("", "-journal"):
            shutil.copy(f"{path}{end}", f"{cut}{end}")
        connection.execute("ROLLBACK")
    assert cut.stat().st_size > 50_000
    with ExperienceStore(cut) as store:
        assert store.fault is None
        assert [record.experience.summary for record in store.list()] == [
            "thing 3",
            "thing 2",
            "thing 1",
        ]


def test_an_empty_file_becomes_a_store(path: Path) -> None:
    path.touch()
    fill(path)
    with StoreReader(path) as reader:
        assert reader.count() == 3


def test_a_store_without_tables_is_empty_until_it_is_begun(path: Path) -> None:
    with connected(path) as connection:  # a page, and no tables on it
        connection.execute("PRAGMA journal_mode = WAL")
    assert path.stat().st_size > 0
    with StoreReader(path) as reader:
        assert (reader.count(), reader.list(), reader.ids(), reader.pruned()) == (0, (), None, 0)
        assert reader.nearest(experience().embedding, "scene") == ()
        fill(path)
        assert reader.count() == 3
        assert len(reader.nearest(experience().embedding, "scene")) == 3


def test_a_store_that_was_never_begun_is_missing_once_it_is_gone(path: Path) -> None:
    path.touch()
    with StoreReader(path) as reader:
        assert reader.count() == 0
        path.unlink()
        with pytest.raises(MemoryStoreError, match="there is no memory store"):
            reader.count()


def test_places_that_cannot_hold_a_store_are_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text("")
    for place, says in (
        (tmp_path, "is a folder; name a file, such as"),
        (tmp_path / "pipe", "is not a regular file"),
        (tmp_path / "file" / "memory.db", "cannot be kept there"),
        (tmp_path / ("x" * 300), "cannot be kept there"),
        (Path("/proc/sage/memory.db"), "cannot be kept there"),
        (tmp_path / "a\0b", "cannot be kept there"),
    ):
        with pytest.raises(MemoryStoreError, match=says) as raised:
            ExperienceStore(place)
        assert "\n" not in str(raised.value)
        assert ("--state none" in str(raised.value)) == (says == "cannot be kept there")
    for missing in (tmp_path / "none.db", tmp_path / "file" / "memory.db", tmp_path / "no" / "x"):
        with pytest.raises(MemoryStoreError, match=r"there is no memory store .* yet; `sage run`"):
            StoreReader(missing)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["file", "pipe"]


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Root may write anywhere: be somebody else."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A store of three in a folder where nobody may write."""
    folder = Path(tempfile.mkdtemp(prefix="sage-read-only-"))
    fill(folder / "memory.db")
    (folder / "memory.db").chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
    folder.chmod(0o555)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_a_read_only_place_is_read_and_not_written(read_only: Path) -> None:
    with as_nobody():
        with StoreReader(read_only / "memory.db") as reader:
            assert [record.id for record in reader.list()] == [3, 2, 1]
            assert reader.get(1).picture == PNG
        with pytest.raises(MemoryStoreError, match=r"kept there: .* is read-only; .*--state none"):
            ExperienceStore(read_only / "memory.db")
        with pytest.raises(MemoryStoreError, match="cannot be kept there"):
            ExperienceStore(read_only / "deeper" / "memory.db")
    assert [item.name for item in read_only.iterdir()] == ["memory.db"]


def test_a_full_disk_stops_storing_not_the_robot_and_storing_resumes(path: Path) -> None:
    with ExperienceStore(path) as store:
        for number in range(1, 4):
            assert store.keep(experience(number)).wait(5.0)
        assert store.flush()
        connection = store._writer.open()
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        receipt = store.keep(experience(4, picture=PNG + bytes(100_000)))
        until(lambda: store.fault)
        assert store.fault == (
            f"the disk of the memory store {path} is full; free some space on it"
        )
        assert [record.id for record in store.list()] == [3, 2, 1]
        assert same(store.get(2), experience(2))
        connection.execute("PRAGMA max_page_count = 1000000")
        assert receipt.wait(10.0)
        assert store.flush()
        assert store.fault is None


FILL_THE_DISK = """
import sys
from memory.store import ExperienceStore
from memory.writer import StoreWriter
from tests.memory.experiences import PNG, experience
store = ExperienceStore(sys.argv[1], group_commit_s=0.0)
number = 0
while store.fault is None:
    number += 1
    receipt = store.keep(experience(number, picture=PNG + bytes(20_000)))
    if receipt.wait(0.5):
        print(receipt.id, flush=True)
print("fault", store.fault, store.count(), flush=True)
store.close(timeout_s=0.2)
print("dropped", store.dropped, flush=True)
"""


def test_what_was_acknowledged_before_the_disk_filled_is_there(
    path: Path, repository: Path
) -> None:
    limit = 1_000_000  # bytes of any file

    done = subprocess.run(
        [sys.executable, "-c", FILL_THE_DISK, str(path)],
        cwd=repository,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert done.returncode == 0, done.stderr
    *numbers, fault, dropped = done.stdout.splitlines()
    assert len(numbers) > 10
    assert fault.startswith(f"fault the memory store {path} fails: disk I/O error")
    assert fault.endswith(f" {len(numbers)}")  # reading worked
    assert dropped == "dropped 1"
    with StoreReader(path) as reader:
        for number in map(int, numbers):
            assert same(reader.get(number), experience(number, picture=PNG + bytes(20_000)))


def test_a_file_that_is_moved_away_is_begun_anew(path: Path) -> None:
    with ExperienceStore(path) as store:
        assert store.keep(experience(1)).wait(5.0)
        assert store.count() == 1
        store.flush()
        path.rename(path.with_name("elsewhere.db"))
        for end in ("-wal", "-shm"):
            path.with_name(path.name + end).unlink()
        receipt = store.keep(experience(2))
        assert receipt.wait(5.0)
        assert store.get(receipt.id or 0).summary == "thing 2"
        assert store.count() == 1


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        ("why = '{'", "why is not JSON"),
        ("why = '{\"novelty\": 3}'", "why says 3 of novelty, which is not text"),
        ("payload = '[1]'", "payload is not a JSON object"),
        ("payload = '{\"x\": NaN}'", "payload is not JSON: NaN"),
        ("payload = '{\"x\": 1e999}'", "payload is not JSON: 1e999"),
        ("embedding = x'000102'", "embedding is no whole number of float32"),
        ("embedding = x'0000c07f'", "embedding has values that are not finite"),
        ("salience = 7", "salience must lie in"),
        ("novelty = -1", "novelty must lie in"),
        ("at_s = 9e999", "at_s must be a finite number"),
    ],
)
def test_a_row_edited_by_hand_is_named(path: Path, edit: str, says: str) -> None:
    fill(path)
    with connected(path) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute(f"UPDATE experience SET {edit} WHERE id = 2")
    with StoreReader(path) as reader:
        for reading in (lambda: reader.get(2), reader.list):
            with pytest.raises(
                MemoryStoreError, match=f"experience 2 in {path} is damaged: {says}"
            ):
                reading()
        told: list[MemoryStoreError] = []
        assert [record.id for record in reader.list(on_damaged=told.append)] == [3, 1]
        assert len(told) == 1
        if edit.startswith("embedding = x'000102"):
            with pytest.raises(MemoryStoreError, match=r"experience 2 in .* is damaged: embedding"):
                reader.nearest(experience(1).embedding, "scene")


def test_a_picture_that_is_lost_or_no_picture_is_named(path: Path) -> None:
    fill(path)
    with connected(path) as connection:
        connection.execute("UPDATE picture SET png = x'00'")
    with StoreReader(path) as reader, pytest.raises(MemoryStoreError, match="picture is no PNG"):
        reader.get(1)
    with connected(path) as connection:
        connection.execute("DELETE FROM picture")
    with (
        StoreReader(path) as reader,
        pytest.raises(MemoryStoreError, match="its picture is lost"),
    ):
        reader.get(1)


def test_a_store_whose_table_was_dropped_fails_in_one_line(path: Path) -> None:
    fill(path)
    with connected(path) as connection:
        connection.execute("DROP TABLE experience")
    with (
        StoreReader(path) as reader,
        pytest.raises(MemoryStoreError, match="fails: no such table: experience"),
    ):
        reader.list()
