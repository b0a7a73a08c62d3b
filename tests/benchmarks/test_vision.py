"""The vision benchmark: what it scores, and that controls which know nothing score as such."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rich.progress import Progress

from benchmarks import (
    vision,
    vision_apartment,
    vision_baselines,
    vision_curves,
    vision_figure,
    vision_pictures,
)
from benchmarks.report import Row
from benchmarks.vision_baselines import BlockPCA, blocks, fitted, restored, stored, unblocks
from benchmarks.vision_curves import (
    halting_of,
    psnr_db,
)
from benchmarks.vision_fixed import Passes, Sweeps
from benchmarks.vision_pictures import IMAGES, choose, read_pictures, told
from benchmarks.vision_rows import Measured, rows_of
from benchmarks.vision_run import Benchmark
from benchmarks.vision_timing import Times, memory
from models.vision import artifacts
from models.vision.degradation import degrade
from plugins.vision import VisionConfig, VisionPlugin, VisionState
from sage.commands.cli import run_guarded
from sage.irp import ConfigError
from sage.values import Frame, Observation

SHORT = VisionConfig(max_steps=4)
TAKEN = Times((1.0, 2.0))
GRAPHS = {n: dict.fromkeys(("encode", "decode", "step", "incomplete"), TAKEN) for n in (1, 2)}


def scenery(count: int, seed: int = 0) -> np.ndarray:
    """Pictures of shades, shapes and some texture."""
    rng = np.random.default_rng(seed)
    out = np.empty((count, 224, 224, 3), np.uint8)
    for index in range(count):
        shades = cv2.resize(
            rng.uniform(40, 215, (4, 4, 3)), (224, 224), interpolation=cv2.INTER_CUBIC
        )
        for _ in range(6):
            middle = tuple(int(v) for v in rng.integers(0, 224, 2))
            cv2.circle(
                shades, middle, int(rng.integers(8, 50)), rng.uniform(0, 255, 3).tolist(), -1
            )
        out[index] = np.clip(shades + rng.normal(0, 2, shades.shape), 0, 255)
    return out


def write(folder: Path, count: int, size: tuple[int, int] = (256, 256), seed: int = 0) -> None:
    folder.mkdir()
    for index, picture in enumerate(scenery(count, seed)):
        cv2.imwrite(str(folder / f"{index:03d}.png"), cv2.resize(picture, size)[..., ::-1])


# Pictures.


def test_only_what_neither_training_nor_calibration_saw_is_scored(tmp_path: Path) -> None:
    write(tmp_path / "all", 33, (32, 32))
    chosen = choose(tmp_path / "all", tmp_path / "all", 0, 0)
    names = np.array([f"{number:03}" for number in range(33)])
    held_out = names[np.arange(33) % 8 == 7]  # as models.vision.data keeps them from training
    assert [path.stem for path in chosen.scored] == held_out[1::2].tolist() == ["015", "031"]
    assert [path.stem for path in chosen.learnt] == sorted(set(names) - set(held_out))
    write(tmp_path / "copies", 1, (32, 32), seed=1)
    copy = tmp_path / "copies" / "copy.png"
    copy.write_bytes((tmp_path / "all" / "007.png").read_bytes())  # halting is calibrated on it
    assert copy not in choose(tmp_path / "copies", tmp_path / "all", 0, 0).scored


def test_copies_of_training_photographs_are_left_out_and_others_scored(tmp_path: Path) -> None:
    write(tmp_path / "train", 9, (32, 32))
    write(tmp_path / "other", 5, (32, 32), seed=1)
    copy = tmp_path / "other" / "copy.png"
    copy.write_bytes((tmp_path / "train" / "002.png").read_bytes())
    chosen = choose(tmp_path / "other", tmp_path / "train", 0, 0)
    assert len(chosen.scored) == 5
    assert copy not in chosen.scored
    assert "without 1" in chosen.note
    drawn = [choose(tmp_path / "other", tmp_path / "train", 2, seed).scored for seed in (3, 3, 4)]
    assert len(drawn[0]) == 2
    assert drawn[0] == drawn[1]


def test_pictures_of_any_size_are_cut_to_their_middle_square(tmp_path: Path) -> None:
    wide = np.zeros((300, 500, 3), np.uint8)
    wide[:, 100:400] = (10, 120, 200)
    cv2.imwrite(str(tmp_path / "wide.png"), wide)
    (picture,) = read_pictures([tmp_path / "wide.png"])
    assert picture.shape == (224, 224, 3)
    assert (picture == (200, 120, 10)).all()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--images", "nowhere"], "--images nowhere is no folder"),
        (["--images", "{empty}"], "holds no pictures"),
        (["--images", "{broken}", "--train", "{broken}"], "was held out"),
        (["--images", "{broken}", "--quick"], "bad.jpg is no readable picture"),
        (["--limit", "0"], "--limit must be a whole number in [1, 1000000], got '0'"),
        (["--threads", "65"], "--threads must be a whole number in [1, 64]"),
        (["--seed", "-1"], "--seed must be a whole number in [0, 2147483647]"),
        (["--seeds", "5:5"], "--seeds '5:5'"),
        (["--seeds", "9999:10001"], "training keeps off 0:10000 only"),
    ],
)
def test_a_bad_argument_is_one_line(
    arguments: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = {name: tmp_path / name for name in ("empty", "broken")}
    for folder in folders.values():
        folder.mkdir()
    (folders["broken"] / "bad.jpg").write_bytes(b"not a picture")
    given = [argument.format(**folders) for argument in arguments]
    assert run_guarded(lambda: vision.main(given)) == 2
    printed = capsys.readouterr()
    assert told in printed.err
    assert len(printed.err.strip().splitlines()) == 1


def test_a_folder_is_told_as_the_user_named_it_and_the_default_from_the_project_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert told(IMAGES) == "../shared/data/images"
    write(tmp_path / "all", 16, (32, 32))
    monkeypatch.chdir(tmp_path)
    saw = "that neither training nor calibration saw"
    assert choose(Path("all"), Path("all"), 0, 0).note == f"the sixteenth of all {saw}"
    monkeypatch.setattr(vision_pictures, "_PROJECT", tmp_path / "project")
    monkeypatch.setattr(vision_pictures, "IMAGES", tmp_path / "all")
    unnamed = choose(tmp_path / "all", None, 0, 0)
    assert unnamed.note == f"the sixteenth of ../all {saw}"
    monkeypatch.setattr(vision_pictures, "IMAGES", tmp_path / "none")
    with pytest.raises(ConfigError, match=r"--images \.\./none is no folder"):
        choose(vision_pictures.IMAGES, None, 0, 0)


# Baselines.


def test_block_pca_knows_what_it_was_fitted_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "few", 2)
    monkeypatch.setattr(vision_pictures, "_PROJECT", tmp_path / "project")
    monkeypatch.setattr(vision_pictures, "IMAGES", tmp_path / "few")
    paths = sorted((tmp_path / "few").iterdir())
    pca = fitted(paths)
    assert pca.source == "fitted to 2 others of ../few"
    assert pca.analysis.shape == (3072, 256)
    np.testing.assert_allclose(pca.analysis.T @ pca.analysis, np.eye(256), atol=1e-3)
    for picture in read_pictures(paths).astype(np.float32) / np.float32(255.0):
        # 196 blocks with their mirror images span fewer than 256 dimensions.
        np.testing.assert_allclose(pca.restore(picture), picture, atol=2e-3)
        np.testing.assert_allclose(pca.restore(picture[:, ::-1]), picture[:, ::-1], atol=2e-3)
    other = scenery(1, seed=9)[0].astype(np.float32) / np.float32(255.0)
    assert np.square(pca.restore(other) - other).mean() < np.square(pca.mean_picture - other).mean()


def test_blocks_are_put_back_where_they_were() -> None:
    pictures = scenery(2)
    np.testing.assert_array_equal(unblocks(blocks(pictures)), pictures)
    np.testing.assert_array_equal(blocks(pictures)[1].reshape(32, 32, 3), pictures[0, :32, 32:64])


# The plugin and controls that know nothing.


class Still(VisionPlugin):
    """A refiner that does nothing."""

    def step(self, state: VisionState) -> VisionState:
        return dataclasses.replace(state, steps=state.steps + 1)


class Counting(VisionPlugin):
    """Counts its steps."""

    made = 0

    def step(self, state: VisionState) -> VisionState:
        self.made += 1
        return super().step(state)


class Constant(VisionPlugin):
    """Draws the same grey picture of everything."""

    def restored(self, state: VisionState) -> Any:
        return np.full((224, 224, 3), 128, np.uint8)


class Covered(VisionPlugin):
    """A camera whose lens is covered."""

    def init_state(self, observation: Any, context: Any) -> VisionState:
        frame = observation.data
        black = dataclasses.replace(frame, rgb=np.zeros_like(frame.rgb))
        return super().init_state(dataclasses.replace(observation, data=black), context)


@pytest.fixture(scope="module")
def shipped() -> VisionPlugin:
    return VisionPlugin()


@pytest.fixture(scope="module")
def pca(shipped: VisionPlugin) -> BlockPCA:
    return stored(shipped)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vision_baselines, "NLM_STRENGTHS", ())


def scores(
    plugin: VisionPlugin, pca: BlockPCA, pictures: Any, weights: Any = None
) -> dict[str, Row]:
    """All rows of quality and halting."""
    with Progress(disable=True) as bar:
        run = Benchmark(plugin, pictures, pca, 0, bar, weights)
        curves = run.curves()
        saving = run.saving(halting_of(curves), 1, 1)
        blur = run.fixed_blur()
    result = rows_of(Measured(curves, saving, GRAPHS, 2, None, None, blur))
    return {row.id.removeprefix("vision."): row for row in result}


def test_the_stored_block_pca_is_one(pca: BlockPCA) -> None:
    picture = scenery(1)[0].astype(np.float32) / np.float32(255.0)
    once = pca.restore(picture)
    assert psnr_db(np.square(once - picture).mean()) > 23.0
    assert np.abs(pca.restore(once) - once).mean() < 2e-3
    assert np.square(once - picture).mean() < 0.1 * np.square(pca.mean_picture - picture).mean()


def test_smoothing_is_a_baseline_under_noise(pca: BlockPCA) -> None:
    flat = np.full((224, 224, 3), 0.5, np.float32)
    for kind in ("noise50", "dark50"):
        harmed = degrade(flat, kind, np.random.default_rng(0))
        guesses = restored(harmed, kind, pca)
        assert (
            np.square(guesses["Gaussian 2 px"] - flat).mean()
            < 0.1 * np.square(guesses["input"] - flat).mean()
        )


def test_plans_of_equal_quality_are_timed_at_both_numbers_of_steps(
    pca: BlockPCA, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed: list[str] = []

    def pretend(runs: dict[str, object], inputs: Sequence[object], *_: object) -> dict[str, Times]:
        timed.extend(runs)
        took = {name: float(name.split()[-1]) for name in runs if " " in name}
        return {name: Times((took.get(name, 9.0),) * len(inputs)) for name in runs}

    monkeypatch.setattr("benchmarks.vision_timing.paired", pretend)
    psnr = np.array([20.0, 21.0, 22.0, 22.5, 22.8])
    monkeypatch.setattr(Benchmark, "sweeps", lambda *_: psnr)
    with Progress(disable=True) as bar:
        run = Benchmark(VisionPlugin(SHORT), scenery(1), pca, 0, bar)
        saving = run.saving(vision_curves.Halting(22.8, 22.2, 2.8, psnr - 0.1), 1, 1)
    guided, sweeps, passes = saving.planned
    assert passes.name == "passes"
    assert saving.best_plan is sweeps, "passes are other steps than the plugin's"
    assert sweeps.mix.psnr == guided.mix.psnr == 22.2
    assert sweeps.times.by_input[0] == pytest.approx(2.4)
    assert guided.times.by_input[0] == pytest.approx(2.6)
    assert {"guided 2", "guided 3", "sweeps 2", "sweeps 3"} < set(timed)
    assert saving.allowed[1].mix.psnr == pytest.approx(22.8 - 0.028)
    assert saving.allowed[0].short_db > 0.0, "it never gets there"


def test_a_pass_is_a_step_of_the_whole_frame_at_once() -> None:
    (harmed,) = vision_curves.inputs_of(scenery(1), "noise50", 0)
    plugin = VisionPlugin(SHORT)
    before = plugin.init_state(vision_curves.observation_of(harmed, 0), {})
    swept, passed = (kind(plugin).run(harmed, n) for kind, n in ((Sweeps, 4), (Passes, 1)))
    assert (passed.latent != before.latent).any(1).all()
    moved = np.square(swept.latent - before.latent).mean()
    assert np.square(passed.latent - swept.latent).mean() < 0.2 * moved, "but for their edges"


def test_a_refiner_that_does_nothing_gains_and_saves_nothing(pca: BlockPCA) -> None:
    found = scores(Still(SHORT), pca, scenery(2))
    assert found["margin_single_pass"].value == 0.0
    assert found["saving_full"].value == 1.0
    assert found["saving_fixed"].value <= 1.0  # type: ignore[operator]
    assert found["halt_rho"].value == 0.0


def test_a_constant_picture_beats_no_baseline(pca: BlockPCA) -> None:
    found = scores(Constant(SHORT), pca, scenery(2))
    assert found["psnr_clean"].value < -5.0  # type: ignore[operator]
    for name in ("margin_noise50", "margin_holes"):
        assert found[name].value <= 0.1, name  # type: ignore[operator]
    assert found["margin_single_pass"].value == 0.0
    assert found["saving_full"].value == 1.0


def test_a_covered_lens_scores_as_such(pca: BlockPCA) -> None:
    found = scores(Covered(SHORT), pca, scenery(2))
    for name in ("psnr_clean", "margin_noise50", "margin_holes"):
        assert found[name].value < 0.0, name  # type: ignore[operator]
    assert found["energy_rho"].value <= 0.0  # type: ignore[operator]
    assert found["saving_full"].value == 1.0
    assert found["saving_fixed"].value <= 1.0  # type: ignore[operator]


def test_random_weights_restore_nothing(pca: BlockPCA) -> None:
    weights = artifacts.random_weights(3)
    found = scores(VisionPlugin(SHORT, weights), pca, scenery(2), weights)
    for name in ("psnr_clean", "margin_noise50", "margin_holes"):
        assert found[name].value < -1.0, name  # type: ignore[operator]
    assert found["saving_full"].value == 1.0


def test_the_shipped_plugin_is_scored_by_what_the_engine_answers(
    shipped: VisionPlugin, pca: BlockPCA
) -> None:
    pictures = scenery(1)
    one = vision_curves.measure(shipped, pictures, "noise50", 0, pca)
    last = shipped.config.max_steps
    assert one.errors.shape == (1, last + 1)
    assert one.energies.shape == (1, last)
    assert 1 <= one.steps[0] <= last
    assert float(one.halted[0]) in one.errors[0, 1 : one.steps[0] + 1]
    assert one.best_baseline()[1] == pytest.approx(
        max(float(psnr_db(values).mean()) for values in one.baselines.values())
    )
    assert math.isfinite(psnr_db(0.0))
    again = vision_curves.measure(shipped, pictures, "noise50", 0, pca)
    np.testing.assert_array_equal(one.errors, again.errors)


def test_restorations_are_drawn_side_by_side(shipped: VisionPlugin, tmp_path: Path) -> None:
    pictures, path = scenery(2), tmp_path / "sheets" / "sheet.png"
    vision_figure.draw(shipped, pictures, 0, path)
    drawn = cv2.imread(str(path))
    assert drawn is not None
    sheet = drawn[..., ::-1]
    assert sheet.shape[0] > 5 * 224
    target = sheet[:, -230:-6]
    assert any((target[top : top + 224] == pictures[0]).all() for top in range(60))


def test_memory_is_measured_in_a_process_of_its_own() -> None:
    added = memory(1)
    if added is None:
        pytest.skip("the system does not tell how much memory a process has")
    assert 10.0 < added.onnxruntime < added.added < 1000.0
    assert added.incomplete >= added.added


def test_things_are_found_in_views_of_the_apartment(shipped: VisionPlugin) -> None:
    pytest.importorskip("mujoco", reason="views are rendered by MuJoCo")
    views = vision_apartment.views_of(4, 6)
    counts = vision_apartment.measure(shipped, views)
    assert counts["all"].right + counts["all"].missed > 5
    assert counts["all"].f1 > 0.5
    first = vision_apartment.measure(shipped, views, steps=1)["all"]
    assert first.right + first.missed == counts["all"].right + counts["all"].missed
    counting = Counting()
    vision_apartment.measure(counting, views[:2], steps=3)
    assert counting.made == 6
    blank = [dataclasses.replace(view, rgb=np.zeros_like(view.rgb)) for view in views[:2]]
    assert vision_apartment.measure(shipped, blank)["all"].right == 0


def test_a_seed_that_may_have_been_trained_on_is_refused() -> None:
    vision_apartment.check_seeds(range(12))
    with pytest.raises(ConfigError, match="100000:100012"):
        vision_apartment.check_seeds(range(100_000, 100_012))


def test_frames_are_seen_as_a_camera_delivers_them(shipped: VisionPlugin) -> None:
    harmed = vision_curves.inputs_of(scenery(1), "holes", 0)[0]
    observation = vision_curves.observation_of(harmed, 3)
    assert isinstance(observation, Observation)
    assert isinstance(observation.data, Frame)
    assert observation.data.missing is harmed.missing
