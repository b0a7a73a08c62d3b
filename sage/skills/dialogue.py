"""A conversation of more than one sentence: answers to the robot's questions, and corrections.

A command that may mean several things is asked back; what is said next may be no more than "the
bathroom". "No, I meant the kitchen" repairs the last command. Either way the first words are
remembered with what they turned out to mean, for as long as whoever owns the dialogue keeps them.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from sage.ontology import PEOPLE, ROOM_NAMES, rooms_of
from sage.skills.acting import Deed, Where, made, where_meant
from sage.skills.answers import count_meant, meant
from sage.skills.grammar import parse
from sage.skills.intent import PERSON, Declined, Intent
from sage.skills.vocabulary import Named, look_up
from sage.skills.wording import MAX_COMMAND_CHARS

_DEEDS = ("bring", "put", "follow", "guide", "say", "answer")
_YES = re.compile(r"(?:yes|yeah|yep|right|correct|exactly|sure|that one)(?: please)?")
_ORDINALS = ("first", "second", "third", "fourth")
_ORDINAL = re.compile(rf"(?:the )?({'|'.join(_ORDINALS)})(?: one)?")
_CORRECTION = re.compile(
    r"(?:(?:no|nope|sorry|wait|not that|wrong|oh) )*"
    r"(?:i (?:meant|mean|said|wanted)|rather|make (?:it|that)) (?P<what>.+)"
)
_PLACE = re.compile(
    r"(?:(?:no|oh|please|well|um|uh|yes|i (?:mean|meant)|to) )*(?:the one )?"
    r"(?:(?:in|on|at|from) )?(?P<name>.+?)(?: one)?(?: please)?"
)


@dataclass(frozen=True, slots=True)
class Reply:
    """What words mean because of what was said before.

    Attributes:
        answer: what to do, or what to ask now.
        about: the words that started it, which are understood at once from now on.
        instead_of: the number of the command that it corrects; None where it corrects none.
    """

    answer: Intent | Declined
    about: str
    instead_of: int | None = None


@dataclass(frozen=True, slots=True)
class _Asked:
    about: str
    options: tuple[Intent, ...]
    asked_s: float


@dataclass(frozen=True, slots=True)
class _Done:
    number: int
    about: str
    intent: Intent


class Dialogue:
    """What was asked and done last, and what ambiguous words turned out to mean.

    Not thread-safe: whoever owns it holds its own lock.

    Args:
        answer_within_s: a question that nobody answers for longer is forgotten.
        most: how many phrases are remembered; the one used longest ago makes room.
        learned: what phrases turned out to mean before, the one used longest ago first.
        on_learned: told every phrase that is learnt, in plain lower case, and what it means.
    """

    def __init__(
        self,
        answer_within_s: float = 30.0,
        most: int = 256,
        *,
        learned: Mapping[str, Intent] | None = None,
        on_learned: Callable[[str, Intent], object] = lambda words, intent: None,
    ) -> None:
        if not answer_within_s > 0.0:
            raise ValueError(f"answer_within_s must be positive, got {answer_within_s}")
        if most < 1:
            raise ValueError(f"most must be at least 1, got {most}")
        self._answer_within_s = answer_within_s
        self._most = most
        self._asked: _Asked | None = None
        self._open: _Asked | None = None  # what the words that are being read may answer
        self._done: _Done | None = None
        self._learned: OrderedDict[str, Intent] = OrderedDict(learned or {})
        self._on_learned = on_learned

    def reply(self, text: str, now_s: float) -> Reply | None:
        """What a text means in this conversation; None where it stands for itself."""
        words = _plain(text)
        asked, self._asked = self._asked, None
        self._open = None
        if len(text) > MAX_COMMAND_CHARS:
            return None
        if asked is not None and now_s - asked.asked_s <= self._answer_within_s:
            chosen = _chosen(words, asked.options)
            if chosen is not None:
                return Reply(replace(chosen, text=text), asked.about)
            # Who paused goes on: "go to the washing", "machine".
            whole = parse(f"{asked.about} {words}")
            if isinstance(whole, Intent) and isinstance(parse(words), Declined):
                return Reply(replace(whole, text=text), whole.text)
            self._open = asked
        if words in self._learned:
            self._learned.move_to_end(words)
            return Reply(replace(self._learned[words], text=text), text)
        correction = _CORRECTION.fullmatch(words)
        if correction is None or self._done is None:
            return None
        repaired = _repaired(self._done.intent, correction["what"], text)
        if repaired is None:
            return None
        return Reply(repaired, self._done.about, self._done.number)

    def asked(self, about: str, suggestions: Sequence[str], now_s: float) -> None:
        """The robot asked whether one of these commands was meant."""
        options = [option for phrase in suggestions if isinstance(option := parse(phrase), Intent)]
        self._asked = _Asked(about, tuple(options), now_s) if options else None

    def understood(self, number: int, intent: Intent, reply: Reply | None = None) -> None:
        """A command was understood: because of a reply, or by itself.

        Who is asked back and says the whole command anew, has answered too.
        """
        asked, self._open = self._open, None
        if reply is None and asked is not None and intent.phrase in _phrases(asked.options):
            reply = Reply(intent, asked.about)
        about = intent.text if reply is None else reply.about
        self._done = None if intent.kind == "stop" else _Done(number, about, intent)
        # Words that say plainly what they mean are no other command's name, though a speaker
        # who said one thing may have meant another.
        if reply is not None and isinstance(parse(about), Declined):
            self._learned[_plain(about)] = intent
            self._learned.move_to_end(_plain(about))
            if len(self._learned) > self._most:
                self._learned.popitem(last=False)
            self._on_learned(_plain(about), intent)


def _plain(text: str) -> str:
    """Lower-case words without punctuation."""
    return " ".join(re.findall(r"[\w']+", text.casefold()))


def _phrases(options: Sequence[Intent]) -> list[str]:
    return [option.phrase for option in options]


def _named(words: str) -> Named | None:
    match = _PLACE.fullmatch(words)
    return look_up(match["name"]) if match is not None else None


def _chosen(words: str, options: Sequence[Intent]) -> Intent | None:
    """The one option that an answer picks: by yes, by number, by name, by its own words."""
    if _YES.fullmatch(words):
        return options[0] if len(options) == 1 else None
    if (ordinal := _ORDINAL.fullmatch(words)) is not None:
        index = _ORDINALS.index(ordinal[1])
        return options[index] if index < len(options) else None
    whole = parse(words)
    if isinstance(whole, Intent):
        return next((option for option in options if option.phrase == whole.phrase), None)
    named = _named(words)
    if named is None:
        return None
    fitting = [option for option in options if _name_of(named) in _parts_of(option)]
    if len(fitting) == 1:
        return fitting[0]
    # Only the end is asked for, and the options are a few of many: "where to guide Robin?"
    if not fitting and len(options) > 1 and len({_without_end(option) for option in options}) == 1:
        answer = _with_place(options[0], named, options[0].text)
        return answer if isinstance(answer, Intent) else None
    return None


def _parts_of(intent: Intent) -> tuple[str | None, ...]:
    """What an answer may name of an intent."""
    return intent.target, intent.room, intent.location, intent.to, intent.to_room, intent.person


def _without_end(intent: Intent) -> tuple[object, ...]:
    return (intent.kind, intent.target, intent.room, intent.location, intent.person)


def _name_of(named: Named) -> str:
    if named.sort != "somebody":
        return named.name
    return next((name for name in PEOPLE if name.casefold() == named.name), named.name)


def _repaired(intent: Intent, what: str, text: str) -> Intent | Declined | None:
    """The last intent with the part replaced that a correction names; None where nothing fits."""
    whole = parse(what)
    if isinstance(whole, Intent):
        return replace(whole, text=text)
    named = _named(what)
    if named is None:
        return None
    if intent.kind in _DEEDS:
        return _another(intent, named, text)
    target = look_up(intent.target) if intent.target is not None else None
    if intent.kind == "count":
        if named.sort == "room":
            spot = intent.location
            kept = spot is not None and named.name in rooms_of(spot)
            return count_meant(target, named.name, spot if kept else None, text)
        if named.sort == "furniture":
            return count_meant(target, None, named.name, text)
        return count_meant(named, intent.room, intent.location, text)
    if intent.kind == "find" and named.sort in ("room", "furniture"):
        rooms = (named.name,) if named.sort == "room" else rooms_of(named.name)
        return replace(intent, room=rooms[0], text=text) if len(rooms) == 1 else None
    if (
        intent.kind == "approach"
        and target is not None
        and named.sort == "room"
        and named.name in rooms_of(target.name)
    ):
        return meant(target, named.name, text)
    return meant(named, None, text)


def _another(intent: Intent, named: Named, text: str) -> Intent | Declined | None:
    """A deed with another thing, person or place."""
    deed = _deed_of(intent)
    if named.sort in ("object", "category"):
        return (
            made(replace(deed, target=named.name), text)
            if intent.kind in ("bring", "put")
            else None
        )
    if named.sort in ("person", "somebody"):
        name = _name_of(named)
        if name not in (PERSON, *PEOPLE):
            return None
        if intent.kind in ("follow", "guide"):
            return made(replace(deed, target=name), text)
        return made(replace(deed, person=name), text) if intent.kind != "put" else None
    return _with_place(intent, named, text)


def _with_place(intent: Intent, named: Named, text: str) -> Intent | Declined | None:
    """A deed at, or to, another place: where it ends, where it says that; else where it begins."""
    ends = intent.kind in ("put", "guide") or intent.to is not None
    deed = _deed_of(intent)
    place = where_meant(named)
    if place is None:
        return None
    if intent.kind == "put" and named.sort == "room" and intent.to is not None:
        place = where_meant(look_up(intent.to), named.name)  # "no, I meant the one in the kitchen"
        if place is None or place.room not in rooms_of(place.location or intent.to):
            place = Where(named.name)
    return made(replace(deed, to=place) if ends else replace(deed, at=place), text)


def _deed_of(intent: Intent) -> Deed:
    at, end = Where(intent.room, intent.location), Where()
    if intent.to is not None:
        end = Where(intent.to) if intent.to in ROOM_NAMES else Where(intent.to_room, intent.to)
    return Deed(intent.kind, intent.target, at, end, intent.person, intent.words)
