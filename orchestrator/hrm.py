"""The orchestrator: an H level that decides once a cycle, and lanes that step in between."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from orchestrator.admission import Admission
from orchestrator.config import OrchestratorConfig
from orchestrator.containment import Containment, close_plugin, described, made
from orchestrator.lane import Job, Lane
from orchestrator.member import Captured, Factory, Member, OnResult, PluginSettings
from orchestrator.policy import Policy, policy_named
from orchestrator.pool import LanePool
from orchestrator.profile import ProfileBook
from orchestrator.supervisor import HealthState
from orchestrator.trust import TrustLedger
from orchestrator.value import ValueLedger
from orchestrator.worker import SWITCHING, Runner, Worker, drain
from sage.clock import Clock, RealClock
from sage.irp import NO_CONTEXT, ConfigError, Context, HaltReason, PluginError
from sage.telemetry import Credited, Cycle, Event, Finished

logger = logging.getLogger(__name__)


def _ignore(event: Event) -> None:
    """Telemetry nobody asked for."""


class HRMOrchestrator:
    """Shares one device among anytime plugins.

    Plugins are registered, observations are submitted as they arrive; the newest wait, older
    ones are dropped and counted. A refinement begins when its lane chooses it, while anything is
    left of the cycle; its first step's worst case is then kept for it. Its result goes to
    ``on_result`` on the lane's thread, or that of its process.

    Real time: ``start()``, then ``await run()`` or call ``tick()`` each cycle; ``close()``.
    Virtual time: :class:`orchestrator.lockstep.LockStep` drives the lanes instead.

    Args:
        config: cycle, pool, lanes and policy.
        clock: where time is read.
        trust: the ledger; one in memory by default.
        emit: where telemetry goes.
        stopwatch: measures what lane time a step takes, in seconds.
        policy: who steps next; the configured one by default.
        profiles: JSON file that what was learned of plugins is kept in; None keeps nothing.
    """

    def __init__(
        self,
        config: OrchestratorConfig | None = None,
        *,
        clock: Clock | None = None,
        trust: TrustLedger | None = None,
        emit: Callable[[Event], None] = _ignore,
        stopwatch: Callable[[], float] = time.perf_counter,
        policy: Policy | None = None,
        profiles: Path | None = None,
    ) -> None:
        self.config = config or OrchestratorConfig()
        self.clock: Clock = clock or RealClock()
        self.trust = trust or TrustLedger()
        self.policy = policy or policy_named(self.config.policy)
        self.value = ValueLedger()
        self.cycles = 0
        self._profiles = ProfileBook(profiles)
        self._emit = emit
        self._members: dict[str, Member] = {}
        self._containment = Containment(self.trust, self.clock, emit)
        self._stopwatch = stopwatch
        self.lanes: Mapping[str, Lane] = MappingProxyType(
            {name: self._lane(name) for name in self.config.lanes}
        )
        self._workers: list[Worker] = []
        self._each_tick: list[Callable[[], None]] = []
        self._closed = False

    @property
    def stopwatch(self) -> Callable[[], float]:
        """What measures the lane time of steps."""
        return self._stopwatch

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
        plugin = made(factory, settings)
        try:
            self._check(plugin.name, settings)
        except ConfigError:
            close_plugin(plugin)
            raise
        lane = self.lanes[settings.lane]
        member = Member(
            factory,
            plugin,
            settings,
            self._profiles.of(plugin.name),
            self.trust.of,
            on_result,
            lane.pool.atp_per_s,
            self.config.cycle_s,
        )
        self._members = {**self._members, member.name: member}  # lanes may be reading the old one
        lane.admission.add(member)
        if settings.isolation == "process" and self._workers:
            member.runner = Runner(member.name, lane)
        return member

    def on_tick(self, act: Callable[[], None]) -> None:
        """Call ``act`` at every tick, before new grants; what it raises is logged."""
        self._each_tick.append(act)

    def submit(
        self,
        plugin: str,
        observation: Captured,
        context: Context = NO_CONTEXT,
        *,
        salience: float = 1.0,
    ) -> None:
        """Offer an observation; safe from any thread, and never waits for a step.

        Args:
            plugin: who is to refine it.
            observation: what was captured, and when.
            context: read-only snapshot for ``init_state``.
            salience: how much it matters, in [0, 1]: where there is no room for all, the least
                salient waits, and is shed.
        """
        if not (isinstance(salience, int | float) and 0.0 <= salience <= 1.0):
            raise ConfigError(f"salience must lie in [0, 1], got {salience!r}")
        if not isinstance(getattr(observation, "captured_s", None), int | float):
            raise ConfigError(
                f"an observation says when it was captured (captured_s, seconds), got "
                f"{observation!r:.60}"
            )
        member = self._member(plugin)
        lane = self.lanes[member.settings.lane]
        with member.lock:
            member.submitted += 1
            if self._closed:
                lane.admission.drop(member, observation, "closed")
            elif member.supervisor.state is not HealthState.ACTIVE:
                lane.admission.drop(member, observation, member.supervisor.state.value)
            else:
                lane.admission.offer(member, observation, context, salience)
                lane.wake()

    def cancel(self, plugin: str) -> None:
        """Give up what a plugin does and what waits for it; the best answer so far is delivered."""
        member = self._member(plugin)
        with member.lock:
            lane = self.lanes[member.settings.lane]
            lane.admission.drop_all(member, "cancelled")
            for job in member.running:
                job.due_s = -math.inf  # its lane ends it before it steps another
                job.refinement.cancel()
            lane.wake()

    def credit(self, plugin: str, refinement: int, value: float) -> None:
        """Say what a result turned out to be worth downstream; safe from any thread.

        Args:
            plugin: whose result it was.
            refinement: its number, ``Outcome.refinement``; one that ended too long ago is only
                counted, as late.
            value: 0 misled, 1 did all that was hoped for.
        """
        member = self._member(plugin)
        judged = self.value.credit(member.name, refinement, value)
        if judged is not None:
            trust = self.trust.credit(plugin, value, energy=judged.energy, blur=judged.blur)
            self._emit(Credited(self.clock.now_s(), plugin, refinement, value, trust))

    def start(self) -> None:
        """Begin to work in real time: one thread per lane, one per plugin with a process."""
        if self._workers or self._closed:
            raise ConfigError("an orchestrator starts once: it was already started or closed")
        SWITCHING.begin()
        self._workers = [Worker(lane) for lane in self.lanes.values()]
        for member in self._members.values():
            if member.settings.isolation == "process":
                member.runner = Runner(member.name, self.lanes[member.settings.lane])
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
        """One decision of the H level: new grants, restarts, overruns."""
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
        for member in self._members.values():
            self._prepare(member, now_s)
        for name, lane in self.lanes.items():
            under_way_atp = under_way_s.get(name, 0.0) * self.config.atp_per_s
            spent_atp += lane.pool.new_cycle(under_way_atp)
            lane.admission.cycle = self.cycles + 1
            if lane.jobs or lane.admission.waits:  # there is new ATP for them
                lane.wake()
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
        self._closed = self._containment.closed = True
        for name in self._members:
            self.cancel(name)
        runners = [member.runner for member in self._members.values() if member.runner is not None]
        for worker in self._workers:
            worker.stop()
        for runner in runners:
            runner.stop()
        ends_s = time.perf_counter() + timeout_s
        self._containment.join(ends_s)
        hung: list[Job] = []
        for worker in self._workers:
            hung += worker.join(max(0.0, ends_s - time.perf_counter()))
        for runner in runners:
            runner.join(max(0.0, ends_s - time.perf_counter()))
        for member in self._members.values():
            close_plugin(member.plugin)  # a step that hangs in its process ends with that
        for runner in runners:
            runner.join(max(0.5, ends_s - time.perf_counter()))
        for lane in self.lanes.values():
            lane.take_in()
            for job in tuple(lane.jobs):
                if job in hung:
                    name = job.member.name
                    job.refinement.abandon(PluginError(f"plugin {name!r}: its last step hangs"))
                job.refinement.cancel()
                drain(job, max(0.05, ends_s - time.perf_counter()))
                lane.jobs.remove(job)
                self._finish(job)
        self._save()
        if self._workers:
            SWITCHING.end()

    def _save(self) -> None:
        for what, save in (("trust", self.trust.save), ("profiles", self._profiles.save)):
            try:
                save()
            except OSError as error:
                logger.error("%s could not be kept for the next run: %s", what, error)

    def _lane(self, name: str) -> Lane:
        config = self.config
        cap_atp = config.pool_atp / len(config.lanes)
        pool = LanePool(cap_atp, config.atp_per_s, shares=self.policy.shares)
        admission = Admission(name, pool, self.policy, self.clock, self._stopwatch, self._emit)
        return Lane(name, pool, self.policy, admission, self._finish, self.clock, config.cycle_s)

    def _member(self, plugin: str) -> Member:
        try:
            return self._members[plugin]
        except KeyError:
            known = ", ".join(map(repr, self._members)) or "none"
            raise ConfigError(f"no plugin named {plugin!r}; registered are {known}") from None

    def _check(self, name: str, settings: PluginSettings) -> None:
        if name in self._members:
            raise ConfigError(f"a plugin named {name!r} is registered already")
        cap_atp = self.lanes[settings.lane].pool.cap_atp
        floors_atp = settings.floor_atp + sum(
            other.settings.floor_atp
            for other in self._members.values()
            if other.settings.lane == settings.lane
        )
        if floors_atp > cap_atp:
            raise ConfigError(
                f"floor_atp={settings.floor_atp:g} of plugin {name!r}: the floors on lane "
                f"{settings.lane!r} come to {floors_atp:g} ATP, a cycle grants it {cap_atp:g}"
            )

    def _prepare(self, member: Member, now_s: float) -> None:
        """Before new grants: restart what backed off long enough, keep what is essential."""
        if member.supervisor.due(now_s):
            self._containment.restart(member, threaded=bool(self._workers))
        settings, profile = member.settings, member.profile
        if settings.essential:
            first_atp = profile.worst_first_s * self.config.atp_per_s
            self.lanes[settings.lane].pool.keep(member.name, max(settings.floor_atp, first_atp))
        member.limit_steps()

    def _finish(self, job: Job) -> None:
        """Close the books of a refinement that ended, learn from it, deliver it."""
        member, outcome = job.member, job.refinement.outcome
        assert outcome is not None
        lane = self.lanes[member.settings.lane]
        returned_atp = lane.pool.close(job.account)
        now_s = self.clock.now_s()
        failed = False
        with member.lock:  # in one go: what arrives now must find the plugin backing off
            member.running.remove(job)
            member.finished += 1
            if outcome.reason is HaltReason.FAILED:
                # Of several at once one counts, and none of an instance that was replaced since.
                active = member.supervisor.state is HealthState.ACTIVE
                failed = active and job.refinement.plugin is member.plugin
                if failed:
                    self._containment.failed(member, described(outcome.error), now_s)
                    lane.admission.drop_all(member, member.supervisor.state.value)
            else:
                if outcome.answered:
                    member.supervisor.succeeded()
                member.profile.learn(outcome.trajectory)
        again = outcome.reason is HaltReason.FAILED and not failed  # several at once: one counts
        trust = member.trust() if again else self.trust.score(member.name, outcome)
        if failed:
            close_plugin(job.refinement.plugin)
        spent_atp = job.account.meter.spent_atp
        identity, trajectory = job.refinement.identity, outcome.trajectory
        self.value.finished(
            member.name, identity, spent_atp, trajectory.best_energy, member.profile.scale
        )
        self._emit(
            Finished(
                now_s,
                member.name,
                lane.name,
                identity,
                job.observation.captured_s,
                trajectory,
                spent_atp + returned_atp,
                spent_atp,
                trust,
            )
        )
        if member.on_result is not None:
            try:
                member.on_result(job.observation, outcome)
            except Exception:
                logger.exception("what takes the results of plugin %r raised", member.name)
        if member.waiting or member.runner is not None:
            lane.wake()  # another of it may begin now, or its ATP go to others
