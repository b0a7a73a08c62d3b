"""What the robot keeps: where things were last seen, and what was worth remembering, and why."""

from memory.context import Context
from memory.experience import Experience, Scores
from memory.reader import StoreReader
from memory.remember import Memory, MemoryConfig
from memory.ring import ContextRing
from memory.schema import MemoryStoreError
from memory.sightings import SightingMap
from memory.snarc import Signal, Snarc, SnarcConfig
from memory.store import ExperienceStore

__all__ = [
    "Context",
    "ContextRing",
    "Experience",
    "ExperienceStore",
    "Memory",
    "MemoryConfig",
    "MemoryStoreError",
    "Scores",
    "SightingMap",
    "Signal",
    "Snarc",
    "SnarcConfig",
    "StoreReader",
]
