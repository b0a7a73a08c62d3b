"""The conformance kit: one call that says whether a plugin keeps the contract."""

from __future__ import annotations

import copy
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from sage.irp.errors import PluginError
from sage.irp.halting import HaltPolicy, HaltReason
from sage.irp.plugin import Invariants, IRPPlugin
from sage.irp.refine import NO_CONTEXT, Refinement, unchanged
from sage.irp.trajectory import Outcome

_BATCH_TOLERANCE = 0.05  # of a curve's largest energy


def check_plugin(
    factory: Callable[[], IRPPlugin[Any, Any]],
    observations: Iterable[Any],
    *,
    steps: int = 4,
) -> None:
    """Hold a plugin against the contract.

    Args:
        factory: makes the plugin, as the orchestrator would after a failure.
        observations: what it will see; at least one, better several.
        steps: how many steps of each observation are looked at closely.

    Raises:
        PluginError: with every broken clause, one a line.

    Example:
        >>> check_plugin(MyPlugin, [frame, darker_frame])
    """
    try:
        plugin = factory()
    except Exception as error:
        raise PluginError(f"the factory raised {type(error).__name__}: {error}") from error
    observations = list(observations)
    faults = _declaration_faults(plugin)
    if not observations:
        faults.append("no observation was given to check it with")
    kept = _attributes(plugin)
    copies = _container_copies(kept)
    for number, observation in enumerate(observations):
        try:
            found = _step_faults(plugin, observation, steps) + _loop_faults(plugin, observation)
        except Exception as error:
            found = [f"raised {type(error).__name__}: {error}"]
        faults += [f"observation {number}: {fault}" for fault in found]
    if not faults and callable(getattr(plugin, "step_batch", None)):
        faults += _batch_faults(plugin, observations, steps)
    now = _attributes(plugin)
    if (
        now.keys() != kept.keys()
        or any(now[name] is not kept[name] for name in kept)
        or not all(unchanged(copies[name], now[name]) for name in copies)
    ):
        faults.append("a refinement left something on the plugin itself; keep it in the state")
    if not faults:
        faults = _thread_faults(plugin, observations)
    if faults:
        name = getattr(plugin, "name", type(plugin).__name__)
        raise PluginError(f"plugin {name!r} breaks the contract:\n  " + "\n  ".join(faults))


def _attributes(plugin: Any) -> dict[str, Any]:
    return dict(getattr(plugin, "__dict__", {}))


def _container_copies(attributes: dict[str, Any]) -> dict[str, Any]:
    """Copies of what a refinement could fill in place; models and handles cannot be copied."""
    copies = {}
    for name, value in attributes.items():
        filled = isinstance(value, list | dict | set | bytearray | deque)
        if filled or hasattr(value, "__array__"):
            try:
                copied = copy.deepcopy(value)
            except Exception:  # it holds such a handle
                continue
            if unchanged(copied, value):
                copies[name] = copied
    return copies


def _declaration_faults(plugin: Any) -> list[str]:
    faults = []
    if not isinstance(plugin, IRPPlugin):
        faults.append(f"{type(plugin).__name__} does not derive from IRPPlugin")
    name = getattr(plugin, "name", None)
    if not (isinstance(name, str) and name.strip()):
        faults.append(f"name must be a non-empty text, got {name!r}")
    if not isinstance(getattr(plugin, "invariants", None), Invariants):
        faults.append("invariants must be an Invariants(...) on the class")
    halting = getattr(plugin, "halting", None)
    if not isinstance(halting, HaltPolicy):
        faults.append(f"halting must be a HaltPolicy(...), got {halting!r}")
    return faults


