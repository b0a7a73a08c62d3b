"""Train the vision model, export it, measure it and write its card.

Examples:
    python -m models.vision.train --render-only        # the views into ~/.cache/sage
    python -m models.vision.train                      # everything, resumes after a stop
    python -m models.vision.train --scale 0.01 --seeds 20 --output /tmp/vision   # a quick look
    python -m models.vision.train --evaluate-only      # measure the shipped weights again
"""

from __future__ import annotations

import argparse
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
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
from models.vision.settings import TrainConfig, scaled
from models.vision.targets import Targets, batch_targets, detection_loss
from sage.irp.errors import SageError
from sage.worlds.apartment.robot import CAMERA

T = TypeVar("T")

PHOTOGRAPHS: Final = Path(__file__).parents[3] / "shared" / "data" / "images"


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
            name = f"checkpoint-{config.digest}-{views.seeds}.pt"
            model = train(config, views, CAMERA.focal_px, data.cache_dir() / name)
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
