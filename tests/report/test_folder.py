"""The run's folder, and its typed summary."""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec
import pytest

from sage.irp import ConfigError, DeviceError
from sage.report.folder import find_run, point_latest
from sage.report.summary_file import (
    CommandRecord,
    MapRecord,
    RunSummary,
    read_summary,
    write_summary,
)
from tests.report.made_run import summary


def run_in(parent: Path, name: str, made_s: float) -> Path:
    folder = parent / name
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text("{}")
    os.utime(folder, (made_s, made_s))
    return folder


def test_a_summary_comes_back_as_it_was(tmp_path: Path) -> None:
    told = summary()
    path = write_summary(tmp_path, told)
    assert read_summary(tmp_path) == told
    assert json.loads(path.read_text())["commands"][0]["said"] == "I am in the kitchen"
    assert [entry.name for entry in tmp_path.iterdir()] == ["summary.json"]


def test_numbers_that_are_none_are_null(tmp_path: Path) -> None:
    path = write_summary(
        tmp_path, RunSummary(began_s=float("nan"), path=[(1.0, 2.0, float("inf"), 0)])
    )
    assert "NaN" not in path.read_text()
    assert read_summary(tmp_path).began_s is None
    assert read_summary(tmp_path).path == [(1.0, 2.0, None, 0.0)]


def test_a_summary_that_no_reader_would_take_is_refused(tmp_path: Path) -> None:
    bad = RunSummary(map=MapRecord(bounds=(0.0, 0.0, float("nan"), 1.0)))
    with pytest.raises(ConfigError, match=r"map\.bounds"):
        write_summary(tmp_path, bad)
    assert list(tmp_path.iterdir()) == []


def test_a_summary_of_a_later_kind_may_know_more(tmp_path: Path) -> None:
    path = write_summary(tmp_path, summary())
    told = json.loads(path.read_text())
    told["weather"] = "fine"
    path.write_text(json.dumps(told))
    assert read_summary(tmp_path).title == "sim:apartment?seed=7"


@pytest.mark.parametrize("body", ["", "[]", "{", '{"schema":"urn:sage:summary:9"}', "\x00"])
def test_what_is_no_summary(tmp_path: Path, body: str) -> None:
    (tmp_path / "summary.json").write_text(body)
    with pytest.raises(ConfigError, match=r"summary.json"):
        read_summary(tmp_path)


def test_a_folder_that_has_gone(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"cannot write .*summary.json"):
        write_summary(tmp_path / "gone", summary())


@pytest.mark.parametrize(
    ("changes", "right"),
    [
        ({"state": "done"}, True),
        ({"state": "done", "truth": True}, True),
        ({"state": "done", "truth": False}, False),
        ({"state": "failed", "truth": True}, False),
        ({"state": "declined"}, False),
        ({"state": "declined", "as_expected": True}, True),
        ({"state": "done", "as_expected": False}, False),
    ],
)
def test_what_counts_as_right(changes: dict[str, object], right: bool) -> None:
    item = msgspec.structs.replace(CommandRecord(command=0, text="x"), **changes)
    assert item.right is right


def test_latest_leads_to_the_newest_run(tmp_path: Path) -> None:
    first, second = run_in(tmp_path, "a", 100.0), run_in(tmp_path, "b", 200.0)
    for folder in (first, second):
        assert point_latest(folder)
        assert (tmp_path / "latest").resolve() == folder.resolve()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a", "b", "latest"]


def test_what_is_no_link_stays(tmp_path: Path) -> None:
    folder = run_in(tmp_path, "a", 100.0)
    (tmp_path / "latest").mkdir()
    assert not point_latest(folder)
    assert (tmp_path / "latest").is_dir()
    assert not (tmp_path / "latest").is_symlink()


def test_where_no_link_can_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    assert not point_latest(run_in(tmp_path, "a", 100.0))


def test_a_run_is_found(tmp_path: Path) -> None:
    old, new = run_in(tmp_path, "b", 100.0), run_in(tmp_path, "a", 200.0)
    point_latest(old)
    os.utime(new, (9e8, 9e8))
    assert find_run(old) == old.resolve()
    assert find_run(tmp_path / "latest") == old.resolve()
    assert find_run(tmp_path) == new.resolve()


def test_no_run_is_found(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no run"):
        find_run(tmp_path)
    with pytest.raises(ConfigError, match="is no folder"):
        find_run(tmp_path / "nowhere")
