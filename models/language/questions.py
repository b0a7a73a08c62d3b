"""Answers to the ontology's questions, however they are put.

A question is told by its concepts: it has a word of each of a few groups (what it is about, what
is asked of it) and none of those that make it another question. What fits no question, or two
equally well, has no answer: "what is the capital of France" is not Canada's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from sage.irp.errors import ModelError

QUESTIONS: Final = Path(__file__).with_name("questions.json")
_MAX_CHARS: Final = 300
_REMEDY: Final = "restore it with `git checkout -- models/language`"


@dataclass(frozen=True, slots=True)
class Answer:
    """``name`` of the question, the ``question`` as the ontology words it, what to say (``text``),
    with a full stop."""

    name: str
    question: str
    text: str


@dataclass(frozen=True, slots=True)
class _Known:
    """A question: a word of each of ``groups`` is in it, and none that ``without`` matches."""

    answer: Answer
    groups: tuple[re.Pattern[str], ...]
    without: re.Pattern[str] | None


class Questions:
    """Known questions; ``content`` as in ``questions.json``; ModelError if it is damaged."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        try:
            sets = content["sets"]
            self._known = tuple(
                _Known(
                    Answer(one["id"], one["question"], one["answer"]),
                    tuple(_pattern(group, sets) for group in one["words"]),
                    _pattern(one["without"], sets) if one["without"] else None,
                )
                for one in content["questions"]
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"{QUESTIONS} is damaged ({error!r:.60}); {_REMEDY}") from error

    def answer(self, question: str, now: datetime | None = None) -> Answer | None:
        """The answer, or None to what is no known question.

        Args:
            question: as it was typed or heard; more than 300 characters are no question.
            now: local time, for the time and the day; the clock's unless given.
        """
        if len(question) > _MAX_CHARS:
            return None
        said = " ".join(re.findall(r"[a-z0-9]+", re.sub(r"['\u2019]s\b", " ", question.lower())))
        fitting = [
            one
            for one in self._known
            if all(group.search(said) for group in one.groups)
            and not (one.without and one.without.search(said))
        ]
        most = max((len(one.groups) for one in fitting), default=0)
        best = [one.answer for one in fitting if len(one.groups) == most]
        if len(best) != 1:
            return None
        (found,) = best
        text = found.text or _today(found.name, now or datetime.now())
        return Answer(found.name, found.question, text)


def _pattern(words: Iterable[str], sets: Mapping[str, Iterable[str]]) -> re.Pattern[str]:
    """Any of the words, ``*`` for any ending, ``@`` for a whole set."""
    some = [
        word for entry in words for word in (sets[entry[1:]] if entry.startswith("@") else [entry])
    ]
    return re.compile(rf"\b(?:{'|'.join(word.replace('*', '[a-z]*') for word in some)})\b")


def _today(name: str, now: datetime) -> str:
    """What no list can hold: the time, the day, whose robot this is."""
    if name == "time":
        return f"It is {now:%H:%M}."
    if name == "day":
        return f"Today is {now:%A}, {now:%d %B %Y}."
    return "My team is called SAGE."


@cache
def _shipped() -> Questions:
    try:
        return Questions(json.loads(QUESTIONS.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ModelError(f"{QUESTIONS} cannot be read ({error!s:.80}); {_REMEDY}") from error


def answer(question: str, now: datetime | None = None) -> Answer | None:
    """The answer to one of the ontology's questions, or None; see :meth:`Questions.answer`."""
    return _shipped().answer(question, now)
