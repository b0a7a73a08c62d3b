"""The names that a speaker may use: the ontology's own, and what people say for them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from sage.ontology import CATEGORIES, OBJECTS, PEOPLE, ROOM_NAMES, furniture_names

# What people say for the ontology's names.
_SYNONYMS: dict[str, str] = {
    "living room": "lounge, sitting room, family room, parlour, parlor",
    "corridor": "hall, hallway, passage, passageway, entrance hall",
    "bathroom": "washroom, restroom, lavatory",
    "dining room": "dining, dining area, dining hall",
    "bedroom": "sleeping room",
    "sofa": "couch, settee",
    "fridge": "refrigerator, icebox",
    "wardrobe": "closet, armoire",
    "nightstand": "night table, bedside table",
    "bookshelf": "bookcase, bookshelves",
    "washing machine": "washer, laundry machine, clothes washer",
    "bathtub": "tub",
    "stove": "cooker, oven, hob",
    "sink": "washbasin, basin",
    "side table": "sideboard",
    "center table": "centre table",
    "baby chair": "high chair",
    "counter": "countertop, worktop",
    "toilet": "wc, loo",
    "fireplace": "chimney, hearth",
    "mug": "cup, coffee mug, coffee cup",
    "coke": "cola, coca cola, coke can",
    "chips": "crisps, potato chips",
    "water": "water bottle",
    "milk": "milk carton",
    "cereal": "cereal box",
    "towel": "hand towel",
    "person": "people, someone, somebody, anyone, anybody, human",
}
_PACKED = re.compile(
    r"(?:bottle|can|carton|box|bag|pack|packet|tube|piece|bar|cup|glass|bowl) of (.+)"
)
_ARTICLES = re.compile(
    r"(?:the|a|an|my|your|our|his|her|their|this|that|these|those|some|any|another) "
)

_STOP_WORDS = frozenset(("stop", "halt", "freeze"))
_BESIDE_STOP = frozenset(
    ("please", "robot", "sage", "now", "right", "hey", "oh", "no", "ok", "okay", "immediately")
)


@dataclass(frozen=True, slots=True)
class Named:
    """A name of the ontology; ``sort`` is room, furniture, object, person, somebody or category."""

    sort: str
    name: str


def _spoken() -> Iterator[tuple[str, Named]]:
    """Every phrase for every name: names, then synonyms, then their plurals and singulars."""
    named = [Named("room", name) for name in ROOM_NAMES]
    named += [Named("furniture", name) for name in furniture_names()]
    named += [Named("object", name) for name in OBJECTS]
    named += [Named("person", "person")]
    named += [Named("somebody", name.casefold()) for name in PEOPLE]
    named += [Named("somebody", name) for name in ("man", "woman", "boy", "girl", "guy", "lady")]
    named += [Named("category", name) for name in CATEGORIES]
    phrases = [(entry.name, entry) for entry in named]
    for entry in named:
        phrases += [(word, entry) for word in _SYNONYMS.get(entry.name, "").split(", ") if word]
    yield from phrases
    for phrase, entry in phrases:
        yield phrase + "s", entry
        yield phrase + "es", entry
        for ending in ("es", "s"):
            if len(phrase) > 3 + len(ending) and phrase.endswith(ending):
                yield phrase[: -len(ending)], entry


_PHRASES: dict[str, Named] = {}
for _phrase, _entry in _spoken():
    # Spaces do not tell names apart ("livingroom", "bath tub"); the first meaning stands.
    _PHRASES.setdefault(_phrase.replace(" ", ""), _entry)


def is_stop(text: str) -> bool:
    """Whether a text is nothing but stop, halt or freeze: obeyed before anyone thinks about it."""
    words = re.findall(r"\w+", text.casefold())
    return any(word in _STOP_WORDS for word in words) and all(
        word in _STOP_WORDS or word in _BESIDE_STOP for word in words
    )


def without_article(phrase: str) -> str:
    """A noun phrase without articles."""
    while (match := _ARTICLES.match(phrase)) is not None:
        phrase = phrase[match.end() :]
    return phrase


def look_up(phrase: str) -> Named | None:
    """The name that a noun phrase spells, exactly or by a synonym."""
    plain = without_article(phrase)
    named = _PHRASES.get(plain.replace(" ", ""))
    if named is None and (match := _PACKED.fullmatch(plain)) is not None:
        named = _PHRASES.get(without_article(match[1]).replace(" ", ""))
    return named


def mentioned(phrase: str) -> list[Named]:
    """Every name that occurs in a phrase, longer ones first."""
    words = phrase.split(" ")
    spans = [" ".join(words[i : i + n]) for n in (3, 2, 1) for i in range(len(words) - n + 1)]
    found: list[Named] = []
    covered = ""
    for span in spans:
        named = _PHRASES.get(span.replace(" ", ""))
        if named is not None and f" {span} " not in covered:
            covered += f" {span} "
            found.append(named)
    return found


def near(phrase: str) -> list[Named]:
    """Names that a phrase may have meant: a part of one, one slip away, or just similar."""
    parts = [
        entry
        for entry in _PHRASES.values()
        if phrase and f" {phrase} " in f" {entry.name} " and entry.sort in ("room", "furniture")
    ]
    joined = phrase.replace(" ", "")
    slips = [entry for key, entry in _PHRASES.items() if one_slip(joined, key)]
    close = difflib.get_close_matches(joined[:40], _PHRASES, n=4, cutoff=0.75)
    found = parts or slips or mentioned(phrase) or [_PHRASES[key] for key in close]
    return list(dict.fromkeys(found))


def one_slip(written: str, meant: str) -> bool:
    """Whether one letter too many, too few, wrong, or two swapped make the difference."""
    if written == meant or abs(len(written) - len(meant)) > 1:
        return False
    start = 0
    while start < min(len(written), len(meant)) and written[start] == meant[start]:
        start += 1
    left, right = written[start:], meant[start:]
    swapped = len(left) > 1 and left[1::-1] + left[2:] == right
    return swapped or left[1:] == right or left == right[1:] or left[1:] == right[1:]
