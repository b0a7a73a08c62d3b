"""What the detection benchmark runs, and how it scores it."""

from __future__ import annotations

import dataclasses
import random
import time
from dataclasses import dataclass, field

import numpy as np

from models.detection import Region
from models.detection.boxes import NONE, Boxes
from plugins.detection import DetectionPlugin, DetectionState, Looker
from plugins.detection_belief import same_place
from plugins.detection_memory import DetectionMemory, Things, matches
from sage.irp import refine
from sage.values import Frame, Observation, UInt8Array


@dataclass(slots=True)
class Run:
    """One way to look at a video, frame by frame.

    Attributes:
        plugin: what looks.
        remembers: whether a frame knows of the one before.
        every: look at every n-th frame only, and carry what was found in between.
        found: what was believed and reported, per frame; ``seconds`` what a frame took,
            ``looks`` how often the network ran.
    """

    name: str
    plugin: DetectionPlugin
    remembers: bool = True
    every: int = 1
    found: list[Things] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    looks: list[int] = field(default_factory=list)
    energies: list[tuple[float, ...]] = field(default_factory=list)
    memory: DetectionMemory | None = None
    idle: DetectionPlugin | None = None

    def see(self, rgb: UInt8Array, number: int) -> None:
        """One frame, timed."""
        observation = Observation("video", "camera", float(number), number, Frame(rgb))
        context = {"previous": self.memory} if self.remembers and self.memory else {}
        plugin = self.plugin
        if number % self.every and self.idle is not None and self.memory is not None:
            plugin = self.idle
        began_s = time.perf_counter()
        outcome = refine(plugin, observation, context=context)
        self.seconds.append(time.perf_counter() - began_s)
        if outcome.error is not None:
            raise outcome.error
        result = outcome.result
        assert result is not None
        self.memory = result.memory
        self.found.append(result.memory.things)
        self.looks.append(result.looks)
        self.energies.append(outcome.trajectory.energies)


class RecordedLooks:
    """A detector that remembers what it saw, frame by frame; told to ``replay``, it looks no more.

    Attributes:
        frame: whose looks are recorded or replayed.
        regions: all that were ever looked at.
    """

    def __init__(self, detector: Looker) -> None:
        self._detector = detector
        self._seen: dict[tuple[int, Region], Boxes] = {}
        self.regions: set[Region] = set()
        self.replay = False
        self.frame = 0

    @property
    def input_px(self) -> tuple[int, int]:
        """The detector's own."""
        return self._detector.input_px

    @property
    def names(self) -> tuple[str, ...]:
        """The detector's own."""
        return self._detector.names

    def look(self, rgb: UInt8Array, region: Region, least: float) -> Boxes:
        """What the detector sees, or saw; nothing where it never looked."""
        if self.replay:
            return self._seen.get((self.frame, region), NONE)
        found = self._detector.look(rgb, region, least)
        self._seen[self.frame, region] = found
        self.regions.add(region)
        return found


class FixedLooks(DetectionPlugin):
    """So many looks per frame, at regions that a rule orders: what halting is held against."""

    def __init__(self, plugin: DetectionPlugin, detector: Looker, looks: int, rule: str) -> None:
        super().__init__(dataclasses.replace(plugin.config, min_gain=0.0), detector)
        self._looks = looks
        self._rule = rule

    def _chosen(self, state: DetectionState) -> int | None:
        if state.views[0] is None and self._looks:
            return 0
        waiting = [i for i, view in enumerate(state.views) if view is None or view.age]
        if state.looks >= self._looks or not waiting:
            return None
        if self._rule == "gain":
            return max(waiting, key=lambda i: float(state.gains[i]))
        if self._rule == "turns":
            age = {i: np.inf if (v := state.views[i]) is None else v.age for i in waiting}
            return max(waiting, key=lambda i: age[i])
        return random.Random(f"{state.captured_s} {state.looks}").choice(waiting)

    def energy(self, state: DetectionState) -> float:
        """Lower with every step."""
        return -float(state.steps)  # the last state is the answer, whatever was expected of it


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often what was found was there, was not, and was missed."""

    both: int
    wrong: int
    missing: int

    @property
    def f1(self) -> float:
        """1 where there was nothing, and nothing was found."""
        of = 2 * self.both + self.wrong + self.missing
        return 2 * self.both / of if of else 1.0

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(
            self.both + other.both, self.wrong + other.wrong, self.missing + other.missing
        )


def agreement(found: Boxes, reference: Things, low: float, high: float) -> Agreement:
    """What was found, against all that the reference believes in.

    What the reference reports with a score of ``high`` or more has to be found. What it believes
    in with ``low`` to ``high``, reported or not, may be found or not, as regions to ignore are
    treated on COCO. With ``low == high == 0``, all that it reports has to be found, nothing else.
    """
    scores = reference.boxes.scores
    clear = reference.boxes[reference.shown & (scores >= high)]
    unclear = reference.boxes[(scores >= low) & (scores < high)]
    partner, _ = matches(found, clear, 0.5)
    both = int((partner >= 0).sum())
    excused = same_place(found[partner < 0], unclear)
    return Agreement(both, len(found) - both - int(excused.sum()), len(clear) - both)


def f1(found: list[Things], reference: list[Things], first: int, low: float, high: float) -> float:
    """F1 over all frames from ``first`` on; see :func:`agreement`."""
    total = Agreement(0, 0, 0)
    for one, other in zip(found[first:], reference[first:], strict=True):
        total += agreement(one.boxes[one.shown], other, low, high)
    return total.f1
