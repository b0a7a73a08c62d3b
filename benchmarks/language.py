"""How well commands are understood: exact logical forms, beside a linear SVM on n-grams.

Five-fold: the shipped trunk, which has seen none of the commands, is fine-tuned on four parts and
measured on the fifth, as is everything it is compared with. The SVM is the best of three in each
fold (on the text as written, on the delexicalised text, and on that with the generated commands to
learn from too), chosen by the very commands it is measured on: a margin over it is careful. Not
every command is new: some, with classes in place of names, read as one of another fold, which helps
the model and the SVM alike; ``same_text`` in the baselines is their share.

Plain, it tells all rows: what needs folds is taken from the model card, which the training
command wrote when it measured them (``exact_unseen`` over parts of whole forms); times are of the
shipped model, each command given as many steps as it took in the fold that had not seen it. With
``--pairs`` the shipped model itself is measured, on pairs that it has not seen. With ``--folds``
the folds of commands are trained and measured anew.
"""

from __future__ import annotations

import importlib.util
import logging
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.language_rows import (
    margin_row,
    masked_row,
    parse_row,
    questions_row,
    saving_rows,
    timed,
)
from benchmarks.report import Row, parser, publish
from models.language import artifacts, baselines, evaluate
from models.language.calibration import calibration_of
from models.language.corpus import GENERATED, PARAPHRASED, Example, folds, read_pairs
from models.language.parser import Parser
from models.language.settings import TrainConfig
from sage.irp.errors import ConfigError

if TYPE_CHECKING:
    from models.language.experiment import Fold

EXAMPLES = """  python -m benchmarks.language                   # every row, folds from the card
  python -m benchmarks.language --pairs pairs.txt # the shipped model on unseen pairs
  python -m benchmarks.language --folds 5         # five folds, fine-tuned anew: 15 minutes
  python -m benchmarks.language --folds 5 --quick # a part of one fold"""
#: A quick run: batches of fine-tuning, and commands measured of a fold, or timed.
_QUICK_STEPS, _QUICK_COMMANDS = 60, 100


