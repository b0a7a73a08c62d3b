"""The parts of the vision benchmark, each over the same pictures under every degradation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from rich.progress import Progress

from benchmarks import vision_apartment, vision_curves, vision_timing
from benchmarks.vision_baselines import BlockPCA
from benchmarks.vision_curves import MOST_LOST, Curves, Float64Array, Halting, psnr_db
from benchmarks.vision_fixed import Guided, Passes, Schedule, Sweeps
from benchmarks.vision_plans import Mix, nearest_mix
from benchmarks.vision_trivial import fixed_blur
from models.vision.degradation import KINDS, Degraded
from plugins.vision import VisionPlugin
from sage.irp.errors import DeviceError
from sage.values import UInt8Array


@dataclass(frozen=True)
class Planned:
    """A plan made beforehand, and how long it takes; ``short_db`` is missing from what it should
    reach, 0 where it does."""

    name: str
    mix: Mix
    short_db: float
    times: vision_timing.Times


@dataclass(frozen=True)
class Saving:
    """Times of the same inputs, halted, refined fully and by plans.

    ``planned`` are as good as the halted answers; ``allowed`` lose what halting may lose.
    """

    halted: vision_timing.Times
    full: vision_timing.Times
    planned: tuple[Planned, ...]
    allowed: tuple[Planned, ...]

    @property
    def best_plan(self) -> Planned:
        """The cheapest of the plugin's own steps that is no worse than the halted answers; of all
        such where each is worse. Passes over the whole frame are other steps, told beside it."""
        steps = [one for one in self.planned if one.name != "passes"]
        equal = [one for one in steps if not one.short_db]
        return min(equal or steps, key=lambda one: one.times.total)


class Benchmark:
    """One run of a plugin over pictures (N, 224, 224, 3), with a progress bar for each part.

    ``weights`` are the plugin's, where they are not the shipped ones.
    """

    def __init__(
        self,
        vision: VisionPlugin,
        pictures: UInt8Array,
        pca: BlockPCA,
        seed: int,
        bar: Progress,
        weights: Mapping[str, bytes] | None = None,
    ) -> None:
        self.vision = vision
        self._pictures = pictures
        self._pca = pca
        self._seed = seed
        self._bar = bar
        self._weights = weights

    def curves(self) -> list[Curves]:
        """Every degradation."""
        task = self._bar.add_task("refining", total=len(KINDS) * len(self._pictures))
        return [
            vision_curves.measure(
                self.vision,
                self._pictures,
                kind,
                self._seed,
                self._pca,
                lambda: self._bar.advance(task),
            )
            for kind in KINDS
        ]

    def sweeps(self, schedule: Schedule) -> Float64Array:
        """Mean PSNR over all pictures and degradations, by steps."""
        task = self._bar.add_task("sweeping", total=len(KINDS) * len(self._pictures))
        rows = []
        for kind in KINDS:
            for picture, harmed in zip(self._pictures, self._inputs(kind), strict=True):
                truth = picture.astype(np.float32) / np.float32(255.0)
                errors = [
                    vision_curves.error_of(
                        guess.astype(np.float32) / np.float32(255.0), truth, harmed
                    )
                    for guess in schedule.after_each(harmed, self.vision.config.max_steps)
                ]
                rows.append(psnr_db(errors))
                self._bar.advance(task)
        return np.asarray(np.mean(rows, 0), np.float64)

    def saving(self, halting: Halting, count: int, repeats: int) -> Saving:
        """Paired times of ``count`` pictures under every degradation."""
        plans: list[tuple[str, Schedule, Float64Array]] = [
            ("guided", Guided(self.vision), halting.by_step)
        ]
        for name, kind in (("sweeps", Sweeps), ("passes", Passes)):
            schedule = kind(self.vision, self._weights)
            plans.append((name, schedule, self.sweeps(schedule)))
        least = halting.full - MOST_LOST * max(halting.gained, 0.0)
        wanted = {"planned": halting.halted, "allowed": least}
        mixes = {
            (goal, name): nearest_mix(psnr, value)
            for goal, value in wanted.items()
            for name, _, psnr in plans
        }
        inputs = [one for kind in KINDS for one in self._inputs(kind)[:count]]
        runs = {
            "halted": vision_timing.refining(self.vision, halts=True),
            "full": vision_timing.refining(self.vision, halts=False),
        }
        for name, schedule, _ in plans:
            needed = {n for goal in wanted for n in _numbers(mixes[goal, name])}
            for steps in sorted(needed):
                runs[f"{name} {steps}"] = vision_timing.scheduled(schedule, steps)
        task = self._bar.add_task("timing", total=len(inputs))
        times = vision_timing.paired(runs, inputs, repeats, lambda: self._bar.advance(task))

        def planned(goal: str, name: str) -> Planned:
            mix = mixes[goal, name]
            fewer, more = (times[f"{name} {steps}"] for steps in (mix.fewer, mix.more))
            short_db = max(0.0, wanted[goal] - mix.psnr)
            return Planned(name, mix, short_db, vision_timing.mixed(fewer, more, mix.share))

        return Saving(
            times["halted"],
            times["full"],
            tuple(planned("planned", name) for name, _, _ in plans),
            tuple(planned("allowed", name) for name, _, _ in plans),
        )

    def fixed_blur(self) -> dict[int, float]:
        """How the energy follows the error, by step, where all pictures are blurred equally far."""
        inputs = fixed_blur(self._pictures, self._seed)
        return vision_curves.rhos_of(self.vision, self._pictures, inputs)

    def apartment(self, seeds: range) -> dict[str, vision_apartment.Found] | None:
        """What is found in views of these layouts, also after the first step alone; None where
        nothing can be drawn."""
        task = self._bar.add_task("apartments", total=2 * len(seeds) * vision_apartment.VIEWS)
        views = []
        try:
            for seed in seeds:
                views += vision_apartment.views_of(seed)
                self._bar.advance(task, vision_apartment.VIEWS)
        except DeviceError as error:
            self._bar.console.print(f"no apartment: {error}")
            return None
        found = vision_apartment.measure(self.vision, views, lambda: self._bar.advance(task))
        first = vision_apartment.measure(self.vision, views, steps=1)["all"]
        return found | {"step_1": first}

    def graph_times(self, threads: int, runs: int) -> dict[str, vision_timing.Times]:
        """Encode, step and decode, warm, with so many threads."""
        whole, incomplete = (self._inputs(kind)[0] for kind in ("clean", "holes"))
        return vision_timing.graph_times(threads, whole, incomplete, runs)

    def _inputs(self, kind: str) -> list[Degraded]:
        return vision_curves.inputs_of(self._pictures, kind, self._seed)


def _numbers(mix: Mix) -> set[int]:
    return {mix.fewer, mix.more}
