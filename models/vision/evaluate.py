"""Measure what exported vision weights read from held-out views: things, room, embedding."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.vision.data import LABELS, LabelledFrames
from models.vision.degradation import KINDS, degrade
from models.vision.halting import delivered_step, halting_step
from models.vision.layout import INPUT_PX, ROOMS, SLOTS, STEPS
from models.vision.reading import Calibration, Found, SlotCalibration, relations, things_in
from models.vision.tracing import Backends, refine_frame

#: Recall is asked for things of which at least so much is seen (a cupboard's edge at the rim of
#: the picture tells nobody what it is), and which are at most this far away.
REQUIRED_PX: Final = {"furniture": 400.0, "objects": 25.0}
RANGE_M: Final = {"furniture": 3.5, "objects": 1.8}
#: Thresholds are those of the largest F1 at which so much of what is reported is right.
PRECISION_WANTED: Final = 0.9
#: Refinements are read at these moments.
MOMENTS: Final = ("step 1", "halted", f"step {STEPS}")
LAST: Final = MOMENTS[-1]
_THUMBNAIL_PX: Final = 14
Float32Array = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class MatchRule:
    """A detection is right if its class is and its box overlaps the true one by at least
    ``overlap`` (intersection over union), or their middles are nearer than ``middle_px``."""

    overlap: Mapping[str, float]
    middle_px: Mapping[str, float]


#: What is good enough to drive to and to grip: a tray seen from its side is four pixels high.
MATCH_OVERLAP: Final = {"furniture": 0.4, "objects": 0.3}
MATCH_MIDDLE_PX: Final = {"furniture": 0.0, "objects": 6.0}
USEFUL: Final = MatchRule(MATCH_OVERLAP, MATCH_MIDDLE_PX)
#: The field's usual criterion.
STRICT: Final = MatchRule({"furniture": 0.5, "objects": 0.5}, {"furniture": 0.0, "objects": 0.0})


@dataclass(frozen=True, slots=True)
class Match:
    """One detection held against the truth; errors are NaN where it is wrong."""

    slot: str
    logit: float
    right: bool
    bearing_error_rad: float
    distance_error: float


def match(
    found: list[Found], things: npt.NDArray[Any], focal_px: float, rule: MatchRule = USEFUL
) -> tuple[list[Match], list[tuple[str, float]]]:
    """Detections matched greedily to things, and for every thing that had to be found its
    (slot, logit of its detection), -inf where there is none."""
    taken = np.full(len(things), -math.inf)
    matches = []
    boxes = things["box_px"]
    for item in sorted(found, key=lambda f: -f.logit):
        same = things["label"] == LABELS.index(item.label)
        overlap, _, apart_px = relations(np.array(item.box_px, np.float32), boxes)
        agrees = (overlap >= rule.overlap[item.slot]) | (apart_px < rule.middle_px[item.slot])
        fits = same & agrees & (taken == -math.inf)
        if not fits.any():
            matches.append(Match(item.slot, item.logit, False, math.nan, math.nan))
            continue
        best = int(np.argmin(np.where(fits, apart_px, np.inf)))
        taken[best] = item.logit
        bearing = -math.atan2(item.column_px - 0.5 * INPUT_PX, focal_px)
        thing = things[best]
        matches.append(
            Match(
                item.slot,
                item.logit,
                True,
                abs(bearing - float(thing["bearing_rad"])),
                abs(item.distance_m / float(thing["distance_m"]) - 1.0),
            )
        )
    required = []
    for thing, logit in zip(things, taken, strict=True):
        slot = next(s.name for s in SLOTS if LABELS[thing["label"]] in s.classes)
        if thing["visible_px"] >= REQUIRED_PX[slot] and thing["distance_m"] <= RANGE_M[slot]:
            required.append((slot, float(logit)))
    return matches, required


@dataclass(slots=True)
class Outcomes:
    """Detections of many frames held against the truth by one rule, and the required things."""

    matches: list[Match] = field(default_factory=list)
    required: list[tuple[str, float]] = field(default_factory=list)

    def add(
        self, found: list[Found], things: npt.NDArray[Any], focal_px: float, rule: MatchRule
    ) -> None:
        """Count one more frame."""
        matches, required = match(found, things, focal_px, rule)
        self.matches += matches
        self.required += required

    def of(self, slot: str) -> tuple[list[Match], npt.NDArray[np.float64]]:
        """Detections of one slot, most certain first, and the logits of its required things."""
        mine = sorted((m for m in self.matches if m.slot == slot), key=lambda m: -m.logit)
        return mine, np.array([logit for name, logit in self.required if name == slot], np.float64)


@dataclass(slots=True)
class Tally:
    """What was read at one moment of every refinement."""

    useful: Outcomes = field(default_factory=Outcomes)
    strict: Outcomes = field(default_factory=Outcomes)
    rooms: list[tuple[Float32Array, int]] = field(default_factory=list)
    embeddings: list[Float32Array] = field(default_factory=list)

    @property
    def room_accuracy(self) -> float:
        """How often the most probable room is the true one."""
        known = [logits.argmax() == truth for logits, truth in self.rooms if truth >= 0]
        return float(np.mean(known)) if known else math.nan


def collect(
    graphs: Backends,
    frames: LabelledFrames,
    focal_px: float,
    tolerance_db: float,
    degraded: bool = False,
    limit: int | None = None,
) -> dict[str, Tally]:
    """Refine a set of views, each degraded by a kind of its own if asked; a tally per moment."""
    tallies = {moment: Tally() for moment in MOMENTS}
    rng = np.random.default_rng(7)
    for index in range(min(len(frames), limit or len(frames))):
        seen, missing = np.asarray(frames.frames[index]), None
        if degraded:
            clean = seen.astype(np.float32) / np.float32(255.0)
            harmed = degrade(clean, KINDS[index % len(KINDS)], rng)
            seen, missing = harmed.seen, harmed.missing
        trace = refine_frame(graphs, seen, missing)
        halted = delivered_step(trace.errors, halting_step(trace.errors, tolerance_db))
        steps = {"step 1": 1, "halted": halted, LAST: STEPS}
        read = {}
        for step in set(steps.values()):
            read[step] = graphs["read"].infer({"latent": trace.latents[step]})
        for moment, tally in tallies.items():
            out = read[steps[moment]]
            found = things_in(out["maps"][0])
            tally.useful.add(found, frames.of(index), focal_px, USEFUL)
            tally.strict.add(found, frames.of(index), focal_px, STRICT)
            tally.rooms.append((out["room_logits"][0], int(frames.rooms[index])))
            tally.embeddings.append(out["embedding"][0])
    return tallies


def calibrate(tally: Tally) -> Calibration:
    """Per slot: Platt scaling of what is useful, and the confidence of the largest strict F1."""
    calibration = {}
    for slot in SLOTS:
        useful, _ = tally.useful.of(slot.name)
        logits = np.array([m.logit for m in useful])
        scale, bias = logistic_fit(logits, np.array([m.right for m in useful], np.float64))
        strict, wanted = tally.strict.of(slot.name)
        rule = SlotCalibration(scale, bias)
        threshold = min(max(rule.probability(_best_logit(strict, wanted)), 0.05), 0.95)
        calibration[slot.name] = SlotCalibration(scale, bias, round(threshold, 3))
    return calibration


def _best_logit(matches: list[Match], wanted: npt.NDArray[np.float64]) -> float:
    """From which logit on F1 is largest, among those that keep the precision that is wanted (the
    most precise one where none does); ``matches`` in falling order of certainty."""
    if not matches:
        return 0.0
    logits = np.array([m.logit for m in matches])
    precision = np.cumsum([m.right for m in matches]) / np.arange(1, len(matches) + 1)
    hit = (wanted[None, :] >= logits[:, None]).sum(1)
    recall = hit / max(len(wanted), 1)
    enough = precision >= min(PRECISION_WANTED, float(precision.max()))
    f1 = 2.0 * precision * recall / np.maximum(precision + recall, 1e-9)
    best = int(np.argmax(np.where(enough, f1, -1.0)))
    # Half way to the next one: no detection sits on the threshold itself.
    following = logits[best + 1] if best + 1 < len(logits) else logits[best]
    return float(0.5 * (logits[best] + following))


def logistic_fit(
    logits: npt.NDArray[np.float64], right: npt.NDArray[np.float64]
) -> tuple[float, float]:
    """Scale and bias of the best sigmoid (Newton's method, slightly regularised)."""
    if len(logits) == 0:
        return 1.0, 0.0
    design = np.stack([logits, np.ones_like(logits)], 1)
    weights = np.array([1.0, 0.0])
    for _ in range(50):
        guess = 1.0 / (1.0 + np.exp(-np.clip(design @ weights, -30, 30)))
        slope = design.T @ (guess - right) + 1e-2 * (weights - [1.0, 0.0])
        curvature = (design * (guess * (1 - guess))[:, None]).T @ design + 1e-2 * np.eye(2)
        weights = weights - np.linalg.solve(curvature, slope)
    return max(float(weights[0]), 0.05), float(weights[1])


def figures_at(tally: Tally, calibration: Calibration) -> dict[str, Any]:
    """Recall, precision, F1 and errors of one moment's detections by slot, and the room's."""
    out: dict[str, Any] = {"room_accuracy": tally.room_accuracy, "f1": _f1(tally, calibration)}
    for slot in SLOTS:
        rule = calibration[slot.name]
        mine, wanted = tally.useful.of(slot.name)
        kept = [m for m in mine if rule.probability(m.logit) >= rule.threshold]
        right = [m for m in kept if m.right]
        bearing_rad = [m.bearing_error_rad for m in right]
        precision, recall = _precision_recall(tally.useful, slot.name, rule)
        strict = _precision_recall(tally.strict, slot.name, rule)
        out[slot.name] = {
            "recall": recall,
            "precision": precision,
            "f1": _harmonic(*strict),
            "average_precision": _average_precision(mine, wanted),
            "required": len(wanted),
            "bearing_error_deg_p50": math.degrees(_percentile(bearing_rad, 50)),
            "bearing_error_deg_p90": math.degrees(_percentile(bearing_rad, 90)),
            "distance_error_p50": _percentile([m.distance_error for m in right], 50),
            "calibration_error": _calibration_error(kept, rule),
        }
    return out


def _precision_recall(outcomes: Outcomes, slot: str, rule: SlotCalibration) -> tuple[float, float]:
    mine, wanted = outcomes.of(slot)
    kept = [m.right for m in mine if rule.probability(m.logit) >= rule.threshold]
    hit = sum(rule.probability(v) >= rule.threshold for v in wanted if v > -math.inf)
    return sum(kept) / max(len(kept), 1), hit / max(len(wanted), 1)


def _harmonic(precision: float, recall: float) -> float:
    return 2.0 * precision * recall / max(precision + recall, 1e-9)


def _f1(tally: Tally, calibration: Calibration) -> float:
    """F1 over all slots at once, by the strict rule."""
    right = reported = hit = wanted = 0
    for slot in SLOTS:
        rule = calibration[slot.name]
        mine, required = tally.strict.of(slot.name)
        kept = [m.right for m in mine if rule.probability(m.logit) >= rule.threshold]
        right, reported = right + sum(kept), reported + len(kept)
        wanted += len(required)
        hit += sum(rule.probability(v) >= rule.threshold for v in required if v > -math.inf)
    return _harmonic(right / max(reported, 1), hit / max(wanted, 1))


def _percentile(values: list[float], percent: float) -> float:
    return float(np.percentile(values, percent)) if values else math.nan


def _average_precision(matches: list[Match], wanted: npt.NDArray[np.float64]) -> float:
    """Mean over the required things of the precision at which each is found; 0 if it is not."""
    logits = np.array([m.logit for m in matches])
    precision = np.cumsum([m.right for m in matches]) / np.arange(1, len(matches) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1] if len(matches) else precision
    at = [best[np.searchsorted(-logits, -v, "right") - 1] for v in wanted if v > -math.inf]
    return float(np.sum(at)) / max(len(wanted), 1)


def _calibration_error(kept: list[Match], rule: SlotCalibration) -> float:
    """Expected calibration error over ten bins of confidence."""
    if not kept:
        return math.nan
    confidence = np.array([rule.probability(m.logit) for m in kept])
    right = np.array([m.right for m in kept], np.float64)
    bins = np.minimum((confidence * 10).astype(int), 9)
    gaps = [
        abs(confidence[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean()
        for b in np.unique(bins)
    ]
    return float(np.sum(gaps))


def room_scale(rooms: list[tuple[Float32Array, int]]) -> float:
    """The temperature (as a factor on the logits) that best fits the room probabilities."""
    best = (math.inf, 1.0)
    for scale in np.geomspace(0.2, 5.0, 40):
        loss = 0.0
        for logits, truth in rooms:
            if truth >= 0:
                scaled = scale * logits.astype(np.float64)
                loss += float(np.logaddexp.reduce(scaled) - scaled[truth])
        best = min(best, (loss, float(scale)))
    return best[1]


def majority_room_accuracy(train_rooms: npt.NDArray[Any], test_rooms: npt.NDArray[Any]) -> float:
    """How often the most frequent training room is right: the trivial baseline."""
    counts = np.bincount(train_rooms[train_rooms >= 0], minlength=len(ROOMS))
    return float((test_rooms[test_rooms >= 0] == counts.argmax()).mean())


def thumbnail_vector(frame: npt.NDArray[np.uint8]) -> Float32Array:
    """(224, 224, 3) to the (588,) area averages of 14 x 14 parts in [0, 1]."""
    fold = INPUT_PX // _THUMBNAIL_PX
    blocks = frame.astype(np.float32).reshape(_THUMBNAIL_PX, fold, _THUMBNAIL_PX, fold, 3)
    return np.asarray(blocks.mean((1, 3)).reshape(-1) / 255.0, np.float32)


def same_place(queries: Float32Array, stored: Float32Array, places: list[tuple[int, int]]) -> float:
    """How often the nearest other stored view, by cosine, is of the same place as the query.

    ``queries`` and ``stored`` (N, D) are of the same views; ``places`` (apartment, room) of each.
    """
    unit = [
        v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-9) for v in (queries, stored)
    ]
    likeness = unit[0] @ unit[1].T
    np.fill_diagonal(likeness, -np.inf)
    nearest = likeness.argmax(1)
    return float(np.mean([places[i] == places[int(j)] for i, j in enumerate(nearest)]))


def false_detections(
    graphs: Backends, photographs: npt.NDArray[np.uint8], calibration: Calibration
) -> float:
    """Detections per natural photograph, on which there is nothing that the model knows."""
    count = 0
    for picture in photographs:
        latent = refine_frame(graphs, picture).latents[-1]
        count += len(things_in(graphs["read"].infer({"latent": latent})["maps"][0], calibration))
    return count / max(len(photographs), 1)
