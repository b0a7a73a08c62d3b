"""The looks of furniture in the kitchen, the bathroom and the corridor."""

from __future__ import annotations

from types import MappingProxyType

from sage.worlds.apartment.shapes import (
    BLACK,
    CERAMIC,
    OAK,
    STEEL,
    WHITE,
    Color,
    Painter,
    Primitive,
    Shape,
    ball,
    box,
    can,
    darker,
)


def _kitchen_fronts(
    x: float, y: float, z: tuple[float, float], doors: int, color: Color, handle: Color
) -> list[Primitive]:
    parts = []
    step = 2 * y / doors
    for i in range(doors):
        y0 = -y + i * step
        parts.append(box((x - 0.01, x), (y0 + 0.01, y0 + step - 0.01), z, color))
        parts.append(
            box((x, x + 0.025), (y0 + 0.1, y0 + step - 0.1), (z[1] - 0.08, z[1] - 0.06), handle)
        )
    return parts


def _counter(d: float, w: float, h: float, p: Painter) -> list[Primitive]:
    body = p.pick((0.9, 0.9, 0.88), (0.55, 0.66, 0.6), (0.32, 0.4, 0.52))
    top = p.pick((0.2, 0.2, 0.21), (0.68, 0.5, 0.32), (0.45, 0.43, 0.42))
    x, y = d / 2, w / 2
    return [
        box((-x, x - 0.03), (-y, y), (0.0, h - 0.05), darker(body, 0.85)),
        box((-x, x), (-y, y), (h - 0.05, h), top),
        box((-x, x), (-y, y), (0.0, 0.16), darker(body, 0.45)),
        *_kitchen_fronts(x - 0.02, y, (0.18, h - 0.07), 3, body, STEEL),
    ]


def _cupboard(d: float, w: float, h: float, p: Painter) -> list[Primitive]:
    wood = p.pick((0.92, 0.88, 0.78), OAK, (0.5, 0.62, 0.66))
    x, y = d / 2, w / 2
    low = 0.85
    parts = [
        box((-x, x), (-y, y), (0, low - 0.03), darker(wood, 0.9)),
        box((-x, x), (-y, y), (low - 0.03, low), darker(wood, 0.65)),
        box((-x, -x + 0.02), (-y, y), (low, h), darker(wood, 0.75)),
        box((-x, -x + 0.2), (-y, -y + 0.03), (low, h), wood),
        box((-x, -x + 0.2), (y - 0.03, y), (low, h), wood),
        box((-x, -x + 0.24), (-y, y), (h - 0.06, h), darker(wood, 0.8)),
        box((-x, -x + 0.18), (-y, y), (1.24, 1.27), wood),
        *_kitchen_fronts(x + 0.005, y, (0.1, low - 0.06), 2, wood, BLACK),
    ]
    for i in range(4):
        plate_y = -y + (i + 0.7) * w / 4.4
        parts.append(
            Primitive(
                "cylinder", (0.085, 0.008), (-x + 0.06, plate_y, 1.37), p.pick(WHITE), (0, 80, 0)
            )
        )
    return parts


def _fridge(d: float, w: float, h: float, p: Painter) -> list[Primitive]:
    body = p.pick((0.62, 0.82, 0.78), (0.85, 0.3, 0.26), (0.72, 0.75, 0.78), (0.93, 0.86, 0.66))
    x, y = d / 2, w / 2
    return [
        box((-x, x - 0.04), (-y, y), (0.05, h), body),
        box((-x, x - 0.05), (-y, y), (0, 0.06), BLACK),
        box((x - 0.035, x), (-y, y), (0.07, 0.66), darker(body, 1.07)),
        box((x - 0.035, x), (-y, y), (0.68, h), darker(body, 1.07)),
        box((x, x + 0.04), (y - 0.1, y - 0.06), (0.3, 0.62), (0.9, 0.9, 0.92)),
        box((x, x + 0.04), (y - 0.1, y - 0.06), (0.72, 0.92), (0.9, 0.9, 0.92)),
        box((x, x + 0.004), (-y + 0.08, -y + 0.2), (0.84, 0.88), (0.9, 0.9, 0.92)),
    ]


