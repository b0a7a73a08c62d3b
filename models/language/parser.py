"""Parsing as refinement: from a wholly masked form to one that stands.

Each step reads the words and what is committed of the form, fills every open slot with its
likeliest chunk, commits the most certain ones by a schedule and opens again what has become
doubtful (mask-predict, Ghazvininejad et al. 2019). Nothing of a target is ever seen: a step's
inputs are the command's words and the parser's own earlier choices.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np

from models.backends import Backend
from models.language.decoding import (
    Float32Array,
    Int64Array,
    chosen,
    committed,
    form_nll,
    likeliest_forms,
    used_slots,
)
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
from models.language.words import PAD_ID as NO_WORD_ID
from sage.skills.entities import Tagged, tag
from sage.skills.meaning import UNKNOWN, Entity, Meaning

MAX_CHARS: Final = 300
"""A longer text is no command."""

STABLE_COSINE: Final = 0.95
CERTAIN_NATS: Final = math.log(2.0)
MAX_STEPS: Final = 6

_NEVER: Final = np.float32(-30.0)
_DOUBTFUL_NLL: Final = math.log(2.0)
_AT_ONCE: Final = 12  # commands in one run of the network: what fits the processor's cache
_NOTHING: Final = Tagged((), ())
_MASKS: Final = np.full(SLOTS, MASK_ID, np.int64)
_UNDECIDED: Final = np.full(SLOTS, math.log(len(VOCABULARY)), np.float32)
_ROWS: Final = np.arange(SLOTS)
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

    ``tokens`` are numbers of word pieces, () where there is nothing to read and None where nobody
    has looked yet; ``slots`` (SLOTS,) int64 is what of the form the next step sees, masks among
    it; ``form`` the chunks that it would answer now; ``nll`` (SLOTS,) the negative log-likelihood
    of each of them when it was chosen; ``energy`` the sum of these in nats, the form's end
    included; ``log_probs`` (SLOTS, chunks) the last distribution; ``meaning`` (width,) the [CLS]
    vector.
    """

    steps: int  # first: states of two steps are told apart by it, at once
    text: str
    tagged: Tagged
    tokens: tuple[int, ...] | None
    slots: Int64Array
    form: tuple[int, ...]
    nll: Float32Array
    energy: float
    log_probs: Float32Array
    meaning: Float32Array

    @property
    def readable(self) -> bool:
        """Whether there are words, and no more of them than a command can have."""
        return self.tokens != ()


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
        threads: how many parts of a batch are computed at the same time.
    """

    def __init__(
        self,
        backend: Backend,
        tokenizer: WordTokenizer,
        calibration: Calibration,
        threads: int = 1,
    ) -> None:
        self.backend = backend
        self._tokenizer = tokenizer
        self._calibration = calibration
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, "parser") if threads > 1 else None

    def unread(self, text: str) -> Draft:
        """A wholly masked form for a text whose words are looked at when the first step comes."""
        return Draft(
            text=text,
            tagged=_NOTHING,
            tokens=None,
            slots=_MASKS,
            form=_UNKNOWN_FORM,
            nll=_UNDECIDED,
            energy=2.0 * math.log(len(VOCABULARY)),
            log_probs=np.zeros((0, 0), np.float32),
            meaning=np.zeros(0, np.float32),
            steps=0,
        )

    def begin(self, text: str) -> Draft:
        """A wholly masked form for these words."""
        return self._read(self.unread(text))

    def _read(self, draft: Draft) -> Draft:
        if draft.tokens is not None:
            return draft
        tagged = tag(draft.text) if len(draft.text) <= MAX_CHARS else _NOTHING
        ids = self._tokenizer.encode(without_greeting(tagged.words))
        if not tagged.words or len(ids) == MAX_TOKENS:
            return replace(draft, tagged=tagged, tokens=(), energy=0.0)
        return replace(draft, tagged=tagged, tokens=ids)

    def improve(self, draft: Draft) -> Draft:
        """One step: predict, fill, commit."""
        return self._improved([self._read(draft)])[0]

    def improve_all(self, drafts: Sequence[Draft]) -> list[Draft]:
        """One step of each; what comes out does not depend on the others.

        Words are looked at here while the network reads the commands before.
        """
        # Those of about one length side by side, so that little is padded; the longest first, so
        # that no thread is left with much when the others are done.
        order = sorted(range(len(drafts)), key=lambda index: -len(drafts[index].text))
        rounds = -(-len(order) // (_AT_ONCE * self._threads))
        size = max(1, -(-len(order) // (rounds * self._threads or 1)))
        parts = [order[start : start + size] for start in range(0, len(order), size)]
        pool = self._pool if len(parts) > 1 else None
        results: list[Callable[[], list[Draft]]] = []
        for part in parts:
            read = [self._read(drafts[index]) for index in part]
            if pool is None:
                results.append(partial(self._improved, read))
            else:
                results.append(pool.submit(self._improved, read).result)
        after = list(drafts)
        for part, result in zip(parts, results, strict=True):
            for index, draft in zip(part, result(), strict=True):
                after[index] = draft
        return after

    def _improved(self, drafts: Sequence[Draft]) -> list[Draft]:
        """One step of a few, in one run of the network for those that are readable."""
        after = {id(one): replace(one, steps=one.steps + 1) for one in drafts if not one.readable}
        asked = [one for one in drafts if one.readable]
        if asked:
            after.update(zip(map(id, asked), self._asked(asked), strict=True))
        return [after[id(one)] for one in drafts]

    def _asked(self, drafts: Sequence[Draft]) -> list[Draft]:
        commands = [one.tokens or () for one in drafts]
        tokens = np.full((len(drafts), max(map(len, commands))), NO_WORD_ID, np.int64)
        for row, command in enumerate(commands):
            tokens[row, : len(command)] = command
        before = np.array([one.slots for one in drafts])
        out = self.backend.infer({"tokens": tokens, "slots": before})
        log_probs = np.maximum(out["log_probs"], _NEVER)
        log_probs[:, :, MASK_ID] = _NEVER
        best = log_probs.argmax(2)
        best_nll = -chosen(log_probs, best)
        decided = before != MASK_ID
        now = -chosen(log_probs, np.where(decided, before, 0))
        kept = decided & ((now < _DOUBTFUL_NLL) | (best == before))
        form = np.where(kept, before, best)
        nll = np.where(kept, np.array([one.nll for one in drafts]), best_nll)
        # What has just been opened again is looked at once more before it is committed.
        slots, energies = committed(form, nll, decided & ~kept, [one.steps for one in drafts])
        return [
            Draft(
                text=one.text,
                tagged=one.tagged,
                tokens=one.tokens,
                slots=slots[row],
                form=tuple(chunks),
                nll=nll[row],
                energy=energy,
                log_probs=log_probs[row],
                meaning=out["meaning"][row],
                steps=one.steps + 1,
            )
            for row, (one, chunks, energy) in enumerate(
                zip(drafts, form.tolist(), energies, strict=True)
            )
        ]

    def settle(self, draft: Draft) -> Draft:
        """The nearest well-formed draft: the likeliest form that the domain's types allow.

        What not to do is no command: of "don't ..." only stopping can be meant.
        """
        if not draft.readable or draft.steps == 0:
            return draft
        form = draft.form
        if not read(form):
            form = next(likeliest_forms(draft.log_probs), _UNKNOWN_FORM)
        if form not in _WHEN_NEGATED and negated(draft.tagged.words):
            form = _UNKNOWN_FORM
        if form == draft.form:
            return draft
        nll = -draft.log_probs[_ROWS, form]
        slots = np.where(draft.slots == form, draft.slots, MASK_ID)
        energy = float(nll[: used_slots(form)].sum(dtype=np.float64))
        return replace(draft, form=form, nll=nll, energy=energy, slots=slots)

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
        base = form_nll(draft.log_probs, draft.form)
        for form in likeliest_forms(draft.log_probs):
            tokens = read(form)
            if tokens != here:
                return energy, form_nll(draft.log_probs, form) - base, tokens
        return energy, 10.0, ()


def without_greeting(words: Sequence[str]) -> tuple[str, ...]:
    """The words after a greeting at their beginning, if there are any."""
    match = _GREETING.match(" ".join(words))
    return tuple(" ".join(words)[match.end() :].split()) if match else tuple(words)


def negated(words: Sequence[str]) -> bool:
    """Whether the words say what not to do."""
    return _NEGATION.match(" ".join(words)) is not None


def certain(draft: Draft, nats: float = CERTAIN_NATS) -> bool:
    """Whether the form has most of the probability, so that no other one can be as likely."""
    return draft.readable and draft.steps > 0 and draft.energy < nats


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
    if len(entities) < 2:
        return entities
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
