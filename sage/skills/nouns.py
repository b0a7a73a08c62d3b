"""The people, things and places that the noun phrases of a command name.

A description that goes beyond what the robot sees raises :class:`No`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from sage.ontology import APARTMENT_OBJECTS, CATEGORIES, PEOPLE, furniture_names
from sage.skills.acting import NOWHERE, Deed, Where, where_meant
from sage.skills.answers import quoted
from sage.skills.intent import PERSON
from sage.skills.vocabulary import look_up, mentioned, near, without_article
from sage.skills.wording import spot

THEM = frozenset(("it", "them", "that", "this", "these", "those", "one"))
AT: Final = (
    r"(?: (?:that|which|who|whom|is|are|'s|located|placed|lying on|over|there|you find"
    r"|to be found))*"
    r" (?:in|inside|from|at|on|within|of|near|by|beside|next to|on top of|out of|off|off of)"
)
_THING_AT = re.compile(rf"(?P<thing>.+?){AT} (?P<place>.+)")
_UNSEEN = re.compile(
    r"\b(?:lying|laying|standing|sitting|seated|sleeping|wav(?:ing|es|e)|rais\w+|pointing|points|arm"
    r"|man|woman|boy|girl|guy|lady|male|female|men|women|boys|girls)\b"
)
_SUPERLATIVE = re.compile(
    r"\b(?:biggest|largest|smallest|heaviest|lightest|thinnest|tallest|shortest|leftmost|rightmost"
    r"|widest|tiniest|left most|right most|weighs?|furthest|farthest|closest|nearest|two|three"
    r"|left of|right of|behind|under|below|above|underneath|next to|beside|between)\b"
)
_DRINK = {"something to drink": "drinks", "a drink": "drinks", "something to eat": "snacks"}


@dataclass(frozen=True, slots=True)
class Who:
    """A person: ``somebody`` is ``person``, a name, ``me`` or ``it``: who was named before."""

    somebody: str
    at: Where = NOWHERE


@dataclass(frozen=True, slots=True)
class Thing:
    """A thing: its name, None where a pronoun stands for it."""

    name: str | None
    at: Where = NOWHERE


class No(Exception):
    """Why a clause that asks for a deed cannot be one; ``options`` are deeds that can."""

    def __init__(self, reason: str, options: Sequence[Deed] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.options = tuple(options)


def the_same(somebody: Who, before: Who | None) -> Who:
    """Who a pronoun stands for, if somebody was named before."""
    return before if somebody.somebody == "it" and before is not None else somebody


def name_of(who: Who) -> str:
    """The name that an intent has for somebody."""
    return PERSON if who.somebody in ("me", "it") else who.somebody


def who_meant(phrase: str) -> Who | None:
    """The person that a noun phrase names, and where they are; None where it names nobody."""
    plain = without_article(phrase.removesuffix(" please"))
    if plain in ("me", "us", "myself"):
        return Who("me")
    if plain in ("him", "her", "them", "it", "that person", "person back"):
        return Who("it")
    at = NOWHERE
    named = look_up(plain)
    if named is None and (match := _THING_AT.fullmatch(plain)) is not None:
        place = place_meant(match["place"])
        head = look_up(re.sub(r" (?:standing|sitting|lying|waiting)$", "", match["thing"]))
        if place is not None and head is not None and head.sort in ("person", "somebody"):
            named, at = head, place
            plain = match["thing"]
    if named is None or named.sort not in ("person", "somebody"):
        if (unseen := _UNSEEN.search(plain)) and any(
            one.sort in ("person", "somebody") for one in mentioned(plain)
        ):
            raise No(f"whether somebody is {unseen[0]} is not seen")
        return None
    if named.sort == "person":
        if (unseen := _UNSEEN.search(plain)) is not None:
            raise No(f"whether somebody is {unseen[0]} is not seen")
        return Who(PERSON, at)
    name = next((one for one in PEOPLE if one.casefold() == named.name), None)
    if name is None:
        raise No(f"whether somebody is a {named.name} is not seen")
    return Who(name, at)


def thing_meant(phrase: str, *, wish: bool = False) -> Thing | None:
    """The thing that a noun phrase names, and where it is; None where it names none.

    Raises:
        No: it is a thing that is not seen, or not known.
    """
    phrase = re.sub(r"^(?:some|any|one) of ", "", phrase)
    plain = without_article(phrase)
    if not plain or plain.split(" ")[0] in ("to", "into", "in", "on", "back", "me", "us", "over"):
        return None
    if plain in THEM:
        return Thing(None)
    if plain in _DRINK or phrase in _DRINK:
        return Thing(_DRINK.get(plain) or _DRINK[phrase])
    at = NOWHERE
    named = look_up(plain)
    if named is None and (match := _THING_AT.fullmatch(plain)) is not None:
        head = without_article(match["thing"])
        place = place_meant(match["place"])
        if place is None and look_up(head) is not None:
            around = [o for o in near(without_article(match["place"])) if o.sort == "furniture"]
            name = look_up(head)
            options = [Deed("bring", name.name, Where(None, o.name)) for o in around if name]
            raise No(f"{quoted(without_article(match['place']))} is no place here", options)
        if place is not None:
            named, at, plain = look_up(head), place, head
            if head in THEM:
                return Thing(None, at)
            if head in _DRINK:
                return Thing(_DRINK[head], at)
    if named is not None and named.sort in ("object", "category"):
        return Thing(named.name, at)
    if wish:
        return None
    if (unseen := _SUPERLATIVE.search(plain)) is not None:
        raise No(f"which one is {unseen[0]} is not seen", _about(plain, at))
    if named is None and len(plain.split(" ")) <= 3 and (close := _close(plain)):
        raise No(
            f"nothing here is called {quoted(plain)}", [Deed("bring", name, at) for name in close]
        )
    return None


def _about(words: str, at: Where) -> list[Deed]:
    names = [one.name for one in mentioned(words) if one.sort in ("object", "category")]
    return [Deed("bring", name, at) for name in names]


def _close(words: str) -> list[str]:
    return [one.name for one in near(words) if one.name in (*APARTMENT_OBJECTS, *CATEGORIES)]


def place_meant(phrase: str) -> Where | None:
    """The place that a phrase names."""
    if not phrase:
        return None
    return where_meant(*spot(re.sub(r"^(?:the )?(?:top of|back of) ", "", phrase)))


def destination(kind: str, held: Thing | None, phrase: str) -> Where:
    """Where a deed ends; asked back where no place is called that."""
    place = place_meant(phrase)
    if place is not None:
        return place
    close = [one for one in near(without_article(phrase)) if one.sort in ("room", "furniture")]
    deed = Deed("put" if kind != "guide" else "guide", PERSON if held is None else held.name)
    if held is not None:
        deed = replace(deed, at=held.at)
    options = [
        replace(deed, to=Where(one.name) if one.sort == "room" else Where(None, one.name))
        for one in close
    ]
    name = quoted(without_article(phrase))
    several = len(options) > 1 and without_article(phrase) in " ".join(furniture_names())
    raise No(f"there are several: {name}" if several else f"{name} is no place here", options)
