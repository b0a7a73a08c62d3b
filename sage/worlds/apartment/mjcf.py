"""The apartment and its robot as a MuJoCo model description (MJCF), made from a layout.

Geom groups: 0 is drawn, 1 is the robot, 3 is what can be run into and what range beams hit. The
two worlds of looks and of contact are separate, so that either can be as coarse as it may be.
Group 2 is kept for what a frame need not draw, group 4 for ceilings and lintels, which a view
from above leaves out.
"""

from __future__ import annotations

import math

import numpy as np

from sage.worlds.apartment import textures
from sage.worlds.apartment.figures import OBJECT_SHAPES, person_shape
from sage.worlds.apartment.layout import PERSON_RADIUS_M, Layout
from sage.worlds.apartment.living_shapes import LIVING_SHAPES
from sage.worlds.apartment.plan import DOOR_HEIGHT_M, WALL_HEIGHT_M, WALL_THICKNESS_M
from sage.worlds.apartment.robot import robot_xml
from sage.worlds.apartment.service_shapes import SERVICE_SHAPES
from sage.worlds.apartment.shapes import Color, Painter, Primitive, box, darker
from sage.worlds.static_map import Room, StaticMap

VISIBLE_GROUP, ROBOT_GROUP, HIDDEN_GROUP, SOLID_GROUP, OVERHEAD_GROUP = 0, 1, 2, 3, 4
TIMESTEP_S = 0.005

_FURNITURE = {**LIVING_SHAPES, **SERVICE_SHAPES}
_WALLS: dict[str, tuple[Color, ...]] = {
    "bedroom": ((0.72, 0.76, 0.86), (0.8, 0.74, 0.84)),
    "dining room": ((0.88, 0.76, 0.64), (0.84, 0.7, 0.6)),
    "living room": ((0.86, 0.84, 0.76), (0.78, 0.83, 0.75)),
    "kitchen": ((0.93, 0.89, 0.7), (0.92, 0.91, 0.86)),
    "corridor": ((0.84, 0.84, 0.83), (0.88, 0.85, 0.8)),
    "bathroom": ((0.72, 0.86, 0.88), (0.82, 0.9, 0.92)),
}


