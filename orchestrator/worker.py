"""The threads that drive lanes, and those that wait for plugins in processes of their own."""

from __future__ import annotations

import logging
import math
import queue
import sys
import threading
import time
from collections.abc import Sequence

from orchestrator.lane import Job, Lane
from sage.irp import PluginError, advance_together

logger = logging.getLogger(__name__)

SWITCH_INTERVAL_S = 1e-4
"""How long a thread that wants the interpreter waits for one that computes in Python: at the
default of 5 ms, each inference beside a busy thread pays that several times."""
_LONGEST_DELIVERY_S = 2.0


class _Switching:
    """The interpreter's switch interval, short while any lane works."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._before_s = 0.0

    def begin(self) -> None:
        """One more that works."""
        with self._lock:
            if not self._users:
                self._before_s = sys.getswitchinterval()
                sys.setswitchinterval(min(self._before_s, SWITCH_INTERVAL_S))
            self._users += 1

    def end(self) -> None:
        """One less; the last one restores what was there before the first."""
        with self._lock:
            self._users -= 1
            if not self._users:
                sys.setswitchinterval(self._before_s)


SWITCHING = _Switching()


class Worker:
    """Drives one lane from a thread of its own, and replaces that thread when a step hangs."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.abandoned = 0
        self._lock = threading.Lock()
        self._generation = 0
        self._jobs: Sequence[Job] = ()
        self._began_s = 0.0
        self._delivers = False
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
                self._watch_delivery()
                return 0.0
            taken_s = time.perf_counter() - self._began_s
            limit_s = jobs[0].member.overrun_s
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

    def _watch_delivery(self) -> None:
        """Go on without a thread that does not come back from handing a result over."""
        if self._delivers and time.perf_counter() - self._began_s > _LONGEST_DELIVERY_S:
            logger.error(
                "lane %s: what takes a result hangs; the lane goes on without that thread",
                self.lane.name,
            )
            self._generation += 1
            self._delivers = False
            self.abandoned += 1
            self.start()

    def stop(self) -> None:
        """Ask it to stop after the step under way."""
        with self._lock:
            self._generation += 1
        self.lane.wake()

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
        lane, lock, inbox = self.lane, self._lock, self.lane.inbox
        while True:
            with lock:
                if self._generation != generation:
                    return  # given up on: the lane belongs to another thread
                try:
                    lane.take_in()
                    job = lane.choose()
                except Exception:  # a policy of somebody else's must not end the lane
                    logger.exception("lane %s: choosing whose step comes next raised", lane.name)
                    job = None
                if job is not None:
                    if job.member.runner is not None:
                        lane.jobs.remove(job)
                        cost_s = max(job.member.profile.worst_s, job.refinement.next_step_s, 1e-3)
                        lane.pool.hold(job.account, cost_s * lane.pool.atp_per_s)
                        job.member.runner.put(job)
                        continue
                    jobs = company_of(lane, job)
                    self._jobs = jobs
                    self._began_s = time.perf_counter()
            if job is None:
                self._wait(inbox)
                continue
            goes_on = advanced(jobs)
            lane.took(jobs, time.perf_counter() - self._began_s)
            while goes_on[0] and len(lane.jobs) == 1 and not lane.claimed and lane.inbox.empty():
                with lock:  # it is alone: there is nobody to choose from
                    if self._generation != generation:
                        return
                    self._began_s = time.perf_counter()
                goes_on = advanced(jobs)
            with lock:
                if self._generation != generation:
                    return
                self._jobs = ()
                ended = [job for job, more in zip(jobs, goes_on, strict=True) if not more]
                for job in ended:
                    lane.jobs.remove(job)
                self._began_s, self._delivers = time.perf_counter(), bool(ended)
            for job in ended:
                finished(lane, job)
            with lock:
                if self._generation == generation:
                    self._delivers = False

    def _wait(self, inbox: queue.SimpleQueue[Job | None]) -> None:
        """Wait for something new, or for those who waited for company long enough."""
        wakes_s = self.lane.admission.wakes_s()
        timeout_s = None if wakes_s == math.inf else max(0.0, wakes_s - self.lane.clock.now_s())
        try:
            arrived = inbox.get(timeout=timeout_s)
        except queue.Empty:
            arrived = None
        inbox.put(arrived)  # whoever works on takes it in


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
        if self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    def _work(self) -> None:
        stopping = False
        while True:
            job = self._inbox.get()
            if job is None:
                stopping = True
            elif stopping or advanced((job,))[0]:
                self._lane.back(job)
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


def company_of(lane: Lane, job: Job) -> Sequence[Job]:
    """Those who step together; alone where finding them raised."""
    try:
        return lane.company(job)
    except Exception:
        logger.exception("plugin %r: gathering a batch raised", job.member.name)
        return (job,)


def finished(lane: Lane, job: Job) -> None:
    """Close the books of a job; what its receiver raises is logged."""
    try:
        lane.finish(job)
    except Exception:
        logger.exception("lane %s: closing a refinement raised", lane.name)


def drain(job: Job, timeout_s: float) -> None:
    """Let a cancelled refinement read its answer, unless that hangs."""
    thread = threading.Thread(target=advanced, args=((job,),), daemon=True)
    thread.start()
    thread.join(timeout_s)
    job.refinement.abandon(PluginError(f"plugin {job.member.name!r}: its answer hangs"))
