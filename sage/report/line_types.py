"""The lines of a telemetry file that a report reads, typed."""

from __future__ import annotations

import msgspec

Number = float | None


class _Line(msgspec.Struct, tag_field="event"):
    at_s: float


class HeaderLine(_Line, tag="header"):
    """See ``telemetry.schema.json``, as for all that follow."""

    sage: str
    device: str
    wall_time: str


class FinishedLine(_Line, tag="finished"):
    """A refinement ended."""

    plugin: str
    lane: str
    refinement: int
    energies: list[Number]
    costs_s: list[Number]
    best_step: int
    reason: str
    max_steps: int
    result_cost_s: Number
    granted_atp: Number
    spent_atp: Number
    trust: Number

    @property
    def saved_steps(self) -> int:
        """Steps left out because the refinement was done."""
        saving = self.reason in ("converged", "feasible", "stable")
        return max(0, self.max_steps - len(self.energies)) if saving else 0


class DroppedLine(_Line, tag="dropped"):
    """An observation never became a refinement."""

    plugin: str
    reason: str


class CreditedLine(_Line, tag="credited"):
    """It turned out what a result was worth."""

    plugin: str
    refinement: int
    value: Number
    trust: Number


class HealthLine(_Line, tag="health"):
    """A plugin's state changed."""

    plugin: str
    state: str
    detail: str


class CycleLine(_Line, tag="cycle"):
    """A cycle began."""

    pool_atp: Number
    spent_atp: Number
    trust: dict[str, Number]


class MovedLine(_Line, tag="moved"):
    """An effector did something."""

    executed_s: Number
    captured_s: Number
    linear_m_s: Number
    angular_rad_s: Number


class HeardLine(_Line, tag="heard"):
    """The ears made words of speech."""

    text: str
    confidence: Number
    began_s: Number
    ended_s: Number
    recogniser: str


class ParsedLine(_Line, tag="parsed"):
    """Language read a command."""

    command: int
    refinement: int
    text: str
    form: list[str]
    probability: Number


class ScoredLine(_Line, tag="scored"):
    """Memory weighed something."""

    modality: str
    salience: Number
    scores: dict[str, Number]


class KeptLine(_Line, tag="kept"):
    """Memory keeps it for good."""

    experience: int
    modality: str
    salience: Number
    summary: str


class TaskLine(_Line, tag="task"):
    """A command changed its phase."""

    command: int
    phase: str
    text: str


class EndLine(_Line, tag="end"):
    """The last line of a file that was closed."""

    reason: str
    lost: int


AnyLine = (
    HeaderLine
    | FinishedLine
    | DroppedLine
    | CreditedLine
    | HealthLine
    | CycleLine
    | MovedLine
    | HeardLine
    | ParsedLine
    | ScoredLine
    | KeptLine
    | TaskLine
    | EndLine
)
