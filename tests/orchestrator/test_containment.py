"""Containment: one plugin fails, the others go on, and it comes back or stays out."""

from __future__ import annotations

import logging
import math
from typing import Any

import pytest

from orchestrator import HealthState, RestartPolicy
from orchestrator.member import Member
from orchestrator.supervisor import Supervisor
from sage.irp import HaltReason, IRPPlugin, PluginError
from sage.telemetry import Finished, Health
from tests.doubles import Broken
from tests.orchestrator.doubles import House, Willing, check_counts, scripted

POLICY = RestartPolicy(first_backoff_s=0.2, longest_backoff_s=0.5, most_failures=4)


@pytest.fixture
def house() -> House:
    return House()


class Moody:
    """A factory and a plugin that fail on demand."""

    def __init__(self, house: House, **settings: Any) -> None:
        self.house = house
        self.energy: Any = 1.0
        self.factory_error: Exception | None = None
        self.made = 0
        self.member: Member = house.add("moody", factory=self._make, restart=POLICY, **settings)

    def _make(self) -> IRPPlugin[Any, Any]:
        if self.factory_error is not None:
            raise self.factory_error
        self.made += 1
        return Willing("moody", self.house.watch, self._will)

    def _will(self, step: int) -> tuple[float, Any]:
        return 0.001, self.energy

    @property
    def state(self) -> HealthState:
        return self.member.supervisor.state

    def fail(self) -> None:
        """Submit, and fail at the first step."""
        self.energy = Broken("out of tune")
        self.house.submit("moody")
        self.house.drain()

    def succeed(self) -> None:
        """Submit, make one good step, and let it be cancelled."""
        self.energy = 1.0
        self.house.submit("moody")
        self.house.step()
        self.house.orchestrator.cancel("moody")
        self.house.drain()

    def resume(self) -> float:
        """Tick until it is back; says how long that took, to the hundredth below."""
        began_s = self.house.clock.now_s()
        while self.state is HealthState.BACKING_OFF:
            self.house.wait(0.01)
            self.house.orchestrator.tick()
        return round(self.house.clock.now_s() - began_s - 0.004, 2)


@pytest.fixture
def moody(house: House) -> Moody:
    return Moody(house)


@pytest.mark.parametrize("energy", [Broken("no"), math.nan, math.inf, -math.inf, "three", None])
def test_a_failing_step_is_contained_and_the_others_go_on(house: House, energy: Any) -> None:
    broken = house.add("broken", [energy], 0.02)
    house.add("sound", [2.0, 1.0])
    house.submit("broken")
    house.submit("sound")
    house.drain()
    _, outcome = house.outcomes["broken"][0]
    assert (outcome.reason, outcome.answered) == (HaltReason.FAILED, False)
    assert house.outcomes["sound"][0][1].result == 2
    assert broken.trust() == pytest.approx(0.4)
    assert broken.supervisor.state is HealthState.BACKING_OFF
    assert house.told(Finished)[0].spent_atp == pytest.approx(100.0), "the failed step was free"
    assert house.orchestrator.granted_atp <= 500.0 + 1e-6
    check_counts(broken)


def test_a_failure_half_way_keeps_the_answer_so_far(house: House) -> None:
    house.add("broken", [3.0, 1.0, Broken("late"), 0.0])
    house.submit("broken")
    house.drain()
    _, outcome = house.outcomes["broken"][0]
    assert (outcome.reason, outcome.result) == (HaltReason.FAILED, 2)


def test_it_waits_comes_back_new_and_works_again(moody: Moody) -> None:
    moody.fail()
    assert moody.state is HealthState.BACKING_OFF
    moody.house.submit("moody")
    assert moody.member.dropped["backing_off"] == 1
    assert moody.resume() == 0.2
    assert moody.made == 2
    moody.succeed()
    assert moody.house.outcomes["moody"][-1][1].result == 1
    assert [event.state for event in moody.house.told(Health)] == ["backing_off", "active"]
    assert "out of tune" in moody.house.told(Health)[0].detail
    check_counts(moody.member)


def test_what_waited_when_it_failed_is_dropped(moody: Moody) -> None:
    moody.house.submit("moody", "first")
    moody.house.step()
    moody.house.submit("moody", "second")
    moody.energy = math.nan
    moody.house.drain()
    assert moody.member.counts() == {"submitted": 2, "finished": 1, "backing_off": 1}


def test_the_wait_doubles_up_to_its_limit_then_it_is_quarantined(moody: Moody) -> None:
    waits_s = []
    for _ in range(3):
        moody.fail()
        waits_s.append(moody.resume())
    assert waits_s == [0.2, 0.4, 0.5]
    moody.fail()
    assert moody.state is HealthState.QUARANTINED
    for _ in range(100):
        moody.house.wait(1.0)
        moody.house.orchestrator.tick()
    assert moody.state is HealthState.QUARANTINED
    assert moody.made == 4
    moody.house.submit("moody")
    assert moody.member.dropped["quarantined"] == 1
    assert moody.house.told(Health)[-1].state == "quarantined"
    check_counts(moody.member)


