"""The vision model: encoder, decoder, refiner and the heads that read the refined latent."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.vision.latent_refiner import LatentRefiner
from models.vision.layout import (
    DETECTION_CHANNELS,
    LARGE,
    LATENT_CHANNELS,
    PRIOR_WEIGHT,
    ROOMS,
    SMALL,
    SUBCELLS,
)
from models.vision.lightweight_vae import Decoder, Encoder, thumbnail


class Heads(nn.Module):
    """Detection maps and room logits, from the latent alone."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Conv2d(LATENT_CHANNELS, 192, 3, padding=1)
        self.detect = nn.Conv2d(192, DETECTION_CHANNELS * SUBCELLS * SUBCELLS, 1)
        self.room_hidden = nn.Linear(2 * LATENT_CHANNELS, 64)
        self.room = nn.Linear(64, len(ROOMS))
        # Rare positives: start every class near probability 0.01, so that the first thousand
        # batches are not spent on unlearning a half.
        with torch.no_grad():
            assert self.detect.bias is not None
            bias = self.detect.bias.view(DETECTION_CHANNELS, -1)
            for slot in (LARGE, SMALL):
                bias[slot.first_channel : slot.first_channel + len(slot.classes)] = -4.6

    def forward(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 256, 7, 7) to detection maps (N, C, 14, 14) and room logits (N, rooms)."""
        hidden = F.relu(self.hidden(latent))
        maps = F.pixel_shuffle(self.detect(hidden), SUBCELLS)
        pooled = torch.cat([latent.mean((2, 3)), latent.amax((2, 3))], 1)
        return maps, self.room(F.relu(self.room_hidden(pooled)))


class Unrolled(NamedTuple):
    """A refinement unrolled for training: one entry per latent, the initial one first."""

    latents: list[Tensor]
    pictures: list[Tensor]
    mean: Tensor
    log_variance: Tensor


class VisionModel(nn.Module):
    """Everything that is trained."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.decoder = Decoder()
        self.refiner = LatentRefiner()
        self.heads = Heads()

    def unroll(self, picture: Tensor, steps: int) -> Unrolled:
        """Encode (N, 3, 224, 224) in [0, 1], sample the posterior in training, refine."""
        small = thumbnail(picture)
        mean, log_variance, features = self.encoder(picture)
        latent = mean
        if self.training:
            latent = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        latents, pictures = [latent], [self.decoder(latent)]
        for step in range(steps):
            residual = small - pictures[-1].detach()
            latent = self.refiner(latent, residual, features, torch.tensor(step))
            latents.append(latent)
            pictures.append(self.decoder(latent))
        return Unrolled(latents, pictures, mean, log_variance)


def energy(residual: Tensor, latent: Tensor) -> Tensor:
    """Energy (N,) of a latent: mean squared residual plus a small Gaussian prior."""
    return residual.square().mean((1, 2, 3)) + PRIOR_WEIGHT * latent.square().mean((1, 2, 3))


class EncodeGraph(nn.Module):
    """What ``encode.onnx`` computes: uint8 frame to the first state."""

    def __init__(self, model: VisionModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, frame: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """(N, 224, 224, 3) uint8 to latent, residual, features, thumbnail, energy."""
        picture = frame.permute(0, 3, 1, 2).float() / 255.0
        small = thumbnail(picture)
        latent, _, features = self.model.encoder(picture)
        residual = small - self.model.decoder(latent)
        return latent, residual, features, small, energy(residual, latent)


class StepGraph(nn.Module):
    """What ``step.onnx`` computes: one refinement step."""

    def __init__(self, model: VisionModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, latent: Tensor, residual: Tensor, features: Tensor, small: Tensor, step: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The next latent, its residual, its energy."""
        latent = self.model.refiner(latent, residual, features, step)
        residual = small - self.model.decoder(latent)
        return latent, residual, energy(residual, latent)


class ReadGraph(nn.Module):
    """What ``read.onnx`` computes: detections and room from a latent."""

    def __init__(self, model: VisionModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """Detection maps with class logits, (N, C, 14, 14), and room logits."""
        maps, rooms = self.model.heads(latent)
        return maps, rooms
