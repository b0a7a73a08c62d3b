"""Lanes in real threads: who is bound when, batches, policies that raise, the switch interval."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from orchestrator import HRMOrchestrator, PluginSettings
from orchestrator.lane import Job
from orchestrator.policy import Claim, Greedy
from orchestrator.worker import Runner
from sage.irp import Context, HaltPolicy, HaltReason, IRPPlugin, Outcome
from tests.doubles import INVARIANTS
from tests.orchestrator.doubles import Seen, check_counts

PATIENCE_S = 20.0


class Noting(IRPPlugin[int, int]):
    """Notes each of its steps, and calls ``act`` in it."""

    invariants = INVARIANTS

    def __init__(
        self,
        name: str,
        notes: list[str],
        act: Callable[[int], None] = lambda step: None,
        steps: int = 1,
    ) -> None:
        self.name = name  # type: ignore[misc]
        self.halting = HaltPolicy(max_steps=steps, slope_eps=0.0, window=1000)
        self._notes = notes
        self._act = act

    def init_state(self, observation: Any, context: Context) -> int:
        return 0

    def step(self, state: int) -> int:
        self._notes.append(self.name)
        self._act(state)
        return state + 1

    def energy(self, state: int) -> float:
        return -float(state)

    def result(self, state: int) -> int:
        return state


class Together(Noting):
    """Notes how many are stepped at once."""

    def __init__(self, batches: list[int], steps: int = 1) -> None:
        super().__init__("together", [], steps=steps)
        self._batches = batches

    def step(self, state: int) -> int:
        return self.step_batch([state])[0]

    def step_batch(self, states: Sequence[int]) -> Sequence[int]:
        self._batches.append(len(states))
        return [state + 1 for state in states]


class Gate:
    """A step that hangs until it is let go."""

    def __init__(self) -> None:
        self.inside, self.go_on = threading.Event(), threading.Event()

    def hold(self) -> None:
        self.inside.set()
        assert self.go_on.wait(PATIENCE_S)

    def reached(self) -> None:
        assert self.inside.wait(PATIENCE_S)


class Live:
    """An orchestrator in real threads; nothing ticks it but the test."""

    def __init__(self, **options: Any) -> None:
        self.orchestrator = HRMOrchestrator(**options)
        self.outcomes: dict[str, list[Outcome[Any]]] = {}
        self.notes: list[str] = []

    def add(self, plugin: IRPPlugin[Any, Any], **settings: Any) -> list[Outcome[Any]]:
        told = self.outcomes[plugin.name] = []
        options = {"max_age_s": PATIENCE_S, "overrun_s": PATIENCE_S, **settings}
        self.orchestrator.register(
            lambda: plugin,
            PluginSettings("perception", **options),
            lambda observation, outcome: told.append(outcome),
        )
        return told

    def submit(self, *names: str) -> None:
        for name in names:
            self.orchestrator.submit(name, Seen(self.orchestrator.clock.now_s()))

    def wait_for(self, name: str, number: int = 1) -> None:
        until(lambda: len(self.outcomes[name]) >= number)


def until(holds: Callable[[], bool]) -> None:
    ends_s = time.perf_counter() + PATIENCE_S
    while not holds():
        assert time.perf_counter() < ends_s, "it never came to that"
        time.sleep(0.002)


@pytest.fixture
def make() -> Iterator[Callable[..., Live]]:
    made: list[Live] = []

    def make(**options: Any) -> Live:
        made.append(Live(**options))
        return made[-1]

    yield make
    for live in made:
        live.orchestrator.close()
        for member in live.orchestrator.members.values():
            check_counts(member)


@pytest.fixture
def gates() -> Iterator[Sequence[Gate]]:
    gates = Gate(), Gate()
    yield gates
    for gate in gates:
        gate.go_on.set()


@pytest.fixture
def gate(gates: Sequence[Gate]) -> Gate:
    return gates[0]


def test_what_arrives_during_a_step_begins_after_it(make: Callable[..., Live], gate: Gate) -> None:
    """The long one is alone on its lane, and still no further step of it comes first."""
    live = make()
    live.add(Noting("long", live.notes, lambda step: gate.hold() if step == 5 else None, steps=40))
    live.add(Noting("short", live.notes))
    live.orchestrator.start()
    live.submit("long")
    gate.reached()
    live.submit("short")
    gate.go_on.set()
    live.wait_for("short")
    assert live.notes[:7] == ["long"] * 6 + ["short"]


@pytest.mark.parametrize("order", [("long", "short"), ("short", "long")])
def test_of_a_burst_the_short_one_waits_for_one_step_at_most(
    make: Callable[..., Live], order: tuple[str, str]
) -> None:
    live = make()
    live.add(Noting("long", live.notes, lambda step: time.sleep(0.002), steps=40))
    live.add(Noting("short", live.notes))
    live.submit(*order)
    live.orchestrator.start()
    live.wait_for("short")
    assert live.notes.index("short") <= 1


class RaisesOnce(Greedy):
    """Somebody else's policy, with a bug."""

    def __init__(self) -> None:
        self.raised = 0

    def rank(self, claim: Claim) -> float:
        if not self.raised:
            self.raised += 1
            raise RuntimeError("a bug in rank")
        return super().rank(claim)


