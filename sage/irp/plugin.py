"""The contract of an iterative refinement primitive (IRP).

The engine, never the plugin, owns the loop. For one observation it does::

    state = plugin.init_state(observation, context)
    while not halted:
        state = plugin.project(plugin.step(state))
        energy = plugin.energy(state)      # lower is better; best and last are kept
    answer = plugin.result(best)

The first step always runs, so there is always an answer; every later one must earn its cost.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Generic, Protocol, TypeVar, runtime_checkable

from sage.irp.halting import HaltPolicy, HaltReason

S = TypeVar("S")
R = TypeVar("R")

Context = Mapping[str, Any]
"""What the tick knew when the refinement began: a read-only snapshot, never written to."""


@dataclass(frozen=True, slots=True)
class Invariants:
    """What a plugin declares about itself, one sentence each, in the IRP protocol's own words."""

    state_space: str
    noise_model: str
    energy: str
    coherence: str

    def __post_init__(self) -> None:
        for item in fields(self):
            text = getattr(self, item.name)
            if not isinstance(text, str) or not text.strip():
                raise ValueError(f"invariant {item.name!r} must say something, got {text!r}")


class IRPPlugin(ABC, Generic[S, R]):
    """A computation with a usable answer after one step, improved step by step.

    Steps are pure in their state: a method never changes the state that it is given and keeps
    nothing of a request on ``self``, so that one plugin serves many refinements and threads.

    Example:
        >>> class Halve(IRPPlugin[float, float]):
        ...     name = "halve"
        ...     invariants = Invariants("a real number", "none", "its size", "none")
        ...     def init_state(self, observation, context): return float(observation)
        ...     def step(self, state): return state / 2
        ...     def energy(self, state): return abs(state)
        ...     def result(self, state): return state
    """

    name: ClassVar[str]
    invariants: ClassVar[Invariants]
    halting: HaltPolicy = HaltPolicy()

    @abstractmethod
    def init_state(self, observation: Any, context: Context) -> S:
        """The state before the first step."""

    @abstractmethod
    def step(self, state: S) -> S:
        """A refined state; ``state`` itself stays as it was."""

    @abstractmethod
    def energy(self, state: S) -> float:
        """How bad the answer in ``state`` is; lower is better, finite, 0.0 and negative too."""

    def project(self, state: S) -> S:
        """The nearest feasible state; by default every state is feasible."""
        return state

    @abstractmethod
    def result(self, state: S) -> R:
        """The answer that ``state`` holds."""


@runtime_checkable
class Settles(Protocol):
    """A plugin that knows more than its energy tells: when to stop."""

    def settled(self, previous: Any, state: Any) -> HaltReason | None:
        """FEASIBLE (constraints met with margin), STABLE (meaning unchanged) or None: go on."""
        ...


@runtime_checkable
class WarmStarts(Protocol):
    """A plugin that can begin from what memory recalled."""

    def warm_start(self, state: Any, recalled: Any) -> Any:
        """A cold ``state`` improved by a ``recalled`` one."""
        ...


@runtime_checkable
class Batches(Protocol):
    """A plugin that steps several states at once for less than each alone."""

    def step_batch(self, states: Sequence[Any]) -> Sequence[Any]:
        """The refined states, in the order given."""
        ...


@runtime_checkable
class Verifies(Protocol):
    """A plugin whose answers can be checked without ground truth."""

    def verify(self, result: Any) -> bool:
        """Whether the answer holds."""
        ...
