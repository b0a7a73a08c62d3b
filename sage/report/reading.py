"""Reads a telemetry file of any length into what a report needs, in bounded memory."""

from __future__ import annotations

import heapq
import math
from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from sage.irp.errors import ConfigError
from sage.report.bins import Bins, Milliseconds, Sample
from sage.report.line_types import (
    AnyLine,
    CreditedLine,
    CycleLine,
    DroppedLine,
    EndLine,
    FinishedLine,
    HeaderLine,
    HealthLine,
    HeardLine,
    KeptLine,
    MovedLine,
    Number,
    ParsedLine,
    ScoredLine,
    TaskLine,
)

_CHUNK_BYTES = 1 << 20
_LONGEST_LINE_BYTES = 1 << 20
_MOST = 1000  # of commands, utterances, health changes
_MOST_PLUGINS = 32
_MOST_REASONS = 40
_KEPT_SHOWN = 100
_RECENT = 256  # refinements of language that may still be asked for


# Most lines are of these three, and a report only counts them.
_COUNTED = {
    b'{"event":"step",': "step",
    b'{"event":"admitted",': "admitted",
    b'{"event":"saw",': "saw",
}


@dataclass(slots=True)
class CommandTrace:
    """What the telemetry tells of one command."""

    command: int
    text: str = ""
    phases: list[tuple[float, str, str]] = field(default_factory=list)
    heard: HeardLine | None = None
    parsed: ParsedLine | None = None
    parse: FinishedLine | None = None

    def at(self, *names: str) -> float | None:
        """When it came to one of these phases, the last time."""
        return next((at_s for at_s, name, _ in reversed(self.phases) if name in names), None)

    @property
    def last(self) -> tuple[str, str]:
        """The latest phase, and what was said of it."""
        return (self.phases[-1][1], self.phases[-1][2]) if self.phases else ("", "")


@dataclass(slots=True)
class PluginTrace:
    """What the telemetry tells of one plugin."""

    finished: Bins
    spent: Bins
    returned: Bins
    trust: Bins
    lane: str = ""
    refinements: int = 0
    steps: int = 0
    saved_steps: int = 0
    spent_atp: float = 0.0
    returned_atp: float = 0.0
    cost_s: float = 0.0
    latest_trust: float = 0.0
    judgements: int = 0
    value: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)
    drops: Counter[str] = field(default_factory=Counter)
    curves: Sample[tuple[float, ...]] = field(default_factory=Sample)


