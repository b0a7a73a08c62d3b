"""New combinations from people's own sentences: a word and what it means, exchanged together.

"tell me the three heaviest <category> on the <location>" tells how people ask for the heaviest;
that they would ask for the thinnest in the same way, nobody has to say. A swap changes both the
words and the form, so fine-tuning sees what people say around meanings of which they gave no
example (compositional augmentation: Andreas 2020).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

from models.language.forms import (
    GENDERS,
    POSTURES,
    RELATIONS,
    SUPERLATIVES,
    tokens_of,
    well_formed,
)
from models.language.lexicon import LEXICON, draw

Swap = Callable[[str, str, random.Random], "tuple[str, str] | None"]

_CATEGORY: Final = '( is_a $1 " <category> " )'
_GESTURE: Final = '( is $1 " <gesture> " )'
_PERSON: Final = re.compile(
    r"(?<![\w'<])(person|someone|somebody|individual|human|anyone)(?![\w'])"
)
_POSED: Final = {
    "lying": r"(?:lying|laying)(?: down)?",
    "sitting": r"sitting(?: down)?|seated",
    "standing": r"standing(?: up)?",
}
_POSES: Final = {
    "lying": "lying down|lying down|lying|laying down",
    "sitting": "sitting|sitting|sitting down|seated",
    "standing": "standing|standing|standing up",
}
_GENDERED: Final = {
    "female": {"woman": "man", "girl": "boy", "lady": "gentleman", "female": "male",
               "women": "men", "girls": "boys", "ladies": "gentlemen", "females": "males"},
}  # fmt: skip
_GENDERED["male"] = {other: one for one, other in _GENDERED["female"].items()}
_GENDERED["male"] |= {"guy": "girl", "guys": "girls"}
_ONE: Final = re.compile(r"(?<![\w'])(woman|girl|lady|female|man|boy|guy|gentleman|male)(?![\w'])")
_QUESTION: Final = re.compile(
    r"(?<![\w'])answer (?:(?:a|the|their|his|her|any|one|person 's) )?(?:questions?|<question>)"
)
_TOLD: Final = re.compile(
    r"(?<![\w'])(?:tell|say|give)(?: (?:them|him|her|the person))? <whattosay>"
)
_ASKED: Final = {"name": "name", "gender": "gender", "pose": "pose"}


def _one_of(text: str, pattern: re.Pattern[str], new: str) -> str | None:
    """The text with the one place that matches exchanged; None where there is none or several."""
    found = list(pattern.finditer(text))
    if len(found) != 1:
        return None
    return text[: found[0].start()] + new + text[found[0].end() :]


@lru_cache(maxsize=64)
def _phrases(key: str) -> re.Pattern[str]:
    options = sorted({one for one in LEXICON[key].split("|") if one}, key=len, reverse=True)
    return re.compile(r"(?<![\w'])(?:" + "|".join(map(re.escape, options)) + r")(?![\w'])")


def _among(names: Sequence[str]) -> Swap:
    """Of names that are chunks of the form and keys of the lexicon: one for another."""

    def swap(text: str, form: str, rng: random.Random) -> tuple[str, str] | None:
        had = [name for name in names if f"( {name} " in form]
        if len(had) != 1:
            return None
        new = rng.choice([name for name in names if name != had[0]])
        said = _one_of(text, _phrases(had[0]), draw(f"{{{new}}}", rng))
        return None if said is None else (said, form.replace(f"( {had[0]} ", f"( {new} "))

    return swap


def _side(text: str, form: str, rng: random.Random) -> tuple[str, str] | None:
    for one, other in (("left", "right"), ("right", "left")):
        for ending in ("most", "_of"):
            if f"( {one}{ending} " in form:
                pattern = re.compile(rf"(?<![\w']){one}(?=most|hand|er|[^\w']|$)")
                said = _one_of(text, pattern, other)
                if said is not None:
                    return said, form.replace(f"( {one}{ending} ", f"( {other}{ending} ")
    return None


def _gender(text: str, form: str, rng: random.Random) -> tuple[str, str] | None:
    for one, other in (GENDERS, GENDERS[::-1]):
        if f"( {one} $1 )" not in form:
            continue
        words = _GENDERED[one]
        pattern = re.compile(r"(?<![\w'])(" + "|".join(words) + r")(?![\w'])")
        found = pattern.search(text)
        if found is None:
            return None
        said = _one_of(text, pattern, words[found[1]])
        return None if said is None else (said, form.replace(f"( {one} $1 )", f"( {other} $1 )"))
    return None


def _pose(text: str, form: str, rng: random.Random) -> tuple[str, str] | None:
    """A posture for another one or for a gesture, or a gesture for a posture."""
    for one in POSTURES:
        if f"( {one} $1 )" in form:
            new = rng.choice([*(pose for pose in POSTURES if pose != one), "gesture"])
            pattern = re.compile(rf"(?<![\w'])(?:{_POSED[one]})(?![\w'])")
            words = "<gesture>" if new == "gesture" else draw(f"({_POSES[new]})", rng)
            said = _one_of(text, pattern, words)
            after = _GESTURE if new == "gesture" else f"( {new} $1 )"
            return None if said is None else (said, form.replace(f"( {one} $1 )", after))
    if f"( person $1 ) {_GESTURE}" in form:
        new = rng.choice(POSTURES)
        said = _one_of(text, re.compile("<gesture>"), draw(f"({_POSES[new]})", rng))
        return None if said is None else (said, form.replace(_GESTURE, f"( {new} $1 )"))
    return None


def _described(text: str, form: str, rng: random.Random) -> tuple[str, str] | None:
    """Anyone somewhere becomes a woman, a man, someone in a posture, or someone by name."""
    if "( person $1 ) ( at $1" not in form or form.count("( person $1 )") != 1:
        return None
    found = _PERSON.search(text)
    if found is None or len(_PERSON.findall(text)) != 1:
        return None
    new = rng.choice((*GENDERS, *POSTURES, "gesture", "name"))
    if new in GENDERS:
        words = draw("(woman|girl|lady|female)" if new == "female" else "(man|boy|guy|male)", rng)
        words = words if found[1] in ("person", "individual", "human") else f"a {words}"
        after = f"( {new} $1 )"
    elif new == "name":
        said = re.sub(r"(?:(?:the|a|an|some|any) )?" + _PERSON.pattern, "<name>", text)
        named = form.replace("( person $1 )", '( person $1 ) ( name $1 " <name> " )')
        # Who is named is looked for at a piece of furniture in this notation, whatever is said.
        return said, named.replace('( at $1 " <room> " )', '( at $1 " <location> " )')
    else:
        pose = "<gesture>" if new == "gesture" else draw(f"({_POSES[new]})", rng)
        words = f"{found[1]} {draw('(|who is|that is)', rng)} {pose}"
        after = _GESTURE if new == "gesture" else f"( {new} $1 )"
    said = text[: found.start()] + words + text[found.end() :]
    return said, form.replace("( person $1 )", f"( person $1 ) {after}")


def _anyone(text: str, form: str, rng: random.Random) -> tuple[str, str] | None:
    """A woman or a man becomes anyone."""
    for one in GENDERS:
        if f"( {one} $1 ) " in form:
            said = _one_of(text, _ONE, "person")
            return None if said is None else (said, form.replace(f"( {one} $1 ) ", ""))
    return None


def _told(text: str, form: str, rng: random.Random) -> tuple[str, str] | None:
    """An answer for a text to say, or the other way round."""
    answer, told = '( say ( answer " <question> " )', '( say " <whattosay> "'
    if form.startswith(answer):
        words = draw("(tell|tell|say|tell (them|him|her)) <whattosay>", rng)
        said = _one_of(text, _QUESTION, words)
        return None if said is None else (said, form.replace(answer, told))
    if form.startswith(told):
        said = _one_of(text, _TOLD, draw("answer (a|a|their|the) (question|<question>)", rng))
        return None if said is None else (said, form.replace(told, answer))
    return None


def _place(text: str, form: str, rng: random.Random) -> tuple[str, str] | None:
    """A room for a piece of furniture where something is counted, or the other way round."""
    if not form.startswith("( say ( count") or "<category>" in form:
        return None
    for one, other in (("room", "location"), ("location", "room")):
        if f'" <{one}> "' in form and text.count(f"<{one}>") == 1 and f"<{other}>" not in text:
            before = {"location": "at|on|on", "room": "in|in|inside"}[other]
            new = f"{draw(f'({before})', rng)} \\1<{other}>"
            said = re.sub(rf"(?<![\w'])(?:in|at|inside|on|by) (the |)<{one}>", new, text)
            said = said.replace(f"<{one}>", f"<{other}>")
            return said, form.replace(f'" <{one}> "', f'" <{other}> "')
    return None


def _asked(text: str, form: str, rng: random.Random) -> tuple[str, str] | None:
    """Somebody's name, gender or pose."""
    for one, word in _ASKED.items():
        if f"( {one} $2 $1 )" in form:
            new = rng.choice([other for other in _ASKED if other != one])
            said = _one_of(text, re.compile(rf"(?<![\w']){word}(?![\w'])"), _ASKED[new])
            return None if said is None else (said, form.replace(f"( {one} $2", f"( {new} $2"))
    return None


