from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sage import ontology
from sage.irp.errors import DeviceError
from sage.values import Pose
from sage.worlds.apartment.__main__ import main
from sage.worlds.apartment.layout import Layout, make_layout
from sage.worlds.apartment.robot import CAMERA
from sage.worlds.apartment.scene import Scene, ViewSampler, load_mujoco

EYE_M, PITCH_RAD = 1.0, 0.2094


@pytest.fixture(scope="module")
def sampler() -> Iterator[ViewSampler]:
    sampler = ViewSampler(3)
    yield sampler
    sampler.close()


def object_views(layout: Layout) -> list[tuple[str, Pose]]:
    """For each object a pose 1.2 m in front of the furniture that carries it, facing it."""
    pieces = {piece.name: piece for piece in layout.furniture}
    poses = []
    for thing in layout.objects:
        piece = pieces[thing.furniture]
        depth = piece.depth_m / 2 + 0.6
        x, y = piece.to_map(depth, 0.0)
        yaw = Pose(x, y, 0.0).bearing_to(thing.x_m, thing.y_m)
        poses.append((thing.name, Pose(x, y, yaw)))
    return poses


def test_the_seed_decides_the_picture() -> None:
    pictures = []
    for seed in (3, 3, 4):
        sampler = ViewSampler(seed)
        pictures.append(sampler.sample(np.random.default_rng(0)).rgb)
        sampler.close()
    assert (pictures[0] == pictures[1]).all()
    assert (pictures[0] != pictures[2]).any()


def test_samples_are_labelled_as_promised(sampler: ViewSampler) -> None:
    rng = np.random.default_rng(1)
    seen = set()
    for _ in range(40):
        sample = sampler.sample(rng)
        assert sample.rgb.shape == (224, 224, 3)
        assert sample.rgb.dtype == np.uint8
        assert sample.room in ontology.ROOM_NAMES
        for thing in sample.things:
            left, top, right, bottom = thing.box_px
            assert thing.label in ontology.VISION_CLASSES
            assert 0 <= left < right <= 224
            assert 0 <= top < bottom <= 224
            large = thing.label not in ontology.APARTMENT_OBJECTS
            assert (60 if large else 12) <= thing.visible_px <= (right - left) * (bottom - top)
            seen.add(thing.label)
    assert len(seen) > 12


def test_box_and_bearing_agree(sampler: ViewSampler) -> None:
    """A thing wholly in view has its middle column about where its bearing says."""
    rng = np.random.default_rng(2)
    camera = CAMERA
    errors = []
    for _ in range(50):
        for thing in sampler.sample(rng).things:
            left, _, right, _ = thing.box_px
            if left > 2 and right < 222 and thing.label in ontology.APARTMENT_OBJECTS:
                errors.append(camera.bearing_rad((left + right) / 2) - thing.bearing_rad)
    assert len(errors) > 20
    assert np.median(np.abs(errors)) < 0.03


def test_nothing_visible_is_culled(sampler: ViewSampler, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(sampler.layout)
    rng = np.random.default_rng(5)
    for room in sampler.layout.static_map.rooms:
        for _ in range(3):
            pose = Pose(*room.center, float(rng.uniform(-3, 3)))
            scene.eye_at(pose, EYE_M, PITCH_RAD)
            quick = scene.render().astype(int)
            with monkeypatch.context() as patch:
                patch.setattr(scene, "_visible", lambda: None)
                full = scene.render().astype(int)
            assert (np.abs(quick - full).max(axis=2) > 8).sum() <= 3
    scene.close()


@pytest.mark.parametrize("seed", [0, 7])
def test_objects_can_be_seen_from_the_front_of_their_furniture(seed: int) -> None:
    scene = Scene(make_layout(seed))
    found = 0
    views = object_views(scene.layout)
    for name, pose in views:
        scene.eye_at(pose, EYE_M, PITCH_RAD)
        found += name in {thing.label for thing in scene.labels(pose)}
    scene.close()
    assert found >= len(views) - 2


def test_rooms_look_different(sampler: ViewSampler) -> None:
    pictures = []
    scene = Scene(sampler.layout)
    for room in sampler.layout.static_map.rooms:
        scene.eye_at(Pose(*room.center, 0.3), EYE_M, PITCH_RAD)
        pictures.append(scene.render().mean(axis=(0, 1)))
    scene.close()
    distances = [np.abs(a - b).max() for i, a in enumerate(pictures) for b in pictures[i + 1 :]]
    assert min(distances) > 1.0


def test_missing_mujoco_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mujoco", None)
    with pytest.raises(DeviceError, match=r"libegl1.*MUJOCO_GL"):
        load_mujoco()


def test_the_command_writes_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seed", "3", "--views", "1", "--boxes", "--out", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"above.png", "view-1.png"}
    assert "above.png" in capsys.readouterr().out