def test_a_policy_that_raises_does_not_end_its_lane(
    make: Callable[..., Live], caplog: pytest.LogCaptureFixture
) -> None:
    policy = RaisesOnce()
    live = make(policy=policy)
    for name in ("eye", "ear"):
        live.add(Noting(name, live.notes))
    live.submit("eye", "ear")  # of two that wait, each is ranked
    with caplog.at_level(logging.ERROR):
        live.orchestrator.start()
        until(lambda: policy.raised == 1)
        live.orchestrator.tick()
        live.wait_for("eye")
        live.wait_for("ear")
    assert "lane perception: choosing whose step comes next raised" in caplog.text
    assert "a bug in rank" in caplog.text
    live.submit("eye")
    live.wait_for("eye", 2)


def test_who_waits_for_company_begins_alone_when_nobody_came(make: Callable[..., Live]) -> None:
    """Nothing wakes the lane but the end of that wait."""
    batches: list[int] = []
    live = make()
    live.add(Together(batches), most_running=3, queue=9, batch_delay_s=0.1)
    live.orchestrator.start()
    live.orchestrator.tick()
    began_s = time.perf_counter()
    live.submit("together")
    live.wait_for("together")
    assert time.perf_counter() - began_s >= 0.1
    assert batches == [1]


def test_who_waits_for_company_steps_with_whoever_came(make: Callable[..., Live]) -> None:
    batches: list[int] = []
    live = make()
    live.add(Together(batches, steps=2), most_running=3, queue=9, batch_delay_s=0.5)
    live.orchestrator.start()
    live.submit("together")
    time.sleep(0.01)  # the lane has long looked at the first
    live.submit("together")
    live.wait_for("together", 2)
    assert batches == [2, 2]


def test_a_full_batch_waits_no_longer(make: Callable[..., Live]) -> None:
    batches: list[int] = []
    live = make()
    live.add(Together(batches, steps=2), most_running=3, queue=9, batch_delay_s=0.9 * PATIENCE_S)
    live.orchestrator.start()
    began_s = time.perf_counter()
    live.submit(*["together"] * 3)
    live.wait_for("together", 3)
    assert time.perf_counter() - began_s < 0.5 * PATIENCE_S
    assert batches == [3, 3]


class OwnTime(threading.local):
    """A stopwatch of lane time that each thread moves on by itself."""

    at_s = 0.0

    def __call__(self) -> float:
        return self.at_s


