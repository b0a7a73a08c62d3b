"""A small rule grammar: from a typed command to an intent, or to a question back.

It understands one command at a time: go to a room or a piece of furniture, find something, tell
what is seen, come back, stop. It never guesses: a name or verb that is one slip away, a name that
two rooms share and anything else that is not plain come back as :class:`Declined`, with what was
probably meant.
Only one rule leans to one side: a command that begins with "stop" stops the robot, whatever
follows.
"""

from __future__ import annotations

import re

from sage.ontology import (
    APARTMENT_FURNITURE,
    APARTMENT_OBJECTS,
    ROOM_NAMES,
    rooms_of,
)
from sage.skills import deeds
from sage.skills.acting import Deed, made
from sage.skills.answers import (
    ABILITIES,
    CARRY,
    FOLLOW,
    GUIDE,
    HANDLE,
    LIFT,
    SPEAK,
    count_meant,
    declined,
    meant,
    quoted,
    rooms_meant,
    unable,
    uses,
)
from sage.skills.intent import Declined, Intent
from sage.skills.phrases import asks
from sage.skills.vocabulary import Named, look_up, mentioned, near, one_slip, without_article
from sage.skills.wording import MAX_COMMAND_CHARS, PLACED, clauses, spot

_NUMBER = re.compile(r"(?:\d+|two|three|four|five|six|seven|eight|nine|ten|several|all|every) ")
_MANNER = r"(?:back|over|down|up|straight|directly|right|along|across|out|all the way|yourself|on)"

_STOP = re.compile(
    r"(?:stop|halt|freeze)\b(?! (?:by|at|in|over) ).*|.* (?:stop|halt|freeze)"
    r"|(?:wait|pause|stay|hold|hang)(?: on| up| it| still| put| here| there| where you are| right"
    r"| a (?:moment|minute|second|bit|sec)| just)*"
    r"|(?:stand|keep|be) still|stay where you are|cancel|abort|emergency|whoa"
)
_NEGATION = re.compile(r"(?:don't|dont|do not|never|not|avoid)\b")
_HOME = (
    r"(?:to )?(?:me|us|here|home|(?:the |your |its )?(?:start|base|home|origin|beginning|dock"
    r"|(?:starting|initial|home|start|charging|first) (?:point|place|position|spot|station|pose))"
    r"|where (?:you|we|it) (?:started|came from|were|began|start)(?: from| before)?)"
)
_RETURN = re.compile(
    rf"(?:go|come|drive|move|head|walk|navigate|run|get|travel|return)(?: {_MANNER})*(?: {_HOME})+"
    r"|(?:go|come|drive|move|head|walk|navigate|run|get|travel)(?: over| straight| right)? back"
    r"|return"
)
_KNOW = (
    r"(?:(?:go )?(?:tell|show|inform) (?:me|us)(?: about| of)?|say|state|report|check|see|find out"
    r"|figure out|determine|know|let me know|(?:do )?you know|(?:go )?look)"
)
_COUNT = re.compile(
    rf"(?:{_KNOW} )?(?:(?:go )?count(?: up)?(?: for me)?(?: how many| the number of)?"
    r"|how many|what(?:'s| is) the (?:number|count|amount) of|the (?:number|count|amount) of)"
    r"(?: all| of| the| different)* (?P<what>.+)"
)
_COUNTED = re.compile(
    r"(?P<what>.+?)(?: (?:that|which|you|can|do|see|find|are|is|there|we|have|located|placed|lying"
    r"|standing|sitting|somewhere|over|right now|currently|exactly))*"
    r"(?: (?:in|inside|from|at|on|within|of|near|on top of)(?: the top of)? (?P<place>.+))?"
)
_VIEW = re.compile(
    rf"(?:{_KNOW} |describe )?what(?:(?: do| can)? you(?: can)? (?:currently )?see|(?:'s| is)"
    r"(?: there)?(?= (?:around|before|in|ahead)))(?: (?:here|there|currently|around(?: you| here)?"
    r"|before you|ahead(?: of you)?|in front of you|in (?:this|the|your) (?:room|view|picture)))*"
    r"|(?:describe|tell me about) (?:the|this|your) (?:room|view|scene|picture|surroundings|place)"
)
_AND_TELL = re.compile(
    r"(?:come (?:back )?)?(?:tell|inform|let) (?:me|us)(?: know)?(?: (?:the|what|how|it)\b.*)?"
)
_THINGS = ("object", "objects", "thing", "things", "item", "items", "stuff", "everything")
_POSE = re.compile(r"\b(?:lying|laying|standing|sitting|sleeping|seated|wav(?:e|es|ing)|rais\w+)\b")
_FIND = re.compile(
    r"(?:go (?:to )?)?(?:find|locate|search for|look (?:around )?for|seek(?: for)?|spot|detect|see"
    r"|hunt for|check for|do you see|(?:take|have) a look for)(?: me)? (?P<what>.+)"
    r"|where(?:'s| is| are) (?P<where>.+)"
    r"|(?:tell|show) me where(?:'s| is| are)? (?P<tell>.+)"
    r"|(?:is|are) there (?P<there>.+)"
    r"|(?:go )?(?:search|look|check)(?: in| inside| around| through| on| at)? (?P<place>.+?)"
    r" for (?P<thing>.+)"
)
_GO = re.compile(
    r"(?:go|drive|move|navigate|walk|head|proceed|travel|run|roll|come|get|step|return|hurry|rush"
    rf"|stop|advance|position yourself|make your way|find your way)(?: {_MANNER})* (?:to|into|in"
    r"|inside|toward|towards|near|at|by|next to|in front of|close to|up to|through) (?P<place>.+)"
    rf"|(?:go|goto|head|navigate|drive|proceed|approach|enter|visit|reach)(?: {_MANNER})*"
    r" (?P<bare>.+)"
)

