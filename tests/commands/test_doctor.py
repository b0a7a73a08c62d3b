from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest

from sage.commands import doctor
from sage.commands.doctor import Finding
from sage.commands.models import Artifact


def only(monkeypatch: pytest.MonkeyPatch, *findings: Finding) -> None:
    check: Callable[[], Iterator[Finding]] = lambda: iter(findings)  # noqa: E731
    monkeypatch.setattr(doctor, "CHECKS", (check,))


def test_this_machine_can_run_the_tests_so_python_and_packages_are_fine() -> None:
    for check in (doctor.check_python, doctor.check_packages, doctor.check_inference):
        assert [finding.level for finding in check()] == ["ok"]


def test_a_fault_is_exit_code_1_and_names_its_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    only(monkeypatch, Finding("a", "ok", "fine"), Finding("b", "fault", "broken", "do this"))
    assert doctor.main([]) == 1
    assert "FAIL b" in (printed := capsys.readouterr().out)
    assert "mend it: do this" in printed


def test_a_warning_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, Finding("a", "warning", "hm", "try that"))
    assert doctor.main([]) == 0


def test_json_is_the_findings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    only(monkeypatch, Finding("b", "fault", "broken", "do this"))
    assert doctor.main(["--json"]) == 1
    assert json.loads(capsys.readouterr().out) == [
        {"check": "b", "level": "fault", "detail": "broken", "mend": "do this"}
    ]


@pytest.mark.parametrize("version", [(3, 9, 18), (3, 13, 0)])
def test_an_unsupported_python_is_a_fault(
    version: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "sys", SimpleNamespace(version_info=version))
    (finding,) = doctor.check_python()
    assert finding.level == "fault"
    assert "Python 3.10" in finding.mend


def test_a_missing_package_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        metadata, "requires", lambda _: ["no-such-thing>=1,<2", 'torch; extra == "train"']
    )
    (finding,) = doctor.check_packages()
    assert (finding.level, finding.detail) == ("fault", "missing: no-such-thing")
    assert finding.mend == f"{sys.executable} -m pip install no-such-thing"


def test_a_broken_renderer_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "RENDER", "import sys; sys.exit('no EGL device')")
    (finding,) = doctor.check_rendering()
    assert (finding.level, finding.detail) == ("fault", "cannot draw the apartment: no EGL device")
    assert "libegl1" in finding.mend


def test_a_renderer_that_kills_its_process_or_hangs_is_a_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(doctor, "RENDER", "import os; os.abort()")
    (finding,) = doctor.check_rendering()
    assert "exit status -6" in finding.detail
    monkeypatch.setattr(doctor, "RENDER", "import time; time.sleep(60)")
    monkeypatch.setattr(doctor, "RENDER_TIMEOUT_S", 0.5)
    (finding,) = doctor.check_rendering()
    assert finding.detail == "no picture within 0.5 s"


def test_the_renderer_draws_here() -> None:
    (finding,) = doctor.check_rendering()
    assert finding.level == "ok", finding
    assert "ms a frame" in finding.detail


def test_damaged_weights_are_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = Artifact("vision/step.onnx", "step.onnx", 1, "missing", "git checkout -- models")
    monkeypatch.setattr(doctor, "artifacts", lambda folder: iter([damaged]))
    (finding,) = doctor.check_weights()
    assert (finding.level, finding.mend) == ("fault", "git checkout -- models")


def test_cameras_are_listed_by_uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [finding.level for finding in doctor.check_cameras(tmp_path)] == ["ok"]
    (tmp_path / "video0").touch()
    (finding,) = doctor.check_cameras(tmp_path)
    assert finding.detail == "camera:0"
    monkeypatch.setattr(doctor.os, "access", lambda path, mode: False)
    (finding,) = doctor.check_cameras(tmp_path)
    assert finding.level == "warning"
    assert "usermod -aG video" in finding.mend


def test_a_full_disk_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: SimpleNamespace(free=10e6))
    assert [finding.level for finding in doctor.check_folders()] == ["warning", "warning"]


def test_a_deleted_current_folder_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    current = next(doctor.check_folders())
    assert (current.check, current.level) == ("current folder", "warning")
    assert "No such file or directory" in current.detail


def test_files_of_the_current_folder_do_not_shadow_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('mine')")
    (tmp_path / "mujoco.py").write_text("raise SystemExit('mine')")
    monkeypatch.chdir(tmp_path)
    (finding,) = doctor.check_rendering()
    assert "mine" not in finding.detail
