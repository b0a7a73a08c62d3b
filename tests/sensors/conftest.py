"""Small films and pictures made on the spot, and a strict stand-in for ``cv2.VideoCapture``."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest


def until(condition: Callable[[], object], timeout_s: float = 5.0) -> None:
    """Wait for what another thread does; fails after ``timeout_s``."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.002)


@pytest.fixture
def make_film(tmp_path: Path) -> Callable[..., Path]:
    """Writes a film whose frame k is 8 * k red and nothing else."""

    def make(name: str = "film.mp4", frames: int = 20, fps: float = 10.0) -> Path:
        path = tmp_path / name
        codec = {"mp4": "mp4v", "avi": "MJPG"}[name.rsplit(".", 1)[1]]
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), fps, (64, 48))
        assert writer.isOpened()
        for number in range(frames):
            picture = np.zeros((48, 64, 3), np.uint8)
            picture[:, :, 2] = 8 * number % 256
            writer.write(picture)
        writer.release()
        return path

    return make


class Device:
    """A camera that can be unplugged. Its captures behave as OpenCV's do, and check their use."""

    def __init__(self) -> None:
        self.plugged = True
        self.hangs = False
        self.frames_left = 10**9
        self.opened = 0
        self.open_now = 0
        self.unstick = threading.Event()

    def capture(self) -> Capture:
        return Capture(self)


class Capture:
    """What ``cv2.VideoCapture`` shows of a device."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._opened = device.plugged
        self._grabbed = False
        device.opened += self._opened
        device.open_now += self._opened

    def isOpened(self) -> bool:
        return self._opened

    def grab(self) -> bool:
        assert self._opened, "grab() of a capture that is not open"
        if self._device.hangs:
            self._device.unstick.wait(20)
        time.sleep(0.001)
        self._grabbed = self._device.plugged and self._device.frames_left > 0
        self._device.frames_left -= self._grabbed
        return self._grabbed

    def retrieve(self) -> tuple[bool, np.ndarray | None]:
        assert self._grabbed, "retrieve() without a grabbed frame"
        picture = np.zeros((4, 6, 3), np.uint8)
        picture[:, :, 0] = 200  # blue, in OpenCV's order
        return True, picture

    def get(self, property_id: int) -> float:
        return 0.0

    def set(self, property_id: int, value: float) -> bool:
        return True

    def release(self) -> None:
        self._device.open_now -= self._opened
        self._opened = False


@pytest.fixture
def device() -> Device:
    return Device()
