"""Admission: what there is no room for is shed by salience and trust, and counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from orchestrator import LockStep, OrchestratorConfig, RestartPolicy
from sage.clock import VirtualClock
from sage.irp import ConfigError, HaltPolicy, HaltReason, IRPPlugin
from sage.telemetry import Dropped
from tests.doubles import INVARIANTS, Broken
from tests.orchestrator.doubles import House, Seen, Willing, check_counts


def known(house: House, **first_s: float) -> None:
    """Plugins of one step each whose cost is known already; a fresh cycle begins."""
    for name, cost_s in first_s.items():
        house.add(name, [1.0], cost_s, deadline_s=0.2, max_age_s=0.25)
        house.submit(name)
        house.drain()
        house.orchestrator.tick()


@pytest.fixture
def house() -> House:
    return House()


def full(house: House) -> None:
    """Nothing is left of this cycle, and 20 ms of the next are owed."""
    house.add("filler", [1.0], 0.12)
    house.submit("filler")
    house.drain()


def order(house: House) -> list[str]:
    """Whom the next cycle lets in, in that order."""
    house.wait(0.1)
    house.orchestrator.tick()
    return house.drain()


def test_the_most_salient_is_let_in_first(house: House) -> None:
    known(house, eye=0.045, ear=0.045, nose=0.045)
    full(house)
    for name, salience in (("eye", 0.2), ("ear", 0.9), ("nose", 0.5)):
        house.orchestrator.submit(name, Seen(house.clock.now_s()), salience=salience)
    assert house.drain() == []
    assert order(house) == ["ear", "nose"]


def test_the_most_trusted_is_let_in_first(house: House) -> None:
    known(house, eye=0.08, ear=0.08)
    for _ in range(5):
        house.orchestrator.trust.fail("eye")
    full(house)
    house.submit("eye")
    house.submit("ear")
    assert order(house) == ["ear"]


def test_what_found_no_room_before_its_deadline_is_shed_and_counted(house: House) -> None:
    known(house, eye=0.08, ear=0.08)
    full(house)
    house.orchestrator.submit("eye", Seen(house.clock.now_s()), salience=0.1)
    house.submit("ear")
    assert order(house) == ["ear"]
    house.wait(0.05)  # 0.15 s after the capture: 80 ms more would be too late
    assert house.step() is None
    eye = house.orchestrator.members["eye"]
    assert eye.dropped["shed"] == 1
    assert [event.reason for event in house.told(Dropped)] == ["shed"]
    check_counts(eye)


def test_one_whose_place_is_taken_while_there_is_no_room_is_shed(house: House) -> None:
    known(house, eye=0.06)
    full(house)
    house.submit("eye")
    assert house.step() is None
    house.submit("eye")
    assert house.orchestrator.members["eye"].dropped == {"shed": 1}


def test_nobody_is_turned_away_for_ever(house: House) -> None:
    known(house, eye=0.06, ear=0.06)
    for _ in range(20):
        house.orchestrator.trust.fail("eye")
    for _ in range(30):
        house.wait(0.1)
        for name in ("eye", "ear"):
            house.submit(name)
        house.orchestrator.tick()
        house.drain()
    eye, ear = (len(house.outcomes[name]) for name in ("eye", "ear"))
    assert 2 <= eye < ear


def test_control_is_never_shed(house: House) -> None:
    known(house, eye=0.02)
    house.add("wheel", [1.0], 0.03, essential=True, deadline_s=0.05)
    house.submit("wheel")
    house.drain()
    for _ in range(20):
        house.wait(0.05)
        house.orchestrator.tick()
        for _ in range(9):
            house.submit("eye")
            house.drain()
        for _ in range(3):
            house.orchestrator.submit("wheel", Seen(house.clock.now_s()), salience=0.0)
            house.drain()
    wheel, eye = (house.orchestrator.members[name] for name in ("wheel", "eye"))
    assert wheel.dropped == {}
    assert wheel.finished == 61
    assert eye.dropped["shed"] > 20, "there was room for both?"


def test_its_room_is_kept_for_it(house: House) -> None:
    house.add("wheel", [1.0], 0.03, essential=True)
    house.submit("wheel")
    house.drain()
    house.add("eye", [float(9 - step) for step in range(9)], 0.02)
    house.wait(0.1)
    house.orchestrator.tick()
    house.submit("eye")
    house.drain()
    (running,) = house.orchestrator.members["eye"].running
    assert len(running.refinement.energies) == 4, "70 ms are begun, not 100"
    house.submit("wheel")
    house.drain()
    assert house.orchestrator.granted_atp <= 500.0 + 1e-6
    assert len(house.outcomes["wheel"]) == 2


def test_a_queue_keeps_so_many_and_the_oldest_goes(house: House) -> None:
    house.add("ear", [1.0], queue=3)
    for what in range(6):
        house.submit("ear", what)
    house.drain()
    assert [seen.what for seen, _ in house.outcomes["ear"]] == [3, 4, 5]
    assert house.orchestrator.members["ear"].counts() == {
        "submitted": 6,
        "finished": 3,
        "superseded": 3,
    }


@pytest.mark.parametrize("salience", [-0.1, 1.1, float("nan")])
def test_salience_lies_between_0_and_1(house: House, salience: float) -> None:
    house.add("eye")
    with pytest.raises(ConfigError, match=r"salience must lie in \[0, 1\], got"):
        house.orchestrator.submit("eye", Seen(0.0), salience=salience)


class Together(IRPPlugin[float, float]):
    """Three steps; notes how many were stepped at once."""

    name = "together"
    invariants = INVARIANTS
    halting = HaltPolicy(max_steps=3, slope_eps=0.0)

    def __init__(self, house: House) -> None:
        self.batches: list[int] = []
        self._watch = house.watch

    def init_state(self, observation: Any, context: Any) -> float:
        return 10.0 * (1 + observation.what)

    def step(self, state: float) -> float:
        return self.step_batch([state])[0]

    def step_batch(self, states: Sequence[float]) -> Sequence[float]:
        self.batches.append(len(states))
        self._watch.advance_to(self._watch.now_s() + 0.002)
        return [state - 1.0 for state in states]

    def energy(self, state: float) -> float:
        return state

    def result(self, state: float) -> float:
        return state


def batching(house: House, **settings: Any) -> Together:
    plugin = Together(house)
    house.add("together", factory=lambda: plugin, queue=99, **settings)
    return plugin


def test_refinements_of_one_plugin_step_together(house: House) -> None:
    plugin = batching(house, most_running=4)
    for what in range(6):
        house.submit("together", what)
    house.step()
    assert len(house.orchestrator.members["together"].running) == 4
    house.drain()
    assert plugin.batches[:3] == [4, 4, 4]
    assert sum(plugin.batches) == 18
    found = {seen.what: outcome.result for seen, outcome in house.outcomes["together"]}
    assert found == {what: 10.0 * (1 + what) - 3.0 for what in range(6)}
    costs = [sum(outcome.trajectory.costs_s) for _, outcome in house.outcomes["together"][:4]]
    assert costs == [pytest.approx(3 * 0.002 / 4)] * 4
    check_counts(house.orchestrator.members["together"])


def test_one_at_a_time_is_the_default(house: House) -> None:
    plugin = batching(house)
    for what in range(3):
        house.submit("together", what)
    house.drain()
    assert set(plugin.batches) == {1}


def test_a_first_step_waits_for_company_as_long_as_it_was_told(house: House) -> None:
    plugin = batching(house, most_running=3, batch_delay_s=0.02)
    house.submit("together", 0)
    assert house.step() is None
    house.wait(0.01)
    house.submit("together", 1)
    assert house.step() is None
    house.wait(0.011)
    house.drain()
    assert plugin.batches == [2, 2, 2]
    for what in range(3):
        house.submit("together", what)
    assert house.step() == "together", "they are complete: what for should they wait?"


def test_others_step_while_it_waits_for_company(house: House) -> None:
    batching(house, most_running=3, batch_delay_s=0.02)
    house.add("eye", [2.0, 1.0])
    house.submit("together", 0)
    house.submit("eye")
    assert house.drain() == ["eye", "eye"]


def test_profiles_are_kept_between_runs(tmp_path: Any) -> None:
    from orchestrator import HRMOrchestrator, PluginSettings
    from tests.orchestrator.doubles import scripted

    path = tmp_path / "profiles.json"
    first = House()
    for _ in range(2):
        orchestrator = HRMOrchestrator(
            OrchestratorConfig(), clock=first.clock, stopwatch=first.watch.now_s, profiles=path
        )
        member = orchestrator.register(
            scripted("eye", [3.0, 1.0, 0.5], first.watch, 0.01), PluginSettings("perception")
        )
        orchestrator.submit("eye", Seen(0.0))
        lane = orchestrator.lanes["perception"]
        lane.take_in()
        while (job := lane.choose()) is not None:
            from orchestrator.lane import step

            lane.settle(step(lane.company(job), first.watch.now_s))
        orchestrator.close()
    assert member.profile.count == 2
    assert member.profile.gain_per_s([3.0]) == pytest.approx(0.8 / 0.01)


def test_what_begins_anew_waits_where_its_worst_first_step_does_not_fit_its_share() -> None:
    """Of a cycle's 100 ms it and another had 20 each; its first step takes 10, at worst 50."""
    house = House(OrchestratorConfig(policy="equal"))
    costs_s = iter([0.05, *[0.01] * 5, 0.02, 0.01])
    house.add("jumpy", factory=lambda: Once(house, "jumpy", costs_s))
    for _ in range(6):
        house.submit("jumpy")
        house.drain()
        house.orchestrator.tick()
    house.add("steady", [float(99 - step) for step in range(99)], 0.01)
    for name in ("jumpy", "steady"):
        house.submit(name)
    assert {house.step(), house.step()} == {"jumpy", "steady"}
    assert house.step() == "steady"
    house.submit("jumpy")
    assert house.step() == "steady"
    assert house.orchestrator.members["jumpy"].waiting
    house.orchestrator.tick()
    assert house.step() == "jumpy"


