"""Plugins in processes of their own, run by the orchestrator in real time: nobody else notices."""

from __future__ import annotations

import re
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from orchestrator import HealthState, HRMOrchestrator, PluginSettings, RestartPolicy
from orchestrator.isolation import IsolatedPlugin
from orchestrator.member import Member
from sage.irp import HaltReason, Outcome, PluginError
from sage.telemetry import Admitted, Event, Finished, Health
from tests.orchestrator.doubles import ATP_PER_S, check_counts
from tests.orchestrator.isolation.plugins import Darken, Glance
from tests.orchestrator.isolation.test_process import gone

PATIENCE_S = 20.0
QUICK = RestartPolicy(0.01, 0.01, 5)
HUNG_S = 0.3
"""Long enough for an ordinary step on a busy machine, short enough to wait for."""


class Beside(Darken):
    """The same plugin on the lane's own thread."""

    name = "beside"


class Live:
    """An orchestrator that is ticked from a thread of its own, and what its plugins answered."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.orchestrator = HRMOrchestrator(emit=self.events.append)
        self.seen: dict[str, list[Glance]] = {}
        self.outcomes: dict[str, list[Outcome[Any]]] = {}
        self._ended = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)

    def _tick(self) -> None:
        while not self._ended.wait(self.orchestrator.config.cycle_s):
            self.orchestrator.tick()

    def start(self) -> None:
        self.orchestrator.start()
        self._ticker.start()

    def end(self) -> None:
        self._ended.set()
        if self._ticker.is_alive():
            self._ticker.join(PATIENCE_S)
        self.orchestrator.close()

    def add(
        self, factory: Callable[[], Darken] = Darken, isolation: str = "process", **settings: Any
    ) -> Member:
        seen: list[Any] = []
        told: list[Outcome[Any]] = []

        def take(observation: Any, outcome: Outcome[Any]) -> None:
            seen.append(observation)
            told.append(outcome)

        options = {"max_age_s": PATIENCE_S, "restart": QUICK, **settings}
        member = self.orchestrator.register(
            factory,
            PluginSettings("perception", isolation=isolation, **options),  # type: ignore[arg-type]
            take,
        )
        self.seen[member.name], self.outcomes[member.name] = seen, told
        return member

    def submit(
        self, name: str = "darken", fails: str = "", at_step: int = 0, value: int = 9
    ) -> None:
        picture = np.full((4, 4), value, np.uint8)
        now_s = self.orchestrator.clock.now_s()
        self.orchestrator.submit(name, Glance(now_s, picture, fails, at_step))

    def outcome(self, name: str = "darken", number: int = 1) -> Outcome[Any]:
        """The so-manieth that came."""
        told = self.outcomes[name]
        until(lambda: len(told) >= number)
        return told[number - 1]

    def works_again(self, member: Member) -> Outcome[Any]:
        """Once it was restarted, its next answer."""
        until(lambda: member.supervisor.state is HealthState.ACTIVE)
        number = len(self.outcomes[member.name]) + 1
        self.submit(member.name)
        outcome = self.outcome(member.name, number)
        assert outcome.reason is HaltReason.MAX_STEPS, outcome.error
        return outcome


def until(holds: Callable[[], bool]) -> None:
    ends_s = time.perf_counter() + PATIENCE_S
    while not holds():
        assert time.perf_counter() < ends_s, "it never came to that"
        time.sleep(0.002)


def answer(outcome: Outcome[Any]) -> Any:
    assert outcome.answered
    return outcome.result


def pid(member: Member) -> int:
    assert isinstance(member.plugin, IsolatedPlugin)
    return member.plugin.pid


@pytest.fixture
def live() -> Iterator[Live]:
    live = Live()
    yield live
    processes = [
        member.plugin.pid
        for member in live.orchestrator.members.values()
        if isinstance(member.plugin, IsolatedPlugin)
    ]
    live.end()
    for process in processes:
        assert gone(process), "its process outlived the orchestrator"


def test_it_answers_as_it_does_on_the_lanes_own_thread(live: Live) -> None:
    member = live.add(overrun_s=PATIENCE_S)
    live.add(Beside, "thread")
    live.start()
    for number, value in enumerate((3, 9, 200), 1):
        for name in ("darken", "beside"):
            live.submit(name, value=value)
        there, here = live.outcome("darken", number), live.outcome("beside", number)
        assert there.answered
        assert here.answered
        assert there.reason is here.reason
        assert there.trajectory.energies == here.trajectory.energies
        assert np.array_equal(answer(there).picture, answer(here).picture)
        assert answer(there).pid == pid(member) != answer(here).pid
    check_counts(member)


@pytest.mark.parametrize(
    ("how", "said"),
    [("hang", "took longer than 0.1 s and its process was killed"), ("crash", "SIGSEGV")],
)
def test_a_step_that_goes_wrong_takes_its_process_and_nothing_else(
    how: str, said: str, live: Live
) -> None:
    """With the limit that it has by default: 0.1 s, or a cycle."""
    member = live.add(restart=RestartPolicy(0.3, 0.3, 5))
    live.start()
    first = pid(member)
    began_s = time.perf_counter()
    live.submit(fails=how, at_step=2)
    outcome = live.outcome()
    took_s = time.perf_counter() - began_s
    assert (outcome.reason, outcome.answered) == (HaltReason.FAILED, True)
    assert answer(outcome).steps == 2, "the best so far is lost"
    assert isinstance(outcome.error, PluginError)
    assert re.search(said, str(outcome.error))
    assert member.supervisor.state is HealthState.BACKING_OFF
    live.submit()
    assert member.dropped["backing_off"] == 1
    assert gone(first)
    if how == "hang":
        assert 0.1 <= took_s < 1.5, "a cycle, a tick, and what a busy machine adds"

    assert answer(live.works_again(member)).pid == pid(member) != first
    told = [event.state for event in live.events if isinstance(event, Health)]
    assert told == ["backing_off", "active"]
    assert live.orchestrator.abandoned == 0, "no thread was given up"
    check_counts(member)


def test_without_a_step_that_ended_there_is_no_answer(live: Live) -> None:
    member = live.add(overrun_s=HUNG_S)
    live.start()
    live.submit(fails="crash")
    outcome = live.outcome()
    assert (outcome.reason, outcome.answered, outcome.result) == (HaltReason.FAILED, False, None)
    assert live.works_again(member).answered


def test_a_step_that_is_killed_costs_its_lane_nothing(live: Live) -> None:
    live.add(overrun_s=HUNG_S)
    live.start()
    live.submit(fails="hang", at_step=2)
    trajectory = live.outcome().trajectory
    until(lambda: any(isinstance(event, Finished) for event in live.events))
    (finished,) = [event for event in live.events if isinstance(event, Finished)]
    cost_s = sum(trajectory.costs_s) + trajectory.result_cost_s
    assert finished.spent_atp == pytest.approx(cost_s * ATP_PER_S)
    assert (len(trajectory.costs_s), trajectory.failed_step_cost_s) == (2, 0.0)


@pytest.mark.parametrize("how", ["hang", "lock"])
def test_others_on_its_lane_go_on_while_it_hangs(how: str, live: Live) -> None:
    """A loop in C that keeps the interpreter's lock would stop every thread of this process."""
    hung_s = 0.6
    member = live.add(overrun_s=hung_s)
    live.add(Beside, "thread")
    live.start()
    live.submit("beside")
    live.outcome("beside")
    live.submit(fails=how, at_step=1)
    until(lambda: bool(member.running) and bool(member.running[0].refinement.energies))
    waited_s = []
    while not live.outcomes["darken"]:
        began_s = time.perf_counter()
        number = len(live.outcomes["beside"]) + 1
        live.submit("beside")
        assert live.outcome("beside", number).reason is HaltReason.MAX_STEPS
        waited_s.append(time.perf_counter() - began_s)
    assert len(waited_s) >= 10
    assert statistics.median(waited_s) < 0.03
    assert max(waited_s) < 0.6 * hung_s, "one had to wait until it was killed"
    assert live.outcome().reason is HaltReason.FAILED


