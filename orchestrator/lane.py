"""A lane: one piece of hardware, time-sliced a step at a time."""

from __future__ import annotations

import math
import queue
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sage.irp import Refinement, advance_together, most_in_batch

if TYPE_CHECKING:
    from orchestrator.member import Captured, Member
    from orchestrator.policy import Policy
    from orchestrator.pool import Account, LanePool
    from sage.clock import Clock

_ANSWER_IS_DUE, _FIRST_STEP, _LATER_STEP = 2, 1, 0


@dataclass(slots=True, eq=False)
class Job:
    """A refinement on its lane.

    ``due_s`` is when its answer is due (-inf: it was cancelled), ``ready_s`` when its first step
    stops waiting for company.
    """

    member: Member
    observation: Captured
    refinement: Refinement[Any, Any]
    account: Account
    due_s: float
    salience: float = 1.0
    ready_s: float = -math.inf


@dataclass(slots=True)
class Turn:
    """One step of one or, together, of several jobs of one plugin, and the lane time it took."""

    jobs: Sequence[Job]
    goes_on: Sequence[bool]
    cost_s: float


@dataclass(slots=True, eq=False)
class Lane:
    """The refinements of one lane, and the choice of whose step comes next.

    One runner at a time drives it: a :class:`orchestrator.worker.Worker` in real time, the
    lock-step driver in virtual time. Others only :meth:`submit`.
    """

    name: str
    pool: LanePool
    policy: Policy
    finish: Callable[[Job], None]
    clock: Clock
    inbox: queue.SimpleQueue[Job | None] = field(default_factory=queue.SimpleQueue)
    jobs: list[Job] = field(default_factory=list)

    def submit(self, job: Job) -> None:
        """Hand a refinement to the lane; its first step is due at once."""
        self.inbox.put(job)

    def take_in(self) -> None:
        """Move what was submitted into the running jobs."""
        inbox = self.inbox
        while not inbox.empty():
            job = inbox.get_nowait()
            if job is not None:
                self.jobs.append(job)

    def choose(self) -> Job | None:
        """The job whose step comes now, the oldest of equals; what is left of the pool is its.

        First answers that would be late after somebody else's step, then first steps by
        deadline, then the policy's index. None where nobody is there, or all wait for company.
        """
        jobs = self.jobs
        if not jobs:
            return None
        job: Job | None = jobs[0]
        if len(jobs) > 1 or jobs[0].ready_s > -math.inf:
            job = self._most_urgent(jobs, self.clock.now_s())
            if job is None:
                return None
        assert job is not None
        self.pool.turn(job.account)
        return job

    def company(self, job: Job) -> Sequence[Job]:
        """The job, and those of the same plugin that can make their step together with it."""
        member = job.member
        if len(self.jobs) < 2 or not member.batches:
            return (job,)
        mine = [other for other in self.jobs if other.member is member and other is not job]
        jobs = [job, *mine[: most_in_batch(member.plugin) - 1]]
        if len(jobs) > 1:
            self.pool.turn(*[each.account for each in jobs])
        return jobs

    def wakes_s(self) -> float:
        """When the next of those who wait for company stops waiting; inf where nobody does."""
        return min((job.ready_s for job in self.jobs), default=math.inf)

    def settle(self, turn: Turn) -> None:
        """Take note of a step; jobs that ended leave the lane and their books are closed."""
        for job, goes_on in zip(turn.jobs, turn.goes_on, strict=True):
            if not goes_on:
                self.jobs.remove(job)
                self.finish(job)

    def _most_urgent(self, jobs: Sequence[Job], now_s: float) -> Job | None:
        # A step is not interrupted: what is due before the longest of them ends is due now.
        longest_s = 0.0
        for job in jobs:
            profile = job.member.profile
            step_s = profile.step_s if job.refinement.energies else profile.worst_first_s
            longest_s = max(longest_s, step_s)
        late_s = now_s + longest_s
        index = self.policy.index
        best: Job | None = None
        most = (-1, 0.0)
        for job in jobs:
            if not job.refinement.energies:
                if job.ready_s > now_s and not self._has_company(job):
                    continue
                urgency = (_FIRST_STEP, -job.due_s)
            elif job.due_s < late_s + job.member.profile.answer_s:
                urgency = (_ANSWER_IS_DUE, -job.due_s)
            else:
                urgency = (_LATER_STEP, index(job, now_s))
            if best is None or urgency > most:
                best, most = job, urgency
        return best

    def _has_company(self, job: Job) -> bool:
        """Whether as many of its plugin wait as can step together."""
        member = job.member
        limit = min(member.settings.most_running, most_in_batch(member.plugin))
        return sum(other.member is member for other in self.jobs) >= limit


def step(jobs: Sequence[Job], stopwatch: Callable[[], float]) -> Turn:
    """Make one step of a job, or of several together, and measure the lane time that it took."""
    began_s = stopwatch()
    if len(jobs) == 1:
        goes_on = [jobs[0].refinement.advance()]
    else:
        goes_on = advance_together([job.refinement for job in jobs])
    return Turn(jobs, goes_on, stopwatch() - began_s)
