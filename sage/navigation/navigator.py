"""The robot's sense of place: one object that readings are fed to and skills ask for tasks."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass

import numpy as np

from sage.navigation.grid import BoolArray, Costmap, GridFrame
from sage.navigation.localisation import Localiser, LocaliserConfig, PoseEstimate
from sage.navigation.motion import RobotLimits, predict
from sage.navigation.obstacles import ObstacleConfig, ObstacleLayer
from sage.navigation.route import (
    CostToGo,
    Route,
    RouteConfig,
    distance_map,
    nearest_reachable,
    reachable_from,
    trace,
)
from sage.navigation.task import ControlTask
from sage.values import ActionPlan, Observation, Odometry, Pose, RangeScan, Twist
from sage.worlds.static_map import StaticMap


@dataclass(frozen=True)
class GridSnapshot:
    """The map for drawing: walls and live obstacles, (rows, cols) bool each, row 0 at the smallest
    y, on ``frame``; and where the robot is."""

    frame: GridFrame
    walls: BoolArray
    obstacles: BoolArray
    pose: Pose


class Navigator:
    """Pose, obstacles and routes of one robot on one map.

    Readings are fed from any thread, tasks asked for from any other; every answer is a frozen
    value.

    Example:
        >>> navigator = Navigator(world.static_map, world.start_pose)
        >>> world.subscribe(navigator.feed)
        >>> task = navigator.task_to(3.0, 1.5)
        >>> plan = refine(ControlPlugin(), task).result
    """

    def __init__(
        self,
        static_map: StaticMap,
        start: Pose,
        *,
        limits: RobotLimits | None = None,
        localiser: LocaliserConfig | None = None,
        obstacles: ObstacleConfig | None = None,
        routes: RouteConfig | None = None,
        replan_s: float = 0.5,
    ) -> None:
        self.static_map = static_map
        self.limits = limits or RobotLimits()
        self._routes = routes or RouteConfig()
        self._replan_s = replan_s
        self._lock = threading.Lock()
        self._localiser = Localiser(static_map.walls, start, localiser)
        self._layer = ObstacleLayer(static_map.walls, static_map.bounds, obstacles)
        self._odometry: Odometry | None = None
        self._captured_s = 0.0
        self._to_go: CostToGo | None = None
        self._planned_on: Costmap | None = None
        self._planned_s = -math.inf
        self._tasks = 0

    def feed(self, observation: Observation) -> None:
        """Enter a reading; modalities other than scan and odometry are ignored."""
        data = observation.data
        if isinstance(data, Odometry):
            with self._lock:
                self._localiser.add_odometry(observation.captured_s, data)
                self._odometry = data
                self._captured_s = max(self._captured_s, observation.captured_s)
        elif isinstance(data, RangeScan):
            with self._lock:
                estimate = self._localiser.add_scan(observation.captured_s, data)
                if estimate is not None and not estimate.lost:
                    self._layer.add(data, estimate.pose)
                self._captured_s = max(self._captured_s, observation.captured_s)

    def pose_at(self, time_s: float) -> Pose:
        """The map pose at a time, such as a frame's capture time."""
        with self._lock:
            return self._localiser.pose_at(time_s)

    def estimate(self) -> PoseEstimate:
        """The newest pose and how sure it is."""
        with self._lock:
            return self._localiser.estimate_at(self._captured_s)

    @property
    def bumper(self) -> bool:
        """Whether the newest wheel reading says that the robot touches something."""
        with self._lock:
            return self._odometry is not None and self._odometry.bumper

    def costmap(self) -> Costmap:
        """Clearance to walls and live obstacles now."""
        with self._lock:
            return self._layer.costmap()

    def task_to(
        self,
        x_m: float,
        y_m: float,
        tolerance_m: float = 0.15,
        yaw_rad: float | None = None,
        *,
        start_s: float | None = None,
        previous: ActionPlan | None = None,
        previous_start_s: float = 0.0,
    ) -> ControlTask | None:
        """The task of driving to a map point from where the robot will be at ``start_s`` (the
        newest reading's time by default); None where no route leads there (then `reachable_near`
        offers a spot). ``previous`` is the plan in execution, to go on from.
        """
        with self._lock:
            captured_s = self._captured_s
            start_s = captured_s if start_s is None else start_s
            odometry = self._odometry
            twist = Twist(odometry.linear_m_s, odometry.angular_rad_s) if odometry else Twist()
            pose, twist = predict(
                self._localiser.pose_at(captured_s),
                twist,
                min(max(start_s - captured_s, 0.0), 0.5),
                self.limits,
                previous,
                captured_s - previous_start_s,
            )
            costmap = self._layer.costmap()
            self._tasks += 1
            seed = self._tasks
        to_go = self._cost_to_go(costmap, (x_m, y_m), captured_s, tolerance_m)
        if not to_go.reachable(pose.x_m, pose.y_m):
            return None
        return ControlTask(
            captured_s=captured_s,
            start_s=start_s,
            pose=pose,
            twist=twist,
            to_go=to_go,
            costmap=costmap,
            tolerance_m=tolerance_m,
            goal_yaw_rad=yaw_rad,
            limits=self.limits,
            previous=previous,
            previous_start_s=previous_start_s,
            seed=seed,
        )

    def route_to(self, x_m: float, y_m: float) -> Route | None:
        """The route from here to a map point, for drawing and for its length; None where none."""
        estimate = self.estimate()
        costmap = self.costmap()
        to_go = self._cost_to_go(costmap, (x_m, y_m), estimate.time_s)
        return trace(costmap, to_go, (estimate.pose.x_m, estimate.pose.y_m), self._routes)

    def reachable_near(self, x_m: float, y_m: float) -> tuple[float, float] | None:
        """The spot (x, y) nearest to a map point that the robot can drive to; None if shut in."""
        pose = self.estimate().pose
        return nearest_reachable(self.costmap(), (pose.x_m, pose.y_m), (x_m, y_m), self._routes)

    def free_point_near(
        self, x_m: float, y_m: float, stand_off_m: float = 0.5, reach_m: float = 2.0
    ) -> Pose | None:
        """Where to stand before a thing at a map point, facing it.

        The pose lies within ``reach_m`` of the point with no wall between, on floor that the robot
        has seen and can drive to. It keeps ``stand_off_m`` from whatever stands around, less only
        where there is no such room, and is near the point and, next to that, near the robot. None
        where there is none: what lies out of sight must be driven to first.
        """
        with self._lock:
            pose = self._localiser.pose_at(self._captured_s)
            costmap = self._layer.costmap()
            seen_free = self._layer.seen_free
        frame = costmap.frame.coarser()
        usable = reachable_from(costmap, (pose.x_m, pose.y_m), self._routes) & seen_free
        away_m = np.arange(0.1, reach_m, 0.05)[None, :]
        bearing = np.linspace(-math.pi, math.pi, 48, endpoint=False)[:, None]
        spot_x, spot_y = x_m + away_m * np.cos(bearing), y_m + away_m * np.sin(bearing)
        wall_m = costmap.frame.sample(self._layer.wall_distance_m, spot_x, spot_y)
        in_view = np.logical_and.accumulate(wall_m > 0.0, axis=1)
        cells, inside = frame.flat_cells(spot_x, spot_y)
        clearance_m = costmap.frame.sample(costmap.clearance_m, spot_x, spot_y)
        fits = in_view & inside & usable.reshape(-1)[cells]
        fits &= clearance_m >= self._routes.blocked_m + 0.03
        if not fits.any():
            return None
        drive_m = np.hypot(spot_x - pose.x_m, spot_y - pose.y_m)
        squeezed = np.maximum(stand_off_m - clearance_m, 0.0)
        # Where no surface was seen between thing and spot, the thing may reach further.
        unseen = np.minimum.accumulate(clearance_m, axis=1) > costmap.frame.cell_m
        cost = away_m + 0.25 * drive_m + 6.0 * squeezed + 0.5 * unseen
        score = np.where(fits, cost, np.inf)
        ray, step = np.unravel_index(int(np.argmin(score)), score.shape)
        spot = float(spot_x[ray, step]), float(spot_y[ray, step])
        return Pose(*spot, math.atan2(y_m - spot[1], x_m - spot[0]))

    def snapshot(self) -> GridSnapshot:
        """What is known of the map, for drawing."""
        with self._lock:
            return GridSnapshot(
                self._layer.frame,
                self._layer.wall_distance_m <= 0.0,
                self._layer.occupied,
                self._localiser.pose_at(self._captured_s),
            )

    def _cost_to_go(
        self,
        costmap: Costmap,
        goal: tuple[float, float],
        now_s: float,
        within_m: float = 0.1,
    ) -> CostToGo:
        """The cost to go, kept while goal and closed cells stay the same, and for ``replan_s``
        even when a cell changes: people walk, and routes need not follow their every step."""
        with self._lock:
            kept, planned_on, planned_s = self._to_go, self._planned_on, self._planned_s
        if kept is not None and kept.goal == goal and planned_on is not None:
            if costmap is planned_on or now_s - planned_s < self._replan_s:
                return kept
            closed = costmap.coarse_clearance_m < self._routes.comfort_m
            if np.array_equal(closed, planned_on.coarse_clearance_m < self._routes.comfort_m):
                return kept
        to_go = distance_map(costmap, goal, self._routes, within_m)
        with self._lock:
            self._to_go, self._planned_on, self._planned_s = to_go, costmap, now_s
        return to_go
