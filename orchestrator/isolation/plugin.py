"""A plugin in a process of its own: what it does there can hurt nobody else."""

from __future__ import annotations

import functools
import math
import os
import sys
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Final

from orchestrator.isolation.held import Books, Held, Refined
from orchestrator.isolation.link import Link
from orchestrator.isolation.protocol import (
    Answered,
    Ask,
    Move,
    Moved,
    Open,
    Ready,
    Step,
    Stepped,
    What,
    Where,
)
from orchestrator.isolation.shared import ANSWER
from sage.irp.errors import ConfigError, PluginError
from sage.irp.halting import HaltPolicy, HaltReason
from sage.irp.plugin import Context, Invariants, IRPPlugin

_VERDICTS: Final = {None: None, "feasible": HaltReason.FEASIBLE, "stable": HaltReason.STABLE}
_MOST_MESSAGE_MB: Final = 1024.0
_PAGE_BYTES: Final = 4096


class IsolatedPlugin(IRPPlugin[Held, Any]):
    """Runs a plugin in a process of its own, and is that plugin to everybody else.

    One exchange makes a step: ``step`` brings project, energy and what ``settled`` says with it.
    Each result that is the best so far lies in shared memory before its step counts, beside the
    last one, so ``result`` needs no living process for it; the cost of the plugin's ``result``
    is part of the step. States stay over there; here are handles to them.

    What it raises is always a :class:`PluginError`: the plugin raised, sent garbage, took longer
    than ``step_limit_s`` (then its process is killed) or died, and how. A plugin whose process
    has ended stays dead; make another one. The process never outlives this one, not even a
    ``kill -9``; what it starts itself ends with it, unless this process is killed or what it
    started made a session or process group of its own (``setsid``): that outlives it. A fork of
    this process ends nothing.

    Args:
        factory: makes the plugin, over there: a class or function of a module, or a
            ``functools.partial`` of one with numbers, text, arrays, dataclasses and the like.
        step_limit_s: the longest that one call may take; may be changed at any time.
        start_timeout_s: how long to wait until the plugin stands.
        memory_mb: what it may allocate beyond what it holds once it stands (10^6 bytes); beyond
            it, allocations fail over there. Unlimited by default.
        message_mb: the largest observation or result (2^20 bytes); memory is taken as needed.
        kept: how many refinements at once have a place for their result; the results of further
            ones are lost with the process.

    Raises:
        ConfigError: the factory cannot be named, or a value is out of range.
        SageError: what the factory raised over there; PluginError for what is none of ours.

    Example:
        >>> vision = IsolatedPlugin(partial(VisionPlugin, VisionConfig(threads=1)), step_limit_s=1)
        >>> refine(vision, observation).result
    """

    def __init__(
        self,
        factory: Callable[..., IRPPlugin[Any, Any]],
        *,
        step_limit_s: float = 2.0,
        start_timeout_s: float = 60.0,
        memory_mb: float | None = None,
        message_mb: float = 64.0,
        kept: int = 8,
    ) -> None:
        for name, value, most in (
            ("step_limit_s", step_limit_s, math.inf),
            ("start_timeout_s", start_timeout_s, math.inf),
            ("memory_mb", math.inf if memory_mb is None else memory_mb, math.inf),
            ("message_mb", message_mb, _MOST_MESSAGE_MB),
        ):
            if not 0.0 < value <= most:
                raise ConfigError(f"{name} must lie in (0, {most:g}], got {value!r}")
        if not 1 <= kept <= 1024:
            raise ConfigError(f"kept must lie in [1, 1024], got {kept!r}")
        entry, positional, named = nameable(factory)
        slot_bytes = -(-int(message_mb * 2**20) // _PAGE_BYTES) * _PAGE_BYTES
        self.step_limit_s = step_limit_s
        self._books = Books(kept)
        self._link = link = Link(f"plugin of {entry}", slot_bytes, kept)
        self._ending = weakref.finalize(self, link.close)
        try:
            surroundings = dict(os.environb), _directory()
            arguments = link.put((positional, named, *surroundings))
            search = [os.path.abspath(path) for path in sys.path if path]
            self._stands(link.open(Open(entry, arguments, search, memory_mb), start_timeout_s))
        except BaseException:
            link.close()
            raise

    def _stands(self, ready: Ready) -> None:
        link = self._link
        try:
            self.invariants = Invariants(*ready.invariants)  # type: ignore[misc]
            self.halting = HaltPolicy(ready.max_steps, ready.slope_eps, ready.window)
        except ValueError as error:
            raise PluginError(f"{link.what}: {error}") from error
        self.name = ready.name  # type: ignore[misc]
        link.what = f"plugin {ready.name!r}"
        self.__class__ = _able(frozenset(_ABILITIES.keys() & ready.abilities))

    @property
    def pid(self) -> int:
        """Its process."""
        return self._link.pid

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self._link.alive

    def close(self) -> None:
        """End the process; best results can still be read. A second call does nothing."""
        self._ending()

    def init_state(self, observation: Any, context: Context) -> Held:
        """A handle; the observation crosses with the first step."""
        return self._held(Refined(self._books), (observation, context))

    def step(self, state: Held) -> Held:
        """One step over there, with all that belongs to it."""
        return self._step_all((state,))[0]

    def energy(self, state: Held) -> float:
        """What the step brought with it."""
        if state.energy is None:
            plain = self._ask("energy", state).plain
            if not isinstance(plain, float):
                raise self._link.garbage(f"an energy of {plain!r:.60}")
            state.energy = plain
        return state.energy

    def result(self, state: Held) -> Any:
        """From shared memory where it was the best so far; from the process itself otherwise."""
        refinement = state.refinement
        published = refinement.published
        if published is not None and published[0] == state.identity:
            return self._link.value(published[1], self._link.slots.results(refinement.place))
        with self._link.lock:
            where = self._ask("result", state).value
            if where is None:
                raise self._link.garbage("no result")
            return self._link.value(where, (ANSWER, ANSWER + 1))

    def same(self, one: Held, other: Held) -> bool:
        """Whether two states hold the same values."""
        return self._ask("same", one, other).plain is True

    def _step_all(self, states: Sequence[Held]) -> list[Held]:
        link, books = self._link, self._books
        with link.lock:
            given: list[Any] = []
            for state in states:
                if self._checked(state).begin is not None:
                    given += self._begin(state)
            where = link.put(given) if given else None
            forget_states, forget_refinements = books.forgotten()
            moves, made = [], []
            for state in states:
                refinement = state.refinement
                if not refinement.placed:
                    refinement.place, refinement.placed = books.place(), True
                previous = state.identity if state.begin is None else -1
                after = self._held(refinement)
                made.append(after)
                moves.append(
                    Move(
                        refinement.identity,
                        refinement.place,
                        state.identity,
                        previous,
                        after.identity,
                    )
                )
            number, now_s = link.next_number(), time.perf_counter()
            request = Step(number, now_s, moves, where, forget_states, forget_refinements)
            moved = link.ask(request, Stepped, self.step_limit_s).moved
            if len(moved) != len(made):
                raise link.garbage(f"{len(moved)} steps of {len(made)}")
            for before, after, told in zip(states, made, moved, strict=True):
                before.begin = None
                self._note(before, after, told)
        return made

    def _note(self, before: Held, after: Held, told: Moved) -> None:
        """Take in what a step gave."""
        if told.settled not in _VERDICTS:
            raise self._link.garbage(f"settled: {told.settled!r:.60}")
        after.came_from = before.identity
        after.energy = told.energy
        after.verdict = _VERDICTS[told.settled]
        after.complaint = told.complaint
        if told.result is None:
            return
        refinement = after.refinement
        last = refinement.published
        allowed = self._link.slots.results(refinement.place)
        slot = told.result.slot
        if slot not in allowed or (last is not None and last[1].slot == slot):
            raise self._link.garbage(f"a result in slot {slot}")  # over the one that counts
        refinement.published = after.identity, told.result

    def _settled(self, previous: Held, state: Held) -> HaltReason | None:
        if state.came_from == previous.identity:
            if state.complaint:
                raise PluginError(f"plugin {self.name!r}: {state.complaint}")
            return state.verdict
        told = self._ask("settled", previous, state).plain
        if not (told is None or isinstance(told, str)) or told not in _VERDICTS:
            raise self._link.garbage(f"settled: {told!r:.60}")
        return _VERDICTS[told]

    def _warm_start(self, state: Held, recalled: Any) -> Held:
        warm = self._held(state.refinement)
        self._ask("warm_start", state, warm, given=(recalled,))
        return warm

    def _verify(self, result: Any) -> bool:
        return self._ask("verify", given=(result,)).plain is True

    def _ask(self, what: What, *states: Held, given: tuple[Any] | None = None) -> Answered:
        link = self._link
        with link.lock:
            for state in map(self._checked, states):
                if state.begin is not None:
                    self._request("init", (state,), self._begin(state))
                    state.begin = None
            return self._request(what, states, None if given is None else given[0], given is None)

    def _request(
        self, what: What, states: tuple[Held, ...], given: Any, nothing: bool = False
    ) -> Answered:
        link = self._link
        where: Where | None = None if nothing else link.put(given)
        identities = [state.identity for state in states]
        request = Ask(link.next_number(), time.perf_counter(), what, identities, where)
        return link.ask(request, Answered, self.step_limit_s)

    @staticmethod
    def _begin(state: Held) -> tuple[Any, dict[str, Any] | None]:
        assert state.begin is not None
        observation, context = state.begin
        return observation, dict(context) if context else None

    def _held(self, refinement: Refined, begin: tuple[Any, Context] | None = None) -> Held:
        return Held(self._books, refinement, self.same, begin)

    def _checked(self, state: Held) -> Held:
        if not isinstance(state, Held) or not state.belongs_to(self._books):
            raise PluginError(f"plugin {self.name!r} was given {state!r:.60}, no state of its own")
        return state


# Optional abilities are found by looking for the method, so only what a plugin has may be there.
_ABILITIES: Final[dict[str, Any]] = {
    "settled": IsolatedPlugin._settled,
    "warm_start": IsolatedPlugin._warm_start,
    "step_batch": IsolatedPlugin._step_all,
    "verify": IsolatedPlugin._verify,
}


@functools.cache
def _able(abilities: frozenset[str]) -> type[IsolatedPlugin]:
    methods = {name: _ABILITIES[name] for name in abilities}
    return type("IsolatedPlugin", (IsolatedPlugin,), {"__module__": __name__, **methods})


def _directory() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was deleted under us
        return "/"


def nameable(
    factory: Callable[..., Any],
) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """A factory as ``module:qualname`` and its arguments; ConfigError where it has no such name."""
    positional: tuple[Any, ...] = ()
    named: dict[str, Any] = {}
    made = factory
    if isinstance(factory, functools.partial):
        made, positional, named = factory.func, factory.args, factory.keywords
    module = getattr(made, "__module__", None)
    path = getattr(made, "__qualname__", None)
    found: Any = sys.modules.get(module) if isinstance(module, str) else None
    if isinstance(path, str) and module != "__main__":
        for part in path.split("."):
            found = getattr(found, part, None)
        if found is not None and found == made:
            return f"{module}:{path}", positional, named
    raise ConfigError(
        f"plugin factory {factory!r} cannot cross into a process of its own; name a class or "
        "function of a module that can be imported, or functools.partial of one"
    )
