"""Logical forms as short sequences: a fixed, reversible code, and what is well-formed.

A form in the dataset's notation is 4 to 40 tokens of which most are brackets. The code joins
tokens that go together into one *chunk* (``( is_a $1 " <object> " )``) and leaves out the closing
brackets at the end, which follow from the others. Every balanced form over the code's alphabet
comes back exactly as it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

from sage.skills.meaning import UNKNOWN

SLOTS: Final = 10
"""How many chunks a form may have."""

PAD: Final = "[PAD]"
MASK: Final = "[MASK]"

SUPERLATIVES: Final = ("biggest", "heaviest", "largest", "lightest", "smallest", "thinnest")
POSTURES: Final = ("lying", "sitting", "standing")
GENDERS: Final = ("female", "male")
SIDES: Final = ("leftmost", "rightmost")
RELATIONS: Final = ("above", "behind", "below", "in_front_of", "left_of", "right_of")
ASKED: Final = ("gender", "name", "pose")
ACTIONS: Final = ("bring", "count", "find", "follow", "go", "guide", "pour", "put", "say")

_ONE: Final = "( lambda $1 e"
_TWO: Final = "( lambda $1 e ( lambda $2 e"
_CHUNKS: Final[tuple[str, ...]] = (
    UNKNOWN,
    ")",
    "3",
    _ONE,
    _TWO,
    f"{_ONE} ( person $1 )",
    f'{_ONE} ( is_a $1 " <object> " )',
    f'{_ONE} ( is_a $1 " <category> " )',
    f"{_ONE} ( and",
    f"{_ONE} ( sequence",
    f"{_TWO} ( person $2 )",
    f'{_TWO} ( is_a $2 " <object> " )',
    f'{_TWO} ( is_a $2 " <category> " )',
    "( return )",
    "( stop )",
    "( sequence",
    "( and",
    *(f"( {action}" for action in ACTIONS),
    '( answer " <question> " )',
    '" <whattosay> "',
    '" <location> "',
    '" <room> "',
    '" current "',
    "( person $1 )",
    *(f"( {quality} $1 )" for quality in (*GENDERS, *POSTURES)),
    '( is $1 " <gesture> " )',
    '( name $1 " <name> " )',
    '( at $1 " <room> " )',
    '( at $1 " <location> " )',
    '( is_a $1 " <object> " )',
    '( is_a $1 " <category> " )',
    f'{_ONE} ( is_a $1 " cereal " )',
    f'{_ONE} ( is_a $1 " bowl " )',
    *(f'( {side} $1 " <location> " )' for side in SIDES),
    *(f"( {superlative} $1" for superlative in SUPERLATIVES),
    *(f"( {relation} $1 $2 )" for relation in RELATIONS),
    *(f"( {asked} $2 $1 )" for asked in ASKED),
    '( at $2 " <room> " )',
    '( at $2 " <location> " )',
    "( guide $1",
)
# Single tokens, so that any balanced form over this alphabet can be written.
_SINGLE: Final = tuple(
    dict.fromkeys(token for chunk in _CHUNKS for token in chunk.split(" ") if token not in _CHUNKS)
)

VOCABULARY: Final[tuple[str, ...]] = (PAD, MASK, *_CHUNKS, *_SINGLE)
"""Every chunk; the order is part of the weights' format."""

IDS: Final[dict[str, int]] = {chunk: index for index, chunk in enumerate(VOCABULARY)}
PAD_ID: Final = IDS[PAD]
MASK_ID: Final = IDS[MASK]
UNKNOWN_ID: Final = IDS[UNKNOWN]

_BY_FIRST: Final[dict[str, list[tuple[str, ...]]]] = {}
for _chunk in (*_CHUNKS, *_SINGLE):
    _parts = tuple(_chunk.split(" "))
    _BY_FIRST.setdefault(_parts[0], []).append(_parts)
for _found in _BY_FIRST.values():
    _found.sort(key=len, reverse=True)  # the longest chunk that fits is taken