def test_it_is_quarantined_in_the_end_and_its_process_is_gone(live: Live) -> None:
    member = live.add(restart=RestartPolicy(0.01, 0.01, 3), overrun_s=5.0)
    live.start()
    processes = []
    for number in range(1, 4):
        until(lambda: member.supervisor.state is HealthState.ACTIVE)
        processes.append(pid(member))
        live.submit(fails="raise", at_step=1)  # its process lives on
        live.outcome(number=number)
    until(lambda: member.supervisor.state is HealthState.QUARANTINED)
    assert len(set(processes)) == 3
    assert all(map(gone, processes))
    assert isinstance(member.plugin, IsolatedPlugin)
    assert not member.plugin.alive
    live.submit()
    assert member.counts() == {"submitted": 4, "finished": 3, "quarantined": 1}


def test_closing_while_a_step_hangs_leaves_no_process(live: Live) -> None:
    member = live.add(overrun_s=600.0)
    live.start()
    live.submit(fails="hang", at_step=1)
    until(lambda: bool(member.running) and bool(member.running[0].refinement.energies))
    process = pid(member)
    began_s = time.perf_counter()
    live.orchestrator.close(timeout_s=0.1)
    assert time.perf_counter() - began_s < 5.0
    assert gone(process)
    outcome = live.outcome()
    assert outcome.answered
    assert answer(outcome).steps == 1
    assert member.counts() == {"submitted": 1, "finished": 1}
    assert not member.running
    names = [thread.name for thread in threading.enumerate()]
    assert "plugin-darken" not in names