# What was not understood, or cannot be done, by the words that ask for it.
_UNABLE = {
    CARRY: (
        "bring, fetch, get, grab, take, carry, deliver, give, hand, pass, serve, retrieve, pick,"
        " put, place, set, move, transfer, transport, collect, return, drop, store"
    ),
    LIFT: "throw, push, pull, lift, buy, remove",
    FOLLOW: "follow, chase, trail, track, shadow, tail, go with, stay with",
    GUIDE: "guide, lead, escort, accompany, conduct, usher, walk, show, meet, direct, take me",
    SPEAK: (
        "say, tell, answer, ask, greet, introduce, speak, talk, sing, describe, name, what,"
        " who, which, when, why, how, explain"
    ),
    HANDLE: (
        "open, close, pour, clean, cook, wash, turn on, turn off, switch, press, fill, tidy, vacuum"
    ),
}
_UNABLE_VERBS = {verb: what for what, verbs in _UNABLE.items() for verb in verbs.split(", ")}
_VERBS = (
    *("go to", "goto", "drive to", "move to", "navigate to", "walk to", "approach", "find"),
    *(
        "look for",
        "search for",
        "locate",
        "where is",
        "come back",
        "return",
        "stop",
        "halt",
        "wait",
    ),
)


_PLAIN = (_STOP, _RETURN, _VIEW, _COUNT, re.compile(rf"{_NEGATION.pattern}.*"))


