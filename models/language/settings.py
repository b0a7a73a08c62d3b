"""How the language model is trained."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from sage.irp.errors import ConfigError


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Settings of training; their hash is in the card.

    Attributes:
        pool: commands drawn from the grammar.
        taught: how many of them come with the teacher's sentence vector.
        words: size of the vocabulary taken from the teacher's, besides the grammar's own words.
        steps, batch, learning_rate: of the first training, on grammar and generated commands.
        tune_steps, tune_batch, tune_learning_rate: of fine-tuning on people's paraphrases.
        all_masked: share of examples whose whole form is masked, as at the first step.
        wrong: share of the visible chunks that are replaced by wrong ones.
        smoothing: of the targets.
        early_weight: of the form that the lower layers answer.
        bag_weight, taught_weight, word_weight: of what else the network learns beside the form:
            which chunks it holds (from [CLS] alone), the teacher's vector, masked words.
        average_decay: of the running average of the weights, which is what is kept.
    """

    pool: int = 100_000
    taught: int = 12_000
    words: int = 7_000
    steps: int = 3_600
    batch: int = 64
    learning_rate: float = 5e-4
    tune_steps: int = 400
    tune_batch: int = 48
    tune_learning_rate: float = 2.5e-4
    all_masked: float = 0.4
    wrong: float = 0.12
    smoothing: float = 0.02
    early_weight: float = 0.6
    bag_weight: float = 0.3
    taught_weight: float = 0.5
    word_weight: float = 0.25
    weight_decay: float = 0.02
    average_decay: float = 0.995
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("pool", "words", "steps", "batch", "tune_steps", "tune_batch"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} {getattr(self, name)} must be 1 or more")
        for name in ("all_masked", "wrong", "smoothing", "average_decay"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ConfigError(f"{name} {getattr(self, name)} must be in [0, 1)")

    @property
    def digest(self) -> str:
        """Short hash of these settings."""
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()[:10]
