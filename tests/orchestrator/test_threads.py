"""Real lanes in real threads: latency, hanging steps, random interleavings, and a clean end."""

from __future__ import annotations

import asyncio
import logging
import random
import signal
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from orchestrator import HealthState, HRMOrchestrator, PluginSettings, RestartPolicy
from sage.irp import Context, HaltPolicy, HaltReason, IRPPlugin, Outcome
from sage.telemetry import Cycle, Event, Health
from tests.doubles import INVARIANTS, Broken, Counted
from tests.orchestrator.doubles import Seen, check_counts

PATIENCE_S = 20.0


class Doing(IRPPlugin[Counted, int]):
    """Calls ``act(step)`` in each of its steps; what that returns is the energy."""

    name = "doing"
    invariants = INVARIANTS

    def __init__(self, name: str, act: Callable[[int], float], steps: int = 1) -> None:
        self.name = name  # type: ignore[misc]
        self.halting = HaltPolicy(max_steps=steps, slope_eps=0.0, window=1000)
        self._act = act

    def init_state(self, observation: Any, context: Context) -> tuple[int, float]:
        return (0, 0.0)

    def step(self, state: tuple[int, float]) -> tuple[int, float]:
        return (state[0] + 1, self._act(state[0]))

    def energy(self, state: tuple[int, float]) -> float:
        return state[1]

    def result(self, state: tuple[int, float]) -> int:
        return state[0]