def apartment_xml(layout: Layout) -> tuple[str, dict[str, bytes]]:
    """The model's XML and the texture files that it names, drawn from the layout's seed."""
    rng = np.random.default_rng((layout.seed, 77))
    painter = Painter(rng)
    assets: dict[str, bytes] = {}
    materials: list[str] = []
    world: list[str] = []
    for room in layout.static_map.rooms:
        materials.append(_floor_material(room, assets, painter, rng))
        world += _room(room, layout, painter)
    for wall in layout.static_map.walls:
        solid = box((wall[0], wall[2]), (wall[1], wall[3]), (0.0, WALL_HEIGHT_M), (1, 1, 1))
        world.append(_solid(solid, "wall"))
    for index, piece in enumerate(layout.furniture):
        look = Painter(np.random.default_rng((layout.seed, 101 + index)))
        depth, width, height = piece.depth_m, piece.width_m, piece.height_m
        parts = _FURNITURE[piece.name](depth, width, height, look)
        body = [_geom(part) for part in parts]
        if piece.name == "center table":
            body.append(_round_shade(min(depth, width) / 2 + 0.04))
            radius = min(depth, width) / 2
            shape = Primitive("cylinder", (radius, height / 2), (0, 0, height / 2), (1, 1, 1))
        else:
            body.append(_shade(depth, width))
            half = (-depth / 2, depth / 2), (-width / 2, width / 2)
            shape = box(*half, (0.0, height), (1, 1, 1))
        body.append(_solid(shape))
        place = (piece.x_m, piece.y_m, 0.0)
        world.append(_body(f"furniture:{piece.name}", place, piece.yaw_rad, body))
    for index, thing in enumerate(layout.objects):
        look = Painter(np.random.default_rng((layout.seed, 301 + index)))
        body = [_geom(part) for part in OBJECT_SHAPES[thing.name](look)]
        place = (thing.x_m, thing.y_m, thing.z_m)
        world.append(_body(f"object:{thing.name}", place, thing.yaw_rad, body))
    for person in layout.people:
        body = [_geom(part) for part in person_shape(person)]
        tall = person.height_m / 2
        body.append(_solid(Primitive("cylinder", (PERSON_RADIUS_M, tall), (0, 0, tall), (1, 1, 1))))
        body.append(_round_shade(0.2))
        place = (person.x_m, person.y_m, 0.0)
        world.append(_body(f"person:{person.name}", place, person.yaw_rad, body, mocap=True))
    light = layout.light
    ambient = light.ambient
    xml = f"""<mujoco model="apartment {layout.seed}">
<option timestep="{TIMESTEP_S}" integrator="implicitfast" cone="elliptic" impratio="50"/>
<compiler angle="degree"/>
<statistic extent="10" center="5 4 1" meansize="0.3"/>
<visual>
<global offwidth="1280" offheight="960"/>
<quality shadowsize="0" offsamples="4" numslices="14" numstacks="8" numquads="1"/>
<map znear="0.004" zfar="4"/>
<headlight ambient="{ambient} {ambient} {ambient}" diffuse=".22 .22 .22" specular="0 0 0"/>
</visual>
<asset>
<texture name="sky" type="skybox" builtin="gradient" rgb1=".75 .85 .95" rgb2=".93 .95 .97"
 width="16" height="96"/>
<material name="glow" emission=".5" specular="0"/>
<material name="ceiling" emission=".4" specular="0"/>
{"".join(materials)}
</asset>
<worldbody>
<light directional="true" castshadow="false" dir="{_numbers(light.direction)}"
 diffuse="{_numbers(light.diffuse)}" specular=".12 .12 .12"/>
<light directional="true" castshadow="false"
 dir="{-light.direction[1]} {light.direction[0]} -0.6" diffuse="{_numbers(light.fill)}"
 specular="0 0 0"/>
<geom name="ground" type="plane" size="20 20 1" contype="2" conaffinity="0" group="{SOLID_GROUP}"
 friction="1 0.005 0.0001"/>
{"".join(world)}
{robot_xml(layout.start_pose, ROBOT_GROUP)}
</worldbody>
<actuator>
<velocity name="left" joint="left wheel" kv="2.0" forcerange="-4 4"/>
<velocity name="right" joint="right wheel" kv="2.0" forcerange="-4 4"/>
<position name="left finger" joint="left finger" kp="60" dampratio="1" ctrlrange="0 0.04"/>
<position name="right finger" joint="right finger" kp="60" dampratio="1" ctrlrange="0 0.04"/>
</actuator>
</mujoco>"""
    return xml, assets


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.4f}" for value in values)


def _geom(part: Primitive, group: int = VISIBLE_GROUP, material: str = "") -> str:
    material = material or ("glow" if part.glow else "")
    look = f'material="{material}"' if material else ""
    turn = f'euler="{_numbers(part.euler)}"' if any(part.euler) else ""
    return (
        f'<geom type="{part.kind}" size="{_numbers(part.size)}" pos="{_numbers(part.position)}" '
        f'{turn} rgba="{_numbers(part.color)} {part.alpha}" {look} contype="0" conaffinity="0" '
        f'group="{group}"/>'
    )


def _solid(part: Primitive, name: str = "") -> str:
    return (
        f'<geom type="{part.kind}" size="{_numbers(part.size)}" pos="{_numbers(part.position)}" '
        f'contype="2" conaffinity="0" group="{SOLID_GROUP}" friction="0.3 0.005 0.0001"/>'
    )


def _body(
    name: str,
    place: tuple[float, float, float],
    yaw_rad: float,
    parts: list[str],
    mocap: bool = False,
) -> str:
    flag = 'mocap="true"' if mocap else ""
    return (
        f'<body name="{name}" pos="{_numbers(place)}" euler="0 0 {math.degrees(yaw_rad):.4f}" '
        f"{flag}>{''.join(parts)}</body>"
    )


def _shade(depth: float, width: float) -> str:
    """A dark rim on the floor where a piece keeps the light away: cheaper than a shadow."""
    x, y = depth / 2 + 0.05, width / 2 + 0.05
    rim = Primitive("box", (x, y, 0.002), (0, 0, 0.003), (0.05, 0.04, 0.03), alpha=0.32)
    return _geom(rim)


def _round_shade(radius: float) -> str:
    rim = Primitive("cylinder", (radius, 0.002), (0, 0, 0.003), (0.05, 0.04, 0.03), alpha=0.32)
    return _geom(rim)


