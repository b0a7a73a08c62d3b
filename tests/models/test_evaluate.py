"""What the card's figures mean: matching, calibration, precision; and that the card is current."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.vision import artifacts
from models.vision.data import LABELS, THING
from models.vision.evaluate import Match, calibrate, clean_thumbnail, match, room_scale
from models.vision.reading import Found

FOCAL_PX = 146.0
FRIDGE = (LABELS.index("fridge"), (20, 40, 90, 180), 2.0, 0.38, 6000)
TRAY = (LABELS.index("tray"), (100, 90, 130, 94), 1.5, -0.02, 100)


def found(label: str, logit: float, box: tuple[float, ...], distance_m: float = 2.0) -> Found:
    slot = "objects" if label == "tray" else "furniture"
    return Found(label, slot, logit, box, 0.5 * (box[0] + box[2]), distance_m)


def test_only_the_surer_of_two_detections_of_one_thing_is_right() -> None:
    things = np.array([FRIDGE], THING)
    pair = [found("fridge", 1.0, (22, 42, 88, 178)), found("fridge", 2.0, (18, 40, 90, 170), 2.2)]
    matches, required = match(pair, things, FOCAL_PX)
    assert [(m.logit, m.right) for m in matches] == [(2.0, True), (1.0, False)]
    assert matches[0].distance_error == pytest.approx(0.1)
    assert required == [("furniture", 2.0)]


def test_wrong_class_or_place_is_wrong_and_the_thing_stays_missed() -> None:
    things = np.array([FRIDGE], THING)
    for item in (found("stove", 2.0, (20, 40, 90, 180)), found("fridge", 2.0, (120, 40, 190, 180))):
        matches, required = match([item], things, FOCAL_PX)
        assert not matches[0].right
        assert required == [("furniture", -math.inf)]


def test_a_flat_object_may_be_a_few_pixels_off() -> None:
    things = np.array([TRAY], THING)
    (near,), _ = match([found("tray", 1.0, (100, 95, 130, 99))], things, FOCAL_PX)
    (far,), _ = match([found("tray", 1.0, (100, 99, 130, 103))], things, FOCAL_PX)
    assert near.right
    assert not far.right


def test_far_or_hidden_things_are_not_required() -> None:
    far = (*FRIDGE[:2], 5.0, *FRIDGE[3:])
    hidden = (*FRIDGE[:4], 150)
    assert match([], np.array([far, hidden], THING), FOCAL_PX) == ([], [])


def test_calibration_recovers_probabilities_and_keeps_precision() -> None:
    rng = np.random.default_rng(0)
    logits = rng.uniform(-3.0, 5.0, 4000)
    right = rng.random(4000) < 1.0 / (1.0 + np.exp(-(1.5 * logits - 1.0)))
    matches = [
        Match(slot, float(v), bool(r), 0.0, 0.0)
        for slot in ("furniture", "objects")
        for v, r in zip(logits, right, strict=True)
    ]
    rule = calibrate(matches)["objects"]
    assert rule.scale == pytest.approx(1.5, abs=0.15)
    assert rule.bias == pytest.approx(-1.0, abs=0.15)
    kept = [r for v, r in zip(logits, right, strict=True) if rule.probability(v) >= rule.threshold]
    assert 0.93 < np.mean(kept) < 0.97


def test_room_scale_tempers_overconfident_logits() -> None:
    rng = np.random.default_rng(0)
    rooms = []
    for _ in range(300):
        logits = rng.normal(0.0, 1.0, 6)
        p = np.exp(logits) / np.exp(logits).sum()
        rooms.append((4.0 * logits, int(rng.choice(6, p=p))))
    assert room_scale(rooms) == pytest.approx(0.25, rel=0.3)


def test_thumbnail_is_the_area_average() -> None:
    frame = np.zeros((224, 224, 3), np.uint8)
    frame[:2, :4, 1] = 255
    small = clean_thumbnail(frame)
    assert small.shape == (3, 56, 56)
    assert small[1, 0, 0] == pytest.approx(0.5)
    assert small.sum() == pytest.approx(0.5)


def test_the_readable_card_is_the_one_that_the_data_gives() -> None:
    pytest.importorskip("torch", reason="the card is written by the training command (torch)")
    from models.vision.card import card_text

    text = (artifacts.FOLDER / "CARD.md").read_text(encoding="utf-8")
    assert text == card_text(artifacts.load_card())


def test_the_card_claims_what_the_runtime_relies_on() -> None:
    figures = artifacts.load_card()["figures"]
    clean = figures["clean"]["by_step"]
    assert clean[-1]["furniture"]["precision"] > 0.9
    assert clean[-1]["objects"]["precision"] > 0.9
    control = figures["baselines"]["random_weights"]
    for slot in ("furniture", "objects"):
        assert clean[-1][slot]["recall"] > control[slot]["recall"] + 0.5
    assert clean[-1]["room_accuracy"] > figures["baselines"]["majority_room_accuracy"] + 0.3
    for name in ("clean", "degraded"):
        error = figures[name]["true_error"]
        assert error == sorted(error, reverse=True)
        assert error[-1] < figures["baselines"]["mean_image_error"] / 4
