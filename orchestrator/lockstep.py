"""Virtual time: lanes that run one after the other as if they ran side by side."""

from __future__ import annotations

from collections.abc import Callable

from orchestrator.hrm import HRMOrchestrator
from orchestrator.lane import Lane, Turn, step
from sage.clock import VirtualClock

_NEVER = float("inf")
_SAME_S = 1e-9  # times closer than this are one: multiples of two periods differ in the last bit


class LockStep:
    """Drives an orchestrator and a world in virtual time.

    Each step is really computed; its measured lane time is when its effects show. So lanes
    overlap as they would on hardware that has one processor for each, and the world waits while
    a plugin thinks. What slows a step, a busy machine too, slows the robot as it would in life.

    Args:
        orchestrator: one that was not started.
        clock: the same one that the orchestrator and the world read.
        advance: moves the world by so many seconds, delivering its observations.
        sample_s: observations fall on multiples of this period.
    """

    def __init__(
        self,
        orchestrator: HRMOrchestrator,
        clock: VirtualClock,
        advance: Callable[[float], None],
        *,
        sample_s: float = 0.05,
    ) -> None:
        if not sample_s > 0.0:
            raise ValueError(f"sample_s must be positive, got {sample_s}")
        self._orchestrator = orchestrator
        self._clock = clock
        self._advance = advance
        self._sample_s = sample_s
        self._under_way: dict[Lane, tuple[float, Turn]] = {}
        self._began_s = clock.now_s()
        self._ticks = self._samples = 0

    def run_until(self, time_s: float, done: Callable[[], bool] = lambda: False) -> None:
        """Go on until ``time_s``, or until ``done`` says so after a tick."""
        clock, cycle_s = self._clock, self._orchestrator.config.cycle_s
        while time_s - clock.now_s() > _SAME_S:
            now_s = clock.now_s()
            if now_s >= self._began_s + self._ticks * cycle_s:
                self._ticks += 1
                self._orchestrator.tick()
                if done():
                    return
            for lane in self._orchestrator.lanes.values():
                if lane not in self._under_way:
                    self._begin(lane, now_s)
            ends_s = min((end_s for end_s, _ in self._under_way.values()), default=_NEVER)
            for lane in self._orchestrator.lanes.values():
                if lane not in self._under_way:
                    ends_s = min(ends_s, max(lane.admission.wakes_s(), now_s + _SAME_S))
            tick_s = self._began_s + self._ticks * cycle_s
            sample_s = self._began_s + (self._samples + 1) * self._sample_s
            coming_s = (time_s, ends_s, tick_s, sample_s)
            next_s = min(coming_s)
            until_s = max(due_s for due_s in coming_s if due_s <= next_s + _SAME_S)
            if until_s > now_s:
                self._advance(until_s - now_s)
                clock.advance_to(until_s)
            if until_s >= sample_s:
                self._samples += 1
            for lane, (end_s, turn) in tuple(self._under_way.items()):
                if end_s <= until_s:
                    del self._under_way[lane]
                    lane.settle(turn)

    def _begin(self, lane: Lane, now_s: float) -> None:
        lane.take_in()
        job = lane.choose()
        if job is not None:
            turn = step(lane.company(job), self._orchestrator.stopwatch)
            self._under_way[lane] = (now_s + turn.cost_s, turn)
