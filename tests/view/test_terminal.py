from __future__ import annotations

import io
import logging
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.segment import Segment

from sage.irp.errors import ConfigError
from sage.irp.halting import HaltReason
from sage.irp.trajectory import Trajectory
from sage.telemetry import Cycle, Dropped, Finished, Health, Moved, Saw, Task
from sage.values import Detection, Effect, Scene, Twist, UInt8Array
from sage.view import screen
from sage.view.terminal import TerminalView
from sage.view.thumbnail import shrink, size_for, thumbnail

ROOT = Path(__file__).parents[2]
PARK = "\x1b[?1049h"
LEAVE = "\x1b[?1049l"
SHOW_CURSOR = "\x1b[?25h"


class Utf8Stream(io.StringIO):
    encoding = "utf-8"  # type: ignore[assignment]


class AsciiStream(io.StringIO):
    encoding = "ascii"  # type: ignore[assignment]


def console(
    width: int = 80,
    height: int = 24,
    *,
    stream: io.StringIO | None = None,
    colours: str | None = "truecolor",
) -> Console:
    return Console(
        file=stream if stream is not None else Utf8Stream(),
        force_terminal=True,
        color_system=colours,  # type: ignore[arg-type]
        width=width,
        height=height,
        _environ={"TERM": "xterm-256color"},
    )


def picture(colour: tuple[int, int, int] = (200, 30, 30), height: int = 96) -> UInt8Array:
    return np.broadcast_to(np.array(colour, np.uint8), (height, 96, 3)).copy()


def feed(view: TerminalView, plugins: tuple[str, ...] = ("vision", "control")) -> None:
    """Half a minute of a run, as telemetry tells it."""
    found = (
        Detection("apple", 0.91, (20.0, 20.0, 60.0, 60.0), 0.5, 1.8),
        Detection("washing machine", 0.35, (0.0, 0.0, 10.0, 90.0), -0.2),
    )
    for index in range(30):
        at_s = 50.0 + index
        view(Cycle(at_s, index, 1000.0, 640.0, {"vision": 0.83}))
        for name in plugins:
            energies = (2.0, 1.0, 0.41)
            trajectory = Trajectory(energies, (0.004,) * 3, 2, HaltReason.CONVERGED, 20)
            view(Finished(at_s, name, "perception", index, at_s, trajectory, 400.0, 300.0, 0.83))
    view(Dropped(79.0, "vision", "superseded", 78.9))
    view(Saw(79.0, Scene(78.9, found, "kitchen", 0.93)))
    view(Moved(79.0, Effect(79.0, Twist(0.3, 0.2), 78.92)))
    view(Task(60.0, 0, "heard", "go to the sofa"))
    view(Task(60.0, 0, "started", "go to the sofa"))
    view(Task(70.0, 0, "failed", "I could not find the sofa"))
    view(Task(71.0, 1, "heard", "find my apple"))
    view(Task(71.0, 1, "understood", "find the apple"))
    view(Task(72.0, 1, "started", "find the apple"))
    view.show_frame(picture(), Scene(78.9, found, "kitchen", 0.93))


def shown(view: TerminalView, width: int = 80, height: int = 24) -> str:
    lines, _ = view.compose(width, height)
    return "\n".join("".join(segment.text for segment in line) for line in lines)


def played(output: str, width: int, height: int) -> list[str]:
    """What a terminal shows after this output: enough of one to read the view's own writes."""
    grid = [[" "] * width for _ in range(height)]
    row = column = 0
    for match in re.finditer(r"\x1b\[(\??[\d;]*)([A-Za-z])|(.)", output, re.DOTALL):
        arguments, command, character = match.groups()
        if command == "H":
            row, column = (int(value) - 1 for value in (arguments or "1;1").split(";"))
        elif command == "J":
            grid = [[" "] * width for _ in range(height)]
        elif character is not None:
            assert character.isprintable(), f"{character!r} reached the terminal"
            grid[row][column] = character  # IndexError: written outside the screen
            column += 1
    return ["".join(line) for line in grid]


@pytest.fixture(autouse=True)
def _logging_is_left_alone() -> Iterator[None]:
    before = logging.getLogger().handlers[:]
    yield
    assert logging.getLogger().handlers == before


