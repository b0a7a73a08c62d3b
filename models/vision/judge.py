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
    CONTEXT,
    LATENT_COMPONENTS,
    MISSING_CHANNELS,
    OBSERVED_COMPONENTS,
    THOUGHT_CHANNELS,
)
from models.vision.level import loudness
from models.vision.lightweight_vae import ERROR_SCALE, LightweightVAE

_FINE, _MIDDLE, _TOLD = 32, 64, 96
#: Bounds of the logarithm of an expected squared error: 0.001 to 1 of the full scale.
_LEAST, _MOST = -14.0, 1.0
#: Components in a band whose loudness is told.
_BAND = 8


class ErrorHead(nn.Module):
    """Logarithms of the expected squared error per patch: now, and after full refinement."""

    scale_seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        seen = 2 * LATENT_COMPONENTS + OBSERVED_COMPONENTS + MISSING_CHANNELS + THOUGHT_CHANNELS
        seen += (2 * LATENT_COMPONENTS + OBSERVED_COMPONENTS) // _BAND
        self.mix = nn.Conv2d(seen, _FINE, 1)
        self.to_middle = nn.Conv2d(_FINE, _MIDDLE, 2, stride=2)
        self.middle = nn.Conv2d(_MIDDLE, _MIDDLE, 3, padding=1)
        self.wider = nn.Conv2d(_MIDDLE, _MIDDLE, 3, padding=1)
        self.out = nn.Conv2d(_MIDDLE, 2 * 4, 1)
        seen = THOUGHT_CHANNELS + MISSING_CHANNELS + OBSERVED_COMPONENTS // _BAND
        self.first_mix = nn.Conv2d(seen, _MIDDLE, 1)
        self.tell = nn.Sequential(
            nn.Linear(OBSERVED_COMPONENTS, _TOLD), nn.ReLU(), nn.Linear(_TOLD, CONTEXT), nn.ReLU()
        )
        self.hear = nn.Linear(CONTEXT, _FINE)
        self.hear_middle = nn.Linear(CONTEXT, _MIDDLE)
        self.hear_first = nn.Linear(CONTEXT, _MIDDLE)
        self.first = nn.Conv2d(_MIDDLE, 2, 1)
        self.register_buffer("scale_seen", torch.ones(1, OBSERVED_COMPONENTS, 1, 1))

    @torch.no_grad()
    def begin(self, vae: LightweightVAE) -> None:
        """Measure components as a fitted autoencoder does; small random weights for the rest."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        for layer in (self.out, self.first):
            nn.init.normal_(layer.weight, std=0.01)
            start = torch.tensor([-5.5, 2.0]).repeat_interleave(layer.out_channels // 2)
            layer.bias.copy_(start)  # type: ignore[union-attr]
        relative = vae.patches.deviation[None, :, None, None] / ERROR_SCALE
        self.scale_seen.copy_(relative[:, :OBSERVED_COMPONENTS].sqrt())

    def context(self, observed: Tensor) -> Tensor:
        """How loud each component is over the whole frame (N, 64, 28, 28), made into (N, 64).

        A patch alone does not say whether it is smooth or smeared; the spectrum of the frame does.
        """
        told: Tensor = self.tell(loudness(observed, self.scale_seen))
        return told

    def forward(
        self, said: Tensor, observed: Tensor, missing: Tensor, glance: Tensor, context: Tensor
    ) -> Tensor:
        """What the latent says of the patches (N, 48, 28, 28), what was observed (N, 64, 28, 28)
        and is missing of them (N, 16, 28, 28), the glance (N, 48, 28, 28) and the context (N, 64),
        to (N, 2, 28, 28); or a window of it.

        What stays is a part of what is now: refinement loses nothing.
        """
        size = self.scale_seen.square()  # in the picture, of components of unit variance
        residual = (observed[:, :LATENT_COMPONENTS] - said) * size[:, :LATENT_COMPONENTS]
        loud = torch.cat(
            [
                _bands(residual),
                _bands(said * size[:, :LATENT_COMPONENTS]),
                _bands(observed * size),
            ],
            1,
        )
        said = said * self.scale_seen[:, :LATENT_COMPONENTS]
        seen = torch.cat([said, observed * self.scale_seen, residual, missing, glance, loud], 1)
        fine = F.relu(self.mix(seen) + self.hear(context)[:, :, None, None])
        middle = F.relu(self.to_middle(fine) + self.hear_middle(context)[:, :, None, None])
        middle = middle + F.relu(self.middle(middle))
        middle = middle + F.relu(self.wider(middle))
        return _logarithms(F.pixel_shuffle(self.out(middle), 2))

    def before(self, observed: Tensor, missing: Tensor, glance: Tensor, context: Tensor) -> Tensor:
        """The same for the latent before the first step, which says what was observed."""
        loud = _bands(observed * self.scale_seen.square())
        seen = torch.cat([glance, missing, loud], 1)
        heard = self.hear_first(context)[:, :, None, None]
        return _logarithms(self.first(F.relu(self.first_mix(seen) + heard)))


def _logarithms(out: Tensor) -> Tensor:
    now, stays = out.float().split(1, 1)
    now = now.clamp(_LEAST, _MOST)
    return torch.cat([now, now + F.logsigmoid(stays)], 1)


def _bands(components: Tensor) -> Tensor:
    """Logarithm of the mean square of each band of components, (N, C, H, W) to (N, C / 8, H, W):
    noise that is still there is told by how loud the fine bands are, not by their signs."""
    bands = components.square().unflatten(1, (-1, _BAND)).mean(2)
    return torch.log(bands.float() + 1e-4)
