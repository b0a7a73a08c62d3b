"""The gripper takes what is in reach, carries it out of sight, and puts it down where it says."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from sage.clock import RealClock, VirtualClock
from sage.irp.errors import ConfigError
from sage.values import Frame, Observation, Odometry, Pose, Twist
from sage.worlds.apartment.catalogue import OBJECT_RADIUS_M
from sage.worlds.apartment.client import ApartmentWorld
from sage.worlds.apartment.furnishing import Furniture, PlacedObject
from sage.worlds.apartment.handling import FLOOR, GRIPPER, put_down, top_of, within_grasp
from sage.worlds.apartment.layout import Layout, free_cells, make_layout
from sage.worlds.apartment.simulation import Simulation
from sage.worlds.apartment.truth import ObjectTruth

SEED = 3


@pytest.fixture(scope="module")
def layout() -> Layout:
    return make_layout(SEED)


@pytest.fixture
def simulation(layout: Layout) -> Iterator[Simulation]:
    simulation = Simulation(layout)
    yield simulation
    simulation.close()


def places_near(layout: Layout, x: float, y: float, room: str) -> list[Pose]:
    """Where the robot can stand in a room and face a point within reach, the nearest first."""
    free, xs, ys = free_cells(layout, 0.27)
    rows, columns = np.nonzero(free)
    px, py = xs[columns], ys[rows]
    away = np.hypot(x - px, y - py)
    found = []
    for index in np.argsort(away):
        at = float(px[index]), float(py[index])
        if 0.45 < away[index] < 1.0 and layout.static_map.room_at(*at) == room:
            found.append(Pose(*at, math.atan2(y - at[1], x - at[0])))
        elif away[index] >= 1.0:
            break
    return found


def stand(simulation: Simulation, pose: Pose) -> None:
    """Set the robot down somewhere by hand."""
    data = simulation.scene.data
    data.qpos[:2] = pose.x_m, pose.y_m
    data.qpos[3:7] = math.cos(pose.yaw_rad / 2), 0, 0, math.sin(pose.yaw_rad / 2)
    data.qvel[:] = 0.0
    simulation.step_to(simulation.time_s + 0.05)


def live(simulation: Simulation, seconds: float) -> None:
    simulation.step_to(simulation.time_s + seconds)


def in_robot_frame(simulation: Simulation, x: float, y: float) -> tuple[float, float]:
    bearing, away = simulation.pose.bearing_to(x, y), simulation.pose.distance_to(x, y)
    return away * math.cos(bearing), away * math.sin(bearing)


def object_now(simulation: Simulation, name: str) -> ObjectTruth:
    return next(thing for thing in simulation.truth().objects if thing.name == name)


def takeable(layout: Layout) -> tuple[PlacedObject, Pose]:
    for thing in layout.objects:
        for pose in places_near(layout, thing.x_m, thing.y_m, thing.room):
            if within_grasp(layout, pose, (thing.x_m, thing.y_m)) == thing:
                return thing, pose
    raise AssertionError("nothing can be taken here")


def take(simulation: Simulation) -> PlacedObject:
    thing, pose = takeable(simulation.layout)
    stand(simulation, pose)
    simulation.grasp(*in_robot_frame(simulation, thing.x_m, thing.y_m))
    live(simulation, 1.55)
    assert simulation.odometry().holding
    return thing


def test_nearly_every_object_of_the_apartments_can_be_taken_from_somewhere() -> None:
    tried = taken = 0
    for seed in range(6):
        layout = make_layout(seed)
        for thing in layout.objects:
            tried += 1
            poses = places_near(layout, thing.x_m, thing.y_m, thing.room)
            taken += any(
                within_grasp(layout, pose, (thing.x_m, thing.y_m)) == thing for pose in poses
            )
    assert taken >= 0.97 * tried


def test_what_is_taken_rides_along_and_is_put_down(simulation: Simulation) -> None:
    thing = take(simulation)
    held = object_now(simulation, thing.name)
    assert held.furniture == GRIPPER
    live(simulation, 1.0)
    before = object_now(simulation, thing.name)
    for _ in range(10):
        simulation.drive(Twist(0.0, 1.0))
        live(simulation, 0.1)
    after = object_now(simulation, thing.name)
    assert math.dist((before.x_m, before.y_m), (after.x_m, after.y_m)) > 0.1
    drawn = simulation.scene.data.body(f"object:{thing.name}").xpos
    assert math.dist(drawn[:2], (after.x_m, after.y_m)) < 0.02
    assert drawn[2] == pytest.approx(after.z_m, abs=0.01)
    live(simulation, 0.6)
    carrier = next(
        (piece, pose)
        for piece in simulation.layout.furniture
        if piece.name in ("dining table", "coffee table", "counter", "desk", "cabinet")
        for pose in places_near(simulation.layout, piece.x_m, piece.y_m, piece.room)
    )
    piece, pose = carrier
    stand(simulation, pose)
    simulation.place(*in_robot_frame(simulation, piece.x_m, piece.y_m))
    live(simulation, 1.55)
    assert not simulation.odometry().holding
    put = object_now(simulation, thing.name)
    assert (put.furniture, put.room) == (piece.name, piece.room)
    assert put.z_m == piece.surface_z_m
    assert [o.name for o in simulation.truth().objects if o.handled] == [thing.name]
    live(simulation, 0.5)
    assert simulation.scene.data.body(f"object:{thing.name}").xpos == pytest.approx(
        [put.x_m, put.y_m, put.z_m]
    )


def test_what_is_put_down_in_another_room_is_drawn_there(simulation: Simulation) -> None:
    """The camera's culling by room must know where things went."""
    thing = take(simulation)
    live(simulation, 1.0)
    layout = simulation.layout
    piece, pose = next(
        (piece, pose)
        for piece in layout.furniture
        if piece.surface_z_m is not None and piece.room != thing.room and piece.height_m < 1.0
        for pose in places_near(layout, piece.x_m, piece.y_m, piece.room)
        if put_down(layout, pose, thing, (piece.x_m, piece.y_m))
    )
    stand(simulation, pose)
    simulation.place(*in_robot_frame(simulation, piece.x_m, piece.y_m))
    live(simulation, 2.5)
    lying = object_now(simulation, thing.name)
    assert lying.room == piece.room
    bearing = math.atan2(lying.y_m - pose.y_m, lying.x_m - pose.x_m)
    stand(simulation, replace(pose, yaw_rad=bearing))
    labels = simulation.scene.labels(simulation.pose)
    assert thing.name in [label.label for label in labels]


