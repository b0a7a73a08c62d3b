from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

DEMO = Path(__file__).parents[2] / "demos/vision_real.py"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve frames of a bright square that wanders over a slope of greys."""
    path = tmp_path_factory.mktemp("clip") / "clip.avi"
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (160, 120))
    slope = np.repeat(np.linspace(40, 160, 160, dtype=np.uint8)[None, :, None], 120, axis=0)
    for number in range(12):
        frame = np.repeat(slope, 3, axis=2)
        frame[40:70, 10 * number : 10 * number + 30] = (230, 220, 60)
        video.write(frame)
    video.release()
    return path


def run(*args: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, DEMO, *map(str, args)],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=120,
    )


def test_every_frame_shows_an_energy_that_falls(clip: Path, tmp_path: Path) -> None:
    options = ("--frames", 4, "--every", 3, "--noise", 50, "--tolerance-db", 0, "--slope-eps", 0)
    done = run(f"file:{clip}", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    curves = re.findall(r"^frame +\d+  energy ([\d. >]+) e-3", done.stdout, re.MULTILINE)
    assert len(curves) == 4
    for curve in curves:
        energies = [float(value) for value in curve.split(" > ")]
        assert min(energies) < energies[0]
    (first, best) = re.findall(r"mean energy ([\d.]+) after one step, ([\d.]+)", done.stdout)[0]
    assert float(best) < float(first)
    assert re.search(r"4 frames, .* steps saved; [\d.]+ ms a frame \(p95 [\d.]+\)", done.stdout)
    picture = cv2.imread(str(tmp_path / "vision_real.png"))
    assert picture is not None
    assert picture.std() > 10.0


def test_stopping_early_saves_steps(clip: Path, tmp_path: Path) -> None:
    options = ("--frames", 3, "--max-steps", 8, "--noise", 50, "--quiet", "--out", "none")
    options += ("--slope-eps", 0)
    late = run(f"file:{clip}", *options, "--tolerance-db", 0, cwd=tmp_path)
    early = run(f"file:{clip}", *options, "--tolerance-db", 40, cwd=tmp_path)
    saved = [int(re.findall(r"(\d+) steps saved", done.stdout)[0]) for done in (late, early)]
    assert saved == [0, 3 * 7]
    assert "frame   0" not in early.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_video_of_the_apartment_is_written(tmp_path: Path) -> None:
    done = run("sim:apartment?seed=3", "--frames", 2, "--out", "seen.mp4", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    video = cv2.VideoCapture(str(tmp_path / "seen.mp4"))
    assert int(video.get(cv2.CAP_PROP_FRAME_COUNT)) == 2
    video.release()


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["file:no_such.mp4"], "no_such.mp4"),
        (["--out", "seen.gif"], "must end in .png or .mp4"),
        (["--frames", "0"], "--frames must be at least 1, got 0"),
        (["--max-steps", "21"], "max_steps 21 must be a whole number in"),
        (["--tolerance-db", "-1"], "tolerance_db -1.0 must be a number in"),
        (["--noise", "300"], "--noise must be in [0, 255], got 300"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(args: list[str], told: str, tmp_path: Path) -> None:
    done = run(*args, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
