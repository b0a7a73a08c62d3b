"""The process that plugins' processes are forked from, with all that they share loaded already.

A fresh interpreter takes a few hundred milliseconds of a core to load numpy and this package,
which on a small device the other plugins would feel at every restart; a fork takes a few. This
process has one thread, no plugin of its own and no memory but what it loaded.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import signal
import socket
import struct
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Any, NoReturn

START = struct.Struct("=cQI")
"""b"+", the size of a slot, refinements kept; with it the channel, the memory, the output."""
STATUS = struct.Struct("=cQ")
"""b"?" and a process that has ended."""
REPLY = struct.Struct("=q")
"""Its number (with a descriptor of it), or its exit status."""
NICENESS = 10
"""How much plugins' processes yield to the runtime where cores are scarce.

What starts, or computes without end, must not delay the lanes; with this it gets about a tenth of
a core where everybody wants one, and all of one that nobody wants.
"""
_PR_SET_PDEATHSIG = 1


def main(arguments: Sequence[str]) -> int:
    """Serve until the runtime goes; arguments: socket, the runtime's process."""
    channel, parent = map(int, arguments)
    if not die_with(parent):
        return 0
    from orchestrator.isolation import child

    # numpy's own threads survive a fork; there are no others.
    warnings.filterwarnings("ignore", message=".*fork", category=DeprecationWarning)
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=channel) as connection:
        while True:
            request, files, _, _ = socket.recv_fds(connection, 64, 3)
            if not request:
                return 0
            if len(request) == STATUS.size:
                _, process = STATUS.unpack(request)
                _, status = os.waitpid(process, 0)
                connection.send(REPLY.pack(os.waitstatus_to_exitcode(status)))
                continue
            _, slot_bytes, kept = START.unpack(request)
            server = os.getpid()
            process = os.fork()
            if process == 0:
                connection.close()
                _become(child.main, server, files, slot_bytes, kept)
            for file in files:
                os.close(file)
            handle = os.pidfd_open(process)
            socket.send_fds(connection, [REPLY.pack(process)], [handle])
            os.close(handle)


def die_with(parent: int) -> bool:
    """Let the kernel kill this process with its parent; False where that has gone already.

    That works even in a loop that never releases the interpreter lock.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    return os.getppid() == parent


def _become(main: Any, server: int, files: Sequence[int], slot_bytes: int, kept: int) -> NoReturn:
    """Be a plugin's process from here on; never returns."""
    status: Any = 1
    try:
        # Ctrl-C is for the runtime, which then closes its plugins in its own order.
        os.setsid()
        os.nice(NICENESS)
        channel, memory, output = files
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        os.set_inheritable(channel, False)  # for what the plugin itself may start
        status = main(channel, memory, slot_bytes, kept) if die_with(server) else 0
    except SystemExit as request:
        status = request.code
        if isinstance(status, str):
            sys.stderr.write(f"{status}\n")
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        if status is None:
            status = 0
        os._exit(status & 0xFF if isinstance(status, int) else 1)