def folds_rows(
    data: Path, parts: int, quick: bool, seed: int | None = None
) -> tuple[list[Row], str]:
    """The cross-validated figure; ``seed`` is the fine-tuning's, the parts stay the same."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # torch's threads would wait spinning
    _need("torch", "sklearn")
    import torch
    from rich.progress import Progress

    from models.language import training
    from models.language.experiment import run_fold
    from models.language.export import load_trunk
    from models.language.pipeline import TUNE_POOL

    torch.set_num_threads(2)
    config = TrainConfig()
    if seed is not None:
        config = replace(config, seed=seed)
    pool = TUNE_POOL
    if quick:
        config = replace(config, tune_steps=_QUICK_STEPS)
        pool = 3_000
    examples, generated = read_pairs(data), read_pairs(GENERATED)
    held_out = folds(len(examples), parts)[: 1 if quick else parts]
    base = load_trunk(artifacts.load_file(artifacts.TRUNK))
    tokenizer = artifacts.load_tokenizer()
    grammar = training.tune_pool(config, tokenizer, pool)
    done = []
    with Progress() as bar:
        task = bar.add_task("fine-tuning", total=len(held_out) * config.tune_steps)
        for number in range(len(held_out)):
            done.append(
                run_fold(
                    number,
                    examples,
                    generated,
                    grammar,
                    base,
                    tokenizer,
                    config,
                    parts=parts,
                    limit=_QUICK_COMMANDS if quick else None,
                    watch=lambda step, loss: bar.advance(task),
                )
            )
    row = fold_row(done, same_text(examples, held_out))
    first = float(np.mean([one.right[0] for fold in done for one in fold.parses]))
    how = (
        f"quick: the first {_QUICK_COMMANDS} commands of one fold of {parts}, "
        f"{_QUICK_STEPS} batches of fine-tuning instead of {TrainConfig().tune_steps}"
        if quick
        else f"{parts} folds, sd {np.std([fold.exact for fold in done]):.3f}"
    )
    return [row, questions_row()], (
        f"exact form {row.baselines['model']:.3f} ({first:.3f} after step 1), linear SVM "
        f"{row.baselines['svm_best']:.3f} ({how})"
    )


def fold_row(done: Sequence[Fold], shared: float) -> Row:
    """The margin over the better SVM of each fold, and what it is made of."""
    model = float(np.mean([fold.exact for fold in done]))
    best = float(np.mean([max(fold.svm_raw, fold.svm_delexicalised) for fold in done]))
    return Row(
        "language.exact_val",
        model - best,
        "higher",
        0.0,
        0.1,
        {
            "model": model,
            "svm_best": best,
            "svm_raw": float(np.mean([fold.svm_raw for fold in done])),
            "svm_delexicalised": float(np.mean([fold.svm_delexicalised for fold in done])),
            "most_frequent": float(np.mean([fold.most_frequent for fold in done])),
            "same_text": shared,
        },
    )


def same_text(examples: Sequence[Example], held_out: Sequence[np.ndarray]) -> float:
    """The share of held-out commands whose delexicalised text is that of one learnt from."""
    found = []
    for part in held_out:
        out = set(part.tolist())
        learnt = {one.words for index, one in enumerate(examples) if index not in out}
        found += [examples[index].words in learnt for index in out]
    return float(np.mean(found))


def _need(*modules: str) -> None:
    """ConfigError where a library of the training is not installed."""
    if missing := [name for name in modules if importlib.util.find_spec(name) is None]:
        raise ConfigError(
            f"this benchmark needs {' and '.join(missing)}; run `pip install -e '.[train]'`"
        )


def test_rows(path: Path, data: Path) -> tuple[list[Row], str]:
    """The shipped model on other pairs, beside an SVM that learnt from ``data``."""
    _need("torch", "sklearn")
    tested, learnt = read_pairs(path), read_pairs(data)
    card = artifacts.load_card()
    parser_ = artifacts.load_parser()
    parses = [evaluate.parse(parser_, one) for one in tested]
    reader = Parser(parser_.lower, parser_.upper, artifacts.load_tokenizer(), calibration_of(card))
    alone = [evaluate.parse(reader, one).answered_right for one in tested]
    seen_forms = {one.form for one in (*learnt, *read_pairs(GENERATED))}
    raw = baselines.linear_svm(learnt, baselines.raw)
    delexicalised = baselines.linear_svm(learnt, baselines.delexicalised)
    frequent = baselines.most_frequent(learnt)
    groups: dict[str, tuple[Sequence[int], float, float]] = {
        "language.exact": (range(len(tested)), 0.72, 0.88),
        "language.exact_seen": (_where(tested, seen_forms, True), 0.86, 0.95),
        "language.exact_unseen": (_where(tested, seen_forms, False), 0.25, 0.60),
    }
    rows = []
    for name, (chosen, floor, goal) in groups.items():
        some = [tested[index] for index in chosen]
        if not some:
            continue
        exact = float(np.mean([parses[index].answered_right for index in chosen]))
        comparison = {
            "svm_raw": baselines.exact(raw, some),
            "svm_delexicalised": baselines.exact(delexicalised, some),
            "most_frequent": baselines.exact(frequent, some),
            "without_recall": float(np.mean([alone[index] for index in chosen])),
            "step_1": float(np.mean([parses[index].right[0] for index in chosen])),
            "commands": float(len(some)),
        }
        rows.append(Row(name, exact, "higher", floor, goal, comparison))
    error = evaluate.calibration_error(parses, calibration_of(card))
    steps = float(np.median([one.stopped for one in parses]))
    by_step = np.mean([one.right for one in parses], axis=0)
    full = float(np.mean([one.right[int(np.argmin(one.energies))] for one in parses]))
    taken = timed(
        parser_, [one.text for one in tested], [one.stopped for one in parses], by_step, full
    )
    rows += [
        parse_row(taken),
        Row("language.ece", error, "lower", 0.10, 0.03),
        Row("language.steps_median", steps, "lower", 10.0, 4.0),
        *saving_rows(taken, rows[0].value or 0.0, full, by_step),
        masked_row(tested, learnt),
        questions_row(),
    ]
    return rows, f"exact form {rows[0].value or math.nan:.3f} of {len(tested)} commands"


def shipped_rows(data: Path, quick: bool) -> tuple[list[Row], str]:
    """Every row: the folds' from the card, times and questions measured now."""
    card = artifacts.load_card()
    if "folds" not in card or "form_folds" not in card:
        raise ConfigError("the model card holds no folds; run `python -m models.language.train`")
    found, forms = card["folds"], card["form_folds"]
    examples = read_pairs(data)
    order = np.concatenate(folds(len(examples), found["count"]))
    if len(order) != len(found["stops"]):
        raise ConfigError(
            f"the card's folds are of {len(found['stops'])} commands, {str(data)!r} holds "
            f"{len(order)}"
        )
    chosen = np.linspace(0, len(order) - 1, _QUICK_COMMANDS if quick else len(order)).astype(int)
    by_step, full = np.array(found["all_exact_by_step"]), found["all_exact_all_steps"]
    times = timed(
        artifacts.load_parser(),
        [examples[order[index]].text for index in chosen],
        [found["stops"][index] for index in chosen],
        by_step,
        full,
    )
    svm = max(found["svm_raw"], found["svm_delexicalised"])
    common = {
        "svm_best": svm,
        "most_frequent": found["most_frequent"],
        "without_recall": found["exact_alone"],
    }
    exact = Row("language.exact", found["exact_mean"], "higher", 0.72, 0.88, common)
    rows = [
        exact,
        Row("language.exact_seen", found["exact_seen"], "higher", 0.86, 0.95, common),
        Row(
            "language.exact_unseen",
            forms["exact_mean"],
            "higher",
            0.25,
            0.60,
            {
                "svm_best": forms["svm"],
                "without_recall": forms["exact_alone"],
                "forms": float(forms["forms"]),
            },
        ),
        parse_row(times),
        Row("language.ece", found["calibration_error"], "lower", 0.10, 0.03),
        Row("language.steps_median", found["all_steps_median"], "lower", 10.0, 4.0),
        *saving_rows(times, found["all_exact"], full, by_step),
        margin_row(found["masked"], found["masked_bigram"], len(found["stops"])),
        questions_row(),
    ]
    return rows, (
        f"exact form {exact.value:.3f}, of forms not learnt {forms['exact_mean']:.3f}, linear SVM "
        f"{svm:.3f} ({found['count']} folds, from the model card; times measured now)"
    )


