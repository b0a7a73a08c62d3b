"""The commands work from any folder, also one whose names collide with ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BOOM = "raise RuntimeError('the folder of the user was imported')\n"
SAGE = Path(sys.executable).with_name("sage")
COMMANDS = {
    "python -m sage": [sys.executable, "-m", "sage"],
    "python -m sage.run": [sys.executable, "-m", "sage.run"],
    "sage": [str(SAGE)],
}
# Prints where each package comes from, after what the commands do first.
WHERE = (
    "from sage._safepath import secure_imports, FIRST_PARTY; secure_imports(); import importlib; "
    "print([importlib.import_module(name).__file__ for name in FIRST_PARTY])"
)


@pytest.fixture
def workshop(tmp_path: Path) -> Path:
    """A robot builder's folder: some of their own have an __init__.py, some do not."""
    for name in ("models", "plugins"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(BOOM)
    for name in ("memory", "orchestrator", "runs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "notes.py").write_text(BOOM)
    (tmp_path / "my_robot.py").write_text("WHEELS = 2\n")
    return tmp_path


def call(arguments: list[str], cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return subprocess.run(
        arguments, cwd=cwd, env=kept | environment, capture_output=True, text=True, timeout=90
    )


@pytest.mark.parametrize("how", COMMANDS)
@pytest.mark.parametrize("place", ["workshop", "repository"])
def test_help_works_from_any_folder(how: str, place: str, request: pytest.FixtureRequest) -> None:
    done = call([*COMMANDS[how], "--help"], request.getfixturevalue(place))
    assert done.returncode == 0, done.stderr
    assert "usage" in done.stdout


@pytest.mark.parametrize("how", ["python -m sage", "sage"])
def test_a_command_that_imports_our_models_gets_ours(
    how: str, workshop: Path, repository: Path
) -> None:
    done = call([*COMMANDS[how], "models", "--json"], workshop)
    assert done.returncode == 0, done.stderr
    assert str(repository) in done.stdout


@pytest.mark.parametrize("environment", [{}, {"PYTHONPATH": "."}])
def test_ours_are_found_first(
    workshop: Path, repository: Path, environment: dict[str, str]
) -> None:
    done = call([sys.executable, "-c", WHERE], workshop, **environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(str(repository)) == 4


def test_the_current_directory_is_dropped_but_one_the_user_named_stays(workshop: Path) -> None:
    code = "from sage._safepath import secure_imports; secure_imports(); import my_robot"
    assert "No module named 'my_robot'" in call([sys.executable, "-c", code], workshop).stderr
    assert call([sys.executable, "-c", code], workshop, PYTHONPATH=".").returncode == 0


def test_importing_sage_changes_nothing(workshop: Path) -> None:
    code = (
        "import sys; before = (list(sys.path), list(sys.meta_path)); import sage, sage.irp; "
        "assert before == (list(sys.path), list(sys.meta_path)); import my_robot"
    )
    done = call([sys.executable, "-c", code], workshop)
    assert done.returncode == 0, done.stderr


def test_a_checkout_that_is_not_installed_finds_itself(repository: Path, tmp_path: Path) -> None:
    """Only the checkout's root on the path, and that as the current directory."""
    code = (
        f"import sys; sys.path[1:] = [p for p in sys.path[1:] if p != {str(repository)!r}]; {WHERE}"
    )
    done = call([sys.executable, "-c", code], repository)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(str(repository)) == 4


def test_the_parent_of_a_checkout_named_sage(repository: Path, tmp_path: Path) -> None:
    """There the folder ``sage`` is a checkout, not the package."""
    (tmp_path / "sage" / "docs").mkdir(parents=True)
    done = call([sys.executable, "-m", "sage", "--help"], tmp_path)
    assert done.returncode == 0, done.stderr
