"""SNARC: how much something is worth remembering, by five scores in [0, 1] and one weighting.

This docstring is the specification; ``snarc_vectors.json`` beside it holds inputs with the scores
that follow from it, and any implementation can be held against them. One scorer serves one
modality (scene, speech, motion, outcome) and sees its inputs in order. ``n`` counts the inputs
that it has scored before.

A *running baseline* of x is a mean m and a mean deviation d that forget. The first x sets m = x and
d = 0; afterwards, with a = max(1 / memory, 1 / (k + 1)) where k counts the x before this one:
d += a (|x - m| - d), then m += a (x - m). Every score is computed before its baseline takes x in.

surprise
    The predictor's error e >= 0 (in nats, or any unit where 1 is ordinary) against the running
    baseline of its own errors: z = (e - m) / (d + 1), u = max(0, z - 3), surprise = u / (u + 4).
    The baseline takes in min(e, m + 4 (d + 1)): one shock does not make the next one ordinary.
    The first input scores 0.
novelty
    1 - the largest cosine between the embedding (unit length) and those remembered, within [0, 1];
    1 where nothing is remembered. What scores more than ``remember_above`` is remembered;
    ``capacity`` embeddings are, and the oldest makes way.
arousal
    The larger of two. Of the signal's change c >= 0: tail(rank(c)), where rank(c) is the fraction
    of the last ``window`` changes x with 1.5 x + 0.05 < c (0 where there are none): those that c
    clearly exceeds; and tail(r) = max(0, (r - 0.95) / 0.05). Of deadline pressure p (the share of
    the allowed time that is used, in [0, 1]): p tail(rank(p)), against the last pressures.
reward
    The outcome o in [0, 1] against the running baseline of outcomes, better or worse, beyond its
    ordinary deviation: max(0, |o - m| - d). 0 without an outcome, and for the first one.
conflict
    Beliefs are two or more probabilities of the same claim: of two plugins, or of the energy that
    a plugin reported and of the outcome as verified. Their spread s = max - min, against the
    running baseline of spreads: max(0, s - m - d); for the first, s itself. 0 without beliefs.

salience = min(1, n / warmup) (1 - product over the scores of (1 - weight x score)).

So the first input ever is novel by definition and not salient; a constant input scores 0 in all
five from the second on; whatever keeps happening becomes ordinary within about ``memory`` inputs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from types import MappingProxyType

import numpy as np

from memory.experience import Scores
from sage.irp.errors import ConfigError
from sage.values import Float32Array

SURPRISE_FROM = 3.0
SURPRISE_HALF = 4.0
SHOCK = 4.0
TAIL = 0.95
FACTOR, MARGIN = 1.5, 0.05

WEIGHTS: MappingProxyType[str, float] = MappingProxyType(
    {"surprise": 0.8, "novelty": 0.5, "arousal": 0.2, "reward": 0.6, "conflict": 0.4}
)
"""The one weighting: what each score can add to salience on its own."""


@dataclass(frozen=True, slots=True)
class SnarcConfig:
    """How one modality is scored.

    Attributes:
        memory: inputs after which a baseline has mostly forgotten.
        window: changes and pressures that a percentile is taken of.
        capacity: embeddings remembered.
        remember_above: least novelty of an embedding worth remembering, in [0, 1).
        warmup: inputs until salience counts in full.
    """

    memory: int = 256
    window: int = 256
    capacity: int = 10_000
    remember_above: float = 0.02
    warmup: int = 16

    def __post_init__(self) -> None:
        for name, low, high in (
            ("memory", 2, 1_000_000),
            ("window", 2, 100_000),
            ("capacity", 1, 1_000_000),
            ("warmup", 0, 100_000),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"{name} must lie in [{low}, {high}], got {value}")
        if not 0.0 <= self.remember_above < 1.0:
            raise ConfigError(f"remember_above must lie in [0, 1), got {self.remember_above}")


@dataclass(frozen=True, slots=True)
class Signal:
    """One input to a scorer.

    Attributes:
        embedding: float32 (D,), unit length; D is the same throughout a modality.
        error: prediction error, >= 0; about 1 where ordinary.
        change: how much the signal changed, >= 0; None takes half the distance between this
            embedding and the one before, in [0, 1].
        pressure: share of the allowed time that is used, in [0, 1].
        outcome: how it ended, in [0, 1]; None where nothing ended.
        beliefs: probabilities of one claim, from two sources or more; or none.
        because: what the prediction error consists of, in words.
    """

    embedding: Float32Array
    error: float = 0.0
    change: float | None = None
    pressure: float = 0.0
    outcome: float | None = None
    beliefs: tuple[float, ...] = ()
    because: str = ""

    def __post_init__(self) -> None:
        named = {"error": self.error, "change": self.change}
        for name, value in named.items():
            if value is not None and not (math.isfinite(value) and value >= 0.0):
                raise ValueError(f"{name} must be finite and >= 0, got {value}")
        for value in (self.pressure, self.outcome, *self.beliefs):
            if value is not None and not 0.0 <= value <= 1.0:
                raise ValueError(f"pressure, outcome and beliefs must lie in [0, 1], got {value}")
        if self.embedding.ndim != 1 or not np.isfinite(self.embedding).all():
            raise ValueError("an embedding is a vector of finite numbers")


@dataclass(frozen=True, slots=True)
class Weighed:
    """What a scorer makes of an input; ``why`` has one sentence a score that is not 0."""

    scores: Scores
    salience: float
    why: dict[str, str] = field(default_factory=dict)


class Baseline:
    """A running mean and mean deviation that forget (see the module)."""

    __slots__ = ("_memory", "count", "deviation", "mean")

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self.count = 0
        self.mean = 0.0
        self.deviation = 0.0

    def take(self, x: float) -> None:
        """Take a value in."""
        if self.count == 0:
            self.mean = x
        else:
            a = max(1.0 / self._memory, 1.0 / (self.count + 1))
            self.deviation += a * (abs(x - self.mean) - self.deviation)
            self.mean += a * (x - self.mean)
        self.count += 1


class Ranks:
    """The last values of something, to say how rare a new one is."""

    __slots__ = ("_count", "_values")

    def __init__(self, window: int) -> None:
        self._values = np.zeros(window, dtype=np.float64)
        self._count = 0

    def rank(self, x: float) -> float:
        """The fraction of the values that ``x`` clearly exceeds."""
        known = min(self._count, len(self._values))
        if known == 0:
            return 0.0
        return float(np.count_nonzero(FACTOR * self._values[:known] + MARGIN < x)) / known

    def take(self, x: float) -> None:
        """Take a value in; the oldest makes way."""
        self._values[self._count % len(self._values)] = x
        self._count += 1


class Remembered:
    """Embeddings, the oldest overwritten; the nearest is found by looking at all of them.

    10,000 of 64 dimensions are 2.6 MB and take 0.1 ms. One column each and ``einsum``: a threaded
    product of a matrix and a vector waits for its threads where the processor is busy.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._columns: Float32Array = np.zeros((0, 0), dtype=np.float32)
        self._count = 0

    def __len__(self) -> int:
        return min(self._count, self._capacity)

    def nearest(self, embedding: Float32Array) -> float | None:
        """The largest cosine; None where nothing is remembered."""
        known = len(self)
        if known == 0:
            return None
        self._check(embedding)
        return float(np.einsum("ji,j->i", self._columns[:, :known], embedding).max())

    def add(self, embedding: Float32Array) -> None:
        """Remember one; ValueError if its dimension is another than the first one's."""
        if self._count:
            self._check(embedding)
        else:  # all of it now: a robot that runs for months must not find out later
            self._columns = np.full((len(embedding), self._capacity), 0.0, dtype=np.float32)
        self._columns[:, self._count % self._capacity] = embedding
        self._count += 1

    def _check(self, embedding: Float32Array) -> None:
        if len(embedding) != len(self._columns):
            raise ValueError(
                f"an embedding has {len(self._columns)} dimensions here, got {len(embedding)}"
            )


