"""Language: a masked logical form, unmasked step by step until the meaning stands.

A step is half a pass through the network, with an answer of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from models.language import artifacts
from models.language.parser import (
    CERTAIN_NATS,
    MAX_STEPS,
    STABLE_COSINE,
    Draft,
    certain,
    stable,
)
from sage.irp import (
    ConfigError,
    Context,
    HaltPolicy,
    HaltReason,
    Invariants,
    IRPPlugin,
    PluginError,
)
from sage.skills.meaning import Meaning
from sage.values import Observation, Utterance

_MAX_STEPS: Final = 32


@dataclass(frozen=True, slots=True)
class LanguageConfig:
    """Settings of the language plugin.

    Attributes:
        max_steps: refinement steps per command, 1 to 32, two to a pass through the network; after
            the eighth nothing is masked, and later ones only look again at what became doubtful.
        stable_cosine: the meaning stands when the [CLS] vectors of the same half of two passes in
            a row are at least this similar, in (0, 1], and the form did not change.
        certain_nats: a form of lower energy stands as it is, after a whole pass one of twice that.
            0 to 10; 0 waits for the meaning.
        threads: processor threads of a batch, 1 to 64; a single command takes one.
    """

    max_steps: int = MAX_STEPS
    stable_cosine: float = STABLE_COSINE
    certain_nats: float = CERTAIN_NATS
    threads: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.max_steps <= _MAX_STEPS:
            raise ConfigError(f"language max_steps {self.max_steps} must be in [1, {_MAX_STEPS}]")
        if not 0.0 < self.stable_cosine <= 1.0:
            raise ConfigError(f"language stable_cosine {self.stable_cosine} must be in (0, 1]")
        if not 0.0 <= self.certain_nats <= 10.0:
            raise ConfigError(f"language certain_nats {self.certain_nats} must be in [0, 10]")
        if not 1 <= self.threads <= 64:
            raise ConfigError(f"language threads {self.threads} must be in [1, 64]")


@dataclass(frozen=True, slots=True)
class LanguageState:
    """A command being understood: its draft, and when it was said (seconds)."""

    draft: Draft
    captured_s: float

    @property
    def form(self) -> tuple[int, ...]:
        """The chunks of the form that it would answer now."""
        return self.draft.form


class LanguagePlugin(IRPPlugin[LanguageState, Meaning]):
    """Speech observations to meanings.

    Args:
        config: see :class:`LanguageConfig`.
        weights: the serialised halves of the network; the shipped ones unless given.

    Raises:
        ModelError: weights missing or corrupt; the text names the command that restores them.

    Example:
        >>> heard = Observation("typed", "speech", 0.0, 0, Utterance("go to the kitchen"))
        >>> refine(LanguagePlugin(), heard).result.form
        ('(', 'go', '"', '<room>', '"', ')')
    """

    name = "language"
    invariants = Invariants(
        state_space="a logical form of ten slots, each a chunk or a mask, under a command's words",
        noise_model="masking: absorbing noise on the form's slots, none on the words",
        energy="negative log-likelihood of the current form, each chunk as of when it was chosen",
        coherence="an intention with its entities and the chance that it is right, for skills",
    )

    def __init__(
        self, config: LanguageConfig | None = None, weights: tuple[bytes, bytes] | None = None
    ) -> None:
        self.config = config or LanguageConfig()
        # Energies of certain forms are near 0 from the first step: only settled() ends early.
        self.halting = HaltPolicy(max_steps=self.config.max_steps, slope_eps=1e-4, window=2)
        self._parser = artifacts.load_parser(weights, self.config.threads)

    @property
    def cost_s(self) -> dict[str, float]:
        """Measured median seconds of a run of each half; NaN where none was made."""
        return {"lower": self._parser.lower.cost_s, "upper": self._parser.upper.cost_s}

    def init_state(self, observation: Any, context: Context) -> LanguageState:
        """A wholly masked form; PluginError if the observation holds no utterance."""
        if not isinstance(observation, Observation) or not isinstance(observation.data, Utterance):
            raise PluginError(
                f"language needs an Observation of an Utterance, got {observation!r:.80}"
            )
        text = observation.data.text
        if not isinstance(text, str):
            raise PluginError(f"language: the utterance's text is {text!r:.60}, no text")
        return LanguageState(self._parser.unread(text), observation.captured_s)

    def step(self, state: LanguageState) -> LanguageState:
        """Half a pass: fill the open slots; with the second, commit the most certain, open what
        became doubtful."""
        return LanguageState(self._parser.improve(state.draft), state.captured_s)

    def step_batch(self, states: Sequence[LanguageState]) -> list[LanguageState]:
        """What :meth:`step` gives for each, several commands in one run of a half."""
        drafts = self._parser.improve_all([state.draft for state in states])
        return [
            LanguageState(draft, state.captured_s)
            for draft, state in zip(drafts, states, strict=True)
        ]

    def energy(self, state: LanguageState) -> float:
        """Negative log-likelihood of the current form, in nats."""
        return state.draft.energy

    def project(self, state: LanguageState) -> LanguageState:
        """The likeliest form that the domain's types allow."""
        settled = self._parser.settle(state.draft)
        return state if settled is state.draft else LanguageState(settled, state.captured_s)

    def settled(self, previous: LanguageState, state: LanguageState) -> HaltReason | None:
        """FEASIBLE when the form is certain; STABLE when it and the meaning did not change."""
        if certain(state.draft, self.config.certain_nats):
            return HaltReason.FEASIBLE
        stands = stable(previous.draft, state.draft, self.config.stable_cosine)
        return HaltReason.STABLE if stands else None

    def result(self, state: LanguageState) -> Meaning:
        """Form, entities, the chance of being right, and what else it could have been."""
        return self._parser.answer(state.draft)
