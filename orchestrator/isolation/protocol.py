"""What passes between the runtime and a plugin's process: typed messages, and how to wait for them.

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
SPIN_S = 150e-6 if len(os.sched_getaffinity(0)) > 1 else 0.0
"""How long to look for a message at most before sleeping on it."""
_MOST_SKIPPED = 256

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

    ``begun`` names the state that the observation gives; ``place`` is where results go, -1 where
    there is no room for them.
    """

    refinement: _Identity
    place: int
    begun: _Identity
    previous: _Identity
    following: _Identity


class Step(_Message, frozen=True):
    """Step these refinements, after forgetting what nobody holds any more.

    ``given`` holds observation and context (None where it is empty) of each that begins.
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
    """All of these were stepped; it took that long, and arrays in these slots are still read."""

    number: _Count
    took_s: float
    held: list[int]
    moved: list[Moved]


class Answered(_Message, frozen=True):
    """The answer: a number, truth or word, or a value in shared memory."""

    number: _Count
    took_s: float
    held: list[int]
    plain: float | bool | str | None
    value: Where | None


class Failed(_Message, frozen=True):
    """The plugin raised; ``kind`` is the exception's class."""

    number: _Count
    took_s: float
    held: list[int]
    kind: _Text
    reason: _Text


Request: TypeAlias = Open | Step | Ask
Reply: TypeAlias = Ready | Stepped | Answered | Failed

pack = msgspec.msgpack.Encoder().encode
unpack_request = msgspec.msgpack.Decoder(Request).decode
unpack_reply = msgspec.msgpack.Decoder(Reply).decode


class Waiter:
    """Waits for the other side, and spins only where that is likely to pay.

    Falling asleep and being woken costs some 30 us on each side, and cold caches after it: more
    than a quick step. So whoever expects a message within ``SPIN_S`` looks for it that long, with
    the interpreter lock released. A slow plugin is never spun on. Where the core is wanted by
    others, spinning holds up the very message that it waits for (and yielding it would cost a
    whole time slice, where being woken costs none): each time that none came, twice as many waits
    (up to 256) go to sleep at once before the next attempt.
    """

    def __init__(self, *files: int) -> None:
        self._poll = select.poll()
        for file in files:
            self._poll.register(file, select.POLLIN)
        self._misses = 0
        self._skip = 0

    def forget(self, file: int) -> None:
        """Wait for that one no longer; KeyError where it was not waited for."""
        self._poll.unregister(file)

    def wait(self, timeout_s: float, expected_s: float) -> list[tuple[int, int]]:
        """What is ready within that time; it is expected after ``expected_s``."""
        poll = self._poll.poll
        if expected_s < SPIN_S:
            if self._skip:
                self._skip -= 1
            else:
                until_s = time.perf_counter() + SPIN_S
                while time.perf_counter() < until_s:
                    ready = poll(0)
                    if ready:
                        self._misses = 0
                        return ready
                self._misses += 1
                self._skip = min(2**self._misses, _MOST_SKIPPED)
        return poll(max(0.0, timeout_s) * 1e3)
