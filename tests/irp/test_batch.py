"""Stepping together: each fares as it would alone, whatever its company does."""

from __future__ import annotations

import gc
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sage.clock import VirtualClock
from sage.irp import (
    Batches,
    ConfigError,
    HaltPolicy,
    HaltReason,
    IRPPlugin,
    Meter,
    Refinement,
    advance_together,
    most_in_batch,
)
from sage.irp import batch as module
from tests.doubles import INVARIANTS, Broken, Descent, Scripted


@dataclass(frozen=True, slots=True)
class Script:
    """What one observation will go through: energies by step, where what raises, verdicts."""

    energies: tuple[float, ...]
    raises: str = ""
    at: int = 0
    verdicts: tuple[HaltReason | None, ...] = ()
    still: int = -1  # the step that changes nothing


@dataclass(frozen=True, slots=True)
class Played:
    script: Script
    steps: int
    value: int


class Company(IRPPlugin[Played, int]):
    """Plays what each observation scripts; a batch raises as soon as one of its members does."""

    name = "company"
    invariants = INVARIANTS
    halting = HaltPolicy(max_steps=6, slope_eps=0.01, window=2)

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.steps = 0
        self.clock = VirtualClock()

    def _called(self, what: str, state: Played) -> None:
        if state.script.raises == what and state.script.at == state.steps:
            raise Broken(f"{what} at {state.steps}")

    def init_state(self, observation: Any, context: Any) -> Played:
        state = Played(observation, 0, 0)
        self._called("init_state", state)
        return state

    def step(self, state: Played) -> Played:
        self.steps += 1
        self.clock.advance_to(self.clock.now_s() + 1.0)
        return self._played(state)

    def _played(self, state: Played) -> Played:
        self._called("step", state)
        moved = 0 if state.script.still == state.steps else 1
        return replace(state, steps=state.steps + moved, value=state.value + moved)

    def step_batch(self, states: Sequence[Played]) -> list[Played]:
        self.sizes.append(len(states))
        after = [self._played(state) for state in states]
        self.clock.advance_to(self.clock.now_s() + len(states))
        return after

    def project(self, state: Played) -> Played:
        self._called("project", state)
        return state

    def energy(self, state: Played) -> float:
        self._called("energy", state)
        index = max(state.steps - 1, 0)
        return state.script.energies[min(index, len(state.script.energies) - 1)]

    def settled(self, previous: Played, state: Played) -> HaltReason | None:
        self._called("settled", state)
        verdicts = state.script.verdicts
        return verdicts[previous.steps] if previous.steps < len(verdicts) else None

    def result(self, state: Played) -> int:
        self._called("result", state)
        return state.value


def _all(refinements: Sequence[Refinement[Any, Any]]) -> None:
    """Step those that go on together, until none does."""
    going = list(refinements)
    while going:
        goes_on = advance_together(going)
        assert goes_on == [not refinement.done for refinement in going]
        going = [one for one, goes in zip(going, goes_on, strict=True) if goes]


def _shape(refinement: Refinement[Any, Any]) -> Any:
    """All of an outcome but its times."""
    outcome = refinement.outcome
    assert outcome is not None
    trajectory = outcome.trajectory
    error = None if outcome.error is None else (type(outcome.error), str(outcome.error))
    return (outcome.result, outcome.answered, error, trajectory.energies, trajectory.reason)


scripts = st.builds(
    Script,
    st.lists(
        st.sampled_from([3.0, 2.0, 2.001, 1.0, 0.0, -1.0, math.nan, math.inf]), min_size=1
    ).map(tuple),
    st.sampled_from(["", "", "init_state", "step", "project", "energy", "settled", "result"]),
    st.integers(0, 3),
    st.lists(
        st.sampled_from([None, None, HaltReason.STABLE, HaltReason.FEASIBLE, HaltReason.FAILED]),
        max_size=4,
    ).map(tuple),
    st.integers(-1, 3),
)