def test_everything_is_on_a_screen_of_80_by_24() -> None:
    view = TerminalView("sim:apartment", console=console())
    feed(view)
    text = shown(view)
    for words in (
        "SAGE  sim:apartment  00:29  cycle 30",
        "640/1000 ATP",
        "command 2  started",
        "find the apple",
        "+0.30 m/s  +11°/s  80 ms after capture",
        "kitchen 93%",
        "apple",
        "0.91   29° left   1.8 m",
        "washing machine",
        "11° right",
        "past  1 failed",
        "✘ go to the sofa",
        "I could not find the sofa",
        "10 s",
        "● vision     1.0   3.0  █▄▁",
        "0.41  ━━━━─ 0.83  400/300/100     12/12",
        "converged 30  dropped superseded 1",
        "● control",
        "Ctrl-C",
    ):
        assert words in text, f"{words!r} is not in\n{text}"


def test_a_larger_screen_shows_more() -> None:
    view = TerminalView(console=console(140, 45))
    feed(view)
    text = shown(view, 140, 45)
    assert "energy of each step" in text
    assert "vision  2 to 0.41, converged" in text
    assert "ATP given/spent/back" in text
    assert "in the kitchen: an apple on the left at 1.8 m, perhaps a washing" in text
    _, small = view.compose(80, 24)
    _, large = view.compose(140, 45)
    assert len(large) > 2 * len(small)


def test_nothing_happened_yet() -> None:
    text = shown(TerminalView(console=console()))
    assert "no picture yet" in text
    assert "idle" in text


def test_trouble_is_shown() -> None:
    view = TerminalView(console=console())
    feed(view)
    view(Health(80.0, "control", "backing_off", "step raised\nValueError\x1b[31m"))
    view(Cycle(90.0, 31, 1000.0, 0.0, {}))
    text = shown(view)
    assert "backing_off: step raised ValueError[31m" in text
    assert "11 s ago" in text


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(20, 250),
    height=st.integers(4, 80),
    plugins=st.integers(0, 7),
    ascii_only=st.booleans(),
    fed=st.booleans(),
)
def test_any_screen_is_filled_exactly(
    width: int, height: int, plugins: int, ascii_only: bool, fed: bool
) -> None:
    stream = AsciiStream() if ascii_only else Utf8Stream()
    view = TerminalView(console=console(width, height, stream=stream))
    if fed:
        feed(view, tuple(f"plugin {index}" for index in range(plugins)))
    lines, cells = view.compose(width, height)
    assert len(lines) == height
    framed = width >= 80 and height >= 16
    for line in lines[:-1] if framed else ():
        assert Segment.get_line_length(line) == width, "".join(part.text for part in line)
    assert 2 + len(cells) < height
    view._paint()
    played(stream.getvalue(), width, height)


def test_only_what_changed_is_written_again() -> None:
    stream = Utf8Stream()
    view = TerminalView(console=console(stream=stream))
    feed(view)
    view._paint()
    first = played(stream.getvalue(), 80, 24)
    assert any("find the apple" in line for line in first)
    assert "▀" * 10 in first[5]
    size = len(stream.getvalue())
    view._paint()
    assert len(stream.getvalue()) == size
    view(Task(80.0, 1, "done", "I see the apple"))
    changed = picture()
    changed[40:44, 40:44] = 0
    view.show_frame(changed)
    view._paint()
    assert len(stream.getvalue()) - size < size // 2
    again = Utf8Stream()
    fresh = TerminalView(console=console(stream=again))
    feed(fresh)
    fresh(Task(80.0, 1, "done", "I see the apple"))
    fresh.show_frame(changed)
    fresh._paint()
    assert played(stream.getvalue(), 80, 24) == played(again.getvalue(), 80, 24)


def test_the_screen_is_repainted_after_a_while() -> None:
    stream = Utf8Stream()
    view = TerminalView(console=console(stream=stream))
    for _ in range(20):
        view._paint()
    size = len(stream.getvalue())
    view._paint()
    assert "SAGE" in stream.getvalue()[size:]


def test_a_resized_screen_is_wiped() -> None:
    stream = Utf8Stream()
    terminal = console(stream=stream)
    view = TerminalView(console=terminal)
    feed(view)
    view._paint()
    terminal.size = (100, 30)  # type: ignore[assignment]
    position = len(stream.getvalue())
    view._paint()
    output = stream.getvalue()[position:]
    assert output.startswith("\x1b[2J")
    assert len(played(output, 100, 30)[0].rstrip()) > 90


