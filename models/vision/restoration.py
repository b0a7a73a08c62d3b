"""Measure what refinement restores of degraded pictures, and whether the energy tells the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.vision.degradation import degrade
from models.vision.halting import delivered, halting_step, psnr_db
from models.vision.layout import STEPS
from models.vision.observing import network_input
from models.vision.tracing import Backends, refine_frame

#: States whose quality the card tells: before the first step, and after so many.
TOLD: Final = (0, 1, 2, 4, 8, STEPS)
#: States whose energy is held against the truth: after a first look at all of the frame, and last.
RATED: Final = (4, STEPS)

Float64Array = npt.NDArray[np.float64]
UInt8Array = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Restoration:
    """N pictures of one degradation, each refined to the end.

    Errors are mean squared ones of pixels in [0, 1]; of an incomplete picture only what is
    missing counts, since the rest is kept as it was observed. ``true_error`` (N, steps + 1);
    ``expected`` (N, steps + 1, 2), what the error head said; ``baselines``: mean error (N,) of the
    observation itself, of the mean picture and of the picture's own mean colour.
    """

    true_error: Float64Array
    expected: Float64Array
    baselines: dict[str, Float64Array]


def restore(
    graphs: Backends, pictures: UInt8Array, kind: str, seed: int, mean_picture: UInt8Array
) -> Restoration:
    """Degrade (N, 224, 224, 3) pictures in one way, refine them and compare with the truth."""
    rng = np.random.default_rng(seed)
    true_error, expected = [], []
    baselines: dict[str, list[float]] = {"input": [], "mean picture": [], "mean colour": []}
    for picture in pictures:
        clean = picture.astype(np.float32) / np.float32(255.0)
        harmed = degrade(clean, kind, rng)
        where = slice(None) if harmed.missing is None else harmed.missing
        truth = clean[where]

        def error(guess: UInt8Array, where: Any = where, truth: Any = truth) -> float:
            values = guess.astype(np.float32)[where] / np.float32(255.0)
            return float(np.square(values - truth).mean())

        trace = refine_frame(graphs, harmed.seen, harmed.missing)
        pictures_so_far = (
            graphs["decode"].infer({"latent": latent})["picture"][0] for latent in trace.latents
        )
        true_error.append([error(picture) for picture in pictures_so_far])
        expected.append(trace.errors)
        filled, _ = network_input(harmed.seen, harmed.missing)
        baselines["input"].append(error(filled))
        baselines["mean picture"].append(error(mean_picture))
        flat = np.broadcast_to(filled.mean((0, 1)).round().astype(np.uint8), filled.shape)
        baselines["mean colour"].append(error(flat))
    return Restoration(
        np.array(true_error, np.float64).reshape(len(pictures), STEPS + 1),
        np.array(expected, np.float64).reshape(len(pictures), STEPS + 1, 2),
        {name: np.array(values) for name, values in baselines.items()},
    )


def restoration_figures(measured: Restoration, tolerance_db: float) -> dict[str, Any]:
    """PSNR by step, halted and of the baselines; how far the energy follows the true error.

    ``energy_rho``: Spearman's correlation of energy and true error over the pictures, in the
    states :data:`RATED`. ``calibration_db``: expected over true error, the quartiles over the
    pictures, after the last step; 0 is right.
    """
    steps = np.array([halting_step(errors, tolerance_db) for errors in measured.expected])
    psnr = psnr_db(measured.true_error)
    halted = delivered(psnr, measured.expected, steps)
    full = delivered(psnr, measured.expected, np.full(len(psnr), STEPS))
    ratio_db = psnr_db(measured.true_error[:, -1]) - psnr_db(measured.expected[:, -1, 0])
    return {
        "pictures": len(psnr),
        "psnr_db": {str(step): float(psnr[:, step].mean()) for step in TOLD},
        "psnr_halted_db": float(halted.mean()),
        "halting_step": float(steps.mean()),
        "psnr_lost_db": float((full - halted).mean()),
        "psnr_gained_db": float((full - psnr[:, 0]).mean()),
        "baselines_psnr_db": {
            name: float(psnr_db(errors).mean()) for name, errors in measured.baselines.items()
        },
        "energy_rho": {
            str(step): spearman(measured.expected[:, step, 0], measured.true_error[:, step])
            for step in RATED
        },
        "calibration_db": [float(v) for v in np.percentile(ratio_db, (25, 50, 75))],
    }


def spearman(one: Float64Array, two: Float64Array) -> float:
    """Rank correlation; ties share their mean rank; NaN where either never changes."""
    ranks = [_ranks(values) for values in (one, two)]
    deviations = [rank - rank.mean() for rank in ranks]
    norm = float(np.prod([np.sqrt(np.square(d).sum()) for d in deviations]))
    return float(deviations[0] @ deviations[1]) / norm if norm > 0.0 else float("nan")


def _ranks(values: Float64Array) -> Float64Array:
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - 0.5 * (counts - 1))[where.reshape(-1)], np.float64)
