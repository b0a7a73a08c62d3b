"""The file of a run's telemetry: whole lines whatever happens, and never a word to the bus."""

from __future__ import annotations

import errno
import json
import logging
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sage.clock import VirtualClock
from sage.irp import ConfigError, StepRecord
from sage.telemetry import Cycle, Dropped, Event, Health, Moved, Saw, Task, Telemetry
from sage.telemetry.jsonl import JsonlSink
from sage.telemetry.lines import MAX_TEXT_CHARS, SCHEMA_ID
from sage.values import Detection, Effect, Scene, Twist


def dropped(number: int) -> Event:
    return Dropped(float(number), "vision", "stale", 0.5)


def read(path: Path) -> list[dict[str, Any]]:
    raw = path.read_bytes()
    assert raw == b"" or raw.endswith(b"\n"), "the file ends in the middle of a line"
    return [json.loads(line) for line in raw.splitlines()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    return folder / "telemetry.jsonl"


@pytest.fixture
def make(path: Path) -> Callable[..., JsonlSink]:
    return lambda **settings: JsonlSink(path, clock=VirtualClock(7.0), **settings)


def test_a_header_the_events_in_order_and_an_end(
    path: Path, make: Callable[..., JsonlSink]
) -> None:
    sink = make(device="bench")
    for number in range(8, 11):
        sink(dropped(number))
    sink.close(untold=4)
    lines = read(path)
    assert [line["event"] for line in lines] == ["header", *["dropped"] * 3, "end"]
    header = lines[0]
    assert (header["schema"], header["device"], header["at_s"]) == (SCHEMA_ID, "bench", 7.0)
    assert header["wall_time"].endswith("+00:00")
    assert [line["at_s"] for line in lines[1:4]] == [8.0, 9.0, 10.0]
    end = lines[-1]
    assert (end["reason"], end["lines"], end["lost"]) == ("closed", 5, 4)
    assert end["at_s"] == 10.0, "time does not run backwards at the end"
    assert (sink.fault, sink.lost, sink.lines) == ("", 0, 5)


def test_numbers_are_strict_and_short_and_arrays_never_told(
    path: Path, make: Callable[..., JsonlSink]
) -> None:
    sink = make()
    detail = {"array": np.zeros((2, 3)), "odd": math.inf, "count": np.int64(3), "deep": [[[[[1]]]]]}
    sink(Moved(8.0, Effect(8.123456789, Twist(np.float32(0.1), math.nan), 8.0, True, detail)))  # type: ignore[arg-type]
    sink(Saw(9.0, Scene(8.9, (Detection("mug", 0.123456789, (1, 2, 3.00000001, 4)),), None)))
    sink(Cycle(9.1, np.int64(4), 1000.0, 1 / 3, {"vision": 2 / 3}))  # type: ignore[arg-type]
    sink.close()
    moved, saw, cycle = read(path)[1:4]
    assert (moved["executed_s"], moved["linear_m_s"]) == (8.123457, 0.1)
    assert moved["angular_rad_s"] is None
    assert moved["detail"] == {
        "array": "array float64 (2, 3)",
        "odd": None,
        "count": 3,
        "deep": [[["list ..."]]],
    }
    assert saw["detections"] == [
        {
            "label": "mug",
            "confidence": 0.123457,
            "box_px": [1, 2, 3, 4],
            "bearing_rad": 0,
            "distance_m": None,
        }
    ]
    assert (cycle["number"], cycle["spent_atp"], cycle["trust"]["vision"]) == (
        4,
        0.333333,
        0.666667,
    )
    assert b"NaN" not in path.read_bytes()


def test_a_step_has_the_time_of_the_event_before_it(
    path: Path, make: Callable[..., JsonlSink]
) -> None:
    sink = make()
    sink(StepRecord("vision", 0, 0, 0.5, 0.01))
    sink(dropped(9))
    sink(StepRecord("vision", 0, 1, 0.4, 0.01))
    sink.close()
    assert [line["at_s"] for line in read(path)[1:4]] == [7.0, 9.0, 9.0]


def test_a_long_text_is_cut(path: Path, make: Callable[..., JsonlSink]) -> None:
    sink = make()
    sink(Task(8.0, 0, "heard", "ha" * 100_000 + "\udcff"))
    sink.close()
    text = read(path)[1]["text"]
    assert len(text) == MAX_TEXT_CHARS
    assert text.endswith("...")


def test_an_event_that_cannot_be_told_costs_no_other(
    path: Path, make: Callable[..., JsonlSink], caplog: pytest.LogCaptureFixture
) -> None:
    sink = make()
    with caplog.at_level(logging.ERROR):
        sink(dropped(8))
        sink(Dropped(math.nan, "vision", "stale", 0.0))
        sink(object())  # type: ignore[arg-type]
        sink(dropped(9))
    sink.close()
    assert [line["event"] for line in read(path)] == ["header", "dropped", "dropped", "end"]
    assert read(path)[-1]["lost"] == sink.lost == 2
    assert len(caplog.records) == 1


def test_lines_reach_the_file_while_it_runs(path: Path, make: Callable[..., JsonlSink]) -> None:
    patient, prompt = make(flush_s=60.0), 0
    patient(dropped(8))
    assert len(read(path)) == 1, "the header is there at once, the rest is buffered"
    patient.flush()
    assert len(read(path)) == 2
    while len(read(path)) == 2 and prompt < 5000:  # a full buffer does not wait for the time
        prompt += 1
        patient(dropped(9))
    assert 10 < prompt < 5000
    patient.close()
    assert len(read(path)) == prompt + 3


def test_without_patience_every_line_is_written(path: Path, make: Callable[..., JsonlSink]) -> None:
    sink = make(flush_s=0.0)
    sink(dropped(8))
    assert len(read(path)) == 2
    sink.close()


def test_closing_twice_and_events_afterwards(path: Path, make: Callable[..., JsonlSink]) -> None:
    sink = make()
    sink.close()
    sink.close()
    sink(dropped(8))
    sink.flush()
    assert [line["event"] for line in read(path)] == ["header", "end"]
    assert sink.lost == 1


def test_at_its_limit_the_file_says_so_and_ends(
    path: Path, make: Callable[..., JsonlSink], caplog: pytest.LogCaptureFixture
) -> None:
    sink = make(limit_bytes=4096)
    with caplog.at_level(logging.WARNING):
        for number in range(200):
            sink(Health(float(number), "vision", "active", "x" * 50))
    sink.close()
    lines = read(path)
    assert path.stat().st_size <= 4096
    assert path.stat().st_size > 3000
    assert (lines[-1]["event"], lines[-1]["reason"]) == ("end", "limit")
    assert lines[-1]["lines"] == len(lines) == sink.lines
    assert sink.lost == 200 - (len(lines) - 2)
    assert "limit of 4096 bytes" in sink.fault
    assert len(caplog.records) == 1


def test_a_full_disk_leaves_whole_lines_and_a_running_bus(
    path: Path,
    make: Callable[..., JsonlSink],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sink = make(flush_s=60.0)
    real = os.write
    room = 400

    def write(file: int, body: bytes) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        done = real(file, bytes(body)[:room])
        room -= done
        return done

    monkeypatch.setattr(os, "write", write)
    others: list[Event] = []
    bus = Telemetry((sink, others.append))
    for number in range(50):
        bus.emit(dropped(number))
    with caplog.at_level(logging.ERROR):
        bus.flush()
        sink.flush()
        for number in range(50, 60):
            bus.emit(dropped(number))
        bus.flush()
        sink.close()
    lines = read(path)
    kept = len(lines) - 1
    assert 1 <= kept < 50
    assert sink.lost == 60 - kept
    assert sink.lines == len(lines)
    assert "No space left" in sink.fault
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert len(others) == 60, "other observers see everything"


LIMITED = """
import resource, signal, sys
from sage.clock import VirtualClock
from sage.telemetry import Dropped
from sage.telemetry.jsonl import JsonlSink
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
sink = JsonlSink(sys.argv[1], clock=VirtualClock(), flush_s=0.0)
for number in range(1000):
    sink(Dropped(float(number), "vision", "stale", 0.0))
sink.close()
print(sink.lines, sink.lost, sink.fault)
"""


def test_a_real_quota(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    lines, lost, fault = done.stdout.split(maxsplit=2)
    assert len(read(path)) == int(lines)
    assert int(lines) - 1 + int(lost) == 1000
    assert 19_000 < path.stat().st_size <= 20_000
    assert "File too large" in fault
    assert "Traceback" not in done.stderr


def test_a_folder_that_is_removed(
    path: Path, make: Callable[..., JsonlSink], caplog: pytest.LogCaptureFixture
) -> None:
    sink = make(flush_s=0.0)
    sink(dropped(8))
    shutil.rmtree(path.parent)
    with caplog.at_level(logging.ERROR):
        for number in range(9, 12):
            sink(dropped(number))
        sink.close()
    assert "removed" in sink.fault
    assert sink.lost == 3
    assert len(caplog.records) == 1
    assert not path.exists()


def test_a_run_that_is_killed_leaves_what_was_flushed(tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom sage.clock import VirtualClock\n"
        "from sage.telemetry import Dropped\nfrom sage.telemetry.jsonl import JsonlSink\n"
        "sink = JsonlSink(sys.argv[1], clock=VirtualClock(), flush_s=0.0)\n"
        "sink(Dropped(1.0, 'vision', 'stale', 0.0))\nos.kill(os.getpid(), 9)\n"
    )
    path = tmp_path / "telemetry.jsonl"
    done = subprocess.run([sys.executable, "-c", code, str(path)], timeout=60, check=False)
    assert done.returncode == -9
    assert [line["event"] for line in read(path)] == ["header", "dropped"]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"limit_bytes": 10}, "limit_bytes"),
        ({"flush_s": -1.0}, "flush_s"),
        ({"flush_s": math.nan}, "nan"),
    ],
)
def test_settings_that_cannot_be(
    make: Callable[..., JsonlSink], settings: dict[str, Any], named: str
) -> None:
    with pytest.raises(ConfigError, match=named):
        make(**settings)


def test_a_file_that_cannot_be_made(path: Path, make: Callable[..., JsonlSink]) -> None:
    path.write_text("somebody's")
    with pytest.raises(ConfigError, match=r"telemetry.jsonl.*exists"):
        make()
    assert path.read_text() == "somebody's"
    with pytest.raises(ConfigError, match="No such file"):
        JsonlSink(path.parent / "nowhere" / "x.jsonl", clock=VirtualClock())
