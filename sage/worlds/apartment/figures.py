"""The looks of objects and people, drawn like furniture from a few primitives."""

from __future__ import annotations

from math import atan2, degrees, hypot
from types import MappingProxyType
from typing import TYPE_CHECKING

from sage.worlds.apartment.shapes import (
    BLACK,
    WHITE,
    Color,
    Painter,
    Primitive,
    ball,
    box,
    can,
    darker,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from sage.worlds.apartment.layout import Person


def _apple(p: Painter) -> list[Primitive]:
    red = p.tint((0.82, 0.1, 0.1))
    return [
        ball((0, 0, 0.052), (0.056, 0.056, 0.052), red),
        can(0, 0, (0.1, 0.125), 0.006, (0.35, 0.22, 0.1)),
        ball((0.02, 0, 0.115), (0.025, 0.012, 0.006), (0.2, 0.6, 0.15)),
    ]


def _banana(p: Painter) -> list[Primitive]:
    yellow = p.tint((0.98, 0.84, 0.12))
    return [
        Primitive("capsule", (0.026, 0.035), (0.012, 0, 0.028), yellow, (90, 0, 0)),
        Primitive("capsule", (0.024, 0.035), (-0.002, 0.068, 0.036), yellow, (76, 0, 16)),
        Primitive("capsule", (0.024, 0.035), (-0.002, -0.068, 0.036), yellow, (104, 0, -16)),
        ball((-0.014, 0.115, 0.05), (0.014, 0.018, 0.014), (0.35, 0.25, 0.1)),
    ]


def _melon(p: Painter) -> list[Primitive]:
    green = p.tint((0.3, 0.58, 0.2))
    dark = darker(green, 0.5)
    return [
        ball((0, 0, 0.1), (0.12, 0.1, 0.1), green),
        ball((0, 0, 0.1), (0.121, 0.03, 0.1012), dark),
        ball((0, 0, 0.1), (0.121, 0.1012, 0.025), dark),
    ]


def _coke(p: Painter) -> list[Primitive]:
    return [
        can(0, 0, (0.01, 0.15), 0.043, p.tint((0.85, 0.05, 0.07))),
        can(0, 0, (0, 0.165), 0.036, (0.8, 0.82, 0.84)),
        can(0, 0, (0.06, 0.095), 0.0436, WHITE),
    ]


def _milk(p: Painter) -> list[Primitive]:
    blue = p.tint((0.15, 0.4, 0.8))
    return [
        box((-0.05, 0.05), (-0.05, 0.05), (0, 0.19), (0.96, 0.96, 0.97)),
        box((-0.051, 0.051), (-0.051, 0.051), (0.03, 0.1), blue),
        Primitive("box", (0.036, 0.05, 0.036), (0, 0, 0.19), (0.9, 0.93, 0.97), (0, 45, 0)),
        box((-0.008, 0.008), (-0.05, 0.05), (0.235, 0.265), blue),
    ]


def _water(p: Painter) -> list[Primitive]:
    glass = p.tint((0.55, 0.8, 0.95))
    return [
        can(0, 0, (0, 0.2), 0.045, glass),
        ball((0, 0, 0.2), (0.045, 0.045, 0.05), glass),
        can(0, 0, (0.23, 0.27), 0.018, glass),
        can(0, 0, (0.265, 0.295), 0.022, (0.1, 0.25, 0.75)),
        can(0, 0, (0.07, 0.14), 0.046, p.tint((0.1, 0.3, 0.8))),
    ]


def _cereal(p: Painter) -> list[Primitive]:
    face = p.tint((0.98, 0.55, 0.08))
    return [
        box((-0.04, 0.04), (-0.105, 0.105), (0, 0.3), face),
        box((-0.0405, 0.0405), (-0.085, 0.085), (0.21, 0.275), (0.98, 0.93, 0.3)),
        Primitive("cylinder", (0.065, 0.0415), (0, 0, 0.11), (0.45, 0.22, 0.08), (0, 90, 0)),
        Primitive("cylinder", (0.045, 0.042), (0, 0, 0.11), (0.95, 0.9, 0.8), (0, 90, 0)),
    ]


def _pringles(p: Painter) -> list[Primitive]:
    green = p.tint((0.12, 0.55, 0.25))
    return [
        can(0, 0, (0, 0.25), 0.046, green),
        can(0, 0, (0.25, 0.272), 0.049, (0.93, 0.9, 0.8)),
        ball((0.03, 0, 0.15), (0.022, 0.03, 0.04), (0.95, 0.85, 0.5)),
        ball((-0.03, 0, 0.15), (0.022, 0.03, 0.04), (0.95, 0.85, 0.5)),
        can(0, 0, (0.05, 0.07), 0.0465, (0.85, 0.15, 0.12)),
    ]


def _mug(p: Painter) -> list[Primitive]:
    color = p.tint((0.12, 0.28, 0.75))
    return [
        can(0, 0, (0, 0.115), 0.056, color),
        can(0, 0, (0.1, 0.117), 0.046, (0.3, 0.18, 0.1)),
        Primitive("box", (0.03, 0.011, 0.008), (0, 0.075, 0.09), color, (0, 0, 90)),
        Primitive("box", (0.03, 0.011, 0.008), (0, 0.075, 0.03), color, (0, 0, 90)),
        box((-0.011, 0.011), (0.088, 0.105), (0.022, 0.098), color),
    ]


def _bowl(p: Painter) -> list[Primitive]:
    color = p.tint((0.62, 0.25, 0.66))
    return [
        can(0, 0, (0, 0.03), 0.055, darker(color, 0.8)),
        can(0, 0, (0.025, 0.055), 0.09, color),
        can(0, 0, (0.05, 0.095), 0.118, color),
        can(0, 0, (0.09, 0.0965), 0.105, (0.96, 0.92, 0.88)),
    ]


def _box(p: Painter) -> list[Primitive]:
    card = p.tint((0.7, 0.5, 0.3))
    return [
        box((-0.11, 0.11), (-0.14, 0.14), (0, 0.2), card),
        box((-0.1105, 0.1105), (-0.025, 0.025), (0.0, 0.202), (0.88, 0.8, 0.62)),
        box((0.11, 0.112), (0.05, 0.12), (0.04, 0.1), WHITE),
        box((-0.112, -0.11), (0.05, 0.12), (0.04, 0.1), WHITE),
    ]


def _tray(p: Painter) -> list[Primitive]:
    rim = p.tint((0.95, 0.28, 0.52))
    base = p.tint((0.2, 0.2, 0.23), 0.02)
    return [
        box((-0.13, 0.13), (-0.17, 0.17), (0, 0.015), base),
        box((-0.14, -0.125), (-0.18, 0.18), (0, 0.05), rim),
        box((0.125, 0.14), (-0.18, 0.18), (0, 0.05), rim),
        box((-0.14, 0.14), (-0.18, -0.165), (0, 0.05), rim),
        box((-0.14, 0.14), (0.165, 0.18), (0, 0.05), rim),
    ]


def _shampoo(p: Painter) -> list[Primitive]:
    body = p.tint((0.93, 0.2, 0.6))
    return [
        Primitive("ellipsoid", (0.038, 0.055, 0.11), (0, 0, 0.1), body),
        box((-0.03, 0.03), (-0.04, 0.04), (0, 0.08), body),
        can(0, 0, (0.19, 0.22), 0.02, WHITE),
        box((-0.012, 0.05), (-0.012, 0.012), (0.225, 0.245), WHITE),
        can(0, 0, (0.2, 0.24), 0.008, WHITE),
    ]


def _towel(p: Painter) -> list[Primitive]:
    first = p.tint((0.95, 0.95, 0.92))
    stripe = p.tint((0.1, 0.65, 0.7))
    return [
        box((-0.12, 0.12), (-0.155, 0.155), (0.0, 0.04), stripe),
        box((-0.12, 0.12), (-0.155, 0.155), (0.044, 0.084), first),
        box((-0.12, 0.12), (-0.155, 0.155), (0.088, 0.128), stripe),
        box((0.105, 0.126), (-0.15, 0.15), (0.005, 0.12), darker(stripe, 0.85)),
    ]


OBJECT_SHAPES: MappingProxyType[str, Callable[[Painter], list[Primitive]]] = MappingProxyType(
    {
        "apple": _apple,
        "banana": _banana,
        "melon": _melon,
        "coke": _coke,
        "milk": _milk,
        "water": _water,
        "cereal": _cereal,
        "pringles": _pringles,
        "mug": _mug,
        "bowl": _bowl,
        "box": _box,
        "tray": _tray,
        "shampoo": _shampoo,
        "towel": _towel,
    }
)
"""Object name to the function that draws it, standing on z = 0."""


def person_shape(person: Person) -> list[Primitive]:
    """A standing person who looks along x, feet on z = 0."""
    h = person.height_m
    hip, shoulder, head = 0.5 * h, 0.8 * h, 0.925 * h
    shirt, trousers, skin = person.shirt, person.trousers, person.skin
    parts: list[Primitive] = []
    for side in (-1, 1):
        y = side * 0.09
        parts += [
            Primitive("box", (0.13, 0.05, 0.045), (0.04, y, 0.045), BLACK),
            _limb((0, y, 0.08), (0, y, hip), 0.075, trousers),
            _limb((0, side * 0.2, shoulder - 0.04), (0.03, side * 0.25, hip + 0.13), 0.05, shirt),
            ball((0.05, side * 0.255, hip + 0.03), (0.04, 0.03, 0.07), skin),
        ]
    parts += [
        Primitive("ellipsoid", (0.13, 0.2, 0.31), (0, 0, (hip + shoulder) / 2 + 0.02), shirt),
        Primitive("ellipsoid", (0.12, 0.21, 0.12), (0, 0, shoulder - 0.07), shirt),
        Primitive("ellipsoid", (0.13, 0.17, 0.12), (0, 0, hip + 0.02), trousers),
        can(0, 0, (shoulder, head - 0.06), 0.05, skin),
        ball((0, 0, head), (0.095, 0.085, 0.12), skin),
        ball((-0.022, 0, head + 0.035), (0.1, 0.095, 0.11), person.hair),
        ball((0.088, 0.032, head + 0.01), (0.015, 0.014, 0.014), BLACK),
        ball((0.088, -0.032, head + 0.01), (0.015, 0.014, 0.014), BLACK),
    ]
    return parts


def _limb(
    bottom: tuple[float, float, float],
    top: tuple[float, float, float],
    radius: float,
    color: Color,
) -> Primitive:
    """An almost upright capsule between two points."""
    dx, dy, dz = top[0] - bottom[0], top[1] - bottom[1], top[2] - bottom[2]
    length = hypot(dx, dy, dz)
    middle = (
        (top[0] + bottom[0]) / 2,
        (top[1] + bottom[1]) / 2,
        (top[2] + bottom[2]) / 2,
    )
    lean = (degrees(-atan2(dy, dz)), degrees(atan2(dx, dz)), 0.0)
    return Primitive("capsule", (radius, max(length / 2 - radius, 0.01)), middle, color, lean)
