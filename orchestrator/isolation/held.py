"""Handles to states that live in a plugin's process, and the books of who still holds them."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from typing import Any, TypeAlias

from orchestrator.isolation.protocol import Where
from sage.irp.halting import HaltReason
from sage.irp.plugin import Context

Same: TypeAlias = "Callable[[Held, Held], bool]"

_FORGOTTEN_AT_ONCE = 1000


class Books:
    """What the process may forget, because nobody holds a handle to it any more.

    Handles are let go on whatever thread drops the last one, so they only append to a queue; the
    next request takes the queue along.
    """

    def __init__(self, kept: int) -> None:
        self.identities = itertools.count()
        self.states: deque[int] = deque()
        self.refinements: deque[tuple[int, int]] = deque()
        self._places = list(range(kept))

    def forgotten(self) -> tuple[list[int], list[int]]:
        """States and refinements to forget; the places of their results are free from then on."""
        states = [self.states.popleft() for _ in range(min(len(self.states), _FORGOTTEN_AT_ONCE))]
        refinements = []
        for _ in range(min(len(self.refinements), _FORGOTTEN_AT_ONCE)):
            identity, place = self.refinements.popleft()
            refinements.append(identity)
            if place >= 0:
                self._places.append(place)
        return states, refinements

    def place(self) -> int:
        """Where a refinement's results go; -1 where all places are taken."""
        return self._places.pop() if self._places else -1


class Refined:
    """One refinement: where its results lie, and which state's lies there now."""

    __slots__ = ("_books", "identity", "place", "placed", "published")

    def __init__(self, books: Books) -> None:
        self._books = books
        self.identity = next(books.identities)
        self.place = -1
        self.placed = False
        self.published: tuple[int, Where] | None = None
        """The state whose result lies in shared memory, and where."""

    def __del__(self) -> None:
        self._books.refinements.append((self.identity, self.place))


class Held:
    """A state in a plugin's process: a value, like any state, only that it lies elsewhere.

    Attributes:
        begin: the observation and context that it begins from, until they have crossed.
        energy: its energy, once known.
        came_from: the state that it is a step from, -1 where it is none.
        verdict: what ``settled`` says of that step; ``complaint`` is what it raised instead.
    """

    __slots__ = (
        "_books",
        "_same",
        "begin",
        "came_from",
        "complaint",
        "energy",
        "identity",
        "refinement",
        "verdict",
    )

    def __init__(
        self,
        books: Books,
        refinement: Refined,
        same: Same,
        begin: tuple[Any, Context] | None = None,
    ) -> None:
        self._books = books
        self._same = same
        self.refinement = refinement
        self.identity = next(books.identities)
        self.begin = begin
        self.energy: float | None = None
        self.came_from = -1
        self.verdict: HaltReason | None = None
        self.complaint = ""

    def __del__(self) -> None:
        self._books.states.append(self.identity)

    def belongs_to(self, books: Books) -> bool:
        """Whether it lies in the process that these books are kept for."""
        return self._books is books

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Held) or not other.belongs_to(self._books):
            return NotImplemented
        if self is other:
            return True
        if None not in (self.energy, other.energy) and self.energy != other.energy:
            return False  # energies are made of states: no need to ask
        return self._same(self, other)

    __hash__ = None  # type: ignore[assignment]

    def __copy__(self) -> Held:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Held:
        return self
