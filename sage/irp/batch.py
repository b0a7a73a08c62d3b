"""Several refinements of one plugin, stepped together: what one step of a batch is."""

from __future__ import annotations

import sys
import time
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Final

from sage.irp.errors import ConfigError, PluginError
from sage.irp.plugin import IRPPlugin
from sage.irp.refine import Refinement

_MEMINFO: Final = "/proc/meminfo"
_MEMORY_SHARE: Final = 0.25
"""Of the memory that is available, what one batch may take."""
_MEMORY_FRESH_S: Final = 1.0
_WORKING_COPIES: Final = 16
"""Where a plugin does not say what a state takes, working on it is taken to need so many of it."""
_FALLBACK_BYTES: Final = 1 << 30  # where the system does not say what is available


@dataclass(slots=True)
class _Known:
    """What was learnt about batches of one plugin."""

    state_bytes: int = 0
    most: int = sys.maxsize
    warned: bool = False


_known: dict[int, _Known] = {}  # by the plugin's id, as long as the plugin lives
_available = (0, -_MEMORY_FRESH_S)


def advance_together(refinements: Sequence[Refinement[Any, Any]]) -> list[bool]:
    """Make one step of each refinement, in one ``step_batch`` of their plugin.

    Each fares as in its own :meth:`Refinement.advance`: the same checks before, the same
    feasibility, energy, halting and watcher after, its own failures. The measured time of the
    shared step is divided equally; what is done for one alone (``init_state``, ``project``,
    ``energy``, ``settled``) is charged to that one. A refinement whose deadline leaves time for
    its own step, but not for all of theirs, is stepped alone before the others.

    Where ``step_batch`` raises, or returns another number of states, each is stepped alone, so
    that one bad input does not fail its company; at a MemoryError the batch is halved instead, and
    :func:`most_in_batch` remembers it. Without ``step_batch`` each is stepped alone.

    Args:
        refinements: of one plugin instance, each once.

    Returns:
        For each whether it has a next step. A ``KeyboardInterrupt`` and its like pass through;
        those not yet looked at then are as they were.

    Raises:
        ConfigError: refinements of several plugins, or one of them twice.
    """
    if len(refinements) < 2:
        return [refinement.advance() for refinement in refinements]
    plugin = refinements[0]._plugin
    if any(refinement._plugin is not plugin for refinement in refinements):
        raise ConfigError("refinements that advance together must share one plugin instance")
    if len(set(map(id, refinements))) != len(refinements):
        raise ConfigError("a refinement can advance only once in one batch")
    if not callable(getattr(plugin, "step_batch", None)):
        return [refinement.advance() for refinement in refinements]
    together_s = sum(refinement._next_step_s or 0.0 for refinement in refinements)
    goes_on = {
        id(refinement): refinement.advance()
        for refinement in refinements
        if not refinement._can_wait(together_s)
    }
    company = [refinement for refinement in refinements if id(refinement) not in goes_on]
    goes_on.update(_advance_company(plugin, company))
    return [goes_on[id(refinement)] for refinement in refinements]


