"""Recorded commands, as they are spoken in the apartment: espeak-ng's voices, 16 kHz mono FLAC.

``voices.tsv`` lists them; ``scripts/record-voices`` makes them anew.
"""

from __future__ import annotations

import difflib
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from sage.irp.errors import ConfigError, DeviceError
from sage.values import Float32Array

FOLDER: Final = Path(__file__).parent
INDEX: Final = "voices.tsv"
COLUMNS: Final = ("file", "voice", "split", "text", "kind", "duration_s", "speech_ends_s")
RATE_HZ: Final = 16_000
REMEDY: Final = "git checkout -- sage/worlds/apartment/voices` or `scripts/record-voices"


@dataclass(frozen=True, slots=True)
class Recording:
    """One sentence in one voice.

    Attributes:
        path: the FLAC file.
        voice: whose it is.
        split: ``test``; the sentences of the split ``development`` are not committed.
        text: the words, lower case.
        kind: what kind of command, or of which part of one; see ``sentences``.
        duration_s: how long it is.
        speech_ends_s: when its last sound ends, measured from the waveform.
    """

    path: Path
    voice: str
    split: str
    text: str
    kind: str
    duration_s: float
    speech_ends_s: float

    def samples(self) -> Float32Array:
        """The sound: float32 (N,) in [-1, 1] at 16 kHz; DeviceError if the file is not whole."""
        import soundfile

        try:
            samples, rate_hz = soundfile.read(self.path, dtype="float32")
        except (OSError, RuntimeError) as error:
            raise DeviceError(f"recording {self.path} cannot be read; run `{REMEDY}`") from error
        if rate_hz != RATE_HZ or samples.ndim != 1:
            raise DeviceError(f"recording {self.path} is not 16 kHz mono; run `{REMEDY}`")
        found: Float32Array = samples
        return found


def recordings(folder: Path = FOLDER) -> tuple[Recording, ...]:
    """All recordings of a folder, in the order of its index; DeviceError if that is damaged."""
    return _read(folder)


def recording_for(text: str, voice: str | None = None, folder: Path = FOLDER) -> Recording:
    """The recording of a sentence, in a given voice or in the first that has it.

    Capitals, spaces and punctuation do not matter. ConfigError names near choices where there is
    none.
    """
    wanted = _plain(text)
    found = [item for item in recordings(folder) if _plain(item.text) == wanted]
    if not found:
        known = dict.fromkeys(item.text for item in recordings(folder))
        near = difflib.get_close_matches(wanted[:100], known, n=3, cutoff=0.5)
        hint = f"near: {', '.join(map(repr, near))}" if near else f"{len(known)} others are"
        raise ConfigError(f"nobody has recorded {text[:100]!r}; {hint}")
    if voice is None:
        return found[0]
    for item in found:
        if item.voice == voice:
            return item
    raise ConfigError(
        f"{found[0].text!r} is not recorded in the voice {voice!r}; "
        f"valid: {', '.join(item.voice for item in found)}"
    )


def with_noise(
    samples: Float32Array, snr_db: float, rng: np.random.Generator, lead_s: float = 0.5
) -> Float32Array:
    """A recording in a noisy room: pink noise from ``lead_s`` before to ``lead_s`` after it.

    ``snr_db`` compares the power of the recording, without its silence, with the noise's.
    """
    pad = int(lead_s * RATE_HZ)
    quiet = np.concatenate([np.zeros(pad), samples, np.zeros(pad)])
    spectrum = np.fft.rfft(rng.standard_normal(len(quiet)))
    frequency_hz = np.fft.rfftfreq(len(quiet), 1 / RATE_HZ)
    noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(frequency_hz, 50.0)), len(quiet))
    spoken = samples[np.abs(samples) > 0.02 * np.abs(samples).max(initial=0.0)]
    power = float(np.square(spoken, dtype=np.float64).mean()) if len(spoken) else 0.0
    noise *= np.sqrt(power / np.square(noise).mean() / 10 ** (snr_db / 10))
    return np.clip(quiet + noise, -1.0, 1.0).astype(np.float32)


@functools.lru_cache(maxsize=4)
def _read(folder: Path) -> tuple[Recording, ...]:
    path = folder / INDEX
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DeviceError(f"the recordings' index {path} cannot be read; run `{REMEDY}`") from error
    if not lines or tuple(lines[0].split("\t")) != COLUMNS:
        raise DeviceError(f"{path} has not the columns {', '.join(COLUMNS)}; run `{REMEDY}`")
    found = []
    for number, line in enumerate(lines[1:], 2):
        try:
            file, voice, split, text, kind, duration, ends = line.split("\t")
            if Path(file).name != file:
                raise ValueError(f"{file!r} is no plain file name")
            item = Recording(folder / file, voice, split, text, kind, float(duration), float(ends))
        except ValueError as error:
            raise DeviceError(f"{path}, line {number}: {error}; run `{REMEDY}`") from error
        found.append(item)
    return tuple(found)


def _plain(text: str) -> str:
    """Lower-case words and nothing else."""
    return " ".join("".join(c if c.isalnum() else " " for c in text.casefold()).split())
