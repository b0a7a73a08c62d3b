"""The ears: what becomes an utterance, when, and what happens when a part of them fails."""

from __future__ import annotations

import logging
import math
import threading
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sage.clock import RealClock, VirtualClock
from sage.hearing import Ears, EarsConfig, Hypothesis, open_microphone
from sage.irp.errors import ConfigError
from sage.telemetry.events import Dropped, Event, Health, Heard
from sage.values import AudioBlock, Float32Array, Observation, Utterance
from tests.hearing.doubles import (
    BLOCK_S,
    LoudIsSpeech,
    ScriptedRecogniser,
    blocks,
    silence,
    sound,
    until,
)

CONFIG = EarsConfig()


class Listener:
    """Ears in lock-step, what they delivered, and when in the sound they did."""

    def __init__(self, *answers: Hypothesis | str, complete: bool = False, **config: Any) -> None:
        self.clock = VirtualClock()
        self.vad = LoudIsSpeech()
        self.recogniser = ScriptedRecogniser(*answers, complete=complete)
        self.got: list[Observation] = []
        self.delivered_s: list[float] = []
        self.events: list[Event] = []
        self.ears = Ears(
            self.vad,
            self.recogniser,
            self._utterance,
            clock=self.clock,
            config=EarsConfig(**config),
            on_event=self.events.append,
            synchronous=True,
        )
        self.heard_s = 0.0
        self.sequence = 0

    def _utterance(self, observation: Observation) -> None:
        self.got.append(observation)
        self.delivered_s.append(self.clock.now_s())

    def hear(self, *parts: Float32Array) -> None:
        """Whole blocks of sound, one after the other."""
        for block in blocks(np.concatenate(parts), self.heard_s, self.sequence):
            self.heard_s, self.sequence = block.captured_s, block.sequence + 1
            self.clock.advance_to(max(self.clock.now_s(), block.captured_s))
            self.ears.take(block)

    @property
    def texts(self) -> list[str]:
        return [observation.data.text for observation in self.got]


def test_an_utterance_carries_its_words_and_when_they_were_said():
    listener = Listener(Hypothesis("  go to\nthe kitchen ", 0.7))
    listener.hear(silence(0.64), sound(0.96), silence(1.28))
    (observation,) = listener.got
    assert observation.modality == "speech"
    assert observation.source == "test:"
    assert observation.sequence == 0
    said = observation.data
    assert isinstance(said, Utterance)
    assert said.text == "go to the kitchen"
    assert said.confidence == 0.7
    assert said.recogniser == "scripted"
    assert said.began_s == pytest.approx(0.64)
    assert said.ended_s == pytest.approx(1.6)
    assert observation.captured_s == said.ended_s
    assert listener.delivered_s == pytest.approx([1.6 + 0.64])
    heard = next(event for event in listener.events if isinstance(event, Heard))
    assert heard[1:] == ("go to the kitchen", 0.7, said.began_s, said.ended_s, "scripted")


def test_the_ears_do_not_hear_the_robot_itself():
    listener = Listener("go to the", "stop")
    listener.hear(silence(0.32), sound(0.48))
    listener.ears.mute(True)
    assert listener.texts == ["go to the"]  # what was unfinished
    listener.hear(sound(0.96), silence(0.96))
    listener.ears.mute(True)
    listener.ears.mute(False)
    listener.hear(silence(0.32), sound(0.48), silence(0.96))
    assert listener.texts == ["go to the", "stop"]
    assert listener.recogniser.heard[0].size < 16000 * 0.9


def test_a_whole_command_ends_after_a_short_pause():
    listener = Listener("stop", complete=True)
    listener.hear(silence(0.32), sound(0.48), silence(1.28))
    assert listener.texts == ["stop"]
    assert listener.delivered_s == pytest.approx([0.8 + 0.224])


def test_a_command_that_is_not_whole_is_waited_for():
    listener = Listener("go to the kitchen and find the apple", complete=False)
    listener.hear(silence(0.32), sound(0.8), silence(0.512), sound(0.8), silence(0.96))
    assert len(listener.got) == 1
    assert listener.got[0].data.ended_s == pytest.approx(0.32 + 0.8 + 0.512 + 0.8)