def most_in_batch(plugin: IRPPlugin[Any, Any], available_bytes: int | None = None) -> int:
    """How many states of this plugin may be stepped at once, 1 or more.

    A plugin says in an attribute ``batch_bytes`` what one more state takes while it is stepped;
    otherwise it is estimated from the arrays in the states seen so far, unlimited before any. What
    once ran out of memory is not tried again.

    Args:
        available_bytes: what a batch may take; a quarter of the memory that the system has
            available unless given.
    """
    known = _known.get(id(plugin))
    most = sys.maxsize if known is None else known.most
    state_bytes = getattr(plugin, "batch_bytes", 0)
    if not state_bytes and known is not None:
        state_bytes = _WORKING_COPIES * known.state_bytes
    if state_bytes:
        if available_bytes is None:
            available_bytes = int(_MEMORY_SHARE * _available_bytes())
        most = min(most, available_bytes // state_bytes)
    return max(1, most)


def array_bytes(state: Any, depth: int = 4) -> int:
    """The bytes of the arrays that a state holds, in its fields, mappings and sequences."""
    own = getattr(state, "nbytes", None)
    if isinstance(own, int):
        return own
    parts: Iterable[Any] = ()
    if is_dataclass(state) and not isinstance(state, type):
        parts = (getattr(state, item.name, None) for item in fields(state))
    elif isinstance(state, Mapping):
        parts = state.values()
    elif isinstance(state, tuple | list):
        parts = state
    return sum(array_bytes(part, depth - 1) for part in parts) if depth else 0


def _advance_company(
    plugin: IRPPlugin[Any, Any], company: Sequence[Refinement[Any, Any]]
) -> dict[int, bool]:
    """One step of those that can wait for each other; by id whether each has a next one."""
    goes_on: dict[int, bool] = {}
    ready: list[tuple[Refinement[Any, Any], Any, float]] = []
    for refinement in company:
        if not refinement._ready():
            goes_on[id(refinement)] = False
            continue
        began_s = refinement._stopwatch()
        try:
            previous = refinement._previous()
        except Exception as failure:
            own_s = refinement._stopwatch() - began_s
            goes_on[id(refinement)] = refinement._fail(failure, own_s)
        else:
            ready.append((refinement, previous, refinement._stopwatch() - began_s))
    if not ready:
        return goes_on
    stepped = _stepped(plugin, [previous for _, previous, _ in ready], ready[0][0]._stopwatch)
    for (refinement, previous, own_s), (state, error, cost_s) in zip(ready, stepped, strict=True):
        if error is None:
            began_s = refinement._stopwatch() - own_s - cost_s
            goes_on[id(refinement)] = refinement._absorb(previous, state, began_s)
        else:
            goes_on[id(refinement)] = refinement._fail(error, own_s + cost_s)
    return goes_on


_Stepped = list[tuple[Any, "Exception | None", float]]


def _stepped(
    plugin: IRPPlugin[Any, Any], states: list[Any], stopwatch: Callable[[], float]
) -> _Stepped:
    """Of each state the one after it, or why there is none, and its share of the time."""
    count = len(states)
    began_s = stopwatch()
    if count == 1:
        try:
            return [(plugin.step(states[0]), None, stopwatch() - began_s)]
        except Exception as error:
            return [(None, error, stopwatch() - began_s)]
    known = _known_of(plugin)
    try:
        after = list(plugin.step_batch(states))  # type: ignore[attr-defined]
        if len(after) != count:
            raise PluginError(
                f"plugin {plugin.name!r}: step_batch gave {len(after)} states for {count}"
            )
    except MemoryError:
        known.most = max(1, count // 2)
        parts = [states[: count // 2], states[count // 2 :]]
    except Exception as error:
        if not known.warned:
            known.warned = True
            import logging  # here, because the contract must load quickly

            logging.getLogger(__name__).warning(
                "plugin %r: a batch of %d is stepped one by one: %r", plugin.name, count, error
            )
        parts = [[state] for state in states]
    else:
        share_s = (stopwatch() - began_s) / count
        if not known.state_bytes:
            known.state_bytes = array_bytes(after[0])
        return [(state, None, share_s) for state in after]
    lost_s = (stopwatch() - began_s) / count
    return [
        (state, error, lost_s + cost_s)
        for part in parts
        for state, error, cost_s in _stepped(plugin, part, stopwatch)
    ]


def _known_of(plugin: IRPPlugin[Any, Any]) -> _Known:
    known = _known.get(id(plugin))
    if known is None:
        known = _known[id(plugin)] = _Known()
        weakref.finalize(plugin, _known.pop, id(plugin), None)
    return known


def _available_bytes() -> int:
    """What the system could give now, looked up at most once a second."""
    global _available
    available_bytes, read_s = _available
    now_s = time.monotonic()
    if now_s - read_s >= _MEMORY_FRESH_S:
        available_bytes = _FALLBACK_BYTES
        try:
            with open(_MEMINFO, encoding="ascii") as lines:
                for line in lines:
                    if line.startswith("MemAvailable:"):
                        available_bytes = int(line.split()[1]) * 1024
        except OSError:
            pass
        _available = (available_bytes, now_s)
    return available_bytes
