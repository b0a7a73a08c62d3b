"""A network with nothing in it but this machine's own loopback, for peers that listen everywhere.

Ray's servers listen on every interface, whatever address they are given. So what runs peers runs
in a network namespace of its own: nothing outside can reach it, and it can reach nothing outside.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence

UNAVAILABLE = (
    "peers listen on every interface, and this machine lets us have no network of our own to run "
    "them in; allow user namespaces, or run it in a container started with '--security-opt "
    "seccomp=unconfined'"
)
_MARK = "SAGE_BENCHMARK_LOOPBACK"
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1
_UNSHARE = ("unshare", "--user", "--map-root-user", "--net", "--")


def available() -> bool:
    """Whether this machine lets us have such a network."""
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*_UNSHARE, "true"], capture_output=True).returncode == 0


def inside() -> bool:
    """Whether this process runs in one already."""
    return os.environ.get(_MARK) == "1"


def run_again(module: str, arguments: Sequence[str]) -> int:
    """Run ``python -m module arguments`` in such a network; returns its exit status."""
    command = [*_UNSHARE, sys.executable, "-m", module, *arguments]
    return subprocess.run(command, env=os.environ | {_MARK: "1"}).returncode


def bring_up() -> None:
    """Switch the loopback interface on; a new network has it switched off."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        request = struct.pack("16sH14s", b"lo", 0, b"")
        answer = fcntl.ioctl(handle, _SIOCGIFFLAGS, request)
        flags = struct.unpack("16sH14s", answer)[1]
        fcntl.ioctl(handle, _SIOCSIFFLAGS, struct.pack("16sH14s", b"lo", flags | _IFF_UP, b""))