def _stove(d: float, w: float, h: float, p: Painter) -> list[Primitive]:
    body = p.pick((0.3, 0.3, 0.32), (0.75, 0.76, 0.78))
    x, y = d / 2, w / 2
    parts = [
        box((-x, x - 0.02), (-y, y), (0, h - 0.02), body),
        box((-x, x), (-y, y), (h - 0.02, h), BLACK),
        box((x - 0.02, x), (-y + 0.02, y - 0.02), (0.14, 0.64), darker(body, 0.9)),
        box((x, x + 0.006), (-y + 0.08, y - 0.08), (0.22, 0.52), (0.05, 0.05, 0.06)),
        box((x, x + 0.04), (-y + 0.06, y - 0.06), (0.58, 0.61), STEEL),
        box((x - 0.02, x + 0.002), (-y, y), (0.69, h - 0.03), (0.85, 0.86, 0.88)),
        box((-x, -x + 0.04), (-y, y), (h, h + 0.16), (0.8, 0.81, 0.83)),
    ]
    for sx in (-1, 1):
        for sy in (-1, 1):
            ring = can(sx * 0.13 + 0.02, sy * 0.14, (h - 0.01, h + 0.012), 0.085, (0.32, 0.3, 0.3))
            parts.append(ring)
            parts.append(
                Primitive(
                    "cylinder",
                    (0.022, 0.015),
                    (x + 0.012, sx * 0.08 + sy * 0.16, 0.77),
                    (0.12, 0.12, 0.12),
                    (0, 90, 0),
                )
            )
    return parts


def _washing_machine(d: float, w: float, h: float, p: Painter) -> list[Primitive]:
    body = p.pick((0.95, 0.95, 0.96), (0.9, 0.91, 0.93))
    x, y = d / 2, w / 2
    return [
        box((-x, x - 0.01), (-y, y), (0, h), body),
        box((x - 0.01, x), (-y, y), (h - 0.14, h - 0.01), darker(body, 0.88)),
        box((x - 0.01, x), (-y, y), (0.0, 0.09), darker(body, 0.8)),
        Primitive("cylinder", (0.21, 0.02), (x, 0.0, 0.42), (0.62, 0.65, 0.7), (0, 90, 0)),
        Primitive("cylinder", (0.16, 0.02), (x + 0.012, 0.0, 0.42), (0.12, 0.16, 0.24), (0, 90, 0)),
        Primitive("cylinder", (0.035, 0.02), (x + 0.01, -0.08, h - 0.075), STEEL, (0, 90, 0)),
        box((x, x + 0.003), (0.08, 0.24), (h - 0.1, h - 0.05), (0.1, 0.25, 0.3)),
    ]


def _sink(d: float, w: float, h: float, p: Painter) -> list[Primitive]:
    vanity = p.pick((0.25, 0.42, 0.6), (0.45, 0.58, 0.42), (0.55, 0.4, 0.28))
    x, y = d / 2, w / 2
    return [
        box((-x, x - 0.02), (-y + 0.01, y - 0.01), (0, h - 0.12), vanity),
        box((-x, x), (-y, y), (h - 0.12, h - 0.04), CERAMIC),
        box((x - 0.03, x), (-y, y), (h - 0.06, h), CERAMIC),
        box((-x, x), (-y, -y + 0.05), (h - 0.06, h), CERAMIC),
        box((-x, x), (y - 0.05, y), (h - 0.06, h), CERAMIC),
        box((-x, -x + 0.1), (-y, y), (h - 0.06, h), CERAMIC),
        ball((0.03, 0, h - 0.035), (x * 0.62, y * 0.66, 0.012), (0.6, 0.72, 0.8)),
        can(-x + 0.06, 0, (h, h + 0.2), 0.018, STEEL),
        Primitive("capsule", (0.015, 0.07), (-x + 0.12, 0, h + 0.2), STEEL, (0, 90, 0)),
        box((-x, -x + 0.03), (-0.28, 0.28), (h + 0.3, h + 0.95), (0.5, 0.52, 0.54)),
        box((-x + 0.03, -x + 0.034), (-0.25, 0.25), (h + 0.33, h + 0.92), (0.72, 0.86, 0.94)),
        box((x - 0.02, x - 0.012), (-0.005, 0.005), (0.05, h - 0.15), darker(vanity, 0.5)),
    ]


