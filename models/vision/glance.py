"""A first glance at a frame: what its pixels show beside the components that the latent is made of.

How noisy a frame is, how far and along which direction it is smeared, how busy it is: what the
refiner has to know before its first step, and the error head at every one. None of it changes
while the frame is refined, so it is looked at once, in the encoder's graph.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.vision.layout import MISSING_CHANNELS, PATCH_PX, THOUGHT_CHANNELS

#: Non-linear features of a patch; the first layer is one matrix, as the components are.
_FEATURES, _MIDDLE = 64, 64


class Glance(nn.Module):
    """Patches of a frame, and what is missing of them, to features of every patch."""

    def __init__(self) -> None:
        super().__init__()
        self.open = nn.Linear(3 * PATCH_PX * PATCH_PX, _FEATURES)
        self.mix = nn.Conv2d(_FEATURES + MISSING_CHANNELS, THOUGHT_CHANNELS, 1)
        self.to_middle = nn.Conv2d(THOUGHT_CHANNELS, _MIDDLE, 2, stride=2)
        self.middle = nn.Conv2d(_MIDDLE, _MIDDLE, 3, padding=1)
        self.context = nn.Linear(_MIDDLE, _MIDDLE)
        self.from_middle = nn.Conv2d(_MIDDLE, 4 * THOUGHT_CHANNELS, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def forward(self, patches: Tensor, missing: Tensor) -> Tensor:
        """(N, 784, 192) in [-1, 1], colours side by side, and (N, 16, 28, 28) to (N, C, 28, 28)."""
        side = missing.shape[-1]
        seen = F.relu(self.open(patches)).transpose(1, 2).unflatten(2, (side, side))
        fine = F.relu(self.mix(torch.cat([seen, missing], 1)))
        middle = F.relu(self.to_middle(fine))
        middle = middle + F.relu(self.middle(middle))
        middle = F.relu(middle + self.context(middle.mean((2, 3)))[:, :, None, None])
        return F.relu(fine + F.pixel_shuffle(self.from_middle(middle), 2))
