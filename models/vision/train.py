"""Train the vision model in four stages, export it, measure it and write its card.

Examples:
    python -m models.vision.train --render-only        # the views into ~/.cache/sage
    python -m models.vision.train                      # everything, resumes after a stop
    python -m models.vision.train --stage judge        # one stage alone, without an export
    python -m models.vision.train --scale 0.01 --seeds 20 --output /tmp/vision   # a quick look
    python -m models.vision.train --evaluate-only      # measure the shipped weights again

Stages: autoencoder and refiner (latent); things and rooms (reader); the error head (judge); how
wrong frames are on the whole (level). Reader and judge both build on the latent stage, not on each
other: two terminals train them at once.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from models.vision import artifacts, data
from models.vision.settings import STAGES, TrainConfig, scaled
from sage.irp.errors import ConfigError, SageError

if TYPE_CHECKING:
    from models.vision.learning import Lesson
    from models.vision.network import VisionModel

PHOTOGRAPHS: Final = Path(__file__).parents[3] / "shared" / "data" / "images"
_BUILDS_ON: Final = {"reader": ("latent",), "judge": ("latent",), "level": ("latent", "judge")}


@dataclass(frozen=True)
class _Run:
    """Where the stages of a training keep their checkpoints, and which of them fit."""

    config: TrainConfig
    views: data.ViewSet
    photographs: int
    folder: Path

    def _digest(self, stage: str) -> str:
        before = ("judge",) if stage == "level" else ()
        return self.config.digest_until(*before, stage)

    def key(self, stage: str) -> str:
        """What a checkpoint of the stage must have been made with."""
        return f"{self._digest(stage)} {self.views} {self.photographs} photographs"

    def checkpoint(self, stage: str) -> Path:
        """Its file."""
        return self.folder / f"checkpoint-{self._digest(stage)}-{self.views.seeds}-{stage}.pt"

    def learn(self, stage: str, lesson: Lesson[Any], model: VisionModel) -> VisionModel:
        """The model after a stage; goes on from its checkpoint."""
        from models.vision.learning import learn

        decay = self.config.average_decay
        return learn(stage, lesson, model, decay, self.checkpoint(stage), self.key(stage))

    def need(self, stage: str, only: str) -> None:
        """ConfigError where a stage that another one builds on is not finished."""
        from models.vision.learning import finished

        wanted = self.config.cycle(stage).iterations
        if not finished(self.checkpoint(stage), self.key(stage), wanted):
            raise ConfigError(
                f"--stage {only} needs the {stage} stage; run `python -m models.vision.train "
                f"--stage {stage}` first"
            )


def train(
    config: TrainConfig,
    views: data.ViewSet,
    photographs: Path,
    focal_px: float,
    folder: Path,
    only: str | None = None,
) -> VisionModel:
    """The trained model; every stage goes on from its checkpoint in ``folder``.

    With ``only`` one stage is trained, which needs those finished that it builds on (ConfigError).
    """
    from models.vision.judge_training import JudgeLesson
    from models.vision.latent_training import LatentLesson, initial_model
    from models.vision.level_training import FrameSource, LevelLesson, collect
    from models.vision.reader_training import ReaderLesson, embed

    frames = data.load(views)
    pictures = data.training_photographs(photographs)
    small, _ = data.photographs(photographs)
    run = _Run(config, views, len(pictures), folder)
    for stage in _BUILDS_ON.get(only or "", ()):
        run.need(stage, str(only))
    start = initial_model(small if len(small) else frames.frames[:2000], config.seed)
    lesson = LatentLesson(config.latent, pictures, frames.frames, config.seed)
    model = run.learn("latent", lesson, start)
    if only == "latent":
        return model
    if only in (None, "reader"):
        reading = ReaderLesson(config.reader, config.latent, frames, small, focal_px, config.seed)
        model = run.learn("reader", reading, model)
        few = max(len(frames) // config.reader.embedding_views, 1)
        embed(model, frames.frames[::few])
    if only == "reader":
        return model
    # The checkpoints of the stages to come may be older than the reader.
    reader = {name: value.clone() for name, value in model.reader.state_dict().items()}
    judging = JudgeLesson(config.judge, config.latent, pictures, frames.frames, config.seed)
    model = run.learn("judge", judging, model)
    if only != "judge":
        with _bar("frames", config.level.frames) as progress:
            kept = run.checkpoint("level").with_suffix(".frames")
            source = FrameSource(pictures, frames.frames, config.latent, config.seed)
            told = collect(model, source, config.level, kept, run.key("level"), progress)
        model = run.learn("level", LevelLesson(config.level, told, config.seed), model)
    model.reader.load_state_dict(reader)
    return model


@contextmanager
def _bar(name: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar; what it gives is called with how much more is done."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    with Progress(TextColumn(name), BarColumn(), MofNCompleteColumn()) as bar:
        task = bar.add_task(name, total=total)
        yield lambda count: bar.advance(task, count)


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
    parser.add_argument(
        "--photographs",
        type=Path,
        default=PHOTOGRAPHS,
        metavar="FOLDER",
        help="natural pictures (*.jpg); every eighth is held out",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--render-only", action="store_true", help="stop when the views are there")
    what.add_argument("--stage", choices=STAGES, help="train this stage alone; nothing is exported")
    what.add_argument("--evaluate-only", action="store_true", help="measure what --output holds")
    return parser.parse_args(argv)


def _render_all(sets: list[data.ViewSet], workers: int) -> None:
    with _bar("rendering", sum(views.seeds for views in sets)) as progress:
        for views in sets:
            data.render(views, workers, partial(progress, 1))


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    arguments = _arguments(argv)
    # Before torch is loaded: its threads would wait spinning, and slow each other down tenfold
    # where other work shares the processor.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import cv2
    import torch

    from models.vision.card import make_card, summary
    from models.vision.export import export
    from sage.worlds.apartment.robot import CAMERA

    cv2.setNumThreads(1)
    try:
        if not 1 <= arguments.threads <= 64:
            raise ConfigError(f"--threads {arguments.threads} must be in [1, 64]")
        torch.set_num_threads(arguments.threads)
        config = scaled(TrainConfig(), arguments.scale)
        views = replace(data.TRAIN_VIEWS, seeds=arguments.seeds)
        _render_all([views, data.VALIDATION_VIEWS, data.TEST_VIEWS], 2)
        if arguments.render_only:
            return 0
        if arguments.evaluate_only:
            files = artifacts.load_card(arguments.output)["files"]
        else:
            model = train(
                config,
                views,
                arguments.photographs,
                CAMERA.focal_px,
                data.cache_dir(),
                arguments.stage,
            )
            if arguments.stage:
                print(f"stage {arguments.stage} is trained; without --stage it is exported")
                return 0
            files = export(model, arguments.output)
        card = make_card(arguments.output, files, config, views, arguments.photographs)
        print(f"wrote {arguments.output / 'CARD.md'}")
        print(summary(card))
    except SageError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
