"""A light autoencoder: a 224 x 224 x 3 picture to a 7 x 7 x 256 latent and back.

The encoder is the optimum of a linear variational autoencoder, which is probabilistic principal
component analysis (Lucas et al., "Don't Blame the ELBO!", 2019), in two levels: patches of 8 px,
then 4 x 4 patches of a cell. It is fitted in closed form, costs a tenth of what one matrix over
32 px blocks does, and whitens the latent, so that the prior is a unit Gaussian. The decoder begins
as its inverse and learns to draw what the components leave out, across the borders of the cells.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.vision.layout import (
    DRAWN_COMPONENTS,
    FOLD,
    LATENT_CHANNELS,
    LATENT_COMPONENTS,
    OBSERVED_COMPONENTS,
    PATCH_PX,
    PATCHES,
)

_PATCH_VALUES = 3 * PATCH_PX * PATCH_PX
_HIDDEN = 48
#: What an error of a component is measured in, in units of the picture: noise of 50 of 255. Errors
#: are alike in all components, whose own sizes differ a hundredfold.
ERROR_SCALE = 0.2


class Block(nn.Module):
    """Two 3 x 3 convolutions around a skip connection; it begins as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to the same shape."""
        return x + self.second(F.relu(self.first(x)))


class PatchBasis(nn.Module):
    """The principal components of 8 x 8 x 3 patches, each scaled to unit variance; not trained."""

    mean: Tensor
    basis: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(_PATCH_VALUES))
        self.register_buffer("basis", torch.eye(_PATCH_VALUES))
        self.register_buffer("deviation", torch.ones(_PATCH_VALUES))

    def analyse(self, picture: Tensor, components: int) -> Tensor:
        """(N, 3, 224, 224) in [0, 1] to (N, components, 28, 28)."""
        rows = (self.basis[:, :components] / self.deviation[:components]).T
        kernel = rows.reshape(components, 3, PATCH_PX, PATCH_PX)
        return F.conv2d(picture, kernel, -(rows @ self.mean), stride=PATCH_PX)

    def synthesise(self, components: Tensor) -> Tensor:
        """(N, components, 28, 28) to (N, 3, 224, 224)."""
        count = components.shape[1]
        columns = self.basis[:, :count] * self.deviation[:count]
        patches = F.conv2d(components, columns[:, :, None, None], self.mean)
        return F.pixel_shuffle(patches, PATCH_PX)


class Encoder(nn.Module):
    """Picture to latent, and to what the refiner observes of it."""

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Conv2d(LATENT_COMPONENTS, LATENT_CHANNELS, FOLD, stride=FOLD)

    def forward(self, observed: Tensor) -> Tensor:
        """Observed components (N, 64, 28, 28) to a latent (N, 256, 7, 7)."""
        return self.project(observed[:, :LATENT_COMPONENTS])


class Decoder(nn.Module):
    """Latent to the components of every patch: the inverse of the encoder, and a correction."""

    scale_in: Tensor
    scale_out: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.unfold = nn.Conv2d(LATENT_CHANNELS, LATENT_COMPONENTS * FOLD * FOLD, 1)
        self.mix = nn.Conv2d(LATENT_COMPONENTS, _HIDDEN, 1)
        self.blocks = nn.Sequential(Block(_HIDDEN), Block(_HIDDEN))
        self.out = nn.Conv2d(_HIDDEN, DRAWN_COMPONENTS, 1)
        nn.init.zeros_(self.out.weight)
        self.register_buffer("scale_in", torch.ones(1, LATENT_COMPONENTS, 1, 1))
        self.register_buffer("scale_out", torch.ones(1, DRAWN_COMPONENTS, 1, 1))

    def forward(self, latent: Tensor) -> Tensor:
        """(N, 256, 7, 7) to (N, 96, 28, 28)."""
        said = F.pixel_shuffle(self.unfold(latent), FOLD)
        hidden = F.relu(self.blocks(self.mix(said * self.scale_in)))
        correction = self.out(hidden).float() * self.scale_out
        more = DRAWN_COMPONENTS - LATENT_COMPONENTS
        return F.pad(said.float(), (0, 0, 0, 0, 0, more)) + correction


class LightweightVAE(nn.Module):
    """Encoder, decoder and the basis that they share."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = PatchBasis()
        self.encoder = Encoder()
        self.decoder = Decoder()

    def encode(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, 224, 224) in [0, 1] to latent (N, 256, 7, 7) and observed (N, 64, 28, 28)."""
        observed = self.patches.analyse(picture, OBSERVED_COMPONENTS)
        return self.encoder(observed), observed

    def decode(self, latent: Tensor) -> Tensor:
        """(N, 256, 7, 7) to (N, 3, 224, 224), not clipped."""
        return self.patches.synthesise(self.decoder(latent))

    @torch.no_grad()
    def fit(self, pictures: npt.NDArray[np.uint8]) -> None:
        """Set basis, encoder and decoder to the principal components of (N, 224, 224, 3) pictures.

        Pictures and their mirror images count alike.
        """
        both = np.concatenate([pictures, pictures[:, :, ::-1]])
        stack = torch.from_numpy(both).permute(0, 3, 1, 2).float() / 255.0
        patches = F.unfold(stack, PATCH_PX, stride=PATCH_PX).transpose(1, 2)
        flat = patches.reshape(-1, _PATCH_VALUES).double()
        self.patches.mean.copy_(flat.mean(0))
        values, vectors = _components(flat - flat.mean(0))
        self.patches.basis.copy_(vectors)
        self.patches.deviation.copy_(values.clamp(min=1e-8).sqrt())
        scores = (flat - flat.mean(0)) @ vectors[:, :LATENT_COMPONENTS]
        square = scores.reshape(-1, PATCHES, PATCHES, LATENT_COMPONENTS).permute(0, 3, 1, 2)
        cells = F.pixel_unshuffle(square, FOLD).permute(0, 2, 3, 1).flatten(0, 2)
        middle = cells.mean(0)
        values, vectors = _components(cells - middle)
        scale = values[:LATENT_CHANNELS].sqrt()
        vectors = vectors[:, :LATENT_CHANNELS]
        unit = self.patches.deviation[:LATENT_COMPONENTS].double().repeat_interleave(FOLD * FOLD)
        into = ((vectors / scale).T * unit).float()
        back = (vectors * scale / unit[:, None]).float()
        _set(self.encoder.project, into, (-(vectors / scale).T @ middle).float())
        _set(self.decoder.unfold, back, (middle / unit).float())
        deviation = self.patches.deviation[None, :, None, None]
        self.decoder.scale_in.copy_((deviation[:, :LATENT_COMPONENTS] / ERROR_SCALE).sqrt())
        self.decoder.scale_out.copy_(ERROR_SCALE / deviation[:, :DRAWN_COMPONENTS])


def _components(centred: Tensor) -> tuple[Tensor, Tensor]:
    """Variances and axes (as columns) of the principal components, the largest first."""
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
    return values.flip(0), vectors.flip(1)


def _set(layer: nn.Conv2d, weight: Tensor, bias: Tensor) -> None:
    layer.weight.copy_(weight.reshape(layer.weight.shape))
    assert layer.bias is not None
    layer.bias.copy_(bias)
