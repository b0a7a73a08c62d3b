"""How the vision model is trained: three stages, one after the other."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Final

from models.vision.layout import STEPS
from sage.irp.errors import ConfigError

#: In this order; the reader and the judge both learn on the finished latent stage, the level on
#: the judge.
STAGES: Final = ("latent", "reader", "judge", "level")
#: Kinds of degradation, and how often each is learned from.
_SHARES: Final = (
    ("clean", 0.18),
    ("noise25", 0.08),
    ("noise50", 0.13),
    ("dark25", 0.04),
    ("dark50", 0.06),
    ("blur", 0.12),
    ("holes", 0.27),
    ("rows", 0.12),
)
#: The error head learns more of what is hard to tell: blur from smoothness.
_JUDGED_SHARES: Final = (
    ("clean", 0.15),
    ("noise25", 0.08),
    ("noise50", 0.1),
    ("dark25", 0.06),
    ("dark50", 0.06),
    ("blur", 0.22),
    ("holes", 0.22),
    ("rows", 0.11),
)
#: Frames whose level is hard to tell: blur from smoothness, noise from texture.
_LEVEL_SHARES: Final = (
    ("clean", 0.08),
    ("noise25", 0.07),
    ("noise50", 0.14),
    ("dark25", 0.05),
    ("dark50", 0.09),
    ("blur", 0.32),
    ("holes", 0.15),
    ("rows", 0.1),
)


@dataclass(frozen=True, slots=True)
class Cycle:
    """One cycle of the learning rate (Smith & Topin, 2018) with AdamW.

    Attributes:
        iterations: batches.
        batch: pictures in each.
        learning_rate: its peak.
        rising: part of the cycle in which it rises.
        weight_decay: of weights; ``decay_vectors``: of biases and norms too.
        clip: largest norm of the gradient.
    """

    iterations: int
    batch: int
    learning_rate: float
    rising: float
    weight_decay: float
    clip: float
    decay_vectors: bool = False

    def __post_init__(self) -> None:
        if self.iterations < 1 or self.batch < 2:
            raise ConfigError(
                f"iterations {self.iterations} must be 1 or more and batch {self.batch} 2 or more"
            )
        if not (self.learning_rate > 0.0 and 0.0 < self.rising < 1.0 and self.clip > 0.0):
            raise ConfigError(
                f"learning_rate {self.learning_rate} and clip {self.clip} must be positive and "
                f"rising {self.rising} in (0, 1)"
            )


@dataclass(frozen=True, slots=True)
class LatentStage:
    """Autoencoder and refiner, on photographs and views under degradations.

    Attributes:
        unrolled: how many steps are unrolled, each from a part of the stage on.
        later_from: from this part on refinements also begin after ``starts`` steps that are made
            without a gradient, each as often as it is named.
        slow: factor on the learning rate of what was fitted in closed form.
        view_share: part of the pictures that are views of the apartment; the rest photographs.
        shares: how often each degradation is drawn.
        error_floor: added to a squared error before its logarithm is taken.
        first_weight: weight of the steps before the whole frame was looked at; 1 for all others;
            ``first_state_weight``: of the state before them.
        incomplete_weight, clean_weight: weight of pictures with a missing part, and of those that
            are not degraded; 1 for all others.
        latent_bound: mean square of a latent from which on it is drawn back.
        judge_weight: of what the error head learns beside it, for the sake of the glance.
    """

    cycle: Cycle = Cycle(23_000, 8, 1.2e-3, 0.04, 1e-4, clip=1.0, decay_vectors=True)
    unrolled: tuple[tuple[float, int], ...] = ((0.0, 1), (0.011, 2), (0.03, 4), (0.109, 5))
    later_from: float = 0.109
    starts: tuple[int, ...] = (0, 0, 0, 2, 4, 8, 11)
    slow: float = 0.1
    view_share: float = 0.25
    shares: tuple[tuple[str, float], ...] = _SHARES
    error_floor: float = 2e-5
    first_weight: float = 0.3
    first_state_weight: float = 0.5
    incomplete_weight: float = 1.5
    clean_weight: float = 2.0
    latent_bound: float = 9.0
    judge_weight: float = 0.4

    def unrolled_at(self, iteration: int) -> int:
        """Steps unrolled in this batch."""
        done = iteration / self.cycle.iterations
        return max((part, steps) for part, steps in self.unrolled if part <= done)[1]

    def __post_init__(self) -> None:
        if not self.unrolled or self.unrolled[0][0] != 0.0:
            raise ConfigError(f"unrolled {self.unrolled} must say what holds from 0.0 on")
        if not all(1 <= steps <= STEPS for _, steps in self.unrolled):
            raise ConfigError(f"unrolled {self.unrolled} must be of 1 to {STEPS} steps")
        if not all(0 <= start < STEPS for start in self.starts):
            raise ConfigError(f"starts {self.starts} must be in [0, {STEPS - 1}]")
        if abs(sum(share for _, share in self.shares) - 1.0) > 1e-6:
            raise ConfigError(f"shares {self.shares} must add up to 1")


@dataclass(frozen=True, slots=True)
class ReaderStage:
    """Things and rooms, read from latents that no longer change.

    Attributes:
        overlap_from: from this part of the stage on boxes are drawn to overlap.
        steps: refinements are read after so many steps, each as often as it is named.
        photographs: of every batch, on which there is nothing to find.
        zoom_probability: how often a view is enlarged.
        worse_probability: how often it is mildly degraded; ``hard_probability``: as in the latent
            stage.
        room_weight: of the room's loss.
        embedding_views: that the embedding is fitted to.
    """

    cycle: Cycle = Cycle(9_400, 16, 2e-3, 0.06, 2e-2, clip=5.0)
    overlap_from: float = 0.25
    steps: tuple[int, ...] = (1, 2, 4, 5, 6, 8, 10)
    photographs: int = 1
    zoom_probability: float = 0.35
    worse_probability: float = 0.4
    hard_probability: float = 0.15
    room_weight: float = 0.3
    embedding_views: int = 1440

    def __post_init__(self) -> None:
        if not 0 <= self.photographs < self.cycle.batch:
            raise ConfigError(
                f"photographs {self.photographs} must be in [0, {self.cycle.batch - 1}]"
            )
        if not all(0 <= step <= STEPS for step in self.steps):
            raise ConfigError(f"steps {self.steps} must be in [0, {STEPS}]")
        if not 0.0 <= self.worse_probability + self.hard_probability <= 1.0:
            raise ConfigError(
                f"worse_probability {self.worse_probability} and hard_probability "
                f"{self.hard_probability} must add up to 1 at most"
            )


@dataclass(frozen=True, slots=True)
class JudgeStage:
    """The error head, on latents of all steps and on ones that no refinement makes.

    Attributes:
        steps: a latent is judged after so many steps, each as often as it is named.
        picks: latents judged of every refinement, beside the one before the first step.
        shares: how often each degradation is drawn.
        settled_after: steps after which nothing worth mentioning is gained.
        swapped, noisy, blank, shrunk: how often the last of them is that of another picture, has
            noise added,
            is all zero, or is drawn toward zero.
    """

    cycle: Cycle = Cycle(8_000, 8, 2.5e-3, 0.1, 1e-4, clip=5.0, decay_vectors=True)
    steps: tuple[int, ...] = (1, 1, 2, 2, 3, 3, 4, 4, 5, 6, 8, 10)
    picks: int = 3
    shares: tuple[tuple[str, float], ...] = _JUDGED_SHARES
    settled_after: int = 10
    swapped: float = 0.12
    noisy: float = 0.08
    blank: float = 0.05
    shrunk: float = 0.05

    def __post_init__(self) -> None:
        if not 1 <= self.settled_after <= STEPS:
            raise ConfigError(f"settled_after {self.settled_after} must be in [1, {STEPS}]")
        if self.picks < 1 or not all(0 <= step <= self.settled_after for step in self.steps):
            raise ConfigError(
                f"picks {self.picks} must be 1 or more and steps {self.steps} in "
                f"[0, {self.settled_after}]"
            )
        if abs(sum(share for _, share in self.shares) - 1.0) > 1e-6:
            raise ConfigError(f"shares {self.shares} must add up to 1")
        spoiled = self.swapped + self.noisy + self.blank + self.shrunk
        if not 0.0 <= spoiled <= 1.0:
            raise ConfigError(f"swapped, noisy, blank and shrunk add up to {spoiled}, above 1")


@dataclass(frozen=True, slots=True)
class LevelStage:
    """The frames' levels, on what the finished error head says of many frames.

    Attributes:
        frames: refined once and kept; ``saved_every`` so many.
        steps: after these their errors are held against what is expected.
        view_share, shares: as in the latent stage.
        delta: from this difference of logarithms on it weighs linearly.
    """

    cycle: Cycle = Cycle(16_000, 256, 2e-3, 0.3, 5e-2, clip=5.0)
    frames: int = 24_000
    saved_every: int = 2_000
    steps: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 8, 10)
    view_share: float = 0.1
    shares: tuple[tuple[str, float], ...] = _LEVEL_SHARES
    delta: float = 0.5

    def __post_init__(self) -> None:
        if self.frames < 1 or self.saved_every < 1:
            raise ConfigError(
                f"frames {self.frames} and saved_every {self.saved_every} must be 1 or more"
            )
        if not self.steps or not all(0 <= step <= STEPS for step in self.steps):
            raise ConfigError(f"steps {self.steps} must be in [0, {STEPS}]")
        if abs(sum(share for _, share in self.shares) - 1.0) > 1e-6:
            raise ConfigError(f"shares {self.shares} must add up to 1")
        if not self.delta > 0.0:
            raise ConfigError(f"delta {self.delta} must be positive")


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """How the model is trained; its hash is in the card."""

    latent: LatentStage = LatentStage()
    reader: ReaderStage = ReaderStage()
    judge: JudgeStage = JudgeStage()
    level: LevelStage = LevelStage()
    average_decay: float = 0.998
    seed: int = 1

    def __post_init__(self) -> None:
        if not 0.0 <= self.average_decay < 1.0:
            raise ConfigError(f"average_decay {self.average_decay} must be in [0, 1)")

    def cycle(self, stage: str) -> Cycle:
        """The learning-rate cycle of one of :data:`STAGES`."""
        cycles = {
            "latent": self.latent.cycle,
            "reader": self.reader.cycle,
            "judge": self.judge.cycle,
            "level": self.level.cycle,
        }
        return cycles[stage]

    @property
    def iterations(self) -> int:
        """Batches of all stages."""
        return sum(self.cycle(stage).iterations for stage in STAGES)

    @property
    def digest(self) -> str:
        """Short hash of these settings."""
        return self.digest_until("reader", "judge", "level")

    def digest_until(self, *stages: str) -> str:
        """Short hash of what the weights depend on after these stages (and the first)."""
        kept = {name: value for name, value in asdict(self).items() if name not in STAGES}
        for stage in {"latent", *stages}:
            kept[stage] = asdict(getattr(self, stage))
        text = json.dumps(kept, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:10]


def scaled(config: TrainConfig, factor: float) -> TrainConfig:
    """The same training with every stage ``factor`` times as long."""
    if not 0.0 < factor <= 100.0:
        raise ConfigError(f"--scale {factor} must be in (0, 100]")

    def longer(cycle: Cycle) -> Cycle:
        return replace(cycle, iterations=max(round(factor * cycle.iterations), 1))

    return replace(
        config,
        latent=replace(config.latent, cycle=longer(config.latent.cycle)),
        reader=replace(config.reader, cycle=longer(config.reader.cycle)),
        judge=replace(config.judge, cycle=longer(config.judge.cycle)),
        level=replace(
            config.level,
            cycle=longer(config.level.cycle),
            frames=max(round(factor * config.level.frames), 1),
        ),
    )
