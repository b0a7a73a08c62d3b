"""The first stage: autoencoder and refiner learn to restore pictures, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.func import functional_call

from models.vision.examples import Pictures, degraded_batch
from models.vision.judge_training import (
    LEAST_ERROR,
    patch_errors,
    patch_weights,
    weighted_mean,
)
from models.vision.layout import STEPS
from models.vision.network import VisionModel
from models.vision.settings import Cycle, LatentStage
from models.vision.walk import Walk

#: Of an incomplete picture what was observed counts by so much: it is kept as it is.
_OBSERVED_WEIGHT = 0.05
#: Steps after which every part of a frame was looked at.
WHOLE_FRAME_STEPS = 4
UInt8Array = npt.NDArray[np.uint8]


def initial_model(pictures: UInt8Array, seed: int) -> VisionModel:
    """A model whose autoencoder is fitted to (N, 224, 224, 3) pictures in closed form."""
    torch.manual_seed(seed)
    model = VisionModel()
    for module in model.vae.decoder.modules():
        if isinstance(module, nn.Conv2d) and bool(module.weight.any()):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)  # type: ignore[arg-type]
    model.vae.fit(pictures)
    model.refiner.begin(model.vae)
    model.judge.begin(model.vae)
    return model


@dataclass(frozen=True)
class LatentLesson:
    """Photographs (N, S, S, 3), S above 224, and views (M, 224, 224, 3), under degradations."""

    stage: LatentStage
    photographs: UInt8Array
    views: UInt8Array
    seed: int

    @property
    def cycle(self) -> Cycle:
        """The stage's learning-rate cycle."""
        return self.stage.cycle

    def parts(self, model: VisionModel) -> nn.ModuleList:
        """Decoder, glance and refiner, and the error head, which the glance has to serve too; the
        encoder is already the best linear one."""
        return nn.ModuleList([model.vae.decoder, model.glance, model.refiner, model.judge])

    def slow(self, model: VisionModel) -> dict[nn.Parameter, float]:
        """What was fitted in closed form changes little."""
        fitted = (model.vae.decoder.unfold, model.refiner.unfold, model.refiner.fold)
        return {p: self.stage.slow for module in fitted for p in module.parameters()}

    def batches(self, first: int) -> Iterator[Pictures]:
        """Batches from iteration ``first`` on."""
        for iteration in range(first, self.cycle.iterations):
            yield degraded_batch(
                self.photographs,
                self.views,
                self.stage,
                self.cycle.batch,
                [self.seed, 5, iteration],
            )

    def loss(self, model: VisionModel, batch: Pictures, iteration: int) -> Tensor:
        """Mean logarithm of the squared error after two of the unrolled steps.

        The last one always answers, and another one drawn anew for every batch: over the run every
        step does. The logarithm weighs a decibel alike in easy and hard pictures. The decoder
        learns from pictures that are not degraded, also before the first step: from the others it
        would learn to draw their average, and the sharp ones would pay for it.
        """
        stage = self.stage
        rng = np.random.default_rng([self.seed, 9, iteration])
        later = iteration >= stage.later_from * self.cycle.iterations
        start = int(rng.choice(stage.starts)) if later else 0
        last = min(start + stage.unrolled_at(iteration), STEPS)
        also = int(rng.integers(start + 1, last)) if last > start + 1 else last
        walk = Walk(model, batch.seen, batch.missing, rng)
        first = batch.clean.new_zeros(())
        if bool(batch.whole.any()):
            whole = Pictures(*(values[batch.whole] for values in batch))
            surprise = self._surprise(decoded(model, walk.latent[batch.whole], whole.whole), whole)
            first = surprise.sum() / len(batch.clean)
        total, weights, judged = batch.clean.new_zeros(()), 0.0, batch.clean.new_zeros(())
        with torch.no_grad():
            for _ in range(start):
                walk.step()
        while walk.steps < last:
            latent = walk.step()
            if walk.steps in (also, last):
                weight = 1.0 if walk.steps >= WHOLE_FRAME_STEPS else stage.first_weight
                weights += weight
                picture = decoded(model, latent, batch.whole)
                surprise = self._surprise(picture, batch)
                total = total + weight * (batch.importance * surprise).mean()
                judged = judged + self._misjudged(model, walk, picture.detach(), batch)
        excess = (walk.latent.float().square().mean() - stage.latent_bound).clamp(min=0.0)
        restored = total / weights + stage.first_state_weight * first + 1e-3 * excess
        return restored + stage.judge_weight * judged

    def _surprise(self, picture: Tensor, batch: Pictures) -> Tensor:
        """Logarithms (N,) of the errors of decoded pictures."""
        return (picture_error(picture, batch) + self.stage.error_floor).log()

    def _misjudged(
        self, model: VisionModel, walk: Walk, picture: Tensor, batch: Pictures
    ) -> Tensor:
        """How far the error head is off: what it asks of the glance, not of the refiner."""
        errors, weights = patch_errors(picture, batch), patch_weights(batch.missing)
        said = model.refiner.said(walk.latent).detach()
        logarithms = model.judge(said, walk.observed, walk.missing, walk.glance, walk.context)
        now = logarithms[:, :1]
        surprise = weighted_mean(now + (errors + LEAST_ERROR) * torch.exp(-now), weights)
        expected = weighted_mean(torch.exp(now), weights).log()
        off = expected - (weighted_mean(errors, weights) + LEAST_ERROR).log()
        return (surprise + 0.5 * off.square()).mean()


def decoded(model: VisionModel, latent: Tensor, learns: Tensor) -> Tensor:
    """Pictures (N, 3, 224, 224) of latents; the decoder learns from some of them, (N,) bool."""
    decoder = model.vae.decoder
    fixed = {name: value.detach() for name, value in decoder.named_parameters()}
    order = torch.cat([learns.nonzero()[:, 0], (~learns).nonzero()[:, 0]])
    count = int(learns.sum())
    parts = []
    if count:
        parts.append(decoder(latent[order[:count]]))
    if count < len(order):
        parts.append(functional_call(decoder, fixed, (latent[order[count:]],)))
    return model.vae.patches.synthesise(torch.cat(parts)[order.argsort()])


def picture_error(picture: Tensor, batch: Pictures) -> Tensor:
    """Mean squared errors (N,) of pictures; of incomplete ones mostly of what was missing."""
    partly = batch.missing.amax((1, 2, 3), keepdim=True) > 0.0
    shares = (1.0 - _OBSERVED_WEIGHT) * batch.missing + _OBSERVED_WEIGHT
    weights = torch.where(partly, shares, torch.ones_like(shares))
    error = (picture.float() - batch.clean).square().mean(1, keepdim=True)
    return (error * weights).sum((1, 2, 3)) / weights.sum((1, 2, 3))
