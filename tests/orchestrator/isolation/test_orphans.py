"""Nothing outlives the runtime: no process, no shared memory, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from orchestrator.isolation import IsolatedPlugin
from sage.irp import NO_CONTEXT, PluginError
from tests.orchestrator.isolation.plugins import Darken, Glance
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


def parent_of(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


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
        server = parent_of(child)
        assert parent_of(server) == process.pid
        process.send_signal(signal.SIGKILL)
        assert process.wait(10.0) == -signal.SIGKILL
    assert gone(child)
    assert gone(server)
    assert set(os.listdir("/dev/shm")) <= before


def test_ends_with_a_runtime_that_never_closed_it() -> None:
    process, child = runtime("return")
    with process:
        assert process.wait(10.0) == 0
    assert gone(child)


def test_a_fork_server_that_dies_is_replaced() -> None:
    plugin = IsolatedPlugin(Darken, step_limit_s=10.0)
    server = parent_of(plugin.pid)
    os.kill(server, signal.SIGKILL)
    assert gone(plugin.pid)  # it goes with its server
    with pytest.raises(PluginError, match="died"):
        refine_one(plugin)
    plugin.close()
    other = IsolatedPlugin(Darken, step_limit_s=10.0)
    try:
        assert parent_of(other.pid) != server
        refine_one(other)
    finally:
        other.close()


def refine_one(plugin: IsolatedPlugin) -> None:
    glance = Glance(0.0, np.full((2, 2), 9, np.uint8))
    plugin.step(plugin.init_state(glance, NO_CONTEXT))