class Results:
    """Takes results from a lane; the test waits for them."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome[Any]] = []
        self.at_s: list[float] = []
        self._count = threading.Semaphore(0)

    def __call__(self, observation: Any, outcome: Outcome[Any]) -> None:
        self.at_s.append(time.perf_counter())
        self.outcomes.append(outcome)
        self._count.release()

    def wait(self) -> Outcome[Any]:
        assert self._count.acquire(timeout=PATIENCE_S), "no result came"
        return self.outcomes[-1]


class Gate:
    """A step that hangs until it is let go."""

    def __init__(self) -> None:
        self.inside, self.go_on = threading.Event(), threading.Event()

    def __call__(self, step: int) -> float:
        self.inside.set()
        assert self.go_on.wait(PATIENCE_S)
        return 1.0

    def reached(self) -> None:
        assert self.inside.wait(PATIENCE_S)


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.go_on.set()


@pytest.fixture
def orchestrator(events: list[Event]) -> Iterator[HRMOrchestrator]:
    before = set(threading.enumerate())
    orchestrator = HRMOrchestrator(emit=events.append)
    yield orchestrator
    orchestrator.close()
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE_S)
        assert not thread.is_alive(), f"{thread.name} was left behind"


def add(
    orchestrator: HRMOrchestrator,
    name: str,
    act: Callable[[int], float] = lambda step: -float(step),
    steps: int = 1,
    lane: str = "perception",
    **settings: Any,
) -> Results:
    results = Results()
    options = {"max_age_s": PATIENCE_S, "overrun_s": PATIENCE_S, **settings}
    orchestrator.register(lambda: Doing(name, act, steps), PluginSettings(lane, **options), results)
    return results


def submit(orchestrator: HRMOrchestrator, name: str) -> None:
    orchestrator.submit(name, Seen(orchestrator.clock.now_s()))


def tick_until(orchestrator: HRMOrchestrator, holds: Callable[[], bool]) -> None:
    ends_s = time.perf_counter() + PATIENCE_S
    while not holds():
        assert time.perf_counter() < ends_s, "it never came to that"
        orchestrator.tick()
        time.sleep(0.005)


def test_control_goes_on_while_a_vision_step_is_under_way(
    orchestrator: HRMOrchestrator, gate: Gate
) -> None:
    seen = add(orchestrator, "eye", gate)
    driven = add(orchestrator, "wheel", steps=3, lane="control")
    orchestrator.start()
    submit(orchestrator, "eye")
    gate.reached()
    for _ in range(20):
        orchestrator.tick()
        submit(orchestrator, "wheel")
        assert driven.wait().result == 3
    assert seen.outcomes == []
    gate.go_on.set()
    assert seen.wait().result == 1


def test_control_latency_is_not_that_of_vision(orchestrator: HRMOrchestrator) -> None:
    def look(step: int) -> float:
        time.sleep(0.1)
        return -float(step)

    seen = add(orchestrator, "eye", look, steps=100)
    driven = add(orchestrator, "wheel", lane="control")
    orchestrator.start()
    submit(orchestrator, "eye")
    latencies_s = []
    for _ in range(30):
        orchestrator.tick()
        began_s = time.perf_counter()
        submit(orchestrator, "wheel")
        driven.wait()
        latencies_s.append(driven.at_s[-1] - began_s)
        time.sleep(0.005)
    assert statistics.median(latencies_s) < 0.05
    orchestrator.cancel("eye")
    assert seen.wait().reason in (HaltReason.CANCELLED, HaltReason.BUDGET)


def test_a_step_that_hangs_is_abandoned_and_its_lane_goes_on(
    orchestrator: HRMOrchestrator, gate: Gate, events: list[Event]
) -> None:
    acts = iter([gate])
    hanging = add(
        orchestrator,
        "hangs",
        lambda step: next(acts, lambda step: 1.0)(step),
        overrun_s=0.05,
        restart=RestartPolicy(0.01, 0.01, 5),
    )
    sound = add(orchestrator, "sound", steps=2)
    orchestrator.start()
    submit(orchestrator, "hangs")
    gate.reached()
    submit(orchestrator, "sound")
    tick_until(orchestrator, lambda: bool(hanging.outcomes))
    outcome = hanging.wait()
    assert (outcome.reason, outcome.answered) == (HaltReason.FAILED, False)
    assert "took longer than 0.05 s and was abandoned" in str(outcome.error)
    assert sound.wait().result == 2
    assert orchestrator.abandoned == 1
    member = orchestrator.members["hangs"]
    assert member.trust() < 0.5
    check_counts(member)

    tick_until(orchestrator, lambda: member.supervisor.state is HealthState.ACTIVE)
    submit(orchestrator, "hangs")
    assert hanging.wait().result == 1, "it works again, beside its old thread"
    gate.go_on.set()  # the abandoned step comes back after all, and nobody takes it
    submit(orchestrator, "sound")
    sound.wait()
    assert [item.reason for item in hanging.outcomes].count(HaltReason.FAILED) == 1
    assert member.counts() == {"submitted": 2, "finished": 2}
    assert [event.state for event in events if isinstance(event, Health)] == [
        "backing_off",
        "active",
    ]


def test_a_step_within_its_limit_is_left_alone(orchestrator: HRMOrchestrator, gate: Gate) -> None:
    seen = add(orchestrator, "eye", gate)
    orchestrator.start()
    submit(orchestrator, "eye")
    gate.reached()
    for _ in range(50):
        orchestrator.tick()
    gate.go_on.set()
    assert seen.wait().reason is HaltReason.MAX_STEPS
    assert orchestrator.abandoned == 0


def test_lane_time_of_a_long_step_is_no_debt(orchestrator: HRMOrchestrator, gate: Gate) -> None:
    seen = add(orchestrator, "eye", gate)
    orchestrator.start()
    submit(orchestrator, "eye")
    gate.reached()
    for _ in range(6):
        time.sleep(0.05)
        orchestrator.tick()
    gate.go_on.set()
    seen.wait()
    orchestrator.tick()
    submit(orchestrator, "eye")
    seen.wait()  # without another tick: 300 ms were not to be paid twice


def test_a_plugin_that_exits_does_not_take_its_lane_along(
    orchestrator: HRMOrchestrator,
) -> None:
    def leave(step: int) -> float:
        raise SystemExit(3)

    gone = add(orchestrator, "gone", leave)
    sound = add(orchestrator, "sound")
    orchestrator.start()
    submit(orchestrator, "gone")
    assert gone.wait().reason is HaltReason.FAILED
    submit(orchestrator, "sound")
    sound.wait()


def test_loading_a_model_anew_does_not_hold_up_the_tick(
    orchestrator: HRMOrchestrator, gate: Gate
) -> None:
    made = []

    def factory() -> Doing:
        made.append(1)
        if len(made) == 2:
            gate(0)
        return Doing("slow", lambda step: float("nan") if len(made) == 1 else 1.0)

    results = Results()
    settings = PluginSettings("perception", restart=RestartPolicy(0.01, 0.01, 5))
    member = orchestrator.register(factory, settings, results)
    orchestrator.start()
    submit(orchestrator, "slow")
    assert results.wait().reason is HaltReason.FAILED
    tick_until(orchestrator, lambda: len(made) == 2)
    gate.reached()
    for _ in range(20):
        orchestrator.tick()
    assert member.supervisor.state is HealthState.BACKING_OFF
    gate.go_on.set()
    tick_until(orchestrator, lambda: member.supervisor.state is HealthState.ACTIVE)
    assert len(made) == 2
    submit(orchestrator, "slow")
    assert results.wait().result == 1


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads change places all the time, so that races show."""
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval_s)


