from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sage.clock import RealClock, VirtualClock
from sage.irp.errors import ConfigError, DeviceError
from sage.values import Frame, Observation, Odometry, Pose, RangeScan, Twist
from sage.worlds.apartment import protocol
from sage.worlds.apartment.client import ApartmentWorld
from sage.worlds.apartment.server import Timer
from sage.worlds.apartment.server import main as serve

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def world() -> Iterator[ApartmentWorld]:
    with ApartmentWorld.open(2, realtime=False, clock=VirtualClock(50.0), frame_hz=10.0) as world:
        yield world


def gone(pid: int, within_s: float = 5.0) -> bool:
    """Whether the process has ended (a zombie counts)."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def lockstep_run(seed: int) -> list[Observation]:
    seen: list[Observation] = []
    with ApartmentWorld.open(
        seed, realtime=False, clock=VirtualClock(), frame_hz=5.0, scan_hz=10.0
    ) as world:
        world.subscribe(seen.append)
        for _ in range(4):
            world.drive(Twist(0.2, 0.5))
            world.advance(0.1)
    return seen


def test_lockstep_delivers_what_falls_due(world: ApartmentWorld) -> None:
    seen: list[Observation] = []
    world.subscribe(seen.append)
    effect = world.drive(Twist(0.0, 5.0))
    assert effect.clipped
    assert effect.twist == Twist(0.0, 2.0)
    for _ in range(8):
        world.drive(Twist(0.0, 1.0))
        world.advance(0.05)
    by_kind = {
        kind: [o for o in seen if o.modality == kind] for kind in ("camera", "scan", "odometry")
    }
    assert [len(of) for of in by_kind.values()] == [5, 9, 9]
    times = [o.captured_s for o in seen]
    assert times == sorted(times)
    assert times[0] == pytest.approx(50.0)
    assert times[-1] == pytest.approx(50.4)
    for observations in by_kind.values():
        assert [o.sequence for o in observations] == list(range(len(observations)))
    frame, scan, odometry = (of[-1].data for of in by_kind.values())
    assert isinstance(frame, Frame)
    assert frame.rgb.shape == (224, 224, 3)
    assert frame.camera == world.camera
    assert isinstance(scan, RangeScan)
    assert scan.ranges_m.shape == (72,)
    assert (np.diff(scan.bearings_rad) > 0).all()
    assert isinstance(odometry, Odometry)
    assert odometry.pose.yaw_rad > 0.1
    truth = world.truth()
    assert truth.time_s == pytest.approx(0.4)
    assert truth.robot.yaw_rad != world.start_pose.yaw_rad
    assert truth.room == world.static_map.room_at(truth.robot.x_m, truth.robot.y_m)
    assert len(truth.people) == 2
    assert truth.collisions.total == 0


def test_lockstep_repeats_itself() -> None:
    first, second = lockstep_run(4), lockstep_run(4)
    assert [o.captured_s for o in first] == [o.captured_s for o in second]
    for a, b in zip(first, second, strict=True):
        if isinstance(a.data, Frame):
            assert (a.data.rgb == b.data.rgb).all()
        elif isinstance(a.data, RangeScan):
            assert (a.data.ranges_m == b.data.ranges_m).all()
        else:
            assert a.data == b.data


def test_values_out_of_range_are_refused(world: ApartmentWorld) -> None:
    with pytest.raises(ConfigError, match=r"-0\.1"):
        world.advance(-0.1)
    with pytest.raises(ConfigError, match="nan"):
        world.drive(Twist(float("nan"), 0.0))
    with pytest.raises(ConfigError, match=r"1\.5"):
        world.gripper(1.5)
    with pytest.raises(ConfigError, match="seed -1"):
        ApartmentWorld.open(-1, realtime=False, clock=VirtualClock())
    with pytest.raises(ConfigError, match="frame_hz 0"):
        ApartmentWorld.open(0, realtime=False, clock=VirtualClock(), frame_hz=0.0)
    world.gripper(0.5)
    world.advance(0.05)


def test_real_time_follows_the_clock() -> None:
    clock = RealClock()
    seen: list[tuple[Observation, float]] = []
    with ApartmentWorld.open(2, realtime=True, clock=clock) as world:
        world.subscribe(lambda o: seen.append((o, clock.now_s())))
        with pytest.raises(ConfigError, match="real time"):
            world.advance(0.1)
        until = clock.now_s() + 1.5
        while clock.now_s() < until:
            world.drive(Twist(0.0, 0.8))
            time.sleep(0.05)
        turned = world.truth().robot.yaw_rad - world.start_pose.yaw_rad
        assert abs(Pose(0, 0, 0).bearing_to(np.cos(turned), np.sin(turned))) > 0.3
        time.sleep(1.2)  # no command for more than half a second: the wheels stop
        still = world.truth().robot
        time.sleep(0.2)
        assert world.truth().robot.yaw_rad == pytest.approx(still.yaw_rad, abs=0.005)
    assert {o.modality for o, _ in seen} == {"camera", "scan", "odometry"}
    delays = [arrived - o.captured_s for o, arrived in seen]
    assert min(delays) > -0.02
    assert np.median(delays) < 0.2


def test_closing_ends_the_child_and_can_be_repeated(world: ApartmentWorld) -> None:
    pid = world.pid
    world.close()
    world.close()
    assert gone(pid)
    with pytest.raises(DeviceError, match="closed"):
        world.drive(Twist())


def test_a_killed_child_is_a_clear_error(world: ApartmentWorld) -> None:
    os.kill(world.pid, signal.SIGKILL)
    assert gone(world.pid)
    with pytest.raises(DeviceError, match="ended with status -9"):
        world.advance(0.01)
    assert world.error is not None


def test_the_child_dies_with_a_killed_parent(tmp_path: Path) -> None:
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from sage.clock import RealClock\n"
        "from sage.worlds.apartment.client import ApartmentWorld\n"
        "world = ApartmentWorld.open(0, realtime=False, clock=RealClock())\n"
        "print(world.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    # From a folder with a package named like ours: the child must not import that one.
    (tmp_path / "sage").mkdir()
    (tmp_path / "sage" / "__init__.py").write_text("raise RuntimeError('the wrong sage')\n")
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(ROOT)],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert parent.stdin is not None
    assert parent.stdout is not None
    with parent.stdin, parent.stdout:
        child = int(parent.stdout.readline())
        assert not gone(child, within_s=0.2)
        parent.kill()
        parent.wait()
        assert gone(child)


def test_a_renderer_that_cannot_start_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "nonsense")
    with pytest.raises(DeviceError, match=r"MUJOCO_GL.*nonsense"):
        ApartmentWorld.open(0, realtime=False, clock=VirtualClock())


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"\x00\x00\x00\x04junk", "not a request"),
        (b"\xff\xff\xff\xffjunk", "at most 4096"),
        (b"\x00\x00\x00\x20short", "inside a message"),
    ],
)
def test_the_server_refuses_garbage(sent: bytes, reason: str) -> None:
    ours, theirs = socket.socketpair()
    status: list[int] = []
    thread = threading.Thread(target=lambda: status.append(serve([str(theirs.detach())])))
    thread.start()
    with ours:
        ours.sendall(sent)
        ours.shutdown(socket.SHUT_WR)
        reply = protocol.receive_reply(ours)
        thread.join(timeout=5)
    assert isinstance(reply, protocol.Failed)
    assert reason in reply.reason
    assert status == [2]


def test_a_late_camera_skips_pictures_and_says_so() -> None:
    timer = Timer(10.0)
    assert [timer.take(now_s) for now_s in (0.0, 0.1, 0.55, 0.6)] == [0, 1, 2, 5]
    assert timer.due_s == pytest.approx(0.6)


def test_the_server_leaves_when_the_client_does() -> None:
    ours, theirs = socket.socketpair()
    ours.close()
    assert serve([str(theirs.detach())]) == 0


def test_the_client_refuses_garbage() -> None:
    for body, reason in ((b"\x00\x00\x00\x02hi", "not a reply"), (b"\xff" * 8, "accepted")):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.sendall(body)
            with pytest.raises(protocol.ProtocolError, match=reason):
                protocol.receive_reply(ours)


def test_numbers_that_are_none_are_refused_by_the_server() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        protocol.send(ours, protocol.Drive(float("inf"), 0.0))
        with pytest.raises(protocol.ProtocolError, match="inf"):
            protocol.receive_request(theirs)
