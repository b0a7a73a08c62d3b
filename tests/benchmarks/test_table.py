"""The README's table says what the results say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import table
from benchmarks.table_figures import FIGURES
from sage.irp import ConfigError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A README with the marks, and one result."""
    (tmp_path / "results").mkdir()
    (tmp_path / "README.md").write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    write(tmp_path, "latency", value=0.5, baselines={"p50": 0.25})
    return tmp_path


def write(folder: Path, name: str, **row: Any) -> None:
    body = {"id": "latency.simple_ms_p99", "better": "lower", "floor": 10, "goal": 1} | row
    (folder / "results" / f"{name}.json").write_text(
        json.dumps({"device": "a board", "date": "2030-01-02", "rows": [body]})
    )


def call(folder: Path, *options: str) -> int:
    arguments = ["--results", str(folder / "results"), "--readme", str(folder / "README.md")]
    return table.main([*arguments, *options])


def test_what_stands_around_the_table_stays(folder: Path) -> None:
    assert call(folder) == 0
    text = (folder / "README.md").read_text()
    assert text.startswith(f"before\n{table.BEGIN}\n| what |")
    assert text.endswith(f"{table.END}\nafter\n")
    assert "| 0.50 ms | <= 10; <= 1 | p50 0.25 ms |" in text
    assert "Measured on a board, 2030-01-02." in text


def test_what_is_absent_or_null_is_not_measured(folder: Path) -> None:
    write(folder, "latency", value=None, baselines={})
    call(folder)
    text = (folder / "README.md").read_text()
    assert text.count(f"| {table.NOT_MEASURED} |") == len(FIGURES)


def test_a_floor_that_is_none_is_a_dash(folder: Path) -> None:
    write(folder, "latency", value=0.5, floor=None, baselines={})
    call(folder)
    assert "| 0.50 ms | -; <= 1 |  |" in (folder / "README.md").read_text()


def test_what_stands_beside_is_found_whatever_its_name_and_left_out_where_absent(
    folder: Path,
) -> None:
    pipe = {"p95": 120.0, "multiprocessing.Pipe, pickled": 640.4}
    write(folder, "hop", id="process.frame_round_trip_us", value=80.0, baselines=pipe)
    half = {"done with all": 0.95, "done with 0.5": 0.9}
    write(folder, "half", id="budget.apartment_half", value=0.947, baselines=half)
    write(folder, "edf", id="budget.margin_edf", value=0.3, baselines={"over_edf_first": 0.112})
    holes = {"full": 17.25, "grey": 9.0, "Telea 5 px": 14.5}
    write(folder, "holes", id="vision.margin_holes", value=2.5, baselines=holes)
    looks = {"of what is clear": 0.2, "fixed, random": 0.04, "fixed, in turn": -0.015}
    write(folder, "looks", id="detection.margin_whole_frame", value=0.1, baselines=looks)
    call(folder)
    text = (folder / "README.md").read_text()
    assert "| p95 120 us; `multiprocessing.Pipe`, pickled, 640 us |" in text
    assert "| of all, done with all 95.0%; done with half 90.0% |" in text
    assert "| over EDF with first steps first +0.11 |" in text
    assert "| +2.50 dB | <= 10; <= 1 | refined 17.2 dB; Telea 14.5 dB |" in text
    assert "of the threshold +0.200; as many looks at random +0.040; in turn -0.015 |" in text


def test_a_loss_that_undoes_a_saving_stands_beside_it(folder: Path) -> None:
    lost = {"measured": 9.4, "F1 lost": 0.0234, "F1 lost by itself": 0.08}
    write(folder, "looks", id="detection.saving", value=1.0, better="higher", baselines=lost)
    call(folder)
    text = (folder / "README.md").read_text()
    assert "| 1.0 | >= 10; >= 1 | measured 9.4; F1 lost 2.34%; F1 lost against each frame" in text
    assert "by itself 8.0% |" in text


def test_what_simpler_means_reach_stands_beside_a_saving(folder: Path) -> None:
    simpler = {"in turn, losing 1 %": 3.25, "skipping frames, losing 1 %": 2.0, "F1 lost": 0.006}
    write(folder, "looks", id="detection.saving", value=6.1, baselines=simpler)
    known = {"steps_mean": 4.492, "steps_told_degradation": 4.2}
    write(folder, "fixed", id="vision.saving_fixed", value=1.2, baselines=known)
    call(folder)
    text = (folder / "README.md").read_text()
    assert "F1 lost 0.60%; looks saved by looking in turn 3.2; by skipping frames 2.0 |" in text
    assert "| halted 4.49 steps, as good if told the degradation 4.20 |" in text


def test_check_finds_a_difference_and_changes_nothing(folder: Path) -> None:
    before = (folder / "README.md").read_text()
    assert call(folder, "--check") == 1
    assert (folder / "README.md").read_text() == before
    assert call(folder) == 0
    assert call(folder, "--check") == 0


def test_two_results_of_one_row_are_an_error(folder: Path) -> None:
    write(folder, "other", value=1.0, baselines={})
    with pytest.raises(ConfigError, match="simple_ms_p99"):
        call(folder)


def test_a_readme_without_marks_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "README.md").write_text("nothing\n")
    assert call(folder) == 2
    assert "README.md needs the lines" in capsys.readouterr().err


def test_every_figure_can_be_written() -> None:
    for figure in FIGURES:
        assert figure.form.format(value=1.0)
        for form in figure.beside:
            shown = table._PLACE.sub(lambda place: format(1.0, place[2]), form)
            assert shown != form
            assert not set("{}") & set(shown)
    assert len({figure.id for figure in FIGURES}) == len(FIGURES)