def _floor_material(
    room: Room, assets: dict[str, bytes], painter: Painter, rng: np.random.Generator
) -> str:
    key = room.name.replace(" ", "_")
    if room.name == "kitchen":
        pale = painter.pick((0.85, 0.83, 0.78), (0.8, 0.8, 0.8))
        picture = textures.tiles(pale, darker(pale, painter.random(0.55, 0.8)), 4, rng)
    elif room.name == "bathroom":
        blue = painter.pick((0.55, 0.7, 0.76), (0.6, 0.66, 0.7), (0.75, 0.8, 0.82))
        picture = textures.tiles(blue, darker(blue, 1.1), 8, rng)
    elif room.name == "bedroom":
        picture = textures.carpet(
            painter.pick((0.55, 0.5, 0.55), (0.62, 0.58, 0.5), (0.5, 0.55, 0.62)), rng
        )
    elif room.name == "corridor":
        picture = textures.planks(painter.pick((0.6, 0.55, 0.5), (0.66, 0.56, 0.44)), rng)
    elif room.name == "dining room":
        picture = textures.planks(painter.pick((0.45, 0.28, 0.18), (0.5, 0.33, 0.22)), rng)
    else:
        picture = textures.planks(painter.pick((0.72, 0.54, 0.34), (0.78, 0.62, 0.42)), rng)
    assets[f"{key}.png"] = textures.png_bytes(picture)
    return (
        f'<texture name="{key}" type="2d" file="{key}.png"/>'
        f'<material name="{key}" texture="{key}" texrepeat=".8 .8" texuniform="true" '
        f'specular=".1" shininess=".2"/>'
    )


def _room(room: Room, layout: Layout, painter: Painter) -> list[str]:
    """Floor, ceiling, wall panels, skirting and decoration of one room."""
    half = WALL_THICKNESS_M / 2
    key = room.name.replace(" ", "_")
    x, y = (room.x_min, room.x_max), (room.y_min, room.y_max)
    floor = Primitive(
        "plane",
        ((x[1] - x[0]) / 2, (y[1] - y[0]) / 2, 1.0),
        ((x[0] + x[1]) / 2, (y[0] + y[1]) / 2, 0.0),
        (1, 1, 1),
    )
    parts = [_geom(floor, material=key)]
    ceiling = box(x, y, (WALL_HEIGHT_M, WALL_HEIGHT_M + 0.05), (0.93, 0.93, 0.92))
    parts.append(_geom(ceiling, OVERHEAD_GROUP, "ceiling"))
    wall = painter.pick(*_WALLS[room.name])
    skirting = painter.pick((0.92, 0.92, 0.9), (0.5, 0.36, 0.24))
    for side in ("south", "north", "west", "east"):
        along_x = side in ("south", "north")
        at = {"south": y[0], "north": y[1], "west": x[0], "east": x[1]}[side]
        inward = 1.0 if side in ("south", "west") else -1.0
        span = x if along_x else y
        gaps = _gaps(layout.static_map, room, along_x, at)
        # Across the wall: from its centre line to its inner face.
        across = (at, at + inward * half)
        across = (min(across), max(across))
        face = at + inward * half
        foot = (min(face, face + inward * 0.012), max(face, face + inward * 0.012))

        def panel(
            part: tuple[float, float],
            depth: tuple[float, float],
            z: tuple[float, float],
            color: Color,
            along_x: bool = along_x,
        ) -> Primitive:
            return box(part, depth, z, color) if along_x else box(depth, part, z, color)

        cursor = span[0]
        for low, high in [*gaps, (span[1], span[1])]:
            if low - cursor > 1e-6:
                parts.append(_geom(panel((cursor, low), across, (0, WALL_HEIGHT_M), wall)))
                inset = (cursor + (half if cursor == span[0] else 0), low)
                inset = (inset[0], low - (half if low == span[1] else 0))
                parts.append(_geom(panel(inset, foot, (0, 0.07), skirting)))
            if high > low:
                lintel = panel((low, high), across, (DOOR_HEIGHT_M, WALL_HEIGHT_M), wall)
                parts.append(_geom(lintel, OVERHEAD_GROUP))
                for edge in ((low, low + 0.02), (high - 0.02, high)):
                    frame = panel(edge, across, (0, DOOR_HEIGHT_M), (0.97, 0.96, 0.94))
                    parts.append(_geom(frame))
            cursor = high
        parts += _wall_decoration(room, layout, side, along_x, face, inward, gaps, span, painter)
    if room.name in ("living room", "bedroom"):
        parts.append(_rug(room, painter))
    return parts


