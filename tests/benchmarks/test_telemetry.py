"""benchmarks.telemetry: what counts as a valid line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import telemetry
from sage.irp.errors import ConfigError
from tests.report.made_run import make_run

Change = Callable[[list[bytes]], list[bytes]]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run")


def test_a_run_is_valid_throughout(run: Path, tmp_path: Path) -> None:
    seen = telemetry.check_file(run / "telemetry.jsonl")
    assert seen.faults == []
    assert seen.fraction == 1.0
    assert (seen.ended, seen.lost) == (True, 0)
    assert sum(seen.events.values()) == seen.lines > 500
    path = tmp_path / "rows.json"
    assert telemetry.main([str(run), "--json", str(path)]) == 0
    body = json.loads(path.read_text())
    assert (body["rows"][0]["id"], body["rows"][0]["value"]) == ("telemetry.valid", 1.0)
    assert body["events"]["saw"] == 100


BAD: list[tuple[bytes, str]] = [
    (b'{"event":"nothing","at_s":1}\n', "no event that the schema knows"),
    (b"[]\n", "no event that the schema knows"),
    (b"{\n", "Expecting"),
    (b'{"event":"step","at_s":NaN}\n', "NaN is no JSON"),
    (b'{"event":"step","at_s":1,"at_s":2}\n', "a key stands twice"),
    (b"\xff\n", "decode"),
    (b'{"event":"task","at_s":109,"command":0,"phase":"done"}\n', "'text' is a required"),
    (
        b'{"event":"task","at_s":109,"command":0,"phase":"done","text":"x","more":1}\n',
        "'more' was unexpected",
    ),
    (
        b'{"event":"task","at_s":109,"command":-1,"phase":"done","text":"x"}\n',
        "less than the minimum",
    ),
    (
        b'{"event":"task","at_s":99,"command":0,"phase":"done","text":"x"}\n',
        "backwards",
    ),
]


@pytest.mark.parametrize(("line", "why"), BAD, ids=[why for _, why in BAD])
def test_a_bad_line_is_found_and_named(run: Path, line: bytes, why: str) -> None:
    path = run / "telemetry.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:-1], line, lines[-1]]))
    seen = telemetry.check_file(path)
    assert seen.lines - seen.valid == 1
    assert why in seen.faults[0]
    assert f":{len(lines)}:" in seen.faults[0]


CHANGES: list[tuple[str, Change]] = [
    ("no header", lambda lines: lines[1:]),
    ("the header is the first line", lambda lines: [lines[0], *lines]),
    ("after the end", lambda lines: [*lines, lines[5]]),
    ("does not end", lambda lines: [*lines[:-1], lines[-1][:-9]]),
]


@pytest.mark.parametrize(("why", "change"), CHANGES, ids=[why for why, _ in CHANGES])
def test_the_order_of_lines_counts(run: Path, why: str, change: Change) -> None:
    path = run / "telemetry.jsonl"
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
    seen = telemetry.check_file(path)
    assert seen.lines - seen.valid == 1
    assert why in seen.faults[0]


def test_an_empty_file_is_not_valid(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.jsonl"
    path.write_bytes(b"")
    assert telemetry.check_file(path).fraction == 0.0


def test_bad_arguments() -> None:
    with pytest.raises(ConfigError, match="--duration"):
        telemetry.main(["--duration", "0"])
    with pytest.raises(ConfigError, match="nowhere"):
        telemetry.main(["nowhere"])
