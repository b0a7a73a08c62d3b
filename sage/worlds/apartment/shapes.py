"""The looks of furniture: each class a few primitives with a characteristic shape and colour.

A shape is drawn in the piece's own frame: x out of the front, y to its left, z up, the origin on
the floor under the middle of the footprint. Every piece reaches the floor over its footprint, so
that a range sensor near the floor sees what a robot would run into.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Vector = tuple[float, float, float]
Color = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Primitive:
    """A geom in its parent's frame: sizes are MuJoCo's half sizes, angles are degrees (x, y, z)."""

    kind: str
    size: tuple[float, ...]
    position: Vector
    color: Color
    euler: Vector = (0.0, 0.0, 0.0)
    alpha: float = 1.0
    glow: bool = False


def box(
    x: tuple[float, float], y: tuple[float, float], z: tuple[float, float], color: Color
) -> Primitive:
    """An upright box from its extents along the three axes."""
    size = ((x[1] - x[0]) / 2, (y[1] - y[0]) / 2, (z[1] - z[0]) / 2)
    centre = ((x[0] + x[1]) / 2, (y[0] + y[1]) / 2, (z[0] + z[1]) / 2)
    return Primitive("box", size, centre, color)


def can(x: float, y: float, z: tuple[float, float], radius: float, color: Color) -> Primitive:
    """An upright cylinder between two heights."""
    return Primitive("cylinder", (radius, (z[1] - z[0]) / 2), (x, y, (z[0] + z[1]) / 2), color)


def ball(position: Vector, size: Vector, color: Color, glow: bool = False) -> Primitive:
    """An ellipsoid."""
    return Primitive("ellipsoid", size, position, color, glow=glow)


class Painter:
    """Colours with the jitter of one apartment and one piece."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def tint(self, color: Color, spread: float = 0.05) -> Color:
        """A colour near the given one, in brightness more than in hue."""
        shade = 1.0 + self._rng.uniform(-2.2, 2.2) * spread
        r, g, b = np.clip(np.array(color) * shade + self._rng.normal(0, spread / 3, 3), 0, 1)
        return float(r), float(g), float(b)

    def pick(self, *colors: Color) -> Color:
        """One of a family of colours, jittered."""
        return self.tint(colors[int(self._rng.integers(len(colors)))])

    def random(self, low: float, high: float) -> float:
        """A uniform number."""
        return float(self._rng.uniform(low, high))


def darker(color: Color, factor: float = 0.7) -> Color:
    """The same hue with less light (or more, above 1)."""
    return (
        min(color[0] * factor, 1.0),
        min(color[1] * factor, 1.0),
        min(color[2] * factor, 1.0),
    )


OAK: Color = (0.72, 0.52, 0.31)
BEECH: Color = (0.85, 0.68, 0.46)
WALNUT: Color = (0.4, 0.25, 0.15)
WHITE: Color = (0.93, 0.93, 0.92)
STEEL: Color = (0.66, 0.69, 0.72)
BLACK: Color = (0.1, 0.1, 0.11)
CERAMIC: Color = (0.96, 0.96, 0.97)

Shape = Callable[[float, float, float, Painter], list[Primitive]]