def parse(text: str) -> Intent | Declined:
    """Read one command.

    Args:
        text: anything at all.

    Returns:
        The intent, or why there is none; every suggestion of a ``Declined`` is itself understood.
        A place inside a room stands for the room: "find the apple on the sofa" looks in the
        living room. "Go to the kitchen and find the apple" is one command.

    Example:
        >>> parse("Could you go to the lounge, please?").target
        'living room'
    """
    if len(text) > MAX_COMMAND_CHARS:
        reason = f"a command has at most {MAX_COMMAND_CHARS} characters, this one has {len(text)}"
        return Declined(text, reason)
    parts = clauses(text)
    if len(parts) == 2 and _COUNT.fullmatch(parts[0]) and _AND_TELL.fullmatch(parts[1]):
        parts.pop()  # the number is told in any case
    if not any(form.fullmatch(part) for part in parts for form in _PLAIN):
        if (deed := deeds.read(parts, text)) is not None:
            return deed
        if (question := asks(" ".join(parts))) is not None:
            return made(Deed("answer", words=question), text)
    read = [_clause(clause, text) for clause in parts]
    if len(read) == 2 and isinstance(read[0], Intent) and _COUNT.fullmatch(parts[1]):
        there = read[0].phrase.removeprefix("go to the ")  # "go to the kitchen, count the drinks"
        if read[0].kind in ("go", "approach") and isinstance(read[1], Declined):
            return _clause(f"{parts[1]} in the {there}", text)
    if not read:
        return Declined(text, f"nothing was asked; this robot can {ABILITIES}")
    first = read[0]
    if len(read) == 1 or (isinstance(first, Intent) and first.kind == "stop"):
        return first
    intents = [item for item in read if isinstance(item, Intent)]
    if len(intents) == len(read):
        joined = _joined(intents, text)
        return joined or declined(text, "one command at a time", [i.phrase for i in intents])
    refused = next(item for item in read if isinstance(item, Declined))
    return declined(text, refused.reason, [*refused.suggestions, *(i.phrase for i in intents)])


def asks_for_view(text: str) -> bool:
    """Whether a text asks what the robot sees, and for nothing else."""
    parts = clauses(text) if len(text) <= MAX_COMMAND_CHARS else []
    return len(parts) == 1 and _VIEW.fullmatch(parts[0]) is not None


def _joined(intents: list[Intent], text: str) -> Intent | None:
    """Clauses that are one command: a repetition, or a place and what to find there."""
    first, second = intents[0], intents[-1]
    if len({intent.phrase for intent in intents}) == 1:
        return first
    if len(intents) != 2 or second.kind not in ("find", "approach") or second.target is None:
        return None
    place = first.target if first.kind == "go" else first.room
    if first.kind == "approach" and first.target is not None and place is None:
        place = rooms_of(first.target)[0]
    if place is None or second.room not in (None, place):
        return None
    if second.kind == "approach" and (first.kind != "go" or place not in rooms_of(second.target)):
        return None
    return Intent(second.kind, second.target, text, room=place)


def _clause(clause: str, text: str, *, slips: bool = True) -> Intent | Declined:
    """One clause: a verb, and what it is about."""
    if clause in ("don't move", "dont move", "do not move"):
        return Intent("stop", None, text)
    if _NEGATION.match(clause):
        return Declined(text, "what not to do is not enough; say what to do")
    if _STOP.fullmatch(clause):
        return Intent("stop", None, text)
    if _RETURN.fullmatch(clause):
        return Intent("return", None, text)
    if _VIEW.fullmatch(clause):
        return Intent("describe", None, text)
    if (match := _COUNT.fullmatch(clause)) is not None:
        return _count(match["what"], text)
    if (match := _FIND.fullmatch(clause)) is not None:
        about = next(filter(None, map(match.group, ("what", "where", "tell", "there", "thing"))))
        about = re.sub(r" (?:is|are)(?= in |$)", "", about)
        return _about(about, match["place"], text, seeking=True)
    cannot = _unable(clause, text)
    if (match := _GO.fullmatch(clause)) is not None and (match["place"] or cannot is None):
        return _about(match["place"] or match["bare"], None, text, seeking=False)
    if cannot is not None:
        return cannot
    named = look_up(clause)
    if named is not None:
        reason = f"{quoted(clause)} says where or what, not what to do"
        return declined(text, reason, uses([named]))
    options = (_slipped_verbs(clause, text) if slips else []) or uses(mentioned(clause))
    hint = "" if options else f"; this robot can {ABILITIES}"
    return declined(text, f"not understood{hint}", options)


