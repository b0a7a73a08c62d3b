"""A plugin as the orchestrator holds it: settings, health, what runs and what waits."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from orchestrator.profile import Profile
from orchestrator.supervisor import RestartPolicy, Supervisor
from sage.irp import Context, IRPPlugin, Outcome, PluginError, SageError

if TYPE_CHECKING:
    from orchestrator.lane import Job

OnResult: TypeAlias = Callable[[Any, "Outcome[Any]"], None]
Factory: TypeAlias = Callable[[], "IRPPlugin[Any, Any]"]


class Captured(Protocol):
    """Whatever a plugin refines: all that the orchestrator asks is when it was captured."""

    @property
    def captured_s(self) -> float:
        """Clock time of the capture."""
        ...


@dataclass(frozen=True, slots=True)
class PluginSettings:
    """How a plugin is run.

    Attributes:
        lane: the lane that it runs on.
        floor_atp: what it gets in each cycle before anything is shared.
        deadline_s: an answer is due this long after capture; None for no deadline.
        max_age_s: an observation older than this is dropped unrefined.
        overrun_s: a step that takes longer than this is given up on.
        restart: how it comes back after a failure.
    """

    lane: str
    floor_atp: float = 0.0
    deadline_s: float | None = None
    max_age_s: float = 1.0
    overrun_s: float = 2.0
    restart: RestartPolicy = field(default_factory=RestartPolicy)

    def __post_init__(self) -> None:
        for name in ("max_age_s", "overrun_s"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if self.deadline_s is not None and not self.deadline_s > 0.0:
            raise ValueError(f"deadline_s must be positive or null, got {self.deadline_s}")
        if not self.floor_atp >= 0.0:
            raise ValueError(f"floor_atp must be 0 or more, got {self.floor_atp}")


@dataclass(frozen=True, slots=True)
class Waiting:
    """An observation that waits for its turn; a newer one takes its place."""

    observation: Captured
    context: Context


class Member:
    """One registered plugin. ``lock`` guards ``running``, ``waiting`` and the counts.

    Every submission is counted once more when it ends:
    ``submitted == finished + sum(dropped) + (running) + (waiting)``.
    """

    def __init__(
        self,
        factory: Factory,
        settings: PluginSettings,
        trust_of: Callable[[str], float],
        on_result: OnResult | None,
    ) -> None:
        self.factory = factory
        self.plugin = _made_by(factory)
        self.name = self.plugin.name
        self.settings = settings
        self.on_result = on_result
        self.profile = Profile()
        self.supervisor = Supervisor(settings.restart)
        self.lock = threading.RLock()
        self.running: Job | None = None
        self.waiting: Waiting | None = None
        self.deferred_in: int | None = None
        """The cycle in which its lane had no room for its first step; None while it has."""
        self.submitted = 0
        self.finished = 0
        self.dropped: Counter[str] = Counter()
        self._trust_of = trust_of

    def trust(self) -> float:
        """Trust in it now."""
        return self._trust_of(self.name)

    def counts(self) -> Mapping[str, int]:
        """Submitted, finished, and dropped by reason."""
        with self.lock:
            return {"submitted": self.submitted, "finished": self.finished, **self.dropped}


def _made_by(factory: Factory) -> IRPPlugin[Any, Any]:
    """The plugin, if it is one."""
    try:
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
    return plugin
