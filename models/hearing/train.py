"""Fit the recogniser's confidence, measure all of hearing, and write the card.

    scripts/record-voices --split development --into build/development
    scripts/record-voices --split fresh --into build/fresh
    python -m models.hearing.train --recordings build/development --fresh build/fresh

Voice activity is Silero's, unchanged; what is fitted here is when PocketSphinx is to be believed.
The three splits have different voices and sentences. The grammar was written with the errors on
the committed recordings in view, so it is the fresh ones that say what to expect of new voices.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from models.artifacts import CARD
from models.hearing.activity import BLOCK_SAMPLES, SileroActivity
from models.hearing.artifacts import ACTIVITY, FOLDER, load_card
from models.hearing.card import ACCEPT, card_text
from models.hearing.confidence import FEATURES, Confidence
from models.hearing.fitting import logistic, shifted
from models.hearing.measure import Heard, area_under_roc, blocks, hear, in_domain
from models.hearing.pocketsphinx import PocketsphinxRecogniser
from sage.values import Float64Array
from sage.worlds.apartment.voices import FOLDER as COMMITTED
from sage.worlds.apartment.voices import recordings

SNR_DB = (40.0, 25.0, 15.0)
SEED = 20183
MOST_OUTSIDE = 0.2
"""How many of the development recordings of other domains may be accepted, noises included."""
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "voices"


def fit(features: Float64Array, right: Sequence[bool], penalty: float = 1.0) -> Confidence:
    """Logistic regression on :data:`FEATURES`."""
    return Confidence(*logistic(features, right, penalty))


def at_operating_point(confidence: Confidence, outside: Sequence[Heard]) -> Confidence:
    """The same order, shifted so that ``ACCEPT`` lets ``MOST_OUTSIDE`` of other domains pass."""
    sure = [confidence.of(i.features) if i.features else 0.0 for i in outside]
    return replace(confidence, bias=round(shifted(confidence.bias, sure, MOST_OUTSIDE, ACCEPT), 4))


def listen(folder: Path, *, varied: bool, every: int = 1) -> list[Heard]:
    """What is heard in a folder's recordings; ``varied``: at several levels, in several noises."""
    recogniser = PocketsphinxRecogniser(Confidence((0,) * 6, (1,) * 6, (0,) * 6, 0.0))
    rng = np.random.default_rng(SEED)
    found = []
    for recording in recordings(folder)[::every]:
        snr_db = float(rng.choice(SNR_DB)) if varied else SNR_DB[0]
        gain = float(10 ** rng.uniform(-1.2, 0.2)) if varied else 1.0
        found.append(hear(recogniser, recording, snr_db, gain, rng))
    recogniser.close()
    return found


def verdicts(heard: Sequence[Heard], confidence: Confidence) -> dict[str, float]:
    """How often words are right, and how well the confidence tells right from wrong."""
    inside = [item for item in heard if in_domain(item.recording)]
    outside = [item for item in heard if not in_domain(item.recording)]
    sure = {id(i): confidence.of(i.features) if i.features else 0.0 for i in heard}
    right = [item for item in inside if item.right]
    return {
        "sentences": len(inside),
        "right": len(right) / max(len(inside), 1),
        "right_and_accepted": sum(sure[id(i)] >= ACCEPT for i in right) / max(len(inside), 1),
        "wrong_and_accepted": sum(sure[id(i)] >= ACCEPT for i in inside if not i.right)
        / max(len(inside), 1),
        "outside": len(outside),
        "outside_accepted": sum(sure[id(i)] >= ACCEPT for i in outside) / max(len(outside), 1),
        "auc_right_or_wrong": area_under_roc(
            [sure[id(i)] for i in heard], [i.right for i in heard]
        ),
        "auc_right_or_outside": area_under_roc(
            [sure[id(i)] for i in (*right, *outside)], [True] * len(right) + [False] * len(outside)
        ),
    }


def cross_validated(heard: Sequence[Heard]) -> float:
    """Area under the ROC curve of right against wrong, each voice left out in turn."""
    usable = [item for item in heard if item.features]
    scores = [0.0] * len(usable)
    for voice in {item.recording.voice for item in usable}:
        rest = [item for item in usable if item.recording.voice != voice]
        fitted = fit(np.array([i.features for i in rest]), [i.right for i in rest])
        for index, item in enumerate(usable):
            if item.recording.voice == voice:
                scores[index] = fitted.of(item.features)
    return area_under_roc(scores, [item.right for item in usable])


