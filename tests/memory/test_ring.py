from __future__ import annotations

import threading
import time

import pytest

from memory.ring import ContextRing
from sage.irp.errors import ConfigError


def times(ring: ContextRing) -> list[float]:
    return [moment.at_s for moment in ring.last(1000)]


def test_the_oldest_leave_first_and_are_counted() -> None:
    ring = ContextRing(capacity=3)
    for number in range(5):
        assert ring.add(float(number), "scene", number)
    assert times(ring) == [2.0, 3.0, 4.0]
    assert (len(ring), ring.evicted, ring.refused) == (3, 2, 0)


def test_bytes_bound_it_too() -> None:
    ring = ContextRing(capacity=100, byte_budget=1000)
    for number in range(5):
        ring.add(float(number), "frame", b"", size_bytes=400)
    assert times(ring) == [3.0, 4.0]
    assert (ring.size_bytes, ring.evicted) == (800, 3)
    ring.add(5.0, "frame", b"", size_bytes=1000)
    assert times(ring) == [5.0]
    assert ring.size_bytes == 1000


def test_what_is_larger_than_the_budget_is_refused_and_evicts_nothing() -> None:
    ring = ContextRing(capacity=4, byte_budget=100)
    ring.add(0.0, "frame", b"", size_bytes=60)
    assert not ring.add(1.0, "frame", b"", size_bytes=101)
    assert times(ring) == [0.0]
    assert (ring.refused, ring.evicted) == (1, 0)


def test_what_was_around_a_moment_is_found() -> None:
    ring = ContextRing(capacity=8)
    for number in range(12):  # wraps
        ring.add(float(number), "scene" if number % 2 else "frame", number)
    assert [moment.item for moment in ring.around(8.0, 2.0, 1.0)] == [6, 7, 8, 9]
    assert [moment.item for moment in ring.around(8.0, 2.0, 1.0, kind="scene")] == [7, 9]
    assert [moment.item for moment in ring.around(8.0, 2.0)] == [6, 7, 8]
    assert ring.around(0.0, 1.0) == ()  # gone
    assert [moment.item for moment in ring.last(2, kind="frame")] == [8, 10]
    assert ring.last(0) == ()


def test_moments_of_several_clocks_come_back_in_the_order_of_time() -> None:
    ring = ContextRing()
    for at_s in (2.0, 1.0, 3.0):
        ring.add(at_s, "scene", None)
    assert [moment.at_s for moment in ring.around(2.0, 1.0, 1.0)] == [1.0, 2.0, 3.0]


def test_clearing_frees_everything() -> None:
    ring = ContextRing(capacity=2)
    ring.add(0.0, "scene", None, size_bytes=5)
    ring.clear()
    assert (len(ring), ring.size_bytes, ring.evicted) == (0, 0, 0)
    ring.add(1.0, "scene", None)
    assert times(ring) == [1.0]


def test_many_threads_may_add_and_read() -> None:
    ring = ContextRing(capacity=50, byte_budget=400)

    def add() -> None:
        for number in range(2000):
            ring.add(float(number), "scene", number, size_bytes=10)
            if number % 100 == 0:
                ring.around(float(number), 10.0)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ring) == 40  # by bytes
    assert ring.size_bytes == 400
    assert ring.evicted == 4 * 2000 - 40


def test_adding_costs_the_same_in_a_large_ring() -> None:
    def cost_s(capacity: int) -> float:
        ring = ContextRing(capacity=capacity)
        for number in range(capacity):
            ring.add(float(number), "scene", None)
        best = float("inf")
        for _ in range(5):
            began_s = time.perf_counter()
            for number in range(500):
                ring.add(float(number), "scene", None)
            best = min(best, time.perf_counter() - began_s)
        return best

    assert cost_s(100_000) < 20 * cost_s(100)


@pytest.mark.parametrize("bounds", [(0, 1), (-1, 1), (1, 0)])
def test_bad_bounds_are_named(bounds: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match="must be at least 1"):
        ContextRing(*bounds)
    with pytest.raises(ValueError, match="size_bytes"):
        ContextRing().add(0.0, "scene", None, size_bytes=-1)
