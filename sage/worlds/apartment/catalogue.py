"""Sizes and habits of the apartment's furniture and objects: what stands where, and how big."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class PieceSpec:
    """A class of furniture. The local frame has x out of its front, y to its left, in metres.

    ``surface`` is (x_min, y_min, x_max, y_max, z), as fractions of depth and width but z in
    metres: where objects can stand; None for a piece that carries nothing. An ``island`` is
    placed away from the walls and is reached from every side.
    """

    width_m: float
    depth_m: float
    height_m: float
    surface: tuple[float, float, float, float, float] | None = None
    island: bool = False
    essential: bool = False


_TOP = (-0.5, -0.5, 0.5, 0.5)

PIECES: MappingProxyType[str, PieceSpec] = MappingProxyType(
    {
        "bed": PieceSpec(1.30, 1.90, 0.95, essential=True),
        "nightstand": PieceSpec(0.46, 0.42, 0.55, (*_TOP, 0.55)),
        "wardrobe": PieceSpec(1.05, 0.56, 1.95),
        "dresser": PieceSpec(0.95, 0.45, 0.85, (*_TOP, 0.85)),
        "desk": PieceSpec(1.15, 0.60, 0.75, (-0.1, -0.5, 0.5, 0.5, 0.75)),
        "dining table": PieceSpec(1.35, 0.85, 0.75, (*_TOP, 0.75), island=True, essential=True),
        "side table": PieceSpec(0.75, 0.40, 0.72, (*_TOP, 0.72)),
        "chair": PieceSpec(0.46, 0.48, 0.92),
        "baby chair": PieceSpec(0.48, 0.50, 0.98),
        "sofa": PieceSpec(1.65, 0.80, 0.80, essential=True),
        "bookshelf": PieceSpec(0.90, 0.32, 1.80),
        "coffee table": PieceSpec(0.95, 0.55, 0.43, (*_TOP, 0.43), island=True),
        "center table": PieceSpec(0.76, 0.76, 0.52, (-0.35, -0.35, 0.35, 0.35, 0.52), island=True),
        "fireplace": PieceSpec(1.20, 0.42, 1.02, (*_TOP, 1.02)),
        "counter": PieceSpec(1.45, 0.60, 0.90, (*_TOP, 0.90), essential=True),
        "cupboard": PieceSpec(0.95, 0.48, 1.65, (0.0, -0.5, 0.5, 0.5, 0.85)),
        "fridge": PieceSpec(0.60, 0.60, 1.00, (*_TOP, 1.00)),
        "stove": PieceSpec(0.60, 0.60, 0.88),
        "washing machine": PieceSpec(0.60, 0.58, 0.86, (*_TOP, 0.86)),
        "sink": PieceSpec(0.70, 0.48, 0.86, essential=True),
        "cabinet": PieceSpec(0.90, 0.36, 0.92, (*_TOP, 0.92)),
        "bathtub": PieceSpec(1.50, 0.70, 0.56, essential=True),
        "toilet": PieceSpec(0.40, 0.64, 0.78, essential=True),
        "bathroom cabinet": PieceSpec(0.66, 0.36, 0.80, (*_TOP, 0.80)),
    }
)

RESTS: MappingProxyType[str, tuple[float, float, float, float, float]] = MappingProxyType(
    {
        "bed": (-0.15, -0.45, 0.48, 0.45, 0.53),
        "chair": (-0.38, -0.42, 0.45, 0.42, 0.50),
        "baby chair": (0.1, -0.42, 0.48, 0.42, 0.78),
        "sofa": (-0.02, -0.38, 0.48, 0.38, 0.43),
        "bookshelf": (0.1, -0.45, 0.5, 0.45, 0.985),
        "stove": (-0.4, -0.5, 0.5, 0.5, 0.89),
        "sink": (-0.28, -0.4, 0.44, 0.4, 0.82),
    }
)
"""Where something can be put down though nothing stands there to begin with, as ``surface``."""

HOMES: MappingProxyType[str, tuple[str, ...]] = MappingProxyType(
    {
        "bedroom": ("bed", "wardrobe", "desk", "dresser", "nightstand"),
        "dining room": ("dining table", "side table", "chair", "baby chair"),
        "living room": ("sofa", "fireplace", "bookshelf", "coffee table", "center table"),
        "kitchen": ("counter", "fridge", "stove", "cupboard", "washing machine"),
        "corridor": ("cabinet",),
        "bathroom": ("bathtub", "toilet", "bathroom cabinet"),
    }
)
"""Room to the classes it can hold, the ones to place first in front; "sink" goes by seed."""

OBJECT_RADIUS_M: MappingProxyType[str, float] = MappingProxyType(
    {
        "apple": 0.06,
        "banana": 0.11,
        "melon": 0.11,
        "coke": 0.05,
        "milk": 0.07,
        "water": 0.06,
        "cereal": 0.12,
        "pringles": 0.06,
        "mug": 0.08,
        "bowl": 0.12,
        "box": 0.17,
        "tray": 0.19,
        "shampoo": 0.06,
        "towel": 0.16,
    }
)
"""Radius of the circle around an object's base: its room on a surface."""

OBJECT_HEIGHT_M: MappingProxyType[str, float] = MappingProxyType(
    {
        "apple": 0.11,
        "banana": 0.07,
        "melon": 0.20,
        "coke": 0.16,
        "milk": 0.24,
        "water": 0.29,
        "cereal": 0.30,
        "pringles": 0.27,
        "mug": 0.12,
        "bowl": 0.10,
        "box": 0.20,
        "tray": 0.05,
        "shampoo": 0.25,
        "towel": 0.13,
    }
)
"""Height of an object above the surface it stands on."""
