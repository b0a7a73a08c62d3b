"""The detection benchmark: its scores, its rows, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import detection
from benchmarks.detection_runs import Agreement, RecordedLooks, Run, agreement, f1
from benchmarks.detection_trivial import Replay, best_threshold
from models.detection import Boxes, Region
from models.detection.boxes import NONE, joined
from plugins.detection import DetectionConfig, DetectionPlugin
from plugins.detection_memory import NOTHING, Things

onnx = pytest.importorskip("onnx", reason="builds its own network with onnx")


def boxes(*corners: tuple[float, float, float, float], label: int = 0) -> Boxes:
    return Boxes(
        np.array(corners, np.float32),
        np.ones(len(corners), np.float32),
        np.full(len(corners), label, np.int64),
    )


def things(*parts: tuple[Boxes, float]) -> Things:
    """All are reported that score 0.5 or more."""
    found = joined([Boxes(b.corners_px, b.scores * np.float32(s), b.labels) for b, s in parts])
    none = np.zeros(len(found), np.int64)
    return Things(found, found.scores >= 0.5, none, none)


ONE, NEAR, FAR = (0, 0, 10, 10), (0, 0, 10, 9), (30, 30, 40, 40)


def test_f1_counts_one_to_one_and_class_by_class() -> None:
    def counts(found: Boxes, reference: Boxes) -> Agreement:
        return agreement(found, things((reference, 0.9)), 0.4, 0.6)

    assert counts(boxes(ONE), boxes(NEAR)) == Agreement(1, 0, 0)
    assert counts(boxes(ONE, NEAR), boxes(ONE)) == Agreement(1, 1, 0), "one thing is found once"
    assert counts(boxes(ONE), boxes(ONE, label=1)) == Agreement(0, 1, 1)
    first, second = things((boxes(ONE), 0.9)), things((boxes(FAR), 0.9))
    assert f1([first, second], [first, NOTHING], 0, 0.4, 0.6) == pytest.approx(2 / 3)
    assert f1([first, second], [second, second], 1, 0.4, 0.6) == 1.0
    assert f1([NOTHING], [NOTHING], 0, 0.4, 0.6) == 1.0


@pytest.mark.parametrize("score", [0.45, 0.55])
def test_what_is_unclear_counts_neither_found_nor_missed(score: float) -> None:
    reference = things((boxes(ONE), 0.9), (boxes(FAR), score))
    for found in (boxes(ONE), boxes(ONE, FAR)):
        assert agreement(found, reference, 0.4, 0.6) == Agreement(1, 0, 0)
    strict = agreement(boxes(ONE), reference, 0.0, 0.0)
    assert strict == Agreement(1, 0, int(score >= 0.5))
    elsewhere = agreement(boxes(ONE, (60, 60, 70, 70)), reference, 0.4, 0.6)
    assert elsewhere == Agreement(1, 1, 0), "a false alarm stays one"
    assert agreement(NONE, reference, 0.4, 0.6) == Agreement(0, 0, 1), "what is clear counts"


def brightness_network(path: Path) -> Path:
    """One box in the middle of whatever it sees, as sure of it as that is bright."""
    from onnx import TensorProto, helper, numpy_helper

    box = numpy_helper.from_array(np.array([[[16.0], [16.0], [12.0], [12.0]]], np.float32), "box")
    shape = numpy_helper.from_array(np.array([1, 1, 1]), "shape")
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], keepdims=0),
        helper.make_node("Reshape", ["mean", "shape"], ["score"]),
        helper.make_node("Concat", ["box", "score"], ["column"], axis=1),
        helper.make_node("Tile", ["column", "times"], ["output"]),
    ]
    times = numpy_helper.from_array(np.array([1, 1, 10]), "times")
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 32, 32])
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 5, 10])
    graph = helper.make_graph(nodes, "bright", [image], [output], [box, shape, times])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(path))
    return path


def video(path: Path, frames: int) -> Path:
    import cv2

    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (64, 48))
    picture = np.full((48, 64, 3), 200, np.uint8)
    picture[::4] = 120
    for number in range(frames):
        frame = picture.copy()
        frame[20:30, number : number + 10] = 255
        writer.write(frame)
    writer.release()
    return path


def test_both_rows_are_published_for_any_video_and_model(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("light\n")
    arguments = ["--video", str(video(tmp_path / "clip.avi", 14))]
    arguments += ["--model", str(brightness_network(tmp_path / "net.onnx"))]
    arguments += ["--labels", str(tmp_path / "names.txt"), "--json", str(tmp_path / "out.json")]
    assert detection.main([*arguments, "--frames", "4", "--lead-in", "2"]) == 0
    written = json.loads((tmp_path / "out.json").read_text())
    rows = {row["id"]: row for row in written["rows"]}
    assert set(rows) == {"detection.saving", "detection.margin_whole_frame"}
    saving = rows["detection.saving"]
    assert (saving["floor"], saving["goal"]) == (3.0, 8.0)
    assert written["scores"]["reference"] == 1.0
    assert written["frames"] == 4
    assert written["by_itself"]["memoryless"] == 1.0
    assert saving["baselines"]["F1 lost by itself"] == 1.0 - written["by_itself"]["ours"]
    assert saving["baselines"]["unsmoothed, finer: crops per look"] > 0.0
    told = ("in turn", "random", "skipping frames")
    assert all(saving["baselines"][f"{plan}, losing 1 %"] >= 1.0 for plan in told)
    looks = ("fixed, random", "fixed, in turn", "every n-th frame", "every second frame")
    for name in looks:
        assert saving["baselines"][f"{name}: F1 lost"] == 1.0 - written["scores"][name]
    assert "whole frame, best threshold" in rows["detection.margin_whole_frame"]["baselines"]
    assert (written["video"], written["model"]) == (arguments[1], arguments[3]), "as it was typed"
    lost = saving["baselines"]["F1 lost"]
    claimed = saving["baselines"]["measured"] if lost <= 0.01 else 1.0
    assert saving["value"] == pytest.approx(claimed), "what loses more has saved nothing"


def test_the_default_files_are_told_without_where_the_project_lies() -> None:
    assert str(detection._DATA) == "../shared/data"


class SeesLight:
    """Sees the bright squares that lie in a crop, none in a larger part of the frame."""

    input_px = (64, 64)
    names = ("light",)

    def look(self, rgb: np.ndarray, region: Region, least: float) -> Boxes:
        import cv2

        if region.width > 64:
            return NONE
        part = rgb[region.top : region.bottom, region.left : region.right].min(axis=2) > 200
        count, _, stats, _ = cv2.connectedComponentsWithStats(part.astype(np.uint8))
        whole = [(x, y, x + w, y + h) for x, y, w, h, _ in stats[1:count].tolist()]
        shift = np.array([region.left, region.top] * 2, np.float32)
        return boxes(*whole).moved(1.0, *shift[:2]) if whole else NONE


@pytest.fixture
def replay() -> Replay:
    """Ten frames, all crops looked at, of two lights: one stays, one comes in the last frames."""
    noise = np.random.default_rng(0).integers(40, 90, (96, 160, 1), np.uint8)
    pictures = []
    for number in range(10):
        picture = np.repeat(noise, 3, axis=2)
        picture[20:32, 20:32] = 255
        if number >= 7:
            picture[60:72, 120:132] = 255
        picture[0, 0] = number  # no frame is like the one before
        pictures.append(picture)
    config = DetectionConfig(zooms=(1.0,), min_gain=0.0)
    recorded = RecordedLooks(SeesLight())
    exhaustive = DetectionPlugin(config, recorded)
    reference = Run("reference", exhaustive)
    for number, picture in enumerate(pictures):
        recorded.frame = number
        reference.see(picture, number)
    idle = DetectionPlugin(DetectionConfig(zooms=(1.0,), min_gain=1.0), recorded)
    assert len(recorded.regions) > 4
    assert f1(reference.found, [NOTHING] * 10, 2, 0.0, 0.0) == 0.0, "something is there"
    return Replay(pictures, recorded, exhaustive, idle, reference.found, 2, 0.01)


def test_a_plan_that_expects_nothing_gets_the_fewest_looks_with_which_it_loses_no_more(
    replay: Replay,
) -> None:
    crops = len(replay._recorded.regions)
    for rule in ("turns", "random"):
        needed = round(crops / replay.saved_by(rule))
        assert replay.lost(replay.fixed(needed, rule)) <= 0.01
        assert needed == 1 or replay.lost(replay.fixed(needed - 1, rule)) > 0.01, rule
    assert replay.lost(replay.fixed(crops, "turns")) == 0.0
    assert replay.lost(replay.fixed(1, "turns")) > 0.01, "the whole frame alone sees no light"


def test_skipping_frames_saves_as_many_as_lose_no_more(replay: Replay) -> None:
    skipped = replay.skipping(2)
    assert [bool(looks) for looks in skipped.looks[:4]] == [True, False, True, False]
    assert replay.lost(skipped) > 0.01, "the light that comes at an odd frame is late"
    assert replay.saved_by_skipping() == 1.0
    replay._most_lost = 0.5
    assert replay.saved_by_skipping() > 1.5


def test_the_best_threshold_is_that_of_these_very_frames() -> None:
    reference = [things((boxes(ONE), 0.9))]
    low = things((boxes(ONE), 0.4), (boxes(FAR), 0.3))
    assert f1([low], reference, 0, 0.0, 0.0) == 0.0
    assert best_threshold([low], reference, 0) == 1.0
    assert best_threshold([things((boxes(FAR), 0.9))], reference, 0) == 0.0


def test_what_cannot_be_run_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = str(brightness_network(tmp_path / "net.onnx"))
    assert detection.main(["--video", str(tmp_path / "none.avi"), "--model", model]) == 2
    assert detection.main(["--model", str(tmp_path / "none.onnx")]) == 2
    assert detection.main(["--frames", "0"]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 3
    assert "coco.txt names 80" in lines[0]
    assert "none.onnx" in lines[1]
    assert "--frames" in lines[2]
