"""The five-fold experiments: the trunk fine-tuned on four parts, measured on the fifth.

The parts are of commands drawn at random, or of whole forms: then what is measured is how well
forms are understood of which no example was given, composed of parts that others have too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from models.backends import OnnxRuntimeBackend
from models.language import artifacts, baselines, evaluate, recall, training
from models.language.calibration import Calibration
from models.language.corpus import Example, folds, form_folds, pairs_of
from models.language.export import serialised
from models.language.guessing import guessed_words
from models.language.parser import Parser
from models.language.quantise import typical_inputs
from models.language.recall import Recall
from models.language.settings import TrainConfig
from models.language.training import Pairs, Pupil
from models.language.words import WordTokenizer

#: The parses' own figures need none; probabilities are fitted on them afterwards.
NOT_CALIBRATED = Calibration(0.0, -1.0, 0.0)

TYPICAL: Final = 300
"""Commands of the grammar on which the ranges of the exported network are measured."""


@dataclass(frozen=True, slots=True)
class Fold:
    """What came out of one part: the parses of its commands, and the baselines' exact shares.

    ``shared_text`` is the share of its commands whose delexicalised text is also that of a command
    learnt from, a paraphrase or a generated one; ``seen`` says of each command whether its form is
    one of those; ``exact_alone`` is what the model gets without recall; ``masked`` and
    ``masked_bigram`` are the shares of masked words guessed.
    """

    parses: tuple[evaluate.Parse, ...]
    seen: tuple[bool, ...]
    exact_alone: float
    svm_raw: float
    svm_delexicalised: float
    most_frequent: float
    shared_text: float
    masked: float
    masked_bigram: float

    @property
    def exact(self) -> float:
        """The model's share of exactly right forms."""
        return float(np.mean([one.answered_right for one in self.parses]))


def parser_of(
    pupil: Pupil, tokenizer: WordTokenizer, grammar: Pairs, heard: Sequence[Example] = ()
) -> Parser:
    """A parser that runs the exported network, as the plugin does, and recalls what was heard."""
    typical = typical_inputs(grammar[:TYPICAL], tokenizer)
    halves = []
    for content, name in zip(serialised(pupil.network, typical), artifacts.NETWORK, strict=True):
        halves.append(OnnxRuntimeBackend(content, name))
        halves[-1].warm_up()
    memory = Recall(recall.learnt(heard)) if heard else None
    return Parser(halves[0], halves[1], tokenizer, NOT_CALIBRATED, recall=memory)


def held_out(examples: Sequence[Example], parts: int, by_form: bool) -> list[np.ndarray]:
    """The parts: of commands drawn at random, or of whole forms."""
    return form_folds(examples, parts) if by_form else folds(len(examples), parts)


def run_fold(
    number: int,
    examples: Sequence[Example],
    generated: Sequence[Example],
    grammar: Pairs,
    base: Pupil,
    tokenizer: WordTokenizer,
    config: TrainConfig,
    *,
    parts: int = 5,
    by_form: bool = False,
    limit: int | None = None,
    folder: Path | None = None,
    watch: Callable[[int, float], None] | None = None,
) -> Fold:
    """Fine-tune on everything but one part and measure on that part.

    The trunk has seen no command of ``examples``: it learnt from the grammar and the competition's
    generated commands. Baselines learn from the same part; the delexicalised one also from the
    generated commands, which the model has seen too.

    Args:
        by_form: the part is one of whole forms, and fine-tuning sees no paraphrase and no
            generated command of them; the grammar, and so the trunk, makes commands of most.
        limit: measure only the first so many commands of the part.
        folder: where to keep the fine-tuned weights, to go on after a stop.
    """
    out = set(held_out(examples, parts, by_form)[number].tolist())
    learnt = [one for index, one in enumerate(examples) if index not in out]
    tested = [one for index, one in enumerate(examples) if index in out][:limit]
    if by_form:
        forms = {one.form for one in tested}
        generated = [one for one in generated if one.form not in forms]
    pupil = training.tuned(
        base,
        config,
        tokenizer,
        pairs_of(learnt),
        pairs_of(generated),
        grammar,
        seed=config.seed + number,
        checkpoint=folder / f"{'forms' if by_form else 'fold'}-{number}.pt" if folder else None,
        watch=watch,
    )
    alone = parser_of(pupil, tokenizer, grammar)
    parser = parser_of(pupil, tokenizer, grammar, learnt)
    seen = {one.words for one in (*learnt, *generated)}
    forms_seen = {one.form for one in learnt}
    view = baselines.delexicalised
    delexicalised = max(
        baselines.exact(baselines.linear_svm(learnt, view), tested),
        baselines.exact(baselines.linear_svm([*learnt, *generated], view), tested),
    )
    words = guessed_words(pupil.network, tokenizer, learnt, tested)
    return Fold(
        parses=tuple(evaluate.parse(parser, one) for one in tested),
        seen=tuple(one.form in forms_seen for one in tested),
        exact_alone=float(np.mean([evaluate.parse(alone, one).answered_right for one in tested])),
        svm_raw=baselines.exact(baselines.linear_svm(learnt, baselines.raw), tested),
        svm_delexicalised=delexicalised,
        most_frequent=baselines.exact(baselines.most_frequent(learnt), tested),
        shared_text=float(np.mean([one.words in seen for one in tested])),
        masked=words.model,
        masked_bigram=words.bigram,
    )
