"""Words as they are said: a command's clauses without politeness, and the places they name."""

from __future__ import annotations

import re
import unicodedata

from sage.skills.vocabulary import Named, look_up, without_article

MAX_COMMAND_CHARS = 300
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
_FIND_VERBS = r"(?:find|look|search|locate|seek)"
PLACED = re.compile(
    r"(?P<what>.+?)(?: (?:that|which))?(?: (?:is|are|located|placed|lying|standing|sitting"
    r"|somewhere|over|there))* (?:in|inside|from|at|on|within|of|near|on top of) (?P<place>.+)"
)


def clauses(text: str) -> list[str]:
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


def spot(place: str) -> tuple[Named | None, str | None]:
    """A place, and the room that it is said to be in: "the sink in the bathroom"."""
    if (spot := look_up(place)) is not None:
        return spot, None
    if (match := PLACED.fullmatch(place)) is not None:
        spot, around = look_up(match["what"]), look_up(match["place"])
        if spot is not None and around is not None and around.sort == "room":
            return spot, around.name
    words = without_article(place).split(" ")
    for cut in (1, 2):  # "kitchen counter"
        front = look_up(" ".join(words[:cut]))
        if front is not None and front.sort == "room":
            return look_up(" ".join(words[cut:])), front.name
    return None, None