def test_a_partial_that_still_changes_does_not_end_it():
    listener = Listener("go to the kitchen", complete=True)
    listener.recogniser.partials = lambda heard: Hypothesis(f"go {heard}", 0.9, True)
    listener.hear(silence(0.32), sound(0.48), silence(1.28))
    assert listener.delivered_s == pytest.approx([0.8 + 0.64])


def test_a_partial_of_an_earlier_pause_counts_for_nothing():
    listener = Listener("go", complete=True, pause_complete_s=BLOCK_S)
    # A pause of one block shows the text once, which is no sign yet that it stays.
    listener.hear(silence(0.32), sound(0.48), silence(BLOCK_S), sound(0.32), silence(BLOCK_S))
    assert listener.got == []
    listener.hear(silence(BLOCK_S))
    assert listener.texts == ["go"]


def test_the_recogniser_hears_what_came_just_before_and_nothing_twice():
    listener = Listener("one", "two")
    told = np.concatenate([silence(0.96), sound(0.64), silence(1.28), sound(0.64), silence(0.96)])
    told += np.linspace(0.0, 0.01, len(told), dtype=np.float32)  # every sample is recognisable
    listener.hear(told)
    first, second = listener.recogniser.heard
    begin = round((0.96 - 0.3) / BLOCK_S) * 512
    end = round((0.96 + 0.64 + 0.64) / BLOCK_S) * 512
    assert abs(len(first) - (end - begin)) <= 2 * 512
    start = int(np.argmin(np.abs(told - first[0])))
    np.testing.assert_array_equal(first, told[start : start + len(first)])
    again = int(np.argmin(np.abs(told - second[0])))
    np.testing.assert_array_equal(second, told[again : again + len(second)])
    assert again >= start + len(first)


def test_speech_that_follows_at_once_is_the_next_utterance_from_its_first_sound():
    listener = Listener("stop", "go", complete=True)
    listener.hear(silence(0.32), sound(0.48), silence(0.224), sound(0.48), silence(0.64))
    assert listener.texts == ["stop", "go"]
    assert listener.got[1].data.began_s == pytest.approx(0.32 + 0.48 + 0.224)
    assert listener.got[1].sequence == 1


def test_a_knock_is_dropped_and_counted():
    listener = Listener("knock")
    listener.hear(silence(0.32), sound(0.128), silence(0.96))
    assert listener.got == []
    assert listener.ears.counts().rejected == 1
    listener = Listener("never")
    listener.hear(silence(0.32), sound(0.064), silence(0.96))
    assert listener.recogniser.calls == 0
    assert listener.ears.counts().rejected == 0


def test_speech_without_words_is_delivered_without_words():
    listener = Listener(Hypothesis("", 0.4))
    listener.hear(silence(0.32), sound(0.64), silence(0.96))
    (observation,) = listener.got
    assert observation.data.text == ""
    assert observation.data.confidence == 0.0
    assert listener.ears.counts().empty == 1


def test_what_was_heard_is_counted_where_nobody_spoke():
    listener = Listener()
    quiet = silence(1.6)
    quiet[1234] = -0.004
    listener.hear(quiet)
    counts = listener.ears.counts()
    assert counts.heard_s == pytest.approx(1.6)
    assert counts.peak == pytest.approx(0.004)
    assert counts.utterances == 0


def test_silence_and_what_is_no_speech_deliver_nothing():
    listener = Listener()
    noise = 0.01 * np.random.default_rng(0).standard_normal(16000 * 5).astype(np.float32)
    listener.hear(noise)
    assert listener.got == []
    assert listener.recogniser.calls == 0
    assert listener.ears.counts().blocks == 156


def test_speech_without_end_is_cut_and_the_rest_is_heard_too():
    listener = Listener("one", "two", "three", max_utterance_s=2.0)
    listener.hear(silence(0.32), sound(4.992), silence(0.96))
    assert listener.texts == ["one", "two", "three"]
    assert all(seen.data.ended_s - seen.data.began_s < 2.04 for seen in listener.got)
    assert sum(map(len, listener.recogniser.heard)) >= 16000 * 5.3


