"""A plugin as the orchestrator holds it: settings, health, what runs and what waits."""

from __future__ import annotations

import math
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias

from orchestrator.isolation import IsolatedPlugin
from orchestrator.profile import Profile
from orchestrator.supervisor import RestartPolicy, Supervisor
from sage.irp import Batches, Context, IRPPlugin, Outcome

if TYPE_CHECKING:
    from orchestrator.lane import Job
    from orchestrator.worker import Runner

OnResult: TypeAlias = Callable[[Any, "Outcome[Any]"], None]
Factory: TypeAlias = Callable[[], "IRPPlugin[Any, Any]"]


class Captured(Protocol):
    """Whatever a plugin refines: all that the orchestrator asks is when it was captured."""

    @property
    def captured_s(self) -> float:
        """Clock time of the capture."""
        ...


Isolation: TypeAlias = Literal["thread", "process"]
_LONGEST_STEP_S = 2.0
_PROCESS_STEP_S = 0.1
_PROCESS_MARGIN = 3.0
_MOST_TIMES = 3


@dataclass(frozen=True, slots=True)
class PluginSettings:
    """How a plugin is run.

    Attributes:
        lane: the lane that it runs on.
        floor_atp: what it gets in each cycle before anything is shared.
        deadline_s: an answer is due this long after capture; None for no deadline.
        max_age_s: an observation older than this is dropped unrefined.
        overrun_s: a step that takes longer than this is given up on. None: 2 s in a thread; in a
            process 0.1 s or a cycle or three times the longest step so far, whichever is longest.
            three times as long after each failure in a row, up to 27 times: 2.7 s. Give more where
            a model takes longer to warm up in its first step.
        restart: how it comes back after a failure.
        isolation: "thread" runs its steps on the lane; "process" in a process of its own, which
            can hang, crash or keep the interpreter's lock while its lane goes on with others. What
            its steps take is lane time all the same: the device is shared.
        queue: how many observations may wait; of more, the oldest goes.
        most_running: how many of its refinements may be under way at once.
        batch_delay_s: with ``step_batch`` and most_running above 1, how long a first step waits
            for company: 0 steps with whoever is there, more gives throughput for latency.
        essential: nothing keeps it out and none of its work is shed, as for what moves a robot.
        memory_mb: with a process: how much more memory than at its start a plugin may take, in
            megabytes; None for no limit.
        later_worth: what all steps after the first add to the worth of an answer, where the first
            is worth 1; ``python -m benchmarks.curves`` measures it.
    """

    lane: str
    floor_atp: float = 0.0
    deadline_s: float | None = None
    max_age_s: float = 1.0
    overrun_s: float | None = None
    restart: RestartPolicy = field(default_factory=RestartPolicy)
    isolation: Isolation = "thread"
    queue: int = 1
    most_running: int = 1
    batch_delay_s: float = 0.0
    essential: bool = False
    later_worth: float = 0.1
    memory_mb: int | None = None

    def __post_init__(self) -> None:
        for name in ("max_age_s", "overrun_s", "deadline_s"):
            value = getattr(self, name)
            if value is None and name != "max_age_s":
                continue
            if not (isinstance(value, int | float) and value > 0.0):
                raise ValueError(f"{name} must be positive, got {value!r}")
        for name in ("floor_atp", "batch_delay_s", "later_worth"):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and 0.0 <= value < math.inf):
                raise ValueError(f"{name} must be 0 or more, got {value!r}")
        if self.batch_delay_s >= self.max_age_s:
            raise ValueError(
                f"batch_delay_s must be below max_age_s={self.max_age_s}, got {self.batch_delay_s}"
            )
        if not isinstance(self.restart, RestartPolicy):
            raise ValueError(f"restart must be a RestartPolicy, got {self.restart!r}")
        if not isinstance(self.essential, bool):
            raise ValueError(f"essential must be true or false, got {self.essential!r}")
        for name in ("queue", "most_running", "memory_mb"):
            value = getattr(self, name)
            if value is None and name == "memory_mb":
                continue
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 10_000:
                raise ValueError(f"{name} must be a whole number in [1, 10000], got {value!r}")
        if self.isolation not in ("thread", "process"):
            raise ValueError(f"isolation must be 'thread' or 'process', got {self.isolation!r}")


class Waiting(NamedTuple):
    """An observation that waits for its turn.

    Attributes:
        observation: what was captured.
        context: what its refinement begins with.
        salience: how much it matters, in [0, 1].
        offered_s: when it came.
        due_s: when its answer is due; inf without a deadline.
        hopeless: it came too late for that already.
    """

    observation: Captured
    context: Context
    salience: float
    offered_s: float
    due_s: float
    hopeless: bool


class Member:
    """One registered plugin. ``lock`` guards ``running``, ``waiting`` and the counts.

    Every submission is counted once more when it ends:
    ``submitted == finished + sum(dropped) + len(running) + len(waiting)``.
    """

    def __init__(
        self,
        factory: Factory,
        plugin: IRPPlugin[Any, Any],
        settings: PluginSettings,
        profile: Profile,
        trust_of: Callable[[str], float],
        on_result: OnResult | None,
        atp_per_s: float,
        cycle_s: float,
    ) -> None:
        self.factory = factory
        self.name = plugin.name
        self.settings = settings
        self.on_result = on_result
        self.profile = profile
        self.atp_per_s = atp_per_s
        self._cycle_s = cycle_s
        restart = settings.restart
        if settings.essential:  # nobody else moves the robot: it is tried again for ever
            restart = replace(restart, most_failures=1_000_000_000)
        self.supervisor = Supervisor(restart)
        self.lock = threading.RLock()
        self.running: list[Job] = []
        self.waiting: deque[Waiting] = deque()
        self.runner: Runner | None = None
        """Makes its steps where they are made in a process of its own, so that no lane waits."""
        self.deferred_in: int | None = None
        """The cycle in which its lane first passed over what waits; None once one begins."""
        self.gathers_s = 0.0
        """Since when what waits has gathered; what begins, begins it anew."""
        self.submitted = 0
        self.finished = 0
        self.dropped: Counter[str] = Counter()
        self._trust_of = trust_of
        self.replace(plugin)

    def replace(self, plugin: IRPPlugin[Any, Any]) -> None:
        """Go on with this one, made anew."""
        self.plugin = plugin
        self.batches = isinstance(plugin, Batches)
        self.limit_steps()

    def limit_steps(self) -> None:
        """Tell a plugin in a process of its own how long a step may take."""
        if isinstance(self.plugin, IsolatedPlugin):
            self.plugin.step_limit_s = self.overrun_s

    def trust(self) -> float:
        """Trust in it now."""
        return self._trust_of(self.name)

    @property
    def overrun_s(self) -> float:
        """How long a step of it may take before it is given up on."""
        settings = self.settings
        if settings.overrun_s is not None:
            return settings.overrun_s
        if settings.isolation == "thread":
            return _LONGEST_STEP_S
        # Slow or hung, nobody can tell: each failure in a row gives the next process longer.
        times = _PROCESS_MARGIN ** min(self.supervisor.failures_in_row, _MOST_TIMES)
        known_s = _PROCESS_MARGIN * self.profile.worst_s
        return max(_PROCESS_STEP_S, self._cycle_s, known_s) * times

    def counts(self) -> Mapping[str, int]:
        """Submitted, finished, and dropped by reason."""
        with self.lock:
            return {"submitted": self.submitted, "finished": self.finished, **self.dropped}
