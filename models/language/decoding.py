"""From distributions over a form's slots to forms: what is committed, and what is likeliest."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from models.language.forms import MASK_ID, PAD_ID, SLOTS, read
from models.language.words import PAD_ID as NO_WORD_ID

Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]

MASKED_AFTER: Final = (0.8, 0.5, 0.2, 0.0)
"""The share of the form still masked after each step; none from the fourth on."""

NEVER: Final = np.float32(-30.0)
DOUBTFUL_NLL: Final = math.log(2.0)
_CANDIDATES: Final = 64
_CHOICES: Final = 4
_ROWS: Final = np.arange(SLOTS)[:, None]


def used_slots(form: tuple[int, ...]) -> int:
    """Chunks of a form, with the padding that ends it."""
    return min(form.index(PAD_ID) + 1, SLOTS) if PAD_ID in form else SLOTS


def form_nll(log_probs: Float32Array, form: tuple[int, ...]) -> float:
    """Negative log-likelihood of a form, its end included, in nats."""
    at = log_probs.item
    return -sum([at(slot, form[slot]) for slot in range(used_slots(form))])


def chosen(log_probs: Float32Array, chunks: Int64Array) -> Float32Array:
    """Of (N, SLOTS, chunks) those of ``chunks`` (N, SLOTS)."""
    found: Float32Array = np.take_along_axis(log_probs, chunks[:, :, None], 2)[:, :, 0]
    return found


def committed(
    form: Int64Array, nll: Float32Array, opened: npt.NDArray[np.bool_], steps: Sequence[int]
) -> tuple[Int64Array, list[float]]:
    """What the next step sees: the most certain chunks, masks elsewhere; and the energies."""
    masked = np.array([MASKED_AFTER[min(step, len(MASKED_AFTER) - 1)] for step in steps])
    ends = form == PAD_ID
    used = np.where(ends.any(1), np.minimum(ends.argmax(1) + 1, SLOTS), SLOTS)
    inside = np.arange(SLOTS) < used[:, None]
    count = np.ceil((1.0 - masked) * used)
    rank = np.where(inside, nll, np.inf).argsort(1, kind="stable").argsort(1, kind="stable")
    slots = np.where(rank < count[:, None], form, MASK_ID)
    slots[~inside & (masked == 0.0)[:, None]] = PAD_ID
    slots[opened] = MASK_ID
    energies: list[float] = np.where(inside, nll, 0.0).sum(1, dtype=np.float64).tolist()
    return slots, energies


def likeliest_forms(log_probs: Float32Array) -> Iterator[tuple[int, ...]]:
    """Well-formed forms from the likeliest on, slots taken independently.

    Best-first over the lattice of each slot's next choice (Lawler 1972), cut after a few.
    """
    top = np.argpartition(log_probs, -_CHOICES, axis=1)[:, -_CHOICES:]
    values = log_probs[_ROWS, top]
    ranked = np.argsort(-values, axis=1, kind="stable")
    order = top[_ROWS, ranked].tolist()
    values = values[_ROWS, ranked]
    costs = (values[:, :1] - values).tolist()
    start: tuple[int, ...] = (0,) * SLOTS
    heap: list[tuple[float, tuple[int, ...]]] = [(0.0, start)]
    seen = {start}
    given: set[tuple[int, ...]] = set()
    for _ in range(_CANDIDATES):
        if not heap:
            return
        cost, ranks = heapq.heappop(heap)
        form = tuple([choices[rank] for choices, rank in zip(order, ranks, strict=True)])
        end = form.index(PAD_ID) if PAD_ID in form else SLOTS
        form = (*form[:end], *[PAD_ID] * (SLOTS - end))
        if form not in given and read(form):
            given.add(form)
            yield form
        for slot in range(min(end + 1, SLOTS)):
            rank = ranks[slot] + 1
            if rank < _CHOICES:
                after = (*ranks[:slot], rank, *ranks[slot + 1 :])
                if after not in seen:
                    seen.add(after)
                    more = costs[slot][rank] - costs[slot][rank - 1]
                    heapq.heappush(heap, (cost + more, after))


def filled(
    log_probs: Float32Array, before: Int64Array, nll_before: Float32Array
) -> tuple[Float32Array, Int64Array, Float32Array, npt.NDArray[np.bool_]]:
    """What was said of the slots, bounded; the form with its nll; and which slots that were
    decided (``before``) are open again."""
    log_probs = np.maximum(log_probs, NEVER)
    log_probs[:, :, MASK_ID] = NEVER
    best = log_probs.argmax(2)
    best_nll = -chosen(log_probs, best)
    decided = before != MASK_ID
    if not decided.any():
        return log_probs, best, best_nll, decided
    now = -chosen(log_probs, np.where(decided, before, 0))
    kept = decided & ((now < DOUBTFUL_NLL) | (best == before))
    form = np.where(kept, before, best)
    nll = np.where(kept, nll_before, best_nll)
    return log_probs, form, nll, decided & ~kept


def together(commands: Sequence[tuple[int, ...]]) -> Int64Array:
    """(N, longest) word pieces, the shorter commands padded."""
    if len(commands) == 1:
        return np.array(commands, np.int64)
    tokens = np.full((len(commands), max(map(len, commands))), NO_WORD_ID, np.int64)
    for row, command in enumerate(commands):
        tokens[row, : len(command)] = command
    return tokens


def hidden_together(parts: Sequence[Float32Array], longest: int) -> Float32Array:
    """(N, longest + SLOTS, width): what these go on with, zeros where tokens are padding."""
    if len(parts) == 1:
        alone: Float32Array = parts[0][None]
        return alone
    hidden = np.zeros((len(parts), longest + SLOTS, parts[0].shape[1]), np.float32)
    for row, own in enumerate(parts):
        length = len(own) - SLOTS
        hidden[row, :length], hidden[row, longest:] = own[:length], own[length:]
    return hidden
