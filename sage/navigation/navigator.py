"""The robot's sense of place: one object that readings are fed to and skills ask for tasks."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass

import numpy as np

from sage.navigation.grid import BoolArray, Costmap, Float64Array, GridFrame
from sage.navigation.localisation import Localiser, LocaliserConfig, PoseEstimate
from sage.navigation.motion import RobotLimits
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
from sage.navigation.task import ControlTask, nobody
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
        people: Float64Array | None = None,
    ) -> ControlTask | None:
        """The task of driving to a map point from where the robot will be at ``start_s`` (the
        newest reading's time by default); None where no route leads there (then `reachable_near`
        offers a spot). ``previous`` is the plan in execution, to go on from.
        """
        with self._lock:
            captured_s = self._captured_s
            start_s = captured_s if start_s is None else start_s
            pose = self._localiser.pose_at(start_s)
            odometry = self._odometry
            costmap = self._layer.costmap()
            self._tasks += 1
            seed = self._tasks
        to_go = self._cost_to_go(costmap, (x_m, y_m), captured_s)
        if not to_go.reachable(pose.x_m, pose.y_m):
            return None
        return ControlTask(
            captured_s=captured_s,
            start_s=start_s,
            pose=pose,
            twist=Twist(odometry.linear_m_s, odometry.angular_rad_s) if odometry else Twist(),
            to_go=to_go,
            costmap=costmap,
            tolerance_m=tolerance_m,
            goal_yaw_rad=yaw_rad,
            people=nobody() if people is None else people,
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

        The pose keeps ``stand_off_m`` from whatever stands there, lies within ``reach_m`` of the
        point with no wall between, can be driven to, and of all such ones is the nearest to the
        point and, nearly so, to the robot. None where there is none.
        """
        pose = self.estimate().pose
        costmap = self.costmap()
        open_cells = reachable_from(costmap, (pose.x_m, pose.y_m), self._routes)
        coarse = costmap.frame.coarser()
        best: tuple[float, Pose] | None = None
        away_m = np.arange(0.1, reach_m, 0.05)
        for bearing in np.linspace(-math.pi, math.pi, 48, endpoint=False):
            ray = np.stack(
                [x_m + away_m * math.cos(bearing), y_m + away_m * math.sin(bearing)], axis=-1
            )
            wall = costmap.frame.sample(self._layer.wall_distance_m, ray[:, 0], ray[:, 1])
            seen = np.logical_and.accumulate(wall > 0.0)
            cells, inside = coarse.flat_cells(ray[:, 0], ray[:, 1])
            fits = seen & inside & open_cells.reshape(-1)[cells]
            fits &= costmap.clearance(ray) >= stand_off_m
            if not fits.any():
                continue
            first = int(np.argmax(fits))
            spot = float(ray[first, 0]), float(ray[first, 1])
            score = float(away_m[first]) + 0.25 * pose.distance_to(*spot)
            if best is None or score < best[0]:
                facing = math.atan2(y_m - spot[1], x_m - spot[0])
                best = score, Pose(spot[0], spot[1], facing)
        return best[1] if best else None

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
        self, costmap: Costmap, goal: tuple[float, float], now_s: float
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
        to_go = distance_map(costmap, goal, self._routes)
        with self._lock:
            self._to_go, self._planned_on, self._planned_s = to_go, costmap, now_s
        return to_go
