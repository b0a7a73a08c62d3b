"""The orchestrator: an H level that decides once a cycle, and lanes that step in between."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from orchestrator.lane import Job, Lane, Worker
from orchestrator.member import Captured, Factory, Member, OnResult, PluginSettings, Waiting
from orchestrator.pool import LanePool
from orchestrator.supervisor import HealthState
from orchestrator.trust import TrustLedger
from sage.clock import Clock, RealClock
from sage.irp import (
    NO_CONTEXT,
    ConfigError,
    Context,
    HaltReason,
    PluginError,
    Refinement,
    SageError,
)
from sage.telemetry import Admitted, Cycle, Dropped, Event, Finished, Health

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OrchestratorConfig:
    """The frame that everything runs in.

    Attributes:
        cycle_s: the period of the H level, in seconds.
        pool_atp: what one cycle grants in all, over all lanes.
        lanes: the lanes; each has the same share of the pool.
    """

    cycle_s: float = 0.1
    pool_atp: float = 1000.0
    lanes: tuple[str, ...] = ("perception", "control")

    def __post_init__(self) -> None:
        if not 0.001 <= self.cycle_s <= 10.0:
            raise ValueError(f"cycle_s must lie in [0.001, 10] s, got {self.cycle_s}")
        if not self.pool_atp > 0.0:
            raise ValueError(f"pool_atp must be positive, got {self.pool_atp}")
        if not self.lanes or len(set(self.lanes)) != len(self.lanes):
            raise ValueError(f"lanes must be distinct names, at least one, got {self.lanes}")

    @property
    def atp_per_s(self) -> float:
        """ATP that one second of lane time costs, the same on every lane."""
        return self.pool_atp / (self.cycle_s * len(self.lanes))


def _ignore(event: Event) -> None:
    """Telemetry nobody asked for."""


class HRMOrchestrator:
    """Shares one device among anytime plugins.

    Plugins are registered, observations are submitted as they arrive; the newest one waits,
    older ones are dropped and counted. A refinement is admitted at once where its lane's pool
    covers its first step's worst case. Its result goes to ``on_result`` on the lane's thread.

    Real time: ``start()``, then ``await run()`` or call ``tick()`` each cycle; ``close()``.
    Virtual time: :class:`orchestrator.lockstep.LockStep` drives the lanes instead.

    Args:
        config: cycle, pool and lanes.
        clock: where time is read.
        trust: the ledger; one in memory by default.
        emit: where telemetry goes.
        stopwatch: measures what lane time a step takes, in seconds.
    """

    def __init__(
        self,
        config: OrchestratorConfig | None = None,
        *,
        clock: Clock | None = None,
        trust: TrustLedger | None = None,
        emit: Callable[[Event], None] = _ignore,
        stopwatch: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.config = config or OrchestratorConfig()
        self.clock: Clock = clock or RealClock()
        self.trust = trust or TrustLedger()
        self.stopwatch = stopwatch
        self.cycles = 0
        self._emit = emit
        self._members: dict[str, Member] = {}
        cap_atp = self.config.pool_atp / len(self.config.lanes)
        self.lanes: Mapping[str, Lane] = MappingProxyType(
            {
                name: Lane(name, LanePool(cap_atp, self.config.atp_per_s), self._finish, self.clock)
                for name in self.config.lanes
            }
        )
        self._workers: list[Worker] = []
        self._restarts: dict[str, threading.Thread] = {}
        self._each_tick: list[Callable[[], None]] = []
        self._closed = False

    @property
    def members(self) -> Mapping[str, Member]:
        """The registered plugins by name."""
        return MappingProxyType(self._members)

    @property
    def granted_atp(self) -> float:
        """What this cycle has granted so far, over all lanes; never above the pool."""
        return sum(lane.pool.granted_atp for lane in self.lanes.values())

    @property
    def abandoned(self) -> int:
        """How many steps took too long and were given up on, each with its thread."""
        return sum(worker.abandoned for worker in self._workers)

    def register(
        self, factory: Factory, settings: PluginSettings, on_result: OnResult | None = None
    ) -> Member:
        """Add a plugin; ``factory`` is called now and again after each failure.

        Raises:
            ConfigError: its name is taken, its lane does not exist, or its lane cannot keep
                all the floors that it promises.
        """
        if settings.lane not in self.lanes:
            raise ConfigError(
                f"unknown lane {settings.lane!r}; lanes are {', '.join(map(repr, self.lanes))}"
            )
        member = Member(factory, settings, self.trust.of, on_result)
        if member.name in self._members:
            raise ConfigError(f"a plugin named {member.name!r} is registered already")
        cap_atp = self.lanes[settings.lane].pool.cap_atp
        floors_atp = settings.floor_atp + sum(
            other.settings.floor_atp
            for other in self._members.values()
            if other.settings.lane == settings.lane
        )
        if floors_atp > cap_atp:
            raise ConfigError(
                f"floor_atp={settings.floor_atp:g} of plugin {member.name!r}: the floors on lane "
                f"{settings.lane!r} come to {floors_atp:g} ATP, a cycle grants it {cap_atp:g}"
            )
        self._members = {**self._members, member.name: member}  # lanes may be reading the old one
        return member

    def on_tick(self, act: Callable[[], None]) -> None:
        """Call ``act`` at every tick, before new grants; what it raises is logged."""
        self._each_tick.append(act)

    def submit(self, plugin: str, observation: Captured, context: Context = NO_CONTEXT) -> None:
        """Offer an observation; safe from any thread, and never waits for a step."""
        member = self._member(plugin)
        with member.lock:
            member.submitted += 1
            if self._closed:
                self._drop(member, observation, "closed")
            elif member.supervisor.state is not HealthState.ACTIVE:
                self._drop(member, observation, member.supervisor.state.value)
            else:
                if member.waiting is not None:
                    self._drop(member, member.waiting.observation, "superseded")
                member.waiting = Waiting(observation, context)
                self._admit_waiting(member)

    def cancel(self, plugin: str) -> None:
        """Give up what a plugin does and what waits for it; the best answer so far is delivered."""
        member = self._member(plugin)
        with member.lock:
            if member.waiting is not None:
                self._drop(member, member.waiting.observation, "cancelled")
                member.waiting = None
            if member.running is not None:
                member.running.due_s = -math.inf  # its lane ends it before it steps another
                member.running.refinement.cancel()

    def start(self) -> None:
        """Begin to work in real time: one thread per lane."""
        self._workers = [Worker(lane, self._finish) for lane in self.lanes.values()]
        for worker in self._workers:
            worker.start()

    async def run(self, stop: asyncio.Event) -> None:
        """Tick once a cycle until ``stop`` is set."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while not stop.is_set():
            self.tick()
            due_s = max(due_s + self.config.cycle_s, loop.time())
            try:
                await asyncio.wait_for(stop.wait(), due_s - loop.time())
            except asyncio.TimeoutError:  # the period is over, nobody asked to stop
                continue

    def tick(self) -> None:
        """One decision of the H level: new grants, restarts, what was deferred, overruns."""
        if self._closed:
            return
        now_s = self.clock.now_s()
        for act in self._each_tick:
            try:
                act()
            except Exception:
                logger.exception("%r raised at a tick", act)
        under_way_s = {worker.lane.name: worker.watch() for worker in self._workers}
        spent_atp = 0.0
        for name, lane in self.lanes.items():
            under_way_atp = under_way_s.get(name, 0.0) * self.config.atp_per_s
            spent_atp += lane.pool.new_cycle(under_way_atp)
        for member in self._members.values():
            if member.supervisor.due(now_s):
                self._restart(member)
            if member.waiting is not None:
                self._admit_waiting(member)
        self._emit(
            Cycle(now_s, self.cycles, self.config.pool_atp, spent_atp, dict(self.trust.snapshot()))
        )
        self.cycles += 1

    def close(self, timeout_s: float = 2.0) -> None:
        """Cancel everything, let the steps under way end, keep the trust; twice does nothing.

        A step that does not end within ``timeout_s`` is abandoned, and fails.
        """
        if self._closed:
            return
        self._closed = True
        for name in self._members:
            self.cancel(name)
        for worker in self._workers:
            worker.stop()
        ends_s = time.perf_counter() + timeout_s
        for restart in tuple(self._restarts.values()):
            restart.join(max(0.0, ends_s - time.perf_counter()))
        hung = [worker.join(max(0.0, ends_s - time.perf_counter())) for worker in self._workers]
        for lane in self.lanes.values():
            lane.take_in()
            for job in tuple(lane.jobs):
                if job in hung:
                    name = job.member.name
                    job.refinement.abandon(PluginError(f"plugin {name!r}: its last step hangs"))
                job.refinement.cancel()
                self._drain(job, max(0.05, ends_s - time.perf_counter()))
                lane.jobs.remove(job)
                self._finish(job)
        try:
            self.trust.save()
        except OSError as error:
            logger.error("trust could not be kept for the next run: %s", error)

    @staticmethod
    def _drain(job: Job, timeout_s: float) -> None:
        """Let a cancelled refinement read its answer, unless that hangs."""
        thread = threading.Thread(target=job.refinement.advance, daemon=True)
        thread.start()
        thread.join(timeout_s)
        name = job.member.name
        job.refinement.abandon(PluginError(f"plugin {name!r}: its answer hangs"))

    def _member(self, plugin: str) -> Member:
        try:
            return self._members[plugin]
        except KeyError:
            known = ", ".join(map(repr, self._members)) or "none"
            raise ConfigError(f"no plugin named {plugin!r}; registered are {known}") from None

    def _admit_waiting(self, member: Member) -> None:
        with member.lock:
            waiting = member.waiting
            if waiting is None or member.running is not None:
                return
            member.waiting = None
            if member.supervisor.state is not HealthState.ACTIVE:
                self._drop(member, waiting.observation, member.supervisor.state.value)
            else:
                self._admit(member, waiting)

    def _admit(self, member: Member, waiting: Waiting) -> None:
        """Open the books and hand the refinement to its lane, or leave it waiting."""
        settings, observation = member.settings, waiting.observation
        now_s = self.clock.now_s()
        if not now_s - observation.captured_s <= settings.max_age_s:  # nor is NaN a time
            self._drop(member, observation, "stale")
            return
        lane = self.lanes[settings.lane]
        reserve_atp = member.profile.worst_first_s * self.config.atp_per_s
        overdue = member.deferred_in is not None and member.deferred_in < self.cycles
        account = lane.pool.open(
            member.name, member.trust(), settings.floor_atp, reserve_atp, overdue=overdue
        )
        if account is None:
            member.waiting = waiting
            if member.deferred_in is None:
                member.deferred_in = self.cycles
            return
        member.deferred_in = None
        deadline_s = settings.deadline_s
        if deadline_s is not None:
            deadline_s += observation.captured_s
        job = Job(
            member,
            observation,
            Refinement(
                member.plugin,
                observation,
                context=waiting.context,
                meter=account.meter,
                clock=self.clock,
                deadline_s=deadline_s,
                expected_step_s=member.profile.step_s or None,
                on_step=self._emit,
                stopwatch=self.stopwatch,
            ),
            account,
            math.inf if deadline_s is None else deadline_s,
        )
        member.running = job
        self._emit(
            Admitted(
                now_s,
                member.name,
                lane.name,
                job.refinement.identity,
                observation.captured_s,
                account.meter.granted_atp,
            )
        )
        lane.submit(job)

    def _finish(self, job: Job) -> None:
        """Close the books of a refinement that ended, deliver it, admit what waits."""
        member, outcome = job.member, job.refinement.outcome
        assert outcome is not None
        lane = self.lanes[member.settings.lane]
        returned_atp = lane.pool.close(job.account)
        trust = self.trust.score(member.name, outcome)
        now_s = self.clock.now_s()
        with member.lock:  # in one go: what arrives now must find the plugin backing off
            member.running = None
            member.finished += 1
            if outcome.reason is HaltReason.FAILED:
                self._failed(member, _described(outcome.error), now_s)
            else:
                if outcome.answered:
                    member.supervisor.succeeded()
                member.profile.learn(outcome.trajectory)
        self._emit(
            Finished(
                now_s,
                member.name,
                lane.name,
                job.refinement.identity,
                job.observation.captured_s,
                outcome.trajectory,
                job.account.meter.spent_atp + returned_atp,
                job.account.meter.spent_atp,
                trust,
            )
        )
        if member.on_result is not None:
            try:
                member.on_result(job.observation, outcome)
            except Exception:
                logger.exception("what takes the results of plugin %r raised", member.name)
        for other in self._members.values():  # the lane has room for somebody's first step now
            if other.waiting is not None and other.settings.lane == lane.name:
                self._admit_waiting(other)

    def _failed(self, member: Member, detail: str, now_s: float) -> None:
        state = member.supervisor.failed(now_s)
        logger.warning("plugin %r failed (%s): %s", member.name, detail, state.value)
        self._emit(Health(now_s, member.name, state.value, detail))

    def _restart(self, member: Member) -> None:
        """Make the plugin anew: in real time in a thread, for loading a model holds up no tick."""
        member.supervisor.restarting()
        if not self._workers:
            self._make_anew(member)
            return
        thread = threading.Thread(
            target=self._make_anew, args=(member,), name=f"restart-{member.name}", daemon=True
        )
        self._restarts[member.name] = thread
        thread.start()

    def _make_anew(self, member: Member) -> None:
        """Call the factory; one that raises counts as one more failure."""
        try:
            plugin = member.factory()
        except Exception as error:
            self.trust.fail(member.name)
            self._failed(member, f"restart: {error}", self.clock.now_s())
            return
        with member.lock:
            member.plugin = plugin
            member.supervisor.restarted()
        self._emit(Health(self.clock.now_s(), member.name, HealthState.ACTIVE.value, "restarted"))

    def _drop(self, member: Member, observation: Captured, reason: str) -> None:
        member.dropped[reason] += 1
        self._emit(Dropped(self.clock.now_s(), member.name, reason, observation.captured_s))


def _described(error: BaseException | None) -> str:
    """An error for people: ours speak for themselves, others say what and where they are."""
    if error is None or isinstance(error, SageError):
        return str(error)
    where = ""
    if frames := traceback.extract_tb(error.__traceback__):
        where = f" in {frames[-1].name}, {frames[-1].filename}:{frames[-1].lineno}"
    return f"{type(error).__name__}: {error}{where}"
