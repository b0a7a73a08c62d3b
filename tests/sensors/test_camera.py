"""Live cameras: what they deliver, and what happens when they vanish."""

from __future__ import annotations

import logging

import pytest

from sage.clock import RealClock, VirtualClock
from sage.irp.errors import ConfigError, DeviceError
from sage.sensors import devices, open_source
from sage.sensors.camera import LiveSource, ReconnectConfig
from sage.sensors.devices import csi_pipeline, has_gstreamer
from sage.values import Observation
from tests.sensors.conftest import Capture, Device, until

QUICK = ReconnectConfig(first_s=0.002, cap_s=0.01)


def connect_to(device: Device):
    def connect() -> Capture:
        capture = device.capture()
        if not capture.isOpened():
            raise DeviceError("test: not there")
        return capture

    return connect


def test_frames_come_red_first_with_their_capture_time(device: Device):
    clock = RealClock()
    source = LiveSource("camera:0", connect_to(device), clock, fov_y_deg=45.0)
    got: list[Observation] = []
    began_s = clock.now_s()
    source.start(got.append)
    until(lambda: len(got) >= 5)
    source.stop()
    for seen in got:
        assert began_s < seen.captured_s < clock.now_s()
        assert seen.data.rgb[0, 0].tolist() == [0, 0, 200]
        assert seen.data.camera.height_px == 4
    numbers = [seen.sequence for seen in got]
    assert numbers == sorted(set(numbers))
    assert device.open_now == 0
    counts = source.counts()
    assert counts.produced == counts.delivered + sum(counts.dropped.values())


def test_a_device_that_vanishes_is_sought_and_found_again(device: Device, caplog):
    source = LiveSource("camera:0", connect_to(device), RealClock(), reconnect=QUICK)
    with caplog.at_level(logging.WARNING):
        source.start(lambda _: None)
        until(lambda: source.counts().delivered > 0)
        assert source.healthy
        device.plugged = False
        until(lambda: not source.healthy and source.reconnects >= 4)
        assert source.latest("camera", 10.0) is not None
        assert source.latest("camera", 0.0) is None
        assert "went away" in str(source.error)
        assert not source.finished
        before = source.counts()
        assert before.dropped["unreadable"] == 1
        device.plugged = True
        until(lambda: source.counts().delivered > before.delivered)
        until(lambda: source.healthy)
        assert source.error is None
    source.stop()
    assert device.open_now == 0
    assert caplog.text.count("went away") == 1


def test_the_search_backs_off_up_to_its_cap(device: Device):
    waits: list[float] = []
    source = LiveSource(
        "camera:0",
        connect_to(device),
        RealClock(),
        reconnect=ReconnectConfig(first_s=0.25, cap_s=2.0),
        wait=waits.append,
    )
    device.plugged = False
    source.start(lambda _: None)
    until(lambda: len(waits) > 6)
    source.stop()
    assert waits[:6] == [0.25, 0.5, 1.0, 2.0, 2.0, 2.0]


def test_once_found_again_the_search_begins_anew(device: Device):
    waits: list[float] = []
    source = LiveSource("camera:0", connect_to(device), RealClock(), wait=waits.append)
    source.start(lambda _: None)
    device.plugged = False
    until(lambda: len(waits) > 3)
    device.plugged = True
    until(lambda: source.healthy)
    before = len(waits)
    device.plugged = False
    until(lambda: len(waits) > before)
    source.stop()
    assert waits[before] == 0.25


def test_a_device_that_comes_and_goes_at_once_is_not_sought_ever_faster(device: Device, caplog):
    waits: list[float] = []
    source = LiveSource("camera:0", connect_to(device), RealClock(), wait=waits.append)
    device.frames_left = 0  # it opens and gives nothing
    source.start(lambda _: None)
    until(lambda: len(waits) > 8)
    source.stop()
    assert waits[7] == 5.0
    assert len(caplog.records) == 1  # told once


