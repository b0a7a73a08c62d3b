"""Bad arguments of benchmarks: one line with option, value and range before anything runs."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from benchmarks import apartment, budget, fault, latency, table
from benchmarks.budget_replay import Demand
from benchmarks.contend import Contender, Times
from benchmarks.report import real, whole
from benchmarks.trial import Tried
from sage.commands.cli import run_guarded
from sage.irp import ConfigError, SageError

BAD = [
    ("conservation", "--operations", "0", "[1, 1000000000]"),
    ("conservation", "--operations", "-1", "[1, 1000000000]"),
    ("conservation", "--seed", "x", "[0, 2147483647]"),
    ("latency", "--submissions", "0", "[100, 100000000]"),
    ("latency", "--submissions", "-1", "[100, 100000000]"),
    ("latency", "--submissions", "10", "[100, 100000000]"),
    ("overhead", "--rounds", "0", "[1, 100000]"),
    ("overhead", "--steps", "-1", "[1, 1000000]"),
    ("deadline", "--ticks", "0", "[10, 100000000]"),
    ("deadline", "--ticks", "-1", "[10, 100000000]"),
    ("deadline", "--simulated", "0", "[100, 1000000000]"),
    ("process_hop", "--rounds", "0", "[1, 10000000]"),
    ("process_hop", "--size-px", "0", "[1, 4096]"),
    ("process_hop", "--seed", "-1", "[0, 2147483647]"),
    ("throughput", "--commands", "0", "[50, 10000]"),
    ("throughput", "--at-once", "0", "[1, 10000]"),
    ("throughput", "--threads", "0", "[1, 64]"),
    ("throughput", "--rounds", "0", "[1, 10000]"),
    ("throughput", "--delays", "x", "[0, 10]"),
    ("throughput", "--delays", "nan", "[0, 10]"),
    ("fault", "--rounds", "0", "[1, 10000]"),
    ("fault", "--seconds", "0", "[1, 3600]"),
    ("fault", "--rate", "0", "[1, 1000]"),
    ("fault", "--rate", "nan", "[1, 1000]"),
    ("fault", "--healthy", "0", "[1, 100]"),
    ("fault", "--size", "-1", "[1, 10000000]"),
    ("budget", "--budgets", "nan", "[0.01, 2]"),
    ("budget", "--budgets", "0", "[0.01, 2]"),
    ("budget", "--seeds", "0", "[1, 100000]"),
    ("budget", "--cycles", "0", "[1, 100000]"),
    ("apartment", "--budget", "1", "[0.001, 0.999]"),
    ("apartment", "--limit", "nan", "[1, 3600]"),
    ("apartment", "--jobs", "0", "[1, 1024]"),
    ("apartment", "--controls", "-1", "[0, 1000000]"),
]


@pytest.mark.parametrize(("benchmark", "option", "value", "valid"), BAD)
def test_a_bad_argument_is_one_line_and_nothing_runs(
    benchmark: str, option: str, value: str, valid: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main: Callable[[list[str]], int] = importlib.import_module(f"benchmarks.{benchmark}").main
    assert run_guarded(lambda: main([option, value])) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"error: {option} must be a ")
    assert said.err.endswith(f" in {valid}, got {value!r}\n")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(("text", "value"), [("1", 1), ("007", 7), ("10", 10)])
def test_a_whole_number_in_the_range_is_taken(text: str, value: int) -> None:
    assert whole("--steps", 1, 10)(text) == value


@pytest.mark.parametrize("text", ["0", "11", "1.5", "", "nan", "1\n2", "9" * 5000])
def test_any_other_text_is_refused_on_one_line(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--steps must be a whole number in \[1, 10\]") as told:
        whole("--steps", 1, 10)(text)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("text", ["-0.1", "1.1", "inf", "-inf", "nan", "", "x"])
def test_a_number_outside_the_range_is_refused(text: str) -> None:
    assert [real("--share", 0.0, 1.0)(end) for end in ("0", "1e0")] == [0.0, 1.0]
    with pytest.raises(ConfigError, match=r"--share must be a number in \[0, 1\], got "):
        real("--share", 0.0, 1.0)(text)


def test_the_budgets_are_those_that_can_be_replayed() -> None:
    demand = Demand.__new__(Demand)  # the range is the same for every demand
    low, high = budget.RANGE
    assert 0.0 < demand.pool_atp(low) < demand.pool_atp(high)
    for beyond in (0.99 * low, 1.01 * high):
        with pytest.raises(ConfigError):
            demand.pool_atp(beyond)


@pytest.mark.parametrize(
    ("asked", "rounds", "batch"), [(100, 1, 100), (700, 1, 700), (1250, 2, 625), (10_000, 20, 500)]
)
def test_as_many_submissions_as_asked_for_are_measured(
    asked: int, rounds: int, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def side_by_side(contenders: Sequence[Contender], count: int) -> Times:
        seen.extend([count, *(contender.count for contender in contenders)])
        return Times({contender.name: [[1e-4]] for contender in contenders})

    monkeypatch.setattr(latency, "side_by_side", side_by_side)
    assert latency.main(["--submissions", str(asked)]) == 0
    assert seen == [rounds, batch, batch, batch, batch]


def test_where_nobody_answers_there_is_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fault, "latencies_ms", lambda load, neighbours: ([], {}))
    with pytest.raises(SageError, match=r"no healthy plugin answered at --size 60000"):
        fault.main([])


GOOD = {
    "device": "a board",
    "date": "2030-01-02",
    "rows": [
        {
            "id": "latency.simple_ms_p99",
            "value": 0.5,
            "better": "lower",
            "floor": 10,
            "goal": 1,
            "baselines": {},
        }
    ],
}


def tabulate(folder: Path) -> int:
    arguments = ["--results", str(folder / "results"), "--readme", str(folder / "README.md")]
    return run_guarded(lambda: table.main(arguments))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A README with the marks, and one result."""
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "latency.json").write_text(json.dumps(GOOD))
    (tmp_path / "README.md").write_text(f"{table.BEGIN}\n{table.END}\n")
    return tmp_path


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"device": "\xff"}',
        b'{"rows": []}',
        json.dumps(GOOD | {"rows": [{}]}).encode(),
        json.dumps(GOOD | {"rows": [GOOD["rows"][0] | {"value": "fast"}]}).encode(),  # type: ignore[operator]
        json.dumps(GOOD).replace("0.5", "NaN").encode(),
    ],
)
def test_a_result_that_is_none_is_named(
    folder: Path, body: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "results" / "bad.json").write_bytes(body)
    before = (folder / "README.md").read_text()
    assert tabulate(folder) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {folder}/results/bad.json is not what a benchmark writes")
    assert said.count("\n") == 1
    assert (folder / "README.md").read_text() == before


