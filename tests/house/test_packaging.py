from __future__ import annotations

import json
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import setuptools
from packaging.requirements import Requirement

from tests.house.import_rule import INSTALLED

PYTHONS = ("3.10", "3.11", "3.12")
# What may stand in a package's folder and still stay out of an installation.
NOT_SHIPPED = ("*.py", "*.pyc")
# Folders inside packages that only a checkout has: training reads them, the runtime never does.
ONLY_IN_A_CHECKOUT = {"models/language/trunk"}


@pytest.fixture(scope="module")
def packaging() -> dict[str, Any]:
    """The arguments that setup.py passes to setup()."""
    passed: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setuptools, "setup", lambda **arguments: passed.update(arguments))
        runpy.run_path(str(Path(__file__).resolve().parents[2] / "setup.py"))
    return passed


def pins(path: Path) -> Iterator[Requirement]:
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.partition("#")[0].strip()
        if text:
            yield Requirement(text)


def pinned_for(repository: Path, python: str) -> dict[str, str]:
    """Package to exact version on one Python; fails on a range or a second pin."""
    chosen: dict[str, str] = {}
    for path in sorted((repository / "constraints").glob("*.txt")):
        for pin in pins(path):
            if pin.marker and not pin.marker.evaluate({"python_version": python}):
                continue
            (specifier,) = pin.specifier
            assert specifier.operator == "==", f"{path.name}: {pin} is no exact pin"
            assert pin.name.lower() not in chosen, f"{path.name}: {pin.name} is pinned twice"
            chosen[pin.name.lower()] = specifier.version
    return chosen


def test_every_package_on_disk_is_listed_and_no_other(
    repository: Path, packaging: dict[str, Any]
) -> None:
    on_disk = {
        ".".join(path.parent.relative_to(repository).parts)
        for name in INSTALLED
        for path in (repository / name).rglob("__init__.py")
    }
    assert set(packaging["packages"]) == on_disk


def test_every_file_in_a_package_is_code_or_listed_data(
    repository: Path, packaging: dict[str, Any]
) -> None:
    for name in packaging["packages"]:
        for path in (repository / name.replace(".", "/")).iterdir():
            if path.is_dir():
                if path.relative_to(repository).as_posix() in ONLY_IN_A_CHECKOUT:
                    continue
                assert path.name == "__pycache__" or (path / "__init__.py").is_file(), (
                    f"{path} is no package: what it holds would not be installed"
                )
                continue
            patterns = (*NOT_SHIPPED, *packaging["package_data"][name])
            assert any(fnmatch(path.name, pattern) for pattern in patterns), path


@pytest.mark.parametrize("python", PYTHONS)
def test_pins_lie_inside_the_ranges(
    repository: Path, packaging: dict[str, Any], python: str
) -> None:
    pinned = pinned_for(repository, python)
    extras = packaging["extras_require"]
    for text in [
        *packaging["install_requires"],
        *extras["dev"],
        *extras["train"],
        *extras["bench"],
    ]:
        requirement = Requirement(text)
        assert pinned[requirement.name.lower()] in requirement.specifier, text


def test_the_runtime_asks_for_nothing_that_only_training_needs(
    repository: Path, packaging: dict[str, Any]
) -> None:
    names = {Requirement(text).name.lower() for text in packaging["install_requires"]}
    names |= {pin.name.lower() for pin in pins(repository / "constraints" / "run.txt")}
    assert not names & {"torch", "torchvision", "onnx", "onnxscript"}


def test_python_range(packaging: dict[str, Any]) -> None:
    from packaging.specifiers import SpecifierSet

    allowed = SpecifierSet(packaging["python_requires"])
    assert [v for v in ("3.9", *PYTHONS, "3.13") if v in allowed] == list(PYTHONS)


def test_an_ordinary_installation_works_beside_a_users_own_folders(
    repository: Path, packaging: dict[str, Any], tmp_path: Path
) -> None:
    """Not editable: what setup.py forgets is missing here."""
    source, target, home = tmp_path / "source", tmp_path / "installed", tmp_path / "home"
    for name in INSTALLED:  # a copy, since building leaves files beside the source
        shutil.copytree(
            repository / name, source / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("setup.py", "pyproject.toml", "LICENSE", "NOTICE"):
        shutil.copy(repository / name, source / name)
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    built = subprocess.run(
        [*pip, "--no-deps", "--no-index", "--no-build-isolation", "--target", target, source],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert built.returncode == 0, built.stderr
    for name in packaging["packages"]:
        for path in (repository / name.replace(".", "/")).iterdir():
            if path.is_file() and path.suffix != ".pyc":
                assert (target / path.relative_to(repository)).is_file(), f"{path} not installed"
    for folder in ONLY_IN_A_CHECKOUT:
        assert (repository / folder).is_dir(), f"{folder} is gone: no exception is needed for it"
        assert not (target / folder).exists(), f"{folder} is installed"
    (home / "models").mkdir(parents=True)
    (home / "models" / "__init__.py").write_text("raise RuntimeError('the user's own')")
    where = subprocess.run(
        [sys.executable, "-m", "sage", "models", "--json"],
        cwd=home,
        env={"PYTHONPATH": str(target), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert where.returncode == 0, where.stderr
    listing = json.loads(where.stdout)
    assert listing["folder"] == str(target / "models")
    assert {artifact["state"] for artifact in listing["artifacts"]} == {"ok"}
    assert not any("trunk" in artifact["name"] for artifact in listing["artifacts"])
