"""One run of commands in one apartment, in virtual time: said or typed, carried out, judged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from models.vision.artifacts import random_weights
from orchestrator import LockStep, OrchestratorConfig
from orchestrator.config import FULL_ATP
from plugins.vision import VisionPlugin
from sage.build import RunConfig, Runtime, build
from sage.clock import VirtualClock
from sage.hearing import RATE_HZ
from sage.irp.errors import ConfigError
from sage.ontology import rooms_of
from sage.skills.grammar import parse
from sage.skills.intent import Declined, Intent
from sage.worlds.apartment.judge import judge
from sage.worlds.apartment.voices import FOLDER, recordings

Sight = Literal["trained", "none", "random"]

_SETTLE_S = 1.0
_STOP_AFTER_S = 2.0
_UNHEARD_S = 3.0
SPOKEN = (
    "go", "approach", "find", "count", "elsewhere", "stop", "approach", "find", "count", "declined",
    "return",
)  # fmt: skip
REFUSED = ("declined", "elsewhere")


@dataclass(frozen=True, slots=True)
class Speech:
    """What is spoken: the kinds of command, in their order, by the voices of a folder."""

    kinds: tuple[str, ...] = SPOKEN
    voices: Path = FOLDER


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


def spoken_for(
    seed: int, truth: Any, rooms: Sequence[str], speech: Speech
) -> list[tuple[str, str]]:
    """(kind, text) of recorded commands about what is really there; some are to be declined.

    A command to stop is spoken while the robot drives to a room. ConfigError where the folder of
    voices has too few sentences of a kind that fit this apartment.
    """
    rng = np.random.default_rng([seed, 20183])
    things = {thing.name for thing in truth.objects}
    pieces = {(piece.name, piece.room) for piece in truth.furniture}

    def fits(text: str) -> bool:
        intent = parse(text)
        if not isinstance(intent, Intent):
            return False
        if intent.kind == "approach":
            return any(
                intent.target == name and intent.room in (None, room) for name, room in pieces
            )
        if intent.kind == "find":
            return intent.room is None and intent.target in things
        if intent.kind == "count" and intent.location is not None:
            return (intent.location, intent.room) in pieces
        return intent.target is None or intent.kind != "go" or intent.target in rooms

    texts: dict[str, list[str]] = {}
    for item in recordings(speech.voices):
        known = texts.setdefault(item.kind, [])
        if item.text not in known and (item.kind in REFUSED or fits(item.text)):
            known.append(item.text)
    drawn = {kind: [known[n] for n in rng.permutation(len(known))] for kind, known in texts.items()}
    plan = []
    for kind in speech.kinds:
        if not drawn.get(kind):
            raise ConfigError(
                f"{speech.voices} has {len(texts.get(kind, ()))} sentences of the kind {kind!r} "
                f"that fit apartment {seed}, {speech.kinds.count(kind)} needed; add recordings, or "
                f"take fewer --commands"
            )
        plan.append((kind, drawn[kind].pop()))
    return plan


def run_seed(
    seed: int,
    sight: Sight,
    count: int,
    limit_s: float,
    speech: Speech | None,
    budget: float = 1.0,
) -> list[Tried]:
    """All commands of one apartment, one after the other: ``count`` typed, or the spoken ones."""
    logging.basicConfig(level=logging.ERROR)
    clock = VirtualClock()
    config = RunConfig(
        camera=f"sim:apartment?seed={seed}&frame_hz=10",
        mic="none:" if speech is None else f"sim:apartment?seed={seed}",
        command_limit_s=limit_s,
        orchestrator=OrchestratorConfig(pool_atp=FULL_ATP * budget),
    )
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
        commands, tell = (
            (commands_for(self._seed, truth, rooms, count), self._type)
            if self._speech is None
            else (spoken_for(self._seed, truth, rooms, self._speech), self._speak)
        )
        tried = []
        for kind, text in commands:
            if self._sight != "trained" and kind not in ("approach", "find"):
                continue
            tried.append(self._try(kind, text, tell))
        return tried

    def _try(self, kind: str, text: str, tell: Callable[[str], bool]) -> Tried:
        clock = self._clock
        began_s, bumps = clock.now_s(), self.world.truth().collisions.total
        stops = text if parse_kind(text) == "stop" else "stop"
        if kind == "stop":
            self.agent.hear("go to the kitchen" if stops == text else text)
            self._go_on(_STOP_AFTER_S)
            heard = tell(stops)
        else:
            heard = tell(text)
        ends_s = clock.now_s() + self._limit_s + 1.0
        self._driver.run_until(ends_s, done=lambda: self.agent.idle)
        report = self.agent.reports[-1]
        self._go_on(0.5)
        self._runtime.telemetry.flush()
        truth = self.world.truth()
        wanted = parse(stops if kind == "stop" else text)
        if not heard:
            done, why = False, "it was not heard"
        elif isinstance(wanted, Declined):
            done, why = report.intent is None, report.verdict.text
        elif report.intent is None or report.intent.kind != wanted.kind:
            did = report.intent.phrase if report.intent is not None else report.verdict.text
            done, why = False, f"heard {report.text!r}: {did}"
        else:
            done, why = judge(replace(report, intent=wanted), truth, self.body.start)
            done = done and report.verdict.done
        if kind == "stop" and heard:
            self._go_on(1.0)
            moved_m = self.world.truth().robot.distance_to(truth.robot.x_m, truth.robot.y_m)
            done = done and moved_m < 0.05
            why = f"{why}; moved {moved_m:.2f} m in the second after"
        return Tried(
            self._seed,
            self._sight,
            kind,
            text,
            done,
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


def parse_kind(text: str) -> str | None:
    """The kind of what a command asks for; None where nobody can do it."""
    intent = parse(text)
    return intent.kind if isinstance(intent, Intent) else None
