"""The five-fold experiment: the trunk fine-tuned on four parts, measured on the fifth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from models.backends import OnnxRuntimeBackend
from models.language import baselines, evaluate, training
from models.language.corpus import Example, folds, pairs_of
from models.language.export import serialised
from models.language.parser import Calibration, Parser
from models.language.quantise import typical_inputs
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
    learnt from, a paraphrase or a generated one.
    """

    parses: tuple[evaluate.Parse, ...]
    svm_raw: float
    svm_delexicalised: float
    most_frequent: float
    shared_text: float

    @property
    def exact(self) -> float:
        """The model's share of exactly right forms."""
        return float(np.mean([one.answered_right for one in self.parses]))


def parser_of(pupil: Pupil, tokenizer: WordTokenizer, grammar: Pairs) -> Parser:
    """A parser that runs the exported network, as the plugin does."""
    typical = typical_inputs(grammar[:TYPICAL], tokenizer)
    backend = OnnxRuntimeBackend(serialised(pupil.network, typical), "fold.onnx")
    backend.warm_up()
    return Parser(backend, tokenizer, NOT_CALIBRATED)


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
    limit: int | None = None,
    folder: Path | None = None,
    watch: Callable[[int, float], None] | None = None,
) -> Fold:
    """Fine-tune on everything but one part and measure on that part.

    The trunk has seen no command of ``examples``: it learnt from the grammar and the competition's
    generated commands. Baselines learn from the same part; the delexicalised one also from the
    generated commands, which the model has seen too.

    Args:
        limit: measure only the first so many commands of the part.
        folder: where to keep the fine-tuned weights, to go on after a stop.
    """
    held_out = set(folds(len(examples), parts)[number].tolist())
    learnt = [one for index, one in enumerate(examples) if index not in held_out]
    tested = [one for index, one in enumerate(examples) if index in held_out][:limit]
    pupil = training.tuned(
        base,
        config,
        tokenizer,
        pairs_of(learnt),
        pairs_of(generated),
        grammar,
        seed=config.seed + number,
        checkpoint=folder / f"fold-{number}.pt" if folder else None,
        watch=watch,
    )
    parser = parser_of(pupil, tokenizer, grammar)
    seen = {one.words for one in (*learnt, *generated)}
    view = baselines.delexicalised
    delexicalised = max(
        baselines.exact(baselines.linear_svm(learnt, view), tested),
        baselines.exact(baselines.linear_svm([*learnt, *generated], view), tested),
    )
    return Fold(
        parses=tuple(evaluate.parse(parser, one) for one in tested),
        svm_raw=baselines.exact(baselines.linear_svm(learnt, baselines.raw), tested),
        svm_delexicalised=delexicalised,
        most_frequent=baselines.exact(baselines.most_frequent(learnt), tested),
        shared_text=float(np.mean([one.words in seen for one in tested])),
    )
