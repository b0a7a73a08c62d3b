"""Finding what a command names: words of the ontology become class tokens.

A parser then reads ``bring me the <object> from the <location>``, whatever the object and the
piece of furniture are called, and the names are put back afterwards. The input may come from a
speech recogniser: case and punctuation carry nothing here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from sage.skills.meaning import Entity
from sage.skills.vocabulary import Named, look_up, one_slip

CLASS_TOKENS: Final = (
    "<object>",
    "<category>",
    "<room>",
    "<location>",
    "<name>",
    "<gesture>",
    "<question>",
    "<whattosay>",
)
"""Every class token; the text may hold them as they are."""

_SORTS: Final = {
    "room": "room",
    "furniture": "location",
    "object": "object",
    "category": "category",
}
_ARTICLES: Final = frozenset(
    [
        "the",
        "a",
        "an",
        "my",
        "your",
        "our",
        "his",
        "her",
        "their",
        "this",
        "that",
        "these",
        "those",
        "some",
        "any",
        "another",
    ]
)
# Words of their own, one letter away from a name.
_NOT_ALONE: Final = frozenset(
    (
        *("slower", "freeze", "dressed", "stores", "stones", "tracks", "showed", "towers"),
        *("halfway", "chains", "counted"),
    )
)
_LONGEST: Final = 4  # words of a name: "a bottle of coca cola" starts after the article
_RESTART: Final = 6  # words that a speaker may say again
_MIN_SLIP_CHARS: Final = 6
_WORDS: Final = re.compile(r"<[a-z]+>|[^\W_]+(?:'[^\W_]+)*|'[^\W_]+")
_SPOKEN_CLASSES: Final = re.compile(r"<\s*([a-z]+)\s*\d*\s*>")

_SIDES: Final = r"(?:to |at |on |towards )?(?:the |their |his |her )?(left|right)"
_ARM: Final = r"(?:the |their |his |her |a )?(left|right)(?: arm| hand)"
_PATTERNS: Final[tuple[tuple[str, Callable[[re.Match[str]], str], str], ...]] = (
    # (sort, ontology name, what people say): gestures and texts of the competition of 2018
    ("gesture", lambda m: f"raising their {m[1]} arm", rf"(?:raising|lifting|holding up) {_ARM}"),
    (
        "gesture",
        lambda m: f"raising their {m[1]} arm",
        rf"(?:raises|lifts|has|with|who has)? ?{_ARM} (?:up|raised|lifted|in the air)",
    ),
    ("gesture", lambda m: f"pointing to the {m[1]}", rf"(?:pointing|points) {_SIDES}"),
    ("gesture", lambda m: "waving", r"waving|waves"),
    (
        "whattosay",
        lambda m: "the time",
        r"(?:the |what )(?:current )?time(?: it is| is it)?(?: now)?",
    ),
    (
        "whattosay",
        lambda m: "what day tomorrow is",
        (
            r"what day (?:it is |it will be |is |will be )?tomorrow(?: is| will be)?|tomorrow's "
            r"(?:day|date)"
        ),
    ),
    (
        "whattosay",
        lambda m: "the day of the week",
        r"(?:the |what |which )(?:current )?day of the week(?: it is| is it| today is| today)?",
    ),
    (
        "whattosay",
        lambda m: "the day of the month",
        r"(?:the |what |which )(?:current )?day of the month(?: it is| is it| today is| today)?",
    ),
    (
        "whattosay",
        lambda m: "what day it is",
        r"what day (?:it is|is it|today is|is today)(?: today)?"
        r"|(?:today's|the) date|what (?:date (?:it )?is|is the date|the date is)(?: today)?"
        r"|what today is|the day (?:today|it is)",
    ),
    ("whattosay", lambda m: "a joke", r"(?:a |your best |some |one )?(?:funny )?jokes?"),
    (
        "whattosay",
        lambda m: "your name",
        r"(?:your|the robot's) (?:team's |own )?name|who you are",
    ),
    ("whattosay", lambda m: "your team's name", r"the name of your team|your team's name"),
    ("whattosay", lambda m: "something about yourself", r"something about yourself|about yourself"),
    ("whattosay", lambda m: "hello", r"(?<=\w )(?:hello|hi there)"),
)
# Every pattern holds one of these, and most commands none.
_CUES: Final = re.compile(
    r"arm|hand|point|wav|time|day|date|joke|name|who you are|yourself|hello|hi there"
)
_COMPILED: Final = tuple(
    (sort, name, re.compile(rf"(?<![\w']){pattern.strip()}(?![\w'])"))
    for sort, name, pattern in _PATTERNS
)


@dataclass(frozen=True, slots=True)
class Tagged:
    """A command with its names replaced.

    ``words`` are lower-case, without punctuation, each name one class token; ``entities`` hold
    the names, in the order of mention. A class token that the text itself holds becomes an entity
    of that name (``<room>``), so that there is always one per class token.
    """

    words: tuple[str, ...]
    entities: tuple[Entity, ...]

    @property
    def text(self) -> str:
        """The words with blanks between them."""
        return " ".join(self.words)


def plain_words(text: str) -> list[str]:
    """Lower-case words without punctuation; ``jordan's`` becomes two, class tokens stay."""
    lowered = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")
    lowered = _SPOKEN_CLASSES.sub(r" <\1> ", lowered)
    words: list[str] = []
    for word in _WORDS.findall(lowered):
        if word.startswith("<") and word not in CLASS_TOKENS:
            word = word.strip("<>")
        stem, mark, ending = word.rpartition("'")
        words += [stem, "'s"] if mark and ending == "s" and stem else [word]
    return words


