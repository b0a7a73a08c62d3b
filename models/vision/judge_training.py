"""The last stage: the error head learns what error a latent has, and what error it will keep."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.vision.examples import Pictures, degraded_batch
from models.vision.layout import FOLD, LATENT_CELLS, PATCH_PX, STEPS, WINDOW
from models.vision.network import VisionModel
from models.vision.settings import Cycle, JudgeStage, LatentStage
from models.vision.walk import Walk

_FLOOR = 1e-6
#: In patches: a window of which less counts is not judged.
_LEAST_WEIGHT = 0.5
UInt8Array = npt.NDArray[np.uint8]


class Judged(NamedTuple):
    """Latents (N, 256, 7, 7), what was observed and is missing of the frames, the weights of their
    patches (N, 1, 28, 28), and squared errors of these: of the latents, and after all steps."""

    latent: Tensor
    observed: Tensor
    missing: Tensor
    weights: Tensor
    error: Tensor
    settled: Tensor


def windowed(judged: Judged, at: tuple[int, int]) -> Judged:
    """The window at (row, column) of those pictures of which something counts in it."""
    parts = []
    for values in judged:
        scale = FOLD if values.shape[-1] > LATENT_CELLS else 1
        rows, columns = (slice(scale * i, scale * (i + WINDOW)) for i in at)
        parts.append(values[:, :, rows, columns])
    counts = Judged(*parts).weights.sum((1, 2, 3)) > _LEAST_WEIGHT
    return Judged(*(part[counts] for part in parts))


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
        """It unfolds the latent as the decoder does, whatever the errors."""
        return dict.fromkeys(model.judge.unfold.parameters(), 0.0)

    def batches(self, first: int) -> Iterator[Pictures]:
        """Batches from iteration ``first`` on, other than those of the latent stage."""
        for iteration in range(first, self.cycle.iterations):
            yield degraded_batch(
                self.photographs,
                self.views,
                self.pictures,
                self.cycle.batch,
                [self.seed, 17, iteration],
            )

    def loss(self, model: VisionModel, batch: Pictures, iteration: int) -> Tensor:
        """Likelihood of every patch's error, and distance of the whole picture's in logarithms.

        What halting asks is the difference of the two, now and at the end, and how the energy falls
        from state to state of one picture; both weigh most. In every other batch all latents but
        the first are judged by a window of them, as after a step.
        """
        rng = np.random.default_rng([self.seed, 19, iteration])
        with torch.no_grad():
            walk = Walk(model, batch.seen, batch.missing, rng)
            latents = [walk.latent]
            for _ in range(STEPS):
                latents.append(walk.step())
            weights = patch_weights(batch.missing)
            last = patch_errors(model, latents[-1], batch)
            picked = self.picked(latents, rng)
            judged = [
                Judged(p, walk.observed, walk.missing, weights, patch_errors(model, p, batch), last)
                for p in picked
            ]
        total, apart = batch.clean.new_zeros(()), []
        for index, part in enumerate(judged):
            if iteration % 2 and index:
                at = tuple(int(v) for v in rng.integers(0, LATENT_CELLS - WINDOW + 1, 2))
                part = windowed(part, (at[0], at[1]))
                if not len(part.latent):
                    continue
            logarithms = model.judge(part.latent, part.observed, part.missing).float()
            both = []
            for which, truth in enumerate((part.error, part.settled)):
                map_ = logarithms[:, which : which + 1]
                surprise = map_ + (truth + _FLOOR) * torch.exp(-map_)
                total = total + weighted_mean(surprise, part.weights).mean()
                expected = weighted_mean(torch.exp(map_), part.weights).log()
                both.append(expected - (weighted_mean(truth, part.weights) + _FLOOR).log())
                total = total + 0.5 * both[-1].square().mean()
            total = total + 2.0 * F.huber_loss(both[0], both[1], delta=0.2)
            apart.append(both[0])
        if iteration % 2 == 0:
            for one, two in pairwise(apart):
                total = total + 4.0 * F.huber_loss(one, two, delta=0.2)
        return total

    def picked(self, latents: list[Tensor], rng: np.random.Generator) -> list[Tensor]:
        """Latents to judge; the last now and then one that no refinement makes, so that a refiner
        that does nothing, or harm, is told."""
        stage = self.stage
        steps = [int(step) for step in rng.choice(stage.steps, stage.picks)]
        if rng.random() < stage.first_probability:
            steps[-1] = 0
        picked = [latents[step] for step in steps]
        spoiled = picked[-1]
        fate = float(rng.random())
        for name, share in (
            ("swapped", stage.swapped),
            ("noisy", stage.noisy),
            ("blank", stage.blank),
            ("shrunk", stage.shrunk),
        ):
            if 0.0 <= fate < share:
                picked[-1] = _spoil(spoiled, name, rng)
            fate -= share
        return picked


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


def patch_errors(model: VisionModel, latent: Tensor, batch: Pictures) -> Tensor:
    """Mean squared error (N, 1, 28, 28) of each patch of the decoded picture, clipped as it is
    shown; of an incomplete picture that of its missing pixels."""
    picture = model.vae.decode(latent).float().clamp(0.0, 1.0)
    error = (picture - batch.clean).square().mean(1, keepdim=True)
    partly = batch.missing.amax((1, 2, 3), keepdim=True) > 0.0
    weights = torch.where(partly, batch.missing, torch.ones_like(batch.missing))
    per_patch = F.avg_pool2d(weights, PATCH_PX)
    return F.avg_pool2d(error * weights, PATCH_PX) / per_patch.clamp(min=_FLOOR)


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """(N, 1, 28, 28) to (N,)."""
    return (values * weights).sum((1, 2, 3)) / weights.sum((1, 2, 3))
