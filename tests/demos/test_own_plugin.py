from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).parents[2] / "demos/own_plugin.py"


def test_the_demo_prints_an_energy_that_falls_and_a_better_picture(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, DEMO], capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert done.returncode == 0, done.stderr
    energies = [float(value) for value in re.findall(r"energy +([\d.]+)", done.stdout)]
    assert len(energies) > 3
    assert energies == sorted(energies, reverse=True)
    assert "halted: converged" in done.stdout
    errors = [float(value) for value in re.findall(r"error of .+ ([\d.]+)", done.stdout)]
    noisy, first, answer = errors
    assert answer < 0.7 * first < 0.7 * noisy
