"""The ONNX Runtime backend: what it runs, what it refuses, what it measures."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.backends import Backend, OnnxRuntimeBackend
from models.vision import artifacts
from models.vision.layout import DETECTION_CHANNELS, GRID, ROOMS
from sage.irp import ConfigError, ModelError


@pytest.fixture(scope="module")
def content() -> bytes:
    return artifacts.load_weights()["read"]


def latent() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((1, 256, 7, 7)).astype(np.float32)


def test_infers_by_name_and_measures_its_cost(content: bytes) -> None:
    backend = OnnxRuntimeBackend(content, "read.onnx")
    assert isinstance(backend, Backend)
    backend.warm_up()
    assert math.isnan(backend.cost_s), "warm-up must not count"
    out = backend.infer({"latent": latent()})
    assert out["maps"].shape == (1, DETECTION_CHANNELS, GRID, GRID)
    assert out["room_logits"].shape == (1, len(ROOMS))
    assert 0.0 < backend.cost_s < 1.0


def test_same_input_same_output(content: bytes) -> None:
    backend = OnnxRuntimeBackend(content, "read.onnx")
    backend.load()
    first, second = (backend.infer({"latent": latent()})["maps"] for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_unusable_model_names_file_and_remedy() -> None:
    backend = OnnxRuntimeBackend(b"not a model", "eyes.onnx", remedy="make weights")
    with pytest.raises(ModelError, match=r"eyes\.onnx.*make weights"):
        backend.load()


def test_wrong_inputs_are_named(content: bytes) -> None:
    backend = OnnxRuntimeBackend(content, "read.onnx")
    with pytest.raises(ModelError, match="not loaded"):
        backend.infer({"latent": latent()})
    backend.load()
    with pytest.raises(ModelError, match=r"\['latent'\].*\['picture'\]"):
        backend.infer({"picture": latent()})
    with pytest.raises(ModelError, match=r"read\.onnx"):
        backend.infer({"latent": latent()[:, :3]})
    backend.close()
    with pytest.raises(ModelError, match="not loaded"):
        backend.infer({"latent": latent()})


@pytest.mark.parametrize("threads", [0, 65])
def test_threads_out_of_range(content: bytes, threads: int) -> None:
    with pytest.raises(ConfigError, match=rf"threads {threads} must be in \[1, 64\]"):
        OnnxRuntimeBackend(content, "read.onnx", threads)
