"""The way that a robot went."""

from __future__ import annotations

import numpy as np

from sage.values import Pose


class Way:
    """Where the robot went, in memory that does not grow: when it is full, every other pose goes.

    Args:
        capacity: poses that fit.
        step_m: poses are at least so far apart; twice as far after each thinning.
    """

    def __init__(self, capacity: int = 8192, step_m: float = 0.03) -> None:
        self._rows = np.full((capacity, 4), np.nan)
        self._count = 0
        self._step_m = step_m

    def add(self, at_s: float, pose: Pose) -> None:
        """The robot is here now."""
        if self._count:
            _, x_m, y_m, _ = self._rows[self._count - 1]
            if pose.distance_to(x_m, y_m) <= self._step_m:
                return
        if self._count == len(self._rows):
            kept = self._rows[::2]
            self._rows[: len(kept)] = kept.copy()
            self._count = len(kept)
            self._step_m *= 2.0
        self._rows[self._count] = at_s, pose.x_m, pose.y_m, pose.yaw_rad
        self._count += 1

    def poses(self) -> tuple[tuple[float, Pose], ...]:
        """When (seconds of the runtime's clock) and where, oldest first."""
        rows = self._rows[: self._count].tolist()
        return tuple((at_s, Pose(x_m, y_m, yaw_rad)) for at_s, x_m, y_m, yaw_rad in rows)