def test_blocks_of_any_size_are_taken():
    listener = Listener("go")
    told = np.concatenate([silence(0.32), sound(0.64), silence(0.96)])
    at = 0
    for number, size in enumerate([100, 700, 3000, 1, 9000] * 3):
        part = told[at : at + size]
        at += len(part)
        if len(part):
            listener.ears.take(Observation("test:", "audio", at / 16000, number, AudioBlock(part)))
    assert listener.texts == ["go"]
    assert listener.got[0].data.began_s == pytest.approx(0.32, abs=BLOCK_S)
    assert listener.got[0].data.ended_s == pytest.approx(0.96, abs=BLOCK_S)


def test_sound_that_is_missing_ends_an_utterance():
    listener = Listener("go to", "kitchen")
    listener.hear(silence(0.32), sound(0.64))
    listener.heard_s += 3.0
    listener.hear(sound(0.64), silence(0.96))
    assert listener.texts == ["go to", "kitchen"]
    assert listener.got[0].data.ended_s == pytest.approx(0.96)
    assert listener.vad.resets == 1
    assert len(listener.recogniser.heard[1]) < 16000 * 1.4


def test_flush_and_stop_deliver_what_is_unfinished():
    listener = Listener("go", "stop")
    listener.hear(silence(0.32), sound(0.64))
    assert listener.got == []
    assert listener.ears.speaking
    listener.ears.flush()
    assert listener.texts == ["go"]
    listener.hear(sound(0.64))
    listener.ears.stop()
    listener.ears.stop()
    assert listener.texts == ["go", "stop"]
    assert listener.recogniser.closed
    listener.hear(sound(1.0))
    assert len(listener.got) == 2


def test_numbers_that_are_none_reach_nobody():
    listener = Listener("go")
    bad = sound(0.64)
    bad[::700] = np.nan
    listener.hear(silence(0.32), bad, silence(0.96))  # the doubles check what they get
    assert listener.texts == ["go"]
    assert np.isfinite(listener.recogniser.heard[0]).all()


def test_what_is_no_sound_is_refused():
    ears = Listener().ears
    for modality, data in [
        ("speech", Utterance("go")),
        ("audio", AudioBlock(sound(0.1, rate_hz=8000), 8000)),
        ("audio", AudioBlock(np.zeros((512, 2), np.float32))),
    ]:
        with pytest.raises(ConfigError, match="not one-channel audio at 16000 Hz"):
            ears.take(Observation("test:", modality, 0.0, 0, data))


@pytest.mark.parametrize("method", ["begin", "feed", "partial", "finish"])
def test_a_recogniser_that_raises_costs_the_words_and_nothing_else(method: str, caplog):
    listener = Listener("go", "stop")
    listener.recogniser.fails = {method}
    listener.hear(silence(0.32), sound(0.64), silence(0.96))
    assert listener.texts == [""]
    assert listener.got[0].data.confidence == 0.0
    assert listener.ears.counts().errors == 1
    assert f"{method} does not work today" in caplog.text
    assert listener.ears.healthy
    listener.recogniser.fails = set()
    listener.recogniser.heard = [np.empty(0, np.float32)]
    listener.hear(sound(0.64), silence(0.96))
    assert listener.texts == ["", "stop"]


@pytest.mark.parametrize("answer", [None, "go", Hypothesis("go", math.nan), Hypothesis("go", 7.0)])
def test_a_recogniser_that_answers_nonsense(answer: Any):
    listener = Listener("go")
    listener.recogniser.answers = [answer]
    listener.recogniser.partials = lambda _: Hypothesis("", 0.0)
    listener.hear(silence(0.32), sound(0.64), silence(0.96))
    (observation,) = listener.got
    assert 0.0 <= observation.data.confidence <= 1.0
    assert observation.data.text == ("go" if isinstance(answer, Hypothesis) else "")


