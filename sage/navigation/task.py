"""What control is asked to do: one frozen task per plan."""

from __future__ import annotations

from dataclasses import dataclass, field

from sage.irp.errors import ConfigError
from sage.navigation.grid import Costmap
from sage.navigation.motion import RobotLimits
from sage.navigation.route import CostToGo
from sage.values import ActionPlan, Pose, Twist


@dataclass(frozen=True)
class ControlTask:
    """Drive from ``pose`` (moving with ``twist``) to the goal that ``to_go`` leads to.

    ``captured_s`` is the capture time of the newest reading that the pose rests on; ``start_s`` is
    when the plan is meant to start. The goal counts as reached within ``tolerance_m``, and, where
    ``goal_yaw_rad`` is given, looking that way. ``previous`` is the plan being executed, which was
    meant to start at ``previous_start_s``; it warm-starts the next one. ``seed`` makes the search
    repeatable.
    """

    captured_s: float
    start_s: float
    pose: Pose
    twist: Twist
    to_go: CostToGo
    costmap: Costmap
    tolerance_m: float = 0.15
    goal_yaw_rad: float | None = None
    limits: RobotLimits = field(default_factory=RobotLimits)
    previous: ActionPlan | None = None
    previous_start_s: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.01 <= self.tolerance_m <= 2.0:
            raise ConfigError(f"tolerance_m is {self.tolerance_m}; valid: 0.01 to 2.0")

    @property
    def goal(self) -> tuple[float, float]:
        """The goal (x, y) in the map."""
        return self.to_go.goal

    @property
    def distance_m(self) -> float:
        """Straight-line distance to the goal."""
        return self.pose.distance_to(*self.goal)