class Once(Willing):
    """One step; each costs the next of ``costs_s``."""

    halting = HaltPolicy(max_steps=1)

    def __init__(self, house: House, name: str, costs_s: Iterator[float]) -> None:
        super().__init__(name, house.watch, lambda step: (next(costs_s), 1.0))


def test_what_is_essential_begins_before_what_is_worth_more(house: House) -> None:
    house.add("eye", [1.0], 0.001)
    house.add("wheel", [1.0], 0.03, essential=True)
    for _ in range(9):
        house.orchestrator.trust.fail("wheel")
    house.submit("eye")
    house.orchestrator.submit("wheel", Seen(0.0), salience=0.0)
    assert house.drain() == ["wheel", "eye"]


class LockStepped:
    """Lock-step runs in which something is offered at each sample, in virtual time."""

    def __init__(self, **config: Any) -> None:
        self.house = House(OrchestratorConfig(**config))
        self.ended: list[tuple[str, float, Any]] = []
        self.samples = 0

    def add(self, name: str, **settings: Any) -> None:
        member = self.house.add(name, **settings)
        member.on_result = lambda seen, outcome: self.ended.append(
            (name, self.house.clock.now_s() - seen.captured_s, outcome)
        )

    def run(self, until_s: float, offer: Callable[[int], None], sample_s: float = 0.01) -> None:
        def advance(dt_s: float) -> None:
            self.now_s += dt_s
            while self.samples <= int(self.now_s / sample_s + 1e-6):
                offer(self.samples)
                self.samples += 1

        self.now_s = self.house.clock.now_s()
        driver = LockStep(self.house.orchestrator, self.house.clock, advance, sample_s=sample_s)
        driver.run_until(until_s)

    def submit(self, name: str, what: Any = None, **options: Any) -> None:
        self.house.orchestrator.submit(name, Seen(self.now_s, what), **options)

    def ages_s(self, name: str) -> list[float]:
        return [age_s for ended, age_s, _ in self.ended if ended == name]