def test_only_what_is_near_ahead_and_behind_no_wall_is_taken(layout: Layout) -> None:
    thing, pose = takeable(layout)
    at = thing.x_m, thing.y_m
    assert within_grasp(layout, pose, at) == thing
    assert within_grasp(layout, replace(pose, yaw_rad=pose.yaw_rad + 1.1), at) is None
    off = pose.point_at(0.0, pose.distance_to(*at) + 0.4)
    alone = replace(layout, objects=(thing,))
    assert within_grasp(alone, pose, off) is None
    far = Pose(*pose.point_at(math.pi, 1.1 - pose.distance_to(*at)), pose.yaw_rad)
    assert within_grasp(alone, far, at) is None
    x, y = pose.point_at(0.0, pose.distance_to(*at) / 2)
    wall = (x - 0.03, y - 0.03, x + 0.03, y + 0.03)
    walled = replace(alone, static_map=replace(layout.static_map, walls=(wall,)))
    assert within_grasp(walled, pose, at) is None
    assert within_grasp(replace(alone, objects=(replace(thing, furniture=GRIPPER),)), pose, at) is (
        None
    )


def test_of_two_the_nearer_to_the_point_is_taken(layout: Layout) -> None:
    thing, pose = takeable(layout)
    other = replace(layout.objects[-1], x_m=thing.x_m + 0.1, y_m=thing.y_m, name="tray")
    both = replace(layout, objects=(thing, other))
    assert within_grasp(both, pose, (thing.x_m + 0.02, thing.y_m)) == thing
    assert within_grasp(both, pose, (thing.x_m + 0.08, thing.y_m)) in (other, None)


def test_moving_during_the_action_cancels_it(simulation: Simulation) -> None:
    thing, pose = takeable(simulation.layout)
    for twist in (Twist(-0.3, 0.0), Twist(0.0, 1.0)):
        stand(simulation, pose)
        simulation.grasp(*in_robot_frame(simulation, thing.x_m, thing.y_m))
        live(simulation, 0.5)
        simulation.drive(twist)
        live(simulation, 3.0)
        assert not simulation.odometry().holding
        assert object_now(simulation, thing.name).furniture == thing.furniture


