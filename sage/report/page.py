"""``report.html``: one self-contained page that tells a run, whatever is left of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from sage.irp.errors import ConfigError
from sage.report import figures
from sage.report.cards import cards, commands_of, count_right
from sage.report.line_types import KeptLine
from sage.report.pictures import data_uris, picture_names
from sage.report.plan import floor_plan, path_length_m
from sage.report.reading import Digest, read_telemetry
from sage.report.summary_file import (
    REPORT_NAME,
    SUMMARY_NAME,
    TELEMETRY_NAME,
    CommandRecord,
    RunSummary,
    read_summary,
    write_whole,
)
from sage.report.svg import clock_text, figure_text, shown
from sage.report.timeline import LEFT, RIGHT, WIDTH, timeline
from sage.report.worth import worth_table

_HERE = Path(__file__).parent
_PICTURES_BYTES = 1_700_000
_CARD_PICTURE_PX = 448
_WIDE_PICTURE_PX = 1200
_MEMORIES_SHOWN = 12
_SNARC = ("surprise", "novelty", "arousal", "reward", "conflict")


def write_report(folder: Path) -> Path:
    """Read what a run left in ``folder`` and write ``report.html`` beside it.

    A torn or missing telemetry, or a missing summary, is told on the page.

    Raises:
        ConfigError: neither telemetry nor summary can be read.
        DeviceError: the page cannot be written.
    """
    folder = Path(folder)
    notices: list[str] = []
    summary: RunSummary | None = None
    digest: Digest | None = None
    try:
        summary = read_summary(folder)
    except ConfigError as error:
        notices.append(f"No summary: {error}.")
    name = TELEMETRY_NAME
    if summary is not None and summary.telemetry is not None:
        name = Path(summary.telemetry).name
    try:
        digest = read_telemetry(folder / name)
    except ConfigError as error:
        if summary is None:
            raise ConfigError(
                f"{str(folder)!r} holds no run: neither {TELEMETRY_NAME} nor {SUMMARY_NAME} "
                "can be read"
            ) from None
        notices.append(f"No telemetry: {error}.")
    page = render(summary, digest or Digest(), folder, notices, told=digest is not None)
    path = folder / REPORT_NAME
    write_whole(path, page.encode("utf-8", "replace"))
    return path


def render(
    summary: RunSummary | None,
    digest: Digest,
    folder: Path,
    notices: Sequence[str] = (),
    *,
    told: bool = True,
) -> str:
    """The page as text; ``told`` says whether there was any telemetry."""
    duration_s = _duration_s(summary, digest)
    commands = commands_of(summary, digest)
    of_cards = [item.picture for item in commands if item.picture is not None]
    pictures = data_uris(
        folder, of_cards, width_px=_CARD_PICTURE_PX, budget_bytes=_PICTURES_BYTES // 2
    )
    captions = {item.file: item.caption for item in summary.pictures} if summary else {}
    others = [name for name in captions or picture_names(folder) if name not in pictures]
    used = sum(map(len, pictures.values()))
    wide = data_uris(
        folder, others[:6], width_px=_WIDE_PICTURE_PX, budget_bytes=_PICTURES_BYTES - used
    )
    parts = [
        _header(summary, digest, commands, duration_s, [*notices, *_warnings(digest, told)]),
        _facts(summary, digest, duration_s),
    ]
    if digest.commands or digest.plugins or digest.heard:
        data = f'data-left="{LEFT}" data-right="{RIGHT}" data-width="{WIDTH}"'
        parts.append(
            f'<h2>Timeline</h2><div class="panel" id="timeline" {data} '
            f'data-duration="{duration_s:.3f}"><div class="scroll" tabindex="0" role="region" '
            f'aria-label="Timeline">{timeline(digest, duration_s)}</div></div>'
        )
    if commands:
        parts.append(f"<h2>Commands</h2>{cards(commands, digest, pictures, captions)}")
    if summary is not None and (plan := floor_plan(summary)):
        parts.append(
            f'<h2>Where it went</h2><div class="panel">{plan}<p class="note">'
            "The way in the colour of each command, ending in its number; green dots are things "
            "where the robot believes them to be.</p></div>"
        )
    budget = _budget(digest, duration_s, worth_table(summary, digest))
    parts += [_plugins(digest), budget, _memory(summary, digest)]
    if wide:
        parts.append('<h2>What it saw</h2><div class="grid">')
        for name, uri in wide.items():
            caption = captions.get(name) or name
            parts.append(
                f'<figure><figcaption>{shown(caption)}</figcaption><img src="{uri}" '
                f'alt="{shown(caption)}" loading="lazy"></figure>'
            )
        parts.append("</div>")
    parts.append(_footer(summary, digest, folder))
    title = f"{_verdict(commands, summary)[1]} · SAGE run"
    style = (_HERE / "page.css").read_text(encoding="utf-8")
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        # Nothing on the page comes from anywhere else, and nothing can.
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">"
        f"<title>{shown(title)}</title><style>{style}</style></head><body><main>"
        f"{''.join(parts)}</main><script>{script}</script></body></html>\n"
    )


def _duration_s(summary: RunSummary | None, digest: Digest) -> float:
    if digest.duration_s > 0.0:
        return digest.duration_s
    if summary is not None and summary.began_s is not None and summary.ended_s is not None:
        return max(0.0, summary.ended_s - summary.began_s)
    return 0.0


def _warnings(digest: Digest, told: bool) -> list[str]:
    if not told:
        return []
    found = []
    if digest.torn:
        found.append("The telemetry ends in the middle of a line: the run was cut off.")
    elif digest.end is None:
        found.append("The telemetry has no last line: the run did not end in order.")
    elif digest.end.reason == "limit":
        found.append("The telemetry reached its size limit before the run ended.")
    if digest.unreadable:
        found.append(f"{digest.unreadable:,} of {digest.lines:,} lines could not be read.")
    if digest.end is not None and digest.end.lost:
        found.append(f"{digest.end.lost:,} events are not in the telemetry.")
    return found


def _verdict(commands: Sequence[CommandRecord], summary: RunSummary | None) -> tuple[str, str]:
    if not commands:
        failed = summary is not None and summary.exit_code not in (0, None)
        return ("bad" if failed else "muted"), "No commands were given"
    right, declined = count_right(commands)
    css = "good" if right == len(commands) else "bad" if not right else "busy"
    words = f"{right - declined} of {len(commands)} commands done"
    return css, words + (f", {declined} rightly declined" if declined else "")


def _header(
    summary: RunSummary | None,
    digest: Digest,
    commands: Sequence[CommandRecord],
    duration_s: float,
    notices: Sequence[str],
) -> str:
    css, words = _verdict(commands, summary)
    began = summary.began_wall_time if summary is not None else ""
    device = summary.device if summary is not None else ""
    if digest.header is not None:
        began, device = began or digest.header.wall_time, device or digest.header.device
    zone = " UTC" if began.endswith(("+00:00", "Z")) else ""
    when = began[:19].replace("T", " ") + zone
    first = f"SAGE run · {when}" if began else "SAGE run"
    facts = [f"{clock_text(duration_s)} min" if duration_s >= 60 else f"{duration_s:.1f} s"]
    if summary is not None and summary.title:
        facts.append(summary.title)
    if device:
        facts.append(device)
    if summary is not None and summary.interrupted:
        facts.append("interrupted")
    if summary is not None and summary.exit_code is not None:
        facts.append(f"exit code {summary.exit_code}")
    problems = summary.problems if summary is not None else []
    told = [f'<p class="notice bad" role="note">{shown(text)}</p>' for text in problems[:20]]
    told += [f'<p class="notice" role="note">{shown(text)}</p>' for text in notices]
    return (
        f'<header><p class="eyebrow">{shown(first)}</p><h1 class="verdict">'
        f'<i style="background:var(--{"mute" if css == "muted" else css})"></i>{shown(words)}</h1>'
        f'<p class="soft">{" · ".join(shown(fact, 160) for fact in facts)}</p>'
        f"{''.join(told)}</header>"
    )


def _facts(summary: RunSummary | None, digest: Digest, duration_s: float) -> str:
    plugins = digest.plugins.values()
    steps, saved = (sum(getattr(p, n) for p in plugins) for n in ("steps", "saved_steps"))
    spent, returned = (sum(getattr(p, n) for p in plugins) for n in ("spent_atp", "returned_atp"))
    made: list[tuple[str, str, str]] = []
    if refinements := sum(plugin.refinements for plugin in plugins):
        made.append(("refinements", f"{refinements:,}", f"{steps:,} steps"))
        share = 100.0 * saved / max(1, steps + saved)
        made.append(("steps saved", f"{saved:,}", f"{share:.0f} % of what they might have taken"))
        made.append(("ATP spent", figure_text(spent), f"{figure_text(returned)} returned"))
    if digest.latency.total:
        p50, p99 = (digest.latency.percentile_ms(share) for share in (0.5, 0.99))
        made.append(("capture to wheels", f"{p50:.0f} ms", f"99 % within {p99:.0f} ms"))
    delays = sorted(
        trace.parsed.at_s - trace.heard.ended_s
        for trace in digest.commands.values()
        if trace.parsed is not None and trace.heard is not None and trace.heard.ended_s is not None
    )
    if delays:
        middle, worst = 1e3 * delays[len(delays) // 2], 1e3 * delays[-1]
        made.append(("speech to meaning", f"{middle:.0f} ms", f"at most {worst:.0f} ms"))
    if summary is not None and len(summary.path) > 1:
        length_m = path_length_m(summary)
        speed = length_m / duration_s if duration_s else 0.0
        made.append(("driven", f"{length_m:.1f} m", f"{speed:.2f} m/s on average"))
    if kept := max(digest.kept, summary.kept if summary else 0):
        made.append(("memories kept", f"{kept:,}", f"of {digest.counts['scored']:,} weighed"))
    if not made:
        return ""
    cells = (f"<div><dt>{n}</dt><dd>{v}</dd><small>{shown(x)}</small></div>" for n, v, x in made)
    return f'<dl class="facts">{"".join(cells)}</dl>'


def _plugins(digest: Digest) -> str:
    if not digest.plugins:
        return ""
    made = []
    for index, name in enumerate(sorted(digest.plugins)):
        plugin = digest.plugins[name]
        count = max(1, plugin.refinements)
        text = (
            f"{plugin.refinements:,} refinements, {plugin.steps / count:.1f} steps and "
            f"{1e3 * plugin.cost_s / count:.1f} ms each; trust {plugin.latest_trust:.2f}"
        )
        made.append(
            f'<figure><figcaption><i class="key s{index % 6}"></i>{shown(name, 60)} '
            f'<span class="soft">{text}</span></figcaption>'
            f"{figures.energy_chart(name, plugin, index)}"
            f"{figures.shares_bar(plugin.reasons, f'Why refinements of {name} ended')}</figure>"
        )
    return (
        '<h2>Refinement</h2><p class="note">Energy after each step (lower is better): the median, '
        "and the range that holds 80 % of the refinements. Below it, why they ended.</p>"
        f'<div class="grid">{"".join(made)}</div>'
    )


def _budget(digest: Digest, duration_s: float, worth: str) -> str:
    names = sorted(digest.plugins)
    keys = "".join(
        f'<li><i class="key s{index % 6}"></i>{shown(name, 60)} '
        f"<b>{figure_text(digest.plugins[name].spent_atp)}</b> spent, "
        f"<b>{figure_text(digest.plugins[name].returned_atp)}</b> returned</li>"
        for index, name in enumerate(names)
    )
    charts = [
        ("ATP in each cycle", figures.atp_chart(digest, duration_s), ""),
        ("Who spent it", figures.plugins_atp_chart(digest, duration_s), keys),
        ("Trust", figures.trust_chart(digest, duration_s), ""),
        ("From capture to wheels", figures.delay_chart(digest.latency), ""),
    ]
    made = [
        f"<figure><figcaption>{title}</figcaption>{chart}"
        + (f'<ul class="legend">{legend}</ul>' if legend else "")
        + "</figure>"
        for title, chart, legend in charts
        if chart
    ]
    if worth:
        made.insert(0, worth)
    rows = [
        f"<tr><td>{shown(name, 60)}</td><td>{shown(reason, 60)}</td>"
        f'<td class="n">{count:,}</td></tr>'
        for name in names
        for reason, count in digest.plugins[name].drops.most_common()
    ]
    if rows:
        made.append(
            "<figure><figcaption>Observations never refined</figcaption><table><thead><tr>"
            '<th scope="col">plugin</th><th scope="col">why</th><th scope="col" class="n">count'
            f"</th></tr></thead><tbody>{''.join(rows)}</tbody></table></figure>"
        )
    return f'<h2>Budget</h2><div class="grid">{"".join(made)}</div>' if made else ""


def _memory(summary: RunSummary | None, digest: Digest) -> str:
    if not digest.kept_best:
        return ""
    best = digest.kept_best
    salient = sorted(range(len(best)), key=lambda place: -(best[place][0].salience or 0.0))
    shown_first = set(salient[:_MEMORIES_SHOWN])
    first = [_memory_row(*best[i], digest.start_s) for i in range(len(best)) if i in shown_first]
    rest = [_memory_row(*best[i], digest.start_s) for i in range(len(best)) if i not in shown_first]
    body = _memory_table(first)
    if rest:
        body += (
            f"<details><summary>{len(rest)} less salient</summary>{_memory_table(rest)}</details>"
        )
    modes = Counter(kept.modality for kept, _ in best)
    counts = ", ".join(f"{count} {shown(mode, 30)}" for mode, count in modes.most_common())
    more = f" The {len(best)} most salient of {digest.kept:,}." if digest.kept > len(best) else ""
    where = f" Store: {shown(summary.memory)}." if summary is not None and summary.memory else ""
    return (
        f'<h2>Memory kept</h2><div class="panel">{body}<p class="note">{counts}.{more}{where} '
        "S N A R C: surprise, novelty, arousal, reward, conflict.</p></div>"
    )


def _memory_row(kept: KeptLine, scores: Mapping[str, float | None], start_s: float) -> str:
    values = [(name, scores.get(name)) for name in _SNARC]
    told = ", ".join(f"{name} {figure_text(value)}" for name, value in values if value is not None)
    bars = "".join(
        f'<i style="height:{100 * min(1.0, max(0.0, value or 0.0)):.0f}%"></i>'
        for _, value in values
    )
    label = f'aria-label="{shown(told)}" title="{shown(told)}"'
    why = f'<span class="bars" role="img" {label}>{bars}</span>' if told else ""
    return (
        f'<tr><td class="n">{kept.experience}</td><td class="n">'
        f"{clock_text(kept.at_s - start_s)}</td><td>{shown(kept.modality, 30)}</td>"
        f'<td>{shown(kept.summary)}</td><td class="n">{figure_text(kept.salience)}</td>'
        f"<td>{why}</td></tr>"
    )


def _memory_table(rows: Sequence[str]) -> str:
    heads = (("", "n"), ("at", "n"), ("kind", ""), ("what", ""), ("salience", "n"), ("SNARC", ""))
    head = "".join(f'<th scope="col" class="{css}">{name}</th>' for name, css in heads)
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Memory kept"><table><thead>'
        f"<tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _footer(summary: RunSummary | None, digest: Digest, folder: Path) -> str:
    version = summary.sage if summary is not None else ""
    if not version and digest.header is not None:
        version = digest.header.sage
    facts = [f"SAGE {version}" if version else "SAGE"]
    if summary is not None and summary.python:
        facts.append(f"Python {summary.python}")
    facts.append(f"{digest.lines:,} lines of telemetry")
    files = [name for name in (TELEMETRY_NAME, SUMMARY_NAME) if (folder / name).is_file()]
    if files:
        facts.append(f"made of {' and '.join(files)}")
    facts.append(f"make it again: sage report {folder.name}")
    return f"<footer>{' · '.join(shown(fact) for fact in facts)}</footer>"
