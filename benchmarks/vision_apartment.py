"""How many of the apartment's things are found, in views of layouts that training never drew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.vision.data import BENCHMARK_SEEDS
from models.vision.evaluate import RANGE_M, REQUIRED_PX
from models.vision.layout import SLOTS
from plugins.vision import VisionPlugin
from sage.irp import refine
from sage.irp.errors import ConfigError
from sage.values import Detection, Frame, Observation
from sage.worlds.apartment.robot import CAMERA
from sage.worlds.apartment.scene import LabelledThing, ViewSample, ViewSampler

VIEWS: Final = 12
OVERLAP: Final = 0.5
_SLOT_OF: Final = {label: slot.name for slot in SLOTS for label in slot.classes}

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Found:
    """Counts over all views: of required things found and missed, and of wrong detections."""

    right: int
    missed: int
    wrong: int

    @property
    def f1(self) -> float:
        """Over all things of all classes at once (micro)."""
        return 2.0 * self.right / max(2 * self.right + self.missed + self.wrong, 1)

    @property
    def recall(self) -> float:
        """Of what is required."""
        return self.right / max(self.right + self.missed, 1)

    @property
    def precision(self) -> float:
        """Of what is reported and counts."""
        return self.right / max(self.right + self.wrong, 1)


def check_seeds(seeds: range) -> None:
    """ConfigError where a layout of these may have been trained on."""
    if seeds.start not in BENCHMARK_SEEDS or seeds[-1] not in BENCHMARK_SEEDS:
        raise ConfigError(
            f"--seeds {seeds.start}:{seeds.stop}: training keeps off 0:{len(BENCHMARK_SEEDS)} only"
        )


def views_of(seed: int, count: int = VIEWS) -> list[ViewSample]:
    """Views of one apartment, the same ones for a seed."""
    sampler = ViewSampler(seed)
    try:
        rng = np.random.default_rng(seed)
        return [sampler.sample(rng) for _ in range(count)]
    finally:
        sampler.close()


def measure(
    vision: VisionPlugin,
    views: Sequence[ViewSample],
    progress: Callable[[], object] = lambda: None,
    steps: int | None = None,
) -> dict[str, Found]:
    """What the halted refinement finds in views, by slot and, as ``all``, together.

    Given ``steps``, what so many of every view find.
    """
    counts: Counter[tuple[str, str]] = Counter()
    for number, view in enumerate(views):
        frame = Frame(view.rgb, CAMERA)
        observation = Observation("benchmark", "camera", 0.1 * number, number, frame)
        if steps is None:
            outcome = refine(vision, observation)
            if outcome.result is None:
                raise outcome.error or ConfigError("a view was not looked at")
            scene = outcome.result
        else:
            state = vision.init_state(observation, {})
            for _ in range(steps):
                state = vision.step(state)
            scene = vision.result(state)
        counts += scored(scene.detections, view.things)
        progress()
    names = [slot.name for slot in SLOTS]
    out = {name: Found(*(counts[name, what] for what in _WHAT)) for name in names}
    together = (sum(counts[name, what] for name in names) for what in _WHAT)
    return out | {"all": Found(*together)}


_WHAT: Final = ("right", "missed", "wrong")


def scored(
    detections: Sequence[Detection], things: Sequence[LabelledThing]
) -> Counter[tuple[str, str]]:
    """How often (slot, ``right``, ``missed`` or ``wrong``) in one view.

    A detection belongs to the thing of its class that it overlaps most, by half (intersection over
    union) at least and not taken by a more certain one; to a required one before any other. Things
    too small or too far to be required are neither right nor missed, and what is theirs not wrong.
    """
    counts: Counter[tuple[str, str]] = Counter()
    open_ = [thing for thing in things if thing.label in _SLOT_OF]
    for detection in sorted(detections, key=lambda one: -one.confidence):
        mine = [
            (required(thing), overlap(detection.box_px, thing.box_px), index)
            for index, thing in enumerate(open_)
            if thing.label == detection.label
        ]
        fits = [one for one in mine if one[1] >= OVERLAP]
        if not fits:
            counts[_SLOT_OF[detection.label], "wrong"] += 1
            continue
        counted, _, index = max(fits)
        if counted:
            counts[_SLOT_OF[detection.label], "right"] += 1
        open_.pop(index)
    for thing in open_:
        if required(thing):
            counts[_SLOT_OF[thing.label], "missed"] += 1
    return counts


def required(thing: LabelledThing) -> bool:
    """Whether enough of a thing is seen, from near enough, that it has to be found."""
    slot = _SLOT_OF[thing.label]
    return thing.visible_px >= REQUIRED_PX[slot] and thing.distance_m <= RANGE_M[slot]


def overlap(one: Box, two: Box) -> float:
    """Intersection over union of boxes (left, top, right, bottom)."""
    width = min(one[2], two[2]) - max(one[0], two[0])
    height = min(one[3], two[3]) - max(one[1], two[1])
    inner = max(width, 0.0) * max(height, 0.0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, two)]
    return inner / max(sum(areas) - inner, 1e-9)
