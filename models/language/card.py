"""The model card: figures measured on the exported network, as JSON and as a page."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from models.artifacts import CARD
from models.language import artifacts, evaluate, grammar, teacher
from models.language.artifacts import LOWER, NETWORK, RECALLED, TOKENIZER, TRUNK, UPPER
from models.language.calibration import calibration_of
from models.language.corpus import PROBES, Example, noisy, read_pairs
from models.language.evaluate import Parse
from models.language.experiment import NOT_CALIBRATED, Fold
from models.language.export import described
from models.language.forms import VOCABULARY
from models.language.parser import Parser
from models.language.settings import TrainConfig

HELD_OUT_SEED: Final = 9_001
HELD_OUT: Final = 600
FORMS_TAKEN: Final = 4
"""Every how manieth command of the parts of forms the calibration is fitted on, too."""


def make_card(
    folder: Path,
    config: TrainConfig,
    folds: Sequence[Fold],
    form_folds: Sequence[Fold],
    old: dict[str, Any] | None,
) -> dict[str, Any]:
    """Measure what is in ``folder`` and write ``card.json`` and ``CARD.md`` there.

    Args:
        folds, form_folds: of the experiments; without any, ``old``'s figures of them are kept.
        old: the card so far, for what is not measured again.
    """
    parser = artifacts.load_parser(
        ((folder / LOWER).read_bytes(), (folder / UPPER).read_bytes()),
        calibration=NOT_CALIBRATED,
        tokenizer_from=folder,
    )
    own, everything = _grammar(parser)
    probes = [evaluate.parse(parser, one) for one in read_pairs(PROBES)]
    kept = dict(old or {})
    out_of_fold = [one for fold in folds for one in fold.parses]
    if out_of_fold:
        calibration = evaluate.fitted([one for part in _mixed(folds, form_folds) for one in part])
        kept["calibration"] = {
            name: getattr(calibration, name) for name in ("bias", "energy_weight", "margin_weight")
        }
        kept["folds"] = _folds(folds, form_folds)
        kept["form_folds"] = _form_folds(form_folds)
    elif "calibration" not in kept:
        calibration = evaluate.fitted(everything)
        kept["calibration"] = {
            name: getattr(calibration, name) for name in ("bias", "energy_weight", "margin_weight")
        }
    calibration = calibration_of(kept)
    texts = [one.example.text for one in probes]
    card: dict[str, Any] = {
        "chunks": len(VOCABULARY),
        "training": {
            "config_hash": config.digest,
            "seed": config.seed,
            "steps": config.steps,
            "batch": config.batch,
            "pool": config.pool,
            "tune_steps": config.tune_steps,
            "tune_batch": config.tune_batch,
            "teacher": teacher.PACKAGE,
            "torch": torch.__version__,
            "trunk_sha256": described((folder / TRUNK).read_bytes())["sha256"],
        },
        "files": {
            name: described((folder / name).read_bytes())
            for name in (*NETWORK, TOKENIZER, RECALLED)
        },
        "calibration": kept["calibration"],
        "figures": {
            "grammar": {
                **evaluate.figures(everything),
                **evaluate.rejection(everything, calibration),
                "calibration_error": evaluate.calibration_error(everything, calibration),
            },
            "grammar_own": evaluate.figures(own),
            "probes": {
                **evaluate.figures(probes),
                **evaluate.rejection(probes, calibration),
                "calibration_error": evaluate.calibration_error(probes, calibration),
            },
            "latency_ms": evaluate.latency_ms(parser, texts),
        },
    }
    for part in ("folds", "form_folds"):
        if part in kept:
            card[part] = kept[part]
    (folder / CARD).write_text(json.dumps(card, indent=1, allow_nan=False) + "\n")
    (folder / "CARD.md").write_text(page(card), encoding="utf-8")
    return card


def _grammar(parser: Parser) -> tuple[list[Parse], list[Parse]]:
    """Parses of commands that the grammar makes from another seed, with noise: what this robot
    does, and everything, what is outside the domain included."""
    rng = random.Random(HELD_OUT_SEED)

    def parsed(pair: tuple[str, str]) -> Parse:
        words = noisy(pair[0].split(), rng, 0.7)
        return evaluate.parse(parser, Example(" ".join(words), words, pair[1]))

    own = [parsed(grammar.command(rng, grammar.OWN)) for _ in range(HELD_OUT)]
    return own, [parsed(grammar.sample(rng, 0.25)) for _ in range(HELD_OUT)]


def _mixed(folds: Sequence[Fold], form_folds: Sequence[Fold]) -> list[list[Parse]]:
    """Of each part what the calibration is fitted and measured on: commands of which a fifth have
    forms that were not learnt, as among people whom nobody asked before."""
    mixed = [list(fold.parses) for fold in folds]
    for part, fold in zip(mixed, form_folds, strict=False):
        part += fold.parses[::FORMS_TAKEN]
    return mixed


def _cross_fitted(mixed: Sequence[Sequence[Parse]]) -> float:
    """The calibration's error, each part's chances fitted on other commands in other parts."""
    chances: list[float] = []
    right: list[float] = []
    for part in mixed:
        texts = {one.example.text for one in part}
        rest = [one for other in mixed for one in other if one.example.text not in texts]
        fit = evaluate.fitted(rest)
        chances += [fit.probability(one.energy, one.margin) for one in part]
        right += [float(one.answered_right) for one in part]
    return evaluate.expected_error(np.array(chances), np.array(right))


def _folds(folds: Sequence[Fold], form_folds: Sequence[Fold]) -> dict[str, Any]:
    parses = [one for fold in folds for one in fold.parses]
    sizes = [len(fold.parses) for fold in folds]
    exact = [fold.exact for fold in folds]
    raw = [fold.svm_raw for fold in folds]
    delexicalised = [fold.svm_delexicalised for fold in folds]
    seen = [
        one.answered_right
        for fold in folds
        for one, known in zip(fold.parses, fold.seen, strict=True)
        if known
    ]
    return {
        "count": len(folds),
        "exact_mean": float(np.mean(exact)),
        "exact_sd": float(np.std(exact)),
        "svm_raw": float(np.mean(raw)),
        "svm_delexicalised": float(np.mean(delexicalised)),
        "most_frequent": float(np.mean([fold.most_frequent for fold in folds])),
        "margin": float(np.mean(exact) - max(np.mean(raw), np.mean(delexicalised))),
        "exact_seen": float(np.mean(seen)),
        "calibration_error": _cross_fitted(_mixed(folds, form_folds)),
        "exact_alone": float(np.mean([fold.exact_alone for fold in folds])),
        "masked": float(np.mean([fold.masked for fold in folds])),
        "masked_bigram": float(np.mean([fold.masked_bigram for fold in folds])),
        "stops": [one.stopped for one in parses],
        "shared_text": float(np.average([f.shared_text for f in folds], weights=sizes)),
        **{f"all_{name}": value for name, value in evaluate.figures(parses).items()},
    }


def _form_folds(folds: Sequence[Fold]) -> dict[str, Any]:
    parses = [one for fold in folds for one in fold.parses]
    return {
        "count": len(folds),
        "forms": len({one.example.form for one in parses}),
        "exact_mean": float(np.mean([fold.exact for fold in folds])),
        "exact_sd": float(np.std([fold.exact for fold in folds])),
        "exact_alone": float(np.mean([fold.exact_alone for fold in folds])),
        "svm": float(np.mean([max(one.svm_raw, one.svm_delexicalised) for one in folds])),
        **{f"all_{name}": value for name, value in evaluate.figures(parses).items()},
    }


def summary(card: dict[str, Any]) -> str:
    """The card in a few lines."""
    figures = card["figures"]
    lines = [
        f"own kinds {figures['grammar_own']['exact']:.3f}, probes "
        f"{figures['probes']['exact']:.3f}, "
        f"outside declined {figures['probes']['declined']:.3f}, parse p50 "
        f"{figures['latency_ms']['parse_p50']:.1f} ms"
    ]
    if "folds" in card:
        f = card["folds"]
        lines.append(
            f"five-fold exact {f['exact_mean']:.3f} +- {f['exact_sd']:.3f}; linear SVM "
            f"{f['svm_raw']:.3f} raw, {f['svm_delexicalised']:.3f} delexicalised; margin "
            f"{f['margin']:+.3f}"
        )
    return "\n".join(lines)


def page(card: dict[str, Any]) -> str:
    """``CARD.md``."""
    training_, figures = card["training"], card["figures"]
    lines = [
        "# Language: a masked logical form",
        "",
        "Generated by `python -m models.language.train`, the command that trains and measures. "
        "Input: a command's words, names replaced by class tokens (`sage/skills/entities.py`), and "
        "ten slots of its logical form, masked at first. A step is half a pass: the lower layers "
        "(the first of six) answer with a head of their own, and where that is certain the parse "
        "ends; the upper ones go on, predict all slots, commit the most certain and open what "
        "became doubtful. 256 wide, eight heads, matrices as int8.",
        "",
        "English commands to a household robot only. What else is said should come out as "
        "`UNKNOWN`, or with a low probability.",
        "",
        "## Training",
        "",
        f"- Trunk: {training_['steps']:,} batches of {training_['batch']} from "
        f"{training_['pool']:,} "
        "commands of a grammar (`models/language/grammar.py`) and the competition's generated "
        "commands; word vectors and sentence vectors distilled from all-MiniLM-L6-v2 (Apache-2.0, "
        f"package `{training_['teacher']}`).",
        f"- Fine-tuning: {training_['tune_steps']:,} batches of {training_['tune_batch']}, nearly "
        "half of them people's paraphrases (arXiv 1907.01115), a sixth paraphrases with words and "
        "meaning exchanged (`models/language/swaps.py`), the rest of the grammar. In a third of "
        "all commands words are masked, to be guessed.",
        f"- Configuration `{training_['config_hash']}`, seed {training_['seed']}, torch "
        f"{training_['torch']}.",
        "",
    ]
    if "folds" in card:
        f = card["folds"]
        lines += [
            f"## People's paraphrases, {f['count']}-fold",
            "",
            "Each fold fine-tunes the trunk, which has seen none of these commands, on the others.",
            "",
            "| | exact form |",
            "| --- | --- |",
            f"| this model | {f['exact_mean']:.3f} (sd over folds {f['exact_sd']:.3f}) |",
            f"| without what it recalls of the same names | {f['exact_alone']:.3f} |",
            f"| linear SVM, n-grams of the raw text | {f['svm_raw']:.3f} |",
            f"| linear SVM, n-grams of the delexicalised text | {f['svm_delexicalised']:.3f} |",
            f"| most frequent form | {f['most_frequent']:.3f} |",
            "",
            f"Margin over the better SVM: {f['margin']:+.3f}. Calibration error, cross-fitted (the "
            "calibration comes from the other folds; a fifth of the commands are from the folds of "
            f"forms below): {f['calibration_error']:.3f}.",
            "",
            "Several people put the same command in their own words, so the names in a held-out "
            "command often are those of one learnt from; what is recalled of them "
            "(`models/language/recall.py`) decides between forms that the words leave open. "
            "Commands about things that nobody spoke of gain nothing by it.",
            "",
            f"Masked words guessed (one of each command): {f['masked']:.3f}, by a bigram "
            f"{f['masked_bigram']:.3f}.",
            "",
            f"Not every command is new: {f['shared_text']:.1%} share their delexicalised text with "
            "a command learnt from, another fold's or a generated one. This helps the model and "
            "the SVMs alike.",
            "",
            "| after step | "
            + " | ".join(str(i + 1) for i in range(len(f["all_exact_by_step"])))
            + " |",
            "| --- |" + " --- |" * len(f["all_exact_by_step"]),
            "| exact | " + " | ".join(f"{v:.3f}" for v in f["all_exact_by_step"]) + " |",
            "| energy (nats) | " + " | ".join(f"{v:.3f}" for v in f["all_energy_by_step"]) + " |",
            "",
            f"Stopped when certain or stable: exact {f['all_exact']:.3f} after "
            f"{f['all_steps_mean']:.2f} steps on average; all steps: "
            f"{f['all_exact_all_steps']:.3f}. Steps that do not raise the "
            f"energy: {f['all_steps_that_lower_energy']:.1%}. {_gain(f)}",
            "",
        ]
    if "form_folds" in card:
        f = card["form_folds"]
        lines += [
            f"## Forms not learnt, {f['count']}-fold",
            "",
            "Parts of whole forms: fine-tuning sees no paraphrase and no generated command of what "
            "is held out. The grammar makes commands of nearly all of these forms, and the trunk "
            "has seen them.",
            "",
            f"Exact form of {f['all_commands']:,} commands of {f['forms']} forms: "
            f"{f['exact_mean']:.3f} (sd over folds {f['exact_sd']:.3f}); linear SVM "
            f"{f['svm']:.3f}. Without what is recalled of the same names, which here are those of "
            f"other forms only: {f['exact_alone']:.3f}.",
            "",
        ]
    own, every, probes = figures["grammar_own"], figures["grammar"], figures["probes"]
    latency = figures["latency_ms"]
    lines += [
        "## What this robot does, and what is outside",
        "",
        f"- {own['commands']} commands drawn anew from the grammar, with noise, of the robot's own "
        "kinds (go, come back, stop, find, count, bring, put, say, answer, follow, guide): "
        f"{own['exact']:.3f} exact "
        f"({own['exact_by_step'][0]:.3f} after step 1).",
        f"- {every['commands']} of all kinds, a quarter outside the domain: {every['exact']:.3f} "
        f"exact; outside, {every['declined']:.3f} declined at a threshold of 0.5; calibration "
        f"error {every['calibration_error']:.3f}.",
        f"- {probes['inside']} commands and {probes['outside']} others written by hand "
        f"(`probes.txt`): {probes['accepted_right']:.3f} of the commands understood and accepted, "
        f"{probes['declined']:.3f} of the others declined ({probes['read_as_unknown']:.3f} read as "
        "UNKNOWN).",
        "",
        f"A parse until it stands takes {latency['parse_p50']:.1f} ms (p50), "
        f"{latency['parse_p95']:.1f} ms (p95), a step {latency['step_p50']:.1f} ms, on one core "
        f"with "
        "ONNX Runtime.",
        "",
        f"## Files ({sum(item['bytes'] for item in card['files'].values()) / 1e6:.1f} MB)",
        "",
        *(f"- `{name}`: SHA-256 `{item['sha256']}`" for name, item in card["files"].items()),
        f"- `{TRUNK}`, only in a checkout (training starts from it, an installed package is "
        f"without it): SHA-256 `{training_['trunk_sha256']}`",
        "",
    ]
    return "\n".join(lines)


def _gain(folds: dict[str, Any]) -> str:
    """What the steps after the first are worth, in words."""
    first, stop, last = (
        folds["all_exact_by_step"][0],
        folds["all_exact"],
        folds["all_exact_all_steps"],
    )
    figures = f"{first:.3f} after step 1, {stop:.3f} at the stop, {last:.3f} with all steps"
    if max(stop, last) - first < folds["exact_sd"]:
        return (
            "Later steps lower the energy but do not raise accuracy on these short forms: "
            f"{figures}, differences well within the spread of the folds."
        )
    return f"Later steps raise accuracy: {figures}."