class Snarc:
    """The scorer of one modality. One thread at a time."""

    def __init__(self, config: SnarcConfig | None = None) -> None:
        self.config = config or SnarcConfig()
        self.remembered = Remembered(self.config.capacity)
        self._count = 0
        self._errors = Baseline(self.config.memory)
        self._outcomes = Baseline(self.config.memory)
        self._spreads = Baseline(self.config.memory)
        self._changes = Ranks(self.config.window)
        self._pressures = Ranks(self.config.window)
        self._last: Float32Array | None = None

    def score(self, signal: Signal) -> Weighed:
        """Score the next input, and take it into the baselines and into what is remembered."""
        why: dict[str, str] = {}
        scores = Scores(
            surprise=self._surprise(signal, why),
            novelty=self._novelty(signal, why),
            arousal=self._arousal(signal, why),
            reward=self._reward(signal, why),
            conflict=self._conflict(signal, why),
        )
        known = min(1.0, self._count / self.config.warmup) if self.config.warmup else 1.0
        self._count += 1
        return Weighed(scores, known * combine(scores), why)

    def _surprise(self, signal: Signal, why: dict[str, str]) -> float:
        errors, error = self._errors, signal.error
        if errors.count == 0:
            errors.take(error)
            return 0.0
        scale = errors.deviation + 1.0
        beyond = max(0.0, (error - errors.mean) / scale - SURPRISE_FROM)
        usual = errors.mean
        errors.take(min(error, errors.mean + SHOCK * scale))
        if beyond == 0.0:
            return 0.0
        what = f": {signal.because}" if signal.because else ""
        why["surprise"] = f"The prediction was off by {error:.1f}, usually {usual:.1f}{what}."
        return beyond / (beyond + SURPRISE_HALF)

    def _novelty(self, signal: Signal, why: dict[str, str]) -> float:
        nearest = self.remembered.nearest(signal.embedding)
        novelty = 1.0 if nearest is None else min(1.0, max(0.0, 1.0 - nearest))
        if novelty < 1e-6:  # rounding of single precision
            novelty = 0.0
        if nearest is None:
            why["novelty"] = "Nothing was remembered to compare it with."
        elif novelty > 0.0:
            known = len(self.remembered)
            why["novelty"] = f"The most alike of {known} remembered has a cosine of {nearest:.2f}."
        if novelty > self.config.remember_above:
            self.remembered.add(signal.embedding)
        return novelty

    def _arousal(self, signal: Signal, why: dict[str, str]) -> float:
        change = signal.change
        if change is None:
            last = signal.embedding if self._last is None else self._last
            change = 0.5 * float(np.linalg.norm(signal.embedding - last))
        self._last = signal.embedding
        above = self._changes.rank(change)
        pressed = self._pressures.rank(signal.pressure)
        self._changes.take(change)
        self._pressures.take(signal.pressure)
        by_change, by_pressure = _tail(above), signal.pressure * _tail(pressed)
        if by_pressure > by_change:
            why["arousal"] = f"{signal.pressure:.0%} of the allowed time was used."
        elif by_change > 0.0:
            why["arousal"] = f"It changed more than {above:.0%} of the last changes."
        return max(by_change, by_pressure)

    def _reward(self, signal: Signal, why: dict[str, str]) -> float:
        outcome, baseline = signal.outcome, self._outcomes
        if outcome is None:
            return 0.0
        reward = 0.0
        if baseline.count:
            reward = max(0.0, abs(outcome - baseline.mean) - baseline.deviation)
        if reward > 0.0:
            side = "better" if outcome > baseline.mean else "worse"
            why["reward"] = (
                f"It ended {side} than usual: {outcome:.2f} against {baseline.mean:.2f}."
            )
        baseline.take(outcome)
        return reward

    def _conflict(self, signal: Signal, why: dict[str, str]) -> float:
        if len(signal.beliefs) < 2:
            return 0.0
        spread, baseline = max(signal.beliefs) - min(signal.beliefs), self._spreads
        conflict = max(0.0, spread - baseline.mean - baseline.deviation)
        if conflict > 0.0:
            told = " and ".join(f"{belief:.2f}" for belief in signal.beliefs)
            why["conflict"] = f"Two sources disagree: {told}, usually {baseline.mean:.2f} apart."
        baseline.take(spread)
        return conflict


def combine(scores: Scores, weight: Callable[[str], float] = WEIGHTS.__getitem__) -> float:
    """The scores as one number in [0, 1], before warm-up."""
    dull = 1.0
    for item in fields(scores):
        dull *= 1.0 - weight(item.name) * float(getattr(scores, item.name))
    return 1.0 - dull


def _tail(rank: float) -> float:
    return max(0.0, (rank - TAIL) / (1.0 - TAIL))