def costs(heard: Sequence[Heard]) -> dict[str, float]:
    """What recognising takes: share of real time on one core, and per block."""
    per_block = np.concatenate([item.block_s for item in heard])
    return {
        "real_time_factor": float(per_block.sum() / sum(i.duration_s for i in heard)),
        "block_ms_p50": 1e3 * float(np.percentile(per_block, 50)),
        "block_ms_p99": 1e3 * float(np.percentile(per_block, 99)),
        "finish_ms_p99": 1e3 * float(np.percentile([i.finish_s for i in heard], 99)),
    }


def activity_figures(folder: Path) -> dict[str, float]:
    """Voice activity on real recordings, those named ``17-`` without speech, and its cost."""
    import soundfile

    activity = SileroActivity()
    took: list[float] = []
    spoken: list[Float64Array] = []
    silent: list[Float64Array] = []
    for path in sorted(folder.glob("*.wav")):
        samples, _ = soundfile.read(path, dtype="float32")
        activity.reset()
        found = []
        for block in blocks(samples):
            if len(block) == BLOCK_SAMPLES:
                started = time.thread_time()
                found.append(activity.probability(block))
                took.append(time.thread_time() - started)
        (silent if path.name.startswith("17-") else spoken).append(np.array(found))
    return {
        "block_ms_p50": 1e3 * float(np.percentile(took, 50)),
        "block_ms_p99": 1e3 * float(np.percentile(took, 99)),
        "spoken_files": len(spoken),
        "spoken_files_found": sum(bool((p >= 0.5).any()) for p in spoken),
        "silent_files": len(silent),
        "silent_files_found": sum(bool((p >= 0.5).any()) for p in silent),
        "silent_blocks_above_half": float((np.concatenate(silent) >= 0.5).mean()),
        "silent_highest": float(np.concatenate(silent).max()),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Fit, measure, write ``card.json`` and ``CARD.md``."""
    parser = argparse.ArgumentParser(
        prog="python -m models.hearing.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--recordings", type=Path, required=True, metavar="DIR")
    parser.add_argument("--fresh", type=Path, required=True, metavar="DIR")
    parser.add_argument("--people", type=Path, default=SHARED, metavar="DIR")
    options = parser.parse_args(argv)
    if not list(options.people.glob("17-*.wav")):
        print(f"error: no recordings of people and rooms in {options.people}", file=sys.stderr)
        return 1
    content = (FOLDER / ACTIVITY).read_bytes()
    entry = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    card: dict[str, Any] = {
        "model": "hearing",
        "files": {ACTIVITY: entry},
        "belief": load_card()["belief"],  # of models.hearing.train_belief
    }
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        fitted_on = pool.submit(listen, options.recordings, varied=True)
        measured_on = pool.submit(listen, COMMITTED, varied=False)
        untouched = pool.submit(listen, options.fresh, varied=False)
        heard, committed = fitted_on.result(), measured_on.result()
        fresh = untouched.result()
    usable = [item for item in heard if item.features]
    confidence = fit(np.array([i.features for i in usable]), [i.right for i in usable])
    confidence = at_operating_point(
        confidence, [item for item in heard if not in_domain(item.recording)]
    )
    card["confidence"] = {
        "features": FEATURES,
        "mean": confidence.mean,
        "scale": confidence.scale,
        "weights": confidence.weights,
        "bias": confidence.bias,
        "accept": ACCEPT,
    }
    _write(card)  # before measuring, since voice activity is checked against it
    card["figures"] = {
        "activity": activity_figures(options.people),
        "development": {**verdicts(heard, confidence), "auc_left_out": cross_validated(heard)},
        "committed": verdicts(committed, confidence),
        "fresh": verdicts(fresh, confidence),
        "cost": costs(committed),
    }
    _write(card)
    card = load_card()
    (FOLDER / "CARD.md").write_text(card_text(card), encoding="utf-8")
    print(card_text(card))
    return 0


def _write(card: dict[str, Any]) -> None:
    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        return float(f"{value:.4g}") if isinstance(value, float) else value

    body = {**card, "figures": plain(card.get("figures", {}))}
    text = json.dumps(body, indent=1, sort_keys=True, allow_nan=False)
    (FOLDER / CARD).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
