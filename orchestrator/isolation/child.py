"""The process of a plugin: it serves one runtime and ends with it."""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import math
import os
import resource
import socket
import sys
import time
import traceback
import weakref
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.isolation import protocol
from orchestrator.isolation.codec import Bytes, CodecError, Decoder, Extent, encode
from orchestrator.isolation.protocol import (
    Answered,
    Ask,
    Failed,
    Move,
    Moved,
    Open,
    Ready,
    Reply,
    Request,
    Step,
    Stepped,
    Where,
)
from orchestrator.isolation.shared import ANSWER, SharedSlots
from sage.irp.errors import PluginError, SageError
from sage.irp.halting import HaltReason
from sage.irp.plugin import IRPPlugin
from sage.irp.refine import unchanged

ABILITIES = ("settled", "warm_start", "step_batch", "verify")
_MOST_SETTLED = (None, HaltReason.FEASIBLE, HaltReason.STABLE)


def main(channel: int, memory: int, slot_bytes: int, kept: int) -> int:
    """Serve a socket, with shared memory for so many refinements; the exit status."""
    faulthandler.enable()
    np.random.seed()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump would take longer than a restart
    with contextlib.suppress(OSError):  # if the machine runs out of memory, rather us
        Path("/proc/self/oom_score_adj").write_text("500")
    slots = SharedSlots(memory, slot_bytes, kept)
    os.close(memory)
    with socket.socket(fileno=channel) as connection:
        link = _Link(connection, slots)
        try:
            plugin = _open(link)
            if plugin is None:
                return 2
            _Server(link, plugin).serve()
        except (EOFError, ConnectionError):
            pass
    return 0


class _Link:
    """This process's end of the connection."""

    def __init__(self, connection: socket.socket, slots: SharedSlots) -> None:
        self.slots = slots
        self._connection = connection
        self._waiter = protocol.Waiter(connection.fileno())
        self._decoder = Decoder(imports=True)
        self._expected_s = math.inf
        self._replied_s = -math.inf
        self._received_s = 0.0
        self._leases: dict[int, weakref.ref[Bytes]] = {}

    def receive(self) -> Request:
        self._waiter.wait(3600.0, self._expected_s)
        packet = self._connection.recv(protocol.PACKET_LIMIT_BYTES)
        if not packet:
            raise EOFError
        self._received_s = time.perf_counter()
        request: Request = protocol.unpack_request(packet)
        if not isinstance(request, Open):
            self._expected_s = request.sent_s - self._replied_s
        return request

    def send(self, reply: Reply) -> None:
        self._connection.send(protocol.pack(reply))
        self._replied_s = time.perf_counter()

    @property
    def took_s(self) -> float:
        """Since the request came."""
        return time.perf_counter() - self._received_s

    def value(self, where: Where | None) -> Any:
        """What the runtime laid down; arrays in a leased slot are read where they lie."""
        assert where is not None
        slot, extent = self.slots[where.slot], Extent(where.arrays, where.tree)
        if not where.arrays or where.slot not in self.slots.leased:
            return self._decoder.decode(slot, extent)
        # All views of it have this very array as their base: it lives as long as any of them.
        lying = np.frombuffer(slot.data[: where.arrays], np.uint8)
        self._leases[where.slot] = weakref.ref(lying)
        return self._decoder.decode(slot, extent, lying)

    def held(self) -> list[int]:
        """The slots whose arrays are still in use."""
        leases = self._leases
        for slot in [slot for slot, lease in leases.items() if lease() is None]:
            del leases[slot]
        return list(leases)

    def put(self, value: Any, slot: int) -> Where:
        arrays, tree = encode(value, self.slots[slot])
        return Where(slot, arrays, tree)


def _open(link: _Link) -> IRPPlugin[Any, Any] | None:
    request = link.receive()
    if not isinstance(request, Open):
        return None
    try:
        plugin = _make(request, link)
        link.send(_ready(plugin))
    except Exception as error:
        link.send(Failed(0, 0.0, [], type(error).__name__, _described(error)))
        return None
    if request.memory_mb is not None:
        _limit_memory(request.memory_mb)
    return plugin


def _make(request: Open, link: _Link) -> IRPPlugin[Any, Any]:
    positional, named, environment, directory = link.value(request.arguments)
    sys.path[:] = request.search
    os.environb.clear()
    os.environb.update(environment)
    with contextlib.suppress(OSError):
        os.chdir(directory)
    module, _, path = request.factory.partition(":")
    factory: Any = importlib.import_module(module)
    for part in path.split("."):
        factory = getattr(factory, part)
    plugin = factory(*positional, **named)
    name = getattr(plugin, "name", None)
    if not isinstance(plugin, IRPPlugin) or not isinstance(name, str) or not name:
        raise PluginError(
            f"{type(plugin).__name__} is no plugin: derive it from sage.IRPPlugin and name it"
        )
    return plugin


