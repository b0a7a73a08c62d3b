"""Strict configuration: YAML in, frozen dataclasses out, every mistake named in one line.

A configuration is a dataclass, beside the component that it configures, which checks its own
values in ``__post_init__``. ``load(path, into=RunConfig)`` fills it from a file::

    run:
      cycle_s: 0.1
      lanes: [perception, control]

Fields may be ``bool``, ``int``, ``float``, ``str``, ``Path``, enums (by value or name),
``Literal``, ``X | None``, unions, ``tuple``, ``list``, ``dict[str, X]``, ``Any`` and other
dataclasses. Nothing is guessed: an unknown key, a duplicate key or a value of the wrong type is a
``ConfigError`` that names the file, the key and the valid choice.

The YAML is version 1.2's core of plain scalars: only ``true`` and ``false`` are booleans (``on`` is
a word), ``1e-3`` is a number, and ``12:30`` is text.
"""

from __future__ import annotations

import dataclasses
import difflib
import enum
import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import yaml

from sage._convert import Key, convert, describe_type
from sage.irp.errors import ConfigError

T = TypeVar("T")


def load(path: str | Path, into: type[T]) -> T:
    """Read one YAML file into the dataclass ``into``.

    Raises ``ConfigError`` for a missing or unreadable file, broken YAML (with line and column), an
    empty file, and whatever ``from_mapping`` finds.
    """
    source = Path(path)
    try:
        text = source.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"configuration file '{source}' does not exist") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{source}: not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise ConfigError(f"{source}: cannot be read: {error.strerror or error}") from None
    return loads(text, into, where=str(source))


def loads(text: str, into: type[T], where: str = "configuration") -> T:
    """Read YAML text into the dataclass ``into``; ``where`` names its origin in errors."""
    try:
        value = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 -- a SafeLoader
        if isinstance(value, dict):
            return from_mapping(value, into, where=where)
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}{_yaml_fault(error)}") from None
    except RecursionError:
        raise ConfigError(f"{where}: nested too deeply") from None
    except ValueError as error:  # a scalar that its explicit tag does not fit
        raise ConfigError(f"{where}: {' '.join(str(error).split())}") from None
    if value is None:
        raise ConfigError(f"{where}: is empty; valid keys: {', '.join(_init_fields(into))}")
    raise ConfigError(f"{where}: must hold keys with values, not {describe_type(value)}")


def from_mapping(mapping: Mapping[str, Any], into: type[T], where: str = "configuration") -> T:
    """Build the dataclass ``into`` from plain values; fields that are absent keep their default.

    ``where`` is the path of keys so far, for errors. Raises ``ConfigError`` for an unknown or a
    missing key, a wrong type, or a value that the dataclass itself refuses.
    """
    return _build(mapping, into, Key(where))


def _build(mapping: Mapping[str, Any], into: type[T], where: Key) -> T:
    fields = _init_fields(into)
    for key in mapping:
        if key not in fields:
            raise ConfigError(f"{where}: {_unknown_key(key, list(fields))}")
    hints = get_type_hints(into)
    arguments: dict[str, Any] = {}
    for name, field in fields.items():
        if name in mapping:
            arguments[name] = convert(mapping[name], hints[name], where.child(name), _build)
        elif _is_required(field):
            raise ConfigError(f"{where}: key '{name}' is missing")
    try:
        return into(**arguments)
    except (ValueError, ConfigError) as error:
        raise ConfigError(f"{where}: {' '.join(str(error).split())}") from None


def dump(config: Any) -> str:
    """The configuration as YAML text that ``loads`` reads back to an equal value."""
    return yaml.dump(_plain(config), Dumper=_PlainDumper, sort_keys=False, allow_unicode=True)


def _init_fields(into: type) -> dict[str, dataclasses.Field[Any]]:
    if not dataclasses.is_dataclass(into):
        raise TypeError(f"a configuration is a dataclass, not {into!r}")
    return {field.name: field for field in dataclasses.fields(into) if field.init}


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _unknown_key(key: object, valid: list[str]) -> str:
    near = difflib.get_close_matches(str(key), valid, n=1)
    hint = f" (did you mean '{near[0]}'?)" if near else ""
    return f"unknown key '{key}'{hint}; valid: {', '.join(valid) or 'none'}"


def _yaml_fault(error: yaml.YAMLError) -> str:
    """``:LINE:COLUMN: problem`` as far as the error knows them."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        problem = error.problem or error.context or "broken YAML"
        if mark is not None:
            return f":{mark.line + 1}:{mark.column + 1}: {' '.join(problem.split())}"
    return f": broken YAML: {' '.join(str(error).split())}"


def _plain(value: Any) -> Any:
    """The value as YAML's own types."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: _plain(getattr(value, name)) for name in _init_fields(type(value))}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return value.value if isinstance(value, enum.Enum) else value


class _StrictLoader(yaml.SafeLoader):
    """Safe, with YAML 1.2's plain scalars and no duplicate keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if key is None:
                raise yaml.constructor.ConstructorError(
                    None, None, "a key must be a word", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key '{key}' appears twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


class _PlainDumper(yaml.SafeDumper):
    """Quotes exactly what ``_StrictLoader`` would otherwise read as something else."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_PLAIN_SCALARS = [
    ("tag:yaml.org,2002:null", r"~|null|Null|NULL|", "~nN\0"),
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("tag:yaml.org,2002:int", r"[-+]?[0-9]+", "-+0123456789"),
    (
        "tag:yaml.org,2002:float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+0123456789.",
    ),
]
for _class in (_StrictLoader, _PlainDumper):
    _class.yaml_implicit_resolvers = {}
    for _tag, _pattern, _first in _PLAIN_SCALARS:
        _class.add_implicit_resolver(_tag, re.compile(f"^(?:{_pattern})$"), list(_first))


def _construct_int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node))


def _construct_float(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    text = str(loader.construct_scalar(node)).lower()
    return float(text.replace(".inf", "inf").replace(".nan", "nan"))


_StrictLoader.add_constructor("tag:yaml.org,2002:int", _construct_int)
_StrictLoader.add_constructor("tag:yaml.org,2002:float", _construct_float)
