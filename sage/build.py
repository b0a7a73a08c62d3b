"""The composition root: the one place where plugins, orchestrator, memory and world meet."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from memory import SightingMap
from orchestrator import (
    HRMOrchestrator,
    OrchestratorConfig,
    PluginSettings,
    SafetyGate,
    SafetyLimits,
    TrustLedger,
)
from plugins.control import ControlConfig, ControlPlugin
from plugins.vision import VisionConfig, VisionPlugin
from sage.clock import Clock
from sage.effectors import Effector, open_effector
from sage.irp import ConfigError, DeviceError, IRPPlugin, Outcome, PluginError, SageError
from sage.navigation.navigator import Navigator
from sage.navigation.task import ControlTask
from sage.sensors import Source, check_source, open_apartment, open_source
from sage.skills.agent import Agent
from sage.skills.body import DriveTo
from sage.skills.grammar import parse
from sage.telemetry import Saw, Telemetry
from sage.values import ActionPlan, Frame, Observation, Pose, Proposal, Scene, Twist
from sage.worlds.static_map import StaticMap

logger = logging.getLogger(__name__)

PLUGIN_GROUP = "sage.plugins"
_LONGEST_LATENCY_S = 0.2
_FAILED_COMMANDS = 5

VisionFactory = Callable[[], "IRPPlugin[Any, Scene]"]
OnScene = Callable[[Observation, Scene], None]


@dataclass(frozen=True, slots=True)
class RunConfig:
    """Everything that a run can be told; the same names serve as keys of ``--config``.

    Attributes:
        camera: URI of the source.
        robot: URI of the effector; ``sim:`` with the apartment and ``none:`` otherwise.
        plugins: names of installed third-party plugins that see the camera too.
        state_dir: where trust is kept between runs; null keeps nothing.
        command_limit_s: a command that takes longer is given up.
    """

    camera: str = "sim:apartment"
    robot: str | None = None
    plugins: tuple[str, ...] = ()
    state_dir: str | None = None
    command_limit_s: float = 240.0
    orchestrator: OrchestratorConfig = field(default_factory=OrchestratorConfig)
    limits: SafetyLimits = field(default_factory=SafetyLimits)
    vision: VisionConfig = field(default_factory=VisionConfig)
    control: ControlConfig = field(default_factory=ControlConfig)

    def __post_init__(self) -> None:
        if not 1.0 <= self.command_limit_s <= 3600.0:
            raise ConfigError(
                f"command_limit_s must lie in [1, 3600] s, got {self.command_limit_s}"
            )


class RobotBody:
    """A robot with a map: what skills know of it (see :class:`sage.skills.body.Body`)."""

    def __init__(
        self, navigator: Navigator, start: Pose, sightings: SightingMap, clock: Clock
    ) -> None:
        self.navigator = navigator
        self.sightings = sightings
        self.scenes_seen = 0
        self._start = start
        self._clock = clock

    @property
    def static_map(self) -> StaticMap:
        """Rooms, walls and doors."""
        return self.navigator.static_map

    @property
    def start(self) -> Pose:
        """Where the robot was switched on."""
        return self._start

    def now_s(self) -> float:
        """The time."""
        return self._clock.now_s()

    def pose(self) -> Pose:
        """Where the robot believes to be."""
        return self.navigator.estimate().pose

    def reachable_near(self, x_m: float, y_m: float) -> tuple[float, float] | None:
        """The free point nearest to a place that can be driven to."""
        return self.navigator.reachable_near(x_m, y_m)

    def stand_near(self, x_m: float, y_m: float, stand_off_m: float) -> tuple[float, float] | None:
        """A free point in sight of a place, ``stand_off_m`` clear of all that stands there."""
        spot = self.navigator.free_point_near(x_m, y_m, stand_off_m)
        return None if spot is None else (spot.x_m, spot.y_m)


class Runtime:
    """A running SAGE: from the source's observations to the effector's motion.

    Built by :func:`build`. ``agent`` and ``body`` are None where nothing can be driven.
    """

    def __init__(
        self,
        config: RunConfig,
        clock: Clock,
        source: Source,
        effector: Effector,
        telemetry: Telemetry,
        world: Any | None,
        vision: VisionFactory | None,
    ) -> None:
        self.config = config
        self.clock = clock
        self.source = source
        self.telemetry = telemetry
        self.world = world
        self.on_scene: list[OnScene] = []
        self.fault: SageError | None = None
        """Why the effector failed; nothing is sent to it any more."""
        trust_path = Path(config.state_dir) / "trust.json" if config.state_dir else None
        self.orchestrator = HRMOrchestrator(
            config.orchestrator, clock=clock, trust=TrustLedger(trust_path), emit=telemetry.emit
        )
        self.gate = SafetyGate(effector, clock, limits=config.limits, emit=telemetry.emit)
        self.orchestrator.on_tick(self.gate.tick)
        self.sightings = SightingMap(None if world is None else world.static_map.room_at)
        self.body: RobotBody | None = None
        self.agent: Agent | None = None
        self._effector = effector
        self._plan: tuple[ActionPlan, float] | None = None
        self._latency_s = 0.03
        self._camera_plugins: list[str] = []
        if vision is not None:
            self._see_with(vision, self._take_scene)
        for name in config.plugins:
            self._see_with(_installed_plugin(name), None)
        if world is not None:
            self._give_body(world.static_map, world.start_pose)

    def start(self) -> None:
        """Begin in real time: lanes and source. In lock-step, drive the lanes yourself."""
        self.orchestrator.start()
        self.source.start(self.take)

    def take(self, observation: Observation) -> None:
        """One observation from the source: to the map, to the lanes, to the wheels."""
        if isinstance(observation.data, Frame):
            for name in self._camera_plugins:
                self.orchestrator.submit(name, observation)
            return
        if self.body is None or self.agent is None:
            return
        self.body.navigator.feed(observation)
        if observation.modality != "scan":
            return
        order = self.agent.order
        task: ControlTask | None = None
        if isinstance(order, DriveTo):
            plan, began_s = self._plan or (None, 0.0)
            task = self.body.navigator.task_to(
                order.x_m,
                order.y_m,
                order.tolerance_m,
                order.yaw_rad,
                start_s=observation.captured_s + self._latency_s,
                previous=plan,
                previous_start_s=began_s,
            )
        if task is not None:
            self.orchestrator.submit("control", task)
        else:
            self._plan = None
            self.orchestrator.cancel("control")
            self._propose(Twist(), observation.captured_s)

    def close(self) -> None:
        """Stop the robot, the source, the lanes, the world: in that order, whatever fails."""
        for stop in (
            self.gate.emergency_stop,
            self.source.stop,
            self.orchestrator.close,
            self._effector.close,
            *([self.world.close] if self.world is not None else []),
            self.telemetry.close,
        ):
            try:
                stop()
            except SageError as error:
                logger.info("while closing: %s", error)  # what matters was told as the fault
            except Exception:
                logger.exception("while closing: %r", stop)

    def _give_body(self, static_map: StaticMap, start: Pose) -> None:
        navigator = Navigator(static_map, start)
        self.body = RobotBody(navigator, start, self.sightings, self.clock)
        self.agent = Agent.with_parser(
            self.body, parse, emit=self.telemetry.emit, limit_s=self.config.command_limit_s
        )
        self.orchestrator.on_tick(self.agent.tick)
        self.orchestrator.register(
            lambda: ControlPlugin(self.config.control),
            PluginSettings("control", floor_atp=50.0, deadline_s=0.06, max_age_s=0.3),
            self._take_plan,
        )

    def _see_with(
        self,
        factory: Callable[[], IRPPlugin[Any, Any]],
        on_result: Callable[[Observation, Outcome[Any]], None] | None,
    ) -> None:
        member = self.orchestrator.register(
            factory,
            PluginSettings("perception", floor_atp=50.0, deadline_s=0.3, max_age_s=0.3),
            on_result,
        )
        self._camera_plugins.append(member.name)

    def _take_scene(self, observation: Observation, outcome: Outcome[Scene]) -> None:
        scene = outcome.result
        if scene is None:
            return
        self.telemetry.emit(Saw(self.clock.now_s(), scene))
        frame: Frame = observation.data
        if self.body is not None and frame.camera is not None:
            pose = self.body.navigator.pose_at(observation.captured_s)
            self.sightings.see(scene, pose, frame.camera)
            self.body.scenes_seen += 1
        for show in self.on_scene:
            show(observation, scene)

    def _take_plan(self, task: ControlTask, outcome: Outcome[ActionPlan]) -> None:
        plan = outcome.result
        if plan is None or not isinstance(self.agent and self.agent.order, DriveTo):
            self._plan = None  # the order to drive was taken back meanwhile
            return
        self._plan = plan, task.start_s
        # A plan is made for the moment when it will reach the wheels: as late as the last ones.
        took_s = min(_LONGEST_LATENCY_S, max(0.0, self.clock.now_s() - task.captured_s))
        self._latency_s += 0.1 * (took_s - self._latency_s)
        linear_m_s, angular_rad_s = plan.twists[0]
        self._propose(Twist(float(linear_m_s), float(angular_rad_s)), task.captured_s)

    def _propose(self, twist: Twist, captured_s: float) -> None:
        if self.fault is not None:
            return
        self.gate.propose(Proposal("control", captured_s, self.clock.now_s(), twist))
        if self.gate.failures_in_row >= _FAILED_COMMANDS:
            self.fault = DeviceError(f"the robot does not answer: {self.gate.failure}")
            if self.agent is not None:
                self.agent.cancel(str(self.fault))


def build(
    config: RunConfig,
    *,
    clock: Clock,
    lockstep: bool = False,
    vision: VisionFactory | None = None,
    see: bool = True,
) -> Runtime:
    """Open the devices and put a runtime together; nothing runs yet.

    Args:
        config: what to run.
        clock: real, or virtual with ``lockstep``.
        lockstep: the source is pumped by the caller instead of running by itself.
        vision: makes the vision plugin; the shipped one by default.
        see: False leaves vision out.

    Raises:
        ConfigError: a value that cannot be. DeviceError: a device that is missing.
        ModelError: weights that are missing or corrupt.
    """
    simulated = check_source(config.camera).scheme == "sim"
    robot = config.robot or ("sim:" if simulated else "none:")
    world: Any | None = None
    telemetry = Telemetry()
    closing: list[Callable[[], object]] = []
    try:
        if simulated:
            world = open_apartment(config.camera, clock=clock, lockstep=lockstep)
            closing.append(world.close)
        source = open_source(config.camera, clock=clock, world=world, lockstep=lockstep)
        closing.append(source.stop)
        effector = open_effector(robot, clock=clock, world=world)
        closing.append(effector.close)
        factory = (vision or (lambda: VisionPlugin(config.vision))) if see else None
        return Runtime(config, clock, source, effector, telemetry, world, factory)
    except BaseException:
        for close in reversed(closing):
            close()
        raise


def _installed_plugin(name: str) -> Callable[[], IRPPlugin[Any, Any]]:
    """The factory that another package registered under a name."""
    found = {entry.name: entry for entry in metadata.entry_points(group=PLUGIN_GROUP)}
    if name not in found:
        known = ", ".join(sorted(found)) or "none installed"
        raise ConfigError(f"unknown plugin {name!r}; installed in group {PLUGIN_GROUP!r}: {known}")
    try:
        factory: Callable[[], IRPPlugin[Any, Any]] = found[name].load()
    except Exception as error:
        raise PluginError(f"plugin {name!r} cannot be imported: {error}") from error
    return factory
