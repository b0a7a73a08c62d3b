"""Commands on their way through the language plugin: asked for, refined on a lane, answered."""

from __future__ import annotations

import logging
from collections.abc import Callable

from memory.phrases import Phrases
from memory.store import ExperienceStore
from models.language.questions import answer
from orchestrator import HRMOrchestrator
from sage.clock import Clock
from sage.irp import Outcome, SageError
from sage.skills.agent import Agent
from sage.skills.dialogue import Dialogue
from sage.skills.grammar import parse
from sage.skills.intent import Declined, Intent
from sage.skills.interpretation import together
from sage.skills.meaning import Meaning
from sage.telemetry import Observer, Parsed
from sage.values import Observation, Utterance

logger = logging.getLogger(__name__)

OnMeaning = Callable[[Utterance, "Meaning | None"], object]


class Understanding:
    """What an agent asks to have a command read, and who tells it the answer.

    Args:
        orchestrator: where the plugin of that ``name`` is registered, with :meth:`take`.
        name: of the language plugin.
        clock: the runtime's.
        emit: where ``Parsed`` goes.
        on_meaning: told each utterance and what was made of it.
        on_read: told the number of each command and of the refinement that read it.
    """

    def __init__(
        self,
        orchestrator: HRMOrchestrator,
        name: str,
        clock: Clock,
        emit: Observer,
        on_meaning: OnMeaning,
        on_read: Callable[[int, int], object],
    ) -> None:
        self._orchestrator = orchestrator
        self._name = name
        self._clock = clock
        self._emit = emit
        self._on_meaning = on_meaning
        self._on_read = on_read
        self.agent: Agent | None = None

    def ask(self, number: int, said: Utterance) -> None:
        """Have a command read; the answer goes to the agent.

        Who asks what is seen, or one of the ontology's questions, is answered at once: no form of
        language's domain says that.
        """
        if self.agent is not None and _asks(plain := parse(said.text)):
            self._on_meaning(said, None)
            self.agent.understood(number, plain)
            return
        # Due from now on: what came before the words were there is not the lane's to make up for.
        now_s = self._clock.now_s()
        self._orchestrator.submit(
            self._name, Observation(said.recogniser, "speech", now_s, number, said)
        )

    def take(self, observation: Observation, outcome: Outcome[Meaning]) -> None:
        """A refinement ended: tell the agent what the command means."""
        assert self.agent is not None
        said: Utterance = observation.data
        number = observation.sequence
        meaning = outcome.result
        self._on_meaning(said, meaning)
        if meaning is None:
            why = f"something went wrong: {outcome.error}" if outcome.error else "no answer in time"
            self.agent.understood(number, Declined(said.text, f"not understood; {why}"))
            return
        self._emit(
            Parsed(
                self._clock.now_s(),
                number,
                outcome.refinement,
                said.text,
                meaning.form,
                meaning.probability,
            )
        )
        self._on_read(number, outcome.refinement)  # first: the answer may end the command
        wanted = together(meaning, parse(said.text))
        self.agent.understood(number, wanted, probability=meaning.probability)


def _asks(plain: Intent | Declined) -> bool:
    """Whether plain words are a question to the robot, and nothing else."""
    if not isinstance(plain, Intent):
        return False
    return plain.kind == "describe" or (plain.kind == "answer" and plain.words is not None)


def known_answer(question: str) -> str | None:
    """What is answered to a question; None where nothing is known."""
    found = answer(question)
    return None if found is None else found.text


def remembered_dialogue(store: ExperienceStore | None) -> Dialogue:
    """A dialogue that knows what was learnt before, where there is a memory."""
    if store is None:
        return Dialogue()
    phrases = Phrases(store.path)
    try:
        return Dialogue(learned=phrases.load(), on_learned=phrases.keep)
    except SageError as error:
        logger.warning("%s; no phrase is remembered", error)
        return Dialogue()
