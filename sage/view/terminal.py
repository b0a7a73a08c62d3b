"""Watching a run live in a terminal: camera, command, what is seen, and every plugin's figures."""

from __future__ import annotations

import atexit
import logging
import math
import threading
from collections import deque
from functools import lru_cache
from types import TracebackType

from rich.console import COLOR_SYSTEMS, Console
from rich.segment import Segment
from rich.style import Style

from sage.irp.errors import ConfigError
from sage.telemetry.events import Event
from sage.values import Scene, UInt8Array
from sage.view import screen
from sage.view.headless import silence
from sage.view.model import RunModel
from sage.view.screen import Line
from sage.view.thumbnail import Cells, size_for, thumbnail

logger = logging.getLogger(__name__)

# Alternate screen and cursor (xterm's DEC private modes), written here because rich's own ways to
# say it end the process when the terminal has gone.
_TAKE_SCREEN = "\x1b[?1049h\x1b[H\x1b[?25l"
_GIVE_SCREEN_BACK = "\x1b[0m\x1b[?25h\x1b[?1049l"
_PICTURE_ROW = 2  # under the top line and the frame's edge
_PICTURE_COLUMNS = 72
_REPAINT_FRAMES = 20  # whatever else writes to the terminal is wiped after so many pictures


class _Held(logging.Handler):
    """Keeps log records while the screen is taken, instead of writing across it."""

    def __init__(self) -> None:
        super().__init__()
        self.records: deque[logging.LogRecord] = deque(maxlen=1000)

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


