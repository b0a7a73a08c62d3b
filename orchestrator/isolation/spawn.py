"""Starting a plugin's process so that it never outlives the runtime, and saying how it ended."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import TypeAlias

_Job: TypeAlias = "tuple[list[str], tuple[int, ...], int, Future[subprocess.Popen[bytes]]]"

# -c leaves the current directory on the import path, where a user may keep a `sage` of their own.
_BOOT = (
    "import sys; sys.path[:] = [p for p in sys.path if p] + [sys.argv[1]]; "
    "from sage._safepath import secure_imports; secure_imports(); "
    "from orchestrator.isolation.child import main; sys.exit(main(sys.argv[2:]))"
)
_ROOT = Path(__file__).resolve().parents[2]

_lock = threading.Lock()
_jobs: queue.SimpleQueue[_Job] | None = None


def spawn(channel: int, memory: int, slot_bytes: int, kept: int, errors: int) -> Future[
    subprocess.Popen[bytes]
]:  # fmt: skip
    """Start the process that serves ``channel``; the future raises OSError where that fails.

    The kernel kills the process when the *thread* that started it ends (PR_SET_PDEATHSIG), so
    all are started by one thread that lives as long as this process.
    """
    global _jobs
    arguments = [channel, memory, slot_bytes, kept, os.getpid()]
    command = [sys.executable, "-c", _BOOT, str(_ROOT), *map(str, arguments)]
    started: Future[subprocess.Popen[bytes]] = Future()
    with _lock:
        if _jobs is None:
            _jobs = queue.SimpleQueue()
            threading.Thread(
                target=_start_all, args=(_jobs,), name="plugin-processes", daemon=True
            ).start()
        _jobs.put((command, (channel, memory), errors, started))
    return started


def _start_all(jobs: queue.SimpleQueue[_Job]) -> None:
    while True:
        command, passed, errors, started = jobs.get()
        try:
            process = subprocess.Popen(
                command,
                pass_fds=passed,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                # Ctrl-C is for the runtime, which then closes its plugins in its own order.
                start_new_session=True,
            )
        except BaseException as error:
            started.set_exception(error)
        else:
            started.set_result(process)
        del started  # or the last process would be held until the next one


def _forget() -> None:
    """A fork of this process has no thread that starts processes."""
    global _jobs, _lock
    _jobs, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget)


def ending(status: int, told: str) -> str:
    """How a process ended, in a few words, from its exit status and the last that it wrote."""
    if status >= 0:
        text = f"ended with status {status}"
    else:
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = f"signal {-status}"
        text = f"was killed by {name}"
        if -status == signal.SIGKILL:
            text += " (out of memory?)"
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    for at, line in enumerate(lines):
        if line.endswith("(most recent call first):") and at + 1 < len(lines):
            return f"{text}: {lines[at + 1]}"  # faulthandler: where it was
    return f"{text}: {lines[-1]}" if lines else text
