"""The detection demo: what it refuses, before any work is done."""

from __future__ import annotations

from pathlib import Path

import pytest

from demos import detection


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--frames", "0"], "--frames 0 must be 1 or more"),
        (["--out", "people.txt"], "--out people.txt must end in .png, .jpg, .jpeg or .mp4"),
        (["--out", "no/such/people.png"], "there is no folder no/such"),
        (["--model", "none.onnx"], "none.onnx"),
    ],
)
def test_what_cannot_be_is_one_line(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert detection.main(["--video", str(tmp_path / "none.avi"), *arguments]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert said in lines[0]
