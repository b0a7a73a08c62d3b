"""Plain wordings for moving things, going along with people, and speaking.

A command may come in several clauses: "go to the kitchen, find the apple and bring it to Taylor".
What the earlier clauses name is what the pronouns of the later ones mean.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from sage.skills.acting import NOWHERE, Deed, Where, made, where_meant
from sage.skills.answers import declined, quoted
from sage.skills.intent import PERSON, Declined, Intent
from sage.skills.nouns import (
    AT,
    No,
    Thing,
    Who,
    destination,
    name_of,
    place_meant,
    the_same,
    thing_meant,
    who_meant,
)
from sage.skills.phrases import speech
from sage.skills.vocabulary import look_up, without_article

_ME: Final = r"(?:me|us)"
_CARRY: Final = (
    r"(?:bring|fetch|get|give|hand|pass|deliver|carry|take|serve|retrieve|transport|transfer|move"
    r"|return|grab|collect|pick up|pick|go get|go and get|go fetch|go grab|drop off)"
)
_BRING_ME = re.compile(
    rf"(?:{_CARRY}(?: over| back)?|i (?:want|need|would like)|can i have) {_ME} (?P<what>.+)"
    rf"|{_CARRY} (?P<what2>.+?)(?: back| over)? (?:to {_ME}|here|back|(?:over|back) here)"
    rf"(?P<rest>{AT} .+)?"
    rf"|(?:i (?:want|need|would like)|can i (?:have|get)|may i have) (?P<wish>.+)"
)
_CARRY_TO = re.compile(
    rf"(?:{_CARRY}|put|place|set|leave|lay|store|deposit) (?P<what>.+?)(?: over| back)*"
    r" (?:to|towards|into|onto) (?P<to>.+)"
)
_GIVE = re.compile(r"(?:bring|give|hand|pass|serve|deliver|take|fetch|get|retrieve) (?P<rest>.+)")
_PUT = re.compile(
    r"(?:put|place|set|leave|lay|drop|store|deposit|stick|stow)(?: down| away)? (?P<what>.+?)"
    r"(?: down| back| away)* (?:on top of|on|onto|in|into|at|inside|to|near|by) (?P<to>.+)"
)
_HOLD = re.compile(
    rf"(?:{_CARRY}|find|locate|look for|search for|seek|see|take hold of) (?P<what>.+)"
)
_MEET = re.compile(
    r"(?:meet(?: up)?(?: with)?|find|locate|look for|search for|seek|see|spot|contact|approach"
    r"|go (?:up |over )?to|greet) (?P<who>.+)"
)
_GOTO = re.compile(
    r"(?:go|drive|move|navigate|walk|head|proceed|travel|run|come|get|return|advance)(?: over| back"
    r"| down| up)* (?:to|into|in|inside|towards?|at) (?P<place>.+)"
    r"|(?:enter|visit|approach|reach) (?P<bare>.+)"
)
_FOLLOW = re.compile(
    r"(?:start )?(?:follow(?:ing)?|go after|go along with|go with|come(?: along)? with|chase|pursue"
    r"|accompany|trail|tail|shadow|stay with|keep up with|walk (?:with|behind)|come after"
    r"|drive (?:after|behind)) (?P<who>.+)"
)
_GUIDE = re.compile(
    r"(?:(?:guide|lead|escort|conduct|usher|take|bring|walk|direct|accompany)"
    r"|show(?= .+ (?:the )?way\b)) (?P<who>.+?)"
    r"(?: the way)?(?: back| over)*(?:(?: from| at| in)(?P<at> .+?))? (?:to|into) (?P<to>.+)"
    r"|(?:guide|lead|escort|conduct|usher|show) (?P<who2>.+?)(?: the way)?"
    r"(?P<back> back| here| home)?(?:(?: from| at| in)(?P<at2> .+?)(?P<back2> back)?)?"
)
_WAY = re.compile(r"(?:lead|show) (?:the|me the) way (?:to|into) (?P<to>.+)")
_GO_AND = re.compile(
    r"^(?:go|come|help me)(?: and| to)? (?=(?:get|fetch|retrieve|bring|grab|find|meet|look|tell"
    r"|follow|answer|say|take|pick|put|give|locate|guide) )"
)
_TO = re.compile(r" (?:in order )?to (?=(?:answer|tell|say|meet|greet|bring|follow) )")
_BACK_WITH = re.compile(
    rf"(?:{_CARRY}|guide|lead|escort) (?:him|her|them)(?: back)? (?:here|back|to {_ME})"
)


def read(clauses: Sequence[str], text: str) -> Intent | Declined | None:
    """The deed that these clauses ask for; None where they ask for none."""
    if not clauses or len(clauses) > 5:
        return None
    parts = [part for clause in clauses for part in _TO.split(_GO_AND.sub("", clause))]
    try:
        return _read(parts, text)
    except No as no:
        answers = [made(option, "") for option in no.options]
        phrases = [a.phrase for a in answers if isinstance(a, Intent)]
        return declined(text, no.reason, phrases)


def _read(clauses: list[str], text: str) -> Intent | Declined | None:
    """Clause by clause: what is named before the deed, the deed, and what is said after it."""
    thing: Thing | None = None
    who: Who | None = None
    place = NOWHERE
    deed: Deed | None = None
    given_at = NOWHERE
    last = len(clauses) - 1
    for index, clause in enumerate(clauses):
        found = _deed(clause, thing, who, index < last)
        if found is not None:
            if deed is None:
                deed = found
            elif deed.kind in ("bring", "put") and found.kind in ("bring", "put"):
                if found.target is not None:
                    return declined(text, "one command at a time", _phrases(deed, found))
                merged_at = deed.at or found.at
                hint = deed.to if deed.to.location is None else NOWHERE
                deed = replace(found, target=deed.target, at=merged_at)
                if hint.room and deed.to.location and deed.to.room is None:
                    deed = replace(
                        deed, to=where_meant(look_up(deed.to.location), hint.room) or deed.to
                    )
            else:
                return declined(text, "one command at a time", _phrases(deed, found))
            continue
        if deed is not None:
            spotted = _goto(clause)
            if deed.kind == "follow" and spotted is not None and index == last:
                deed = replace(deed, to=spotted)
                continue
            if index == last and re.match(r"(?:come|tell|inform|let) ", clause):
                continue  # "... and come back", "... and tell me"
            return None
        if (spotted := _goto(clause)) is not None:
            given_at = spotted if thing is not None else NOWHERE
            place = spotted
            continue
        if (match := _MEET.fullmatch(clause)) is not None and (
            met := who_meant(match["who"])
        ) is not None:
            who = met
            continue
        if index < last and (match := _HOLD.fullmatch(clause)) is not None:
            thing = thing_meant(match["what"])
            if thing is not None:
                thing = replace(thing, at=thing.at or place)
                place = NOWHERE
                continue
        return None
    if deed is None:
        return None
    if deed.kind in ("bring", "put"):
        if deed.target is None and thing is not None:
            deed = replace(deed, target=thing.name, at=thing.at)
        deed = replace(deed, at=deed.at or (place if thing is None else NOWHERE))
        if deed.person is not None and not deed.to:
            deed = replace(deed, to=given_at)
    else:
        deed = replace(deed, at=deed.at or (who.at if who is not None else NOWHERE) or place)
        if deed.kind in ("say", "answer") and deed.person is None and who is not None:
            deed = replace(deed, person=name_of(who))
        if deed.kind in ("say", "answer") and deed.person is None:
            deed = replace(deed, at=NOWHERE)
    return made(deed, text)


def _phrases(*deeds: Deed) -> list[str]:
    answers = [made(deed, "") for deed in deeds]
    return [answer.phrase for answer in answers if isinstance(answer, Intent)]


def _deed(clause: str, thing: Thing | None, who: Who | None, more: bool) -> Deed | None:
    """The deed of one clause, if it has one; ``more``: others follow it."""
    return speech(clause, who) or _company(clause, who) or _carrying(clause, thing, who, more)


def _carrying(clause: str, thing: Thing | None, who: Who | None, more: bool) -> Deed | None:
    if (match := _BRING_ME.fullmatch(clause)) is not None:
        what = match["what"] or match["what2"] or match["wish"]
        held = thing_meant(what + (match["rest"] or ""), wish=match["wish"] is not None)
        if held is not None:
            return Deed("bring", held.name, held.at)
    if (match := _PUT.fullmatch(clause)) is not None and (
        held := thing_meant(match["what"])
    ) is not None:
        return Deed("put", held.name, held.at, destination("put", held, match["to"]))
    if (match := _CARRY_TO.fullmatch(clause)) is not None and (held := thing_meant(match["what"])):
        if (somebody := who_meant(match["to"])) is not None:
            return _handing(held, somebody, who)
        return Deed("bring", held.name, held.at, destination("bring", held, match["to"]))
    if (match := _GIVE.fullmatch(clause)) is not None:
        words = match["rest"].split(" ")
        for cut in (1, 2):  # "give Taylor the apple"
            somebody = who_meant(" ".join(words[:cut]))
            if somebody is not None and somebody.somebody != "it" and len(words) > cut:
                held = thing_meant(" ".join(words[cut:]))
                if held is not None:
                    return _handing(held, somebody, who)
        least = ("bring ", "fetch ") if more else ("bring ", "fetch ", "get ", "retrieve ")
        if clause.startswith(least) and thing is None:
            held = thing_meant(match["rest"])
            if held is not None and held.name is not None:
                return Deed("bring", held.name, held.at)
    return None


def _handing(held: Thing, somebody: Who, before: Who | None) -> Deed:
    if somebody.somebody == "me":
        return Deed("bring", held.name, held.at)
    if somebody.somebody == "it" and before is not None:
        somebody = before
    if somebody.somebody == "it":
        raise No("who gets it was not said")
    return Deed("bring", held.name, held.at, somebody.at, person=somebody.somebody)


def _company(clause: str, who: Who | None) -> Deed | None:
    """Following and guiding."""
    if who is not None and who.somebody != "me" and _BACK_WITH.fullmatch(clause):
        return Deed("guide", name_of(who), who.at)
    if (match := _FOLLOW.fullmatch(clause)) is not None:
        whom, to = match["who"], NOWHERE
        if (ends := re.fullmatch(r"(.+?) (?:back )?(?:to|into|until) (.+)", whom)) is not None:
            whom, to = ends[1], place_meant(ends[2]) or NOWHERE
        somebody = who_meant(whom)
        if somebody is None:
            raise No(f"{quoted(without_article(whom))} is nobody here to follow")
        if somebody.somebody == "it" and who is None:
            raise No("whom to follow was not said")
        return Deed("follow", name_of(the_same(somebody, who)), the_same(somebody, who).at, to)
    if (match := _WAY.fullmatch(clause)) is not None:
        return Deed("guide", PERSON, to=destination("guide", None, match["to"]))
    match = _GUIDE.fullmatch(clause)
    if match is None:
        return None
    somebody = who_meant(match["who"] or match["who2"])
    carrying = re.match(r"(?:take|bring|walk|direct) ", clause) is not None
    if somebody is None:
        if carrying or clause.startswith("show"):
            return None
        raise No(f"{quoted(without_article(match['who'] or match['who2']))} is nobody to guide")
    if somebody.somebody == "it" and who is None and carrying:
        return None  # "bring it to the kitchen" is about a thing
    somebody = the_same(somebody, who)
    at = place_meant((match["at"] or match["at2"] or "").strip()) or somebody.at
    whole = Deed("guide", name_of(somebody), at)
    if match["to"] is None:
        if match["back"] or match["back2"]:
            return whole
        rooms = [replace(whole, to=Where(room)) for room in ("kitchen", "living room", "bedroom")]
        raise No(
            f"where to guide {'them' if name_of(somebody) == PERSON else name_of(somebody)} was"
            " not said",
            rooms,
        )
    if re.fullmatch(r"(?:me|us|here|the start)", match["to"]):
        return whole
    return replace(whole, to=destination("guide", None, match["to"]))


def _goto(clause: str) -> Where | None:
    match = _GOTO.fullmatch(clause)
    return None if match is None else place_meant(match["place"] or match["bare"])
