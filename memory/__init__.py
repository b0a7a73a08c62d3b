"""What the robot keeps: for now, where things were last seen."""

from memory.sightings import SightingMap

__all__ = ["SightingMap"]
