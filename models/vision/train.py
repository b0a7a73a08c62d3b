"""Train the vision model in three stages, export it, measure it and write its card.

Examples:
    python -m models.vision.train --render-only        # the views into ~/.cache/sage
    python -m models.vision.train                      # everything, resumes after a stop
    python -m models.vision.train --stage judge        # one stage alone, without an export
    python -m models.vision.train --scale 0.01 --seeds 20 --output /tmp/vision   # a quick look
    python -m models.vision.train --evaluate-only      # measure the shipped weights again

Stages: autoencoder and refiner (latent); things and rooms (reader); the error head (judge). Reader
and judge both build on the latent stage, not on each other: two terminals train them at once.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from models.vision import artifacts, data
from models.vision.settings import STAGES, TrainConfig, scaled
from sage.irp.errors import ConfigError, SageError

if TYPE_CHECKING:
    from models.vision.network import VisionModel

PHOTOGRAPHS: Final = Path(__file__).parents[3] / "shared" / "data" / "images"


def train(
    config: TrainConfig,
    views: data.ViewSet,
    photographs: Path,
    focal_px: float,
    folder: Path,
    only: str | None = None,
) -> VisionModel:
    """The trained model; every stage goes on from its checkpoint in ``folder``.

    With ``only`` one stage is trained, which needs the latent stage finished before (ConfigError).
    """

    from models.vision.judge_training import JudgeLesson
    from models.vision.latent_training import LatentLesson, initial_model
    from models.vision.learning import finished, learn
    from models.vision.reader_training import ReaderLesson, embed

    frames = data.load(views)
    pictures = data.training_photographs(photographs)
    small, _ = data.photographs(photographs)

    def key(stage: str) -> str:
        return f"{config.digest_until(stage)} {views} {len(pictures)} photographs"

    def checkpoint(stage: str) -> Path:
        return folder / f"checkpoint-{config.digest_until(stage)}-{views.seeds}-{stage}.pt"

    start = initial_model(small if len(small) else frames.frames[:2000], config.seed)
    lesson = LatentLesson(config.latent, pictures, frames.frames, config.seed)
    ready = finished(checkpoint("latent"), key("latent"), config.latent.cycle.iterations)
    if only not in (None, "latent") and not ready:
        raise ConfigError(
            f"--stage {only} needs the latent stage; run `python -m models.vision.train "
            "--stage latent` first"
        )
    decay = config.average_decay
    model = learn("latent", lesson, start, decay, checkpoint("latent"), key("latent"))
    if only == "latent":
        return model
    if only != "judge":
        reading = ReaderLesson(config.reader, config.latent, frames, small, focal_px, config.seed)
        model = learn("reader", reading, model, decay, checkpoint("reader"), key("reader"))
        few = max(len(frames) // config.reader.embedding_views, 1)
        embed(model, frames.frames[::few])
    if only != "reader":
        reader = {name: value.clone() for name, value in model.reader.state_dict().items()}
        judging = JudgeLesson(config.judge, config.latent, pictures, frames.frames, config.seed)
        model = learn("judge", judging, model, decay, checkpoint("judge"), key("judge"))
        # The judge's checkpoint may be older than the reader.
        model.reader.load_state_dict(reader)
    return model


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
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    with Progress(TextColumn("rendering"), BarColumn(), MofNCompleteColumn()) as bar:
        task = bar.add_task("render", total=sum(views.seeds for views in sets))
        for views in sets:
            data.render(views, workers, lambda: bar.advance(task))


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