@settings(max_examples=60)
@given(st.lists(st.tuples(scripts, st.floats(0.0, 6.0), st.integers(0, 5)), min_size=1, max_size=6))
def test_together_each_fares_as_alone(cases: list[tuple[Script, float, int]]) -> None:
    """Whatever raises or is no number, with every budget, cancelled at any step."""

    def made() -> list[Refinement[Any, Any]]:
        plugin, clock = Company(), VirtualClock()
        plugin.clock = clock
        return [
            Refinement(plugin, script, meter=Meter(granted), stopwatch=clock.now_s)
            for script, granted, _ in cases
        ]

    together, alone = made(), made()
    for turn in range(7):
        for group in (together, alone):
            for refinement, (_, _, cancelled_at) in zip(group, cases, strict=True):
                if cancelled_at == turn:
                    refinement.cancel()
        assert advance_together(together) == [refinement.advance() for refinement in alone]
    assert [_shape(one) for one in together] == [_shape(one) for one in alone]
    assert [one.costs_s for one in together] == [one.costs_s for one in alone]


def test_one_batch_is_one_call_of_the_plugin() -> None:
    plugin = Company()
    assert isinstance(plugin, Batches)
    refinements = [Refinement(plugin, Script((3.0, 2.0, 1.0))) for _ in range(5)]
    assert advance_together(refinements) == [True] * 5
    assert (plugin.sizes, plugin.steps) == ([5], 0)
    assert [one.energies for one in refinements] == [[3.0]] * 5


def test_a_bad_input_does_not_fail_its_company(caplog: pytest.LogCaptureFixture) -> None:
    plugin = Company()
    bad = Script((3.0, 2.0, 1.0), "step", 1)
    refinements = [Refinement(plugin, Script((3.0, 2.0, 1.0))) for _ in range(3)]
    refinements.insert(1, Refinement(plugin, bad))
    with caplog.at_level(logging.WARNING):
        _all(refinements)
    outcomes = [one.outcome for one in refinements]
    assert all(outcomes)
    reasons = [one.reason for one in outcomes if one]
    assert [reason is HaltReason.FAILED for reason in reasons] == [False, True, False, False]
    assert isinstance(outcomes[1] and outcomes[1].error, Broken)
    assert outcomes[1] is not None
    assert outcomes[1].answered  # its first step stands
    assert caplog.text.count("one by one") == 1


def test_a_wrong_number_of_states_is_stepped_one_by_one() -> None:
    class Forgets(Company):
        def step_batch(self, states: Sequence[Played]) -> list[Played]:
            return super().step_batch(states)[1:]

    plugin = Forgets()
    refinements = [Refinement(plugin, Script((3.0, 2.0, 1.0))) for _ in range(3)]
    assert advance_together(refinements) == [True] * 3
    assert plugin.steps == 3


def test_a_batch_that_does_not_fit_is_halved_and_remembered() -> None:
    class Small(Company):
        def step_batch(self, states: Sequence[Played]) -> list[Played]:
            if len(states) > 3:
                raise MemoryError
            return super().step_batch(states)

    plugin = Small()
    assert most_in_batch(plugin) > 1_000_000
    refinements = [Refinement(plugin, Script((3.0, 2.0, 1.0))) for _ in range(8)]
    assert advance_together(refinements) == [True] * 8
    assert plugin.sizes == [2, 2, 2, 2]
    assert most_in_batch(plugin) == 2


def test_the_shared_step_is_divided_and_the_rest_is_each_ones_own() -> None:
    class Timed(Company):
        def init_state(self, observation: Any, context: Any) -> Played:
            self.clock.advance_to(self.clock.now_s() + observation.at)
            return super().init_state(observation, context)

        def energy(self, state: Played) -> float:
            self.clock.advance_to(self.clock.now_s() + 0.5)
            return super().energy(state)

    plugin = Timed()
    refinements = [
        Refinement(plugin, Script((3.0, 2.0), at=at), stopwatch=plugin.clock.now_s)
        for at in (1, 2, 4)
    ]
    advance_together(refinements)
    assert [one.costs_s for one in refinements] == [[2.5], [3.5], [5.5]]
    assert sum(one.meter.spent_atp for one in refinements) == plugin.clock.now_s()


def test_a_batch_that_failed_is_paid_for() -> None:
    class Slow(Company):
        def step_batch(self, states: Sequence[Played]) -> list[Played]:
            self.clock.advance_to(self.clock.now_s() + 1.0)
            return super().step_batch(states)

    plugin = Slow()
    refinements = [
        Refinement(plugin, Script((3.0, 2.0), raises), stopwatch=plugin.clock.now_s)
        for raises in ("", "step")
    ]
    advance_together(refinements)
    assert [one.meter.spent_atp for one in refinements] == [1.5, 1.5]
    assert plugin.clock.now_s() == 3.0
    assert refinements[1].outcome is not None
    assert refinements[1].outcome.trajectory.failed_step_cost_s == 1.5


