"""A batch refined in torch, window by window, as training needs it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from models.vision.layout import FOLD, LATENT_CELLS, WINDOW
from models.vision.network import VisionModel, missing_map, patches_of
from models.vision.windows import best_window, visited

#: Worth of cells of an incomplete picture in which nothing is missing.
_WHOLE = 0.02


class Walk:
    """Pictures ``seen`` (N, 3, 224, 224) in [0, 1] being refined, ``missing`` (N, 1, 224, 224).

    Nothing is known of what is to be gained: windows are those least looked at, where something is
    missing first; an ``rng`` varies them.
    """

    def __init__(
        self,
        model: VisionModel,
        seen: Tensor,
        missing: Tensor,
        rng: np.random.Generator | None = None,
    ) -> None:
        self._refiner, self._rng = model.refiner, rng
        with torch.autocast("cpu", enabled=False):
            self.latent, self.observed = model.vae.encode(seen)
        self.missing = missing_map(missing)
        self.glance = model.glance(patches_of(seen), self.missing)
        self.context = model.judge.context(self.observed)
        self._thought = self.glance
        part = F.adaptive_avg_pool2d(missing, LATENT_CELLS)[:, 0].numpy() + _WHOLE
        incomplete = missing.amax((1, 2, 3)).numpy()[:, None, None] > 0.0
        self._worth: npt.NDArray[np.float64] = np.where(incomplete, part, 1.0).astype(np.float64)
        self._visits = np.zeros((len(seen), LATENT_CELLS, LATENT_CELLS), np.uint8)
        self.steps = 0
        #: Where the last step looked; before the first one, the first window.
        self.windows = [(0, 0)] * len(seen)

    def step(self) -> Tensor:
        """Refine one window of every picture; returns the latents (N, 256, 7, 7)."""
        self.windows = [self._next(index) for index in range(len(self._visits))]
        parts = (self.latent, self._thought, self.observed, self.missing)
        number = torch.tensor(self.steps)
        latent, thought = self._refiner(*(cut_windows(p, self.windows) for p in parts), number)
        self.latent = paste_windows(self.latent, latent, self.windows)
        self._thought = paste_windows(self._thought, thought, self.windows)
        self.steps += 1
        return self.latent

    def _next(self, index: int) -> tuple[int, int]:
        worth = self._worth[index]
        if self._rng is not None:
            worth = worth * (0.1 + 0.9 * self._rng.random(worth.shape))
        at = best_window(worth, self._visits[index])
        self._visits[index] = visited(self._visits[index], at)
        return at


def refined(model: VisionModel, seen: Tensor, missing: Tensor, steps: int) -> Tensor:
    """The latents (N, 256, 7, 7) after some steps, always of the same windows."""
    walk = Walk(model, seen, missing)
    for _ in range(steps):
        walk.step()
    return walk.latent


def _slices(values: Tensor, at: tuple[int, int]) -> tuple[slice, slice]:
    scale = FOLD if values.shape[-1] > LATENT_CELLS else 1
    return tuple(slice(scale * first, scale * (first + WINDOW)) for first in at)  # type: ignore[return-value]


def cut_windows(values: Tensor, windows: list[tuple[int, int]]) -> Tensor:
    """Of values (N, C, 7, 7) or (N, C, 28, 28) one window each, at (row, column) in cells."""
    parts = []
    for index, at in enumerate(windows):
        rows, columns = _slices(values, at)
        parts.append(values[index, :, rows, columns])
    return torch.stack(parts)


def paste_windows(values: Tensor, parts: Tensor, windows: list[tuple[int, int]]) -> Tensor:
    """A copy of values (N, C, 7, 7) or (N, C, 28, 28) with these windows of them replaced."""
    out = values.to(parts.dtype, copy=True)
    for index, at in enumerate(windows):
        rows, columns = _slices(values, at)
        out[index, :, rows, columns] = parts[index]
    return out
