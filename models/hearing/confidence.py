"""When to believe a recogniser that is bound to a grammar.

A closed grammar hears a command in whatever is said. So a second, free decoder listens for mere
phones at the same time; how much worse the words of the grammar explain the sound than free phones
do, frame by frame, is what the confidence is made of (likelihood-ratio verification; R. C. Rose et
al., "A training procedure for verifying string hypotheses", ICASSP 1995).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from sage.irp.errors import ModelError

FEATURES: Final = ("word_score", "worst_word", "ratio", "worst_ratio", "frames_per_letter", "pause")
"""What the confidence is computed from; see :func:`evidence`."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the sound: what it was taken for, its frames (10 ms), and its log score."""

    word: str
    first: int
    last: int
    score: float

    @property
    def frames(self) -> int:
        """How many frames it has."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Confidence:
    """Logistic calibration: ``weights`` for the standardised :data:`FEATURES`, and a bias."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float

    def __post_init__(self) -> None:
        for name in ("mean", "scale", "weights"):
            values = getattr(self, name)
            if len(values) != len(FEATURES) or not all(map(math.isfinite, values)):
                raise ModelError(f"{name} of the confidence must be {len(FEATURES)} finite numbers")
        if min(self.scale) <= 0 or not math.isfinite(self.bias):
            raise ModelError("the confidence needs scales above 0 and a finite bias")

    def of(self, features: tuple[float, ...]) -> float:
        """The chance in [0, 1] that the words are right."""
        total = self.bias + sum(
            weight * (value - mean) / scale
            for weight, value, mean, scale in zip(
                self.weights, features, self.mean, self.scale, strict=True
            )
        )
        return 1.0 / (1.0 + math.exp(-max(-50.0, min(50.0, total))))


def evidence(words: list[Span], phones: Iterable[Span]) -> tuple[float, ...]:
    """The values of :data:`FEATURES` for a hypothesis of at least one word.

    Scores are per frame and scaled to the order of 1: of all words, of the worst word, and both
    in relation to what free phones score over the same frames. Then how long the words took for
    their letters, and the longest pause between two of them in seconds.
    """
    free = np.zeros(max(span.last for span in words) + 1)
    for span in phones:
        free[span.first : span.last + 1] = span.score / span.frames
    own = np.array([span.score / span.frames for span in words])
    ratios = np.array(
        [span.score / span.frames - free[span.first : span.last + 1].mean() for span in words]
    )
    frames = np.array([span.frames for span in words])
    letters = sum(len(span.word) for span in words)
    gaps = [after.first - before.last - 1 for before, after in itertools.pairwise(words)]
    return (
        1e3 * float(np.average(own, weights=frames)),
        1e3 * float(own.min()),
        1e3 * float(np.average(ratios, weights=frames)),
        1e3 * float(ratios.min()),
        float(frames.sum()) / letters,
        0.01 * max(gaps, default=0),
    )


def confidence_from(card: dict[str, Any]) -> Confidence:
    """The calibration that a card holds; ModelError if there is none that can be used."""
    entry: Any = card.get("confidence")
    try:
        mean, scale, weights = (
            tuple(map(float, entry[name])) for name in ("mean", "scale", "weights")
        )
        return Confidence(mean, scale, weights, float(entry["bias"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"'confidence' holds no usable numbers: {error}") from error
