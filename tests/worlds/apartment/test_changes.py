from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from sage.clock import RealClock, VirtualClock
from sage.irp.errors import ConfigError
from sage.values import Frame, Observation, Pose
from sage.worlds.apartment.changes import put
from sage.worlds.apartment.client import ApartmentWorld
from sage.worlds.apartment.layout import Layout, make_layout

FAR = Pose(-5.0, -5.0, 0.0)


@pytest.fixture(scope="module")
def layout() -> Layout:
    return make_layout(2)


@pytest.fixture
def world() -> Iterator[ApartmentWorld]:
    with ApartmentWorld.open(2, realtime=False, clock=VirtualClock(), frame_hz=5.0) as world:
        yield world


def carrier(layout: Layout) -> tuple[str, float, float]:
    piece = next(p for p in layout.furniture if p.surface_z_m is not None)
    return piece.name, piece.x_m, piece.y_m


def test_an_object_goes_onto_the_furniture_there(layout: Layout) -> None:
    name, x, y = carrier(layout)
    thing = next(o for o in layout.objects if o.furniture != name)
    moved = next(o for o in put(layout, thing.name, x, y, FAR).objects if o.name == thing.name)
    piece = next(p for p in layout.furniture if p.name == name)
    assert (moved.furniture, moved.room) == (name, piece.room)
    assert (moved.x_m, moved.y_m, moved.z_m) == (x, y, piece.surface_z_m)


def test_furniture_takes_along_what_stands_on_it(layout: Layout) -> None:
    carried = {o.furniture for o in layout.objects}
    tried = 0
    for piece in layout.furniture:
        room = layout.static_map.room(piece.room)
        if piece.name not in carried:
            continue
        for x in np.arange(room.x_min, room.x_max, 0.2):
            for y in np.arange(room.y_min, room.y_max, 0.2):
                try:
                    after = put(layout, piece.name, float(x), float(y), FAR)
                except ValueError:
                    continue
                tried += 1
                for old, new in zip(layout.objects, after.objects, strict=True):
                    if old.furniture == piece.name:
                        assert new.x_m - old.x_m == pytest.approx(x - piece.x_m)
                        assert new.y_m - old.y_m == pytest.approx(y - piece.y_m)
                    else:
                        assert new == old
    assert tried > 10


def test_what_cannot_stand_there_is_refused(layout: Layout) -> None:
    _, x, y = carrier(layout)
    sofa = next(p for p in layout.furniture if p.name == "sofa")
    bed = next(p for p in layout.furniture if p.name == "bed")
    thing = layout.objects[0].name
    for arguments, reason in (
        (("unicorn", x, y), "no 'unicorn'"),
        ((thing, -3.0, 1.0), "no room"),
        ((thing, bed.x_m, bed.y_m), "carries nothing"),
        ((thing, layout.start_pose.x_m, layout.start_pose.y_m), "no furniture"),
        (("chair", sofa.x_m, sofa.y_m), "stand in"),
        (("sofa", 0.2, 0.2), "stand in a wall"),
    ):
        if arguments[0] == "chair" and all(p.name != "chair" for p in layout.furniture):
            continue
        with pytest.raises(ValueError, match=reason):
            put(layout, *arguments, FAR)
    start = layout.start_pose
    with pytest.raises(ValueError, match=r"stand in the robot|stand in"):
        put(layout, "cabinet", start.x_m, start.y_m, start)


def test_the_camera_sees_what_was_put_there_and_truth_tells_it(world: ApartmentWorld) -> None:
    frames: list[Observation] = []
    world.subscribe(frames.append)
    world.advance(0.3)
    before = [o.data.rgb for o in frames if isinstance(o.data, Frame)][-1]
    robot, chosen = world.truth().robot, None
    # Onto the spot ahead of the robot goes what fits there: something must show.
    for piece in world.truth().furniture:
        for away_m in (0.9, 1.1, 1.4, 1.8):
            try:
                world.put(piece.name, *robot.point_at(0.0, away_m))
            except ConfigError:
                continue
            chosen = piece
            break
        if chosen:
            break
    assert chosen is not None
    frames.clear()
    world.advance(0.4)
    after = [o.data.rgb for o in frames if isinstance(o.data, Frame)][-1]
    told = next(f for f in world.truth().furniture if f.name == chosen.name)
    assert (told.x_m, told.y_m) != (chosen.x_m, chosen.y_m)
    assert np.abs(after.astype(int) - before.astype(int)).max() > 60


def test_range_beams_end_at_moved_furniture(world: ApartmentWorld) -> None:
    scans: list[np.ndarray] = []
    world.subscribe(lambda o: scans.append(o.data.ranges_m) if o.modality == "scan" else None)
    world.advance(0.1)
    robot = world.truth().robot
    for piece in world.truth().furniture:
        try:
            world.put(piece.name, *robot.point_at(0.0, 1.2))
        except ConfigError:
            continue
        break
    scans_before = scans[-1]
    world.advance(0.2)
    ahead = len(scans_before) // 2
    assert scans[-1][ahead] < 1.2


def test_a_refusal_is_told_and_the_world_lives_on(world: ApartmentWorld) -> None:
    with pytest.raises(ConfigError, match="no 'unicorn' in this apartment; it has"):
        world.put("unicorn", 1.0, 1.0)
    with pytest.raises(ConfigError, match="finite"):
        world.put("sofa", float("nan"), 1.0)
    with pytest.raises(ConfigError, match="1 to 64"):
        world.put("", 1.0, 1.0)
    assert world.advance(0.1) > 0.0


def test_in_real_time_nothing_is_put() -> None:
    with (
        ApartmentWorld.open(2, realtime=True, clock=RealClock(), frame_hz=2.0) as world,
        pytest.raises(ConfigError, match="realtime=False"),
    ):
        world.put("sofa", 1.0, 1.0)
