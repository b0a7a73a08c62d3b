"""Train the vision model, export it, measure it and write its card.

Examples:
    python -m models.vision.train --render-only        # the views into ~/.cache/sage
    python -m models.vision.train                      # everything, resumes after a stop
    python -m models.vision.train --iterations 50 --seeds 20 --output /tmp/vision   # a quick look
    python -m models.vision.train --evaluate-only      # measure the shipped weights again
"""

from __future__ import annotations

import argparse
import hashlib
import json
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple

import cv2
import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from torch.nn import functional as F

from models.vision import artifacts, data
from models.vision.augment import degrade, jitter, mirrored
from models.vision.card import make_card, summary
from models.vision.export import export
from models.vision.layout import STEPS
from models.vision.lightweight_vae import thumbnail
from models.vision.network import VisionModel
from models.vision.targets import Targets, batch_targets, detection_loss
from sage.irp.errors import ConfigError, SageError
from sage.worlds.apartment.robot import CAMERA

PHOTOGRAPHS: Final = Path(__file__).parents[3] / "shared" / "data" / "images"


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """How the model is trained; its hash is in the card."""

    iterations: int = 6_000
    batch: int = 16
    photographs_per_batch: int = 1
    learning_rate: float = 2e-3
    weight_decay: float = 2e-2
    #: Until this fraction of the run only two steps are unrolled, then all of them.
    short_fraction: float = 0.6
    reconstruction_weight: float = 20.0
    kl_weight: float = 1e-3
    room_weight: float = 0.3
    average_decay: float = 0.998
    seed: int = 1

    def __post_init__(self) -> None:
        if self.iterations < 1 or self.batch < 2:
            raise ConfigError(
                f"iterations {self.iterations} must be >= 1 and batch {self.batch} >= 2"
            )
        if not 0 <= self.photographs_per_batch < self.batch:
            raise ConfigError(
                f"photographs_per_batch {self.photographs_per_batch} must be in "
                f"[0, {self.batch - 1}]"
            )

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
    first: int,
    focal_px: float,
) -> Iterator[Batch]:
    """Batches from iteration ``first`` on; the same ones whether or not a run was resumed."""
    photos = config.photographs_per_batch if len(photographs) else 0
    views = config.batch - photos
    order = data.shuffled(len(frames), config.seed)
    for _ in range(first * views):
        next(order)
    for iteration in range(first, config.iterations):
        rng = np.random.default_rng((config.seed, iteration))
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


def prefetched(source: Iterator[Batch], depth: int = 4) -> Iterator[Batch]:
    """The same batches, made ahead by one thread; an error there is raised here."""
    ready: queue.Queue[Batch | BaseException | None] = queue.Queue(depth)

    def work() -> None:
        try:
            for batch in source:
                ready.put(batch)
            ready.put(None)
        except BaseException as error:  # handed to the consumer, which raises it
            ready.put(error)

    threading.Thread(target=work, daemon=True).start()
    while (item := ready.get()) is not None:
        if isinstance(item, BaseException):
            raise item
        yield item


def loss_of(model: VisionModel, batch: Batch, steps: int, also: int, config: TrainConfig) -> Tensor:
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
        total = total + weight * detection_loss(maps, batch.targets)
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


def train(
    config: TrainConfig, views: data.ViewSet, focal_px: float, checkpoint: Path
) -> VisionModel:
    """The averaged trained model; continues from ``checkpoint`` where it fits these settings."""
    torch.manual_seed(config.seed)
    frames = data.load(views)
    photographs = np.zeros((0, *frames.frames.shape[1:]), np.uint8)
    if config.photographs_per_batch:
        photographs, _ = data.photographs(PHOTOGRAPHS)
    model, average = VisionModel(), VisionModel()
    average.load_state_dict(model.state_dict())
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [
            {"params": decayed, "weight_decay": config.weight_decay},
            {"params": plain, "weight_decay": 0.0},
        ],
        lr=config.learning_rate,
        fused=True,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, config.learning_rate, total_steps=config.iterations, pct_start=0.06
    )
    key, first = f"{config.digest} {views}", 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        if saved["key"] == key:
            model.load_state_dict(saved["model"])
            average.load_state_dict(saved["average"])
            optimiser.load_state_dict(saved["optimiser"])
            schedule.load_state_dict(saved["schedule"])
            first = saved["iteration"]

    def save(iteration: int) -> None:
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        part = checkpoint.with_suffix(".part")
        state = {
            "key": key,
            "iteration": iteration,
            "model": model.state_dict(),
            "average": average.state_dict(),
            "optimiser": optimiser.state_dict(),
            "schedule": schedule.state_dict(),
        }
        torch.save(state, part)
        part.replace(checkpoint)

    model.train()
    with Progress(
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("loss {task.fields[loss]:.3f}"),
    ) as bar:
        task = bar.add_task("train", total=config.iterations, completed=first, loss=float("nan"))
        running, started = None, time.perf_counter()
        source = prefetched(batches(frames, photographs, config, first, focal_px))
        for iteration, batch in enumerate(source, start=first):
            steps = 2 if iteration < config.short_fraction * config.iterations else STEPS
            with torch.autocast("cpu", torch.bfloat16):
                loss = loss_of(model, batch, steps, iteration % steps, config)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimiser.step()
            schedule.step()
            track(average, model, min(config.average_decay, (1 + iteration) / (10 + iteration)))
            value = float(loss.detach())
            running = value if running is None else 0.98 * running + 0.02 * value
            bar.update(task, advance=1, loss=running)
            if (iteration + 1) % 100 == 0:
                rate = (time.perf_counter() - started) / (iteration + 1 - first)
                print(f"{iteration + 1}: loss {running:.4f}, {rate:.2f} s per batch", flush=True)
            if (iteration + 1) % 250 == 0:
                save(iteration + 1)
    save(config.iterations)
    return average.eval()


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m models.vision.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    defaults = TrainConfig()
    parser.add_argument("--iterations", type=int, default=defaults.iterations, metavar="N")
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
        config = TrainConfig(iterations=arguments.iterations)
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
