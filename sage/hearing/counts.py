"""The books of the ears."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EarsCounts:
    """What the ears did so far.

    Attributes:
        blocks: blocks of voice activity that were listened to.
        overflow_samples: samples lost because the worker was more than the backlog behind.
        overflows: how often that happened; losses in a row count once.
        utterances: delivered, the empty ones among them.
        empty: delivered without words.
        rejected: too short to be speech, or a continuation without a new word.
        errors: what voice activity, the recogniser and the consumer raised.
        heard_s: how much sound they listened to.
        peak: its loudest sample, in [0, 1].
    """

    blocks: int = 0
    overflow_samples: int = 0
    overflows: int = 0
    utterances: int = 0
    empty: int = 0
    rejected: int = 0
    errors: int = 0
    heard_s: float = 0.0
    peak: float = 0.0
