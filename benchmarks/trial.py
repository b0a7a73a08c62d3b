"""One run of commands in one apartment, in virtual time: said or typed, carried out, judged."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from benchmarks.spoken import (
    KINDS,
    REFUSED,
    SAY_AGAIN,
    STANDS_WITHIN_M,
    STOP_AFTER_S,
    Command,
    Script,
    There,
    done,
    names_place,
)
from models.vision.artifacts import random_weights
from orchestrator import LockStep, OrchestratorConfig
from orchestrator.config import FULL_ATP
from plugins.vision import VisionPlugin
from sage.build import RunConfig, Runtime, build
from sage.clock import VirtualClock
from sage.hearing import RATE_HZ
from sage.irp.errors import ConfigError
from sage.ontology import rooms_of
from sage.skills.agent import Report
from sage.skills.body import Verdict
from sage.skills.grammar import parse
from sage.skills.intent import Intent
from sage.worlds.apartment.judge import Judgement, judge
from sage.worlds.apartment.truth import Truth
from sage.worlds.apartment.voices import FOLDER, recordings

Sight = Literal["trained", "none", "random", "go only"]
"""With what a run sees; ``go only`` drives to the first place that a command names, and no more."""

_SETTLE_S = 1.0
_UNHEARD_S = 3.0
_ASKED_BACK_S = 15.0


@dataclass(frozen=True, slots=True)
class Speech:
    """The script of 20 kinds: which of them, how they are said, and who hears them."""

    kinds: tuple[str, ...] = (*KINDS, *REFUSED)
    voices: Path = FOLDER
    aloud: bool = True
    """Played into the microphone; else typed."""
    recogniser: str | None = None
    """By name; None: the runtime's own default."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One command and what became of it."""

    seed: int
    sight: Sight
    kind: str
    text: str
    done: bool
    claimed: bool
    why: str
    took_s: float
    collisions: int
    budget: float = 1.0
    """Of the lanes' time, how much the cycles granted."""
    deaf: bool = False
    """Whether it passes for done where nobody hears it, and so nothing ever moved."""
    repeated: bool = False
    """Whether the robot asked to hear a part of it again, or heard nothing of it at first."""
    heard: str = ""
    """What was heard of it last."""


def commands_for(seed: int, truth: Any, rooms: Sequence[str], count: int) -> list[tuple[str, str]]:
    """(kind, text) of the commands of one apartment: things that are really there."""
    rng = np.random.default_rng([seed, 20181])
    pieces = [truth.furniture[index] for index in rng.permutation(len(truth.furniture))]
    # Two rooms have a sink or a cabinet; who does not say which is asked back.
    furniture = [
        f"{piece.name} in the {piece.room}" if len(rooms_of(piece.name)) > 1 else piece.name
        for piece in pieces
    ]
    things = [str(name) for name in rng.permutation([thing.name for thing in truth.objects])]
    places = [str(name) for name in rng.permutation(rooms)]
    plan = [
        ("go", f"go to the {places[0]}"),
        ("approach", f"go to the {furniture[0]}"),
        ("find", f"find the {things[0]}"),
        ("stop", f"go to the {places[1]}"),
        ("approach", f"drive to the {furniture[1]}"),
        ("find", f"look for the {things[1]}"),
        ("go", f"move to the {places[2]}"),
        ("return", "come back"),
    ]
    return plan[:count]


def run_seed(
    seed: int,
    sight: Sight,
    count: int,
    limit_s: float,
    speech: Speech | None,
    budget: float = 1.0,
) -> list[Tried]:
    """All commands of one apartment, one after the other: ``count`` typed, or the script."""
    logging.basicConfig(level=logging.ERROR)
    clock = VirtualClock()
    config = RunConfig(
        camera=f"sim:apartment?seed={seed}&frame_hz=10",
        mic=f"sim:apartment?seed={seed}" if speech is not None and speech.aloud else "none:",
        command_limit_s=limit_s,
        orchestrator=OrchestratorConfig(pool_atp=FULL_ATP * budget),
    )
    if speech is not None and speech.recogniser is not None:
        config = replace(config, recogniser=speech.recogniser)
    weights = random_weights(seed) if sight == "random" else None
    runtime = build(
        config,
        clock=clock,
        lockstep=True,
        vision=lambda: VisionPlugin(config.vision, weights),
        see=sight != "none",
    )
    try:
        tried = Trial(runtime, clock, seed, sight, limit_s, speech).run(count)
        return [replace(item, budget=budget) for item in tried]
    finally:
        runtime.close()


