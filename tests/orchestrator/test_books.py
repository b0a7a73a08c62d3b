"""The orchestrator's books: who is admitted, with how much, and what becomes of each submission."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from orchestrator import HRMOrchestrator, OrchestratorConfig, PluginSettings, RestartPolicy
from sage.clock import VirtualClock
from sage.irp import ConfigError, HaltReason
from sage.telemetry import Admitted, Cycle, Dropped, Finished
from tests.doubles import Broken
from tests.orchestrator.doubles import LANES, House, Seen, Willing, check_counts, scripted


@pytest.fixture
def house() -> House:
    return House()


def down(steps: int) -> list[float]:
    return [float(steps - step) for step in range(steps)]


def test_a_fresh_observation_does_not_wait_for_the_tick(house: House) -> None:
    house.add("eye")
    house.submit("eye", "first")
    assert house.step() == "eye"
    assert house.told(Admitted)[0].plugin == "eye"
    observation, outcome = house.outcomes["eye"][0]
    assert (observation.what, outcome.result) == ("first", 1)
    assert house.orchestrator.cycles == 0


def test_the_next_one_begins_when_the_one_before_ends(house: House) -> None:
    house.add("eye", down(2))
    house.submit("eye", "first")
    assert house.step() == "eye"
    house.submit("eye", "second")
    house.orchestrator.cancel("eye")
    house.submit("eye", "third")
    assert house.drain() == ["eye"] * 3  # the end of the first, and two steps of the third
    assert [seen.what for seen, _ in house.outcomes["eye"]] == ["first", "third"]


def test_newest_wins_and_the_others_are_counted(house: House) -> None:
    member = house.add("eye")
    for what in range(5):
        house.submit("eye", what)
        check_counts(member)
    house.drain()
    assert [seen.what for seen, _ in house.outcomes["eye"]] == [4]
    assert member.counts() == {"submitted": 5, "finished": 1, "superseded": 4}
    assert [event.reason for event in house.told(Dropped)] == ["superseded"] * 4


@pytest.mark.parametrize("captured_s", [-1.5, math.nan])
def test_what_is_stale_is_never_refined(house: House, captured_s: float) -> None:
    member = house.add("eye", max_age_s=1.0)
    house.orchestrator.submit("eye", Seen(captured_s))
    assert member.counts() == {"submitted": 1, "finished": 0, "stale": 1}
    assert house.drain() == []


def test_what_grew_stale_while_it_waited_is_dropped(house: House) -> None:
    member = house.add("eye", max_age_s=1.0)
    house.submit("eye")
    house.wait(1.5)
    house.drain()
    assert house.outcomes["eye"] == []
    assert member.dropped["stale"] == 1
    check_counts(member)


def test_a_deadline_ends_it_with_the_best_so_far() -> None:
    clock = VirtualClock()
    house = House(clock=clock, stopwatch=clock.now_s)
    energies = [5.0, 3.0, 4.0, 2.0, 1.0]
    house.add(
        "eye",
        factory=scripted("eye", energies, house.clock, 0.01),
        deadline_s=0.035,
        max_age_s=1.0,
    )
    house.submit("eye")
    house.drain()
    _, outcome = house.outcomes["eye"][0]
    assert outcome.reason is HaltReason.DEADLINE
    assert outcome.trajectory.energies == (5.0, 3.0, 4.0)
    assert outcome.result == 2


def test_the_deadline_counts_from_the_capture(house: House) -> None:
    house.add("eye", down(9), deadline_s=0.5, max_age_s=1.0)
    house.wait(2.0)
    house.orchestrator.submit("eye", Seen(1.4))
    house.drain()
    _, outcome = house.outcomes["eye"][0]
    assert (outcome.reason, outcome.trajectory.steps) == (HaltReason.DEADLINE, 1)


def test_cancelling_delivers_the_best_so_far_and_drops_what_waits(house: House) -> None:
    member = house.add("eye", [3.0, 1.0, 2.0, 0.0])
    house.submit("eye", "first")
    for _ in range(3):
        house.step()
    house.submit("eye", "second")
    house.orchestrator.cancel("eye")
    house.drain()
    (observation, outcome) = house.outcomes["eye"][0]
    assert observation.what == "first"
    assert (outcome.reason, outcome.result) == (HaltReason.CANCELLED, 2)
    assert member.counts() == {"submitted": 2, "finished": 1, "cancelled": 1}


def test_cancelling_one_that_is_idle_does_nothing(house: House) -> None:
    member = house.add("eye")
    house.orchestrator.cancel("eye")
    assert member.counts() == {"submitted": 0, "finished": 0}


def test_grants_follow_trust_and_floors() -> None:
    house = House(OrchestratorConfig(policy="proportional"))
    house.add("liked", down(3))
    house.add("floored", down(3), floor_atp=100.0)
    for _ in range(40):
        house.orchestrator.trust.fail("floored")
    house.submit("liked")
    house.submit("floored")
    assert {house.step(), house.step()} == {"liked", "floored"}
    house.orchestrator.tick()
    granted = {
        name: member.running[0].account.meter.remaining_atp
        for name, member in house.orchestrator.members.items()
    }
    assert granted["liked"] == pytest.approx(400.0 * 0.5 / 0.55)
    assert granted["floored"] == pytest.approx(100.0 + 400.0 * 0.05 / 0.55)
    assert house.orchestrator.granted_atp == pytest.approx(500.0)


def test_freed_atp_reaches_a_running_plugin_before_its_next_step() -> None:
    """Its half of the lane, 50 ms, covers one step of 30 ms; with the freed half it is three."""
    house = House(OrchestratorConfig(policy="proportional"))
    house.add("long", down(3), 0.03)
    house.add("short", down(1), 0.001)
    house.submit("long")
    house.submit("short")
    assert house.step() == "long"
    (running,) = house.orchestrator.members["long"].running
    assert house.step() == "short"
    assert running.account.meter.remaining_atp == pytest.approx(345.0)
    house.drain()
    _, outcome = house.outcomes["long"][0]
    assert (outcome.reason, outcome.trajectory.steps) == (HaltReason.MAX_STEPS, 3)


def test_without_freed_atp_the_budget_ends_it() -> None:
    house = House(OrchestratorConfig(policy="equal"))
    house.add("long", down(3), 0.04)
    house.add("other", down(60), 0.001)
    house.submit("long")
    house.submit("other")
    house.drain()
    _, outcome = house.outcomes["long"][0]
    assert (outcome.reason, outcome.trajectory.steps) == (HaltReason.BUDGET, 1)
    assert outcome.result == 1


def test_a_tick_grants_anew(house: House) -> None:
    house.add("long", down(10), 0.04)
    house.submit("long")
    for _ in range(5):
        house.step()
        house.orchestrator.tick()
    assert house.outcomes["long"] == []
    spent = [event.spent_atp for event in house.told(Cycle)]
    assert spent == [pytest.approx(200.0)] * 5


def test_lanes_do_not_share(house: House) -> None:
    house.add("eye", down(9), 0.05)
    house.add("wheel", down(9), 0.01, lane="control")
    house.submit("eye")
    house.submit("wheel")
    assert house.step("control") == "wheel"
    assert house.step("perception") == "eye"
    for lane in LANES:
        assert house.orchestrator.lanes[lane].pool.granted_atp == pytest.approx(500.0)


def test_a_cycle_that_is_spent_begins_nothing(house: House) -> None:
    house.add("big", down(1), 0.06)
    house.add("other", down(2), 0.055)
    house.submit("other")
    house.drain()
    house.submit("big", "deferred")
    assert house.step() is None, "110 ms of 100 are spent"
    big = house.orchestrator.members["big"]
    assert big.waiting
    house.orchestrator.tick()
    assert house.step() == "big"
    check_counts(big)


def test_what_is_left_of_a_cycle_is_not_lost(house: House) -> None:
    """60 ms do not fit into the last 10, but nobody else wants them: 50 ms are a debt."""
    house.add("other", down(1), 0.09)
    house.add("big", down(1), 0.06)
    for name in ("other", "big"):
        house.submit(name)
        house.step()
    assert len(house.outcomes["big"]) == 1
    assert house.orchestrator.granted_atp <= 500.0 + 1e-6
    house.orchestrator.tick()
    house.submit("other")
    house.step()
    house.submit("other")
    assert house.step() is None, "the debt is not paid"


def test_one_that_needs_many_cycles_goes_on_in_the_next(house: House) -> None:
    house.add("long", down(9), 0.04)
    house.submit("long")
    for _ in range(3):
        assert house.drain()
        assert house.outcomes["long"] == []
        house.orchestrator.tick()
    house.drain()
    assert house.outcomes["long"][0][1].reason is HaltReason.MAX_STEPS


@pytest.mark.parametrize("newer", [True, False])
def test_the_budget_ends_one_that_gains_nothing_from_the_next_cycle(
    house: House, newer: bool
) -> None:
    house.add("long", down(9), 0.04, deadline_s=1.0 if newer else 0.15)
    house.submit("long")
    house.step()
    if newer:
        house.submit("long")
    else:
        house.wait(0.06)
    house.step()
    house.step()
    assert house.step() == "long"
    _, outcome = house.outcomes["long"][0]
    assert (outcome.reason, outcome.trajectory.steps) == (HaltReason.BUDGET, 3)


def test_a_newer_observation_takes_the_deferred_ones_place(house: House) -> None:
    house.add("big", down(1), 0.06)
    house.add("other", down(1), 0.1)
    house.submit("big")
    house.drain()
    house.orchestrator.tick()
    house.submit("other")
    house.drain()
    house.submit("big", "old")
    house.submit("big", "new")
    house.orchestrator.tick()
    house.drain()
    assert [seen.what for seen, _ in house.outcomes["big"]] == [None, "new"]
    check_counts(house.orchestrator.members["big"])


def test_one_dearer_than_a_whole_cycle_runs_beside_one_that_is_always_there(house: House) -> None:
    house.add("giant", down(1), 0.25)
    house.add("steady", down(4), 0.02, floor_atp=50.0)
    house.submit("giant")
    house.drain()
    for _ in range(100):
        house.wait(0.1)
        house.orchestrator.tick()
        for name in ("steady", "giant"):
            house.submit(name)
        house.step()
    giants, steadies = len(house.outcomes["giant"]), len(house.outcomes["steady"])
    assert giants >= 10, "the dear one starves"
    assert steadies >= 10, "the cheap one starves"


def test_a_due_answer_does_not_wait_behind_another_plugins_steps(house: House) -> None:
    house.add("due", down(9), 0.001, deadline_s=0.5)
    house.add("busy", down(9), 0.001)
    house.submit("due")
    house.submit("busy")
    assert [house.step(), house.step()] == ["due", "busy"]
    due = house.orchestrator.members["due"]
    due.profile.count = 99  # it never gained anything: its urgency is 0
    assert house.step() == "busy"
    house.wait(0.6)
    assert house.step() == "due"
    assert house.outcomes["due"][0][1].reason is HaltReason.DEADLINE


def test_a_cancelled_one_ends_before_another_steps(house: House) -> None:
    house.add("gone", down(9), 0.001)
    house.add("busy", down(9), 0.001)
    house.submit("gone")
    house.submit("busy")
    house.step()
    house.step()
    house.orchestrator.members["gone"].profile.count = 99
    house.orchestrator.cancel("gone")
    assert house.step() == "gone"
    assert house.outcomes["gone"][0][1].reason is HaltReason.CANCELLED


def test_telemetry_tells_the_whole_story(house: House) -> None:
    house.add("eye", down(2))
    house.submit("eye")
    house.drain()
    (finished,) = house.told(Finished)
    assert finished.plugin == "eye"
    assert finished.trajectory.energies == (2.0, 1.0)
    assert finished.spent_atp == pytest.approx(100.0)
    assert finished.granted_atp == pytest.approx(100.0)  # nobody else was there to have the rest
    assert finished.trust == house.orchestrator.trust.of("eye")
    assert house.told(Admitted)[0].refinement == finished.refinement


def test_what_is_wrong_is_said_at_once(house: House) -> None:
    house.add("eye", floor_atp=300.0)
    with pytest.raises(ConfigError, match=r"no plugin named 'ear'; registered are 'eye'"):
        house.submit("ear")
    with pytest.raises(ConfigError, match=r"unknown lane 'gpu'; lanes are 'perception', 'control'"):
        house.add("other", lane="gpu")
    with pytest.raises(ConfigError, match=r"'eye' is registered already"):
        house.add("eye")
    with pytest.raises(ConfigError, match=r"'nose'.*come to 600 ATP, a cycle grants it 500"):
        house.add("nose", floor_atp=300.0)
    assert list(house.orchestrator.members) == ["eye"]


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: OrchestratorConfig(cycle_s=0.0), r"cycle_s .*\[0.001, 10\] s, got 0.0"),
        (lambda: OrchestratorConfig(cycle_s=math.nan), r"cycle_s .*got nan"),
        (lambda: OrchestratorConfig(pool_atp=0.0), r"pool_atp .*\(0, 1000\], got 0.0"),
        (lambda: OrchestratorConfig(pool_atp=2000.0), r"pool_atp .*\(0, 1000\], got 2000.0"),
        (
            lambda: OrchestratorConfig(policy="fair"),
            r"greedy, proportional, equal, edf, got 'fair'",
        ),
        (lambda: OrchestratorConfig(lanes=()), r"at least one"),
        (lambda: OrchestratorConfig(lanes=("a", "a")), r"distinct.*'a', 'a'"),
        (lambda: PluginSettings("a", floor_atp=-1.0), r"floor_atp .*got -1.0"),
        (lambda: PluginSettings("a", max_age_s=0.0), r"max_age_s .*got 0.0"),
        (lambda: PluginSettings("a", overrun_s=math.nan), r"overrun_s .*got nan"),
        (lambda: PluginSettings("a", queue=0), r"queue .*\[1, 10000\], got 0"),
        (lambda: PluginSettings("a", batch_delay_s=-1.0), r"batch_delay_s .*got -1.0"),
        (lambda: PluginSettings("a", isolation="vm"), r"'thread' or 'process', got 'vm'"),
        (lambda: PluginSettings("a", deadline_s=0.0), r"deadline_s .*got 0.0"),
        (lambda: RestartPolicy(first_backoff_s=9.0), r"first_backoff_s .*=5.0\], got 9.0"),
        (lambda: RestartPolicy(most_failures=0), r"most_failures .*got 0"),
    ],
)
def test_settings_name_the_value_and_the_range(build: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        build()


NAMES = ("eye", "ear", "nose", "wheel")


class Interleaved(RuleBasedStateMachine):
    """Any order of submissions, steps that spend, overspend or fail, cancels, ticks and time."""

    @initialize(lanes=st.integers(1, 2))
    def begin(self, lanes: int) -> None:
        self.house = House(OrchestratorConfig(lanes=LANES[:lanes]))
        self.lanes = LANES[:lanes]
        self.next: tuple[float, Any] = (0.0, 1.0)
        watch = self.house.watch
        for number, name in enumerate(NAMES):
            self.house.add(
                name,
                factory=lambda name=name: Willing(name, watch, lambda step: self.next),
                lane=self.lanes[number % lanes],
                floor_atp=40.0 * number,
                deadline_s=0.3 if number % 2 else None,
                restart=RestartPolicy(0.1, 0.4, 3),
            )

    @property
    def orchestrator(self) -> HRMOrchestrator:
        return self.house.orchestrator

    @rule(name=st.sampled_from(NAMES), age_s=st.sampled_from((0.0, 0.2, 2.0)))
    def submit(self, name: str, age_s: float) -> None:
        self.orchestrator.submit(name, Seen(self.house.clock.now_s() - age_s))

    @rule(
        lane=st.integers(0, 1),
        cost_s=st.one_of(st.floats(0.0, 0.02), st.floats(0.0, 0.3)),
        energy=st.one_of(st.floats(-10.0, 10.0), st.just(math.nan), st.just(Broken("by chance"))),
    )
    def step(self, lane: int, cost_s: float, energy: Any) -> None:
        self.next = (cost_s, energy)
        self.house.step(self.lanes[lane % len(self.lanes)])

    @rule(name=st.sampled_from(NAMES))
    def cancel(self, name: str) -> None:
        self.orchestrator.cancel(name)

    @rule()
    def tick(self) -> None:
        self.orchestrator.tick()

    @rule(seconds=st.floats(0.0, 0.6))
    def wait(self, seconds: float) -> None:
        self.house.wait(seconds)

    @invariant()
    def books_balance(self) -> None:
        if not hasattr(self, "house"):
            return
        pool_atp = self.orchestrator.config.pool_atp
        assert self.orchestrator.granted_atp <= pool_atp + 1e-6
        for lane in self.orchestrator.lanes.values():
            assert lane.pool.granted_atp <= pool_atp / len(self.lanes) + 1e-6
        for member in self.orchestrator.members.values():
            check_counts(member)
            delivered = len(self.house.outcomes[member.name])
            assert delivered == member.finished
            assert 0.05 <= member.trust() <= 1.0

    def teardown(self) -> None:
        if not hasattr(self, "house"):
            return
        self.orchestrator.close()
        for member in self.orchestrator.members.values():
            assert not member.running
            assert not member.waiting
            check_counts(member)
        for lane in self.orchestrator.lanes.values():
            assert lane.jobs == []


Interleaved.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestInterleaved = Interleaved.TestCase
