"""Commands with forms as tensors, without end."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from models.language.corpus import noisy
from models.language.forms import encode as encode_form
from models.language.forms import tokens_of
from models.language.words import FIRST_WORD_ID, PAD_ID, WordTokenizer
from models.language.words import MASK_ID as MASKED_WORD


class Batch(NamedTuple):
    """``tokens`` (N, L); ``real`` (N, L) is false for padding; ``forms`` (N, SLOTS) the targets;
    ``hidden`` (N, L) the words before masking, 0 where nothing is to be guessed; ``vectors``
    (N, 384) the teacher's, NaN where there is none. Where words are hidden, the form is to be too.
    """

    tokens: Tensor
    real: Tensor
    forms: Tensor
    hidden: Tensor
    vectors: Tensor


class Source(NamedTuple):
    """Examples as ``(words, form)`` with how often to draw from them, and the teacher's vectors
    for the first of them."""

    pairs: Sequence[tuple[tuple[str, ...], str]]
    share: float
    vectors: Tensor | None = None


def batches(
    sources: Sequence[Source],
    tokenizer: WordTokenizer,
    size: int,
    seed: int,
    *,
    noise: float = 1.0,
    word_masking: float = 0.18,
    masked_share: float = 0.3,
    window: int = 8,
) -> Iterator[Batch]:
    """Batches without end, each of commands of about one length, drawn anew with noise.

    A share ``masked_share`` of the commands have words to guess: a share ``word_masking`` of
    theirs, at least one.
    """
    rng = random.Random(seed)
    shares = [source.share for source in sources]
    forms: dict[str, tuple[int, ...]] = {}
    orders: list[Iterator[int]] = [_endless(len(source.pairs), rng) for source in sources]
    while True:
        drawn = []
        for _ in range(size * window):
            which = rng.choices(range(len(sources)), shares)[0]
            index = next(orders[which])
            words, form = sources[which].pairs[index]
            if form not in forms:
                forms[form] = encode_form(tokens_of(form))
            ids = tokenizer.encode(noisy(words, rng, noise) if rng.random() < 0.8 else words)
            vectors = sources[which].vectors
            vector = vectors[index] if vectors is not None and index < len(vectors) else None
            drawn.append((ids, forms[form], vector))
        drawn.sort(key=lambda item: len(item[0]))
        starts = list(range(0, len(drawn), size))
        rng.shuffle(starts)
        for start in starts:
            yield _collated(drawn[start : start + size], rng, word_masking, masked_share)


def _endless(count: int, rng: random.Random) -> Iterator[int]:
    order = list(range(count))
    while True:
        rng.shuffle(order)
        yield from order


def _collated(
    items: Sequence[tuple], rng: random.Random, word_masking: float, masked_share: float
) -> Batch:
    length = max(len(ids) for ids, _, _ in items)
    tokens = torch.full((len(items), length), PAD_ID)
    hidden = torch.zeros((len(items), length), dtype=torch.int64)
    vectors = torch.full((len(items), 384), float("nan"))
    for row, (ids, _, vector) in enumerate(items):
        tokens[row, : len(ids)] = torch.tensor(ids)
        if vector is not None:
            vectors[row] = vector.float()
        if rng.random() >= masked_share:
            continue
        places = [column for column, token in enumerate(ids) if token >= FIRST_WORD_ID]
        chosen = [column for column in places if rng.random() < word_masking]
        for column in chosen or (places and [rng.choice(places)]):
            hidden[row, column] = ids[column]
            tokens[row, column] = MASKED_WORD
    return Batch(
        tokens,
        tokens != PAD_ID,
        torch.tensor([form for _, form, _ in items]),
        hidden,
        vectors,
    )
