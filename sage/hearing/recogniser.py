"""What the ears ask of a voice-activity detector and of a speech recogniser."""

from __future__ import annotations

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