def test_a_recogniser_that_keeps_failing_is_left_alone_for_longer_and_longer(caplog):
    listener = Listener(*["go"] * 40, failures=3, backoff_s=5.0)
    listener.recogniser.fails = {"begin"}
    once = (silence(0.32), sound(0.64), silence(0.64))  # 1.6 s
    for _ in range(3):
        listener.hear(*once)
    ears = listener.ears
    assert not ears.healthy
    assert "3 utterances in a row failed" in str(ears.reason)
    assert "begin does not work today" in str(ears.reason)
    calls, first_s = listener.recogniser.calls, listener.clock.now_s()
    while listener.clock.now_s() < first_s + 4.0:
        listener.hear(*once)
    assert listener.recogniser.calls == calls  # and yet all was delivered
    assert listener.texts == [""] * len(listener.got)
    assert len(listener.got) >= 5
    listener.hear(*once)
    listener.hear(*once)
    assert listener.recogniser.calls > calls
    calls, second_s = listener.recogniser.calls, listener.clock.now_s()
    while listener.clock.now_s() < second_s + 7.0:  # twice as long now
        listener.hear(*once)
    assert listener.recogniser.calls == calls
    listener.recogniser.fails = set()
    while not ears.healthy and listener.clock.now_s() < second_s + 20.0:
        listener.hear(*once)
    assert ears.healthy
    assert ears.reason is None
    assert listener.texts[-1] == "go"
    states = [event.state for event in listener.events if isinstance(event, Health)]
    assert states == ["backing_off", "backing_off", "active"]


def test_voice_activity_that_fails_is_said_and_recovers(caplog):
    listener = Listener("go")
    listener.vad.fails = True
    listener.hear(sound(0.64))
    assert listener.got == []
    assert not listener.ears.healthy
    assert "the network is broken" in str(listener.ears.reason)
    assert len(caplog.records) == 1
    listener.vad.fails = False
    listener.hear(silence(0.32), sound(0.64), silence(0.64))
    assert listener.ears.healthy
    assert listener.texts == ["go"]


def test_a_consumer_or_an_observer_that_raises_does_not_deafen_them(caplog):
    def fail(_: object) -> None:
        raise RuntimeError("not today")

    ears = Ears(
        LoudIsSpeech(),
        ScriptedRecogniser("one", "two"),
        fail,
        clock=VirtualClock(),
        on_event=fail,
        synchronous=True,
    )
    for block in blocks(np.concatenate([sound(0.64), silence(0.96)] * 2)):
        ears.take(block)
    assert ears.counts().utterances == 2
    assert ears.counts().errors == 4


# In real time


class Live:
    """Ears with their worker."""

    def __init__(self, *answers: str, **config: Any) -> None:
        self.recogniser = ScriptedRecogniser(*answers)
        self.got: list[Observation] = []
        self.threads: set[int] = set()
        self.events: list[Event] = []
        self.clock = RealClock()
        self.vad = LoudIsSpeech()
        self.ears = Ears(
            self.vad,
            self.recogniser,
            self._utterance,
            clock=self.clock,
            config=replace(CONFIG, **config),
            on_event=self.events.append,
        )

    def _utterance(self, observation: Observation) -> None:
        self.threads.add(threading.get_ident())
        self.got.append(observation)

    def hear(self, *parts: Float32Array, start_s: float = 0.0) -> None:
        for block in blocks(np.concatenate(parts), start_s):
            self.ears.take(block)


def test_a_worker_does_the_work_and_take_does_not_wait_for_it():
    live = Live("go")
    slow = threading.Event()
    feed = live.recogniser.feed
    live.recogniser.feed = lambda samples: (slow.wait(5.0), feed(samples))[1]  # type: ignore[assignment, method-assign]
    began_s = time.monotonic()
    live.hear(silence(0.32), sound(0.64), silence(0.96))
    assert time.monotonic() - began_s < 1.0
    assert live.ears.backlog_s > 0.5
    assert not live.ears.idle
    slow.set()
    until(lambda: live.got)
    assert live.threads.isdisjoint({threading.get_ident()})
    until(lambda: live.ears.idle)
    assert live.ears.backlog_s == 0.0
    live.ears.stop()
    assert live.recogniser.closed


