"""The stages of training: trunk, fine-tuning and folds, export, card."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from models.artifacts import CARD
from models.language import artifacts, training
from models.language.card import make_card
from models.language.corpus import GENERATED, PARAPHRASED, pairs_of, read_pairs
from models.language.experiment import TYPICAL, Fold, run_fold
from models.language.export import described, load_trunk, serialised, trunk_bytes
from models.language.quantise import Inputs, typical_inputs
from models.language.recall import learnt
from models.language.settings import TrainConfig
from models.language.teacher import Teacher
from models.language.training import Pupil
from models.language.words import WordTokenizer

TUNE_POOL: Final = 20_000
"""Commands of the grammar that fine-tuning goes on with."""


def train(
    output: Path, folder: Path, parts: int, threads: int, *, from_trunk: bool
) -> dict[str, Any]:
    """All of it; returns the card.

    Args:
        output: where network, tokenizer, trunk and card go; the trunk is read from there if
            ``from_trunk``.
        folder: of checkpoints; a run that was stopped goes on from them.
        parts: of the figure; 0 leaves it out.
        threads: of the processor.
    """
    torch.set_num_threads(threads)
    config = TrainConfig()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn()) as bar:
        if not from_trunk:
            _trunk(config, output, folder, bar)
        pupil, typical, folds, form_folds = _tune(config, output, folder, parts, bar)
    halves = serialised(pupil.network, typical)
    for name, content in zip(artifacts.NETWORK, halves, strict=True):
        (output / name).write_bytes(content)
    recalled = json.dumps(learnt(read_pairs(PARAPHRASED)), separators=(",", ":"))
    (output / artifacts.RECALLED).write_text(recalled + "\n")
    return make_card(output, config, folds, form_folds, None)


def measure(output: Path) -> dict[str, Any]:
    """The card of what is there, measured anew but for the folds."""
    return make_card(output, TrainConfig(), [], [], artifacts.load_card(output))


def _trunk(config: TrainConfig, output: Path, folder: Path, bar: Progress) -> None:
    """The first training; writes the trunk with its card, and the tokenizer."""
    folder = folder / config.digest
    teacher = Teacher()
    pairs = training.grammar_pool(config, training.common_words(teacher))
    generated = pairs_of(read_pairs(GENERATED))
    text = training.vocabulary_from(teacher, pairs + generated, config)
    task = bar.add_task("trunk", total=config.steps)
    pupil = training.pretrained(
        config,
        WordTokenizer(text),
        pairs,
        generated,
        teacher,
        folder,
        watch=lambda step, loss: bar.update(task, completed=step),
    )
    output.mkdir(parents=True, exist_ok=True)
    (output / artifacts.TOKENIZER).write_text(text, encoding="utf-8")
    path, content = output / artifacts.TRUNK, trunk_bytes(pupil)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    card = {"files": {path.name: described(content)}}
    (path.parent / CARD).write_text(json.dumps(card, indent=1) + "\n")


def _tune(
    config: TrainConfig, output: Path, folder: Path, parts: int, bar: Progress
) -> tuple[Pupil, list[Inputs], list[Fold], list[Fold]]:
    """The network to ship, which learns from all commands, what it is asked, and the folds: of
    commands and of forms."""
    content = (output / artifacts.TRUNK).read_bytes()
    base = load_trunk(content)
    folder = folder / f"{config.digest}-{hashlib.sha256(content).hexdigest()[:10]}"
    tokenizer = WordTokenizer((output / artifacts.TOKENIZER).read_text(encoding="utf-8"))
    grammar = training.tune_pool(config, tokenizer, TUNE_POOL)
    examples, generated = read_pairs(PARAPHRASED), read_pairs(GENERATED)
    task = bar.add_task("fine-tuning", total=(2 * parts + 1) * config.tune_steps)

    def watch(step: int, loss: float) -> None:
        bar.advance(task)

    pupil = training.tuned(
        base,
        config,
        tokenizer,
        pairs_of(examples),
        pairs_of(generated),
        grammar,
        seed=config.seed,
        checkpoint=folder / "shipped.pt",
        watch=watch,
    )
    done: dict[bool, list[Fold]] = {False: [], True: []}
    for by_form in done:
        for number in range(parts):
            fold = run_fold(
                number,
                examples,
                generated,
                grammar,
                base,
                tokenizer,
                config,
                parts=parts,
                by_form=by_form,
                folder=folder,
                watch=watch,
            )
            bar.console.print(
                f"{'forms' if by_form else 'fold'} {number + 1} of {parts}: exact "
                f"{fold.exact:.3f}, linear SVM {max(fold.svm_raw, fold.svm_delexicalised):.3f}, "
                f"masked words {fold.masked:.3f}, a bigram {fold.masked_bigram:.3f}"
            )
            done[by_form].append(fold)
    return pupil, typical_inputs(grammar[:TYPICAL], tokenizer), done[False], done[True]
