"""The live view's picture: the figures of a run, laid out in lines of a given width and height.

Everything here is pure: a model goes in, lines of styled text come out. :mod:`sage.view.terminal`
puts them on the screen.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style

from sage.describing import describe
from sage.irp.halting import HaltReason
from sage.values import Detection
from sage.view.model import CommandFigures, PluginFigures, RunModel, quantile
from sage.view.thumbnail import BOX_COLOURS

Line = list[Segment]

PLAIN = Style()
DIM = Style(color="bright_black")
BOLD = Style(bold=True)
TITLE = Style(color="cyan", bold=True)
FRAME = Style(color="grey39")
GOOD = Style(color="green3")
FAIR = Style(color="gold3")
BAD = Style(color="indian_red1", bold=True)
ACCENT = Style(color="deep_sky_blue1")
CURVE = Style(color="medium_purple1")
BANNER = Style(color="white", bgcolor="deep_sky_blue4", bold=True)
REST = Style(color="grey30")

_BOX_STYLES = tuple(Style(color=colour, bold=True) for colour in BOX_COLOURS)


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The characters that the screen is made of."""

    corners: str
    across: str
    down: str
    levels: str
    full: str
    empty: str
    mark: str
    run: str
    done: str
    failed: str
    dot: str
    half: bool
    degree: str


UNICODE = Glyphs(
    corners="╭╮╰╯", across="─", down="│", levels="▁▂▃▄▅▆▇█", full="━", empty="─", mark="■",
    run="▶", done="✔", failed="✘", dot="●", half=True, degree="°",
)  # fmt: skip
ASCII = Glyphs(
    corners="++++", across="-", down="|", levels="_.,-=+*#", full="#", empty=".", mark="#",
    run=">", done="+", failed="x", dot="*", half=False, degree="",
)  # fmt: skip


def label_style(index: int) -> Style:
    """The colour of the detection at this place in the list, in the list and in the picture."""
    return _BOX_STYLES[index % len(_BOX_STYLES)]


def clean(text: str) -> str:
    """Text that can do nothing to a terminal: one line, no control characters."""
    return "".join(
        " " if character in "\t\r\n" else character
        for character in text
        if character in "\t\r\n" or unicodedata.category(character)[0] != "C"
    )


def fit(line: Line, width: int) -> Line:
    """The line, cut or padded to exactly ``width`` cells."""
    return Segment.adjust_line_length(line, width)


def text(content: str, width: int, style: Style = PLAIN, *, right: bool = False) -> Segment:
    """A cell of a table: exactly ``width`` wide, shortened where it must be."""
    content = clean(content)
    excess = cell_len(content) - width
    if excess > 0 and width > 1:
        content = set_cell_size(content, width - 1).rstrip() + "…"
    elif right and excess < 0:
        content = " " * -excess + content
    return Segment(set_cell_size(content, width), style)


def bar(fraction: float, width: int, style: Style, glyphs: Glyphs) -> list[Segment]:
    """A bar, filled from the left."""
    filled = round(min(1.0, max(0.0, fraction)) * width) if math.isfinite(fraction) else 0
    return [Segment(glyphs.full * filled, style), Segment(glyphs.empty * (width - filled), REST)]


