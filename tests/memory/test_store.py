"""The store when all is well: what goes in comes out, in order, found by likeness."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from memory import rows
from memory.experience import Scores
from memory.reader import StoreReader
from memory.rows import decode, encode
from memory.schema import MemoryStoreError, default_store_path
from memory.store import ExperienceStore, Receipt
from memory.writer import StoreWriter
from sage.irp.errors import ConfigError
from tests.memory.experiences import PNG, experience, same, unit

FRACTIONS = st.floats(0.0, 1.0, allow_subnormal=False)
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=40)
JSON: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(TEXTS, children, max_size=4),
    max_leaves=12,
)
EXPERIENCES = st.builds(
    experience,
    at_s=st.floats(-1e9, 1e9),
    wall_time=st.datetimes(timezones=st.just(timezone.utc)).map(datetime.isoformat),
    modality=TEXTS.filter(bool),
    summary=TEXTS,
    scores=st.builds(Scores, FRACTIONS, FRACTIONS, FRACTIONS, FRACTIONS, FRACTIONS),
    salience=FRACTIONS,
    why=st.dictionaries(TEXTS, TEXTS, max_size=5),
    embedding=npst.arrays(
        np.float32,
        st.integers(0, 40),
        elements=st.floats(-1.0, 1.0, width=32),
    ),
    payload=st.dictionaries(TEXTS, JSON, max_size=5),
    picture=st.none() | st.binary(max_size=200).map(lambda data: PNG + data),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "memory.db"


@given(EXPERIENCES)
def test_a_row_is_the_experience_verbatim(kept: Any) -> None:
    assert same(decode(encode(kept, kept.picture), kept.picture), kept)


@settings(max_examples=10)
@given(kept=st.lists(EXPERIENCES, min_size=1, max_size=8))
def test_the_file_holds_it_verbatim(
    kept: list[Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("store") / "memory.db"
    with ExperienceStore(path) as store:
        receipts = [store.keep(one) for one in kept]
    with StoreReader(path) as reader:
        for receipt, one in zip(receipts, kept, strict=True):
            assert receipt.id is not None
            assert same(reader.get(receipt.id), one)


def test_an_experience_is_acknowledged_with_its_number_once_it_is_committed(path: Path) -> None:
    seen: list[tuple[int, int]] = []

    def acknowledged(number: int) -> None:
        with StoreReader(path) as other:  # another connection sees it already
            seen.append((number, other.count()))

    with ExperienceStore(path) as store:
        receipt = store.keep(experience(), on_acknowledged=acknowledged)
        assert receipt.wait(5.0)
        assert receipt.acknowledged
        assert (receipt.id, receipt.reason) == (1, None)
        assert store.flush()
        assert (store.acknowledged, store.dropped, store.waiting) == (1, 0, 0)
    assert seen == [(1, 1)]


def test_keeping_waits_for_nothing(path: Path) -> None:
    with ExperienceStore(path, group_commit_s=10.0) as store:
        store.keep(experience())
        assert store.flush()  # the next commit is 10 s away
        began_s = time.perf_counter()
        receipts = [store.keep(experience(number)) for number in range(200)]
        took_s = time.perf_counter() - began_s
        assert not any(receipt.wait(0.0) for receipt in receipts)
        assert store.waiting == 200
    assert took_s / 200 < 1e-3  # a commit takes longer; typically it is 20 us
    assert all(receipt.acknowledged for receipt in receipts)  # close commits the rest


def test_commits_come_in_groups(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    commit = StoreWriter.commit

    def counted(self: StoreWriter, rows: Any) -> int:
        sizes.append(len(rows))
        return commit(self, rows)

    monkeypatch.setattr(StoreWriter, "commit", counted)
    with ExperienceStore(path, group_commit_s=0.1) as store:
        began_s = time.monotonic()
        while time.monotonic() - began_s < 0.55:
            store.keep(experience())
            time.sleep(0.01)
        took_s = time.monotonic() - began_s
    assert len(sizes) <= took_s / 0.1 + 2
    assert max(sizes) > 1


def test_a_store_outlives_its_process_and_goes_on_counting(path: Path) -> None:
    with ExperienceStore(path) as store:
        store.keep(experience(1))
    with ExperienceStore(path) as store:
        receipt = store.keep(experience(2))
        assert receipt.wait(5.0)
        assert receipt.id == 2
        assert [record.experience.summary for record in store.list()] == ["thing 2", "thing 1"]
    assert sorted(item.name for item in path.parent.iterdir()) == ["memory.db"]  # no log is left


def test_the_writer_makes_the_picture(path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    with ExperienceStore(path) as store:
        store.keep(experience(), rgb=rgb)
        store.flush()
        picture = store.get(1).picture
        (record,) = store.list()
    assert picture is not None
    decoded = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert np.array_equal(decoded[:, :, ::-1], rgb)
    assert record.picture_bytes == len(picture)
    assert record.experience.picture is None  # a listing does not read it


def test_lists_are_filtered_and_ordered(path: Path) -> None:
    with ExperienceStore(path) as store:
        for number in range(6):
            kind = "speech" if number % 3 == 0 else "scene"
            store.keep(experience(number, modality=kind, salience=[0.1, 0.9, 0.5][number % 3]))
        store.flush()

        def ids(**asked: Any) -> list[int]:
            return [record.id for record in store.list(**asked)]

        assert ids() == [6, 5, 4, 3, 2, 1]
        assert ids(limit=2) == [6, 5]
        assert ids(limit=0) == []
        assert ids(order="oldest", limit=2) == [1, 2]
        assert ids(order="salient") == [5, 2, 6, 3, 4, 1]
        assert ids(modality="speech") == [4, 1]
        assert ids(least_salience=0.5) == [6, 5, 3, 2]
        assert ids(since=datetime(2026, 1, 31, 12, 0, 4, tzinfo=timezone.utc)) == [6, 5]
        assert ids(since=datetime(2026, 1, 31, 12, 0, 4)) == [6, 5]
        assert store.modalities() == {"scene": 4, "speech": 2}
        assert (store.count(), store.count("speech"), store.count("smell")) == (6, 2, 0)
        assert store.ids() == (1, 6)
        with pytest.raises(ConfigError, match="order is 'best'; valid: newest, oldest, salient"):
            ids(order="best")
        with pytest.raises(ConfigError, match="limit must be 0 or more"):
            ids(limit=-1)


def test_times_of_any_zone_are_compared_as_times(path: Path) -> None:
    with ExperienceStore(path) as store:
        store.keep(experience(wall_time="2026-01-31T12:00:00+02:00"))  # 10:00 UTC
        store.keep(experience(wall_time="2026-01-31T11:00:00Z"))
        store.flush()
        found = store.list(since=datetime(2026, 1, 31, 10, 30, tzinfo=timezone.utc))
    assert [record.id for record in found] == [2]


def test_the_nearest_are_those_of_brute_force_and_the_same_after_a_rebuild(path: Path) -> None:
    rng = np.random.default_rng(3)
    vectors = [unit(*rng.standard_normal(16)) for _ in range(60)]
    with ExperienceStore(path) as store:
        for number, vector in enumerate(vectors):
            store.keep(experience(number, embedding=vector))
            if number % 20 == 19:  # the index grows as the store does
                store.flush()
                store.nearest(vectors[0], "scene", 3)
        store.keep(experience(99, modality="speech", embedding=vectors[0]))
        store.keep(experience(99, embedding=unit(1.0, 0.0)))  # of another network
        store.flush()
        followed = [store.nearest(vector, "scene", 5) for vector in vectors]
    with StoreReader(path) as reader:
        assert [reader.nearest(vector, "scene", 5) for vector in vectors] == followed
        likeness = np.stack(vectors) @ np.stack(vectors).T
        for number, found in enumerate(followed):
            best = np.argsort(-likeness[number], kind="stable")[:5] + 1
            assert [neighbour.id for neighbour in found] == list(best)
            assert found[0].similarity == pytest.approx(1.0, abs=1e-6)
        earlier = reader.nearest(vectors[30], "scene", 100, before=31)
        assert sorted(neighbour.id for neighbour in earlier) == list(range(1, 31))
        assert reader.nearest(vectors[0], "speech", 9)[0].id == 61
        assert reader.nearest(unit(0.0, 1.0), "scene", 9)[0].id == 62
        assert reader.nearest(vectors[0], "smell", 9) == ()
        assert reader.nearest(vectors[0], "scene", 0) == ()
        assert reader.nearest(np.zeros(0, np.float32), "scene") == ()


def test_equals_come_in_the_order_of_their_numbers(path: Path) -> None:
    with ExperienceStore(path) as store:
        for number in range(5):
            store.keep(experience(number, embedding=unit(1.0, 2.0)))
        store.flush()
        assert [near.id for near in store.nearest(unit(1.0, 2.0), "scene", 9)] == [1, 2, 3, 4, 5]


def test_numpy_scalars_and_tuples_are_kept_as_plain_values(path: Path) -> None:
    payload = {"p": np.float64(0.1), "n": np.int32(3), "f": np.float32(0.5), "box": (1, 2.5)}
    with ExperienceStore(path) as store:
        store.keep(experience(payload=payload))
        store.flush()
        assert store.get(1).payload == {"p": 0.1, "n": 3, "f": 0.5, "box": [1, 2.5]}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"payload": {"x": float("nan")}}, "payload is not plain JSON"),
        ({"payload": {"x": np.float32("inf")}}, "payload is not plain JSON"),
        ({"payload": {"x": object()}}, "payload is not plain JSON: object is none of its types"),
        ({"payload": {"x": {1: 2}}}, "the key 1 is not text"),
        ({"salience": 1.5}, r"salience must lie in \[0, 1\], got 1.5"),
        ({"salience": float("nan")}, "salience must be a finite number"),
        ({"at_s": float("inf")}, "at_s must be a finite number"),
        ({"wall_time": "yesterday"}, "wall_time must be ISO 8601, got 'yesterday'"),
        ({"modality": ""}, "modality must not be empty"),
        ({"summary": "\ud800"}, "summary must be valid Unicode"),
        ({"embedding": np.array([np.nan], np.float32)}, "embedding must be"),
        ({"embedding": np.zeros((2, 2), np.float32)}, "embedding must be"),
        ({"picture": b"GIF89a"}, "picture must be a PNG"),
        ({"payload": {"x": "y" * 100_000}}, "an experience may have 90000 bytes at most, got 100"),
    ],
)
def test_what_cannot_be_kept_is_dropped_with_the_reason_and_the_rest_is_kept(
    path: Path, changes: dict[str, Any], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "MOST_BYTES", 90_000)
    told: list[str] = []
    with ExperienceStore(path, on_dropped=lambda _, reason: told.append(reason)) as store:
        before = store.keep(experience(1))
        bad = store.keep(experience(2, **changes))
        after = store.keep(experience(3))
        assert store.flush()
        assert not bad.wait(1.0)
        assert bad.reason is not None
        with pytest.raises(ValueError, match=says):
            raise ValueError(bad.reason)
        assert (before.acknowledged, after.acknowledged) == (True, True)
        assert (store.acknowledged, store.dropped, store.fault) == (2, 1, None)
    assert told == [bad.reason]


def test_a_bad_frame_is_dropped_with_the_reason(path: Path) -> None:
    with ExperienceStore(path) as store:
        bad = store.keep(experience(), rgb=np.zeros((4, 4), np.uint8))
        assert not bad.wait(5.0)
    assert "rgb must be uint8 (height, width, 3), got uint8 (4, 4)" in str(bad.reason)


def test_the_least_salient_makes_way_when_too_many_wait(path: Path) -> None:
    dropped: list[str] = []
    with ExperienceStore(
        path,
        group_commit_s=10.0,
        capacity=4,
        on_dropped=lambda one, reason: dropped.append(f"{one.summary}: {reason}"),
    ) as store:
        store.keep(experience(0))
        assert store.flush()
        # From here, nothing is committed before the store closes.
        store._urgent = lambda: store._stop_at_s is not None  # type: ignore[method-assign]
        saliences = [0.5, 0.2, 0.9, 0.2, 0.6, 0.1, 0.7]
        receipts = [store.keep(experience(n, salience=s)) for n, s in enumerate(saliences, 1)]
        assert store.dropped == 3
    assert [one.acknowledged for one in receipts] == [True, False, True, False, True, False, True]
    assert dropped == [f"thing {n}: too many wait to be stored" for n in (2, 6, 4)]
    with StoreReader(path) as reader:
        assert reader.count() == 5


def test_the_bytes_that_wait_are_bounded(path: Path) -> None:
    frame = np.zeros((100, 100, 3), np.uint8)
    with ExperienceStore(path, group_commit_s=10.0, capacity_bytes=100_000) as store:
        store.keep(experience(0))
        assert store.flush()
        store._urgent = lambda: store._stop_at_s is not None  # type: ignore[method-assign]
        for number in range(5):
            store.keep(experience(number), rgb=frame)
        assert (store.waiting, store.dropped) == (3, 2)
        assert not store.keep(experience(), rgb=np.zeros((200, 200, 3), np.uint8)).wait(0.0)


def test_what_comes_after_closing_is_dropped_and_counted(path: Path) -> None:
    store = ExperienceStore(path)
    store.close()
    store.close()  # a second time does nothing
    receipt = store.keep(experience())
    assert not receipt.wait(0.0)
    assert (receipt.reason, store.dropped) == ("the store is closed", 1)


def test_a_callback_that_raises_is_logged_and_stops_nothing(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(number: int) -> None:
        raise RuntimeError("broken")

    with caplog.at_level(logging.ERROR), ExperienceStore(path) as store:
        store.keep(experience(1), on_acknowledged=broken)
        receipt = store.keep(experience(2))
        assert receipt.wait(5.0)
        assert store.flush()
    assert "callback" in caplog.text


def test_a_receipt_that_nobody_settles_is_waited_for_no_longer_than_asked() -> None:
    began_s = time.perf_counter()
    assert not Receipt().wait(0.05)
    assert 0.04 < time.perf_counter() - began_s < 2.0


def test_many_threads_keep_and_read_at_once(path: Path) -> None:
    faults: list[BaseException] = []
    receipts: list[Receipt] = []

    def work(store: ExperienceStore, base: int) -> None:
        try:
            for number in range(base, base + 100):
                receipts.append(store.keep(experience(number)))
                if number % 10 == 0:
                    store.list(3)
                    store.nearest(unit(1.0, number, 0.5, -1.0), "scene", 2)
        except BaseException as error:
            faults.append(error)

    with ExperienceStore(path, group_commit_s=0.01) as store:
        threads = [threading.Thread(target=work, args=(store, base)) for base in range(0, 400, 100)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert store.flush(20.0)
        assert faults == []
        assert sorted(receipt.id or 0 for receipt in receipts) == list(range(1, 401))
        assert store.count() == 400


def test_two_stores_on_one_file_both_keep(path: Path) -> None:
    with (
        ExperienceStore(path, group_commit_s=0.01) as left,
        ExperienceStore(path, group_commit_s=0.01) as right,
    ):
        receipts = []
        for number in range(100):
            receipts += [left.keep(experience(number)), right.keep(experience(number))]
            time.sleep(0.001)
        assert left.flush()
        assert right.flush()
        assert sorted(receipt.id or 0 for receipt in receipts) == list(range(1, 201))
        assert left.count() == right.count() == 200
        query = unit(1.0, 50, 0.5, -1.0)
        assert left.nearest(query, "scene", 9) == right.nearest(query, "scene", 9)


def test_beyond_its_budget_the_least_salient_are_pruned_and_counted(path: Path) -> None:
    rng = np.random.default_rng(5)
    budget = 2**20
    with ExperienceStore(path, byte_budget=budget, group_commit_s=0.0) as store:
        saliences = rng.permutation(100) / 100.0
        for number, salience in enumerate(saliences):
            picture = PNG + rng.bytes(20_000)
            one = experience(number, salience=float(salience), picture=picture)
            assert store.keep(one).wait(5.0)
        store.nearest(unit(1.0, 1.0, 0.5, -1.0), "scene", 3)
        store.flush()
        kept = {record.id: record.experience.salience for record in store.list()}
        assert store.pruned() == 100 - len(kept) > 0
        assert len(kept) > 20
        # Of the last few, none was there when the last pruning was done.
        settled = [salience for number, salience in kept.items() if number <= 95]
        gone = [float(s) for n, s in enumerate(saliences, 1) if n not in kept]
        assert np.mean(gone) + 0.3 < np.mean(settled)
        assert max(kept.values()) == 0.99
        near = store.nearest(unit(1.0, 1.0, 0.5, -1.0), "scene", 100)
        assert {neighbour.id for neighbour in near} == set(kept)  # what went is not found
        first_kept = min(kept)
        assert store.get(first_kept).picture is not None
        gone_number = next(n for n in range(1, 101) if n not in kept)
        with pytest.raises(MemoryStoreError, match=f"no experience {gone_number} in"):
            store.get(gone_number)
    assert path.stat().st_size < 1.1 * budget
    with sqlite3.connect(path) as connection:
        pictures = connection.execute("SELECT count(*) FROM picture").fetchone()[0]
    connection.close()
    assert pictures == len(kept)


def test_a_smaller_budget_shrinks_the_file(path: Path) -> None:
    rng = np.random.default_rng(6)
    with ExperienceStore(path) as store:
        for number in range(100):
            store.keep(experience(number, picture=PNG + rng.bytes(30_000)))
    assert path.stat().st_size > 2.5 * 2**20
    with ExperienceStore(path, byte_budget=2**20) as store:
        store.keep(experience(100)).wait(5.0)
    assert path.stat().st_size <= 2**20
    with StoreReader(path) as reader:
        # All are as salient, so the oldest went.
        assert [record.id for record in reader.list(order="oldest")] == [
            *range(102 - reader.count(), 102)
        ]
        assert reader.pruned() == 101 - reader.count()


def test_a_number_is_never_used_again(path: Path) -> None:
    with ExperienceStore(path) as store:
        store.keep(experience(1)).wait(5.0)
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM experience")
    connection.close()
    with ExperienceStore(path) as store:
        receipt = store.keep(experience(2))
        assert receipt.wait(5.0)
        assert receipt.id == 2


def test_an_unknown_number_names_the_range(path: Path) -> None:
    with ExperienceStore(path) as store:
        with pytest.raises(MemoryStoreError, match=r"no experience 1 in .*; it is empty"):
            store.get(1)
        store.keep(experience())
        store.keep(experience())
        store.flush()
        for number in (0, 3, -1, 2**80):
            with pytest.raises(MemoryStoreError, match=rf"no experience {number} in .*: 1 to 2"):
                store.get(number)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"group_commit_s": -0.1}, r"group_commit_s must lie in \[0, 10\] s, got -0.1"),
        ({"synchronous": "OFF"}, "synchronous is 'OFF'; valid: NORMAL, FULL"),
        ({"byte_budget": 5}, "byte_budget must be at least 1048576 bytes, got 5"),
        ({"capacity": 0}, "capacity and capacity_bytes must be at least 1"),
    ],
)
def test_bad_settings_are_named(path: Path, settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        ExperienceStore(path, **settings)


@pytest.mark.parametrize(("synchronous", "level"), [("NORMAL", 1), ("FULL", 2)])
def test_the_log_is_written_as_asked(path: Path, synchronous: Any, level: int) -> None:
    with ExperienceStore(path, synchronous=synchronous) as store:
        connection = store._writer.open()
        assert connection.execute("PRAGMA synchronous").fetchone() == (level,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_the_default_place_is_where_xdg_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert default_store_path() == tmp_path / ".local" / "state" / "sage" / "memory.db"
    monkeypatch.setenv("XDG_STATE_HOME", "not/absolute")
    assert default_store_path() == tmp_path / ".local" / "state" / "sage" / "memory.db"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert default_store_path() == tmp_path / "state" / "sage" / "memory.db"
    assert default_store_path(tmp_path) == tmp_path / "memory.db"


def test_an_experience_with_its_picture_made_is_kept_as_it_is(path: Path) -> None:
    kept = replace(experience(), picture=PNG)
    with ExperienceStore(path) as store:
        store.keep(kept, rgb=np.zeros((4, 4, 3), np.uint8))
        store.flush()
        assert store.get(1).picture == PNG