def test_stop_does_not_wait_for_the_search(device: Device):
    config = ReconnectConfig(first_s=60.0, cap_s=60.0)
    source = LiveSource("camera:0", connect_to(device), RealClock(), reconnect=config)
    device.plugged = False
    source.start(lambda _: None)
    until(lambda: not source.healthy)
    clock = RealClock()
    began_s = clock.now_s()
    source.stop()
    assert clock.now_s() - began_s < 1.0


def test_stop_leaves_a_hanging_driver_behind(device: Device, monkeypatch):
    monkeypatch.setattr("sage.sensors.camera.STOP_WAIT_S", 0.1)
    source = LiveSource("camera:0", connect_to(device), RealClock())
    device.hangs = True
    source.start(lambda _: None)
    clock = RealClock()
    began_s = clock.now_s()
    source.stop()
    assert clock.now_s() - began_s < 1.0
    before = source.counts().delivered
    device.unstick.set()
    until(lambda: device.open_now == 0)  # its thread still releases the device
    assert source.counts().delivered == before


def test_a_silent_device_is_unhealthy(device: Device):
    clock = VirtualClock()
    source = LiveSource("camera:0", connect_to(device), clock)
    assert source.healthy
    clock.advance_to(2.1)
    assert not source.healthy
    source.stop()
    assert device.open_now == 0


def test_a_device_that_opens_without_a_picture_is_refused(device: Device):
    device.frames_left = 0
    with pytest.raises(DeviceError, match="gave no picture"):
        LiveSource("camera:0", connect_to(device), RealClock())
    assert device.open_now == 0


def test_a_driver_that_raises_is_a_device_that_went_away(device: Device, monkeypatch):
    source = LiveSource("camera:0", connect_to(device), RealClock(), reconnect=QUICK)

    def burst(self: Capture) -> bool:
        raise RuntimeError("driver")

    monkeypatch.setattr(Capture, "grab", burst)
    source.start(lambda _: None)
    until(lambda: source.reconnects >= 2)
    monkeypatch.undo()
    until(lambda: source.counts().delivered > 0)
    source.stop()


def test_a_live_source_cannot_be_pumped(device: Device):
    source = LiveSource("camera:0", connect_to(device), RealClock())
    with pytest.raises(ConfigError, match="real time only"):
        source.pump(1.0)
    source.stop()


def test_a_missing_camera_names_what_was_tried_and_what_exists(tmp_path, monkeypatch):
    (tmp_path / "video4").touch()
    uri = devices.DeviceUri("camera:7", "camera", "7", {})
    with pytest.raises(DeviceError) as caught:
        devices._check_device(uri, tmp_path / "video7")
    assert f"tried {tmp_path / 'video7'}" in str(caught.value)
    assert f"devices that exist: {tmp_path / 'video4'}" in str(caught.value)


def test_csi_says_how_to_get_gstreamer_where_opencv_lacks_it():
    import cv2

    if has_gstreamer(cv2.getBuildInformation()):
        pytest.skip("this OpenCV has GStreamer")
    with pytest.raises(DeviceError, match=r"lacks GStreamer; .*apt-get install python3-opencv"):
        open_source("csi://0", clock=RealClock())


def test_the_csi_pipeline_keeps_one_frame_and_drops_the_rest():
    pipeline = csi_pipeline(1, 1280, 720, 30, 2)
    assert pipeline.startswith("nvarguscamerasrc sensor-id=1 ! video/x-raw(memory:NVMM), ")
    assert "width=1280, height=720, framerate=30/1, format=NV12" in pipeline
    assert "nvvidconv flip-method=2" in pipeline
    assert pipeline.endswith("format=BGR ! appsink drop=true max-buffers=1 sync=false")
    assert has_gstreamer("  Video I/O:\n    GStreamer:                   YES (1.20.3)\n")
    assert not has_gstreamer("    GStreamer:                   NO\n")


@pytest.mark.parametrize(
    "values", [{"first_s": 0}, {"first_s": 9.0}, {"silent_s": 0.0}, {"cap_s": float("nan")}]
)
def test_a_reconnect_config_is_checked(values):
    with pytest.raises(ConfigError, match="must be"):
        ReconnectConfig(**values)
