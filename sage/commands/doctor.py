"""``sage doctor``: what works on this machine, and the command that mends what does not.

Each check is one function in ``CHECKS`` that returns findings. A fault makes SAGE's default run
impossible; a warning costs a feature. Exit code 0 without faults, 1 with one.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from sage.commands.models import GOOD, artifacts, models_folder

Level = Literal["ok", "warning", "fault"]
MARKS: dict[Level, str] = {"ok": "ok  ", "warning": "WARN", "fault": "FAIL"}
DISTRIBUTION = "sage-irp"
RENDER_TIMEOUT_S = 60.0
FREE_DISK_MB = 200

# Runs in a process of its own: a broken driver may end the interpreter. Its current folder is no
# place to import from: somebody's own numpy.py there is none of SAGE's.
RENDER = """
import sys
sys.path[:] = [entry for entry in sys.path if entry]
import os, time
os.environ.setdefault("MUJOCO_GL", "egl")
import mujoco
model = mujoco.MjModel.from_xml_string(
    '<mujoco><worldbody><light pos="0 0 3"/><geom size=".5" rgba="1 0 0 1"/></worldbody></mujoco>')
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
with mujoco.Renderer(model, 224, 224) as renderer:
    renderer.update_scene(data)
    picture = renderer.render()
    started = time.perf_counter()
    for _ in range(10):
        renderer.update_scene(data)
        picture = renderer.render()
    elapsed_ms = (time.perf_counter() - started) * 100.0
assert picture.max() > 0, "the picture is black"
print(f"{os.environ['MUJOCO_GL']}, {elapsed_ms:.1f} ms a frame at 224 x 224")
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check saw; ``mend`` is the command (or the advice) where it is not ok."""

    check: str
    level: Level
    detail: str
    mend: str = ""


def main(argv: Sequence[str] | None = None) -> int:
    """Check, print, and return 0 without faults, 1 with one."""
    parser = argparse.ArgumentParser(
        prog="sage doctor", description="Check this machine, and say how to mend it."
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")
    options = parser.parse_args(argv)
    findings = []
    for check in CHECKS:
        for finding in check():
            findings.append(finding)
            if not options.json:
                _print(finding)
    if options.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
    return 1 if any(finding.level == "fault" for finding in findings) else 0


def _print(finding: Finding) -> None:
    print(f"{MARKS[finding.level]} {finding.check:<22} {finding.detail}", flush=True)
    if finding.mend:
        print(f"     {'':<22} mend it: {finding.mend}", flush=True)


def check_python() -> Iterator[Finding]:
    """The interpreter's version, and the machine."""
    version = platform.python_version()
    good = (3, 10) <= sys.version_info[:2] < (3, 13)
    mend = "" if good else "install Python 3.10, 3.11 or 3.12, then: make clean run"
    yield Finding("python", "ok" if good else "fault", f"{version} on {_machine()}", mend)


def check_packages() -> Iterator[Finding]:
    """Everything that an ordinary installation requires."""
    try:
        required = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        yield Finding("packages", "fault", f"{DISTRIBUTION} is not installed", "make run")
        return
    missing, seen = [], []
    for requirement in required:
        if ";" in requirement:  # an extra's
            continue
        name = requirement
        for stop in "<>=!~ [":
            name = name.partition(stop)[0]
        try:
            seen.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        detail = f"missing: {', '.join(missing)}"
        yield Finding(
            "packages", "fault", detail, f"{sys.executable} -m pip install {' '.join(missing)}"
        )
    else:
        yield Finding("packages", "ok", ", ".join(seen))


def check_inference() -> Iterator[Finding]:
    """Whether ONNX Runtime loads, and what it can run on."""
    try:
        import onnxruntime
    except ImportError as error:
        mend = f"{sys.executable} -m pip install --force-reinstall onnxruntime"
        yield Finding("inference", "fault", f"onnxruntime does not load: {error}", mend)
        return
    yield Finding("inference", "ok", ", ".join(onnxruntime.get_available_providers()))


def check_rendering() -> Iterator[Finding]:
    """Whether the apartment can be drawn without a screen."""
    mend = "sudo apt-get install libegl1 libgl1 libgl1-mesa-dri"
    try:
        done = subprocess.run(
            [sys.executable, "-c", RENDER],
            capture_output=True,
            text=True,
            timeout=RENDER_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        yield Finding("rendering", "fault", f"no picture within {RENDER_TIMEOUT_S:g} s", mend)
        return
    if done.returncode == 0:
        yield Finding("rendering", "ok", done.stdout.strip().splitlines()[-1])
        return
    lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
    yield Finding("rendering", "fault", f"cannot draw the apartment: {lines[-1]}", mend)


def check_weights() -> Iterator[Finding]:
    """Every shipped model against its card."""
    found = list(artifacts(models_folder()))
    if not found:
        yield Finding("weights", "fault", "none are installed", "make clean run")
        return
    for artifact in found:
        if artifact.state != GOOD:
            detail = f"{artifact.name}: {artifact.state}"
            yield Finding("weights", "fault", detail, artifact.remedy)
    whole = sum(artifact.state == GOOD for artifact in found)
    if whole == len(found):
        yield Finding("weights", "ok", f"{whole} files match their cards")


def check_cameras(devices: Path = Path("/dev")) -> Iterator[Finding]:
    """Cameras that could be opened as ``camera:N``."""
    cameras = sorted(devices.glob("video[0-9]*"))
    if not cameras:
        yield Finding("cameras", "ok", "none connected; the apartment and files need none")
    closed = [camera.name for camera in cameras if not os.access(camera, os.R_OK | os.W_OK)]
    if closed:
        mend = "sudo usermod -aG video $USER, then log in again"
        yield Finding("cameras", "warning", f"may not open {', '.join(closed)}", mend)
    elif cameras:
        yield Finding("cameras", "ok", ", ".join(f"camera:{camera.name[5:]}" for camera in cameras))


def check_folders() -> Iterator[Finding]:
    """Whether a run can leave its results here."""
    places: tuple[tuple[str, Callable[[], Path]], ...] = (
        ("current folder", Path.cwd),
        ("temporary folder", lambda: Path(tempfile.gettempdir())),
    )
    for name, place in places:
        try:
            folder = place()
            free_mb = shutil.disk_usage(folder).free / 1e6
        except OSError as error:
            detail = f"cannot be used: {error.strerror or error}"
            yield Finding(name, "warning", detail, "start in a folder of yours")
            continue
        if not os.access(folder, os.W_OK):
            yield Finding(
                name, "warning", f"{folder} cannot be written", "start in a folder of yours"
            )
        elif free_mb < FREE_DISK_MB:
            yield Finding(name, "warning", f"{folder} has {free_mb:.0f} MB left", "free some space")
        else:
            yield Finding(name, "ok", f"{folder} is writable, {free_mb / 1e3:.0f} GB free")


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    check_python,
    check_packages,
    check_inference,
    check_rendering,
    check_weights,
    check_cameras,
    check_folders,
)


def _machine() -> str:
    """The board's own name where it has one, the cores and the memory."""
    try:
        board = Path("/proc/device-tree/model").read_text(encoding="utf-8").strip("\0\n ")
    except OSError:
        board = platform.machine()
    try:
        memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (OSError, ValueError):
        return f"{board}, {os.cpu_count()} cores"
    return f"{board}, {len(os.sched_getaffinity(0))} cores, {memory_gb:.0f} GiB"
