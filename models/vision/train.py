"""Train the vision model, export it, measure it and write its card.

Examples:
    python -m models.vision.train --render-only        # the views into ~/.cache/sage
    python -m models.vision.train                      # everything, resumes after a stop
    python -m models.vision.train --scale 0.01 --seeds 20 --output /tmp/vision   # a quick look
    python -m models.vision.train --evaluate-only      # measure the shipped weights again
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import queue
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import cv2
import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from torch.nn import functional as F

from models.vision import artifacts, data
from models.vision.augment import degrade, jitter, mirrored, zoomed
from models.vision.card import make_card, summary
from models.vision.export import export
from models.vision.layout import STEPS
from models.vision.lightweight_vae import thumbnail
from models.vision.network import VisionModel
from models.vision.targets import Targets, batch_targets, detection_loss
from sage.irp.errors import ConfigError, SageError
from sage.worlds.apartment.robot import CAMERA

T = TypeVar("T")

PHOTOGRAPHS: Final = Path(__file__).parents[3] / "shared" / "data" / "images"


@dataclass(frozen=True, slots=True)
class Stage:
    """One cycle of the learning rate.

    Attributes:
        iterations: batches.
        learning_rate: its peak (one cycle, Smith & Topin 2018).
        short_fraction: until this part of the stage only two steps are unrolled, then all.
        overlap_weight: see :func:`models.vision.targets.detection_loss`.
        seeds: learn from the first so many apartments.
        zoom_probability: how often a view is enlarged.
        cycle: batches that the whole cycle would take, if it is left early; 0 completes it.
    """

    iterations: int
    learning_rate: float
    short_fraction: float
    overlap_weight: float
    seeds: int
    zoom_probability: float = 0.0
    cycle: int = 0

    def __post_init__(self) -> None:
        if self.iterations < 1:
            raise ConfigError(f"iterations {self.iterations} must be 1 or more")
        if not (self.learning_rate > 0.0 and 0.0 <= self.short_fraction <= 1.0):
            raise ConfigError(
                f"learning_rate {self.learning_rate} must be positive and short_fraction "
                f"{self.short_fraction} in [0, 1]"
            )


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """How the model is trained; its hash is in the card."""

    #: First what is where, then how exactly, over the full refinement.
    stages: tuple[Stage, ...] = (
        Stage(5_500, 2e-3, 0.6, 0.0, seeds=480),
        Stage(1_500, 1e-3, 0.0, 1.0, seeds=480, cycle=2_500),
        Stage(1_900, 1e-3, 0.0, 1.0, seeds=720, zoom_probability=0.5),
    )
    batch: int = 16
    photographs_per_batch: int = 1
    weight_decay: float = 2e-2
    reconstruction_weight: float = 20.0
    kl_weight: float = 1e-3
    room_weight: float = 0.3
    average_decay: float = 0.998
    seed: int = 1

    def __post_init__(self) -> None:
        if self.batch < 2 or not 0 <= self.photographs_per_batch < self.batch:
            raise ConfigError(
                f"batch {self.batch} must be 2 or more and photographs_per_batch "
                f"{self.photographs_per_batch} in [0, {self.batch - 1}]"
            )

    @property
    def iterations(self) -> int:
        """Batches of all stages."""
        return sum(stage.iterations for stage in self.stages)

    @property
    def digest(self) -> str:
        """Short hash of these settings."""
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()[:10]


class Batch(NamedTuple):
    """``seen`` and ``clean`` (N, 3, 224, 224) in [0, 1]; ``rooms`` (N,) or -1; targets by slot."""

    seen: Tensor
    clean: Tensor
    rooms: Tensor
    targets: tuple[Targets, ...]


def batches(
    frames: data.LabelledFrames,
    photographs: np.ndarray,
    config: TrainConfig,
    number: int,
    first: int,
    focal_px: float,
    frames_per_seed: int,
) -> Iterator[Batch]:
    """Batches of stage ``number`` from iteration ``first`` on; a resumed run gets the same."""
    photos = config.photographs_per_batch if len(photographs) else 0
    views = config.batch - photos
    stage = config.stages[number]
    order = data.shuffled(min(len(frames), stage.seeds * frames_per_seed), config.seed + number)
    for _ in range(first * views):
        next(order)
    for iteration in range(first, stage.iterations):
        rng = np.random.default_rng((config.seed + number, iteration))
        seen, clean, rooms, things = [], [], [], []
        for slot in range(config.batch):
            if slot < views:
                index = next(order)
                picture, found = frames.frames[index], frames.of(index)
                rooms.append(int(frames.rooms[index]))
            else:
                picture = photographs[rng.integers(len(photographs))]
                found = frames.things[:0]
                rooms.append(-1)
            if rng.random() < 0.5:
                picture, found = picture[:, ::-1], mirrored(found)
            if stage.zoom_probability and rng.random() < stage.zoom_probability:
                picture, found = zoomed(picture, found, focal_px, rng)
            target = jitter(picture.astype(np.float32) / np.float32(255.0), rng)
            clean.append(target)
            seen.append(degrade(target, rng) if rng.random() < 0.6 else target)
            things.append(found)
        yield Batch(
            torch.from_numpy(np.stack(seen)).permute(0, 3, 1, 2).contiguous(),
            torch.from_numpy(np.stack(clean)).permute(0, 3, 1, 2).contiguous(),
            torch.tensor(rooms),
            batch_targets(things, focal_px),
        )


def prefetched(source: Iterator[T], depth: int = 4) -> Iterator[T]:
    """The same items, made ahead by one thread; an error there is raised here."""
    ready: queue.Queue[T | BaseException | None] = queue.Queue(depth)

    def work() -> None:
        try:
            for item in source:
                ready.put(item)
            ready.put(None)
        except BaseException as error:  # handed to the consumer, which raises it
            ready.put(error)

    threading.Thread(target=work, daemon=True).start()
    while (item := ready.get()) is not None:
        if isinstance(item, BaseException):
            raise item
        yield item


def loss_of(
    model: VisionModel,
    batch: Batch,
    steps: int,
    also: int,
    config: TrainConfig,
    overlap_weight: float = 0.0,
) -> Tensor:
    """The loss of a refinement of ``steps`` steps.

    Every latent answers for its reconstruction, later ones more. The heads, which cost most, read
    the last latent and, with less weight, latent ``also``: over the run every step's.
    """
    unrolled = model.unroll(batch.seen, steps)
    small = thumbnail(batch.clean)
    total = batch.clean.new_zeros(())
    weights = torch.linspace(0.25, 1.0, steps + 1)
    for weight, picture in zip(weights / weights.sum(), unrolled.pictures, strict=True):
        error = (picture.float() - small).square().mean()
        total = total + weight * config.reconstruction_weight * error
    for index, weight in ((steps, 0.75), (also, 0.25)):
        maps, rooms = model.heads(unrolled.latents[index])
        total = total + weight * detection_loss(maps, batch.targets, overlap_weight)
        if bool((batch.rooms >= 0).any()):
            room = F.cross_entropy(rooms.float(), batch.rooms, ignore_index=-1)
            total = total + weight * config.room_weight * room
    mean, log_variance = unrolled.mean.float(), unrolled.log_variance.float()
    divergence = 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).mean()
    return total + config.kl_weight * divergence


@torch.no_grad()
def track(average: VisionModel, model: VisionModel, decay: float) -> None:
    """Move the running average of the weights, which is what is exported."""
    current = dict(model.state_dict())
    for name, value in average.state_dict().items():
        if value.dtype.is_floating_point:
            value.lerp_(current[name], 1.0 - decay)
        else:
            value.copy_(current[name])


@dataclass(slots=True)
class _Progress:
    """What a checkpoint holds: where training is, and everything that it changes."""

    stage: int
    iteration: int
    model: VisionModel
    average: VisionModel
    optimiser: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler

    def save(self, path: Path, key: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        state = {"key": key, "stage": self.stage, "iteration": self.iteration}
        for name in ("model", "average", "optimiser", "schedule"):
            state[name] = getattr(self, name).state_dict()
        torch.save(state, part)
        part.replace(path)


def _begin(config: TrainConfig, number: int, average: VisionModel) -> _Progress:
    """The start of a stage: from the average of the one before, with a fresh optimiser."""
    stage, model = config.stages[number], VisionModel()
    model.load_state_dict(average.state_dict())
    weights = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [
            {"params": weights, "weight_decay": config.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=stage.learning_rate,
        fused=True,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, stage.learning_rate, total_steps=stage.cycle or stage.iterations, pct_start=0.06
    )
    return _Progress(number, 0, model, average, optimiser, schedule)


def _resume(config: TrainConfig, checkpoint: Path, key: str) -> _Progress:
    """Where ``checkpoint`` left off if it belongs to these settings, else the very beginning."""
    torch.manual_seed(config.seed)
    state = _begin(config, 0, VisionModel())
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        if saved["key"] == key:
            state = _begin(config, saved["stage"], state.average)
            state.iteration = saved["iteration"]
            for name in ("model", "average", "optimiser", "schedule"):
                getattr(state, name).load_state_dict(saved[name])
    return state


def train(
    config: TrainConfig, views: data.ViewSet, focal_px: float, checkpoint: Path
) -> VisionModel:
    """The averaged trained model; continues from ``checkpoint`` where it fits these settings."""
    frames = data.load(views)
    photographs = np.zeros((0, *frames.frames.shape[1:]), np.uint8)
    if config.photographs_per_batch:
        photographs, _ = data.photographs(PHOTOGRAPHS)
    key = f"{config.digest} {views}"
    state = _resume(config, checkpoint, key)
    done = sum(stage.iterations for stage in config.stages[: state.stage]) + state.iteration
    with Progress(
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("loss {task.fields[loss]:.3f}"),
    ) as bar:
        task = bar.add_task("train", total=config.iterations, completed=done, loss=float("nan"))
        while True:
            source = prefetched(
                batches(
                    frames,
                    photographs,
                    config,
                    state.stage,
                    state.iteration,
                    focal_px,
                    views.frames_per_seed,
                )
            )
            running = None
            for batch in source:
                loss = _learn(state, batch, config)
                running = loss if running is None else 0.98 * running + 0.02 * loss
                bar.update(task, advance=1, loss=running)
                if state.iteration % 100 == 0:
                    bar.console.print(f"stage {state.stage} {state.iteration}: loss {running:.4f}")
                if state.iteration % 250 == 0:
                    state.save(checkpoint, key)
            state.save(checkpoint, key)
            if state.stage + 1 == len(config.stages):
                return state.average.eval()
            state = _begin(config, state.stage + 1, state.average)


def _learn(state: _Progress, batch: Batch, config: TrainConfig) -> float:
    """One batch; returns its loss."""
    stage, iteration = config.stages[state.stage], state.iteration
    steps = 2 if iteration < stage.short_fraction * stage.iterations else STEPS
    state.model.train()
    with torch.autocast("cpu", torch.bfloat16):
        loss = loss_of(state.model, batch, steps, iteration % steps, config, stage.overlap_weight)
    state.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(state.model.parameters(), 5.0)
    state.optimiser.step()
    state.schedule.step()
    decay = min(config.average_decay, (1 + iteration) / (10 + iteration))
    track(state.average, state.model, decay)
    state.iteration += 1
    return float(loss.detach())


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m models.vision.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--scale", type=float, default=1.0, metavar="X", help="train X times as long (default 1)"
    )
    parser.add_argument(
        "--seeds",
        type=int,
        default=data.TRAIN_VIEWS.seeds,
        metavar="N",
        help=f"apartments to learn from, {data.TRAIN_VIEWS.frames_per_seed} views of each",
    )
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="processor threads")
    parser.add_argument("--output", type=Path, default=artifacts.FOLDER, metavar="FOLDER")
    stage = parser.add_mutually_exclusive_group()
    stage.add_argument("--render-only", action="store_true", help="stop when the views are there")
    stage.add_argument("--evaluate-only", action="store_true", help="measure what --output holds")
    return parser.parse_args(argv)


def scaled(config: TrainConfig, factor: float) -> TrainConfig:
    """The same training with every stage ``factor`` times as long."""
    if not 0.0 < factor <= 100.0:
        raise ConfigError(f"--scale {factor} must be in (0, 100]")
    return replace(
        config,
        stages=tuple(
            replace(
                stage,
                iterations=max(round(factor * stage.iterations), 1),
                cycle=math.ceil(factor * stage.cycle),
            )
            for stage in config.stages
        ),
    )


def _render_all(sets: list[data.ViewSet], workers: int) -> None:
    with Progress(TextColumn("rendering"), BarColumn(), MofNCompleteColumn()) as bar:
        task = bar.add_task("render", total=sum(views.seeds for views in sets))
        for views in sets:
            data.render(views, workers, lambda: bar.advance(task))


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    arguments = _arguments(argv)
    torch.set_num_threads(max(arguments.threads, 1))
    cv2.setNumThreads(1)
    try:
        config = scaled(TrainConfig(), arguments.scale)
        views = replace(data.TRAIN_VIEWS, seeds=arguments.seeds)
        held_out = [data.VALIDATION_VIEWS, data.TEST_VIEWS]
        _render_all([*([] if arguments.evaluate_only else [views]), *held_out], 2)
        if arguments.render_only:
            return 0
        if arguments.evaluate_only:
            files = artifacts.load_card(arguments.output)["files"]
        else:
            model = train(config, views, CAMERA.focal_px, data.cache_dir() / "checkpoint.pt")
            files = export(model, arguments.output)
        card = make_card(arguments.output, files, config, views, PHOTOGRAPHS)
        print(f"wrote {arguments.output / 'CARD.md'}")
        print(summary(card))
    except SageError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
