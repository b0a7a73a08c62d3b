"""The shipped weights and their card."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from models.vision import artifacts
from models.vision.reading import calibration_from
from sage.irp import ModelError


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in (*(f"{graph}.onnx" for graph in artifacts.GRAPHS), artifacts.CARD):
        shutil.copy(artifacts.FOLDER / name, tmp_path / name)
    return tmp_path


def test_shipped_weights_match_their_card_and_are_small() -> None:
    weights = artifacts.load_weights()
    assert set(weights) == set(artifacts.GRAPHS)
    assert sum(map(len, weights.values())) < 25e6


def test_missing_weights_name_file_and_command(copy: Path) -> None:
    (copy / "step.onnx").unlink()
    with pytest.raises(
        ModelError, match=r"step\.onnx are missing.*python -m models\.vision\.train"
    ):
        artifacts.load_weights(copy)


def test_one_flipped_bit_is_noticed(copy: Path) -> None:
    content = bytearray((copy / "encode.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (copy / "encode.onnx").write_bytes(bytes(content))
    with pytest.raises(ModelError, match=r"encode\.onnx do not match.*git checkout"):
        artifacts.load_weights(copy)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": {}}'])
def test_damaged_card(copy: Path, text: str) -> None:
    (copy / artifacts.CARD).write_text(text)
    with pytest.raises(ModelError, match=r"card\.json"):
        artifacts.load_card(copy)


def test_missing_card(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"card\.json is missing"):
        artifacts.load_card(tmp_path)


def test_damaged_calibration_is_a_model_error() -> None:
    with pytest.raises(ModelError, match="calibration"):
        calibration_from({"calibration": {"furniture": {"scale": -1.0}}})


def test_random_weights_keep_the_graph_and_differ_by_seed() -> None:
    trained = artifacts.load_weights()
    one, again, two = (artifacts.random_weights(seed) for seed in (1, 1, 2))
    assert one == again
    for graph in artifacts.GRAPHS:
        assert len(one[graph]) == len(trained[graph])
        assert one[graph] != trained[graph]
        assert one[graph] != two[graph]


def test_backends_say_which_graph_lacks_weights() -> None:
    with pytest.raises(ModelError, match="'encode'"):
        artifacts.backends({})
