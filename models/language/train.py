"""Train the language model, export it, measure it and write its card.

Examples:
    python -m models.language.train                  # everything; goes on after a stop
    python -m models.language.train --from-trunk     # fine-tune the shipped trunk again, five folds
    python -m models.language.train --from-trunk --folds 0     # without the five-fold figure
    python -m models.language.train --evaluate-only  # measure the shipped weights again

The trunk learns from a grammar, from the competition's generated commands and from a sentence
encoder (see ``models/language/teacher.py`` for the package that holds it). Fine-tuning adds
people's paraphrases. Data: ../shared/data/gpsr.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
from pathlib import Path
from typing import Any, Final

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from models.language import artifacts, training
from models.language.card import make_card, summary
from models.language.corpus import GENERATED, PARAPHRASED, pairs_of, read_pairs
from models.language.experiment import Fold, run_fold
from models.language.export import load_trunk, serialised, trunk_bytes
from models.language.settings import TrainConfig
from models.language.teacher import Teacher
from models.language.training import Pupil
from models.language.words import WordTokenizer
from sage.irp.errors import SageError

TUNE_POOL: Final = 20_000
"""Commands of the grammar that fine-tuning goes on with."""
CHECKPOINTS: Final = Path(__file__).parents[2] / "build" / "language"


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m models.language.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--folds", type=int, default=5, metavar="N", help="parts of the figure; 0 leaves it out"
    )
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="processor threads")
    parser.add_argument("--output", type=Path, default=artifacts.FOLDER, metavar="FOLDER")
    parser.add_argument("--checkpoints", type=Path, default=CHECKPOINTS, metavar="FOLDER")
    stage = parser.add_mutually_exclusive_group()
    stage.add_argument("--from-trunk", action="store_true", help="do not train the trunk again")
    stage.add_argument("--evaluate-only", action="store_true", help="measure what --output holds")
    return parser.parse_args(argv)


def _trunk(config: TrainConfig, output: Path, folder: Path, bar: Progress) -> None:
    """The first training; writes the trunk and the tokenizer."""
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
    (output / artifacts.TRUNK).write_bytes(trunk_bytes(pupil))


def _tune(
    config: TrainConfig, output: Path, folder: Path, parts: int, bar: Progress
) -> tuple[list[Fold], Pupil]:
    """The folds, and the network to ship, which learns from all commands."""
    content = (output / artifacts.TRUNK).read_bytes()
    base = load_trunk(content)
    folder = folder / f"{config.digest}-{hashlib.sha256(content).hexdigest()[:10]}"
    tokenizer = WordTokenizer((output / artifacts.TOKENIZER).read_text(encoding="utf-8"))
    grammar = training.grammar_pool(config, training.known_words(tokenizer), TUNE_POOL)
    examples, generated = read_pairs(PARAPHRASED), read_pairs(GENERATED)
    task = bar.add_task("fine-tuning", total=(parts + 1) * config.tune_steps)

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
    done = []
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
            folder=folder,
            watch=watch,
        )
        bar.console.print(
            f"fold {number + 1} of {parts}: exact {fold.exact:.3f}, linear SVM "
            f"{max(fold.svm_raw, fold.svm_delexicalised):.3f}"
        )
        done.append(fold)
    return done, pupil


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    arguments = _arguments(argv)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    logging.getLogger("models.language").setLevel(logging.INFO)
    logging.getLogger("root").setLevel(logging.ERROR)  # the quantiser warns of every tensor
    torch.set_num_threads(max(arguments.threads, 1))
    config, output = TrainConfig(), arguments.output
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    try:
        folds: list[Fold] = []
        old: dict[str, Any] | None = None
        if arguments.evaluate_only:
            old = artifacts.load_card(output)
        else:
            with Progress(*columns, TimeRemainingColumn()) as bar:
                if not arguments.from_trunk:
                    _trunk(config, output, arguments.checkpoints, bar)
                folds, pupil = _tune(config, output, arguments.checkpoints, arguments.folds, bar)
            (output / artifacts.NETWORK).write_bytes(serialised(pupil.network, quantised=True))
        card = make_card(output, config, folds, old)
        print(f"wrote {output / 'CARD.md'}")
        print(summary(card))
    except SageError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
