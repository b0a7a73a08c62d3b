"""From commands to orders: what was asked, one at a time, and what came of it."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from sage.skills.body import Body, Hold, Order, Verdict
from sage.skills.intent import Declined, Intent
from sage.skills.skills import Skill, skill_for
from sage.telemetry import Observer
from sage.telemetry import Task as TaskEvent

logger = logging.getLogger(__name__)

Parser = Callable[[str], "Intent | Declined"]


@dataclass(frozen=True, slots=True)
class Report:
    """A command that is over.

    ``intent`` is None where it was declined; ``verdict`` says what the robot believes it did.
    """

    command: int
    text: str
    intent: Intent | None
    verdict: Verdict
    began_s: float
    ended_s: float


class Agent:
    """Takes commands in, runs their skills one after the other, says what control is to do.

    "Stop" does not wait in the queue: it ends what runs and what waits. :meth:`tick` belongs to
    the H level; commands come from any thread.

    Args:
        body: the robot.
        parse: makes an intent of words, or declines.
        emit: where task events go.
        limit_s: a command that takes longer is given up.
    """

    def __init__(
        self, body: Body, parse: Parser, *, emit: Observer, limit_s: float = 240.0
    ) -> None:
        if not limit_s > 0.0:
            raise ValueError(f"limit_s must be positive, got {limit_s}")
        self._body = body
        self._parse = parse
        self._emit = emit
        self._limit_s = limit_s
        self._lock = threading.Lock()
        self._queue: deque[tuple[int, Intent]] = deque()
        self._running: tuple[int, Intent, Skill, float] | None = None
        self._heard = 0
        self.order: Order = Hold()
        self.reports: list[Report] = []

    @property
    def idle(self) -> bool:
        """Whether nothing runs and nothing waits."""
        with self._lock:
            return self._running is None and not self._queue

    @property
    def doing(self) -> Intent | None:
        """What runs."""
        with self._lock:
            return self._running[1] if self._running is not None else None

    def hear(self, text: str) -> Intent | Declined:
        """Take in a command; a declined one is reported at once."""
        now_s = self._body.now_s()
        understood = self._parse(text)
        with self._lock:
            number = self._heard
            self._heard += 1
            self._tell(number, "heard", text)
            if isinstance(understood, Declined):
                self._tell(number, "declined", understood.answer)
                verdict = Verdict(False, understood.answer)
                self.reports.append(Report(number, text, None, verdict, now_s, now_s))
                return understood
            self._tell(number, "understood", understood.phrase)
            if understood.kind == "stop":
                self._drop_all("stopped")
            self._queue.append((number, understood))
        return understood

    def tick(self) -> None:
        """Let the running skill decide what to do until the next tick."""
        with self._lock:
            if self._running is None:
                if not self._queue:
                    self.order = Hold()
                    return
                number, intent = self._queue.popleft()
                self._running = number, intent, skill_for(intent, self._body), self._body.now_s()
                self._tell(number, "started", intent.phrase)
            number, intent, skill, began_s = self._running
            if self._body.now_s() - began_s > self._limit_s:
                self._give_up(f"I gave up after {self._limit_s:g} s")
                return
            try:
                self.order = next(skill)
            except StopIteration as stop:
                self._end(stop.value)
            except Exception as error:
                logger.exception("the skill for %r raised", intent.phrase)
                self._end(Verdict(False, f"something went wrong: {error}"))

    def cancel(self, why: str) -> None:
        """Give up what runs and what waits."""
        with self._lock:
            self._drop_all(why)

    def _drop_all(self, why: str) -> None:
        if self._running is not None:
            self._give_up(why)
        while self._queue:
            number, intent = self._queue.popleft()
            now_s = self._body.now_s()
            verdict = Verdict(False, why)
            self.reports.append(Report(number, intent.text, intent, verdict, now_s, now_s))
            self._tell(number, "failed", why)

    def _give_up(self, why: str) -> None:
        assert self._running is not None
        try:
            self._running[2].close()
        except Exception:
            logger.exception("the skill for %r raised when it was ended", self._running[1].phrase)
        self._end(Verdict(False, why))

    def _end(self, verdict: Verdict) -> None:
        assert self._running is not None
        number, intent, _, began_s = self._running
        self._running = None
        self.order = Hold()
        self.reports.append(
            Report(number, intent.text, intent, verdict, began_s, self._body.now_s())
        )
        self._tell(number, "done" if verdict.done else "failed", verdict.text)

    def _tell(self, number: int, phase: str, text: str) -> None:
        self._emit(TaskEvent(self._body.now_s(), number, phase, text))
