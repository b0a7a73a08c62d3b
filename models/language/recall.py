"""What people meant before when they spoke of the same things.

A parse reads classes in place of names, and now and then two forms are as good as each other: "the
three smallest objects on the <location>" may be any objects or those of a category. Whoever has
heard other people ask for the same thing knows better. The memory holds, for the names of a
command (as a hash), how often which form was meant; by Bayes' rule a form gains by how much more
often it is meant with these names than at all.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from models.language.corpus import Example
from models.language.forms import encode, tokens_of
from sage.irp.errors import ModelError
from sage.skills.entities import tag
from sage.skills.meaning import Entity

WEIGHT: Final = 0.6
"""Of what is recalled against what is read; below 1, since names and words are not independent."""
_UNSEEN: Final = 1.0  # commands that a form is credited with before any was heard
_FORMS: Final = "forms"
_HEARD: Final = "heard"


@dataclass(frozen=True, slots=True)
class Recalled:
    """Nats that a form gains: those of ``gains``, ``otherwise`` any other one (less than 0)."""

    gains: Mapping[tuple[int, ...], float]
    otherwise: float

    def gain(self, form: tuple[int, ...]) -> float:
        """Of one form, as chunks."""
        return self.gains.get(form, self.otherwise)


class Recall:
    """The memory; ``content`` as :func:`learnt` makes it.

    Raises:
        ModelError: the content is no such memory.
    """

    def __init__(self, content: Mapping[str, Any]) -> None:
        try:
            forms = [encode(tokens_of(form)) for form in content[_FORMS]]
            heard = {
                key: Counter({forms[int(index)]: int(count) for index, count in counts.items()})
                for key, counts in content[_HEARD].items()
            }
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise ModelError(f"what was recalled is damaged ({error!r:.60})") from None
        total: Counter[tuple[int, ...]] = sum(heard.values(), Counter())
        commands = total.total()
        self._recalled = {key: _recalled(counts, total, commands) for key, counts in heard.items()}

    def of(self, entities: Sequence[Entity]) -> Recalled | None:
        """What was meant with these names; None where nobody spoke of them."""
        return self._recalled.get(key_of(entities)) if entities else None


def _recalled(
    counts: Counter[tuple[int, ...]], total: Counter[tuple[int, ...]], commands: int
) -> Recalled:
    heard = counts.total() + _UNSEEN
    gains = {}
    for form, count in counts.items():
        usual = total[form] / commands
        gains[form] = WEIGHT * math.log((count + _UNSEEN * usual) / (heard * usual))
    return Recalled(gains, WEIGHT * math.log(_UNSEEN / heard))


def key_of(entities: Sequence[Entity]) -> str:
    """A hash of the names, in any order; empty where one is a class and no name."""
    names = sorted({f"{one.sort}:{one.name}" for one in entities})
    if any("<" in name for name in names):
        return ""
    return hashlib.blake2b("|".join(names).encode(), digest_size=6).hexdigest()


def learnt(examples: Iterable[Example]) -> dict[str, Any]:
    """The memory of these commands, ready for JSON."""
    forms: dict[str, int] = {}
    heard: dict[str, Counter[str]] = {}
    for one in examples:
        key = key_of(tag(one.text).entities)
        if key:
            number = forms.setdefault(one.form, len(forms))
            heard.setdefault(key, Counter())[str(number)] += 1
    return {
        _FORMS: list(forms),
        _HEARD: {key: dict(counts) for key, counts in sorted(heard.items())},
    }


def load(content: bytes) -> Recall:
    """What was written as JSON; ModelError if it is damaged."""
    try:
        return Recall(json.loads(content))
    except ValueError as error:
        raise ModelError(f"what was recalled is damaged ({error!s:.60})") from None
