"""Pictures to learn from: drawn from photographs and views, varied, and degraded."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import NamedTuple, TypeVar

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.vision.degradation import degrade, fill
from models.vision.layout import INPUT_PX
from models.vision.settings import LatentStage

T = TypeVar("T")
Float32Array = npt.NDArray[np.float32]
UInt8Array = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]

#: Smallest part of a photograph's side that is enlarged to a whole picture.
_LEAST_PART = 0.74


class Pictures(NamedTuple):
    """``clean`` and ``seen`` (N, 3, 224, 224) in [0, 1], what is missing in ``seen`` guessed from
    its surroundings; ``missing`` (N, 1, 224, 224) of 0 and 1; ``importance`` (N,); ``whole`` (N,)
    where ``seen`` is not degraded."""

    clean: Tensor
    seen: Tensor
    missing: Tensor
    importance: Tensor
    whole: Tensor


def observed(
    clean: Float32Array, kind: str, rng: np.random.Generator, vary: bool
) -> tuple[Float32Array, BoolArray | None]:
    """What the network is shown of a picture (224, 224, 3) in [0, 1], and what of it is missing."""
    harmed = degrade(clean, kind, rng, vary)
    seen = harmed.seen.astype(np.float32) / np.float32(255.0)
    if harmed.missing is None:
        return seen, None
    return np.asarray(np.clip(fill(seen, harmed.missing), 0.0, 1.0), np.float32), harmed.missing


def stacked(pictures: list[Float32Array]) -> Tensor:
    """Pictures (224, 224, 3) as a batch (N, 3, 224, 224)."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).contiguous()


def stacked_masks(masks: list[BoolArray | None]) -> Tensor:
    """What is missing, (224, 224) each, as a batch (N, 1, 224, 224)."""
    out = torch.zeros(len(masks), 1, INPUT_PX, INPUT_PX)
    for index, mask in enumerate(masks):
        if mask is not None:
            out[index, 0] = torch.from_numpy(mask.astype(np.float32))
    return out


def drawn(
    photographs: UInt8Array, views: UInt8Array, view_share: float, rng: np.random.Generator
) -> Float32Array:
    """One clean picture (224, 224, 3) in [0, 1]: a view, or a part of a photograph.

    Photographs (N, S, S, 3) are larger than 224 px: half of them are shrunk whole; the others are
    cut out, scaled or as they are. Mirrored, upside down now and then, in another light.
    """
    if len(photographs) == 0 or (len(views) and rng.random() < view_share):
        picture = views[rng.integers(len(views))]
    else:
        picture = _part(photographs[rng.integers(len(photographs))], rng)
    if rng.random() < 0.5:
        picture = picture[:, ::-1]
    if rng.random() < 0.1:
        picture = picture[::-1]
    out = picture.astype(np.float32) / np.float32(255.0)
    if rng.random() < 0.5:
        gain = rng.uniform(0.7, 1.15) * rng.uniform(0.94, 1.06, 3)
        out = np.clip(out * gain.astype(np.float32), 0.0, 1.0)
    return np.asarray(out, np.float32)


def _part(photograph: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    whole = photograph.shape[0]
    side, as_it_is = whole, False
    if rng.random() < 0.5:
        as_it_is = bool(rng.random() < 0.5)
        side = INPUT_PX if as_it_is else int(rng.integers(round(_LEAST_PART * whole), whole + 1))
    top, left = (int(v) for v in rng.integers(0, whole - side + 1, 2))
    part = photograph[top : top + side, left : left + side]
    if as_it_is:
        return part
    method = cv2.INTER_AREA if side > INPUT_PX else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(part, (INPUT_PX, INPUT_PX), interpolation=method), np.uint8)


def degraded_batch(
    photographs: UInt8Array, views: UInt8Array, stage: LatentStage, count: int, seed: list[int]
) -> Pictures:
    """``count`` pictures, each degraded in a way drawn from ``stage.shares``; fixed by ``seed``."""
    rng = np.random.default_rng(seed)
    kinds, shares = zip(*stage.shares, strict=True)
    clean, seen, missing, importance, whole = [], [], [], [], []
    for _ in range(count):
        picture = drawn(photographs, views, stage.view_share, rng)
        kind = kinds[int(rng.choice(len(kinds), p=shares))]
        shown, mask = observed(picture, kind, rng, vary=bool(rng.random() < 0.5))
        clean.append(picture)
        seen.append(shown)
        missing.append(mask)
        incomplete = 1.0 if mask is None else stage.incomplete_weight
        importance.append(stage.clean_weight if kind == "clean" else incomplete)
        whole.append(kind == "clean")
    return Pictures(
        stacked(clean),
        stacked(seen),
        stacked_masks(missing),
        torch.tensor(importance),
        torch.tensor(whole),
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