@pytest.mark.parametrize(
    ("stream", "colours"),
    [(AsciiStream(), None), (AsciiStream(), "truecolor"), (Utf8Stream(), "standard")],
)
def test_poorer_terminals_get_what_they_can_show(stream: io.StringIO, colours: str | None) -> None:
    view = TerminalView(console=console(stream=stream, colours=colours))
    feed(view)
    view._paint()
    output = stream.getvalue()
    lines = played(output, 80, 24)
    assert any("find the apple" in line for line in lines)
    if isinstance(stream, AsciiStream):
        assert output.isascii()
    if colours is None:
        assert not re.search(r"\x1b\[[\d;]*m", output.replace("\x1b[0m", ""))
    else:
        assert re.search(r"\x1b\[[\d;]+m", output)
    if colours == "standard":
        assert "38;2;" not in output
        assert "▀" not in output


def test_no_color_is_honoured() -> None:
    terminal = Console(
        file=Utf8Stream(), force_terminal=True, width=80, height=24, _environ={"NO_COLOR": "1"}
    )
    view = TerminalView(console=terminal)
    feed(view)
    view._paint()
    assert isinstance(terminal.file, Utf8Stream)
    assert "38;" not in terminal.file.getvalue()


def test_the_terminal_is_restored_after_an_exception() -> None:
    stream = Utf8Stream()
    view = TerminalView(console=console(stream=stream), period_s=0.01)

    def run() -> None:
        with view:
            feed(view)
            raise RuntimeError("the run broke")

    with pytest.raises(RuntimeError, match="the run broke"):
        run()
    output = stream.getvalue()
    assert PARK in output
    assert output.index(PARK) < output.index("SAGE") < output.index(LEAVE)
    assert output.rindex(SHOW_CURSOR) > output.rindex("SAGE")
    view.close()
    assert stream.getvalue() == output


def test_log_records_wait_until_the_screen_is_free() -> None:
    stream = Utf8Stream()
    seen: list[str] = []

    class Seen(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record.getMessage())

    root = logging.getLogger()
    handler = Seen(logging.WARNING)
    root.addHandler(handler)
    try:
        with TerminalView(console=console(stream=stream)) as view:
            feed(view)
            logging.getLogger("sage.test").warning("camera is %s", "late")
            logging.getLogger("sage.test").info("nothing of note")
            assert seen == []
            assert "warning: camera is late" in shown(view)
        assert seen == ["camera is late"]
    finally:
        root.removeHandler(handler)


class GoneStream(Utf8Stream):
    """A terminal that is closed while the view paints on it."""

    gone = False

    def write(self, text: str) -> int:
        if self.gone:
            raise BrokenPipeError(32, "Broken pipe")
        return super().write(text)


def test_a_terminal_that_goes_away_ends_the_view_and_not_the_run() -> None:
    stream = GoneStream()
    with TerminalView(console=console(stream=stream), period_s=0.005) as view:
        feed(view)
        deadline_s = time.monotonic() + 5.0
        while "SAGE" not in stream.getvalue() and time.monotonic() < deadline_s:
            time.sleep(0.005)
        stream.gone = True
        view(Task(90.0, 3, "heard", "stop"))
        thread = view._thread
        assert thread is not None
        thread.join(timeout=5.0)
        assert not thread.is_alive()
        feed(view)


def test_a_view_that_breaks_gives_the_screen_back(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stream = Utf8Stream()
    monkeypatch.setattr(screen, "header", lambda *_: 1 / 0)
    with TerminalView(console=console(stream=stream), period_s=0.005) as view:
        assert view._thread is not None
        view._thread.join(timeout=5.0)
        assert LEAVE in stream.getvalue()
    assert "the run goes on" in caplog.text


def test_a_pipe_is_no_terminal() -> None:
    plain = Console(file=io.StringIO())
    assert not TerminalView.possible(plain)
    assert TerminalView.possible(console())
    with pytest.raises(ConfigError, match="--headless"):
        TerminalView(console=plain).start()


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_on_a_pseudo_terminal_ctrl_c_leaves_it_as_it_was() -> None:
    import pty

    script = (
        "import sys, time, logging\n"
        "from sage.view.terminal import TerminalView\n"
        "view = TerminalView('a run')\n"
        "try:\n"
        "    with view:\n"
        "        print('ready', file=sys.stderr, flush=True)\n"
        "        time.sleep(30)\n"
        "except KeyboardInterrupt:\n"
        "    print('the end')\n"
    )
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=child,
        stdout=child,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "TERM": "xterm-256color"},
    )
    os.close(child)
    output = b""
    interrupted = False
    deadline_s = time.monotonic() + 20.0
    try:
        while time.monotonic() < deadline_s:
            if select.select([parent], [], [], 0.1)[0]:
                try:
                    chunk = os.read(parent, 65536)
                except OSError:  # the other end closed
                    break
                if not chunk:
                    break
                output += chunk
            if not interrupted and b"SAGE" in output:
                assert process.stderr is not None
                assert process.stderr.readline() == b"ready\n"
                process.send_signal(signal.SIGINT)
                interrupted = True
    finally:
        process.kill()
        process.communicate()
        os.close(parent)
    text = output.decode()
    assert text.index(PARK) < text.index("a run") < text.index(LEAVE) < text.index("the end")
    assert text.rindex(SHOW_CURSOR) < text.index("the end")


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_a_frame_is_checked(frame: UInt8Array) -> None:
    with pytest.raises(ValueError, match="a frame is"):
        TerminalView(console=console()).show_frame(frame)


