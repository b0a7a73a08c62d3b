"""The last stage: the error head learns what error a latent has, and what error it will keep."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.vision.examples import Pictures, degraded_batch
from models.vision.layout import FOLD, PATCH_PX
from models.vision.network import VisionModel
from models.vision.settings import Cycle, JudgeStage, LatentStage
from models.vision.walk import Walk, cut_windows

#: Added to a squared error before its logarithm is taken.
LEAST_ERROR = 1e-6
#: In patches: a window of which less counts is not judged.
_LEAST_WEIGHT = 0.5
#: A cell of which less is missing tells nothing.
_LEAST_SHARE = 0.02
_PICTURE_WEIGHT = 4.0
_GAIN_WEIGHT, _GAIN_DELTA, _RELATIVE_WEIGHT, _LEAST_GAIN = 30.0, 0.5, 0.5, 1e-3
UInt8Array = npt.NDArray[np.uint8]


class Judged(NamedTuple):
    """Latents (N, 256, 7, 7) or windows of them, what was observed and is missing of the frames,
    the glance at them, what was observed of the whole frames, the weights of the patches
    (N, 1, 28, 28), and squared errors of these: of the latents, and of those that refinement ends
    with."""

    latent: Tensor
    observed: Tensor
    missing: Tensor
    glance: Tensor
    whole: Tensor
    weights: Tensor
    error: Tensor
    settled: Tensor


@dataclass(frozen=True)
class JudgeLesson:
    """The degraded pictures of the latent stage, with what the finished refiner makes of them."""

    stage: JudgeStage
    pictures: LatentStage
    photographs: UInt8Array
    views: UInt8Array
    seed: int

    @property
    def cycle(self) -> Cycle:
        """The stage's learning-rate cycle."""
        return self.stage.cycle

    def parts(self, model: VisionModel) -> nn.ModuleList:
        """The error head."""
        return nn.ModuleList([model.judge])

    def slow(self, model: VisionModel) -> dict[nn.Parameter, float]:
        """Nothing."""
        return {}

    def batches(self, first: int) -> Iterator[Pictures]:
        """Batches from iteration ``first`` on, other than those of the latent stage."""
        pictures = replace(self.pictures, shares=self.stage.shares)
        for iteration in range(first, self.cycle.iterations):
            yield degraded_batch(
                self.photographs,
                self.views,
                pictures,
                self.cycle.batch,
                [self.seed, 17, iteration],
            )

    def loss(self, model: VisionModel, batch: Pictures, iteration: int) -> Tensor:
        """Likelihood of every patch's error, and distance of the whole picture's in logarithms.

        What halting asks is what part of the error will go; it weighs most. The latent before the
        first step is judged by the glance alone; the others, as at run time, where the step looked
        that made them.
        """
        rng = np.random.default_rng([self.seed, 19, iteration])
        with torch.no_grad():
            judged = self._judged(model, batch, rng)
        total = batch.clean.new_zeros(())
        for index, part in enumerate(judged):
            if not len(part.latent):
                continue
            seen = (*part[1:4], model.judge.context(part.whole))
            if index == 0:
                logarithms = model.judge.before(*seen)
            else:
                logarithms = model.judge(model.refiner.said(part.latent), *seen)
            for which, truth in enumerate((part.error, part.settled)):
                map_ = logarithms[:, which : which + 1]
                surprise = map_ + (truth + LEAST_ERROR) * torch.exp(-map_)
                total = total + weighted_mean(surprise, part.weights).mean()
                expected = weighted_mean(torch.exp(map_), part.weights).log()
                off = expected - (weighted_mean(truth, part.weights) + LEAST_ERROR).log()
                total = total + _PICTURE_WEIGHT * off.square().mean()
            total = total + _GAIN_WEIGHT * gain_error(logarithms, part)
        return total

    def _judged(
        self, model: VisionModel, batch: Pictures, rng: np.random.Generator
    ) -> list[Judged]:
        """The frames before the first step, then what some steps made of their windows."""
        walk = Walk(model, batch.seen, batch.missing, rng)
        latents, windows = [walk.latent], [walk.windows]
        for _ in range(self.stage.settled_after):
            latents.append(walk.step())
            windows.append(walk.windows)
        weights = patch_weights(batch.missing)
        frame = (walk.observed, walk.missing, walk.glance)
        settled = patch_errors(model.vae.decode(latents[-1]), batch)
        first = patch_errors(model.vae.decode(latents[0]), batch)
        out = [Judged(latents[0], *frame, walk.observed, weights, first, settled)]
        steps = [int(step) for step in rng.choice(self.stage.steps, self.stage.picks)]
        for index, step in enumerate(steps):
            latent = latents[step]
            if index == len(steps) - 1:
                latent = self.spoiled(latent, rng)
            parts = [latent, *frame, weights]
            parts += [patch_errors(model.vae.decode(latent), batch), settled]
            cut, observed, missing, glance, *truth = (
                cut_windows(part, windows[step]) for part in parts
            )
            judged = Judged(cut, observed, missing, glance, walk.observed, *truth)
            counts = judged.weights.sum((1, 2, 3)) > _LEAST_WEIGHT
            out.append(Judged(*(part[counts] for part in judged)))
        return out

    def spoiled(self, latent: Tensor, rng: np.random.Generator) -> Tensor:
        """Now and then a latent that no refinement makes, so that a refiner that does nothing, or
        harm, is told."""
        fate = float(rng.random())
        for name, share in (
            ("swapped", self.stage.swapped),
            ("noisy", self.stage.noisy),
            ("blank", self.stage.blank),
            ("shrunk", self.stage.shrunk),
        ):
            if 0.0 <= fate < share:
                return _spoil(latent, name, rng)
            fate -= share
        return latent


