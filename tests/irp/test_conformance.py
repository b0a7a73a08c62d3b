"""The kit passes a good plugin and catches a plugin that breaks one clause, by that clause."""

from __future__ import annotations

import itertools
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from sage.irp import HaltPolicy, HaltReason, PluginError, check_plugin
from tests.doubles import Broken, Descent, Vector

OBSERVATIONS = [[1.0, -0.5], [0.25, 4.0], [0.1, 0.9]]


def faults(plugin: Any, observations: list[Any] | None = None) -> str:
    with pytest.raises(PluginError) as caught:
        check_plugin(plugin, OBSERVATIONS if observations is None else observations)
    return str(caught.value)


def test_a_good_plugin_passes() -> None:
    check_plugin(Descent, OBSERVATIONS)
    check_plugin(Descent, iter(OBSERVATIONS), steps=1)
    check_plugin(Batched, OBSERVATIONS)


def test_a_good_plugin_may_settle_and_hold_models_and_configs() -> None:
    class Rich(Descent):
        def __init__(self) -> None:
            self.weights = np.full(2, 0.5)
            self.handles = [open]
            self.config = HaltPolicy()
            self.lock_like = (value for value in ())

        def step(self, state: Vector) -> Vector:
            return Vector(state.values * self.weights)

        def settled(self, previous: Vector, state: Vector) -> HaltReason | None:
            return HaltReason.FEASIBLE if np.all(np.abs(state.values) < 0.1) else None

    check_plugin(Rich, OBSERVATIONS)


class Nameless(Descent):
    name = "  "


class Undeclared(Descent):
    invariants = None  # type: ignore[assignment]


class Lawless(Descent):
    halting = None  # type: ignore[assignment]


class MutatesInStep(Descent):
    def step(self, state: Vector) -> Vector:
        state.values[...] *= 0.5
        return state


class MutatesInProject(Descent):
    def project(self, state: Vector) -> Vector:
        np.clip(state.values, -0.3, 0.3, out=state.values)
        return state


class MutatesInEnergy(Descent):
    def energy(self, state: Vector) -> float:
        state.values[0] += 1.0
        return 1.0


class MutatesInResult(Descent):
    def result(self, state: Vector) -> Any:
        state.values.sort()
        return 0


class MutatesTheObservation(Descent):
    def init_state(self, observation: Any, context: Any) -> Vector:
        state = Vector(np.array(observation))
        observation[0] = 0.0
        return state


class Batched(Descent):
    def step_batch(self, states: Sequence[Vector]) -> list[Vector]:
        return [self.step(state) for state in states]


class ForgetsInBatch(Batched):
    def step_batch(self, states: Sequence[Vector]) -> list[Vector]:
        return super().step_batch(states)[:-1]


class TurnsInBatch(Batched):
    def step_batch(self, states: Sequence[Vector]) -> list[Vector]:
        return super().step_batch(states)[::-1]


class MutatesInBatch(Batched):
    def step_batch(self, states: Sequence[Vector]) -> list[Vector]:
        for state in states:
            state.values[0] = 0.0
        return super().step_batch(states)


class RaisesInBatch(Batched):
    def step_batch(self, states: Sequence[Vector]) -> list[Vector]:
        raise Broken("several are too many")


class NotIdempotent(Descent):
    def project(self, state: Vector) -> Vector:
        return Vector(0.9 * state.values)


class RandomEnergy(Descent):
    def energy(self, state: Vector) -> float:
        return random.random()


class RandomStep(Descent):
    def step(self, state: Vector) -> Vector:
        return Vector(state.values * random.random())


class RandomResult(Descent):
    def result(self, state: Vector) -> Any:
        return random.random()


class KeepsTheLast(Descent):
    def __init__(self) -> None:
        self.last = 0.0

    def step(self, state: Vector) -> Vector:
        self.last = float(state.values[0])
        return super().step(state)


class AddsAnAttribute(Descent):
    def energy(self, state: Vector) -> float:
        self.seen = state
        return super().energy(state)


class FillsAList(Descent):
    def __init__(self) -> None:
        self.history: list[float] = []

    def energy(self, state: Vector) -> float:
        self.history.append(1.0)
        return super().energy(state)


class FillsABuffer(Descent):
    def __init__(self) -> None:
        self.buffer = np.zeros(2)

    def step(self, state: Vector) -> Vector:
        np.multiply(state.values, 0.5, out=self.buffer)
        return Vector(self.buffer.copy())


class Buffers:
    """Two buffers in turn, behind an object that the kit does not look into."""

    def __init__(self) -> None:
        self.turns = itertools.cycle([np.zeros(2), np.zeros(2)])


class ReusesBuffers(Descent):
    def __init__(self) -> None:
        self.hidden = Buffers()

    def step(self, state: Vector) -> Vector:
        buffer = next(self.hidden.turns)
        np.multiply(state.values, 0.5, out=buffer)
        return Vector(buffer)

    def project(self, state: Vector) -> Vector:
        return state


class FailsInStep(Descent):
    def step(self, state: Vector) -> Vector:
        raise ZeroDivisionError("no such step")


