"""From commands to orders: what was asked, one at a time, and what came of it."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from sage.skills.body import Body, Hold, Order, Verdict
from sage.skills.dialogue import Dialogue, Reply
from sage.skills.intent import MAX_WORDS_CHARS, Declined, Intent
from sage.skills.repertoire import skill_for
from sage.skills.reports import Command, EndedBy, Report, short
from sage.skills.skills import Skill
from sage.skills.talking import Answers
from sage.skills.vocabulary import is_stop
from sage.telemetry import Observer
from sage.telemetry import Task as TaskEvent
from sage.values import Utterance

__all__ = ["LEAST_CONFIDENCE", "Agent", "Report"]

logger = logging.getLogger(__name__)

Parser = Callable[[str], "Intent | Declined"]
Understand = Callable[[int, Utterance], None]
SkillFor = Callable[[Intent, Body], Skill]

LEAST_CONFIDENCE: Final = 0.3
"""Words heard with less are asked to be said again; recognisers are calibrated for it."""

_ASKED_TIMES = 2
_SPEAKING = ("say", "answer")  # who has said it already
_WENT_ON = "the speaker went on"
_QUESTION = "that is the question"


class Agent:
    """Takes commands in, has them understood, runs their skills one after the other.

    Commands are understood one at a time and carried out in the order in which they were heard;
    each ends in exactly one :class:`Report`. "Stop" waits for nobody: it ends what runs, what
    waits and what is being understood, whether or not language is alive. What answers a question
    of the robot's, or corrects the last command, is understood by the :class:`Dialogue`; a
    corrected command takes the other's place. :meth:`tick` belongs to the H level; :meth:`hear`,
    :meth:`understood` and :meth:`cancel` may come from any thread.

    Args:
        body: the robot.
        understand: asked to read one command; answers with :meth:`understood`, at once or later,
            from any thread. No other command is given to it before.
        emit: where task events go.
        limit_s: a command that takes longer is given up.
        patience_s: how long an answer may take before ``understand`` is asked once more, and then
            until the command is declined.
        least_confidence: words heard with less are declined; "stop" needs half of it, for stopping
            by mistake costs less than not stopping.
        skills: finds the skill that does what was asked.
        dialogue: what was said before, and what was learnt from it.
        answers: knows when a question is awaited: what is heard then is that question.
    """

    def __init__(
        self,
        body: Body,
        understand: Understand,
        *,
        emit: Observer,
        limit_s: float = 240.0,
        patience_s: float = 4.0,
        least_confidence: float = LEAST_CONFIDENCE,
        skills: SkillFor = skill_for,
        dialogue: Dialogue | None = None,
        answers: Answers | None = None,
    ) -> None:
        if not limit_s > 0.0:
            raise ValueError(f"limit_s must be positive, got {limit_s}")
        if not patience_s > 0.0:
            raise ValueError(f"patience_s must be positive, got {patience_s}")
        if not 0.0 <= least_confidence <= 1.0:
            raise ValueError(f"least_confidence must lie in [0, 1], got {least_confidence}")
        self._body = body
        self._understand = understand
        self._emit = emit
        self._limit_s = limit_s
        self._patience_s = patience_s
        self._least_confidence = least_confidence
        self._skill_for = skills
        self._dialogue = dialogue or Dialogue()
        self._answers = answers or Answers()
        self._lock = threading.Lock()
        self._heard = 0
        self._unread: deque[Command] = deque()
        self._reading: Command | None = None
        self._asking: set[int] = set()
        self._queue: deque[Command] = deque()
        self._running: tuple[Command, Intent, Skill, float] | None = None
        self.order: Order = Hold()
        self.reports: list[Report] = []

    @classmethod
    def with_parser(cls, body: Body, parse: Parser, **settings: Any) -> Agent:
        """An agent whose commands are understood at once, by a plain function."""

        def understand(number: int, said: Utterance) -> None:
            agent.understood(number, parse(said.text))

        agent = cls(body, understand, **settings)
        return agent

    @property
    def idle(self) -> bool:
        """Whether nothing runs, nothing waits and nothing is being understood."""
        with self._lock:
            return not (self._running or self._queue or self._reading or self._unread)

    @property
    def listens(self) -> bool:
        """Whether it waits to be told something: it is idle, or asked for a question."""
        return self._answers.listening or self.idle

    @property
    def doing(self) -> Intent | None:
        """What runs; never waits for a skill that is deciding."""
        running = self._running
        return running[1] if running is not None else None

    def hear(self, said: str | Utterance) -> int:
        """Take in a command; returns its number, which the report will bear."""
        utterance = Utterance(said) if isinstance(said, str) else said
        text, confidence = utterance.text.strip(), utterance.confidence
        with self._lock:
            command = Command(self._heard, utterance, self._body.now_s())
            self._heard += 1
            self._tell(command, "heard", utterance.text)
            self._drop_begun(command)
            if is_stop(text) and confidence >= 0.5 * self._least_confidence:
                self._accept(command, Intent("stop", None, utterance.text))
                return command.number
            if not text:
                self._decline(command, "I heard no words; please say what to do")
            elif confidence < self._least_confidence:
                self._decline(
                    command,
                    f"I heard something like {short(text)!r}, but I am not sure; "
                    "please say it again",
                )
            elif self._answers.listening:
                self._answers.listening = False
                self._answers.asked = text
                command.intent = Intent("answer", None, text, words=text[:MAX_WORDS_CHARS])
                command.understood_s = self._body.now_s()
                self._report(command, Verdict(True, _QUESTION))
                self._tell(command, "done", _QUESTION)
            else:
                self._unread.append(command)
        self._ask()
        return command.number

    def understood(
        self, number: int, answer: Intent | Declined, *, probability: float | None = None
    ) -> bool:
        """The answer of ``understand``; False where nobody waits for it any more."""
        with self._lock:
            command = self._reading
            if command is None or command.number != number:
                return False
            command.probability = probability
            self._settle(command, answer)
        self._ask()
        return True

    def tick(self) -> None:
        """Let the running skill decide what to do until the next tick."""
        self._ask()
        with self._lock:
            if self._running is None:
                if not self._queue:
                    self.order = Hold()
                    return
                command = self._queue.popleft()
                intent = command.intent
                assert intent is not None
                skill = self._skill_for(intent, self._body)
                self._running = command, intent, skill, self._body.now_s()
                self._tell(command, "started", intent.phrase)
            _, intent, skill, began_s = self._running
            if self._body.now_s() - began_s > self._limit_s:
                self._give_up(f"I gave up after {self._limit_s:g} s", "limit")
                return
            try:
                self.order = next(skill)
            except StopIteration as stop:
                self._end(stop.value)
            except Exception as error:
                logger.exception("the skill for %r raised", intent.phrase)
                self._end(Verdict(False, f"something went wrong: {error}"))

    def cancel(self, why: str) -> None:
        """Give up what runs, what waits and what is being understood."""
        with self._lock:
            self._drop_before(self._heard, why, "cancel")

    def _ask(self) -> None:
        """Have the next command understood, without the lock: the answer may come at once."""
        thread = threading.get_ident()
        while True:
            with self._lock:
                # Within an answer that came at once, the loop further out goes on.
                if thread in self._asking or (command := self._next_to_read()) is None:
                    return
                reply = self._dialogue.reply(command.said.text, self._body.now_s())
                if reply is not None:
                    self._settle(command, reply.answer, reply)
                    continue
                self._asking.add(thread)
            failure: Exception | None = None
            try:
                self._understand(command.number, command.said)
            except Exception as error:
                logger.exception("understanding %r raised", short(command.said.text))
                failure = error
            with self._lock:
                self._asking.discard(thread)
                if failure is not None and self._reading is command:
                    self._reading = None
                    self._decline(command, f"something went wrong: {failure}")

    def _next_to_read(self) -> Command | None:
        """The command to ask about now, if there is one; gives up one that nobody answered."""
        now_s = self._body.now_s()
        command = self._reading
        if command is not None:
            if now_s - command.asked_s <= self._patience_s:
                return None
            if command.asked_times >= _ASKED_TIMES:
                self._reading = None
                words = short(command.said.text)
                self._decline(
                    command, f"I heard {words!r}, but could not make out what it means in time"
                )
                command = None
        if command is None:
            if not self._unread:
                return None
            command = self._reading = self._unread.popleft()
        command.asked_s = now_s
        command.asked_times += 1
        return command

    def _settle(
        self, command: Command, answer: Intent | Declined, reply: Reply | None = None
    ) -> None:
        """What is being read is read: carry it out in its turn, or say why not."""
        self._reading = None
        if isinstance(answer, Intent):
            self._accept(command, answer, reply)
            return
        command.suggestions = answer.suggestions
        about = command.said.text if reply is None else reply.about
        self._dialogue.asked(about, answer.suggestions, self._body.now_s())
        self._decline(command, answer.answer)

    def _accept(self, command: Command, intent: Intent, reply: Reply | None = None) -> None:
        command.intent = intent
        command.understood_s = self._body.now_s()
        self._tell(command, "understood", intent.phrase)
        self._dialogue.understood(command.number, intent, reply)
        if intent.kind == "stop":
            self._drop_before(command.number, "stopped", "stop")
        if reply is None or reply.instead_of is None:
            self._queue.append(command)
        else:
            self._take_place(command, reply.instead_of)

    def _take_place(self, command: Command, number: int) -> None:
        """Put a corrected command where the other runs or waits; last, where that one is over."""
        why = f"corrected: {short(command.said.text)}"
        if self._running is not None and self._running[0].number == number:
            self._give_up(why, "correction")
            self._queue.appendleft(command)
            return
        for place, other in enumerate(self._queue):
            if other.number == number:
                self._queue[place] = command
                self._report(other, Verdict(False, why), ended_by="correction")
                self._tell(other, "failed", why)
                return
        self._queue.append(command)

    def _decline(self, command: Command, why: str) -> None:
        command.understood_s = self._body.now_s()
        self._report(command, Verdict(False, why))
        self._tell(command, "declined", why)
        self._speak(why)

    def _drop_begun(self, command: Command) -> None:
        """Drop what is the beginning of this command: its speaker paused, and went on."""
        began_s = command.said.began_s
        if began_s is None:
            return
        running = self._running
        if running is not None and running[0].said.began_s == began_s:
            self._give_up(_WENT_ON, "more")
        self._drop(
            [other for other in self._waiting() if other.said.began_s == began_s], _WENT_ON, "more"
        )

    def _drop_before(self, number: int, why: str, ended_by: EndedBy) -> None:
        """Drop everything that was heard before a command."""
        if self._running is not None and self._running[0].number < number:
            self._give_up(why, ended_by)
        self._drop([other for other in self._waiting() if other.number < number], why, ended_by)

    def _waiting(self) -> list[Command]:
        """What does not run yet."""
        return [*self._queue, *([self._reading] if self._reading else []), *self._unread]

    def _drop(self, dropped: list[Command], why: str, ended_by: EndedBy) -> None:
        if self._reading in dropped:
            self._reading = None
        self._queue = deque(command for command in self._queue if command not in dropped)
        self._unread = deque(command for command in self._unread if command not in dropped)
        for command in dropped:
            self._report(command, Verdict(False, why), ended_by=ended_by)
            self._tell(command, "failed", why)

    def _give_up(self, why: str, ended_by: EndedBy) -> None:
        assert self._running is not None
        try:
            self._running[2].close()
        except Exception:
            logger.exception("the skill for %r raised when it was ended", self._running[1].phrase)
        self._end(Verdict(False, why), ended_by)

    def _end(self, verdict: Verdict, ended_by: EndedBy = "itself") -> None:
        assert self._running is not None
        command, intent, _, began_s = self._running
        self._running = None
        self.order = Hold()
        self._report(command, verdict, began_s, ended_by)
        self._tell(command, "done" if verdict.done else "failed", verdict.text)
        if ended_by in ("itself", "limit") and not (verdict.done and intent.kind in _SPEAKING):
            self._speak(verdict.text)

    def _speak(self, text: str) -> None:
        """Say it aloud; a voice that fails is no reason to fail."""
        try:
            self._body.speak(text)
        except Exception:
            logger.exception("%r could not be said", short(text))

    def _report(
        self,
        command: Command,
        verdict: Verdict,
        began_s: float | None = None,
        ended_by: EndedBy = "itself",
    ) -> None:
        self.reports.append(command.report(verdict, self._body.now_s(), began_s, ended_by))

    def _tell(self, command: Command, phase: str, text: str) -> None:
        self._emit(TaskEvent(self._body.now_s(), command.number, phase, text))
