"""What results turned out to be worth downstream, per plugin and per ATP."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from orchestrator.agreement import WINDOW, Judged, agreement_of

RING = 512
_SAME = 0.005  # of a plugin's scale: energies no further apart than twice that are one claim


@dataclass(frozen=True, slots=True)
class Worth:
    """What the results of one plugin were worth.

    Attributes:
        finished: refinements that ended.
        credited: how many of them somebody judged.
        value: the sum of their values, each in [0, 1].
        late: judgements of refinements that were not known any more; they count nowhere else.
        spent_atp: by all of its refinements, judged or not.
        agreement: how well low energy went with high value, in [0, 1]; None where values did
            not vary, or nothing was judged.
    """

    finished: int
    credited: int
    value: float
    late: int
    spent_atp: float
    agreement: float | None

    @property
    def mean_value(self) -> float | None:
        """Per judged refinement; None where there is none."""
        return self.value / self.credited if self.credited else None

    @property
    def value_per_1000_atp(self) -> float | None:
        """Value over all that was spent; None where nothing was judged, or nothing was spent."""
        if not self.credited or self.spent_atp <= 0.0:
            return None
        return 1000.0 * self.value / self.spent_atp


class ValueLedger:
    """Who brought how much, since the start of the run. Safe from any thread.

    A result may be judged more than once: one frame shows several things. Its value is then the
    mean of what it was judged, and each judgement counts for the agreement.

    Args:
        ring: how many of a plugin's latest refinements can still be judged.
    """

    def __init__(self, ring: int = RING) -> None:
        if ring < 1:
            raise ValueError(f"a ring holds at least 1 refinement, got {ring}")
        self._ring = ring
        self._lock = threading.Lock()
        self._accounts: dict[str, _Account] = {}

    def finished(
        self,
        plugin: str,
        refinement: int,
        spent_atp: float,
        energy: float | None,
        scale: float = 0.0,
    ) -> None:
        """A refinement ended; from now on, and for a while, it can be judged.

        Args:
            plugin: whose it was.
            refinement: its number, as in the telemetry.
            spent_atp: what it spent in all.
            energy: the lowest that it reached; None where no step finished.
            scale: the plugin's typical drop of energy, 0 where it is not known: energies that
                differ by less than 1 % of it make no different claim.
        """
        with self._lock:
            account = self._accounts.get(plugin)
            if account is None:
                account = self._accounts[plugin] = _Account(self._ring)
            slot = account.count % self._ring
            account.count += 1
            account.spent_atp += spent_atp
            account.scale = scale
            account.refinements[slot] = refinement
            account.energies[slot] = math.nan if energy is None else energy
            account.judgements[slot] = 0

    def credit(self, plugin: str, refinement: int, value: float) -> Judged | None:
        """Say what a result turned out to be worth: 0 misled, 1 did all that was hoped for.

        Returns:
            The judgement with the energy of that refinement; None, counted as late, where it is
            not known: it has not ended, or too many others have since.

        Raises:
            ValueError: a value outside [0, 1].
        """
        if not 0.0 <= value <= 1.0:
            raise ValueError(f"a value lies in [0, 1], got {value}")
        with self._lock:
            account = self._accounts.get(plugin)
            if account is None:
                account = self._accounts[plugin] = _Account(self._ring)
            try:
                slot = account.refinements.index(refinement)
            except ValueError:
                account.late += 1
                return None
            times = account.judgements[slot]
            before = account.values[slot] if times else 0.0
            after = before + (value - before) / (times + 1)
            account.credited += not times
            account.value += after - before
            account.values[slot] = after
            account.judgements[slot] = times + 1
            judged = Judged(value, account.energies[slot], _SAME * account.scale)
            account.judged.append(judged)
            return judged

    def table(self) -> Mapping[str, Worth]:
        """What each plugin's results were worth so far."""
        with self._lock:
            return MappingProxyType(
                {
                    plugin: Worth(
                        account.count,
                        account.credited,
                        max(0.0, account.value),
                        account.late,
                        account.spent_atp,
                        agreement_of(account.judged).score,
                    )
                    for plugin, account in sorted(self._accounts.items())
                }
            )


class _Account:
    """One plugin's sums, and its latest refinements in a ring of columns."""

    __slots__ = (
        "count",
        "credited",
        "energies",
        "judged",
        "judgements",
        "late",
        "refinements",
        "scale",
        "spent_atp",
        "value",
        "values",
    )

    def __init__(self, ring: int) -> None:
        self.count = self.credited = self.late = 0
        self.value = self.spent_atp = self.scale = 0.0
        self.judged: deque[Judged] = deque(maxlen=WINDOW)
        self.refinements = [-1] * ring
        self.energies = [math.nan] * ring
        self.values = [0.0] * ring
        self.judgements = [0] * ring