class FailsLate(Descent):
    """Beyond the steps that are looked at closely."""

    def energy(self, state: Vector) -> float:
        length = super().energy(state)
        return length if length > 1e-3 else float("nan")


class NanEnergy(Descent):
    def energy(self, state: Vector) -> float:
        return float("nan")


class TextEnergy(Descent):
    def energy(self, state: Vector) -> float:
        return "0.5"  # type: ignore[return-value]


class SettlesWrongly(Descent):
    def settled(self, previous: Vector, state: Vector) -> bool:
        return False


@dataclass(frozen=True)
class WithHandle:
    values: Any
    handle: object = field(
        default_factory=lambda: type("Handle", (), {"__eq__": lambda *_: False})()
    )


class Incomparable(Descent):
    def init_state(self, observation: Any, context: Any) -> Any:
        return WithHandle(np.asarray(observation))


BREACHES = [
    (Nameless, "name must be a non-empty text, got '  '"),
    (Undeclared, "invariants must be an Invariants"),
    (Lawless, "halting must be a HaltPolicy"),
    (MutatesInStep, "step 0 changed the state that it was given"),
    (MutatesInProject, "project changed the state that it was given"),
    (MutatesInEnergy, "energy or result changed the state"),
    (MutatesInResult, "energy or result changed the state"),
    (MutatesTheObservation, "changed the observation"),
    (NotIdempotent, "project is not idempotent"),
    (RandomEnergy, "energy of one state is"),
    (RandomStep, "another energy curve"),
    (RandomResult, "result of one state differs from call to call"),
    (KeepsTheLast, "left something on the plugin itself"),
    (AddsAnAttribute, "left something on the plugin itself"),
    (FillsAList, "left something on the plugin itself"),
    (FillsABuffer, "left something on the plugin itself"),
    (ReusesBuffers, "a later step changed the state"),
    (FailsInStep, "raised ZeroDivisionError: no such step"),
    (FailsLate, "the refinement failed: .*energy is nan"),
    (NanEnergy, "the refinement failed: .*energy is nan"),
    (TextEnergy, "the refinement failed: TypeError"),
    (SettlesWrongly, "settled.. must return FEASIBLE, STABLE or None, got False"),
    (ForgetsInBatch, "step_batch gave 2 states for 3"),
    (TurnsInBatch, "observation 0: step_batch leads to energy .*must not depend on its company"),
    (MutatesInBatch, "step_batch changed the states"),
    (RaisesInBatch, "step_batch raised Broken: several are too many"),
    (Incomparable, "does not equal its copy"),
]


@pytest.mark.parametrize(("plugin", "clause"), BREACHES, ids=lambda value: str(value)[:40])
def test_a_breach_is_named(plugin: type[Descent], clause: str) -> None:
    observations = [list(observation) for observation in OBSERVATIONS]
    with pytest.raises(PluginError, match=clause):
        check_plugin(plugin, observations)


def test_a_plugin_without_a_name_at_all_is_named_by_its_class() -> None:
    class Anonymous(Descent):
        name = None  # type: ignore[assignment]

    assert "name must be a non-empty text, got None" in faults(Anonymous)


def test_something_else_than_a_plugin() -> None:
    class Stranger:
        pass

    text = faults(Stranger)
    assert text.startswith("plugin 'Stranger' breaks the contract:")
    assert "Stranger does not derive from IRPPlugin" in text


class Scratch:
    """Where a plugin keeps what it should not; empty again after each use."""

    values: Any = None


class SharesScratch(Descent):
    """Alone it is right and leaves no trace; two threads take each other's values."""

    def __init__(self) -> None:
        self.scratch = Scratch()

    def step(self, state: Vector) -> Vector:
        self.scratch.values = state.values
        time.sleep(1e-4)  # lets other threads run, as an inference call does
        values, self.scratch.values = self.scratch.values, None
        return Vector(0.5 * values)


def test_a_plugin_that_threads_cannot_share_is_caught() -> None:
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(0.004)
    observations = [np.full(2, scale) for scale in (1.0, 0.9, 0.8, 0.7)]
    try:
        text = faults(SharesScratch, observations)
        after_s = sys.getswitchinterval()
    finally:
        sys.setswitchinterval(before_s)
    assert "another energy curve when threads share the plugin" in text
    assert after_s == pytest.approx(0.004), "the interpreter is left as it was"


def test_every_fault_of_every_observation_is_told() -> None:
    text = faults(NotIdempotent)
    for number in range(len(OBSERVATIONS)):
        assert f"observation {number}: project is not idempotent (step 0)" in text
    assert text.splitlines()[0] == "plugin 'descent' breaks the contract:"


def test_it_needs_an_observation() -> None:
    assert "no observation was given" in faults(Descent, [])


def test_a_factory_that_raises() -> None:
    def factory() -> Descent:
        raise OSError("no weights")

    with pytest.raises(PluginError, match="the factory raised OSError: no weights"):
        check_plugin(factory, OBSERVATIONS)