def test_who_cannot_wait_for_the_others_steps_first_and_alone() -> None:
    plugin = Company()
    refinements = [
        Refinement(
            plugin,
            Script((3.0, 2.0, 1.0)),
            stopwatch=plugin.clock.now_s,
            clock=plugin.clock,
            deadline_s=deadline_s,
        )
        for deadline_s in (100.0, 5.5, 100.0, 4.5)
    ]
    assert advance_together(refinements) == [True] * 4  # four seconds: first steps always run
    assert advance_together(refinements) == [True, True, True, False]
    assert refinements[3].outcome is not None
    assert refinements[3].outcome.reason is HaltReason.DEADLINE
    assert (plugin.sizes, plugin.steps) == ([4, 2], 1)
    assert [len(one.energies) for one in refinements] == [2, 2, 2, 1]


def test_without_step_batch_each_is_stepped_alone() -> None:
    plugin = Descent()
    refinements = [Refinement(plugin, [float(size)]) for size in (1, 2, 3)]
    assert advance_together(refinements) == [True] * 3
    assert all(len(one.energies) == 1 for one in refinements)
    assert advance_together([]) == []
    assert advance_together(refinements[:1]) == [True]


def test_what_ended_before_stays_as_it_was() -> None:
    plugin = Company()
    ended, fresh = (Refinement(plugin, Script((3.0, 2.0, 1.0))) for _ in range(2))
    ended.cancel()
    assert not ended.advance()
    outcome = ended.outcome
    assert advance_together([ended, fresh]) == [False, True]
    assert ended.outcome is outcome


def test_one_abandoned_meanwhile_is_neither_recorded_nor_charged() -> None:
    class Hangs(Company):
        def step_batch(self, states: Sequence[Played]) -> list[Played]:
            refinements[0].abandon(Broken("too late"))
            return super().step_batch(states)

    plugin = Hangs()
    refinements = [Refinement(plugin, Script((3.0, 2.0, 1.0))) for _ in range(2)]
    assert advance_together(refinements) == [False, True]
    assert (refinements[0].energies, refinements[0].meter.spent_atp) == ([], 0.0)


def test_an_interrupt_passes_through_and_leaves_them_as_they_were() -> None:
    class Interrupted(Company):
        def step_batch(self, states: Sequence[Played]) -> list[Played]:
            raise KeyboardInterrupt

    plugin = Interrupted()
    refinements = [Refinement(plugin, Script((3.0, 2.0, 1.0))) for _ in range(2)]
    with pytest.raises(KeyboardInterrupt):
        advance_together(refinements)
    assert not any(one.done or one.energies for one in refinements)
    assert [one.advance() for one in refinements] == [True, True]


def test_several_plugins_or_one_refinement_twice_are_refused() -> None:
    one, other = (Refinement(Company(), Script((1.0,))) for _ in range(2))
    with pytest.raises(ConfigError, match="share one plugin"):
        advance_together([one, other])
    with pytest.raises(ConfigError, match="only once"):
        advance_together([one, one])


def test_memory_bounds_a_batch() -> None:
    class Declared(Company):
        batch_bytes = 1000

    assert most_in_batch(Declared(), 10_500) == 10
    assert most_in_batch(Declared(), 10) == 1
    assert 1 < most_in_batch(Declared()) <= 10**12 // 1000

    class Batched(Descent):
        def step_batch(self, states: Sequence[Any]) -> list[Any]:
            return [self.step(state) for state in states]

    plugin = Batched()
    assert most_in_batch(plugin, 1) > 1_000_000  # nothing is known yet
    advance_together([Refinement(plugin, np.ones(1000)) for _ in range(2)])
    assert most_in_batch(plugin, 10 * 16 * 8000) == 10


def test_arrays_are_counted_wherever_a_state_keeps_them() -> None:
    assert module.array_bytes(Scripted([1.0])) == 0
    held = {"a": (np.zeros(3), [np.zeros(2, np.uint8)]), "b": Played(Script((1.0,)), 0, 0)}
    assert module.array_bytes(held) == 26


def test_what_is_known_of_a_plugin_goes_with_it() -> None:
    plugin = Company()
    advance_together([Refinement(plugin, Script((2.0, 1.0))) for _ in range(2)])
    number = id(plugin)
    assert number in module._known
    del plugin
    gc.collect()
    assert number not in module._known
