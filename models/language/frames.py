"""What the frames of the training grammar share: parts of forms, and people."""

from __future__ import annotations

import random
from typing import Final

from models.language.forms import GENDERS, POSTURES

Pair = tuple[str, str]
"""Words with class tokens, and the form in the dataset's notation."""

OBJECT: Final = '( is_a $1 " <object> " )'
CATEGORY: Final = '( is_a $1 " <category> " )'
AT: Final = {"room": '( at $1 " <room> " )', "location": '( at $1 " <location> " )'}
NAME: Final = '( name $1 " <name> " )'
PERSON: Final = "( person $1 )"
A: Final = "(the|the|the|a|an|some|my|that|this|one|)"
GESTURE: Final = "(|who is|who's|that is|that's) <gesture>"


def set_of(*restrictions: str) -> str:
    """A set with these restrictions; empty ones are left out."""
    return f"( lambda $1 e {' '.join(part for part in restrictions if part)} )"


def all_of(*restrictions: str) -> str:
    """A set of what meets all of these, said with ``and``."""
    return f"( lambda $1 e ( and {' '.join(part for part in restrictions if part)} ) )"


def somebody(rng: random.Random) -> tuple[str, tuple[str, ...]]:
    """A person: how said, and the restrictions that say it."""
    kind = rng.random()
    if kind < 0.3:
        return "<name>", (PERSON, NAME)
    if kind < 0.55:
        return "{someone}", (PERSON,)
    if kind < 0.72:
        gender = rng.choice(GENDERS)
        return f"{{{gender}}}", (PERSON, f"( {gender} $1 )")
    if kind < 0.9:
        posture = rng.choice(POSTURES)
        return f"{{someone}} {{{posture}}}", (PERSON, f"( {posture} $1 )")
    return f"{{someone}} {GESTURE}", (PERSON, '( is $1 " <gesture> " )')
