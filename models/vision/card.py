"""The generated model card: data, settings, hashes, and figures beside trivial baselines."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from models.vision import artifacts, data
from models.vision import evaluate as ev
from models.vision.card_text import card_text
from models.vision.degradation import KINDS
from models.vision.halting import (
    LOSS_ALLOWED,
    SLOPE_EPS,
    calibrated_tolerance_db,
    halting_step,
    psnr_db,
)
from models.vision.layout import SLOTS, STEPS
from models.vision.reading import Calibration
from models.vision.restoration import Restoration, restoration_figures, restore, spearman
from models.vision.tracing import Backends, latency_ms
from sage.worlds.apartment.robot import CAMERA

if TYPE_CHECKING:
    from models.vision.settings import TrainConfig

#: Views that are degraded in every way, evenly taken from the whole set.
RESTORED_VIEWS: Final = 48
_CALIBRATION_SEED, _TEST_SEED = 31, 41


def make_card(
    folder: Path,
    files: dict[str, Any],
    config: TrainConfig,
    views: data.ViewSet,
    photographs: Path,
) -> dict[str, Any]:
    """Calibrate and measure the weights in ``folder``; writes ``card.json`` and ``CARD.md``.

    ``files`` is what :func:`models.vision.export.export` returned. Nothing is calibrated on what is
    measured: views of other apartments, and of the photographs that training never saw every
    other one.
    """
    focal = CAMERA.focal_px
    weights = {name: (folder / f"{name}.onnx").read_bytes() for name in artifacts.GRAPHS}
    graphs = artifacts.backends(weights)
    training, validation = data.load(views), data.load(data.VALIDATION_VIEWS)
    held_out = data.photographs(photographs)[1]
    tolerance_db = _tolerance_db(graphs, held_out[::2], validation)
    read = ev.collect(graphs, validation, focal, tolerance_db)[ev.LAST]
    calibration = ev.calibrate(read)
    card: dict[str, Any] = {
        "model": "vision",
        "files": files,
        "focal_px": focal,
        "room_scale": ev.room_scale(read.rooms),
        "tolerance_db": tolerance_db,
        "calibration": {name: asdict(rule) for name, rule in calibration.items()},
        "training": {
            **asdict(config),
            "iterations": config.iterations,
            "config_hash": config.digest,
            "views": asdict(views),
            "validation_views": asdict(data.VALIDATION_VIEWS),
            "test_views": asdict(data.TEST_VIEWS),
            "calibration_photographs": len(held_out[::2]),
            "loss_allowed": LOSS_ALLOWED,
            "slope_eps": SLOPE_EPS,
            "torch": torch.__version__,
        },
    }
    # Written before measuring, so that the control can read which bytes are weights.
    _write(folder, card)
    card["figures"] = _figures(folder, graphs, calibration, tolerance_db, training, held_out[1::2])
    _write(folder, card)
    card = artifacts.load_card(folder)
    (folder / "CARD.md").write_text(card_text(card), encoding="utf-8")
    return card


def _some(frames: data.LabelledFrames) -> np.ndarray:
    return frames.frames[:: max(len(frames) // RESTORED_VIEWS, 1)][:RESTORED_VIEWS]


def _tolerance_db(
    graphs: Backends, photographs: np.ndarray, validation: data.LabelledFrames
) -> float:
    """Calibrated on photographs (on views where there are none), all degradations alike."""
    pictures = photographs if len(photographs) else _some(validation)
    grey = np.full_like(pictures[0], 128)
    measured = [restore(graphs, pictures, kind, _CALIBRATION_SEED, grey) for kind in KINDS]
    return calibrated_tolerance_db(
        np.concatenate([m.true_error for m in measured]),
        np.concatenate([m.expected for m in measured]),
    )


def _plain(value: Any) -> Any:
    """The same data for JSON: rounded, and null where a figure could not be measured."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


def _write(folder: Path, card: dict[str, Any]) -> None:
    text = json.dumps(_plain(card), indent=1, sort_keys=True, allow_nan=False)
    (folder / artifacts.CARD).write_text(text + "\n", encoding="utf-8")


