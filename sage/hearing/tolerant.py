"""A recogniser that may fail: asked while it works, left alone for a while where it does not."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from typing import Final, TypeVar

from sage.clock import Clock
from sage.hearing.endpoint import EarsConfig
from sage.hearing.guard import Guard
from sage.hearing.recogniser import Hypothesis, Recogniser, checked
from sage.values import Float32Array

LONGEST_BACKOFF_S: Final = 60.0

_NAME: Final = "the recogniser"
_NOTHING: Final = Hypothesis("", 0.0)

_R = TypeVar("_R")


class TolerantRecogniser:
    """Passes on what a recogniser hears, and nothing where it fails; it never raises.

    After a failure it is not asked again in the same utterance; after as many failed utterances in
    a row as the settings say, not at all for a while.
    """

    def __init__(
        self, recogniser: Recogniser, guard: Guard, clock: Clock, config: EarsConfig
    ) -> None:
        self.name = recogniser.name
        self.any_words = bool(getattr(recogniser, "any_words", False))
        self.broken = False
        """Whether it has failed in this utterance, or is left alone."""
        self._recogniser = recogniser
        self._guard = guard
        self._clock = clock
        self._config = config
        self._resting = False
        self._failed = 0  # utterances in a row
        self._backoff_s = config.backoff_s
        self._retry_s = -math.inf

    def begin(self) -> None:
        """A new utterance."""
        self._resting = self.broken = self._clock.now_s() < self._retry_s
        self._ask(self._recogniser.begin, None)

    def feed(self, samples: Float32Array) -> None:
        """Its next samples."""
        self._ask(lambda: self._recogniser.feed(samples), None)

    def partial(self) -> Hypothesis:
        """The words so far."""
        return self._ask(lambda: checked(self._recogniser.partial()), _NOTHING)

    def finish(self) -> Hypothesis:
        """The words; and what that says of its health."""
        found = self._ask(lambda: checked(self._recogniser.finish()), _NOTHING)
        if not self._resting:
            self._settle()
        return found

    def close(self) -> None:
        """Give back what it holds."""
        self._guard.call(_NAME, self._recogniser.close, None)

    def _ask(self, call: Callable[[], _R], otherwise: _R) -> _R:
        if self.broken:
            return otherwise
        answer = self._guard.call(_NAME, lambda: (call(),), None)
        self.broken = answer is None
        return otherwise if answer is None else answer[0]

    def _settle(self) -> None:
        if not self.broken:
            self._failed = 0
            self._backoff_s = self._config.backoff_s
            self._guard.works(_NAME)
            return
        with contextlib.suppress(Exception):  # leave no utterance open in it
            self._recogniser.finish()
        self._failed += 1
        if self._failed < self._config.failures:
            return
        self._retry_s = self._clock.now_s() + self._backoff_s
        self._backoff_s = min(2 * self._backoff_s, LONGEST_BACKOFF_S)
        self._guard.out_of_order(_NAME, f"{self._failed} utterances in a row")
