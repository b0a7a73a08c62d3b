"""The detection plugin: what it finds, where it looks, what it does not pay for again."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.detection import Boxes, Region
from models.detection.boxes import NONE
from plugins.detection import Detected, DetectionConfig, DetectionPlugin, DetectionState
from plugins.detection_belief import believed, snapped
from plugins.detection_memory import NOTHING, Things, View
from sage.irp import ConfigError, Context, HaltReason, Outcome, PluginError, check_plugin, refine
from sage.values import Frame, Observation

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
MODEL, VIDEO = DATA / "models" / "nanodet.onnx", DATA / "video" / "vtest.avi"

rng = np.random.default_rng(0)
GROUND = np.repeat(rng.integers(60, 120, (480, 640, 1), np.uint8), 3, axis=2)
"""Something with texture everywhere."""


class FindsWhite:
    """Finds white squares that are large enough for it in the part that it is shown."""

    input_px = (160, 160)
    names = ("square",)

    def __init__(self) -> None:
        self.looked: list[Region] = []

    def look(self, rgb: np.ndarray, region: Region, least: float) -> Boxes:
        import cv2

        self.looked.append(region)
        part = rgb[region.top : region.bottom, region.left : region.right].min(axis=2) > 240
        count, _, stats, _ = cv2.connectedComponentsWithStats(part.astype(np.uint8))
        zoom = 160 / max(region.width, region.height)
        corners = [
            [region.left + x, region.top + y, region.left + x + w, region.top + y + h]
            for x, y, w, h, area in stats[1:count].tolist()
            if min(w, h) * zoom >= 8
        ]
        if not corners:
            return NONE
        return Boxes(
            np.array(corners, np.float32),
            np.full(len(corners), 0.9, np.float32),
            np.zeros(len(corners), np.int64),
        )


def seen(rgb: Any, number: int = 0) -> Observation:
    return Observation("camera", "camera", 0.1 * number, number, Frame(rgb))


def with_squares(*squares: tuple[int, int, int]) -> np.ndarray:
    frame = GROUND.copy()
    for x, y, side in squares:
        frame[y : y + side, x : x + side] = 255
    return frame


def answer(outcome: Outcome[Detected]) -> Detected:
    assert outcome.error is None
    assert outcome.result is not None
    return outcome.result


def boxes(result: Detected) -> list[tuple[int, ...]]:
    return sorted(tuple(round(v) for v in d.box_px) for d in result.scene.detections)


def see_all(frames: list[np.ndarray], plugin: DetectionPlugin | None = None) -> list[Detected]:
    """Frame by frame, each with what the one before left."""
    plugin = plugin or DetectionPlugin(detector=FindsWhite())
    memory, results = None, []
    for number, frame in enumerate(frames):
        context: Context = {} if memory is None else {"previous": memory}
        results.append(answer(refine(plugin, seen(frame, number), context=context)))
        memory = results[-1].memory
    return results


def test_keeps_the_contract() -> None:
    black, dots = np.zeros((48, 64, 3), np.uint8), np.full((1, 1, 3), 9, np.uint8)
    frames = [with_squares((50, 60, 40), (400, 300, 14)), GROUND, black, dots]
    config = DetectionConfig(max_crops=12)
    check_plugin(lambda: DetectionPlugin(config, FindsWhite()), [seen(f) for f in frames])


def test_crops_find_what_the_whole_frame_is_too_coarse_for() -> None:
    frame = with_squares((50, 60, 60), (400, 300, 14))
    alone = answer(refine(DetectionPlugin(DetectionConfig(zooms=()), FindsWhite()), seen(frame)))
    assert boxes(alone) == [(50, 60, 110, 120)]
    outcome = refine(DetectionPlugin(detector=FindsWhite()), seen(frame))
    assert boxes(answer(outcome)) == [(50, 60, 110, 120), (400, 300, 414, 314)]
    assert outcome.trajectory.reason is HaltReason.STABLE
    energies = outcome.trajectory.energies
    assert all(b <= a for a, b in itertools.pairwise(energies))
    assert energies[-1] < 0.2 * energies[0]


def test_the_first_look_is_at_the_whole_frame_and_any_number_of_steps_answers() -> None:
    detector = FindsWhite()
    plugin = DetectionPlugin(detector=detector)
    state = plugin.step(plugin.init_state(seen(with_squares((50, 60, 60))), {}))
    assert detector.looked[0].whole
    assert boxes(plugin.result(state)) == [(50, 60, 110, 120)]


def test_what_did_not_change_is_not_paid_for_again() -> None:
    detector = FindsWhite()
    plugin = DetectionPlugin(detector=detector)
    frame = with_squares((50, 60, 60), (400, 300, 14))
    first = answer(refine(plugin, seen(frame)))
    detector.looked.clear()
    again = refine(plugin, seen(frame.copy(), 1), context={"previous": first.memory})
    assert detector.looked == []
    assert boxes(answer(again)) == boxes(first)
    assert again.trajectory.reason is HaltReason.STABLE
    assert again.trajectory.energies == (0.0,)


def test_a_change_is_looked_at_where_it_is() -> None:
    detector = FindsWhite()
    plugin = DetectionPlugin(detector=detector)
    before = answer(refine(plugin, seen(with_squares((50, 60, 60)))))
    detector.looked.clear()
    frame = with_squares((50, 60, 60), (500, 400, 16))
    after = answer(refine(plugin, seen(frame, 1), context={"previous": before.memory}))
    assert (500, 400, 516, 416) in boxes(after)
    assert (50, 60, 110, 120) in boxes(after)
    assert len(detector.looked) < len(plugin.init_state(seen(frame), {}).regions) / 2
    at = [r for r in detector.looked if r.left <= 500 < r.right and r.top <= 400 < r.bottom]
    assert len(at) >= len(detector.looked) - 1  # one that ends where it begins


def test_a_moving_thing_is_followed_without_a_look_at_every_frame() -> None:
    plugin = DetectionPlugin(DetectionConfig(min_gain=0.3), FindsWhite())
    places = range(100, 148, 6)
    results = see_all([with_squares((x, 200, 70)) for x in places], plugin)
    for x, result in zip(places, results, strict=True):
        assert any(abs(b[0] - x) < 20 and abs(b[1] - 200) < 20 for b in boxes(result))
    assert sum(result.looks for result in results[1:]) <= 7


def test_a_score_near_its_threshold_is_worth_a_look_where_something_changed() -> None:
    plugin = DetectionPlugin(detector=FindsWhite())
    memory = answer(refine(plugin, seen(with_squares((300, 200, 60))))).memory
    context: Context = {"previous": memory}
    state = plugin.init_state(seen(with_squares((306, 200, 60)), 1), context)
    same = plugin.init_state(seen(with_squares((300, 200, 60)), 1), context)
    edge = plugin.config.threshold - plugin.config.margin

    def worth(of: DetectionState, score: float) -> float:
        sure = dataclasses.replace(of.things.boxes, scores=np.array([score], np.float32))
        things = dataclasses.replace(of.things, boxes=sure)
        return float(plugin._gains(dataclasses.replace(of, things=things)).max())

    assert worth(state, edge) > worth(state, edge + 0.1) > worth(state, 0.9)
    assert worth(same, edge) == 0.0


def test_the_next_look_is_where_most_is_to_be_gained() -> None:
    plugin = DetectionPlugin(detector=FindsWhite())
    state = plugin.step(plugin.init_state(seen(GROUND), {}))
    gains = np.full(len(state.regions), 2.0 * plugin.config.min_gain, np.float32)
    for best in (3, len(gains) - 1):
        gains[best] += 1.0
        assert plugin._chosen(dataclasses.replace(state, gains=gains)) == best
        gains[best] = 0.0


def test_where_looks_find_something_more_is_expected() -> None:
    plugin = DetectionPlugin(detector=FindsWhite())
    first = [
        plugin.step(plugin.init_state(seen(frame), {})).yields[0]
        for frame in (GROUND, with_squares((50, 60, 60)))
    ]
    assert first[0] < 0.5 < first[1]


def test_a_view_keeps_what_another_look_saw_move() -> None:
    def one(left: float) -> Boxes:
        corners = np.array([[left, 10.0, left + 40.0, 60.0]], np.float32)
        return Boxes(corners, np.full(1, 0.8, np.float32), np.zeros(1, np.int64))

    thumb = np.zeros((4, 4), np.uint8)
    views = (View(one(100.0), thumb, 2, 0.0), None)
    (moved, nothing) = snapped(views, one(100.0), one(112.0))
    assert moved is not None
    assert nothing is None
    assert moved.found.corners_px[0, 0] == 112.0
    assert snapped(views, one(100.0), one(300.0)) == views, "something else"


def test_two_cameras_share_a_plugin_and_nothing_else() -> None:
    plugin = DetectionPlugin(detector=FindsWhite())
    one = answer(refine(plugin, seen(with_squares((50, 60, 60)))))
    two = answer(refine(plugin, seen(GROUND)))
    assert boxes(two) == []
    later = answer(
        refine(plugin, seen(with_squares((50, 60, 60)), 1), context={"previous": one.memory})
    )
    assert boxes(later) == [(50, 60, 110, 120)]
    assert later.looks == 0


def test_another_scene_or_size_starts_anew() -> None:
    plugin = DetectionPlugin(detector=FindsWhite())
    first = answer(refine(plugin, seen(with_squares((50, 60, 60)))))
    other = 255 - GROUND
    cut = answer(refine(plugin, seen(other, 1), context={"previous": first.memory}))
    assert boxes(cut) == []
    small = np.ascontiguousarray(GROUND[:100, :100])
    resized = answer(refine(plugin, seen(small, 2), context={"previous": first.memory}))
    assert boxes(resized) == []
    assert resized.memory.size_px == (100, 100)


def test_nothing_is_missed_right_after_a_cut_or_a_black_camera() -> None:
    scene = with_squares((50, 60, 60), (400, 300, 14))
    elsewhere = 200 - np.roll(GROUND, 37, axis=1)
    elsewhere[200:214, 100:114] = elsewhere[30:90, 500:560] = 255
    black = np.zeros_like(scene)
    first, cut, back, dark, light = see_all([scene, elsewhere, scene, black, scene])
    assert boxes(first) == boxes(back) == boxes(light) == [(50, 60, 110, 120), (400, 300, 414, 314)]
    assert boxes(cut) == [(100, 200, 114, 214), (500, 30, 560, 90)]
    assert boxes(dark) == []


def test_nothing_is_missed_while_the_camera_pans() -> None:
    import cv2

    noise = np.random.default_rng(1).integers(20, 200, (60, 140, 3), np.uint8)
    scenery = np.asarray(cv2.resize(noise, (1120, 480), interpolation=cv2.INTER_CUBIC), np.uint8)
    scenery = np.minimum(scenery, 230)
    places = range(40, 1080, 130)
    for x in places:
        scenery[220:260, x : x + 40] = 255
    starts = range(0, 150, 25)
    results = see_all([np.ascontiguousarray(scenery[:, x : x + 640]) for x in starts])
    for start, result in zip(starts, results, strict=True):
        whole = [x - start for x in places if 12 <= x - start <= 640 - 52]
        found = boxes(result)
        assert all(any(abs(b[0] - x) <= 8 for b in found) for x in whole), f"at {start}"
        assert len(found) <= len(whole) + 2, "and nothing twice"
        assert all(b[2] > b[0] and b[3] > b[1] for b in found), "what left the frame is gone"


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_constant_frame_finds_nothing_and_halts_at_once(level: int) -> None:
    detector = FindsWhite()
    frame = np.full((480, 640, 3), level, np.uint8)
    outcome = refine(DetectionPlugin(detector=detector), seen(frame))
    assert outcome.trajectory.steps == 1
    assert outcome.trajectory.reason is HaltReason.STABLE
    assert boxes(answer(outcome)) == []
    assert detector.looked == []


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (3, 2), (33, 33), (540, 1920)])
def test_frames_of_any_size(shape: tuple[int, int]) -> None:
    frames = [np.full((*shape, 3), 40, np.uint8) for _ in range(2)]
    for number, frame in enumerate(frames):
        frame[number % shape[0] :: 3] = 200
    plugin = DetectionPlugin(DetectionConfig(max_crops=4), FindsWhite())
    assert all(found.memory.size_px == shape[::-1] for found in see_all(frames, plugin))


@pytest.mark.parametrize(
    "rgb",
    [np.zeros((4, 4, 3), np.float32), np.zeros((4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)],
)
def test_what_is_no_picture_is_refused(rgb: np.ndarray) -> None:
    outcome = refine(DetectionPlugin(detector=FindsWhite()), seen(rgb))
    assert isinstance(outcome.error, PluginError)


def seen_again(score: float, base: Things, age: int = 0) -> Things:
    """What is believed of a thing after a look that gives it this score, or a carried one."""
    found = Boxes(np.array([[5, 5, 25, 25]], np.float32), np.array([score], np.float32), ONE)
    view = View(found, np.zeros((4, 4), np.uint8), age, 0.0)
    region = Region(0, 0, 100, 100, True)
    return believed(base, (region,), (view,), threshold=0.5, margin=0.1, pace=0.5, least=0.25)


ONE = np.zeros(1, np.int64)


def test_beliefs_do_not_flicker_at_the_threshold() -> None:
    assert seen_again(0.52, NOTHING).shown.tolist() == [True], "at first the threshold decides"
    known = seen_again(0.8, NOTHING)
    falling = seen_again(0.3, known)
    assert falling.boxes.scores[0] == pytest.approx(0.55), "a look moves a score by its pace"
    assert falling.shown.tolist() == [True]
    lower = seen_again(0.35, falling)
    assert lower.boxes.scores[0] == pytest.approx(0.45)
    assert lower.shown.tolist() == [True], "what was reported stays down to the margin"
    gone = seen_again(0.3, lower)
    assert gone.shown.tolist() == [False]
    back = seen_again(0.7, gone)
    assert back.boxes.scores[0] == pytest.approx(0.5375)
    assert back.shown.tolist() == [False], "and comes back above it only"


def test_a_carried_view_moves_no_score_and_a_look_counts_for_the_frames_without_one() -> None:
    known = seen_again(0.8, NOTHING)
    assert seen_again(0.3, known, age=1).boxes.scores[0] == pytest.approx(0.8)
    waited = Things(known.boxes, known.shown, known.unseen, np.full(1, 3))
    assert seen_again(0.4, waited).boxes.scores[0] == pytest.approx(0.45)


def test_settings_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"threshold 2\.0 must be in \[0\.01, 0\.99\]"):
        DetectionConfig(threshold=2.0)
    with pytest.raises(ConfigError, match=r"--detector MODEL\.onnx"):
        DetectionPlugin()


@pytest.mark.skipif(not MODEL.is_file() or not VIDEO.is_file(), reason=f"no {DATA}")
def test_people_are_found_on_a_real_video() -> None:
    import cv2

    plugin = DetectionPlugin(DetectionConfig(str(MODEL), max_crops=0))
    capture = cv2.VideoCapture(str(VIDEO))
    frames = [np.ascontiguousarray(capture.read()[1][..., ::-1]) for _ in range(3)]
    capture.release()
    people = [
        [found for found in result.scene.detections if found.label == "person"]
        for result in see_all(frames, plugin)
    ]
    assert all(len(found) >= 3 for found in people)
    for found in people[-1]:
        left, top, right, bottom = found.box_px
        assert 1.2 < (bottom - top) / (right - left) < 6.0, "people on this video walk upright"
