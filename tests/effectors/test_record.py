"""Recorded commands: strict JSON, whole lines, and nothing lost where the disk is full."""

from __future__ import annotations

import errno
import io
import json
import math
import os
from pathlib import Path

import pytest

from sage.clock import VirtualClock
from sage.effectors import open_effector
from sage.effectors.record import RecordEffector
from sage.irp.errors import DeviceError
from sage.values import Effect, Twist


def lines(path: Path) -> list[dict]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    data = path.read_bytes()
    assert data.endswith(b"\n")
    return [json.loads(line, parse_constant=refuse) for line in data.splitlines()]


def test_every_command_is_one_line_at_once(tmp_path: Path):
    path = tmp_path / "run.jsonl"
    clock = VirtualClock(1.5)
    base = open_effector(f"record:{path}", clock=clock)
    assert base.apply(Twist(0.2, -0.1), 1.4) == Effect(1.5, Twist(0.2, -0.1), 1.4)
    expected = {
        "command": "apply",
        "executed_s": 1.5,
        "captured_s": 1.4,
        "linear_m_s": 0.2,
        "angular_rad_s": -0.1,
    }
    assert lines(path) == [expected]  # before it is closed
    base.close()
    base.close()
    assert [line["command"] for line in lines(path)] == ["apply", "stop"]


def test_a_recording_goes_on_where_it_ended_and_a_partial_line_is_trimmed(tmp_path: Path):
    path = tmp_path / "run.jsonl"
    for number in range(30):  # long enough that the tail alone is read
        base = open_effector(f"record:{path}", clock=VirtualClock(float(number)))
        base.apply(Twist(0.1), 0.0)
        base.close()
        with path.open("ab") as file:
            file.write(b'{"command": "apply", "execu')
    assert len(path.read_bytes()) > 4096
    open_effector(f"record:{path}", clock=VirtualClock()).close()
    assert [line["executed_s"] for line in lines(path)[::2]] == [*map(float, range(30)), 0.0]


def test_a_first_line_cut_short_is_trimmed(tmp_path: Path):
    path = tmp_path / "run.jsonl"
    path.write_bytes(b'{"comm')
    open_effector(f"record:{path}", clock=VirtualClock()).close()
    assert len(lines(path)) == 1


@pytest.mark.parametrize(
    "content", [b"\x89PNG\r\n\x1a\n", b"\n\n", b'{"name": 3}\n', b'{"command": "' + b"x" * 9000]
)
def test_a_file_that_is_no_recording_is_not_touched(tmp_path: Path, content: bytes):
    path = tmp_path / "precious.dat"
    path.write_bytes(content)
    with pytest.raises(DeviceError, match=r"precious\.dat is no recording"):
        open_effector(f"record:{path}", clock=VirtualClock())
    assert path.read_bytes() == content


class FullDisk(io.FileIO):
    """A file on a disk with so many bytes left: what does not fit is written in part."""

    left = 0

    def write(self, data) -> int:
        if self.left <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        part = bytes(data)[: self.left]
        self.left -= len(part)
        return super().write(part)


@pytest.mark.parametrize("spare", [0, 1, 40])
def test_a_full_disk_is_told_once_and_nothing_recorded_is_lost(tmp_path: Path, spare: int):
    path = tmp_path / "run.jsonl"
    disk = FullDisk(path, "a+")
    disk.left = 10_000
    clock = VirtualClock()
    base = RecordEffector("record:run.jsonl", disk, clock)
    for number in range(3):
        base.apply(Twist(0.1 * number), 0.0)
    kept = path.read_bytes()
    disk.left = spare
    with pytest.raises(DeviceError) as caught:
        base.apply(Twist(0.5), 0.0)
    assert str(caught.value) == (
        "record:run.jsonl: No space left on device; what was recorded before is kept"
    )
    assert path.read_bytes() == kept
    disk.left = 10_000  # space comes back: a recording with a hole in it would lie
    effect = base.apply(Twist(0.5), 0.0)
    assert effect.clipped
    assert effect.twist == Twist()
    assert effect.detail == {"refused": "recording ended: No space left on device"}
    base.stop()
    base.close()
    assert path.read_bytes() == kept


def test_a_device_that_is_always_full():
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    base = open_effector("record:/dev/full", clock=VirtualClock())
    with pytest.raises(DeviceError, match="No space left on device"):
        base.apply(Twist(0.1), 0.0)
    base.close()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_json_is_refused_and_the_recording_goes_on(tmp_path: Path, value: float):
    path = tmp_path / "run.jsonl"
    base = open_effector(f"record:{path}", clock=VirtualClock())
    with pytest.raises(DeviceError, match="not finite"):
        base.apply(Twist(value), 0.0)
    base.apply(Twist(0.1), 0.0)
    base.close()
    assert len(lines(path)) == 2


def test_a_file_that_may_not_be_written_is_one_line(tmp_path: Path):
    path = tmp_path / "run.jsonl"
    path.touch(mode=0o400)
    if os.access(path, os.W_OK):
        pytest.skip("runs as a user who may write everything")
    with pytest.raises(DeviceError, match=r"run\.jsonl cannot be written"):
        open_effector(f"record:{path}", clock=VirtualClock())


@pytest.mark.parametrize("place", ["x" * 300, "~nobody-of-this-name/x.jsonl"])
def test_a_path_that_cannot_be_looked_up_is_one_line(place: str):
    with pytest.raises(DeviceError) as caught:
        open_effector(f"record:{place}", clock=VirtualClock())
    assert f"{place} cannot be written: " in str(caught.value)
    assert "\n" not in str(caught.value)