def sparkline(values: Sequence[float], width: int, glyphs: Glyphs) -> str:
    """The last ``width`` values, or all of them stretched to it, between their own extremes."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return " " * width
    if len(finite) > width:
        finite = [finite[round(i * (len(finite) - 1) / max(1, width - 1))] for i in range(width)]
    low, high = min(finite), max(finite)
    top = len(glyphs.levels) - 1
    scale = top / (high - low) if high > low else 0.0
    return "".join(glyphs.levels[round((value - low) * scale)] for value in finite).ljust(width)


def framed(title: Line, lines: list[Line], width: int, height: int, glyphs: Glyphs) -> list[Line]:
    """Lines in a box of exactly this size, the title on its upper edge."""
    corners = glyphs.corners
    inner = width - 2
    title_width = min(Segment.get_line_length(title), inner - 4)
    top = [Segment(corners[0] + glyphs.across + " ", FRAME), *fit(title, title_width)]
    top.append(Segment(" " + glyphs.across * (inner - title_width - 3) + corners[1], FRAME))
    edge = Segment(glyphs.down, FRAME)
    body = [[edge, *fit(line, inner), edge] for line in lines[: height - 2]]
    body += [[edge, Segment(" " * inner), edge]] * (height - 2 - len(body))
    return [top, *body, [Segment(corners[2] + glyphs.across * inner + corners[3], FRAME)]]


def header(model: RunModel, name: str, width: int, glyphs: Glyphs) -> Line:
    """One line: what runs, for how long, and what a cycle spent of late."""
    minutes, seconds = divmod(int(model.elapsed_s), 60)
    line = [
        Segment(" SAGE ", BANNER),
        Segment(f" {clean(name)}  ", BOLD),
        Segment(f"{minutes:02d}:{seconds:02d}  cycle {model.cycle}  ", DIM),
    ]
    spent_atp = sum(model.spent_atp) / max(1, len(model.spent_atp))
    used = spent_atp / model.pool_atp if model.pool_atp > 0.0 else 0.0
    figures = f" {spent_atp:4.0f}/{model.pool_atp:.0f} ATP "
    room = width - Segment.get_line_length(line) - len(figures)
    if room >= 6:
        length = min(room, 40)
        line.append(Segment(" " * (room - length)))
        line += bar(used, length, GOOD if used < 0.9 else FAIR, glyphs)
    return [*line, Segment(figures, BOLD)]


def sights(model: RunModel, width: int, rows: int, glyphs: Glyphs) -> tuple[Line, list[Line]]:
    """What vision reads: the room as a title, a line a thing, the surest first; and in words."""
    title: Line = [Segment("sees", TITLE)]
    scene = model.scene
    if scene is None:
        return title, [[Segment(" nothing was looked at so far", DIM)]]
    if scene.room is not None:
        title.append(Segment(f"  {clean(scene.room)} {scene.room_probability:.0%}", ACCENT))
    if model.now_s - scene.captured_s > 1.0:
        title.append(Segment(f"  {model.now_s - scene.captured_s:.0f} s ago", FAIR))
    if not scene.detections:
        return title, [[Segment(" nothing that it knows", DIM)]]
    lines = []
    for index, found in enumerate(ordered(scene.detections)[:rows]):
        where = f"{abs(math.degrees(found.bearing_rad)):.0f}{glyphs.degree}"
        where += " left " if found.bearing_rad >= 0.0 else " right"
        far = f"{found.distance_m:.1f} m" if found.distance_m is not None else ""
        spare = max(0, width - 50)
        lines.append(
            [
                Segment(f" {glyphs.mark} ", label_style(index)),
                text(found.label, 16 + spare // 3),
                *bar(found.confidence, 6 + spare // 3, _grade(found.confidence), glyphs),
                text(f"{found.confidence:.2f}", 5, right=True),
                text(where, 12, DIM, right=True),
                text(far, 7, right=True),
            ]
        )
    if len(lines) < rows:
        lines.append([Segment(" "), text(describe(scene), width - 2, DIM)])
    return title, lines


def ordered(detections: Sequence[Detection]) -> list[Detection]:
    """The detections as they are listed: the surest first."""
    return sorted(detections, key=lambda found: -found.confidence)


def doing(model: RunModel, width: int, rows: int, glyphs: Glyphs) -> tuple[Line, list[Line]]:
    """The command that runs, what waits behind it, and the wheels."""
    current = model.current()
    title: Line = [Segment("command", TITLE)]
    if current is None:
        lines: list[Line] = [[Segment(" idle", DIM)]]
    else:
        title.append(Segment(f" {current.number + 1}", TITLE))
        title.append(Segment(f"  {clean(current.phase)}", ACCENT))
        since = f"{max(0.0, model.now_s - current.began_s):.0f} s "
        lines = [
            [
                Segment(f" {glyphs.run} ", ACCENT),
                text(current.text, width - 3 - len(since), BOLD),
                Segment(since, DIM),
            ]
        ]
        waiting = sum(not command.over for command in model.commands.values()) - 1
        if waiting > 0:
            title.append(Segment(f"  {waiting} more", DIM))
    if (effect := model.effect) is not None:
        twist = effect.twist
        turn = math.degrees(twist.angular_rad_s)
        wheels = f" wheels {twist.linear_m_s:+.2f} m/s {turn:+4.0f}{glyphs.degree or ' deg'}/s"
        lag = quantile(model.lags_ms, 0.5)
        delay = f"  {lag:.0f} ms after capture" if lag is not None else ""
        lines.append([Segment(wheels), Segment(delay, DIM)])
    return title, lines[:rows]


def history(model: RunModel, width: int, rows: int, glyphs: Glyphs) -> tuple[Line, list[Line]]:
    """The commands that are over, the last one first."""
    over = [command for command in model.commands.values() if command.over]
    counts = Counter(command.phase for command in over)
    title = [Segment("past", TITLE)]
    for phase, style in (("done", GOOD), ("failed", BAD), ("declined", FAIR)):
        if counts[phase]:
            title.append(Segment(f"  {counts[phase]} {phase}", style))
    shown = over[-rows:] if rows > 0 else []
    asked = max([12, *(cell_len(clean(command.text)) for command in shown)])
    return title, [_past(item, width, min(asked, width // 2 - 4), glyphs) for item in shown[::-1]]


def _past(command: CommandFigures, width: int, asked: int, glyphs: Glyphs) -> Line:
    mark, style = {
        "done": (glyphs.done, GOOD),
        "failed": (glyphs.failed, BAD),
    }.get(command.phase, ("?", FAIR))
    took = ""
    if command.ended_s is not None and command.phase != "declined":
        took = f" {command.ended_s - command.began_s:.0f} s"
    return [
        Segment(f" {mark} ", style),
        text(command.text, asked),
        Segment("  "),
        text(command.outcome, width - 6 - asked - len(took), DIM),
        Segment(took, DIM),
    ]


def descents(model: RunModel, width: int, rows: int, glyphs: Glyphs) -> tuple[Line, list[Line]]:
    """The last refinement of each plugin as a chart: the energy after each step."""
    plugins = [figures for figures in model.plugins.values() if figures.curve][: width // 24]
    title: Line = [Segment("energy of each step", TITLE)]
    if not plugins:
        return title, [[Segment(" no refinement so far", DIM)]]
    share = width // len(plugins)
    lines: list[Line] = [[] for _ in range(rows)]
    for figures in plugins:
        best = min(figures.curve)
        caption = f" {figures.name}  {figures.curve[0]:.3g} to {best:.3g}, {figures.reason}"
        lines[0].append(text(caption, share, DIM))
        bars = chart(figures.curve, share - 2, rows - 1, glyphs)
        for line, drawn in zip(lines[1:], bars, strict=True):
            line += [Segment(" "), *fit(drawn, share - 1)]
    return title, lines


def chart(values: Sequence[float], width: int, rows: int, glyphs: Glyphs) -> list[Line]:
    """A bar for each value, between the extremes of all; the lowest one stands out."""
    values = values[:width]
    low, high = min(values), max(values)
    across = max(1, min(5, width // len(values)))
    gap = " " if across > 1 else ""
    levels = len(glyphs.levels)
    scale = (rows * levels - 1) / (high - low) if high > low else 0.0
    heights = [1 + round((value - low) * scale) for value in values]
    lowest = values.index(low)
    lines: list[Line] = []
    for floor in range((rows - 1) * levels, -1, -levels):
        line: Line = []
        for index, height in enumerate(heights):
            filled = min(levels, height - floor)
            cell = glyphs.levels[filled - 1] if filled > 0 else " "
            style = GOOD if index == lowest else CURVE
            line.append(Segment(cell * (across - len(gap)) + gap, style))
        lines.append(line)
    return lines


def plugin_columns(width: int) -> tuple[int, int, int, int, int]:
    """Widths of name, energy, answers, trust and ATP for a table of this width (78 or more)."""
    spare = max(0, width - 78)
    atp = 13 + (8 if spare >= 12 else 0)
    spare -= atp - 13
    answers = min(24, spare // 3) if spare >= 20 else 0
    spare = max(0, spare - answers - 2)
    return 9 + min(8, spare // 4), 9 + min(16, spare // 3), answers, 5 + min(12, spare // 4), atp


def plugin_header(width: int, glyphs: Glyphs) -> Line:
    """The names of the table's columns."""
    name, curve, answers, trust, atp = plugin_columns(width)
    titles = [
        Segment("   "),
        text("plugin", name),
        text("/s", 5, right=True),
        text("steps", 6, right=True),
        Segment("  "),
        text("energy", curve),
        text("answer", 8, right=True),
        Segment("  "),
    ]
    titles += [text("answers", answers), Segment("  ")] if answers else []
    titles += [
        text("trust", trust + 5),
        text("ATP given/spent/back" if width >= 90 else "ATP/cycle", atp, right=True),
        text("ms 50/95", 10, right=True),
    ]
    return [Segment(segment.text, DIM) for segment in titles]


