"""Frames to learn from: rendered views of the apartment, and natural photographs.

Rendered views live in a cache outside the repository (``$SAGE_CACHE`` or ``~/.cache/sage``), one
file per apartment.
Seeds of training, validation and test views are disjoint from each other and from the benchmark's
(0 to 9999), so no benchmark layout was ever seen.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from models.vision.layout import INPUT_PX, LARGE_CLASSES, ROOMS, SMALL_CLASSES
from sage.irp.errors import ConfigError

BENCHMARK_SEEDS: Final = range(10_000)
#: Side of the photographs that training cuts its pictures from.
LARGE_PX: Final = 256
LABELS: Final[tuple[str, ...]] = LARGE_CLASSES + SMALL_CLASSES

#: One labelled thing of one frame; ``label`` indexes :data:`LABELS`.
THING: Final = np.dtype(
    [
        ("label", np.int16),
        ("box_px", np.float32, 4),
        ("distance_m", np.float32),
        ("bearing_rad", np.float32),
        ("visible_px", np.float32),
    ]
)


@dataclass(frozen=True, slots=True)
class ViewSet:
    """Which views to render: ``frames_per_seed`` from each apartment of the seed range."""

    first_seed: int
    seeds: int
    frames_per_seed: int

    def __post_init__(self) -> None:
        if self.first_seed <= BENCHMARK_SEEDS[-1]:
            raise ConfigError(
                f"first_seed {self.first_seed} is a benchmark seed; choose one of "
                f"{len(BENCHMARK_SEEDS)} or more"
            )
        if self.seeds < 1 or self.frames_per_seed < 1:
            raise ConfigError(
                f"seeds {self.seeds} and frames_per_seed {self.frames_per_seed} must be 1 or more"
            )


TRAIN_VIEWS: Final = ViewSet(100_000, 720, 20)
VALIDATION_VIEWS: Final = ViewSet(200_000, 40, 12)
TEST_VIEWS: Final = ViewSet(210_000, 60, 12)


@dataclass(frozen=True, slots=True)
class LabelledFrames:
    """A rendered set: ``frames`` (N, 224, 224, 3) uint8, ``rooms`` (N,) index into ROOMS or -1,
    ``things`` (M,) of :data:`THING` in frame order, ``offsets`` (N + 1,) into ``things``."""

    frames: npt.NDArray[np.uint8]
    rooms: npt.NDArray[np.int16]
    things: npt.NDArray[Any]
    offsets: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.frames)

    def of(self, index: int) -> npt.NDArray[Any]:
        """The things of one frame."""
        return self.things[self.offsets[index] : self.offsets[index + 1]]


def cache_dir() -> Path:
    """Where rendered frames and checkpoints are kept."""
    root = os.environ.get("SAGE_CACHE")
    return (Path(root) if root else Path.home() / ".cache" / "sage") / "vision"


def _shard(seed: int, frames: int) -> Path:
    return cache_dir() / f"views-{frames}" / f"{seed}.npz"


def render_seed(seed: int, count: int) -> None:
    """Render one apartment's views into its file (complete or not there at all)."""
    from sage.worlds.apartment.scene import ViewSampler

    frames = np.zeros((count, INPUT_PX, INPUT_PX, 3), np.uint8)
    rooms = np.full(count, -1, np.int16)
    things: list[tuple[Any, ...]] = []
    counts = np.zeros(count, np.int64)
    sampler = ViewSampler(seed)
    rng = np.random.default_rng(seed)
    for index in range(count):
        sample = sampler.sample(rng)
        frames[index] = sample.rgb
        rooms[index] = ROOMS.index(sample.room) if sample.room in ROOMS else -1
        mine = [
            (LABELS.index(t.label), t.box_px, t.distance_m, t.bearing_rad, t.visible_px)
            for t in sample.things
            if t.label in LABELS
        ]
        things += mine
        counts[index] = len(mine)
    sampler.close()
    path = _shard(seed, count)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, frames=frames, rooms=rooms, things=np.array(things, THING), counts=counts)
    part.replace(path)


def render(views: ViewSet, workers: int = 2, progress: Callable[[], None] = lambda: None) -> None:
    """Render what the cache does not hold yet; ``progress`` is called once per seed."""
    missing = []
    for seed in range(views.first_seed, views.first_seed + views.seeds):
        if _shard(seed, views.frames_per_seed).exists():
            progress()
        else:
            missing.append(seed)
    if not missing:
        return
    # MuJoCo's GL context must not be forked.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        jobs = [pool.submit(render_seed, seed, views.frames_per_seed) for seed in missing]
        for job in as_completed(jobs):
            job.result()
            progress()


def load(views: ViewSet) -> LabelledFrames:
    """A rendered set in memory (150 kB per frame)."""
    total = views.seeds * views.frames_per_seed
    frames = np.empty((total, INPUT_PX, INPUT_PX, 3), np.uint8)
    rooms, things, counts = [], [], []
    for index in range(views.seeds):
        with np.load(
            _shard(views.first_seed + index, views.frames_per_seed), allow_pickle=False
        ) as shard:
            first = index * views.frames_per_seed
            frames[first : first + views.frames_per_seed] = shard["frames"]
            rooms.append(shard["rooms"])
            things.append(shard["things"])
            counts.append(shard["counts"])
    offsets = np.concatenate([[0], np.cumsum(np.concatenate(counts))]).astype(np.int64)
    return LabelledFrames(frames, np.concatenate(rooms), np.concatenate(things), offsets)


def photographs(folder: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Natural photographs (N, 224, 224, 3) for training, and every eighth one held out.

    Both are empty where the folder does not exist.
    """
    pictures, held_out = _read(sorted(folder.glob("*.jpg")), INPUT_PX)
    return pictures[~held_out], pictures[held_out]


def training_photographs(folder: Path) -> npt.NDArray[np.uint8]:
    """Those to train on, (N, 256, 256, 3), to be cut and scaled."""
    pictures, held_out = _read(sorted(folder.glob("*.jpg")), LARGE_PX)
    return pictures[~held_out]


def _read(paths: list[Path], side_px: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Pictures (N, side, side, 3), and which of them are held out."""
    pictures = np.zeros((len(paths), side_px, side_px, 3), np.uint8)
    for index, path in enumerate(paths):
        bgr = cv2.imread(str(path))
        if bgr is None:
            raise ConfigError(f"{path} is no readable picture")
        shape = (side_px, side_px)
        resized = cv2.resize(bgr, shape, interpolation=cv2.INTER_AREA)
        pictures[index] = resized[:, :, ::-1]
    return pictures, np.arange(len(paths)) % 8 == 7