def test_what_a_step_made_elsewhere_takes_is_kept_for_it(
    make: Callable[..., Live], gate: Gate
) -> None:
    """Its lane's others spend what is left of the cycle, but not what it is about to spend."""
    watch = OwnTime()
    refinements: list[int] = []

    def elsewhere(step: int) -> None:
        watch.at_s += 0.02
        refinements.append(step)
        if len(refinements) == 4:  # the second step of the second refinement
            gate.hold()

    def spend(step: int) -> None:
        watch.at_s += 0.01

    live = make(stopwatch=watch)
    live.add(Noting("remote", live.notes, elsewhere, steps=2))
    live.add(Noting("greedy", live.notes, spend, steps=999))
    lane = live.orchestrator.lanes["perception"]
    remote = live.orchestrator.members["remote"]
    remote.runner = Runner("remote", lane)  # as a plugin in a process of its own has one
    live.orchestrator.start()
    live.submit("remote")
    live.wait_for("remote")  # what its steps cost is known by now
    live.orchestrator.tick()
    live.submit("remote")
    gate.reached()
    live.submit("greedy")
    until(lambda: "greedy" in live.notes)
    live.submit("greedy")  # so the first does not wait for the next cycle, and ends with this one
    live.wait_for("greedy")
    assert live.outcomes["greedy"][0].reason is HaltReason.BUDGET
    gate.go_on.set()
    live.wait_for("remote", 2)
    assert lane.pool.spent_atp <= lane.pool.cap_atp + 1e-6
    assert live.outcomes["remote"][1].reason is HaltReason.MAX_STEPS


class Putting(Runner):
    """Counts what its lane gave it."""

    puts = 0

    def put(self, job: Job) -> None:
        super().put(job)
        self.puts += 1


@pytest.mark.parametrize("known", [False, True], ids=["cost_unknown", "cost_known"])
def test_a_step_made_elsewhere_is_not_cut_while_it_waits_there(
    make: Callable[..., Live], gates: Sequence[Gate], known: bool
) -> None:
    """Another has its turn on the lane meanwhile, and where its cost is known a cycle ends."""
    watch = OwnTime()
    before = 3 * known

    def elsewhere(step: int) -> None:
        watch.at_s += 0.001
        if live.notes.count("remote") == before + 2:  # another one's first step
            gates[0].hold()

    live = make(stopwatch=watch)
    live.add(Noting("remote", live.notes, elsewhere, steps=3), most_running=2, queue=2)
    live.add(Noting("other", live.notes, lambda step: gates[1].hold()))
    remote = live.orchestrator.members["remote"]
    remote.runner = runner = Putting("remote", live.orchestrator.lanes["perception"])
    live.orchestrator.start()
    if known:
        live.submit("remote")
        live.wait_for("remote")
    with remote.lock:  # its lane finds both at once
        live.submit("remote", "remote")
    gates[0].reached()
    until(lambda: runner.puts == before + 3)  # the second step of the first waits behind it
    if known:
        live.orchestrator.tick()
    live.submit("other")
    gates[1].reached()
    gates[0].go_on.set()
    until(lambda: live.notes.count("remote") > before + 2 or len(live.outcomes["remote"]) > known)
    gates[1].go_on.set()
    live.wait_for("remote", 2 + known)
    ended = [(outcome.reason, outcome.result) for outcome in live.outcomes["remote"]]
    assert ended == [(HaltReason.MAX_STEPS, 3)] * (2 + known), "of 100 ms, a few were spent"


ORDINARY_S = 0.005


@pytest.fixture
def _ordinary_interval() -> Iterator[None]:
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(ORDINARY_S)
    yield
    sys.setswitchinterval(before_s)


@pytest.mark.usefixtures("_ordinary_interval")
@pytest.mark.parametrize(
    "first",
    [
        0,
        1,
    ],
)
def test_the_switch_interval_is_short_until_the_last_of_two_is_closed(first: int) -> None:
    two = [HRMOrchestrator(), HRMOrchestrator()]
    try:
        for orchestrator in two:
            orchestrator.start()
            assert sys.getswitchinterval() < ORDINARY_S / 2
        two[first].close()
        assert sys.getswitchinterval() < ORDINARY_S / 2, "the other one still works"
    finally:
        two[first].close()
        two[1 - first].close()
    assert sys.getswitchinterval() == pytest.approx(ORDINARY_S)
