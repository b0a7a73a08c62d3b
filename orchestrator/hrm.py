"""The orchestrator: an H level that decides once a cycle, and lanes that step in between."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from orchestrator.lane import Job, Lane, Worker
from orchestrator.member import Captured, Factory, Member, OnResult, PluginSettings, Waiting
from orchestrator.pool import LanePool
from orchestrator.supervisor import HealthState
from orchestrator.trust import TrustLedger
from sage.clock import Clock, RealClock
from sage.irp import NO_CONTEXT, ConfigError, Context, HaltReason, Refinement
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
    """

    def __init__(
        self,
        config: OrchestratorConfig | None = None,
        *,
        clock: Clock | None = None,
        trust: TrustLedger | None = None,
        emit: Callable[[Event], None] = _ignore,
    ) -> None:
        self.config = config or OrchestratorConfig()
        self.clock: Clock = clock or RealClock()
        self.trust = trust or TrustLedger()
        self.cycles = 0
        self._emit = emit
        self._members: dict[str, Member] = {}
        cap_atp = self.config.pool_atp / len(self.config.lanes)
        self.lanes: Mapping[str, Lane] = MappingProxyType(
            {
                name: Lane(name, LanePool(cap_atp, self.config.atp_per_s), self._finish)
                for name in self.config.lanes
            }
        )
        self._workers: list[Worker] = []
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

    def register(
        self, factory: Factory, settings: PluginSettings, on_result: OnResult | None = None
    ) -> Member:
        """Add a plugin; ``factory`` is called now and again after each failure.

        Raises:
            ConfigError: its name is taken, or its lane does not exist.
        """
        if settings.lane not in self.lanes:
            raise ConfigError(
                f"unknown lane {settings.lane!r}; lanes are {', '.join(map(repr, self.lanes))}"
            )
        member = Member(factory, settings, self.trust.of, on_result)
        if member.name in self._members:
            raise ConfigError(f"a plugin named {member.name!r} is registered already")
        self._members[member.name] = member
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
            elif member.running is None and member.waiting is None:
                self._admit(member, Waiting(observation, context))
            else:
                if member.waiting is not None:
                    self._drop(member, member.waiting.observation, "superseded")
                member.waiting = Waiting(observation, context)

    def cancel(self, plugin: str) -> None:
        """Give up what a plugin does and what waits for it; the best answer so far is delivered."""
        member = self._member(plugin)
        with member.lock:
            if member.waiting is not None:
                self._drop(member, member.waiting.observation, "cancelled")
                member.waiting = None
            if member.running is not None:
                member.running.refinement.cancel()

    def start(self) -> None:
        """Begin to work in real time: one thread per lane."""
        self._workers = [Worker(lane, self._overran) for lane in self.lanes.values()]
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
        now_s = self.clock.now_s()
        for act in self._each_tick:
            try:
                act()
            except Exception:
                logger.exception("%r raised at a tick", act)
        for worker in self._workers:
            worker.watch()
        spent_atp = 0.0
        for lane in self.lanes.values():
            spent_atp += lane.pool.new_cycle()
        for member in self._members.values():
            if member.supervisor.due(now_s):
                self._restart(member)
            if member.waiting is not None:
                self._admit_waiting(member)
        self._emit(
            Cycle(now_s, self.cycles, self.config.pool_atp, spent_atp, dict(self.trust.snapshot()))
        )
        self.cycles += 1

    def close(self) -> None:
        """Cancel everything, let the steps under way end, keep the trust; twice does nothing."""
        if self._closed:
            return
        self._closed = True
        for name in self._members:
            self.cancel(name)
        for worker in self._workers:
            if not worker.close():
                logger.warning("lane %s: its last step did not end in time", worker.lane.name)
        for lane in self.lanes.values():
            lane.take_in()
            for job in tuple(lane.jobs):
                job.refinement.cancel()
                while job.refinement.advance():
                    pass
                lane.jobs.remove(job)
                self._finish(job)
        self.trust.save()

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
            elif self._closed:
                self._drop(member, waiting.observation, "closed")
            else:
                self._admit(member, waiting)

    def _admit(self, member: Member, waiting: Waiting) -> None:
        """Open the books and hand the refinement to its lane, or leave it waiting."""
        settings, observation = member.settings, waiting.observation
        now_s = self.clock.now_s()
        if now_s - observation.captured_s > settings.max_age_s:
            self._drop(member, observation, "stale")
            return
        lane = self.lanes[settings.lane]
        reserve_atp = member.profile.worst_first_s * self.config.atp_per_s
        account = lane.pool.open(member.trust(), settings.floor_atp, reserve_atp)
        if account is None:
            member.waiting = waiting
            return
        deadline_s = settings.deadline_s
        job = Job(
            member,
            observation,
            Refinement(
                member.plugin,
                observation,
                context=waiting.context,
                meter=account.meter,
                clock=self.clock,
                deadline_s=None if deadline_s is None else observation.captured_s + deadline_s,
                expected_step_s=member.profile.step_s or None,
                on_step=self._emit,
            ),
            account,
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
        granted_atp = job.account.meter.granted_atp
        lane = self.lanes[member.settings.lane]
        lane.pool.close(job.account)
        trust = self.trust.score(member.name, outcome)
        now_s = self.clock.now_s()
        with member.lock:
            member.running = None
            member.finished += 1
        if outcome.reason is HaltReason.FAILED:
            self._failed(member, str(outcome.error), now_s)
        else:
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
                granted_atp,
                job.account.meter.spent_atp,
                trust,
            )
        )
        if member.on_result is not None:
            try:
                member.on_result(job.observation, outcome)
            except Exception:
                logger.exception("what takes the results of plugin %r raised", member.name)
        if member.waiting is not None:
            self._admit_waiting(member)

    def _overran(self, job: Job) -> None:
        """A worker gave up on a step."""
        self._finish(job)

    def _failed(self, member: Member, detail: str, now_s: float) -> None:
        state = member.supervisor.failed(now_s)
        logger.warning("plugin %r failed (%s): %s", member.name, detail, state.value)
        self._emit(Health(now_s, member.name, state.value, detail))

    def _restart(self, member: Member) -> None:
        """Make the plugin anew; a factory that raises counts as one more failure."""
        now_s = self.clock.now_s()
        try:
            plugin = member.factory()
        except Exception as error:
            self.trust.fail(member.name)
            self._failed(member, f"restart: {error}", now_s)
            return
        with member.lock:
            member.plugin = plugin
            member.supervisor.restarted()
        self._emit(Health(now_s, member.name, HealthState.ACTIVE.value, "restarted"))

    def _drop(self, member: Member, observation: Captured, reason: str) -> None:
        member.dropped[reason] += 1
        self._emit(Dropped(self.clock.now_s(), member.name, reason, observation.captured_s))
