"""Inputs that refinement curves are recorded on, each with an error that its plugin cannot read.

Every source draws inputs from apartments or sentences that no model was trained on, in a range of
difficulties, and judges what its plugin makes of them by ground truth.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from sage.irp import HaltPolicy, IRPPlugin, refine
from sage.navigation.grid import Costmap, GridFrame, Rectangle, wall_distance
from sage.values import ActionPlan, Observation, Pose, Scene, Twist

#: Drawn from the apartments that vision was trained on: the trivial answer may know them.
_TRAINING_SEEDS: Final = range(100_000, 100_012)


@dataclass(frozen=True, slots=True)
class Input:
    """One input: the plugin's observation, and what judges an answer.

    ``errors`` takes a state and its answer and gives one true error per measure of the source;
    ``trivial`` holds those of not answering at all. ``sentences`` are what it could have in common
    with an input drawn from other seeds: the words that were meant, and those that are heard.
    """

    observation: Any
    errors: Callable[[Any, Any], tuple[float, ...]]
    trivial: tuple[float, ...]
    sentences: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Source:
    """A plugin and its inputs: ``measures`` names the true errors, the first one is scored;
    ``inputs(seeds, count)`` draws ``count`` inputs from the seeds."""

    plugin: Callable[[], IRPPlugin[Any, Any]]
    measures: tuple[str, ...]
    inputs: Callable[[range, int], Iterator[Input]]


def _vision() -> IRPPlugin[Any, Any]:
    from plugins.vision import VisionPlugin

    return VisionPlugin()


def _language() -> IRPPlugin[Any, Any]:
    from plugins.language import LanguagePlugin

    return LanguagePlugin()


def _control() -> IRPPlugin[Any, Any]:
    from plugins.control import ControlPlugin

    return ControlPlugin()


def _frames(seeds: range, count: int) -> Iterator[Input]:
    """Camera frames, clean or degraded in one of the ways of training, against the clean ones.

    Measures: mean squared error of the restored picture against the clean frame, in what is
    missing of it where anything is, and 1 - F1 of the detections. The trivial answers are the mean
    training picture, and seeing nothing.
    """
    from models.vision.degradation import KINDS, degrade
    from plugins.vision import VisionPlugin
    from sage.values import Frame
    from sage.worlds.apartment.robot import CAMERA
    from sage.worlds.apartment.scene import ViewSampler

    judge = VisionPlugin()
    mean = np.mean([view.rgb for view in _views(_TRAINING_SEEDS, 60, ViewSampler)], axis=0)
    for index, view in enumerate(_views(seeds, count, ViewSampler)):
        rng = np.random.default_rng([seeds.start, index, 3])
        clean = view.rgb.astype(np.float32) / np.float32(255.0)
        harmed = degrade(clean, KINDS[rng.integers(len(KINDS))], rng, vary=True)
        frame = Frame(harmed.seen, CAMERA, harmed.missing)

        def off(picture: Any, truth: Any = view.rgb, missing: Any = harmed.missing) -> float:
            squares = np.square((picture.astype(np.float64) - truth) / 255.0)
            return float((squares if missing is None else squares[missing]).mean())

        def errors(state: Any, scene: Scene, view: Any = view, off: Any = off) -> tuple[float, ...]:
            return off(judge.restored(state)), 1.0 - _f1(scene, view.things)

        trivial = off(mean), 1.0 - _f1(Scene(0.0, ()), view.things)
        yield Input(Observation("recorded", "camera", 0.0, index, frame), errors, trivial)


def _views(seeds: range, count: int, sampler: Any) -> Iterator[Any]:
    each = math.ceil(count / len(seeds))
    for position, seed in enumerate(seeds):
        views = sampler(seed)
        try:
            rng = np.random.default_rng([seed, 1])
            for _ in range(min(each, count - position * each)):
                yield views.sample(rng)
        finally:
            views.close()


def _f1(scene: Scene, things: Sequence[Any]) -> float:
    """F1 of detections: each thing is found once, by its class and where it is. What is too small
    or too far to be asked for does no harm if it is found. 1 where there is nothing to see."""
    from models.vision.evaluate import RANGE_M, REQUIRED_PX, USEFUL
    from models.vision.layout import SMALL_CLASSES
    from models.vision.reading import relations

    def slot(label: str) -> str:
        return "objects" if label in SMALL_CLASSES else "furniture"

    boxes = np.array([thing.box_px for thing in things], np.float32).reshape(-1, 4)
    taken = np.zeros(len(things), bool)
    for found in sorted(scene.detections, key=lambda one: -one.confidence):
        overlap, _, apart_px = relations(np.array(found.box_px, np.float32), boxes)
        kind = slot(found.label)
        same = np.array([thing.label == found.label for thing in things], bool)
        fits = same & ((overlap >= USEFUL.overlap[kind]) | (apart_px < USEFUL.middle_px[kind]))
        fits &= ~taken
        if fits.any():
            taken[int(np.argmin(np.where(fits, apart_px, np.inf)))] = True
    required = np.array(
        [
            thing.visible_px >= REQUIRED_PX[slot(thing.label)]
            and thing.distance_m <= RANGE_M[slot(thing.label)]
            for thing in things
        ],
        bool,
    )
    wrong = len(scene.detections) - int(taken.sum())
    missed = int((required & ~taken).sum())
    right = int(taken.sum())
    return 1.0 if right + wrong + missed == 0 else 2.0 * right / (2.0 * right + wrong + missed)


def _commands(seeds: range, count: int) -> Iterator[Input]:
    """Commands that the grammar makes anew, every tenth none at all, said with more or less noise.

    Measures: share of the form's tokens that are wrong (edit distance), and whether any is. The
    trivial answer is the form that is most frequent.
    """
    from models.language import grammar
    from models.language.corpus import noisy
    from sage.values import Utterance

    usual = random.Random(0)
    frequent, _ = Counter(grammar.sample(usual, 0.1)[1] for _ in range(2000)).most_common(1)[0]
    rng = random.Random(f"commands {seeds.start}")
    seen: set[str] = set()
    while len(seen) < count:
        meant, form = grammar.sample(rng, 0.1)
        text = " ".join(noisy(meant.split(), rng, rng.choice((0.0, 0.7, 1.5, 3.0))))
        if text in seen:
            continue
        seen.add(text)
        wanted = form.split()

        def errors(state: Any, meaning: Any, wanted: list[str] = wanted) -> tuple[float, ...]:
            return _wrong_tokens(list(meaning.form), wanted)

        heard = Observation("recorded", "speech", 0.0, len(seen), Utterance(text))
        trivial = _wrong_tokens(frequent.split(), wanted)
        yield Input(heard, errors, trivial, frozenset((meant, text)))


def _wrong_tokens(form: Sequence[str], wanted: Sequence[str]) -> tuple[float, float]:
    """Edit distance over the longer form's length, and 0 or 1: exact or not."""
    row = list(range(len(wanted) + 1))
    for done, token in enumerate(form, 1):
        above, row[0] = row[0], done
        for at, other in enumerate(wanted, 1):
            above, row[at] = row[at], min(row[at] + 1, row[at - 1] + 1, above + (token != other))
    return row[-1] / max(len(form), len(wanted)), float(list(form) != list(wanted))


