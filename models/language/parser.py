"""Parsing as refinement: from a wholly masked form to one that stands.

A step is half a pass through the network. The first half reads the words and what is committed of
the form, and its own head fills every open slot with its likeliest chunk; where that is certain,
the parse ends (early exit, Schwartz et al. 2020). The second half goes on with the hidden vectors
of the first, fills the slots anew, commits the most certain ones by a schedule and opens again what
has become doubtful (mask-predict, Ghazvininejad et al. 2019). Nothing of a target is ever seen: a
step's inputs are the command's words and the parser's own earlier choices.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np

from models.backends import Backend
from models.language.alternatives import matching, ranked_forms, twin_of, weighed
from models.language.calibration import Calibration
from models.language.decoding import (
    Float32Array,
    Int64Array,
    committed,
    filled,
    form_nll,
    hidden_together,
    likeliest_forms,
    together,
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
from models.language.manner import negated, told_to_stay, without_greeting
from models.language.recall import Recall, Recalled
from models.language.words import MAX_TOKENS, WordTokenizer
from sage.skills.entities import Tagged, tag
from sage.skills.meaning import UNKNOWN, Meaning

MAX_CHARS: Final = 300
"""A longer text is no command."""

STABLE_COSINE: Final = 0.95
CERTAIN_NATS: Final = math.log(2.0)
"""Below, a form has over half of the probability, so that no other can be as likely."""
MAX_STEPS: Final = 12
"""Six passes of two halves."""

_AT_ONCE: Final = 12  # commands in one run of the network: what fits the processor's cache
_NOTHING: Final = Tagged((), ())
_SURE_NATS: Final = 0.1  # a form of lower energy is not asked about
_NO_MEANING: Final = np.zeros(0, np.float32)
_MASKS: Final = np.full(SLOTS, MASK_ID, np.int64)
_UNDECIDED: Final = np.full(SLOTS, math.log(len(VOCABULARY)), np.float32)
_ROWS: Final = np.arange(SLOTS)
_UNKNOWN_FORM: Final = (UNKNOWN_ID, *[PAD_ID] * (SLOTS - 1))
_STOP_FORM: Final = encode(("(", "stop", ")"))


@dataclass(frozen=True, slots=True)
class Draft:
    """A command being read.

    ``tokens`` are numbers of word pieces, () where there is nothing to read and None where nobody
    has looked yet; ``slots`` (SLOTS,) int64 is what of the form the next step sees, masks among
    it; ``form`` the chunks that it would answer now; ``nll`` (SLOTS,) the negative log-likelihood
    of each of them when it was chosen; ``energy`` the sum of these in nats, the form's end
    included; ``log_probs`` (SLOTS, chunks) the last distribution; ``meaning`` (width,) the [CLS]
    vector, and ``earlier`` that of the step before; ``hidden`` (len(tokens) + SLOTS, width) what
    the second half of a pass goes on with, None where the next step is a first half.
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
    earlier: Float32Array
    hidden: Float32Array | None = None

    @property
    def readable(self) -> bool:
        """Whether there are words, and no more of them than a command can have."""
        return self.tokens != ()


