"""What crosses between processes: everything arrives as it was, and garbage is refused."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.isolation.codec import CodecError, Decoder, Extent, UnknownModuleError, encode
from sage.irp import HaltReason
from sage.irp.refine import unchanged
from sage.values import CameraModel, Detection, Frame, Observation, Scene


@dataclasses.dataclass
class Derived:
    """A field that the constructor does not take, and one only by name."""

    size: int
    area: int = dataclasses.field(init=False)
    unit: str = dataclasses.field(default="m", kw_only=True)

    def __post_init__(self) -> None:
        self.area = self.size**2


@dataclasses.dataclass(frozen=True)
class Positive:
    value: float

    def __post_init__(self) -> None:
        if self.value < 0.0:
            raise ValueError("negative")


class Corner(NamedTuple):
    x: float
    y: float


class Colour(enum.IntEnum):
    RED = 1


def slot(size: int = 1 << 20) -> Any:
    return np.zeros(size, np.uint8)


def there_and_back(value: Any, **trust: bool) -> Any:
    memory = slot()
    extent = encode(value, memory)
    found = Decoder(imports=trust.get("imports", False)).decode(memory, extent)
    memory[:] = 255  # what was decoded is a copy of its own
    return found


CAMERA = CameraModel(4, 3, 0.9)
VALUES = [
    None,
    True,
    -(2**63),
    2**200,
    -(2**64),
    1.5,
    float("inf"),
    "zwölf",
    b"\0\xff",
    (),
    [(1,), [2, "x"]],
    {"a": 1, (1, 2): [3.0]},
    {1, 2},
    frozenset("ab"),
    HaltReason.STUCK,
    Colour.RED,
    Corner(1.0, 2.0),
    Derived(3, unit="cm"),
    Observation("cam:0", "camera", 1.5, 7, Frame(np.arange(36, dtype=np.uint8).reshape(3, 4, 3))),
    Frame(np.zeros((2, 2, 3), np.uint8), CAMERA),
    Scene(0.0, (Detection("cup", 0.5, (0.0, 1.0, 2.0, 3.0)),), "kitchen", 0.75),
    np.float64(1.5),
    np.int16(-3),
    np.array(2.5),
    np.zeros((0, 3), np.float32),
    np.array([1 + 2j, 3]),
    np.array([True, False]),
    np.arange(6, dtype=">i4").reshape(2, 3),
    np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1)[::2],
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_arrives_as_it_was(value: Any) -> None:
    found = there_and_back(value)
    assert type(found) is type(value)
    assert unchanged(value, found)
    if isinstance(value, np.ndarray):
        assert found.dtype == value.dtype
        assert found.flags.writeable


NESTED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.integers(), inner)
    ),
    max_leaves=30,
)


@settings(deadline=None, max_examples=30)
@given(NESTED)
def test_whatever_is_nested_arrives(value: Any) -> None:
    assert unchanged(value, there_and_back(value))


class Handle:
    pass


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (Handle(), "Handle cannot be carried"),
        (np.array([Handle()]), "arrays of object"),
        (np.array(["x"]), "arrays of <U1"),
        (lambda: 0, "function cannot be carried"),
        ("\ud800", "cannot be carried"),
        (np.zeros(2 << 20, np.uint8), "at most 1 MiB"),
    ],
)
def test_what_cannot_be_carried_is_named(value: Any, said: str) -> None:
    with pytest.raises(CodecError, match=said):
        encode(value, slot())


def test_a_class_of_a_function_cannot_be_carried() -> None:
    @dataclasses.dataclass
    class Here:
        x: int

    with pytest.raises(CodecError, match="move it to a module"):
        encode(Here(1), slot())


def test_a_cycle_cannot_be_carried() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(CodecError, match="nested more than"):
        encode(cycle, slot())


def decoded(tree: Any, arrays: int = 64) -> Any:
    memory = slot(4096)
    raw = tree if isinstance(tree, bytes) else msgspec.msgpack.encode(tree)
    memory[arrays : arrays + len(raw)] = np.frombuffer(raw, np.uint8)
    return Decoder(imports=False).decode(memory, Extent(arrays, len(raw)))


TUPLE, _, DICT, SET, _, ARRAY, SCALAR, INT, RECORD, NAMED, ENUM = range(11)


@pytest.mark.parametrize(
    "tree",
    [
        [],
        [99],
        ["x"],
        {"a": 1},
        msgspec.msgpack.Ext(3, b"x"),
        [DICT, 1],
        [DICT, [DICT], 1],
        [SET, [SET]],
        [INT, "x"],
        [INT],
        [ARRAY, "|u1", 0, 65536],
        [ARRAY, "|u1", 0, 2**62, 2**62],
        [ARRAY, "|u1", -64, 1],
        [ARRAY, "|u1", 1, 1],
        [ARRAY, "|u1", 0, -1],
        [ARRAY, "|u1", 0, 1.0],
        [ARRAY, "|O", 0, 1],
        [ARRAY, "<f8,<f8", 0, 1],
        [ARRAY, 7, 0, 1],
        [ARRAY, "|u1", 0, *([1] * 100)],
        [SCALAR, "<f8", b"1234"],
        [SCALAR, "|O", b"12345678"],
        [RECORD, "os:system", 0, "true"],
        [RECORD, "subprocess:Popen", 0, "true"],
        [RECORD, "sage.values:Pose", 0, 1.0, 2.0, 3.0],
        [RECORD, "nowhere:Pose", 0],
        [RECORD, "sage.values:nowhere.Pose", 0],
        [RECORD, 3, 0],
        [RECORD],
        [NAMED, "builtins:tuple", 0],
        [ENUM, "sage.irp.halting:HaltReason", "NEVER"],
        [ENUM, "sage.values:Pose", "x"],
        b"\xc1",
        b"\xdd\xff\xff\xff\xff",
        b"\x91" * 3000,
    ],
    ids=lambda tree: repr(tree)[:40],
)
def test_garbage_is_refused(tree: Any) -> None:
    with pytest.raises(CodecError):
        decoded(tree)


@settings(deadline=None, max_examples=200)
@given(st.binary(min_size=1, max_size=200))
def test_noise_is_a_value_or_refused(raw: bytes) -> None:
    with contextlib.suppress(CodecError):
        decoded(raw)


@pytest.mark.parametrize("extent", [(-1, 4), (0, 0), (0, -1), (4000, 200), (0, 2**40)])
def test_lengths_beyond_the_slot_are_refused(extent: tuple[int, int]) -> None:
    with pytest.raises(CodecError, match="bytes in a slot"):
        Decoder(imports=False).decode(slot(4096), Extent(*extent))


def test_constructors_check_what_arrives() -> None:
    bad = Positive(1.0)
    object.__setattr__(bad, "value", -1.0)
    with pytest.raises(CodecError, match="ValueError: negative"):
        there_and_back(bad)


def test_another_version_of_a_class_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = slot()
    extent = encode(Positive(1.0), memory)
    other = dataclasses.make_dataclass("Positive", ["worth"], namespace={"__module__": __name__})
    monkeypatch.setitem(globals(), "Positive", other)
    with pytest.raises(CodecError, match="other fields here: worth"):
        Decoder(imports=False).decode(memory, extent)


def test_modules_are_imported_only_for_the_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    memory = slot()
    extent = encode(Positive(1.0), memory)
    module = sys.modules[__name__]
    monkeypatch.delitem(sys.modules, __name__)
    with pytest.raises(UnknownModuleError, match=f"import {__name__} in the runtime"):
        Decoder(imports=False).decode(memory, extent)
    imported: list[str] = []

    def imports(name: str) -> None:
        imported.append(name)
        sys.modules[name] = module

    monkeypatch.setattr("importlib.import_module", imports)
    assert Decoder(imports=True).decode(memory, extent) == Positive(1.0)
    assert imported == [__name__]
