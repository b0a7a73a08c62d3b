"""What is heard beside speech: pink noise, babble and music, at a given level below it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from sage.hearing.recogniser import RATE_HZ
from sage.irp.errors import ConfigError
from sage.values import Float32Array, Float64Array

NOISES: Final = ("pink", "babble", "music")
TALKERS: Final = 5
"""How many voices a babble has: too many to follow one."""


def pink(count: int, rng: np.random.Generator) -> Float64Array:
    """Noise with as much power in each octave, above 50 Hz."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    frequency_hz = np.fft.rfftfreq(count, 1 / RATE_HZ)
    return np.fft.irfft(spectrum / np.sqrt(np.maximum(frequency_hz, 50.0)), count)


def babble(count: int, rng: np.random.Generator, talk: Sequence[Float32Array]) -> Float64Array:
    """Several of the recordings in ``talk`` at once, each from somewhere on, without end."""
    if not talk:
        raise ConfigError("babble needs recordings of people who talk")
    total = np.zeros(count)
    for index in rng.integers(0, len(talk), TALKERS):
        voice = np.roll(talk[index].astype(np.float64), int(rng.integers(len(talk[index]))))
        total += np.resize(voice / max(float(np.abs(voice).max()), 1e-6), count)
    return total


def music(count: int, rng: np.random.Generator) -> Float64Array:
    """Plucked chords of four notes over a bass, two a second."""
    total = np.zeros(count)
    for start in range(0, count, RATE_HZ // 2):
        root_hz = float(rng.choice([220.0, 247.0, 262.0, 294.0, 330.0]))
        at = slice(start, min(start + RATE_HZ, count))
        age_s = np.arange(at.stop - start) / RATE_HZ
        for ratio in (0.5, 1.0, 1.25, 1.5, 2.0):
            for overtone in (1, 2, 3):
                tone = np.sin(2 * np.pi * root_hz * ratio * overtone * age_s)
                total[at] += np.exp(-2 * overtone * age_s) * tone / overtone
    return total


def made(
    kind: str, count: int, rng: np.random.Generator, talk: Sequence[Float32Array]
) -> Float64Array:
    """``count`` samples of one of :data:`NOISES`; ConfigError names them for any other."""
    if kind == "babble":
        return babble(count, rng, talk)
    if kind not in NOISES:
        raise ConfigError(f"noise {kind!r} is unknown; valid: {', '.join(NOISES)}")
    return pink(count, rng) if kind == "pink" else music(count, rng)


def mixed(
    samples: Float32Array,
    kind: str,
    snr_db: float,
    rng: np.random.Generator,
    talk: Sequence[Float32Array],
    lead_s: float = 0.5,
) -> Float32Array:
    """A recording in a noise that begins ``lead_s`` before it and ends ``lead_s`` after it.

    ``snr_db`` compares the power of the recording, without its silence, with the noise's.
    """
    quiet = np.pad(samples.astype(np.float64), int(lead_s * RATE_HZ))
    noise = made(kind, len(quiet), rng, talk)
    spoken = samples[np.abs(samples) > 0.02 * np.abs(samples).max(initial=0.0)]
    power = float(np.square(spoken, dtype=np.float64).mean()) if len(spoken) else 0.0
    noise *= np.sqrt(power / max(float(np.square(noise).mean()), 1e-12) / 10 ** (snr_db / 10))
    total = quiet + noise
    return (total / max(1.0, float(np.abs(total).max()))).astype(np.float32)