def test_a_success_clears_the_row(moody: Moody) -> None:
    for _ in range(3):
        moody.fail()
        moody.resume()
    moody.succeed()
    moody.fail()
    assert moody.state is HealthState.BACKING_OFF
    assert moody.resume() == 0.2


def test_being_cancelled_before_the_first_step_is_no_success(moody: Moody) -> None:
    for _ in range(3):
        moody.fail()
        moody.resume()
    moody.house.submit("moody")
    moody.house.orchestrator.cancel("moody")
    moody.house.drain()
    moody.fail()
    assert moody.state is HealthState.QUARANTINED


def test_a_factory_that_raises_is_one_more_failure(moody: Moody) -> None:
    moody.fail()
    trust = moody.member.trust()
    moody.factory_error = Broken("no weights")
    moody.house.wait(0.3)
    moody.house.orchestrator.tick()
    assert moody.state is HealthState.BACKING_OFF
    assert moody.member.trust() < trust
    assert moody.house.told(Health)[-1].detail == "restart: no weights"
    moody.factory_error = None
    assert moody.resume() == 0.4
    assert moody.made == 2
    moody.succeed()
    assert moody.member.supervisor.failures_in_row == 0


def test_a_factory_that_always_raises_ends_in_quarantine(moody: Moody) -> None:
    moody.fail()
    moody.factory_error = Broken("no weights")
    moody.resume()
    assert moody.state is HealthState.QUARANTINED
    assert moody.member.supervisor.failures == 4


def test_a_factory_that_raises_at_first_is_not_registered(house: House) -> None:
    def factory() -> IRPPlugin[Any, Any]:
        raise Broken("no weights")

    with pytest.raises(PluginError, match="Broken: no weights"):
        house.add("moody", factory=factory)
    assert house.orchestrator.members == {}


def test_what_is_no_plugin_is_not_registered(house: House) -> None:
    with pytest.raises(PluginError, match="object is no plugin"):
        house.add("thing", factory=object)
    assert house.orchestrator.members == {}


def test_what_takes_the_results_may_raise(house: House, caplog: pytest.LogCaptureFixture) -> None:
    taken = []

    def take(observation: Any, outcome: Any) -> None:
        taken.append(outcome.result)
        raise Broken("cannot take it")

    member = house.add("eye")
    member.on_result = take
    house.add("ear")
    with caplog.at_level(logging.ERROR):
        for name in ("eye", "eye", "ear"):
            house.submit(name)
            house.drain()
    assert taken == [1, 1]
    assert len(house.outcomes["ear"]) == 1
    assert "results of plugin 'eye' raised" in caplog.text
    assert member.supervisor.state is HealthState.ACTIVE
    check_counts(member)


def test_what_acts_at_a_tick_may_raise(house: House, caplog: pytest.LogCaptureFixture) -> None:
    acted: list[int] = []

    def act() -> None:
        raise Broken("at a tick")

    house.orchestrator.on_tick(act)
    house.orchestrator.on_tick(lambda: acted.append(1))
    with caplog.at_level(logging.ERROR):
        house.orchestrator.tick()
    assert acted == [1]
    assert house.orchestrator.cycles == 1
    assert "raised at a tick" in caplog.text


def test_a_result_may_submit_the_next_observation(house: House) -> None:
    member = house.add("eye")
    member.on_result = lambda seen, outcome: seen.what and house.submit("eye", seen.what - 1)
    house.submit("eye", 3)
    assert house.drain() == ["eye"] * 4
    check_counts(member)


def test_a_long_row_of_failures_keeps_its_longest_wait() -> None:
    supervisor = Supervisor(RestartPolicy(0.2, 5.0, most_failures=10**9))
    for _ in range(5000):
        supervisor.failed(100.0)
    assert supervisor.resumes_s == 105.0


def test_one_that_is_being_made_is_not_due_again() -> None:
    supervisor = Supervisor(RestartPolicy())
    supervisor.failed(0.0)
    assert not supervisor.due(0.1)
    assert supervisor.due(0.2)
    supervisor.restarting()
    assert not supervisor.due(1e9)


def test_each_restart_makes_a_new_plugin(house: House) -> None:
    made = []

    def factory() -> IRPPlugin[Any, Any]:
        made.append(scripted("eye", [Broken("no")], house.watch)())
        return made[-1]

    member = house.add("eye", factory=factory)
    house.submit("eye")
    house.drain()
    house.wait(1.0)
    house.orchestrator.tick()
    assert member.plugin is made[1]
    assert member.plugin is not made[0]
