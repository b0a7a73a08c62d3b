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
    """An observation never became a refinement: ``reason`` says why (superseded, stale, ...)."""

    at_s: float
    plugin: str
    reason: str
    captured_s: float


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


class Task(NamedTuple):
    """A command changed its ``phase``: heard, understood, declined, started, done, failed."""

    at_s: float
    command: int
    phase: str
    text: str


Event: TypeAlias = StepRecord | Admitted | Finished | Dropped | Health | Cycle | Saw | Moved | Task
