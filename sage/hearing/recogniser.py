"""What the ears ask of a voice-activity detector and of a speech recogniser."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Protocol

from sage.values import Float32Array

RATE_HZ: Final = 16_000
"""All hearing is done at this rate."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What was probably said.

    Attributes:
        text: lower-case words; empty where nothing was recognised.
        confidence: how sure the recogniser is, in [0, 1].
        complete: whether it is a whole command as it stands, so that a shorter pause ends it.
    """

    text: str
    confidence: float
    complete: bool = False


def checked(found: Hypothesis) -> Hypothesis:
    """A hypothesis of somebody else's recogniser: single spaces, a confidence in [0, 1]."""
    if not isinstance(found, Hypothesis):
        raise TypeError(f"it answered {type(found).__name__}, not a Hypothesis")
    sure = found.confidence if math.isfinite(found.confidence) else 0.0
    return Hypothesis(" ".join(found.text.split()), min(1.0, max(0.0, sure)), bool(found.complete))


class VoiceActivity(Protocol):
    """Tells speech from everything else, one block at a time."""

    block_samples: int
    """How many samples at 16 kHz one call takes."""

    def probability(self, samples: Float32Array) -> float:
        """The chance in [0, 1] that the next ``block_samples`` samples hold speech."""
        ...

    def reset(self) -> None:
        """Forget what was heard before."""
        ...


class Recogniser(Protocol):
    """Makes words of one utterance at a time: ``begin``, ``feed`` any number of times, ``finish``.

    Not safe for two threads at once; the ears' worker owns it.
    """

    name: str
    any_words: bool
    """Whether it is bound to no grammar, so that speech which goes on after a pause can be heard
    anew as a whole. One that does not say so is bound."""

    def begin(self) -> None:
        """A new utterance."""
        ...

    def feed(self, samples: Float32Array) -> None:
        """Its next samples at 16 kHz, in [-1, 1]."""
        ...

    def partial(self) -> Hypothesis:
        """What it seems to be so far."""
        ...

    def finish(self) -> Hypothesis:
        """What it was."""
        ...

    def close(self) -> None:
        """Give the memory back."""
        ...
