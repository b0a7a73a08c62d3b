"""When a refinement of a frame may stop: the rule that the plugin follows, and its calibration."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from sage.irp import HaltPolicy

Float64Array = npt.NDArray[np.float64]

#: A step that moves the energy by less than this fraction of the first one's is flat; so many flat
#: ones in a row, which go once round the frame, end a refinement.
SLOPE_EPS: Final = 0.01
FLAT_STEPS: Final = 4
#: Part of what full refinement gains that halting may lose on the pictures calibrated on. A
#: hundredth is promised; the rest is for pictures unlike them.
LOSS_ALLOWED: Final = 0.008
_TOLERANCES_DB: Final = np.geomspace(1e-3, 5.0, 200)


def remaining_db(errors: Float64Array) -> Float64Array:
    """What all further steps are expected to win, (...,), of expected errors (..., 2)."""
    now = np.maximum(errors[..., 0], 1e-12)
    settled = np.maximum(np.minimum(errors[..., 0], errors[..., 1]), 1e-12)
    return np.asarray(10.0 * np.log10(now / settled))


def halting_step(errors: Float64Array, tolerance_db: float, slope_eps: float = SLOPE_EPS) -> int:
    """After which step (from 1) a refinement with expected errors (steps + 1, 2) stops; the first
    of them are those of the state before it."""
    last = len(errors) - 1
    policy = HaltPolicy(max_steps=max(last, 1), slope_eps=slope_eps, window=FLAT_STEPS)
    remaining = remaining_db(errors)
    energies = errors[1:, 0].tolist()
    for step in range(1, last):
        if remaining[step] < tolerance_db or policy.converged(energies[:step]):
            return step
    return last


def delivered_step(errors: Float64Array, stopped: int) -> int:
    """Of which step the state is that a refinement which stopped there delivers: the best one."""
    return 1 + int(np.argmin(errors[1 : stopped + 1, 0]))


def psnr_db(squared_error: npt.ArrayLike) -> Float64Array:
    """Peak signal-to-noise ratio of pictures in [0, 1] with these mean squared errors."""
    return np.asarray(-10.0 * np.log10(np.maximum(np.asarray(squared_error, np.float64), 1e-10)))


def calibrated_tolerance_db(
    true_errors: Float64Array, expected: Float64Array, slope_eps: float = SLOPE_EPS
) -> float:
    """The largest tolerance that loses at most :data:`LOSS_ALLOWED` of what refinement gains.

    Args:
        true_errors: (N, steps + 1), of the state before refinement and after each step.
        expected: (N, steps + 1, 2), what the error head said of them.
        slope_eps: the slope rule that stops refinements besides.

    Returns:
        The tolerance in dB; the smallest one tried where even that loses more.
    """
    psnr = psnr_db(true_errors)
    steps = expected.shape[1] - 1
    full = delivered(psnr, expected, np.full(len(psnr), steps))
    allowed = LOSS_ALLOWED * max(float((full - psnr[:, 0]).mean()), 0.0)
    best = float(_TOLERANCES_DB[0])
    for tolerance in _TOLERANCES_DB:
        stopped = np.array([halting_step(e, float(tolerance), slope_eps) for e in expected])
        if float((full - delivered(psnr, expected, stopped)).mean()) > allowed:
            break
        best = float(tolerance)
    return best


def delivered(
    values: Float64Array, expected: Float64Array, stopped: npt.NDArray[np.int64]
) -> Float64Array:
    """Of values (N, steps + 1) those of the states that are delivered, (N,)."""
    steps = [delivered_step(e, int(s)) for e, s in zip(expected, stopped, strict=True)]
    return np.asarray(values[np.arange(len(values)), steps])
