"""Wrong URIs: one line each, that names the value and the valid choice."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from sage.clock import RealClock, VirtualClock
from sage.irp.errors import ConfigError, DeviceError, SageError
from sage.sensors import SOURCES, check_source, open_source
from sage.sensors.uri import Option, parse_uri, read_options

BAD = [
    # uri, error, what its text must hold
    ("", ConfigError, ["''", "sim:apartment"]),
    ("   ", ConfigError, ["'   '", "camera:N"]),
    (None, ConfigError, ["None", "camera:N"]),
    (3, ConfigError, ["3", "camera:N"]),
    ("clip.mp4", ConfigError, ["'clip.mp4'", "'file:clip.mp4'"]),
    ("camera", ConfigError, ["'camera'", "camera:N"]),
    ("cam:0", ConfigError, ["'cam'", "did you mean 'camera'", "rtsp://HOST/PATH"]),
    ("fiel:clip.mp4", ConfigError, ["'fiel'", "did you mean 'file'"]),
    ("http://robot/stream", ConfigError, ["'http'", "rtsp://HOST/PATH"]),
    ("C:\\clip.mp4", ConfigError, ["'c'", "file:PATH"]),
    ("://x", ConfigError, ["malformed", "file:PATH"]),
    ("file:a\nb.mp4", ConfigError, ["unprintable", "file:PATH"]),
    ("sim:house", ConfigError, ["'house'", "sim:apartment"]),
    ("sim:apartmant", ConfigError, ["'apartmant'", "did you mean 'apartment'"]),
    ("sim:apartment?sed=3", ConfigError, ["'sed'", "did you mean 'seed'", "frame_hz"]),
    ("sim:apartment?seed=x", ConfigError, ["'x'", "whole number", "[0, "]),
    ("sim:apartment?seed=-1", ConfigError, ["'-1'", "[0, "]),
    ("sim:apartment?frame_hz=0", ConfigError, ["'0'", "[0.1, 200]"]),
    ("sim:apartment?frame_hz=nan", ConfigError, ["'nan'", "[0.1, 200]"]),
    ("sim:apartment?seed=1&seed=2", ConfigError, ["'seed'", "twice"]),
    ("sim:apartment?seed=1&=2", ConfigError, ["'=2'", "name=value"]),
    ("file:film.mp4?loop=maybe", ConfigError, ["'maybe'", "1 or 0"]),
    ("file:film.mp4?fps=-5", ConfigError, ["'-5'", "[0.01, 1000]"]),
    ("file:film.mp4?speed=2", ConfigError, ["'speed'", "fov_y_deg, fps, loop"]),
    ("file:", DeviceError, ["file:PATH", "mp4"]),
    ("file:/no/such/clip.mp4", DeviceError, ["/no/such/clip.mp4", "mp4"]),
    ("file:/dev/null", DeviceError, ["/dev/null", "regular file"]),
    ("camera:first", ConfigError, ["'first'", "camera:N"]),
    ("camera:-1", ConfigError, ["'-1'", "camera:N"]),
    ("camera:", ConfigError, ["''", "camera:N"]),
    ("camera:0?width=1", ConfigError, ["'1'", "[16, 7680]"]),
    ("camera:0?zoom=2", ConfigError, ["'zoom'", "width"]),
    ("camera:97", DeviceError, ["/dev/video97", "devices that exist"]),
    ("csi://left", ConfigError, ["'left'", "csi://N"]),
    ("csi://0?flip=9", ConfigError, ["'9'", "[0, 7]"]),
    ("rtsp:", ConfigError, ["rtsp://HOST[:PORT]/PATH"]),
    ("rtsp://", ConfigError, ["rtsp://HOST[:PORT]/PATH"]),
    ("rtsp://:554/x", ConfigError, ["rtsp://HOST[:PORT]/PATH"]),
]


@pytest.mark.parametrize(("uri", "error", "words"), BAD, ids=[repr(row[0]) for row in BAD])
def test_a_bad_uri_is_one_line_that_names_the_valid_choice(uri, error, words):
    with pytest.raises(error) as caught:
        open_source(uri, clock=RealClock())
    text = str(caught.value)
    assert "\n" not in text
    for word in words:
        assert word in text


@pytest.mark.parametrize("uri", ["camera:0", "csi://0", "rtsp://robot/stream"])
def test_live_devices_refuse_lock_step(uri):
    with pytest.raises(ConfigError, match=r"real time only.*sim:apartment or file:PATH"):
        open_source(uri, clock=VirtualClock(), lockstep=True)


def test_every_scheme_is_in_the_table():
    assert set(SOURCES) == {"sim", "file", "camera", "csi", "rtsp"}


def test_options_have_the_type_of_their_default():
    uri = check_source("sim:apartment?seed=7&frame_hz=12.5&loop=yes")
    known = {
        "seed": Option(0, 0, 9),
        "frame_hz": Option(1.0, 0, 99),
        "loop": Option(False),
        "scan_hz": Option(20.0),
    }
    assert read_options(uri, known) == {
        "seed": 7,
        "frame_hz": 12.5,
        "loop": True,
        "scan_hz": 20.0,
    }


def test_an_rtsp_query_belongs_to_the_server_and_a_password_is_hidden():
    uri = check_source("rtsp://me:secret@robot:554/live?channel=2")
    assert uri.text == "rtsp://me:***@robot:554/live?channel=2"
    assert uri.options == {}


def test_a_stream_that_is_not_there_is_one_line_without_the_password(capfd):
    with pytest.raises(DeviceError, match="no stream there") as caught:
        open_source("rtsp://me:secret@127.0.0.1:9/live", clock=RealClock())
    assert "secret" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_file_name_may_hold_a_question_mark(tmp_path: Path):
    path = tmp_path / "what?.png"
    assert cv2.imwrite(str(path), np.zeros((4, 4, 3), np.uint8))
    for uri in (f"file:{path}", f"file:{path}?loop=1"):
        open_source(uri, clock=RealClock()).stop()


def test_errors_are_of_the_users_tree():
    assert issubclass(ConfigError, SageError)
    assert issubclass(DeviceError, SageError)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://me:p@ss@robot/live", "rtsp://me:***@robot/live"),
        ("rtsp://me@home:pass@robot:554/a", "rtsp://me@home:***@robot:554/a"),
        ("rtsp://me:pa/ss@robot/live", "rtsp://me:***@robot/live"),
        ("rtsp://me:p@ss@robot/live@2", "rtsp://me:***@robot/live@2"),
        ("rtsp://robot:554/live", "rtsp://robot:554/live"),
    ],
)
def test_a_password_is_hidden_whatever_it_holds(text: str, shown: str):
    assert parse_uri(text, {"rtsp": "rtsp://HOST"}, kind="source").text == shown
