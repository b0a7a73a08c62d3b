"""Virtual time: it moves by the lane time measured, lanes overlap, and a run can be repeated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from orchestrator import LockStep, PluginSettings
from sage.irp import HaltReason
from sage.telemetry import Admitted, Cycle, Finished
from tests.orchestrator.doubles import House, Seen, check_counts


class World:
    """Notes how it is moved; every ``period_s`` it sees something and offers it."""

    def __init__(self, house: House, offer: Callable[[float], None] | None = None) -> None:
        self.house = house
        self.offer = offer
        self.now_s = 0.0
        self.moves: list[float] = []
        self.period_s = 0.05
        self.captures = 0

    def advance(self, dt_s: float) -> None:
        assert dt_s > 0.0, "time stands still or goes back"
        self.moves.append(dt_s)
        self.now_s += dt_s
        while self.captures < int(self.now_s / self.period_s + 1e-6):
            self.captures += 1
            if self.offer is not None:
                self.offer(self.captures * self.period_s)


class Run:
    """A house in lock-step; ``ended`` holds (plugin, clock time, outcome) of each result."""

    def __init__(self, **options: Any) -> None:
        self.house = House()
        self.world = World(self.house)
        self.ended: list[tuple[str, float, Any]] = []
        self.driver = LockStep(
            self.house.orchestrator, self.house.clock, self.world.advance, **options
        )

    def add(self, name: str, energies: list[float], cost_s: float, **options: Any) -> None:
        member = self.house.add(name, energies, cost_s, **options)
        member.on_result = lambda seen, outcome: self.ended.append(
            (name, round(self.house.clock.now_s(), 9), outcome)
        )

    def times(self, name: str) -> list[float]:
        return [time_s for ended, time_s, _ in self.ended if ended == name]


@pytest.fixture
def run() -> Run:
    return Run()


def test_a_result_is_there_when_its_steps_have_taken_their_time(run: Run) -> None:
    run.add("eye", [3.0, 2.0, 1.0], 0.01)
    run.house.submit("eye")
    run.driver.run_until(1.0)
    assert run.times("eye") == [0.03]
    assert run.house.clock.now_s() == 1.0


def test_lanes_overlap(run: Run) -> None:
    run.add("eye", [1.0], 0.05)
    run.add("wheel", [1.0], 0.05, lane="control")
    run.house.submit("eye")
    run.house.submit("wheel")
    run.driver.run_until(0.2)
    assert run.times("eye") == run.times("wheel") == [0.05]


def test_plugins_of_one_lane_do_not_overlap(run: Run) -> None:
    for name in ("eye", "ear"):
        run.add(name, [1.0], 0.05)
        run.house.submit(name)
    run.driver.run_until(0.2)
    assert (run.times("eye"), run.times("ear")) == ([0.05], [0.1])


def test_a_slow_vision_step_does_not_delay_control(run: Run) -> None:
    run.add("eye", [2.0, 1.0], 0.2)
    run.add("wheel", [1.0], 0.005, lane="control")
    run.world.offer = lambda captured_s: run.house.orchestrator.submit("wheel", Seen(captured_s))
    run.house.submit("eye")
    run.driver.run_until(0.52)
    assert run.times("wheel") == pytest.approx([0.05 * n + 0.005 for n in range(1, 11)])


def test_ticks_come_at_multiples_of_the_cycle(run: Run) -> None:
    run.add("eye", [1.0], 0.037)
    run.world.offer = lambda captured_s: run.house.submit("eye")
    run.driver.run_until(1.0)
    run.driver.run_until(1.55)
    ticks_s = [event.at_s for event in run.house.told(Cycle)]
    assert ticks_s == pytest.approx([0.1 * n for n in range(16)], abs=1e-12)


def test_the_world_is_moved_over_all_the_time_and_stops_at_each_sample(run: Run) -> None:
    run.driver.run_until(0.42)
    assert sum(run.world.moves) == pytest.approx(0.42)
    reached, at_s = [], 0.0
    for move in run.world.moves:
        at_s += move
        reached.append(round(at_s, 9))
    assert reached == [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.42]


def test_ticks_and_samples_that_coincide_take_no_sliver_of_time_between_them() -> None:
    run = Run(sample_s=0.1 / 3)
    run.driver.run_until(60.0)
    assert min(run.world.moves) > 1e-9
    assert len(run.world.moves) <= 1800 + 600


def test_an_observation_is_refined_from_its_capture_on(run: Run) -> None:
    run.add("eye", [1.0], 0.01)
    run.world.offer = lambda captured_s: run.house.orchestrator.submit("eye", Seen(captured_s))
    run.driver.run_until(0.48)
    assert run.times("eye") == pytest.approx([0.05 * n + 0.01 for n in range(1, 10)])
    assert len(run.house.told(Admitted)) == 9


def test_done_ends_it_after_a_tick(run: Run) -> None:
    run.driver.run_until(9.0, done=lambda: run.house.clock.now_s() > 0.25)
    assert run.house.clock.now_s() == pytest.approx(0.3)
    run.driver.run_until(0.5)
    assert len(run.house.told(Cycle)) == 5


def test_a_deadline_holds_in_virtual_time(run: Run) -> None:
    run.add("eye", [float(9 - n) for n in range(9)], 0.01, deadline_s=0.035)
    run.house.submit("eye")
    run.driver.run_until(1.0)
    _, time_s, outcome = run.ended[0]
    assert (time_s, outcome.reason) == (0.03, HaltReason.DEADLINE)


def test_conservation_and_counts_hold_all_the_way(run: Run) -> None:
    for number, name in enumerate(("eye", "ear", "wheel")):
        run.add(
            name,
            [float(5 - n) for n in range(5)],
            0.011 + 0.02 * number,
            lane="control" if name == "wheel" else "perception",
            deadline_s=0.2,
            max_age_s=0.3,
        )

    def offer(captured_s: float) -> None:
        for name in ("eye", "ear", "wheel"):
            run.house.orchestrator.submit(name, Seen(captured_s))
        assert run.house.orchestrator.granted_atp <= 1000.0 + 1e-6
        for member in run.house.orchestrator.members.values():
            check_counts(member)

    run.world.offer = offer
    run.driver.run_until(5.0)
    run.house.orchestrator.close()
    for member in run.house.orchestrator.members.values():
        check_counts(member)
        assert not member.running
        assert member.finished > 10


def story(seed_cost_s: float) -> list[Any]:
    """Everything that a run told, but for the identities of refinements."""
    run = Run()
    run.add("eye", [4.0, 2.0, 1.0, 0.5], seed_cost_s, deadline_s=0.3)
    run.add("ear", [1.0, 3.0, 1.0, 3.0], 0.007)
    run.add("wheel", [2.0, 1.0], 0.004, lane="control")

    def offer(captured_s: float) -> None:
        for name in ("eye", "ear", "wheel"):
            run.house.orchestrator.submit(name, Seen(captured_s))

    run.world.offer = offer
    run.driver.run_until(3.0)
    return [
        event._replace(refinement=0) if hasattr(event, "refinement") else event
        for event in run.house.events
    ]


def test_a_run_repeats_itself_but_for_what_steps_cost() -> None:
    first = story(0.013)
    assert len(first) > 300
    assert first == story(0.013)
    assert first != story(0.017)


def test_the_real_stopwatch_is_the_default(run: Run) -> None:
    from orchestrator import HRMOrchestrator  # without the test's own watch
    from sage.clock import VirtualClock
    from tests.orchestrator.doubles import scripted

    clock, told = VirtualClock(), []
    orchestrator = HRMOrchestrator(clock=clock, emit=told.append)
    orchestrator.register(scripted("eye", [1.0], VirtualClock()), PluginSettings("perception"))
    orchestrator.submit("eye", Seen(0.0))
    LockStep(orchestrator, clock, lambda dt_s: None).run_until(1.0)
    finished = [event for event in told if isinstance(event, Finished)]
    assert 0.0 < finished[0].trajectory.cost_s < 0.5
    assert finished[0].at_s >= finished[0].trajectory.costs_s[0]


def test_samples_need_a_period() -> None:
    with pytest.raises(ValueError, match="sample_s must be positive, got 0"):
        Run(sample_s=0.0)
