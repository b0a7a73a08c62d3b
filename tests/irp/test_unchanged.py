"""Whether two states hold the same values, whatever they are made of."""

from __future__ import annotations

import copy
import random
import threading
from collections import deque
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sage.irp import unchanged

NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Node:
    values: Any
    label: str = ""
    cached: Any = field(default=None, compare=False)


class Pair(NamedTuple):
    first: Any
    second: Any


class Plain:
    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


class Slotted:
    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def nested(leaf: Any) -> Any:
    return {"a": [Node((leaf, 1), "n"), {"b": np.arange(3.0)}], 2: Pair(leaf, Plain(x=leaf))}


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | hnp.arrays(np.float32, hnp.array_shapes(max_dims=2, max_side=3))
    | hnp.arrays(np.int8, (2,))
)
states = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
        | st.builds(Node, inner)
        | st.builds(Slotted, inner)
    ),
    max_leaves=8,
)


@given(states)
def test_a_deep_copy_is_unchanged(state: Any) -> None:
    assert unchanged(state, state)
    assert unchanged(state, copy.deepcopy(state))


@given(states)
def test_another_leaf_anywhere_is_a_change(state: Any) -> None:
    before, after = nested(state), nested([state])
    assert not unchanged(before, after)
    assert not unchanged(after, before)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (1.0, 2.0),
        (1.0, 1),
        (0, False),
        (1.0, np.float64(1.0)),
        (NAN, 0.0),
        (None, 0),
        ("a", b"a"),
        ([1, 2], (1, 2)),
        ([1, 2], [1, 2, 3]),
        ([1, 2], [2, 1]),
        ({"a": 1}, {"b": 1}),
        ({"a": 1}, {"a": 1, "b": 2}),
        (np.zeros(3), np.zeros(4)),
        (np.zeros((2, 3)), np.zeros((3, 2))),
        (np.zeros(3), np.array([0.0, 0.0, 1e-300])),
        (np.array([NAN, 1.0]), np.array([1.0, NAN])),
        (np.array(["a"]), np.array(["b"])),
        (Node(1), Node(2)),
        (Node(1, cached=1), Node(1, cached=2)),
        (Pair(1, 2), (1, 2)),
        (Plain(x=1), Plain(x=2)),
        (Plain(x=1), Plain(y=1)),
        (Slotted(1), Slotted(2)),
        ({1, 2}, {1, 3}),
        (deque([1]), deque([2])),
        (random.Random(1), random.Random(2)),
    ],
    ids=repr,
)
def test_a_difference_is_a_change(before: Any, after: Any) -> None:
    assert not unchanged(before, after)
    assert not unchanged(after, before)


@pytest.mark.parametrize(
    "state",
    [
        NAN,
        np.float32("nan"),
        [NAN, {"x": (NAN,)}],
        np.array([NAN, np.inf, 1.0]),
        np.array([complex(NAN, 1.0)]),
        np.array(["text"]),
        np.array([], dtype=np.float32),
        Plain(x=[np.ones(2)], y=Slotted(NAN)),
        MappingProxyType({"a": np.ones(2)}),
        random.Random(1),
        np.random.default_rng(1),
        {"a", "b"},
        deque([1.0]),
    ],
    ids=lambda state: type(state).__name__,
)
def test_equal_values_are_unchanged(state: Any) -> None:
    if isinstance(state, MappingProxyType):
        assert unchanged(state, MappingProxyType({"a": np.ones(2)}))
    else:
        assert unchanged(state, copy.deepcopy(state))


@pytest.mark.parametrize("kind", [float, complex, np.float32, np.float64, np.complex64])
def test_nan_equals_nan_of_its_own_kind(kind: Any) -> None:
    before, after = kind("nan"), kind("nan")
    assert before is not after
    assert unchanged(before, after)
    assert not unchanged(before, kind("1.0"))


def test_a_generator_that_drew_has_changed() -> None:
    before = np.random.default_rng(1)
    after = copy.deepcopy(before)
    after.random()
    assert not unchanged(before, after)


class Prickly:
    def __eq__(self, other: object) -> bool:
        raise ArithmeticError

    __hash__ = None  # type: ignore[assignment]


def test_what_cannot_be_compared_counts_as_changed() -> None:
    before: list[Any] = []
    after: list[Any] = []
    before.append(before)
    after.append(after)
    assert not unchanged(before, after)
    assert not unchanged(Prickly(), Prickly())
    assert not unchanged(threading.Lock(), threading.Lock())
    assert not unchanged(iter(()), (value for value in ()))
    assert not unchanged((value for value in ()), (value for value in ()))
    assert not unchanged(deque([np.ones(2)]), deque([np.ones(2)]))
    ragged = [np.array([np.ones(2), None], dtype=object) for _ in range(2)]
    assert not unchanged(*ragged)
