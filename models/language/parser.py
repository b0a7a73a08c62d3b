"""Parsing as refinement: from a wholly masked form to one that stands.

Each step reads the words and what is committed of the form, fills every open slot with its
likeliest chunk, commits the most certain ones by a schedule and opens again what has become
doubtful (mask-predict, Ghazvininejad et al. 2019). Nothing of a target is ever seen: a step's
inputs are the command's words and the parser's own earlier choices.
"""

from __future__ import annotations

import heapq
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.backends import Backend
from models.language.forms import (
    MASK_ID,
    PAD_ID,
    SLOTS,
    UNKNOWN_ID,
    VOCABULARY,
    encode,
    read,
)
from models.language.words import MAX_TOKENS, WordTokenizer
from sage.skills.entities import Tagged, tag
from sage.skills.meaning import UNKNOWN, Entity, Meaning

Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]

MAX_CHARS: Final = 300
"""A longer text is no command."""

MASKED_AFTER: Final = (0.8, 0.5, 0.2, 0.0)
"""The share of the form still masked after each step; none from the fourth on."""

STABLE_COSINE: Final = 0.95
MAX_STEPS: Final = 6

_NEVER: Final = np.float32(-30.0)
_DOUBTFUL_NLL: Final = math.log(2.0)
_CANDIDATES: Final = 64
_UNKNOWN_FORM: Final = (UNKNOWN_ID, *[PAD_ID] * (SLOTS - 1))
_WHEN_NEGATED: Final = (_UNKNOWN_FORM, encode(("(", "stop", ")")))
_GREETING: Final = re.compile(
    r"(?:hello|hi|hey|good (?:morning|evening|day))(?: there)?(?: robot)? (?=.)"
)
_NEGATION: Final = re.compile(
    r"(?:(?:no|please|robot|hey|okay|well|but|and|you|should|must|um|uh) )*"
    r"(?:don't|dont|do not|never|must not|mustn't|should not|shouldn't|avoid|not)\b"
)


@dataclass(frozen=True, slots=True)
class Draft:
    """A command being read.

    ``tokens`` (1, L) int64, () of them where there is nothing to read; ``slots`` (SLOTS,) int64 is
    what of the form the next step sees, masks among it; ``form`` the chunks that it would answer
    now; ``nll`` (SLOTS,) the negative log-likelihood of each of them when it was chosen;
    ``log_probs`` (SLOTS, chunks) the last distribution; ``meaning`` (width,) the [CLS] vector.
    """

    text: str
    tagged: Tagged
    tokens: Int64Array
    slots: Int64Array
    form: tuple[int, ...]
    nll: Float32Array
    log_probs: Float32Array
    meaning: Float32Array
    steps: int

    @property
    def readable(self) -> bool:
        """Whether there are words, and no more of them than a command can have."""
        return self.tokens.shape[1] > 0

    @property
    def energy(self) -> float:
        """Negative log-likelihood of ``form`` in nats, its end included."""
        return float(self.nll[: _used(self.form)].sum()) if self.readable else 0.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """Energy and margin to the chance of being right, by logistic regression (Platt 1999).

    ``probability = 1 / (1 + exp(-(bias + energy_weight * log(energy + 0.001)
    + margin_weight * margin)))`` with the margin to the next likely form, at most 10 nats.
    """

    bias: float
    energy_weight: float
    margin_weight: float

    def probability(self, energy: float, margin: float) -> float:
        """The chance, in [0, 1]."""
        first, second = features(energy, margin)
        score = self.bias + self.energy_weight * first + self.margin_weight * second
        return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, score))))


def features(energy: float, margin: float) -> tuple[float, float]:
    """What the calibration is fitted on."""
    return math.log(max(energy, 0.0) + 1e-3), min(max(margin, -10.0), 10.0)


