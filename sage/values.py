"""The frozen values that flow through SAGE, from a sensor to a wheel.

Units: metres, radians, seconds. The robot frame is x forward, y left; yaw and bearing grow
counter-clockwise, bearing 0 is straight ahead. The map frame is the static map's. ``captured_s``
is a time of the injected clock, never of the wall. Arrays inside a value are read-only by
convention: whoever needs to write makes a copy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

UInt8Array = npt.NDArray[np.uint8]
Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pose:
    """A position and heading in the map frame (metres, radians)."""

    x_m: float
    y_m: float
    yaw_rad: float

    def distance_to(self, x_m: float, y_m: float) -> float:
        """Straight-line distance in metres to a point of the map frame."""
        return math.hypot(x_m - self.x_m, y_m - self.y_m)

    def bearing_to(self, x_m: float, y_m: float) -> float:
        """Bearing in (-pi, pi] of a map point, seen from this pose."""
        return wrap_angle(math.atan2(y_m - self.y_m, x_m - self.x_m) - self.yaw_rad)

    def point_at(self, bearing_rad: float, distance_m: float) -> tuple[float, float]:
        """The map point (x, y) that lies at a bearing and distance from this pose."""
        angle = self.yaw_rad + bearing_rad
        return self.x_m + distance_m * math.cos(angle), self.y_m + distance_m * math.sin(angle)


def wrap_angle(angle_rad: float) -> float:
    """The same direction in (-pi, pi]."""
    wrapped = math.remainder(angle_rad, math.tau)
    return math.pi if wrapped == -math.pi else wrapped


@dataclass(frozen=True, slots=True)
class CameraModel:
    """A pinhole camera on the robot: square pixels, principal point in the middle."""

    width_px: int
    height_px: int
    fov_y_rad: float
    mount_height_m: float = 0.0
    pitch_down_rad: float = 0.0

    @property
    def focal_px(self) -> float:
        """Focal length in pixels, the same in x and y."""
        return 0.5 * self.height_px / math.tan(0.5 * self.fov_y_rad)

    def bearing_rad(self, column_px: float) -> float:
        """Bearing of a picture column (left positive)."""
        return -math.atan2(column_px - 0.5 * self.width_px, self.focal_px)


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture: ``rgb`` is uint8, height x width x 3, red first.

    ``missing``, bool height x width, says which pixels the camera did not deliver (a dropped row, a
    part that is covered); what ``rgb`` holds there means nothing. None where all are there.
    """

    rgb: UInt8Array
    camera: CameraModel | None = None
    missing: npt.NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class RangeScan:
    """One sweep of the range sensor.

    ``ranges_m`` (N,) float64; a beam that hit nothing in range reads ``max_range_m``.
    ``bearings_rad`` (N,) in the robot frame, ascending.
    """

    ranges_m: Float64Array
    bearings_rad: Float64Array
    max_range_m: float


@dataclass(frozen=True, slots=True)
class Odometry:
    """Dead reckoning from the wheel encoders, in a frame that starts where the robot did.

    It drifts: ``pose`` is not the pose in the map. ``bumper`` is true while the contact switch
    around the base is pressed, ``holding`` while something is between the gripper's fingers.
    """

    pose: Pose
    linear_m_s: float
    angular_rad_s: float
    bumper: bool = False
    holding: bool = False


@dataclass(frozen=True, slots=True)
class AudioBlock:
    """Consecutive samples of one microphone: float32 (N,), mono, in [-1, 1].

    The observation's ``captured_s`` is when the last of them was captured.
    """

    samples: Float32Array
    rate_hz: int = 16_000

    @property
    def duration_s(self) -> float:
        """How long the block is."""
        return len(self.samples) / self.rate_hz


@dataclass(frozen=True, slots=True)
class Utterance:
    """What somebody said or typed.

    Attributes:
        text: the words; empty where speech was heard and nothing in it was recognised.
        confidence: how sure the recogniser is of the words, in [0, 1]; 1 where they were typed.
        began_s: when the speech began, on the runtime's clock; None where it was typed.
        ended_s: when the speech ended: its last sound, not the silence that proved it.
        recogniser: who recognised it; ``typed`` where nobody had to.
    """

    text: str
    confidence: float = 1.0
    began_s: float | None = None
    ended_s: float | None = None
    recogniser: str = "typed"


@dataclass(frozen=True, slots=True)
class Observation:
    """One capture from one source.

    ``modality`` is one of ``camera``, ``scan``, ``odometry``, ``audio``, ``speech``; it says which
    type ``data`` has. ``sequence`` counts a source's captures from 0: gaps show what was dropped.
    """

    source: str
    modality: str
    captured_s: float
    sequence: int
    data: Any


@dataclass(frozen=True, slots=True)
class Detection:
    """One thing seen: ``box_px`` is (left, top, right, bottom) in pixels of the frame.

    ``distance_m`` is along the ground from the camera to the thing's centre; None where the
    detector does not estimate it.
    """

    label: str
    confidence: float
    box_px: tuple[float, float, float, float]
    bearing_rad: float = 0.0
    distance_m: float | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """What vision read from one frame: things, and how likely each room is.

    ``embedding`` (128,) float32 of length 1: what memory compares scenes by (their cosine); None
    where vision gives none. Two scenes are equal if what they say is.
    """

    captured_s: float
    detections: tuple[Detection, ...]
    room: str | None = None
    room_probability: float = 0.0
    embedding: Float32Array | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Twist:
    """A velocity of the robot base: forward metres per second, turn radians per second."""

    linear_m_s: float = 0.0
    angular_rad_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ActionPlan:
    """A motion that can be executed as it stands.

    ``twists`` (T, 2) float64: linear m/s and angular rad/s, each held for ``step_s``;
    ``poses`` (T + 1, 3) float64: x, y, yaw that the plan expects, the first one is now.
    ``clearance_m`` is the smallest distance to an obstacle along it; ``safe`` says whether the
    limits and the clearance hold (a stop is a plan too).
    """

    twists: Float64Array
    poses: Float64Array
    step_s: float
    clearance_m: float
    safe: bool


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a plugin would like an effector to do, before the safety gate has looked at it."""

    plugin: str
    captured_s: float
    proposed_s: float
    twist: Twist


@dataclass(frozen=True, slots=True)
class Effect:
    """What an effector really did: the twist that it executes, after its own limits."""

    executed_s: float
    twist: Twist
    captured_s: float
    clipped: bool = False
    detail: dict[str, Any] = field(default_factory=dict)
