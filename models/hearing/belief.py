"""When to believe a recogniser that is bound to no grammar.

Whisper makes words of anything. Whether they are a command is told by how likely its tokens are,
how likely it was speech, how many words there are for the speech, and by what the parser thinks of
them: of sentences of other domains it says that it does not know. Words that no command holds, and
those that Whisper was told as an example, are believed less; so is what is hardly English.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from sage.irp.errors import ModelError

FEATURES: Final = (
    "token", "speech", "parse", "words_per_s", "brevity", "unknown", "prompted"
)  # fmt: skip
"""What the belief is computed from; see :meth:`Signs.features`."""

# An accent makes English unlikely, to one in twenty; another language makes it less so.
_LEAST_ENGLISH: Final = 0.02


@dataclass(frozen=True, slots=True)
class Signs:
    """What was found in one utterance.

    Attributes:
        log_probability: of a token, the mean, in nats.
        no_speech: the chance that nobody spoke, in [0, 1].
        english: the chance that it was English, in [0, 1].
        understood: the parser's chance that it read a command rightly; 0 of what is none.
        voiced_s: how much of it was speech.
        text: the words.
        unknown: how many of them no command holds.
        prompted: whether Whisper was told just these as an example, and may only repeat them.
    """

    log_probability: float
    no_speech: float
    english: float
    understood: float
    voiced_s: float
    text: str
    unknown: int = 0
    prompted: bool = False

    @property
    def features(self) -> tuple[float, ...]:
        """The values of :data:`FEATURES`."""
        words = len(self.text.split())
        return (
            max(self.log_probability, -4.0),
            -_logit(self.no_speech),
            _logit(self.understood),
            min(words / max(self.voiced_s, 0.1), 10.0),
            1.0 / max(words, 1),
            float(min(self.unknown, 5)),
            float(self.prompted),
        )


def _logit(chance: float) -> float:
    kept = min(max(chance, 0.01), 0.99)
    return math.log(kept / (1.0 - kept))


@dataclass(frozen=True, slots=True)
class Belief:
    """Logistic calibration: ``weights`` for the standardised :data:`FEATURES`, and a bias.

    ``complete`` is the parser's chance above which words are a whole command, so that a shorter
    pause ends them.
    """

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float
    complete: float = 0.5

    def __post_init__(self) -> None:
        for name in ("mean", "scale", "weights"):
            values = getattr(self, name)
            if len(values) != len(FEATURES) or not all(map(math.isfinite, values)):
                raise ModelError(f"{name} of the belief must be {len(FEATURES)} finite numbers")
        if min(self.scale) <= 0 or not math.isfinite(self.bias):
            raise ModelError("the belief needs scales above 0 and a finite bias")
        if not 0.0 <= self.complete <= 1.0:
            raise ModelError(f"complete is {self.complete!r}; it must be in [0, 1]")

    def of(self, signs: Signs) -> float:
        """The chance in [0, 1] that these are the words of a command; 0 of what is none."""
        if signs.understood <= 0:
            return 0.0
        standard = (np.array(signs.features) - self.mean) / self.scale
        total = self.bias + float(standard @ np.array(self.weights))
        chance = 1.0 / (1.0 + math.exp(-max(-50.0, min(50.0, total))))
        return chance * min(1.0, signs.english / _LEAST_ENGLISH)


def belief_from(card: dict[str, Any]) -> Belief:
    """The calibration that a card holds; ModelError if there is none that can be used."""
    entry: Any = card.get("belief")
    try:
        mean, scale, weights = (
            tuple(map(float, entry[name])) for name in ("mean", "scale", "weights")
        )
        return Belief(mean, scale, weights, float(entry["bias"]), float(entry["complete"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"'belief' holds no usable numbers: {error}") from error
