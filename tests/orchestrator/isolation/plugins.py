"""Plugins that run in processes of their own, and the ways in which they go wrong there."""

from __future__ import annotations

import ctypes
import importlib
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sage.irp import Context, HaltPolicy, HaltReason, IRPPlugin, ModelError
from tests.doubles import INVARIANTS

Picture = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Glance:
    """A third party's own observation."""

    captured_s: float
    picture: Picture
    fails: str = ""
    at_step: int = 0


@dataclass(frozen=True, slots=True)
class Look:
    """Its state: the picture grows darker step by step."""

    picture: Picture
    steps: int
    glance: Glance


@dataclass(frozen=True, slots=True)
class Seen:
    """Its answer."""

    picture: Picture
    steps: int
    pid: int


class Darken(IRPPlugin[Look, Seen]):
    """Takes one from every pixel in each step; goes wrong as its observation says."""

    name = "darken"
    invariants = INVARIANTS
    halting = HaltPolicy(max_steps=6, slope_eps=0.0)

    def __init__(self, least: int = 0) -> None:
        self.least = least

    def init_state(self, observation: Glance, context: Context) -> Look:
        return Look(observation.picture, 0, observation)

    def step(self, state: Look) -> Look:
        if state.glance.fails and state.steps == state.glance.at_step:
            FAILURES[state.glance.fails]()
        if not (state.picture > self.least).any():
            return state
        darker = np.where(state.picture > self.least, state.picture - 1, state.picture)
        return Look(darker.astype(state.picture.dtype), state.steps + 1, state.glance)

    def energy(self, state: Look) -> float:
        if state.glance.fails == "nan" and state.steps == state.glance.at_step + 1:
            return float("nan")
        return float(state.picture.mean())

    def result(self, state: Look) -> Seen:
        return Seen(state.picture, state.steps, os.getpid())


class Able(Darken):
    """With every optional ability."""

    name = "able"

    def settled(self, previous: Look, state: Look) -> HaltReason | None:
        return HaltReason.STABLE if state.steps == 3 else None

    def warm_start(self, state: Look, recalled: Any) -> Look:
        return Look(np.asarray(recalled), state.steps, state.glance)

    def step_batch(self, states: Sequence[Look]) -> Sequence[Look]:
        return [self.step(state) for state in states]

    def verify(self, result: Seen) -> bool:
        return result.steps > 1


class Broken(Darken):
    """Cannot be made."""

    def __init__(self, how: str) -> None:
        if how == "model":
            raise ModelError("weights are gone; run sage models")
        if how == "exit":
            os._exit(3)
        if how == "hang":
            time.sleep(60.0)
        raise ValueError("never made")


class Drawing(Darken):
    """Its answer is what it draws."""

    name = "drawing"

    def result(self, state: Look) -> Any:
        return int(np.random.randint(2**31)), random.randrange(2**31)


class Placed(Darken):
    """Can be made only where the runtime is, with its environment."""

    def __init__(self, directory: str, value: str | None) -> None:
        assert os.getcwd() == directory, os.getcwd()
        assert os.environ.get("PLACED") == value, os.environ.get("PLACED")
        super().__init__()


ONLY_THERE = """
from dataclasses import dataclass

@dataclass
class Found:
    where: str
"""


class ImportsThere(Darken):
    """Its answer is of a class that is imported when it is first wanted."""

    name = "imports_there"

    def result(self, state: Look) -> Any:
        return importlib.import_module("only_there").Found("there")


class Nameless(IRPPlugin[Look, Seen]):
    """Has all that a plugin has but a name."""

    invariants = INVARIANTS
    halting = HaltPolicy(max_steps=6, slope_eps=0.0)
    init_state = Darken.init_state
    step = Darken.step
    energy = Darken.energy
    result = Darken.result


def named(name: Any) -> Darken:
    """One whose name was set by hand."""
    plugin = Darken()
    plugin.name = name  # type: ignore[misc]
    return plugin


def no_plugin() -> int:
    return 3


def crash() -> None:
    ctypes.string_at(0)


def hold_lock() -> None:
    """A loop in C that never releases the interpreter lock."""
    ctypes.PyDLL(None).sleep(60)


def spin_in_c() -> None:
    sum(range(10**12))


def exhaust() -> None:
    kept = []
    while True:
        kept.append(np.ones(4_000_000))


def raise_value() -> None:
    raise ValueError("too dark to see")


def write_and_exit() -> None:
    sys.stderr.write("the camera is on fire\n")
    sys.stderr.flush()
    os._exit(7)


FAILURES: dict[str, Callable[[], None]] = {
    "hang": lambda: time.sleep(60.0),
    "crash": crash,
    "abort": lambda: os.kill(os.getpid(), signal.SIGABRT),
    "lock": hold_lock,
    "spin": spin_in_c,
    "memory": exhaust,
    "raise": raise_value,
    "exit": write_and_exit,
    "sysexit": lambda: sys.exit(5),
    "nan": lambda: None,
}


def lying(packet: bytes) -> Darken:
    """A plugin that took over its process and answers whatever it is asked with this packet."""
    from orchestrator.isolation import child

    def answer(link: Any, reply: Any) -> None:
        link._connection.send(packet) if packet else link._connection.close()

    def ready(self: Any) -> None:
        child._Link.send = answer  # type: ignore[method-assign]
        serve(self)

    serve = child._Server.serve
    child._Server.serve = ready  # type: ignore[method-assign]
    return Darken()
