"""How often a masked word of a command is guessed, beside a bigram's guess."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch.nn import functional as F

from models.language.corpus import Example
from models.language.forms import MASK_ID as MASKED_SLOT
from models.language.forms import SLOTS
from models.language.tiny_bert import TinyBert
from models.language.words import FIRST_WORD_ID, MASK_ID, WordTokenizer


@dataclass(frozen=True, slots=True)
class Guessed:
    """Shares of words guessed by the network and by a bigram, and how many were asked."""

    model: float
    bigram: float
    words: int


@torch.no_grad()
def guessed_words(
    network: TinyBert,
    tokenizer: WordTokenizer,
    learnt: Sequence[Example],
    tested: Sequence[Example],
    seed: int = 0,
) -> Guessed:
    """One masked word of each tested command, its form masked wholly; names are not asked for.

    The bigram guesses the word that most often follows the word before in ``learnt``.
    """
    following: dict[int, Counter[int]] = {}
    for one in learnt:
        for before, word in pairwise(tokenizer.encode(one.words)):
            if word >= FIRST_WORD_ID:
                following.setdefault(before, Counter())[word] += 1
    commonest = sum(following.values(), Counter[int]()).most_common(1)[0][0]
    rng = random.Random(seed)
    right, bigram = [], []
    slots = torch.full((1, SLOTS), MASKED_SLOT)
    network.eval()
    for one in tested:
        ids = list(tokenizer.encode(one.words))
        places = [at for at, word in enumerate(ids) if word >= FIRST_WORD_ID]
        if not places:
            continue
        at = rng.choice(places)
        before, wanted, ids[at] = ids[at - 1], ids[at], MASK_ID
        read = network(torch.tensor([ids]), slots)
        logits = F.linear(read.words[0, at], network.word.weight)
        right.append(int(logits.argmax()) == wanted)
        guesses = following.get(before)
        bigram.append((guesses.most_common(1)[0][0] if guesses else commonest) == wanted)
    return Guessed(float(np.mean(right)), float(np.mean(bigram)), len(right))
