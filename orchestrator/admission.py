"""Who is let in: a refinement begins where its lane has room for its first step's worst case."""

from __future__ import annotations

import math
from collections.abc import Callable

from orchestrator.lane import Job, Lane
from orchestrator.member import Captured, Member, Waiting
from orchestrator.policy import Claim, Policy
from orchestrator.supervisor import HealthState
from sage.clock import Clock
from sage.irp import Refinement
from sage.telemetry import Admitted, Dropped, Event

_PATIENCE_CYCLES = 3


class Admission:
    """Lets observations in, and sheds what there is no room for.

    Where the pool does not cover the first steps of all that waits, the policy's rank says who
    is first: salience x trust per ATP by default, more with every cycle missed. The others wait.
    One that was turned away for want of ATP, and then grew old, lost its deadline or had its
    place taken by a newer one, is dropped as "shed" and counted. What is essential is never shed.

    Args:
        policy: ranks claims and weighs shares.
        clock: where age and deadlines are read.
        stopwatch: measures steps.
        emit: where telemetry goes.
    """

    def __init__(
        self,
        policy: Policy,
        clock: Clock,
        stopwatch: Callable[[], float],
        emit: Callable[[Event], None],
    ) -> None:
        self.policy = policy
        self.cycle = 0
        self.stopwatch = stopwatch
        self._clock = clock
        self._emit = emit
        self._members: dict[str, list[Member]] = {}

    def add(self, member: Member) -> None:
        """One more plugin of its lane."""
        lane = member.settings.lane
        self._members[lane] = [*self._members.get(lane, ()), member]  # lanes may read the old one

    def offer(self, member: Member, waiting: Waiting) -> None:
        """Let an observation wait; the caller holds the member's lock."""
        queue = member.waiting
        if len(queue) >= member.settings.queue:
            reason = "superseded" if member.deferred_in is None else "shed"
            self.drop(member, queue.popleft().observation, reason)
        queue.append(waiting)

    def admit(self, lane: Lane) -> None:
        """Let in what waits for a lane, the highest rank first, as far as its pool goes."""
        ready = [
            member
            for member in self._members.get(lane.name, ())
            if member.waiting and len(member.running) < member.settings.most_running
        ]
        if len(ready) > 1:
            ready.sort(key=self._rank, reverse=True)
        for member in ready:
            while self._admit_one(member, lane):
                continue

    def drop(self, member: Member, observation: Captured, reason: str) -> None:
        """Count an observation that is not refined, and say why; the caller holds the lock."""
        member.dropped[reason] += 1
        self._emit(Dropped(self._clock.now_s(), member.name, reason, observation.captured_s))

    def drop_all(self, member: Member, reason: str) -> None:
        """Drop all that waits; the caller holds the member's lock."""
        while member.waiting:
            self.drop(member, member.waiting.popleft().observation, reason)

    def _rank(self, member: Member) -> float:
        settings = member.settings
        with member.lock:
            if not member.waiting:
                return -math.inf
            waiting = member.waiting[0]
        if settings.essential:
            return math.inf
        observation = waiting.observation
        due_s = math.inf if settings.deadline_s is None else settings.deadline_s
        return self.policy.rank(
            Claim(
                member.name,
                observation,
                member.trust(),
                waiting.salience,
                member.profile.first_s * member.atp_per_s,
                observation.captured_s + due_s,
                self._waited(member),
            )
        )

    def _waited(self, member: Member) -> int:
        return 0 if member.deferred_in is None else self.cycle - member.deferred_in

    def _admit_one(self, member: Member, lane: Lane) -> bool:
        """Whether the oldest that waits was let in or dropped, so that there may be another."""
        with member.lock:
            if not member.waiting or len(member.running) >= member.settings.most_running:
                return False
            if member.supervisor.state is not HealthState.ACTIVE:
                self.drop_all(member, member.supervisor.state.value)
                return False
            settings, profile = member.settings, member.profile
            waiting = member.waiting[0]
            observation = waiting.observation
            now_s = self._clock.now_s()
            deferred = member.deferred_in is not None
            if not now_s - observation.captured_s <= settings.max_age_s:  # nor is NaN a time
                member.waiting.popleft()
                self.drop(member, observation, "shed" if deferred else "stale")
                return True
            due_s = math.inf
            if settings.deadline_s is not None:
                due_s = observation.captured_s + settings.deadline_s
            if deferred and not settings.essential and now_s + profile.first_s > due_s:
                member.waiting.popleft()
                self.drop(member, observation, "shed")
                return True
            reserve_atp = profile.worst_first_s * lane.pool.atp_per_s
            never_fits = reserve_atp > lane.pool.cap_atp
            account = lane.pool.open(
                member.name,
                self.policy.weight(member.trust()),
                settings.floor_atp,
                reserve_atp,
                overdue=self._waited(member) >= (1 if never_fits else _PATIENCE_CYCLES),
                essential=settings.essential,
            )
            if account is None:
                if not deferred:
                    member.deferred_in = self.cycle
                return False
            member.waiting.popleft()
            member.deferred_in = None
            refinement = Refinement(
                member.plugin,
                observation,
                context=waiting.context,
                meter=account.meter,
                clock=self._clock,
                deadline_s=None if due_s == math.inf else due_s,
                expected_step_s=profile.step_s or None,
                on_step=self._emit,
                stopwatch=self.stopwatch,
            )
            job = Job(member, observation, refinement, account, due_s, waiting.salience)
            if member.batches and settings.batch_delay_s > 0.0:
                job.ready_s = now_s + settings.batch_delay_s
            member.running.append(job)
            self._emit(
                Admitted(
                    now_s,
                    member.name,
                    lane.name,
                    refinement.identity,
                    observation.captured_s,
                    account.meter.granted_atp,
                )
            )
            lane.submit(job)
            return True