def plugin_row(figures: PluginFigures, now_s: float, width: int, glyphs: Glyphs) -> Line:
    """One plugin's figures."""
    name, curve, answers, trust, atp = plugin_columns(width)
    style = {"active": GOOD, "backing_off": FAIR}.get(figures.state, BAD)
    granted, spent, returned = figures.atp_per_cycle
    steps = figures.mean_steps
    p50, p95 = quantile(figures.costs_ms, 0.5), quantile(figures.costs_ms, 0.95)
    row = [
        Segment(f" {glyphs.dot} ", style),
        text(figures.name, name, BOLD),
        text(f"{figures.rate.per_s(now_s):.1f}", 5, right=True),
        text("" if steps is None else f"{steps:.1f}", 6, right=True),
        Segment("  "),
        Segment(sparkline(figures.curve, curve, glyphs), CURVE),
        text("" if figures.energy is None else f"{figures.energy:.3g}", 8, right=True),
        Segment("  "),
    ]
    if answers:
        row += [Segment(sparkline(tuple(figures.answers)[-answers:], answers, glyphs), ACCENT)]
        row += [Segment("  ")]
    level = figures.trust if figures.trust is not None else 0.0
    return [
        *row,
        *bar(level, trust, _grade(level), glyphs),
        text("" if figures.trust is None else f" {figures.trust:.2f}", 5),
        text(f"{granted:.0f}/{spent:.0f}/{returned:.0f}", atp, right=True),
        text("" if p50 is None or p95 is None else f"{_ms(p50)}/{_ms(p95)}", 10, right=True),
    ]


def plugin_detail(figures: PluginFigures, glyphs: Glyphs) -> Line:
    """Why it halted, what it dropped, and what is wrong with it."""
    line = [Segment("   ")]
    if figures.state != "active":
        line.append(Segment(f"{clean(figures.state)}: {clean(figures.detail)}  ", BAD))
    for reason, count in figures.halts.most_common():
        line += [Segment(f"{reason} ", DIM), Segment(f"{count}  ", _halt_style(reason))]
    if figures.drops:
        line.append(Segment("dropped ", DIM))
        for reason, count in figures.drops.most_common():
            line += [Segment(f"{clean(reason)} ", DIM), Segment(f"{count}  ", FAIR)]
    return line


def _grade(level: float) -> Style:
    return GOOD if level >= 0.6 else FAIR if level >= 0.3 else BAD


def _halt_style(reason: str) -> Style:
    if reason in (HaltReason.FAILED.value, HaltReason.STUCK.value):
        return BAD
    saving = any(reason == known.value and known.is_saving for known in HaltReason)
    return GOOD if saving else PLAIN


def _ms(value: float) -> str:
    return f"{value:.1f}" if value < 10.0 else f"{value:.0f}"
