"""Values as bytes, for a plugin in a process of its own. Nothing is ever unpickled.

A message is the raw bytes of its arrays, each at a multiple of 64, and then a msgpack tree: atoms
as they are, everything else as a list that begins with a tag. A message is first copied out of
shared memory, so that nobody can change what has been checked, and arrays are views of that copy;
only whoever trusts the sender may read arrays where they lie, for as long as it holds them.
Dataclasses, named tuples and enums travel as ``module:qualname``; a receiver that does not trust
the sender finds only those whose module it has imported itself.
"""

from __future__ import annotations

import dataclasses
import enum
import importlib
import math
import operator
import sys
import zlib
from collections.abc import Callable, Iterable
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

Bytes: TypeAlias = npt.NDArray[np.uint8]

TREE_LIMIT_BYTES = 16 * 2**20
_DEPTH = 48
_ALIGNED = 64
_NUMBERS = frozenset("biufc")  # the kinds of arrays that hold no pointers

_TUPLE, _LIST, _DICT, _SET, _FROZENSET, _ARRAY, _SCALAR, _INT, _RECORD, _NAMED, _ENUM = range(11)

_ATOMS = frozenset((type(None), bool, float, str, bytes))
_RECEIVED = _ATOMS | {int}
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder().decode


class CodecError(Exception):
    """A value that cannot be carried, or bytes that hold none."""


class UnknownModuleError(CodecError):
    """A value of a class whose module was never imported here, and is not because of it."""


class Extent(NamedTuple):
    """How long a message is: its arrays, and the tree behind them, in bytes."""

    arrays: int
    tree: int


class _Plan(NamedTuple):
    """How the values of one class cross: under which name, with which fields."""

    tag: int
    name: str
    check: int
    values: Callable[[Any], tuple[Any, ...]]


_plans: dict[type, _Plan] = {}
_codes: dict[np.dtype[Any], str] = {}
_dtypes: dict[str, np.dtype[Any]] = {}


def encode(value: Any, slot: Bytes) -> Extent:
    """Write a value into a slot of shared memory; CodecError where it cannot be carried."""
    arrays: list[tuple[int, npt.NDArray[Any]]] = []
    lowering = _Lowering(arrays)
    try:
        tree = _pack(lowering.lower(value, 0))
    except (OverflowError, UnicodeError, RecursionError) as error:
        raise CodecError(f"a value that cannot be carried: {error}") from error
    end = lowering.end
    if len(tree) > TREE_LIMIT_BYTES or end + len(tree) > slot.size:
        raise CodecError(
            f"a message of {(end + len(tree)) / 2**20:.1f} MiB; at most {slot.size / 2**20:g} MiB "
            f"({TREE_LIMIT_BYTES / 2**20:g} MiB outside arrays) are accepted"
        )
    for offset, array in arrays:
        part = slot[offset : offset + array.nbytes].view(array.dtype)
        part.reshape(array.shape)[...] = array
    slot.data[end : end + len(tree)] = tree
    return Extent(end, len(tree))


