"""Saying the commands of a run: played into the microphone, or typed."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO, Protocol

from sage.clock import Clock
from sage.skills.agent import Agent
from sage.skills.vocabulary import is_stop
from sage.values import Float32Array, Utterance

logger = logging.getLogger(__name__)

_UNHEARD_S = 5.0


class Loudspeaker(Protocol):
    """What plays a voice into the microphone's hearing."""

    def play(self, samples: Float32Array, rate_hz: float, *, after_s: float = 0.0) -> float:
        """Play from now on; returns when the first sample will be captured."""
        ...


Voice = Callable[[str], "tuple[Float32Array, int] | None"]
"""A recording of somebody saying a text: samples and rate in Hz; None where there is none."""


@dataclass(frozen=True, slots=True)
class _Playing:
    """A command that is being said: what should be heard, and until when to wait for it."""

    text: str
    until_s: float


class Speaker:
    """Says the commands of a run, each when the one before it is over.

    Args:
        agent: who obeys; None where there is nobody to speak to.
        commands: what to say.
        clock: the runtime's.
        loudspeaker: where recordings are played; None where everything is typed.
        voice: finds the recording of a text.
        on_said: told the number of a command, and what was really said.
        listen_to: a stream of further commands, one a line.
    """

    def __init__(
        self,
        agent: Agent | None,
        commands: Sequence[str],
        *,
        clock: Clock,
        loudspeaker: Loudspeaker | None = None,
        voice: Voice | None = None,
        on_said: Callable[[int, str], None] = lambda number, text: None,
        listen_to: IO[str] | None = None,
    ) -> None:
        self._agent = agent
        self._clock = clock
        self._loudspeaker = loudspeaker
        self._voice = voice
        self._on_said = on_said
        self._lock = threading.Lock()
        self._waiting = deque(commands)
        self._playing: _Playing | None = None
        self._listening = listen_to is not None
        if listen_to is not None:
            threading.Thread(
                target=self._listen, args=(listen_to,), name="stdin", daemon=True
            ).start()

    def tick(self) -> None:
        """Say the next command once the robot has nothing to do, or waits for a question."""
        with self._lock:
            playing = self._playing
            if playing is not None and self._clock.now_s() > playing.until_s:
                logger.warning("%r was said, and not heard", playing.text)
                self._playing = None
                self._give(playing.text, Utterance("", 0.0))
            while self._agent is not None and self._agent.listens and self._waiting:
                if self._playing is not None:
                    return
                self._say(self._waiting.popleft())

    def heard(self, number: int) -> None:
        """The ears heard something, which became this command."""
        with self._lock:
            playing, self._playing = self._playing, None
        if playing is not None:
            self._on_said(number, playing.text)

    def give_up(self, why: str) -> tuple[str, ...]:
        """End what runs; returns what was not said any more, or not to its end."""
        if self._agent is None:
            return ()
        with self._lock:
            unsaid = tuple(self._waiting)
            if self._playing is not None:
                unsaid = (self._playing.text, *unsaid)
                self._playing = None
            self._waiting.clear()
        self._agent.cancel(why)
        return unsaid

    @property
    def done(self) -> bool:
        """Whether all was said and done. Without an agent there is nothing to wait for."""
        if self._agent is None:
            return False
        waits = self._waiting or self._playing is not None or self._listening
        return not waits and self._agent.idle

    def _say(self, text: str) -> None:
        """Play the recording of a command, or type it where there is none."""
        recording = None
        if self._loudspeaker is not None and self._voice is not None:
            recording = self._voice(text)
        if recording is None or self._loudspeaker is None:
            self._give(text, Utterance(text))
            return
        samples, rate_hz = recording
        began_s = self._loudspeaker.play(samples, rate_hz)
        self._playing = _Playing(text, began_s + len(samples) / rate_hz + _UNHEARD_S)

    def _give(self, text: str, said: Utterance) -> None:
        assert self._agent is not None
        self._on_said(self._agent.hear(said), text)

    def _listen(self, lines: IO[str]) -> None:
        assert self._agent is not None
        try:
            for line in lines:
                if not (text := line.strip()):
                    continue
                with self._lock:
                    self._waiting.append(text)
                    if is_stop(text):
                        while self._waiting:  # does not wait its turn, and ends what waits
                            waiting = self._waiting.popleft()
                            self._give(waiting, Utterance(waiting))
        finally:
            self._listening = False
