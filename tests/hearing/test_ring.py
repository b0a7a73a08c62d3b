"""The ring: nothing invented, nothing lost in silence."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage.hearing.ring import RingBuffer
from sage.irp.errors import ConfigError

CALLS = st.lists(st.tuples(st.booleans(), st.integers(1, 25)), max_size=60)


@given(capacity=st.integers(1, 16), calls=CALLS)
def test_what_is_read_is_what_was_written_but_for_what_is_counted_as_lost(
    capacity: int, calls: list[tuple[bool, int]]
):
    ring = RingBuffer(capacity)
    written = read = lost = episodes = 0
    for write, count in calls:
        if write:
            ring.write(np.arange(written, written + count, dtype=np.float32))
            fresh = max(0, written + count - capacity - read - lost)
            before = max(0, written - capacity - read - lost)
            episodes += fresh > 0 and before == 0
            written += count
        else:
            count = min(count, capacity)
            lost += max(0, written - capacity - read - lost)
            got = ring.read(count)
            if written - read - lost < count:
                assert got is None
            else:
                assert got is not None
                assert got.tolist() == list(range(read + lost, read + lost + count))
                read += count
                assert ring.position == read + lost
        waiting_lost = max(0, written - capacity - read - lost)
        assert ring.overflow_samples == lost + waiting_lost
        assert ring.overflow_episodes == episodes
        assert ring.available == written - read - lost - waiting_lost
        assert ring.written == written


def test_a_reader_beside_the_writer_sees_consecutive_samples_and_every_gap():
    ring = RingBuffer(3000)
    total = 3_000_000  # below 2^24: exact in float32
    ramp = np.arange(total, dtype=np.float32)
    done = threading.Event()

    def write() -> None:
        at, step = 0, 1
        while at < total:
            ring.write(ramp[at : at + step])
            at += step
            step = step * 7 % 1201 + 1
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    read = 0
    while True:
        over = done.is_set()
        got = ring.read(700)
        if got is None:
            if over:
                break
            continue
        begin = ring.position - 700
        assert got[0] == begin
        assert np.array_equal(got, ramp[begin : begin + 700])
        read += 700
    writer.join()
    assert read + ring.overflow_samples + ring.available == total
    assert ring.available < 700


def test_more_at_once_than_it_holds_leaves_the_newest():
    ring = RingBuffer(4)
    ring.write(np.arange(10, dtype=np.float32))
    got = ring.read(4)
    assert got is not None
    assert got.tolist() == [6.0, 7.0, 8.0, 9.0]
    assert (ring.overflow_samples, ring.overflow_episodes) == (6, 1)


def test_sizes_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="0 samples"):
        RingBuffer(0)
    ring = RingBuffer(4)
    for count in (0, 5):
        with pytest.raises(ValueError, match="ring of 4"):
            ring.read(count)