def gain_error(logarithms: Tensor, part: Judged) -> Tensor:
    """How far off the gain is that is expected, as a part of the error now.

    Of every cell the squared difference; of a picture the deviance of a Poisson distribution too,
    which also has its minimum at the mean but weighs relatively: a gain of a hundredth is told from
    one of a thousandth. A refinement that does harm gains nothing.
    """
    now, settled = torch.exp(logarithms).split(1, 1)
    expected, true = (now - settled) * part.weights, (part.error - part.settled) * part.weights
    error = part.error * part.weights
    counts = F.avg_pool2d(part.weights, FOLD) > _LEAST_SHARE
    cells = [F.avg_pool2d(values, FOLD)[counts] for values in (expected, true, error)]
    total = torch.zeros((), dtype=now.dtype)
    if len(cells[0]):
        scale = cells[2] + LEAST_ERROR
        shares = (cells[0] / scale, (cells[1] / scale).clamp(-0.2, 1.0))
        total = F.huber_loss(*shares, delta=_GAIN_DELTA)
    scale = error.sum((1, 2, 3)) + LEAST_ERROR
    share, truth = (gain.sum((1, 2, 3)) / scale for gain in (expected, true))
    squared = F.huber_loss(share, truth, delta=_GAIN_DELTA)
    relative = (share - truth.clamp(0.0, 1.0) * torch.log(share + _LEAST_GAIN)).mean()
    return total + squared + _RELATIVE_WEIGHT * relative


def _spoil(latent: Tensor, how: str, rng: np.random.Generator) -> Tensor:
    if how == "swapped":
        return latent.roll(1, 0)
    if how == "noisy":
        noise = torch.from_numpy(rng.standard_normal(tuple(latent.shape), np.float32))
        return latent + float(rng.uniform(0.05, 1.0)) * noise
    return latent * (0.0 if how == "blank" else float(rng.uniform()))


def patch_weights(missing: Tensor) -> Tensor:
    """Weights (N, 1, 28, 28) of patches, of missing pixels (N, 1, 224, 224): the missing part
    where there is one, else all alike."""
    part = F.avg_pool2d(missing, PATCH_PX)
    return torch.where(part.amax((1, 2, 3), keepdim=True) > 0.0, part, torch.ones_like(part))


def patch_errors(picture: Tensor, batch: Pictures) -> Tensor:
    """Mean squared error (N, 1, 28, 28) of each patch of a decoded picture, clipped as it is
    shown; of an incomplete picture that of its missing pixels."""
    error = (picture.float().clamp(0.0, 1.0) - batch.clean).square().mean(1, keepdim=True)
    partly = batch.missing.amax((1, 2, 3), keepdim=True) > 0.0
    weights = torch.where(partly, batch.missing, torch.ones_like(batch.missing))
    per_patch = F.avg_pool2d(weights, PATCH_PX)
    return F.avg_pool2d(error * weights, PATCH_PX) / per_patch.clamp(min=LEAST_ERROR)


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """(N, 1, 28, 28) to (N,)."""
    return (values * weights).sum((1, 2, 3)) / weights.sum((1, 2, 3))
