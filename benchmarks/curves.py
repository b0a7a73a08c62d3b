"""Record refinement curves: energy, true error and cost of every step, fully refined.

What is recorded here is replayed by `python -m benchmarks.budget`. Every input is refined to the
plugin's last step, whatever its own halting says (``stop`` notes where that would have ended it);
the answer after each step is judged by ground truth that the plugin cannot read. Costs are
processor time of the one thread that works, the least of repeated runs, so that a busy machine
shows as little as it can. Two splits share no apartment and no sentence: profiles are learned on
``train``, policies are scored on ``test``, and a sentence that is drawn for both is only tested.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import msgspec

from benchmarks.curves_sources import SOURCES, Input
from benchmarks.report import parser
from sage.device import device_name
from sage.irp import NO_CONTEXT, ConfigError, IRPPlugin, refine

RECORDED: Final = Path(__file__).with_name("curves") / "recorded.json"
_TRAINED_FROM: Final = 100_000
EXAMPLES: Final = """\
  python -m benchmarks.curves --out curves.json              # all, minutes
  python -m benchmarks.curves --plugins control --inputs 40  # look at one
  python -m benchmarks.budget --curves curves.json           # what a policy makes of them"""


@dataclass(frozen=True)
class Curve:
    """One input, fully refined. The first cost includes ``init_state``.

    Attributes:
        energies: after each step, as the allocator sees them.
        errors: the true error after each step, by the first of the plugin's measures.
        costs_us: processor time of each step.
        result_us: what reading the answer takes.
        trivial: the true error of no answer at all.
        stop: the step after which the plugin's own halting ends.
        other_errors, other_trivial: the same by the plugin's further measures.
    """

    energies: tuple[float, ...]
    errors: tuple[float, ...]
    costs_us: tuple[float, ...]
    result_us: float
    trivial: float
    stop: int
    other_errors: tuple[tuple[float, ...], ...] = ()
    other_trivial: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        steps = len(self.energies)
        rows = (self.errors, self.costs_us, *self.other_errors)
        if not steps or any(len(row) != steps for row in rows):
            lengths = ", ".join(str(len(row)) for row in (self.energies, *rows))
            raise ValueError(f"every row needs one value per step, at least one; got {lengths}")
        if len(self.other_errors) != len(self.other_trivial):
            raise ValueError(
                f"{len(self.other_errors)} further errors, {len(self.other_trivial)} trivial ones"
            )
        values = (*self.energies, *self.errors, self.trivial, *self.other_trivial)
        if not all(map(math.isfinite, values)):
            raise ValueError("energies and errors must be finite")
        if not all(0.0 < cost < 1e8 for cost in self.costs_us) or not 0.0 <= self.result_us < 1e8:
            raise ValueError(
                f"costs must lie in (0, 1e8) us, got {self.costs_us} and {self.result_us}"
            )
        if not 1 <= self.stop <= steps:
            raise ValueError(f"stop must lie in [1, {steps}], got {self.stop}")

    @cached_property
    def answer_errors(self) -> tuple[float, ...]:
        """The true error of the answer given after each step: that of the least energy so far."""
        best, answers = 0, []
        for step, energy in enumerate(self.energies):
            if energy < self.energies[best]:
                best = step
            answers.append(self.errors[best])
        return tuple(answers)

    @cached_property
    def total_s(self) -> float:
        """What refining it fully takes, reading the answer included."""
        return 1e-6 * (sum(self.costs_us) + self.result_us)


@dataclass(frozen=True)
class PluginCurves:
    """The curves of one plugin; ``measures`` names its true errors, the first one is scored."""

    measures: tuple[str, ...]
    train: tuple[Curve, ...]
    test: tuple[Curve, ...]

    def __post_init__(self) -> None:
        if not self.train or not self.test:
            raise ValueError("both splits need curves")
        for curve in (*self.train, *self.test):
            if len(curve.other_errors) != len(self.measures) - 1:
                raise ValueError(
                    f"a curve has {1 + len(curve.other_errors)} measures, not {self.measures}"
                )

    def split(self, name: str) -> tuple[Curve, ...]:
        """``train`` or ``test``."""
        return self.train if name == "train" else self.test


@dataclass(frozen=True)
class Recording:
    """The curves of all plugins by name, and where they were recorded."""

    device: str
    seeds: tuple[int, int]
    plugins: dict[str, PluginCurves]

    def __post_init__(self) -> None:
        if not self.plugins:
            raise ValueError("no plugin was recorded")


