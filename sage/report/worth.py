"""The table of what each plugin's results were worth."""

from __future__ import annotations

from sage.report.reading import Digest
from sage.report.summary_file import PluginRecord, RunSummary
from sage.report.svg import figure_text, shown

_COLUMNS = (
    "plugin",
    "trust",
    "judged",
    "mean value",
    "value per 1000 ATP",
    "energy agrees",
    "shed",
)
_NUMBER = ' class="n"'


def worth_table(summary: RunSummary | None, digest: Digest) -> str:
    """Trust, value and what was shed, by plugin; empty where there are no plugins.

    From the summary, and where that is missing as far as the telemetry tells.
    """
    records = dict(summary.plugins) if summary is not None else {}
    for name, plugin in digest.plugins.items():
        if name not in records:
            mean = plugin.value / plugin.judgements if plugin.judgements else None
            records[name] = PluginRecord(
                trust=plugin.latest_trust,
                credited=plugin.judgements,
                mean_value=mean,
                drops=dict(plugin.drops),
            )
    if not records:
        return ""
    head = "".join(
        f'<th scope="col"{"" if index == 0 else _NUMBER}>{title}</th>'
        for index, title in enumerate(_COLUMNS)
    )
    rows = "".join(_row(name, records[name]) for name in sorted(records))
    return (
        "<figure><figcaption>What it was worth</figcaption>"
        '<div class="scroll" tabindex="0" role="region" aria-label="What it was worth">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
        '<p class="note">Value: 1 did all that was hoped for, 0 misled, by what came of commands, '
        "sightings and plans. Energy agrees: 1 where the lower energy was always worth "
        "more.</p></figure>"
    )


def _row(name: str, record: PluginRecord) -> str:
    cells = (
        figure_text(record.trust),
        f"{record.credited:,}",
        figure_text(record.mean_value),
        figure_text(record.value_per_1000_atp),
        figure_text(record.agreement),
        f"{record.drops.get('shed', 0):,}",
    )
    told = "".join(f'<td class="n">{cell}</td>' for cell in cells)
    return f"<tr><td>{shown(name, 60)}</td>{told}</tr>"
