"""The run at a glance: what was heard, understood, done, refined and remembered, over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sage.report.bins import Bins
from sage.report.reading import CommandTrace, Digest
from sage.report.svg import Plot, Svg, clock_text, time_ticks

WIDTH = 1080.0
LEFT = 104.0
RIGHT = WIDTH - 12.0

_CHAR_PX = 6.4
_OUTCOMES = {"done": "good", "failed": "bad", "declined": "muted", "started": "busy"}


@dataclass(slots=True)
class _Lane:
    label: str
    height: float
    top: float = 0.0

    @property
    def middle(self) -> float:
        """Half-way down."""
        return self.top + 0.5 * self.height


def timeline(digest: Digest, duration_s: float) -> str:
    """The lanes of a run as SVG; only those in which something happened."""
    commands = sorted(digest.commands.values(), key=lambda trace: trace.command)
    parsed = [trace for trace in commands if trace.parsed is not None]
    plugins = sorted(digest.plugins)
    lanes: dict[str, _Lane] = {}
    if digest.heard:
        lanes["heard"] = _Lane("heard", 40.0)
    if parsed:
        lanes["understood"] = _Lane("understood", 34.0)
    if commands:
        lanes["tasks"] = _Lane("commands", 34.0)
    for name in plugins:
        lanes[f"plugin {name}"] = _Lane(name, 34.0)
    if digest.health:
        lanes["health"] = _Lane("plugin health", 24.0)
    if digest.salience.counts or digest.kept:
        lanes["memory"] = _Lane("salience", 52.0)
    y = 26.0
    for lane in lanes.values():
        lane.top = y
        y += lane.height + 8.0
    height = y + 4.0
    svg = Svg(WIDTH, height, "Timeline of the run", "chart timeline")
    plot = Plot(svg, (LEFT, 20.0, RIGHT, height - 4.0), (0.0, max(duration_s, 1e-3)), (0, 1))
    for value in time_ticks(duration_s, 10):
        x = plot.x(value)
        svg.mark("line", x1=x, x2=x, y1=20, y2=height - 4, cls="grid")
        svg.text(x, 13, clock_text(value), "tick mid")
    for lane in lanes.values():
        svg.text(LEFT - 10, lane.middle + 4, lane.label[:16], "lane end")
    start_s = digest.start_s
    if "heard" in lanes:
        _heard(plot, lanes["heard"], digest, start_s)
    if "understood" in lanes:
        _understood(plot, lanes["understood"], parsed, start_s)
    if "tasks" in lanes:
        _tasks(plot, lanes["tasks"], commands, start_s, duration_s)
    for index, name in enumerate(plugins):
        _density(plot, lanes[f"plugin {name}"], digest.plugins[name].finished, index, name)
    for line in digest.health:
        lane, x = lanes["health"], plot.x(line.at_s - start_s)
        state = "good" if line.state == "active" else "bad"
        tip = f"{clock_text(line.at_s - start_s)} {line.plugin}: {line.state} {line.detail}"
        svg.mark("circle", cx=x, cy=lane.middle, r=5, cls=f"dot {state}", tip=tip)
    if "memory" in lanes:
        _memory(plot, lanes["memory"], digest)
    return str(svg)


def _heard(plot: Plot, lane: _Lane, digest: Digest, start_s: float) -> None:
    free_x = plot.left
    for line in digest.heard:
        began_s = line.began_s if line.began_s is not None else line.at_s
        ended_s = line.ended_s if line.ended_s is not None else line.at_s
        x, width = _span(plot, began_s - start_s, ended_s - start_s)
        words = line.text or "(nothing recognised)"
        sure = "" if line.confidence is None else f", {100 * line.confidence:.0f} % sure"
        tip = f"{clock_text(began_s - start_s)} “{words}”{sure}, {line.recogniser}"
        css = "bar speech" if line.text else "bar muted"
        plot.svg.mark("rect", x=x, y=lane.top, width=width, height=14, rx=4, cls=css, tip=tip)
        if x >= free_x and (label := _fitting(words, min(plot.right - x, 190.0))):
            plot.svg.text(x, lane.top + 30, label, "word")
            free_x = x + _CHAR_PX * len(label) + 10.0


def _understood(plot: Plot, lane: _Lane, commands: Sequence[CommandTrace], start_s: float) -> None:
    for trace in commands:
        parsed = trace.parsed
        if parsed is None:
            continue
        x, chance = plot.x(parsed.at_s - start_s), parsed.probability or 0.0
        stem = (lane.height - 10) * max(0.0, min(1.0, chance))
        y = lane.top + lane.height - 4
        tip = f"{clock_text(parsed.at_s - start_s)} {100 * chance:.0f} %: {' '.join(parsed.form)}"
        known = "muted" if parsed.form == ["UNKNOWN"] else "meaning"
        plot.svg.mark("line", x1=x, x2=x, y1=y, y2=y - stem, cls=f"stem {known}")
        plot.svg.mark("circle", cx=x, cy=y - stem, r=4.5, cls=f"dot {known}", tip=tip)


def _tasks(
    plot: Plot,
    lane: _Lane,
    commands: Sequence[CommandTrace],
    start_s: float,
    duration_s: float,
) -> None:
    for trace in commands:
        state, said = trace.last
        began_s = trace.at("started") or trace.at("heard") or start_s
        ended_s = trace.at("done", "failed", "declined") or start_s + duration_s
        x, width = _span(plot, began_s - start_s, ended_s - start_s)
        css = _OUTCOMES.get(state, "busy")
        with plot.svg.link(f"command-{trace.command}", f"command {trace.command + 1}: {state}"):
            plot.svg.mark(
                "rect",
                x=x,
                y=lane.top + 3,
                width=width,
                height=lane.height - 6,
                rx=5,
                cls=f"bar {css}",
                tip=f"{trace.command + 1} “{trace.text}”, {state}: {said}",
            )
            if label := _fitting(f"{trace.command + 1}  {trace.text}", width - 12):
                plot.svg.text(x + 6, lane.middle + 4, label, f"inbar {css}")
            elif width < 12:
                plot.svg.text(x + width / 2, lane.top - 1, str(trace.command + 1), "tick mid")


def _density(plot: Plot, lane: _Lane, finished: Bins, index: int, name: str) -> None:
    """How many refinements ended each second."""
    bins = finished.widened(max(0.2, plot.x_range[1] / 300.0))
    rates = [count / bins.width_s for count in bins.counts]
    top = max(rates, default=0.0)
    if not top:
        return
    points = []
    for place, rate in enumerate(rates):
        y = lane.top + lane.height * (1.0 - 0.92 * rate / top)
        for edge in (place, place + 1):
            points.append((min(plot.right, plot.x(edge * bins.width_s)), y))
    floor = lane.top + lane.height
    outline = [(points[0][0], floor), *points, (points[-1][0], floor)]
    plot.svg.area(outline, f"density s{index % 6}")
    total = sum(bins.counts)
    tip = f"{name}: {total} refinements, {top:.0f} a second at most"
    width = plot.right - plot.left
    plot.svg.mark(
        "rect", x=plot.left, y=lane.top, width=width, height=lane.height, cls="hit", tip=tip
    )


def _memory(plot: Plot, lane: _Lane, digest: Digest) -> None:
    floor = lane.top + lane.height
    bins = digest.salience.widened(plot.x_range[1] / 400.0)

    def place(at_s: float, salience: float) -> tuple[float, float]:
        share = max(0.0, min(1.0, salience))
        return plot.x(at_s - digest.start_s), floor - share * (lane.height - 6)

    curve = [place(at_s, top) for at_s, top in bins.peaks()]
    if len(curve) > 1:
        plot.svg.area([(curve[0][0], floor), *curve, (curve[-1][0], floor)], "salience area")
        plot.svg.line(curve, "salience line")
    for at_s, salience in digest.kept_marks.items:
        x, y = place(at_s, salience)
        tip = f"{clock_text(at_s - digest.start_s)} kept, salience {salience:.2f}"
        plot.svg.mark("circle", cx=x, cy=y, r=4, cls="dot kept", tip=tip)


def _span(plot: Plot, began_s: float, ended_s: float) -> tuple[float, float]:
    """Left edge and width of a bar, always wide enough to be seen."""
    x = min(plot.right - 3.0, max(plot.left, plot.x(began_s)))
    return x, max(3.0, min(plot.right, plot.x(max(began_s, ended_s))) - x)


def _fitting(text: str, width_px: float) -> str:
    """As much of a text as fits; nothing where that would say nothing."""
    most = int(width_px / _CHAR_PX)
    if len(text) <= most:
        return text
    return text[: most - 1].rstrip() + "…" if most >= 5 else ""
