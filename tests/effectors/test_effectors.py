"""Opening effectors, and the ones without hardware."""

from __future__ import annotations

import pytest

from sage.clock import VirtualClock
from sage.effectors import EFFECTORS, open_effector
from sage.irp.errors import ConfigError, DeviceError
from sage.values import Effect, Twist

BAD = [
    ("", ConfigError, ["''", "record:PATH.jsonl", "python:module:Class"]),
    ("robot", ConfigError, ["'robot'", "sim:"]),
    ("record", ConfigError, ["record:PATH.jsonl"]),
    ("recrod:a.jsonl", ConfigError, ["'recrod'", "did you mean 'record'"]),
    ("serial:/dev/ttyUSB0", ConfigError, ["'serial'", "python:module:Class"]),
    ("sim:", ConfigError, ["no world is open", "--camera sim:apartment"]),
    ("sim:garden", ConfigError, ["'garden'", "sim:apartment"]),
    ("none:x", ConfigError, ["'none:x'"]),
    ("none:?a=1", ConfigError, ["'a'", "none"]),
    ("record:", ConfigError, ["record:PATH.jsonl"]),
    ("record:/", DeviceError, ["folder", "record:PATH.jsonl"]),
    ("record:/no/such/folder/a.jsonl", DeviceError, ["/no/such/folder", "create it"]),
    ("record:a.jsonl?fsync=1", ConfigError, ["'fsync'", "none"]),
    ("python:", ConfigError, ["python:module:Class"]),
    ("python:robot", ConfigError, ["python:module:Class"]),
    ("python:robot.py:Base", ConfigError, ["'robot.py'"]),
    ("python:../robot:Base", ConfigError, ["malformed", "python:robot:Base"]),
    ("python:robot:", ConfigError, ["malformed"]),
]


@pytest.mark.parametrize(("uri", "error", "words"), BAD, ids=[repr(row[0]) for row in BAD])
def test_a_bad_uri_is_one_line_that_names_the_valid_choice(uri, error, words):
    with pytest.raises(error) as caught:
        open_effector(uri, clock=VirtualClock())
    text = str(caught.value)
    assert "\n" not in text
    for word in words:
        assert word in text


def test_every_scheme_is_in_the_table():
    assert set(EFFECTORS) == {"sim", "record", "python", "none"}


def test_no_robot_executes_nothing_and_says_so():
    base = open_effector("none:", clock=VirtualClock(3.0))
    effect = base.apply(Twist(0.2, 0.1), 2.9)
    assert effect == Effect(3.0, Twist(), 2.9, True, {"ignored": "no robot"})
    assert base.apply(Twist(), 2.9).clipped is False
    base.stop()
    base.close()
