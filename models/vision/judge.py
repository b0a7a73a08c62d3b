"""How wrong a latent still is, and how wrong it will stay: the error head behind the energy.

A residual alone does not follow the true error: noise that was rightly left out counts against
it, and under an occlusion there is nothing to compare with. So a network of its own learns the
expected squared error of every patch from data. It looks at a latent and at the observation, never
at the number of the step: a refiner that does nothing earns nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.vision.layout import (
    FOLD,
    LATENT_CHANNELS,
    LATENT_COMPONENTS,
    MISSING_CHANNELS,
    OBSERVED_COMPONENTS,
)
from models.vision.lightweight_vae import ERROR_SCALE, LightweightVAE

_FINE, _MIDDLE = 24, 48
#: Bounds of the logarithm of an expected squared error: 0.001 to 1 of the full scale.
_LEAST, _MOST = -14.0, 1.0
#: Components in a band whose loudness is told.
_BAND = 8


class ErrorHead(nn.Module):
    """Logarithms of the expected squared error per patch: now, and after full refinement."""

    scale_seen: Tensor
    scale_residual: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.unfold = nn.Conv2d(LATENT_CHANNELS, LATENT_COMPONENTS * FOLD * FOLD, 1)
        seen = 2 * LATENT_COMPONENTS + OBSERVED_COMPONENTS + MISSING_CHANNELS
        seen += (2 * LATENT_COMPONENTS + OBSERVED_COMPONENTS) // _BAND
        self.mix = nn.Conv2d(seen, _FINE, 1)
        self.fine = nn.Conv2d(_FINE, _FINE, 3, padding=1)
        self.to_middle = nn.Conv2d(_FINE, _MIDDLE, 2, stride=2)
        self.middle = nn.Conv2d(_MIDDLE, _MIDDLE, 3, padding=1)
        self.context = nn.Linear(_MIDDLE, _MIDDLE)
        self.from_middle = nn.Conv2d(_MIDDLE, 4 * _FINE, 1)
        self.out = nn.Conv2d(_FINE, 2, 3, padding=1)
        self.register_buffer("scale_seen", torch.ones(1, OBSERVED_COMPONENTS, 1, 1))
        self.register_buffer("scale_residual", torch.ones(1, LATENT_COMPONENTS, 1, 1))

    @torch.no_grad()
    def begin(self, vae: LightweightVAE) -> None:
        """Unfold the latent as a fitted autoencoder does; small random weights for the rest."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.constant_(self.out.bias, -5.5)  # type: ignore[arg-type]
        self.unfold.load_state_dict(vae.decoder.unfold.state_dict())
        relative = vae.patches.deviation[None, :, None, None] / ERROR_SCALE
        self.scale_seen.copy_(relative[:, :OBSERVED_COMPONENTS].sqrt())
        self.scale_residual.copy_(relative[:, :LATENT_COMPONENTS])

    def forward(self, latent: Tensor, observed: Tensor, missing: Tensor) -> Tensor:
        """(N, 256, 7, 7), (N, 64, 28, 28), (N, 16, 28, 28) to (N, 2, 28, 28), or a window of it."""
        said = F.pixel_shuffle(self.unfold(latent), FOLD)
        residual = (observed[:, :LATENT_COMPONENTS] - said) * self.scale_residual
        loudness = torch.cat(
            [
                _loudness(residual),
                _loudness(said * self.scale_residual),
                _loudness(observed * self.scale_seen.square()),
            ],
            1,
        )
        said = said * self.scale_seen[:, :LATENT_COMPONENTS]
        seen = torch.cat([said, observed * self.scale_seen, residual, missing, loudness], 1)
        fine = F.relu(self.mix(seen))
        fine = F.relu(self.fine(fine))
        middle = F.relu(self.to_middle(fine))
        whole = self.context(middle.mean((2, 3)))[:, :, None, None]
        middle = F.relu(self.middle(middle) + whole)
        fine = F.relu(fine + F.pixel_shuffle(self.from_middle(middle), 2))
        return self.out(fine).clamp(_LEAST, _MOST)


def _loudness(components: Tensor) -> Tensor:
    """Logarithm of the mean square of each band of components, (N, C, H, W) to (N, C / 8, H, W):
    noise that is still there is told by how loud the fine bands are, not by their signs."""
    bands = components.square().unflatten(1, (-1, _BAND)).mean(2)
    return torch.log(bands.float() + 1e-4)
