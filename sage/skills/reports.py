"""What became of the commands: a report for each, and what is known of one on its way there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sage.skills.body import Verdict
from sage.skills.intent import Intent
from sage.values import Utterance

EndedBy = Literal["itself", "stop", "limit", "cancel", "correction", "more"]

_SHOWN_CHARS = 120


@dataclass(frozen=True, slots=True)
class Report:
    """A command that is over.

    Attributes:
        command: its number.
        text: the words.
        intent: what was to be done; None where it was declined, or never understood.
        verdict: what the robot believes it did.
        began_s: when it began to carry it out; the end where it never did.
        ended_s: when it was over.
        said: the utterance; None where nobody recorded it.
        heard_s: when the agent got it.
        understood_s: when it was understood or declined; None where it was dropped before.
        probability: that it was understood rightly; None where nobody says.
        asked: what a declined command was asked back: did you mean one of these?
        ended_by: ``itself``, or what cut it short: somebody's "stop", its time limit, a
            ``cancel`` that the robot needed, a ``correction`` that took its place, or ``more``: the
            speaker went on, and what was said as a whole took its place.
    """

    command: int
    text: str
    intent: Intent | None
    verdict: Verdict
    began_s: float
    ended_s: float
    said: Utterance | None = None
    heard_s: float | None = None
    understood_s: float | None = None
    probability: float | None = None
    asked: tuple[str, ...] = ()
    ended_by: EndedBy = "itself"


@dataclass(slots=True, eq=False)
class Command:
    """A command on its way from the ears to its report."""

    number: int
    said: Utterance
    heard_s: float
    asked_s: float = 0.0
    asked_times: int = 0
    intent: Intent | None = None
    understood_s: float | None = None
    probability: float | None = None
    suggestions: tuple[str, ...] = ()

    def report(
        self,
        verdict: Verdict,
        now_s: float,
        began_s: float | None = None,
        ended_by: EndedBy = "itself",
    ) -> Report:
        """The end of it, now."""
        return Report(
            self.number,
            self.said.text,
            self.intent,
            verdict,
            now_s if began_s is None else began_s,
            now_s,
            said=self.said,
            heard_s=self.heard_s,
            understood_s=self.understood_s,
            probability=self.probability,
            asked=self.suggestions,
            ended_by=ended_by,
        )


def short(text: str) -> str:
    """Words of limited length, to be shown."""
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 3] + "..."