def test_a_hand_takes_one_thing_and_an_empty_one_places_nothing(simulation: Simulation) -> None:
    layout = simulation.layout
    simulation.place(0.6, 0.0)
    live(simulation, 1.6)
    assert simulation.layout == layout
    thing = take(simulation)
    live(simulation, 1.0)
    second, pose = takeable(simulation.layout)
    stand(simulation, pose)
    simulation.grasp(*in_robot_frame(simulation, second.x_m, second.y_m))
    live(simulation, 1.6)
    held = [o.name for o in simulation.truth().objects if o.furniture == GRIPPER]
    assert held == [thing.name]
    with pytest.raises(ValueError, match="the robot holds"):
        simulation.put(thing.name, pose.x_m, pose.y_m)


def test_absurd_points_take_and_place_nothing(simulation: Simulation) -> None:
    simulation.grasp(1e300, -1e300)
    live(simulation, 1.6)
    assert not simulation.odometry().holding
    thing = take(simulation)
    live(simulation, 1.0)
    for point in ((50.0, 0.0), (-1e300, 1e300), (2.5, 0.0)):
        simulation.place(*point)
        live(simulation, 1.6)
        assert object_now(simulation, thing.name).furniture == GRIPPER


def test_on_free_floor_it_lies_on_the_floor(simulation: Simulation) -> None:
    thing = take(simulation)
    layout = simulation.layout
    spot = None
    for room in layout.static_map.rooms:
        x, y = room.center
        for pose in places_near(layout, x, y, room.name):
            down = put_down(layout, pose, thing, (x, y))
            if down is not None and down.furniture == FLOOR:
                spot = pose, (x, y), room.name
                break
    assert spot is not None
    pose, point, where = spot
    stand(simulation, pose)
    simulation.place(*in_robot_frame(simulation, *point))
    live(simulation, 1.6)
    lying = object_now(simulation, thing.name)
    assert (lying.furniture, lying.room, lying.z_m) == (FLOOR, where, 0.0)
    assert math.dist((lying.x_m, lying.y_m), point) <= 0.5
    # And it can be picked up again from there.
    live(simulation, 1.0)
    simulation.grasp(*in_robot_frame(simulation, lying.x_m, lying.y_m))
    live(simulation, 1.6)
    assert simulation.odometry().holding


def inside(piece: Furniture, x: float, y: float) -> bool:
    x0, y0, x1, y1 = piece.footprint
    return x0 <= x <= x1 and y0 <= y <= y1


@pytest.mark.parametrize("seed", [0, 1, 2, 4])
def test_things_are_put_inside_tops_and_clear_of_each_other(seed: int) -> None:
    layout = make_layout(seed)
    thing = replace(layout.objects[0], furniture=GRIPPER)
    done = tried = 0
    for piece in layout.furniture:
        if top_of(piece) is None:
            continue
        tried += 1
        (x0, y0, x1, y1), z = top_of(piece) or ((0, 0, 0, 0), 0)
        at = ((x0 + x1) / 2, (y0 + y1) / 2)
        for pose in places_near(layout, *at, piece.room):
            down = put_down(layout, pose, thing, at)
            if down is None or down.furniture == FLOOR:
                continue
            assert (down.furniture, down.room, down.z_m) == (piece.name, piece.room, z)
            assert inside(piece, down.x_m, down.y_m)
            assert pose.distance_to(down.x_m, down.y_m) <= 1.1
            for other in layout.objects[1:]:
                if other.furniture == piece.name:
                    apart = math.dist((other.x_m, other.y_m), (down.x_m, down.y_m))
                    radii = OBJECT_RADIUS_M[other.name] + OBJECT_RADIUS_M[thing.name]
                    assert apart >= 0.69 * radii
            done += 1
            break
    assert done >= 0.9 * tried


def test_where_nothing_is_free_it_stays_in_the_hand(layout: Layout) -> None:
    piece = next(p for p in layout.furniture if p.surface_z_m is not None)
    top, height = top_of(piece) or ((0.0, 0.0, 0.0, 0.0), 0.0)
    crowd = tuple(
        PlacedObject("box", piece.name, piece.room, float(x), float(y), height, 0.0)
        for x in np.arange(top[0], top[2] + 0.2, 0.2)
        for y in np.arange(top[1], top[3] + 0.2, 0.2)
    )
    full = replace(layout, objects=crowd)
    thing = replace(layout.objects[0], furniture=GRIPPER)
    poses = places_near(layout, piece.x_m, piece.y_m, piece.room)
    assert poses
    assert all(put_down(full, pose, thing, (piece.x_m, piece.y_m)) is None for pose in poses[:5])
    assert put_down(layout, Pose(-5.0, -5.0, 0.0), thing, (piece.x_m, piece.y_m)) is None


