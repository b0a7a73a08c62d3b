"""The soak: slopes, what a run says of itself, a run that lives and one whose world dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from rich.progress import Progress

from benchmarks import soak
from benchmarks.processes import memory_kb, tree
from benchmarks.soak import Told, live, slope_pct_per_h, theil_sen
from sage.irp.errors import ConfigError, SageError
from sage.worlds.apartment.voices import recording_for


def test_the_slope_is_a_median_that_a_few_jumps_do_not_move() -> None:
    at = np.arange(50.0)
    values = 3.0 * at + 7.0
    values[[3, 20, 40]] += 1e4
    assert theil_sen(at, values) == pytest.approx(3.0)


def test_growth_is_told_in_percent_of_the_mean_per_hour() -> None:
    at_s = np.arange(600.0)
    slope, low, high = slope_pct_per_h(at_s, 200.0 + at_s / 600.0, replicas=40)
    assert slope == pytest.approx(100.0 * 6.0 / 200.5, rel=1e-3)
    assert low == pytest.approx(slope, abs=0.01)
    assert high == pytest.approx(slope, abs=0.01)


def test_the_interval_of_noise_holds_zero_and_that_of_a_leak_does_not() -> None:
    at_s = np.arange(480.0)
    noise = np.random.default_rng(3).normal(0.0, 0.5, 480)
    _, low, high = slope_pct_per_h(at_s, 200.0 + noise, replicas=60)
    assert low < 0.0 < high
    _, low, _ = slope_pct_per_h(at_s, 200.0 + noise + 0.01 * at_s, replicas=60)
    assert low > 0.0


def test_every_command_is_recorded() -> None:
    for text in soak.COMMANDS:
        assert recording_for(text).duration_s > 0.3


def test_too_few_samples_are_an_error() -> None:
    with pytest.raises(SageError, match="3 samples are too few"):
        slope_pct_per_h([0, 1, 2], [1, 1, 1])


def test_what_a_run_says_is_counted() -> None:
    told = Told()
    for line in (
        'task t=0.00 command=0 phase=heard text="phase=done "',
        'task t=9.00 command=0 phase=done text="I am in the kitchen"',
        'task t=9.10 command=1 phase=declined text="no"',
        "status t=2.1 cycle=21 | vision rate=6.3 steps=1.7 halt=budget:11,max_steps:2 trust=0.9"
        " drop=superseded:4 | control rate=9.0 halt=deadline:7 drop=superseded:3,stale:1",
        'health t=3.0 plugin=vision state=backing_off detail="boom"',
        'health t=3.5 plugin=vision state=active detail="restarted"',
    ):
        told.take(line)
    for line in ("ERROR:sage: it failed", "Traceback (most recent", "WARNING:x", "Traceback (most"):
        told.complaint(line)
    told.complaint("WARNING:sage.speaking:'come back' was said, and not heard")
    assert told.over == 2
    assert told.phases["unheard"] == 1
    assert told.halts == {"vision budget": 11, "vision max_steps": 2, "control deadline": 7}
    assert told.drops == {"vision superseded": 4, "control superseded": 3, "control stale": 1}
    assert len(told.faults) == 3  # the first traceback belongs to the error before it


def test_memory_is_read_from_the_rollup() -> None:
    text = "5628-7ffd ---p 00000000 00:00 0    [rollup]\nRss:       4292 kB\nAnonymous:   1168 kB\n"
    assert memory_kb(text) == (4292, 1168)
    assert memory_kb(Path("/proc/self/smaps_rollup").read_text())[0] > 10_000


def test_a_tree_holds_children() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert {os.getpid(), child.pid} <= set(tree(os.getpid()))
    finally:
        child.communicate(b"\n")
    assert child.pid not in tree(os.getpid())


@pytest.mark.parametrize("minutes", ["0.4", "nan", "1e6"])
def test_minutes_out_of_range_are_named(minutes: str) -> None:
    with pytest.raises(ConfigError, match=r"--minutes must lie in \[0.5, 10000\]"):
        soak.main(["--minutes", minutes])


def test_a_run_is_watched_and_told_what_to_do(tmp_path: Path) -> None:
    with Progress(disable=True) as bar:
        life = live(3, 6.0, tmp_path / "life", bar, bar.add_task("", memory=""))
    assert life.ended == ""
    # Where the machine is too busy for it, the recogniser fails, and is told as a fault.
    assert [
        fault for fault in life.told.faults if "ears" not in fault and "hearing" not in fault
    ] == []
    assert life.told.phases["heard"] >= 1
    assert len(life.samples) >= 4
    last = life.samples[-1]
    assert last.rss_mb > last.heap_mb > 20.0
    assert last.rss_mb >= last.main_mb > 20.0
    assert last.world_mb > 20.0
    assert last.threads > 3
    assert last.files > 3
    assert life.figures["state folder MB"] > 0.0


def test_a_world_that_dies_is_an_exit(tmp_path: Path) -> None:
    ends_s = time.monotonic() + 60.0

    def kill() -> None:
        while time.monotonic() < ends_s:
            for pid in tree(os.getpid()):
                command = Path(f"/proc/{pid}/cmdline")
                if command.exists() and "apartment.server" in command.read_text():
                    time.sleep(2.0)
                    os.kill(pid, signal.SIGKILL)
                    return
            time.sleep(0.2)

    killer = threading.Thread(target=kill)
    killer.start()
    with Progress(disable=True) as bar:
        life = live(3, 30.0, tmp_path / "life", bar, bar.add_task("", memory=""))
    killer.join()
    assert life.ended.startswith("ended with 2 after")
    assert any("sim:apartment" in fault for fault in life.told.faults)
