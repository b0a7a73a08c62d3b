"""Everything that a run can be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from memory.remember import MemoryConfig
from orchestrator import OrchestratorConfig, SafetyLimits
from plugins.control import ControlConfig, ControlPlugin
from plugins.detection import DetectionConfig, DetectionPlugin
from plugins.language import LanguageConfig, LanguagePlugin
from plugins.vision import VisionConfig, VisionPlugin
from sage.hearing.endpoint import EarsConfig
from sage.irp import ConfigError
from sage.voice import check_voice

ParserName = Literal["language", "grammar"]
PARSERS: tuple[ParserName, ...] = get_args(ParserName)
Isolation = Literal["thread", "process"]


@dataclass(frozen=True, slots=True)
class RunConfig:
    """Everything that a run can be told; the same names serve as keys of ``--config``.

    Attributes:
        camera: URI of the source.
        robot: URI of the effector; ``sim:`` with the apartment and ``none:`` otherwise.
        mic: URI of the microphone; ``sim:`` with the apartment and ``none:`` otherwise.
        recogniser: who makes words of speech, by name; ``auto`` is Whisper where it is installed
            and PocketSphinx elsewhere.
        voice: who says aloud what the robot tells, by name; ``auto`` is what is installed. By
            default ``auto`` where a real microphone listens, and ``none`` elsewhere.
        parser: who makes sense of words: the language plugin, or the rule grammar.
        plugins: names of installed third-party plugins that see the camera too.
        isolation: by plugin name, whether it runs in a thread (the default) or in a process of
            its own, which may hang, crash or keep the interpreter without harm to the others.
        state_dir: where trust and memory are kept between runs; null keeps nothing.
        detection: a detector of one's own, in the file ``model``, sees in place of vision.
        command_limit_s: a command that takes longer is given up.
    """

    camera: str = "sim:apartment"
    robot: str | None = None
    mic: str | None = None
    recogniser: str = "auto"
    voice: str | None = None
    parser: ParserName = "language"
    plugins: tuple[str, ...] = ()
    isolation: dict[str, Isolation] = field(default_factory=dict)
    state_dir: str | None = None
    command_limit_s: float = 240.0
    orchestrator: OrchestratorConfig = field(default_factory=OrchestratorConfig)
    limits: SafetyLimits = field(default_factory=SafetyLimits)
    vision: VisionConfig = field(default_factory=VisionConfig)
    detection: DetectionConfig = field(default_factory=DetectionConfig)
    control: ControlConfig = field(default_factory=ControlConfig)
    hearing: EarsConfig = field(default_factory=EarsConfig)
    language: LanguageConfig = field(default_factory=LanguageConfig)
    memory: MemoryConfig = field(default_factory=MemoryConfig)

    def __post_init__(self) -> None:
        if not 1.0 <= self.command_limit_s <= 3600.0:
            raise ConfigError(
                f"command_limit_s must lie in [1, 3600] s, got {self.command_limit_s}"
            )
        if self.voice is not None:
            check_voice(self.voice)
        if self.parser not in PARSERS:
            raise ConfigError(f"parser {self.parser!r} is none of {', '.join(PARSERS)}")
        self._check_isolation(self.isolation)

    def _check_isolation(self, isolation: Mapping[str, str]) -> None:
        read = (LanguagePlugin.name,) if self.parser == "language" else ()
        sees = DetectionPlugin.name if self.detection.model else VisionPlugin.name
        known = (sees, ControlPlugin.name, *read, *self.plugins)
        for name, tier in isolation.items():
            if name == DetectionPlugin.name == sees and tier == "process":
                raise ConfigError(
                    "isolation of 'detection' is 'process': what it knows of the last frame stays "
                    "in its thread; valid: thread"
                )
            if name not in known:
                raise ConfigError(
                    f"isolation of {name!r}: this run has no such plugin; it has {', '.join(known)}"
                )
            if tier not in get_args(Isolation):
                raise ConfigError(f"isolation of {name!r} is {tier!r}; valid: thread, process")
