"""The trust ledger: one figure per plugin, moved by what it finished and what came of it."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from orchestrator.agreement import Agreement, Judged
from orchestrator.kept import set_aside, write_whole
from sage.irp import HaltReason, Outcome, trust_metrics

LOWEST, HIGHEST, INITIAL = 0.05, 1.0, 0.5
_RATE = 0.05
_FAILURE_RATE = 0.2
_SMOOTHNESS, _VALUE, _AGREEMENT = 0.2, 0.3, 0.5
_FEW = 4.0  # so many judgements weigh half of what many do


class TrustLedger:
    """Trust in each plugin, in [0.05, 1].

    It moves when a refinement ends (:meth:`score`) and when one is judged (:meth:`credit`),
    towards a blend of three figures in [0, 1]: how smoothly the energy fell (0.2), what the
    latest judged results were worth (0.3), and whether energy agrees with it (0.5; see
    :class:`orchestrator.agreement.Agreement`). So a smooth liar falls, and an honest plugin
    rises however rough. Agreement weighs as much as there is evidence of it; value has the rest
    of its share, so that smoothness never counts for more.

    A plugin that nobody judges moves halfway from 0.5 to its smoothness, into 0.25..0.75; as
    judgements come, the blend takes over. A failure scores 0 and weighs more. Time alone
    changes nothing. Safe from any thread.

    Args:
        path: JSON file that trust and the latest judgements are kept in between runs; None
            keeps them in memory only.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._trust: dict[str, float] = {}
        self._smoothness: dict[str, float | None] = {}
        self._agreement: dict[str, Agreement] = {}
        self._judged: dict[str, tuple[float, float]] = {}  # (their score, its weight)
        if path is not None and path.exists():
            self._take(_read(path))

    def of(self, plugin: str) -> float:
        """Trust in a plugin; 0.5 for one that was never seen."""
        return self._trust.get(plugin, INITIAL)

    def snapshot(self) -> Mapping[str, float]:
        """A read-only copy."""
        return MappingProxyType(dict(self._trust))

    def agreement(self, plugin: str) -> float | None:
        """How well its energy agrees with what came of it, in [0, 1]; None: not known."""
        agreement = self._agreement.get(plugin)
        return None if agreement is None else agreement.score

    def score(self, plugin: str, outcome: Outcome[Any]) -> float:
        """Take in one finished refinement; returns the new trust."""
        if outcome.reason is HaltReason.FAILED:
            return self.fail(plugin)
        metrics = trust_metrics(outcome.trajectory.energies)
        smoothness = None if metrics is None else metrics.score
        with self._lock:
            if smoothness is not None:
                self._smoothness[plugin] = smoothness
            return self._move(plugin, self._target(plugin, smoothness), _RATE)

    def fail(self, plugin: str) -> float:
        """Take in a refinement that failed, or never came back; returns the new trust."""
        with self._lock:
            return self._move(plugin, 0.0, _FAILURE_RATE)

    def credit(
        self, plugin: str, value: float, *, energy: float = math.nan, blur: float = 0.0
    ) -> float:
        """Say what a result turned out to be worth; returns the new trust.

        Args:
            plugin: whose it was.
            value: 0 misled, 1 did all that was hoped for.
            energy: the lowest that it reached; NaN where that is not known.
            blur: energies closer than the sum of both results' ``blur`` make the same claim.

        Raises:
            ValueError: a value outside [0, 1].
        """
        if not 0.0 <= value <= 1.0:
            raise ValueError(f"a value lies in [0, 1], got {value}")
        with self._lock:
            self._learn(plugin, Judged(value, energy if math.isfinite(energy) else math.nan, blur))
            return self._move(plugin, self._target(plugin, self._smoothness.get(plugin)), _RATE)

    def save(self) -> None:
        """Write the ledger whole or not at all."""
        if self._path is None:
            return
        with self._lock:
            entries = {plugin: self._entry(plugin) for plugin in self._trust}
        write_whole(self._path, entries)

    def _move(self, plugin: str, target: float | None, rate: float) -> float:
        before = self._trust.get(plugin, INITIAL)
        if target is None:
            return before
        after = min(HIGHEST, max(LOWEST, before + (target - before) * rate))
        self._trust[plugin] = after
        return after

    def _target(self, plugin: str, smoothness: float | None) -> float | None:
        """Where trust moves to; None where there is nothing to go by."""
        judged = self._judged.get(plugin)
        alone = None if smoothness is None else 0.5 * (INITIAL + smoothness)
        if judged is None:
            return alone
        score, weight = judged
        if smoothness is None or alone is None:  # what is not known leaves trust where it is
            smoothness = alone = self._trust.get(plugin, INITIAL)
        blend = _SMOOTHNESS * smoothness + (_VALUE + _AGREEMENT) * score
        return alone + (blend - alone) * weight

    def _learn(self, plugin: str, judged: Judged) -> None:
        agreement = self._agreement.get(plugin)
        if agreement is None:
            agreement = self._agreement[plugin] = Agreement()
        agreement.add(judged)
        mean, agrees = agreement.mean_value, agreement.score
        assert mean is not None
        weighs = 0.0 if agrees is None else _AGREEMENT * agreement.evidence
        score = (_VALUE * mean + weighs * (agrees or 0.0)) / (_VALUE + weighs)
        count = len(agreement)
        self._judged[plugin] = score, count / (count + _FEW)

    def _entry(self, plugin: str) -> dict[str, Any]:
        """What the file keeps of a plugin."""
        entry: dict[str, Any] = {"trust": self._trust[plugin]}
        if (smoothness := self._smoothness.get(plugin)) is not None:
            entry["smoothness"] = smoothness
        if plugin in self._agreement:
            entry["judged"] = [
                [judged.value, None if math.isnan(judged.energy) else judged.energy, judged.blur]
                for judged in self._agreement[plugin]
            ]
        return entry

    def _take(self, entries: Mapping[str, _Entry]) -> None:
        for plugin, (trust, smoothness, judged) in entries.items():
            self._trust[plugin] = min(HIGHEST, max(LOWEST, trust))
            self._smoothness[plugin] = smoothness
            for result in judged:
                self._learn(plugin, result)


_Entry = tuple[float, "float | None", "list[Judged]"]


def _read(path: Path) -> dict[str, _Entry]:
    """The ledger in ``path``; one that cannot be read is set aside, not overwritten."""
    try:
        entries = json.loads(path.read_text())
        if not isinstance(entries, dict):
            raise ValueError("not a table of plugin names")
        return {str(name): _entry_from(entry) for name, entry in entries.items()}
    except (OSError, ValueError, TypeError, OverflowError, RecursionError) as error:
        set_aside(path, "trust", error)
        return {}


def _entry_from(entry: Any) -> _Entry:
    """One plugin's entry; a bare number is trust alone."""
    if not isinstance(entry, dict):
        return _finite(entry), None, []
    smoothness = entry.get("smoothness")
    judged = []
    for value, energy, blur in entry.get("judged", ()):
        if not 0.0 <= _finite(value) <= 1.0:
            raise ValueError(f"a value of {value}")
        judged.append(
            Judged(
                float(value), math.nan if energy is None else _finite(energy), abs(_finite(blur))
            )
        )
    return _finite(entry.get("trust")), None if smoothness is None else _finite(smoothness), judged


def _finite(number: Any) -> float:
    if not isinstance(number, int | float) or isinstance(number, bool) or not math.isfinite(number):
        raise ValueError(f"{number!r:.40} is no finite number")
    return float(number)
