"""Speech that goes on after a pause: heard together with what came before it."""

from __future__ import annotations

from dataclasses import dataclass

from sage.hearing.endpoint import EarsConfig
from sage.skills.vocabulary import is_stop
from sage.values import Float32Array


@dataclass(frozen=True, slots=True)
class _Utterance:
    text: str
    began_s: float
    ended_s: float
    sound: list[Float32Array]


class Continuing:
    """The utterance that was delivered last, for as long as somebody may go on with it.

    ``hear`` keeps the sound of the present one, ``keep`` makes it the last one; while nobody
    speaks, ``wait`` keeps what is heard until it is too late.
    """

    def __init__(self, config: EarsConfig) -> None:
        self._config = config
        self._last: _Utterance | None = None
        self._before: _Utterance | None = None  # what the present one continues
        self._sound: list[Float32Array] = []
        self._answered = False

    def begin(self) -> list[Float32Array]:
        """Somebody speaks: all sound of what that continues; nothing where it is new."""
        self._heed()
        self._before, self._last = self._last, None
        self._sound = []
        return [] if self._before is None else self._before.sound

    def hear(self, samples: Float32Array) -> None:
        """The next sound of the present utterance."""
        self._answered = False
        self._sound.append(samples)

    def wait(self, samples: Float32Array, now_s: float) -> None:
        """Sound in which nobody speaks."""
        self._heed()
        if self._last is None:
            return
        self._last.sound.append(samples)
        # Speech that is found from now on began a little before.
        if now_s - self._last.ended_s > self._config.continue_s + self._config.begin_s:
            self._last = None

    def forget(self) -> None:
        """What follows does not belong to what came before."""
        self._last = None

    def answered(self) -> None:
        """What was delivered last is dealt with; what is said from now on is new."""
        self._answered = True

    def _heed(self) -> None:
        if self._answered:
            self._answered = False
            self._last = None

    def began_s(self, began_s: float) -> float:
        """When it all began, given when the present utterance did."""
        return began_s if self._before is None else self._before.began_s

    def end(self, text: str, began_s: float) -> tuple[str, float] | None:
        """What is to be delivered and when that began; None where there is no new word.

        Whoever calls "stop" in the midst of a command must not be read together with it.
        """
        before, self._before = self._before, None
        if before is None:
            return text, began_s
        more = " ".join(text.split()[len(before.text.split()) :])
        if is_stop(more):
            return more, began_s
        return None if text == before.text else (text, before.began_s)

    def keep(self, text: str, began_s: float, ended_s: float) -> None:
        """This was delivered; what is long already is not continued."""
        if ended_s - began_s < self._config.max_utterance_s / 2:
            self._last = _Utterance(text, began_s, ended_s, self._sound)