class Parser:
    """Commands to meanings.

    Args:
        lower, upper: the exported halves of the network.
        tokenizer: that it was trained with.
        calibration: from energies to chances.
        threads: how many parts of a batch are computed at the same time.
        recall: what people meant before with the same names; without it, only the words count.
    """

    def __init__(
        self,
        lower: Backend,
        upper: Backend,
        tokenizer: WordTokenizer,
        calibration: Calibration,
        threads: int = 1,
        recall: Recall | None = None,
    ) -> None:
        self._recall = recall
        self.lower, self.upper = lower, upper
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
            meaning=_NO_MEANING,
            earlier=_NO_MEANING,
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
        """One step of a few, in one run of a half for those that are readable and at that half."""
        after = {id(one): replace(one, steps=one.steps + 1) for one in drafts if not one.readable}
        begun = [one for one in drafts if one.readable and one.hidden is None]
        if begun:
            after.update(zip(map(id, begun), self._begun(begun), strict=True))
        ended = [one for one in drafts if one.readable and one.hidden is not None]
        if ended:
            after.update(zip(map(id, ended), self._ended(ended), strict=True))
        return [after[id(one)] for one in drafts]

    def _begun(self, drafts: Sequence[Draft]) -> list[Draft]:
        """The first half of a pass: an answer, nothing is committed yet."""
        tokens = together([one.tokens or () for one in drafts])
        before = np.array([one.slots for one in drafts])
        nll = np.array([one.nll for one in drafts])
        out = self.lower.infer({"tokens": tokens, "slots": before})
        log_probs, form, nll, _ = filled(out["log_probs"], before, nll)
        longest = tokens.shape[1]
        hidden = out["hidden"]
        made = []
        for row, (one, chunks) in enumerate(zip(drafts, form.tolist(), strict=True)):
            length, said = len(one.tokens or ()), tuple(chunks)
            own = hidden[row]
            if length < longest:
                own = np.concatenate((own[:length], own[longest:]))
            made.append(
                Draft(
                    text=one.text,
                    tagged=one.tagged,
                    tokens=one.tokens,
                    slots=one.slots,
                    form=said,
                    nll=nll[row],
                    energy=float(nll[row, : used_slots(said)].sum(dtype=np.float64)),
                    log_probs=log_probs[row],
                    meaning=out["meaning"][row],
                    earlier=one.meaning,
                    hidden=own,
                    steps=one.steps + 1,
                )
            )
        return made

    def _ended(self, drafts: Sequence[Draft]) -> list[Draft]:
        """The second half of a pass: fill, commit, open what became doubtful."""
        tokens = together([one.tokens or () for one in drafts])
        before = np.array([one.slots for one in drafts])
        nll = np.array([one.nll for one in drafts])
        parts = [one.hidden for one in drafts if one.hidden is not None]
        hidden = hidden_together(parts, tokens.shape[1])
        out = self.upper.infer({"tokens": tokens, "hidden": hidden})
        log_probs, form, nll, opened = filled(out["log_probs"], before, nll)
        # What has just been opened again is looked at once more before it is committed.
        passes = [one.steps // 2 for one in drafts]
        slots, energies = committed(form, nll, opened, passes)
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
                earlier=one.meaning,
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
        form, energy = draft.form, draft.energy
        recalled = self._recalled(draft)
        if recalled is not None:
            ranked = ranked_forms(draft.log_probs, recalled)
            if ranked:
                form, energy = ranked[0][1], ranked[0][0]
        elif not read(form):
            form = next(likeliest_forms(draft.log_probs), _UNKNOWN_FORM)
        if form != _STOP_FORM and negated(draft.tagged.words):
            form = _STOP_FORM if told_to_stay(draft.tagged.words) else _UNKNOWN_FORM
        if form == draft.form:
            return draft if energy == draft.energy else replace(draft, energy=energy)
        nll = -draft.log_probs[_ROWS, form]
        slots = draft.slots  # of a pass that goes on they are what its first half has seen
        if draft.hidden is None:
            slots = np.where(slots == form, slots, MASK_ID)
        if recalled is None or form == _UNKNOWN_FORM:
            energy = float(nll[: used_slots(form)].sum(dtype=np.float64))
        if form == _STOP_FORM and negated(draft.tagged.words):
            energy = 0.0  # a rule, and no matter of chance
        return replace(draft, form=form, nll=nll, energy=energy, slots=slots)

    def _recalled(self, draft: Draft) -> Recalled | None:
        """What was meant before with the names of a draft that is in doubt."""
        if self._recall is None or draft.energy < _SURE_NATS or not len(draft.log_probs):
            return None
        return self._recall.of(draft.tagged.entities)

    def answer(self, draft: Draft) -> Meaning:
        """What the draft says, with the chance that it is right, and what else it could be."""
        form = read(draft.form)
        if not draft.readable or not form:
            return Meaning(draft.text, (UNKNOWN,), draft.tagged.entities, 1.0)
        energy, margin, runner_up = self.judged(draft, weighed)
        twin = twin_of(draft.form)
        if twin is not None:  # slot by slot it may be either of the two
            said = np.exp(draft.log_probs[_ROWS, draft.form])
            said += np.where(np.equal(draft.form, twin), 0.0, np.exp(draft.log_probs[_ROWS, twin]))
            used = max(used_slots(draft.form), used_slots(twin))
            energy = min(energy, float(-np.log(np.minimum(said[:used], 1.0)).sum()))
        return Meaning(
            text=draft.text,
            form=form,
            entities=matching(form, draft.tagged.entities),
            probability=self._calibration.probability(energy, margin),
            runner_up=runner_up,
        )

    def judged(
        self, draft: Draft, meant: Callable[[tuple[str, ...]], tuple[str, ...]] = tuple
    ) -> tuple[float, float, tuple[str, ...]]:
        """Energy, how much worse the next likely form is (nats), and that form.

        Args:
            meant: what of a form counts; forms that are the same by it are taken together.
        """
        energy = draft.energy
        if not len(draft.log_probs):
            return energy, 0.0, ()
        recalled = self._recalled(draft)
        if recalled is not None:
            base, ranked = energy, iter(ranked_forms(draft.log_probs, recalled))
        else:
            base = form_nll(draft.log_probs, draft.form)
            found = likeliest_forms(draft.log_probs)
            ranked = ((form_nll(draft.log_probs, form), form) for form in found)
        here = meant(read(draft.form))
        for cost, form in ranked:
            tokens = read(form)
            if meant(tokens) != here:
                return energy, cost - base, tokens
            if form != draft.form:
                energy = -math.log(math.exp(-energy) + math.exp(-cost))
        return max(0.0, energy), 10.0, ()


def certain(draft: Draft, nats: float = CERTAIN_NATS) -> bool:
    """Whether the form is certain enough to be left as it is.

    After the second half of a pass twice the energy will do: all layers have spoken, and further
    passes can do no more than look again.
    """
    enough = nats if draft.hidden is not None else 2.0 * nats
    return draft.readable and draft.steps > 0 and draft.energy < enough


def stable(before: Draft, draft: Draft, cosine: float = STABLE_COSINE) -> bool:
    """Whether a step did not change the form, nor, but for little, the meaning since the same
    half of the pass before."""
    if not draft.readable:
        return True
    same = before.steps > 0 and before.form == draft.form
    return same and alike(before.earlier, draft.meaning) >= cosine


def alike(one: Float32Array, other: Float32Array) -> float:
    """Cosine of two meanings; -1 where there is none yet."""
    if not len(one) or not len(other):
        return -1.0
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other) + 1e-9))
