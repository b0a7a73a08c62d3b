"""Views rendered, trained on for two batches, stopped and resumed."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch (extra 'train')")
pytest.importorskip("mujoco", reason="views are rendered by MuJoCo")

import torch

from models.vision import data, train
from models.vision.settings import Stage, TrainConfig, scaled
from sage.irp import ConfigError

VIEWS = data.ViewSet(990_000, 1, 6)
CONFIG = TrainConfig(
    stages=(
        Stage(6, 2e-3, 0.5, 0.0, seeds=1),
        Stage(4, 1e-3, 0.0, 1.0, seeds=1, zoom_probability=0.5, cycle=5),
    ),
    batch=4,
    photographs_per_batch=0,
)
NO_PHOTOGRAPHS = np.zeros((0, 224, 224, 3), np.uint8)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("SAGE_CACHE", str(folder))
        data.render_seed(VIEWS.first_seed, VIEWS.frames_per_seed)
        return folder


@pytest.fixture(autouse=True)
def _in_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGE_CACHE", str(cache))


def test_rendered_views_hold_labelled_things_inside_the_picture() -> None:
    frames = data.load(VIEWS)
    assert frames.frames.shape == (6, 224, 224, 3)
    assert (frames.rooms >= 0).all()
    assert len(frames.things) == frames.offsets[-1] > 0
    boxes = frames.things["box_px"]
    assert (boxes[:, 0] < boxes[:, 2]).all()
    assert (boxes >= 0).all()
    assert (boxes <= 224).all()
    calls = []
    data.render(VIEWS, progress=lambda: calls.append(1))
    assert calls == [1], "what is in the cache is not rendered again"


def test_batches_are_the_same_after_a_stop() -> None:
    frames = data.load(VIEWS)
    straight = list(train.batches(frames, NO_PHOTOGRAPHS, CONFIG, 1, 0, 146.0, 6))
    (resumed,) = train.batches(frames, NO_PHOTOGRAPHS, CONFIG, 1, 3, 146.0, 6)
    torch.testing.assert_close(straight[3].seen, resumed.seen)
    assert not torch.equal(straight[2].seen, resumed.seen)


def test_prefetching_keeps_order_and_hands_errors_on() -> None:
    assert list(train.prefetched(iter("abc"))) == ["a", "b", "c"]

    def broken() -> Iterator[str]:
        yield "a"
        raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        list(train.prefetched(broken()))


def test_training_lowers_the_loss_and_resumes(tmp_path: Path) -> None:
    frames = data.load(VIEWS)
    batch = next(train.batches(frames, NO_PHOTOGRAPHS, CONFIG, 0, 0, 146.0, 6))
    checkpoint = tmp_path / "checkpoint.pt"
    model = train.train(CONFIG, VIEWS, 146.0, checkpoint)
    torch.manual_seed(CONFIG.seed)
    # In training mode: ten batches are too few for the running statistics of batch norm.
    with torch.no_grad():
        before = train.loss_of(train.VisionModel().train(), batch, 2, 0, CONFIG)
        after = train.loss_of(copy.deepcopy(model).train(), batch, 2, 0, CONFIG)
    assert float(after) < 0.95 * float(before)

    saved = torch.load(checkpoint, weights_only=True)
    assert (saved["stage"], saved["iteration"]) == (1, 4)
    again = train.train(CONFIG, VIEWS, 146.0, checkpoint)
    for one, two in zip(model.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(one, two)


def test_a_scaled_run_keeps_its_stages() -> None:
    assert [s.iterations for s in scaled(CONFIG, 0.5).stages] == [3, 2]
    with pytest.raises(ConfigError, match=r"--scale 0\.0 must be in"):
        scaled(CONFIG, 0.0)


def test_seeds_of_the_benchmark_are_refused() -> None:
    with pytest.raises(ConfigError, match="9999 is a benchmark seed"):
        data.ViewSet(9_999, 1, 1)
    sets = (data.TRAIN_VIEWS, data.VALIDATION_VIEWS, data.TEST_VIEWS)
    spans = [set(range(v.first_seed, v.first_seed + v.seeds)) for v in sets]
    for one, two in itertools.combinations([set(data.BENCHMARK_SEEDS), *spans], 2):
        assert not one & two


def test_settings_out_of_range() -> None:
    with pytest.raises(ConfigError, match="photographs_per_batch 99 in"):
        replace(CONFIG, photographs_per_batch=99)
    with pytest.raises(ConfigError, match="iterations 0 must be"):
        Stage(0, 1e-3, 0.0, 0.0, seeds=1)
    with pytest.raises(ConfigError, match=r"short_fraction 2\.0"):
        Stage(1, 1e-3, 2.0, 0.0, seeds=1)
