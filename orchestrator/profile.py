"""What a plugin's steps have cost and brought so far: the basis of every prediction."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping, Sequence
from itertools import accumulate, takewhile
from pathlib import Path
from typing import Any, Final

from orchestrator.kept import set_aside, write_whole
from sage.irp import HaltReason, Trajectory

logger = logging.getLogger(__name__)

_RATE: Final = 0.2
_WORST_DECAY: Final = 0.99
_CUT_SHORT: Final = (HaltReason.BUDGET, HaltReason.DEADLINE, HaltReason.CANCELLED)
_EXPLORED: Final = 3
_UNKNOWN_S: Final = 1e-3  # a step of a plugin that never made one
_MOST_STEPS: Final = 1024
_NUMBERS: Final = ("worst_first_s", "first_s", "worst_s", "step_s", "answer_s", "turn_s", "scale")
_SHRINK: Final = 0.25  # of the typical drop: so much evidence that a curve is like the others
_MOST_RATIO: Final = 4.0
_MOST_DROP: Final = 1e9  # in typical total drops: their sums stay finite


class Profile:
    """Running averages over one plugin's finished refinements, all times in seconds.

    ``worst_first_s`` is the decaying maximum of the first step's cost and ``worst_s`` of any
    step's, ``first_s`` and ``step_s`` are the mean costs of the first and of a later one,
    ``answer_s`` the decaying maximum of reading the answer, and ``turn_s`` that of a step of
    several together, which costs each of them but a part of it. Energy drops are kept per step, as
    fractions of the plugin's own typical total drop, so that plugins can be compared. A
    refinement that was cut short says nothing of what would have come: ``count`` and the typical
    drop leave it out.
    """

    __slots__ = (
        "_drops",
        "_expected",
        "_rates",
        "answer_s",
        "count",
        "first_s",
        "scale",
        "step_s",
        "turn_s",
        "worst_first_s",
        "worst_s",
    )

    def __init__(self) -> None:
        self.count = 0
        self.worst_first_s = 0.0
        self.first_s = 0.0
        self.worst_s = 0.0
        self.step_s = 0.0
        self.answer_s = 0.0
        self.turn_s = 0.0
        self.scale = 0.0
        self._drops: list[float] = []
        # Made from the drops when they are asked for: the best rate from each step on, and what
        # was gained on average by then.
        self._rates: list[float] | None = None
        self._expected: list[float] = []

    def learn(self, trajectory: Trajectory) -> None:
        """Take in one finished refinement."""
        energies, costs = trajectory.energies, trajectory.costs_s
        if not energies or not math.isfinite(sum(costs) + trajectory.result_cost_s):
            return
        cut_short = trajectory.reason in _CUT_SHORT
        self.count += not cut_short
        first_s = costs[0]
        self.worst_first_s = max(first_s, self.worst_first_s * _WORST_DECAY)
        self.worst_s = max(max(costs), self.worst_s * _WORST_DECAY)
        self.first_s += (first_s - self.first_s) * (_RATE if self.first_s else 1.0)
        self.answer_s = max(trajectory.result_cost_s, self.answer_s * _WORST_DECAY)
        if len(costs) < 2:
            return
        mean_s = sum(costs[1:]) / (len(costs) - 1)
        self.step_s += (mean_s - self.step_s) * (_RATE if self.step_s else 1.0)
        span = energies[0] - min(energies)
        if not math.isfinite(max(energies) - min(energies)):
            return
        if span > self.scale or not cut_short:
            self.scale += (span - self.scale) * (_RATE if self.scale else 1.0)
        if self.scale <= 0.0:
            return
        self._rates = None
        drops = self._drops
        for index in range(1, min(len(energies), _MOST_STEPS)):
            drop = (energies[index - 1] - energies[index]) / self.scale
            drop = min(_MOST_DROP, max(-_MOST_DROP, drop))
            if index > len(drops):
                drops.append(drop)
            else:
                drops[index - 1] += (drop - drops[index - 1]) * _RATE

    def took_together(self, lane_s: float) -> None:
        """Take in what a step of several together took of the lane."""
        self.turn_s = max(lane_s, self.turn_s * _WORST_DECAY)

    def gain_per_s(self, energies: Sequence[float]) -> float:
        """The best expected drop per second over the next steps, in own typical total drops.

        ``energies`` is the trajectory so far (at least one step). The best over every number of
        further steps that experience covers, so that a plateau before a drop is not starved; more
        for one that has gained more than others had by then.
        """
        if self.scale <= 0.0 or self.step_s <= 0.0:
            # Nothing known yet: the next step may bring it all. Nothing ever gained: it may not.
            if self.count >= _EXPLORED:
                return 0.0
            return 1.0 / (self.step_s or self.first_s or _UNKNOWN_S)
        rates = self._rates  # read once: another thread may be learning
        if rates is None:
            self._expected = list(accumulate(self._drops))
            rates = self._rates = _steepest(self._drops)
        done = len(energies) - 1
        if done < len(rates):
            if not done:
                return rates[0] / self.step_s
            gained = (energies[0] - energies[-1]) / self.scale
            ratio = (max(0.0, gained) + _SHRINK) / (max(0.0, self._expected[done - 1]) + _SHRINK)
            return min(_MOST_RATIO, max(1.0 / _MOST_RATIO, ratio)) * rates[done] / self.step_s
        # Past all experience: diminishing returns.
        recent = (energies[-2] - energies[-1]) / self.scale if done else 0.0
        return max(0.0, 0.5 * recent) / self.step_s

    def as_dict(self) -> dict[str, Any]:
        """All that it knows, as plain values; a number that is not finite is left out."""
        numbers = {name: getattr(self, name) for name in _NUMBERS}
        numbers = {name: number for name, number in numbers.items() if math.isfinite(number)}
        return {
            "count": self.count,
            **numbers,
            "drops": list(takewhile(math.isfinite, self._drops)),
        }

    @classmethod
    def from_dict(cls, entries: Mapping[str, Any]) -> Profile:
        """What :meth:`as_dict` gave; ValueError for what cannot be.

        What is missing is 0, and what is not known is ignored: another release may have written it.
        """
        profile = cls()
        if not isinstance(entries, Mapping):
            raise ValueError(f"a profile is a table of numbers, got {entries!r:.40}")
        count, drops = entries.get("count", 0), entries.get("drops", [])
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise ValueError(f"count must be a whole number, 0 or more, got {count!r:.40}")
        profile.count = count
        for name in _NUMBERS:
            setattr(profile, name, _number(name, entries.get(name, 0.0), least=0.0))
        if not isinstance(drops, list) or len(drops) > _MOST_STEPS:
            raise ValueError(f"drops must be a list of at most {_MOST_STEPS} numbers")
        profile._drops = [_number("a drop", drop, least=-math.inf) for drop in drops]
        return profile


class ProfileBook:
    """The profiles of all plugins, kept between runs.

    Args:
        path: JSON file; None keeps them in memory only.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._profiles: dict[str, Profile] = {}
        if path is not None and path.exists():
            self._profiles = _read(path)

    def of(self, plugin: str) -> Profile:
        """The profile of a plugin; an empty one for a plugin that was never seen."""
        return self._profiles.setdefault(plugin, Profile())

    def save(self) -> None:
        """Write all profiles whole or not at all; OSError where that cannot be."""
        if self._path is None:
            return
        entries = {name: profile.as_dict() for name, profile in self._profiles.items()}
        write_whole(self._path, entries)


