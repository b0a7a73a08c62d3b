"""The vision model: autoencoder, refiner, error head and reader, and the graphs exported of it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.vision.glance import Glance
from models.vision.judge import ErrorHead
from models.vision.latent_refiner import LatentRefiner
from models.vision.layout import (
    CONTEXT,
    DRAWN_COMPONENTS,
    INPUT_PX,
    OBSERVED_COMPONENTS,
    PATCH_PX,
    PATCHES,
)
from models.vision.level import FrameLevel, loudness, spectrum
from models.vision.lightweight_vae import LightweightVAE, PatchBasis
from models.vision.reader import SceneReader


class VisionModel(nn.Module):
    """Everything that is trained."""

    def __init__(self) -> None:
        super().__init__()
        self.vae = LightweightVAE()
        self.glance = Glance()
        self.refiner = LatentRefiner()
        self.judge = ErrorHead()
        self.level = FrameLevel()
        self.reader = SceneReader()


def patches_of(picture: Tensor) -> Tensor:
    """Pictures (N, 3, 224, 224) in [0, 1] as a glance takes them: (N, 784, 192) in [-1, 1]."""
    square = picture.unflatten(3, (PATCHES, PATCH_PX)).unflatten(2, (PATCHES, PATCH_PX))
    return 2.0 * square.permute(0, 2, 4, 3, 5, 1).reshape(len(picture), PATCHES**2, -1) - 1.0


def missing_map(missing: Tensor) -> Tensor:
    """Missing pixels (N, 1, 224, 224) of 0 or 1 as the networks take them: (N, 16, 28, 28)."""
    return F.pixel_unshuffle(F.avg_pool2d(missing, 2), PATCH_PX // 2)


def _interleaved(patches: PatchBasis) -> tuple[Tensor, Tensor]:
    """Scaled basis (192, 192) and mean (192,) for patches whose colours lie side by side."""
    basis = (patches.basis * patches.deviation).T
    order = basis.reshape(-1, 3, PATCH_PX, PATCH_PX).permute(0, 2, 3, 1).reshape(basis.shape)
    mean = patches.mean.reshape(3, PATCH_PX, PATCH_PX).permute(1, 2, 0).reshape(-1)
    return order, mean


class EncodeGraph(nn.Module):
    """What ``encode.onnx`` computes: uint8 frame to the first state.

    The patches are gathered as bytes, a quarter of the memory traffic of floats.
    """

    analysis: Tensor
    offset: Tensor

    def __init__(self, model: VisionModel) -> None:
        super().__init__()
        self.model = model
        basis, mean = _interleaved(model.vae.patches)
        deviation = model.vae.patches.deviation[:OBSERVED_COMPONENTS, None]
        rows = basis[:OBSERVED_COMPONENTS] / deviation.square()
        self.register_buffer("analysis", rows / 255.0)
        self.register_buffer("offset", -(rows @ mean))

    def forward(
        self, frame: Tensor, missing: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """(N, 224, 224, 3) uint8 and what is missing of it, (N, 16, 28, 28), to the latent, the
        observed components, the glance, the context with the levels (N, 66) and the expected
        squared errors (N, 2, 28, 28)."""
        count = frame.shape[0]
        rows = frame.reshape(count, PATCHES, PATCH_PX, PATCHES, 3 * PATCH_PX)
        patches = rows.permute(0, 1, 3, 2, 4).reshape(count, PATCHES * PATCHES, -1).float()
        components = patches @ self.analysis.T + self.offset
        observed = components.transpose(1, 2).reshape(count, -1, PATCHES, PATCHES)
        latent = self.model.vae.encoder(observed)
        glance = self.model.glance(patches / 127.5 - 1.0, missing)
        judge = self.model.judge
        context = judge.context(observed)
        level = self.model.level(spectrum(loudness(observed, judge.scale_seen), missing))
        errors = torch.exp(judge.before(observed, missing, glance, context))
        errors = errors * level[:, :1, None, None]
        return latent, observed, glance, torch.cat([context, level], 1), errors


class StepGraph(nn.Module):
    """What ``step.onnx`` computes: one refinement step of one window, and how wrong it still is.

    The error head is apart from the refiner: it is told what the new latent says, not how it came
    about.
    """

    def __init__(self, model: VisionModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        latent: Tensor,
        thought: Tensor,
        observed: Tensor,
        missing: Tensor,
        glance: Tensor,
        context: Tensor,
        step: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The next latent (N, 256, 4, 4), thought (N, 48, 16, 16) and expected squared errors
        (N, 2, 16, 16), now and at the end, of the window."""
        refiner = self.model.refiner
        latent, thought = refiner(latent, thought, observed, missing, step)
        told, level = context[:, :CONTEXT], context[:, -1:, None, None]
        judged = self.model.judge(refiner.said(latent), observed, missing, glance, told)
        return latent, thought, torch.exp(judged) * level


class DecodeGraph(nn.Module):
    """What ``decode.onnx`` computes: a latent to the picture that it stands for."""

    synthesis: Tensor
    offset: Tensor

    def __init__(self, model: VisionModel) -> None:
        super().__init__()
        self.model = model
        basis, mean = _interleaved(model.vae.patches)
        self.register_buffer("synthesis", basis[:DRAWN_COMPONENTS] * 255.0)
        self.register_buffer("offset", mean * 255.0 + 0.5)  # the cast rounds down

    def forward(self, latent: Tensor) -> Tensor:
        """(N, 256, 7, 7) to (N, 224, 224, 3) uint8."""
        count = latent.shape[0]
        components = (
            self.model.vae.decoder(latent).reshape(count, DRAWN_COMPONENTS, -1).transpose(1, 2)
        )
        values = components @ self.synthesis + self.offset
        patches = values.clamp(0.0, 255.0).to(torch.uint8)
        rows = patches.reshape(count, PATCHES, PATCHES, PATCH_PX, 3 * PATCH_PX)
        return rows.permute(0, 1, 3, 2, 4).reshape(count, INPUT_PX, INPUT_PX, 3)


class ReadGraph(nn.Module):
    """What ``read.onnx`` computes: detection maps, room logits and embedding of a latent."""

    def __init__(self, model: VisionModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, latent: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Detection maps with class logits (N, C, 14, 14), room logits, and embedding."""
        maps, rooms, embedding = self.model.reader(latent)
        return maps, rooms, embedding