def without_restarts(words: list[str]) -> list[str]:
    """The words, said once where a speaker said them twice in a row.

    "go to the go to the kitchen" is "go to the kitchen"; at most six words are looked back at.
    """
    if len(set(words)) == len(words):
        return words
    out: list[str] = []
    for word in words:
        out.append(word)
        for count in range(min(_RESTART, len(out) // 2), 0, -1):
            if out[-count:] == out[-2 * count : -count]:
                del out[-count:]
                break
    return out


def tag(text: str) -> Tagged:
    """Replace what the ontology knows in a command by class tokens.

    Example:
        >>> tag("Bring me the coke from the kitchen").text
        'bring me the <object> from the <room>'
    """
    words: list[str] = []
    entities: list[Entity] = []
    for piece, entity in _pieces(without_restarts(plain_words(text))):
        words.append(piece)
        if entity is not None:
            entities.append(entity)
    return Tagged(tuple(words), tuple(entities))


def _pieces(words: list[str]) -> Iterator[tuple[str, Entity | None]]:
    spans = _phrases(words)
    at = 0
    while at < len(words):
        if words[at] in CLASS_TOKENS:
            token = words[at]
            yield token, Entity(token.strip("<>"), token, token)
            at += 1
            continue
        if at in spans:
            count, sort, name = spans[at]
            yield f"<{sort}>", Entity(sort, name, " ".join(words[at : at + count]))
            at += count
            continue
        for count in range(min(_LONGEST, len(words) - at), 0, -1):
            span = words[at : at + count]
            named = _named(tuple(span))
            if named is not None:
                yield f"<{named.sort}>", Entity(named.sort, named.name, " ".join(span))
                at += count
                break
        else:
            yield words[at], None
            at += 1


def _phrases(words: list[str]) -> dict[int, tuple[int, str, str]]:
    """Gestures and texts to say: word index to (words covered, sort, name)."""
    text = " ".join(words)
    if _CUES.search(text) is None:
        return {}
    starts: dict[int, int] = {}
    ends: dict[int, int] = {}
    position = 0
    for index, word in enumerate(words):
        starts[position] = index
        position += len(word)
        ends[position] = index
        position += 1
    spans: dict[int, tuple[int, str, str]] = {}
    taken: set[int] = set()
    for sort, name, pattern in _COMPILED:
        for match in pattern.finditer(text):
            begin = match.start() + len(match[0]) - len(match[0].lstrip())
            end = match.end() - (len(match[0]) - len(match[0].rstrip()))
            if begin not in starts or end not in ends:
                continue
            covered = range(starts[begin], ends[end] + 1)
            if taken.isdisjoint(covered):
                taken.update(covered)
                spans[covered.start] = (len(covered), sort, name(match))
    return spans


@lru_cache(maxsize=4096)
def _named(span: tuple[str, ...]) -> Named | None:
    """The room, furniture, object, category or person that these words name, if any.

    ``sort`` is that of an entity here. An article never begins a name, and one letter wrong is
    forgiven in long words.
    """
    if span[0] in _ARTICLES or span[-1] in ("'s", "of"):
        return None
    phrase = " ".join(span)
    if "<" in phrase or phrase in _NOT_ALONE:
        return None
    found = look_up(phrase)
    if found is None and len(span) <= 2 and len(phrase) >= _MIN_SLIP_CHARS:
        found = _slipped(phrase.replace(" ", ""))
    if found is None:
        return None
    if found.sort == "somebody":
        return Named("name", _PEOPLE[found.name]) if found.name in _PEOPLE else None
    sort = _SORTS.get(found.sort)
    return None if sort is None else Named(sort, found.name)


def _slipped(word: str) -> Named | None:
    """A long name with one letter wrong; blanks do not count."""
    for known in _LONG_NAMES.get(word[0], ()):
        if abs(len(known) - len(word)) <= 1 and one_slip(word, known):
            return look_up(known)
    return None


def _long_names() -> dict[str, tuple[str, ...]]:
    """By their first letter."""
    from sage.ontology import CATEGORIES, OBJECTS, ROOM_NAMES, furniture_names

    names = [*ROOM_NAMES, *furniture_names(), *OBJECTS, *CATEGORIES, *_PEOPLE]
    names += ["refrigerator", "hallway", "bookcase"]
    forms = dict.fromkeys(
        form
        for name in names
        for form in (name.replace(" ", ""), name.replace(" ", "") + "s")
        if len(form) >= _MIN_SLIP_CHARS
    )
    return {
        letter: tuple(form for form in forms if form[0] == letter)
        for letter in {form[0] for form in forms}
    }


def _people() -> dict[str, str]:
    from sage.ontology import PEOPLE

    return {name.casefold(): name for name in PEOPLE}


_PEOPLE: Final = _people()
_LONG_NAMES: Final = _long_names()
