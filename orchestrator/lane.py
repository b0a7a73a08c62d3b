"""A lane: one piece of hardware, time-sliced a step at a time."""

from __future__ import annotations

import math
import queue
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sage.irp import Refinement, advance_together, most_in_batch

if TYPE_CHECKING:
    from orchestrator.admission import Admission
    from orchestrator.member import Captured, Member
    from orchestrator.policy import Policy
    from orchestrator.pool import Account, LanePool
    from sage.clock import Clock


_INF = math.inf
_PATIENCE_CYCLES = 10  # without a step, and a refinement answers with what it has
_MOST_TOGETHER = 10_000
_SAME_MOMENT_S = 1e-3


@dataclass(slots=True, eq=False)
class Job:
    """A refinement on its lane, and when its answer is due (-inf: it was cancelled)."""

    member: Member
    observation: Captured
    refinement: Refinement[Any, Any]
    account: Account
    due_s: float
    salience: float
    cycle: int
    """That of its last step."""


@dataclass(slots=True)
class Turn:
    """One step of one or, together, of several jobs of one plugin, and the lane time it took."""

    jobs: Sequence[Job]
    goes_on: Sequence[bool]
    cost_s: float


@dataclass(slots=True, eq=False)
class Lane:
    """The refinements of one lane, what waits for it, and the choice of whose step comes next.

    One runner at a time drives it: a :class:`orchestrator.worker.Worker` in real time, the
    lock-step driver in virtual time. Others only :meth:`wake` it or bring a job :meth:`back`.
    """

    name: str
    pool: LanePool
    policy: Policy
    admission: Admission
    finish: Callable[[Job], None]
    clock: Clock
    cycle_s: float
    inbox: queue.SimpleQueue[Job | None] = field(default_factory=queue.SimpleQueue)
    jobs: list[Job] = field(default_factory=list)
    claimed: bool = False
    """Whether anything may be waiting to begin."""
    line: list[Member] = field(default_factory=list)
    """Who comes next, best last, if nothing has changed since ``line_s``."""
    line_s: float = -math.inf

    def wake(self) -> None:
        """Something waits, or there is new ATP: have it choose again."""
        self.inbox.put(None)

    def back(self, job: Job) -> None:
        """A step that was made elsewhere is over."""
        self.inbox.put(job)

    def take_in(self) -> None:
        """Take note of what woke it, and of jobs that came back."""
        inbox = self.inbox
        while not inbox.empty():
            job = inbox.get_nowait()
            if job is None:
                self.claimed = True
                self.line.clear()
            else:
                self.pool.hold(job.account, 0.0)
                self.jobs.append(job)

    def choose(self) -> Job | None:
        """The job whose step comes now, begun if need be; what is left of the pool is its.

        Answers that would be late after somebody else's step come first, then what the policy
        ranks highest, while anything is left of the cycle. Then those end who gain nothing from
        the next one. None where nobody is there, or all who are wait for the next cycle.
        """
        jobs = self.jobs
        if len(jobs) == 1 and not self.claimed and self._affords(jobs[0]):
            return jobs[0]
        if not jobs and not self.claimed:
            return None
        return self._most_urgent(self.clock.now_s())

    def company(self, job: Job) -> Sequence[Job]:
        """The job, and those of the same plugin that can make their step together with it."""
        member, plugin = job.member, job.refinement.plugin
        if not member.batches or member.settings.most_running == 1:
            return (job,)
        limit = min(most_in_batch(plugin), self._in_time(job))
        if plugin is member.plugin:  # not one from before a restart
            while member.waiting and len(member.running) < limit:
                another = self.admission.begin(member)
                if another is None:
                    break
                self.jobs.append(another)
        mine = [
            other
            for other in self.jobs
            if other is not job and other.refinement.plugin is plugin and other.member is member
        ]
        jobs = [job, *mine[: limit - 1]]
        if len(jobs) > 1:
            self.pool.turn(*[each.account for each in jobs])
        return jobs

    def took(self, jobs: Sequence[Job], lane_s: float) -> None:
        """Take note of how long a step of these jobs took of the lane."""
        for job in jobs:
            job.cycle = self.admission.cycle
        if len(jobs) > 1:
            jobs[0].member.profile.took_together(lane_s)

    def settle(self, turn: Turn) -> None:
        """Take note of a step; jobs that ended leave the lane and their books are closed."""
        self.took(turn.jobs, turn.cost_s)
        for job, goes_on in zip(turn.jobs, turn.goes_on, strict=True):
            if not goes_on:
                self.jobs.remove(job)
                self.finish(job)

    def _most_urgent(self, now_s: float) -> Job | None:
        jobs, policy = self.jobs, self.policy
        if self.line and not jobs and now_s - self.line_s < _SAME_MOMENT_S:
            next_job = self.admission.begin(self.line.pop())
            if next_job is not None:
                jobs.append(next_job)
                self.pool.turn(next_job.account)
                return next_job
        self.line.clear()
        claims = self.admission.claims(now_s, alone=not jobs) if self.claimed else []
        self.claimed = bool(claims) or self.admission.wakes_s() < math.inf
        due = self._due(claims, now_s)
        if due is not None:
            self.pool.turn(due.account)
            return due
        for job in jobs:
            if self.admission.cycle - job.cycle > _PATIENCE_CYCLES:
                return self._cut(job)
        first = policy.first_steps_first
        entries: list[tuple[tuple[bool, float], Job | Member]] = [
            ((first, rank), member) for rank, member in claims
        ]
        entries += [((False, policy.index(job, now_s)), job) for job in jobs]
        if len(entries) > 1:
            entries.sort(key=_urgency, reverse=True)
        for _, candidate in entries:
            if isinstance(candidate, Job):
                if self._affords(candidate):
                    return candidate
            elif (begun := self.admission.begin(candidate)) is not None:
                if not jobs:  # a burst: whoever is ranked next is known already
                    order = [other for _, other in entries if not isinstance(other, Job)]
                    self.line = order[: order.index(candidate) : -1]
                    self.line_s = now_s
                jobs.append(begun)
                self.pool.turn(begun.account)
                return begun
        for job in sorted(jobs, key=_due_s):
            if not self._can_wait(job, now_s):
                return job
        return None

    def _affords(self, job: Job) -> bool:
        """Whether the cycle has anything left for its next step, now that it is its turn."""
        self.pool.turn(job.account)
        return job.account.meter.affords_s(job.refinement.next_step_s)

    def _cut(self, job: Job) -> Job:
        """End its budget: the answer that it has is worth more than one that never comes."""
        meter = job.account.meter
        meter.overdraws = False
        meter.granted_atp = min(meter.granted_atp, meter.spent_atp)
        return job

    def _in_time(self, job: Job) -> int:
        """How many can step together without making the answer of another plugin late."""
        others = [other for other in self.jobs if other.member is not job.member]
        due_s = min([other.due_s - other.member.profile.answer_s for other in others], default=_INF)
        profile = job.member.profile
        each_s = profile.step_s if job.refinement.energies else profile.first_s
        if due_s == _INF or each_s <= 0.0:
            return _MOST_TOGETHER
        return max(1, min(_MOST_TOGETHER, int((due_s - self.clock.now_s()) / each_s)))

    def _due(self, claims: Sequence[tuple[float, Member]], now_s: float) -> Job | None:
        """Whose answer would be late if the longest step of another came before it."""
        jobs = self.jobs
        if not jobs or len(jobs) + len(claims) < 2:
            return None
        longest_s = 0.0
        for job in jobs:
            profile = job.member.profile
            longest_s = max(longest_s, profile.worst_s, profile.turn_s, job.refinement.next_step_s)
        for _, member in claims:
            profile = member.profile
            longest_s = max(longest_s, profile.worst_first_s, profile.turn_s)
        job = min(jobs, key=_due_s)
        return job if job.due_s < now_s + longest_s + job.member.profile.answer_s else None

    def _can_wait(self, job: Job, now_s: float) -> bool:
        """Whether it may go on in the next cycle: there is time, and nothing newer takes its place.

        A share is a share of one cycle, and ends with it.
        """
        if self.policy.shares or job.member.waiting:
            return False
        return job.due_s > now_s + self.cycle_s


def _urgency(entry: tuple[tuple[bool, float], Job | Member]) -> tuple[bool, float]:
    return entry[0]


def _due_s(job: Job) -> float:
    return job.due_s


def step(jobs: Sequence[Job], stopwatch: Callable[[], float]) -> Turn:
    """Make one step of a job, or of several together, and measure the lane time that it took."""
    began_s = stopwatch()
    if len(jobs) == 1:
        goes_on = [jobs[0].refinement.advance()]
    else:
        goes_on = advance_together([job.refinement for job in jobs])
    return Turn(jobs, goes_on, stopwatch() - began_s)
