from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[2] / "demos/orchestrator_demo.py"
CYCLE = re.compile(r"^cycle +\d+ +(\d+) of 1000 ATP \| (.*)$", re.MULTILINE)
SHARE = re.compile(r"(\w+) (\d+) ATP (\d+) steps")


def run(*args: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, DEMO, *map(str, args)],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=120,
    )


def test_three_plugins_share_one_budget(tmp_path: Path) -> None:
    options = ("--seconds", 2, "--every", 0.2, "--say", "go to the kitchen", "--vision-steps", 8)
    done = run(*options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    cycles = CYCLE.findall(done.stdout)
    assert len(cycles) >= 15
    names = set()
    for _, shares in cycles:
        for name, spent, steps in SHARE.findall(shares):
            names.add(name)
            assert int(spent) >= 0
            assert int(steps) > 0
    assert names == {"vision", "language", "control"}
    assert 'heard "go to the kitchen" -> do: go to the kitchen' in done.stdout
    assert re.search(r"control +\d+ ATP spent, .* trust 0\.\d\d", done.stdout)


def test_what_there_is_no_room_for_is_shed_and_counted_but_never_control(tmp_path: Path) -> None:
    done = run("--seconds", 2, "--budget", 0.05, "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^  vision: \d+ shed", done.stdout, re.MULTILINE)
    assert not re.search(r"^  control: \d+ shed", done.stdout, re.MULTILINE)
    assert len(re.findall(r"control +\d+ ATP spent", done.stdout)) == 1


def test_quiet_prints_the_books_alone(tmp_path: Path) -> None:
    done = run("--seconds", 0.4, "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not CYCLE.findall(done.stdout)
    assert "in 0.4 s, 4 cycles" in done.stdout


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--seconds", "0"], "--seconds must lie in [0.2, 600], got 0"),
        (["--budget", "1.5"], "--budget must lie in (0, 1], got 1.5"),
        (["--policy", "fair"], "policy must be one of greedy, proportional, equal, edf"),
        (["--every", "nan"], "--every must lie in [0.1, 600], got nan"),
        (["--vision-steps", "0"], "max_steps 0 must be a whole number in"),
        (["--seed", "-1"], "seed"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(args: list[str], told: str, tmp_path: Path) -> None:
    done = run(*args, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
