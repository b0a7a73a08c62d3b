"""``python -m sage.worlds.apartment``: pictures of an apartment, to look at."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from sage.irp.errors import SageError
from sage.worlds.apartment.scene import ViewSample, ViewSampler

_SCALE = 2


def main(arguments: list[str] | None = None) -> int:
    """Write the pictures; the process's exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m sage.worlds.apartment",
        description="Write pictures of the apartment of a seed: from above, and as the robot sees.",
    )
    parser.add_argument("--seed", type=int, default=0, help="which apartment (default 0)")
    parser.add_argument("--views", type=int, default=6, help="robot's views to write (default 6)")
    parser.add_argument("--boxes", action="store_true", help="draw the true labels into the views")
    parser.add_argument("--out", type=Path, default=Path("apartment"), help="folder to write to")
    options = parser.parse_args(arguments)
    if options.seed < 0 or options.views < 0:
        parser.error("--seed and --views must be at least 0")
    try:
        for path in write_pictures(options.seed, options.views, options.out, options.boxes):
            sys.stdout.write(f"{path}\n")
    except (SageError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


def write_pictures(seed: int, views: int, folder: Path, boxes: bool = False) -> list[Path]:
    """Write ``above.png`` and ``view-N.png``; the paths written. OSError if one cannot be."""
    folder.mkdir(parents=True, exist_ok=True)
    sampler = ViewSampler(seed)
    try:
        written = [_write(folder / "above.png", sampler.view_from_above())]
        rng = np.random.default_rng(seed)
        for number in range(1, views + 1):
            sample = sampler.sample(rng)
            # An empty wall tells nothing: take the best of a few draws.
            for _ in range(4):
                if len(sample.things) < 3:
                    sample = max(sample, sampler.sample(rng), key=lambda view: len(view.things))
            picture = _with_boxes(sample) if boxes else sample.rgb
            written.append(_write(folder / f"view-{number}.png", picture))
    finally:
        sampler.close()
    return written


def _with_boxes(sample: ViewSample) -> np.ndarray:
    import cv2

    picture = sample.rgb.repeat(_SCALE, axis=0).repeat(_SCALE, axis=1)
    for thing in sample.things:
        left, top, right, bottom = (round(edge * _SCALE) for edge in thing.box_px)
        cv2.rectangle(picture, (left, top), (right - 1, bottom - 1), (40, 220, 60), 1)
        text = f"{thing.label} {thing.distance_m:.1f} m"
        place = (left + 2, max(top - 4, 10))
        cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.38, (220, 30, 40), 1)
    return picture


def _write(path: Path, rgb: np.ndarray) -> Path:
    import cv2

    if not cv2.imwrite(str(path), rgb[:, :, ::-1]):
        raise OSError(f"cannot write {path}")
    return path


if __name__ == "__main__":
    sys.exit(main())