def test_shrinking_keeps_colours_and_places() -> None:
    rgb = np.zeros((480, 640, 3), np.uint8)
    rgb[:240, :320] = (250, 0, 0)
    rgb[240:, 320:] = (0, 0, 250)
    small = shrink(rgb, 8, 6)
    assert small.shape == (6, 8, 3)
    assert (small[0, 0] == (250, 0, 0)).all()
    assert (small[5, 7] == (0, 0, 250)).all()
    assert (small[0, 7] == 0).all()
    assert shrink(rgb[:1, :1], 5, 5).shape == (5, 5, 3)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((224, 224, 3), (20, 10)), ((576, 768, 3), (27, 10)), ((100, 1000, 3), (40, 2))],
)
def test_a_picture_keeps_its_shape(shape: tuple[int, ...], expected: tuple[int, int]) -> None:
    assert size_for(shape, 40, 10) == expected


def test_cells_carry_two_pixels_and_the_boxes() -> None:
    rgb = picture((255, 255, 255))
    rgb[:48] = 0
    cells = thumbnail(rgb, (), 4, 1, colours=1 << 24, half_blocks=True)
    assert cells == [["\x1b[38;2;0;0;0;48;2;255;255;255m▀"] * 4]
    cells = thumbnail(rgb, (), 4, 2, colours=256, half_blocks=False)
    assert cells == [["\x1b[48;5;16m "] * 4, ["\x1b[48;5;231m "] * 4]
    cells = thumbnail(rgb, (), 4, 2, colours=16, half_blocks=True)
    assert cells == [[" "] * 4, ["@"] * 4]
    boxed = (
        Detection("apple", 0.9, (24.0, 24.0, 72.0, 72.0)),
        Detection("box", 0.5, (float("nan"), 0.0, 9.0, 9.0)),
        Detection("mug", 0.5, (-900.0, -900.0, 9000.0, 9000.0)),
    )
    cells = thumbnail(rgb, boxed, 96, 48, colours=1 << 24, half_blocks=True)
    amber = thumbnail(picture((0xFF, 0xB0, 0)), (), 1, 1, colours=1 << 24, half_blocks=False)
    colour = amber[0][0].removeprefix("\x1b[48;2;").removesuffix("m ")
    assert colour in cells[12][24]
    assert colour in cells[20][24]
    assert colour not in cells[20][40]


def test_text_from_outside_cannot_command_the_terminal() -> None:
    assert screen.clean("a\x1b[2Jb\nc\u202ed\x00") == "a[2Jb cd"
    assert screen.text("a long text", 6).text == "a lon…"
    assert screen.text("7", 3, right=True).text == "  7"
    assert screen.text("\u4f60\u597d\u4f60\u597d", 5).text == "\u4f60\u597d…"


def test_sparklines_and_charts() -> None:
    glyphs = screen.UNICODE
    assert screen.sparkline((), 3, glyphs) == "   "
    assert screen.sparkline((8.0, 4.5, 1.0), 4, glyphs) == "█▅▁ "
    assert screen.sparkline((1.0, 1.0), 2, glyphs) == "▁▁"
    assert screen.sparkline((float("nan"), 1.0, 2.0), 3, glyphs) == "▁█ "
    assert screen.sparkline(tuple(map(float, range(100))), 8, glyphs) == "▁▂▃▄▅▆▇█"
    top, bottom = screen.chart((16.0, 8.0, 1.0), 12, 2, glyphs)
    assert "".join(part.text for part in top) == "███         "
    assert "".join(part.text for part in bottom) == "███ ███ ▁▁▁ "