def _read(path: Path) -> dict[str, Profile]:
    """The profiles in ``path``, less those that cannot be.

    A file that is no table of them is set aside, not overwritten.
    """
    try:
        entries = json.loads(path.read_text())
        if not isinstance(entries, dict):
            raise ValueError("not a table of plugin names and profiles")
    except (OSError, ValueError, RecursionError) as error:
        set_aside(path, "profiles", error)
        return {}
    profiles = {}
    for name, entry in entries.items():
        try:
            profiles[name] = Profile.from_dict(entry)
        except (ValueError, OverflowError) as error:
            logger.warning("the profile of %r in %s is discarded: %s", name, path, error)
    return profiles


def _number(name: str, value: Any, least: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} must be a finite number, got {value!r:.40}")
    if value < least:
        raise ValueError(f"{name} must be {least:g} or more, got {value!r}")
    return float(value)


def _steepest(drops: Sequence[float]) -> list[float]:
    """For each step, the highest mean drop of the run of steps that begins there; at least 0.

    That is the slope of the upper hull of what is gained, found from the end in one pass.
    """
    rates = [0.0] * len(drops)
    runs: list[tuple[float, int]] = []  # (sum, steps), the first run last
    for index in range(len(drops) - 1, -1, -1):
        total, steps = drops[index], 1
        while runs and runs[-1][0] * steps > total * runs[-1][1]:
            further, more = runs.pop()
            total, steps = total + further, steps + more
        runs.append((total, steps))
        rates[index] = max(0.0, total / steps)
    return rates