class Digest:
    """All that a report needs of a telemetry file."""

    def __init__(self, start_s: float = 0.0) -> None:
        self.start_s = start_s
        self.latest_s = start_s
        self.header: HeaderLine | None = None
        self.end: EndLine | None = None
        self.lines = 0
        self.unreadable = 0
        self.torn = False
        self.counts: Counter[str] = Counter()
        self.plugins: dict[str, PluginTrace] = {}
        self.commands: dict[int, CommandTrace] = {}
        self.heard: list[HeardLine] = []
        self.health: list[HealthLine] = []
        self.cycles = Bins(start_s)
        self.pool_atp = 0.0
        self.salience = Bins(start_s)
        self.kept = 0
        self.kept_marks: Sample[tuple[float, float]] = Sample()
        self.latency = Milliseconds()
        self._kept_best: list[tuple[float, int, KeptLine, dict[str, Number]]] = []
        self._recent: OrderedDict[int, FinishedLine] = OrderedDict()
        self._scores: OrderedDict[tuple[str, float], dict[str, Number]] = OrderedDict()
        self._moved_s = -math.inf

    @property
    def duration_s(self) -> float:
        """From the first to the latest line."""
        return max(0.0, self.latest_s - self.start_s)

    @property
    def kept_best(self) -> list[tuple[KeptLine, dict[str, Number]]]:
        """The most salient that was kept, with its scores where they are known; oldest first."""
        return sorted(
            ((kept, scores) for _, _, kept, scores in self._kept_best),
            key=lambda item: (item[0].at_s, item[0].experience),
        )

    def take(self, line: AnyLine) -> None:
        """Take a line in."""
        self.latest_s = max(self.latest_s, line.at_s)
        if isinstance(line, FinishedLine):
            self._finished(line)
        elif isinstance(line, CycleLine):
            self.pool_atp = line.pool_atp or self.pool_atp
            self.cycles.add(line.at_s, line.spent_atp or 0.0)
            for name, trust in line.trust.items():
                plugin = self._plugin(name)
                if plugin is not None and trust is not None:
                    plugin.trust.add(line.at_s, trust)
        elif isinstance(line, MovedLine):
            self._moved(line)
        elif isinstance(line, ScoredLine):
            if line.salience is not None:
                self.salience.add(line.at_s, line.salience)
                self._scores[line.modality, line.salience] = line.scores
                if len(self._scores) > _RECENT:
                    self._scores.popitem(last=False)
        elif isinstance(line, KeptLine):
            self._keep(line)
        elif isinstance(line, TaskLine):
            self._task(line)
        elif isinstance(line, ParsedLine):
            self._parsed(line)
        elif isinstance(line, HeardLine):
            if len(self.heard) < _MOST:
                self.heard.append(line)
        elif isinstance(line, DroppedLine):
            plugin = self._plugin(line.plugin)
            if plugin is not None:
                _count(plugin.drops, line.reason)
        elif isinstance(line, CreditedLine):
            self._credited(line)
        elif isinstance(line, HealthLine):
            if len(self.health) < _MOST:
                self.health.append(line)
        elif isinstance(line, EndLine):
            self.end = line
        elif self.header is None:
            self.header = line

    def _plugin(self, name: str) -> PluginTrace | None:
        known = self.plugins.get(name)
        if known is None and len(self.plugins) < _MOST_PLUGINS:
            start_s = self.start_s
            known = PluginTrace(Bins(start_s), Bins(start_s), Bins(start_s), Bins(start_s))
            self.plugins[name] = known
        return known

    def _command(self, number: int) -> CommandTrace | None:
        known = self.commands.get(number)
        if known is None and len(self.commands) < _MOST:
            known = self.commands[number] = CommandTrace(number)
        return known

    def _finished(self, line: FinishedLine) -> None:
        if line.plugin == "language":
            self._recent[line.refinement] = line
            if len(self._recent) > _RECENT:
                self._recent.popitem(last=False)
        plugin = self._plugin(line.plugin)
        if plugin is None:
            return
        spent_atp, granted_atp = line.spent_atp or 0.0, line.granted_atp or 0.0
        returned_atp = max(0.0, granted_atp - spent_atp)
        plugin.lane = line.lane
        plugin.refinements += 1
        plugin.steps += len(line.energies)
        plugin.saved_steps += line.saved_steps
        plugin.spent_atp += spent_atp
        plugin.returned_atp += returned_atp
        plugin.cost_s += sum(cost for cost in line.costs_s if cost) + (line.result_cost_s or 0.0)
        plugin.latest_trust = line.trust if line.trust is not None else plugin.latest_trust
        plugin.finished.add(line.at_s)
        plugin.spent.add(line.at_s, spent_atp)
        plugin.returned.add(line.at_s, returned_atp)
        _count(plugin.reasons, line.reason)
        if line.energies:
            energies = tuple(energy for energy in line.energies[:64] if energy is not None)
            plugin.curves.add(energies)

    def _credited(self, line: CreditedLine) -> None:
        plugin = self._plugin(line.plugin)
        if plugin is None:
            return
        plugin.latest_trust = line.trust if line.trust is not None else plugin.latest_trust
        if line.value is not None:
            plugin.judgements += 1
            plugin.value += line.value

    def _moved(self, line: MovedLine) -> None:
        """Count how long a fresh capture took to the wheels; standing still is no new command."""
        if line.captured_s is None or line.executed_s is None:
            return
        moves = bool(line.linear_m_s or line.angular_rad_s)
        if moves and line.captured_s > self._moved_s:
            self._moved_s = line.captured_s
            self.latency.add(line.executed_s - line.captured_s)

    def _keep(self, line: KeptLine) -> None:
        self.kept += 1
        salience = line.salience or 0.0
        self.kept_marks.add((line.at_s, salience))
        scores = self._scores.get((line.modality, salience), {})
        entry = (salience, self.kept, line, scores)
        if len(self._kept_best) < _KEPT_SHOWN:
            heapq.heappush(self._kept_best, entry)
        else:
            heapq.heappushpop(self._kept_best, entry)

    def _task(self, line: TaskLine) -> None:
        trace = self._command(line.command)
        if trace is None:
            return
        if line.phase == "heard":
            trace.text = trace.text or line.text
            trace.heard = trace.heard or self._speech_of(line.text, line.at_s)
        if len(trace.phases) < 50:
            trace.phases.append((line.at_s, line.phase, line.text))

    def _parsed(self, line: ParsedLine) -> None:
        trace = self._command(line.command)
        if trace is None:
            return
        trace.text = trace.text or line.text
        trace.parsed = line
        trace.parse = self._recent.get(line.refinement)
        trace.heard = trace.heard or self._speech_of(line.text, line.at_s)

    def _speech_of(self, words: str, at_s: float) -> HeardLine | None:
        """The utterance that a command came from: the latest one of the same words."""
        taken = {id(trace.heard) for trace in self.commands.values() if trace.heard is not None}
        for line in reversed(self.heard[-20:]):
            same = line.text.casefold().split() == words.casefold().split()
            if same and id(line) not in taken and line.at_s <= at_s + 1.0:
                return line
        return None


def _count(counter: Counter[str], name: str) -> None:
    counter[name if name in counter or len(counter) < _MOST_REASONS else "other"] += 1


def read_telemetry(path: Path) -> Digest:
    """Read a telemetry file; what cannot be read in it is counted and left out.

    Raises:
        ConfigError: the file cannot be opened or read at all.
    """
    decoder = msgspec.json.Decoder(AnyLine)
    digest: Digest | None = None
    unreadable = lines = 0
    torn = False
    counted: Counter[str] = Counter()
    try:
        for line, whole in _lines(path):
            lines += 1
            kind = next((name for start, name in _COUNTED.items() if line.startswith(start)), None)
            if not whole:
                torn = True
            elif kind is not None:
                counted[kind] += 1
            else:
                try:
                    told = decoder.decode(line)
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                    unreadable += 1
                    continue
                digest = digest or Digest(told.at_s)
                counted[str(told.__struct_config__.tag)] += 1
                digest.take(told)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from None
    digest = digest or Digest()
    digest.lines, digest.unreadable, digest.torn = lines, unreadable, torn
    digest.counts = counted
    return digest


def _lines(path: Path) -> Iterator[tuple[bytes, bool]]:
    """Each line, and whether it is whole: it ends, and is no longer than a line may be."""
    with path.open("rb") as file:
        rest, skipping = b"", False
        while chunk := file.read(_CHUNK_BYTES):
            *lines, rest_of_chunk = (rest + chunk).split(b"\n")
            for line in lines:
                yield (b"", True) if skipping else (line, True)
                skipping = False
            rest = rest_of_chunk
            if len(rest) > _LONGEST_LINE_BYTES:
                rest, skipping = b"", True
        if rest or skipping:
            yield rest, False
