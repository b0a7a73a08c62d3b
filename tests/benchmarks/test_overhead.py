"""Overhead, latency and their peers: rows that add up, and what is said without the peers."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path

import pytest

from benchmarks import contend, latency, loopback, overhead, peers
from benchmarks.runtime import everything_on
from sage.telemetry.jsonl import JsonlSink


def test_overhead_writes_every_row_as_a_number(tmp_path: Path) -> None:
    path = tmp_path / "overhead.json"
    assert overhead.main(["--rounds", "2", "--steps", "200", "--json", str(path)]) == 0
    rows = {row["id"]: row for row in json.loads(path.read_text())["rows"]}
    assert set(rows) == {"overhead.step_us", "overhead.cycle_us", "kernel.import_ms"}
    assert all(isinstance(row["value"], float) for row in rows.values())
    assert all(row["better"] == "lower" for row in rows.values())
    step = rows["overhead.step_us"]
    assert 0.0 < step["baselines"]["refinement loop alone"] < step["baselines"]["to the result"]


def test_a_step_is_charged_what_its_telemetry_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = []
    write = JsonlSink.__call__

    def counted(self: JsonlSink, event: object) -> None:
        lines.append(event)
        write(self, event)  # type: ignore[arg-type]

    monkeypatch.setattr(JsonlSink, "__call__", counted)
    with everything_on(50) as runtime:
        runtime.refinements(1)
        assert sum(type(event).__name__ == "StepRecord" for event in lines) == 50


def test_peers_that_are_absent_are_named_with_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name in ("ray", "dora") else found(name, *rest),
    )
    assert overhead.main(["--peers"]) == 1
    said = capsys.readouterr().err
    assert "ray" in said
    assert "dora-rs" in said
    assert said.endswith("run: make bench\n")


def test_peers_get_a_network_of_their_own_or_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    again = []
    monkeypatch.setattr(peers, "require", lambda: None)
    monkeypatch.setattr(loopback, "run_again", lambda *call: again.append(call) or 0)
    monkeypatch.setattr(loopback, "available", lambda: True)
    assert overhead.main(["--peers", "--quick"]) == 0
    assert again == [("benchmarks.overhead", ["--peers", "--quick"])]
    monkeypatch.setattr(loopback, "available", lambda: False)
    assert overhead.main(["--peers"]) == 1
    assert "no network of our own" in capsys.readouterr().err


@pytest.mark.skipif(not loopback.available(), reason="no user namespaces on this machine")
def test_the_network_of_its_own_holds_nothing_but_loopback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    module = tmp_path / "look.py"
    module.write_text(
        "import socket\n"
        "from benchmarks import loopback\n"
        "assert loopback.inside()\n"
        "loopback.bring_up()\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "socket.create_connection(server.getsockname(), 5).close()\n"
        "print([name for _, name in socket.if_nameindex()])\n"
    )
    repository = Path(__file__).resolve().parents[2]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(tmp_path), str(repository))))
    monkeypatch.chdir(tmp_path)
    assert loopback.run_again("look", []) == 0
    assert capfd.readouterr().out == "['lo']\n"


def test_gather_and_the_pool_are_timed() -> None:
    with peers.gather_ticks() as gather, peers.pool_tick() as pool:
        assert len(gather(3)) == 3
        assert all(took_s > 0.0 for took_s in gather(3))
        pool()


@pytest.mark.skipif(
    "py_trees" not in sys.modules and not importlib.util.find_spec("py_trees"),
    reason="py_trees is not installed; make bench installs it",
)
def test_py_trees_ticks_all_three() -> None:
    with peers.py_trees_tick() as tick:
        tick()


def test_rounds_pair_and_the_first_is_left_out() -> None:
    order: list[str] = []

    def batch(name: str, took_s: float) -> contend.Contender:
        def run(count: int) -> list[float]:
            order.append(name)
            return [took_s] * count

        return contend.Contender(name, run, 2)

    times = contend.side_by_side([batch("slow", 4e-6), batch("quick", 1e-6)], 2)
    assert order == ["slow", "quick", "quick", "slow", "slow", "quick"]
    assert times.rounds == {"slow": [[4e-6] * 2] * 2, "quick": [[1e-6] * 2] * 2}
    assert times.ratio("slow", "quick") == pytest.approx(4.0)
    assert times.median_us("slow") == pytest.approx(4.0)


def test_what_is_only_divided_by_is_not_listed(capsys: pytest.CaptureFixture[str]) -> None:
    contend.Times({"theirs": [[4e-6]], "ours": [[1e-6]]}).show("across processes", ("ours",))
    listed = capsys.readouterr().out
    assert "theirs" in listed
    assert "ours" not in listed


def test_latency_is_a_number_beside_its_baselines(tmp_path: Path) -> None:
    path = tmp_path / "latency.json"
    assert latency.main(["--submissions", "500", "--json", str(path)]) == 0
    (row,) = json.loads(path.read_text())["rows"]
    assert row["id"] == "latency.simple_ms_p99"
    assert row["baselines"]["p50"] <= row["value"] <= row["baselines"]["worst"]
    assert row["baselines"]["thread pool p99"] > 0.0
