from __future__ import annotations

import math

import numpy as np
import pytest

from models.hearing.artifacts import load_card
from models.hearing.card import card_text
from models.hearing.confidence import FEATURES, Confidence, Span, confidence_from, evidence
from models.hearing.measure import area_under_roc, same_words
from models.hearing.train import fit
from sage.irp.errors import ModelError

N = len(FEATURES)


def test_evidence_compares_words_with_phones_frame_by_frame() -> None:
    words = [Span("go", 10, 19, -0.04), Span("home", 24, 43, -0.04)]
    phones = [Span("SIL", 0, 9, 0.0), Span("G", 10, 19, -0.02), Span("OW", 20, 43, -0.024)]
    found = dict(zip(FEATURES, evidence(words, phones), strict=True))
    assert found["word_score"] == pytest.approx(-1e3 * 0.08 / 30)
    assert found["worst_word"] == pytest.approx(-4.0)
    assert found["ratio"] == pytest.approx(-(2.0 * 10 + 1.0 * 20) / 30)
    assert found["worst_ratio"] == pytest.approx(-2.0)
    assert found["frames_per_letter"] == pytest.approx(30 / 6)
    assert found["pause"] == pytest.approx(0.04)


def test_confidence_is_a_logistic_function() -> None:
    confidence = Confidence((1.0,) * N, (2.0,) * N, (1.0, *(0.0,) * (N - 1)), 0.5)
    assert confidence.of((1.0,) * N) == pytest.approx(1 / (1 + math.exp(-0.5)))
    assert confidence.of((3.0,) * N) == pytest.approx(1 / (1 + math.exp(-1.5)))
    assert 0.0 <= confidence.of((-1e9,) * N) < 1e-9
    assert 1.0 - 1e-9 < confidence.of((1e9,) * N) <= 1.0


@pytest.mark.parametrize(
    "change",
    [{"mean": (0.0,)}, {"scale": (0.0,) * N}, {"weights": (math.nan,) * N}, {"bias": math.inf}],
)
def test_a_calibration_that_cannot_be_is_an_error(change: dict) -> None:
    good = {"mean": (0.0,) * N, "scale": (1.0,) * N, "weights": (1.0,) * N, "bias": 0.0}
    Confidence(**good)
    with pytest.raises(ModelError):
        Confidence(**{**good, **change})


def test_the_shipped_calibration_prefers_what_explains_the_sound() -> None:
    confidence = confidence_from(load_card())
    at = dict(zip(FEATURES, confidence.mean, strict=True))
    one = dict(zip(FEATURES, confidence.scale, strict=True))
    better = {k: v + one[k] * ("score" in k or "ratio" in k or "worst" in k) for k, v in at.items()}
    assert confidence.of(tuple(better.values())) > confidence.of(tuple(at.values())) + 0.2


def test_fit_finds_what_tells_right_from_wrong() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(400, N))
    right = features[:, 2] + 0.3 * rng.normal(size=400) > 0.8  # the rarer
    confidence = fit(features, list(right))
    sure = [confidence.of(tuple(row)) for row in features]
    assert area_under_roc(sure, list(right)) > 0.97
    assert max(range(N), key=lambda i: confidence.weights[i]) == 2
    accepted = np.array(sure) >= 0.5
    assert accepted[right].mean() > 0.9
    assert accepted[~right].mean() < 0.15


def test_area_under_roc_by_hand() -> None:
    assert area_under_roc([1, 2, 3, 4], [False, False, True, True]) == 1.0
    assert area_under_roc([4, 3, 2, 1], [False, False, True, True]) == 0.0
    assert area_under_roc([1, 1, 1, 1], [False, True, False, True]) == 0.5
    assert area_under_roc([1, 2, 2, 3], [False, True, False, True]) == 0.875
    assert math.isnan(area_under_roc([1, 2], [True, True]))


def test_articles_do_not_tell_sentences_apart() -> None:
    assert same_words("go to kitchen", "go to the kitchen")
    assert not same_words("go to the kitchen", "go to the bathroom")
    assert not same_words("", "stop")


def test_the_card_as_text_holds_its_figures() -> None:
    card = load_card()
    text = card_text(card)
    assert card["files"]["silero_vad.onnx"]["sha256"] in text
    assert f"{card['figures']['committed']['right']:.3f}" in text
