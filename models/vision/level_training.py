"""What the frames' levels are learned from: many frames, refined once, with their true errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.vision.examples import Pictures, degraded_batch
from models.vision.judge_training import LEAST_ERROR, patch_errors, patch_weights, weighted_mean
from models.vision.level import loudness, spectrum
from models.vision.network import VisionModel
from models.vision.settings import Cycle, LatentStage, LevelStage
from models.vision.walk import Walk, cut_windows, paste_windows

UInt8Array = npt.NDArray[np.uint8]
_AT_ONCE = 8


class Levels(NamedTuple):
    """N frames in S states each: ``told`` (N, 65) of :func:`~models.vision.level.spectrum`; the
    error that is expected (N, S, 2), of what was not looked at and of what was, which add up; and
    the true one (N, S)."""

    told: Tensor
    expected: Tensor
    error: Tensor


@dataclass(frozen=True)
class FrameSource:
    """Photographs and views that frames are made of, degraded as in the latent stage."""

    photographs: UInt8Array
    views: UInt8Array
    pictures: LatentStage
    seed: int

    def batch(self, stage: LevelStage, count: int) -> Pictures:
        """The next few after ``count`` frames."""
        drawn = replace(self.pictures, shares=stage.shares, view_share=stage.view_share)
        seed = [self.seed, 31, count]
        return degraded_batch(self.photographs, self.views, drawn, _AT_ONCE, seed)


@dataclass(frozen=True)
class LevelLesson:
    """Factors that make what is expected of whole frames true."""

    stage: LevelStage
    frames: Levels
    seed: int

    @property
    def cycle(self) -> Cycle:
        """The stage's learning-rate cycle."""
        return self.stage.cycle

    def parts(self, model: VisionModel) -> nn.ModuleList:
        """The level."""
        return nn.ModuleList([model.level])

    def slow(self, model: VisionModel) -> dict[nn.Parameter, float]:
        """Nothing."""
        return {}

    def batches(self, first: int) -> Iterator[Levels]:
        """Some of the frames; the same ones of an iteration wherever it starts."""
        for iteration in range(first, self.cycle.iterations):
            rng = np.random.default_rng([self.seed, 29, iteration])
            picks = torch.from_numpy(rng.integers(len(self.frames.told), size=self.cycle.batch))
            yield Levels(*(part[picks] for part in self.frames))

    def loss(self, model: VisionModel, batch: Levels, iteration: int) -> Tensor:
        """How far off the logarithm of a frame's expected error is, after any number of steps."""
        expected = (batch.expected * model.level(batch.told).float()[:, None]).sum(2)
        off = torch.log(expected + LEAST_ERROR) - torch.log(batch.error + LEAST_ERROR)
        return F.huber_loss(off, torch.zeros_like(off), delta=self.stage.delta)


@torch.no_grad()
def collect(
    model: VisionModel,
    source: FrameSource,
    stage: LevelStage,
    file: Path,
    key: str,
    progress: Callable[[int], None] = lambda count: None,
) -> Levels:
    """Refine ``stage.frames`` degraded pictures; what ``file`` holds of them for ``key`` is kept.

    ``progress`` is called with the number of frames that were added.
    """
    done: list[Levels] = []
    if file.exists():
        saved = torch.load(file, weights_only=True)
        if saved["key"] == key:
            done = [Levels(*saved["frames"])]
    count = sum(len(part.told) for part in done)
    progress(count)
    while count < stage.frames:
        batch = source.batch(stage, count)
        done.append(_refined(model, batch, stage.steps))
        count += _AT_ONCE
        progress(_AT_ONCE)
        if count % stage.saved_every < _AT_ONCE or count >= stage.frames:
            done = [Levels(*(torch.cat(parts) for parts in zip(*done, strict=True)))]
            file.parent.mkdir(parents=True, exist_ok=True)
            part = file.with_suffix(".part")
            torch.save({"key": key, "frames": list(done[0])}, part)
            part.replace(file)
    return Levels(*(torch.cat(parts) for parts in zip(*done, strict=True)))


def _refined(model: VisionModel, batch: Pictures, steps: tuple[int, ...]) -> Levels:
    """The frames of a batch after so many steps each."""
    walk = Walk(model, batch.seen, batch.missing)
    weights = patch_weights(batch.missing)
    looked = torch.zeros_like(weights)
    scene = (walk.observed, walk.missing, walk.glance)
    maps = torch.exp(model.judge.before(*scene, walk.context))[:, :1]
    expected, errors = [], []
    for step in range(max(steps) + 1):
        if step in steps:
            both = (maps * (1.0 - looked), maps * looked)
            expected.append(torch.stack([weighted_mean(one, weights) for one in both], 1))
            error = patch_errors(model.vae.decode(walk.latent), batch)
            errors.append(weighted_mean(error, weights))
        if step == max(steps):
            break
        walk.step()
        parts = (cut_windows(part, walk.windows) for part in (walk.latent, *scene))
        latent, *seen = parts
        judged = model.judge(model.refiner.said(latent), *seen, walk.context)
        maps = paste_windows(maps, torch.exp(judged)[:, :1], walk.windows)
        looked = paste_windows(looked, torch.ones_like(judged[:, :1]), walk.windows)
    told = spectrum(loudness(walk.observed, model.judge.scale_seen), walk.missing)
    return Levels(told, torch.stack(expected, 1), torch.stack(errors, 1))
