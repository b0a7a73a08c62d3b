"""The looks of furniture in the bedroom, the dining room and the living room."""

from __future__ import annotations

import math
from types import MappingProxyType

from sage.worlds.apartment.shapes import (
    BEECH,
    BLACK,
    OAK,
    STEEL,
    WALNUT,
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


def _bed(d: float, w: float, h: float, p: Painter) -> list[Primitive]:
    wood = p.pick(OAK, WALNUT, BEECH)
    blanket = p.pick((0.2, 0.32, 0.62), (0.62, 0.22, 0.3), (0.25, 0.5, 0.48), (0.55, 0.45, 0.68))
    x, y = d / 2, w / 2
    return [
        box((-x, x), (-y, y), (0, 0.3), wood),
        box((-x, -x + 0.07), (-y, y), (0.3, h), darker(wood, 0.9)),
        box((-x + 0.08, x - 0.03), (-y + 0.03, y - 0.03), (0.3, 0.47), WHITE),
        box((-x + 0.62, x - 0.01), (-y + 0.01, y - 0.01), (0.32, 0.52), blanket),
        box((-x + 0.62, -x + 0.8), (-y + 0.005, y - 0.005), (0.32, 0.535), darker(WHITE, 0.93)),
        ball((-x + 0.33, y * 0.48, 0.53), (0.19, y * 0.4, 0.09), WHITE),
        ball((-x + 0.33, -y * 0.48, 0.53), (0.19, y * 0.4, 0.09), WHITE),
    ]


def _drawers(
    d: float, w: float, h: float, wood: Color, rows: int, columns: int, knob: Color, front: Color
) -> list[Primitive]:
    x, y = d / 2, w / 2
    parts = [box((-x, x - 0.02), (-y, y), (0, h - 0.03), wood)]
    parts.append(box((-x, x), (-y, y), (h - 0.03, h), darker(wood, 1.08)))
    parts.append(box((-x, x), (-y, y), (0.0, 0.07), darker(wood, 0.6)))
    step_y, step_z = w / columns, (h - 0.12) / rows
    for row in range(rows):
        for column in range(columns):
            y0, z0 = -y + column * step_y, 0.09 + row * step_z
            parts.append(
                box(
                    (x - 0.02, x), (y0 + 0.02, y0 + step_y - 0.02), (z0, z0 + step_z - 0.025), front
                )
            )
            middle = (x + 0.01, y0 + step_y / 2, z0 + step_z / 2)
            parts.append(ball(middle, (0.02, 0.03, 0.018), knob))
    return parts


def _nightstand(d: float, w: float, h: float, p: Painter) -> list[Primitive]:
    wood = p.pick(OAK, WALNUT)
    parts = _drawers(d, w, h, wood, 2, 1, BLACK, darker(wood, 1.15))
    # A reading lamp at the back makes it more than a small chest.
    parts.append(can(-d / 2 + 0.08, w / 2 - 0.09, (h, h + 0.2), 0.015, BLACK))
    shade = p.pick((0.98, 0.9, 0.6), (0.98, 0.82, 0.66))
    parts.append(can(-d / 2 + 0.08, w / 2 - 0.09, (h + 0.18, h + 0.34), 0.075, shade))
    return parts


def _wardrobe(d: float, w: float, h: float, p: Painter) -> list[Primitive]:
    wood = p.pick(WHITE, BEECH, WALNUT)
    x, y = d / 2, w / 2
    door = darker(wood, 0.93)
    return [
        box((-x, x - 0.02), (-y, y), (0, h - 0.06), wood),
        box((-x, x + 0.01), (-y - 0.01, y + 0.01), (h - 0.06, h), darker(wood, 0.8)),
        box((-x, x), (-y, y), (0, 0.08), darker(wood, 0.6)),
        box((x - 0.02, x), (-y + 0.02, -0.008), (0.1, h - 0.09), door),
        box((x - 0.02, x), (0.008, y - 0.02), (0.1, h - 0.09), door),
        box((x, x + 0.03), (-0.06, -0.035), (0.8, 1.15), STEEL),
        box((x, x + 0.03), (0.035, 0.06), (0.8, 1.15), STEEL),
    ]


def _dresser(d: float, w: float, h: float, p: Painter) -> list[Primitive]:
    wood = p.pick(BEECH, (0.78, 0.6, 0.42))
    return _drawers(d, w, h, wood, 3, 2, (0.8, 0.68, 0.3), darker(wood, 1.12))


def _desk(d: float, w: float, h: float, p: Painter) -> list[Primitive]:
    wood = p.pick(WHITE, BEECH, OAK)
    x, y = d / 2, w / 2
    screen_y = p.random(-0.15, 0.15)
    return [
        box((-x, x), (-y, y), (h - 0.035, h), wood),
        box((-x, x), (-y, -y + 0.36), (0, h - 0.035), darker(wood, 0.85)),
        box((x - 0.01, x + 0.005), (-y + 0.03, -y + 0.33), (0.4, h - 0.08), wood),
        box((x - 0.01, x + 0.005), (-y + 0.03, -y + 0.33), (0.08, 0.37), wood),
        box((-x, x), (-y + 0.36, y), (0, 0.2), (0.3, 0.31, 0.33)),
        box((-x + 0.04, -x + 0.1), (y - 0.08, y - 0.02), (0.2, h - 0.035), BLACK),
        box((x - 0.1, x - 0.04), (y - 0.08, y - 0.02), (0.2, h - 0.035), BLACK),
        box(
            (-x + 0.05, -x + 0.08), (screen_y - 0.28, screen_y + 0.28), (h + 0.12, h + 0.46), BLACK
        ),
        box(
            (-x + 0.08, -x + 0.085),
            (screen_y - 0.26, screen_y + 0.26),
            (h + 0.14, h + 0.44),
            (0.25, 0.5, 0.75),
        ),
        box((-x + 0.04, -x + 0.09), (screen_y - 0.04, screen_y + 0.04), (h, h + 0.14), BLACK),
    ]


def _table_on_plinth(
    d: float, w: float, h: float, top: Color, legs: Color, plinth: Color, base_z: float = 0.2
) -> list[Primitive]:
    x, y = d / 2, w / 2
    parts = [
        box((-x, x), (-y, y), (h - 0.045, h), top),
        box((-x + 0.02, x - 0.02), (-y + 0.02, y - 0.02), (h - 0.12, h - 0.045), darker(top, 0.85)),
        box((-x, x), (-y, y), (0, base_z), plinth),
    ]
    for sx in (-1, 1):
        for sy in (-1, 1):
            cx, cy = sx * (x - 0.06), sy * (y - 0.06)
            parts.append(
                box((cx - 0.035, cx + 0.035), (cy - 0.035, cy + 0.035), (base_z, h - 0.1), legs)
            )
    return parts


def _dining_table(d: float, w: float, h: float, p: Painter) -> list[Primitive]:
    wood = p.pick(OAK, WALNUT, (0.6, 0.36, 0.2))
    parts = _table_on_plinth(d, w, h, wood, darker(wood, 0.85), darker(wood, 0.6), 0.18)
    runner = p.pick((0.93, 0.9, 0.82), (0.75, 0.25, 0.2), (0.3, 0.45, 0.35))
    parts.append(box((-d / 2, d / 2), (-0.16, 0.16), (h - 0.05, h + 0.003), runner))
    return parts


def _side_table(d: float, w: float, h: float, p: Painter) -> list[Primitive]:
    frame = p.pick((0.12, 0.12, 0.13), (0.75, 0.62, 0.3))
    top = p.pick((0.8, 0.9, 0.88), (0.88, 0.9, 0.92))
    x, y = d / 2, w / 2
    parts = _table_on_plinth(d, w, h, top, frame, darker(frame, 1.1), 0.19)
    parts.append(box((-x + 0.02, x - 0.02), (-y + 0.02, y - 0.02), (0.42, 0.45), top))
    return parts


def _chair(d: float, w: float, h: float, p: Painter) -> list[Primitive]:
    wood = p.pick(OAK, WALNUT)
    seat = p.pick((0.7, 0.2, 0.18), (0.2, 0.4, 0.3), (0.25, 0.3, 0.5))
    x, y = d / 2, w / 2
    parts = [
        box((-x, x), (-y, y), (0, 0.17), darker(wood, 0.7)),
        box((-x + 0.02, x), (-y, y), (0.42, 0.46), wood),
        box((-x + 0.05, x - 0.02), (-y + 0.03, y - 0.03), (0.46, 0.5), seat),
        box((-x, -x + 0.04), (-y, y), (h - 0.14, h), wood),
        box((-x, -x + 0.03), (-y, y), (0.6, 0.68), wood),
    ]
    for sx, top in ((-1, h), (1, 0.42)):
        for sy in (-1, 1):
            cx, cy = sx * (x - 0.025), sy * (y - 0.025)
            parts.append(box((cx - 0.025, cx + 0.025), (cy - 0.025, cy + 0.025), (0.17, top), wood))
    return parts


def _baby_chair(d: float, w: float, h: float, p: Painter) -> list[Primitive]:
    frame = p.pick(WHITE, (0.9, 0.85, 0.75))
    seat = p.pick((0.95, 0.75, 0.2), (0.35, 0.75, 0.8), (0.95, 0.5, 0.6))
    x, y = d / 2, w / 2
    parts = [
        box((-x, x), (-y, y), (0, 0.17), frame),
        box((-x + 0.08, x - 0.08), (-y + 0.08, y - 0.08), (0.55, 0.62), seat),
        box((-x + 0.06, -x + 0.12), (-y + 0.07, y - 0.07), (0.6, h), seat),
        box((x - 0.2, x - 0.01), (-y + 0.03, y - 0.03), (0.74, 0.78), frame),
        box((-x + 0.08, x - 0.1), (y - 0.1, y - 0.06), (0.7, 0.76), frame),
        box((-x + 0.08, x - 0.1), (-y + 0.06, -y + 0.1), (0.7, 0.76), frame),
    ]
    for sx in (-1, 1):
        for sy in (-1, 1):
            foot, knee = (sx * (x - 0.04), sy * (y - 0.04)), (sx * (x - 0.12), sy * (y - 0.12))
            lean = math.degrees(math.atan2(0.08, 0.4))
            middle = ((foot[0] + knee[0]) / 2, (foot[1] + knee[1]) / 2, 0.36)
            parts.append(
                Primitive("cylinder", (0.02, 0.21), middle, frame, (sy * lean, -sx * lean, 0.0))
            )
    return parts


def _sofa(d: float, w: float, h: float, p: Painter) -> list[Primitive]:
    cloth = p.pick((0.3, 0.45, 0.42), (0.62, 0.32, 0.26), (0.45, 0.45, 0.5), (0.72, 0.6, 0.42))
    cushion = p.pick((0.95, 0.75, 0.25), (0.9, 0.88, 0.8), (0.2, 0.3, 0.55))
    x, y = d / 2, w / 2
    return [
        box((-x, x), (-y, y), (0, 0.28), darker(cloth, 0.75)),
        box((-x, -x + 0.22), (-y, y), (0.28, h), cloth),
        box((-x, x), (-y, -y + 0.17), (0.28, 0.58), darker(cloth, 0.92)),
        box((-x, x), (y - 0.17, y), (0.28, 0.58), darker(cloth, 0.92)),
        box((-x + 0.2, x - 0.01), (-y + 0.18, -0.01), (0.28, 0.43), darker(cloth, 1.12)),
        box((-x + 0.2, x - 0.01), (0.01, y - 0.18), (0.28, 0.43), darker(cloth, 1.12)),
        Primitive("box", (0.05, 0.17, 0.16), (-x + 0.3, y - 0.38, 0.58), cushion, (0, -18, 8)),
        Primitive("box", (0.05, 0.17, 0.16), (-x + 0.3, -y + 0.4, 0.58), cushion, (0, -18, -6)),
    ]


def _bookshelf(d: float, w: float, h: float, p: Painter) -> list[Primitive]:
    wood = p.pick(OAK, WALNUT, BEECH)
    x, y = d / 2, w / 2
    parts = [
        box((-x, -x + 0.02), (-y, y), (0, h), darker(wood, 0.6)),
        box((-x, x), (-y, -y + 0.03), (0, h), wood),
        box((-x, x), (y - 0.03, y), (0, h), wood),
        box((-x, x), (-y, y), (h - 0.03, h), wood),
        box((-x, x), (-y, y), (0, 0.2), darker(wood, 0.85)),
    ]
    shelves = 4
    step = (h - 0.23) / shelves
    colors = ((0.7, 0.2, 0.2), (0.2, 0.35, 0.6), (0.85, 0.7, 0.3), (0.25, 0.5, 0.35), WHITE)
    for i in range(shelves):
        z = 0.2 + i * step
        if i:
            parts.append(box((-x, x - 0.01), (-y, y), (z - 0.02, z), wood))
        left = -y + 0.04
        for _ in range(3):
            width = p.random(0.12, 0.26)
            if left + width > y - 0.04:
                break
            tall = p.random(0.6, 0.85) * step
            depth = (-x + 0.03, x - p.random(0.03, 0.08))
            parts.append(box(depth, (left, left + width), (z, z + tall), p.pick(*colors)))
            left += width + p.random(0.0, 0.05)
    return parts


def _coffee_table(d: float, w: float, h: float, p: Painter) -> list[Primitive]:
    wood = p.pick(WALNUT, OAK)
    x, y = d / 2, w / 2
    parts = _table_on_plinth(d, w, h, wood, darker(wood, 0.7), darker(wood, 0.75), 0.19)
    parts.append(box((-0.12, 0.1), (-y + 0.1, -y + 0.38), (0.19, 0.24), p.pick(WHITE, STEEL)))
    parts.append(box((-x + 0.06, x - 0.06), (-y + 0.06, y - 0.06), (h - 0.02, h + 0.002), BLACK))
    return parts


def _center_table(d: float, w: float, h: float, p: Painter) -> list[Primitive]:
    top = p.pick((0.95, 0.95, 0.93), (0.85, 0.55, 0.4), (0.55, 0.72, 0.68))
    radius = min(d, w) / 2
    return [
        can(0, 0, (h - 0.05, h), radius, top),
        can(0, 0, (0.2, h - 0.05), 0.09, darker(top, 0.75)),
        can(0, 0, (0.0, 0.2), radius, darker(top, 0.6)),
    ]


def _fireplace(d: float, w: float, h: float, p: Painter) -> list[Primitive]:
    brick = p.pick((0.6, 0.26, 0.18), (0.5, 0.24, 0.2), (0.55, 0.5, 0.47))
    x, y = d / 2, w / 2
    opening = 0.32
    return [
        box((-x, x - 0.04), (-y + 0.02, -opening), (0, h - 0.09), brick),
        box((-x, x - 0.04), (opening, y - 0.02), (0, h - 0.09), brick),
        box((-x, x - 0.04), (-opening, opening), (0.66, h - 0.09), brick),
        box((-x, -x + 0.05), (-opening, opening), (0.1, 0.66), BLACK),
        box((-x, x), (-y, y), (0, 0.17), darker(brick, 0.6)),
        box((-x, x), (-y, y), (h - 0.09, h), p.pick(WHITE, (0.9, 0.86, 0.78))),
        Primitive("capsule", (0.045, 0.2), (0.0, 0.0, 0.22), WALNUT, (90, 0, 0)),
        ball((-0.03, 0.08, 0.33), (0.05, 0.09, 0.17), (1.0, 0.5, 0.1), glow=True),
        ball((-0.03, -0.08, 0.3), (0.05, 0.08, 0.13), (1.0, 0.72, 0.2), glow=True),
    ]


LIVING_SHAPES: MappingProxyType[str, Shape] = MappingProxyType(
    {
        "bed": _bed,
        "nightstand": _nightstand,
        "wardrobe": _wardrobe,
        "dresser": _dresser,
        "desk": _desk,
        "dining table": _dining_table,
        "side table": _side_table,
        "chair": _chair,
        "baby chair": _baby_chair,
        "sofa": _sofa,
        "bookshelf": _bookshelf,
        "coffee table": _coffee_table,
        "center table": _center_table,
        "fireplace": _fireplace,
    }
)
"""Furniture name to the function that draws it from depth, width, height and a painter."""
