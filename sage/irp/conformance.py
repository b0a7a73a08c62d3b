"""The conformance kit: one call that says whether a plugin keeps the contract."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterable
from typing import Any

from sage.irp.errors import PluginError
from sage.irp.halting import HaltReason
from sage.irp.plugin import Invariants, IRPPlugin
from sage.irp.refine import NO_CONTEXT, Refinement, unchanged
from sage.irp.trajectory import Outcome


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
    plugin = factory()
    observations = list(observations)
    faults = _declaration_faults(plugin)
    if not observations:
        faults.append("no observation was given to check it with")
    kept = {key: id(value) for key, value in _attributes(plugin).items()}
    for number, observation in enumerate(observations):
        try:
            found = _step_faults(plugin, observation, steps) + _loop_faults(plugin, observation)
        except Exception as error:
            found = [f"raised {type(error).__name__}: {error}"]
        faults += [f"observation {number}: {fault}" for fault in found]
    if {key: id(value) for key, value in _attributes(plugin).items()} != kept:
        faults.append("a refinement left something on the plugin itself; keep it in the state")
    if not faults:
        faults = _thread_faults(plugin, observations)
    if faults:
        name = getattr(plugin, "name", type(plugin).__name__)
        raise PluginError(f"plugin {name!r} breaks the contract:\n  " + "\n  ".join(faults))


def _attributes(plugin: Any) -> dict[str, Any]:
    return dict(getattr(plugin, "__dict__", {}))


def _declaration_faults(plugin: Any) -> list[str]:
    faults = []
    if not isinstance(plugin, IRPPlugin):
        faults.append(f"{type(plugin).__name__} does not derive from IRPPlugin")
    name = getattr(plugin, "name", None)
    if not (isinstance(name, str) and name.strip()):
        faults.append(f"name must be a non-empty text, got {name!r}")
    if not isinstance(getattr(plugin, "invariants", None), Invariants):
        faults.append("invariants must be an Invariants(...) on the class")
    return faults


def _step_faults(plugin: IRPPlugin[Any, Any], observation: Any, steps: int) -> list[str]:
    faults = []
    state = plugin.init_state(observation, NO_CONTEXT)
    for index in range(steps):
        before = copy.deepcopy(state)
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
        if first != second:
            faults.append(f"energy of one state is {first}, then {second} (step {index})")
        if not unchanged(plugin.result(projected), plugin.result(projected)):
            faults.append(f"result of one state differs from call to call (step {index})")
        if not unchanged(kept, projected):
            faults.append(f"energy or result changed the state (step {index})")
        state = projected
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
    best = first.trajectory.best_energy
    if best is None or best > first.trajectory.energies[0]:
        faults.append("no answer better than or equal to the first step's")
    return faults


def _run(plugin: IRPPlugin[Any, Any], observation: Any) -> Outcome[Any]:
    refinement: Refinement[Any, Any] = Refinement(plugin, observation)
    while refinement.advance():
        pass
    assert refinement.outcome is not None
    return refinement.outcome


def _thread_faults(plugin: IRPPlugin[Any, Any], observations: list[Any]) -> list[str]:
    """One instance, every observation twice, all at once: the curves must not mix."""
    alone = [_run(plugin, observation).trajectory.energies for observation in observations]
    jobs = list(enumerate(observations)) * 2
    curves: list[tuple[int, tuple[float, ...]]] = []

    def work(number: int, observation: Any) -> None:
        curves.append((number, _run(plugin, observation).trajectory.energies))

    threads = [threading.Thread(target=work, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    mixed = sorted({number for number, energies in curves if energies != alone[number]})
    return [
        f"observation {number}: another energy curve when threads share the plugin"
        for number in mixed
    ]