def _where(tested: Sequence[Example], forms: set[str], seen: bool) -> list[int]:
    return [index for index, one in enumerate(tested) if (one.form in forms) == seen]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    made = parser("language", __doc__ or "", EXAMPLES)
    made.add_argument("--data", type=Path, default=PARAPHRASED, metavar="FILE", help="pairs")
    made.add_argument(
        "--folds", type=int, metavar="N", help="train and measure so many folds of commands anew"
    )
    made.add_argument(
        "--seed", type=int, metavar="N", help="of the fine-tuning (default: the shipped model's)"
    )
    made.add_argument(
        "--test",
        "--pairs",
        type=Path,
        metavar="FILE",
        help="measure the shipped model on these pairs: odd lines commands, even lines forms",
    )
    arguments = made.parse_args(argv)
    logging.basicConfig(level=logging.ERROR)  # the quantiser warns of every tensor
    if arguments.seed is not None and not 0 <= arguments.seed < 2**31:
        raise ConfigError(f"--seed must lie in [0, 2^31), got {arguments.seed}")
    if arguments.test is not None:
        rows, headline = test_rows(arguments.test, arguments.data)
    elif arguments.folds is None:
        rows, headline = shipped_rows(arguments.data, arguments.quick)
    else:
        rows, headline = folds_rows(
            arguments.data, arguments.folds, arguments.quick, arguments.seed
        )
    publish("language", rows, headline, arguments.json)
    return 0


if __name__ == "__main__":
    from sage.commands.cli import run_guarded

    sys.exit(run_guarded(main))
