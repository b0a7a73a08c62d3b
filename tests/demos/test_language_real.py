from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from sage.worlds.apartment.voices import recording_for

DEMO = Path(__file__).parents[2] / "demos/language_real.py"


def run(*args: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, DEMO, *map(str, args)],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=120,
    )


def test_a_form_is_unmasked_step_by_step(tmp_path: Path) -> None:
    understood = (
        "find the apple in the kitchen",
        "go to the bedroom and tell me how many fruits there are",
        "could you please go to the kitchen and look for the milk for me",
    )
    done = run(*understood, "purple monkey dishwasher", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = done.stdout.split("typed: ")[1:]
    assert len(told) == 4
    masked_first = masked_last = 0
    for text in told:
        steps = re.findall(r"step (\d+)  energy +([\d.]+)  (.*)", text)
        assert [int(number) for number, _, _ in steps] == list(range(1, len(steps) + 1))
        assert len(steps) >= 2
        masked_first += steps[0][2].count("[?")
        masked_last += steps[-1][2].count("[?")
    assert masked_first > masked_last
    assert "would do: find the apple in the kitchen" in told[0]
    assert "apple (object), kitchen (room)" in told[0]
    assert "would do" not in told[3]
    assert "asks or declines" in told[3]
    assert re.search(r"4 commands: \d to do, \d asked back or declined", done.stdout)


def test_a_recording_is_heard_and_understood(tmp_path: Path) -> None:
    recording = recording_for("come back", "colin")
    done = run(recording.path, "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f'{recording.path.name}: "come back"' in done.stdout
    assert 'heard "come back", confidence ' in done.stdout
    assert "speech from 0." in done.stdout
    assert "would do: come back" in done.stdout
    assert "step 1" not in done.stdout


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["no_such.wav"], "no_such.wav"),
        (["--count", "0"], "--count must be at least 1, got 0"),
        (["--recogniser", "parrot"], "unknown recogniser 'parrot'"),
        (["."], "holds no recordings"),
        (["go", "--max-steps", "33"], "max_steps 33 must be in"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(args: list[str], told: str, tmp_path: Path) -> None:
    done = run(*args, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
