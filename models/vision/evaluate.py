"""Measure exported vision weights on held-out views: what the card says comes from here."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.backends import OnnxRuntimeBackend
from models.vision.augment import degrade
from models.vision.data import LABELS, LabelledFrames
from models.vision.layout import INPUT_PX, ROOMS, SLOTS, STEPS, THUMBNAIL_PX
from models.vision.reading import Calibration, Found, SlotCalibration, relations, things_in

#: A detection is right if its class is and its box overlaps the true one by at least this
#: (intersection over union), or their middles are nearer than this: a tray seen from its side is
#: four pixels high.
MATCH_OVERLAP: Final = {"furniture": 0.4, "objects": 0.3}
MATCH_MIDDLE_PX: Final = {"furniture": 0.0, "objects": 6.0}
#: Recall is asked for things of which at least so much is seen (a cupboard's edge at the rim of
#: the picture tells nobody what it is), and which are at most this far away.
REQUIRED_PX: Final = {"furniture": 400.0, "objects": 25.0}
RANGE_M: Final = {"furniture": 3.5, "objects": 1.8}
PRECISION_WANTED: Final = 0.95

Backends = Mapping[str, OnnxRuntimeBackend]
Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Curve:
    """One frame refined: per latent (the initial one first) energy, maps, room logits, picture."""

    energies: list[float]
    maps: list[Float32Array]
    rooms: list[Float32Array]
    pictures: list[Float32Array]


def refine_frame(graphs: Backends, frame: npt.NDArray[np.uint8], steps: int = STEPS) -> Curve:
    """Encode a (224, 224, 3) frame and refine it, reading the heads after every step."""
    state = graphs["encode"].infer({"frame": np.ascontiguousarray(frame)[None]})
    energies, maps, rooms, pictures = [float(state.pop("energy")[0])], [], [], []
    for step in range(steps + 1):
        read = graphs["read"].infer({"latent": state["latent"]})
        maps.append(read["maps"][0])
        rooms.append(read["room_logits"][0])
        pictures.append((state["thumbnail"] - state["residual"])[0])
        if step == steps:
            break
        out = graphs["step"].infer({**state, "step": np.array(step, np.int64)})
        state = {**state, "latent": out["next_latent"], "residual": out["next_residual"]}
        energies.append(float(out["energy"][0]))
    return Curve(energies, maps, rooms, pictures)


def clean_thumbnail(frame: npt.NDArray[np.uint8]) -> Float32Array:
    """(224, 224, 3) uint8 to the (3, 56, 56) area average in [0, 1]."""
    fold = INPUT_PX // THUMBNAIL_PX
    blocks = frame.astype(np.float32).reshape(THUMBNAIL_PX, fold, THUMBNAIL_PX, fold, 3)
    return np.asarray(blocks.mean((1, 3)).transpose(2, 0, 1) / 255.0, np.float32)


@dataclass(frozen=True, slots=True)
class Match:
    """One detection held against the truth; errors are NaN where it is wrong."""

    slot: str
    logit: float
    right: bool
    bearing_error_rad: float
    distance_error: float


def match(
    found: list[Found], things: npt.NDArray[Any], focal_px: float
) -> tuple[list[Match], list[tuple[str, float]]]:
    """Detections matched greedily to things, and for every thing that had to be found its
    (slot, logit of its detection), -inf where there is none."""
    taken = np.full(len(things), -math.inf)
    matches = []
    boxes = things["box_px"]
    for item in sorted(found, key=lambda f: -f.logit):
        same = things["label"] == LABELS.index(item.label)
        overlap, _, apart_px = relations(np.array(item.box_px, np.float32), boxes)
        agrees = (overlap >= MATCH_OVERLAP[item.slot]) | (apart_px < MATCH_MIDDLE_PX[item.slot])
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


def calibrate(matches: list[Match]) -> Calibration:
    """Platt scaling per slot, and the smallest confidence that keeps the wanted precision."""
    calibration = {}
    for slot in SLOTS:
        mine = [m for m in matches if m.slot == slot.name]
        logits = np.array([m.logit for m in mine])
        right = np.array([m.right for m in mine], np.float64)
        scale, bias = _logistic_fit(logits, right)
        order = np.argsort(-logits)
        precision = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
        enough = np.flatnonzero(precision >= PRECISION_WANTED)
        rule = SlotCalibration(scale, bias)
        last = logits[order][enough[-1]] if len(enough) else logits.max(initial=0.0)
        threshold = min(max(rule.probability(float(last)), 0.3), 0.9)
        calibration[slot.name] = SlotCalibration(scale, bias, round(threshold, 3))
    return calibration


def _logistic_fit(
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


@dataclass(slots=True)
class _Tally:
    matches: list[Match]
    required: list[tuple[str, float]]
    rooms_right: int = 0
    rooms: int = 0


def collect(
    graphs: Backends,
    frames: LabelledFrames,
    focal_px: float,
    degraded: bool = False,
    limit: int | None = None,
) -> tuple[list[_Tally], npt.NDArray[np.float64], npt.NDArray[np.float64], list[Any]]:
    """Refine a set: per step the matches, energies (N, steps + 1), true errors, room logits."""
    tallies = [_Tally([], []) for _ in range(STEPS + 1)]
    energies, errors, rooms = [], [], []
    rng = np.random.default_rng(7)
    for index in range(min(len(frames), limit or len(frames))):
        frame = seen = np.asarray(frames.frames[index])
        if degraded:
            worse = degrade(frame.astype(np.float32) / np.float32(255.0), rng)
            seen = np.round(worse * 255.0).astype(np.uint8)
        curve = refine_frame(graphs, seen)
        truth = clean_thumbnail(frame)
        energies.append(curve.energies)
        errors.append([float(np.square(p - truth).mean()) for p in curve.pictures])
        for tally, maps, room in zip(tallies, curve.maps, curve.rooms, strict=True):
            matches, required = match(things_in(maps), frames.of(index), focal_px)
            tally.matches += matches
            tally.required += required
            if frames.rooms[index] >= 0:
                tally.rooms += 1
                tally.rooms_right += int(room.argmax() == frames.rooms[index])
        rooms.append((curve.rooms[-1], int(frames.rooms[index])))
    return tallies, np.array(energies), np.array(errors), rooms


def figures_at(tally: _Tally, calibration: Calibration) -> dict[str, Any]:
    """Recall, precision, errors and calibration error of one step's detections, by slot."""
    out: dict[str, Any] = {"room_accuracy": tally.rooms_right / max(tally.rooms, 1)}
    for slot in SLOTS:
        rule = calibration[slot.name]
        mine = [m for m in tally.matches if m.slot == slot.name]
        kept = [m for m in mine if rule.probability(m.logit) >= rule.threshold]
        right = [m for m in kept if m.right]
        wanted = [logit for name, logit in tally.required if name == slot.name]
        hit = sum(rule.probability(v) >= rule.threshold for v in wanted if v > -math.inf)
        out[slot.name] = {
            "recall": hit / max(len(wanted), 1),
            "precision": len(right) / max(len(kept), 1),
            "average_precision": _average_precision(mine, wanted),
            "required": len(wanted),
            "bearing_error_deg_p50": _percentile([m.bearing_error_rad for m in right], 50, True),
            "bearing_error_deg_p90": _percentile([m.bearing_error_rad for m in right], 90, True),
            "distance_error_p50": _percentile([m.distance_error for m in right], 50),
            "calibration_error": _calibration_error(kept, rule),
        }
    return out


