"""The generated model card: data, settings, hashes, and figures beside trivial baselines."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from models.vision import artifacts, data
from models.vision import evaluate as ev
from models.vision.layout import SLOTS, STEPS
from models.vision.reading import Calibration
from sage.worlds.apartment.robot import CAMERA

if TYPE_CHECKING:
    from models.vision.settings import TrainConfig


def make_card(
    folder: Path,
    files: dict[str, Any],
    config: TrainConfig,
    views: data.ViewSet,
    photographs: Path,
) -> dict[str, Any]:
    """Calibrate and measure the weights in ``folder``; writes ``card.json`` and ``CARD.md``.

    ``files`` is what :func:`models.vision.export.export` returned.
    """
    focal = CAMERA.focal_px
    weights = {name: (folder / f"{name}.onnx").read_bytes() for name in artifacts.GRAPHS}
    graphs = artifacts.backends(weights)
    tallies, _, _, rooms = ev.collect(graphs, data.load(data.VALIDATION_VIEWS), focal)
    calibration = ev.calibrate(tallies[STEPS].matches)
    card: dict[str, Any] = {
        "model": "vision",
        "files": files,
        "focal_px": focal,
        "room_scale": ev.room_scale(rooms),
        "calibration": {name: asdict(rule) for name, rule in calibration.items()},
        "training": {
            **asdict(config),
            "iterations": config.iterations,
            "config_hash": config.digest,
            "views": asdict(views),
            "validation_views": asdict(data.VALIDATION_VIEWS),
            "test_views": asdict(data.TEST_VIEWS),
            "torch": torch.__version__,
        },
    }
    # Written before measuring, so that the control can read which bytes are weights.
    _write(folder, card)
    card["figures"] = _figures(folder, graphs, calibration, views, photographs)
    _write(folder, card)
    card = artifacts.load_card(folder)
    (folder / "CARD.md").write_text(card_text(card), encoding="utf-8")
    return card


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
    graphs: ev.Backends,
    calibration: Calibration,
    views: data.ViewSet,
    photographs: Path,
) -> dict[str, Any]:
    focal = CAMERA.focal_px
    test = data.load(data.TEST_VIEWS)
    training = data.load(views)
    figures: dict[str, Any] = {"test_frames": len(test)}
    for name, degraded in (("clean", False), ("degraded", True)):
        tallies, energies, errors, _ = ev.collect(graphs, test, focal, degraded)
        figures[name] = {
            "energy": energies.mean(0).tolist(),
            "true_error": errors.mean(0).tolist(),
            "steps_that_lower_energy": float((np.diff(energies, axis=1) < 0).mean()),
            "by_step": [ev.figures_at(tally, calibration) for tally in tallies],
        }
    thumbnails = np.stack([ev.clean_thumbnail(frame) for frame in test.frames])
    some = training.frames[:: max(len(training) // 500, 1)]
    mean = np.mean([ev.clean_thumbnail(frame) for frame in some], 0)
    random = artifacts.backends(artifacts.random_weights(1, folder))
    control, _, control_errors, _ = ev.collect(random, test, focal, limit=120)
    figures["baselines"] = {
        "mean_image_error": float(np.square(thumbnails - mean).mean()),
        "flat_colour_error": float(
            np.square(thumbnails - thumbnails.mean((2, 3), keepdims=True)).mean()
        ),
        "degraded_input_error": ev.input_error(test),
        "majority_room_accuracy": ev.majority_room_accuracy(training.rooms, test.rooms),
        "random_weights_error": float(control_errors[:, -1].mean()),
        "random_weights": ev.figures_at(control[STEPS], calibration),
    }
    held_out = data.photographs(photographs)[1]
    if len(held_out):
        figures["photographs"] = ev.photograph_figures(graphs, held_out, calibration)
    figures["latency_ms"] = ev.latency_ms(graphs, test.frames[0])
    return figures


def summary(card: dict[str, Any]) -> str:
    """A few lines for the terminal."""
    lines = []
    for name in ("clean", "degraded"):
        last = card["figures"][name]["by_step"][-1]
        for slot in SLOTS:
            at = last[slot.name]
            lines.append(
                f"{name} {slot.name}: recall {at['recall']:.3f}, precision {at['precision']:.3f}, "
                f"bearing {_number(at['bearing_error_deg_p50'], '.2f')} deg, "
                f"distance {_number(at['distance_error_p50'], '.1%')}"
            )
        lines.append(f"{name} room accuracy {last['room_accuracy']:.3f}")
    return "\n".join(lines)


def _number(value: float | None, form: str) -> str:
    """A figure as text; a dash where there was nothing to measure."""
    return "-" if value is None else format(value, form)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def card_text(card: dict[str, Any]) -> str:
    """The card as Markdown."""
    figures, training = card["figures"], card["training"]
    views, test = training["views"], training["test_views"]
    base = figures["baselines"]
    total = sum(item["bytes"] for item in card["files"].values())
    lines = [
        "# Vision: a refined latent of the frame",
        "",
        "Generated by `python -m models.vision.train`, the command that renders the views, trains "
        "and measures. Trained anew it gives such weights, not the same bits: views follow the "
        "apartment as it is drawn at the time, and rounding follows the processor. "
        "Input: 224 x 224 RGB. State: a 7 x 7 x 256 latent, refined toward the frame by at most "
        f"{STEPS} steps. Read from it: furniture, people and objects of the apartment with box, "
        "bearing and distance, and the room.",
        "",
        "It knows the simulated apartment's classes only. On photographs and video it "
        "reconstructs, and should detect nothing.",
        "",
        "## Training",
        "",
        f"- {views['seeds'] * views['frames_per_seed']:,} rendered views of {views['seeds']} "
        f"apartments (seeds {views['first_seed']} to {views['first_seed'] + views['seeds'] - 1}); "
        "natural photographs for reconstruction and as pictures without things.",
        f"- Tested on {figures['test_frames']} views of seeds {test['first_seed']} to "
        f"{test['first_seed'] + test['seeds'] - 1}; calibrated on "
        f"{training['validation_views']['seeds']} others. Benchmark seeds (0 to 9999) were never "
        "drawn.",
        f"- {training['iterations']:,} batches of {training['batch']} in "
        f"{len(training['stages'])} cycles, configuration "
        f"`{training['config_hash']}`, seed {training['seed']}, torch {training['torch']}.",
        "",
        "## Refinement",
        "",
        "Means over the test views. Energy is what the plugin sees; true error compares with the "
        "frame before degradation (noise, blur, hidden patches, lost rows).",
        "",
        _row(
            "after step",
            "energy",
            "true error",
            "furniture AP",
            "objects AP",
            "energy, degraded",
            "true error, degraded",
            "furniture AP, degraded",
            "objects AP, degraded",
        ),
        _row(*["---"] * 9),
    ]
    for step in range(STEPS + 1):
        cells = [str(step)]
        for name in ("clean", "degraded"):
            part = figures[name]
            at = part["by_step"][step]
            cells += [
                f"{part['energy'][step]:.5f}",
                f"{part['true_error'][step]:.5f}",
                *(f"{at[slot.name]['average_precision']:.3f}" for slot in SLOTS),
            ]
        lines.append(_row(*cells))
    lines += [
        "",
        f"Steps that lower the energy: {figures['clean']['steps_that_lower_energy']:.1%} (clean), "
        f"{figures['degraded']['steps_that_lower_energy']:.1%} (degraded).",
        "",
        "| reconstruction baseline | true error |",
        "| --- | --- |",
        f"| mean training picture | {base['mean_image_error']:.5f} |",
        f"| the frame's mean colour | {base['flat_colour_error']:.5f} |",
        f"| the degraded input itself | {base['degraded_input_error']:.5f} |",
        f"| shuffled weights | {base['random_weights_error']:.5f} |",
        "",
        "## Detection at the calibrated thresholds, after the last step",
        "",
        f"Recall: furniture and people within {ev.RANGE_M['furniture']} m of which "
        f"{ev.REQUIRED_PX['furniture']:.0f} px are seen, objects within "
        f"{ev.RANGE_M['objects']} m of which {ev.REQUIRED_PX['objects']:.0f} px are. Precision: "
        "everything reported, at any distance. Right is the class with a box that overlaps by "
        f"{ev.MATCH_OVERLAP['furniture']} (objects: {ev.MATCH_OVERLAP['objects']}, or middles at "
        f"most {ev.MATCH_MIDDLE_PX['objects']:.0f} px apart).",
        "",
        _row(
            "what",
            "recall",
            "precision",
            "bearing error p50 / p90 (deg)",
            "distance error p50",
            "calibration error",
            "things",
        ),
        _row(*["---"] * 7),
    ]
    rows = [
        ("clean", figures["clean"]["by_step"][-1]),
        ("clean, step 1", figures["clean"]["by_step"][1]),
        ("degraded", figures["degraded"]["by_step"][-1]),
        ("shuffled weights", base["random_weights"]),
    ]
    for name, at in rows:
        for slot in SLOTS:
            v = at[slot.name]
            lines.append(
                _row(
                    f"{slot.name}, {name}",
                    f"{v['recall']:.3f}",
                    f"{v['precision']:.3f}",
                    _number(v["bearing_error_deg_p50"], ".2f")
                    + " / "
                    + _number(v["bearing_error_deg_p90"], ".2f"),
                    _number(v["distance_error_p50"], ".1%"),
                    _number(v["calibration_error"], ".3f"),
                    str(v["required"]),
                )
            )
    room = figures["clean"]["by_step"][-1]["room_accuracy"]
    lines += [
        "",
        f"Room: {room:.3f} right; always the most frequent room: "
        f"{base['majority_room_accuracy']:.3f}.",
        "",
    ]
    if "photographs" in figures:
        photo = figures["photographs"]
        lines += [
            f"{photo['photographs']} held-out photographs: true error "
            f"{photo['true_error'][1]:.5f} after step 1, {photo['true_error'][-1]:.5f} after step "
            f"{STEPS} (mean colour: {photo['flat_colour_error']:.5f}); "
            f"{photo['detections_per_photograph']:.2f} false detections each.",
            "",
        ]
    lines += [
        f"Encode, {STEPS} steps and one reading take {figures['latency_ms']['p50']:.1f} ms (p50), "
        f"{figures['latency_ms']['p95']:.1f} ms (p95) on one core with ONNX Runtime.",
        "",
        f"## Files ({total / 1e6:.1f} MB, weights stored as float16)",
        "",
        *(f"- `{name}`: SHA-256 `{item['sha256']}`" for name, item in card["files"].items()),
        "",
    ]
    return "\n".join(lines)
