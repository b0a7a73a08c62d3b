"""What language makes of a command: a logical form, and the things that it names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sage.irp.errors import ConfigError

UNKNOWN: Final = "UNKNOWN"
"""The whole form of a command that is not understood, or outside the domain."""


@dataclass(frozen=True, slots=True)
class Entity:
    """A thing that a command names.

    Attributes:
        sort: its class in a logical form: ``object``, ``category``, ``room``, ``location`` (a
            piece of furniture), ``name`` (of a person), ``gesture``, ``question``, ``whattosay``.
        name: the ontology's name.
        words: as it was said.
    """

    sort: str
    name: str
    words: str


@dataclass(frozen=True, slots=True)
class Meaning:
    """A command read as a logical form of the GPSR domain.

    ``form`` holds the tokens in the dataset's notation (arXiv 1907.01115), entities replaced by
    their class: ``( go " <room> " )`` is ``("(", "go", '"', "<room>", '"', ")")``. Forms of this
    robot's own: ``( return )``, ``( stop )``, ``( go " <location> " )``.

    Attributes:
        text: the words.
        form: tokens of the logical form; ``("UNKNOWN",)`` where there is none.
        entities: what the command names, in the order of mention; the first ``<room>`` of the
            form is the first entity of that sort, and so on.
        probability: calibrated chance that the form is right, in [0, 1].
        runner_up: the next likely form, empty where there is none to speak of.
    """

    text: str
    form: tuple[str, ...]
    entities: tuple[Entity, ...] = ()
    probability: float = 1.0
    runner_up: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.form:
            raise ConfigError("a meaning needs a form; an unknown one is ('UNKNOWN',)")
        if not 0.0 <= self.probability <= 1.0:
            raise ConfigError(f"probability must lie in [0, 1], got {self.probability}")

    @property
    def known(self) -> bool:
        """Whether there is a form at all."""
        return self.form != (UNKNOWN,)

    def named(self, sort: str) -> tuple[str, ...]:
        """The names of one sort, in the order of mention."""
        return tuple(entity.name for entity in self.entities if entity.sort == sort)
