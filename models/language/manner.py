"""How a command is said: with a greeting before it, or as what not to do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_GREETING: Final = re.compile(
    r"(?:hello|hi|hey|good (?:morning|evening|day))(?: there)?(?: robot)? (?=.)"
)
_NEGATION: Final = re.compile(
    r"(?:(?:no|please|robot|hey|okay|well|but|and|you|should|must|um|uh) )*"
    r"(?:don't|dont|do not|never|must not|mustn't|should not|shouldn't|avoid|not)\b"
)
_STAND_STILL: Final = re.compile(
    _NEGATION.pattern + r" (?:you )?(?:move|budge|moving|drive on|go (?:on|any further))"
    r"(?: (?:please|now|robot|any more|anymore|at all|a bit))*$"
)


def without_greeting(words: Sequence[str]) -> tuple[str, ...]:
    """The words after a greeting at their beginning, if there are any."""
    match = _GREETING.match(" ".join(words))
    return tuple(" ".join(words)[match.end() :].split()) if match else tuple(words)


def negated(words: Sequence[str]) -> bool:
    """Whether the words say what not to do."""
    return _NEGATION.match(" ".join(words)) is not None


def told_to_stay(words: Sequence[str]) -> bool:
    """Whether they say no more than not to move."""
    return _STAND_STILL.match(" ".join(words)) is not None
