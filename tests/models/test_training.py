"""Views rendered, trained on for a few batches, stopped and taken up again."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch (extra 'train')")
pytest.importorskip("mujoco", reason="views are rendered by MuJoCo")

import torch

from models.vision import data, learning, train
from models.vision.embedding import fit_embedding
from models.vision.examples import Pictures, degraded_batch, drawn, prefetched
from models.vision.judge_training import (
    Judged,
    JudgeLesson,
    gain_error,
    patch_errors,
    patch_weights,
)
from models.vision.latent_training import LatentLesson, decoded, initial_model, picture_error
from models.vision.layout import THOUGHT_CHANNELS
from models.vision.level_training import FrameSource, LevelLesson, collect
from models.vision.network import VisionModel
from models.vision.reader_training import ReaderLesson
from models.vision.settings import (
    STAGES,
    Cycle,
    JudgeStage,
    LatentStage,
    LevelStage,
    ReaderStage,
    TrainConfig,
    scaled,
)
from sage.irp import ConfigError

VIEWS = data.ViewSet(990_000, 1, 6)
CYCLE = Cycle(6, 2, 2e-3, 0.3, 1e-4, clip=1.0)
CONFIG = TrainConfig(
    latent=LatentStage(CYCLE, unrolled=((0.0, 1),), starts=(0,)),
    reader=ReaderStage(replace(CYCLE, iterations=2), steps=(1,), embedding_views=6),
    judge=JudgeStage(replace(CYCLE, iterations=2)),
    level=LevelStage(replace(CYCLE, iterations=20), frames=12, saved_every=8, steps=(0, 2)),
)


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


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(0)
    for index in range(9):
        small = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{index}.jpg"), cv2.resize(small, (300, 280)))
    return folder


@pytest.fixture(scope="module")
def start(cache: Path, photographs: Path) -> VisionModel:
    return initial_model(data.photographs(photographs)[0], 1)


@pytest.fixture
def lesson(photographs: Path) -> LatentLesson:
    pictures = data.training_photographs(photographs)
    return LatentLesson(CONFIG.latent, pictures, data.load(VIEWS).frames, 1)


def copied(model: VisionModel) -> VisionModel:
    out = VisionModel()
    out.load_state_dict(model.state_dict())
    return out


def same(one: torch.nn.Module, two: torch.nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


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


def test_every_eighth_photograph_is_held_out_at_either_size(photographs: Path) -> None:
    training, held_out = data.photographs(photographs)
    assert (training.shape, held_out.shape) == ((8, 224, 224, 3), (1, 224, 224, 3))
    large = data.training_photographs(photographs)
    assert large.shape == (8, 256, 256, 3)
    for one, two in zip(training, large, strict=True):
        assert np.abs(one.mean((0, 1)) - two.mean((0, 1))).max() < 2.0


def test_batches_are_the_same_after_a_stop(lesson: LatentLesson) -> None:
    straight = list(itertools.islice(lesson.batches(0), 4))
    resumed = next(lesson.batches(3))
    torch.testing.assert_close(straight[3].seen, resumed.seen)
    assert not torch.equal(straight[2].seen, resumed.seen)


def test_degraded_pictures_are_shown_with_what_is_missing_guessed(photographs: Path) -> None:
    pictures = data.training_photographs(photographs)
    stage = LatentStage(shares=(("holes", 1.0),))
    batch = degraded_batch(pictures, pictures[:0], stage, 3, [1, 2])
    hidden = batch.missing.bool().expand_as(batch.seen)
    assert 0.05 < float(batch.missing.mean()) < 0.6
    assert torch.allclose(batch.seen[~hidden], batch.clean[~hidden], atol=0.5 / 255 + 1e-6)
    grey = (batch.clean[hidden] - 0.5).square().mean()
    assert float((batch.seen[hidden] - batch.clean[hidden]).square().mean()) < float(grey)
    noisy = degraded_batch(
        pictures, pictures[:0], LatentStage(shares=(("noise50", 1.0),)), 2, [1, 2]
    )
    assert float(noisy.missing.max()) == 0.0
    assert 0.05 < float((noisy.seen - noisy.clean).std()) < 0.25
    assert batch.importance.tolist() == [stage.incomplete_weight] * 3
    assert noisy.importance.tolist() == [1.0, 1.0]
    assert not noisy.whole.any()


def test_pictures_are_drawn_from_views_as_often_as_said() -> None:
    photographs = np.full((1, 256, 256, 3), 250, np.uint8)
    views = np.zeros((1, 224, 224, 3), np.uint8)
    rng = np.random.default_rng(0)
    dark = [drawn(photographs, views, 0.25, rng).max() == 0.0 for _ in range(200)]
    assert 0.15 < np.mean(dark) < 0.35
    assert drawn(photographs[:0], views, 0.0, rng).max() == 0.0, "no photographs: views"


def test_prefetching_keeps_order_and_hands_errors_on() -> None:
    assert list(prefetched(iter("abc"))) == ["a", "b", "c"]

    def broken() -> Iterator[str]:
        yield "a"
        raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        list(prefetched(broken()))


class Interrupted(LatentLesson):
    """Stops before its fifth batch."""

    def batches(self, first: int) -> Iterator[Pictures]:
        yield from itertools.islice(super().batches(first), 4 - first)
        raise KeyboardInterrupt


def test_training_lowers_the_loss_and_a_stopped_run_ends_as_a_straight_one(
    lesson: LatentLesson,
    start: VisionModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(learning, "_SAVED_EVERY", 2)
    straight = learning.learn("a", lesson, copied(start), 0.9, tmp_path / "a.pt", "key")
    batches = list(itertools.islice(lesson.batches(0), 4))
    with torch.no_grad():
        before, after = (
            np.mean([float(lesson.loss(m, batch, 0)) for batch in batches])
            for m in (start, straight)
        )
    assert after < before - 0.4
    assert same(straight.vae.encoder, start.vae.encoder), "fitted in closed form"
    assert same(straight.reader, start.reader)

    half = Interrupted(**{name: getattr(lesson, name) for name in lesson.__dataclass_fields__})
    with pytest.raises(KeyboardInterrupt):
        learning.learn("b", half, copied(start), 0.9, tmp_path / "b.pt", "key")
    assert torch.load(tmp_path / "b.pt", weights_only=True)["iteration"] == 4
    assert not learning.finished(tmp_path / "b.pt", "key", 6)
    resumed = learning.learn("b", lesson, copied(start), 0.9, tmp_path / "b.pt", "key")
    assert same(resumed, straight)
    assert learning.finished(tmp_path / "b.pt", "key", 6)
    assert not learning.finished(tmp_path / "b.pt", "other settings", 6)


def test_only_the_missing_part_counts_for_an_incomplete_picture(start: VisionModel) -> None:
    clean = torch.full((2, 3, 224, 224), 0.5)
    missing = torch.zeros(2, 1, 224, 224)
    missing[1, :, :64, :64] = 1.0
    batch = Pictures(clean, clean, missing, torch.ones(2), torch.ones(2, dtype=torch.bool))
    wrong = clean.clone()
    wrong[:, :, 128:, 128:] += 0.1
    seen, hidden = picture_error(wrong, batch).tolist()
    assert hidden < 0.5 * seen, "what was seen is kept as it was"
    weights = patch_weights(missing)
    assert float(weights[0].min()) == 1.0
    assert float(weights[1].sum()) == pytest.approx(64.0)
    with torch.no_grad():
        latent, _ = start.vae.encode(clean)
        errors = patch_errors(start.vae.decode(latent), batch)
    assert float(errors[1, :, 8:, 8:].max()) == 0.0


def test_the_decoder_learns_from_pictures_that_are_not_degraded(start: VisionModel) -> None:
    latents = torch.randn(3, 256, 7, 7, generator=torch.Generator().manual_seed(0))
    latents.requires_grad_(True)
    learns = torch.tensor([False, True, False])
    pictures = decoded(start, latents, learns)
    torch.testing.assert_close(pictures, start.vae.decode(latents))
    weight = start.vae.decoder.unfold.weight
    for index, known in enumerate(learns):
        into_latent, into_weight = torch.autograd.grad(
            pictures[index].sum(), [latents, weight], retain_graph=True, allow_unused=True
        )
        assert float(into_latent[index].abs().max()) > 0.0, "the refiner learns from all"
        assert (into_weight is not None and bool(into_weight.any())) == bool(known)


def test_the_judge_also_sees_latents_that_no_refinement_makes(lesson: LatentLesson) -> None:
    latent = torch.full((2, 256, 7, 7), 4.0)
    latent[1] *= -1.0

    def last(**shares: float) -> torch.Tensor:
        none = {"swapped": 0.0, "noisy": 0.0, "blank": 0.0, "shrunk": 0.0}
        stage = replace(JudgeStage(), **{**none, **shares})
        judging = JudgeLesson(stage, lesson.stage, lesson.photographs, lesson.views, 1)
        return judging.spoiled(latent, np.random.default_rng(0))

    assert torch.equal(last(), latent)
    assert torch.equal(last(swapped=1.0), latent.flip(0))
    assert float(last(blank=1.0).abs().max()) == 0.0
    assert 0.0 < float(last(shrunk=1.0).abs().max()) < 4.0
    assert float((last(noisy=1.0) - latent).std()) > 0.01


def test_windows_are_judged_where_a_step_looked_and_something_counts(
    lesson: LatentLesson, start: VisionModel
) -> None:
    judging = JudgeLesson(
        JudgeStage(steps=(2,), picks=2, settled_after=2),
        lesson.stage,
        lesson.photographs,
        lesson.views,
        1,
    )
    clean = torch.rand(3, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    missing = torch.zeros(3, 1, 224, 224)
    missing[0, :, :8, :8] = 1.0  # gone after the first look: the second one is elsewhere
    batch = Pictures(clean, clean, missing, torch.ones(3), torch.ones(3, dtype=torch.bool))
    with torch.no_grad():
        first, *steps = judging._judged(start, batch, np.random.default_rng(0))
    assert first.latent.shape == (3, 256, 7, 7)
    assert first.glance.shape[1:] == (THOUGHT_CHANNELS, 28, 28)
    for part in steps:
        assert part.latent.shape == (2, 256, 4, 4), "in the first picture nothing counts there"
        assert part.error.shape == part.settled.shape == (2, 1, 16, 16)
        assert float(part.weights.min()) == 1.0


def test_an_expected_gain_is_held_against_the_true_one() -> None:
    now = torch.full((1, 1, 28, 28), 0.02)
    settled = torch.full((1, 1, 28, 28), 0.015)
    nothing = torch.zeros(1, 1, 1, 1)
    part = Judged(*[nothing] * 5, torch.ones_like(now), now, settled)

    def off(kept: float) -> float:
        return float(gain_error(torch.cat([now, kept * now], 1).log(), part))

    assert off(0.75) < min(off(0.72), off(0.78))
    assert off(1.0) > off(0.9) > off(0.8)
    assert off(0.5) > off(0.6) > off(0.7)
    # Relatively: a gain of a hundredth that is taken for one of a thousandth is far off.
    settled.copy_(0.99 * now)
    assert off(0.999) - off(0.99) > 1e-3


def test_the_embedding_weighs_what_tells_scenes_apart() -> None:
    generator = torch.Generator().manual_seed(0)
    loud, quiet = torch.randn(400, 2, generator=generator).unbind(1)
    summaries = torch.zeros(400, 6)
    summaries[:, 0], summaries[:, 1] = 100.0 + 30.0 * loud, 0.5 * loud + 3.0 * quiet
    weight, bias = fit_embedding(summaries, 3)
    values = summaries @ weight.T + bias
    assert values.mean(0).abs().max() < 1e-3
    deviations = values.std(0)
    assert 0.3 < float(deviations[1] / deviations[0]) < 1.2, "both count, one is tenfold larger"
    assert float(deviations[2]) < 1e-3, "nothing is made of nothing"


def test_four_stages_from_views_and_photographs_to_a_model(
    photographs: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="--stage judge needs the latent stage; run"):
        train.train(CONFIG, VIEWS, photographs, 146.0, tmp_path, "judge")
    latent = copied(train.train(CONFIG, VIEWS, photographs, 146.0, tmp_path, "latent"))
    with pytest.raises(ConfigError, match="--stage level needs the judge stage; run"):
        train.train(CONFIG, VIEWS, photographs, 146.0, tmp_path, "level")
    model = train.train(CONFIG, VIEWS, photographs, 146.0, tmp_path)
    assert same(model.vae, latent.vae)
    assert same(model.refiner, latent.refiner)
    for part in ("reader", "judge", "level"):
        assert not same(getattr(model, part), getattr(latent, part))
    assert len(list(tmp_path.glob("checkpoint-*.pt"))) == len(STAGES)
    again = train.train(CONFIG, VIEWS, photographs, 146.0, tmp_path)
    assert same(again, model), "what is finished is not trained again"
    with torch.no_grad():
        pictures = torch.from_numpy(data.load(VIEWS).frames).permute(0, 3, 1, 2).float() / 255
        latents, _ = model.vae.encode(pictures)
        embeddings = model.reader(latents)[2]
    assert float((embeddings @ embeddings.T).min()) < 0.9, "scenes differ"


def test_levels_are_learned_from_frames_that_are_kept(
    lesson: LatentLesson, start: VisionModel, tmp_path: Path
) -> None:
    stage = replace(CONFIG.level, cycle=replace(CYCLE, iterations=400, batch=8))
    source = FrameSource(lesson.photographs, lesson.views, lesson.stage, 1)
    file = tmp_path / "kept.frames"
    added: list[int] = []
    whole = collect(start.eval(), source, stage, tmp_path / "straight.frames", "key")
    half = collect(start, source, replace(stage, frames=8), file, "key")
    assert len(half.told) == 8
    resumed = collect(start, source, stage, file, "key", added.append)
    assert added == [8, 8], "what was kept is not made again"
    for one, two in zip(whole, resumed, strict=True):
        torch.testing.assert_close(one, two)
    looked = whole.expected[..., 1].sum(0)
    assert looked[0] == 0.0 < looked[1], "nothing was looked at before the first step"

    # Of loud frames twice as much is wrong as is expected, of the others half as much.
    loud = whole.told[:, 0] > whole.told[:, 0].median()
    factor = torch.where(loud, 2.0, 0.5)
    told = whole._replace(error=whole.expected.sum(2) * factor[:, None])
    model = learning.learn("l", LevelLesson(stage, told, 1), copied(start), 0.9, tmp_path / "l", "")
    with torch.no_grad():
        levels = model.level(whole.told)
    assert float(levels[loud].log().mean()) > 0.25
    assert float(levels[~loud].log().mean()) < -0.25


def test_without_photographs_it_learns_from_views(tmp_path: Path) -> None:
    model = train.train(CONFIG, VIEWS, tmp_path / "none", 146.0, tmp_path, "latent")
    assert bool(torch.isfinite(model.refiner.change.weight).all())


def test_the_reader_learns_from_photographs_that_nothing_is_there(photographs: Path) -> None:
    small, _ = data.photographs(photographs)
    stage = ReaderStage(replace(CYCLE, batch=2), photographs=1)
    reading = ReaderLesson(stage, LatentStage(), data.load(VIEWS), small, 146.0, 1)
    batch = next(reading.batches(0))
    assert batch.rooms[0] == -1
    assert batch.rooms[1] >= 0
    assert not any(bool(target.positive[0].any()) for target in batch.targets)


def test_a_scaled_run_keeps_its_stages() -> None:
    assert [scaled(CONFIG, 0.5).cycle(stage).iterations for stage in STAGES] == [3, 1, 1, 10]
    assert scaled(CONFIG, 0.5).digest != CONFIG.digest
    with pytest.raises(ConfigError, match=r"--scale 0\.0 must be in"):
        scaled(CONFIG, 0.0)


def test_a_stage_is_not_trained_again_for_what_comes_after_it() -> None:
    other = replace(CONFIG, judge=replace(CONFIG.judge, noisy=0.2))
    assert other.digest_until("latent") == CONFIG.digest_until("latent")
    assert other.digest_until("reader") == CONFIG.digest_until("reader")
    assert other.digest_until("judge") != CONFIG.digest_until("judge")
    longer = replace(CONFIG, level=replace(CONFIG.level, frames=13))
    assert longer.digest_until("judge", "reader") == CONFIG.digest_until("judge", "reader")
    assert longer.digest != CONFIG.digest
    earlier = replace(CONFIG, latent=replace(CONFIG.latent, slow=0.2))
    assert earlier.digest_until("reader") != CONFIG.digest_until("reader")


def test_more_steps_are_unrolled_as_training_goes_on() -> None:
    stage = LatentStage(replace(CYCLE, iterations=100), unrolled=((0.0, 1), (0.1, 2), (0.5, 4)))
    assert [stage.unrolled_at(i) for i in (0, 9, 10, 49, 50, 99)] == [1, 1, 2, 2, 4, 4]


def test_seeds_of_the_benchmark_are_refused() -> None:
    with pytest.raises(ConfigError, match="9999 is a benchmark seed"):
        data.ViewSet(9_999, 1, 1)
    sets = (data.TRAIN_VIEWS, data.VALIDATION_VIEWS, data.TEST_VIEWS)
    spans = [set(range(v.first_seed, v.first_seed + v.seeds)) for v in sets]
    for one, two in itertools.combinations([set(data.BENCHMARK_SEEDS), *spans], 2):
        assert not one & two


def test_settings_out_of_range() -> None:
    for make, says in (
        (lambda: replace(CYCLE, iterations=0), "iterations 0 must be"),
        (lambda: replace(CYCLE, rising=1.0), r"rising 1\.0 in \(0, 1\)"),
        (lambda: LatentStage(unrolled=((0.0, 17),)), "must be of 1 to 16 steps"),
        (lambda: LatentStage(unrolled=((0.1, 2),)), r"what holds from 0\.0 on"),
        (lambda: LatentStage(starts=(16,)), r"starts \(16,\) must be in \[0, 15\]"),
        (lambda: LatentStage(shares=(("clean", 0.5),)), "must add up to 1"),
        (lambda: ReaderStage(photographs=99), r"photographs 99 must be in \[0, 15\]"),
        (lambda: ReaderStage(hard_probability=0.9), r"0\.9 must add up to 1 at most"),
        (lambda: JudgeStage(steps=(17,)), r"steps \(17,\) in \[0, 10\]"),
        (lambda: JudgeStage(swapped=0.9), "above 1"),
        (lambda: TrainConfig(average_decay=1.0), r"average_decay 1\.0 must be in"),
    ):
        with pytest.raises(ConfigError, match=says):
            make()
