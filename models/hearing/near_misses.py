"""Names that were misheard: what sounds nearly like a thing, a place or a person of the home.

A "nighting room" is the dining room, a "car reward" the corridor. Words that no command holds are
compared with the ontology's names as phones of the CMU dictionary, which PocketSphinx ships, by an
edit distance in which sounds of one kind differ less than others (J. Zobel and P. Dart, "Phonetic
string matching", SIGIR 1996).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from sage.hearing.speech_grammar import words as grammar_words
from sage.ontology import OBJECTS, PEOPLE, ROOM_NAMES, furniture_names

Phones = tuple[str, ...]

FARTHEST: Final = 0.34
"""What differs by more, as a share of its phones, is another word."""

_MOST_WORDS: Final = 3
_FEWEST_PHONES: Final = 3
_MOST_UNKNOWN: Final = 4
"""With more words that no command holds, it was another subject."""
_BEGINNINGS: Final = 3
"""How many texts with one name put in are looked at for another one."""

_VOWELS: Final = frozenset(
    ("AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW")
)
_KINDS: Final = (
    frozenset(("P", "B", "T", "D", "K", "G")),
    frozenset(("M", "N", "NG")),
    frozenset(("F", "V", "TH", "DH", "S", "Z", "SH", "ZH", "CH", "JH", "HH")),
    frozenset(("L", "R", "W", "Y")),
)
_SAME_KIND: Final = 0.5
_SOFT: Final = {"HH": 0.4, "AH": 0.5, "IH": 0.5, "T": 0.7, "D": 0.7}
_LOST: Final = 0.9
_ENDINGS: Final = {"ing": ("IH", "NG"), "s": ("Z",), "ed": ("D",), "er": ("ER",)}


def near_misses(text: str, farthest: float = FARTHEST) -> list[tuple[str, float]]:
    """The text with one or two names put in for what sounds like them, the nearest first.

    The number beside each is how far the sounds differ, as a share of the phones replaced. Empty
    where nothing sounds like a name, or PocketSphinx's dictionary is missing.
    """
    if unknown_words(text) > _MOST_UNKNOWN:
        return []
    found = dict(_replaced(text.split(), farthest))
    for once, far in sorted(found.items(), key=lambda item: item[1])[:_BEGINNINGS]:
        for twice, more in _replaced(once.split(), farthest):
            found.setdefault(twice, far + more)
    return sorted(found.items(), key=lambda item: item[1])


def unknown_words(text: str) -> int:
    """How many of the words no command holds."""
    return sum(word not in _grammar() for word in text.split())


def distance(heard: Phones, meant: Phones) -> float:
    """Weighted edit distance of two strings of phones, over the length of the longer."""
    row = [0.0]
    for phone in meant:
        row.append(row[-1] + _SOFT.get(phone, _LOST))
    for sound in heard:
        lost = _SOFT.get(sound, _LOST)
        before, row[0] = row[0], row[0] + lost
        for j, phone in enumerate(meant, 1):
            kept = before + _other(sound, phone)
            before, row[j] = (
                row[j],
                min(kept, row[j] + lost, row[j - 1] + _SOFT.get(phone, _LOST)),
            )
    return row[-1] / max(len(heard), len(meant), 1)


def phones(text: str) -> Phones | None:
    """How words are spoken; None where one of them is in no dictionary."""
    said: list[str] = []
    for word in text.split():
        spoken = _dictionary().get(word)
        for ending, sounds in _ENDINGS.items():
            if spoken is None and word.endswith(ending):
                stem = _dictionary().get(word[: -len(ending)])
                spoken = stem and (*stem, *sounds)
        if spoken is None:
            return None
        said += spoken
    return tuple(said)


def prepare() -> None:
    """Load the dictionary now, not in the midst of somebody's speech."""
    _names()


def _replaced(words: Sequence[str], farthest: float) -> Iterator[tuple[str, float]]:
    known = _grammar()
    for first in range(len(words)):
        for last in range(first + 1, min(first + _MOST_WORDS, len(words)) + 1):
            span = words[first:last]
            if all(word in known for word in span):
                continue
            heard = phones(" ".join(span))
            if heard is None or len(heard) < _FEWEST_PHONES:
                continue
            for name, spoken in _names().items():
                if abs(len(spoken) - len(heard)) <= 0.5 * len(spoken):
                    far = distance(heard, spoken)
                    if far <= farthest:
                        yield " ".join([*words[:first], name, *words[last:]]), far


@functools.cache
def _grammar() -> frozenset[str]:
    return frozenset(grammar_words())


@functools.cache
def _names() -> dict[str, Phones]:
    every = (*ROOM_NAMES, *furniture_names(), *OBJECTS, *PEOPLE)
    spoken = {name.lower(): phones(name.lower()) for name in every}
    return {name: sounds for name, sounds in spoken.items() if sounds is not None}


@functools.cache
def _dictionary() -> dict[str, Phones]:
    try:
        import pocketsphinx

        path = Path(pocketsphinx.get_model_path("en-us/cmudict-en-us.dict"))
        lines = path.read_text(encoding="utf-8").splitlines()
    except (ImportError, OSError):
        return {}
    found: dict[str, Phones] = {}
    for line in lines:
        word, *spoken = line.split()
        found[word] = tuple(spoken)
    return found


@functools.cache
def _other(one: str, two: str) -> float:
    if one == two:
        return 0.0
    if one in _VOWELS or two in _VOWELS:
        return _SAME_KIND if one in _VOWELS and two in _VOWELS else 1.0
    return _SAME_KIND if any(one in kind and two in kind for kind in _KINDS) else 1.0