def _percentile(values: list[float], percent: float, degrees: bool = False) -> float:
    if not values:
        return math.nan
    value = float(np.percentile(values, percent))
    return math.degrees(value) if degrees else value


def _average_precision(matches: list[Match], wanted: list[float]) -> float:
    """Mean over the required things of the precision at which each is found; 0 if it is not."""
    ranked = sorted(matches, key=lambda m: -m.logit)
    logits = np.array([m.logit for m in ranked])
    precision = np.cumsum([m.right for m in ranked]) / np.arange(1, len(ranked) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1] if len(ranked) else precision
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


def room_scale(rooms: list[Any]) -> float:
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


def photograph_figures(
    graphs: Backends, photographs: npt.NDArray[np.uint8], calibration: Calibration
) -> dict[str, Any]:
    """Reconstruction error per step and false detections on natural photographs."""
    errors, false, flat = [], 0, []
    for picture in photographs:
        curve = refine_frame(graphs, picture)
        truth = clean_thumbnail(picture)
        errors.append([float(np.square(p - truth).mean()) for p in curve.pictures])
        flat.append(float(np.square(truth - truth.mean((1, 2), keepdims=True)).mean()))
        false += len(things_in(curve.maps[-1], calibration))
    return {
        "photographs": len(photographs),
        "true_error": np.mean(errors, 0).tolist() if errors else [],
        "flat_colour_error": float(np.mean(flat)) if flat else math.nan,
        "detections_per_photograph": false / max(len(photographs), 1),
    }


def latency_ms(graphs: Backends, frame: npt.NDArray[np.uint8], runs: int = 60) -> dict[str, float]:
    """p50 and p95 of encode, four steps and one read, in milliseconds, warm."""
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        state = graphs["encode"].infer({"frame": frame[None]})
        state.pop("energy")
        for step in range(STEPS):
            out = graphs["step"].infer({**state, "step": np.array(step, np.int64)})
            state = {**state, "latent": out["next_latent"], "residual": out["next_residual"]}
        maps = graphs["read"].infer({"latent": state["latent"]})["maps"]
        things_in(maps[0])
        times.append((time.perf_counter() - started) * 1e3)
    return {"p50": float(np.percentile(times, 50)), "p95": float(np.percentile(times, 95))}


def majority_room_accuracy(train_rooms: npt.NDArray[Any], test_rooms: npt.NDArray[Any]) -> float:
    """How often the most frequent training room is right: the trivial baseline."""
    counts = np.bincount(train_rooms[train_rooms >= 0], minlength=len(ROOMS))
    return float((test_rooms[test_rooms >= 0] == counts.argmax()).mean())


def input_error(frames: LabelledFrames) -> float:
    """True error of the degraded observation itself: what doing nothing gives."""
    rng = np.random.default_rng(7)
    errors = []
    for frame in frames.frames:
        worse = degrade(frame.astype(np.float32) / np.float32(255.0), rng)
        seen = np.round(worse * 255.0).astype(np.uint8)
        errors.append(float(np.square(clean_thumbnail(seen) - clean_thumbnail(frame)).mean()))
    return float(np.mean(errors))
