"""How events reach those who watch: emitting costs an append, watchers run elsewhere."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from sage.telemetry.events import Event

logger = logging.getLogger(__name__)

Observer = Callable[[Event], None]


class Telemetry:
    """A bus from the runtime to its observers.

    ``emit`` is a bounded append and nothing else, so that watching never slows the robot; a
    thread of its own hands the events on. With ``capacity`` events waiting the oldest go first,
    and ``lost`` counts them. An observer that raises is logged and removed. Observers may call
    any method of the bus.
    """

    def __init__(self, observers: tuple[Observer, ...] = (), *, capacity: int = 65_536) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1 event, got {capacity}")
        self._events: deque[Event] = deque(maxlen=capacity)
        self._capacity = capacity
        self._observers = observers
        self._changing = threading.Lock()
        self._delivering = threading.RLock()
        self._inside = False
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.lost = 0

    def emit(self, event: Event) -> None:
        """Tell an event; safe from any thread, never blocks."""
        events = self._events
        if len(events) == self._capacity:
            self.lost += 1  # the append pushes the oldest out
        events.append(event)

    def subscribe(self, observer: Observer) -> None:
        """Add an observer; it sees what is delivered from now on."""
        with self._changing:
            self._observers = (*self._observers, observer)

    def start(self, period_s: float = 0.02) -> None:
        """Deliver every ``period_s`` seconds from a thread of the bus's own.

        Raises:
            RuntimeError: it was started or closed before.
        """
        if self._thread is not None or self._stopping.is_set():
            raise RuntimeError("telemetry starts once: it was already started or closed")

        def deliver() -> None:
            while not self._stopping.wait(period_s):
                self.flush()
            self.flush()

        self._thread = threading.Thread(target=deliver, name="telemetry", daemon=True)
        self._thread.start()

    def flush(self) -> None:
        """Deliver what waits, in order, on the calling thread; nothing from within an observer."""
        with self._delivering:
            if self._inside:
                return
            self._inside = True
            try:
                events = self._events
                for _ in range(len(events)):
                    event = events.popleft()
                    for observer in self._observers:
                        try:
                            observer(event)
                        except Exception:
                            logger.exception("telemetry observer %r removed: it raised", observer)
                            self._remove(observer)
            finally:
                self._inside = False

    def close(self, timeout_s: float = 2.0) -> None:
        """Deliver the rest and stop; a second call does nothing.

        An observer that hangs holds this up for ``timeout_s`` at most.
        """
        if self._stopping.is_set():
            return
        self._stopping.set()
        thread = self._thread
        if thread is threading.current_thread():
            return  # an observer closes the bus: the rest is told when it returns
        if thread is not None:
            thread.join(timeout_s)
            if thread.is_alive():
                logger.warning("a telemetry observer hangs: %d events untold", len(self._events))
                return
        self.flush()

    def _remove(self, observer: Observer) -> None:
        with self._changing:
            self._observers = tuple(kept for kept in self._observers if kept is not observer)
