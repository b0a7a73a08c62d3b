"""The torch network: shapes, what is fitted, and that what is exported is what was trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the network is trained with torch (extra 'train')")
pytest.importorskip("onnx", reason="exporting needs onnx (extra 'train')")

import torch

from models.vision import artifacts
from models.vision.export import export, folded, load_torch
from models.vision.latent_training import initial_model
from models.vision.layout import (
    DETECTION_CHANNELS,
    EMBEDDING,
    GRID,
    ROOMS,
    STEPS,
    THOUGHT_CHANNELS,
)
from models.vision.network import (
    DecodeGraph,
    EncodeGraph,
    ReadGraph,
    StepGraph,
    VisionModel,
    missing_map,
    patches_of,
)
from models.vision.observing import missing_cells
from models.vision.walk import Walk, cut_windows, refined
from models.vision.windows import cut
from sage.irp import ModelError


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    """Pictures with structure: gradients, edges, and little noise."""
    rng = np.random.default_rng(4)
    grid = np.linspace(0.0, 1.0, 224)
    out = []
    for _ in range(12):
        ramp = grid[:, None] * rng.random() + grid[None] * rng.random()
        picture = ramp[..., None] * rng.random(3)
        top, left = rng.integers(0, 150, 2)
        picture[top : top + 70, left : left + 50] = rng.random(3)
        picture += 0.01 * rng.standard_normal(picture.shape)
        out.append(np.clip(255.0 * picture, 0, 255).astype(np.uint8))
    return np.stack(out)


@pytest.fixture(scope="module")
def fitted(frames: np.ndarray) -> VisionModel:
    return initial_model(frames, 0).eval()


def planes(frames: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255


def test_shapes(frames: np.ndarray, fitted: VisionModel) -> None:
    with torch.no_grad():
        latent, observed = fitted.vae.encode(planes(frames[:2]))
        missing = missing_map(torch.zeros(2, 1, 224, 224))
        better = refined(fitted, planes(frames[:2]), torch.zeros(2, 1, 224, 224), 1)
        maps, rooms, embedding = fitted.reader(better)
        glance = fitted.glance(patches_of(planes(frames[:2])), missing)
        context = fitted.judge.context(observed)
        judged = fitted.judge(fitted.refiner.said(latent), observed, missing, glance, context)
        before = fitted.judge.before(observed, missing, glance, context)
    assert tuple(latent.shape) == tuple(better.shape) == (2, 256, 7, 7)
    assert tuple(observed.shape) == (2, 64, 28, 28)
    assert tuple(missing.shape) == (2, 16, 28, 28)
    assert tuple(glance.shape) == (2, THOUGHT_CHANNELS, 28, 28)
    assert tuple(judged.shape) == tuple(before.shape) == (2, 2, 28, 28)
    for now, settled in (judged.unbind(1), before.unbind(1)):
        assert bool((settled < now).all()), "what stays is a part of what is now"
    assert tuple(fitted.vae.decode(better).shape) == (2, 3, 224, 224)
    assert tuple(maps.shape) == (2, DETECTION_CHANNELS, GRID, GRID)
    assert tuple(rooms.shape) == (2, len(ROOMS))
    assert tuple(embedding.shape) == (2, EMBEDDING)
    torch.testing.assert_close(embedding.norm(dim=1), torch.ones(2))


def test_a_fitted_autoencoder_already_draws_the_picture(
    frames: np.ndarray, fitted: VisionModel
) -> None:
    pictures = planes(frames)
    with torch.no_grad():
        latent, _ = fitted.vae.encode(pictures)
        error = (fitted.vae.decode(latent) - pictures).square().mean()
        flat = (pictures.mean((2, 3), keepdim=True) - pictures).square().mean()
    assert float(error) < 0.05 * float(flat)
    assert float(latent.mean(0).abs().mean()) < 0.5, "the prior is a unit Gaussian"


def test_a_step_changes_one_window_and_four_see_the_whole_frame(
    frames: np.ndarray, fitted: VisionModel
) -> None:
    with torch.no_grad():
        walk = Walk(fitted, planes(frames[:2]), torch.zeros(2, 1, 224, 224))
        first = walk.latent
        once = (walk.step() != first).any(1)
        assert [int(part.sum()) for part in once] == [16, 16]
        for _ in range(3):
            walk.step()
    assert bool((walk.latent != first).any(1).all())


def test_where_something_is_missing_is_looked_at_first(
    frames: np.ndarray, fitted: VisionModel
) -> None:
    missing = torch.zeros(2, 1, 224, 224)
    missing[0, :, 160:, 160:] = 1.0
    missing[1, :, :60, 170:] = 1.0
    with torch.no_grad():
        walk = Walk(fitted, planes(frames[:2]), missing, np.random.default_rng(0))
        first = walk.latent
        changed = (walk.step() != first).any(1)
    assert bool(changed[0, 5:, 5:].all())
    assert bool(changed[1, :2, 5:].all())


def test_missing_pixels_are_told_alike_to_torch_and_to_the_graphs() -> None:
    mask = np.random.default_rng(0).random((224, 224)) < 0.3
    there = missing_map(torch.from_numpy(mask.astype(np.float32))[None, None])
    np.testing.assert_allclose(missing_cells(mask), there.numpy(), atol=1e-6)


def test_folding_batch_norms_changes_nothing(frames: np.ndarray) -> None:
    model = VisionModel()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
        latent = torch.randn(1, 256, 7, 7)
        pairs = zip(ReadGraph(model.eval())(latent), ReadGraph(folded(model))(latent), strict=True)
        for one, two in pairs:
            torch.testing.assert_close(one, two, atol=1e-4, rtol=1e-4)


def test_shipped_graphs_compute_what_the_torch_model_with_their_weights_does(
    frames: np.ndarray,
) -> None:
    model = load_torch(artifacts.FOLDER)
    graphs = artifacts.backends()
    frame = frames[:1]
    mask = np.zeros((224, 224), bool)
    mask[40:90, 30:120] = True
    rng = np.random.default_rng(0)
    with torch.no_grad():
        cells = missing_cells(mask)
        encoded = graphs["encode"].infer({"frame": frame, "missing": cells})
        thought = rng.random(encoded["glance"].shape, np.float32)
        whole = {**encoded, "missing": cells, "thought": thought}
        parts = {
            name: part if name == "context" else cut(part, (2, 3))
            for name, part in whole.items()
            if name != "errors"
        }
        names = ("latent", "thought", "observed", "missing", "glance", "context")
        inputs = [parts[name] for name in names]
        stepped = graphs["step"].infer({**parts, "step": np.array(2, np.int64)})
        latent = torch.from_numpy(encoded["latent"])
        pairs = [
            (encoded, EncodeGraph(model)(torch.from_numpy(frame), torch.from_numpy(cells))),
            (stepped, StepGraph(model)(*map(torch.from_numpy, inputs), torch.tensor(2))),
            (graphs["read"].infer({"latent": encoded["latent"]}), ReadGraph(model)(latent)),
        ]
        drawn = graphs["decode"].infer({"latent": encoded["latent"]})["picture"]
        apart = drawn.astype(int) - DecodeGraph(model)(latent).numpy()
    for ours, theirs in pairs:
        for (name, value), tensor in zip(ours.items(), theirs, strict=True):
            scale = max(float(np.abs(value).max()), 1e-3)
            error = float(np.abs(value - tensor.numpy()).max()) / scale
            # The basis is stored twice as float16, once for each direction.
            assert error < 5e-3, f"{name} differs by {error:.1e} of its range"
    assert np.abs(apart).max() <= 1, "but for rounding"


def test_a_frames_level_is_a_factor_on_all_that_is_expected_of_it(frames: np.ndarray) -> None:
    model = initial_model(frames, 0).eval()
    inputs = (torch.from_numpy(frames[:1]), torch.zeros(1, 16, 28, 28))

    def expected() -> tuple[torch.Tensor, torch.Tensor]:
        with torch.no_grad():
            latent, observed, glance, context, errors = EncodeGraph(model)(*inputs)
            whole = (latent, glance, observed, inputs[1], glance)
            window = (cut_windows(part, [(0, 0)]) for part in whole)
            return errors, StepGraph(model)(*window, context, torch.tensor(0))[2]

    before, after = expected()
    with torch.no_grad():
        model.level.tell[-1].bias.copy_(torch.tensor([0.3, -0.3]))
    louder, quieter = expected()
    factors = torch.exp(1.5 * torch.tanh(torch.tensor([0.2, -0.2])))
    torch.testing.assert_close(louder, before * factors[0])
    torch.testing.assert_close(quieter, after * factors[1])


def test_steps_beyond_the_last_trained_one_are_like_it(
    frames: np.ndarray, fitted: VisionModel
) -> None:
    with torch.no_grad():
        latent, observed = fitted.vae.encode(planes(frames[:1]))
        thought = torch.zeros(1, THOUGHT_CHANNELS, 28, 28)
        rest = (thought, observed, missing_map(torch.zeros(1, 1, 224, 224)))
        last, beyond = (
            fitted.refiner(latent, *rest, torch.tensor(step))[0] for step in (STEPS - 1, STEPS + 7)
        )
    assert torch.equal(last, beyond)


def test_export_describes_its_files_and_a_missing_weight_is_named(
    frames: np.ndarray, tmp_path: Path
) -> None:
    model = initial_model(frames, 0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    files = export(model, tmp_path)
    for name, item in files.items():
        assert (tmp_path / name).stat().st_size == item["bytes"]
        assert item["float16_tensors"]
    back = load_torch(tmp_path)
    expected = folded(model).state_dict()
    for name, value in back.state_dict().items():
        if not name.startswith("vae.patches."):
            torch.testing.assert_close(value, expected[name], atol=2e-3, rtol=2e-3)
    with torch.no_grad():
        latent = torch.randn(1, 256, 7, 7)
        torch.testing.assert_close(
            back.vae.decode(latent), folded(model).vae.decode(latent), atol=5e-3, rtol=0.0
        )
    (tmp_path / "step.onnx").write_bytes((tmp_path / "read.onnx").read_bytes())
    with pytest.raises(ModelError, match=r"(refiner|judge)\.\S+ of shape"):
        load_torch(tmp_path)
