"""Starting a plugin's process so that it never outlives the runtime, and saying how it ended."""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path

from orchestrator.isolation.forkserver import REPLY, START, STATUS

_TIMEOUT_S = 60.0

# -c leaves the current directory on the import path, where a user may keep a `sage` of their own;
# what is forked from here must be the very code that runs in the runtime.
_BOOT = (
    "import sys; sys.path[:] = [p for p in sys.path if p]; root = sys.argv[1]; "
    "root in sys.path or sys.path.insert(0, root); "
    "from sage._safepath import secure_imports; secure_imports(); "
    "from orchestrator.isolation.forkserver import main; sys.exit(main(sys.argv[2:]))"
)
_ROOT = Path(__file__).resolve().parents[2]


class _ForkServer:
    """The fork server, started when it is first needed, and again should it have died."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: queue.SimpleQueue[Future[subprocess.Popen[bytes]]] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        self._theirs: socket.socket | None = None

    def start(self, files: tuple[int, int, int], slot_bytes: int, kept: int) -> tuple[int, int]:
        """A new process and a descriptor of it; OSError where there can be none."""
        with self._lock:
            for attempt in range(2):
                try:
                    channel = self._running()
                    socket.send_fds(channel, [START.pack(b"+", slot_bytes, kept)], files)
                    reply, handles, _, _ = socket.recv_fds(channel, REPLY.size, 1)
                    if len(reply) == REPLY.size and len(handles) == 1:
                        return REPLY.unpack(reply)[0], handles[0]
                    raise ConnectionError("the fork server has gone")
                except OSError:
                    self._stop()
                    if attempt:
                        raise
        raise AssertionError("unreachable")

    def status(self, process: int) -> int | None:
        """The exit status of a process that has ended, to be asked once; None where unknown."""
        with self._lock, contextlib.suppress(OSError):
            if self._channel is not None:
                self._channel.send(STATUS.pack(b"?", process))
                reply = self._channel.recv(REPLY.size)
                if len(reply) == REPLY.size:
                    return int(REPLY.unpack(reply)[0])
                self._stop()
        return None

    def close(self) -> None:
        """End it, and with it all processes that came from it."""
        with self._lock:
            self._stop()

    def _running(self) -> socket.socket:
        if self._channel is not None:
            return self._channel
        ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        started: Future[subprocess.Popen[bytes]] = Future()
        # The kernel kills the server when the *thread* that started it ends (PR_SET_PDEATHSIG),
        # so that is done by one that lives as long as this process.
        if self._jobs is None:
            self._jobs = queue.SimpleQueue()
            threading.Thread(
                target=self._start_all, args=(self._jobs,), name="fork-server", daemon=True
            ).start()
        self._jobs.put(started)
        try:
            self._process = started.result()
        finally:
            self._theirs.close()
        ours.settimeout(_TIMEOUT_S)
        self._channel = ours
        return ours

    def _start_all(self, jobs: queue.SimpleQueue[Future[subprocess.Popen[bytes]]]) -> None:
        while True:
            started = jobs.get()
            assert self._theirs is not None
            file = self._theirs.fileno()
            command = [sys.executable, "-c", _BOOT, str(_ROOT), str(file), str(os.getpid())]
            try:
                process = subprocess.Popen(
                    command, pass_fds=(file,), stdin=subprocess.DEVNULL, start_new_session=True
                )
            except BaseException as error:
                started.set_exception(error)
            else:
                started.set_result(process)

    def _stop(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


_server = _ForkServer()
start = _server.start
status = _server.status


def _forget() -> None:
    """A fork of the runtime starts a server of its own."""
    _server.__init__()  # type: ignore[misc]


os.register_at_fork(after_in_child=_forget)
atexit.register(_server.close)


def ending(status: int | None, told: str) -> str:
    """How a process ended, in a few words, from its exit status and the last that it wrote."""
    if status is None:
        text = "ended"
    elif status >= 0:
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
