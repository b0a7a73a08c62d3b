"""Watching a run as plain lines: for logs, pipes and ``grep``."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO, TextIO

from sage.irp.errors import ConfigError
from sage.telemetry.events import Cycle, Dropped, Event, Finished, Health, Heard, Kept, Task
from sage.values import Scene, UInt8Array
from sage.view.model import RunModel, quantile


@dataclass(slots=True)
class _Span:
    """What one plugin did since the last status line."""

    first: list[float] = field(default_factory=list)
    best: list[float] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    costs_ms: list[float] = field(default_factory=list)
    halts: Counter[str] = field(default_factory=Counter)
    drops: Counter[str] = field(default_factory=Counter)
    granted_atp: float = 0.0
    spent_atp: float = 0.0

    def take(self, event: Finished) -> None:
        trajectory = event.trajectory
        self.halts[trajectory.reason.value] += 1
        self.steps.append(trajectory.steps)
        self.costs_ms.append(1e3 * trajectory.cost_s)
        self.granted_atp += event.granted_atp
        self.spent_atp += event.spent_atp
        if trajectory.best_energy is not None:
            self.first.append(trajectory.energies[0])
            self.best.append(trajectory.best_energy)


class HeadlessView:
    """Prints a line for whatever is worth one, and a status every few seconds.

    That is each phase of a command, what was heard, what memory keeps, each change of a plugin's
    health. A line is a word (``task``, ``heard``, ``kept``, ``health``, ``status``) and
    ``key=value`` pairs; texts are JSON strings; ``t`` is seconds since the first event. A status
    line has a part for each plugin after a ``|``: refinements per second, mean steps, halt reasons,
    the mean energy after the first step and of the answers, trust, ATP granted/spent/returned per
    cycle, median and 95th percentile of the cost of a refinement in milliseconds, drops by reason.

    Args:
        stream: where the lines go; standard output by default. Once nobody reads it any more the
            view falls silent and the run goes on.
        period_s: seconds of the run's clock between two status lines.
    """

    def __init__(self, stream: TextIO | None = None, *, period_s: float = 2.0) -> None:
        if not (math.isfinite(period_s) and period_s > 0.0):
            raise ConfigError(f"period_s must be finite and positive, got {period_s}")
        self._stream = stream if stream is not None else sys.stdout
        self._period_s = period_s
        self._model = RunModel()
        self._spans: dict[str, _Span] = {}
        self._cycles = 0
        self._cycle_spent_atp = 0.0
        self._status_s: float | None = None
        self._silent = False
        self._closed = False

    def __call__(self, event: Event) -> None:
        """Take one event in."""
        self._model.apply(event)
        if isinstance(event, Task):
            self._say(
                f"task t={self._model.elapsed_s:.2f} command={event.command}"
                f" phase={event.phase} text={json.dumps(event.text)}"
            )
        elif isinstance(event, Heard):
            self._say(
                f"heard t={self._model.elapsed_s:.2f} text={json.dumps(event.text)}"
                f" confidence={event.confidence:.2f} recogniser={event.recogniser}"
                f" seconds={event.ended_s - event.began_s:.2f}"
                f" after_ms={1e3 * (event.at_s - event.ended_s):.0f}"
            )
        elif isinstance(event, Kept):
            self._say(
                f"kept t={self._model.elapsed_s:.2f} experience={event.experience}"
                f" modality={event.modality} salience={event.salience:.2f}"
                f" summary={json.dumps(event.summary)}"
            )
        elif isinstance(event, Health):
            self._say(
                f"health t={self._model.elapsed_s:.2f} plugin={event.plugin}"
                f" state={event.state} detail={json.dumps(event.detail)}"
            )
        elif isinstance(event, Finished):
            self._span(event.plugin).take(event)
        elif isinstance(event, Dropped):
            self._span(event.plugin).drops[event.reason] += 1
        elif isinstance(event, Cycle):
            if self._status_s is None:
                self._status_s = event.at_s
                return
            self._cycles += 1
            self._cycle_spent_atp += event.spent_atp
            if event.at_s - self._status_s >= self._period_s:
                self._status(event.at_s - self._status_s)
                self._status_s = event.at_s

    def show_frame(self, rgb: UInt8Array, scene: Scene | None = None) -> None:
        """Pictures do not fit into lines; what was seen in them is part of the status."""

    def start(self) -> None:
        """Nothing to prepare."""

    def close(self) -> None:
        """Print what the last, shorter span held; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        if self._status_s is not None and self._model.now_s > self._status_s and self._spans:
            self._status(self._model.now_s - self._status_s)

    def __enter__(self) -> HeadlessView:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _span(self, plugin: str) -> _Span:
        return self._spans.setdefault(plugin, _Span())

    def _status(self, span_s: float) -> None:
        model = self._model
        cycles = max(1, self._cycles)
        parts = [
            f"status t={model.elapsed_s:.1f} cycle={model.cycle}"
            f" atp={self._cycle_spent_atp / cycles:.0f}/{model.pool_atp:.0f}"
        ]
        if (scene := model.scene) is not None:
            parts[0] += f" sees={len(scene.detections)}"
            if scene.room is not None:
                parts[0] += f" room={json.dumps(scene.room)}:{scene.room_probability:.2f}"
        if (effect := model.effect) is not None:
            twist = effect.twist
            parts[0] += f" v_m_s={twist.linear_m_s:.2f} w_rad_s={twist.angular_rad_s:.2f}"
            parts[0] += f" lag_ms={quantile(model.lags_ms, 0.5) or 0.0:.0f}"
        for name, figures in model.plugins.items():
            span = self._span(name)
            count = len(span.steps)
            fields = [f"{name} rate={count / span_s:.1f}"]
            if count:
                fields += [f"steps={sum(span.steps) / count:.1f}", f"halt={_counts(span.halts)}"]
            if span.best:
                first, best = (sum(values) / len(values) for values in (span.first, span.best))
                fields.append(f"energy={first:.4g}->{best:.4g}")
            if figures.trust is not None:
                fields.append(f"trust={figures.trust:.2f}")
            if count:
                granted, spent = span.granted_atp / cycles, span.spent_atp / cycles
                fields.append(f"atp={granted:.0f}/{spent:.0f}/{granted - spent:.0f}")
                fields.append(f"ms={_ms(span.costs_ms, 0.5)}/{_ms(span.costs_ms, 0.95)}")
            if span.drops:
                fields.append(f"drop={_counts(span.drops)}")
            if figures.state != "active":
                fields.append(f"state={figures.state}")
            parts.append(" ".join(fields))
        self._spans.clear()
        self._cycles, self._cycle_spent_atp = 0, 0.0
        self._say(" | ".join(parts))

    def _say(self, line: str) -> None:
        if self._silent:
            return
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except BrokenPipeError:
            self._silent = True
            silence(self._stream)
        except (OSError, ValueError):  # a full disk, a stream that is closed
            self._silent = True


def silence(stream: IO[str]) -> None:
    """Send the rest of a broken stream nowhere, so that its last flush cannot fail at exit."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        descriptor = stream.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, descriptor)
        finally:
            os.close(nowhere)


def _counts(counter: Counter[str]) -> str:
    return ",".join(f"{name}:{count}" for name, count in counter.most_common())


def _ms(values: list[float], fraction: float) -> str:
    return f"{quantile(values, fraction) or 0.0:.1f}"
