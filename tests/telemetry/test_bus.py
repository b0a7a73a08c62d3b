"""The bus: in order, bounded, and nobody who watches can break the run."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from sage.irp import StepRecord
from sage.telemetry import Dropped, Event, Telemetry


def event(number: int) -> Event:
    return Dropped(float(number), "vision", "stale", 0.0)


def numbers(events: list[Event]) -> list[float]:
    return [event[0] for event in events]  # type: ignore[misc]


@pytest.fixture
def started() -> Iterator[Callable[..., Telemetry]]:
    """Makes started buses, and closes them afterwards."""
    made: list[Telemetry] = []

    def make(*observers: Callable[[Event], None], capacity: int = 1000) -> Telemetry:
        bus = Telemetry(observers, capacity=capacity)
        bus.start(period_s=0.001)
        made.append(bus)
        return bus

    yield make
    for bus in made:
        bus.close()


def test_events_arrive_in_order_at_every_observer() -> None:
    first: list[Event] = []
    second: list[Event] = []
    bus = Telemetry((first.append,))
    bus.emit(event(0))
    bus.flush()
    bus.subscribe(second.append)
    for number in range(1, 5):
        bus.emit(event(number))
    assert numbers(first) == [0], "nothing is delivered by emitting"
    bus.flush()
    bus.flush()
    assert numbers(first) == [0, 1, 2, 3, 4]
    assert numbers(second) == [1, 2, 3, 4]
    assert bus.lost == 0


def test_an_observer_that_raises_is_logged_and_removed(caplog: pytest.LogCaptureFixture) -> None:
    before: list[Event] = []
    after: list[Event] = []
    bad: list[Event] = []

    def faulty(told: Event) -> None:
        bad.append(told)
        raise OSError("terminal went away")

    bus = Telemetry((before.append, faulty, after.append))
    with caplog.at_level(logging.ERROR):
        for number in range(3):
            bus.emit(event(number))
        bus.flush()
    assert numbers(before) == numbers(after) == [0, 1, 2]
    assert numbers(bad) == [0]
    assert "terminal went away" in caplog.text
    assert "faulty" in caplog.text
    assert len(caplog.records) == 1


def test_only_the_one_that_raised_is_removed() -> None:
    class Everyones:
        """An observer that claims to equal any other."""

        def __init__(self, fails: bool) -> None:
            self.fails = fails
            self.seen = 0

        def __call__(self, told: Event) -> None:
            self.seen += 1
            if self.fails:
                raise OSError

        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = None  # type: ignore[assignment]

    good, bad = Everyones(False), Everyones(True)
    bus = Telemetry((good, bad))
    for number in range(3):
        bus.emit(event(number))
    bus.flush()
    assert (good.seen, bad.seen) == (3, 1)


def test_an_interrupt_in_an_observer_passes_and_the_bus_goes_on() -> None:
    seen: list[Event] = []

    def interrupted(told: Event) -> None:
        if not seen:
            seen.append(told)
            raise KeyboardInterrupt

    bus = Telemetry((interrupted, seen.append))
    bus.emit(event(0))
    bus.emit(event(1))
    with pytest.raises(KeyboardInterrupt):
        bus.flush()
    bus.flush()
    assert numbers(seen) == [0, 1]


def test_beyond_its_capacity_the_oldest_go_and_are_counted() -> None:
    seen: list[Event] = []
    bus = Telemetry((seen.append,), capacity=3)
    for number in range(10):
        bus.emit(event(number))
        assert len(bus._events) <= 3, "memory is bounded even where nobody delivers"
    bus.flush()
    assert numbers(seen) == [7, 8, 9]
    assert bus.lost == 7
    bus.emit(event(10))
    bus.flush()
    assert numbers(seen) == [7, 8, 9, 10]
    assert bus.lost == 7


@pytest.mark.parametrize("capacity", [0, -1])
def test_a_capacity_that_cannot_be(capacity: int) -> None:
    with pytest.raises(ValueError, match=f"at least 1 event, got {capacity}"):
        Telemetry(capacity=capacity)


def test_a_thread_delivers_by_itself(started: Callable[..., Telemetry]) -> None:
    arrived = threading.Event()
    threads: list[str] = []

    def observer(told: Event) -> None:
        threads.append(threading.current_thread().name)
        arrived.set()

    started(observer).emit(StepRecord("vision", 1, 0, 0.5, 0.001))
    assert arrived.wait(5.0)
    assert threads == ["telemetry"]


def test_closing_delivers_the_rest_and_twice_is_harmless() -> None:
    seen: list[Event] = []
    bus = Telemetry((seen.append,))
    bus.start(period_s=60.0)
    for number in range(3):
        bus.emit(event(number))
    bus.close()
    assert numbers(seen) == [0, 1, 2]
    bus.close()
    assert numbers(seen) == [0, 1, 2]
    assert "telemetry" not in {thread.name for thread in threading.enumerate()}


def test_emitting_after_the_end_is_harmless() -> None:
    seen: list[Event] = []
    bus = Telemetry((seen.append,), capacity=2)
    bus.close()
    for number in range(5):
        bus.emit(event(number))
    bus.close()
    assert seen == []
    assert len(bus._events) == 2


def test_closing_a_bus_that_never_started_delivers_too() -> None:
    seen: list[Event] = []
    bus = Telemetry((seen.append,))
    bus.emit(event(0))
    bus.close()
    assert numbers(seen) == [0]


def test_a_bus_starts_once() -> None:
    bus = Telemetry()
    bus.start()
    with pytest.raises(RuntimeError, match="already started or closed"):
        bus.start()
    bus.close()
    with pytest.raises(RuntimeError, match="already started or closed"):
        bus.start()


def test_an_observer_may_use_the_bus() -> None:
    seen: list[Event] = []
    late: list[Event] = []
    bus = Telemetry()

    def busy(told: Event) -> None:
        seen.append(told)
        if len(seen) == 1:
            bus.emit(event(2))
            bus.subscribe(late.append)
            bus.flush()  # does nothing here, or others would see events out of order

    bus.subscribe(busy)
    bus.emit(event(0))
    bus.emit(event(1))
    bus.flush()
    bus.flush()
    assert numbers(seen) == [0, 1, 2]
    assert numbers(late) == [1, 2]


def test_an_observer_may_close_the_bus(started: Callable[..., Telemetry]) -> None:
    seen: list[Event] = []
    both = threading.Event()

    def closes(told: Event) -> None:
        seen.append(told)
        if len(seen) == 1:
            bus.emit(event(1))
            bus.close()
        else:
            both.set()

    bus = started(closes)
    bus.emit(event(0))
    assert both.wait(5.0)
    assert numbers(seen) == [0, 1]


def test_a_hanging_observer_does_not_hold_the_end_up(
    started: Callable[..., Telemetry], caplog: pytest.LogCaptureFixture
) -> None:
    hangs, release = threading.Event(), threading.Event()

    def hanging(told: Event) -> None:
        hangs.set()
        release.wait(10.0)

    bus = started(hanging, capacity=5)
    bus.emit(event(0))
    assert hangs.wait(5.0)
    for number in range(9):
        bus.emit(event(number))
    with caplog.at_level(logging.WARNING):
        bus.close(timeout_s=0.05)
    release.set()
    assert "hangs: 5 events untold" in caplog.text
    assert bus.lost == 4


def test_many_threads_may_emit_while_it_delivers(started: Callable[..., Telemetry]) -> None:
    seen: list[Event] = []
    bus = started(seen.append, capacity=100_000)
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)

    def work(first: int) -> None:
        for number in range(first, first + 500):
            bus.emit(event(number))

    workers = [threading.Thread(target=work, args=(1000 * slot,)) for slot in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    sys.setswitchinterval(interval_s)
    bus.close()
    told = numbers(seen)
    assert sorted(told) == [1000 * slot + step for slot in range(4) for step in range(500)]
    for slot in range(4):
        own = [number for number in told if number // 1000 == slot]
        assert own == sorted(own), "each thread's events keep their order"
