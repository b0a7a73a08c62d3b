"""Memory's front door: what is seen, heard, done and achieved is weighed, and the salient kept."""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Protocol

import numpy as np

from memory.context import Context, motion, sighting
from memory.experience import Experience
from memory.places import PlaceConfig
from memory.predictors import (
    MotionPredictor,
    OutcomePredictor,
    ScenePredictor,
    SpeechPredictor,
    thumbnail,
)
from memory.snarc import Signal, Snarc, SnarcConfig, Weighed
from sage.clock import Clock
from sage.irp.errors import ConfigError
from sage.skills.meaning import Meaning
from sage.telemetry import Observer
from sage.telemetry.events import Kept, Scored
from sage.values import Frame, Observation, Odometry, Pose, Scene, Twist, UInt8Array, Utterance

logger = logging.getLogger(__name__)

_TOLD_STEP = 0.1


class Keeps(Protocol):
    """Where experiences go: :class:`memory.store.ExperienceStore`, or another one."""

    def keep(
        self,
        experience: Experience,
        *,
        rgb: UInt8Array | None = None,
        on_acknowledged: Callable[[int], None] | None = None,
    ) -> object:
        """Take one in without delay; make the PNG of ``rgb``; call back once it is safe."""
        ...


@dataclass(frozen=True, slots=True)
class MemoryConfig:
    """What is kept, and how often it is told about.

    Attributes:
        keep_above: salience from which something is kept, in (0, 1].
        refractory_s: after something was kept, nothing more of scene or motion for so long.
        per_minute: most that is kept in a minute, of all modalities together.
        tell_every_s: a ``Scored`` event at least this often while inputs come; more often only
            where salience has changed by 0.1 since the last one.
        tell_least_s: and never more often than this.
        context_s: what came this long before an experience is kept with it, in words.
        places: how things are expected to be seen.
        scene, speech, motion, outcome: how each modality is scored.
    """

    keep_above: float = 0.35
    refractory_s: float = 4.0
    per_minute: int = 20
    tell_every_s: float = 1.0
    tell_least_s: float = 0.1
    context_s: float = 10.0
    places: PlaceConfig = field(default_factory=PlaceConfig)
    scene: SnarcConfig = field(default_factory=lambda: SnarcConfig(memory=2048, warmup=64))
    speech: SnarcConfig = field(
        default_factory=lambda: SnarcConfig(memory=32, capacity=2000, warmup=3)
    )
    motion: SnarcConfig = field(default_factory=lambda: SnarcConfig(memory=4096, warmup=64))
    outcome: SnarcConfig = field(
        default_factory=lambda: SnarcConfig(memory=64, capacity=2000, warmup=3)
    )

    def __post_init__(self) -> None:
        if not 0.0 < self.keep_above <= 1.0:
            raise ConfigError(f"keep_above must lie in (0, 1], got {self.keep_above}")
        if not 0.0 <= self.refractory_s <= 3600.0:
            raise ConfigError(f"refractory_s must lie in [0, 3600] s, got {self.refractory_s}")
        if not 1 <= self.per_minute <= 6000:
            raise ConfigError(f"per_minute must lie in [1, 6000], got {self.per_minute}")
        if not 0.0 <= self.tell_least_s <= self.tell_every_s <= 3600.0:
            raise ConfigError(
                "tell_least_s and tell_every_s must be 0 <= least <= every <= 3600 s, got "
                f"{self.tell_least_s} and {self.tell_every_s}"
            )
        if not 0.0 <= self.context_s <= 60.0:
            raise ConfigError(f"context_s must lie in [0, 60] s, got {self.context_s}")


class _Stream:
    """The scorer of one modality and when it last spoke."""

    def __init__(self, modality: str, config: SnarcConfig, pause_s: float) -> None:
        self.modality = modality
        self.lock = threading.Lock()
        self.snarc = Snarc(config)
        self.pause_s = pause_s
        self.told = -1.0
        self.told_s = -float("inf")
        self.kept_s = -float("inf")


