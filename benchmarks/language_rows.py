"""Rows of the language benchmark beside the exact forms: time saved, masked words, questions."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from benchmarks.report import Row
from models.language import artifacts
from models.language.corpus import Example
from models.language.parser import MAX_STEPS, Parser, certain, stable
from models.language.questions import answer
from sage.irp.errors import ConfigError

POINT: Final = 0.01
"""What may be lost of the exact forms where steps are saved."""

QUESTIONS = Path(__file__).with_name("language_questions.txt")
"""Wordings that the answers were not made from: a name and a question, ``-`` for no answer."""


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of whole parses: stopped when they stand, after all steps, after ``fixed`` steps."""

    stopped: tuple[float, ...]
    full: tuple[float, ...]
    fixed: tuple[float, ...]
    fixed_steps: int


def timed(
    parser: Parser,
    texts: Sequence[str],
    stops: Sequence[int],
    by_step: npt.NDArray[np.float64],
    full: float,
) -> Times:
    """Wall clock of each command in all three ways in turn, so that a slow spell hits all.

    Args:
        stops: after how many steps each command stands.
        by_step: exact forms after each fixed number of steps; the fewest that lose at most one
            point against all steps are the fixed ones.
        full: exact forms with all steps, the best by energy.
    """
    enough = by_step >= full - POINT
    fixed = int(enough.argmax()) + 1 if enough.any() else MAX_STEPS
    seconds: dict[str, list[float]] = {"stopped": [], "full": [], "fixed": []}
    for text, stop in zip(texts, stops, strict=True):
        for name, steps in (("stopped", stop), ("full", MAX_STEPS), ("fixed", fixed)):
            began = time.perf_counter()
            before = draft = parser.begin(text)
            for _ in range(steps):
                before, draft = draft, parser.settle(parser.improve(draft))
                if name == "stopped":  # to look whether it stands is part of its time
                    _ = certain(draft) or stable(before, draft)
            parser.answer(draft)
            seconds[name].append(time.perf_counter() - began)
    return Times(tuple(seconds["stopped"]), tuple(seconds["full"]), tuple(seconds["fixed"]), fixed)


def parse_row(times: Times) -> Row:
    """A whole parse until it stands, in milliseconds."""
    p50, p95 = (1e3 * float(np.percentile(times.stopped, share)) for share in (50, 95))
    return Row("language.parse_ms_p95", p95, "lower", 15.0, 5.0, {"parse_p50": p50})


def saving_rows(
    times: Times, exact: float, full: float, by_step: npt.NDArray[np.float64]
) -> list[Row]:
    """Wall clock against all steps, and against the best fixed number of them.

    Either may lose one point against all steps; who stops by energy and loses more has saved
    nothing that counts.
    """
    spent = sum(times.stopped) if full - exact <= POINT + 1e-9 else math.inf
    return [
        Row(
            "language.saving_full",
            sum(times.full) / spent,
            "higher",
            3.0,
            5.0,
            {"points_lost": 100.0 * (full - exact), "exact_all_steps": full, "exact": exact},
        ),
        Row(
            "language.saving_fixed",
            sum(times.fixed) / spent,
            "higher",
            1.05,
            1.3,
            {
                "fixed_steps": float(times.fixed_steps),
                "exact_fixed": float(by_step[times.fixed_steps - 1]),
            },
        ),
    ]


def masked_row(tested: Sequence[Example], learnt: Sequence[Example]) -> Row:
    """One masked word of each command: how often the shipped network's guess is right, less a
    bigram's from ``learnt``."""
    from models.language.export import load_network
    from models.language.guessing import guessed_words

    network = load_network(*(artifacts.load_file(name) for name in artifacts.NETWORK))
    found = guessed_words(network, artifacts.load_tokenizer(), learnt, tested)
    return margin_row(found.model, found.bigram, found.words)


def margin_row(model: float, bigram: float, words: int) -> Row:
    """Shares of so many masked words guessed."""
    return Row(
        "language.masked_margin",
        model - bigram,
        "higher",
        0.05,
        0.25,
        {"model": model, "bigram": bigram, "words": float(words)},
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