def tokens_of(form: str) -> tuple[str, ...]:
    """The tokens of a form in the dataset's notation."""
    return tuple(form.split())


def encode(form: Sequence[str]) -> tuple[int, ...]:
    """Form tokens to exactly ``SLOTS`` chunk numbers, padded.

    Raises:
        ValueError: a token that the code does not know, brackets that do not balance, or a form
            that is too long.
    """
    tokens = tuple(form)
    _check_balance(tokens)
    end = len(tokens)
    while end and tokens[end - 1] == ")":
        end -= 1
    ids: list[int] = []
    at = 0
    while at < len(tokens):
        for parts in _BY_FIRST.get(tokens[at], ()):
            if tokens[at : at + len(parts)] == parts:
                if at < end:
                    ids.append(IDS[" ".join(parts)])
                at += len(parts)
                break
        else:
            raise ValueError(f"a logical form has no token {tokens[at]!r}")
    if not 1 <= len(ids) <= SLOTS:
        raise ValueError(f"the form takes {len(ids)} chunks; 1 to {SLOTS} are possible")
    return (*ids, *[PAD_ID] * (SLOTS - len(ids)))


def decode(ids: Sequence[int]) -> tuple[str, ...]:
    """Chunk numbers to form tokens; () where they spell no balanced form."""
    tokens: list[str] = []
    for index in ids:
        if index == PAD_ID:
            break
        if index == MASK_ID:
            return ()
        tokens += VOCABULARY[index].split(" ")
    depth = 0
    for token in tokens:
        depth += (token == "(") - (token == ")")
        if depth < 0:
            return ()
    return (*tokens, *[")"] * depth)


def _check_balance(tokens: tuple[str, ...]) -> None:
    depth = 0
    for index, token in enumerate(tokens):
        depth += (token == "(") - (token == ")")
        if depth < 0 or (depth == 0 and index + 1 < len(tokens)):
            raise ValueError(f"brackets do not balance in {' '.join(tokens)[:80]!r}")
    if depth:
        raise ValueError(f"brackets do not balance in {' '.join(tokens)[:80]!r}")


@lru_cache(maxsize=8192)
def read(ids: tuple[int, ...]) -> tuple[str, ...]:
    """The tokens of a well-formed form; () where the chunks are none or it makes no sense."""
    form = decode(ids)
    if not form:
        return ()
    used = ids.index(PAD_ID) if PAD_ID in ids else len(ids)
    if any(index != PAD_ID for index in ids[used:]):
        return ()
    return form if well_formed(form) else ()


def well_formed(form: Sequence[str]) -> bool:
    """Whether a form is one that the domain's types allow: a known action with its arguments.

    It says nothing about having been seen: any combination of restrictions passes.
    """
    tokens = tuple(form)
    if tokens == (UNKNOWN,):
        return True
    try:
        _check_balance(tokens)
        trees = _trees(iter(tokens))
    except ValueError:
        return False
    return len(trees) == 1 and _is_command(trees[0])


def _trees(tokens: Iterator[str]) -> list[Any]:
    """Nested lists; a quoted name becomes one string with its quotes."""
    out: list[Any] = []
    for token in tokens:
        if token == ")":
            break
        if token == "(":
            out.append(_trees(tokens))
        elif token == '"':
            name, closing = next(tokens, ""), next(tokens, "")
            if closing != '"':
                raise ValueError("a quotation that does not end")
            out.append(f'"{name}"')
        else:
            out.append(token)
    return out


_PLACES: Final = ('"<location>"', '"<room>"')