def _step_faults(plugin: IRPPlugin[Any, Any], observation: Any, steps: int) -> list[str]:
    faults = []
    seen = copy.deepcopy(observation)
    state = plugin.init_state(observation, NO_CONTEXT)
    history = []
    for index in range(steps):
        before = copy.deepcopy(state)
        if not unchanged(before, state):
            faults.append(f"the state before step {index} does not equal its copy: use values")
            return faults
        after = plugin.step(state)
        if not unchanged(before, state):
            faults.append(f"step {index} changed the state that it was given")
        raw = copy.deepcopy(after)
        projected = plugin.project(after)
        if not unchanged(raw, after):
            faults.append(f"project changed the state that it was given (step {index})")
        if not unchanged(plugin.project(projected), projected):
            faults.append(f"project is not idempotent (step {index})")
        kept = copy.deepcopy(projected)
        first, second = plugin.energy(projected), plugin.energy(projected)
        if not unchanged(first, second):
            faults.append(f"energy of one state is {first}, then {second} (step {index})")
        if not unchanged(plugin.result(projected), plugin.result(projected)):
            faults.append(f"result of one state differs from call to call (step {index})")
        if not unchanged(kept, projected):
            faults.append(f"energy or result changed the state (step {index})")
        history.append((kept, projected))
        state = projected
    for index, (kept, earlier) in enumerate(history[:-2]):
        if not unchanged(kept, earlier):
            faults.append(f"a later step changed the state after step {index}: share no buffers")
    if not unchanged(seen, observation):
        faults.append("it changed the observation, which others read too")
    return faults


def _loop_faults(plugin: IRPPlugin[Any, Any], observation: Any) -> list[str]:
    first = _run(plugin, observation)
    if first.reason is HaltReason.FAILED:
        return [f"the refinement failed: {first.error!r}"]
    faults = []
    if _run(plugin, observation).trajectory.energies != first.trajectory.energies:
        faults.append(
            "the same observation gives another energy curve: keep randomness in the state"
        )
    return faults


def _batch_faults(plugin: Any, observations: list[Any], steps: int) -> list[str]:
    """All observations stepped together: as many states, in their order, with energies as alone.

    Arithmetic may round otherwise in a batch, so curves may differ by a part of their height.
    """
    curves = [_run(plugin, observation).trajectory.energies[:steps] for observation in observations]
    states = [plugin.init_state(observation, NO_CONTEXT) for observation in observations]
    faults: list[str] = []
    for index in range(steps):
        before = copy.deepcopy(states)
        try:
            after = list(plugin.step_batch(states))
            if len(after) != len(states):
                return [f"step_batch gave {len(after)} states for {len(states)}"]
            if not unchanged(before, states):
                return [f"step_batch changed the states that it was given (step {index})"]
            states = [plugin.project(state) for state in after]
            energies = [plugin.energy(state) for state in states]
        except Exception as error:
            return [f"step_batch raised {type(error).__name__}: {error} (step {index})"]
        for number, (curve, energy) in enumerate(zip(curves, energies, strict=True)):
            if index < len(curve):
                allowed = _BATCH_TOLERANCE * max(map(abs, curve))
                if not abs(energy - curve[index]) <= allowed:
                    faults.append(
                        f"observation {number}: step_batch leads to energy {energy:g}, step to "
                        f"{curve[index]:g} (step {index}): a result must not depend on its company"
                    )
        if faults:
            return faults
    return []


def _run(plugin: IRPPlugin[Any, Any], observation: Any) -> Outcome[Any]:
    refinement: Refinement[Any, Any] = Refinement(plugin, observation)
    while refinement.advance():
        pass
    assert refinement.outcome is not None
    return refinement.outcome


def _thread_faults(plugin: IRPPlugin[Any, Any], observations: list[Any]) -> list[str]:
    """One instance, every observation twice, all at once: the curves must not mix."""
    alone = [_run(plugin, observation).trajectory.energies for observation in observations]
    numbers = [*range(len(observations))] * 2
    together = threading.Barrier(len(numbers))
    kept_apart: list[int] = []

    def work(number: int) -> None:
        together.wait()
        until_s = time.perf_counter() + 0.05  # quick refinements again and again, slow ones once
        while _run(plugin, observations[number]).trajectory.energies == alone[number]:
            if time.perf_counter() >= until_s:
                kept_apart.append(number)
                return

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in numbers]
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # or a quick refinement would end before the next one begins
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval_s)
    return [
        f"observation {number}: another energy curve when threads share the plugin"
        for number in range(len(observations))
        if kept_apart.count(number) < 2
    ]
