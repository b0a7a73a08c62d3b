"""A running SAGE: what the source captures, through lanes and gate, to the wheels."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

from memory import SightingMap
from memory.remember import Memory
from memory.store import ExperienceStore
from orchestrator import HRMOrchestrator, PluginSettings, SafetyGate, TrustLedger
from plugins.control import ControlPlugin
from plugins.detection import Detected, DetectionPlugin
from plugins.detection_memory import DetectionMemory
from plugins.language import LanguagePlugin
from plugins.vision import VisionPlugin
from sage.build.body import Bystander, RobotBody, skill_without_robot
from sage.build.config import RunConfig
from sage.build.crediting import Crediting
from sage.build.listening import Listening, voice_for
from sage.build.plugins import installed_plugin, later_worth
from sage.build.understanding import Understanding, known_answer, remembered_dialogue
from sage.clock import Clock
from sage.effectors import Effector
from sage.irp import NO_CONTEXT, Context, DeviceError, IRPPlugin, Outcome, SageError
from sage.navigation.navigator import Navigator
from sage.navigation.task import ControlTask
from sage.sensors import Source
from sage.skills.agent import Agent
from sage.skills.body import Body, DriveTo
from sage.skills.grammar import parse
from sage.skills.intent import Declined, Intent
from sage.skills.repertoire import skill_for
from sage.skills.talking import Answers
from sage.telemetry import Event, Moved, Saw, Task, Telemetry
from sage.values import (
    ActionPlan,
    Frame,
    Observation,
    Pose,
    Proposal,
    Scene,
    Twist,
    Utterance,
)
from sage.worlds.static_map import StaticMap

logger = logging.getLogger(__name__)

_LONGEST_LATENCY_S = 0.2
_FAILED_COMMANDS = 5
_LEAST_SALIENCE, _LEAST_SALIENCE_AT_WORK = 0.1, 0.5
_LONGEST_SPEECH = 300
_FLOOR = 0.05  # of a cycle's pool, for each plugin

VisionFactory = Callable[[], "IRPPlugin[Any, Scene] | IRPPlugin[Any, Detected]"]
OnScene = Callable[[Observation, Scene], None]
OnHeard = Callable[[int, Utterance], None]


class Runtime:
    """A running SAGE: from the source's observations to the effector's motion.

    Built by :func:`build`. ``body`` is None where nothing can be driven.
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
        *,
        store: ExperienceStore | None = None,
        lockstep: bool = False,
    ) -> None:
        self.config = config
        self.clock = clock
        self.source = source
        self.telemetry = telemetry
        self.world = world
        self.on_scene: list[OnScene] = []
        self.fault: SageError | None = None
        """Why the effector failed; nothing is sent to it any more."""
        state = Path(config.state_dir) if config.state_dir else None
        self.orchestrator = HRMOrchestrator(
            config.orchestrator,
            clock=clock,
            trust=TrustLedger(None if state is None else state / "trust.json"),
            emit=telemetry.emit,
            profiles=None if state is None else state / "profiles.json",
        )
        self.crediting = Crediting(self.orchestrator.credit)
        self.gate = SafetyGate(effector, clock, limits=config.limits, emit=self._moved)
        self.orchestrator.on_tick(self.gate.tick)
        room_at = None if world is None else world.static_map.room_at
        self.sightings = SightingMap(room_at, on_refuted=self.crediting.refuted)
        self.store = store
        self.memory = Memory(
            store, clock=clock, emit=telemetry.emit, config=config.memory, room_at=room_at
        )
        telemetry.subscribe(self._remember_end)
        self.body: RobotBody | None = None
        self.on_heard: list[OnHeard] = []
        self._effector = effector
        self._plan: tuple[ActionPlan, float] | None = None
        self._executed = Twist()
        self._latency_s = 0.03
        self._salience = 1.0
        self._floor_atp = _FLOOR * config.orchestrator.pool_atp
        self._camera_plugins: list[str] = []
        self._last_seen: dict[str, DetectionMemory] = {}
        if vision is not None:
            sees = DetectionPlugin.name if config.detection.model else VisionPlugin.name
            take = self._take_detected if config.detection.model else self._take_scene
            self.crediting.vision = self._see_with(sees, vision, take)
        for name in config.plugins:
            self._see_with(name, installed_plugin(name), None)
        if world is not None:
            self._give_body(world.static_map, world.start_pose)
        self._onlooker = self.body or Bystander(clock)
        if world is not None:
            self._onlooker.voices.append(lambda text: world.speak(text[:_LONGEST_SPEECH]))
        self.answers = Answers(known_answer)
        self.agent = self._make_agent()
        self.voice = voice_for(config, lambda speaking: self.listening.mute(speaking))
        self._onlooker.voices.append(self.voice.speak)
        self.listening = Listening(
            config,
            clock,
            self._take_speech,
            telemetry.emit,
            simulated=world is not None,
            lockstep=lockstep,
        )

    def start(self) -> None:
        """Begin in real time: lanes, source and ears."""
        self.orchestrator.start()
        self.begin()

    def begin(self) -> None:
        """Begin to capture; in lock-step, drive the lanes yourself and :meth:`pump`."""
        self.source.start(self.take)
        self.listening.start()

    def pump(self, until_s: float) -> None:
        """Lock-step: capture and deliver all that is due up to ``until_s``."""
        self.source.pump(until_s)
        self.listening.pump(until_s)

    def take(self, observation: Observation) -> None:
        """One observation from the source: to the map, to the lanes, to the wheels."""
        if isinstance(observation.data, Frame):
            # Who does something needs to see, however familiar the view is.
            at_work = self.agent.doing is not None
            least = _LEAST_SALIENCE_AT_WORK if at_work else _LEAST_SALIENCE
            for name in self._camera_plugins:
                self.orchestrator.submit(
                    name,
                    observation,
                    context=self._known_of(name, observation),
                    salience=max(least, self._salience),
                )
            return
        if self.body is None:
            return
        self.body.feed(observation)
        self.crediting.moved(observation.captured_s, self.body.navigator)
        if observation.modality == "scan":
            self._steer(observation)
        elif observation.modality == "odometry":
            self.memory.moved(observation, self._executed)

    def _steer(self, observation: Observation) -> None:
        """A scan: what to do about it is control's to refine."""
        assert self.body is not None
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
            self.crediting.halted()
            self.orchestrator.cancel("control")
            self._propose(Twist(), observation.captured_s)

    def close(self) -> None:
        """Stop the robot, the source, the lanes, the world: in that order, whatever fails."""
        for stop in (
            self.gate.emergency_stop,
            self.voice.close,
            self.listening.stop,
            self.source.stop,
            self.orchestrator.close,
            self._effector.close,
            *([self.world.close] if self.world is not None else []),
            self.telemetry.flush,  # the last verdicts are to be remembered
            *([self.store.close] if self.store is not None else []),
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
        if self._effector.uri.startswith("sim:"):
            self.body.gripper = self.world
        self.orchestrator.register(
            partial(ControlPlugin, self.config.control),
            PluginSettings(
                "control",
                floor_atp=self._floor_atp,
                deadline_s=0.045,
                max_age_s=0.3,
                isolation=self.config.isolation.get(ControlPlugin.name, "thread"),
                essential=True,
                later_worth=later_worth(ControlPlugin.name),
            ),
            self._take_plan,
        )

    def _make_agent(self) -> Agent:
        """Who obeys; where there is nothing to drive, who only listens."""
        body = cast("Body", self._onlooker)
        does = skill_for if self.body is not None else skill_without_robot
        emit = self.telemetry.emit
        settings: dict[str, Any] = {
            "emit": emit,
            "limit_s": self.config.command_limit_s,
            "skills": partial(does, answers=self.answers),
            "dialogue": remembered_dialogue(self.store),
            "answers": self.answers,
        }
        if self.config.parser == "grammar":
            agent = Agent.with_parser(body, self._parse, **settings)
        else:
            understanding = Understanding(
                self.orchestrator,
                LanguagePlugin.name,
                self.clock,
                emit,
                self.memory.heard,
                self.crediting.read,
            )
            self.orchestrator.register(
                partial(LanguagePlugin, self.config.language),
                PluginSettings(
                    "perception",
                    floor_atp=self._floor_atp,
                    deadline_s=0.5,
                    max_age_s=5.0,
                    isolation=self.config.isolation.get(LanguagePlugin.name, "thread"),
                    later_worth=later_worth(LanguagePlugin.name),
                ),
                understanding.take,
            )
            agent = Agent(body, understanding.ask, **settings)
            understanding.agent = agent
        self.orchestrator.on_tick(agent.tick)
        self.orchestrator.on_tick(lambda: self.crediting.tick(agent.reports))
        self.orchestrator.on_tick(lambda: self.listening.answer(agent.reports))
        return agent

    def _parse(self, text: str) -> Intent | Declined:
        self.memory.heard(Utterance(text))
        return parse(text)

    def _take_speech(self, observation: Observation) -> None:
        """An utterance, on the ears' thread; who waits for it is told its number."""
        number = self.agent.hear(observation.data)
        for tell in self.on_heard:
            tell(number, observation.data)

    def _see_with(
        self,
        name: str,
        factory: Callable[[], IRPPlugin[Any, Any]],
        on_result: Callable[[Observation, Outcome[Any]], None] | None,
    ) -> str:
        member = self.orchestrator.register(
            factory,
            PluginSettings(
                "perception",
                floor_atp=self._floor_atp,
                deadline_s=0.3,
                max_age_s=0.3,
                isolation=self.config.isolation.get(name, "thread"),
                later_worth=later_worth(name),
            ),
            on_result,
        )
        self._camera_plugins.append(member.name)
        return member.name

    def _known_of(self, plugin: str, observation: Observation) -> Context:
        """What a plugin may know of its source's last frame."""
        memory = self._last_seen.get(observation.source)
        return {"previous": memory} if plugin == DetectionPlugin.name and memory else NO_CONTEXT

    def _take_detected(self, observation: Observation, outcome: Outcome[Detected]) -> None:
        if (found := outcome.result) is not None:
            self._last_seen[observation.source] = found.memory
            self._see(observation, found.scene, outcome.refinement)

    def _take_scene(self, observation: Observation, outcome: Outcome[Scene]) -> None:
        if outcome.result is not None:
            self._see(observation, outcome.result, outcome.refinement)

    def _see(self, observation: Observation, scene: Scene, refinement: int) -> None:
        self.telemetry.emit(Saw(self.clock.now_s(), scene))
        frame: Frame = observation.data
        pose = None
        if self.body is not None and frame.camera is not None:
            pose = self.body.navigator.pose_at(observation.captured_s)
            self.sightings.see(scene, pose, frame.camera, refinement)
        self._onlooker.scene = scene
        self._onlooker.scenes_seen += 1
        for show in self.on_scene:
            show(observation, scene)
        if (weighed := self.memory.saw(observation, scene, pose)) is not None:
            self._salience = min(1.0, weighed.salience)

    def _take_plan(self, task: ControlTask, outcome: Outcome[ActionPlan]) -> None:
        plan = outcome.result
        if plan is None or not isinstance(self.agent.order, DriveTo):
            self._plan = None  # the order to drive was taken back meanwhile
            return
        self._plan = plan, task.start_s
        self.crediting.planned(task, plan, outcome.refinement)
        # A plan is made for the moment when it will reach the wheels: as late as the last ones.
        took_s = min(_LONGEST_LATENCY_S, max(0.0, self.clock.now_s() - task.captured_s))
        self._latency_s += 0.1 * (took_s - self._latency_s)
        linear_m_s, angular_rad_s = plan.twists[0]
        self._propose(Twist(float(linear_m_s), float(angular_rad_s)), task.captured_s)

    def _moved(self, event: Event) -> None:
        if isinstance(event, Moved):
            self._executed = event.effect.twist
        self.telemetry.emit(event)

    def _remember_end(self, event: Event) -> None:
        """An observer of telemetry: what became of a command is an experience too."""
        if not isinstance(event, Task) or event.phase not in ("done", "failed", "declined"):
            return
        reports = self.agent.reports
        report = next((r for r in reversed(reports) if r.command == event.command), None)
        if report is None:
            return
        if report.intent is None:
            if report.said is not None and report.probability is None:
                self.memory.heard(report.said)  # language never read it
            return
        self.memory.ended(
            report.intent.phrase,
            report.verdict.done,
            seconds=report.ended_s - report.began_s,
            told=report.verdict.text,
            probability=report.probability,
            limit_s=self.config.command_limit_s,
        )

    def _propose(self, twist: Twist, captured_s: float) -> None:
        if self.fault is not None:
            return
        self.gate.propose(Proposal("control", captured_s, self.clock.now_s(), twist))
        if self.gate.failures_in_row >= _FAILED_COMMANDS:
            self.fault = DeviceError(f"the robot does not answer: {self.gate.failure}")
            self.agent.cancel(str(self.fault))
