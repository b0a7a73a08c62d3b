"""What the runtime tells about itself: typed events, and the bus that carries them."""

from sage.telemetry.bus import Observer, Telemetry
from sage.telemetry.events import (
    Admitted,
    Cycle,
    Dropped,
    Event,
    Finished,
    Health,
    Moved,
    Saw,
    Task,
)

__all__ = [
    "Admitted",
    "Cycle",
    "Dropped",
    "Event",
    "Finished",
    "Health",
    "Moved",
    "Observer",
    "Saw",
    "Task",
    "Telemetry",
]
