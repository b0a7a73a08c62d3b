"""What else a form may be: forms that mean the same, and the likeliest ones beside it."""

from __future__ import annotations

import math
from collections import Counter
from functools import lru_cache
from itertools import islice
from typing import Final

from models.language.decoding import Float32Array, form_nll, likeliest_forms
from models.language.forms import encode, read
from models.language.recall import Recalled
from sage.skills.meaning import Entity

_AND: Final = "( find ( lambda $1 e ( and ( "
_CONSIDERED: Final = 6


def weighed(form: tuple[str, ...]) -> tuple[str, ...]:
    """A form less what means nothing: a conjunction is one with or without ``and``."""
    return tuple([token for token in form if token not in ("(", "and", ")")])


@lru_cache(maxsize=256)
def twin_of(form: tuple[int, ...]) -> tuple[int, ...] | None:
    """Of a search the same with ``and`` where it is without, and without where it is with it."""
    text = " ".join(read(form))
    if not text.startswith("( find ( lambda $1 e ( is_a") and not text.startswith(_AND):
        return None
    if text.startswith(_AND):
        other = f"( find ( lambda $1 e ( {text.removeprefix(_AND)}".removesuffix(" )")
    else:
        other = text.replace("( lambda $1 e (", "( lambda $1 e ( and (", 1) + " )"
    try:
        twin = encode(tuple(other.split()))
    except ValueError:
        return None
    return twin if read(twin) else None


def ranked_forms(
    log_probs: Float32Array, recalled: Recalled
) -> list[tuple[float, tuple[int, ...]]]:
    """Forms with their cost (negative log-probability, nats), the likeliest first, after what was
    recalled is counted in; what is left of the probability is of forms that gain nothing."""
    forms = dict.fromkeys(islice(likeliest_forms(log_probs), _CONSIDERED))
    forms |= dict.fromkeys(form for form, gain in recalled.gains.items() if gain > 0.0)
    found = [(form_nll(log_probs, form), form) for form in forms]
    rest = max(0.0, 1.0 - sum([math.exp(-nll) for nll, _ in found]))
    costs = [(nll - recalled.gain(form), form) for nll, form in found]
    total = sum([math.exp(-cost) for cost, _ in costs]) + rest * math.exp(recalled.otherwise)
    return sorted([(cost + math.log(total), form) for cost, form in costs])


def matching(form: tuple[str, ...], entities: tuple[Entity, ...]) -> tuple[Entity, ...]:
    """The entities without those that a speaker's restart said twice in a row.

    "go to the cabinet go to the cabinet and get the coke" names one cabinet.
    """
    if len(entities) < 2:
        return entities
    wanted = Counter(token.strip("<>") for token in form if token.startswith("<"))
    had = Counter(entity.sort for entity in entities)
    kept: list[Entity] = []
    last: dict[str, Entity] = {}
    for entity in entities:
        before = last.get(entity.sort)
        if (
            before is not None
            and before.name == entity.name
            and had[entity.sort] > wanted[entity.sort]
        ):
            had[entity.sort] -= 1
            continue
        last[entity.sort] = entity
        kept.append(entity)
    return tuple(kept)