def _figures(
    folder: Path,
    graphs: Backends,
    calibration: Calibration,
    tolerance_db: float,
    training: data.LabelledFrames,
    photographs: np.ndarray,
) -> dict[str, Any]:
    focal = CAMERA.focal_px
    test = data.load(data.TEST_VIEWS)
    mean = training.frames[:: max(len(training) // 500, 1)].mean(0).round().astype(np.uint8)
    figures: dict[str, Any] = {
        "test_views": len(test),
        "latency_ms": latency_ms(graphs, test.frames[0]),
    }
    figures["views"] = _restored(graphs, _some(test), mean, tolerance_db)
    if len(photographs):
        figures["photographs"] = _restored(graphs, photographs, mean, tolerance_db)
        figures["detections_per_photograph"] = ev.false_detections(graphs, photographs, calibration)
    tallies = {
        name: ev.collect(graphs, test, focal, tolerance_db, degraded)
        for name, degraded in (("clean", False), ("degraded", True))
    }
    figures["detection"] = {
        name: {moment: ev.figures_at(tally, calibration) for moment, tally in part.items()}
        for name, part in tallies.items()
    }
    random = artifacts.backends(artifacts.random_weights(1, folder))
    control = ev.collect(random, test, focal, tolerance_db, limit=120)[ev.LAST]
    figures["detection"]["shuffled weights"] = {ev.LAST: ev.figures_at(control, calibration)}
    figures["majority_room_accuracy"] = ev.majority_room_accuracy(training.rooms, test.rooms)
    figures["same_place"] = _same_place(test, tallies)
    shuffled = [restore(random, _some(test)[::4], kind, _TEST_SEED, mean) for kind in KINDS]
    figures["shuffled_weights_psnr_db"] = float(
        np.mean([psnr_db(m.true_error[:, -1]).mean() for m in shuffled])
    )
    return figures


def _restored(
    graphs: Backends, pictures: np.ndarray, mean: np.ndarray, tolerance_db: float
) -> dict[str, Any]:
    """Figures per degradation, and over all of them: halting against what there was to gain."""
    measured = {kind: restore(graphs, pictures, kind, _TEST_SEED, mean) for kind in KINDS}
    out: dict[str, Any] = {
        kind: restoration_figures(part, tolerance_db) for kind, part in measured.items()
    }
    whole = Restoration(
        np.concatenate([m.true_error for m in measured.values()]),
        np.concatenate([m.expected for m in measured.values()]),
        {
            name: np.concatenate([m.baselines[name] for m in measured.values()])
            for name in measured[KINDS[0]].baselines
        },
    )
    psnr = psnr_db(whole.true_error)
    steps = np.array([halting_step(e, tolerance_db) for e in whole.expected], np.float64)
    out["all"] = restoration_figures(whole, tolerance_db)
    out["all"]["halting_rho"] = spearman(steps, psnr[:, -1] - psnr[:, 1])
    return out


def _same_place(
    test: data.LabelledFrames, tallies: dict[str, dict[str, ev.Tally]]
) -> dict[str, float]:
    """How often the nearest stored view is of the same room of the same apartment."""
    each = data.TEST_VIEWS.frames_per_seed
    places = [(index // each, int(room)) for index, room in enumerate(test.rooms)]
    stored = np.stack(tallies["clean"]["halted"].embeddings)
    thumbnails = np.stack([ev.thumbnail_vector(frame) for frame in test.frames])
    centred = thumbnails - thumbnails.mean(0)
    return {
        "embedding": ev.same_place(stored, stored, places),
        "embedding, degraded query": ev.same_place(
            np.stack(tallies["degraded"]["halted"].embeddings), stored, places
        ),
        "thumbnail": ev.same_place(centred, centred, places),
    }


def summary(card: dict[str, Any]) -> str:
    """A few lines for the terminal."""
    figures = card["figures"]
    lines = []
    for name in ("photographs", "views"):
        if name not in figures:
            continue
        at = figures[name]["all"]
        lines.append(
            f"{name}: PSNR {at['psnr_db']['0']:.2f} dB before, {at['psnr_db']['1']:.2f} after step "
            f"1, {at['psnr_db'][str(STEPS)]:.2f} after step {STEPS}; halted after "
            f"{at['halting_step']:.1f} steps at {at['psnr_halted_db']:.2f}"
        )
    for name in ("clean", "degraded"):
        at = figures["detection"][name]["halted"]
        for slot in SLOTS:
            of = at[slot.name]
            lines.append(
                f"{name} {slot.name}: F1 {of['f1']:.3f}, recall {of['recall']:.3f}, "
                f"precision {of['precision']:.3f}"
            )
        lines.append(f"{name}: F1 {at['f1']:.3f}, room {at['room_accuracy']:.3f}")
    return "\n".join(lines)
