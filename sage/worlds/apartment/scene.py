"""The apartment drawn: frames of the robot's camera, labels for them, views from above."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sage.irp.errors import DeviceError
from sage.ontology import ROOM_NAMES
from sage.values import CameraModel, Pose, UInt8Array, wrap_angle
from sage.worlds.apartment.canvas import Canvas
from sage.worlds.apartment.catalogue import OBJECT_HEIGHT_M
from sage.worlds.apartment.layout import Layout, free_cells, make_layout
from sage.worlds.apartment.mjcf import (
    OVERHEAD_GROUP,
    ROBOT_GROUP,
    SOLID_GROUP,
    apartment_xml,
)
from sage.worlds.apartment.robot import CAMERA
from sage.worlds.apartment.visibility import in_wedges, wedges

MIN_OBJECT_PX = 12
MIN_LARGE_PX = 60


def load_mujoco() -> Any:
    """Import MuJoCo for drawing without a display; DeviceError says what is missing."""
    os.environ.setdefault("MUJOCO_GL", "egl")
    try:
        import mujoco
    except Exception as error:  # a broken GL library surfaces as almost any exception
        raise DeviceError(
            f"sim:apartment cannot load MuJoCo ({error}); install mujoco and libegl1, "
            f"or set MUJOCO_GL (now {os.environ['MUJOCO_GL']!r}; egl, osmesa or glfw)"
        ) from error
    return mujoco


@dataclass(frozen=True, slots=True)
class LabelledThing:
    """What a frame shows of one thing: ``box_px`` is (left, top, right, bottom) of its visible
    pixels, distance and bearing are along the ground to its centre."""

    label: str
    box_px: tuple[float, float, float, float]
    distance_m: float
    bearing_rad: float
    visible_px: int


@dataclass(frozen=True, slots=True)
class ViewSample:
    """A frame (224, 224, 3) with the room that it was taken in and the things in view."""

    rgb: UInt8Array
    room: str
    things: tuple[LabelledThing, ...]


class Scene:
    """A layout compiled for MuJoCo, with a renderer. One thread at a time; close it after use."""

    def __init__(self, layout: Layout, camera: CameraModel = CAMERA) -> None:
        mujoco = load_mujoco()
        self.mujoco = mujoco
        self.layout = layout
        self.camera = camera
        xml, assets = apartment_xml(layout)
        self.model = mujoco.MjModel.from_xml_string(xml, assets)
        self.data = mujoco.MjData(self.model)
        mujoco.mj_forward(self.model, self.data)
        self._eye = self.model.camera("eye").id
        self._radius = np.where(self.model.geom_rbound > 0, self.model.geom_rbound, 9.0)
        self._roams = np.zeros(self.model.nbody, dtype=bool)
        self._room_of_geom = self._index_rooms()
        self._thing_of_geom, self.things = self._index_things()
        self._canvas: Canvas | None = None
        self._label_canvas: Canvas | None = None

    def _index_things(self) -> tuple[npt.NDArray[np.int32], list[tuple[str, str, int]]]:
        """Geom to thing index (-1: none), and per thing (kind, label, body)."""
        things: list[tuple[str, str, int]] = []
        of_body = np.full(self.model.nbody, -1, dtype=np.int32)
        for body in range(self.model.nbody):
            kind, _, name = self.model.body(body).name.partition(":")
            if name:
                of_body[body] = len(things)
                things.append((kind, "person" if kind == "person" else name, body))
        of_geom = of_body[self.model.geom_bodyid]
        of_geom[self.model.geom_rgba[:, 3] < 1.0] = -1  # the shade around a thing is not the thing
        return of_geom, things

    def _index_rooms(self) -> npt.NDArray[np.int64]:
        """Geom to its room's index in ROOM_NAMES; -1 for what goes from room to room."""
        rooms = np.full(self.model.ngeom, -1, dtype=np.int64)
        for geom in np.flatnonzero(~self._roams[self.model.geom_bodyid]):
            x, y, _ = self.data.geom_xpos[geom]
            name = self.layout.static_map.room_at(float(x), float(y))
            if name is not None:
                rooms[geom] = ROOM_NAMES.index(name)
        return rooms

    def rearrange(self, layout: Layout) -> None:
        """Put furniture and objects where another layout of the same things has them."""
        self.layout = layout
        places = {f"furniture:{f.name}": (f.x_m, f.y_m, 0.0) for f in layout.furniture}
        places |= {f"object:{o.name}": (o.x_m, o.y_m, o.z_m) for o in layout.objects}
        for name, place in places.items():
            self.model.body(name).pos[:] = place
        self.mujoco.mj_kinematics(self.model, self.data)
        self._room_of_geom = self._index_rooms()

    def roam(self, body: str, on: bool) -> None:
        """Whether a body may be in any room from now on, so that every room's view shows it."""
        self._roams[self.model.body(body).id] = on
        self._room_of_geom = self._index_rooms()

    def carry(self, name: str, place: tuple[float, float, float], yaw_rad: float) -> None:
        """Put an object somewhere until the next step of physics draws it there."""
        body = self.model.body(f"object:{name}")
        body.pos[:] = place
        body.quat[:] = math.cos(yaw_rad / 2), 0.0, 0.0, math.sin(yaw_rad / 2)

    def eye_at(self, pose: Pose, height_m: float, pitch_down_rad: float, roll: float = 0.0) -> None:
        """Put the camera somewhere by hand (the robot's own pose is set by its physics)."""
        sin, cos = math.sin(pitch_down_rad), math.cos(pitch_down_rad)
        c, s = math.cos(pose.yaw_rad), math.sin(pose.yaw_rad)
        right = np.array([s, -c, 0.0])
        up = np.array([c * sin, s * sin, cos])
        if roll:
            right, up = (
                math.cos(roll) * right + math.sin(roll) * up,
                math.cos(roll) * up - math.sin(roll) * right,
            )
        back = np.cross(right, up)
        self.data.cam_xpos[self._eye] = (pose.x_m, pose.y_m, height_m)
        self.data.cam_xmat[self._eye] = np.stack([right, up, back], axis=1).ravel()

    def render(self) -> UInt8Array:
        """The camera's frame, uint8 (height, width, 3)."""
        if self._canvas is None:
            self._canvas = self._new_canvas(samples=4)
        self._canvas.update(self.data, self._visible(), self._eye)
        return self._canvas.draw()

    def labels(self, pose: Pose) -> tuple[LabelledThing, ...]:
        """What the camera sees now; distances and bearings are from ``pose``, its place."""
        if self._label_canvas is None:
            # Smoothed edges would mix the numbers of two geoms into a third one's.
            self._label_canvas = self._new_canvas(samples=0)
        self._label_canvas.update(self.data, self._visible(), self._eye)
        geoms = self._label_canvas.segment()
        seen = np.where(geoms >= 0, self._thing_of_geom[geoms], -1)
        counts = np.bincount(seen.ravel() + 1, minlength=len(self.things) + 1)[1:]
        found = []
        for index in np.flatnonzero(counts >= MIN_OBJECT_PX):
            kind, label, body = self.things[index]
            if kind != "object" and counts[index] < MIN_LARGE_PX:
                continue
            mask = seen == index
            rows = np.flatnonzero(mask.any(axis=1))
            columns = np.flatnonzero(mask.any(axis=0))
            x, y, _ = self.data.xpos[body]
            found.append(
                LabelledThing(
                    label=label,
                    box_px=(
                        float(columns[0]),
                        float(rows[0]),
                        float(columns[-1] + 1),
                        float(rows[-1] + 1),
                    ),
                    distance_m=pose.distance_to(x, y),
                    bearing_rad=pose.bearing_to(x, y),
                    visible_px=int(counts[index]),
                )
            )
        return tuple(found)

    def view_from_above(self, width_px: int = 1280, height_px: int = 960) -> UInt8Array:
        """The whole apartment from above without its ceilings, for people to look at."""
        mujoco = self.mujoco
        x_min, y_min, x_max, y_max = self.layout.static_map.bounds
        eye = mujoco.MjvCamera()
        eye.type = mujoco.mjtCamera.mjCAMERA_FREE
        eye.lookat[:] = ((x_min + x_max) / 2, (y_min + y_max) / 2, 0.4)
        eye.distance, eye.azimuth, eye.elevation = 12.8, 90.0, -74.0
        with Canvas(mujoco, self.model, width_px, height_px, sky=True) as canvas:
            canvas.show(ROBOT_GROUP, True)
            canvas.show(OVERHEAD_GROUP, False)
            canvas.update(self.data, None, eye)
            return canvas.draw()

    def close(self) -> None:
        """Free the renderer; a second call does nothing."""
        for canvas in (self._canvas, self._label_canvas):
            if canvas is not None:
                canvas.close()
        self._canvas = self._label_canvas = None

    def _new_canvas(self, samples: int) -> Canvas:
        size = self.camera.width_px, self.camera.height_px
        return Canvas(self.mujoco, self.model, *size, samples=samples)

    def _visible(self) -> npt.NDArray[np.bool_]:
        """Which geoms the camera may see: a quick test of bounding spheres."""
        eye = self.data.cam_xpos[self._eye]
        axes = self.data.cam_xmat[self._eye].reshape(3, 3)
        offset = self.data.geom_xpos - eye
        local = offset @ axes
        radius = self._radius
        half = self.camera.fov_y_rad / 2
        sin, cos = math.sin(half), math.cos(half)
        ahead = -local[:, 2]
        inside = ahead > -radius
        for axis in (0, 1):
            inside &= np.abs(local[:, axis]) * cos - ahead * sin < radius
        back = axes[:, 2]
        pose = Pose(float(eye[0]), float(eye[1]), math.atan2(-back[1], -back[0]))
        bearing = np.arctan2(offset[:, 1], offset[:, 0]) - pose.yaw_rad
        bearing = (bearing + math.pi) % math.tau - math.pi
        distance = np.hypot(offset[:, 0], offset[:, 1])
        ratio = np.minimum(radius / np.maximum(distance, 1e-6), 1.0)
        spread = np.where(ratio < 1.0, np.arcsin(ratio), math.pi)
        seen = wedges(self.layout.static_map, pose, math.radians(55.0))
        return inside & in_wedges(bearing, spread, self._room_of_geom, ROOM_NAMES, seen)


