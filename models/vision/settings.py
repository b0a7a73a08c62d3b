"""How the vision model is trained: the stages and what all of them share."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, replace

from sage.irp.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Stage:
    """One cycle of the learning rate.

    Attributes:
        iterations: batches.
        learning_rate: its peak (one cycle, Smith & Topin 2018).
        short_fraction: until this part of the stage only two steps are unrolled, then all.
        overlap_weight: see :func:`models.vision.targets.detection_loss`.
        seeds: learn from the first so many apartments.
        zoom_probability: how often a view is enlarged.
        cycle: batches that the whole cycle would take, if it is left early; 0 completes it.
    """

    iterations: int
    learning_rate: float
    short_fraction: float
    overlap_weight: float
    seeds: int
    zoom_probability: float = 0.0
    cycle: int = 0

    def __post_init__(self) -> None:
        if self.iterations < 1:
            raise ConfigError(f"iterations {self.iterations} must be 1 or more")
        if not (self.learning_rate > 0.0 and 0.0 <= self.short_fraction <= 1.0):
            raise ConfigError(
                f"learning_rate {self.learning_rate} must be positive and short_fraction "
                f"{self.short_fraction} in [0, 1]"
            )


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """How the model is trained; its hash is in the card."""

    #: First what is where, then how exactly, over the full refinement.
    stages: tuple[Stage, ...] = (
        Stage(5_500, 2e-3, 0.6, 0.0, seeds=480),
        Stage(1_500, 1e-3, 0.0, 1.0, seeds=480, cycle=2_500),
        Stage(1_900, 1e-3, 0.0, 1.0, seeds=720, zoom_probability=0.5),
    )
    batch: int = 16
    photographs_per_batch: int = 1
    weight_decay: float = 2e-2
    reconstruction_weight: float = 20.0
    kl_weight: float = 1e-3
    room_weight: float = 0.3
    average_decay: float = 0.998
    seed: int = 1

    def __post_init__(self) -> None:
        if self.batch < 2 or not 0 <= self.photographs_per_batch < self.batch:
            raise ConfigError(
                f"batch {self.batch} must be 2 or more and photographs_per_batch "
                f"{self.photographs_per_batch} in [0, {self.batch - 1}]"
            )

    @property
    def iterations(self) -> int:
        """Batches of all stages."""
        return sum(stage.iterations for stage in self.stages)

    @property
    def digest(self) -> str:
        """Short hash of these settings."""
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()[:10]


def scaled(config: TrainConfig, factor: float) -> TrainConfig:
    """The same training with every stage ``factor`` times as long."""
    if not 0.0 < factor <= 100.0:
        raise ConfigError(f"--scale {factor} must be in (0, 100]")
    return replace(
        config,
        stages=tuple(
            replace(
                stage,
                iterations=max(round(factor * stage.iterations), 1),
                cycle=math.ceil(factor * stage.cycle),
            )
            for stage in config.stages
        ),
    )
