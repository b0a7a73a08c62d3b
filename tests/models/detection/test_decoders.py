"""Every head, as a real ONNX graph with known answers, through the whole detector."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.detection import DetectorConfig, Region, open_detector
from models.detection.decoders import cells, recognised
from sage.irp import ConfigError, ModelError

onnx = pytest.importorskip("onnx", reason="builds its own networks with onnx")

SIDE = 64
WANTED = np.array([[8.0, 16.0, 40.0, 56.0]])
"""Left, top, right, bottom of the one thing that every network here finds, of class 1."""


def save(path: Path, outputs: dict[str, np.ndarray], side: int = SIDE) -> Path:
    """A network that puts out the same whatever it sees."""
    from onnx import TensorProto, helper, numpy_helper

    nodes, made = [], []
    nodes.append(helper.make_node("ReduceSum", ["image"], ["sum"], keepdims=0))
    nodes.append(helper.make_node("Mul", ["sum", "none"], ["zero"]))
    constants = [numpy_helper.from_array(np.zeros((), np.float32), "none")]
    for name, value in outputs.items():
        constants.append(numpy_helper.from_array(value.astype(np.float32), f"{name}_is"))
        nodes.append(helper.make_node("Add", [f"{name}_is", "zero"], [name]))
        made.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, side, side])
    graph = helper.make_graph(nodes, "head", [image], made, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(path))
    return path


def labels(folder: Path, count: int = 3) -> str:
    path = folder / "names.txt"
    path.write_text("".join(f"thing {n}\n" for n in range(count)))
    return str(path)


def gfl() -> dict[str, np.ndarray]:
    """A cell of stride 16 at (24, 40) from which the four sides are 1, 1.5, 1, 1 strides away."""
    outputs = {}
    for number, stride in enumerate((8, 16, 32)):
        count = cells((SIDE, SIDE), stride)
        scores, sides = np.full((1, count, 3), 0.01), np.zeros((1, count, 4, 8))
        if stride == 16:
            cell = 2 * (SIDE // 16) + 1  # its centre is (24, 40)
            scores[0, cell, 1] = 0.9
            for side, (low, share) in enumerate(((1, 0.0), (1, 0.5), (1, 0.0), (1, 0.0))):
                sides[0, cell, side] = -40.0
                sides[0, cell, side, low] = np.log(max(1.0 - share, 1e-9))
                sides[0, cell, side, low + 1] = np.log(max(share, 1e-9))
        outputs[f"s{number}"], outputs[f"d{number}"] = scores, sides.reshape(1, count, 32)
    return outputs


def yolo() -> dict[str, np.ndarray]:
    value = np.zeros((1, 100, 8))
    value[0, 7] = [24, 36, 32, 40, 0.95, 0.0, 0.95, 0.0]
    return {"output": value}


def yolov8() -> dict[str, np.ndarray]:
    value = np.zeros((1, 7, 100))
    value[0, :, 7] = [24, 36, 32, 40, 0.0, 0.9, 0.0]
    return {"output0": value}


def yolox() -> dict[str, np.ndarray]:
    value = np.zeros((1, sum(cells((SIDE, SIDE), s) for s in (8, 16, 32)), 8))
    cell = 4 * 8 + 3  # at (24, 32) of stride 8
    value[0, cell] = [0.0, 0.5, np.log(4.0), np.log(5.0), 0.95, 0.0, 0.95, 0.0]
    return {"output": value}


def ssd() -> dict[str, np.ndarray]:
    boxes, scores = np.zeros((1, 50, 4)), np.zeros((1, 50, 4))
    scores[..., 0] = 1.0
    boxes[0, 3], scores[0, 3] = WANTED[0] / SIDE, [0.1, 0.0, 0.9, 0.0]
    return {"boxes": boxes, "confidences": scores}


def tensorflow() -> dict[str, np.ndarray]:
    boxes = np.zeros((1, 10, 4))
    boxes[0, 0] = WANTED[0][[1, 0, 3, 2]] / SIDE
    return {
        "detection_boxes": boxes,
        "detection_scores": np.array([[0.9, *[0.8] * 9]]),
        "detection_classes": np.full((1, 10), 2.0),
        "num_detections": np.array([1.0]),
    }


def torchvision() -> dict[str, np.ndarray]:
    return {"boxes": WANTED, "labels": np.array([2.0]), "scores": np.array([0.9])}


def end_to_end() -> dict[str, np.ndarray]:
    value = np.zeros((1, 20, 6))
    value[0, 0] = [*WANTED[0], 0.9, 1.0]
    return {"output0": value}


@pytest.mark.parametrize(
    ("make", "head", "given"),
    [
        (gfl, "gfl", None),
        (yolo, "yolo", None),
        (yolov8, "yolov8", None),
        (yolox, "yolox", "yolox"),
        (ssd, "ssd", None),
        (tensorflow, "finished", None),
        (torchvision, "finished", None),
        (end_to_end, "finished", None),
    ],
)
def test_each_head_gives_the_known_box(make, head: str, given: str | None, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    model = save(tmp_path / "net.onnx", make())
    detector = open_detector(model, DetectorConfig(head=given, labels=labels(tmp_path)))
    assert detector.head == head
    frame = np.full((200, 200, 3), 90, np.uint8)
    found = detector.look(frame, Region(0, 0, SIDE, SIDE), 0.3)
    np.testing.assert_allclose(found.corners_px, WANTED, atol=0.01)
    assert detector.names[int(found.labels[0])] == "thing 1"
    assert found.scores[0] == pytest.approx(0.9, abs=0.01)
    # A crop twice as large lies elsewhere and shows everything at half its size.
    there = detector.look(frame, Region(50, 60, 50 + 2 * SIDE, 60 + 2 * SIDE), 0.3)
    np.testing.assert_allclose(there.corners_px, 2 * WANTED + [50, 60, 50, 60], atol=0.02)
    assert not len(detector.look(frame, Region(0, 0, SIDE, SIDE), 0.95))


def test_priors_are_decoded(tmp_path: Path) -> None:
    outputs = ssd()
    outputs["boxes"][0, 3] = [1.0, -1.0, np.log(2.0) / 0.2, 0.0]
    priors = np.full((50, 4), 0.25)
    np.savetxt(tmp_path / "priors.txt", priors)
    model = save(tmp_path / "net.onnx", outputs)
    (tmp_path / "net.yaml").write_text("head: ssd\nlabels: names.txt\npriors: priors.txt\n")
    labels(tmp_path)
    found = open_detector(model).look(np.zeros((64, 64, 3), np.uint8), Region(0, 0, 64, 64), 0.3)
    # Centre (0.275, 0.225), size (0.5, 0.25) of 64 pixels.
    np.testing.assert_allclose(found.corners_px, [[1.6, 6.4, 33.6, 22.4]], atol=0.01)


def test_a_wide_frame_is_letterboxed_in_the_middle(tmp_path: Path) -> None:
    detector = open_detector(
        save(tmp_path / "net.onnx", yolov8()), DetectorConfig(labels=labels(tmp_path))
    )
    frame = np.zeros((64, 128, 3), np.uint8)
    found = detector.look(frame, Region(0, 0, 128, 64, True), 0.3)
    # Twice as large, 16 rows of the input above it, cut at the frame.
    np.testing.assert_allclose(found.corners_px, [[16.0, 0.0, 80.0, 64.0]], atol=0.01)


def test_what_cannot_be_told_names_what_was_found_and_the_choices(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"several heads fit \(yolo, yolox\).*84x8.*--head: gfl"):
        open_detector(save(tmp_path / "a.onnx", yolox()), DetectorConfig(labels=labels(tmp_path)))
    with pytest.raises(ModelError, match=r"no known head fits.*odd 1x5x2.*yolov8"):
        open_detector(save(tmp_path / "b.onnx", {"odd": np.zeros((1, 5, 2))}))
    with pytest.raises(ModelError, match=r"head 'gfl'"):
        open_detector(save(tmp_path / "c.onnx", yolov8()), DetectorConfig(head="gfl"))
    assert recognised({"o": np.zeros((1, 2000, 85))}, (640, 640), None) == "yolo"


def test_class_names_must_fit_the_network(tmp_path: Path) -> None:
    model = save(tmp_path / "net.onnx", yolov8())
    with pytest.raises(ModelError, match=r"3 classes.*coco.txt names 80; give --labels"):
        open_detector(model)
    with pytest.raises(ModelError, match=r"7|no known head"):
        open_detector(model, DetectorConfig(labels=labels(tmp_path, 7)))
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(ConfigError, match=r"empty\.txt"):
        open_detector(model, DetectorConfig(labels=str(tmp_path / "empty.txt")))


def test_settings_beside_the_model_are_checked(tmp_path: Path) -> None:
    model = save(tmp_path / "net.onnx", yolov8())
    for text, says in (
        ("heads: yolo", "unknown key 'heads'"),
        ("head: yolo9", "none of gfl"),
        ("std: [0, 1, 1]", "positive"),
        ("input_px: [4, 4]", r"\[16, 8192\]"),
        ("- 1", "no keys"),
    ):
        (tmp_path / "net.yaml").write_text(text)
        with pytest.raises(ConfigError, match=says):
            open_detector(model)
    with pytest.raises(ModelError, match=r"none\.onnx"):
        open_detector(tmp_path / "none.onnx")