def _drives(seeds: range, count: int) -> Iterator[Input]:
    """Drives through apartments of which the robot has seen a part; some go on from a plan.

    Measure: the cost (metres of delay) of the plan where everything that stands around is known,
    above the least one that a long search found. The trivial answer is to stand still, and no plan
    is worse: the safety gate stops one that would touch something.
    """
    from plugins.control import ControlConfig, ControlPlugin, _costs
    from sage.navigation.motion import predict, roll_out
    from sage.worlds.apartment.layout import make_layout

    thorough = ControlPlugin(ControlConfig(samples=1024, noise_decay=0.93))
    search = HaltPolicy(max_steps=24, slope_eps=0.0, window=24)
    each = math.ceil(count / len(seeds))
    made = 0
    for seed in seeds:
        place = _Place(make_layout(seed))
        rng = np.random.default_rng([seed, 2])
        for _ in range(min(each, count - made)):
            task, truth = place.drive(rng)
            if rng.random() < 0.6:  # most plans go on from one made a cycle ago
                before = refine(ControlPlugin(), task).result
                assert before is not None
                pose, twist = predict(task.pose, task.twist, 0.1, task.limits, before)
                more = {
                    "pose": pose, "twist": twist, "start_s": 0.1, "previous": before,
                    "seed": task.seed + 1,
                }  # fmt: skip
                task, truth = replace(task, **more), replace(truth, **more)
            config = ControlPlugin().config

            def cost_m(plan: ActionPlan, truth: Any = truth, config: Any = config) -> float:
                twists = plan.twists[:, None]
                poses = roll_out(twists, truth.pose, truth.twist, config.step_s)
                return float(_costs(twists, poses, truth, config)[0])

            searches = [
                refine(thorough, replace(truth, seed=truth.seed + extra), policy=search).result
                for extra in (0, 1)
            ]
            searches.append(refine(thorough, task, policy=search).result)
            least_m = min(cost_m(plan) for plan in searches if plan is not None)
            still = ActionPlan(
                np.zeros((config.steps, 2)),
                np.zeros((config.steps + 1, 3)),
                config.step_s,
                0.0,
                True,
            )
            still_m = cost_m(still)
            least_m = min(least_m, still_m)
            made += 1

            def errors(
                state: Any,
                plan: ActionPlan,
                cost_m: Any = cost_m,
                least_m: float = least_m,
                still_m: float = still_m,
            ) -> tuple[float, ...]:
                return (min(cost_m(plan), still_m) - least_m,)

            yield Input(task, errors, (still_m - least_m,))


