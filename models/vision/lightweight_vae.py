"""A light convolutional variational autoencoder: 224 x 224 x 3 to a 7 x 7 x 256 latent.

The encoder's trunk gives the posterior of the latent (Kingma & Welling, "Auto-Encoding
Variational Bayes", 2013); early maps at stride 8 and 16 are folded to 7 x 7 by space-to-depth and
handed on as frame features, so that what is 8 px wide in the picture is not lost. The decoder
draws a 56 x 56 picture, which is enough for the energy and costs a few hundred microseconds.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.vision.layout import FEATURE_CHANNELS, LATENT_CHANNELS, THUMBNAIL_PX


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


class Encoder(nn.Module):
    """Picture in [0, 1] to the latent's mean and log variance, and to frame features."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(ConvNorm(12, 32, stride=2), ConvNorm(32, 32))
        self.stride8 = nn.Sequential(ConvNorm(32, 64, stride=2), Residual(64))
        self.stride16 = nn.Sequential(ConvNorm(64, 128, stride=2), Residual(128))
        self.stride32 = nn.Sequential(ConvNorm(128, 256, stride=2), Residual(256))
        self.mean = nn.Conv2d(256, LATENT_CHANNELS, 1)
        self.log_variance = nn.Conv2d(256, LATENT_CHANNELS, 1)
        self.fine = ConvNorm(64, 16, 1)
        self.middle = ConvNorm(128, 48, 1)
        self.features = ConvNorm(16 * 16 + 48 * 4, FEATURE_CHANNELS, 1)

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, 3, 224, 224) to mean and log variance (N, 256, 7, 7) and features (N, 192, 7, 7)."""
        s4 = self.stem(F.pixel_unshuffle(picture - 0.5, 2))
        s8 = self.stride8(s4)
        s16 = self.stride16(s8)
        s32 = self.stride32(s16)
        folded = torch.cat(
            [F.pixel_unshuffle(self.fine(s8), 4), F.pixel_unshuffle(self.middle(s16), 2)], 1
        )
        log_variance = self.log_variance(s32).clamp(-8.0, 2.0)
        return self.mean(s32), log_variance, self.features(folded)


class Decoder(nn.Module):
    """Latent to a 56 x 56 picture in [0, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.at7 = nn.Conv2d(LATENT_CHANNELS, 256, 1)
        self.at14 = nn.Conv2d(64, 64, 3, padding=1)
        self.at28 = nn.Conv2d(16, 32, 3, padding=1)
        self.out = nn.Conv2d(32, 12, 3, padding=1)

    def forward(self, latent: Tensor) -> Tensor:
        """(N, 256, 7, 7) to (N, 3, 56, 56)."""
        y = F.pixel_shuffle(F.relu(self.at7(latent)), 2)
        y = F.pixel_shuffle(F.relu(self.at14(y)), 2)
        y = self.out(F.relu(self.at28(y)))
        return F.pixel_shuffle(y, 2) + 0.5


def thumbnail(picture: Tensor) -> Tensor:
    """The 56 x 56 picture that the decoder is compared with: area average of the frame."""
    return F.avg_pool2d(picture, picture.shape[-1] // THUMBNAIL_PX)