class Parser:
    """Commands to meanings.

    Args:
        backend: the exported network.
        tokenizer: that it was trained with.
        calibration: from energies to chances.
    """

    def __init__(self, backend: Backend, tokenizer: WordTokenizer, calibration: Calibration):
        self.backend = backend
        self._tokenizer = tokenizer
        self._calibration = calibration

    def begin(self, text: str) -> Draft:
        """A wholly masked form for these words."""
        tagged = tag(text) if len(text) <= MAX_CHARS else Tagged((), ())
        ids = self._tokenizer.encode(without_greeting(tagged.words))
        if not tagged.words or len(ids) == MAX_TOKENS:
            ids = ()
        return Draft(
            text=text,
            tagged=tagged,
            tokens=np.array([ids], np.int64),
            slots=np.full(SLOTS, MASK_ID, np.int64),
            form=_UNKNOWN_FORM,
            nll=np.full(SLOTS, math.log(len(VOCABULARY)), np.float32),
            log_probs=np.zeros((0, 0), np.float32),
            meaning=np.zeros(0, np.float32),
            steps=0,
        )

    def improve(self, draft: Draft) -> Draft:
        """One step: predict, fill, commit."""
        if not draft.readable:
            return replace(draft, steps=draft.steps + 1)
        out = self.backend.infer({"tokens": draft.tokens, "slots": draft.slots[None]})
        log_probs = np.maximum(out["log_probs"][0], _NEVER)
        log_probs[:, MASK_ID] = _NEVER
        best = log_probs.argmax(1)
        best_nll = -log_probs.max(1)
        committed = draft.slots != MASK_ID
        now = -log_probs[np.arange(SLOTS), np.where(committed, draft.slots, 0)]
        kept = committed & ((now < _DOUBTFUL_NLL) | (best == draft.slots))
        form = np.where(kept, draft.slots, best)
        nll = np.where(kept, draft.nll, best_nll).astype(np.float32)
        chosen = tuple(int(index) for index in form)
        # What has just been opened again is looked at once more before it is committed.
        slots = _committed(chosen, nll, committed & ~kept, draft.steps)
        return replace(
            draft,
            slots=slots,
            form=chosen,
            nll=nll,
            log_probs=log_probs,
            meaning=out["meaning"][0],
            steps=draft.steps + 1,
        )

    def settle(self, draft: Draft) -> Draft:
        """The nearest well-formed draft: the likeliest form that the domain's types allow.

        What not to do is no command: of "don't ..." only stopping can be meant.
        """
        if not draft.readable or draft.steps == 0:
            return draft
        form = draft.form
        if not read(form):
            form = next(_forms(draft.log_probs), _UNKNOWN_FORM)
        if form not in _WHEN_NEGATED and negated(draft.tagged.words):
            form = _UNKNOWN_FORM
        if form == draft.form:
            return draft
        nll = -draft.log_probs[np.arange(SLOTS), list(form)]
        slots = np.where(draft.slots == np.array(form), draft.slots, MASK_ID)
        return replace(draft, form=form, nll=nll, slots=slots)

    def answer(self, draft: Draft) -> Meaning:
        """What the draft says, with the chance that it is right, and what else it could be."""
        form = read(draft.form)
        if not draft.readable or not form:
            return Meaning(draft.text, (UNKNOWN,), draft.tagged.entities, 1.0)
        energy, margin, runner_up = self.judged(draft)
        return Meaning(
            text=draft.text,
            form=form,
            entities=matching(form, draft.tagged.entities),
            probability=self._calibration.probability(energy, margin),
            runner_up=runner_up,
        )

    @staticmethod
    def judged(draft: Draft) -> tuple[float, float, tuple[str, ...]]:
        """Energy, how much worse the next likely form is (nats), and that form."""
        energy = draft.energy
        if not len(draft.log_probs):
            return energy, 0.0, ()
        here = read(draft.form)
        at = np.arange(SLOTS)
        base = float(-draft.log_probs[at, list(draft.form)][: _used(draft.form)].sum())
        for form in _forms(draft.log_probs):
            tokens = read(form)
            if tokens != here:
                other = float(-draft.log_probs[at, list(form)][: _used(form)].sum())
                return energy, other - base, tokens
        return energy, 10.0, ()


def without_greeting(words: Sequence[str]) -> tuple[str, ...]:
    """The words after a greeting at their beginning, if there are any."""
    match = _GREETING.match(" ".join(words))
    return tuple(" ".join(words)[match.end() :].split()) if match else tuple(words)


