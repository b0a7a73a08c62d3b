"""Whether words are a command, an answer, a correction or a question that this robot knows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Final

from sage.irp.errors import SageError
from sage.skills.dialogue import Dialogue
from sage.skills.grammar import parse
from sage.skills.intent import Declined, Intent
from sage.skills.meaning import Meaning
from sage.skills.vocabulary import look_up

Judge = Callable[[str], float]
"""From words to the chance in [0, 1] that they are said to this robot, and were read rightly."""

PLAIN: Final = 0.9
"""The chance of what is understood word by word: nothing in it was guessed."""

ASKS: Final = 0.35
"""The chance of what the robot can only ask back about: did you mean one of these?"""

# What a command without a name that it needs is worth.
_UNNAMED: Final = 0.6
_REPLY: Final = re.compile(
    r"(?:yes|no|(?:the )?(?:first|second|third|fourth)(?: one)?)(?: please)?"
    r"|(?:no )?(?:the one )?(?:(?:in|on|at|from) )?(?:the )?(?P<name>.+?)(?: one)?(?: please)?"
)
_BEFORE: Final = "go to the bedroom"


def shipped_reader() -> Callable[[str], Meaning]:
    """The shipped parser: from words to their meaning."""
    from models.language.artifacts import load_parser
    from models.language.parser import MAX_STEPS, certain

    parser = load_parser()

    def read(text: str) -> Meaning:
        draft = parser.begin(text)
        for _ in range(MAX_STEPS):
            draft = parser.improve(draft)
            if certain(draft):
                break
        return parser.answer(parser.settle(draft))

    return read


def shipped_judge() -> Judge:
    """By the shipped parser's own doubt; 0 of what is nothing for this robot.

    What is no command by itself may be an answer to the robot's question ("the bathroom"), a
    correction ("no, I meant the kitchen"), a question that it can answer, or plain words.
    """
    read = shipped_reader()

    def judge(text: str) -> float:
        meaning = read(text)
        chance = meaning.probability if meaning.known else 0.0
        if chance and not _named(meaning):
            chance *= _UNNAMED
        return max(chance, _plain(text))

    return judge


def _named(meaning: Meaning) -> bool:
    """Whether everything that the form speaks of was named: a place, a thing, a person."""
    wanted = Counter(token.strip("<> ") for token in meaning.form if token.startswith("<"))
    return not wanted - Counter(entity.sort for entity in meaning.entities)


def _plain(text: str) -> float:
    """The chance by the plain words alone."""
    from models.language.questions import answer

    reply = _REPLY.fullmatch(text)
    if reply is not None and (reply["name"] is None or look_up(reply["name"]) is not None):
        return PLAIN
    try:
        read, before = parse(text), parse(_BEFORE)
        asked = ASKS if answer(text) is not None else 0.0
    except SageError:
        return 0.0
    if isinstance(read, Intent) and read.kind != "stop":
        return PLAIN
    talk = Dialogue()
    if isinstance(before, Intent):
        talk.understood(0, before)
    corrected = talk.reply(text, 0.0)
    if corrected is not None and isinstance(corrected.answer, Intent):
        return PLAIN
    return ASKS if isinstance(read, Declined) and read.suggestions else asked
