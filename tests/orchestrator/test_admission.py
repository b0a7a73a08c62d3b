"""Admission: what there is no room for is shed by salience and trust, and counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from orchestrator import OrchestratorConfig
from sage.irp import ConfigError, HaltPolicy, IRPPlugin
from sage.telemetry import Dropped
from tests.doubles import INVARIANTS
from tests.orchestrator.doubles import House, Seen, check_counts


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


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"eye": {}}', '{"eye": {"count": -1}}', '{"eye": NaN}']
)
def test_profiles_that_cannot_be_read_are_set_aside(tmp_path: Any, text: str) -> None:
    from orchestrator.profile import ProfileBook

    path = tmp_path / "profiles.json"
    path.write_text(text)
    assert ProfileBook(path).of("eye").count == 0
    assert (tmp_path / "profiles.corrupt").read_text() == text
