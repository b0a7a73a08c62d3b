"""Pictures for the vision benchmark: what is scored, and what baselines may learn from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from models.vision.layout import INPUT_PX
from sage.irp.errors import ConfigError
from sage.values import UInt8Array

_PROJECT: Final = Path(__file__).parents[1]
IMAGES: Final = _PROJECT.parent / "shared" / "data" / "images"
#: Of a folder that training knows every eighth picture, by name, was held out; every second of
#: those calibrates halting, and only the others are scored.
HELD_OUT: Final = slice(7, None, 8)
UNSEEN: Final = slice(15, None, 16)
_SUFFIXES: Final = frozenset((".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".tif", ".tiff"))


@dataclass(frozen=True)
class Chosen:
    """``scored``: pictures to measure on; ``learnt``: what the baselines are fitted to; ``note``
    says in a line where both come from."""

    scored: list[Path]
    learnt: list[Path]
    note: str


def choose(images: Path, train: Path | None, limit: int, seed: int) -> Chosen:
    """Which pictures are scored and which are learnt from; no file is in both.

    Where ``images`` is the folder of the training photographs, only the sixteenth is scored that
    neither training nor calibration saw.
    ``limit`` (0: all) draws so many of what is left, with ``seed``.

    Raises:
        ConfigError: a folder is missing, or no picture in it may be scored.
    """
    folder = IMAGES if train is None else train
    pictures = _pictures_in(images, "--images")
    known = _pictures_in(folder, "--train") if train is not None or folder.is_dir() else []
    held_out, unseen = set(known[HELD_OUT]), set(known[UNSEEN])
    learnt = [path for path in known if path not in held_out]
    note = f"all of {told(images)}"
    if known and images.resolve() == folder.resolve():
        pictures = known[UNSEEN]
        note = f"the sixteenth of {told(images)} that neither training nor calibration saw"
    marks = {_digest(path) for path in known if path not in unseen}
    scored = [path for path in pictures if _digest(path) not in marks] if marks else pictures
    if len(scored) < len(pictures):
        note += f", without {len(pictures) - len(scored)} that are among those of {told(folder)}"
    if not scored:
        raise ConfigError(f"--images {told(images)}: no picture in it was held out from training")
    if limit and limit < len(scored):
        picks = np.random.default_rng(seed).permutation(len(scored))[:limit]
        note = f"drawn from {len(scored)}, {note}"
        scored = [scored[pick] for pick in sorted(picks)]
    return Chosen(scored, learnt, note)


def told(folder: Path) -> str:
    """A folder as the user named it; the default, which nobody named, as seen from the project."""
    return os.path.relpath(folder, _PROJECT) if folder == IMAGES else str(folder)


def _pictures_in(folder: Path, option: str) -> list[Path]:
    if not folder.is_dir():
        raise ConfigError(f"{option} {told(folder)} is no folder; give one that holds pictures")
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    if not found:
        suffixes = ", ".join(sorted(_SUFFIXES))
        raise ConfigError(f"{option} {told(folder)} holds no pictures ({suffixes})")
    return found


def _digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


def read_pictures(
    paths: Sequence[Path], progress: Callable[[], object] = lambda: None
) -> UInt8Array:
    """Pictures (N, 224, 224, 3): the square in the middle of each, scaled.

    Raises:
        ConfigError: a file that cannot be read, by name.
    """
    import cv2

    out = np.empty((len(paths), INPUT_PX, INPUT_PX, 3), np.uint8)
    for index, path in enumerate(paths):
        bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if bgr is None:
            raise ConfigError(f"{path} is no readable picture")
        height, width = bgr.shape[:2]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        square = bgr[top : top + side, left : left + side]
        method = cv2.INTER_AREA if side >= INPUT_PX else cv2.INTER_LINEAR
        out[index] = cv2.resize(square, (INPUT_PX, INPUT_PX), interpolation=method)[..., ::-1]
        progress()
    return out
