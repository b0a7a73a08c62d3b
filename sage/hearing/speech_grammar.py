"""The sentences that the robot listens for, as a JSGF grammar made from the ontology.

It holds every command that the robot carries out, in several phrasings each, and the commands of
its domain that it has to decline (bring, put, follow, guide, say): a recogniser bound to a grammar
can only hear what is in it. A rule is written in JSGF (Java Speech Grammar Format 1.0): ``[x]`` may
be left out, ``(a | b)`` is one of them, ``/0.2/`` its weight, ``<name>`` another rule, ``<NULL>``
nothing. No rule is recursive.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator
from types import MappingProxyType
from typing import Final

import numpy as np

from sage.ontology import (
    APARTMENT_FURNITURE,
    APARTMENT_OBJECTS,
    CATEGORIES,
    OBJECTS,
    PEOPLE,
    ROOM_NAMES,
    furniture_names,
)

PRONUNCIATIONS: Final = MappingProxyType(
    {
        "choco": "CH AO K OW",
        "corridor(3)": "K AO R IH D AO R",
        "for(4)": "F AO",
        "pringles": "P R IH NG G AH L Z",
        "sideboard": "S AY D B AO R D",
    }
)
"""Words of the grammar that the CMU dictionary lacks, or has not as British people say them."""

# What people say for the ontology's names, as far as it is listened for.
_ALSO_ROOMS: Final = ("lounge", "sitting room", "hallway", "washroom")
_ALSO_FURNITURE: Final = (
    *("couch", "refrigerator", "closet", "bedside table", "bookcase", "washer", "tub", "oven"),
    *("high chair", "sideboard"),
)
_ALSO_OBJECTS: Final = ("cup", "coffee mug", "cereal box", "bottle of water", "milk carton", "cola")

# The plural is not the name with an "s", or there is none.
_PLURALS: Final = {
    "big dish": "big dishes",
    "small dish": "small dishes",
    "box": "boxes",
    "glass": "glasses",
    "knife": "knives",
    "peach": "peaches",
    "toothpaste": "",
    "tuna fish": "",
    "soap": "soaps",
    "food": "",
    "cutlery": "",
    "spaghetti": "",
    "tableware": "",
}


_RARE: Final = 0.2
# The ontology names more than this robot has learnt to see: such names are hardly ever said to it.
_HARDLY: Final = 0.1


def _plural(name: str) -> str:
    return _PLURALS.get(name, name if name.endswith("s") else f"{name}s")


def _any_of(names: Iterable[str], rarely: Iterable[str] = (), hardly: Iterable[str] = ()) -> str:
    """One of the names; those that are said ``rarely``, or ``hardly`` ever, weigh less."""
    weights = dict.fromkeys((name.lower() for name in names if name), "")
    for name in filter(None, rarely):
        weights.setdefault(name, f"/{_RARE}/ ")
    for name in filter(None, hardly):
        weights.setdefault(name, f"/{_HARDLY}/ ")
    return " | ".join(f"{weight}{name}" for name, weight in weights.items())


def _others(names: Iterable[str], known: Iterable[str]) -> list[str]:
    """The names that are not among the known ones."""
    return [name for name in names if name not in known]


RULES: Final = MappingProxyType(
    {
        "command": f"(/{_RARE}/ <polite> | <NULL>) <task> (/{_RARE}/ <courtesy> | <NULL>)",
        "polite": "please | robot | sage | (can | could) you [please]",
        "courtesy": "please | now | thank you",
        "task": "/6/ <go> [and <seek>] | /6/ <seek> | /3/ <home> | /6/ <stop> | /1/ <other>",
        # What is carried out.
        "go": "(/4/ go | drive | move | navigate | walk | head) (/4/ to | into) <place>",
        "seek": "(<find> (<thing> | <human>) | <count>) [<where>]",
        "find": "/4/ find | /3/ look for | search for | locate | /2/ where is | is there",
        "count": "(count | tell me how many) (<things>) [there are]"
        " | how many <things> (are | are there)",
        "home": "come back [to me | here] | go back [home] | return [home | to me] | go home"
        " | come here",
        "stop": "stop [moving | right there] | halt | freeze | wait [here] | stay [here]"
        " | stand still",
        # What is declined.
        "other": "<carry> (<thing> | it) [<goal>] | put (<thing> | it) <goal>"
        " | (follow | guide | lead | escort | take | meet) (<human> | me) [<goal>]"
        " | <speak> [to <human>] | (open | close) the door | clean the <furniture>",
        "carry": "bring [me | us] | get [me] | give [me] | fetch | grab | pick up | take | deliver",
        "speak": "say hello | tell me a joke | what time is it | what is your name"
        " | introduce yourself | answer a question",
        # Things and places.
        "place": f"(the | /{_RARE}/ <NULL>) (<room> | <furniture> [in the <room>])",
        "where": "(in | on | at | from) the (<room> | <furniture> [in the <room>])",
        "goal": "(to | on | in | from | at) (me | <human> | the (<room> | <furniture>))",
        "thing": "([the | a] <object> | an <vowel>)",
        "things": "[the] (<objects> | people | persons | things | objects)",
        "human": "<name> | [a | the] person | someone | somebody",
        "room": _any_of(ROOM_NAMES, _ALSO_ROOMS),
        "furniture": _any_of(
            APARTMENT_FURNITURE, _ALSO_FURNITURE, _others(furniture_names(), APARTMENT_FURNITURE)
        ),
        "object": _any_of(APARTMENT_OBJECTS, _ALSO_OBJECTS, _others(OBJECTS, APARTMENT_OBJECTS)),
        "vowel": _any_of(name for name in OBJECTS if name[0] in "aeiou"),
        "objects": _any_of(
            map(_plural, [*APARTMENT_OBJECTS, *CATEGORIES]),
            hardly=map(_plural, _others(OBJECTS, APARTMENT_OBJECTS)),
        ),
        "name": _any_of(PEOPLE),
    }
)
"""Rule name to what it expands to; ``command`` is a whole sentence."""

_TOKEN: Final = re.compile(r"/[\d.]+/|<(\w+)>|([\w']+)|([()\[\]|])|\s+")

# A node turns a random generator into words.
_Choice = Callable[[np.random.Generator], str]


def jsgf() -> str:
    """The grammar as JSGF text; its public rule is ``<sage.command>``."""
    lines = ["#JSGF V1.0;", "grammar sage;"]
    for name, body in RULES.items():
        lines.append(f"{'public ' if name == 'command' else ''}<{name}> = {body};")
    return "\n".join(lines) + "\n"


def words() -> tuple[str, ...]:
    """Every word of the grammar, sorted."""
    found = {match[2] for body in RULES.values() for match in _TOKEN.finditer(body) if match[2]}
    return tuple(sorted(found))


def covers(text: str) -> bool:
    """Whether a text, lower-case words and nothing else, is a whole sentence of the grammar."""
    return _pattern().fullmatch(" ".join(text.split()) + " ") is not None


def phrases(count: int, rng: np.random.Generator, rule: str = "command") -> list[str]:
    """Random sentences of the grammar; every alternative of a rule is as likely as the next."""
    return [" ".join(_say(rule)(rng).split()) for _ in range(count)]


@functools.cache
def _pattern() -> re.Pattern[str]:
    return re.compile(_regex("command"))


@functools.cache
def _regex(rule: str) -> str:
    """A rule as a regular expression over words that each end with a space."""
    parts = []
    for match in _TOKEN.finditer(RULES[rule]):
        name, word, mark = match.groups()
        if name == "NULL":
            continue
        if name:
            parts.append(_regex(name))
        elif word:
            parts.append(f"{word} ")
        elif mark:
            parts.append({"(": "(?:", "[": "(?:", "]": ")?"}.get(mark, mark))
    return f"(?:{''.join(parts)})"


@functools.cache
def _say(rule: str) -> _Choice:
    return _alternatives(_TOKEN.finditer(RULES[rule]), rule)


def _alternatives(tokens: Iterator[re.Match[str]], rule: str) -> _Choice:
    """Reads up to the closing mark; a choice among what stands between the bars."""
    options: list[list[_Choice]] = [[]]
    for match in tokens:
        name, word, mark = match.groups()
        if name == "NULL":
            continue
        if name:
            options[-1].append(_say(name))
        elif word:
            options[-1].append(functools.partial(_word, word))
        elif mark == "(":
            options[-1].append(_alternatives(tokens, rule))
        elif mark == "[":
            options[-1].append(functools.partial(_maybe, _alternatives(tokens, rule)))
        elif mark == "|":
            options.append([])
        elif mark:
            break
    return functools.partial(_one_of, options)


def _word(word: str, rng: np.random.Generator) -> str:
    return word


def _maybe(inner: _Choice, rng: np.random.Generator) -> str:
    return inner(rng) if rng.random() < 0.5 else ""


def _one_of(options: list[list[_Choice]], rng: np.random.Generator) -> str:
    return " ".join(part(rng) for part in options[rng.integers(len(options))])