class ViewSampler:
    """Labelled camera views of the apartment of one seed, for training and testing vision."""

    def __init__(self, seed: int) -> None:
        self.layout = make_layout(seed)
        self._scene = Scene(self.layout)
        free, x, y = free_cells(self.layout, clearance_m=0.25)
        rows, columns = np.nonzero(free)
        self._places = np.stack([x[columns], y[rows]], axis=1)
        self._targets = [
            *((o.x_m, o.y_m, o.z_m + OBJECT_HEIGHT_M[o.name] / 2) for o in self.layout.objects),
            *((f.x_m, f.y_m, f.height_m / 2) for f in self.layout.furniture),
            *((p.x_m, p.y_m, 1.0) for p in self.layout.people),
        ]

    def sample(self, rng: np.random.Generator) -> ViewSample:
        """A random view: mostly toward some thing 0.7 to 4 m away, the rest anywhere."""
        place = self._places[rng.integers(len(self._places))]
        yaw = float(rng.uniform(-math.pi, math.pi))
        if rng.random() < 0.85:
            x, y, _ = self._targets[rng.integers(len(self._targets))]
            distance = np.hypot(self._places[:, 0] - x, self._places[:, 1] - y)
            near = np.flatnonzero((distance > 0.7) & (distance < rng.choice([1.8, 2.5, 4.0])))
            room = self.layout.static_map.room_at(x, y)
            if len(near):
                for _ in range(6):
                    place = self._places[near[rng.integers(len(near))]]
                    if self.layout.static_map.room_at(*place) == room:
                        break
                toward = math.atan2(y - place[1], x - place[0])
                yaw = wrap_angle(toward + float(rng.normal(0, 0.35)))
        pose = Pose(float(place[0]), float(place[1]), yaw)
        camera = self._scene.camera
        self._scene.eye_at(
            pose,
            camera.mount_height_m + float(rng.normal(0, 0.01)),
            camera.pitch_down_rad + float(rng.normal(0, 0.015)),
            float(rng.normal(0, 0.01)),
        )
        rgb = self._scene.render()
        things = self._scene.labels(pose)
        room = self.layout.static_map.room_at(pose.x_m, pose.y_m)
        assert room is not None, "free places lie in rooms"
        return ViewSample(rgb, room, things)

    def view_from_above(self) -> UInt8Array:
        """The whole apartment without its ceilings."""
        return self._scene.view_from_above()

    def close(self) -> None:
        """Free the renderer."""
        self._scene.close()


__all__ = ["SOLID_GROUP", "LabelledThing", "Scene", "ViewSample", "ViewSampler", "load_mujoco"]
