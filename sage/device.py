"""What this runs on, in words."""

from __future__ import annotations

import os
import platform
from pathlib import Path

_BOARD = Path("/proc/device-tree/model")
_PROCESSORS = Path("/proc/cpuinfo")


def device_name() -> str:
    """The board where it says its name (a Jetson does), else the processor; and its cores."""
    name = platform.processor() or platform.machine()
    try:
        if _BOARD.is_file():
            name = _BOARD.read_text(errors="replace").strip("\0 \n")
        else:
            for line in _PROCESSORS.read_text(errors="replace").splitlines():
                if line.startswith("model name"):
                    name = line.split(":", 1)[1].strip()
                    break
    except OSError:
        pass  # the architecture will do
    return f"{name}, {os.cpu_count()} cores"