def _about(phrase: str, place: str | None, text: str, *, seeking: bool) -> Intent | Declined:
    """What is meant by the noun phrase after a verb, and by the place that limits it."""
    thing = without_article(phrase)
    named = look_up(thing)
    if named is None and place is None and (match := PLACED.fullmatch(thing)) is not None:
        thing, place = without_article(match["what"]), match["place"]
        named = look_up(thing)
    if named is None and place is None:
        words = thing.split(" ")
        for cut in (1, 2):  # "kitchen sink", "living room sofa"
            front = look_up(" ".join(words[:cut]))
            if front is not None and front.sort == "room":
                named, place = look_up(" ".join(words[cut:])), front.name
    if named is None:
        if _NUMBER.match(thing):
            return declined(text, "one thing at a time", uses(mentioned(thing)))
        reason = f"nothing here is called {quoted(thing)}"
        options = uses(near(thing))
        if not options and seeking:
            reason += f"; to be found: {', '.join(APARTMENT_OBJECTS)}, person"
        elif not options:
            reason += f"; places: {', '.join((*ROOM_NAMES, *APARTMENT_FURNITURE))}"
        return declined(text, reason, options)
    if place is None:
        return meant(named, None, text)
    around = look_up(place)
    rooms = rooms_meant(around) if around is not None else ()
    if len(rooms) == 1:
        return meant(named, rooms[0], text)
    why = "is in more than one room" if rooms else "is no place here"
    options = uses([named], rooms or [r for other in near(place) for r in rooms_meant(other)])
    return declined(text, f"{quoted(without_article(place))} {why}", options)


def _count(phrase: str, text: str) -> Intent | Declined:
    """What to count, and where."""
    match = _COUNTED.fullmatch(phrase)
    if match is None:
        return Declined(text, f"not understood; this robot can {ABILITIES}")
    thing, place = without_article(match["what"]), match["place"]
    named = look_up(thing)
    people = any(other.sort == "person" for other in mentioned(phrase))
    if people and (pose := _POSE.search(phrase)) is not None:
        rooms = [other.name for other in mentioned(phrase) if other.sort == "room"]
        some = Named("somebody", f"who is {pose[0]}")
        return count_meant(some, rooms[0] if rooms else None, None, text)
    if named is None and thing not in _THINGS:
        reason = f"nothing that can be counted is called {quoted(thing)}"
        answers = [count_meant(other, None, None, text) for other in near(thing)]
        known = [answer for answer in answers if isinstance(answer, Declined)]
        return declined(text, reason, [s for answer in known for s in answer.suggestions])
    if place is None:
        return count_meant(named, None, None, text)
    where, room = spot(place)
    if where is not None and where.sort == "room" and room in (None, where.name):
        return count_meant(named, where.name, None, text)
    if where is not None and where.sort == "furniture":
        return count_meant(named, room, where.name, text)
    places = dict.fromkeys(room for other in near(place) for room in rooms_meant(other))
    meanings = [count_meant(named, room, None, text) for room in places]
    options = [meaning.phrase for meaning in meanings if isinstance(meaning, Intent)]
    return declined(text, f"{quoted(without_article(place))} is no place here", options)


def _unable(clause: str, text: str) -> Declined | None:
    """The answer to a verb that this robot does not master."""
    words = re.sub(r"^(?:go|come) (?=\w+ )", "", clause).split(" ")
    for head in (" ".join(clause.split(" ")[:2]), " ".join(words[:2]), words[0]):
        if head in _UNABLE_VERBS:
            return unable(_UNABLE_VERBS[head], mentioned(clause), text)
    return None


def _slipped_verbs(clause: str, text: str) -> list[str]:
    """What the clause says if its first word or two are a known verb with one slip."""
    words = clause.split(" ")
    options: list[str] = []
    for count in (2, 1):
        head, rest = " ".join(words[:count]), " ".join(words[count:])
        for verb in _VERBS:
            if one_slip(head, verb):
                meant = _clause(f"{verb} {rest}".strip(), text, slips=False)
                options += [meant.phrase] if isinstance(meant, Intent) else meant.suggestions
    return options
