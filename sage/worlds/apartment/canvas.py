"""An off-screen picture of a MuJoCo model, and which geom each of its pixels shows."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import numpy.typing as npt

from sage.irp.errors import DeviceError
from sage.values import UInt8Array
from sage.worlds.apartment.mjcf import HIDDEN_GROUP, OVERHEAD_GROUP


class Canvas:
    """An off-screen framebuffer with MuJoCo's abstract scene."""

    def __init__(
        self,
        mujoco: Any,
        model: Any,
        width_px: int,
        height_px: int,
        samples: int = 4,
        sky: bool = False,
    ) -> None:
        self._mujoco = mujoco
        self._model = model
        self._rect = mujoco.MjrRect(0, 0, width_px, height_px)
        self._groups = model.geom_group.copy()
        self._option = mujoco.MjvOption()
        self._option.geomgroup[:] = 0
        self._option.geomgroup[0] = 1
        self._option.geomgroup[OVERHEAD_GROUP] = 1
        self._drawn = np.zeros(0, dtype=np.int64)
        self._scene = mujoco.MjvScene(model, maxgeom=2000)
        flags = mujoco.mjtRndFlag
        for flag in (flags.mjRND_SHADOW, flags.mjRND_REFLECTION, flags.mjRND_HAZE):
            self._scene.flags[flag] = 0
        # The sky is behind walls for everything but a view from above, and costs a third.
        self._scene.flags[flags.mjRND_SKYBOX] = int(sky)
        self._gl: Any = None
        self._context: Any = None
        try:
            from mujoco.gl_context import GLContext

            self._gl = GLContext(width_px, height_px)
            self._gl.make_current()
            model.vis.quality.offsamples = samples
            self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
            mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        except Exception as error:
            self.close()
            raise DeviceError(
                f"sim:apartment cannot draw without a display ({error}); install libegl1 (and "
                f"libgl1-mesa-dri), or set MUJOCO_GL (now {os.environ.get('MUJOCO_GL')!r}; egl, "
                f"osmesa or glfw)"
            ) from error

    def __enter__(self) -> Canvas:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def show(self, group: int, on: bool) -> None:
        """Draw the geoms of a group, or not."""
        self._option.geomgroup[group] = int(on)

    def update(self, data: Any, visible: npt.NDArray[np.bool_] | None, camera: Any) -> None:
        """Take over positions; geoms that are not ``visible`` are left out."""
        mujoco = self._mujoco
        if isinstance(camera, int):
            eye = mujoco.MjvCamera()
            eye.type, eye.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, camera
        else:
            eye = camera
        groups = self._groups if visible is None else np.where(visible, self._groups, HIDDEN_GROUP)
        self._model.geom_group[:] = groups
        try:
            mujoco.mjv_updateScene(
                self._model,
                data,
                self._option,
                None,
                eye,
                mujoco.mjtCatBit.mjCAT_ALL,
                self._scene,
            )
        finally:
            self._model.geom_group[:] = self._groups
        # Geoms enter the scene in the model's order; that maps segment numbers back to geoms.
        self._drawn = np.flatnonzero(np.asarray(self._option.geomgroup)[groups] == 1)

    def draw(self) -> UInt8Array:
        """The picture, uint8 (height, width, 3)."""
        rect = self._rect
        picture = np.empty((rect.height, rect.width, 3), dtype=np.uint8)
        self._gl.make_current()
        self._mujoco.mjr_render(rect, self._scene, self._context)
        self._mujoco.mjr_readPixels(picture, None, rect, self._context)
        return np.ascontiguousarray(picture[::-1])

    def segment(self) -> npt.NDArray[np.int32]:
        """The geom that each pixel shows, -1 where it is none."""
        flags = self._mujoco.mjtRndFlag
        self._scene.flags[flags.mjRND_SEGMENT] = 1
        self._scene.flags[flags.mjRND_IDCOLOR] = 1
        try:
            picture = self.draw().astype(np.int32)
        finally:
            self._scene.flags[flags.mjRND_SEGMENT] = 0
            self._scene.flags[flags.mjRND_IDCOLOR] = 0
        number = picture[:, :, 0] + 256 * picture[:, :, 1] + 65536 * picture[:, :, 2]
        table = np.concatenate([[-1], self._drawn]).astype(np.int32)
        geoms: npt.NDArray[np.int32] = table[np.minimum(number, len(table) - 1)]
        return geoms

    def close(self) -> None:
        """Free the framebuffer; a second call does nothing."""
        if self._context is not None:
            self._gl.make_current()
            self._context.free()
            self._context = None
        if self._gl is not None:
            self._gl.free()
            self._gl = None


__all__ = ["Canvas"]
