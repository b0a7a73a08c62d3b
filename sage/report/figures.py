"""The charts of a report: energies, reasons, budget, trust, delays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sage.report.bins import Milliseconds
from sage.report.line_types import FinishedLine
from sage.report.reading import Digest, PluginTrace
from sage.report.svg import Plot, Svg, figure_text, shown

_WIDTH, _HEIGHT = 460.0, 216.0
_BOX = (52.0, 12.0, 448.0, 178.0)
_REASONS = {
    "converged": "fill-good",
    "feasible": "fill-good2",
    "stable": "fill-good3",
    "max_steps": "fill-n0",
    "deadline": "fill-busy",
    "budget": "fill-n1",
    "failed": "fill-bad",
    "stuck": "fill-bad2",
}


def energy_chart(name: str, plugin: PluginTrace, index: int) -> str:
    """Median energy and the middle 80 % after each step; what ended early stays where it was."""
    curves = [curve for curve in plugin.curves.items if curve]
    if not curves:
        return ""
    relative = sum(curve[0] > 0.0 for curve in curves) >= 0.95 * len(curves)
    if relative:
        curves = [tuple(e / curve[0] for e in curve) for curve in curves if curve[0] > 0.0]
    else:  # a ratio of energies that may be negative means nothing
        curves = [tuple(e - curve[0] for e in curve) for curve in curves]
    steps = max(len(curve) for curve in curves)
    columns = [sorted(curve[min(k, len(curve) - 1)] for curve in curves) for k in range(steps)]

    def at(column: Sequence[float], share: float) -> float:
        return column[round(share * (len(column) - 1))]

    low = [at(column, 0.1) for column in columns]
    middle = [at(column, 0.5) for column in columns]
    high = [at(column, 0.9) for column in columns]
    lowest, highest = min(low), max(high)
    margin = 0.06 * ((highest - lowest) or abs(highest) or 1.0)
    svg = Svg(
        _WIDTH,
        _HEIGHT,
        f"Energy of {name} after each step: median from {figure_text(middle[0])} to "
        f"{figure_text(middle[-1])}",
    )
    plot = Plot(svg, _BOX, (1.0, max(2.0, float(steps))), (lowest - margin, highest + margin))
    plot.grid()
    for step in range(1, steps + 1):
        if steps <= 12 or step % (steps // 10 + 1) == 1:
            svg.text(plot.x(step), plot.bottom + 16, str(step), "tick mid")
    unit = "energy, first step = 1" if relative else "energy, first step = 0"
    svg.text((plot.left + plot.right) / 2, _HEIGHT - 5, f"step · {unit}", "axis mid")
    upper = [(step + 1.0, value) for step, value in enumerate(high)]
    lower = [(step + 1.0, value) for step, value in enumerate(low)]
    svg.area([*plot.points(upper), *reversed(plot.points(lower))], f"band s{index % 6}")
    curve_points = plot.points([(step + 1.0, value) for step, value in enumerate(middle)])
    svg.line(curve_points, f"curve s{index % 6}")
    for step, (x, y) in enumerate(curve_points[:64]):
        reached = sum(len(curve) > step for curve in curves)
        tip = (
            f"step {step + 1}: median {figure_text(middle[step])}, 80 % within "
            f"{figure_text(low[step])} to {figure_text(high[step])}; "
            f"{100 * reached / len(curves):.0f} % came here"
        )
        svg.mark("circle", cx=x, cy=y, r=3.5, cls=f"dot s{index % 6}", tip=tip)
    return str(svg)


def parse_chart(parse: FinishedLine) -> str:
    """The energy of one refinement, step by step, small."""
    energies = [energy for energy in parse.energies if energy is not None][:64]
    if not energies:
        return ""
    label = f"Energy of this parse, {figure_text(energies[0])} to {figure_text(energies[-1])}"
    svg = Svg(260, 74, label, "chart spark")
    plot = Plot(svg, (8, 8, 252, 64), (0.0, max(1.0, len(energies) - 1.0)), _around(energies))
    points = plot.points([(float(step), energy) for step, energy in enumerate(energies)])
    plot.area_under([(float(step), energy) for step, energy in enumerate(energies)], "band s2")
    svg.line(points, "curve s2")
    for step, (x, y) in enumerate(points):
        tip = f"step {step + 1}: energy {figure_text(energies[step])}"
        best = "dot s2 best" if step == parse.best_step else "dot s2"
        svg.mark("circle", cx=x, cy=y, r=4 if step == parse.best_step else 2.5, cls=best, tip=tip)
    return str(svg)


def shares_bar(counts: Counter[str], label: str) -> str:
    """Counts by name as one bar with its legend, the largest first."""
    total = sum(counts.values())
    if not total:
        return ""
    svg = Svg(
        _WIDTH, 16, f"{label}: " + ", ".join(f"{n} {name}" for name, n in counts.most_common())
    )
    x = 0.0
    legend = []
    for name, count in counts.most_common():
        css = _REASONS.get(name, "fill-n2")
        width = _WIDTH * count / total
        tip = f"{name}: {count} ({100 * count / total:.0f} %)"
        svg.mark("rect", x=x, y=2, width=max(0.5, width - 1), height=12, rx=2, cls=css, tip=tip)
        legend.append((name, count, css))
        x += width
    keys = "".join(
        f'<li><i class="key {css}"></i>{shown(name, 40).replace("_", " ")} <b>{count:,}</b></li>'
        for name, count, css in legend
    )
    return f'{svg}<ul class="legend">{keys}</ul>'


def atp_chart(digest: Digest, duration_s: float) -> str:
    """ATP that each cycle spent, as mean and maximum, under the pool."""
    width_s = max(duration_s / 220.0, 0.2)
    bins = digest.cycles.widened(width_s)
    means = [(at_s - digest.start_s, mean) for at_s, mean in bins.means()]
    peaks = [(at_s - digest.start_s, top) for at_s, top in bins.peaks()]
    if len(means) < 2:
        return ""
    pool = digest.pool_atp
    top = max([pool, *(value for _, value in peaks)]) * 1.06 or 1.0
    svg = Svg(_WIDTH, _HEIGHT, f"ATP spent in each cycle, of a pool of {figure_text(pool)}")
    plot = Plot(svg, _BOX, (0.0, duration_s), (0.0, top))
    plot.grid()
    plot.time_axis()
    plot.area_under(peaks, "band s0")
    svg.line(plot.points(means), "curve s0")
    if pool:
        y = plot.y(pool)
        svg.mark("line", x1=plot.left, x2=plot.right, y1=y, y2=y, cls="limit")
        svg.text(plot.right - 4, y - 5, f"pool {figure_text(pool)}", "axis end")
    svg.text(
        (plot.left + plot.right) / 2,
        _HEIGHT - 5,
        "ATP spent in a cycle: mean, and the most",
        "axis mid",
    )
    return str(svg)


def plugins_atp_chart(digest: Digest, duration_s: float) -> str:
    """ATP that each plugin spent a second, stacked."""
    names = sorted(digest.plugins)
    width_s = max(duration_s / 120.0, 0.5)
    series = [digest.plugins[name].spent.widened(width_s) for name in names]
    if not series:
        return ""
    # All bins began with one width and only ever double, so the widest fits them all.
    widest_s = max(bins.width_s for bins in series)
    series = [bins.widened(widest_s) for bins in series]
    length = max(len(bins.sums) for bins in series)
    rows = [[*bins.sums, *[0.0] * (length - len(bins.sums))] for bins in series]
    totals = [sum(row[place] for row in rows) / widest_s for place in range(length)]
    if length < 2 or not max(totals):
        return ""
    svg = Svg(_WIDTH, _HEIGHT, "ATP that each plugin spent a second: " + ", ".join(names))
    plot = Plot(svg, _BOX, (0.0, duration_s), (0.0, 1.06 * max(totals)))
    plot.grid()
    plot.time_axis()
    below = [0.0] * length
    for index, row in enumerate(rows):
        above = [low + value / widest_s for low, value in zip(below, row, strict=True)]
        xs = [min(duration_s, (place + 0.5) * widest_s) for place in range(length)]
        upper = plot.points(list(zip(xs, above, strict=True)))
        lower = plot.points(list(zip(xs, below, strict=True)))
        svg.area([*upper, *reversed(lower)], f"stack s{index % 6}")
        below = above
    svg.text((plot.left + plot.right) / 2, _HEIGHT - 5, "ATP spent a second, by plugin", "axis mid")
    return str(svg)


def trust_chart(digest: Digest, duration_s: float) -> str:
    """Trust in each plugin over the run."""
    svg = Svg(_WIDTH, _HEIGHT, "Trust in each plugin over time")
    plot = Plot(svg, _BOX, (0.0, duration_s), (0.0, 1.0))
    plot.grid(5)
    plot.time_axis()
    drawn = 0
    for index, name in enumerate(sorted(digest.plugins)):
        bins = digest.plugins[name].trust.widened(duration_s / 200.0)
        points = [(min(duration_s, at_s - digest.start_s), mean) for at_s, mean in bins.means()]
        drawn += len(points) > 1
        svg.line(plot.points(points), f"curve s{index % 6}")
    svg.text((plot.left + plot.right) / 2, _HEIGHT - 5, "trust", "axis mid")
    return str(svg) if drawn else ""


def delay_chart(delays: Milliseconds) -> str:
    """How long fresh captures took to the wheels, as a histogram."""
    if not delays.total:
        return ""
    p50, p99 = delays.percentile_ms(0.5), delays.percentile_ms(0.99)
    most = min(len(delays.counts), max(20, int(1.25 * delays.percentile_ms(0.995))))
    width = max(1, round(most / 60))
    columns = [sum(delays.counts[ms : ms + width]) for ms in range(0, most, width)]
    columns[-1] += sum(delays.counts[len(columns) * width :])
    label = f"Capture to wheel command: median {p50:.0f} ms, 99 % within {p99:.0f} ms"
    svg = Svg(_WIDTH, _HEIGHT, label)
    plot = Plot(svg, _BOX, (0.0, float(len(columns) * width)), (0.0, 1.08 * max(columns)))
    plot.grid()
    for place, count in enumerate(columns):
        x, y = plot.x(place * width), plot.y(count)
        wide = plot.x((place + 1) * width) - x
        last = place == len(columns) - 1
        tip = (
            f"{place * width} ms{' and more' if last else f' to {(place + 1) * width} ms'}: {count}"
        )
        svg.mark(
            "rect",
            x=x + 0.5,
            y=y,
            width=max(0.5, wide - 1),
            height=plot.bottom - y,
            cls="bar s0",
            tip=tip,
        )
    for value, name in ((p50, "p50"), (p99, "p99")):
        x = plot.x(min(value, plot.x_range[1]))
        svg.mark("line", x1=x, x2=x, y1=plot.top, y2=plot.bottom, cls="limit")
        svg.text(x + 4, plot.top + 10, f"{name} {value:.0f} ms", "axis")
    for value in range(0, int(plot.x_range[1]) + 1, max(10, 10 * round(most / 60))):
        svg.text(plot.x(value), plot.bottom + 16, str(value), "tick mid")
    svg.text(
        (plot.left + plot.right) / 2,
        _HEIGHT - 5,
        "milliseconds from capture to command",
        "axis mid",
    )
    return str(svg)


def _around(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    margin = 0.08 * ((high - low) or abs(high) or 1.0)
    return low - margin, high + margin
