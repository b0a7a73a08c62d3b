"""Sound files, read piece by piece: whatever libsndfile reads, at any rate, mixed down to mono."""

from __future__ import annotations

import importlib
import os
import struct
from pathlib import Path
from typing import Any

from sage.hearing.resample import HIGHEST_RATE_HZ, LOWEST_RATE_HZ
from sage.irp.errors import ConfigError, DeviceError
from sage.values import Float32Array

FORMATS = "WAV, FLAC, OGG, MP3, AIFF, AU, ..."


class Recording:
    """An open sound file. Raises DeviceError, one line, where it holds no readable sound."""

    def __init__(self, path: Path, shown: str, *, from_s: float = 0.0) -> None:
        """``from_s`` is where it begins and where ``rewind`` goes; ConfigError past its end."""
        self._shown = shown
        self._path = path
        self._soundfile = _load_soundfile()
        try:
            self._file: Any = self._soundfile.SoundFile(str(path), "r")
        except (self._soundfile.SoundFileError, OSError, TypeError) as error:
            # TypeError: a name that ends in .raw, of which nobody knows the rate
            raise DeviceError(
                f"{shown}: {path} is no readable sound file ({_reason(error)}); valid: {FORMATS}"
            ) from None
        try:
            self.rate_hz: int = self._file.samplerate
            self._frames: int = self._file.frames
            self._check(from_s)
            self._start = int(from_s * self.rate_hz)
            self._at = 0
            self._complaint = _wav_complaint(path)
            if self._start:
                self.rewind()
        except BaseException:
            self.close()
            raise

    @property
    def duration_s(self) -> float:
        """How long it says it is."""
        return self._frames / self.rate_hz

    def read(self, duration_s: float) -> Float32Array | None:
        """The next samples, (N, channels), about ``duration_s``; None at the end."""
        count = max(1, int(duration_s * self.rate_hz))
        try:
            samples: Float32Array = self._file.read(count, dtype="float32", always_2d=True)
        except (self._soundfile.SoundFileError, OSError) as error:
            if self._complaint is None:
                self._complaint = f"cannot be read past {self._at_s():.1f} s: {_reason(error)}"
            return None
        self._at += len(samples)
        if len(samples):
            return samples
        if self._complaint is None and self._at < self._frames - self.rate_hz // 10:
            self._complaint = (
                f"ends after {self._at_s():.1f} of {self.duration_s:.1f} s: truncated or damaged"
            )
        return None

    def rewind(self) -> None:
        """Back to where it begins; DeviceError where that cannot be reached."""
        try:
            self._at = self._file.seek(self._start)
        except (self._soundfile.SoundFileError, OSError) as error:
            raise DeviceError(
                f"{self._shown}: cannot go to {self._start / self.rate_hz:g} s of {self._path}: "
                f"{_reason(error)}"
            ) from None

    def complaint(self) -> str | None:
        """At the end: what was wrong with the file, if anything."""
        return self._complaint

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    def _at_s(self) -> float:
        return self._at / self.rate_hz

    def _check(self, from_s: float) -> None:
        if not LOWEST_RATE_HZ <= self.rate_hz <= HIGHEST_RATE_HZ:
            raise DeviceError(
                f"{self._shown}: {self._path} states a sampling rate of {self.rate_hz} Hz; "
                f"it must be in [{LOWEST_RATE_HZ}, {HIGHEST_RATE_HZ}]"
            )
        if self._frames <= 0:
            raise DeviceError(f"{self._shown}: {self._path} holds no sound: not one sample")
        if from_s >= self.duration_s:
            raise ConfigError(
                f"{self._shown!r}: option from_s={from_s:g} lies past the end of {self._path}, "
                f"which lasts {self.duration_s:.1f} s"
            )


def open_recording(place: str, shown: str, *, from_s: float = 0.0) -> Recording:
    """The sound file at ``place``; DeviceError names the path and what is wrong with it."""
    place = place.removeprefix("//")
    if not place:
        raise DeviceError(f"{shown!r} names no file; write file:PATH ({FORMATS})")
    try:
        path = Path(place).expanduser()
        _check_path(path, shown)
        return Recording(path, shown, from_s=from_s)
    except OSError as error:  # no permission on the way to it, a name too long, ...
        reason = error.strerror or str(error)
    except (RuntimeError, ValueError):
        reason = "no such user's home, or no file's name"
    raise DeviceError(f"{shown}: {place} cannot be read: {reason}")


def _check_path(path: Path, shown: str) -> None:
    if path.is_dir():
        raise DeviceError(f"{shown}: {path} is a folder; name one sound file in it")
    if not path.exists():
        raise DeviceError(f"{shown}: there is no file {path.absolute()}")
    if not path.is_file():
        raise DeviceError(f"{shown}: {path} is no regular file ({FORMATS})")
    if not os.access(path, os.R_OK):
        raise DeviceError(f"{shown}: {path} may not be read; check its permissions")
    if path.stat().st_size == 0:
        raise DeviceError(f"{shown}: {path} is empty ({FORMATS})")


def _wav_complaint(path: Path) -> str | None:
    """Truncation of a WAV, which libsndfile passes over in silence; None for other formats.

    A program that writes into a pipe cannot know the length, and states 0 or nearly 2^32.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(4) != b"RIFF" or file.read(8)[4:] != b"WAVE":
            return None
        while len(head := file.read(8)) == 8:
            name, length = struct.unpack("<4sI", head)
            at = file.tell()
            if name == b"data":
                there = size - at
                if there >= length or length >= 0x7FFFF000:
                    return None
                return f"holds {100.0 * there / length:.0f} % of its sound: truncated or damaged"
            file.seek(length + length % 2, os.SEEK_CUR)
    return None


def _reason(error: BaseException) -> str:
    """What libsndfile says, without the path that the message has already."""
    text = str(getattr(error, "error_string", "") or error).strip().rstrip(".")
    return " ".join(text.split()) or type(error).__name__


def _load_soundfile() -> Any:
    try:
        return importlib.import_module("soundfile")
    except (ImportError, OSError) as error:  # OSError: libsndfile itself is missing
        raise DeviceError(
            f"soundfile cannot be loaded ({error}); run: pip install soundfile"
        ) from None