@pytest.mark.usefixtures("hasty_threads")
@pytest.mark.parametrize("seed", range(3))
def test_every_submission_is_counted_once_whatever_happens(seed: int) -> None:
    orchestrator = HRMOrchestrator()
    names = ("eye", "ear", "wheel", "nose")
    chance = random.Random(seed)

    def act(step: int) -> float:
        if chance.random() < 0.05:
            raise Broken("by chance")
        return chance.random()

    delivered = {name: Results() for name in names}
    for number, name in enumerate(names):
        orchestrator.register(
            lambda name=name: Doing(name, act, steps=4),
            PluginSettings(
                ("perception", "control")[number % 2],
                floor_atp=50.0,
                deadline_s=0.02 if number == 1 else None,
                max_age_s=0.5,
                restart=RestartPolicy(0.001, 0.002, 10**6),
            ),
            delivered[name],
        )
    orchestrator.start()
    closed = threading.Event()

    def pester(seed: int) -> None:
        mine = random.Random(seed)
        for _ in range(150):
            name = mine.choice(names)
            if mine.random() < 0.1:
                orchestrator.cancel(name)
            else:
                submit(orchestrator, name)
            if mine.random() < 0.05:
                time.sleep(0.001)
        closed.wait(0.05)
        submit(orchestrator, mine.choice(names))  # some come after the end

    threads = [threading.Thread(target=pester, args=(10 * seed + n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(40):
        orchestrator.tick()
        assert orchestrator.granted_atp <= 1000.0 + 1e-6
        time.sleep(0.001)
    orchestrator.close()
    closed.set()
    for thread in threads:
        thread.join(PATIENCE_S)
    for name, member in orchestrator.members.items():
        assert not member.running
        assert not member.waiting
        assert member.submitted == member.finished + sum(member.dropped.values())
        assert member.finished == len(delivered[name].outcomes)
    assert sum(member.submitted for member in orchestrator.members.values()) > 300


def test_closing_ends_what_runs_with_its_best_and_drops_what_waits(
    orchestrator: HRMOrchestrator, gate: Gate
) -> None:
    results = add(
        orchestrator, "eye", lambda step: gate(step) if step == 2 else -float(step), steps=99
    )
    orchestrator.start()
    submit(orchestrator, "eye")
    gate.reached()
    submit(orchestrator, "eye")
    member = orchestrator.members["eye"]
    closing = threading.Thread(target=orchestrator.close)
    closing.start()
    tick_until(orchestrator, lambda: not member.waiting)
    gate.go_on.set()
    closing.join(PATIENCE_S)
    outcome = results.wait()
    assert (outcome.reason, outcome.result) == (HaltReason.CANCELLED, 2)
    submit(orchestrator, "eye")
    assert member.counts() == {"submitted": 3, "finished": 1, "cancelled": 1, "closed": 1}


def test_closing_does_not_wait_for_a_step_that_hangs(
    orchestrator: HRMOrchestrator, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    hanging = add(orchestrator, "hangs", gate)
    other = add(orchestrator, "other")
    orchestrator.start()
    submit(orchestrator, "hangs")
    gate.reached()
    submit(orchestrator, "other")
    began_s = time.perf_counter()
    with caplog.at_level(logging.WARNING):
        orchestrator.close(timeout_s=0.05)
    assert time.perf_counter() - began_s < 5.0
    assert "lane perception" in caplog.text
    assert hanging.wait().reason is HaltReason.FAILED
    assert other.outcomes == []
    assert orchestrator.members["other"].dropped == {"cancelled": 1}
    for member in orchestrator.members.values():
        assert not member.running
        check_counts(member)


def test_closing_twice_does_nothing_more(
    orchestrator: HRMOrchestrator, events: list[Event]
) -> None:
    add(orchestrator, "eye")
    orchestrator.start()
    orchestrator.close()
    told = len(events)
    orchestrator.close()
    orchestrator.tick()
    assert len(events) == told


def test_closing_before_the_start_settles_what_was_submitted(
    orchestrator: HRMOrchestrator,
) -> None:
    add(orchestrator, "eye")
    submit(orchestrator, "eye")
    orchestrator.close()
    assert orchestrator.members["eye"].counts() == {"submitted": 1, "finished": 0, "cancelled": 1}


def test_run_ticks_once_a_cycle_until_it_is_asked_to_stop(
    orchestrator: HRMOrchestrator, events: list[Event]
) -> None:
    results = add(orchestrator, "eye")
    orchestrator.start()

    async def main() -> None:
        stop = asyncio.Event()
        orchestrator.on_tick(lambda: orchestrator.cycles == 2 and stop.set())
        submit(orchestrator, "eye")
        await asyncio.wait_for(orchestrator.run(stop), PATIENCE_S)

    began_s = time.perf_counter()
    asyncio.run(main())
    assert time.perf_counter() - began_s >= 0.2 - 0.02
    assert results.wait().result == 1
    assert [event.number for event in events if isinstance(event, Cycle)] == [0, 1, 2]


def test_a_late_tick_is_not_made_up_for(orchestrator: HRMOrchestrator) -> None:
    """After half a second that the loop was away, one tick follows at once, not five."""
    times_s: list[float] = []

    def act() -> None:
        times_s.append(time.perf_counter())
        if len(times_s) == 1:
            time.sleep(0.5)
        elif len(times_s) == 4:
            stop.set()

    stop = asyncio.Event()
    orchestrator.on_tick(act)
    asyncio.run(orchestrator.run(stop))
    assert times_s[3] - times_s[1] >= 0.1 - 0.02


def test_cancelling_run_leaves_an_orchestrator_that_can_be_closed(
    orchestrator: HRMOrchestrator, gate: Gate
) -> None:
    results = add(orchestrator, "eye", lambda step: gate(step) if step == 1 else 1.0, steps=99)
    orchestrator.start()

    async def main() -> None:
        task = asyncio.create_task(orchestrator.run(asyncio.Event()))
        submit(orchestrator, "eye")
        await asyncio.to_thread(gate.reached)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    orchestrator.cancel("eye")
    gate.go_on.set()
    assert results.wait().reason is HaltReason.CANCELLED
    orchestrator.close()


def test_ctrl_c_ends_run_and_the_lanes_end_cleanly(orchestrator: HRMOrchestrator) -> None:
    add(orchestrator, "eye", steps=50)
    orchestrator.start()
    orchestrator.on_tick(lambda: submit(orchestrator, "eye"))

    async def main() -> None:
        asyncio.get_running_loop().call_later(0.05, signal.raise_signal, signal.SIGINT)
        try:
            await orchestrator.run(asyncio.Event())
        finally:
            orchestrator.close()

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
    member = orchestrator.members["eye"]
    assert not member.running
    check_counts(member)
