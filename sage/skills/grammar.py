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
import unicodedata
from pathlib import Path

from sage.irp.errors import ConfigError
from sage.ontology import (
    APARTMENT_FURNITURE,
    APARTMENT_OBJECTS,
    ROOM_NAMES,
    rooms_of,
)
from sage.skills.answers import (
    ABILITIES,
    CARRY,
    FOLLOW,
    GUIDE,
    HANDLE,
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
from sage.skills.vocabulary import Named, look_up, mentioned, near, one_slip, without_article

MAX_COMMAND_CHARS = 300
MAX_SCRIPT_BYTES = 1_000_000
_FILLERS = re.compile(
    r"(?:please|kindly|hey|hi|hello|ok|okay|well|now|so|um|uh|er|robot|sage|just|quickly|no|yes|oh"
    r"|immediately|finally|first|next|also|again|(?:can|could|would|will) you(?: be able to)?"
    r"|you (?:should|must|can|need to|have to)|be so kind"
    r"|i(?:'d| would) (?:like|love|want)(?: you)? to"
    r"|i (?:want|need)(?: you)? to|let(?:'?s| us)|try(?: to)?|help me(?: to)?)(?![\w'])"
)
_TAIL = re.compile(
    r"(?:^| )(?:please|now|right now|immediately|at once|quickly|thanks|thank you|robot|for me|sage"
    r"|again|if you (?:can|could|please|would))$"
)
_NUMBER = re.compile(r"(?:\d+|two|three|four|five|six|seven|eight|nine|ten|several|all|every) ")
_FIND_VERBS = r"(?:find|look|search|locate|seek)"
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
_IN = re.compile(
    r"(?P<what>.+?)(?: (?:that|which))?(?: (?:is|are|located|placed|lying|standing|sitting"
    r"|somewhere|over|there))* (?:in|inside|from|at|on|within|of|near|on top of) (?P<place>.+)"
)
_GO = re.compile(
    r"(?:go|drive|move|navigate|walk|head|proceed|travel|run|roll|come|get|step|return|hurry|rush"
    rf"|stop|advance|position yourself|make your way|find your way)(?: {_MANNER})* (?:to|into|in"
    r"|inside|toward|towards|near|at|by|next to|in front of|close to|up to|through) (?P<place>.+)"
    rf"|(?:go|goto|head|navigate|drive|proceed|approach|enter|visit|reach)(?: {_MANNER})*"
    r" (?P<bare>.+)"
)

# What this robot cannot do, by the words that ask for it.
_UNABLE = {
    CARRY: (
        "bring, fetch, get, grab, take, carry, deliver, give, hand, pass, serve, retrieve, pick,"
        " put, place, set, move, transfer, transport, collect, remove, return, drop, lift, push,"
        " pull, throw, store, buy"
    ),
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
    clauses = _clauses(text)
    if len(clauses) == 2 and _COUNT.fullmatch(clauses[0]) and _AND_TELL.fullmatch(clauses[1]):
        clauses.pop()  # the number is told in any case
    read = [_clause(clause, text) for clause in clauses]
    if len(read) == 2 and isinstance(read[0], Intent) and _COUNT.fullmatch(clauses[1]):
        there = read[0].phrase.removeprefix("go to the ")  # "go to the kitchen, count the drinks"
        if read[0].kind in ("go", "approach") and isinstance(read[1], Declined):
            return _clause(f"{clauses[1]} in the {there}", text)
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
    clauses = _clauses(text) if len(text) <= MAX_COMMAND_CHARS else []
    return len(clauses) == 1 and _VIEW.fullmatch(clauses[0]) is not None


def _clauses(text: str) -> list[str]:
    """The clauses of a text: plain lower case, without politeness."""
    plain = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")
    plain = re.sub(r"[,.;:!?\n]+|\b(?:and|then|after that)\b", " , ", plain)
    plain = " ".join(re.sub(r"[^\w', ]|_", " ", plain).split())
    plain = re.sub(rf"(?<=\w) (?:in order )?to (?={_FIND_VERBS}\b)", " , ", plain)
    plain = re.sub(rf"^(in the [\w ]+?) (?={_FIND_VERBS}\b)", r"\1 , ", plain)
    kept: list[str] = []
    for part in plain.split(","):
        clause = part.strip(" '")
        while (match := _FILLERS.match(clause)) is not None:
            clause = clause[match.end() :].strip(" '")
        while (match := _TAIL.search(clause)) is not None:
            clause = clause[: match.start()].strip(" '")
        if clause and clause not in ("go", "to", "you"):
            kept.append(clause)
    if len(kept) == 2 and kept[0].startswith("in "):
        return [f"{kept[1]} {kept[0]}"]
    return kept


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
    if named is None and place is None and (match := _IN.fullmatch(thing)) is not None:
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
    spot = look_up(place)
    rooms = rooms_meant(spot) if spot is not None else ()
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
    spot, room = _spot(place)
    if spot is not None and spot.sort == "room" and room in (None, spot.name):
        return count_meant(named, spot.name, None, text)
    if spot is not None and spot.sort == "furniture":
        return count_meant(named, room, spot.name, text)
    places = dict.fromkeys(room for other in near(place) for room in rooms_meant(other))
    meanings = [count_meant(named, room, None, text) for room in places]
    options = [meaning.phrase for meaning in meanings if isinstance(meaning, Intent)]
    return declined(text, f"{quoted(without_article(place))} is no place here", options)


def _spot(place: str) -> tuple[Named | None, str | None]:
    """A place, and the room that it is said to be in: "the sink in the bathroom"."""
    if (spot := look_up(place)) is not None:
        return spot, None
    if (match := _IN.fullmatch(place)) is not None:
        spot, around = look_up(match["what"]), look_up(match["place"])
        if spot is not None and around is not None and around.sort == "room":
            return spot, around.name
    words = without_article(place).split(" ")
    for cut in (1, 2):  # "kitchen counter"
        front = look_up(" ".join(words[:cut]))
        if front is not None and front.sort == "room":
            return look_up(" ".join(words[cut:])), front.name
    return None, None


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


def read_script(path: str | Path) -> list[str]:
    """The commands of a script: UTF-8 text, one a line; ``#`` begins a comment.

    Raises:
        ConfigError: the file cannot be read, is not text, holds no command or a line that is too
            long; the message names the file and the line.
    """
    try:
        if Path(path).exists() and not Path(path).is_file():
            raise ConfigError(f"cannot read the command file {str(path)!r}: it is no file")
        with Path(path).open("rb") as file:
            raw = file.read(MAX_SCRIPT_BYTES + 1)
        if len(raw) > MAX_SCRIPT_BYTES:
            raise ConfigError(f"{str(path)!r} has more than {MAX_SCRIPT_BYTES} bytes")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConfigError(f"cannot read the command file {str(path)!r}: {why}") from error
    commands = []
    for number, line in enumerate(raw.removeprefix(b"\xef\xbb\xbf").splitlines(), start=1):
        where = f"{str(path)!r}, line {number}"
        try:
            command = re.sub(r"(?:^|\s)#.*", "", line.decode()).strip()
        except UnicodeDecodeError:
            raise ConfigError(f"{where}: not UTF-8 text; one command a line is expected") from None
        if any(unicodedata.category(character) == "Cc" for character in command.replace("\t", "")):
            raise ConfigError(f"{where}: control characters; one command a line is expected")
        if len(command) > MAX_COMMAND_CHARS:
            raise ConfigError(
                f"{where}: {len(command)} characters; a command has at most {MAX_COMMAND_CHARS}"
            )
        if command:
            commands.append(command)
    if not commands:
        lines = len(raw.splitlines())
        raise ConfigError(
            f"no command in {str(path)!r} ({lines} lines read); one a line is expected"
        )
    return commands
