"""Fit when Whisper's words are to be believed, and write that into the card.

    scripts/record-voices --split development --into build/development
    python -m models.hearing.train_belief --recordings build/development

The recordings are heard in pink noise, babble and music at 25, 15 and 10 dB. Right is what
the parser understands as it does the words that were said; wrong is all else that it takes for a
command: what was misheard, sentences of other domains, noises alone.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from models.artifacts import CARD
from models.hearing.artifacts import FOLDER, load_card
from models.hearing.belief import FEATURES, Belief, Signs
from models.hearing.card import ACCEPT, card_text
from models.hearing.fitting import logistic, shifted
from models.hearing.judge import shipped_reader
from models.hearing.measure import BLOCK_SAMPLES, area_under_roc, in_domain
from models.hearing.noises import NOISES, made, mixed
from models.hearing.whisper import WhisperRecogniser
from sage.hearing.recogniser import RATE_HZ
from sage.skills.meaning import Meaning
from sage.values import Float32Array
from sage.worlds.apartment.voices import recordings

SNR_DB: Final = (25.0, 15.0, 10.0)
SEED: Final = 61823
NOISE_S: Final = 4.0
NOISE_TAKES: Final = 10
MOST_ACTED: Final = 0.02
"""How many of all sounds that are no command may be acted upon."""

COMPLETE: Final = 0.5
"""The parser's chance above which words are a whole command."""
PLAIN: Final = Belief(
    (0.0,) * len(FEATURES), (1.0,) * len(FEATURES), (0.0,) * len(FEATURES), 0.0, COMPLETE
)

Found = tuple[Signs, bool, bool]
"""Signs; whether the meaning was right; whether a command was said."""


def heard(recogniser: WhisperRecogniser, samples: Float32Array) -> Signs | None:
    """What is found in one utterance; None where nothing is, or nothing that is a command."""
    recogniser.begin()
    for at in range(0, len(samples), BLOCK_SAMPLES):
        recogniser.feed(samples[at : at + BLOCK_SAMPLES])
    recogniser.finish()
    signs = recogniser.signs()
    return signs if signs is not None and signs.understood > 0 else None


def same_meaning(one: Meaning, other: Meaning) -> bool:
    """Whether form and entities are the same, whatever the words."""
    names = [[(e.sort, e.name) for e in meaning.entities] for meaning in (one, other)]
    return one.form == other.form and names[0] == names[1]


def listen(folder: Path, threads: int) -> tuple[list[Found], int]:
    """What is taken for a command in a folder's recordings and in noises; and how many are none."""
    recogniser = WhisperRecogniser(threads=threads, belief=PLAIN)
    read = shipped_reader()
    rng = np.random.default_rng(SEED)
    every = recordings(folder)
    talk = [item.samples() for item in every if not in_domain(item)]
    found: list[Found] = []
    outside = 0
    for number, index in enumerate(rng.permutation(len(every))):
        item = every[index]
        noise, snr_db = NOISES[number % len(NOISES)], SNR_DB[number // 3 % len(SNR_DB)]
        signs = heard(recogniser, mixed(item.samples(), noise, snr_db, rng, talk))
        outside += not in_domain(item)
        if signs is not None:
            right = in_domain(item) and same_meaning(read(signs.text), read(item.text))
            found.append((signs, right, in_domain(item)))
    for number in range(NOISE_TAKES * len(NOISES)):
        kind = NOISES[number % len(NOISES)]
        sound = made(kind, int(NOISE_S * RATE_HZ), rng, talk)
        level = 10 ** rng.uniform(-2.0, -0.5) / float(np.abs(sound).max())
        signs = heard(recogniser, (sound * level).astype(np.float32))
        outside += 1
        if signs is not None:
            found.append((signs, False, False))
    recogniser.close()
    return found, outside


def fit(found: Sequence[Found], outside: int) -> Belief:
    """The belief in what was found, at its operating point."""
    features = np.array([signs.features for signs, _, _ in found])
    belief = Belief(*logistic(features, [right for _, right, _ in found]), COMPLETE)
    sure = [belief.of(signs) for signs, _, said in found if not said]
    nothing = [0.0] * (outside - len(sure))
    bias = shifted(belief.bias, [*sure, *nothing], MOST_ACTED, ACCEPT)
    return replace(belief, bias=round(bias, 4))


def main(argv: Sequence[str] | None = None) -> int:
    """Fit, and write the card anew with it."""
    parser = argparse.ArgumentParser(
        prog="python -m models.hearing.train_belief",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--recordings", type=Path, required=True, metavar="DIR")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(argv)
    found, outside = listen(options.recordings, options.threads)
    belief = fit(found, outside)
    write(found, belief)
    print(card_text(load_card()))
    return 0


def write(found: Sequence[Found], belief: Belief) -> None:
    """Put the belief into the card."""
    chances = [belief.of(signs) for signs, _, _ in found]
    card = load_card()
    card["belief"] = {
        "features": FEATURES,
        "mean": belief.mean,
        "scale": belief.scale,
        "weights": belief.weights,
        "bias": belief.bias,
        "complete": belief.complete,
        "auc": round(area_under_roc(chances, [right for _, right, _ in found]), 4),
        "taken_for_commands": len(found),
        "right": sum(right for _, right, _ in found),
    }
    text = json.dumps(card, indent=1, sort_keys=True, allow_nan=False)
    (FOLDER / CARD).write_text(text + "\n", encoding="utf-8")
    (FOLDER / "CARD.md").write_text(card_text(card), encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
