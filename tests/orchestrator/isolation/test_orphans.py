"""Nothing outlives the runtime: no process, no shared memory, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.orchestrator.isolation.test_process import gone

ROOT = Path(__file__).resolve().parents[3]

# A thread of its own makes the plugin and ends: the process must live on until *this* one ends.
RUNTIME = """
import sys, threading
sys.path.insert(0, {root!r})
import numpy as np
from orchestrator.isolation import IsolatedPlugin
from sage.irp import Refinement
from tests.orchestrator.isolation.plugins import Darken, Glance

made = []
thread = threading.Thread(target=lambda: made.append(IsolatedPlugin(Darken, step_limit_s=60.0)))
thread.start()
thread.join()
plugin, = made
refinement = Refinement(plugin, Glance(0.0, np.full((4, 4), 9, np.uint8), {how!r}, 1))
refinement.advance()
print(plugin.pid, refinement.costs_s, flush=True)
if {how!r} == "return":
    sys.exit(0)
refinement.advance()
"""


def runtime(how: str) -> tuple[subprocess.Popen[str], int]:
    """A runtime whose plugin hangs in its second step; and the plugin's process."""
    process = subprocess.Popen(
        [sys.executable, "-c", RUNTIME.format(root=str(ROOT), how=how)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    words = process.stdout.readline().split()
    assert words, process.wait()
    return process, int(words[0])


@pytest.mark.parametrize("how", ["hang", "lock", "spin"])
def test_killed_with_the_runtime(how: str) -> None:
    before = set(os.listdir("/dev/shm"))
    process, child = runtime(how)
    with process:
        assert not gone(child, 0.05)
        process.send_signal(signal.SIGKILL)
        assert process.wait(10.0) == -signal.SIGKILL
    assert gone(child)
    assert set(os.listdir("/dev/shm")) <= before


def test_ends_with_a_runtime_that_never_closed_it() -> None:
    process, child = runtime("return")
    with process:
        assert process.wait(10.0) == 0
    assert gone(child)
