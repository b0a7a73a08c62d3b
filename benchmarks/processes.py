"""What a run and the processes that it started use: memory, threads, open files.

Read from ``/proc``; the apartment's world is told apart, for it stands for what is no part of SAGE
on a robot.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

_WORLD = "sage.worlds.apartment.server"


@dataclass(frozen=True, slots=True)
class Sample:
    """The processes of a run at one moment; memory in MB (10^6 bytes).

    ``rss_mb`` and ``heap_mb`` (anonymous memory) are of all of them but the world, ``main_mb`` of
    the runtime's own process alone.
    """

    at_s: float
    rss_mb: float
    main_mb: float
    heap_mb: float
    world_mb: float
    threads: int
    files: int
    processes: int


def tree(root: int) -> list[int]:
    """A process and all its descendants."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parent = int(stat.rpartition(")")[2].split()[1])
            parents.setdefault(parent, []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += parents.get(pid, [])
    return found


def memory_kb(rollup: str) -> tuple[int, int]:
    """(resident, anonymous) of the text of a ``smaps_rollup``, in kB (1024 bytes)."""
    values = dict(re.findall(r"^(Rss|Anonymous): +(\d+) kB$", rollup, re.MULTILINE))
    return int(values["Rss"]), int(values["Anonymous"])


def look(root: int, at_s: float) -> Sample | None:
    """The run now; None where it has just ended."""
    rss_kb = main_kb = heap_kb = world_kb = threads = files = processes = 0
    for pid in tree(root):
        folder = Path("/proc") / str(pid)
        try:
            resident, anonymous = memory_kb((folder / "smaps_rollup").read_text())
            if _WORLD in (folder / "cmdline").read_text():
                world_kb += resident
                continue
            threads += len(os.listdir(folder / "task"))
            files += len(os.listdir(folder / "fd"))
        except (OSError, KeyError):
            if pid == root:
                return None
            continue
        rss_kb, heap_kb, processes = rss_kb + resident, heap_kb + anonymous, processes + 1
        main_kb += resident if pid == root else 0
    rss_mb, main_mb, heap_mb, world_mb = (
        kb * 1024 / 1e6 for kb in (rss_kb, main_kb, heap_kb, world_kb)
    )
    return Sample(at_s, rss_mb, main_mb, heap_mb, world_mb, threads, files, processes)