def test_an_utterance_that_nothing_follows_ends_by_itself():
    live = Live("go", pause_s=0.3)
    live.hear(silence(0.32), sound(0.64))
    until(lambda: live.got)
    assert live.got[0].data.ended_s == pytest.approx(0.96)
    live.ears.stop()


def test_flush_ends_at_once_what_is_unfinished():
    live = Live("go", pause_s=5.0)
    live.hear(silence(0.32), sound(0.64))
    live.ears.flush()
    until(lambda: live.got, 2.0)
    live.ears.stop()


def test_stop_hears_what_waits_and_delivers_what_is_unfinished():
    live = Live("go")
    live.hear(silence(0.32), sound(0.64))
    began_s = time.monotonic()
    live.ears.stop()
    assert time.monotonic() - began_s < 1.0
    assert [seen.data.text for seen in live.got] == ["go"]
    live.ears.stop()
    live.hear(sound(0.64))
    assert live.ears.backlog_s == 0.0


def test_stop_does_not_wait_for_a_recogniser_that_hangs(caplog):
    live = Live("go")
    hang = threading.Event()
    live.recogniser.begin = lambda: hang.wait(10.0)  # type: ignore[assignment, method-assign, return-value]
    live.hear(silence(0.32), sound(0.64))
    began_s = time.monotonic()
    live.ears.stop()
    assert time.monotonic() - began_s < 1.5
    assert "stuck in recogniser 'scripted'" in caplog.text
    hang.set()


def test_ears_that_are_far_behind_lose_the_oldest_and_say_so(caplog):
    live = Live("a", "b", backlog_s=1.0)
    go = threading.Semaphore(0)
    probability = live.vad.probability
    live.hear(silence(0.32), sound(0.32))
    until(lambda: live.ears.idle)
    live.vad.probability = lambda samples: (go.acquire(timeout=5.0), probability(samples))[1]  # type: ignore[assignment, method-assign]
    with caplog.at_level(logging.WARNING):
        live.hear(sound(3.2), silence(1.6), start_s=0.64)
    counts = live.ears.counts()
    assert counts.overflows == 1
    assert counts.overflow_samples == pytest.approx((4.8 - 1.0 + 0.2) * 16000, abs=4000)
    assert caplog.text.count("behind; sound is lost") == 1
    assert any(isinstance(event, Dropped) for event in live.events)
    assert live.ears.backlog_s <= 1.0
    for number, block in enumerate(blocks(silence(0.16), 5.44)):
        # It hears one block, and at once there is one too many again: still the same loss.
        heard = live.ears.counts().blocks
        go.release()
        until(lambda before=heard: live.ears.counts().blocks > before)
        live.ears.take(block)
        live.ears.take(replace(block, captured_s=block.captured_s + 0.16 * number))
    assert live.ears.counts().overflows == 1
    go.release(1000)
    until(lambda: live.ears.idle)
    # What was lost lies between the beginning and what follows: the beginning is whole.
    assert live.got[0].data.ended_s == pytest.approx(0.64, abs=0.3)
    live.ears.stop()


def test_from_a_played_recording_to_its_words_in_real_time():
    clock = RealClock()
    source = open_microphone("sim:apartment", clock=clock)
    got: list[tuple[float, Observation]] = []
    ears = Ears(
        LoudIsSpeech(),
        ScriptedRecogniser("stop", complete=True),
        lambda seen: got.append((clock.now_s(), seen)),
        clock=clock,
    )
    source.start(ears.take)
    began_s = source.play(sound(0.5, rate_hz=22050), 22050)  # type: ignore[attr-defined]
    until(lambda: got)
    source.stop()
    ears.stop()
    at_s, observation = got[0]
    assert observation.source == "sim:apartment"
    assert observation.data.began_s == pytest.approx(began_s, abs=2 * BLOCK_S)
    assert observation.data.ended_s == pytest.approx(began_s + 0.5, abs=2 * BLOCK_S)
    assert 0.22 <= at_s - observation.data.ended_s < 0.8
