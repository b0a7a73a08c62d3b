"""Commands with forms: the files of pairs, folds, noise, what a grammar makes."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from sage.irp.errors import ConfigError
from sage.skills.entities import tag
from sage.skills.meaning import UNKNOWN

GPSR: Final = Path(__file__).parents[3] / "shared" / "data" / "gpsr"
PARAPHRASED: Final = GPSR / "paraphrased.txt"
GENERATED: Final = GPSR / "generated.txt"
PROBES: Final = Path(__file__).with_name("probes.txt")
"""Written by hand, never trained on: what this robot does, and what is none of its business."""


@dataclass(frozen=True, slots=True)
class Example:
    """``text`` as it was written, ``words`` delexicalised, ``form`` in the dataset's notation."""

    text: str
    words: tuple[str, ...]
    form: str


def read_pairs(path: Path) -> list[Example]:
    """A file with commands on odd lines and their forms on even ones.

    Raises:
        ConfigError: the file cannot be read, has an odd number of lines, or a form that the code
            of :mod:`models.language.forms` cannot hold; the message names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigError(f"cannot read the pairs {str(path)!r}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{str(path)!r} is not UTF-8 text (byte {error.start})") from None
    lines = [line for line in lines if line.strip()]
    if not lines or len(lines) % 2:
        raise ConfigError(
            f"{str(path)!r} has {len(lines)} lines; commands and forms must take turns"
        )
    return [
        Example(text, tag(text).words, " ".join(form.split()))
        for text, form in zip(lines[0::2], lines[1::2], strict=True)
    ]


def folds(count: int, parts: int, seed: int = 0) -> list[np.ndarray]:
    """Indices of each part of a shuffled ``range(count)``."""
    if not 2 <= parts <= count:
        raise ConfigError(f"folds {parts} must be in [2, {count}]")
    order = np.random.default_rng(seed).permutation(count)
    return [np.sort(part) for part in np.array_split(order, parts)]


def form_folds(examples: Sequence[Example], parts: int, seed: int = 0) -> list[np.ndarray]:
    """Indices of each part, all commands of a form in one: what is held out are whole forms.

    ``UNKNOWN`` is no form and in no part.
    """
    counts = Counter(one.form for one in examples if one.form != UNKNOWN)
    if not 2 <= parts <= len(counts):
        raise ConfigError(f"folds {parts} must be in [2, {len(counts)}], the number of forms")
    names = sorted(counts)
    random.Random(seed).shuffle(names)
    chosen: list[set[str]] = [set() for _ in range(parts)]
    for name in names:  # each form to the part that has least
        min(chosen, key=lambda part: sum(counts[one] for one in part)).add(name)
    return [
        np.array([index for index, one in enumerate(examples) if one.form in part])
        for part in chosen
    ]


_FILLERS: Final = ("um", "uh", "well", "okay", "please", "so", "like", "now", "just", "then")
_DROPPABLE: Final = frozenset(
    ["the", "a", "an", "please", "to", "and", "then", "of", "is", "are", "some", "me"]
)
_SWAPS: Final = {
    "the": "a", "a": "the", "to": "two", "for": "four", "in": "and", "and": "in", "there": "their",
    "on": "in", "at": "in", "them": "him", "him": "them", "her": "them", "their": "his",
    "three": "3", "from": "on", "it": "them", "me": "us",
}  # fmt: skip


def noisy(words: Sequence[str], rng: random.Random, rate: float = 1.0) -> tuple[str, ...]:
    """The words as they may be typed or recognised: slips, fillers, restarts, repetitions.

    Class tokens stay; so does the meaning, with rare exceptions.
    """
    out: list[str] = []
    for word in words:
        roll = rng.random() / rate if rate > 0.0 else 1.0
        if word in _DROPPABLE and roll < 0.05:
            continue
        if word in _SWAPS and 0.05 <= roll < 0.075:
            word = _SWAPS[word]
        elif 0.075 <= roll < 0.095 and len(word) > 3 and word[0] != "<":
            word = _misspelt(word, rng)
        out.append(word)
        if 0.1 <= roll < 0.115:
            out.append(rng.choice(_FILLERS))
        elif 0.115 <= roll < 0.125:
            out.append(word)
    if rng.random() < 0.05 * rate and len(out) > 3:  # "go to the go to the kitchen"
        length = rng.randint(1, min(5, len(out) - 1))
        out = out[:length] + out
    return tuple(out) or tuple(words)


def _misspelt(word: str, rng: random.Random) -> str:
    at = rng.randrange(1, len(word) - 1)
    kind = rng.random()
    if kind < 0.35:
        return word[:at] + word[at + 1 :]
    if kind < 0.6:
        return word[:at] + word[at] + word[at:]
    if kind < 0.85:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return word[:at] + rng.choice("abcdefghijklmnoprstuvw") + word[at + 1 :]


def pool(
    count: int,
    seed: int,
    make: Callable[[random.Random], tuple[str, str]],
) -> list[tuple[tuple[str, ...], str]]:
    """Different pairs from a grammar, as words and form."""
    rng = random.Random(seed)
    found: dict[str, str] = {}
    tries = 0
    while len(found) < count and tries < 20 * count:
        text, form = make(rng)
        tries += 1
        found.setdefault(text, form)
    return [(tuple(text.split()), form) for text, form in found.items()]


def pairs_of(examples: Iterable[Example]) -> list[tuple[tuple[str, ...], str]]:
    """Words and forms alone."""
    return [(example.words, example.form) for example in examples]
