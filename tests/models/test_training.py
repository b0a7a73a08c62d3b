"""Views rendered, trained on for two batches, stopped and resumed."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch (extra 'train')")
pytest.importorskip("mujoco", reason="views are rendered by MuJoCo")

import torch

from models.vision import data, train
from sage.irp import ConfigError

VIEWS = data.ViewSet(990_000, 1, 6)
CONFIG = train.TrainConfig(iterations=2, batch=4, photographs_per_batch=0)


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
    config = replace(CONFIG, iterations=3)
    none = np.zeros((0, 224, 224, 3), np.uint8)
    straight = list(train.batches(frames, none, config, 0, 146.0))
    (resumed,) = train.batches(frames, none, config, 2, 146.0)
    torch.testing.assert_close(straight[2].seen, resumed.seen)
    assert not torch.equal(straight[1].seen, resumed.seen)


def test_prefetching_keeps_order_and_hands_errors_on() -> None:
    frames = data.load(VIEWS)
    none = np.zeros((0, 224, 224, 3), np.uint8)
    plain = train.batches(frames, none, CONFIG, 0, 146.0)
    ahead = train.prefetched(train.batches(frames, none, CONFIG, 0, 146.0))
    for one, two in zip(plain, ahead, strict=True):
        torch.testing.assert_close(one.seen, two.seen)

    def broken() -> itertools.chain:
        yield from train.batches(frames, none, replace(CONFIG, iterations=1), 0, 146.0)
        raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        list(train.prefetched(broken()))


def test_training_lowers_the_loss_and_resumes(tmp_path: Path) -> None:
    config = replace(CONFIG, iterations=10)
    frames = data.load(VIEWS)
    (batch,) = train.batches(
        frames, np.zeros((0, 224, 224, 3), np.uint8), replace(CONFIG, iterations=1), 0, 146.0
    )
    checkpoint = tmp_path / "checkpoint.pt"
    model = train.train(config, VIEWS, 146.0, checkpoint)
    torch.manual_seed(config.seed)
    with torch.no_grad():
        before = train.loss_of(train.VisionModel().eval(), batch, 2, 0, config)
        after = train.loss_of(model, batch, 2, 0, config)
    assert float(after) < 0.95 * float(before)

    assert torch.load(checkpoint, weights_only=True)["iteration"] == config.iterations
    again = train.train(config, VIEWS, 146.0, checkpoint)
    for one, two in zip(model.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(one, two)


def test_seeds_of_the_benchmark_are_refused() -> None:
    with pytest.raises(ConfigError, match="9999 is a benchmark seed"):
        data.ViewSet(9_999, 1, 1)
    sets = (data.TRAIN_VIEWS, data.VALIDATION_VIEWS, data.TEST_VIEWS)
    spans = [set(range(v.first_seed, v.first_seed + v.seeds)) for v in sets]
    for one, two in itertools.combinations([set(data.BENCHMARK_SEEDS), *spans], 2):
        assert not one & two


@pytest.mark.parametrize(
    ("change", "message"),
    [({"iterations": 0}, "iterations 0"), ({"photographs_per_batch": 99}, "99 must be in")],
)
def test_settings_out_of_range(change: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(CONFIG, **change)