class Memory:
    """Weighs what happens and keeps what is salient.

    Each method takes one input of its modality, from any thread, and takes well under a
    millisecond; pictures are encoded and written by the store. None of them raises: memory is an
    extra, and what fails in it is logged once, counted in ``failures`` and otherwise ignored; they
    return None then. Without a store everything is scored and nothing kept.

    Example:
        >>> memory = Memory(store, clock=clock, emit=telemetry.emit, room_at=static_map.room_at)
        >>> memory.saw(observation, scene, navigator.pose_at(observation.captured_s))

    Attributes:
        failures: how often each modality's scoring or keeping failed.
        kept: how many experiences were handed to the store; ``acknowledged`` of them are safe.
        passed_over: salient, but too soon after another one or over the minute's budget.
        context: every input of the last while, as a line each; where an experience is kept, what
            came just before is ``context`` in its payload.
    """

    def __init__(
        self,
        store: Keeps | None = None,
        *,
        clock: Clock,
        emit: Observer | None = None,
        config: MemoryConfig | None = None,
        room_at: Callable[[float, float], str | None] | None = None,
        wall: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self.config = config or MemoryConfig()
        self.failures: Counter[str] = Counter()
        self.kept = 0
        self.acknowledged = 0
        self.passed_over = 0
        self.context = Context(self.config.context_s)
        self._store = store
        self._clock = clock
        self._emit = emit
        self._wall = wall
        self._keeping = threading.Lock()
        self._kept_s: deque[float] = deque()
        config = self.config
        self._scene = _Stream("scene", config.scene, config.refractory_s)
        self._speech = _Stream("speech", config.speech, 0.0)
        self._motion = _Stream("motion", config.motion, config.refractory_s)
        self._outcome = _Stream("outcome", config.outcome, 0.0)
        self._scenes = ScenePredictor(room_at, config.places)
        self._words = SpeechPredictor()
        self._wheels = MotionPredictor()
        self._ends = OutcomePredictor()

    def saw(self, observation: Observation, scene: Scene, pose: Pose | None) -> Weighed | None:
        """A frame and what vision read from it; ``pose`` is where it was captured, if known."""

        def look() -> Weighed:
            frame = observation.data if isinstance(observation.data, Frame) else None
            rgb = None if frame is None else frame.rgb
            camera = None if frame is None else frame.camera
            picture = None if rgb is None else thumbnail(rgb)
            signal = self._scenes.observe(scene, picture, pose, camera)

            def describe() -> tuple[str, dict[str, Any]]:
                return _seen(signal, scene), {
                    "source": observation.source,
                    "sequence": observation.sequence,
                    "pose": None if pose is None else [pose.x_m, pose.y_m, pose.yaw_rad],
                    "room": scene.room,
                    "room_probability": scene.room_probability,
                    "detections": [
                        {
                            "label": d.label,
                            "confidence": d.confidence,
                            "box_px": list(d.box_px),
                            "bearing_rad": d.bearing_rad,
                            "distance_m": d.distance_m,
                        }
                        for d in scene.detections
                    ],
                }

            text = sighting(scene, signal.because)
            return self._weigh(self._scene, observation.captured_s, signal, text, describe, rgb)

        return self._contained(self._scene, look)

    def heard(self, utterance: Utterance, meaning: Meaning | None = None) -> Weighed | None:
        """Words, and what language made of them; None where it made nothing."""

        def listen() -> Weighed:
            beliefs: tuple[float, ...] = ()
            if meaning is not None:
                understood = meaning.probability if meaning.known else 0.0
                beliefs = (_probability(utterance.confidence), _probability(understood))
            signal = self._words.observe(utterance.text, beliefs)

            text = f"heard {utterance.text or '(not understood)'!r}"

            def describe() -> tuple[str, dict[str, Any]]:
                return text, {
                    "text": utterance.text,
                    "confidence": utterance.confidence,
                    "recogniser": utterance.recogniser,
                    "form": None if meaning is None else list(meaning.form),
                    "probability": None if meaning is None else meaning.probability,
                }

            at_s = self._clock.now_s() if utterance.ended_s is None else utterance.ended_s
            return self._weigh(self._speech, at_s, signal, text, describe)

        return self._contained(self._speech, listen)

    def moved(self, observation: Observation, commanded: Twist) -> Weighed | None:
        """A reading of the wheels (``Odometry``), and the twist that was last executed."""

        def drive() -> Weighed:
            odometry: Odometry = observation.data
            signal = self._wheels.observe(observation.captured_s, odometry, commanded)

            def describe() -> tuple[str, dict[str, Any]]:
                pose = odometry.pose
                return signal.because or "moved as never before", {
                    "linear_m_s": odometry.linear_m_s,
                    "angular_rad_s": odometry.angular_rad_s,
                    "commanded": [commanded.linear_m_s, commanded.angular_rad_s],
                    "bumper": odometry.bumper,
                    "dead_reckoning": [pose.x_m, pose.y_m, pose.yaw_rad],
                }

            text = motion(odometry, signal.because)
            return self._weigh(self._motion, observation.captured_s, signal, text, describe)

        return self._contained(self._motion, drive)

    def ended(
        self,
        text: str,
        done: bool,
        *,
        seconds: float,
        told: str = "",
        probability: float | None = None,
        limit_s: float | None = None,
    ) -> Weighed | None:
        """A command is over.

        Args:
            text: the command.
            done: what became of it, as verified.
            seconds: how long it took.
            told: what the robot said of it.
            probability: what was believed of it beforehand: that it was understood, or would work.
            limit_s: how long it might have taken.
        """

        def judge() -> Weighed:
            used = seconds / limit_s if limit_s else 0.0
            believed = None if probability is None else _probability(probability)
            signal = self._ends.observe(text, done, believed, used)

            more = f": {told}" if told else ""
            over = f"{text!r} {'done' if done else 'failed'} after {seconds:.0f} s{more}"

            def describe() -> tuple[str, dict[str, Any]]:
                return over, {
                    "text": text,
                    "done": done,
                    "seconds": seconds,
                    "told": told,
                    "probability": probability,
                    "limit_s": limit_s,
                }

            return self._weigh(self._outcome, self._clock.now_s(), signal, over, describe)

        return self._contained(self._outcome, judge)

    def _contained(self, stream: _Stream, act: Callable[[], Weighed]) -> Weighed | None:
        try:
            with stream.lock:
                return act()
        except Exception:
            self.failures[stream.modality] += 1
            if self.failures[stream.modality] == 1:
                logger.exception("memory of %s failed; more of it is only counted", stream.modality)
            return None

    def _weigh(
        self,
        stream: _Stream,
        at_s: float,
        signal: Signal,
        text: str,
        describe: Callable[[], tuple[str, dict[str, Any]]],
        rgb: UInt8Array | None = None,
    ) -> Weighed:
        weighed = stream.snarc.score(signal)
        self._tell(stream, at_s, weighed)
        salient = weighed.salience >= self.config.keep_above and self._store is not None
        keep = salient and self._may_keep(stream, at_s)
        before = self.context.before(at_s) if keep else []
        self.context.add(at_s, stream.modality, weighed.salience, text)
        if keep:
            summary, payload = describe()
            payload["context"] = before
            self._keep(stream, at_s, signal, weighed, summary, payload, rgb)
        elif salient:
            self.passed_over += 1
        return weighed

    def _tell(self, stream: _Stream, at_s: float, weighed: Weighed) -> None:
        since_s = at_s - stream.told_s
        moved = abs(weighed.salience - stream.told) >= _TOLD_STEP
        least_s = self.config.tell_least_s if moved else self.config.tell_every_s
        if self._emit is None or since_s < least_s:
            return
        stream.told, stream.told_s = weighed.salience, at_s
        now_s = self._clock.now_s()
        scores = weighed.scores.as_dict()
        self._emit(Scored(now_s, stream.modality, weighed.salience, scores))

    def _may_keep(self, stream: _Stream, at_s: float) -> bool:
        with self._keeping:
            while self._kept_s and at_s - self._kept_s[0] > 60.0:
                self._kept_s.popleft()
            if at_s - stream.kept_s < stream.pause_s:
                return False
            if len(self._kept_s) >= self.config.per_minute:
                return False
            stream.kept_s = at_s
            self._kept_s.append(at_s)
            return True

    def _keep(
        self,
        stream: _Stream,
        at_s: float,
        signal: Signal,
        weighed: Weighed,
        summary: str,
        payload: Mapping[str, Any],
        rgb: UInt8Array | None,
    ) -> None:
        assert self._store is not None
        experience = Experience(
            at_s=at_s,
            wall_time=self._wall().isoformat(timespec="milliseconds"),
            modality=stream.modality,
            summary=summary,
            scores=weighed.scores,
            salience=weighed.salience,
            why=weighed.why,
            embedding=np.array(signal.embedding, dtype=np.float32),
            payload=payload,
        )

        def acknowledged(number: int) -> None:
            with self._keeping:
                self.acknowledged += 1
            if self._emit is not None:
                now_s, modality = self._clock.now_s(), experience.modality
                self._emit(Kept(now_s, number, modality, experience.salience, summary))

        self._store.keep(experience, rgb=rgb, on_acknowledged=acknowledged)
        with self._keeping:
            self.kept += 1


def _probability(value: float) -> float:
    return min(max(float(value), 0.0), 1.0)


def _seen(signal: Signal, scene: Scene) -> str:
    """One line for people."""
    if signal.because:
        where = f", in the {scene.room}" if scene.room else ""
        return f"{signal.because}{where}"
    things = ", ".join(dict.fromkeys(d.label for d in scene.detections)) or "nothing known"
    return f"a new view{f' of the {scene.room}' if scene.room else ''}: {things}"
