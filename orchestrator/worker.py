"""The threads that drive lanes, and those that wait for plugins in processes of their own."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Sequence

from orchestrator.lane import Job, Lane
from sage.irp import PluginError, advance_together

logger = logging.getLogger(__name__)


class Worker:
    """Drives one lane from a thread of its own, and replaces that thread when a step hangs."""

    def __init__(self, lane: Lane, cycle_s: float) -> None:
        self.lane = lane
        self.abandoned = 0
        self._cycle_s = cycle_s
        self._lock = threading.Lock()
        self._generation = 0
        self._jobs: Sequence[Job] = ()
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
            jobs = self._jobs
            if not jobs:
                return 0.0
            taken_s = time.perf_counter() - self._began_s
            limit_s = jobs[0].member.overrun_s(self._cycle_s)
            if taken_s <= limit_s:
                return taken_s
            self._generation += 1
            self._jobs = ()
            self.abandoned += 1
            for job in jobs:
                self.lane.jobs.remove(job)
                job.refinement.abandon(
                    PluginError(
                        f"plugin {job.member.name!r}: a step took longer than {limit_s:g} s "
                        f"and was abandoned"
                    )
                )
            self.start()
        for job in jobs:
            self.lane.finish(job)
        return 0.0

    def stop(self) -> None:
        """Ask it to stop after the step under way."""
        with self._lock:
            self._generation += 1
        self.lane.inbox.put(None)

    def join(self, timeout_s: float) -> Sequence[Job]:
        """Wait for a worker that was stopped; returns the jobs whose step did not end in time."""
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return ()
        thread.join(timeout_s)
        if not thread.is_alive():
            return ()
        logger.warning("lane %s: what it did last did not end in time", self.lane.name)
        with self._lock:
            return self._jobs

    def _work(self, generation: int) -> None:
        lane, lock = self.lane, self._lock
        while True:
            if not lane.jobs and not self._wait(generation, None):
                return
            lane.take_in()
            with lock:
                if self._generation != generation:
                    return
                job = lane.choose()
                if job is not None:
                    if job.member.runner is not None:
                        lane.jobs.remove(job)
                        worst_s = job.member.profile.worst_s
                        lane.pool.hold(job.account, worst_s * lane.pool.atp_per_s)
                        job.member.runner.put(job)
                        continue
                    jobs = lane.company(job)
                    self._jobs = jobs
                    self._began_s = time.perf_counter()
            if job is None:
                if not self._wait(generation, lane.wakes_s() - lane.clock.now_s()):
                    return
                continue
            goes_on = advanced(jobs)
            with lock:
                if self._generation != generation:
                    return  # given up on: the verdict and the lane belong to others now
                self._jobs = ()
            for job, more in zip(jobs, goes_on, strict=True):
                if not more:
                    lane.jobs.remove(job)
                    finished(lane, job)

    def _wait(self, generation: int, timeout_s: float | None) -> bool:
        """Wait for somebody to come; False where this thread is to end."""
        if timeout_s is not None and timeout_s <= 0.0:
            return True
        inbox = self.lane.inbox
        try:
            arrived = inbox.get(timeout=timeout_s)
        except queue.Empty:
            return True
        if self._generation != generation:
            if arrived is not None:
                inbox.put(arrived)
            return False
        if arrived is not None:
            self.lane.jobs.append(arrived)
        return True


class Runner:
    """Makes the steps of one plugin that lives in a process of its own.

    Its lane hands a job over for one step and goes on with others; the job comes back to the
    lane when the step is over, or is finished from here when it was the last one.
    """

    def __init__(self, name: str, lane: Lane) -> None:
        self._lane = lane
        self._inbox: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=f"plugin-{name}", daemon=True)
        self._thread.start()

    def put(self, job: Job) -> None:
        """Make its next step."""
        self._inbox.put(job)

    def stop(self) -> None:
        """End after the step under way; jobs that wait go back to their lane."""
        self._inbox.put(None)

    def join(self, timeout_s: float) -> None:
        """Wait for its end."""
        self._thread.join(timeout_s)

    def _work(self) -> None:
        stopping = False
        while True:
            job = self._inbox.get()
            if job is None:
                stopping = True
            elif stopping or advanced((job,))[0]:
                self._lane.submit(job)
            else:
                finished(self._lane, job)
            if stopping and self._inbox.empty():
                return


def advanced(jobs: Sequence[Job]) -> Sequence[bool]:
    """Make one step; whoever raises what is no Exception, as sys.exit() does, fails alone."""
    try:
        if len(jobs) == 1:
            return (jobs[0].refinement.advance(),)
        return advance_together([job.refinement for job in jobs])
    except BaseException as error:  # must not end the lane
        for job in jobs:
            job.refinement.abandon(error)
        return (False,) * len(jobs)


def finished(lane: Lane, job: Job) -> None:
    """Close the books of a job; what its receiver raises is logged."""
    try:
        lane.finish(job)
    except Exception:
        logger.exception("lane %s: closing a refinement raised", lane.name)
