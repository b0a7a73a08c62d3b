"""A busy Python thread must not hold up steps that let go of the interpreter lock."""

from __future__ import annotations

import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from orchestrator import HRMOrchestrator, PluginSettings
from sage.irp import Context, HaltPolicy, IRPPlugin
from tests.doubles import INVARIANTS
from tests.orchestrator.doubles import Seen

ORDINARY_S = 0.005
"""What the interpreter begins with."""
_TIMES = 4
_STEPS = 4


class LetsGo(IRPPlugin[int, int]):
    """Lets go of the lock a few times in each step and takes it again, as inference does."""

    name = "lets_go"
    invariants = INVARIANTS
    halting = HaltPolicy(max_steps=_STEPS, slope_eps=0.0)

    def init_state(self, observation: Any, context: Context) -> int:
        return _STEPS

    def step(self, state: int) -> int:
        for _ in range(_TIMES):
            time.sleep(0.0)
        return state - 1

    def energy(self, state: int) -> float:
        return float(state)

    def result(self, state: int) -> int:
        return state


@contextmanager
def busy_thread() -> Iterator[None]:
    """A thread that computes in Python and never waits for anything."""
    stop = False

    def work() -> None:
        while not stop:
            pass

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop = True
        thread.join()


@pytest.fixture
def ordinary_interval() -> Iterator[None]:
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(ORDINARY_S)
    yield
    sys.setswitchinterval(before_s)


def step_s(orchestrator: HRMOrchestrator, done: threading.Event, costs_s: list[float]) -> float:
    """The median cost of a refinement's steps, measured on the lane."""
    done.clear()
    costs_s.clear()
    orchestrator.tick()
    orchestrator.submit("lets_go", Seen(orchestrator.clock.now_s()))
    assert done.wait(10.0)
    return statistics.median(costs_s)


@pytest.mark.usefixtures("ordinary_interval")
def test_a_busy_thread_holds_up_no_step() -> None:
    """As the orchestrator sets the interval, beside what it would be otherwise, in turn."""
    orchestrator = HRMOrchestrator()
    done = threading.Event()
    costs_s: list[float] = []

    def on_result(observation: Any, outcome: Any) -> None:
        costs_s.extend(outcome.trajectory.costs_s)
        done.set()

    settings = PluginSettings("perception", max_age_s=60.0)
    orchestrator.register(LetsGo, settings, on_result)
    orchestrator.start()
    set_s = sys.getswitchinterval()
    quick_s, slow_s = [], []
    try:
        with busy_thread():
            for _ in range(3):
                sys.setswitchinterval(set_s)
                quick_s.append(step_s(orchestrator, done, costs_s))
                sys.setswitchinterval(ORDINARY_S)
                slow_s.append(step_s(orchestrator, done, costs_s))
    finally:
        orchestrator.close()
    assert statistics.median(quick_s) < statistics.median(slow_s) / 5.0, (quick_s, slow_s)


@pytest.mark.usefixtures("ordinary_interval")
def test_the_interval_is_given_back() -> None:
    orchestrator = HRMOrchestrator()
    orchestrator.start()
    assert sys.getswitchinterval() < ORDINARY_S
    orchestrator.close()
    assert sys.getswitchinterval() == pytest.approx(ORDINARY_S)
