"""Pose tracking: wheel odometry corrected by matching range scans to the walls of the static map.

An iterated extended Kalman filter (Thrun, Burgard, Fox 2005, chapter 7) whose measurement is the
point-to-line residual of every beam against the wall it should hit (Censi 2008), with
Geman-McClure weights: furniture and people are not on the map, and their beams are left out.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sage.irp.errors import ConfigError
from sage.navigation.grid import Float64Array, Rectangle
from sage.navigation.motion import advance
from sage.values import Odometry, Pose, RangeScan, wrap_angle


@dataclass(frozen=True, slots=True)
class LocaliserConfig:
    """How far odometry and scans are believed.

    ``drift_per_m`` and ``drift_per_rad`` are standard deviations of the odometry's error per metre
    and per radian driven; ``beam_sigma_m`` is one beam's error with the map's own; beams further
    than about ``outlier_m`` from their wall do not count. A beam that ends ``through_m`` behind
    its wall contradicts the pose: nothing that the map lacks can lengthen it. With less than
    ``least_explained`` of the beams on their walls, or more than ``most_through`` behind them,
    for ``patience`` scans in a row, the robot is lost.
    """

    drift_per_m: float = 0.06
    drift_per_rad: float = 0.06
    turn_drift_per_m: float = 0.04
    beam_sigma_m: float = 0.05
    outlier_m: float = 0.12
    iterations: int = 4
    least_explained: float = 0.15
    through_m: float = 0.25
    most_through: float = 0.12
    patience: int = 8
    history_s: float = 3.0

    def __post_init__(self) -> None:
        if not 0.0 < self.beam_sigma_m <= self.outlier_m:
            raise ConfigError(
                f"beam_sigma_m {self.beam_sigma_m}, outlier_m {self.outlier_m}: "
                "valid: 0 < beam_sigma_m <= outlier_m"
            )
        if not 1 <= self.iterations <= 20:
            raise ConfigError(f"iterations is {self.iterations}; valid: 1 to 20")


@dataclass(frozen=True, slots=True)
class PoseEstimate:
    """Where the robot is at ``time_s``.

    ``deviation`` is one standard deviation of (x m, y m, yaw rad); ``explained`` is the fraction
    of the last scan's beams that fit the walls; ``lost`` says not to rely on the pose.
    """

    time_s: float
    pose: Pose
    deviation: tuple[float, float, float]
    explained: float
    lost: bool


class WallCaster:
    """Exact ranges from any pose to the walls (rectangles), with the normals of what is hit."""

    def __init__(self, walls: Sequence[Rectangle]) -> None:
        if not walls:
            raise ConfigError("the map has no walls, so there is nothing to match scans to")
        boxes = np.asarray(walls, dtype=np.float64)
        self._low = boxes[:, :2]
        self._high = boxes[:, 2:]

    def cast(
        self, x_m: float, y_m: float, angles_rad: Float64Array
    ) -> tuple[Float64Array, Float64Array]:
        """Range (N,) to the nearest wall along each map angle, infinite for none, and the unit
        normal (N, 2) of the face that is hit, turned towards the sensor."""
        ux, uy = np.cos(angles_rad), np.sin(angles_rad)
        with np.errstate(divide="ignore"):
            inverse_x, inverse_y = 1.0 / ux, 1.0 / uy
        low, high = self._low, self._high
        near_x, far_x = _slab(low[:, 0] - x_m, high[:, 0] - x_m, inverse_x)
        near_y, far_y = _slab(low[:, 1] - y_m, high[:, 1] - y_m, inverse_y)
        near = np.maximum(near_x, near_y)
        miss = (near > np.minimum(far_x, far_y)) | (near < 0.0)
        near[miss] = np.inf
        wall = np.argmin(near, axis=1)
        beams = np.arange(angles_rad.size)
        ranges = near[beams, wall]
        faces_x = near_x[beams, wall] >= near_y[beams, wall]
        normals = np.zeros((angles_rad.size, 2))
        normals[:, 0] = np.where(faces_x, -np.sign(ux), 0.0)
        normals[:, 1] = np.where(faces_x, 0.0, -np.sign(uy))
        return ranges, normals


def _slab(
    low: Float64Array, high: Float64Array, inverse: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Entry and exit distances (beams, walls) of the space between two parallel lines."""
    first = low[None, :] * inverse[:, None]
    second = high[None, :] * inverse[:, None]
    return np.minimum(first, second), np.maximum(first, second)


