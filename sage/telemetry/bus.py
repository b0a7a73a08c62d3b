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
    and ``lost`` counts them. An observer that raises is logged and removed.
    """

    def __init__(self, observers: tuple[Observer, ...] = (), *, capacity: int = 65_536) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1 event, got {capacity}")
        self._events: deque[Event] = deque()
        self._capacity = capacity
        self._observers = list(observers)
        self._delivering = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.lost = 0
        self.emit: Observer = self._events.append
        """Tell an event; safe from any thread, never blocks."""

    def subscribe(self, observer: Observer) -> None:
        """Add an observer; it sees what is delivered from now on."""
        with self._delivering:
            self._observers.append(observer)

    def start(self, period_s: float = 0.02) -> None:
        """Deliver every ``period_s`` seconds from a thread of the bus's own."""

        def deliver() -> None:
            while not self._stopping.wait(period_s):
                self.flush()

        self._thread = threading.Thread(target=deliver, name="telemetry", daemon=True)
        self._thread.start()

    def flush(self) -> None:
        """Deliver what waits, in order, on the calling thread."""
        with self._delivering:
            events = self._events
            while len(events) > self._capacity:
                events.popleft()
                self.lost += 1
            for _ in range(len(events)):
                event = events.popleft()
                for observer in tuple(self._observers):
                    try:
                        observer(event)
                    except Exception:
                        logger.exception("telemetry observer %r removed: it raised", observer)
                        self._observers.remove(observer)

    def close(self) -> None:
        """Deliver the rest and stop; a second call does nothing."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self.flush()
