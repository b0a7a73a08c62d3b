"""The feed's books balance at every instant, the newest wins, and nothing stale is served."""

from __future__ import annotations

import random
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage.clock import RealClock, VirtualClock
from sage.irp.errors import ConfigError, DeviceError
from sage.sensors import Feed, Mailbox, SourceCounts
from sage.values import Observation
from tests.sensors.conftest import until


def observation(captured_s: float, sequence: int = 0, modality: str = "camera") -> Observation:
    return Observation("test:", modality, captured_s, sequence, None)


def balanced(counts: SourceCounts) -> bool:
    return counts.produced == counts.delivered + sum(counts.dropped.values())


class Stepped:
    """A feed whose delivery thread is replaced by calls: every interleaving can be tried."""

    def __init__(self, clock: VirtualClock) -> None:
        self.got: list[Observation] = []
        self.feed = Feed(clock, inline=False, stale_after_s=1.0)
        # The real thread would race with the test; ``turn`` does one round of its loop.
        self.feed._deliver = self.got.append

    def turn(self) -> None:
        item = self.feed._mailbox.take(0)
        if item is not None:
            self.feed._hand_over(item)
            self.feed._waiting -= 1


ACTIONS = st.one_of(
    st.tuples(st.just("publish"), st.sampled_from(["camera", "scan"])),
    st.tuples(st.just("late"), st.sampled_from(["camera", "scan"])),
    st.tuples(st.just("turn"), st.none()),
    st.tuples(st.just("drop"), st.sampled_from(["unreadable", "superseded"])),
    st.tuples(st.just("wait"), st.floats(0, 2)),
    st.tuples(st.just("close"), st.none()),
)


@given(st.lists(ACTIONS, max_size=60))
def test_every_capture_is_delivered_or_dropped_for_a_reason(actions):
    clock = VirtualClock()
    stepped = Stepped(clock)
    feed = stepped.feed
    captures = 0
    before = feed.counts()
    for name, value in actions:
        if name == "publish":
            feed.publish(observation(clock.now_s(), captures, value))
            captures += 1
        elif name == "late":
            feed.publish(observation(clock.now_s() - 0.5, captures, value))
            captures += 1
        elif name == "turn":
            stepped.turn()
        elif name == "drop":
            feed.drop(value)
            captures += 1
        elif name == "wait":
            clock.advance_to(clock.now_s() + value)
        else:
            feed.close()
        counts = feed.counts()
        assert balanced(counts)
        assert counts.produced + feed._waiting == captures
        assert counts.delivered == len(stepped.got)
        assert counts.delivered >= before.delivered
        assert all(counts.dropped[reason] >= n for reason, n in before.dropped.items())
        before = counts
    feed.close()
    while not feed.idle:
        stepped.turn()
    assert feed.counts().produced == captures
    for modality in ("camera", "scan"):
        times = [seen.captured_s for seen in stepped.got if seen.modality == modality]
        assert times == sorted(times)


