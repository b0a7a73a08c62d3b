"""The shipped plugins run unmodified in processes of their own, with the same results."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from orchestrator.isolation import IsolatedPlugin
from plugins.control import ControlConfig, ControlPlugin
from plugins.language import LanguageConfig, LanguagePlugin
from plugins.vision import VisionConfig, VisionPlugin
from sage.irp import IRPPlugin, refine
from sage.irp.refine import unchanged
from sage.navigation.grid import Costmap, GridFrame, wall_distance
from sage.navigation.route import distance_map
from sage.navigation.task import ControlTask
from sage.values import CameraModel, Frame, Observation, Pose, Twist, Utterance
from tests.navigation.flat_world import two_rooms


def check_same(factory: Callable[[], IRPPlugin[Any, Any]], observation: Any) -> None:
    here = refine(factory(), observation)
    plugin = IsolatedPlugin(factory, step_limit_s=30.0)
    try:
        there = refine(plugin, observation)
    finally:
        plugin.close()
    assert there.error is None
    assert there.trajectory.energies == here.trajectory.energies
    assert there.reason is here.reason
    assert unchanged(there.result, here.result)


def test_vision() -> None:
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)
    frame = Frame(rgb, CameraModel(320, 240, 1.0))
    check_same(
        partial(VisionPlugin, VisionConfig(max_steps=3)),
        Observation("file:", "camera", 0.0, 0, frame),
    )


def test_language() -> None:
    check_same(
        partial(LanguagePlugin, LanguageConfig()),
        Observation("typed", "speech", 0.0, 0, Utterance("bring me the cup from the kitchen")),
    )


def test_control() -> None:
    flat = two_rooms()
    frame = GridFrame.around(flat.bounds)
    costmap = Costmap(frame, wall_distance(frame, flat.walls, flat.bounds))
    to_go = distance_map(costmap, (7.0, 3.0))
    task = ControlTask(0.0, 0.0, Pose(1.0, 1.0, 0.0), Twist(0.5, 0.2), to_go, costmap, seed=3)
    check_same(partial(ControlPlugin, ControlConfig(samples=64)), task)
