"""Speaking aloud: one after the other, on its own, and with the ears closed."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sage.irp.errors import ConfigError
from sage.voice import LONGEST_QUEUE, LONGEST_TEXT, PIPER_VOICE, Voice, open_voice


def writing(path: Path) -> list[str]:
    """A program that appends to a file what it reads."""
    return [
        sys.executable,
        "-c",
        "import sys; open(sys.argv[1], 'a').write(sys.stdin.read())",
        str(path),
    ]


def until(true: Callable[[], bool], limit_s: float = 10.0) -> None:
    give_up_s = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < give_up_s
        threading.Event().wait(0.01)


def test_it_says_one_text_after_the_other_through_standard_input(tmp_path: Path) -> None:
    out = tmp_path / "said"
    told: list[bool] = []
    voice = Voice("test", [writing(out)], "speaking", told.append)
    voice.speak("here is the $(touch x)")
    voice.speak("  the   apple\n")
    assert voice.speaking
    until(lambda: not voice.speaking)
    voice.close()
    assert out.read_text() == "here is the $(touch x)\nthe apple\n"
    assert told == [True, False, True, False]


def test_programs_are_piped_into_each_other(tmp_path: Path) -> None:
    out = tmp_path / "said"
    loud = [sys.executable, "-c", "import sys; print(sys.stdin.read().upper(), end='')"]
    voice = Voice("test", [loud, writing(out)], "speaking")
    voice.speak("hello")
    until(lambda: not voice.speaking)
    voice.close()
    assert out.read_text() == "HELLO\n"


def test_what_waits_is_bounded_and_the_newest_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "said"
    begun, go_on = threading.Event(), threading.Event()

    def on_speaking(speaking: bool) -> None:
        begun.set()
        go_on.wait(10.0)

    voice = Voice("test", [writing(out)], "speaking", on_speaking)
    voice.speak("first")
    begun.wait(10.0)
    for number in range(LONGEST_QUEUE + 3):
        voice.speak(f"{number} " + "x" * LONGEST_TEXT)
    go_on.set()
    until(lambda: not voice.speaking)
    voice.close()
    first, *others = out.read_text().splitlines()
    assert first == "first"
    assert [line.split()[0] for line in others] == ["3", "4", "5", "6"]
    assert all(len(line) == LONGEST_TEXT for line in others)


def test_close_ends_a_voice_that_hangs() -> None:
    begun = threading.Event()
    voice = Voice(
        "test",
        [[sys.executable, "-c", "import time; time.sleep(60)"]],
        "speaking",
        lambda speaking: begun.set(),
    )
    voice.speak("for ever")
    begun.wait(10.0)
    began_s = time.monotonic()
    voice.close()
    voice.close()
    voice.speak("more")
    assert time.monotonic() - began_s < 2.5


def test_a_program_that_fails_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    voice = Voice("test", [["/no/such/program"]], "speaking")
    voice.speak("one")
    voice.speak("two")
    until(lambda: not voice.speaking)
    voice.close()
    assert caplog.text.count("cannot speak") == 1


def test_auto_takes_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PIPER_VOICE, raising=False)
    silent = open_voice("auto", which=lambda name: None)
    assert (silent.name, "neither espeak-ng nor piper" in silent.told) == ("none", True)
    silent.speak("unheard")
    assert not silent.speaking
    espeak = open_voice("auto", which=lambda name: name)
    assert (espeak.name, espeak.told) == ("espeak-ng", "speaking with espeak-ng")
    espeak.close()
    model = tmp_path / "voice.onnx"
    model.touch()
    monkeypatch.setenv(PIPER_VOICE, str(model))
    piper = open_voice("auto", which=lambda name: name)
    assert piper.name == "piper"
    piper.close()
    assert open_voice("none").told == "speaking in text only"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("espeak", "unknown voice 'espeak'; did you mean 'espeak-ng'"),
        ("espeak-ng", "sudo apt-get install espeak-ng"),
        ("piper", "PIPER_VOICE=FILE.onnx"),
    ],
)
def test_a_voice_that_is_not_there_says_how_to_get_it(name: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        open_voice(name, which=lambda program: None)
