"""The safety gate: the only way from a plugin's proposal to the wheels."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from typing import Protocol

from sage.clock import Clock
from sage.telemetry import Moved, Observer
from sage.values import Effect, Proposal, Twist


class Drives(Protocol):
    """What the gate needs of an effector."""

    def apply(self, twist: Twist, captured_s: float) -> Effect:
        """Execute a twist; says what was really done."""
        ...

    def stop(self) -> None:
        """Stand still, whatever happens."""
        ...


@dataclass(frozen=True, slots=True)
class SafetyLimits:
    """What no proposal may exceed.

    Attributes:
        linear_m_s: the highest forward or backward speed.
        angular_rad_s: the highest turning speed.
        hold_s: the robot stands still when no fresh proposal came for this long (<= 0.5 s).
        oldest_s: a proposal made from data older than this is refused.
    """

    linear_m_s: float = 1.0
    angular_rad_s: float = 2.0
    hold_s: float = 0.4
    oldest_s: float = 0.5

    def __post_init__(self) -> None:
        if not (self.linear_m_s > 0.0 and self.angular_rad_s > 0.0):
            raise ValueError(
                f"speed limits must be positive, got {self.linear_m_s} m/s and "
                f"{self.angular_rad_s} rad/s"
            )
        if not 0.0 < self.hold_s <= 0.5:
            raise ValueError(f"hold_s must lie in (0, 0.5] s, got {self.hold_s}")
        if not self.oldest_s > 0.0:
            raise ValueError(f"oldest_s must be positive, got {self.oldest_s}")


class SafetyGate:
    """Limits, freshness and the emergency stop; ``refused`` counts by reason.

    :meth:`propose` runs on the control lane, :meth:`tick` on the H level.
    """

    def __init__(
        self,
        effector: Drives,
        clock: Clock,
        *,
        limits: SafetyLimits | None = None,
        emit: Observer | None = None,
    ) -> None:
        self._effector = effector
        self._clock = clock
        self._limits = limits or SafetyLimits()
        self._emit = emit
        self._lock = threading.Lock()
        self._fresh_s = clock.now_s()
        self._holding = True
        self.emergency_stopped = False
        self.refused: Counter[str] = Counter()

    def propose(self, proposal: Proposal) -> Effect | None:
        """Execute a proposal within the limits; None where it is refused."""
        now_s = self._clock.now_s()
        limits = self._limits
        linear, angular = proposal.twist.linear_m_s, proposal.twist.angular_rad_s
        with self._lock:
            if self.emergency_stopped:
                self.refused["emergency_stop"] += 1
                return None
            if not (abs(linear) < float("inf") and abs(angular) < float("inf")):  # NaN too
                self.refused["not_finite"] += 1
                return None
            if now_s - proposal.captured_s > limits.oldest_s:
                self.refused["stale"] += 1
                return None
            twist = Twist(
                min(limits.linear_m_s, max(-limits.linear_m_s, linear)),
                min(limits.angular_rad_s, max(-limits.angular_rad_s, angular)),
            )
            effect = self._effector.apply(twist, proposal.captured_s)
            self._fresh_s = now_s
            self._holding = False
        if self._emit is not None:
            self._emit(Moved(now_s, effect))
        return effect

    def tick(self) -> None:
        """Stand still when the last fresh proposal is too old."""
        with self._lock:
            if not self._holding and self._clock.now_s() - self._fresh_s > self._limits.hold_s:
                self._holding = True
                self._effector.stop()

    def emergency_stop(self) -> None:
        """Stand still and refuse every proposal until :meth:`release`."""
        with self._lock:
            self.emergency_stopped = True
            self._holding = True
            self._effector.stop()

    def release(self) -> None:
        """End an emergency stop."""
        with self._lock:
            self.emergency_stopped = False
