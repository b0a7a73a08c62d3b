"""Plans made beforehand: so many steps of every frame, or two such numbers mixed at random."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.vision_curves import Curves, Float64Array

#: What comes so near to the best that a plan ever reaches stands in for it, in dB.
ALIKE_DB: Final = 0.01
_ROUNDING_DB: Final = 1e-9


@dataclass(frozen=True)
class Mix:
    """``more`` steps of a share of all frames, drawn at random, and ``fewer`` of the others.

    ``psnr`` is its mean, in dB: as PSNR is averaged over frames, it is the mix of both means.
    """

    fewer: int
    more: int
    share: float
    psnr: float

    @property
    def steps(self) -> float:
        """Of a frame, on average."""
        return self.fewer + self.share * (self.more - self.fewer)


def corners(psnr: Float64Array) -> list[int]:
    """The numbers of steps that are worth mixing: where the concave hull of PSNR has corners.

    From no step on, to the fewest that reach the most; between two neighbours no third number,
    and no other mix, gains as much with as few steps.
    """
    found = [0]
    while found[-1] < len(psnr) - 1:
        at = found[-1]
        slopes = (psnr[at + 1 :] - psnr[at]) / np.arange(1, len(psnr) - at)
        if slopes.max() <= 0.0:
            break
        found.append(at + 1 + int(slopes.argmax()))
    return found


def equal_mix(psnr: Float64Array, wanted: float) -> Mix | None:
    """The plan with the fewest steps whose mean PSNR is what is ``wanted``, neither more nor less.

    Args:
        psnr: (steps + 1,) means in dB, before the first step and after each.
        wanted: in dB.

    Returns:
        The mix; no step where that is enough already, None where no number of steps is.
    """
    worth = corners(psnr)
    if psnr[0] >= wanted - _ROUNDING_DB:
        return Mix(0, 0, 1.0, float(psnr[0]))
    for fewer, more in itertools.pairwise(worth):
        if psnr[more] >= wanted - _ROUNDING_DB:
            share = min(1.0, float((wanted - psnr[fewer]) / (psnr[more] - psnr[fewer])))
            return Mix(fewer, more, share, min(wanted, float(psnr[more])))
    return None


def nearest_mix(psnr: Float64Array, wanted: float) -> Mix:
    """:func:`equal_mix`; where there is none, the cheapest within 0.01 dB of the plan's best.

    That is worse than what is wanted, and cheaper than the plan's best, so that nothing looks the
    faster for beating it.
    """
    found = equal_mix(psnr, wanted)
    if found is None:
        found = equal_mix(psnr, float(psnr.max()) - ALIKE_DB)
    assert found is not None
    return found


def steps_if_told(groups: Sequence[Sequence[Curves]], wanted: float) -> float | None:
    """Steps of a frame that a plan makes on average which is told the frame's group beforehand.

    Each group has its own mix; together they reach a mean PSNR of ``wanted`` with the fewest steps
    that there are: the steepest parts of all hulls are taken first. None where that is not enough.
    """
    total = sum(len(one.steps) for group in groups for one in group)
    psnr, steps = 0.0, 0.0
    parts = []
    for group in groups:
        curve = np.concatenate([one.psnr for one in group])
        weight, means = len(curve) / total, curve.mean(0)
        psnr += weight * float(means[0])
        worth = corners(means)
        for fewer, more in itertools.pairwise(worth):
            gain = float(means[more] - means[fewer])
            parts.append((gain / (more - fewer), weight * gain, weight * (more - fewer)))
    for _, gain, cost in sorted(parts, reverse=True):
        if psnr >= wanted - _ROUNDING_DB:
            return steps
        share = min(1.0, (wanted - psnr) / gain)
        psnr, steps = psnr + share * gain, steps + share * cost
    return steps if psnr >= wanted - _ROUNDING_DB else None