def test_the_books_balance_while_threads_race():
    feed = Feed(RealClock(), inline=False)
    clock = RealClock()
    chance = random.Random(3)
    pauses = [chance.random() * 0.0005 for _ in range(50)]
    seen = 0

    def deliver(_: Observation) -> None:
        nonlocal seen
        seen += 1
        threading.Event().wait(pauses[seen % 50])

    feed.open(deliver, name="race")

    def produce(modality: str) -> None:
        for number in range(400):
            feed.publish(observation(clock.now_s(), number, modality))
            if number % 7 == 0:
                feed.drop("unreadable")

    threads = [threading.Thread(target=produce, args=(name,)) for name in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert balanced(feed.counts())
    until(lambda: feed.idle)
    feed.close()
    counts = feed.counts()
    assert balanced(counts)
    assert counts.produced == 3 * (400 + 58)
    assert counts.delivered == seen
    assert counts.dropped["superseded"] > 0


def test_a_slow_consumer_gets_the_newest_and_never_delays_a_capture():
    clock = RealClock()
    feed = Feed(clock, inline=False)
    got: list[int] = []
    busy, go_on = threading.Event(), threading.Event()

    def deliver(seen: Observation) -> None:
        got.append(seen.sequence)
        busy.set()
        go_on.wait(5)

    feed.open(deliver, name="slow")
    feed.publish(observation(clock.now_s(), 0))
    assert busy.wait(5)
    for number in range(1, 6):
        feed.publish(observation(clock.now_s(), number))
    go_on.set()
    until(lambda: feed.idle)
    feed.close()
    assert got == [0, 5]
    assert feed.counts().dropped["superseded"] == 4


def test_what_waited_too_long_is_dropped_as_stale():
    clock = VirtualClock()
    stepped = Stepped(clock)
    stepped.feed.publish(observation(0.0))
    clock.advance_to(1.5)
    stepped.turn()
    assert stepped.got == []
    assert stepped.feed.counts().dropped["stale"] == 1


def test_latest_never_serves_stale_data_as_fresh():
    clock = VirtualClock()
    feed = Feed(clock, inline=True)
    feed.open(lambda _: None, name="test")
    assert feed.latest("camera", 1.0) is None
    feed.publish(observation(0.0, 0))
    clock.advance_to(0.2)
    assert feed.latest("camera", 0.2) is not None
    assert feed.latest("scan", 0.2) is None
    clock.advance_to(0.2001)
    assert feed.latest("camera", 0.2) is None
    feed.publish(observation(0.2, 1))
    fresh = feed.latest("camera", 0.2)
    assert fresh is not None
    assert fresh.sequence == 1


@pytest.mark.parametrize("age", [-0.1, float("nan")])
def test_latest_refuses_an_age_that_cannot_be(age):
    with pytest.raises(ConfigError, match="max_age_s is"):
        Feed(VirtualClock(), inline=True).latest("camera", age)


def test_an_older_capture_never_replaces_a_newer_one():
    clock = VirtualClock(5.0)
    got: list[int] = []
    feed = Feed(clock, inline=True)
    feed.open(lambda seen: got.append(seen.sequence), name="test")
    feed.publish(observation(5.0, 1))
    feed.publish(observation(4.9, 0))
    assert got == [1]
    assert feed.counts().dropped["superseded"] == 1


def test_after_close_nothing_is_delivered():
    clock = RealClock()
    feed = Feed(clock, inline=False)
    got: list[Observation] = []
    feed.open(got.append, name="test")
    feed.close()
    feed.publish(observation(clock.now_s()))
    feed.close()
    assert got == []
    assert feed.counts() == SourceCounts(
        1, 0, {"superseded": 0, "stale": 0, "unreadable": 0, "closed": 1}
    )
    with pytest.raises(DeviceError, match="already started"):
        feed.open(got.append, name="test")


def test_a_consumer_that_raises_is_counted_logged_at_intervals_and_ends_nothing(caplog):
    clock = VirtualClock()
    feed = Feed(clock, inline=False)

    def deliver(_: Observation) -> None:
        raise RuntimeError("consumer's fault")

    feed.open(deliver, name="test")
    for number in range(3):
        feed.publish(observation(clock.now_s(), number))
        until(lambda: feed.idle)
    assert len(caplog.records) == 1
    clock.advance_to(60.0)
    feed.publish(observation(clock.now_s(), 3))
    until(lambda: feed.idle)
    feed.close()
    assert feed.counts().delivered == feed.failures == 4
    assert len(caplog.records) == 2
    assert "failures so far: 4" in caplog.text


def test_a_consumer_may_stop_the_source_it_is_called_from(caplog):
    clock = RealClock()
    feed = Feed(clock, inline=False)
    feed.open(lambda _: feed.close(), name="test")
    feed.publish(observation(clock.now_s()))
    until(lambda: feed.closed and feed.idle)
    assert not caplog.records


def test_a_mailbox_serves_slow_and_fast_keys_in_turn():
    box: Mailbox[str] = Mailbox()
    assert box.put("fast", "a") is None
    assert box.put("slow", "b") is None
    assert box.put("fast", "c") == "a"
    assert [box.take(0), box.take(0), box.take(0)] == ["c", "b", None]
    assert box.put("fast", "d") is None
    assert box.close() == ["d"]
    assert box.put("fast", "e") == "e"
    assert box.take() is None
