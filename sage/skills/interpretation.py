"""From a logical form to an intent: what of language's reading this robot can do, and what not.

Forms are those of the GPSR commands dataset (arXiv 1907.01115), and a few of this robot's own:
``( return )``, ``( stop )``, ``( go " <location> " )``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from sage.ontology import rooms_of
from sage.skills.acting import Deed, Where, made, where_meant
from sage.skills.answers import ABILITIES, HANDLE, count_meant, declined, meant, unable, uses
from sage.skills.forms import MalformedForm, Names, Node, Quoted, tree, wanted_by
from sage.skills.intent import PERSON, Declined, Intent, IntentKind
from sage.skills.meaning import UNKNOWN, Meaning
from sage.skills.vocabulary import Named

SURE = 0.5
"""Below this probability the robot asks instead of doing."""


def interpret(meaning: Meaning, *, sure: float = SURE) -> Intent | Declined:
    """What to do about a command that language has read; never an exception.

    A form that is not sure enough is asked back, with the runner-up where there is one. Only
    "stop" is obeyed all the same: stopping by mistake costs less than not stopping.

    Args:
        meaning: what language makes of the words.
        sure: the least probability to act on, in [0, 1].

    Returns:
        The intent; or why there is none, in the words that the rule grammar uses too.
    """
    best = _read(meaning, meaning.form)
    if isinstance(best, Intent) and best.kind == "stop":
        return best
    if meaning.probability >= sure:
        return best
    other = _read(meaning, meaning.runner_up) if meaning.runner_up else None
    options: list[str] = []
    for answer in (best, other):
        if isinstance(answer, Intent):
            options.append(answer.phrase)
        elif answer is not None:
            options += answer.suggestions
    if isinstance(best, Intent):
        return declined(meaning.text, "I am not sure what is meant", options)
    return declined(meaning.text, best.reason, options)


def together(meaning: Meaning, plain: Intent | Declined, *, sure: float = SURE) -> Answer:
    """What to do about a command that language and the plain words have both read.

    Language comes first where it is sure and knows something to do; what it does not know, and
    plain words say, is done all the same. Where those ask plainly for what cannot be done, nothing
    else is. Of two refusals the one that can suggest something is told.

    Args:
        meaning: what language makes of the words.
        plain: what the rule grammar makes of them.
        sure: the least probability of language's reading to act on, in [0, 1].
    """
    best = interpret(meaning, sure=sure)
    if isinstance(best, Intent):
        other = isinstance(plain, Declined) and plain.asks not in (None, best.kind)
        return plain if other else best
    if isinstance(plain, Intent):
        return plain
    return best if best.suggestions and not plain.suggestions else plain


def _read(meaning: Meaning, form: Sequence[str]) -> Intent | Declined:
    """What one form asks for."""
    text = meaning.text
    not_understood = Declined(text, f"not understood; this robot can {ABILITIES}")
    if UNKNOWN in form and len(form) == 1:
        return not_understood
    try:
        node = tree(form)
        if not isinstance(node, tuple) or not node or not isinstance(node[0], str):
            raise MalformedForm("no action comes first")
        return _action(node[0], node[1:], Names(meaning), text)
    except MalformedForm:
        return not_understood


def _action(verb: str, rest: tuple[Node, ...], names: Names, text: str) -> Intent | Declined:
    if verb in ("return", "stop"):
        if rest:
            raise MalformedForm(f"{verb!r} stands alone")
        return Intent("return" if verb == "return" else "stop", None, text)
    first = rest[0] if rest else None
    if verb == "say" and isinstance(first, tuple) and first[:1] == ("count",):
        verb, rest = "count", first[1:]
    if verb == "lambda" and len(rest) == 3 and isinstance(rest[2], tuple):
        return _company_home(rest[2][1:], names, text)
    known = _ACTIONS.get(verb)
    if known is not None:
        return known(rest, names, text)
    if verb == "pour":
        return unable(HANDLE, (), text)
    raise MalformedForm(f"{verb!r} is no action")


def _go(rest: tuple[Node, ...], names: Names, text: str) -> Intent | Declined:
    """``( go " <room> " )``, ``( go " <location> " )``, a room after it or beside it."""
    spots = [names.take(node) for node in rest if isinstance(node, Quoted)]
    if not spots or len(spots) != len(rest):
        raise MalformedForm("go needs a place")
    place, *around = spots
    if len(around) > 1 or any(spot.sort != "room" for spot in around):
        raise MalformedForm("go needs one place")
    room = around[0].name if around else None
    if place.sort == "furniture" and room is None:
        room = names.room_beside()
    return meant(place, room, text)


def _find(rest: tuple[Node, ...], names: Names, text: str) -> Intent | Declined:
    """``( find ( lambda $1 e ( is_a $1 " <object> " ) ( at $1 " <room> " ) ) )`` and the like."""
    if not rest or len(rest) > 2:
        raise MalformedForm("find needs one thing")
    wanted = wanted_by(rest[0], names)
    thing, room = wanted.thing, wanted.room
    if thing is None:
        raise MalformedForm("find needs a thing")
    if wanted.location is not None:
        rooms = rooms_of(wanted.location)
        if room is None and len(rooms) > 1:
            reason = f"{wanted.location!r} is in more than one room"
            return declined(text, reason, uses([thing], rooms))
        room = room or rooms[0]
    if len(rest) == 2:
        return declined(text, "one thing at a time", uses([thing], [room]))
    if wanted.unseen:
        reason = f"what is {wanted.unseen} is not seen"
        return declined(text, reason, uses([thing], [room]))
    return meant(thing, room, text)


def _count(rest: tuple[Node, ...], names: Names, text: str) -> Intent | Declined:
    """``( count ( lambda $1 e ( is_a $1 " <object> " ) ( at $1 " <location> " ) ) )``."""
    if len(rest) != 1:
        raise MalformedForm("count needs one description")
    wanted = wanted_by(rest[0], names)
    answer = count_meant(wanted.thing, wanted.room, wanted.location, text)
    if not wanted.unseen:
        return answer
    return declined(text, f"what is {wanted.unseen} is not seen", _phrases(answer))


def _phrases(answer: Intent | Declined) -> tuple[str, ...]:
    return (answer.phrase,) if isinstance(answer, Intent) else answer.suggestions


def _carried(kind: IntentKind, rest: tuple[Node, ...], names: Names, text: str) -> Answer:
    """``( bring THING )``, ``( bring THING PERSON )``, ``( bring THING " <source> " )``."""
    if not 1 <= len(rest) <= 2:
        raise MalformedForm(f"{kind} needs one thing")
    wanted = wanted_by(rest[0], names, held=True)
    thing = wanted.thing
    deed = Deed(kind, None if thing is None else thing.name, wanted.where)
    unseen = wanted.unseen
    if thing is not None and thing.sort not in ("object", "category"):
        raise MalformedForm(f"{thing.name!r} is nothing to carry")
    if len(rest) == 2 and isinstance(rest[1], Quoted):
        place = _place(rest[1], names)
        deed = replace(deed, to=place) if kind == "put" else replace(deed, at=deed.at or place)
    elif len(rest) == 2:
        somebody = wanted_by(rest[1], names)
        deed = replace(deed, person=_person(somebody.thing), to=somebody.where)
        unseen = unseen or somebody.unseen
    if thing is None and unseen:
        return declined(text, f"what is {unseen} is not seen", ())
    return _seen(deed, unseen, text)


def _bring(rest: tuple[Node, ...], names: Names, text: str) -> Answer:
    return _carried("bring", rest, names, text)


def _put(rest: tuple[Node, ...], names: Names, text: str) -> Answer:
    if len(rest) != 2 or not isinstance(rest[1], Quoted):
        raise MalformedForm("put needs a place")
    return _carried("put", rest, names, text)


def _follow(rest: tuple[Node, ...], names: Names, text: str) -> Answer:
    """``( follow PERSON )``."""
    if len(rest) != 1:
        raise MalformedForm("follow needs one person")
    wanted = wanted_by(rest[0], names)
    deed = Deed("follow", _person(wanted.thing), wanted.where)
    beside = names.room_beside()
    if beside is not None and beside not in deed.at.rooms:  # "from the desk to the hall"
        deed = replace(deed, to=Where(beside))
    return _seen(deed, wanted.unseen, text)


def _guide(rest: tuple[Node, ...], names: Names, text: str) -> Answer:
    """``( guide PERSON " <location> " )``; the place may be UNKNOWN, or "current"."""
    if len(rest) != 2:
        raise MalformedForm("guide needs a person and a place")
    wanted = wanted_by(rest[0], names)
    deed = Deed("guide", _person(wanted.thing), wanted.where)
    if rest[1] == UNKNOWN:
        whom = "them" if deed.target == PERSON else deed.target
        options = [replace(deed, to=Where(room)) for room in _GUIDED_TO]
        answers = [made(option, text) for option in options]
        reason = f"where to guide {whom} was not said"
        return declined(text, reason, [o for one in answers for o in _phrases(one)])
    if isinstance(rest[1], Quoted) and rest[1].words != "current":
        deed = replace(deed, to=_place(rest[1], names))
    return _seen(deed, wanted.unseen, text)


def _sequence(rest: tuple[Node, ...], names: Names, text: str) -> Answer:
    """``( sequence ( follow PERSON ) ( go " <room> " ) )`` is one command; no other is."""
    parts = [node for node in rest if isinstance(node, tuple) and node]
    if [part[0] for part in parts] == ["follow", "go"] and len(parts[1]) == 2:
        wanted = wanted_by(parts[0][1], names) if len(parts[0]) == 2 else None
        if wanted is not None and isinstance(parts[1][1], Quoted):
            deed = Deed("follow", _person(wanted.thing), wanted.where, _place(parts[1][1], names))
            return _seen(deed, wanted.unseen, text)
    options: list[str] = []
    for part in parts:
        if isinstance(part[0], str):
            options += _phrases(_action(part[0], part[1:], names, text))
    return declined(text, "one command at a time", options)


def _company_home(steps: tuple[Node, ...], names: Names, text: str) -> Answer:
    """``( follow CONDITIONS ) ( guide $1 " current " )``: two commands about one person."""
    first = steps[0] if steps else None
    if not isinstance(first, tuple) or first[:1] != ("follow",):
        raise MalformedForm("no action comes first")
    wanted = wanted_by(("lambda", "$1", "e", *first[1:]), names)
    deeds = [Deed(kind, _person(wanted.thing), wanted.where) for kind in _COMPANY]
    return declined(
        text, "one command at a time", [p for deed in deeds for p in _phrases(made(deed, text))]
    )


def _say(rest: tuple[Node, ...], names: Names, text: str) -> Answer:
    """``( say " <whattosay> " PERSON )``, ``( say ( answer " <question> " ) PERSON )``."""
    if not 1 <= len(rest) <= 2:
        raise MalformedForm("say needs something to say")
    what = rest[0]
    if isinstance(what, Quoted):
        named = names.take(what)
        if named.sort != "words":
            raise MalformedForm(f"{named.name!r} is nothing to say")
        deed = Deed("say", words=named.name)
    elif isinstance(what, tuple) and what[:1] == ("answer",):
        deed = Deed("answer")
    else:
        wanted = wanted_by(what, names)
        return declined(text, f"what is {wanted.unseen or 'asked'} is not seen", ())
    if len(rest) == 1:
        return made(deed, text)
    somebody = wanted_by(rest[1], names)
    deed = replace(deed, person=_person(somebody.thing), at=somebody.where)
    return _seen(deed, somebody.unseen, text)


def _seen(deed: Deed, unseen: str, text: str) -> Answer:
    """The intent, if nothing that is not seen tells what it is about."""
    answer = made(deed, text)
    if not unseen:
        return answer
    return declined(text, f"what is {unseen} is not seen", _phrases(answer))


def _person(named: Named | None) -> str:
    if named is None or named.sort not in (PERSON, "somebody"):
        raise MalformedForm("no person is named")
    return named.name


def _place(quoted: Quoted, names: Names) -> Where:
    named = names.take(quoted)
    room = names.room_beside() if named.sort == "furniture" else None
    place = where_meant(named, room) or where_meant(named)
    if place is None:
        raise MalformedForm(f"{named.name!r} is no place")
    return place


Answer: TypeAlias = "Intent | Declined"

_COMPANY: tuple[IntentKind, IntentKind] = ("follow", "guide")
_GUIDED_TO = ("kitchen", "living room", "bedroom")
_ACTIONS: dict[str, Callable[[tuple[Node, ...], Names, str], Answer]] = {
    "go": _go,
    "find": _find,
    "count": _count,
    "bring": _bring,
    "put": _put,
    "follow": _follow,
    "guide": _guide,
    "say": _say,
    "sequence": _sequence,
}
