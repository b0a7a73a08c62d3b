"""Logistic regression for calibrations."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sage.values import Float64Array

Numbers = tuple[float, ...]


def logistic(
    features: Float64Array, right: Sequence[bool], penalty: float = 1.0
) -> tuple[Numbers, Numbers, Numbers, float]:
    """Mean, scale and weights of the features, and the bias, rounded to four places.

    L2 penalty on the standardised weights, by Newton's method. Right and wrong weigh the same in
    total, whatever their numbers: how often people talk of something else is not known beforehand.
    """
    mean, scale = features.mean(0), features.std(0) + 1e-6
    inputs = np.c_[(features - mean) / scale, np.ones(len(features))]
    target = np.asarray(right, np.float64)
    share = np.where(target > 0, 0.5 / max(target.mean(), 1e-9), 0.5 / max(1 - target.mean(), 1e-9))
    ridge = np.diag([*[penalty] * features.shape[1], 1e-6])
    weights = np.zeros(inputs.shape[1])
    for _ in range(50):
        chance = 1.0 / (1.0 + np.exp(-np.clip(inputs @ weights, -30, 30)))
        slope = inputs.T @ (share * (chance - target)) + ridge @ weights
        curve = (inputs * (share * chance * (1 - chance))[:, None]).T @ inputs + ridge
        step = np.linalg.solve(curve, slope)
        weights -= step
        if np.abs(step).max() < 1e-8:
            break
    mean_, scale_, weights_ = (
        tuple(round(float(v), 4) for v in row) for row in (mean, scale, weights[:-1])
    )
    return mean_, scale_, weights_, round(float(weights[-1]), 4)


def shifted(bias: float, scores: Sequence[float], most: float, accept: float) -> float:
    """The bias with which at most a share of ``most`` of the ``scores`` reaches ``accept``.

    ``scores`` are chances in [0, 1], as the unshifted bias gives them.
    """
    sure = sorted(scores, reverse=True)
    edge = min(max(sure[int(most * len(sure))], 1e-6), 1 - 1e-6)
    return bias + math.log(accept / (1 - accept)) - math.log(edge / (1 - edge))
