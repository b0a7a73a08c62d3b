"""Pictures of a run: they show what they are given, where it is, and change nothing."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage.irp.errors import ConfigError, DeviceError
from sage.navigation.grid import GridFrame
from sage.values import Detection, Pose, Scene
from sage.view.frames import (
    Mark,
    Occupancy,
    as_png,
    class_colour,
    contact_sheet,
    draw_scene,
    floor_plan,
    from_png,
    save_picture,
)
from sage.view.ink import fit, text_size
from sage.worlds.static_map import Room, StaticMap

GREY = np.full((240, 320, 3), 120, np.uint8)
HOME = StaticMap(
    rooms=(Room("kitchen", 0.0, 0.0, 4.0, 3.0), Room("corridor", 4.0, 0.0, 6.0, 3.0)),
    walls=((3.95, 0.0, 4.05, 2.0), (-0.05, -0.05, 6.05, 0.05)),
    doors=(),
    bounds=(-0.05, -0.05, 6.05, 3.05),
)


def near(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Where the picture has about this colour."""
    return np.abs(picture.astype(int) - colour).max(axis=2) < 30


def at(picture: np.ndarray, x_m: float, y_m: float) -> np.ndarray:
    """The colour of a map point on a floor plan of HOME."""
    margin = picture.shape[1] // 24
    scale = (picture.shape[1] - 2 * margin) / 6.1
    return picture[round(margin + (3.05 - y_m) * scale), round(margin + (x_m + 0.05) * scale)]


def test_a_detection_is_framed_in_its_colour_and_the_frame_is_not_changed():
    before = GREY.copy()
    scene = Scene(0.0, (Detection("cup", 0.9, (100, 100, 160, 180), 0.0, 1.2),))
    picture = draw_scene(GREY, scene)
    assert np.array_equal(GREY, before)
    rows, cols = np.nonzero(near(picture, class_colour("cup")))
    assert (rows.max(), cols.min(), cols.max()) == pytest.approx((180, 100, 160), abs=30)
    assert np.array_equal(picture[110:170, 110:150], GREY[110:170, 110:150])  # the thing shows
    assert not np.array_equal(picture[80:99, 100:160], GREY[80:99, 100:160])  # its label


def test_the_room_is_written_in_the_corner():
    picture = draw_scene(GREY, Scene(0.0, (), "kitchen", 0.8))
    assert not np.array_equal(picture[200:], GREY[200:])
    assert np.array_equal(picture[:200], GREY[:200])
    assert np.array_equal(draw_scene(GREY, Scene(0.0, ())), GREY)


def test_a_small_frame_is_enlarged_with_its_boxes():
    scene = Scene(0.0, (Detection("cup", 0.9, (10, 30, 20, 40)),))
    picture = draw_scene(GREY[:60, :80], scene, min_width_px=320)
    assert picture.shape == (240, 320, 3)
    rows, cols = np.nonzero(near(picture, class_colour("cup")))
    assert rows.max() == pytest.approx(160, abs=4)
    assert cols.min() == pytest.approx(40, abs=4)


def test_labels_that_would_overlap_are_moved_apart():
    one = Detection("cup", 0.9, (100, 100, 160, 180))
    two = Detection("bottle", 0.8, (104, 102, 164, 182))
    picture = draw_scene(GREY, Scene(0.0, (one, two)))
    for label in ("cup", "bottle"):
        chip = near(picture, class_colour(label))
        assert max(chip[row].sum() for row in range(240)) > 30, f"{label}'s label is hidden"


@given(
    st.lists(
        st.tuples(st.text(max_size=12), st.floats(0, 1), st.tuples(*[st.floats(-500, 900)] * 4)),
        max_size=4,
    )
)
def test_any_box_can_be_drawn(things):
    scene = Scene(0.0, tuple(Detection(*thing) for thing in things), "bath", 0.5)
    assert draw_scene(GREY, scene).shape == GREY.shape


def test_a_label_keeps_its_colour_and_labels_differ():
    assert class_colour("cup") == class_colour("cup")
    assert len({class_colour(name) for name in ("cup", "bottle", "person", "bed")}) == 4


def test_a_contact_sheet_holds_every_frame_in_reading_order():
    frames = [(np.full((60, 80, 3), 40 * n + 20, np.uint8), f"frame {n}") for n in range(5)]
    sheet = contact_sheet(frames, title="a run", subtitle="5 frames", columns=3, tile_width_px=80)
    corners = []
    for n in range(5):
        rows, cols = np.nonzero((sheet == 40 * n + 20).all(axis=2))
        inside = (rows > 0) & (cols > 0)
        corners.append((rows[inside].min(), cols[inside].min()))
        assert inside.sum() >= 60 * 80
    assert corners == sorted(corners)
    assert corners[0][0] == corners[2][0] < corners[3][0]
    assert corners[0][1] == corners[3][1] < corners[1][1]


def test_captions_and_header_are_written():
    blank = contact_sheet([(GREY, "")], title="")
    header = contact_sheet([(GREY, "")], title="a run")
    assert header.shape == blank.shape
    assert not np.array_equal(header, blank)
    captioned = contact_sheet([(GREY, "first\nsecond\nthird")], title="")
    assert captioned.shape[0] > contact_sheet([(GREY, "first")], title="").shape[0]


def test_a_frame_of_another_shape_is_fitted_whole():
    tall = np.full((100, 20, 3), 200, np.uint8)
    sheet = contact_sheet([(GREY, ""), (tall, "")], tile_width_px=320)
    rows, cols = np.nonzero((sheet == 200).all(axis=2))
    assert rows.max() - rows.min() + 1 == 240
    assert cols.max() - cols.min() + 1 == 48


