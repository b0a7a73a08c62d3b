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
from models.language.artifacts import NETWORK, TOKENIZER, TRUNK
from models.language.corpus import PROBES, Example, noisy, read_pairs
from models.language.evaluate import Parse
from models.language.experiment import NOT_CALIBRATED, Fold
from models.language.export import described
from models.language.forms import VOCABULARY
from models.language.parser import Parser, calibration_of
from models.language.settings import TrainConfig

HELD_OUT_SEED: Final = 9_001
HELD_OUT: Final = 600


def make_card(
    folder: Path, config: TrainConfig, folds: Sequence[Fold], old: dict[str, Any] | None
) -> dict[str, Any]:
    """Measure what is in ``folder`` and write ``card.json`` and ``CARD.md`` there.

    Args:
        folds: of the five-fold experiment; without any, ``old``'s figures of it are kept.
        old: the card so far, for what is not measured again.
    """
    parser = artifacts.load_parser(
        (folder / NETWORK).read_bytes(), calibration=NOT_CALIBRATED, tokenizer_from=folder
    )
    own, everything = _grammar(parser)
    probes = [evaluate.parse(parser, one) for one in read_pairs(PROBES)]
    kept = dict(old or {})
    out_of_fold = [one for fold in folds for one in fold.parses]
    if out_of_fold:
        calibration = evaluate.fitted([*out_of_fold, *everything])
        kept["calibration"] = {
            name: getattr(calibration, name) for name in ("bias", "energy_weight", "margin_weight")
        }
        kept["folds"] = _folds(folds, everything)
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
        "files": {name: described((folder / name).read_bytes()) for name in (NETWORK, TOKENIZER)},
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
    if "folds" in kept:
        card["folds"] = kept["folds"]
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


def _folds(folds: Sequence[Fold], others: Sequence[Parse]) -> dict[str, Any]:
    parses = [one for fold in folds for one in fold.parses]
    sizes = [len(fold.parses) for fold in folds]
    exact = [fold.exact for fold in folds]
    raw = [fold.svm_raw for fold in folds]
    delexicalised = [fold.svm_delexicalised for fold in folds]
    errors = []
    for fold in folds:  # calibrated on the other folds
        rest = [one for other in folds if other is not fold for one in other.parses]
        if rest:
            fit = evaluate.fitted([*rest, *others])
            errors.append(evaluate.calibration_error(fold.parses, fit))
    return {
        "count": len(folds),
        "exact_mean": float(np.mean(exact)),
        "exact_sd": float(np.std(exact)),
        "svm_raw": float(np.mean(raw)),
        "svm_delexicalised": float(np.mean(delexicalised)),
        "most_frequent": float(np.mean([fold.most_frequent for fold in folds])),
        "margin": float(np.mean(exact) - max(np.mean(raw), np.mean(delexicalised))),
        "calibration_error": float(np.mean(errors)) if errors else 0.0,
        "shared_text": float(np.average([f.shared_text for f in folds], weights=sizes)),
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
        "ten slots of its logical form, masked at first. A step predicts all slots, commits the "
        "most certain and opens what became doubtful. Six layers, 256 wide, eight heads, "
        "matrices as int8.",
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
        f"- Fine-tuning: {training_['tune_steps']:,} batches of {training_['tune_batch']}, over "
        "half of them people's paraphrases (arXiv 1907.01115).",
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
            f"| linear SVM, n-grams of the raw text | {f['svm_raw']:.3f} |",
            f"| linear SVM, n-grams of the delexicalised text | {f['svm_delexicalised']:.3f} |",
            f"| most frequent form | {f['most_frequent']:.3f} |",
            "",
            f"Margin over the better SVM: {f['margin']:+.3f}. Calibration error, cross-fitted (the "
            f"calibration comes from the other folds): {f['calibration_error']:.3f}.",
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
    own, every, probes = figures["grammar_own"], figures["grammar"], figures["probes"]
    latency = figures["latency_ms"]
    lines += [
        "## What this robot does, and what is outside",
        "",
        f"- {own['commands']} commands drawn anew from the grammar, with noise, of the robot's own "
        f"kinds (go, come back, stop, find, count): {own['exact']:.3f} exact "
        f"({own['exact_by_step'][0]:.3f} after step 1).",
        f"- {every['commands']} of all kinds, a quarter outside the domain: {every['exact']:.3f} "
        f"exact; outside, {every['declined']:.3f} declined at a threshold of 0.5; calibration "
        f"error {every['calibration_error']:.3f}, in-sample: the calibration was fitted on these "
        "commands too, so this figure says little about other ones."
        + (
            f" The cross-fitted one is {card['folds']['calibration_error']:.3f}, above."
            if "folds" in card
            else ""
        ),
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
