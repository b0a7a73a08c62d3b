"""The detection demo: what it draws, and what it refuses before any work is done."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from demos import detection

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
MODEL, VIDEO = DATA / "models" / "nanodet.onnx", DATA / "video" / "vtest.avi"


@pytest.mark.skipif(not MODEL.is_file() or not VIDEO.is_file(), reason=f"no {DATA}")
def test_what_is_found_is_framed_in_the_last_frame(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import cv2

    out = tmp_path / "people.png"
    files = ["--video", str(VIDEO), "--model", str(MODEL)]
    assert detection.main([*files, "--frames", "1", "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert int(told.removeprefix("frame 0: ").split()[0]) >= 3
    capture = cv2.VideoCapture(str(VIDEO))
    _, frame = capture.read()
    capture.release()
    drawn = cv2.imread(str(out))
    assert drawn is not None
    differs = (drawn != frame).any(axis=2)
    assert (drawn[differs] == (40, 40, 255)).all(), "the rest is the frame"
    assert 100 < np.count_nonzero(differs) < 0.1 * differs.size


def test_what_cannot_be_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused = {
        "--frames 0 must be 1 or more": ["--frames", "0"],
        "--out people.txt must end in .png, .jpg, .jpeg or .mp4": ["--out", "people.txt"],
        "there is no folder no/such": ["--out", "no/such/people.png"],
        "none.onnx": ["--model", "none.onnx"],
    }
    for said, arguments in refused.items():
        assert detection.main(["--video", str(tmp_path / "none.avi"), *arguments]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert said in line