def test_a_long_caption_ends_in_an_ellipsis():
    text = fit("a caption that goes on for much longer than its frame is wide", 150, 0.5)
    assert text.endswith("...")
    assert text_size(text, 0.5, False)[0] <= 150
    assert fit("short", 150, 0.5) == "short"
    assert fit("x", 0, 0.5) == ""


def test_a_floor_plan_shows_walls_way_marks_and_robot_where_they_are():
    path = [Pose(0.5 + 0.1 * n, 1.0, 0.0) for n in range(21)]
    marks = [Mark(1.0, 2.5, "start", "start"), Mark(5.0, 2.0, "cup", "found")]
    picture = floor_plan(HOME, path, marks)
    bare = floor_plan(HOME)
    assert at(bare, 4.0, 1.0).max() < 40  # a wall
    assert at(bare, 4.0, 2.5).min() > 180  # the opening above it
    assert not np.array_equal(at(bare, 1.0, 1.5), at(bare, 5.0, 1.5))  # rooms differ in tint
    assert np.array_equal(at(picture, 5.0, 0.5), at(bare, 5.0, 0.5))
    red, _, blue = (int(value) for value in at(picture, 1.5, 1.0))
    assert blue > red + 60  # the way
    early, late = at(picture, 0.7, 1.0), at(picture, 2.1, 1.0)
    assert early[0] > late[0]  # it begins pale
    assert near(picture, (38, 110, 215)).sum() > 200  # the robot
    assert near(picture, (22, 150, 84)).any()
    assert at(picture, 5.0, 2.0).min() > 200  # the white eye of a mark


def test_occupancy_is_shaded_the_right_way_up():
    grid = GridFrame.around((0.0, 0.0, 6.0, 3.0), 0.1, 0.0)
    probability = np.zeros(grid.shape, np.float32)
    probability[: grid.rows // 3, : grid.cols // 3] = 1.0  # smallest y, smallest x
    bare, shaded = floor_plan(HOME), floor_plan(HOME, occupancy=Occupancy(grid, probability))
    assert at(shaded, 0.6, 0.6).sum() < at(bare, 0.6, 0.6).sum() - 150
    for x_m, y_m in ((0.6, 2.2), (5.0, 0.6), (5.0, 2.2)):
        assert np.array_equal(at(shaded, x_m, y_m), at(bare, x_m, y_m))


def test_an_occupancy_wider_than_the_map_is_cut_off():
    grid = GridFrame.around((-20.0, -20.0, 20.0, 20.0), 0.2, 0.0)
    nothing_known = np.full(grid.shape, np.nan, np.float32)
    assert np.array_equal(
        floor_plan(HOME, occupancy=Occupancy(grid, nothing_known)), floor_plan(HOME)
    )


def test_a_map_is_as_wide_as_asked_and_keeps_its_proportions():
    picture = floor_plan(HOME, width_px=610)
    assert picture.shape[1] == 610
    assert 0.5 < picture.shape[0] / picture.shape[1] < 0.75


def test_what_cannot_be_drawn_is_named():
    with pytest.raises(ConfigError, match=r"frame is float64 .*uint8 \(height, width, 3\)"):
        draw_scene(np.zeros((4, 4, 3)), Scene(0.0, ()))
    with pytest.raises(ConfigError, match="at least one frame"):
        contact_sheet([])
    with pytest.raises(ConfigError, match="tile_width_px is 3"):
        contact_sheet([(GREY, "")], tile_width_px=3)
    with pytest.raises(ConfigError, match="columns is 0"):
        contact_sheet([(GREY, "")], columns=0)
    with pytest.raises(ConfigError, match="'treasure'; valid: start, goal"):
        Mark(0, 0, kind="treasure")
    with pytest.raises(ConfigError, match="occupancy has shape"):
        Occupancy(GridFrame(0, 0, 0.1, 4, 4), np.zeros((3, 3)))
    with pytest.raises(ConfigError, match="width_px is 10"):
        floor_plan(HOME, width_px=10)
    with pytest.raises(ConfigError, match="empty"):
        floor_plan(StaticMap((), (), (), (0, 0, 0, 0)))


def test_a_picture_is_saved_as_it_is(tmp_path):
    path = tmp_path / "sheet.png"
    red = np.zeros((4, 4, 3), np.uint8)
    red[:, :, 0] = 255
    save_picture(path, red)
    assert cv2.imread(str(path))[0, 0].tolist() == [0, 0, 255]
    assert [entry.name for entry in tmp_path.iterdir()] == ["sheet.png"]


def test_a_picture_that_cannot_be_saved_is_one_line_and_the_old_one_stays(tmp_path, monkeypatch):
    with pytest.raises(DeviceError, match=r"cannot write .*gone.*No such file"):
        save_picture(tmp_path / "gone" / "sheet.png", GREY)
    path = tmp_path / "sheet.png"
    save_picture(path, GREY)
    before = path.read_bytes()

    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(DeviceError, match="No space left on device"):
        save_picture(path, GREY[:10])
    assert path.read_bytes() == before


def test_a_label_covers_neither_the_robot_nor_another_mark():
    here = Pose(2.0, 1.5, 0.0)
    marks = [Mark(2.0, 1.5, "goal", "goal"), Mark(2.5, 1.5, "cup", "found")]
    picture = floor_plan(HOME, [Pose(1.9, 1.5, 0.0), here], marks)
    assert at(picture, 2.5, 1.5).min() > 200  # the mark's white eye
    assert np.abs(at(picture, 2.15, 1.5).astype(int) - (38, 110, 215)).max() < 10  # the robot's rim


def test_a_picture_survives_as_png() -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (24, 32, 3), np.uint8)
    np.testing.assert_array_equal(from_png(as_png(rgb)), rgb)
    with pytest.raises(ValueError, match="no picture"):
        from_png(b"\x89PNG")
