"""Containment: what becomes of a plugin that fails."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum


class HealthState(Enum):
    """Whether a plugin may run."""

    ACTIVE = "active"
    BACKING_OFF = "backing_off"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How a failed plugin comes back.

    Attributes:
        first_backoff_s: the wait after the first failure; each further one doubles it.
        longest_backoff_s: where the doubling ends.
        most_failures: this many failures without a success between them, and it stays out.
    """

    first_backoff_s: float = 0.2
    longest_backoff_s: float = 5.0
    most_failures: int = 5

    def __post_init__(self) -> None:
        if not 0.0 < self.first_backoff_s <= self.longest_backoff_s:
            raise ValueError(
                f"first_backoff_s must lie in (0, longest_backoff_s={self.longest_backoff_s}], "
                f"got {self.first_backoff_s}"
            )
        if self.most_failures < 1:
            raise ValueError(f"most_failures must be at least 1, got {self.most_failures}")


class Supervisor:
    """The health of one plugin."""

    __slots__ = ("_policy", "failures", "failures_in_row", "resumes_s", "state")

    def __init__(self, policy: RestartPolicy) -> None:
        self._policy = policy
        self.state = HealthState.ACTIVE
        self.failures = 0
        self.failures_in_row = 0
        self.resumes_s = 0.0

    def failed(self, now_s: float) -> HealthState:
        """Count a failure; the plugin waits, longer each time, and finally stays out."""
        self.failures += 1
        self.failures_in_row += 1
        if self.failures_in_row >= self._policy.most_failures:
            self.state = HealthState.QUARANTINED
        else:
            doublings = min(self.failures_in_row - 1, 60)  # a float ends somewhere
            wait_s = self._policy.first_backoff_s * 2.0**doublings
            self.resumes_s = now_s + min(wait_s, self._policy.longest_backoff_s)
            self.state = HealthState.BACKING_OFF
        return self.state

    def due(self, now_s: float) -> bool:
        """Whether a plugin that backs off may be restarted now."""
        return self.state is HealthState.BACKING_OFF and now_s >= self.resumes_s

    def restarting(self) -> None:
        """It is being made anew: until that is over, it is not due again."""
        self.resumes_s = math.inf

    def restarted(self) -> None:
        """It is back; only a success clears its record."""
        self.state = HealthState.ACTIVE

    def succeeded(self) -> None:
        """Count a refinement that ended well."""
        self.failures_in_row = 0
