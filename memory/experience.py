"""What memory keeps: one thing that happened, and why it was worth keeping."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from sage.values import Float32Array


@dataclass(frozen=True, slots=True)
class Scores:
    """SNARC: surprise, novelty, arousal, reward, conflict, each in [0, 1]."""

    surprise: float = 0.0
    novelty: float = 0.0
    arousal: float = 0.0
    reward: float = 0.0
    conflict: float = 0.0

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if not (math.isfinite(value) and 0.0 <= value <= 1.0):
                raise ValueError(f"{item.name} must lie in [0, 1], got {value}")

    def as_dict(self) -> dict[str, float]:
        """The scores by name."""
        return {item.name: float(getattr(self, item.name)) for item in fields(self)}


@dataclass(frozen=True, slots=True)
class Experience:
    """One thing that happened.

    Attributes:
        at_s: when, on the runtime's clock.
        wall_time: when, as ISO 8601 in UTC.
        modality: ``scene``, ``speech``, ``motion`` or ``outcome``.
        summary: one line for people.
        scores: SNARC.
        salience: the scores combined, in [0, 1].
        why: score name to a sentence that explains it.
        embedding: float32 (D,), unit length; D is the same throughout a modality.
        payload: what was observed: plain JSON values.
        picture: PNG of the frame, where there was one.
    """

    at_s: float
    wall_time: str
    modality: str
    summary: str
    scores: Scores
    salience: float
    why: Mapping[str, str] = field(default_factory=dict)
    embedding: Float32Array = field(default_factory=lambda: np.zeros(0, np.float32))
    payload: Mapping[str, Any] = field(default_factory=dict)
    picture: bytes | None = None
