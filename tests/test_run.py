"""``sage run`` as a user types it: real world, real weights, real time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

BAD = [
    (["--camera", "sim:aparment"], "sim:apartment"),
    (["--camera", "telepathy:0"], "sim:apartment"),
    (["--camera", "file:/does/not/exist.avi"], "/does/not/exist.avi"),
    (["--camera", "camera:97"], "97"),
    (["--robot", "python:nowhere:Base"], "nowhere"),
    (["--robot", "teleport:"], "teleport"),
    (["--plugin", "nobody"], "nobody"),
    (["--script", "/does/not/exist.txt"], "/does/not/exist.txt"),
    (["--config", "/does/not/exist.yaml"], "/does/not/exist.yaml"),
    (["--duration", "0"], "--duration"),
    (["--duration", "nan"], "--duration"),
    (["--seed", "3", "--camera", "file:clip.avi"], "--seed"),
    (["--labels", "names.txt"], "--detector FILE"),
    (["--detector", "/no/such.onnx"], "/no/such.onnx"),
    (["--mic", "file:/does/not/exist.wav"], "/does/not/exist.wav"),
    (["--mic", "telephone:"], "mic:"),
    (["--recogniser", "oracle"], "pocketsphinx"),
    (["--voice", "esspeak"], "espeak-ng"),
    (["--policy", "fifo"], "greedy, proportional, equal, edf"),
    (["--budget", "0"], "(0, 1]"),
    (["--budget", "1.5"], "(0, 1]"),
    (["--isolation", "vision"], "PLUGIN=TIER"),
    (["--isolation", "vison=process"], "vision, control, language"),
]


def sage(*arguments: str, cwd: Path, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sage.run", "--headless", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        **options,  # type: ignore[call-overload]
    )


@pytest.mark.parametrize(("arguments", "named"), BAD)
def test_bad_input_is_one_line_that_names_it(
    arguments: list[str], named: str, tmp_path: Path
) -> None:
    done = sage(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert named in errors[0]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("camra: x", "camera"),
        ("orchestrator: {cycle_s: 99}", "cycle_s"),
        ("vision: {max_steps: many}", "vision.max_steps"),
        ("limits: {hold_s: 3}", "hold_s"),
        ("orchestrator: {policy: fifo}", "policy must be one of greedy"),
        ("isolation: {vision: rocket}", "isolation.vision"),
        ("camera: [", "robot.yaml:1"),
    ],
)
def test_a_bad_configuration_is_named(text: str, named: str, tmp_path: Path) -> None:
    (tmp_path / "robot.yaml").write_text(text)
    done = sage("--config", "robot.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert named in done.stderr
    assert "Traceback" not in done.stderr


def test_a_command_is_carried_out_and_ground_truth_agrees(tmp_path: Path) -> None:
    done = sage("--seed", "1", "--say", "go to the bathroom", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "I am in the bathroom" in done.stdout
    assert "ground truth agrees: the robot is in the bathroom" in done.stdout
    assert "1 of 1 commands done" in done.stdout
    (folder,) = tmp_path.glob("runs/2*")
    assert (folder / "contact_sheet.png").read_bytes().startswith(b"\x89PNG")
    assert folder.samefile(tmp_path / "runs" / "latest")
    # Played into the microphone, heard, understood by the language model, recorded.
    assert "heard t=" in done.stdout
    lines = [json.loads(line) for line in (folder / "telemetry.jsonl").read_text().splitlines()]
    told = {line["event"] for line in lines}
    assert {"header", "heard", "parsed", "task", "finished", "cycle", "scored", "end"} <= told
    summary = json.loads((folder / "summary.json").read_text())
    (command,) = summary["commands"]
    assert (command["state"], command["truth"]) == ("done", True)
    page = (folder / "report.html").read_text()
    assert "I am in the bathroom" in page
    # What results were worth is told everywhere: in lines, in the summary, on the page.
    assert "credited" in told
    plugins = summary["plugins"]
    assert (plugins["language"]["credited"], plugins["language"]["mean_value"]) == (1, 1.0)
    assert plugins["control"]["value_per_1000_atp"] > 0.0
    assert 0.0 <= plugins["control"]["agreement"] <= 1.0
    assert "language: 1 refinements" in done.stdout
    assert "1 judged, worth 1.00 each" in done.stdout
    assert "What it was worth" in page


def test_what_is_said_in_a_recording_is_understood_where_nothing_can_be_driven(
    tmp_path: Path,
) -> None:
    from sage.worlds.apartment.voices import recording_for

    take = recording_for("bring me the coke").path
    clip = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (64, 48))
    for _ in range(20):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    done = sage(
        "--camera", f"file:{clip}", "--mic", f"file:{take}", "--state", "none", cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'text="bring me the coke"' in done.stdout
    assert "there is no robot here" in done.stdout


def test_what_is_not_understood_is_asked_back_and_fails_the_run(tmp_path: Path) -> None:
    said = ("--say", "dance on the table", "--say", "stop")
    done = sage("--mic", "none:", *said, cwd=tmp_path)
    assert done.returncode == 1
    assert "declined" in done.stdout
    assert "0 of 1" not in done.stdout  # "stop" was done
    assert "1 of 2 commands done" in done.stdout


def test_the_same_runtime_watches_a_real_video(tmp_path: Path, shared_data: Path) -> None:
    video = shared_data / "video" / "vtest.avi"
    done = sage("--camera", f"file:{video}", "--duration", "3", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    vision = next(line for line in done.stdout.splitlines() if line.startswith("vision:"))
    assert int(vision.split()[1]) >= 10  # refinements in 3 s of video at 10 frames/s
    assert list(tmp_path.glob("runs/2*/contact_sheet.png"))


def test_ones_own_detector_sees_in_place_of_vision(tmp_path: Path, shared_data: Path) -> None:
    video, model = shared_data / "video" / "vtest.avi", shared_data / "models" / "nanodet.onnx"
    camera = ("--camera", f"file:{video}", "--duration", "3", "--state", "none")
    done = sage(*camera, "--detector", str(model), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert any(line.startswith("detection:") for line in done.stdout.splitlines())
    assert "vision:" not in done.stdout
    lines = (tmp_path / "runs" / "latest" / "telemetry.jsonl").read_text().splitlines()
    scenes = [event for event in map(json.loads, lines) if event["event"] == "saw"]
    people = [sum(d["label"] == "person" for d in scene["detections"]) for scene in scenes]
    assert max(people) >= 3


def test_commands_without_a_robot_are_refused(tmp_path: Path, shared_data: Path) -> None:
    video = shared_data / "video" / "vtest.avi"
    done = sage("--camera", f"file:{video}", "--say", "come back", cwd=tmp_path)
    assert done.returncode == 2
    assert "need a robot" in done.stderr


def test_a_command_cut_short_is_no_success(tmp_path: Path) -> None:
    said = ("--say", "go to the kitchen", "--say", "come back")
    half = ("--budget", "0.5", "--policy", "edf", "--isolation", "vision=process")
    done = sage("--mic", "none:", *said, "--duration", "1", *half, cwd=tmp_path)
    assert done.returncode == 1
    lines = (tmp_path / "runs" / "latest" / "telemetry.jsonl").read_text().splitlines()
    cycles = [line for line in map(json.loads, lines) if line["event"] == "cycle"]
    assert {cycle["pool_atp"] for cycle in cycles} == {500.0}
    assert "vision: 0 refinements" not in done.stdout
    assert "\nvision: " in done.stdout
    assert "the run ended before it was done" in done.stdout
    assert 'not said           "come back"' in done.stdout
    assert "0 of 2 commands done" in done.stdout


def test_a_base_that_fails_ends_the_run_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "mybase.py").write_text(
        "class Base:\n"
        "    def apply(self, twist, captured_s): raise OSError('cable out')\n"
        "    def stop(self): pass\n"
        "    def close(self): pass\n"
    )
    done = sage("--robot", "python:mybase:Base", "--say", "go to the kitchen", cwd=tmp_path)
    assert done.returncode == 2
    assert "cable out" in done.stderr.splitlines()[-1]
    assert "0 of 1 commands done" in done.stdout
    assert "Traceback" not in done.stderr


def test_stdin_that_is_no_text_does_not_hang_the_run(tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "sage.run", "--headless", "--stdin"],
        cwd=tmp_path,
        input=b"go to the \xff\xfe\nstop\n",
        capture_output=True,
        timeout=60,
        env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},
    )
    assert process.returncode == 1
    assert b"1 of 2 commands done" in process.stdout


def test_ctrl_c_ends_in_order_with_a_summary(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "sage.run", "--headless", "--say", "go to the kitchen"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "started" in line:
            break
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert "stopped by Ctrl-C" in out
    assert "Traceback" not in err


def test_a_folder_that_cannot_be_written_is_told_before_the_robot_moves(tmp_path: Path) -> None:
    done = sage("--seed", "1", "--say", "come back", "--out", "/dev/full/runs", cwd=tmp_path)
    assert done.returncode == 2
    assert "/dev/full/runs" in done.stderr
    assert "phase=started" not in done.stdout
    assert "Traceback" not in done.stderr


def test_a_world_that_is_gone_ends_the_run_with_its_reason(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "sage.run", "--headless", "--mic", "none:", "--say", "find the mug"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout is not None
        for line in run.stdout:
            if "phase=started" in line:
                break
        children = Path(f"/proc/{run.pid}/task").glob("*/children")
        (world,) = {pid for child in children for pid in child.read_text().split()}
        os.kill(int(world), signal.SIGKILL)
        _, errors = run.communicate(timeout=30)
    assert run.returncode == 2
    assert "sim:apartment ended with status -9" in errors