def _is_command(tree: Any) -> bool:
    if not isinstance(tree, list) or not tree:
        return False
    head, arguments = tree[0], tree[1:]
    if head in ("return", "stop"):
        return not arguments
    if head == "lambda":  # the one form that names its person first
        return tree[1:3] == ["$1", "e"] and len(tree) == 4 and _is_sequence(tree[3], _is_open_step)
    if head == "sequence":
        return _is_sequence(tree, _is_command)
    if head == "go":
        return len(arguments) == 1 and arguments[0] in _PLACES
    if not arguments or not isinstance(head, str):
        return False
    first, rest = arguments[0], arguments[1:]
    if head == "say":
        return _is_told(first) and (not rest or (len(rest) == 1 and _is_set(rest[0])))
    if not _is_set(first):
        return False
    if head in ("follow", "count"):
        return not rest
    if head == "find":
        return not rest or rest == ["3"]
    if head == "pour":
        return len(rest) == 1 and _is_set(rest[0])
    if head == "put":
        return len(rest) == 1 and rest[0] in _PLACES
    if head == "guide":
        return len(rest) == 1 and (rest[0] in _PLACES or rest[0] in (UNKNOWN, '"current"'))
    if head == "bring":
        return not rest or (len(rest) == 1 and (rest[0] in _PLACES or _is_set(rest[0])))
    return False


def _is_sequence(tree: Any, step: Any) -> bool:
    return (
        isinstance(tree, list)
        and len(tree) >= 3
        and tree[0] == "sequence"
        and all(step(part) for part in tree[1:])
    )


def _is_open_step(tree: Any) -> bool:
    """A step about ``$1``: ``( follow ( person $1 ) ... )`` or ``( guide $1 " current " )``."""
    if not isinstance(tree, list) or len(tree) < 2:
        return False
    if tree[0] == "follow":
        return all(_is_restriction(part, "$1") for part in tree[1:])
    places = (*_PLACES, '"current"')
    return tree[0] == "guide" and len(tree) == 3 and tree[1] == "$1" and tree[2] in places


def _is_told(tree: Any) -> bool:
    """What can be said: a text, an answer, a count, or what a set holds."""
    if tree == '"<whattosay>"':
        return True
    if not isinstance(tree, list) or len(tree) < 2:
        return False
    if tree[0] == "answer":
        return tree[1:] == ['"<question>"']
    if tree[0] == "count":
        return len(tree) == 2 and _is_set(tree[1])
    return _is_set(tree)


def _is_set(tree: Any) -> bool:
    """``( lambda $1 e ...)``: restrictions, their conjunction, or a related second set."""
    if not isinstance(tree, list) or tree[:1] != ["lambda"] or tree[2:3] != ["e"]:
        return False
    variable, body = tree[1], tree[3:]
    if not body or variable not in ("$1", "$2"):
        return False
    if variable == "$1" and len(body) == 1 and isinstance(body[0], list):
        if body[0][:2] == ["lambda", "$2"]:
            return _is_set(body[0]) and any(
                part in ([kind, "$2", "$1"], [kind, "$1", "$2"])
                for part in body[0][3:]
                for kind in (*ASKED, *RELATIONS)
            )
        if body[0][:1] == ["and"]:
            body = body[0][1:]
            if len(body) < 2:
                return False
    return len({repr(part) for part in body}) == len(body) and all(
        _is_restriction(part, variable) for part in body
    )


def _is_restriction(tree: Any, variable: str) -> bool:
    if not isinstance(tree, list) or len(tree) < 2:
        return False
    head, arguments = tree[0], tree[1:]
    if variable == "$2" and head in ASKED:
        return bool(arguments == ["$2", "$1"])
    if variable == "$2" and head in RELATIONS:
        return bool(arguments == ["$1", "$2"])
    if arguments[0] != variable:
        return False
    rest = arguments[1:]
    if head in ("person", *GENDERS, *POSTURES):
        return not rest
    if head in SUPERLATIVES:
        return not rest or rest == ["3"]
    allowed = {
        "is_a": ('"<object>"', '"<category>"', '"cereal"', '"bowl"'),
        "is": ('"<gesture>"',),
        "name": ('"<name>"',),
        "at": _PLACES,
        **dict.fromkeys(SIDES, ('"<location>"',)),
    }.get(head, ())
    return len(rest) == 1 and rest[0] in allowed