class Batching(Willing):
    """Its batches cost what their steps cost one by one; fails where its observation says so."""

    name = "batching"

    def __init__(self, house: House, cost_s: float, steps: int) -> None:
        super().__init__("batching", house.watch, lambda step: (cost_s, -float(step)))
        self.halting = HaltPolicy(max_steps=steps, slope_eps=0.0, window=1000)

    def init_state(self, observation: Any, context: Any) -> Any:
        if observation.what == "broken":
            raise Broken("as it was told")
        return super().init_state(observation, context)

    def step_batch(self, states: Sequence[Any]) -> Sequence[Any]:
        return [self.step(state) for state in states]


def test_a_batch_makes_no_other_plugins_answer_late() -> None:
    """30 that wait would take 60 ms together, and it was never seen that they do."""
    clock = VirtualClock()
    house = House(clock=clock, watch=clock)
    house.add("batching", factory=lambda: Batching(house, 0.002, 3), queue=64, most_running=32)
    answered_s: list[float] = []
    due = house.add("due", [3.0, 2.0, 1.0], 0.002, deadline_s=0.03)
    due.on_result = lambda seen, outcome: answered_s.append(clock.now_s() - seen.captured_s)
    for name in ("batching", "due"):
        house.submit(name)
        house.drain()
        house.orchestrator.tick()
    house.submit("due")
    assert house.step() == "due"
    for _ in range(30):
        house.submit("batching")
    assert house.step() == "batching", "there is time for some"
    house.drain()
    assert len(answered_s) == 2
    assert max(answered_s) <= 0.03 + 1e-9
    assert len(house.outcomes["batching"]) > 10


