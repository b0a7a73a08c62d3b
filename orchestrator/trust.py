"""The trust ledger: one figure per plugin, moved by finished refinements and by nothing else."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sage.irp import HaltReason, Outcome, trust_metrics

logger = logging.getLogger(__name__)

LOWEST, HIGHEST, INITIAL = 0.05, 1.0, 0.5
_RATE = 0.05
_FAILURE_RATE = 0.2
_VALUE_WEIGHT = 2.0 / 3.0  # what came of it weighs more than how smoothly the energy fell


class TrustLedger:
    """Trust in each plugin, in [0.05, 1].

    A refinement is scored once, when it ends: from its energy curve (two steps at least) and,
    where somebody told it, from what its results were worth downstream (:meth:`credit`). A
    failure scores 0 and weighs more. Time alone changes nothing.

    Args:
        path: JSON file that trust is kept in between runs; None keeps it in memory only.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._trust: dict[str, float] = {}
        self._value: dict[str, float] = {}
        if path is not None and path.exists():
            self._trust = _read(path)

    def of(self, plugin: str) -> float:
        """Trust in a plugin; 0.5 for one that was never seen."""
        return self._trust.get(plugin, INITIAL)

    def snapshot(self) -> Mapping[str, float]:
        """A read-only copy."""
        return MappingProxyType(dict(self._trust))

    def score(self, plugin: str, outcome: Outcome[Any]) -> float:
        """Take in one finished refinement; returns the new trust."""
        if outcome.reason is HaltReason.FAILED:
            return self._move(plugin, 0.0, _FAILURE_RATE)
        metrics = trust_metrics(outcome.trajectory.energies)
        value = self._value.get(plugin)
        if metrics is None:
            return self.of(plugin) if value is None else self._move(plugin, value, _RATE)
        target = metrics.score
        if value is not None:
            target += (value - target) * _VALUE_WEIGHT
        return self._move(plugin, target, _RATE)

    def fail(self, plugin: str) -> float:
        """Take in a refinement that never came back."""
        return self._move(plugin, 0.0, _FAILURE_RATE)

    def credit(self, plugin: str, value: float) -> None:
        """Say what a result turned out to be worth: 0 misled, 1 did all that was hoped for."""
        if not 0.0 <= value <= 1.0:
            raise ValueError(f"a value lies in [0, 1], got {value}")
        before = self._value.get(plugin, value)
        self._value[plugin] = before + (value - before) * _RATE * 2.0

    def save(self) -> None:
        """Write the ledger whole or not at all."""
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_suffix(".partial")
        with partial.open("w") as stream:
            stream.write(json.dumps(dict(self._trust), indent=1, sort_keys=True) + "\n")
            stream.flush()
            os.fsync(stream.fileno())  # or a power cut may leave the new name with no content
        os.replace(partial, self._path)

    def _move(self, plugin: str, target: float, rate: float) -> float:
        before = self.of(plugin)
        after = min(HIGHEST, max(LOWEST, before + (target - before) * rate))
        self._trust[plugin] = after
        return after


def _read(path: Path) -> dict[str, float]:
    """The ledger in ``path``; one that cannot be read is set aside, not overwritten."""
    try:
        entries = json.loads(path.read_text())
        if not isinstance(entries, dict) or not all(
            isinstance(value, int | float) and math.isfinite(value) for value in entries.values()
        ):
            raise ValueError("not a table of plugin names and numbers")
    except (OSError, ValueError, OverflowError, RecursionError) as error:
        aside = path.with_suffix(".corrupt")
        logger.warning("trust in %s cannot be read (%s); kept as %s", path, error, aside)
        path.replace(aside)
        return {}
    return {str(name): min(HIGHEST, max(LOWEST, float(value))) for name, value in entries.items()}
