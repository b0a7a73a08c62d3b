"""The torch network: shapes, the energy's sign, and that what is exported is what was trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the network is trained with torch (extra 'train')")
pytest.importorskip("onnx", reason="exporting needs onnx (extra 'train')")

import torch

from models.vision import artifacts
from models.vision.export import export, folded, load_torch
from models.vision.layout import DETECTION_CHANNELS, GRID, ROOMS
from models.vision.network import EncodeGraph, ReadGraph, StepGraph, VisionModel, energy
from sage.irp import ModelError


@pytest.fixture(scope="module")
def frame() -> np.ndarray:
    return np.random.default_rng(4).integers(0, 256, (1, 224, 224, 3), dtype=np.uint8)


def test_shapes(frame: np.ndarray) -> None:
    model = VisionModel().eval()
    picture = torch.from_numpy(frame).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        unrolled = model.unroll(picture, 2)
        maps, rooms = model.heads(unrolled.latents[-1])
    assert [tuple(z.shape) for z in unrolled.latents] == [(1, 256, 7, 7)] * 3
    assert [tuple(p.shape) for p in unrolled.pictures] == [(1, 3, 56, 56)] * 3
    assert tuple(maps.shape) == (1, DETECTION_CHANNELS, GRID, GRID)
    assert tuple(rooms.shape) == (1, len(ROOMS))


def test_energy_grows_with_the_residual_and_is_never_negative() -> None:
    latent = torch.randn(1, 256, 7, 7)
    noise = torch.randn(1, 3, 56, 56)
    values = [float(energy(scale * noise, latent)) for scale in (0.0, 0.1, 0.2, 0.4)]
    assert values == sorted(values)
    assert values[0] > 0.0, "the prior counts too"
    assert float(energy(torch.zeros(1, 3, 56, 56), torch.zeros_like(latent))) == 0.0


def test_folding_batch_norms_changes_nothing(frame: np.ndarray) -> None:
    model = VisionModel()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
        seen = torch.from_numpy(frame)
        for one, two in zip(
            EncodeGraph(model.eval())(seen), EncodeGraph(folded(model))(seen), strict=True
        ):
            torch.testing.assert_close(one, two, atol=1e-4, rtol=1e-4)


def test_shipped_graphs_compute_what_the_torch_model_with_their_weights_does(
    frame: np.ndarray,
) -> None:
    model = load_torch(artifacts.FOLDER)
    graphs = artifacts.backends()
    with torch.no_grad():
        encoded = graphs["encode"].infer({"frame": frame})
        state = {k: v for k, v in encoded.items() if k != "energy"}
        stepped = graphs["step"].infer({**state, "step": np.array(2, np.int64)})
        read = graphs["read"].infer({"latent": encoded["latent"]})
        tensors = [torch.from_numpy(v) for v in state.values()]
        pairs = [
            (encoded, EncodeGraph(model)(torch.from_numpy(frame))),
            (stepped, StepGraph(model)(*tensors, torch.tensor(2))),
            (read, ReadGraph(model)(tensors[0])),
        ]
    for ours, theirs in pairs:
        for (name, value), tensor in zip(ours.items(), theirs, strict=True):
            scale = max(float(np.abs(value).max()), 1e-3)
            error = float(np.abs(value - tensor.numpy()).max()) / scale
            assert error < 1e-4, f"{name} differs by {error:.1e} of its range"


def test_export_describes_its_files_and_a_missing_weight_is_named(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = VisionModel()
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
        if "log_variance" not in name:
            torch.testing.assert_close(value, expected[name], atol=2e-3, rtol=2e-3)
    (tmp_path / "step.onnx").write_bytes((tmp_path / "read.onnx").read_bytes())
    with pytest.raises(ModelError, match=r"refiner\.\S+ of shape"):
        load_torch(tmp_path)
