"""How well recordings are heard: one utterance at a time, as the ears would hand it over."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.hearing.pocketsphinx import PocketsphinxRecogniser
from sage.hearing.recogniser import RATE_HZ
from sage.values import Float32Array
from sage.worlds.apartment.voices import Recording, with_noise

BLOCK_SAMPLES = 512
LEAD_S = 0.3


@dataclass(frozen=True, slots=True)
class Heard:
    """One recording, what was heard in it, and what that cost.

    ``features`` is empty where nothing was recognised; ``block_s`` is processor time per block,
    ``finish_s`` that of the end.
    """

    recording: Recording
    text: str
    confidence: float
    features: tuple[float, ...]
    right: bool
    duration_s: float
    block_s: tuple[float, ...]
    finish_s: float


def same_words(heard: str, said: str) -> bool:
    """Whether two sentences have the same words, articles aside."""
    plain = [re.sub(r"\b(?:the|a|an) ", "", f"{text} ").strip() for text in (heard, said)]
    return plain[0] == plain[1]


def in_domain(recording: Recording) -> bool:
    """Whether the sentence is one that the robot listens for."""
    return recording.kind not in ("elsewhere", "foreign")


def hear(
    recogniser: PocketsphinxRecogniser,
    recording: Recording,
    snr_db: float,
    gain: float,
    rng: np.random.Generator,
) -> Heard:
    """Feed one recording in blocks, with noise and at a level."""
    samples = with_noise(recording.samples(), snr_db, rng, LEAD_S) * np.float32(gain)
    recogniser.begin()
    costs = []
    for block in blocks(samples):
        started = time.thread_time()
        recogniser.feed(block)
        recogniser.partial()
        costs.append(time.thread_time() - started)
    started = time.thread_time()
    found = recogniser.finish()
    took = time.thread_time() - started
    return Heard(
        recording,
        found.text,
        found.confidence,
        recogniser.evidence() if found.text else (),
        in_domain(recording) and same_words(found.text, recording.text),
        len(samples) / RATE_HZ,
        tuple(costs),
        took,
    )


def blocks(samples: Float32Array) -> list[Float32Array]:
    """A recording in blocks of 32 ms; the last one may be shorter."""
    return [samples[at : at + BLOCK_SAMPLES] for at in range(0, len(samples), BLOCK_SAMPLES)]


def area_under_roc(scores: Sequence[float], positive: Sequence[bool]) -> float:
    """The chance that a positive one scores above a negative one; ties count half."""
    order = np.unique(np.asarray(scores, np.float64), return_inverse=True)[1]
    counts = np.bincount(order)
    ranks = (np.cumsum(counts) - 0.5 * (counts - 1))[order]
    marked = np.asarray(positive, bool)
    hits, misses = int(marked.sum()), int((~marked).sum())
    if not hits or not misses:
        return float("nan")
    return float((ranks[marked].sum() - hits * (hits + 1) / 2) / (hits * misses))
