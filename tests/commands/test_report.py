"""``sage report``: the page of a run, made again."""

from __future__ import annotations

from pathlib import Path

import pytest

from sage.commands import cli
from tests.report.made_run import make_run


def test_the_newest_run_in_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "runs" / "20260102-030405")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["report"]) == 0
    assert Path(capsys.readouterr().out.strip()) == run / "report.html"
    assert "1 of 2 commands done" in (run / "report.html").read_text(encoding="utf-8")


def test_a_run_by_name_again_and_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path / "20260102-030405")
    assert cli.main(["report", str(run)]) == 0
    first = (run / "report.html").read_bytes()
    assert cli.main(["report", str(run)]) == 0
    assert (run / "report.html").read_bytes() == first
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_no_run_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["report", name]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("error: ")
    assert told.err.count("\n") == 1
    assert repr(name) in told.err