def _ready(plugin: IRPPlugin[Any, Any]) -> Ready:
    said, policy = plugin.invariants, plugin.halting
    return Ready(
        plugin.name,
        (said.state_space, said.noise_model, said.energy, said.coherence),
        policy.max_steps,
        policy.slope_eps,
        policy.window,
        [name for name in ABILITIES if callable(getattr(plugin, name, None))],
    )


def _limit_memory(memory_mb: float) -> None:
    """From now on the kernel refuses this process more than that beside what it holds already."""
    lines = Path("/proc/self/status").read_text().splitlines()
    held_kb = next(int(line.split()[1]) for line in lines if line.startswith("VmData:"))
    limit = held_kb * 1024 + int(memory_mb * 1e6)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


class _Server:
    def __init__(self, link: _Link, plugin: IRPPlugin[Any, Any]) -> None:
        self._link = link
        self._plugin: Any = plugin
        self._settled = getattr(plugin, "settled", None)
        self._states: dict[int, Any] = {}
        self._best: dict[int, tuple[float, int]] = {}  # energy, and the slot of its result
        self._answer = ANSWER

    def serve(self) -> None:
        """Answer until the runtime goes: EOFError."""
        link = self._link
        while True:
            request = link.receive()
            assert not isinstance(request, Open)
            number = request.number
            reply: Reply | None = None
            try:
                if isinstance(request, Step):
                    moved = self._step(request)
                    reply = Stepped(number, link.took_s, link.held(), moved)
                else:
                    plain, value = self._told(request)
                    reply = Answered(number, link.took_s, link.held(), plain, value)
            except Exception as error:
                failure = type(error).__name__, _described(error)
            link.send(reply or Failed(number, link.took_s, link.held(), *failure))

    def _step(self, request: Step) -> list[Moved]:
        states, plugin = self._states, self._plugin
        for state in request.forget_states:
            states.pop(state, None)
        for refinement in request.forget_refinements:
            self._best.pop(refinement, None)
        given = iter(self._link.value(request.given) if request.given is not None else ())
        for move in request.moves:
            if move.previous < 0:
                states[move.begun] = plugin.init_state(next(given), next(given) or {})
        before = [states[m.begun if m.previous < 0 else m.previous] for m in request.moves]
        if len(before) == 1:
            after = [plugin.step(before[0])]
        else:
            after = list(plugin.step_batch(before))
            if len(after) != len(before):
                raise PluginError(f"step_batch made {len(after)} states of {len(before)}")
        return list(map(self._moved, request.moves, before, after))

    def _moved(self, move: Move, before: Any, after: Any) -> Moved:
        plugin = self._plugin
        state = plugin.project(after)
        energy = plugin.energy(state)
        settled, complaint = None, ""
        if math.isfinite(energy) and self._settled is not None:
            try:
                verdict = self._settled(before, state)
                if verdict not in _MOST_SETTLED:
                    raise PluginError(
                        f"settled() must return FEASIBLE, STABLE or None, got {verdict!r}"
                    )
                settled = None if verdict is None else verdict.value
            except Exception as error:
                complaint = f"{type(error).__name__}: {_described(error)}"
        self._states[move.following] = state
        return Moved(float(energy), settled, complaint, self._published(move, energy, state))

    def _published(self, move: Move, energy: float, state: Any) -> Where | None:
        """The result where it is the best so far: it lies beside the last one, not over it."""
        if move.place < 0:
            return None
        slots = self._link.slots.results(move.place)
        best, last = self._best.get(move.refinement, (math.inf, slots[1]))
        if not energy < best:
            return None
        slot = slots[0] if last == slots[1] else slots[1]
        try:
            result = self._link.put(self._plugin.result(state), slot)
        except Exception:  # asked for it, the same will be raised where it is answered
            self._best[move.refinement] = energy, last
            return None
        self._best[move.refinement] = energy, slot
        return result

    def _told(self, request: Ask) -> tuple[Any, Where | None]:
        plugin, what = self._plugin, request.what
        plain: Any = None
        value: Where | None = None
        if what == "init":
            observation, context = self._link.value(request.given)
            self._states[request.states[0]] = plugin.init_state(observation, context or {})
        elif what == "verify":
            plain = bool(plugin.verify(self._link.value(request.given)))
        elif what == "warm_start":
            cold, warm = request.states
            recalled = self._link.value(request.given)
            self._states[warm] = plugin.warm_start(self._states[cold], recalled)
        else:
            states = [self._states[identity] for identity in request.states]
            if what == "energy":
                plain = float(plugin.energy(*states))
            elif what == "settled":
                verdict = plugin.settled(*states)
                plain = verdict.value if isinstance(verdict, HaltReason) else None
            elif what == "same":
                plain = unchanged(*states)
            else:
                self._answer = 2 * ANSWER + 1 - self._answer
                value = self._link.put(plugin.result(*states), self._answer)
        return plain, value


def _described(error: Exception) -> str:
    """Ours speak for themselves, others say where they were."""
    text = " ".join(str(error).split()) or type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    if frames and not isinstance(error, SageError | CodecError):
        text += f", in {frames[-1].name}, {frames[-1].filename}:{frames[-1].lineno}"
    return text[:2000]