class TerminalView:
    """Takes the terminal's alternate screen and paints the run on it some six times a second.

    It is an observer of telemetry: events are folded in on the bus's thread, the painting has a
    thread of its own, and what is unchanged is not written again. Log records are held back while
    the screen is taken (the last warning is shown on the bottom line) and handed to their handlers
    on ``close``, which also restores the terminal. Use it as a context manager.

    Args:
        name: what runs, for the top line.
        console: the terminal; standard output by default.
        period_s: seconds between two pictures.
    """

    def __init__(
        self, name: str = "", *, console: Console | None = None, period_s: float = 1.0 / 6.0
    ) -> None:
        if not (math.isfinite(period_s) and period_s > 0.0):
            raise ConfigError(f"period_s must be finite and positive, got {period_s}")
        self._name = name
        self._console = console if console is not None else Console()
        self._period_s = period_s
        self._model = RunModel()
        self._frame: tuple[UInt8Array, Scene | None] | None = None
        self._made: tuple[object, tuple[int, int], Cells] = (None, (0, 0), [])
        self._painted: list[str] = []
        self._cells: Cells = []
        self._frames = 0
        self._held = _Held()
        self._replaced: list[logging.Handler] = []
        self._stopping = threading.Event()
        self._closing = threading.Lock()
        self._thread: threading.Thread | None = None
        self._open = False

    @staticmethod
    def possible(console: Console | None = None) -> bool:
        """Whether standard output, or ``console``, is a terminal that this view can paint on."""
        console = console if console is not None else Console()
        return console.is_terminal and not console.is_dumb_terminal

    def __call__(self, event: Event) -> None:
        """Take one event in."""
        self._model.apply(event)

    def show_frame(self, rgb: UInt8Array, scene: Scene | None = None) -> None:
        """Show a picture (height, width, 3; uint8, red first), with what was seen in it.

        The array is kept, not copied: nobody may write to it afterwards.
        """
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype.name != "uint8" or not rgb.size:
            raise ValueError(f"a frame is (height, width, 3) uint8, got {rgb.shape} {rgb.dtype}")
        self._frame = rgb, scene

    def start(self) -> None:
        """Take the screen and begin to paint.

        Raises:
            ConfigError: the output is not a terminal.
        """
        if not self.possible(self._console):
            raise ConfigError("the live view needs a terminal; use --headless for plain lines")
        atexit.register(self.close)
        root = logging.getLogger()
        self._replaced = root.handlers[:]
        root.handlers[:] = [self._held]
        self._open = True
        try:
            self._console.file.write(_TAKE_SCREEN)
            self._console.file.flush()
            self._thread = threading.Thread(target=self._run, name="view", daemon=True)
            self._thread.start()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give the screen back, as it was; a second call does nothing."""
        self._stopping.set()
        thread = self._thread
        try:
            if thread is not None and thread is not threading.current_thread():
                thread.join(timeout=2.0)  # a stalled terminal must not hold up the end of the run
        finally:
            self._give_back()

    def _give_back(self) -> None:
        with self._closing:
            if not self._open:
                return
            self._open = False
        try:
            self._console.file.write(_GIVE_SCREEN_BACK)
            self._console.file.flush()
        except BrokenPipeError:
            silence(self._console.file)
        except (OSError, ValueError) as error:
            logger.debug("the terminal could not be restored: %s", error)
        root = logging.getLogger()
        root.handlers[:] = [*self._replaced, *(h for h in root.handlers if h is not self._held)]
        last_resort = [logging.lastResort] if logging.lastResort is not None else []
        for record in self._held.records:
            for handler in self._replaced or last_resort:
                if record.levelno >= handler.level:
                    handler.handle(record)
        atexit.unregister(self.close)

    def __enter__(self) -> TerminalView:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._paint()
                self._stopping.wait(self._period_s)
            self._paint()
        except (OSError, ValueError) as error:  # the terminal went away
            logger.debug("the live view ended: %s", error)
        except Exception:
            logger.exception("the live view ended; the run goes on")
            self.close()

    def _paint(self) -> None:
        """Write what changed since the last picture: lines, and cells of the camera's frame."""
        console = self._console
        width, height = console.size
        lines, cells = self.compose(width, height)
        colours = self._colours()
        drawn = [_drawn(screen.fit(line, width), colours) for line in lines]
        before = self._painted
        out = []
        if len(before) != len(drawn) or self._frames % _REPAINT_FRAMES == 0:
            out.append("\x1b[2J" if len(before) != len(drawn) else "")
            before = [""] * len(drawn)
        old_cells = self._cells if len(self._cells) == len(cells) else [[]] * len(cells)
        for row, (now, then) in enumerate(zip(drawn, before, strict=True)):
            if now != then:
                out.append(f"\x1b[{row + 1};1H{now}")
            if 0 <= row - _PICTURE_ROW < len(cells):
                new = cells[row - _PICTURE_ROW]
                out.append(_changed(row, new, old_cells[row - _PICTURE_ROW] if now == then else []))
        self._painted, self._cells = drawn, cells
        self._frames += 1
        content = "".join(out)
        if content:
            encoding = console.encoding
            if not encoding.startswith("utf"):
                content = content.replace("…", "~").encode(encoding, "replace").decode(encoding)
            console.file.write(content)
            console.file.flush()

    def _colours(self) -> str | None:
        """The name of the terminal's colour system; None where there shall be none."""
        return None if self._console.no_color else self._console.color_system

    def compose(self, width: int, height: int) -> tuple[list[Line], Cells]:
        """The picture as ``height`` lines, and the cells of the camera's frame that go over it."""
        console = self._console
        glyphs = screen.UNICODE if console.encoding.startswith("utf") else screen.ASCII
        with self._model.lock:
            if width < 60 or height < 16:
                return self._figures_only(width, height, glyphs), []
            return self._compose(width, height, glyphs)

    def _figures_only(self, width: int, height: int, glyphs: screen.Glyphs) -> list[Line]:
        """All that a small terminal has room for."""
        model = self._model
        rows = [screen.header(model, self._name, width, glyphs)]
        for figures in model.plugins.values():
            rows.append(screen.plugin_row(figures, model.now_s, width, glyphs))
        return self._filled(rows, height)

    def _compose(self, width: int, height: int, glyphs: screen.Glyphs) -> tuple[list[Line], Cells]:
        model = self._model
        count = len(model.plugins)
        details = height - 2 - (3 + 2 * count) >= 11
        plugins_height = min(3 + count * (2 if details else 1), height - 2 - 8)
        upper = height - 2 - plugins_height
        columns, rows = self._picture_size(width, upper - 2)
        cells = self._picture(columns, rows, glyphs)
        title: Line = [Segment("camera", screen.TITLE)]
        if rate := model.sights.per_s(model.now_s):
            title.append(Segment(f"  {rate:.1f}/s", screen.DIM))
        blank: list[Line] = [] if cells else [[Segment(" no picture yet", screen.DIM)]]
        camera = screen.framed(title, blank, columns + 2, upper, glyphs)
        column = self._column(width - columns - 2, upper, glyphs)
        lines = [screen.header(model, self._name, width, glyphs)]
        lines += [[*left, *right] for left, right in zip(camera, column, strict=True)]
        table = [screen.plugin_header(width - 2, glyphs)]
        for figures in model.plugins.values():
            table.append(screen.plugin_row(figures, model.now_s, width - 2, glyphs))
            if details:
                table.append(screen.plugin_detail(figures, glyphs))
        plugins: Line = [Segment("plugins", screen.TITLE)]
        lines += screen.framed(plugins, table, width, plugins_height, glyphs)
        return self._filled(lines, height), cells

    def _filled(self, lines: list[Line], height: int) -> list[Line]:
        """Exactly ``height`` lines, the last one with the last warning."""
        lines = lines[: height - 1]
        lines += [[Segment("")]] * (height - 1 - len(lines))
        warning = next(
            (r for r in reversed(self._held.records) if r.levelno >= logging.WARNING), None
        )
        if warning is None:
            return [*lines, [Segment(" Ctrl-C ends the run", screen.DIM)]]
        message = screen.clean(f" {warning.levelname.lower()}: {warning.getMessage()}")
        return [*lines, [Segment(message, screen.FAIR)]]

    def _column(self, width: int, height: int, glyphs: screen.Glyphs) -> list[Line]:
        """Command, sights, energy and history, one above the other, as far as there is room."""
        model = self._model
        inner = width - 2
        rest = height - 4
        charts = 9 if rest >= 22 and width >= 50 else 0
        past = max(3, 2 * (rest - charts) // 5 + 1) if rest >= 8 else 0
        seen = rest - charts - past
        boxes = (
            (screen.doing, 4),
            (screen.sights, seen),
            (screen.descents, charts),
            (screen.history, past),
        )
        lines: list[Line] = []
        for box, rows in boxes:
            if rows:
                title, content = box(model, inner, rows - 2, glyphs)
                lines += screen.framed(title, content, width, rows, glyphs)
        return lines

    def _picture_size(self, width: int, rows: int) -> tuple[int, int]:
        shape = self._frame[0].shape if self._frame is not None else (1, 1)
        columns = min(width - 54, width // 2, _PICTURE_COLUMNS)
        return size_for(shape, max(6, columns), rows)

    def _picture(self, columns: int, rows: int, glyphs: screen.Glyphs) -> Cells:
        """The cells of the last frame, made once per frame and size."""
        frame = self._frame
        if frame is None:
            return []
        made_of, size, cells = self._made
        if made_of is not frame or size != (columns, rows):
            rgb, scene = frame
            found = screen.ordered(scene.detections) if scene is not None else []
            colours = {"256": 256, "truecolor": 1 << 24}.get(self._colours() or "", 0)
            cells = thumbnail(rgb, found, columns, rows, colours=colours, half_blocks=glyphs.half)
            self._made = frame, (columns, rows), cells
        return cells


def _drawn(line: Line, colours: str | None) -> str:
    """A line as it is sent to the terminal."""
    if colours is None:
        return "".join(segment.text for segment in line)
    parts = []
    for content, style, _ in line:
        codes = _codes(style, colours) if style is not None else ""
        parts.append(f"\x1b[{codes}m{content}\x1b[0m" if codes else content)
    return "".join(parts)


@lru_cache(maxsize=256)
def _codes(style: Style, colours: str) -> str:
    """A style in the terminal's own codes."""
    system = COLOR_SYSTEMS[colours]
    codes = ["1"] if style.bold else []
    if style.color is not None:
        codes += style.color.downgrade(system).get_ansi_codes(foreground=True)
    if style.bgcolor is not None:
        codes += style.bgcolor.downgrade(system).get_ansi_codes(foreground=False)
    return ";".join(codes)


def _changed(row: int, new: list[str], old: list[str]) -> str:
    """What to send so that a row of cells reads ``new``: from the first change to the last."""
    count = len(new)
    if len(old) != count:
        first, last = 0, count
    else:
        first = next((i for i in range(count) if new[i] != old[i]), count)
        last = next((i for i in range(count, first, -1) if new[i - 1] != old[i - 1]), first)
    if first == last:
        return ""
    span = [new[first]]
    # A cell like the one before it needs no colour of its own.
    span += [
        cell[-1] if cell == left else cell
        for left, cell in zip(new[first:last], new[first + 1 : last], strict=False)
    ]
    return f"\x1b[{row + 1};{first + 2}H{''.join(span)}\x1b[0m"
