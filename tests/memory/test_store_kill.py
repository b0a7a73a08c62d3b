"""What was acknowledged survives ``kill -9``; a torn log loses nothing but its own end."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.store import kill_series, whole
from memory.reader import StoreReader
from memory.store import ExperienceStore
from tests.memory.experiences import experience, same


def test_no_acknowledged_experience_is_lost_to_sigkill(tmp_path: Path) -> None:
    series = kill_series(3, tmp_path, seed=7)
    assert series.kills == 3
    assert series.told > 20
    assert (series.lost, series.broken) == (0, 0)


def test_the_test_can_fail(tmp_path: Path) -> None:
    """What was handed over and not yet committed is lost, and is counted as such."""
    assert kill_series(2, tmp_path, tell="handed-over", seed=8).lost > 0


def test_a_torn_log_loses_only_what_is_behind_the_tear(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    store = ExperienceStore(path, group_commit_s=0.0)
    for number in range(1, 21):
        assert store.keep(experience(number)).wait(5.0)
    store.flush()
    log = Path(f"{path}-wal").read_bytes()
    held = []
    for tear in (0, 10, 32, 5000, len(log) // 3, len(log) // 2, len(log) - 1, len(log)):
        copy = tmp_path / f"{tear}" / "memory.db"
        copy.parent.mkdir()
        shutil.copy(path, copy)
        Path(f"{copy}-wal").write_bytes(log[:tear])
        with ExperienceStore(copy) as torn:
            held.append(torn.count())
            for number in range(1, held[-1] + 1):
                assert same(torn.get(number), experience(number))
            assert torn.keep(experience(99)).wait(5.0)
        assert whole(copy)
        assert not [item for item in copy.parent.iterdir() if ".corrupt-" in item.name]
    store.close()
    assert held == sorted(held)
    assert (held[0], held[-1]) == (0, 20)
    assert 0 < held[-3] < 20


def test_a_scribbled_log_is_cut_where_it_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    store = ExperienceStore(path, group_commit_s=0.0)
    for number in range(1, 21):
        assert store.keep(experience(number)).wait(5.0)
    store.flush()
    copy = tmp_path / "copy.db"
    shutil.copy(path, copy)
    log = bytearray(Path(f"{path}-wal").read_bytes())
    log[len(log) // 2 :] = b"\xff" * (len(log) - len(log) // 2)
    Path(f"{copy}-wal").write_bytes(log)
    store.close()
    with StoreReader(copy) as reader:
        assert 0 < reader.count() < 20