def load(path: Path = RECORDED) -> Recording:
    """A recording that was checked.

    Raises:
        ConfigError: there is none, or not a whole one; the text says where it fails.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Recording)
    except OSError as error:
        raise ConfigError(
            f"cannot read the curves {str(path)!r}: {error.strerror}; record some with "
            f"`python -m benchmarks.curves --out FILE`"
        ) from error
    except msgspec.DecodeError as error:  # ValidationError is one of them
        raise ConfigError(
            f"{str(path)!r} holds no curves ({error}); record some with "
            f"`python -m benchmarks.curves --out FILE`"
        ) from error


def save(recording: Recording, path: Path) -> None:
    """Write a recording, numbers to five digits."""

    def short(value: Any) -> Any:
        if isinstance(value, float):
            return float(f"{value:.5g}")
        if isinstance(value, dict):
            return {key: short(item) for key, item in value.items()}
        return [short(item) for item in value] if isinstance(value, list | tuple) else value

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(short(asdict(recording)), separators=(",", ":")) + "\n")


def record(
    name: str, inputs: int, seeds: range, repeats: int = 3, note: Callable[[], None] = lambda: None
) -> PluginCurves:
    """The curves of one plugin of :data:`SOURCES`; each split has one half of the seeds.

    What was drawn for both is left out of the training split.
    """
    source = SOURCES[name]
    plugin = source.plugin()
    middle = (seeds.start + seeds.stop) // 2
    tested: set[str] = set()
    test, train = [], []
    for drawn in source.inputs(range(middle, seeds.stop), inputs):
        tested |= drawn.sentences
        test.append(refined(plugin, drawn, repeats))
        note()
    for drawn in source.inputs(range(seeds.start, middle), inputs):
        if tested.isdisjoint(drawn.sentences):
            train.append(refined(plugin, drawn, repeats))
        note()
    return PluginCurves(source.measures, tuple(train), tuple(test))


def refined(plugin: IRPPlugin[Any, Any], drawn: Input, repeats: int) -> Curve:
    """One input refined to the last step; each step is made ``repeats`` times for its cost."""
    energies, errors, costs_us, results_us = [], [], [], []
    state: Any = None
    for _ in range(plugin.halting.max_steps):
        taken_s, before = [], state
        for _ in range(repeats):
            began_s = time.thread_time()
            first = before
            if first is None:
                first = plugin.init_state(drawn.observation, NO_CONTEXT)
            state = plugin.project(plugin.step(first))
            energy = plugin.energy(state)
            taken_s.append(time.thread_time() - began_s)
        began_s = time.thread_time()
        answer = plugin.result(state)
        results_us.append(1e6 * (time.thread_time() - began_s))
        energies.append(float(energy))
        costs_us.append(max(0.1, 1e6 * min(taken_s)))
        errors.append(drawn.errors(state, answer))
    by_measure = tuple(tuple(row) for row in zip(*errors, strict=True))
    return Curve(
        energies=tuple(energies),
        errors=by_measure[0],
        costs_us=tuple(costs_us),
        result_us=statistics.median(results_us),
        trivial=drawn.trivial[0],
        stop=refine(plugin, drawn.observation).trajectory.steps,
        other_errors=by_measure[1:],
        other_trivial=drawn.trivial[1:],
    )


def gains(curves: tuple[Curve, ...]) -> tuple[float, ...]:
    """What the answers after each step are worth on average: 0 is no answer, 1 the last one."""
    span = sum(curve.trivial - curve.answer_errors[-1] for curve in curves)
    steps = max(len(curve.energies) for curve in curves)
    return tuple(
        sum(c.trivial - c.answer_errors[min(step, len(c.energies) - 1)] for c in curves) / span
        for step in range(steps)
    )


def summary(name: str, curves: tuple[Curve, ...]) -> str:
    """One line: what each step brings, what it costs."""
    first_ms = 1e-3 * statistics.median(curve.costs_us[0] for curve in curves)
    later_ms = 1e-3 * statistics.median(cost for curve in curves for cost in curve.costs_us[1:])
    stop = statistics.mean(curve.stop for curve in curves)
    shares = " ".join(f"{gain:.3f}" for gain in gains(curves))
    return (
        f"{name}: {len(curves)} inputs; first step {first_ms:.2f} ms, later ones {later_ms:.2f} "
        f"ms; its own halting stops after {stop:.1f}; worth after each step: {shares}"
    )


def seed_range(text: str) -> range:
    """``A:B`` as a range.

    Raises:
        ConfigError: it is none, too small to halve, or reaches into the seeds of training.
    """
    try:
        first, last = map(int, text.split(":"))
    except ValueError:
        raise ConfigError(f"--seeds {text!r} must be A:B, such as 0:100") from None
    if not 0 <= first < last - 1 or last > _TRAINED_FROM:
        raise ConfigError(
            f"--seeds {text!r} must be A:B with 0 <= A, A + 2 <= B <= {_TRAINED_FROM}: from there "
            f"on models were trained"
        )
    return range(first, last)


def main(arguments: list[str] | None = None) -> int:
    """Record, print a summary per plugin, write the file."""
    made = parser("curves", str(__doc__), EXAMPLES)
    made.add_argument("--out", type=Path, metavar="FILE", help="write the recording here")
    made.add_argument("--inputs", type=int, default=200, help="drawn per plugin and split")
    made.add_argument("--seeds", default="0:100", metavar="A:B", help="apartments, halved")
    made.add_argument("--plugins", nargs="+", choices=tuple(SOURCES), default=list(SOURCES))
    asked = made.parse_args(arguments)
    seeds = seed_range(asked.seeds)
    if asked.inputs < 1:
        raise ConfigError(f"--inputs {asked.inputs} must be 1 or more")
    inputs = min(asked.inputs, 12) if asked.quick else asked.inputs
    plugins: Mapping[str, PluginCurves] = MappingProxyType(
        {name: _recorded(name, inputs, seeds) for name in asked.plugins}
    )
    recording = Recording(device_name(), (seeds.start, seeds.stop), dict(plugins))
    if asked.out is not None:
        save(recording, asked.out)
        print(f"{asked.out}: {asked.out.stat().st_size / 1e3:.0f} kB")
    return 0


def _recorded(name: str, inputs: int, seeds: range) -> PluginCurves:
    from rich.progress import Progress

    with Progress(transient=True) as bar:
        task = bar.add_task(name, total=2 * inputs)
        curves = record(name, inputs, seeds, note=lambda: bar.advance(task))
    print(summary(name, curves.test))
    return curves


if __name__ == "__main__":
    from sage.commands.cli import run_guarded

    sys.exit(run_guarded(main))