def _gaps(static_map: StaticMap, room: Room, along_x: bool, at: float) -> list[tuple[float, float]]:
    gaps = []
    for door in static_map.doors:
        if room.name in door.between and abs((door.y if along_x else door.x) - at) < 1e-6:
            centre = door.x if along_x else door.y
            gaps.append((centre - door.width_m / 2, centre + door.width_m / 2))
    return sorted(gaps)


def _wall_decoration(
    room: Room,
    layout: Layout,
    side: str,
    along_x: bool,
    face: float,
    inward: float,
    gaps: list[tuple[float, float]],
    span: tuple[float, float],
    painter: Painter,
) -> list[str]:
    """A window in an outer wall, a picture on an inner one, where nothing tall stands before it."""
    bounds = layout.static_map.bounds
    edge = {"south": bounds[1], "west": bounds[0], "north": bounds[3], "east": bounds[2]}[side]
    outer = abs(face - edge) < 2 * WALL_THICKNESS_M
    width = painter.random(0.9, 1.3) if outer else painter.random(0.45, 0.7)
    low, high = span[0] + 0.3, span[1] - 0.3 - width
    if high <= low or painter.random(0, 1) > (0.75 if outer else 0.45):
        return []
    start = painter.random(low, high)
    part = (start, start + width)
    if any(a < part[1] + 0.1 and b > part[0] - 0.1 for a, b in gaps):
        return []
    for piece in layout.furniture:
        rect = piece.footprint
        extent = (rect[0], rect[2]) if along_x else (rect[1], rect[3])
        edges = (rect[1], rect[3]) if along_x else (rect[0], rect[2])
        near = min(abs(e - face) for e in edges) < 0.3 and piece.room == room.name
        tall = piece.height_m > 1.1 or piece.name in ("sink", "desk", "nightstand")
        if near and tall and extent[0] < part[1] and extent[1] > part[0]:
            return []
    z = (1.05, 1.95) if outer else (1.25, 1.25 + width * painter.random(0.7, 1.1))

    def slab(
        span_: tuple[float, float], z_: tuple[float, float], depth: float, color: Color
    ) -> Primitive:
        across = (min(face, face + inward * depth), max(face, face + inward * depth))
        return box(span_, across, z_, color) if along_x else box(across, span_, z_, color)

    if outer:
        frame, glass = (0.96, 0.96, 0.95), painter.pick((0.72, 0.87, 0.97), (0.82, 0.9, 0.95))
        inner = (part[0] + 0.05, part[1] - 0.05)
        middle = (part[0] + part[1]) / 2
        return [
            _geom(slab(part, z, 0.02, frame)),
            _geom(slab(inner, (z[0] + 0.05, z[1] - 0.05), 0.024, glass), material="glow"),
            _geom(slab((middle - 0.02, middle + 0.02), z, 0.03, frame)),
        ]
    frame = painter.pick((0.15, 0.13, 0.12), (0.75, 0.6, 0.35))
    canvas = painter.pick(
        (0.75, 0.35, 0.25), (0.25, 0.45, 0.6), (0.85, 0.75, 0.45), (0.4, 0.55, 0.4)
    )
    inner = (part[0] + 0.03, part[1] - 0.03)
    return [
        _geom(slab(part, z, 0.02, frame)),
        _geom(slab(inner, (z[0] + 0.03, z[1] - 0.03), 0.024, canvas)),
        _geom(slab((inner[0], inner[1]), (z[0] + 0.03, z[0] + 0.15), 0.026, darker(canvas, 0.6))),
    ]


def _rug(room: Room, painter: Painter) -> str:
    color = painter.pick((0.62, 0.22, 0.2), (0.25, 0.35, 0.5), (0.75, 0.68, 0.55), (0.4, 0.5, 0.42))
    x, y = room.center
    half_x = painter.random(0.26, 0.34) * (room.x_max - room.x_min)
    half_y = painter.random(0.24, 0.3) * (room.y_max - room.y_min)
    border = box(
        (x - half_x, x + half_x), (y - half_y, y + half_y), (0, 0.002), darker(color, 0.75)
    )
    half_x, half_y = half_x - 0.12, half_y - 0.12
    inner = box((x - half_x, x + half_x), (y - half_y, y + half_y), (0, 0.004), color)
    return _geom(border) + _geom(inner)
