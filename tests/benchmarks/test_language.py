"""The language benchmark on a few pairs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import language
from models.language.corpus import PARAPHRASED, PROBES

data = pytest.mark.skipif(
    not PARAPHRASED.exists(), reason="the commands are not in ../shared/data/gpsr"
)


def few(path: Path, count: int) -> str:
    return "\n".join(path.read_text().splitlines()[: 2 * count]) + "\n"


def test_the_shipped_model_on_other_pairs(tmp_path: Path) -> None:
    learnt, tested, report = tmp_path / "learnt", tmp_path / "tested", tmp_path / "rows.json"
    learnt.write_text(few(PROBES, 40))
    tested.write_text(few(PROBES, 45))
    arguments = ["--data", str(learnt), "--test", str(tested), "--json", str(report)]
    assert language.main(arguments) == 0
    rows = {row["id"]: row for row in json.loads(report.read_text())["rows"]}
    assert rows["language.exact"]["value"] > 0.8
    assert rows["language.exact_seen"]["baselines"]["commands"] < 45
    assert rows["language.exact"]["baselines"]["commands"] == 45
    assert rows["language.parse_ms_p95"]["value"] > 0.0


def test_pairs_that_cannot_be_read_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert language.main(["--test", str(tmp_path / "absent.txt")]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "absent.txt" in error
