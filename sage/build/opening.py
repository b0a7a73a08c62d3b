"""Opening the devices of a run, and closing them where one is missing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from memory.schema import default_store_path
from memory.store import ExperienceStore
from plugins.detection import DetectionPlugin
from plugins.vision import VisionPlugin
from sage.build.config import RunConfig
from sage.build.runtime import Runtime, VisionFactory
from sage.clock import Clock
from sage.effectors import open_effector
from sage.sensors import check_source, open_apartment, open_source
from sage.telemetry import Dropped, Health, Telemetry


def build(
    config: RunConfig,
    *,
    clock: Clock,
    lockstep: bool = False,
    vision: VisionFactory | None = None,
    see: bool = True,
) -> Runtime:
    """Open the devices and put a runtime together; nothing runs yet.

    Args:
        config: what to run.
        clock: real, or virtual with ``lockstep``.
        lockstep: the source is pumped by the caller instead of running by itself.
        vision: makes the vision plugin; the shipped one by default.
        see: False leaves vision out.

    Raises:
        ConfigError: a value that cannot be. DeviceError: a device that is missing.
        ModelError: weights that are missing or corrupt. MemoryStoreError: a store that cannot be
            used: of a newer version, another program's file.
    """
    simulated = check_source(config.camera).scheme == "sim"
    robot = config.robot or ("sim:" if simulated else "none:")
    world: Any | None = None
    telemetry = Telemetry()
    closing: list[Callable[[], object]] = []
    try:
        if simulated:
            world = open_apartment(config.camera, clock=clock, lockstep=lockstep)
            closing.append(world.close)
        source = open_source(config.camera, clock=clock, world=world, lockstep=lockstep)
        closing.append(source.stop)
        effector = open_effector(robot, clock=clock, world=world)
        closing.append(effector.close)
        store = None
        if config.state_dir is not None:
            store = ExperienceStore(
                default_store_path(Path(config.state_dir)),
                on_fault=lambda why: telemetry.emit(
                    Health(clock.now_s(), "memory", "backing_off" if why else "active", why)
                ),
                on_dropped=lambda item, why: telemetry.emit(
                    Dropped(clock.now_s(), "memory", "not_kept", item.at_s)
                ),
            )
            closing.append(store.close)
        shipped: VisionFactory = partial(VisionPlugin, config.vision)
        if config.detection.model:
            shipped = partial(DetectionPlugin, config.detection)
        factory = (vision or shipped) if see else None
        return Runtime(
            config,
            clock,
            source,
            effector,
            telemetry,
            world,
            factory,
            store=store,
            lockstep=lockstep,
        )
    except BaseException:
        for close in reversed(closing):
            close()
        raise
