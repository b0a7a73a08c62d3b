"""Who is let in: an observation begins when its lane chooses it, and not before."""

from __future__ import annotations

import math
from collections.abc import Callable

from orchestrator.lane import Job
from orchestrator.member import Captured, Member, Waiting
from orchestrator.policy import Claim, Policy
from orchestrator.pool import LanePool
from orchestrator.supervisor import HealthState
from sage.clock import Clock
from sage.irp import NO_CONTEXT, Context, Refinement, most_in_batch
from sage.telemetry import Admitted, Dropped, Event

_PATIENCE_CYCLES = 10


class Admission:
    """What waits for one lane, ranked; and what there is no room for, shed.

    Nothing is bound before its first step: until then a claim competes, with every other claim
    and with every refinement under way, each time the lane chooses. An observation that was passed
    over and then grew old or had its place taken by a newer one, or whose answer can no longer be
    there in time, is dropped as "shed" and counted; each cycle that a plugin is passed over raises
    its rank. What is essential is never shed.

    Args:
        lane: the name of the lane.
        pool: its pool.
        policy: ranks claims and weighs shares.
        clock: where age and deadlines are read.
        stopwatch: measures steps.
        emit: where telemetry goes.
    """

    def __init__(
        self,
        lane: str,
        pool: LanePool,
        policy: Policy,
        clock: Clock,
        stopwatch: Callable[[], float],
        emit: Callable[[Event], None],
    ) -> None:
        self.cycle = 0
        self.stopwatch = stopwatch
        self._lane = lane
        self._pool = pool
        self._policy = policy
        self._clock = clock
        self._emit = emit
        self._members: tuple[Member, ...] = ()
        self._batching: tuple[Member, ...] = ()

    def add(self, member: Member) -> None:
        """One more plugin of this lane."""
        self._members = (*self._members, member)
        if member.settings.batch_delay_s > 0.0:
            self._batching = (*self._batching, member)

    @property
    def waits(self) -> bool:
        """Whether anything waits to begin."""
        return any(member.waiting for member in self._members)

    def offer(
        self,
        member: Member,
        observation: Captured,
        context: Context = NO_CONTEXT,
        salience: float = 1.0,
    ) -> None:
        """Let an observation wait; the caller holds the member's lock."""
        now_s = self._clock.now_s()
        if not now_s - observation.captured_s <= member.settings.max_age_s:  # nor is NaN a time
            self.drop(member, observation, "stale")
            return
        queue = member.waiting
        if not queue:
            member.gathers_s = now_s
        if len(queue) >= member.settings.queue:
            reason = "superseded" if member.deferred_in is None else "shed"
            self.drop(member, queue.popleft().observation, reason)
        deadline_s = member.settings.deadline_s
        due_s = math.inf if deadline_s is None else observation.captured_s + deadline_s
        queue.append(
            Waiting(observation, context, salience, now_s, due_s, self.late(member, due_s, now_s))
        )

    def drop(self, member: Member, observation: Captured, reason: str) -> None:
        """Count an observation that is not refined, and say why; the caller holds the lock."""
        member.dropped[reason] += 1
        self._emit(Dropped(self._clock.now_s(), member.name, reason, observation.captured_s))

    def drop_all(self, member: Member, reason: str) -> None:
        """Drop all that waits; the caller holds the member's lock."""
        while member.waiting:
            self.drop(member, member.waiting.popleft().observation, reason)

    def late(self, member: Member, due_s: float, now_s: float) -> bool:
        """Whether an answer begun now is expected after it is due."""
        profile = member.profile
        return now_s + profile.first_s + profile.answer_s > due_s

    def claims(self, now_s: float, *, alone: bool) -> list[tuple[float, Member]]:
        """(rank, plugin) of all that may begin now; what is too old or too late is dropped.

        One that is alone needs no rank.
        """
        ready = []
        for member in self._members:
            if not member.waiting or len(member.running) >= member.settings.most_running:
                continue
            with member.lock:
                waiting = self._oldest(member, now_s)
            if waiting is not None and not self._waits_for_company(member, waiting, now_s):
                ready.append((member, waiting))
                if member.deferred_in is None:
                    member.deferred_in = self.cycle  # until it begins, it is passed over
        if alone and len(ready) == 1:
            return [(math.inf, ready[0][0])]
        rank = self._policy.rank
        return [
            (math.inf if self._comes_first(m) else rank(self._claim(m, waiting)), m)
            for m, waiting in ready
        ]

    def _ready_s(self, member: Member, waiting: Waiting) -> float:
        """When what waits for company waits no longer: nobody is made late or old by it."""
        settings, profile = member.settings, member.profile
        ready_s = member.gathers_s + settings.batch_delay_s
        until_s = waiting.observation.captured_s + settings.max_age_s
        latest_s = min(waiting.due_s, until_s) - profile.worst_first_s - profile.answer_s
        return min(ready_s, latest_s - 0.5 * settings.batch_delay_s)

    def wakes_s(self) -> float:
        """When the next of those who wait for company stops waiting; inf where nobody does."""
        wakes_s, now_s = math.inf, self._clock.now_s()
        for member in self._batching:
            if member.waiting and member.batches:
                with member.lock:
                    if member.waiting:
                        ready_s = self._ready_s(member, member.waiting[0])
                        wakes_s = min(wakes_s, ready_s if ready_s > now_s else math.inf)
        return wakes_s

    def begin(self, member: Member) -> Job | None:
        """Open the books of what waits longest for a plugin; None where its pool says no."""
        with member.lock:
            if not member.waiting or len(member.running) >= member.settings.most_running:
                return None
            if member.supervisor.state is not HealthState.ACTIVE:
                self.drop_all(member, member.supervisor.state.value)
                return None
            settings, profile = member.settings, member.profile
            waiting = member.waiting[0]
            # Of a batch, each pays its part: the worst case of one alone would keep out the others.
            together = member.batches and settings.most_running > 1
            first_s = profile.first_s if together else profile.worst_first_s
            reserve_atp = (first_s + profile.answer_s) * member.atp_per_s
            account = self._pool.open(
                member.name,
                self._policy.weight(member.trust()),
                settings.floor_atp,
                reserve_atp,
                essential=settings.essential,
            )
            if account is None:
                return None
            member.waiting.popleft()
            member.deferred_in = None
            member.gathers_s = self._clock.now_s()
            observation, due_s = waiting.observation, waiting.due_s
            refinement = Refinement(
                member.plugin,
                observation,
                context=waiting.context,
                meter=account.meter,
                clock=self._clock,
                deadline_s=None if due_s == math.inf else due_s,
                expected_step_s=profile.step_s or None,
                answer_s=profile.answer_s + max(0.0, profile.worst_s - profile.step_s),
                on_step=self._emit,
                stopwatch=self.stopwatch,
            )
            job = Job(member, observation, refinement, account, due_s, waiting.salience, self.cycle)
            member.running.append(job)
        self._emit(
            Admitted(
                self._clock.now_s(),
                member.name,
                self._lane,
                refinement.identity,
                observation.captured_s,
                account.meter.granted_atp,
            )
        )
        return job

    def _oldest(self, member: Member, now_s: float) -> Waiting | None:
        """What waits longest and may still begin; the caller holds the lock."""
        settings = member.settings
        while member.waiting:
            waiting = member.waiting[0]
            if not now_s - waiting.observation.captured_s <= settings.max_age_s:
                reason = "stale" if member.deferred_in is None else "shed"
            elif settings.essential or waiting.hopeless:
                return waiting
            elif self.late(member, waiting.due_s, now_s):
                reason = "shed"
            else:
                return waiting
            self.drop(member, member.waiting.popleft().observation, reason)
        return None

    def _waits_for_company(self, member: Member, waiting: Waiting, now_s: float) -> bool:
        settings = member.settings
        if settings.batch_delay_s == 0.0 or not member.batches:
            return False
        if len(member.waiting) >= settings.queue or now_s >= self._ready_s(member, waiting):
            return False
        together = min(settings.most_running, most_in_batch(member.plugin))
        return len(member.waiting) + len(member.running) < together

    def _comes_first(self, member: Member) -> bool:
        """What is essential, and who was passed over for so long that any policy lets it in."""
        return member.settings.essential or (
            member.deferred_in is not None and self.cycle - member.deferred_in >= _PATIENCE_CYCLES
        )

    def _claim(self, member: Member, waiting: Waiting) -> Claim:
        return Claim(
            member.name,
            waiting.observation,
            member.trust(),
            waiting.salience,
            member.profile.first_s + member.profile.answer_s,
            waiting.due_s,
            0 if member.deferred_in is None else self.cycle - member.deferred_in,
        )
