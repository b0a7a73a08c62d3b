"""A user's own base: found in the current directory, checked, and its failures contained."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sage.clock import VirtualClock
from sage.effectors import open_effector
from sage.irp.errors import ConfigError, DeviceError
from sage.values import Effect, Twist

GOOD = """
from sage.values import Twist

class Base:
    def __init__(self, port="none", fails=""):
        self.port, self.fails, self.log = port, fails, []
    def apply(self, twist, captured_s):
        if self.fails == "apply":
            raise OSError("cable\\ncut")
        self.log.append(twist)
        return Twist(min(twist.linear_m_s, 0.3), twist.angular_rad_s)
    def stop(self):
        self.log.append("stop")
        if self.fails == "stop":
            raise OSError("cable cut")
    def close(self):
        self.log.append("close")
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch):
    """An empty current directory that is not on the import path, as the commands run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", ".")])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def start(uri: str):
    return open_effector(uri, clock=VirtualClock(2.0))


def test_a_users_base_reports_what_it_really_sent(here: Path):
    (here / "my_robot.py").write_text(GOOD)
    path = list(sys.path)
    base = start("python:my_robot:Base?port=/dev/tty%20USB0")
    assert sys.path == path
    assert base.apply(Twist(0.5, 0.1), 1.9) == Effect(2.0, Twist(0.3, 0.1), 1.9, clipped=True)
    assert base.apply(Twist(0.2), 1.9).clipped is False
    inner = base._base
    assert inner.port == "/dev/tty USB0"
    base.close()
    base.close()
    assert inner.log[2:] == ["stop", "close"]


def test_a_base_may_return_a_whole_effect_and_needs_no_close(here: Path):
    (here / "my_robot.py").write_text(
        "from sage.values import Effect\n"
        "class Base:\n"
        "    def apply(self, twist, captured_s):\n"
        "        return Effect(9.0, twist, captured_s, detail={'volts': 12})\n"
        "    def stop(self): pass\n"
    )
    base = start("python:my_robot:Base")
    assert base.apply(Twist(0.1), 1.0).detail == {"volts": 12}
    base.close()


def test_a_folder_here_hides_nothing_of_the_runtimes(here: Path):
    (here / "sage").mkdir()
    (here / "sage" / "__init__.py").write_text("raise SystemExit('wrong sage')")
    (here / "tabnanny.py").write_text("raise SystemExit('wrong tabnanny')")
    (here / "my_robot.py").write_text("import tabnanny\n" + GOOD)
    start("python:my_robot:Base").close()


def body(methods: str) -> str:
    return "class Base:\n" + methods


APPLY = "    def apply(self, twist, captured_s): return twist\n"
STOP = "    def stop(self): pass\n"
BAD = [
    ("missing", None, ConfigError, ["no module 'my_robot'", "looked in"]),
    ("no class", "class Bace:\n    pass\n", ConfigError, ["'Base'", "did you mean", "Bace"]),
    ("no class at all", "x = 1\n", ConfigError, ["classes there: none"]),
    ("not a class", "Base = 3\n", ConfigError, ["holds int", "no class"]),
    ("no apply", body(STOP), ConfigError, ["apply(self, twist, captured_s)"]),
    ("no stop", body(APPLY), ConfigError, ["no method stop(self)"]),
    ("apply is data", body("    apply = 3\n" + STOP), ConfigError, ["no method apply"]),
    (
        "short apply",
        body("    def apply(self, twist): return twist\n" + STOP),
        ConfigError,
        ["Base.apply(twist)", "apply(self, twist, captured_s)"],
    ),
    (
        "long stop",
        body(APPLY + "    def stop(self, how): pass\n"),
        ConfigError,
        ["Base.stop(how)", "stop(self)"],
    ),
    (
        "constructor raises",
        body("    def __init__(self): raise OSError('no\\nport')\n" + APPLY + STOP),
        DeviceError,
        ["Base() raised OSError: no port"],
    ),
    (
        "constructor exits",
        "import sys\n" + body("    def __init__(self): sys.exit('no port')\n" + APPLY + STOP),
        DeviceError,
        ["Base() raised SystemExit: no port"],
    ),
    (
        "constructor wants more",
        body("    def __init__(self, port): pass\n" + APPLY + STOP),
        DeviceError,
        ["missing 1 required positional argument: 'port'"],
    ),
    ("syntax", "class Base\n", ConfigError, ["importing 'my_robot' raised SyntaxError"]),
    ("raises", "1 / 0\n", ConfigError, ["raised ZeroDivisionError"]),
    ("exits", "raise SystemExit(3)\n", ConfigError, ["raised SystemExit"]),
    ("needs", "import not_there_at_all\n", ConfigError, ["needs 'not_there_at_all'; install it"]),
]


@pytest.mark.parametrize(("text", "error", "words"), [r[1:] for r in BAD], ids=[r[0] for r in BAD])
def test_a_bad_base_is_one_line(here: Path, text, error, words):
    if text is not None:
        (here / "my_robot.py").write_text(text)
    path = list(sys.path)
    with pytest.raises(error) as caught:
        start("python:my_robot:Base")
    assert sys.path == path
    message = str(caught.value)
    assert message.startswith("python:my_robot:Base: ")
    assert "\n" not in message
    for word in words:
        assert word in message


def test_a_wrong_option_reaches_the_constructor_and_is_told(here: Path):
    (here / "my_robot.py").write_text(GOOD)
    with pytest.raises(DeviceError, match="unexpected keyword argument 'prot'"):
        start("python:my_robot:Base?prot=x")


def test_failures_of_its_methods_are_one_line(here: Path):
    (here / "my_robot.py").write_text(GOOD)
    base = start("python:my_robot:Base?fails=apply")
    with pytest.raises(DeviceError) as caught:
        base.apply(Twist(0.1), 0.0)
    assert str(caught.value).endswith("apply() raised OSError: cable cut")
    base = start("python:my_robot:Base?fails=stop")
    with pytest.raises(DeviceError, match=r"stop\(\) raised OSError: cable cut"):
        base.close()
    assert base._base.log == ["stop", "close"]  # closed all the same


def test_a_method_that_exits_is_a_device_error(here: Path):
    methods = "    def apply(self, twist, captured_s): sys.exit(3)\n"
    methods += "    def stop(self): sys.exit('gone')\n"
    (here / "my_robot.py").write_text("import sys\n" + body(methods))
    base = start("python:my_robot:Base")
    with pytest.raises(DeviceError, match=r"apply\(\) raised SystemExit: 3"):
        base.apply(Twist(0.1), 0.0)
    with pytest.raises(DeviceError, match=r"stop\(\) raised SystemExit: gone"):
        base.close()


def test_apply_must_say_what_was_sent(here: Path):
    (here / "my_robot.py").write_text(body("    def apply(self, twist, captured_s): pass\n" + STOP))
    with pytest.raises(DeviceError, match=r"apply\(\) returned NoneType; return the sage\.values"):
        start("python:my_robot:Base").apply(Twist(0.1), 0.0)
