"""Speaking aloud, through espeak-ng or Piper where they are installed; silent where they are not.

What the robot says is always printed and told by whoever calls; the voice is beside that.
"""

from __future__ import annotations

import contextlib
import difflib
import logging
import os
import shutil
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from sage.irp.errors import ConfigError

log = logging.getLogger(__name__)

VOICES: Final = ("auto", "espeak-ng", "piper", "none")
PIPER_VOICE: Final = "PIPER_VOICE"
"""The environment's variable that names Piper's voice, an ``.onnx`` file."""

LONGEST_QUEUE: Final = 4
LONGEST_TEXT: Final = 300
TAIL_S: Final = 0.3
"""How long after its last word the robot's own voice may still be heard in the room."""

_START_S: Final = 5.0
_PER_CHARACTER_S: Final = 0.2
_STOP_S: Final = 1.0
_ESPEAK: Final = ("espeak-ng", "-v", "en-us", "-s", "150", "--stdin")

Which = Callable[[str], "str | None"]


class Voice:
    """Says one text after the other on a thread of its own; nobody ever waits for it.

    Args:
        name: ``espeak-ng``, ``piper`` or ``none``.
        commands: the programs that say what they read from standard input, each piped into the
            next; none of them for silence.
        told: one line that says which voice this is.
        on_speaking: told True before a text is said and False 0.3 s after it was, on the voice's
            thread: the ears are closed meanwhile (:meth:`sage.hearing.Ears.mute`), so that the
            robot does not obey itself.
    """

    def __init__(
        self,
        name: str,
        commands: Sequence[Sequence[str]],
        told: str,
        on_speaking: Callable[[bool], None] | None = None,
    ) -> None:
        self.name = name
        self.told = told
        self._commands = [list(command) for command in commands]
        self._on_speaking = on_speaking
        self._changed = threading.Condition()
        self._waiting: deque[str] = deque(maxlen=LONGEST_QUEUE)  # the oldest make room
        self._speaking = False
        self._closing = threading.Event()
        self._running: list[subprocess.Popen[bytes]] = []
        self._complained = False
        self._thread: threading.Thread | None = None
        if self._commands:
            self._thread = threading.Thread(target=self._run, name="voice", daemon=True)
            self._thread.start()

    @property
    def speaking(self) -> bool:
        """Whether something is being said, or waits for it."""
        return self._speaking or bool(self._waiting)

    def speak(self, text: str) -> None:
        """Say it when all before it was said; returns at once.

        At most four texts wait, the newest; of a long one the first 300 characters are said.
        """
        plain = " ".join(text.split())[:LONGEST_TEXT]
        if not plain or self._thread is None or self._closing.is_set():
            return
        with self._changed:
            self._waiting.append(plain)
            self._changed.notify()

    def close(self) -> None:
        """Fall silent within a second. May be repeated."""
        self._closing.set()
        with self._changed:
            self._waiting.clear()
            self._changed.notify()
            running = list(self._running)
        for process in running:
            with contextlib.suppress(OSError):
                process.kill()
        if self._thread is not None:
            self._thread.join(_STOP_S)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closing.is_set():
                    self._changed.wait()
                if self._closing.is_set():
                    return
                self._speaking = True
                text = self._waiting.popleft()
            try:
                self._tell(True)
                self._say(text)
                self._closing.wait(TAIL_S)
            finally:
                self._tell(False)
                self._speaking = False

    def _tell(self, speaking: bool) -> None:
        if self._on_speaking is not None:
            try:
                self._on_speaking(speaking)
            except Exception:
                log.exception("whoever is told that the robot speaks")

    def _say(self, text: str) -> None:
        first: subprocess.Popen[bytes] | None = None
        try:
            for number, command in enumerate(self._commands):
                last = number == len(self._commands) - 1
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE if first is None else self._running[-1].stdout,
                    stdout=subprocess.DEVNULL if last else subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
                first = first or process
                with self._changed:
                    self._running.append(process)
            assert first is not None
            assert first.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                first.stdin.write(f"{text}\n".encode())
                first.stdin.close()
            status = self._running[-1].wait(_START_S + _PER_CHARACTER_S * len(text))
            if status != 0 and not self._closing.is_set():
                self._complain(f"it ended with status {status}")
        except (OSError, subprocess.TimeoutExpired) as error:
            self._complain(str(error))
        finally:
            with self._changed:
                running, self._running = self._running, []
            for process in running:
                if process.poll() is None:
                    process.kill()
                process.wait()
                for pipe in (process.stdin, process.stdout):
                    if pipe is not None:
                        with contextlib.suppress(OSError):
                            pipe.close()

    def _complain(self, reason: str) -> None:
        if not self._complained:
            self._complained = True
            log.warning("the voice %r cannot speak: %s", self.name, reason)


def check_voice(name: str) -> None:
    """ConfigError, naming the valid ones, unless there is such a voice."""
    if name not in VOICES:
        near = difflib.get_close_matches(name, VOICES, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ConfigError(f"unknown voice {name!r}; {hint}valid: {', '.join(VOICES)}")


def open_voice(
    name: str = "auto",
    on_speaking: Callable[[bool], None] | None = None,
    *,
    which: Which = shutil.which,
) -> Voice:
    """A voice by name: ``espeak-ng``, ``piper``, ``none``, or ``auto`` for what is there.

    Piper needs a voice of its own, in the file that the environment's ``PIPER_VOICE`` names, and
    ``aplay``. With ``auto`` Piper comes before espeak-ng, and silence after both.

    Raises:
        ConfigError: an unknown name, or a voice that is not installed; it says how to get it.
    """
    check_voice(name)
    if name in ("auto", "piper"):
        model = os.environ.get(PIPER_VOICE, "")
        if model and Path(model).is_file() and which("piper") and which("aplay"):
            commands = (
                ("piper", "--model", model, "--output_file", "-"),
                ("aplay", "-q", "-"),
            )
            return Voice("piper", commands, f"speaking with piper ({model})", on_speaking)
        if name == "piper":
            raise ConfigError(
                "voice 'piper' needs the programs piper and aplay, and a voice: "
                f"{PIPER_VOICE}=FILE.onnx; valid: {', '.join(VOICES)}"
            )
    if name in ("auto", "espeak-ng"):
        if which("espeak-ng"):
            return Voice("espeak-ng", (_ESPEAK,), "speaking with espeak-ng", on_speaking)
        if name == "espeak-ng":
            raise ConfigError(
                "voice 'espeak-ng' is not installed; run `sudo apt-get install espeak-ng`"
            )
    why = "" if name == "none" else ": neither espeak-ng nor piper is installed"
    return Voice("none", (), f"speaking in text only{why}", on_speaking)