def test_an_absent_readme_or_folder_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = (folder / "README.md").rename(folder / "other.md")
    assert tabulate(folder) == 2
    said = capsys.readouterr().err
    assert (
        said == f"error: --readme '{folder}/README.md' cannot be read: No such file or directory\n"
    )
    readme.rename(folder / "README.md")
    (folder / "results").rename(folder / "elsewhere")
    assert tabulate(folder) == 2
    assert capsys.readouterr().err.startswith(f"error: --results '{folder}/results' is no folder")


def test_marks_the_wrong_way_round_change_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "README.md").write_text(f"{table.END}\n{table.BEGIN}\nthe rest\n")
    assert tabulate(folder) == 2
    assert "in this order" in capsys.readouterr().err
    assert (folder / "README.md").read_text().endswith("the rest\n")


@pytest.mark.parametrize(
    ("full", "half", "value"), [(False, False, None), (False, True, None), (True, False, 0.0)]
)
def test_a_share_of_nothing_is_not_measured(
    full: bool,
    half: bool,
    value: float | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    outcomes = [
        Tried(0, "trained", "go", "words", done, done, "", 1.0, 0, share)
        for share, done in ((1.0, full), (0.5, half))
    ]
    monkeypatch.setattr(apartment, "run_all", lambda jobs, work: outcomes)
    path = tmp_path / "rows.json"
    assert apartment.main(["--budget", "0.5", "--seeds", "0:1", "--json", str(path)]) == 0
    (row,) = json.loads(path.read_text())["rows"]
    assert row["value"] == value
    assert ("nothing is done" in capsys.readouterr().out.splitlines()[-1]) == (value is None)