def test_what_is_never_its_turn_answers_with_what_it_has() -> None:
    """Its lane has always something better to do, and it has no deadline of its own."""
    run = LockStepped(lanes=("perception",))
    run.add("low", energies=[float(-step) for step in range(20)], later_worth=0.01)
    run.add("busy", queue=4)

    def offer(sample: int) -> None:
        if sample == 0:
            run.submit("low")
        for _ in range(2):
            run.submit("busy")

    run.run(2.0, offer)
    assert len(run.ages_s("low")) == 1
    assert 0.5 < run.ages_s("low")[0] < 1.5
    ((_, _, outcome),) = [entry for entry in run.ended if entry[0] == "low"]
    assert outcome.answered
    assert outcome.trajectory.steps < 20


@pytest.mark.parametrize(("salience", "at_least"), [(0.8, 30), (0.01, 12)])
def test_the_least_salient_has_its_turn_when_it_was_passed_over_often(
    salience: float, at_least: int
) -> None:
    """Each cycle raises its rank: of 200 it has some in three, and whatever it is, in eleven."""
    run = LockStepped(lanes=("perception",))
    run.add("busy", queue=4)
    run.add("low")

    def offer(sample: int) -> None:
        for _ in range(2):
            run.submit("busy")
        run.submit("low", salience=salience)

    run.run(20.0, offer)
    low, busy = len(run.ages_s("low")), len(run.ages_s("busy"))
    assert at_least <= low < busy / 10
    check_counts(run.house.orchestrator.members["low"])


def test_those_from_before_a_restart_step_apart_from_those_after_it() -> None:
    run = LockStepped(lanes=("perception",))
    house = run.house
    made: list[Batching] = []

    def factory() -> Batching:
        made.append(Batching(house, 0.005, 60))
        return made[-1]

    run.add(
        "batching",
        factory=factory,
        queue=8,
        most_running=8,
        max_age_s=5.0,
        restart=RestartPolicy(0.05, 0.05, 5),
    )

    def offer(sample: int) -> None:
        if sample in (0, 1, 20):
            run.submit("batching")
        if sample == 3:
            run.submit("batching", "broken")

    run.run(3.0, offer)
    assert len(made) == 2
    ended = [(outcome.reason, outcome.trajectory.steps) for _, _, outcome in run.ended]
    assert ended == [(HaltReason.FAILED, 0), *[(HaltReason.MAX_STEPS, 60)] * 3]
    assert house.orchestrator.members["batching"].supervisor.failures == 1