def negated(words: Sequence[str]) -> bool:
    """Whether the words say what not to do."""
    return _NEGATION.match(" ".join(words)) is not None


def stable(before: Draft, draft: Draft, cosine: float = STABLE_COSINE) -> bool:
    """Whether a step changed neither the form nor, but for little, the meaning."""
    if not draft.readable:
        return True
    same = before.steps > 0 and before.form == draft.form
    return same and alike(before.meaning, draft.meaning) >= cosine


def alike(one: Float32Array, other: Float32Array) -> float:
    """Cosine of two meanings; -1 where there is none yet."""
    if not len(one) or not len(other):
        return -1.0
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other) + 1e-9))


def matching(form: tuple[str, ...], entities: tuple[Entity, ...]) -> tuple[Entity, ...]:
    """The entities without those that a speaker's restart said twice in a row.

    "go to the cabinet go to the cabinet and get the coke" names one cabinet.
    """
    wanted = Counter(token.strip("<>") for token in form if token.startswith("<"))
    had = Counter(entity.sort for entity in entities)
    kept: list[Entity] = []
    last: dict[str, Entity] = {}
    for entity in entities:
        before = last.get(entity.sort)
        if (
            before is not None
            and before.name == entity.name
            and had[entity.sort] > wanted[entity.sort]
        ):
            had[entity.sort] -= 1
            continue
        last[entity.sort] = entity
        kept.append(entity)
    return tuple(kept)


def calibration_of(card: Mapping[str, Any]) -> Calibration:
    """The calibration that a model card holds."""
    values = card["calibration"]
    return Calibration(
        bias=float(values["bias"]),
        energy_weight=float(values["energy_weight"]),
        margin_weight=float(values["margin_weight"]),
    )


def _used(form: tuple[int, ...]) -> int:
    """Chunks of a form, with the padding that ends it."""
    return min(form.index(PAD_ID) + 1, SLOTS) if PAD_ID in form else SLOTS


def _committed(
    form: tuple[int, ...], nll: Float32Array, opened: npt.NDArray[np.bool_], steps: int
) -> Int64Array:
    """What the next step sees: the most certain chunks, masks elsewhere."""
    masked = MASKED_AFTER[min(steps, len(MASKED_AFTER) - 1)]
    used = _used(form)
    count = math.ceil((1.0 - masked) * used)
    order = np.argsort(nll[:used], kind="stable")[:count]
    slots = np.full(SLOTS, MASK_ID, np.int64)
    slots[order] = np.array(form)[order]
    if masked == 0.0:
        slots[used:] = PAD_ID
    slots[opened] = MASK_ID
    return slots


def _forms(log_probs: Float32Array) -> Iterator[tuple[int, ...]]:
    """Well-formed forms from the likeliest on, slots taken independently.

    Best-first over the lattice of each slot's next choice (Lawler 1972), cut after a few.
    """
    order = np.argsort(-log_probs, axis=1, kind="stable")[:, :4]
    costs = -np.take_along_axis(log_probs, order, 1)
    costs = costs - costs[:, :1]
    start: tuple[int, ...] = (0,) * SLOTS
    heap: list[tuple[float, tuple[int, ...]]] = [(0.0, start)]
    seen = {start}
    given: set[tuple[int, ...]] = set()
    for _ in range(_CANDIDATES):
        if not heap:
            return
        cost, ranks = heapq.heappop(heap)
        form = tuple(int(order[slot, rank]) for slot, rank in enumerate(ranks))
        end = form.index(PAD_ID) if PAD_ID in form else SLOTS
        form = (*form[:end], *[PAD_ID] * (SLOTS - end))
        if form not in given and read(form):
            given.add(form)
            yield form
        for slot in range(min(end + 1, SLOTS)):
            rank = ranks[slot] + 1
            if rank < order.shape[1]:
                after = (*ranks[:slot], rank, *ranks[slot + 1 :])
                if after not in seen:
                    seen.add(after)
                    more = float(costs[slot, rank] - costs[slot, rank - 1])
                    heapq.heappush(heap, (cost + more, after))
