"""What restoring is compared with: block PCA, smoothing, non-local means, Telea, mean, grey."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from benchmarks.vision_pictures import read_pictures, told
from models.vision.degradation import Degraded, fill
from models.vision.layout import INPUT_PX, LATENT_CELLS, LATENT_CHANNELS
from plugins.vision import VisionPlugin
from sage.values import Frame, Observation, UInt8Array

BLOCK_PX: Final = INPUT_PX // LATENT_CELLS
_VALUES: Final = 3 * BLOCK_PX * BLOCK_PX
#: Filter strengths of non-local means over the noise's deviation; the best of them counts.
NLM_STRENGTHS: Final = (0.5, 0.6, 0.7, 0.8)
TELEA_RADII_PX: Final = (3, 5)
#: Of the kernels that noise is smoothed away with; the best of them counts.
GAUSSIAN_PX: Final = (1.0, 1.5, 2.0, 2.5)
_CHUNK: Final = 20  # pictures whose blocks are held at a time

Float32Array = npt.NDArray[np.float32]
T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True)
class BlockPCA:
    """The best linear code of as many numbers as the latent has: 256 for every 32 x 32 x 3 block.

    ``anchor`` (3072,) is a block in [0, 1] from which on it is linear, ``analysis`` (3072, 256)
    and ``synthesis`` (256, 3072); ``source`` says what it was fitted to.
    """

    anchor: Float32Array
    analysis: Float32Array
    synthesis: Float32Array
    mean_block: Float32Array
    mean_picture: Float32Array
    source: str

    def restore(self, picture: Float32Array) -> Float32Array:
        """A picture (224, 224, 3) in [0, 1], coded and decoded."""
        codes = (blocks(picture[None]) - self.anchor) @ self.analysis
        restored = unblocks(codes @ self.synthesis + self.anchor)[0]
        return np.asarray(np.clip(restored, 0.0, 1.0), np.float32)


def blocks(pictures: npt.NDArray[T]) -> npt.NDArray[T]:
    """(N, 224, 224, 3) to (49 N, 3072)."""
    shape = (len(pictures), LATENT_CELLS, BLOCK_PX, LATENT_CELLS, BLOCK_PX, 3)
    return pictures.reshape(shape).transpose(0, 1, 3, 2, 4, 5).reshape(-1, _VALUES)


def unblocks(rows: npt.NDArray[T]) -> npt.NDArray[T]:
    """(49 N, 3072) to (N, 224, 224, 3)."""
    shape = (-1, LATENT_CELLS, LATENT_CELLS, BLOCK_PX, BLOCK_PX, 3)
    return rows.reshape(shape).transpose(0, 1, 3, 2, 4, 5).reshape(-1, INPUT_PX, INPUT_PX, 3)


def _mirrored() -> npt.NDArray[np.intp]:
    """Where each value of a block lies in its mirror image."""
    numbers = np.arange(_VALUES).reshape(BLOCK_PX, BLOCK_PX, 3)
    return np.ascontiguousarray(numbers[:, ::-1]).reshape(-1)


def fitted(paths: Sequence[Path], progress: Callable[[], object] = lambda: None) -> BlockPCA:
    """Block PCA of photographs and their mirror images.

    With the mirror images in, every component is even or odd; each half has its own, smaller,
    covariance, and no mirror image need be made.
    """
    mirror = _mirrored()
    left = np.flatnonzero(np.arange(_VALUES) < mirror)
    right = mirror[left]
    even, odd = (np.zeros((len(left), len(left)), np.float64) for _ in range(2))
    total, count = np.zeros(_VALUES), 0
    picture_sum = np.zeros((INPUT_PX, INPUT_PX, 3))
    for first in range(0, len(paths), _CHUNK):
        pictures = read_pictures(paths[first : first + _CHUNK], progress)
        picture_sum += pictures.sum(0, dtype=np.float64)
        rows = blocks(pictures.astype(np.float32) / np.float32(255.0))
        total += rows.sum(0, dtype=np.float64)
        count += len(rows)
        one, two = rows[:, left], rows[:, right]
        for scatter, part in ((even, one + two), (odd, one - two)):
            scatter += part.T @ part
    mean = total / count
    mean = 0.5 * (mean + mean[mirror])
    offset = np.sqrt(2.0) * mean[left]
    # Halves of unit length: (x + mirrored x) / sqrt 2 and (x - mirrored x) / sqrt 2.
    halves = ((even / (2 * count) - np.outer(offset, offset), 1.0), (odd / (2 * count), -1.0))
    values, axes = [], []
    for covariance, sign in halves:
        strength, vectors = np.linalg.eigh(covariance)
        axis = np.zeros((_VALUES, LATENT_CHANNELS))
        axis[left] = vectors[:, -LATENT_CHANNELS:] / np.sqrt(2.0)
        axis[right] = sign * axis[left]
        values.append(strength[-LATENT_CHANNELS:])
        axes.append(axis)
    best = np.argsort(-np.concatenate(values))[:LATENT_CHANNELS]
    basis = np.concatenate(axes, 1)[:, best].astype(np.float32)
    middle = mean.astype(np.float32)
    mean_picture = (picture_sum / (255.0 * len(paths))).astype(np.float32)
    source = f"fitted to {len(paths)} others of {told(paths[0].parent)}"
    return BlockPCA(middle, basis, np.ascontiguousarray(basis.T), middle, mean_picture, source)


def stored(vision: VisionPlugin) -> BlockPCA:
    """The same code, recovered from the plugin's encoder, for where no photographs are.

    The encoder is linear and its axes are orthogonal, so that answers to single lit pixels give it
    and its inverse. It codes patches of 8 px and then their components, which loses 0.1 dB.
    """

    def latents(frame: UInt8Array) -> Float32Array:
        state = vision.init_state(Observation("benchmark", "none", 0.0, 0, Frame(frame)), {})
        return np.asarray(state.latent.reshape(LATENT_CHANNELS, -1).T, np.float32)

    cells = LATENT_CELLS * LATENT_CELLS
    grey = np.full((cells, _VALUES), 128, np.uint8)
    base = latents(unblocks(grey)[0])
    analysis = np.empty((_VALUES, LATENT_CHANNELS), np.float32)
    for first in range(0, _VALUES, cells):
        lit = grey.copy()
        numbers = np.arange(first, min(first + cells, _VALUES))
        lit[np.arange(len(numbers)), numbers] = 255
        change = latents(unblocks(lit)[0]) - base
        analysis[numbers] = change[: len(numbers)] * np.float32(255.0 / 127.0)
    synthesis = np.linalg.pinv(analysis.astype(np.float64)).astype(np.float32)
    anchor = np.full(_VALUES, 128.0 / 255.0, np.float32)
    mean_block = np.clip(anchor - base.mean(0) @ synthesis, 0.0, 1.0)
    mean_picture = unblocks(np.tile(mean_block, (cells, 1)))[0]
    return BlockPCA(
        anchor, analysis, synthesis, mean_block, mean_picture, "recovered from the encoder"
    )


def restored(harmed: Degraded, kind: str, pca: BlockPCA) -> dict[str, Float32Array]:
    """What each baseline makes of a frame, (224, 224, 3) in [0, 1].

    Missing pixels reach the first ones guessed from their surroundings, as they reach the plugin.
    """
    import cv2

    seen = harmed.seen.astype(np.float32) / np.float32(255.0)
    if harmed.missing is not None:
        seen = np.clip(fill(seen, harmed.missing), 0.0, 1.0)
    out = {
        "input": seen,
        "mean image": pca.mean_picture,
        "grey": np.full_like(seen, 0.5),
        "block PCA": pca.restore(seen),
    }
    if harmed.missing is not None:
        mask = harmed.missing.astype(np.uint8)
        for radius in TELEA_RADII_PX:
            guess = cv2.inpaint(harmed.seen, mask, radius, cv2.INPAINT_TELEA)
            out[f"Telea {radius} px"] = guess.astype(np.float32) / np.float32(255.0)
    if kind.startswith(("noise", "dark")):
        for deviation_px in GAUSSIAN_PX:
            smooth = cv2.GaussianBlur(seen, (0, 0), deviation_px, borderType=cv2.BORDER_REFLECT)
            out[f"Gaussian {deviation_px:g} px"] = np.asarray(smooth, np.float32)
    if kind.startswith("noise"):
        deviation = float(kind.removeprefix("noise"))
        for part in NLM_STRENGTHS:
            strength = part * deviation
            bgr = np.ascontiguousarray(harmed.seen[..., ::-1])
            calm = cv2.fastNlMeansDenoisingColored(bgr, None, strength, strength, 7, 21)
            values = calm[..., ::-1].astype(np.float32) / np.float32(255.0)
            out[f"NLM {part:g}"] = values
    return out
