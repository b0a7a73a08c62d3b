"""The robot: a round base with two driven wheels, a mast with a camera, a gripper on a lift.

The arm has no mass and no joints: the simulation puts it where it should be, so that lifting it
changes nothing in how the robot drives.
"""

from __future__ import annotations

import math

from sage.values import CameraModel, Pose

BASE_RADIUS_M = 0.20
FOOTPRINT_RADIUS_M = 0.22
WHEEL_RADIUS_M = 0.07
TRACK_M = 0.32
SCAN_HEIGHT_M = 0.15
MAX_LINEAR_M_S = 1.0
MAX_ANGULAR_RAD_S = 2.0
MAX_LINEAR_ACCELERATION_M_S2 = 1.2
MAX_ANGULAR_ACCELERATION_RAD_S2 = 4.0
FINGER_TRAVEL_M = 0.04
SHOULDER_M = 0.1
"""The arm turns about an upright axis this far ahead of the robot's centre."""
STOWED_REACH_M = 0.04
STOWED_HEIGHT_M = 0.4
FINGER_AHEAD_M = 0.045
FINGER_SIDE_M = 0.012

CAMERA = CameraModel(
    width_px=224,
    height_px=224,
    fov_y_rad=math.radians(75.0),
    mount_height_m=1.0,
    pitch_down_rad=math.radians(12.0),
)


def robot_xml(start: Pose, group: int) -> str:
    """The robot's body for MJCF: contacts with the world only, never with itself."""
    look = f'group="{group}" contype="0" conaffinity="0" mass="0"'
    touch = f'group="{group}" contype="1" conaffinity="2" priority="1"'
    sin, cos = math.sin(CAMERA.pitch_down_rad), math.cos(CAMERA.pitch_down_rad)
    wheels = "".join(
        f"""<body name="{side} wheel" pos="0 {sign * TRACK_M / 2} {WHEEL_RADIUS_M}">
<joint name="{side} wheel" axis="0 1 0" damping="0.02" armature="0.005"/>
<geom name="{side} tyre" type="sphere" size="{WHEEL_RADIUS_M}" mass="0.4" {touch}
 friction="1.1 0.003 0.0001" rgba="0 0 0 0" condim="4"/>
<geom type="cylinder" size="{WHEEL_RADIUS_M} 0.018" euler="90 0 0" {look} rgba=".1 .1 .1 1"/>
</body>"""
        for side, sign in (("left", 1), ("right", -1))
    )
    finger_x = SHOULDER_M + STOWED_REACH_M + FINGER_AHEAD_M
    fingers = "".join(
        f"""<body name="{side} finger" pos="{finger_x} {sign * FINGER_SIDE_M} {STOWED_HEIGHT_M}">
<joint name="{side} finger" type="slide" axis="0 {sign} 0" range="0 {FINGER_TRAVEL_M}"
 damping="2"/>
<geom type="box" size="0.03 0.006 0.02" mass="0.03" group="{group}" contype="0" conaffinity="0"
 rgba=".9 .5 .1 1"/>
</body>"""
        for side, sign in (("left", 1), ("right", -1))
    )
    casters = "".join(
        f'<geom name="{name} caster" type="sphere" size="0.03" pos="{x} 0 0.0305" mass="0.1" '
        f'{touch} friction="0.02 0.001 0.0001" rgba=".3 .3 .3 1"/>'
        for name, x in (("front", 0.15), ("rear", -0.15))
    )
    return f"""<body name="robot" pos="{start.x_m:.5f} {start.y_m:.5f} 0"
 euler="0 0 {math.degrees(start.yaw_rad):.5f}">
<freejoint name="robot"/>
<geom name="chassis" type="cylinder" size="{BASE_RADIUS_M} 0.1" pos="0 0 0.15" mass="9" {touch}
 friction="0.2 0.005 0.0001" rgba=".93 .94 .95 1"/>
<geom type="cylinder" size="{BASE_RADIUS_M + 0.004} 0.02" pos="0 0 0.15" {look}
 rgba=".1 .45 .85 1"/>
<geom type="cylinder" size="0.13 0.09" pos="0 0 0.34" {look} rgba=".25 .27 .3 1"/>
<geom type="cylinder" size="0.025 0.28" pos="-0.03 0 0.7" {look} rgba=".7 .72 .75 1"/>
<geom type="box" size="0.05 0.1 0.045" pos="-0.01 0 1.0" {look} rgba=".93 .94 .95 1"/>
<geom type="sphere" size="0.02" pos="0.04 0.05 1.0" {look} rgba=".05 .2 .4 1"/>
<geom type="sphere" size="0.02" pos="0.04 -0.05 1.0" {look} rgba=".05 .2 .4 1"/>
<geom type="box" size="0.012 0.035 0.36" pos="{SHOULDER_M - 0.03} 0 0.66" {look}
 rgba=".45 .47 .5 1"/>
<body name="arm" pos="{SHOULDER_M} 0 {STOWED_HEIGHT_M}">
<geom type="cylinder" size="0.03 0.035" {look} rgba=".1 .45 .85 1"/>
<geom name="arm link" type="box" size="{STOWED_REACH_M / 2} 0.018 0.014"
 pos="{STOWED_REACH_M / 2} 0 0" {look} rgba=".7 .72 .75 1"/>
<body name="hand" pos="{STOWED_REACH_M} 0 0">
<geom type="box" size="0.02 0.05 0.015" {look} rgba=".3 .3 .32 1"/>
</body>
</body>
<camera name="eye" pos="0 0 {CAMERA.mount_height_m}" fovy="{math.degrees(CAMERA.fov_y_rad):.3f}"
 xyaxes="0 -1 0 {sin:.5f} 0 {cos:.5f}"/>
{casters}{wheels}{fingers}
</body>"""
