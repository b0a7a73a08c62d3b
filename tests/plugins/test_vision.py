"""The vision plugin on views of apartments that training never drew, and on real pictures."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from models.backends import OnnxRuntimeBackend
from models.vision import artifacts
from models.vision.degradation import degrade
from models.vision.halting import FLAT_STEPS
from models.vision.judgement import PRIOR_ERROR
from models.vision.layout import EMBEDDING, STEPS
from plugins.vision import VisionConfig, VisionPlugin, VisionState
from sage.describing import describe
from sage.irp import (
    ConfigError,
    HaltReason,
    ModelError,
    PluginError,
    check_plugin,
    refine,
)
from sage.values import CameraModel, Frame, Observation, Scene

HELD_OUT_SEEDS = (950_001, 950_002)
CAMERA = CameraModel(224, 224, math.radians(75.0))


@pytest.fixture(scope="module")
def vision() -> VisionPlugin:
    return VisionPlugin()


@pytest.fixture(scope="module")
def views() -> list:
    pytest.importorskip("mujoco", reason="views are rendered by MuJoCo")
    from sage.worlds.apartment.scene import ViewSampler

    out = []
    for seed in HELD_OUT_SEEDS:
        sampler = ViewSampler(seed)
        rng = np.random.default_rng(seed)
        out += [sampler.sample(rng) for _ in range(14)]
        sampler.close()
    return out


@pytest.fixture(scope="module")
def scenes(vision: VisionPlugin, views: list) -> list[Scene]:
    return [refine(vision, seen(view.rgb)).result for view in views]


def seen(
    rgb: np.ndarray,
    camera: CameraModel | None = CAMERA,
    missing: np.ndarray | None = None,
) -> Observation:
    return Observation("test", "camera", 1.5, 0, Frame(rgb, camera, missing))


def degraded(rgb: np.ndarray, kind: str, seed: int) -> Observation:
    """A view as a worse camera would deliver it."""
    harmed = degrade(rgb.astype(np.float32) / 255.0, kind, np.random.default_rng(seed))
    return seen(harmed.seen, missing=harmed.missing)


def states_of(vision: VisionPlugin, observation: Observation, steps: int) -> list[VisionState]:
    """The states after each step."""
    state = vision.init_state(observation, {})
    states = []
    for _ in range(steps):
        state = vision.step(state)
        states.append(state)
    return states


def true_error(vision: VisionPlugin, state: VisionState, clean: np.ndarray) -> float:
    """Mean squared error of what a state stands for; in the missing part where there is one."""
    off = np.square((vision.restored(state).astype(np.float64) - clean) / 255.0).mean(-1)
    return float(off.mean() if state.mask is None else off[state.mask].mean())


@pytest.fixture(scope="module")
def curves(vision: VisionPlugin, views: list) -> dict[str, np.ndarray]:
    """Energy and true error by kind: (2, views, steps)."""
    out = {}
    for kind in ("noise50", "blur", "holes"):
        energies, errors = [], []
        for index, view in enumerate(views[::3]):
            states = states_of(vision, degraded(view.rgb, kind, index), STEPS)
            energies.append([vision.energy(state) for state in states])
            errors.append([true_error(vision, state, view.rgb) for state in states])
        out[kind] = np.array([energies, errors])
    return out


def spearman(one: np.ndarray, two: np.ndarray) -> float:
    """Rank correlation of values without ties."""
    return float(np.corrcoef(one.argsort().argsort(), two.argsort().argsort())[0, 1])


def step_graph(change: Callable[[str, np.ndarray], np.ndarray]) -> dict[str, bytes]:
    """The shipped weights, those of the refiner changed; its error head stays as it is, and so does
    what a latent says of the patches."""
    weights = artifacts.load_weights()
    proto = onnx.load_from_string(weights["step"])
    for tensor in proto.graph.initializer:
        # The exporter lets the error head share the scale of what is seen.
        kept = ("unfold", "scale_seen")
        if "refiner" in tensor.name and not any(name in tensor.name for name in kept):
            values = change(tensor.name, onnx.numpy_helper.to_array(tensor))
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    return {**weights, "step": proto.SerializeToString()}


def test_keeps_the_contract(vision: VisionPlugin, views: list) -> None:
    observations = [seen(views[0].rgb), degraded(views[1].rgb, "noise50", 0)]
    check_plugin(lambda: vision, [*observations, degraded(views[2].rgb, "holes", 0)])


def test_steps_lower_energy_and_true_error_on_average(curves: dict[str, np.ndarray]) -> None:
    for kind, (energies, errors) in curves.items():
        for curve in (energies.mean(0), errors.mean(0)):
            assert (np.diff(curve) < 0.03 * curve[:-1]).all(), (kind, curve)
    pooled = np.stack([np.log(curve).mean(1) for curve in curves.values()]).mean(0)
    for curve in pooled:  # energy, then true error; the mean over all degradations, in nats
        assert (np.diff(curve[:4]) < 0.0).all(), curve
        gained_db = 10.0 / math.log(10.0) * (curve[0] - curve[-1])
        assert gained_db > 0.3, "full refinement must beat step 1"


def test_energy_is_the_true_error_in_scale_and_rank(curves: dict[str, np.ndarray]) -> None:
    followed = []
    for kind, (energies, errors) in curves.items():
        factor = np.exp(np.mean(np.log(energies[:, [0, -1]] / errors[:, [0, -1]]), 0))
        assert ((factor > 0.5) & (factor < 2.0)).all(), (kind, factor)
        followed.append(spearman(energies[:, -1], errors[:, -1]))
    assert np.mean(followed) > 0.35, followed  # among a few views that are degraded alike
    pooled = np.concatenate([curve[:, :, -1] for curve in curves.values()], axis=1)
    assert spearman(*pooled) > 0.7


def test_energy_tells_which_blurred_photographs_lost_most(
    vision: VisionPlugin, shared_data: Path
) -> None:
    paths = sorted((shared_data / "images").glob("*.jpg"))[15::16]
    energies, errors = [], []
    for index, path in enumerate(paths):
        rgb = np.ascontiguousarray(cv2.resize(cv2.imread(str(path)), (224, 224))[:, :, ::-1])
        state = states_of(vision, degraded(rgb, "blur", index), 1)[-1]
        energies.append(vision.energy(state))
        errors.append(true_error(vision, state, rgb))
    assert spearman(np.array(energies), np.array(errors)) > 0.72, "a frame's level tells"


def test_the_first_look_goes_where_most_is_to_be_gained(vision: VisionPlugin, views: list) -> None:
    for rows, columns in ((slice(160, 216), slice(8, 64)), (slice(8, 64), slice(160, 216))):
        missing = np.zeros((224, 224), bool)
        missing[rows, columns] = True
        state = states_of(vision, seen(views[0].rgb, missing=missing), 1)[-1]
        covered = missing.reshape(7, 32, 7, 32).any((1, 3))
        assert state.visits[covered].all()
        assert state.visits.sum() == 16


def test_a_refiner_that_does_nothing_is_stuck_and_saves_nothing(
    vision: VisionPlugin, views: list
) -> None:
    idle = VisionPlugin(weights=step_graph(lambda name, w: np.zeros_like(w)))
    kept, fallen = [], []
    for index, view in enumerate(views[:8]):
        observation = degraded(view.rgb, "noise50", index)
        outcome = refine(idle, observation)
        trajectory = outcome.trajectory
        assert outcome.reason is HaltReason.STUCK
        assert trajectory.saved_steps == 0
        assert len(set(trajectory.energies)) == 1
        first = idle.init_state(observation, {})
        np.testing.assert_array_equal(idle.step(first).latent, first.latent)
        kept.append(trajectory.energies[-1])
        fallen.append(vision.energy(states_of(vision, observation, STEPS)[-1]))
    assert np.mean(fallen) < 0.85 * np.mean(kept), "its energy must stay high"


class Fidget:
    """A step graph of which only the error head is real: it moves the latent by a little noise."""

    def __init__(self, idle: OnnxRuntimeBackend, size: float) -> None:
        self._idle, self._size, self.cost_s = idle, np.float32(size), idle.cost_s

    def infer(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        out = self._idle.infer(inputs)
        rng = np.random.default_rng(int(inputs["step"]))
        noise = rng.standard_normal(inputs["latent"].shape, np.float32)
        return {**out, "next_latent": inputs["latent"] + self._size * noise}


@pytest.fixture(scope="module")
def idle_graph() -> OnnxRuntimeBackend:
    weights = step_graph(lambda name, w: np.zeros_like(w))
    return artifacts.backends(weights)["step"]


@pytest.mark.parametrize(
    ("kind", "size"),
    [(kind, size) for kind in ("noise50", "holes") for size in (1e-6, 1e-3)] + [("noise50", 1e-2)],
)
def test_a_refiner_that_fidgets_is_stuck_and_saves_nothing(
    vision: VisionPlugin,
    views: list,
    idle_graph: OnnxRuntimeBackend,
    kind: str,
    size: float,
) -> None:
    fidget = VisionPlugin()
    fidget._step = Fidget(idle_graph, size)  # type: ignore[assignment]
    kept, fallen = [], []
    for index, view in enumerate(views[:5]):
        observation = degraded(view.rgb, kind, index)
        outcome = refine(fidget, observation)
        assert outcome.reason is HaltReason.STUCK, outcome.trajectory
        assert outcome.trajectory.saved_steps == 0
        last = states_of(fidget, observation, STEPS)[-1]
        assert last.steps == FLAT_STEPS, "it goes on where nothing comes of it"
        assert last.remaining_db > 10.0 * fidget._tolerance_db, "no hope was fulfilled"
        if kind == "noise50":  # no two looks at the same place: all of the frame was tried
            assert last.visits.min() == 1
        kept.append(last.energy)
        fallen.append(vision.energy(states_of(vision, observation, STEPS)[-1]))
    assert np.mean(fallen) < 0.85 * np.mean(kept), "its energy must stay high"


def test_steps_that_refine_give_something(vision: VisionPlugin, views: list) -> None:
    for index, view in enumerate(views[:4]):
        for kind in ("noise50", "blur", "holes"):
            for state in states_of(vision, degraded(view.rgb, kind, index), 4):
                np.testing.assert_array_equal(state.gave, state.visits)
                assert state.idle == 0


def test_a_refiner_of_random_weights_does_not_look_like_a_good_one(
    vision: VisionPlugin, views: list
) -> None:
    rng = np.random.default_rng(5)
    astray = VisionPlugin(
        weights=step_graph(lambda name, w: rng.permutation(w.ravel()).reshape(w.shape))
    )
    ratios = []
    for index, view in enumerate(views[:6]):
        observation = degraded(view.rgb, "noise25", index)
        for plugin in (astray, vision):
            states = states_of(plugin, observation, 4)
            ratios.append((plugin.energy(states[-1]), true_error(plugin, states[-1], view.rgb)))
    energy, error = np.log(ratios).reshape(-1, 2, 2).mean(0).T
    assert energy[0] - energy[1] > math.log(1.5)
    assert error[0] - error[1] > math.log(1.5)


@pytest.mark.parametrize("colour", [(0, 0, 0), (120, 120, 120), (30, 90, 160)])
def test_a_picture_of_nothing_is_told_as_such(
    vision: VisionPlugin, colour: tuple[int, int, int], curves: dict[str, np.ndarray]
) -> None:
    flat = np.full((224, 224, 3), colour, np.uint8)
    noise = np.random.default_rng(0).normal(0.0, 10.0, flat.shape)
    for rgb in (flat, np.clip(flat + noise, 0, 255).astype(np.uint8)):
        outcome = refine(vision, seen(rgb))
        state = states_of(vision, seen(rgb), 1)[-1]
        assert outcome.result.detections == ()
        assert outcome.result.room is None
        assert describe(outcome.result) == "nothing that I know"
        # There is nothing to win, and it says so: no curve that falls from high up.
        assert true_error(vision, state, flat) < 1e-3
        assert max(outcome.trajectory.energies) < np.median(curves["noise50"][0][:, -1])


def test_it_halts_where_little_is_left_to_win(views: list) -> None:
    observations = [degraded(view.rgb, "noise50", n) for n, view in enumerate(views[:6])]
    steps = {}
    for tolerance_db in (0.0, 0.2, 40.0):
        plugin = VisionPlugin(VisionConfig(tolerance_db=tolerance_db, slope_eps=0.0))
        outcomes = [refine(plugin, observation) for observation in observations]
        steps[tolerance_db] = [len(outcome.trajectory.energies) for outcome in outcomes]
    assert set(steps[0.0]) == {STEPS}
    assert set(steps[40.0]) == {1}
    assert 1.0 < np.mean(steps[0.2]) < STEPS


def test_nothing_missing_is_a_whole_frame(vision: VisionPlugin, views: list) -> None:
    rgb = views[0].rgb
    whole = states_of(vision, seen(rgb), 2)[-1]
    none = states_of(vision, seen(rgb, missing=np.zeros((224, 224), bool)), 2)[-1]
    np.testing.assert_array_equal(none.latent, whole.latent)
    assert vision.energy(none) == vision.energy(whole)
    np.testing.assert_array_equal(vision.restored(none), vision.restored(whole))


def test_what_was_observed_is_kept_and_what_was_not_does_not_matter(
    vision: VisionPlugin, views: list
) -> None:
    rgb = views[3].rgb
    missing = np.zeros((224, 224), bool)
    missing[40:60] = missing[100:160, 30:120] = True
    garbage = rgb.copy()
    garbage[missing] = np.random.default_rng(0).integers(0, 256, (missing.sum(), 3))
    one = states_of(vision, seen(rgb, missing=missing), 3)[-1]
    two = states_of(vision, seen(garbage, missing=missing), 3)[-1]
    np.testing.assert_array_equal(one.latent, two.latent)
    restored = vision.restored(two)
    np.testing.assert_array_equal(restored[~missing], rgb[~missing])
    flat = np.square(rgb[~missing].mean(0) - rgb[missing]).mean()
    assert np.square(restored[missing].astype(float) - rgb[missing]).mean() < 0.7 * flat


def test_a_frame_of_which_nothing_came_holds_nothing(vision: VisionPlugin) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    outcome = refine(vision, seen(rgb, missing=np.ones((224, 224), bool)))
    assert outcome.result.detections == ()
    assert outcome.result.room is None
    assert all(math.isfinite(energy) for energy in outcome.trajectory.energies)


@pytest.mark.parametrize("shape", [(224, 224), (480, 640)])
def test_the_energy_of_a_frame_of_which_nothing_came_says_so(
    vision: VisionPlugin, views: list, shape: tuple[int, int]
) -> None:
    outcome = refine(
        vision, seen(np.zeros((*shape, 3), np.uint8), None, missing=np.ones(shape, bool))
    )
    for energy in outcome.trajectory.energies:
        assert energy == pytest.approx(PRIOR_ERROR, rel=0.01)
    assert outcome.trajectory.steps == 1, "nothing is to be won"
    if shape == (224, 224):
        off = [np.square(view.rgb / 255.0 - 0.5).mean() for view in views]
        assert 0.5 < PRIOR_ERROR / np.mean(off) < 2.0


@pytest.mark.parametrize("part", [0.5, 0.7, 0.9])
def test_the_energy_of_a_frame_that_is_mostly_missing_is_its_error(
    vision: VisionPlugin, shared_data: Path, part: float
) -> None:
    paths = sorted((shared_data / "images").glob("*.jpg"))[7::80]
    corner = math.isqrt(round((1.0 - part) * 224**2))
    missing = np.ones((224, 224), bool)
    missing[:corner, :corner] = False
    energies, errors = [], []
    for path in paths:
        rgb = cv2.resize(cv2.imread(str(path)), (224, 224), interpolation=cv2.INTER_AREA)
        rgb = np.ascontiguousarray(rgb[:, :, ::-1])
        state = states_of(vision, seen(rgb, None, missing), 4)[-1]
        energies.append(state.energy)
        errors.append(true_error(vision, state, rgb))
    assert np.mean(energies) == pytest.approx(np.mean(errors), rel=0.4)


@pytest.mark.parametrize("shape", [(224, 224), (100, 300)])
def test_the_energy_of_a_dark_picture_does_not_rise_for_nothing(
    vision: VisionPlugin, shape: tuple[int, int]
) -> None:
    rng = np.random.default_rng(0)
    for top in (1, 6):
        rgb = rng.integers(0, top, (*shape, 3), np.uint8)
        energies = [state.energy for state in states_of(vision, seen(rgb, None), STEPS)]
        assert (np.diff(energies) <= 0.0).all(), energies


def test_missing_pixels_of_a_larger_picture(vision: VisionPlugin, views: list) -> None:
    large = cv2.resize(views[0].rgb, (448, 336), interpolation=cv2.INTER_AREA)
    missing = np.zeros((336, 448), bool)
    missing[100:140] = True
    state = vision.init_state(seen(large, None, missing), {})
    assert state.mask is not None
    assert state.mask[28 + 50 : 28 + 70].all()
    assert not state.mask[: 28 + 49].any()
    assert not state.mask[28 + 71 :].any()
    assert state.missing.sum() == pytest.approx(state.mask.sum() / 4)


@pytest.mark.parametrize(
    ("missing", "says"),
    [
        (np.zeros((100, 100), bool), r"\(224, 224\), got bool \(100, 100\)"),
        (np.zeros((224, 224, 3), bool), r"got bool \(224, 224, 3\)"),
        (np.zeros((224, 224), np.uint8), r"must be bool .*got uint8"),
        ([[True]], r"got a list"),
    ],
)
def test_a_mask_that_is_none_is_a_plugin_error(
    vision: VisionPlugin, missing: object, says: str
) -> None:
    with pytest.raises(PluginError, match=f"vision: missing .*{says}"):
        vision.init_state(seen(np.zeros((224, 224, 3), np.uint8), missing=missing), {})  # type: ignore[arg-type]


def test_threads_share_one_plugin(vision: VisionPlugin, views: list) -> None:
    observations = [degraded(view.rgb, "rows", n) for n, view in enumerate(views[:8])]
    alone = [refine(vision, observation) for observation in observations]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda observation: refine(vision, observation), observations))
    for one, other in zip(alone, together, strict=True):
        assert one.trajectory.energies == other.trajectory.energies
        assert one.result == other.result


def test_an_embedding_knows_a_scene_again(
    vision: VisionPlugin, views: list, scenes: list[Scene]
) -> None:
    known = np.stack([scene.embedding for scene in scenes])
    assert known.dtype == np.float32
    assert known.shape == (len(views), EMBEDDING)
    np.testing.assert_allclose(np.linalg.norm(known, axis=1), 1.0, atol=1e-5)
    again = [
        refine(vision, degraded(view.rgb, "noise25", n)).result.embedding
        for n, view in enumerate(views)
    ]
    nearest = (np.stack(again) @ known.T).argmax(1)
    assert np.mean(nearest == np.arange(len(views))) > 0.8


def found_and_wanted(scenes: list[Scene], views: list) -> tuple[int, int, int, int]:
    """Things right, reported, found and wanted (near and well visible) over all views."""
    right = reported = found = wanted = 0
    for scene, view in zip(scenes, views, strict=True):
        labels = [t.label for t in view.things]
        reported += len(scene.detections)
        right += sum(d.label in labels for d in scene.detections)
        named = {d.label for d in scene.detections}
        for thing in view.things:
            if thing.visible_px >= 200 and thing.distance_m < 3.0:
                wanted += 1
                found += thing.label in named
    return right, reported, found, wanted


def test_finds_what_is_there_and_little_else(scenes: list[Scene], views: list) -> None:
    right, reported, found, wanted = found_and_wanted(scenes, views)
    assert wanted > 40
    assert found / wanted > 0.8
    assert right / reported > 0.9


def test_what_random_weights_report_is_wrong(views: list) -> None:
    control = VisionPlugin(weights=artifacts.random_weights(3))
    scenes = [refine(control, seen(view.rgb)).result for view in views[:8]]
    right, reported, _, _ = found_and_wanted(scenes, views[:8])
    assert right <= 0.2 * reported


def test_bearing_and_distance_agree_with_the_truth(scenes: list[Scene], views: list) -> None:
    bearing_errors, distance_errors = [], []
    for scene, view in zip(scenes, views, strict=True):
        for thing in view.things:
            same = [d for d in scene.detections if d.label == thing.label]
            twins = [t for t in view.things if t.label == thing.label]
            if len(same) == len(twins) == 1:
                bearing_errors.append(abs(same[0].bearing_rad - thing.bearing_rad))
                distance_errors.append(abs(same[0].distance_m / thing.distance_m - 1))
    assert len(bearing_errors) > 25
    assert math.degrees(float(np.median(bearing_errors))) < 3.0
    assert float(np.median(distance_errors)) < 0.15


def test_a_larger_picture_gives_the_same_things_in_its_own_pixels(
    vision: VisionPlugin, views: list
) -> None:
    view = max(views, key=lambda v: sum(t.visible_px > 300 for t in v.things))
    large = cv2.resize(view.rgb, (448, 448), interpolation=cv2.INTER_NEAREST)
    camera = CameraModel(448, 448, CAMERA.fov_y_rad)
    one = refine(vision, seen(view.rgb)).result
    two = refine(vision, seen(large, camera)).result
    assert one.detections
    assert [d.label for d in one.detections] == [d.label for d in two.detections]
    for small, big in zip(one.detections, two.detections, strict=True):
        assert big.box_px == pytest.approx([2 * v for v in small.box_px], abs=1.0)
        assert big.bearing_rad == pytest.approx(small.bearing_rad, abs=0.01)
        assert big.distance_m == pytest.approx(small.distance_m, rel=0.02)


def test_a_longer_lens_means_farther_away(vision: VisionPlugin, views: list) -> None:
    rgb = max(views, key=lambda v: len(v.things)).rgb
    wide = refine(vision, seen(rgb)).result.detections
    tele = refine(vision, seen(rgb, CameraModel(224, 224, math.radians(40.0)))).result.detections
    assert wide
    for near, far in zip(wide, tele, strict=True):
        assert far.distance_m > 1.5 * near.distance_m
        assert abs(far.bearing_rad) <= abs(near.bearing_rad)


def test_scene_carries_capture_time_and_room(scenes: list[Scene], views: list) -> None:
    assert all(isinstance(s, Scene) and s.captured_s == 1.5 for s in scenes)
    assert all(0.0 < s.room_probability <= 1.0 for s in scenes)
    assert np.mean([s.room == v.room for s, v in zip(scenes, views, strict=True)]) > 0.7


def test_photographs_hold_no_furniture_of_ours(vision: VisionPlugin, shared_data: Path) -> None:
    paths = sorted((shared_data / "images").glob("*.jpg"))[7::80]
    scenes = [
        refine(vision, seen(np.ascontiguousarray(cv2.imread(str(p))[:, :, ::-1]), None)).result
        for p in paths
    ]
    assert sum(len(s.detections) for s in scenes) <= len(scenes) // 3


def test_confidence_floor_of_the_user_counts(views: list) -> None:
    strict = VisionPlugin(VisionConfig(min_confidence=0.97))
    loose = VisionPlugin(VisionConfig(min_confidence=0.2))
    counts = []
    for plugin in (strict, loose):
        scenes = [refine(plugin, seen(v.rgb)).result for v in views[:6]]
        counts.append(sum(len(s.detections) for s in scenes))
        floor = plugin.config.min_confidence
        assert all(d.confidence >= floor for s in scenes for d in s.detections)
    assert counts[0] < counts[1]


@pytest.mark.parametrize(
    "observation",
    [
        None,
        Observation("test", "speech", 0.0, 0, "hello"),
    ],
)
def test_no_observation_of_a_frame_is_a_plugin_error(
    vision: VisionPlugin, observation: object
) -> None:
    with pytest.raises(PluginError, match="vision needs an Observation of a Frame, got"):
        vision.init_state(observation, {})


@pytest.mark.parametrize(
    ("rgb", "says"),
    [
        (np.zeros((4, 4), np.uint8), r"uint8 \(4, 4\)"),
        (np.zeros((4, 4, 4), np.uint8), r"uint8 \(4, 4, 4\)"),
        (np.zeros((0, 4, 3), np.uint8), r"uint8 \(0, 4, 3\)"),
        (np.full((4, 4, 3), math.nan, np.float32), r"float32 \(4, 4, 3\)"),
        (np.zeros((4, 4, 3), bool), r"bool \(4, 4, 3\)"),
        (np.full((4, 4, 3), None), r"object \(4, 4, 3\)"),
        ([[[0, 0, 0]]], "a list"),
        (None, "a NoneType"),
        ("picture.png", "a str"),
    ],
)
def test_no_picture_is_a_plugin_error(vision: VisionPlugin, rgb: object, says: str) -> None:
    with pytest.raises(PluginError, match=rf"vision: a picture must be .*uint8.*, got {says}$"):
        vision.init_state(seen(rgb), {})  # type: ignore[arg-type]


def test_a_mirrored_view_of_an_array_is_a_picture(vision: VisionPlugin, views: list) -> None:
    for rgb in (views[0].rgb, np.repeat(views[0].rgb, 2, 0)):
        mirrored = vision.init_state(seen(rgb[::-1, ::-1, ::-1]), {})
        copied = vision.init_state(seen(np.ascontiguousarray(rgb[::-1, ::-1, ::-1])), {})
        np.testing.assert_array_equal(mirrored.latent, copied.latent)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_steps": 0}, r"max_steps 0 must be a whole number in \[1, 20\]"),
        ({"max_steps": 21}, r"max_steps 21 must be a whole number in \[1, 20\]"),
        ({"max_steps": 2.5}, r"max_steps 2\.5 must be a whole number"),
        ({"max_steps": True}, "max_steps True must be a whole number"),
        ({"max_steps": "8"}, "max_steps '8' must be a whole number"),
        ({"threads": 0}, r"threads 0 must be a whole number in \[1, 64\]"),
        ({"threads": 65}, "threads 65 must be"),
        ({"threads": True}, "threads True must be a whole number"),
        ({"threads": 1.0}, r"threads 1\.0 must be a whole number"),
        ({"tolerance_db": -0.1}, r"tolerance_db -0\.1 must be a number in \[0, 40\]"),
        ({"tolerance_db": math.nan}, "tolerance_db nan must be"),
        ({"tolerance_db": False}, "tolerance_db False must be a number"),
        ({"slope_eps": 1.5}, r"slope_eps 1\.5 must be a number in \[0, 1\)"),
        ({"slope_eps": None}, "slope_eps None must be a number"),
        ({"slope_eps": math.nan}, "slope_eps nan must be"),
        ({"min_confidence": 1.0}, r"min_confidence 1\.0 must be a number in \(0, 1\)"),
        ({"min_confidence": "0.5"}, r"min_confidence '0\.5' must be a number"),
    ],
)
def test_settings_out_of_range(change: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        VisionConfig(**change)


def test_corrupt_weights_are_a_model_error() -> None:
    weights = {**artifacts.load_weights(), "step": b"broken"}
    with pytest.raises(ModelError, match=r"step\.onnx.*models\.vision\.train"):
        VisionPlugin(weights=weights)


@pytest.mark.parametrize("shape", [(480, 640), (720, 1280), (224, 224)])
def test_a_covered_lens_of_any_shape_tells_no_room(
    vision: VisionPlugin, shape: tuple[int, int]
) -> None:
    scene = refine(vision, seen(np.zeros((*shape, 3), np.uint8))).result
    assert scene is not None
    assert scene.room is None