class Localiser:
    """Tracks the pose from a known start. Not thread-safe: its owner holds the lock."""

    def __init__(
        self,
        walls: Sequence[Rectangle],
        start: Pose,
        config: LocaliserConfig | None = None,
    ) -> None:
        self.config = config or LocaliserConfig()
        self._caster = WallCaster(walls)
        self._start = start
        self._odometry: deque[tuple[float, Odometry]] = deque()
        # The map pose of the odometry frame's origin; scans move it, odometry never does.
        self._anchor: Pose | None = None
        self._covariance = np.diag([0.03**2, 0.03**2, 0.02**2])
        self._matched_from: Pose | None = None
        self._explained = 1.0
        self._misses = 0

    @property
    def ready(self) -> bool:
        """Whether odometry has arrived."""
        return self._anchor is not None

    def add_odometry(self, time_s: float, odometry: Odometry) -> None:
        """Enter a wheel reading; readings older than the newest one are dropped."""
        if self._anchor is None:
            self._anchor = _compose(self._start, _inverse(odometry.pose))
            self._matched_from = odometry.pose
        elif time_s <= self._odometry[-1][0]:
            return
        self._odometry.append((time_s, odometry))
        while self._odometry[0][0] < time_s - self.config.history_s:
            self._odometry.popleft()

    def add_scan(self, time_s: float, scan: RangeScan) -> PoseEstimate | None:
        """Correct the pose by a scan taken at ``time_s``; None before any odometry."""
        if self._anchor is None or self._matched_from is None:
            return None
        dead_reckoned = self._odometry_at(time_s)
        predicted = _compose(self._anchor, dead_reckoned)
        covariance = self._covariance + self._drift(self._matched_from, dead_reckoned)
        usable = (scan.ranges_m > 0.05) & (scan.ranges_m < scan.max_range_m - 0.05)
        ranges, bearings = scan.ranges_m[usable], scan.bearings_rad[usable]
        if self._misses >= self.config.patience and self._misses % self.config.patience == 0:
            predicted = self._search(predicted, ranges, bearings)
            covariance = np.diag([0.2**2, 0.2**2, 0.1**2])
        corrected, covariance, self._explained, through = self._match(
            predicted, covariance, ranges, bearings
        )
        config = self.config
        misses = self._explained < config.least_explained or through > config.most_through
        self._misses = self._misses + 1 if misses else 0
        self._covariance = covariance
        self._matched_from = dead_reckoned
        self._anchor = _compose(corrected, _inverse(dead_reckoned))
        return self.estimate_at(time_s)

    def pose_at(self, time_s: float) -> Pose:
        """The map pose at a time: between readings interpolated, up to 0.3 s past the newest
        extrapolated with its velocity, older than the history the oldest known."""
        if self._anchor is None:
            return self._start
        return _compose(self._anchor, self._odometry_at(time_s))

    def estimate_at(self, time_s: float) -> PoseEstimate:
        """`pose_at` with how sure it is."""
        deviation = np.sqrt(np.diag(self._covariance))
        return PoseEstimate(
            time_s,
            self.pose_at(time_s),
            (float(deviation[0]), float(deviation[1]), float(deviation[2])),
            self._explained,
            self._misses >= self.config.patience or float(deviation[:2].max()) > 0.35,
        )

    def _odometry_at(self, time_s: float) -> Pose:
        history = self._odometry
        newest_s, newest = history[-1]
        if time_s >= newest_s:
            return advance(
                newest.pose, newest.linear_m_s, newest.angular_rad_s, min(time_s - newest_s, 0.3)
            )
        later_s, later = newest_s, newest
        for index in range(len(history) - 2, -1, -1):
            earlier_s, earlier = history[index]
            if earlier_s <= time_s:
                share = (time_s - earlier_s) / (later_s - earlier_s)
                turn = wrap_angle(later.pose.yaw_rad - earlier.pose.yaw_rad)
                return Pose(
                    earlier.pose.x_m + share * (later.pose.x_m - earlier.pose.x_m),
                    earlier.pose.y_m + share * (later.pose.y_m - earlier.pose.y_m),
                    wrap_angle(earlier.pose.yaw_rad + share * turn),
                )
            later_s, later = earlier_s, earlier
        return later.pose

    def _drift(self, before: Pose, now: Pose) -> Float64Array:
        config = self.config
        moved = before.distance_to(now.x_m, now.y_m)
        turned = abs(wrap_angle(now.yaw_rad - before.yaw_rad))
        along = config.drift_per_m * moved + 0.02 * turned + 2e-4
        around = config.drift_per_rad * turned + config.turn_drift_per_m * moved + 2e-4
        # Errors of one stretch of road are alike, so they add up, not their squares: the growth
        # per scan is made that much larger than a random walk's.
        return np.diag([along**2, along**2, around**2]) * 2.0

    def _match(
        self,
        predicted: Pose,
        covariance: Float64Array,
        ranges: Float64Array,
        bearings: Float64Array,
    ) -> tuple[Pose, Float64Array, float, float]:
        """Gauss-Newton on residuals and prediction: (pose, covariance, fraction of the beams that
        ends on its wall, fraction that ends behind it)."""
        config = self.config
        if ranges.size < 5:
            return predicted, covariance, 0.0, 0.0
        prior = np.linalg.inv(covariance)
        mean = np.array([predicted.x_m, predicted.y_m, predicted.yaw_rad])
        state = mean.copy()
        information = prior
        # The gate begins wide, so that a turn that slipped is still caught, and closes in.
        gates = np.geomspace(2.0 * config.outlier_m, config.outlier_m, config.iterations)
        explained = through = 0.0
        for gate in gates:
            residual, jacobian = self._residuals(state, ranges, bearings)
            weight = 1.0 / (1.0 + np.square(residual / gate)) ** 2
            weight[np.abs(residual) > 3.0 * gate] = 0.0
            explained = float(np.mean(np.abs(residual) < gate))
            through = float(np.mean(residual < -config.through_m))
            scaled = weight / config.beam_sigma_m**2
            information = prior + (jacobian * scaled[:, None]).T @ jacobian
            gradient = prior @ (state - mean) + jacobian.T @ (scaled * residual)
            change = np.linalg.solve(information, gradient)
            state = state - change
        pose = Pose(float(state[0]), float(state[1]), wrap_angle(float(state[2])))
        return pose, np.linalg.inv(information), explained, through

    def _residuals(
        self, state: Float64Array, ranges: Float64Array, bearings: Float64Array
    ) -> tuple[Float64Array, Float64Array]:
        """Distance (N,) of each beam's end beyond the wall it should hit, along the wall's normal,
        and its derivative (N, 3) by x, y, yaw. Beams that should hit nothing have 1e3."""
        angles = state[2] + bearings
        expected, normals = self._caster.cast(float(state[0]), float(state[1]), angles)
        ux, uy = np.cos(angles), np.sin(angles)
        incidence = ux * normals[:, 0] + uy * normals[:, 1]
        hit = np.isfinite(expected)
        residual = np.where(hit, (ranges - np.where(hit, expected, 0.0)) * incidence, 1e3)
        # A grazed wall constrains nothing along the beam but looks near: judge by range too.
        residual = np.where(np.abs(incidence) < 0.1, 1e3, residual)
        jacobian = np.empty((ranges.size, 3))
        jacobian[:, :2] = normals
        jacobian[:, 2] = ranges * (ux * normals[:, 1] - uy * normals[:, 0])
        return residual, jacobian

    def _search(self, around: Pose, ranges: Float64Array, bearings: Float64Array) -> Pose:
        """The pose within 1 m and 40 degrees that fits the beams best (correlative matching,
        Olson 2009, coarse), for a robot that lost track; beams through walls speak against it."""
        best, best_score = around, -math.inf
        offsets = np.linspace(-1.0, 1.0, 7)
        for turn in np.radians(np.linspace(-40.0, 40.0, 9)):
            for dx in offsets:
                for dy in offsets:
                    state = np.array([around.x_m + dx, around.y_m + dy, around.yaw_rad + turn])
                    residual, _ = self._residuals(state, ranges, bearings)
                    score = float(np.mean(np.exp(-np.square(residual / 0.2)) - (residual < -0.35)))
                    if score > best_score:
                        best_score = score
                        best = Pose(float(state[0]), float(state[1]), wrap_angle(float(state[2])))
        return best


def _compose(frame: Pose, local: Pose) -> Pose:
    """``local``, given in ``frame``, in the frame that ``frame`` is given in."""
    cos, sin = math.cos(frame.yaw_rad), math.sin(frame.yaw_rad)
    return Pose(
        frame.x_m + cos * local.x_m - sin * local.y_m,
        frame.y_m + sin * local.x_m + cos * local.y_m,
        wrap_angle(frame.yaw_rad + local.yaw_rad),
    )


def _inverse(pose: Pose) -> Pose:
    """The frame that undoes ``pose``."""
    cos, sin = math.cos(pose.yaw_rad), math.sin(pose.yaw_rad)
    return Pose(-cos * pose.x_m - sin * pose.y_m, sin * pose.x_m - cos * pose.y_m, -pose.yaw_rad)
