"""One refinement step on the 7 x 7 latent: a small recurrent U-Net with skip connections.

A recurrent inference machine (Putzky & Welling, "Recurrent Inference Machines for Solving Inverse
Problems", 2017): the step looks at what the latent says of every patch, at what was observed of it
and at what is missing, proposes a change of the latent, and hands on what it has understood so
far. The same weights serve every step; a scale and shift per channel (Perez et al., "FiLM", 2018)
tell them which one it is. No picture is decoded on the way.
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
    STEPS,
    THOUGHT_CHANNELS,
)
from models.vision.lightweight_vae import ERROR_SCALE, LightweightVAE

_FINE, _MIDDLE, _COARSE = THOUGHT_CHANNELS, 64, 128


class LatentRefiner(nn.Module):
    """Latent, observation and step number to a better latent: blocks at 28, 14 and 7 cells.

    A change has three parts per component: a free one, a share of what the latent says (Wiener's
    filter, which shrinks what is mostly noise) and a share of the residual.
    """

    scale_seen: Tensor
    scale_residual: Tensor
    scale_change: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.unfold = nn.Conv2d(LATENT_CHANNELS, LATENT_COMPONENTS * FOLD * FOLD, 1)
        seen = 2 * LATENT_COMPONENTS + OBSERVED_COMPONENTS + MISSING_CHANNELS
        self.mix = nn.Conv2d(seen, _FINE, 1)
        self.recall = nn.Parameter(torch.full((_FINE,), 0.3))
        self.steps = nn.Parameter(torch.zeros(STEPS, 2 * (_FINE + _MIDDLE + _COARSE)))
        # Later steps begin smaller: one that overshoots would first have to unlearn it. Four steps
        # go once round the frame.
        gains = (0.6 ** (torch.arange(STEPS)[:, None] // 4).float()).clamp(min=0.3)
        self.gains = nn.Parameter(gains.repeat(1, LATENT_COMPONENTS))
        self.fine = nn.Conv2d(_FINE, _FINE, 3, padding=1)
        self.to_middle = nn.Conv2d(_FINE, _MIDDLE, 2, stride=2)
        self.middle = nn.Conv2d(_MIDDLE, _MIDDLE, 3, padding=1)
        self.to_coarse = nn.Conv2d(_MIDDLE, _COARSE, 2, stride=2)
        self.coarse = nn.Conv2d(_COARSE, _COARSE, 3, padding=1)
        self.widest = nn.Conv2d(_COARSE, _COARSE, 3, padding=1)
        self.from_coarse = nn.Conv2d(_COARSE, 4 * _MIDDLE, 1)
        self.from_middle = nn.Conv2d(_MIDDLE, 4 * _FINE, 1)
        self.join = nn.Conv2d(_FINE, _FINE, 3, padding=1)
        self.change = nn.Conv2d(_FINE, 3 * LATENT_COMPONENTS, 1)
        self.fold = nn.Conv2d(LATENT_COMPONENTS, LATENT_CHANNELS, FOLD, stride=FOLD)
        for name, channels in (
            ("scale_seen", OBSERVED_COMPONENTS),
            ("scale_residual", LATENT_COMPONENTS),
            ("scale_change", LATENT_COMPONENTS),
        ):
            self.register_buffer(name, torch.ones(1, channels, 1, 1))

    @torch.no_grad()
    def begin(self, vae: LightweightVAE) -> None:
        """Take over how a fitted autoencoder folds and unfolds its latent; small random weights.

        Residuals and changes are measured alike in all components, whatever their own size.
        """
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        nn.init.zeros_(self.change.weight)
        nn.init.normal_(self.change.weight[:LATENT_COMPONENTS], std=0.01)
        self.unfold.load_state_dict(vae.decoder.unfold.state_dict())
        self.fold.weight.copy_(vae.encoder.project.weight)
        relative = vae.patches.deviation[None, :, None, None] / ERROR_SCALE
        self.scale_seen.copy_(relative[:, :OBSERVED_COMPONENTS].sqrt())
        self.scale_residual.copy_(relative[:, :LATENT_COMPONENTS])
        self.scale_change.copy_(1.0 / relative[:, :LATENT_COMPONENTS])

    def said(self, latent: Tensor) -> Tensor:
        """What a latent (N, 256, 7, 7) says of every patch: components (N, 48, 28, 28)."""
        return F.pixel_shuffle(self.unfold(latent), FOLD)

    def forward(
        self, latent: Tensor, thought: Tensor, observed: Tensor, missing: Tensor, step: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The next latent and thought.

        ``latent`` (N, 256, 7, 7), ``thought`` (N, 48, 28, 28), before the first step the glance
        at the frame, ``observed`` (N, 64, 28, 28), ``missing`` (N, 16, 28, 28) with the fraction
        that is missing
        of each 2 px square, ``step`` () int64, counted from 0; steps after the last trained one
        are treated as the last.
        """
        number = step.clamp(0, STEPS - 1)
        gain1, shift1, gain2, shift2, gain3, shift3 = self.steps[number][None, :, None, None].split(
            [_FINE, _FINE, _MIDDLE, _MIDDLE, _COARSE, _COARSE], 1
        )
        said = self.said(latent)
        residual = observed[:, :LATENT_COMPONENTS] - said
        seen = torch.cat(
            [
                said * self.scale_seen[:, :LATENT_COMPONENTS],
                observed * self.scale_seen,
                residual * self.scale_residual,
                missing,
            ],
            1,
        )
        fine = F.relu(self.mix(seen) + thought * self.recall[None, :, None, None])
        fine = fine + F.relu(self.fine(fine) * (1.0 + gain1) + shift1)
        middle = F.relu(self.to_middle(fine))
        middle = middle + F.relu(self.middle(middle) * (1.0 + gain2) + shift2)
        coarse = F.relu(self.to_coarse(middle))
        coarse = coarse + F.relu(self.coarse(coarse) * (1.0 + gain3) + shift3)
        coarse = coarse + F.relu(self.widest(coarse))
        middle = F.relu(middle + F.pixel_shuffle(self.from_coarse(coarse), 2))
        thought = F.relu(self.join(fine + F.pixel_shuffle(self.from_middle(middle), 2)))
        free, shrink, follow = self.change(thought).float().chunk(3, 1)
        change = free * self.scale_change + shrink * said + follow * residual
        change = change * self.gains[number][None, :, None, None]
        return latent + self.fold(change).float(), thought
