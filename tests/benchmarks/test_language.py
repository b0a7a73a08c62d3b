"""The language benchmark on a few pairs."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from benchmarks import language, language_rows
from models.language.corpus import PARAPHRASED, PROBES, Example
from sage.commands.cli import run_guarded
from sage.irp.errors import ConfigError

data = pytest.mark.skipif(
    not PARAPHRASED.exists(), reason="the commands are not in ../shared/data/gpsr"
)


def few(path: Path, count: int) -> str:
    return "\n".join(path.read_text().splitlines()[: 2 * count]) + "\n"


def test_the_shipped_model_on_other_pairs(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
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
    arguments = ["--test", str(tmp_path / "absent.txt")]
    assert run_guarded(lambda: language.main(arguments)) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "absent.txt" in error


@pytest.mark.parametrize("seed", ["-1", "2147483648"])
def test_a_seed_out_of_range_is_named(seed: str) -> None:
    with pytest.raises(ConfigError, match=r"--seed must lie in .*, got " + seed):
        language.main(["--folds", "5", "--seed", seed])


@pytest.mark.parametrize("name", ["torch", "sklearn"])
def test_without_its_libraries_it_says_what_to_install(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda wanted: None if wanted == name else real(wanted)
    )
    with pytest.raises(ConfigError, match=rf"needs {name}; run `pip install -e '\.\[train\]'`"):
        language.main(["--folds", "5", "--quick"])


@dataclass(frozen=True)
class Part:
    """A fold's outcome, without the libraries of the training."""

    exact: float
    svm_raw: float
    svm_delexicalised: float
    most_frequent: float


def test_the_margin_is_over_the_better_svm_of_each_fold() -> None:
    done = [
        Part(0.75, 0.50, 0.25, 0.1),
        Part(0.50, 0.25, 0.40, 0.3),
    ]
    row = language.fold_row(done, 0.125)  # type: ignore[arg-type]
    assert row.id == "language.exact_val"
    assert row.value == pytest.approx(0.625 - 0.45)
    assert row.baselines == pytest.approx(
        {
            "model": 0.625,
            "svm_best": 0.45,
            "svm_raw": 0.375,
            "svm_delexicalised": 0.325,
            "most_frequent": 0.2,
            "same_text": 0.125,
        }
    )


def test_commands_that_read_alike_in_another_part_are_counted() -> None:
    words = [("go", "to", "ROOM"), ("go", "to", "ROOM"), ("stop",), ("find", "THING")]
    examples = [Example(" ".join(each), each, "( x )") for each in words]
    parts = [np.array([0, 2]), np.array([1, 3])]
    assert language.same_text(examples, parts) == 0.5
    assert language.same_text(examples, [np.array([0, 1]), np.array([2, 3])]) == 0.0


def test_the_shipped_model_has_a_row_for_each_figure(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    learnt, tested, report = tmp_path / "learnt", tmp_path / "tested", tmp_path / "rows.json"
    learnt.write_text(few(PROBES, 20))
    tested.write_text(few(PROBES, 25))
    language.main(["--data", str(learnt), "--pairs", str(tested), "--json", str(report)])
    rows = {
        row["id"].removeprefix("language."): row for row in json.loads(report.read_text())["rows"]
    }
    assert set(rows) == {
        "exact", "exact_seen", "exact_unseen", "parse_ms_p95", "ece", "steps_median",
        "saving_full", "saving_fixed", "masked_margin", "qa_exact",
    }  # fmt: skip
    assert rows["saving_full"]["value"] > 1.5
    assert rows["masked_margin"]["baselines"]["words"] == 25
    assert rows["qa_exact"]["value"] >= 0.8


@data
def test_plain_it_has_a_row_for_each_figure_too(tmp_path: Path) -> None:
    report = tmp_path / "rows.json"
    assert language.main(["--quick", "--json", str(report)]) == 0
    rows = {
        row["id"].removeprefix("language."): row for row in json.loads(report.read_text())["rows"]
    }
    assert set(rows) == {
        "exact", "exact_seen", "exact_unseen", "parse_ms_p95", "ece", "steps_median",
        "saving_full", "saving_fixed", "masked_margin", "qa_exact",
    }  # fmt: skip
    assert rows["exact"]["value"] > rows["exact"]["baselines"]["svm_best"]


@data
def test_folds_of_other_commands_are_no_folds_of_these(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text(few(PROBES, 20))
    with pytest.raises(ConfigError, match=r"the card's folds are of \d+ commands, .* holds 20"):
        language.main(["--data", str(other)])


def test_saving_counts_only_where_little_is_lost() -> None:
    times = language_rows.Times((1.0, 1.0), (6.0, 6.0), (2.0, 2.0), 2)
    by_step = np.array([0.7, 0.805, 0.81])
    full, fixed = language_rows.saving_rows(times, 0.801, 0.81, by_step)
    assert (full.value, fixed.value) == (6.0, 2.0)
    full, fixed = language_rows.saving_rows(times, 0.79, 0.81, by_step)
    assert (full.value, fixed.value) == (0.0, 0.0)