_UNHEARD: Judgement = (False, "it was not heard")


class Trial:
    """One apartment, and the commands that are tried in it."""

    def __init__(
        self,
        runtime: Runtime,
        clock: VirtualClock,
        seed: int,
        sight: Sight,
        limit_s: float,
        speech: Speech | None,
    ) -> None:
        assert runtime.body is not None
        assert runtime.world is not None
        self.agent, self.body, self.world = runtime.agent, runtime.body, runtime.world
        self._runtime, self._clock = runtime, clock
        self._seed, self._sight, self._limit_s = seed, sight, limit_s
        self._speech = speech
        self._repeated = False
        self._random = np.random.default_rng([seed, 20185])
        self._driver = LockStep(
            runtime.orchestrator, clock, lambda dt_s: runtime.pump(clock.now_s() + dt_s)
        )

    def run(self, count: int) -> list[Tried]:
        """Every command, in its order."""
        self._runtime.begin()
        self._go_on(_SETTLE_S)
        rooms = [room.name for room in self.body.static_map.rooms]
        truth = self.world.truth()
        if self._speech is not None:
            return self._run_script(self._speech, truth, rooms)
        tried = []
        for kind, text in commands_for(self._seed, truth, rooms, count):
            if self._sight != "trained" and kind not in ("approach", "find"):
                continue
            tried.append(self._try(kind, text))
        return tried

    def _run_script(self, speech: Speech, first: Truth, rooms: Sequence[str]) -> list[Tried]:
        """The script's commands, each drawn by what is there when it is said."""
        script = Script(self._seed, speech.voices)
        ordered = [kind for kind in (*KINDS, *REFUSED) if kind in speech.kinds]
        tried = []
        for kind in ordered:
            try:
                command = script.command(kind, There(self.world.truth(), rooms))
            except ConfigError as error:
                text = f"({kind})"
                tried.append(
                    Tried(self._seed, self._sight, kind, text, False, False, str(error), 0.0, 0)
                )
                continue
            began_s, bumps = self._clock.now_s(), self.world.truth().collisions.total
            known, self._repeated = len(self.agent.reports), False
            heard = self._say(command)
            self._until_idle(self._limit_s + 1.0)
            self._go_on(0.5)
            self._runtime.telemetry.flush()
            reports, truth = self.agent.reports[known:], self.world.truth()
            right, why = self._judged(command, reports, truth) if heard else _UNHEARD
            passes, _ = done(command, [_claim(command)], first, self.body.start)
            tried.append(
                Tried(
                    self._seed,
                    self._sight,
                    kind,
                    command.text,
                    right,
                    bool(reports) and reports[-1].verdict.done,
                    f"{reports[-1].verdict.text}; {why}" if reports else why,
                    self._clock.now_s() - began_s,
                    truth.collisions.total - bumps,
                    repeated=self._repeated,
                    deaf=passes and kind != "stop",
                    heard=reports[-1].text if reports else "",
                )
            )
        return tried

    def _judged(self, command: Command, reports: Sequence[Report], truth: Truth) -> Judgement:
        if self._sight == "go only":
            reports = [_claim(command)]
        right, why = done(command, reports, truth, self.body.start)
        if command.kind == "stop":
            self._go_on(1.0)
            moved_m = self.world.truth().robot.distance_to(truth.robot.x_m, truth.robot.y_m)
            right = right and moved_m < STANDS_WITHIN_M
            why = f"{why}; moved {moved_m:.2f} m in the second after"
        return right, why

    def _say(self, command: Command) -> bool:
        """Say all of a command's sentences, each when it is due; whether all were heard."""
        for number, sentence in enumerate(command.says):
            if number and command.kind in ("stop", "correction"):
                self._go_on(STOP_AFTER_S)
            elif number:
                self._until_idle(_ASKED_BACK_S)
                self._go_on(0.5)
            known = len(self.agent.reports)
            heard = self._tell(sentence.text)
            if command.wanted is not None and not (heard and self._is_taken_in(known)):
                self._repeated = True
                heard = self._tell(sentence.text)
            if not heard:
                return False
        return True

    def _is_taken_in(self, known: int) -> bool:
        """Whether the robot does not ask to hear it again."""
        reports = self.agent.reports[known:]
        return not any(r.intent is None and SAY_AGAIN in r.verdict.text for r in reports)

    def _tell(self, text: str) -> bool:
        assert self._speech is not None
        if self._sight == "go only":
            if (name := names_place(text)) is not None:
                self.agent.hear(f"go to the {name}")
            return True
        return self._speak(text) if self._speech.aloud else self._type(text)

    def _until_idle(self, most_s: float) -> None:
        self._driver.run_until(self._clock.now_s() + most_s, done=lambda: self.agent.idle)

    def _try(self, kind: str, text: str) -> Tried:
        clock = self._clock
        began_s, bumps = clock.now_s(), self.world.truth().collisions.total
        self.agent.hear(text)
        if kind == "stop":
            self._go_on(STOP_AFTER_S)
            self.agent.hear("stop")
        ends_s = clock.now_s() + self._limit_s + 1.0
        self._driver.run_until(ends_s, done=lambda: self.agent.idle)
        report = self.agent.reports[-1]
        self._go_on(0.5)
        self._runtime.telemetry.flush()
        truth = self.world.truth()
        wanted = parse("stop" if kind == "stop" else text)
        assert isinstance(wanted, Intent)
        if report.intent is None or report.intent.kind != wanted.kind:
            did = report.intent.phrase if report.intent is not None else report.verdict.text
            right, why = False, f"heard {report.text!r}: {did}"
        else:
            right, why = judge(replace(report, intent=wanted), truth, self.body.start)
            right = right and report.verdict.done
        if kind == "stop":
            self._go_on(1.0)
            moved_m = self.world.truth().robot.distance_to(truth.robot.x_m, truth.robot.y_m)
            right = right and moved_m < STANDS_WITHIN_M
            why = f"{why}; moved {moved_m:.2f} m in the second after"
        return Tried(
            self._seed,
            self._sight,
            kind,
            text,
            right,
            report.verdict.done,
            why if report.verdict.done else f"{report.verdict.text}; {why}",
            report.ended_s - began_s,
            truth.collisions.total - bumps,
        )

    def _type(self, text: str) -> bool:
        self.agent.hear(text)
        return True

    def _speak(self, text: str) -> bool:
        """Play a recording of it, in a voice drawn by the seed; whether anything was heard."""
        assert self._speech is not None
        takes = [item for item in recordings(self._speech.voices) if item.text == text]
        take = takes[self._random.integers(len(takes))]
        speaker = self._runtime.listening.loudspeaker
        assert speaker is not None
        before: list[int] = []
        hooks = self._runtime.on_heard
        hooks.append(lambda number, said: before.append(number))
        until_s = speaker.play(take.samples(), RATE_HZ) + take.duration_s + _UNHEARD_S
        self._driver.run_until(until_s, done=lambda: bool(before))
        hooks.pop()
        return bool(before)

    def _go_on(self, seconds: float) -> None:
        self._driver.run_until(self._clock.now_s() + seconds)


def _claim(command: Command) -> Report:
    """The report of a robot that claims to have done what was asked."""
    return Report(0, command.text, command.wanted, Verdict(True, ""), 0.0, 0.0)
