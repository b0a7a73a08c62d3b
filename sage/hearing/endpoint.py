"""Where speech begins and where it ends, block by block."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from sage.irp.errors import ConfigError

EPS_S = 1e-6
"""Sums of block times are not exact; a block more or less is 32 ms."""


@dataclass(frozen=True, slots=True)
class EarsConfig:
    """How the ears take an utterance out of what they hear.

    Attributes:
        on_probability: speech begins where voice activity stays at or above this ...
        begin_s: ... for so long.
        off_probability: once begun, a block at or above this is still speech.
        preroll_s: sound before the beginning that the recogniser hears too: first consonants are
            too soft for voice activity.
        pause_s: a pause that ends any utterance.
        pause_complete_s: a pause that ends an utterance which is a whole command as it stands.
        min_speech_s: what has less speech in it is a cough or a knock, and is dropped.
        max_utterance_s: what is longer is cut there.
    continue_s: who goes on within so much after an utterance continues it, where the recogniser
        takes any words: people pause in the midst of a command. 0 for never.
        backlog_s: sound that may wait for a slow recogniser; the oldest beyond it is lost.
        failures: failed utterances in a row after which the recogniser is left alone ...
        backoff_s: ... for so long at first, and twice as long each time, a minute at most.
    """

    on_probability: float = 0.5
    begin_s: float = 0.096
    off_probability: float = 0.35
    preroll_s: float = 0.3
    pause_s: float = 0.64
    pause_complete_s: float = 0.224
    min_speech_s: float = 0.16
    max_utterance_s: float = 15.0
    continue_s: float = 1.0
    backlog_s: float = 10.0
    failures: int = 3
    backoff_s: float = 5.0

    def __post_init__(self) -> None:
        ranges = {
            "on_probability": (0.01, 1.0),
            "begin_s": (0.0, 1.0),
            "off_probability": (0.0, self.on_probability),
            "preroll_s": (0.0, 2.0),
            "pause_complete_s": (0.03, self.pause_s),
            "pause_s": (0.03, 5.0),
            "min_speech_s": (0.0, 2.0),
            "max_utterance_s": (1.0, 120.0),
            "continue_s": (0.0, 5.0),
            "backlog_s": (0.1, 300.0),
            "failures": (1, 100),
            "backoff_s": (0.0, 60.0),
        }
        for field in fields(self):
            low, high = ranges[field.name]
            value = getattr(self, field.name)
            if not low <= value <= high:
                raise ConfigError(f"{field.name} is {value!r}; it must be in [{low:g}, {high:g}]")


class EndPointer:
    """Follows voice activity; tells when speech has begun and how long it has been silent."""

    def __init__(self, config: EarsConfig) -> None:
        self._config = config
        self.speaking = False
        """Whether speech has begun and was not ended."""
        self.began_s = math.nan
        """When the speech began."""
        self.ended_s = math.nan
        """When its last sound so far ended."""
        self.voiced_s = 0.0
        """How much of it was sound."""
        self._run_s: float | None = None  # since when the activity is high, before it counts

    def hear(self, probability: float, began_s: float, ended_s: float) -> bool:
        """The next block's voice activity; True where speech has just begun."""
        if self.speaking:
            if probability >= self._config.off_probability:
                self.voiced_s += ended_s - began_s
                self.ended_s = ended_s
            return False
        if not probability >= self._config.on_probability:  # NaN is no speech
            self._run_s = None
            return False
        if self._run_s is None:
            self._run_s = began_s
        if ended_s - self._run_s < self._config.begin_s - EPS_S:
            return False
        self.speaking = True
        self.began_s, self.ended_s = self._run_s, ended_s
        self.voiced_s = ended_s - self._run_s
        self._run_s = None
        return True

    def silent(self, now_s: float, pause_s: float) -> bool:
        """Whether the pause has lasted for ``pause_s``."""
        return now_s - self.ended_s >= pause_s - EPS_S

    @property
    def too_short(self) -> bool:
        """Whether there was too little of it to be speech."""
        return self.voiced_s < self._config.min_speech_s - EPS_S

    def end(self) -> None:
        """The utterance is over; the next may begin."""
        self.speaking = False
        self._run_s = None
