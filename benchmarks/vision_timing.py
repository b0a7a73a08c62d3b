"""Wall clock of the vision plugin: warm, paired, and what it adds to a process's memory."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.report import percentile
from benchmarks.vision_curves import Refinement, observation_of
from benchmarks.vision_fixed import Schedule
from models.vision.degradation import Degraded
from plugins.vision import VisionConfig, VisionPlugin
from sage.irp import refine

_WARM_RUNS: Final = 20


@dataclass(frozen=True)
class Times:
    """Milliseconds of N inputs: the median of each one's repetitions."""

    by_input: tuple[float, ...]

    @property
    def total(self) -> float:
        """Of all inputs together."""
        return sum(self.by_input)

    @property
    def p50(self) -> float:
        """The median over inputs."""
        return percentile(self.by_input, 0.5)

    @property
    def p95(self) -> float:
        """What one input in twenty exceeds."""
        return percentile(self.by_input, 0.95)


def paired(
    runs: dict[str, Callable[[Degraded], object]],
    inputs: Sequence[Degraded],
    repeats: int,
    progress: Callable[[], object] = lambda: None,
) -> dict[str, Times]:
    """Time every run on every input, in turn and in changing order, in one go."""
    names = list(runs)
    for name in names:  # warm
        runs[name](inputs[0])
    taken: dict[str, list[float]] = {name: [] for name in names}
    for number, harmed in enumerate(inputs):
        of_input: dict[str, list[float]] = {name: [] for name in names}
        for repeat in range(repeats):
            turn = (number + repeat) % len(names)
            for name in names[turn:] + names[:turn]:
                began_s = time.perf_counter()
                runs[name](harmed)
                of_input[name].append(1e3 * (time.perf_counter() - began_s))
        for name in names:
            taken[name].append(statistics.median(of_input[name]))
        progress()
    return {name: Times(tuple(values)) for name, values in taken.items()}


def mixed(fewer: Times, more: Times, share: float) -> Times:
    """What an input takes on average, where a share of all, drawn at random, takes ``more``."""
    pairs = zip(fewer.by_input, more.by_input, strict=True)
    return Times(tuple(one + share * (two - one) for one, two in pairs))


def refining(vision: VisionPlugin, halts: bool) -> Callable[[Degraded], object]:
    """From the frame to its refined latent by the engine: encode, steps, energies, halting."""
    plugin = Refinement(vision, halts)
    return lambda harmed: refine(plugin, observation_of(harmed, 0))


def scheduled(schedule: Schedule, steps: int) -> Callable[[Degraded], object]:
    """So many steps of a plan."""
    return lambda harmed: schedule.run(harmed, steps)


def graph_times(threads: int, whole: Degraded, incomplete: Degraded, runs: int) -> dict[str, Times]:
    """``encode`` from a frame to the state before the first step, ``decode`` from a state to its
    picture; ``incomplete``: encoding where pixels are missing; ``step`` with its energy."""
    vision = VisionPlugin(VisionConfig(threads=threads))
    frame, partly = observation_of(whole, 0), observation_of(incomplete, 1)
    state = vision.step(vision.init_state(frame, {}))
    parts: dict[str, Callable[[], Any]] = {
        "encode": lambda: vision.init_state(frame, {}),
        "decode": lambda: vision.restored(state),
        "step": lambda: vision.energy(vision.step(state)),
        "incomplete": lambda: vision.init_state(partly, {}),
    }
    taken: dict[str, list[float]] = {name: [] for name in parts}
    for number in range(_WARM_RUNS + runs):
        for name, part in parts.items():
            began_s = time.perf_counter()
            part()
            if number >= _WARM_RUNS:
                taken[name].append(1e3 * (time.perf_counter() - began_s))
    return {name: Times(tuple(values)) for name, values in taken.items()}


#: What a fresh process does: it has the runtime, then gets the plugin and looks at a frame.
_FRESH: Final = """
import json, sys
import numpy as np
import sage
from sage.irp import refine
from sage.values import Frame, Observation

def resident_mb():
    with open("/proc/self/status") as file:
        for line in file:
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024

rng = np.random.default_rng(0)
picture = rng.integers(0, 256, (224, 224, 3), np.uint8)
missing = np.zeros((224, 224), bool)
missing[50:120, 60:140] = True
kept = [resident_mb()]
import onnxruntime
kept.append(resident_mb())
from plugins.vision import VisionConfig, VisionPlugin
plugin = VisionPlugin(VisionConfig(threads=int(sys.argv[1])))
kept.append(resident_mb())
outcome = refine(plugin, Observation("b", "camera", 0.0, 0, Frame(picture)))
assert outcome.answered, outcome
kept.append(resident_mb())
plugin.init_state(Observation("b", "camera", 0.0, 0, Frame(picture, missing=missing)), {})
kept.append(resident_mb())
print(json.dumps(kept))
"""


@dataclass(frozen=True)
class Memory:
    """Resident memory added to a process that has the runtime and numpy, in MiB.

    ``added`` by the plugin and one frame, of which ``onnxruntime`` by importing that alone;
    ``incomplete`` after one more frame, with pixels missing.
    """

    added: float
    onnxruntime: float
    incomplete: float


def memory(threads: int) -> Memory | None:
    """Measured in a fresh process; None where the system does not say (no /proc)."""
    if not Path("/proc/self/status").exists():
        return None
    done = subprocess.run(
        [sys.executable, "-c", _FRESH, str(threads)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
        timeout=300,
    )
    bare, with_runtime, _, refined, incomplete = json.loads(done.stdout.splitlines()[-1])
    return Memory(refined - bare, with_runtime - bare, incomplete - bare)


def ratio_interval(above: Times, below: Times, draws: int = 1000) -> tuple[float, float, float]:
    """Ratio of totals, and its 95 % bootstrap interval over inputs (Efron, 1979)."""
    one, two = np.array(above.by_input), np.array(below.by_input)
    picks = np.random.default_rng(0).integers(len(one), size=(draws, len(one)))
    low, high = np.quantile(one[picks].sum(1) / two[picks].sum(1), (0.025, 0.975))
    return above.total / below.total, float(low), float(high)