class _Lowering:
    """Turns one value into a tree, and lists the arrays on the way."""

    def __init__(self, arrays: list[tuple[int, npt.NDArray[Any]]]) -> None:
        self.end = 0
        self._arrays = arrays

    def lower(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind in _ATOMS:
            return value
        if kind is int:
            return value if -(2**63) <= value < 2**63 else [_INT, hex(value)]
        depth += 1
        if depth > _DEPTH:
            raise CodecError(f"values nested more than {_DEPTH} deep cannot be carried")
        if kind is np.ndarray:
            return self._array(value)
        if kind is tuple or kind is list:
            return self._parts([_TUPLE if kind is tuple else _LIST], value, depth)
        plan = _plans.get(kind)
        if plan is not None:
            return self._parts([plan.tag, plan.name, plan.check], plan.values(value), depth)
        return self._unusual(value, kind, depth)

    def _parts(self, node: list[Any], values: Iterable[Any], depth: int) -> list[Any]:
        lower = self.lower
        for value in values:
            node.append(value if type(value) in _ATOMS else lower(value, depth))
        return node

    def _array(self, value: npt.NDArray[Any]) -> list[Any]:
        code = _codes.get(value.dtype) or _code(value.dtype)
        offset = self.end
        self._arrays.append((offset, value))
        self.end = -(-(offset + value.nbytes) // _ALIGNED) * _ALIGNED
        return [_ARRAY, code, offset, *value.shape]

    def _unusual(self, value: Any, kind: type, depth: int) -> Any:
        if isinstance(value, enum.Enum):
            return [_ENUM, _named(kind), value.name]
        if isinstance(value, np.generic):
            if value.dtype.kind not in _NUMBERS:
                raise CodecError(f"a {kind.__name__} cannot be carried")
            return [_SCALAR, value.dtype.str, value.tobytes()]
        if kind is dict or kind is MappingProxyType:
            return self._parts([_DICT], [part for pair in value.items() for part in pair], depth)
        if kind is set or kind is frozenset:
            return self._parts([_SET if kind is set else _FROZENSET], value, depth)
        plan = _plan_of(kind)
        if plan is None:
            raise CodecError(
                f"a {kind.__module__}.{kind.__qualname__} cannot be carried; numbers, text, "
                "bytes, tuples, lists, dicts, enums, numpy arrays and dataclasses of them can"
            )
        _plans[kind] = plan
        return self.lower(value, depth - 1)


def _plan_of(kind: type) -> _Plan | None:
    if dataclasses.is_dataclass(kind):
        names = tuple(item.name for item in dataclasses.fields(kind))
        tag = _RECORD
    elif issubclass(kind, tuple) and hasattr(kind, "_fields"):
        names, tag = tuple(kind._fields), _NAMED
    else:
        return None
    return _Plan(tag, _named(kind), _check(names), _getter(names))


def _getter(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    if len(names) > 1:
        return operator.attrgetter(*names)
    return lambda value: tuple(getattr(value, name) for name in names)


def _named(kind: type) -> str:
    if "<locals>" in kind.__qualname__ or kind.__module__ == "__main__":
        raise CodecError(
            f"{kind.__qualname__} is defined in a function or a script: other processes cannot "
            "import it; move it to a module"
        )
    return f"{kind.__module__}:{kind.__qualname__}"


def _check(names: tuple[str, ...]) -> int:
    """Tells two versions of a class apart."""
    return zlib.crc32(",".join(names).encode())


class Decoder:
    """Reads messages.

    Args:
        imports: whether to import the module that a message names; only where its sender is
            trusted with that.
    """

    def __init__(self, *, imports: bool) -> None:
        self._imports = imports
        self._makers: dict[tuple[int, str, int], Callable[[list[Any]], Any]] = {}
        self._enums: dict[str, Any] = {}

    def decode(self, slot: Bytes, extent: Extent, lying: Bytes | None = None) -> Any:
        """The value in a slot; CodecError where there is none.

        Its arrays are views of ``lying``, the arrays of the message, or of a copy of it.
        """
        arrays, tree = extent
        if arrays < 0 or not 0 < tree <= TREE_LIMIT_BYTES or arrays + tree > slot.size:
            raise CodecError(f"a message of {arrays} + {tree} bytes in a slot of {slot.size}")
        if lying is None:
            message = slot[: arrays + tree].copy()
            packed, lying = message.data[arrays:], message
        else:
            packed = slot.data[arrays : arrays + tree]
        try:
            return self._raise(_unpack(packed), lying, 0)
        except CodecError:
            raise
        except Exception as error:  # whatever a constructor or numpy makes of nonsense
            raise CodecError(f"{type(error).__name__}: {error}") from error

    def _raise(self, node: Any, arrays: Bytes, depth: int) -> Any:
        kind = type(node)
        if kind in _RECEIVED:
            return node
        if kind is not list or not node or type(node[0]) is not int or depth > _DEPTH:
            raise CodecError("a tree that no value has")
        depth += 1
        tag = node[0]
        if tag in (_RECORD, _NAMED):
            _, name, check = node[:3]
            make = self._makers.get((tag, name, check)) or self._maker(tag, name, check)
            return make(self._parts(node[3:], arrays, depth))
        if tag == _ARRAY:
            return _array(node, arrays)
        if tag == _SCALAR:
            _, code, raw = node
            return np.frombuffer(raw, _dtype(code), 1)[0]
        if tag == _INT:
            _, digits = node
            return int(digits, 16)
        if tag == _ENUM:
            _, name, member = node
            return self._enum(name)[member]
        parts = self._parts(node[1:], arrays, depth)
        if tag == _LIST:
            return parts
        if tag == _TUPLE:
            return tuple(parts)
        if tag == _DICT:
            return dict(zip(parts[::2], parts[1::2], strict=True))
        if tag == _SET:
            return set(parts)
        if tag == _FROZENSET:
            return frozenset(parts)
        raise CodecError(f"unknown tag {tag}")

    def _parts(self, nodes: list[Any], arrays: Bytes, depth: int) -> list[Any]:
        build = self._raise
        return [node if type(node) in _RECEIVED else build(node, arrays, depth) for node in nodes]

    def _maker(self, tag: int, name: str, check: int) -> Callable[[list[Any]], Any]:
        found = self._class(name)
        if tag == _RECORD and dataclasses.is_dataclass(found):
            items = dataclasses.fields(found)
            names = tuple(item.name for item in items)
            simple = all(item.init and not item.kw_only for item in items)
            make = (lambda parts: found(*parts)) if simple else _patient_maker(found)
        elif tag == _NAMED and issubclass(found, tuple) and hasattr(found, "_fields"):
            names = tuple(found._fields)
            make = lambda parts: found(*parts)  # noqa: E731
        else:
            raise CodecError(f"{name} is no dataclass")
        if _check(names) != check:
            raise CodecError(f"{name} has other fields here: {', '.join(names)}")
        count = len(names)

        def checked(parts: list[Any]) -> Any:
            if len(parts) != count:
                raise CodecError(f"{name} with {len(parts)} fields instead of {count}")
            return make(parts)

        self._makers[tag, name, check] = checked
        return checked

    def _enum(self, name: str) -> Any:
        found = self._enums.get(name)
        if found is None:
            found = self._class(name)
            if not issubclass(found, enum.Enum):
                raise CodecError(f"{name} is no enum")
            self._enums[name] = found
        return found

    def _class(self, name: str) -> type[Any]:
        module, _, path = name.partition(":")
        if module not in sys.modules:
            if self._imports:
                importlib.import_module(module)
            elif path and all(part.isidentifier() for part in module.split(".")):
                raise UnknownModuleError(
                    f"a {path:.100} came whose module was never imported here; "
                    f"import {module:.200} in the runtime"
                )
        found: Any = sys.modules.get(module)
        for part in path.split("."):
            found = vars(found).get(part) if found is not None else None
        if not isinstance(found, type) or f"{found.__module__}:{found.__qualname__}" != name:
            raise CodecError(f"{name} is no class that is known here")
        return found


def _patient_maker(found: type[Any]) -> Callable[[list[Any]], Any]:
    """For dataclasses with fields that their constructor does not take, or only by name."""
    items = dataclasses.fields(found)

    def make(parts: list[Any]) -> Any:
        given = {item.name: part for item, part in zip(items, parts, strict=True)}
        made = found(**{item.name: given[item.name] for item in items if item.init})
        for item in items:
            if not item.init:
                object.__setattr__(made, item.name, given[item.name])
        return made

    return make


def _code(dtype: np.dtype[Any]) -> str:
    """What stands for a type of numbers; CodecError for any other."""
    if dtype.kind not in _NUMBERS:
        raise CodecError(f"arrays of {dtype} cannot be carried; numbers and truths can")
    code = _codes[dtype] = dtype.str
    _dtypes[code] = dtype
    return code


def _dtype(code: Any) -> np.dtype[Any]:
    dtype = np.dtype(code) if type(code) is str and len(code) <= 8 else None
    if dtype is None or dtype.kind not in _NUMBERS:
        raise CodecError(f"no array has the type {code!r:.40}")
    _dtypes[code] = dtype
    return dtype


def _array(node: list[Any], arrays: Bytes) -> npt.NDArray[Any]:
    code, offset, *shape = node[1:]
    dtype = _dtypes.get(code) or _dtype(code)
    for size in (offset, *shape):
        if type(size) is not int or size < 0:
            raise CodecError("an array of no shape")
    end = offset + math.prod(shape) * dtype.itemsize
    if offset % _ALIGNED or end > arrays.size:
        raise CodecError(f"an array of {end - offset} bytes at {offset} of {arrays.size}")
    return arrays[offset:end].view(dtype).reshape(shape)
