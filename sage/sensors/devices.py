"""Opens the live cameras: ``camera:N`` (USB), ``csi://N`` (Jetson) and ``rtsp://``."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sage.clock import Clock
from sage.irp.errors import ConfigError, DeviceError
from sage.sensors.camera import LiveSource
from sage.sensors.opencv import Capture, load_cv2
from sage.sensors.uri import DeviceUri, Option, read_options

CAMERA_OPTIONS = {
    "width": Option(None, 16, 7680),
    "height": Option(None, 16, 4320),
    "fps": Option(None, 1.0, 240.0),
    "fov_y_deg": Option(None, 1.0, 170.0),
}
CSI_OPTIONS = {
    "width": Option(1280, 16, 7680),
    "height": Option(720, 16, 4320),
    "fps": Option(30, 1, 240),
    "flip": Option(0, 0, 7),
    "fov_y_deg": Option(None, 1.0, 170.0),
}
_PROPERTIES = {
    "width": "CAP_PROP_FRAME_WIDTH",
    "height": "CAP_PROP_FRAME_HEIGHT",
    "fps": "CAP_PROP_FPS",
}
OPEN_TIMEOUT_MS = 5000
READ_TIMEOUT_MS = 3000


def _index(uri: DeviceUri, form: str) -> int:
    text = uri.place.removeprefix("//")
    if not re.fullmatch(r"[0-9]{1,3}", text):
        raise ConfigError(f"{uri.text!r}: {text!r} is no camera number; write {form}, N from 0")
    return int(text)


def open_camera(uri: DeviceUri, clock: Clock) -> LiveSource:
    """``camera:N`` or ``camera:/dev/...``; DeviceError names what was tried and what exists."""
    options = read_options(uri, CAMERA_OPTIONS)
    device = Path(uri.place) if uri.place.startswith("/dev/") else None
    number = None if device else _index(uri, "camera:N or camera:/dev/videoN")
    if sys.platform.startswith("linux"):
        device = device or Path(f"/dev/video{number}")
        _check_device(uri, device)
    target: int | str = str(device) if number is None else number
    fov_y_deg = options.pop("fov_y_deg")
    return LiveSource(
        uri.text,
        lambda: _connect_camera(uri, target, options),
        clock,
        fov_y_deg=fov_y_deg,
    )


def _check_device(uri: DeviceUri, device: Path) -> None:
    if not device.exists():
        found = ", ".join(sorted(str(path) for path in device.parent.glob("video*")))
        raise DeviceError(
            f"{uri.text}: no such camera; tried {device}; "
            f"devices that exist: {found or 'none'} (without a camera: --camera sim:apartment)"
        )
    if not os.access(device, os.R_OK | os.W_OK):
        raise DeviceError(
            f"{uri.text}: {device} exists, but you may not open it; run: "
            "sudo usermod -aG video $USER, and log in anew"
        )


def _connect_camera(uri: DeviceUri, target: int | str, options: Mapping[str, Any]) -> Capture:
    cv2 = load_cv2()
    tried = []
    for backend in dict.fromkeys((cv2.CAP_V4L2, cv2.CAP_ANY)):
        capture: Capture = cv2.VideoCapture(target, backend)
        if capture.isOpened():
            capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # an old frame is worth less than no frame
            for name, constant in _PROPERTIES.items():
                if options[name] is not None:
                    capture.set(getattr(cv2, constant), float(options[name]))
            return capture
        capture.release()
        tried.append("V4L2" if backend == cv2.CAP_V4L2 else "any other backend")
    raise DeviceError(
        f"{uri.text}: {target} cannot be opened as a camera; tried {', '.join(tried)}"
    )


def csi_pipeline(sensor: int, width_px: int, height_px: int, fps: int, flip: int) -> str:
    """The GStreamer pipeline from a Jetson's camera sensor to blue-first frames.

    One buffer that newer frames replace: what is read is always the newest.
    """
    return (
        f"nvarguscamerasrc sensor-id={sensor} ! "
        f"video/x-raw(memory:NVMM), width={width_px}, height={height_px}, "
        f"framerate={fps}/1, format=NV12 ! "
        f"nvvidconv flip-method={flip} ! video/x-raw, format=BGRx ! "
        "videoconvert ! video/x-raw, format=BGR ! "
        "appsink drop=true max-buffers=1 sync=false"
    )


def has_gstreamer(build_information: str) -> bool:
    """Whether OpenCV's build information says that it was built with GStreamer."""
    return re.search(r"GStreamer:\s+YES", build_information) is not None


def open_csi(uri: DeviceUri, clock: Clock) -> LiveSource:
    """``csi://N``: a Jetson's camera connector N; needs an OpenCV built with GStreamer."""
    options = read_options(uri, CSI_OPTIONS)
    sensor = _index(uri, "csi://N")
    cv2 = load_cv2()
    if not has_gstreamer(cv2.getBuildInformation()):
        raise DeviceError(
            f"{uri.text}: this OpenCV ({cv2.__version__} from {Path(cv2.__file__).parent}) lacks "
            "GStreamer; use JetPack's own: sudo apt-get install python3-opencv, and a virtual "
            "environment made with --system-site-packages and without opencv-python-headless"
        )
    pipeline = csi_pipeline(
        sensor, options["width"], options["height"], options["fps"], options["flip"]
    )

    def connect() -> Capture:
        capture: Capture = cv2.VideoCapture(pipeline, cv2.CAP_GSTREAMER)
        if not capture.isOpened():
            capture.release()
            raise DeviceError(
                f"{uri.text}: no camera answers on connector {sensor}; tried {pipeline!r}; "
                "check the cable, and run: sudo systemctl restart nvargus-daemon"
            )
        return capture

    return LiveSource(uri.text, connect, clock, fov_y_deg=options["fov_y_deg"])


def open_rtsp(uri: DeviceUri, address: str, clock: Clock) -> LiveSource:
    """``rtsp://HOST[:PORT]/PATH``; ``address`` is the URI with its password, if it has one."""
    if not re.fullmatch(r"//[^/\s]+(/\S*)?", uri.place) or uri.place.startswith("//:"):
        raise ConfigError(f"{uri.text!r} is malformed; write rtsp://HOST[:PORT]/PATH")
    cv2 = load_cv2()

    def connect() -> Capture:
        timeouts = [
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
            OPEN_TIMEOUT_MS,
            cv2.CAP_PROP_READ_TIMEOUT_MSEC,
            READ_TIMEOUT_MS,
        ]
        capture: Capture = cv2.VideoCapture(address, cv2.CAP_FFMPEG, timeouts)
        if not capture.isOpened():
            capture.release()
            raise DeviceError(
                f"{uri.text}: no stream there; tried FFmpeg for {OPEN_TIMEOUT_MS / 1000:g} s; "
                "check host, port, path and password"
            )
        return capture

    return LiveSource(uri.text, connect, clock)
