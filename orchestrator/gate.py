"""The safety gate: the only way from a plugin's proposal to the wheels."""

from __future__ import annotations

import dataclasses
import logging
import math
import threading
from collections import Counter
from dataclasses import dataclass
from typing import Protocol

from sage.clock import Clock
from sage.telemetry import Moved, Observer
from sage.values import Effect, Proposal, Twist

logger = logging.getLogger(__name__)

_PATIENCE_S = 0.05  # nobody waits longer than this behind a command that hangs
_NEVER = math.inf


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
        hold_s: the first tick this long after the last command that arrived stops the robot
            (<= 0.5 s); what the tick's period adds comes on top.
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
    """Limits, freshness, the safe hold and the emergency stop.

    :meth:`propose` runs on the control lane, :meth:`tick` on the H level, so a lane that hangs
    cannot keep the robot moving; the emergency stop comes from any thread. None of them raises
    what the effector raises, and none waits long for a command that hangs. ``refused`` counts
    proposals by reason, ``holds`` how often the robot was stopped for want of commands.
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
        self._speaking = threading.Lock()  # held by whoever talks to the effector
        self._stop_due_s = _NEVER  # the tick stops the robot from then on; never: it stands still
        self._complained = False
        self.emergency_stopped = False
        self.refused: Counter[str] = Counter()
        self.holds = 0
        self.failure = ""
        """Why the effector did not take the last commands; empty while it takes them."""
        self.failures_in_row = 0

    def propose(self, proposal: Proposal) -> Effect | None:
        """Execute a proposal within the limits; None where it is refused or the effector failed.

        One that is not finite also stops the robot: whoever made it has lost its way.
        """
        if not self._speaking.acquire(timeout=_PATIENCE_S):
            self.refused["busy"] += 1
            return None
        try:
            now_s = self._clock.now_s()
            reason = self._objection(proposal, now_s)
            if reason is not None:
                self.refused[reason] += 1
                if reason == "not_finite":
                    self._stand_still()
                return None
            effect = self._apply(proposal, now_s)
            if self.emergency_stopped:  # pressed while the command was on its way
                self._stand_still()
        finally:
            self._speaking.release()
        if effect is not None and self._emit is not None:
            self._emit(Moved(now_s, effect))
        return effect

    def tick(self) -> None:
        """Stop the robot when its last command is too old, and retry a stop that failed."""
        now_s = self._clock.now_s()
        if now_s < self._stop_due_s:
            return
        if not self._speaking.acquire(blocking=False):
            self._complain("a command to the robot hangs; it is stopped as soon as that returns")
            return
        try:
            if now_s >= self._stop_due_s and self._stand_still():
                self.holds += 1
                logger.warning("no fresh command: the robot stands still")
        finally:
            self._speaking.release()

    def emergency_stop(self) -> None:
        """Stand still and refuse every proposal until :meth:`release`."""
        self.emergency_stopped = True  # first: a command under way looks at it when it returns
        if not self._speaking.acquire(timeout=_PATIENCE_S):
            logger.error("emergency stop while a command hangs: it follows when that returns")
            return
        try:
            self._stand_still()
        finally:
            self._speaking.release()

    def release(self) -> None:
        """End an emergency stop."""
        self.emergency_stopped = False

    def _objection(self, proposal: Proposal, now_s: float) -> str | None:
        if self.emergency_stopped:
            return "emergency_stop"
        twist = proposal.twist
        if not (math.isfinite(twist.linear_m_s) and math.isfinite(twist.angular_rad_s)):
            return "not_finite"
        # A time from the future would never grow old; one that is no number neither.
        if not abs(now_s - proposal.captured_s) <= self._limits.oldest_s:
            return "stale"
        return None

    def _apply(self, proposal: Proposal, now_s: float) -> Effect | None:
        limits, asked = self._limits, proposal.twist
        twist = Twist(
            min(limits.linear_m_s, max(-limits.linear_m_s, asked.linear_m_s)),
            min(limits.angular_rad_s, max(-limits.angular_rad_s, asked.angular_rad_s)),
        )
        # Armed before it is sent, for a command that fails half-way may have moved the robot;
        # put off only by one that arrived, or a base that fails would run on for ever.
        self._stop_due_s = min(self._stop_due_s, now_s + limits.hold_s)
        try:
            effect = self._effector.apply(twist, proposal.captured_s)
        except Exception as error:
            self._effector_failed(str(error) or type(error).__name__)
            return None
        if "refused" in effect.detail:
            self._effector_failed(str(effect.detail["refused"]))
            return None
        self._stop_due_s = now_s + limits.hold_s
        self._complained = False
        self.failure, self.failures_in_row = "", 0
        if twist != asked and not effect.clipped:
            effect = dataclasses.replace(effect, clipped=True)
        return effect

    def _effector_failed(self, why: str) -> None:
        self.refused["effector_failed"] += 1
        self.failures_in_row += 1
        if not self.failure:  # the first of a row says most
            self.failure = why
        self._complain(f"the robot did not take a command: {why}")

    def _stand_still(self) -> bool:
        """Stop the robot (holding the lock); a stop that fails is due again at the next tick."""
        try:
            self._effector.stop()
        except Exception as error:
            self._stop_due_s = -math.inf
            self._complain(f"the robot did not take a stop: {error}; trying again")
            return False
        self._stop_due_s = _NEVER
        return True

    def _complain(self, text: str) -> None:
        """Log the first of a row of failures; the next command that arrives ends the row."""
        if not self._complained:
            self._complained = True
            logger.error("%s", text)