def _cabinet(d: float, w: float, h: float, p: Painter) -> list[Primitive]:
    wood = p.pick((0.36, 0.2, 0.13), (0.3, 0.17, 0.14))
    x, y = d / 2, w / 2
    parts = [
        box((-x, x - 0.015), (-y, y), (0, h - 0.04), wood),
        box((-x, x + 0.01), (-y - 0.01, y + 0.01), (h - 0.04, h), darker(wood, 1.3)),
        box((-x, x), (-y, y), (0, 0.17), darker(wood, 0.7)),
    ]
    for sy in (-1, 1):
        centre = sy * y / 2
        half = y / 2 - 0.02
        z = (0.2, h - 0.07)
        parts.append(box((x - 0.015, x), (centre - half, centre + half), z, darker(wood, 1.2)))
        inner = (centre - half + 0.08, centre + half - 0.08)
        parts.append(box((x, x + 0.004), inner, (0.3, h - 0.17), darker(wood, 1.7)))
        parts.append(ball((x + 0.015, sy * 0.05, 0.58), (0.02, 0.02, 0.02), (0.85, 0.7, 0.3)))
    return parts


def _bathtub(d: float, w: float, h: float, p: Painter) -> list[Primitive]:
    x, y = d / 2, w / 2
    rim = p.tint(CERAMIC, 0.02)
    return [
        box((-x, x), (-y, y), (0, h - 0.16), darker(rim, 0.92)),
        box((-x, x), (-y, -y + 0.1), (h - 0.16, h), rim),
        box((-x, x), (y - 0.1, y), (h - 0.16, h), rim),
        box((-x, -x + 0.08), (-y, y), (h - 0.16, h), rim),
        box((x - 0.08, x), (-y, y), (h - 0.16, h), rim),
        box((-x + 0.08, x - 0.08), (-y + 0.1, y - 0.1), (h - 0.17, h - 0.07), (0.45, 0.75, 0.86)),
        can(-x + 0.05, y - 0.25, (h, h + 0.14), 0.018, STEEL),
        Primitive("capsule", (0.016, 0.05), (-x + 0.1, y - 0.25, h + 0.14), STEEL, (0, 90, 0)),
    ]


def _toilet(d: float, w: float, h: float, p: Painter) -> list[Primitive]:
    x, y = d / 2, w / 2
    white = p.tint(CERAMIC, 0.02)
    seat = p.pick(WHITE, (0.35, 0.25, 0.2), (0.2, 0.2, 0.22))
    return [
        box((-x, x), (-y, y), (0, 0.18), darker(white, 0.9)),
        box((-x, x - 0.2), (-y * 0.7, y * 0.7), (0.18, 0.36), white),
        Primitive("ellipsoid", (0.26, y, 0.16), (x - 0.26, 0, 0.28), white),
        Primitive("ellipsoid", (0.255, y * 0.97, 0.025), (x - 0.26, 0, 0.42), seat),
        box((-x, -x + 0.2), (-y, y), (0.34, h - 0.03), white),
        box((-x, -x + 0.21), (-y - 0.005, y + 0.005), (h - 0.03, h), darker(white, 0.94)),
        can(-x + 0.1, 0, (h, h + 0.015), 0.03, STEEL),
        Primitive("box", (0.012, y * 0.9, 0.19), (-x + 0.23, 0, 0.6), seat, (0, -6, 0)),
    ]


def _bathroom_cabinet(d: float, w: float, h: float, p: Painter) -> list[Primitive]:
    body = p.pick((0.2, 0.62, 0.62), (0.3, 0.58, 0.72), (0.5, 0.72, 0.6))
    x, y = d / 2, w / 2
    parts = [
        box((-x, x - 0.01), (-y, y), (0, h - 0.03), body),
        box((-x, x), (-y, y), (h - 0.03, h), WHITE),
        box((-x, x), (-y, y), (0, 0.1), darker(body, 0.6)),
    ]
    for i in range(6):
        z = 0.16 + i * (h - 0.26) / 6
        for sy in (-1, 1):
            centre = sy * y / 2
            parts.append(
                box(
                    (x - 0.01, x),
                    (centre - y / 2 + 0.03, centre + y / 2 - 0.03),
                    (z, z + 0.06),
                    darker(body, 1.25),
                )
            )
    for sy in (-1, 1):
        parts.append(can(x + 0.01, sy * 0.035, (0.36, 0.48), 0.01, STEEL))
    return parts


SERVICE_SHAPES: MappingProxyType[str, Shape] = MappingProxyType(
    {
        "counter": _counter,
        "cupboard": _cupboard,
        "fridge": _fridge,
        "stove": _stove,
        "washing machine": _washing_machine,
        "sink": _sink,
        "cabinet": _cabinet,
        "bathtub": _bathtub,
        "toilet": _toilet,
        "bathroom cabinet": _bathroom_cabinet,
    }
)
"""Furniture name to the function that draws it from depth, width, height and a painter."""
