"""Saying the commands of a run: played or typed, each when the one before is over."""

from __future__ import annotations

import io
import time

import numpy as np

from sage.clock import VirtualClock
from sage.skills.agent import Agent
from sage.skills.intent import Declined
from sage.speaking import Speaker
from sage.values import Float32Array, Utterance

RATE_HZ = 16_000


class Watch:
    """All of a body that an agent needs while nothing is carried out."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    def now_s(self) -> float:
        return self._clock.now_s()


class Player:
    """Remembers what was played; says when it began."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.played: list[Float32Array] = []

    def play(self, samples: Float32Array, rate_hz: float, *, after_s: float = 0.0) -> float:
        assert rate_hz == RATE_HZ
        self.played.append(samples)
        return self._clock.now_s() + after_s


def deaf_agent(clock: VirtualClock) -> Agent:
    """An agent that declines whatever it hears."""
    return Agent.with_parser(
        Watch(clock),  # type: ignore[arg-type]
        lambda text: Declined(text, "no"),
        emit=lambda event: None,
    )


def recording(text: str) -> tuple[Float32Array, int] | None:
    return (np.ones(RATE_HZ, np.float32), RATE_HZ) if text.startswith("go") else None


def test_a_command_with_a_recording_is_played_and_the_next_waits_until_it_was_heard() -> None:
    clock = VirtualClock()
    agent, player = deaf_agent(clock), Player(clock)
    said: list[tuple[int, str]] = []
    speaker = Speaker(
        agent,
        ("go there", "go on"),
        clock=clock,
        loudspeaker=player,
        voice=recording,
        on_said=lambda number, text: said.append((number, text)),
    )
    for _ in range(3):
        speaker.tick()
    assert len(player.played) == 1
    assert agent.reports == []
    speaker.heard(agent.hear(Utterance("go where", 0.9)))
    assert said == [(0, "go there")]
    assert not speaker.done
    speaker.tick()
    assert len(player.played) == 2


def test_what_has_no_recording_is_typed() -> None:
    clock = VirtualClock()
    agent, player = deaf_agent(clock), Player(clock)
    said: list[tuple[int, str]] = []
    speaker = Speaker(
        agent,
        ("sing",),
        clock=clock,
        loudspeaker=player,
        voice=recording,
        on_said=lambda number, text: said.append((number, text)),
    )
    speaker.tick()
    assert player.played == []
    assert [report.text for report in agent.reports] == ["sing"]
    assert said == [(0, "sing")]
    assert speaker.done


def test_what_was_said_and_not_heard_is_accounted_for_and_does_not_block_the_rest() -> None:
    clock = VirtualClock()
    agent, player = deaf_agent(clock), Player(clock)
    said: list[tuple[int, str]] = []
    speaker = Speaker(
        agent,
        ("go there", "sing"),
        clock=clock,
        loudspeaker=player,
        voice=recording,
        on_said=lambda number, text: said.append((number, text)),
    )
    speaker.tick()
    clock.advance_to(clock.now_s() + 5.5)
    speaker.tick()
    assert agent.reports == []  # a second of speech, and five to hear it
    clock.advance_to(clock.now_s() + 1.0)
    speaker.tick()
    assert said == [(0, "go there"), (1, "sing")]
    assert [report.text for report in agent.reports] == ["", "sing"]


def test_giving_up_accounts_for_everything() -> None:
    clock = VirtualClock()
    agent, player = deaf_agent(clock), Player(clock)
    speaker = Speaker(agent, ("go there", "sing"), clock=clock, loudspeaker=player, voice=recording)
    speaker.tick()
    assert speaker.give_up("interrupted") == ("go there", "sing")
    assert agent.reports == []  # nobody heard them
    assert speaker.done


def test_stop_from_a_stream_does_not_wait_its_turn() -> None:
    clock = VirtualClock()
    waiting: list[int] = []
    agent = Agent(
        Watch(clock),  # type: ignore[arg-type]
        lambda number, said: waiting.append(number),  # never answers
        emit=lambda event: None,
    )
    speaker = Speaker(agent, (), clock=clock, listen_to=io.StringIO("go on\n\nstop\n"))
    until_s = time.monotonic() + 5.0
    while not agent.reports and time.monotonic() < until_s:
        time.sleep(0.005)
    assert [report.text for report in agent.reports] == ["go on"]
    assert not speaker.done  # the stop itself waits for the next tick
