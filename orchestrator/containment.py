"""What becomes of a plugin that fails: it waits, is made anew, or stays out."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

from orchestrator.isolation import IsolatedPlugin
from orchestrator.member import Factory, Member, PluginSettings
from orchestrator.supervisor import HealthState
from orchestrator.trust import TrustLedger
from sage.clock import Clock
from sage.irp import HaltPolicy, IRPPlugin, PluginError, SageError
from sage.telemetry import Event, Health

logger = logging.getLogger(__name__)


class Containment:
    """Restarts failed plugins with backoff, in real time in threads of their own."""

    def __init__(self, trust: TrustLedger, clock: Clock, emit: Callable[[Event], None]) -> None:
        self._trust = trust
        self._clock = clock
        self._emit = emit
        self._threads: dict[str, threading.Thread] = {}
        self.closed = False
        """Nothing is made anew any more; what was being made is ended."""

    def failed(self, member: Member, detail: str, now_s: float) -> None:
        """Count a failure; the plugin backs off, or is quarantined."""
        state = member.supervisor.failed(now_s)
        logger.warning("plugin %r failed (%s): %s", member.name, detail, state.value)
        self._emit(Health(now_s, member.name, state.value, detail))

    def restart(self, member: Member, *, threaded: bool) -> None:
        """Make a plugin anew; in a thread, for loading a model must hold up no tick."""
        member.supervisor.restarting()
        if not threaded:
            self._make_anew(member)
            return
        thread = threading.Thread(
            target=self._make_anew, args=(member,), name=f"restart-{member.name}", daemon=True
        )
        self._threads[member.name] = thread
        thread.start()

    def join(self, ends_s: float) -> None:
        """Wait for restarts under way, until ``time.perf_counter()`` reads ``ends_s``."""
        for thread in tuple(self._threads.values()):
            thread.join(max(0.0, ends_s - time.perf_counter()))

    def _make_anew(self, member: Member) -> None:
        """Call the factory; one that raises counts as one more failure."""
        try:
            plugin = made(member.factory, member.settings)
        except Exception as failure:
            error = failure.__cause__ or failure
            self._trust.fail(member.name)
            self.failed(member, f"restart: {error}", self._clock.now_s())
            return
        with member.lock:
            before = member.plugin
            if not self.closed:
                member.replace(plugin)
                member.supervisor.restarted()
        close_plugin(plugin if self.closed else before)
        if self.closed:
            return
        self._emit(Health(self._clock.now_s(), member.name, HealthState.ACTIVE.value, "restarted"))


def made(factory: Factory, settings: PluginSettings) -> IRPPlugin[Any, Any]:
    """The plugin of a factory, in a process of its own where its settings say so.

    Raises:
        SageError: it cannot be made, or is no plugin.
    """
    try:
        if settings.isolation == "process":
            return IsolatedPlugin(
                factory, memory_mb=settings.memory_mb, kept=max(8, settings.most_running)
            )
        plugin = factory()
    except SageError:
        raise
    except Exception as error:
        raise PluginError(
            f"plugin from {factory!r} cannot be made: {type(error).__name__}: {error}"
        ) from error
    name = getattr(plugin, "name", None)
    if not isinstance(plugin, IRPPlugin) or not isinstance(name, str) or not name:
        raise PluginError(
            f"{type(plugin).__name__} is no plugin: derive it from sage.IRPPlugin and name it"
        )
    if not isinstance(plugin.halting, HaltPolicy):
        raise PluginError(f"plugin {name!r}: halting must be a HaltPolicy, got {plugin.halting!r}")
    state_bytes = getattr(plugin, "batch_bytes", 1)
    if not isinstance(state_bytes, int) or isinstance(state_bytes, bool) or state_bytes < 1:
        raise PluginError(
            f"plugin {name!r}: batch_bytes must be a whole number, 1 or more, got {state_bytes!r}"
        )
    return plugin


def close_plugin(plugin: IRPPlugin[Any, Any]) -> None:
    """End its process, where it has one."""
    if isinstance(plugin, IsolatedPlugin):
        plugin.close()


def described(error: BaseException | None) -> str:
    """An error for people: ours speak for themselves, others say what and where they are."""
    if error is None or isinstance(error, SageError):
        return str(error)
    where = ""
    if frames := traceback.extract_tb(error.__traceback__):
        where = f" in {frames[-1].name}, {frames[-1].filename}:{frames[-1].lineno}"
    return f"{type(error).__name__}: {error}{where}"
