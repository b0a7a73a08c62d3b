"""A card for each command: heard, understood, refined, done; and what ground truth says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sage.report.figures import parse_chart
from sage.report.reading import CommandTrace, Digest
from sage.report.summary_file import CommandRecord, RunSummary
from sage.report.svg import clock_text, figure_text, shown

_FORM_WIDTH = 44
_MOST_CARDS = 200


def commands_of(summary: RunSummary | None, digest: Digest) -> list[CommandRecord]:
    """The commands as the summary has them, or as far as the telemetry tells them."""
    if summary is not None and summary.commands:
        return sorted(summary.commands, key=lambda item: item.command)
    found = []
    for trace in sorted(digest.commands.values(), key=lambda item: item.command):
        state, said = trace.last
        found.append(
            CommandRecord(
                command=trace.command,
                text=trace.text,
                state=state if state in ("done", "failed", "declined") else "unfinished",
                said=said if state in ("done", "failed", "declined") else "",
                began_s=trace.at("started", "heard"),
                ended_s=trace.at("done", "failed", "declined"),
            )
        )
    return found


def cards(
    commands: Sequence[CommandRecord],
    digest: Digest,
    pictures: Mapping[str, str],
    captions: Mapping[str, str],
) -> str:
    """All cards; ``pictures`` holds data URIs by file name, ``captions`` what they show."""
    made = [
        _card(item, digest.commands.get(item.command), digest.start_s, pictures, captions)
        for item in commands[:_MOST_CARDS]
    ]
    if len(commands) > _MOST_CARDS:
        made.append(f"<p>{len(commands) - _MOST_CARDS} more are in the files of this run.</p>")
    return f'<div class="cards">{"".join(made)}</div>'


def verdict_of(item: CommandRecord) -> tuple[str, str]:
    """The style and the words for how a command ended."""
    if item.as_expected and item.state == "declined":
        return "good", "declined, rightly"
    if item.state == "done" and item.truth is False:
        return "bad", "says done, is not"
    if item.state == "done":
        return "good", "done"
    if item.state == "declined":
        return ("bad" if item.as_expected is False else "muted"), "declined"
    return ("bad", "failed") if item.state == "failed" else ("muted", item.state)


def _card(
    item: CommandRecord,
    trace: CommandTrace | None,
    start_s: float,
    pictures: Mapping[str, str],
    captions: Mapping[str, str],
) -> str:
    css, words = verdict_of(item)
    took = ""
    if item.began_s is not None and item.ended_s is not None:
        took = f'<span class="when">{clock_text(item.began_s - start_s)} · '
        took += f"{max(0.0, item.ended_s - item.began_s):.1f} s</span>"
    rows: list[tuple[str, str]] = []
    if trace is not None:
        rows += _hearing(item, trace)
        rows += _understanding(item, trace)
    elif item.intent:
        rows.append(("Understood", shown(item.intent)))
    if item.steps:
        steps = "".join(f"<li>{shown(step)}</li>" for step in item.steps[:20])
        rows.append(("Steps", f"<ol>{steps}</ol>"))
    rows.append(("Robot", shown(item.said) or "–"))
    if item.truth is not None or item.why:
        agrees = "" if item.truth is None else ("confirmed: " if item.truth else "not so: ")
        rows.append(("Ground truth", shown((agrees + item.why).strip() or "–")))
    if (view := captions.get(item.picture or "")) and view != item.said:
        rows.append(("View", shown(view)))
    body = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows)
    picture = ""
    if item.picture is not None and item.picture in pictures:
        alt = shown(f"What the robot saw at the end of command {item.command + 1}: {item.text}")
        picture = f'<img src="{pictures[item.picture]}" alt="{alt}" loading="lazy">'
    return (
        f'<article class="card" id="command-{item.command}"><header>'
        f'<span class="no w{item.command % 8}">{item.command + 1}</span>'
        f"<h3>{shown(item.text) or 'no words'}</h3>{took}"
        f'<span class="chip {css}">{shown(words)}</span></header>'
        f"{picture}<dl>{body}</dl></article>"
    )


def _hearing(item: CommandRecord, trace: CommandTrace) -> list[tuple[str, str]]:
    heard = trace.heard
    if heard is None:
        return []
    sure = "" if heard.confidence is None else f"{100 * heard.confidence:.0f} % sure, "
    words = f"“{shown(heard.text)}” " if heard.text != item.text else ""
    return [("Heard", f'{words}<span class="soft">{sure}{shown(heard.recogniser, 60)}</span>')]


def _understanding(item: CommandRecord, trace: CommandTrace) -> list[tuple[str, str]]:
    rows = []
    parsed = trace.parsed
    if parsed is None:
        return [("Understood", shown(item.intent))] if item.intent else []
    chance = "" if parsed.probability is None else f"{100 * parsed.probability:.0f} % likely"
    after = ""
    if trace.heard is not None and trace.heard.ended_s is not None:
        after = f"{1e3 * (parsed.at_s - trace.heard.ended_s):.0f} ms after the last sound"
    notes = ", ".join(note for note in (chance, after) if note)
    plain = f"{shown(item.intent)} " if item.intent else ""
    form = f"<pre>{shown(layout_form(parsed.form), 2000)}</pre>"
    rows.append(("Understood", f'{plain}<span class="soft">{notes}</span>{form}'))
    if (parse := trace.parse) is not None:
        spent, granted = parse.spent_atp or 0.0, parse.granted_atp or 0.0
        steps = len(parse.energies)
        rows.append(
            (
                "Parse",
                f'{parse_chart(parse)}<span class="soft">{steps} of {parse.max_steps} steps, '
                f"{shown(parse.reason).replace('_', ' ')}; {figure_text(spent)} ATP spent, "
                f"{figure_text(max(0.0, granted - spent))} returned</span>",
            )
        )
    return rows


def layout_form(tokens: Sequence[str]) -> str:
    """A logical form for people: quotes closed up, nested parts on lines of their own."""
    position = 0

    def read() -> str | list[str | list[object]]:
        nonlocal position
        token = tokens[position]
        position += 1
        if token == '"':
            words = []
            while position < len(tokens) and tokens[position] != '"':
                words.append(tokens[position])
                position += 1
            position += 1
            return f'"{" ".join(words)}"'
        if token != "(":
            return token
        parts: list[object] = []
        while position < len(tokens) and tokens[position] != ")":
            parts.append(read())
        position += 1
        return parts  # type: ignore[return-value]

    if sum(token == "(" for token in tokens) > 50:
        return " ".join(tokens)
    parts: list[object] = []
    while position < len(tokens):
        parts.append(read())
    return "\n".join(_told(part, 0) for part in parts)


def _told(part: object, indent: int) -> str:
    """One part, on one line where it fits."""
    if not isinstance(part, list):
        return str(part)
    inner = [_told(entry, indent + 1) for entry in part]
    line = f"({' '.join(inner)})"
    nested = sum(isinstance(entry, list) for entry in part)
    if ("\n" not in line and indent + len(line) <= _FORM_WIDTH) or not nested:
        return line
    pad = "\n" + "  " * (indent + 1)
    head = [text for text, entry in zip(inner, part, strict=True) if not isinstance(entry, list)]
    rest = [text for text, entry in zip(inner, part, strict=True) if isinstance(entry, list)]
    return f"({' '.join(head)}{pad}{pad.join(rest)})"


def count_right(commands: Sequence[CommandRecord]) -> tuple[int, int]:
    """How many ended as they should have, and how many of these by being declined."""
    right = [item for item in commands if item.right]
    return len(right), sum(item.state == "declined" for item in right)
