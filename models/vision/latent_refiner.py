"""One refinement step on the 7 x 7 latent: a small network with skip connections.

In the manner of iterative amortised inference (Marino, Yue & Mandt, 2018): the step looks at the
latent, at what its decoding still gets wrong, and at the frame's features, and proposes a change
of the latent. The same weights serve every step; an embedding tells them which step it is.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.vision.layout import (
    FEATURE_CHANNELS,
    LATENT_CELLS,
    LATENT_CHANNELS,
    STEPS,
    THUMBNAIL_PX,
)

_FOLD = THUMBNAIL_PX // LATENT_CELLS
_WIDTH = 160


class ContextBlock(nn.Module):
    """3 x 3 convolutions around a skip, with the whole picture's mean mixed into every cell."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, channels)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.context = nn.Linear(channels, channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, 7, 7) to the same shape."""
        y = self.norm(x)
        y = F.relu(self.first(y) + self.context(y.mean((2, 3)))[:, :, None, None])
        return x + self.second(y)


class LatentRefiner(nn.Module):
    """Latent, residual, frame features and step number to a better latent."""

    def __init__(self) -> None:
        super().__init__()
        self.residual_in = nn.Conv2d(3 * _FOLD * _FOLD, 96, 1)
        self.mix = nn.Conv2d(LATENT_CHANNELS + 96 + FEATURE_CHANNELS, _WIDTH, 1)
        self.step_embedding = nn.Parameter(torch.zeros(STEPS, _WIDTH))
        self.blocks = nn.Sequential(ContextBlock(_WIDTH), ContextBlock(_WIDTH))
        self.norm = nn.GroupNorm(8, _WIDTH)
        self.change = nn.Conv2d(_WIDTH, LATENT_CHANNELS, 1)

    def forward(self, latent: Tensor, residual: Tensor, features: Tensor, step: Tensor) -> Tensor:
        """The next latent.

        ``latent`` (N, 256, 7, 7), ``residual`` (N, 3, 56, 56) = frame minus decoded latent,
        ``features`` (N, 192, 7, 7), ``step`` () int64, counted from 0; steps after the last
        trained one are treated as the last.
        """
        error = F.relu(self.residual_in(F.pixel_unshuffle(residual * 4.0, _FOLD)))
        embedding = self.step_embedding[step.clamp(0, STEPS - 1)]
        hidden = self.mix(torch.cat([latent, error, features], 1)) + embedding[None, :, None, None]
        hidden = self.blocks(hidden)
        return latent + self.change(F.relu(self.norm(hidden)))
