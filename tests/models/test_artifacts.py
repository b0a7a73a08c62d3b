"""The shipped weights and their card."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest

from models.vision import artifacts
from models.vision.reading import calibration_from
from sage.irp import ModelError

ABSENT = object()
NO_POSITIVE_NUMBERS = (ABSENT, "far", None, True, 0, -146.0, math.nan, math.inf, 10**400, [1.0])


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


@pytest.mark.parametrize(
    ("path", "value"),
    [
        *(
            (key, value)
            for key in ("focal_px", "room_scale", "tolerance_db")
            for value in NO_POSITIVE_NUMBERS
        ),
        ("files", []),
        ("files", 3),
        ("files/step.onnx", 3),
        ("files/step.onnx/sha256", 3),
        ("files/step.onnx/float16_tensors", ABSENT),
        ("files/step.onnx/float16_tensors", [[0]]),
        ("files/step.onnx/float16_tensors", [[-2, 4]]),
        ("files/step.onnx/float16_tensors", [["0", 4]]),
        ("calibration", ABSENT),
        ("calibration", [1]),
        ("calibration/furniture", 1),
        ("calibration/objects", ABSENT),
        ("calibration/objects/scale", math.nan),
        ("calibration/objects/scale", math.inf),
        ("calibration/objects/bias", "0"),
        ("calibration/objects/threshold", 1.5),
        ("calibration/objects/threshold", ABSENT),
    ],
)
def test_damage_inside_the_card_is_one_line_with_the_remedy(
    copy: Path, path: str, value: object
) -> None:
    card = json.loads((copy / artifacts.CARD).read_text())
    *parents, key = path.split("/")
    within = card
    for parent in parents:
        within = within[parent]
    if value is ABSENT:
        del within[key]
    else:
        within[key] = value
    (copy / artifacts.CARD).write_text(json.dumps(card))
    with pytest.raises(ModelError, match=r"card\.json is damaged \(.*git checkout") as caught:
        artifacts.load_card(copy)
    assert "\n" not in str(caught.value)


def test_a_tensor_beyond_the_file_is_a_model_error(copy: Path) -> None:
    card = json.loads((copy / artifacts.CARD).read_text())
    card["files"]["step.onnx"]["float16_tensors"] = [[0, 10**8]]
    (copy / artifacts.CARD).write_text(json.dumps(card))
    with pytest.raises(ModelError, match=r"step\.onnx ends beyond the file"):
        artifacts.random_weights(1, copy)


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
