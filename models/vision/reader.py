"""What is read from the refined latent: things, the room, and an embedding of the scene."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.vision.layout import (
    DETECTION_CHANNELS,
    EMBEDDING,
    FOLD,
    LARGE,
    LATENT_CHANNELS,
    ROOMS,
    SMALL,
)

_FINE, _MIDDLE, _COARSE = 64, 128, 256


class ConvNorm(nn.Module):
    """Convolution, batch norm and, if asked, a rectifier."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, relu: bool = True
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        y = self.norm(self.conv(x))
        return F.relu(y) if self.relu else y


class Residual(nn.Module):
    """Two 3 x 3 convolutions around a skip connection."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvNorm(channels, channels)
        self.second = ConvNorm(channels, channels, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to the same shape."""
        return F.relu(x + self.second(self.first(x)))


class SceneReader(nn.Module):
    """Detection maps, room logits and an embedding, from the latent alone."""

    def __init__(self) -> None:
        super().__init__()
        self.unfold = nn.Conv2d(LATENT_CHANNELS, _FINE * FOLD * FOLD, 1)
        self.at28 = nn.Sequential(ConvNorm(_FINE, _FINE), Residual(_FINE))
        self.at14 = nn.Sequential(ConvNorm(_FINE, _MIDDLE, stride=2), Residual(_MIDDLE))
        self.at7 = nn.Sequential(ConvNorm(_MIDDLE, _COARSE, stride=2), Residual(_COARSE))
        self.context = nn.Linear(_COARSE, _MIDDLE)
        self.up = nn.Conv2d(_COARSE, 4 * _FINE, 1)
        self.mix = ConvNorm(_FINE + _MIDDLE + 4 * _FINE, 192, 1)
        self.hidden = ConvNorm(192, 192)
        self.detect = nn.Conv2d(192, DETECTION_CHANNELS, 1)
        self.room_hidden = nn.Linear(2 * _COARSE, 64)
        self.room = nn.Linear(64, len(ROOMS))
        self.embed = nn.Linear(2 * _COARSE, EMBEDDING)
        # Rare positives: start every class near probability 0.01, so that the first thousand
        # batches are not spent on unlearning a half.
        with torch.no_grad():
            assert self.detect.bias is not None
            for slot in (LARGE, SMALL):
                last = slot.first_channel + len(slot.classes)
                self.detect.bias[slot.first_channel : last] = -4.6

    def features(self, latent: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Maps at 28, 14 and 7 cells, and their summary (N, 512), of a latent (N, 256, 7, 7)."""
        fine = self.at28(F.pixel_shuffle(self.unfold(latent), FOLD))
        middle = self.at14(fine)
        coarse = self.at7(middle)
        return fine, middle, coarse, torch.cat([coarse.mean((2, 3)), coarse.amax((2, 3))], 1)

    def forward(self, latent: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, 256, 7, 7) to detection maps (N, C, 14, 14), room logits (N, rooms) and unit
        vectors (N, 128)."""
        fine, middle, coarse, summary = self.features(latent)
        middle = F.relu(middle + self.context(coarse.mean((2, 3)))[:, :, None, None])
        parts = [F.pixel_shuffle(self.up(coarse), 2), middle, F.pixel_unshuffle(fine, 2)]
        maps = self.detect(self.hidden(self.mix(torch.cat(parts, 1))))
        room = self.room(F.relu(self.room_hidden(summary)))
        return maps, room, F.normalize(self.embed(summary), dim=1)
