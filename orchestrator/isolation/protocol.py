"""What passes between the runtime and a plugin's process: typed messages, and when to spin.

The messages are small and go over a socket pair, one packet each; values lie in shared memory
(:mod:`orchestrator.isolation.shared`) and the messages say where.
"""

from __future__ import annotations

import os
import select
import time
from typing import Annotated, Literal, TypeAlias

import msgspec

PACKET_LIMIT_BYTES = 65536
SPIN_S = 50e-6 if len(os.sched_getaffinity(0)) > 1 else 0.0
"""How long to look for a message before sleeping on it.

A sleep and the wake-up from it cost some 30 us on each side, more than a quick step. So whoever
expects the next message within this time looks for it that long: never longer, only after the
last one came that quickly, and with the interpreter lock released, so that a slow plugin is never
spun on and the core is lost to nobody for longer than a wake-up takes.
"""

_Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
_Identity = Annotated[int, msgspec.Meta(ge=-1, le=2**53)]
_Text = Annotated[str, msgspec.Meta(max_length=4000)]


class _Message(
    msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False, forbid_unknown_fields=True
):
    """What all have in common: a tag that names the type, and no unknown fields."""


class Where(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where a value lies: the slot, how long its arrays are, how long its tree is (bytes)."""

    slot: _Count
    arrays: _Count
    tree: _Count


class Open(_Message, frozen=True):
    """First message: which plugin (``module:qualname`` and its arguments), found where."""

    factory: _Text
    arguments: Where
    search: list[str]
    memory_mb: float | None


class Move(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One refinement's step: from which state (-1: from its observation) to which.

    ``begun`` names the state that the observation gives; ``pair`` is where results go, -1 where
    there is no room for them.
    """

    refinement: _Identity
    pair: int
    begun: _Identity
    previous: _Identity
    following: _Identity


class Step(_Message, frozen=True):
    """Step these refinements, after forgetting what nobody holds any more.

    ``given`` holds (observation, context) of each that begins.
    """

    number: _Count
    sent_s: float
    moves: list[Move]
    given: Where | None
    forget_states: list[int]
    forget_refinements: list[int]


What: TypeAlias = Literal["init", "energy", "settled", "same", "result", "warm_start", "verify"]


class Ask(_Message, frozen=True):
    """Anything else: a question about these states, or a new state made of them."""

    number: _Count
    sent_s: float
    what: What
    states: list[int]
    given: Where | None


class Ready(_Message, frozen=True):
    """The plugin stands: what it declares, and which optional abilities it has."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    invariants: tuple[_Text, _Text, _Text, _Text]
    max_steps: int
    slope_eps: float
    window: int
    abilities: list[str]


class Moved(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a step gave: the energy, whether to stop, and the result where it is the best so far.

    ``complaint`` is what ``settled`` raised.
    """

    energy: float
    settled: str | None
    complaint: _Text
    result: Where | None


class Stepped(_Message, frozen=True):
    """All of these were stepped; it took that long."""

    number: _Count
    took_s: float
    moved: list[Moved]


class Answered(_Message, frozen=True):
    """The answer: a number, truth or word, or a value in shared memory."""

    number: _Count
    took_s: float
    plain: float | bool | str | None
    value: Where | None


class Failed(_Message, frozen=True):
    """The plugin raised; ``kind`` is the exception's class."""

    number: _Count
    took_s: float
    kind: _Text
    reason: _Text


Request: TypeAlias = Open | Step | Ask
Reply: TypeAlias = Ready | Stepped | Answered | Failed

pack = msgspec.msgpack.Encoder().encode
unpack_request = msgspec.msgpack.Decoder(Request).decode
unpack_reply = msgspec.msgpack.Decoder(Reply).decode


def wait(poll: select.poll, timeout_s: float, *, spin: bool) -> list[tuple[int, int]]:
    """What is ready, within that time: spin first where that is likely to be shorter."""
    if spin:
        until_s = time.perf_counter() + SPIN_S
        while time.perf_counter() < until_s:
            ready = poll.poll(0)
            if ready:
                return ready
    return poll.poll(max(0.0, timeout_s) * 1e3)
