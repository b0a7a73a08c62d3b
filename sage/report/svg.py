"""Charts as inline SVG: marks, axes and scales, coloured by the page's style sheet."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

Point = tuple[float, float]
Attribute = str | float | None


def shown(text: object, most: int = 400) -> str:
    """A text from anywhere, fit to stand in a page: escaped, printable, at most so long."""
    whole = str(text)
    if len(whole) > most:
        whole = whole[: most - 1] + "…"
    return html.escape(
        "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in whole)
    )


def brief(value: float) -> str:
    """A coordinate with a tenth of a pixel."""
    text = f"{value:.1f}"
    return text[:-2] if text.endswith(".0") else text


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers from ``low`` to ``high``, about so many."""
    span = high - low
    if not (math.isfinite(span) and span > 0.0):
        return [low] if math.isfinite(low) else []
    raw = span / max(1, about)
    scale = 10.0 ** math.floor(math.log10(raw))
    step = next(m * scale for m in (1, 2, 2.5, 5, 10) if m * scale >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [index * step for index in range(first, min(last, first + 50) + 1)]


def time_ticks(duration_s: float, about: int = 8) -> list[float]:
    """Round times from 0 to ``duration_s``: seconds, minutes or hours apart."""
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
    step = next((s for s in steps if duration_s / s <= about), 7 * 86400)
    return [float(step * index) for index in range(int(duration_s / step) + 1)]


def clock_text(seconds: float) -> str:
    """A time since the start, as ``1:07`` or ``2:03:15``."""
    whole = round(seconds)
    hours, rest = divmod(max(0, whole), 3600)
    if hours:
        return f"{hours}:{rest // 60:02d}:{rest % 60:02d}"
    return f"{rest // 60}:{rest % 60:02d}"


def figure_text(value: float | None) -> str:
    """A number for people: three or four digits, thousands apart; a dash where there is none."""
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0.0:
        return "0"
    if abs(value) >= 1000.0:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 1e-3 else f"{value:.1e}"


class Svg:
    """A drawing that grows mark by mark; ``label`` tells it to those who do not see it."""

    def __init__(self, width: float, height: float, label: str, css: str = "chart") -> None:
        self._parts = [
            f'<svg class="{css}" viewBox="0 0 {brief(width)} {brief(height)}" role="img" '
            f'aria-label="{shown(label)}">'
        ]

    def mark(
        self, tag: str, *, body: str | None = None, tip: str = "", **attributes: Attribute
    ) -> None:
        """An element; names as in SVG with ``_`` for ``-``, ``cls`` for ``class``."""
        told = "".join(
            f' {"class" if name == "cls" else name.replace("_", "-")}="{_value(value)}"'
            for name, value in attributes.items()
            if value is not None
        )
        inner = (f"<title>{shown(tip)}</title>" if tip else "") + (shown(body) if body else "")
        self._parts.append(f"<{tag}{told}>{inner}</{tag}>" if inner else f"<{tag}{told}/>")

    def line(self, points: Sequence[Point], cls: str) -> None:
        """A line through points; nothing for fewer than two."""
        if len(points) > 1:
            self.mark("path", d="M" + _path(points), cls=cls, fill="none")

    def area(self, points: Sequence[Point], cls: str) -> None:
        """A filled outline."""
        if len(points) > 2:
            self.mark("path", d="M" + _path(points) + "Z", cls=cls)

    def text(self, x: float, y: float, body: str, cls: str = "") -> None:
        """A text whose baseline begins at (x, y); the style sheet says where it is anchored."""
        self.mark("text", x=x, y=y, body=body, cls=cls or None)

    @contextmanager
    def link(self, target: str, label: str) -> Iterator[None]:
        """What is drawn meanwhile leads to an element of the page."""
        self._parts.append(f'<a href="#{shown(target)}" aria-label="{shown(label)}">')
        yield
        self._parts.append("</a>")

    def __str__(self) -> str:
        return "".join([*self._parts, "</svg>"])


class Plot:
    """Axes in a drawing: from values to pixels, with a grid and labels."""

    def __init__(
        self,
        svg: Svg,
        box: tuple[float, float, float, float],
        x_range: Point,
        y_range: Point,
    ) -> None:
        self.svg = svg
        self.left, self.top, self.right, self.bottom = box
        self.x_range = x_range
        low, high = y_range
        self.y_range = (low, high) if high > low else (low - 0.5, low + 0.5)

    def x(self, value: float) -> float:
        """Pixels from the left."""
        low, high = self.x_range
        return self.left + (value - low) / ((high - low) or 1.0) * (self.right - self.left)

    def y(self, value: float) -> float:
        """Pixels from the top; values outside of the axis stay on its edge."""
        low, high = self.y_range
        share = min(1.0, max(0.0, (value - low) / (high - low)))
        return self.bottom - share * (self.bottom - self.top)

    def points(self, values: Sequence[Point]) -> list[Point]:
        """Places of (x, y) values."""
        return [(self.x(x), self.y(y)) for x, y in values]

    def grid(self, about: int = 4, unit: str = "") -> None:
        """Level lines with their values."""
        for value in ticks(*self.y_range, about):
            y = self.y(value)
            self.svg.mark("line", x1=self.left, x2=self.right, y1=y, y2=y, cls="grid")
            label = figure_text(value) + unit
            self.svg.text(self.left - 6, y + 4, label, "tick end")

    def time_axis(self, about: int = 6) -> None:
        """Times below the axis, seconds of x."""
        for value in time_ticks(self.x_range[1], about):
            self.svg.text(self.x(value), self.bottom + 16, clock_text(value), "tick mid")

    def area_under(self, values: Sequence[Point], cls: str) -> None:
        """Fill from the lower edge up to a curve."""
        if len(values) > 1:
            curve = self.points(values)
            floor = [(curve[-1][0], self.bottom), (curve[0][0], self.bottom)]
            self.svg.area([*curve, *floor], cls)


def _value(value: str | float) -> str:
    return brief(value) if isinstance(value, (int, float)) else shown(value, 1_000_000)


def _path(points: Sequence[Point]) -> str:
    return "L".join(f"{brief(x)} {brief(y)}" for x, y in points)
