"""Recognisers by name."""

from __future__ import annotations

import difflib
import importlib.util
from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final

from models.hearing.weights import PARTS as WEIGHT_PACKAGES
from sage.hearing.recogniser import Recogniser
from sage.irp.errors import ConfigError


def _pocketsphinx(argument: str, **options: Any) -> Recogniser:
    from models.hearing.pocketsphinx import PocketsphinxRecogniser

    if argument:
        raise ConfigError(f"recogniser 'pocketsphinx:{argument}': pocketsphinx takes no argument")
    return PocketsphinxRecogniser(**options)


def _whisper(argument: str, **options: Any) -> Recogniser:
    from models.hearing.whisper import WhisperRecogniser

    return WhisperRecogniser(argument or None, **options)


RECOGNISERS: Final = MappingProxyType[str, Callable[..., Recogniser]](
    {"pocketsphinx": _pocketsphinx, "whisper": _whisper}
)
"""Name to what makes it; it is given what follows the colon, and the options."""

AUTO: Final = "auto"
SMALL: Final = "pocketsphinx"
"""What is always installed, and light enough for any board."""


def default_recogniser() -> str:
    """Whisper where it and its weights are installed, PocketSphinx elsewhere. Loads nothing.

    Of real people Whisper gets nearly all words, and PocketSphinx, bound to its grammar, hardly a
    sentence; ``python -m benchmarks.hearing`` measures both.
    """
    needed = ("faster_whisper", *WEIGHT_PACKAGES)
    return "whisper" if all(map(importlib.util.find_spec, needed)) else SMALL


def check_recogniser(name: str) -> None:
    """ConfigError, naming the valid ones, unless such a recogniser is known. Loads nothing."""
    known = name.partition(":")[0]
    if known not in RECOGNISERS and name != AUTO:
        near = difflib.get_close_matches(known, RECOGNISERS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ConfigError(
            f"unknown recogniser {name!r}; {hint}valid: auto, pocketsphinx, whisper, whisper:FOLDER"
        )


def open_recogniser(name: str = SMALL, **options: Any) -> Recogniser:
    """A recogniser, ready to hear: ``pocketsphinx``, ``whisper``, ``whisper:FOLDER``.

    ``auto`` is what :func:`default_recogniser` names.

    Raises:
        ConfigError: an unknown name, or an optional package or its weights are not installed.
        ModelError: weights are damaged.
    """
    check_recogniser(name)
    known, _, argument = (default_recogniser() if name == AUTO else name).partition(":")
    return RECOGNISERS[known](argument, **options)