def _counted(text: str, form: str, rng: random.Random) -> tuple[str, str] | None:
    """What is counted: objects or those of a category, people of some kind."""
    if not form.startswith("( say ( count"):
        return None
    for one, other in (("object", "category"), ("category", "object")):
        if "<location>" in form:  # a category on a piece of furniture has a form of its own
            break
        if f'( is_a $1 " <{one}> " )' in form and text.count(f"<{one}>") == 1:
            return text.replace(f"<{one}>", f"<{other}>"), form.replace(one, other)
    found = re.search(r"(?<![\w'])(people|persons|humans)(?![\w'])", text)
    if found and "( person $1 ) ( at" in form:
        new = rng.choice(GENDERS)
        words = draw("(women|girls|ladies)" if new == "female" else "(men|boys|guys)", rng)
        said = text[: found.start()] + words + text[found.end() :]
        return said, form.replace("( person $1 )", f"( person $1 ) ( {new} $1 )")
    return None


_SWAPS: Final[tuple[Swap, ...]] = (
    _among(SUPERLATIVES),
    _among(RELATIONS),
    _side,
    _gender,
    _pose,
    _described,
    _anyone,
    _told,
    _place,
    _asked,
    _counted,
)


def _said(text: str, form: str) -> bool:
    """Whether the text says all that the form names: who left something out is no example.

    A category is mostly said as "the objects" and may be missing; so may the sort of a place be
    another one than the form's.
    """
    named = set(re.findall(r"<(?:object|name|gesture)>", form))
    return named <= set(text.split())


def swapped(
    pairs: Sequence[tuple[tuple[str, ...], str]], seed: int, tries: int = 12
) -> list[tuple[tuple[str, ...], str]]:
    """Different pairs that are in none of these, made of them by one to three swaps each."""
    rng = random.Random(seed)
    had = {words for words, _ in pairs}
    found: dict[tuple[str, ...], str] = {}
    for words, form in pairs:
        if not _said(" ".join(words), form):
            continue
        for _ in range(tries):
            text, meant, done = " ".join(words), form, 0
            for swap in rng.sample(_SWAPS, len(_SWAPS)):
                made = swap(text, meant, rng)
                if made is not None and well_formed(tokens_of(made[1])):
                    text, meant = made
                    done += 1
                    if done == 3 or rng.random() < 0.55:
                        break
            new = tuple(
                word
                for word, before in zip(text.split(), ("", *text.split()), strict=False)
                if word != before
            )
            if done and new not in had:
                found.setdefault(new, meant)
    return list(found.items())
