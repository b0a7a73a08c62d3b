"""Plain values (from YAML or a command line) checked against a type hint, without guessing."""

from __future__ import annotations

import dataclasses
import enum
import math
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from sage.irp.errors import ConfigError


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    """Where a value stands: the file (or whatever it came from) and the path of keys to it."""

    source: str
    path: str = ""

    def __str__(self) -> str:
        return f"{self.source}: {self.path}" if self.path else self.source

    def child(self, name: object) -> Key:
        """The key ``name`` below this one."""
        return Key(self.source, f"{self.path}.{name}" if self.path else str(name))

    def item(self, index: int) -> Key:
        """Element ``index`` of the list at this key."""
        return Key(self.source, f"{self.path}[{index}]")


# How a nested dataclass is built: (mapping, dataclass, where) -> instance.
Build = Callable[[Mapping[str, Any], type, Key], Any]

_NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
    type(None): "nothing",
}


def convert(value: Any, hint: Any, where: Key, build: Build) -> Any:
    """``value`` as ``hint`` asks for it; ``ConfigError`` that starts with ``where`` otherwise."""
    origin = get_origin(hint)
    if hint is Any:
        return value
    if origin in (Union, types.UnionType):
        return _union(value, get_args(hint), where, build)
    if origin is Literal:
        return _literal(value, get_args(hint), where)
    if origin is not None:
        return _collection(value, hint, origin, where, build)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if isinstance(value, hint):
            return value
        if not isinstance(value, Mapping):
            raise _wrong(value, "keys with values", where)
        return build(value, hint, where)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return _member(value, hint, where)
    if hint in (tuple, list, dict):
        return _collection(value, hint, hint, where, build)
    return _scalar(value, hint, where)


def describe_type(value: Any) -> str:
    """What a value is, in words: ``text 'fast'``, ``true``, ``a list``."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return f"{value}"
    if isinstance(value, str):
        return f"text {value[:40]!r}"
    if isinstance(value, Mapping):
        return "keys with values"
    return "a list" if isinstance(value, (list, tuple)) else type(value).__name__


def describe_hint(hint: Any) -> str:
    """What a type hint asks for, in words."""
    if hint in _NAMES:
        return _NAMES[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(describe_hint(argument) for argument in arguments)
    if origin is Literal:
        return "one of " + ", ".join(map(str, arguments))
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return "one of " + ", ".join(str(member.value) for member in hint)
    if (origin or hint) in (tuple, list, Sequence):
        return "a list"
    return "keys with values"


def _scalar(value: Any, hint: Any, where: Key) -> Any:
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError as error:
            raise ConfigError(f"{where} must be a finite number, not one beyond 1e308") from error
        if not math.isfinite(number):
            raise ConfigError(f"{where} must be a finite number, not {number}")
        return number
    if hint is Path and isinstance(value, (str, Path)):
        return Path(value)
    if hint not in _NAMES:
        raise TypeError(f"{where}: a configuration cannot hold {hint!r}")
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise _wrong(value, _NAMES[hint], where)
    return value


def _union(value: Any, choices: tuple[Any, ...], where: Key, build: Build) -> Any:
    if value is None and type(None) in choices:
        return None
    real = [choice for choice in choices if choice is not type(None)]
    if len(real) == 1:
        return convert(value, real[0], where, build)
    for choice in real:
        if _exactly(value, choice):
            return convert(value, choice, where, build)
    for choice in real:
        try:
            return convert(value, choice, where, build)
        except ConfigError:
            continue
    raise _wrong(value, " or ".join(describe_hint(choice) for choice in choices), where)


def _exactly(value: Any, choice: Any) -> bool:
    """Whether a value already is of a scalar type, so that ``1`` stays an int in int | float."""
    return isinstance(choice, type) and choice in _NAMES and type(value) is choice


def _literal(value: Any, choices: tuple[Any, ...], where: Key) -> Any:
    for choice in choices:
        if type(value) is type(choice) and value == choice:
            return choice
    valid = ", ".join(map(str, choices))
    raise ConfigError(f"{where} is {describe_type(value)}; valid: {valid}")


def _member(value: Any, hint: type[enum.Enum], where: Key) -> enum.Enum:
    for member in hint:
        if value is member or value == member.value or value == member.name:
            return member
    valid = ", ".join(str(member.value) for member in hint)
    raise ConfigError(f"{where} is {describe_type(value)}; valid: {valid}")


def _collection(value: Any, hint: Any, origin: Any, where: Key, build: Build) -> Any:
    arguments = get_args(hint)
    if issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise _wrong(value, "keys with values", where)
        key_hint, item_hint = arguments or (str, Any)
        return {
            convert(key, key_hint, where.child(key), build): convert(
                item, item_hint, where.child(key), build
            )
            for key, item in value.items()
        }
    if not isinstance(value, (list, tuple)):
        raise _wrong(value, "a list", where)
    if origin is tuple and arguments and arguments[-1] is not Ellipsis:
        if len(value) != len(arguments):
            raise ConfigError(f"{where} needs {len(arguments)} values, found {len(value)}")
        hints: Sequence[Any] = arguments
    else:
        hints = [arguments[0] if arguments else Any] * len(value)
    items = [
        convert(item, item_hint, where.item(index), build)
        for index, (item, item_hint) in enumerate(zip(value, hints, strict=True))
    ]
    return items if origin is list else tuple(items)


def _wrong(value: Any, expected: str, where: Key) -> ConfigError:
    return ConfigError(f"{where} must be {expected}, not {describe_type(value)}")
