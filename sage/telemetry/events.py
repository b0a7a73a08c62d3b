"""The typed events that SAGE tells about itself: plain records, times in clock seconds."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from sage.irp.trajectory import StepRecord, Trajectory
from sage.values import Effect, Scene


class Admitted(NamedTuple):
    """An observation became a refinement on a lane."""

    at_s: float
    plugin: str
    lane: str
    refinement: int
    captured_s: float
    granted_atp: float


class Finished(NamedTuple):
    """A refinement ended.

    ``granted_atp - spent_atp`` is what it freed for others that were running on its lane; with
    nobody there to have it, the rest of its grant lapses and is in neither figure.
    """

    at_s: float
    plugin: str
    lane: str
    refinement: int
    captured_s: float
    trajectory: Trajectory
    granted_atp: float
    spent_atp: float
    trust: float


class Dropped(NamedTuple):
    """An observation never became a refinement: ``reason`` says why (superseded, shed, ...)."""

    at_s: float
    plugin: str
    reason: str
    captured_s: float


class Credited(NamedTuple):
    """It turned out what a refinement's result was worth downstream: ``value`` in [0, 1].

    0 misled, 1 did all that was hoped for; ``trust`` is the plugin's afterwards.
    """

    at_s: float
    plugin: str
    refinement: int
    value: float
    trust: float


class Health(NamedTuple):
    """A plugin's state changed: ``active``, ``backing_off``, ``quarantined``; and why."""

    at_s: float
    plugin: str
    state: str
    detail: str


class Cycle(NamedTuple):
    """A cycle began (``number`` counts from 0): what the last one spent of ``pool_atp``."""

    at_s: float
    number: int
    pool_atp: float
    spent_atp: float
    trust: dict[str, float]


class Saw(NamedTuple):
    """Vision read a scene."""

    at_s: float
    scene: Scene


class Moved(NamedTuple):
    """An effector did something; ``Effect.captured_s`` is the observation that led to it."""

    at_s: float
    effect: Effect


class Heard(NamedTuple):
    """The ears made words of speech; ``text`` is empty where nothing in it was recognised.

    ``began_s`` and ``ended_s`` are the first and the last sound of it, ``confidence`` is in [0, 1].
    """

    at_s: float
    text: str
    confidence: float
    began_s: float
    ended_s: float
    recogniser: str


class Parsed(NamedTuple):
    """Language read the command: ``form`` is a logical form, ``probability`` that it is right."""

    at_s: float
    command: int
    refinement: int
    text: str
    form: tuple[str, ...]
    probability: float


class Scored(NamedTuple):
    """Memory weighed something: SNARC ``scores`` by name and the combined ``salience``."""

    at_s: float
    modality: str
    salience: float
    scores: dict[str, float]


class Kept(NamedTuple):
    """Memory keeps it for good: ``experience`` is its number in the store."""

    at_s: float
    experience: int
    modality: str
    salience: float
    summary: str


class Task(NamedTuple):
    """A command changed its ``phase``: heard, understood, declined, started, done, failed."""

    at_s: float
    command: int
    phase: str
    text: str


Event: TypeAlias = (
    StepRecord
    | Admitted
    | Finished
    | Dropped
    | Credited
    | Health
    | Cycle
    | Saw
    | Moved
    | Heard
    | Parsed
    | Scored
    | Kept
    | Task
)
