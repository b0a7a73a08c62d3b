"""The embedding of a scene: what its reader's summary says, whitened; fitted in closed form."""

from __future__ import annotations

import torch
from torch import Tensor

from models.vision.layout import EMBEDDING

#: Directions in which scenes hardly differ are not blown up to unit variance: they hold noise.
_SHRINKAGE = 0.1


def fit_embedding(summaries: Tensor, dimensions: int = EMBEDDING) -> tuple[Tensor, Tensor]:
    """Weight (dimensions, F) and bias (dimensions,) of the linear layer that whitens summaries.

    ``summaries`` (N, F) with N > 1: their largest principal components (Jolliffe, "Principal
    Component Analysis", 2002), each scaled to about unit variance, so that a cosine between two
    scenes weighs all of what tells scenes apart.
    """
    values = summaries.double()
    mean = values.mean(0)
    centred = values - mean
    variances, axes = torch.linalg.eigh(centred.T @ centred / (len(values) - 1))
    variances = variances.flip(0)[:dimensions].clamp(min=0.0)
    axes = axes.flip(1)[:, :dimensions]
    scale = (variances + _SHRINKAGE * variances.mean()).clamp(min=1e-12).rsqrt()
    weight = (axes * scale).T
    return weight.float(), (-weight @ mean).float()
