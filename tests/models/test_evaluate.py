"""What the card's figures mean: matching, calibration, precision; and that the card is current."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from models.vision import artifacts
from models.vision.data import LABELS, THING, LabelledFrames
from models.vision.evaluate import (
    LAST,
    MOMENTS,
    STRICT,
    Match,
    Outcomes,
    Tally,
    calibrate,
    collect,
    figures_at,
    match,
    room_scale,
    same_place,
    thumbnail_vector,
)
from models.vision.halting import remaining_db
from models.vision.layout import STEPS
from models.vision.reading import Found
from models.vision.tracing import latency_ms, refine_frame

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


def test_half_of_the_boxes_must_overlap_by_the_strict_rule() -> None:
    things = np.array([FRIDGE, TRAY], THING)
    loose = found("fridge", 2.0, (20, 40, 90, 105))
    off = found("tray", 1.0, (100, 93, 130, 97))
    exact = found("fridge", 1.0, (20, 40, 90, 170))
    assert [m.right for m in match([loose, off], things, FOCAL_PX)[0]] == [True, True]
    assert [m.right for m in match([loose, off], things, FOCAL_PX, STRICT)[0]] == [False, False]
    assert [m.right for m in match([exact], things, FOCAL_PX, STRICT)[0]] == [True]


def tally_of(logits: np.ndarray, right: np.ndarray, missed: int = 0) -> Tally:
    """Detections of both slots, each right one of a required thing."""
    outcomes = Outcomes()
    for slot in ("furniture", "objects"):
        for logit, hit in zip(logits.tolist(), right.tolist(), strict=True):
            outcomes.matches.append(Match(slot, logit, bool(hit), 0.0, 0.0))
            if hit:
                outcomes.required.append((slot, logit))
        outcomes.required += [(slot, -math.inf)] * missed
    return Tally(outcomes, outcomes)


def test_calibration_recovers_probabilities_and_keeps_precision() -> None:
    rng = np.random.default_rng(0)
    logits = rng.uniform(-3.0, 5.0, 4000)
    right = rng.random(4000) < 1.0 / (1.0 + np.exp(-(1.5 * logits - 1.0)))
    rule = calibrate(tally_of(logits, right))["objects"]
    assert rule.scale == pytest.approx(1.5, abs=0.15)
    assert rule.bias == pytest.approx(-1.0, abs=0.15)
    kept = [r for v, r in zip(logits, right, strict=True) if rule.probability(v) >= rule.threshold]
    assert np.mean(kept) == pytest.approx(0.9, abs=0.02), "F1 alone would keep more"


def test_the_threshold_is_that_of_the_largest_f1() -> None:
    logits = np.array([3.0, 2.5, 2.0, 1.5, 1.0, 0.5, 0.0, -0.5, -1.0, -2.0])
    right = np.array([1, 1, 1, 1, 1, 1, 1, 0, 0, 0])
    tally = tally_of(logits, right, missed=2)
    calibration = calibrate(tally)
    rule = calibration["objects"]
    assert rule.probability(0.0) >= rule.threshold > rule.probability(-0.5)
    figures = figures_at(tally, calibration)
    assert figures["objects"]["precision"] == 1.0
    assert figures["objects"]["recall"] == pytest.approx(7 / 9)
    assert figures["objects"]["f1"] == figures["f1"] == pytest.approx(14 / 16)


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
    frame[:8, :16, 1] = 255
    small = thumbnail_vector(frame)
    assert small.shape == (14 * 14 * 3,)
    assert small[1] == pytest.approx(0.5)
    assert small.sum() == pytest.approx(0.5)


def test_a_view_is_no_neighbour_of_itself() -> None:
    places = [(0, 0), (0, 0), (0, 1), (1, 1)]
    vectors = np.array([[1.0, 0.0], [2.0, 0.1], [0.1, 1.0], [0.0, 1.0]], np.float32)
    assert same_place(vectors, vectors, places) == 0.5, "the nearest of the last two are elsewhere"
    apart = np.eye(4, dtype=np.float32)
    assert same_place(apart, apart, [(i, 0) for i in range(4)]) == 0.0


@pytest.fixture(scope="module")
def graphs() -> dict:
    return artifacts.backends()


@pytest.mark.parametrize("hole_px", [(60, 80), (180, 190)])
def test_a_refinement_is_traced_as_the_plugin_makes_it(
    graphs: dict, hole_px: tuple[int, int]
) -> None:
    from plugins.vision import VisionPlugin
    from sage.values import Frame, Observation

    rng = np.random.default_rng(0)
    picture = np.repeat(np.repeat(rng.integers(0, 256, (14, 14, 3), np.uint8), 16, 0), 16, 1)
    missing = np.zeros((224, 224), bool)
    missing[30 : 30 + hole_px[0], 20 : 20 + hole_px[1]] = True
    trace = refine_frame(graphs, picture, missing)
    plugin = VisionPlugin()
    observation = Observation("test", "camera", 0.0, 0, Frame(picture, None, missing))
    state = plugin.init_state(observation, {})
    for step in range(STEPS + 1):
        np.testing.assert_allclose(trace.latents[step], state.latent, atol=1e-4)
        assert trace.errors[step, 0] == pytest.approx(plugin.energy(state), rel=1e-4)
        remaining = remaining_db(trace.errors[step])
        assert remaining == pytest.approx(state.remaining_db, rel=1e-4, abs=1e-6)
        state = plugin.step(state)


def test_a_refiner_that_does_nothing_is_traced_to_the_end(graphs: dict) -> None:
    def stays(inputs: dict) -> dict:
        return {**graphs["step"].infer(inputs), "next_latent": inputs["latent"]}

    idle = {**graphs, "step": SimpleNamespace(infer=stays)}
    picture = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
    trace = refine_frame(idle, picture, steps=6)
    assert len(trace.latents) == len(trace.errors) == 7
    assert all(latent is trace.latents[0] for latent in trace.latents)
    assert (trace.errors == trace.errors[0]).all()


def test_every_graph_is_timed(graphs: dict) -> None:
    told = latency_ms(graphs, np.zeros((224, 224, 3), np.uint8), runs=3)
    assert told.keys() == {*artifacts.GRAPHS, "frame"}
    assert all(0.0 < times["p50"] <= times["p95"] for times in told.values())
    assert told["frame"]["p50"] > told["encode"]["p50"]


def test_views_are_read_at_every_moment(graphs: dict) -> None:
    frames = LabelledFrames(
        np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), np.uint8),
        np.array([0, -1], np.int16),
        np.array([FRIDGE], THING),
        np.array([0, 1, 1]),
    )
    for degraded in (False, True):
        tallies = collect(graphs, frames, FOCAL_PX, 0.1, degraded)
        assert tuple(tallies) == MOMENTS
        assert tallies[LAST].useful.required[0][0] == "furniture"
        assert len(tallies[LAST].embeddings) == len(tallies[LAST].rooms) == 2
        assert tallies[LAST].room_accuracy in (0.0, 1.0), "a view of no room does not count"


def test_the_readable_card_is_the_one_that_the_data_gives() -> None:
    from models.vision.card_text import card_text

    text = (artifacts.FOLDER / "CARD.md").read_text(encoding="utf-8")
    assert text == card_text(artifacts.load_card())


def test_the_card_claims_what_the_runtime_relies_on() -> None:
    figures = artifacts.load_card()["figures"]
    halted = figures["detection"]["clean"]["halted"]
    control = figures["detection"]["shuffled weights"][LAST]
    for slot in ("furniture", "objects"):
        assert halted[slot]["precision"] > 0.88
        assert halted[slot]["recall"] > control[slot]["recall"] + 0.5
    assert halted["room_accuracy"] > figures["majority_room_accuracy"] + 0.3
    for name in ("photographs", "views"):
        told = figures[name]["all"]
        assert told["psnr_db"][str(STEPS)] > told["psnr_db"]["4"] > told["psnr_db"]["0"]
        assert told["psnr_lost_db"] < 0.02 * told["psnr_gained_db"]
        assert told["psnr_db"]["0"] > figures["shuffled_weights_psnr_db"] + 5.0