class _Place:
    """An apartment as it is, and as a robot gets to see it."""

    def __init__(self, layout: Any) -> None:
        from sage.navigation.localisation import WallCaster
        from sage.worlds.apartment.layout import free_cells

        self._map = layout.static_map
        self._frame = GridFrame.around(self._map.bounds)
        people = [(p.x_m - 0.2, p.y_m - 0.2, p.x_m + 0.2, p.y_m + 0.2) for p in layout.people]
        solid: list[Rectangle] = [
            *self._map.walls, *(tuple(piece.footprint) for piece in layout.furniture), *people
        ]  # fmt: skip
        self._truth = Costmap(self._frame, wall_distance(self._frame, solid, self._map.bounds))
        self._caster = WallCaster(solid)
        free, x_m, y_m = free_cells(layout, 0.3)
        rows, columns = np.nonzero(free)
        self._free = np.stack([x_m[columns], y_m[rows]], axis=1)

    def drive(self, rng: np.random.Generator) -> tuple[Any, Any]:
        """A task as the robot would be given it, and the same task on the true map."""
        from sage.navigation.obstacles import ObstacleLayer
        from sage.navigation.route import distance_map
        from sage.navigation.task import ControlTask

        while True:
            start, goal = self._free[rng.integers(len(self._free), size=2)]
            pose = Pose(float(start[0]), float(start[1]), float(rng.uniform(-math.pi, math.pi)))
            layer = ObstacleLayer(self._map.walls, self._map.bounds)
            away = np.hypot(*(self._free - start).T)
            near = self._free[away < 1.5]
            for _ in range(int(rng.integers(1, 5))):
                spot = near[rng.integers(len(near))]
                self._look(layer, Pose(float(spot[0]), float(spot[1]), pose.yaw_rad), rng)
            self._look(layer, pose, rng)
            seen = layer.costmap()
            to_go = distance_map(seen, (float(goal[0]), float(goal[1])))
            truth = distance_map(self._truth, (float(goal[0]), float(goal[1])))
            if truth.reachable(*start) and to_go.reachable(*start):
                break
        moving = rng.random() < 0.5
        twist = Twist(float(rng.uniform(0.0, 0.8)), float(rng.normal(0.0, 0.4)))
        seed = int(rng.integers(1 << 31))
        task = ControlTask(0.0, 0.0, pose, twist if moving else Twist(), to_go, seen, seed=seed)
        return task, replace(task, to_go=truth, costmap=self._truth)

    def _look(self, layer: Any, pose: Pose, rng: np.random.Generator) -> None:
        from sage.values import RangeScan

        bearings = np.linspace(-math.pi, math.pi, 72, endpoint=False)
        ranges, _ = self._caster.cast(pose.x_m, pose.y_m, bearings + pose.yaw_rad)
        noisy = np.clip(ranges + 0.01 * rng.standard_normal(len(bearings)), 0.0, 8.0)
        for _ in range(2):
            layer.add(RangeScan(noisy, bearings, 8.0), pose)


SOURCES: Final[Mapping[str, Source]] = MappingProxyType(
    {
        "vision": Source(_vision, ("reconstruction", "detection"), _frames),
        "language": Source(_language, ("tokens", "form"), _commands),
        "control": Source(_control, ("delay_m",), _drives),
    }
)
"""What curves are recorded of: a further plugin is one more entry."""

__all__ = ["SOURCES", "Input", "Source"]