def test_the_arm_and_what_it_carries_stay_out_of_the_camera(layout: Layout) -> None:
    """The widest and the tallest, stowed: the camera's picture shows nothing of them."""
    for name in ("tray", "box", "cereal", "water"):
        first = replace(layout.objects[0], name=name)
        simulation = Simulation(replace(layout, objects=(first,)))
        thing, pose = takeable(simulation.layout)
        stand(simulation, pose)
        simulation.grasp(*in_robot_frame(simulation, thing.x_m, thing.y_m))
        live(simulation, 2.6)
        assert simulation.odometry().holding
        seen = [label.label for label in simulation.scene.labels(simulation.pose)]
        simulation.close()
        assert name not in seen


def test_a_lifted_arm_is_drawn_from_above_and_never_before_the_camera(
    simulation: Simulation,
) -> None:
    def pictures() -> tuple[np.ndarray, np.ndarray]:
        scene = simulation.scene
        scene.mujoco.mj_kinematics(scene.model, scene.data)
        return scene.render(), scene.view_from_above(640, 480)

    ahead, above = pictures()
    simulation.grasp(0.9, 0.3)
    live(simulation, 1.4)
    hand = simulation.scene.data.body("hand").xpos
    assert simulation.pose.distance_to(*hand[:2]) > 0.7
    again, lifted = pictures()
    assert np.abs(lifted.astype(int) - above).max() > 60
    # People walk and wheels settle meanwhile: the arm would change far more than those.
    changed = (np.abs(again.astype(int) - ahead).max(axis=2) > 25).mean()
    assert changed < 0.02
    live(simulation, 2.0)
    assert simulation.pose.distance_to(*hand[:2]) < 0.2


def test_reaching_for_nothing_changes_no_sense(layout: Layout) -> None:
    """The arm weighs next to nothing and draws no random number."""
    told = []
    for reaches in (False, True):
        simulation = Simulation(layout)
        for step in range(40):
            if reaches and step % 20 == 0:
                simulation.grasp(0.2, 0.9)
                simulation.speak("hello")
            live(simulation, 0.1)
        told.append((simulation.odometry(), simulation.scan().ranges_m.tolist()))
        simulation.close()
    (odometry, scan), (other, other_scan) = told
    assert other_scan == pytest.approx(scan, abs=1e-3)
    assert other.pose.x_m == pytest.approx(odometry.pose.x_m, abs=1e-3)


def test_the_client_takes_carries_and_places_through_the_process() -> None:
    with ApartmentWorld.open(
        SEED, realtime=False, clock=VirtualClock(), frame_hz=2.0, scan_hz=10.0
    ) as world:
        seen: list[Observation] = []
        world.subscribe(seen.append)
        thing = world.truth().objects[0]
        robot = world.truth().robot
        for piece in ("cabinet", "coffee table", "desk", "nightstand", "side table"):
            for away in (0.6, 0.7, 0.8, 0.9):
                try:
                    world.put(piece, *robot.point_at(0.0, away))
                    world.put(thing.name, *robot.point_at(0.0, away))
                except ConfigError:
                    continue
                break
        thing = next(o for o in world.truth().objects if o.name == thing.name)
        away = robot.distance_to(thing.x_m, thing.y_m)
        world.grasp(away, 0.0)
        world.advance(1.7)
        senses = [o.data for o in seen if isinstance(o.data, Odometry)]
        assert not senses[0].holding
        assert senses[-1].holding
        assert any(o.furniture == GRIPPER for o in world.truth().objects)
        world.place(away, 0.0)
        world.advance(1.7)
        assert not [o.data for o in seen if isinstance(o.data, Odometry)][-1].holding
        assert any(isinstance(o.data, Frame) for o in seen)
        world.speak("here you are")
        assert world.truth().said == "here you are"
        for call in (world.grasp, world.place):
            with pytest.raises(ConfigError, match="finite"):
                call(math.nan, 0.0)
            with pytest.raises(ConfigError, match="finite"):
                call(0.0, math.inf)
        world.speak("half a character: \ud83d")
        assert world.truth().said == "half a character: ?"
        with pytest.raises(ConfigError, match="301 characters"):
            world.speak("a" * 301)
        with pytest.raises(ConfigError, match="0 characters"):
            world.speak("")
        world.advance(0.1)


def test_in_real_time_the_hand_works_too() -> None:
    clock = RealClock()
    with ApartmentWorld.open(SEED, realtime=True, clock=clock, frame_hz=2.0) as world:
        world.grasp(0.8, 0.0)
        world.speak("hello")
        assert world.truth().said == "hello"
        world.place(0.8, 0.0)
        assert world.error is None
