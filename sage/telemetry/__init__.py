"""What the runtime tells about itself: typed events, and the bus that carries them."""

from sage.telemetry.bus import Observer, Telemetry
from sage.telemetry.events import (
    Admitted,
    Credited,
    Cycle,
    Dropped,
    Event,
    Finished,
    Health,
    Heard,
    Kept,
    Moved,
    Parsed,
    Saw,
    Scored,
    Task,
)

__all__ = [
    "Admitted",
    "Credited",
    "Cycle",
    "Dropped",
    "Event",
    "Finished",
    "Health",
    "Heard",
    "Kept",
    "Moved",
    "Observer",
    "Parsed",
    "Saw",
    "Scored",
    "Task",
    "Telemetry",
]
