"""A lane: one piece of hardware, time-sliced a step at a time."""

from __future__ import annotations

import logging
import math
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sage.irp import PluginError, Refinement

if TYPE_CHECKING:
    from orchestrator.member import Captured, Member
    from orchestrator.pool import Account, LanePool
    from sage.clock import Clock

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Job:
    """A refinement on its lane, and when its answer is due (-inf: it was cancelled)."""

    member: Member
    observation: Captured
    refinement: Refinement[Any, Any]
    account: Account
    due_s: float

    def urgency(self, now_s: float) -> float:
        """Trust x expected energy drop per second.

        Before everything else come a first step and an answer that is due, which costs no step.
        """
        energies, profile = self.refinement.energies, self.member.profile
        if not energies or now_s + profile.step_s > self.due_s:
            return math.inf
        return self.member.trust() * profile.gain_per_s(energies)


@dataclass(slots=True)
class Turn:
    """One step that a lane made: the job, whether it goes on, the lane time that it took."""

    job: Job
    goes_on: bool
    cost_s: float


class Lane:
    """The refinements of one lane, and the choice of whose step comes next.

    One runner at a time drives it: a :class:`Worker` in real time, the lock-step driver in
    virtual time. Others only :meth:`submit`.
    """

    def __init__(
        self, name: str, pool: LanePool, finish: Callable[[Job], None], clock: Clock
    ) -> None:
        self.name = name
        self.pool = pool
        self._clock = clock
        self.inbox: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self.jobs: list[Job] = []
        self.finish = finish

    def submit(self, job: Job) -> None:
        """Hand a refinement to the lane; its first step is due at once."""
        self.inbox.put(job)

    def take_in(self) -> None:
        """Move what was submitted into the running jobs."""
        while not self.inbox.empty():
            job = self.inbox.get_nowait()
            if job is not None:
                self.jobs.append(job)

    def choose(self) -> Job | None:
        """The job whose step is worth most now; the oldest of equals."""
        jobs = self.jobs
        if len(jobs) < 2:
            return jobs[0] if jobs else None
        now_s = self._clock.now_s()
        return max(jobs, key=lambda job: job.urgency(now_s))

    def settle(self, turn: Turn) -> None:
        """Take note of a step; a job that ended leaves the lane and its books are closed."""
        if not turn.goes_on:
            self.jobs.remove(turn.job)
            self.finish(turn.job)


def step(job: Job, stopwatch: Callable[[], float]) -> Turn:
    """Make one step and measure the lane time that it took."""
    began_s = stopwatch()
    goes_on = job.refinement.advance()
    return Turn(job, goes_on, stopwatch() - began_s)


class Worker:
    """Drives one lane from a thread of its own, and replaces that thread when a step hangs."""

    def __init__(self, lane: Lane, overrun: Callable[[Job], None]) -> None:
        self.lane = lane
        self.abandoned = 0
        self._overrun = overrun
        self._lock = threading.Lock()
        self._generation = 0
        self._job: Job | None = None
        self._began_s = 0.0
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to work."""
        self._thread = threading.Thread(
            target=self._work, args=(self._generation,), name=f"lane-{self.lane.name}", daemon=True
        )
        self._thread.start()

    def watch(self) -> float:
        """Give up on a step that takes longer than its plugin's limit, and go on without it.

        Returns:
            How long the step under way has taken so far, in seconds; 0 where there is none.
        """
        with self._lock:
            job = self._job
            if job is None:
                return 0.0
            taken_s = time.perf_counter() - self._began_s
            if taken_s <= job.member.settings.overrun_s:
                return taken_s
            self._generation += 1
            self._job = None
            self.abandoned += 1
            self.lane.jobs.remove(job)
            error = PluginError(
                f"plugin {job.member.name!r}: a step took longer than "
                f"{job.member.settings.overrun_s:g} s and was abandoned"
            )
            job.refinement.abandon(error)
            self.start()
        self._overrun(job)
        return 0.0

    def stop(self) -> None:
        """Ask it to stop after the step under way."""
        with self._lock:
            self._generation += 1
        self.lane.inbox.put(None)

    def join(self, timeout_s: float) -> Job | None:
        """Wait for a worker that was stopped; returns the job whose step did not end in time."""
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return None
        thread.join(timeout_s)
        if not thread.is_alive():
            return None
        logger.warning("lane %s: what it did last did not end in time", self.lane.name)
        with self._lock:
            return self._job

    def _work(self, generation: int) -> None:
        lane, jobs, inbox = self.lane, self.lane.jobs, self.lane.inbox
        lock = self._lock
        while True:
            if not jobs:
                arrived = inbox.get()
                if self._generation != generation:
                    if arrived is not None:
                        inbox.put(arrived)
                    return
                if arrived is None:
                    continue
                jobs.append(arrived)
            lane.take_in()
            with lock:
                if self._generation != generation:
                    return
                job = lane.choose()
                if job is None:
                    continue
                self._job = job
                self._began_s = time.perf_counter()
            try:
                goes_on = job.refinement.advance()
            except BaseException as error:  # sys.exit() and its like must not end the lane
                job.refinement.abandon(error)
                goes_on = False
            with lock:
                if self._generation != generation:
                    return  # given up on: the verdict and the lane belong to others now
                self._job = None
            if not goes_on:
                jobs.remove(job)
                try:
                    lane.finish(job)
                except Exception:
                    logger.exception("lane %s: closing a refinement raised", lane.name)