def test_closing_while_it_is_made_anew_leaves_no_process(live: Live) -> None:
    member = live.add(overrun_s=5.0)
    live.start()
    live.submit(fails="crash")
    live.outcome()
    live.orchestrator.close()
    assert isinstance(member.plugin, IsolatedPlugin)
    assert gone(pid(member))
    assert not [t for t in threading.enumerate() if t.name == "restart-darken"]


def test_its_memory_is_limited(live: Live) -> None:
    """Where it is not, it takes all that there is until it is killed for the time it took."""
    member = live.add(memory_mb=16, overrun_s=1.0)
    live.start()
    live.submit(fails="memory", at_step=1)
    outcome = live.outcome()
    assert "MemoryError" in str(outcome.error)
    assert answer(outcome).steps == 1
    assert live.works_again(member).answered


def most_at_once(events: list[Event]) -> int:
    running = most = 0
    for event in events:
        running += isinstance(event, Admitted) - isinstance(event, Finished)
        most = max(most, running)
    return most


def test_several_of_its_refinements_run_at_once(live: Live) -> None:
    member = live.add(most_running=3, queue=3, overrun_s=PATIENCE_S)
    live.start()
    with member.lock:  # its lane finds all of them at once
        for value in (20, 30, 40):
            live.submit(value=value)
    live.outcome(number=3)
    values = set()
    for observation, outcome in zip(live.seen["darken"], live.outcomes["darken"], strict=True):
        value = int(observation.picture[0, 0])
        assert (answer(outcome).picture == value - answer(outcome).steps).all()
        values.add(value)
    assert values == {20, 30, 40}
    assert most_at_once(live.events) == 3
    assert member.counts() == {"submitted": 3, "finished": 3}


def test_what_kills_several_at_once_is_one_failure(live: Live) -> None:
    member = live.add(most_running=3, queue=3, overrun_s=5.0, restart=RestartPolicy(0.3, 0.3, 2))
    live.start()
    with member.lock:
        for _ in range(3):
            live.submit(fails="crash")
    live.outcome(number=3)
    assert [outcome.reason for outcome in live.outcomes["darken"]] == [HaltReason.FAILED] * 3
    assert member.supervisor.failures == 1
    assert live.works_again(member).answered
    check_counts(member)
