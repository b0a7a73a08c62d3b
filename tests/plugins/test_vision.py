"""The vision plugin on views of apartments that training never drew, and on real pictures."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from models.vision import artifacts
from models.vision.evaluate import clean_thumbnail
from plugins.vision import VisionConfig, VisionPlugin, VisionState
from sage.irp import ConfigError, ModelError, PluginError, check_plugin, refine
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


def seen(rgb: np.ndarray, camera: CameraModel | None = CAMERA) -> Observation:
    return Observation("test", "camera", 1.5, 0, Frame(rgb, camera))


def states_of(vision: VisionPlugin, rgb: np.ndarray, steps: int = 4) -> list[VisionState]:
    """The initial state and those after each step."""
    states = [vision.init_state(seen(rgb), {})]
    for _ in range(steps):
        states.append(vision.step(states[-1]))
    return states


def noisy(rgb: np.ndarray, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0.0, 12.0, rgb.shape)
    return np.clip(rgb + noise, 0, 255).astype(np.uint8)


def test_keeps_the_contract(vision: VisionPlugin, views: list) -> None:
    check_plugin(lambda: vision, [seen(views[0].rgb), seen(noisy(views[1].rgb))])


def test_every_step_lowers_energy_and_true_error_on_average(
    vision: VisionPlugin, views: list
) -> None:
    energies, errors = [], []
    for index, view in enumerate(views):
        states = states_of(vision, noisy(view.rgb, index))
        truth = clean_thumbnail(view.rgb).transpose(1, 2, 0)
        energies.append([vision.energy(s) for s in states])
        errors.append([float(np.square(s.reconstruction - truth).mean()) for s in states])
    for means in (np.mean(energies, 0), np.mean(errors, 0)):
        assert (np.diff(means) < 0).all(), means
        assert means[-1] < 0.9 * means[1], "full refinement must beat step 1"


def test_energy_is_the_error_of_the_reconstruction(vision: VisionPlugin, views: list) -> None:
    state = states_of(vision, views[0].rgb)[-1]
    small = state.thumbnail[0].transpose(1, 2, 0)
    error = float(np.square(state.reconstruction - small).mean())
    assert vision.energy(state) == pytest.approx(error, rel=0.1)
    noise = np.random.default_rng(0).normal(0.0, 1.0, state.latent.shape)
    worse = VisionState(
        **{
            **{name: getattr(state, name) for name in VisionState.__slots__},
            "latent": state.latent + noise.astype(np.float32),
        }
    )
    assert vision.energy(vision.step(worse)) > vision.energy(vision.step(state))


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


def test_random_weights_find_nothing(views: list) -> None:
    control = VisionPlugin(weights=artifacts.random_weights(3))
    scenes = [refine(control, seen(view.rgb)).result for view in views[:8]]
    _, _, found, wanted = found_and_wanted(scenes, views[:8])
    assert found < 0.2 * wanted


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
        Observation("test", "camera", 0.0, 0, Frame(np.zeros((4, 4), np.uint8))),
    ],
)
def test_no_picture_is_a_plugin_error(vision: VisionPlugin, observation: object) -> None:
    with pytest.raises(PluginError, match="vision"):
        vision.init_state(observation, {})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"max_steps": 0}, r"max_steps 0 must be in \[1, 16\]"),
        ({"slope_eps": 1.5}, r"slope_eps 1\.5"),
        ({"threads": 0}, "threads 0"),
        ({"min_confidence": 1.0}, r"min_confidence 1\.0 must be in \(0, 1\)"),
    ],
)
def test_settings_out_of_range(change: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        VisionConfig(**change)


def test_corrupt_weights_are_a_model_error() -> None:
    weights = {**artifacts.load_weights(), "step": b"broken"}
    with pytest.raises(ModelError, match=r"step\.onnx.*models\.vision\.train"):
        VisionPlugin(weights=weights)
