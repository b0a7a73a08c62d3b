"""The README's snippets run as they stand, and its commands exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from benchmarks import table


def test_the_plugin_in_the_readme_runs(repository: Path, tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (repository / "README.md").read_text(), re.S)
    code = "\n".join(blocks)  # the later one goes on where the first one ended
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert done.returncode == 0, done.stderr
    alone, shared = done.stdout.splitlines()
    assert alone.startswith("1.4142")
    assert shared.startswith("2.0 1.4142")


def test_every_benchmark_in_the_readme_exists(repository: Path) -> None:
    named = set(re.findall(r"python -m benchmarks\.(\w+)", (repository / "README.md").read_text()))
    assert named
    for name in named:
        assert (repository / "benchmarks" / f"{name}.py").is_file(), name


def test_every_picture_in_the_readme_exists(repository: Path) -> None:
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", (repository / "README.md").read_text())
    assert pictures
    for picture in pictures:
        assert (repository / picture).is_file(), picture


def test_the_figures_in_the_readme_are_those_of_the_results(repository: Path) -> None:
    assert table.main(["--check"]) == 0, "run: python -m benchmarks.table"
