"""What the machine takes away: the core in the middle of a step, and the end of a sleep."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass

_STALL_S = 0.001


@dataclass(slots=True)
class Stalls:
    """How often, and for how long in all, the core was taken away from a step."""

    count: int = 0
    total_s: float = 0.0
    longest_s: float = 0.0

    def busy(self, seconds: float) -> None:
        """Compute for so long, holding the interpreter as any Python does."""
        now_s = time.perf_counter()
        ends_s = now_s + seconds
        while now_s < ends_s:
            before_s, now_s = now_s, time.perf_counter()
            if now_s - before_s > _STALL_S:
                self.count += 1
                self.total_s += now_s - before_s
                self.longest_s = max(self.longest_s, now_s - before_s)


_SLEEPER = """
import select, sys, time
tick_s, slack_s = float(sys.argv[1]), float(sys.argv[2])
worst_s, ticks, late = 0.0, 0, 0
print("ready", flush=True)
due_s = time.perf_counter() + tick_s
while not select.select([sys.stdin], [], [], 0)[0]:
    time.sleep(max(0.0, due_s - time.perf_counter()))
    over_s = time.perf_counter() - due_s
    worst_s, ticks, late = max(worst_s, over_s), ticks + 1, late + (over_s > slack_s)
    due_s = max(due_s + tick_s, time.perf_counter())
print(ticks, late, worst_s)
"""


class Sleeper:
    """A process that does nothing but sleep from tick to tick, and measures by how much too long.

    Used as a context manager; ``ticks``, ``late`` (by more than the slack) and ``worst_s`` are
    there at its end.
    """

    def __init__(self, tick_s: float, slack_s: float) -> None:
        self._tick_s, self._slack_s = tick_s, slack_s
        self.ticks = self.late = 0
        self.worst_s = 0.0

    def __enter__(self) -> Sleeper:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SLEEPER, str(self._tick_s), str(self._slack_s)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()
        return self

    def __exit__(self, *exception: object) -> None:
        told, _ = self._process.communicate("\n", timeout=10.0)
        ticks, late, worst_s = told.split()
        self.ticks, self.late, self.worst_s = int(ticks), int(late), float(worst_s)
