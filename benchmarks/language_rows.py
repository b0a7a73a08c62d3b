"""Rows of the language benchmark beside the exact forms: time saved, masked words, questions."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.report import Row
from models.language import artifacts
from models.language.corpus import Example
from models.language.evaluate import Parse
from models.language.parser import MAX_STEPS, Parser
from models.language.questions import answer
from models.language.words import FIRST_WORD_ID, MASK_ID
from sage.irp.errors import ConfigError

QUESTIONS = Path(__file__).with_name("language_questions.txt")
"""Wordings that the answers were not made from: a name and a question, ``-`` for no answer."""


def saving_rows(parser: Parser, parses: Sequence[Parse]) -> list[Row]:
    """Wall clock against all steps, and against the fewest fixed steps of no lower quality."""
    stopped = float(np.mean([one.answered_right for one in parses]))
    full = float(np.mean([one.right[int(np.argmin(one.energies[:MAX_STEPS]))] for one in parses]))
    by_step = np.mean([one.right for one in parses], axis=0)
    fixed = next((step + 1 for step in range(MAX_STEPS) if by_step[step] >= stopped), MAX_STEPS)
    seconds = dict.fromkeys(("stopped", "full", "fixed"), 0.0)
    for one in parses:  # each command in all three ways in turn, so that a slow spell hits all
        for name, steps in (("stopped", one.stopped), ("full", MAX_STEPS), ("fixed", fixed)):
            began = time.perf_counter()
            draft = parser.begin(one.example.text)
            for _ in range(steps):
                draft = parser.settle(parser.improve(draft))
            parser.answer(draft)
            seconds[name] += time.perf_counter() - began
    lost = full - stopped
    return [
        Row(
            "language.saving_full",
            seconds["full"] / seconds["stopped"],
            "higher",
            3.0,
            5.0,
            {"points_lost": 100.0 * lost, "exact_all_steps": full, "exact": stopped},
        ),
        Row(
            "language.saving_fixed",
            seconds["fixed"] / seconds["stopped"],
            "higher",
            1.05,
            1.3,
            {"fixed_steps": float(fixed), "exact_fixed": float(by_step[fixed - 1])},
        ),
    ]


def masked_row(tested: Sequence[Example], learnt: Sequence[Example], seed: int = 0) -> Row:
    """One masked word of each command: how often the trunk's guess is right, less a bigram's.

    The bigram guesses the word that most often follows the word before in ``learnt``.
    """
    import torch
    from torch.nn import functional as F

    from models.language.export import load_trunk
    from models.language.forms import MASK_ID as MASKED_SLOT
    from models.language.forms import SLOTS

    network = load_trunk(artifacts.load_file(artifacts.TRUNK)).network
    tokenizer = artifacts.load_tokenizer()
    following: dict[int, Counter[int]] = {}
    for one in learnt:
        pieces = tokenizer.encode(one.words)
        for before, word in pairwise(pieces):
            if word >= FIRST_WORD_ID:
                following.setdefault(before, Counter())[word] += 1
    commonest = sum(following.values(), Counter[int]()).most_common(1)[0][0]
    rng = random.Random(seed)
    right, bigram = [], []
    slots = torch.full((1, SLOTS), MASKED_SLOT)
    with torch.no_grad():
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
    model, other = float(np.mean(right)), float(np.mean(bigram))
    return Row(
        "language.masked_margin",
        model - other,
        "higher",
        0.05,
        0.25,
        {"model": model, "bigram": other, "words": float(len(right))},
    )


def questions_row(path: Path = QUESTIONS) -> Row:
    """The ontology's questions in other wordings: right answers, beside the commonest one."""
    lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    if any(len(line) != 2 for line in lines) or not lines:
        raise ConfigError(f"{str(path)!r} must hold lines of a name, a tab and a question")
    given = [(name, answer(question)) for name, question in lines]
    asked = [(name, found) for name, found in given if name != "-"]
    others = [found for name, found in given if name == "-"]
    exact = float(np.mean([found is not None and found.name == name for name, found in asked]))
    commonest = Counter(name for name, _ in asked).most_common(1)[0][1] / len(asked)
    return Row(
        "language.qa_exact",
        exact,
        "higher",
        0.8,
        0.95,
        {
            "most_frequent": commonest,
            "questions": float(len(asked)),
            "others_answered": float(np.mean([found is not None for found in others])),
        },
    )
