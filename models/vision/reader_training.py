"""The second stage: things and rooms are read from latents that no longer change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.vision.augment import degrade, jitter, mirrored, zoomed
from models.vision.data import LabelledFrames
from models.vision.embedding import fit_embedding
from models.vision.examples import observed, stacked, stacked_masks
from models.vision.network import VisionModel
from models.vision.settings import Cycle, LatentStage, ReaderStage
from models.vision.targets import Targets, batch_targets, detection_loss
from models.vision.walk import Walk, refined

#: Steps after which the embedding is fitted, and views at a time.
_EMBEDDED_STEPS, _EMBEDDED_BATCH = 4, 20
UInt8Array = npt.NDArray[np.uint8]


class Scenes(NamedTuple):
    """``seen`` (N, 3, 224, 224) in [0, 1]; ``missing`` (N, 1, 224, 224); ``rooms`` (N,) or -1;
    targets by slot."""

    seen: Tensor
    missing: Tensor
    rooms: Tensor
    targets: tuple[Targets, ...]


@dataclass(frozen=True)
class ReaderLesson:
    """Labelled views, and photographs (N, 224, 224, 3) on which there is nothing to find."""

    stage: ReaderStage
    pictures: LatentStage
    frames: LabelledFrames
    photographs: UInt8Array
    focal_px: float
    seed: int

    @property
    def cycle(self) -> Cycle:
        """The stage's learning-rate cycle."""
        return self.stage.cycle

    def parts(self, model: VisionModel) -> nn.ModuleList:
        """The reader, without its embedding, which is fitted afterwards."""
        return nn.ModuleList([model.reader])

    def slow(self, model: VisionModel) -> dict[nn.Parameter, float]:
        """The embedding does not learn."""
        return dict.fromkeys(model.reader.embed.parameters(), 0.0)

    def batches(self, first: int) -> Iterator[Scenes]:
        """Batches from iteration ``first`` on."""
        stage = self.stage
        kinds, shares = zip(*((k, s) for k, s in self.pictures.shares if k != "clean"), strict=True)
        probabilities = np.array(shares) / sum(shares)
        for iteration in range(first, self.cycle.iterations):
            rng = np.random.default_rng([self.seed, 11, iteration])
            seen, missing, rooms, things = [], [], [], []
            for slot in range(self.cycle.batch):
                if slot < stage.photographs and len(self.photographs):
                    picture = self.photographs[rng.integers(len(self.photographs))]
                    found, room = self.frames.things[:0], -1
                else:
                    index = int(rng.integers(len(self.frames)))
                    picture, found = self.frames.frames[index], self.frames.of(index)
                    room = int(self.frames.rooms[index])
                if rng.random() < 0.5:
                    picture, found = picture[:, ::-1], mirrored(found)
                if rng.random() < stage.zoom_probability:
                    picture, found = zoomed(picture, found, self.focal_px, rng)
                shown, mask = jitter(picture.astype(np.float32) / np.float32(255.0), rng), None
                fate = rng.random()
                if fate < stage.worse_probability:
                    shown = degrade(shown, rng)
                elif fate < stage.worse_probability + stage.hard_probability:
                    kind = kinds[int(rng.choice(len(kinds), p=probabilities))]
                    shown, mask = observed(shown, kind, rng, vary=True)
                seen.append(np.asarray(shown, np.float32))
                missing.append(mask)
                rooms.append(room)
                things.append(found)
            yield Scenes(
                stacked(seen),
                stacked_masks(missing),
                torch.tensor(rooms),
                batch_targets(things, self.focal_px),
            )

    def loss(self, model: VisionModel, batch: Scenes, iteration: int) -> Tensor:
        """Of things and room, after a number of steps drawn for the batch."""
        stage = self.stage
        rng = np.random.default_rng([self.seed, 13, iteration])
        with torch.no_grad():
            walk = Walk(model, batch.seen, batch.missing, rng)
            for _ in range(int(rng.choice(stage.steps))):
                walk.step()
        maps, rooms, _ = model.reader(walk.latent.float())
        overlap = 1.0 if iteration >= stage.overlap_from * self.cycle.iterations else 0.0
        total = detection_loss(maps, batch.targets, overlap)
        if bool((batch.rooms >= 0).any()):
            room = F.cross_entropy(rooms.float(), batch.rooms, ignore_index=-1)
            total = total + stage.room_weight * room
        return total


@torch.no_grad()
def embed(model: VisionModel, views: UInt8Array) -> None:
    """Fit the embedding of scenes to (N, 224, 224, 3) views, after some steps of refinement."""
    model.eval()
    summaries = []
    for first in range(0, len(views), _EMBEDDED_BATCH):
        part = torch.from_numpy(views[first : first + _EMBEDDED_BATCH])
        picture = part.permute(0, 3, 1, 2).float() / 255.0
        missing = picture.new_zeros(len(part), 1, *picture.shape[2:])
        latent = refined(model, picture, missing, _EMBEDDED_STEPS)
        summaries.append(model.reader.features(latent)[3])
    weight, bias = fit_embedding(torch.cat(summaries))
    model.reader.embed.weight.copy_(weight)
    model.reader.embed.bias.copy_(bias)
