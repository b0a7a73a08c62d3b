"""Videos, pictures and folders as cameras, and every way in which a file can be bad."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from sage.clock import RealClock, VirtualClock
from sage.irp.errors import DeviceError
from sage.sensors import Source, open_source
from sage.values import Observation
from tests.sensors.conftest import until


def play(uri: str, step_s: float = 0.05, most_s: float = 60.0) -> tuple[Source, list[Observation]]:
    """The observations of a file, in lock-step, up to its end."""
    clock = VirtualClock(10.0)
    source = open_source(uri, clock=clock, lockstep=True)
    got: list[Observation] = []
    source.start(got.append)
    while not source.finished and clock.now_s() < 10.0 + most_s:
        source.pump(clock.now_s())
        clock.advance_to(clock.now_s() + step_s)
    return source, got


def redness(seen: Observation) -> int:
    rgb = seen.data.rgb
    assert rgb.dtype == np.uint8
    assert rgb.shape[-1] == 3
    return int(rgb[:, :, 0].mean())


def test_a_film_plays_at_its_own_frame_rate(make_film):
    source, got = play(f"file:{make_film(frames=20, fps=10.0)}", step_s=0.013)
    assert [seen.sequence for seen in got] == list(range(20))
    assert [seen.captured_s for seen in got] == pytest.approx([10 + k / 10 for k in range(20)])
    assert {(seen.source, seen.modality) for seen in got} == {(source.uri, "camera")}
    # Red first: frame k was written as 8 * k red.
    assert [redness(seen) for seen in got] == pytest.approx([8 * k for k in range(20)], abs=6)
    assert got[3].data.camera is None
    assert source.finished
    assert source.error is None
    assert source.counts().produced == source.counts().delivered == 20


def test_fps_and_field_of_view_can_be_told(make_film):
    _, got = play(f"file:{make_film(frames=5)}?fps=2&fov_y_deg=60")
    assert np.diff([seen.captured_s for seen in got]) == pytest.approx([0.5] * 4)
    camera = got[0].data.camera
    assert (camera.width_px, camera.height_px) == (64, 48)
    assert camera.fov_y_rad == pytest.approx(np.pi / 3)


def test_a_film_ends_when_its_last_frame_has_had_its_time(make_film):
    clock = VirtualClock()
    source = open_source(f"file:{make_film(frames=3, fps=10.0)}", clock=clock, lockstep=True)
    source.start(lambda _: None)
    for until_s, finished in (
        (0.0, False),
        (0.1, False),
        (0.2, False),
        (0.29, False),
        (0.31, True),
    ):
        source.pump(until_s)
        assert source.finished is finished


def test_a_film_in_a_loop_goes_on(make_film):
    source, got = play(f"file:{make_film(frames=4)}?loop=1", most_s=1.0)
    assert not source.finished
    assert len(got) >= 9
    assert [seen.sequence for seen in got] == list(range(len(got)))
    assert redness(got[4]) == redness(got[0])
    source.stop()
    assert source.finished


def test_of_several_frames_due_the_newest_wins_and_the_rest_are_counted(make_film):
    source, got = play(f"file:{make_film(frames=20, fps=10.0)}", step_s=0.5)
    assert [seen.sequence for seen in got] == [0, 5, 10, 15]
    counts = source.counts()
    assert counts.produced == 20
    assert counts.dropped["superseded"] == 15
    assert counts.dropped["stale"] == 1  # the last one's time was over, and nothing newer came


def test_the_real_video_plays_to_its_end(shared_data):
    path = shared_data / "video" / "vtest.avi"
    if not path.is_file():
        pytest.skip(f"needs {path}, which is not there")
    source, got = play(f"file:{path}", step_s=0.4, most_s=100)
    assert source.finished
    assert source.error is None
    assert source.counts().produced == 795
    assert got[0].data.rgb.shape == (576, 768, 3)
    assert got[-1].captured_s - got[0].captured_s == pytest.approx(79.2)


def test_a_film_plays_by_itself_in_real_time(make_film):
    clock = RealClock()
    source = open_source(f"file:{make_film(frames=12, fps=100.0)}", clock=clock)
    got: list[tuple[float, Observation]] = []
    began_s = clock.now_s()
    source.start(lambda seen: got.append((clock.now_s(), seen)))
    until(lambda: source.finished)
    assert clock.now_s() - began_s >= 0.119
    assert all(now_s >= seen.captured_s for now_s, seen in got)
    counts = source.counts()
    assert counts.produced == 12
    assert counts.delivered == len(got) >= 1
    source.stop()
    source.stop()


def test_stop_ends_a_film_at_once(make_film):
    source = open_source(f"file:{make_film(frames=3, fps=10.0)}?fps=0.02", clock=RealClock())
    source.start(lambda _: None)
    clock = RealClock()
    began_s = clock.now_s()
    source.stop()
    assert clock.now_s() - began_s < 1.0
    assert source.finished


def test_pictures_of_a_folder_are_shown_in_order_and_bad_ones_counted(tmp_path: Path, caplog):
    folder = tmp_path / "album"
    folder.mkdir()
    for number in range(3):
        picture = np.zeros((8, 8, 3), np.uint8)
        picture[:, :, 2] = 50 * number
        assert cv2.imwrite(str(folder / f"{number}.png"), picture)
    (folder / "1b.png").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("not looked at")
    with caplog.at_level(logging.WARNING):
        source, got = play(f"file:{folder}", step_s=0.25)
    assert [redness(seen) for seen in got] == [0, 50, 100]
    assert [seen.sequence for seen in got] == [0, 1, 3]
    assert source.error is None
    assert source.counts().dropped["unreadable"] == 1
    assert caplog.text.count("1b.png") == 1


def test_one_picture_is_shown_once_unless_in_a_loop(tmp_path: Path):
    path = tmp_path / "grey.png"
    assert cv2.imwrite(str(path), np.full((8, 8), 77, np.uint8))
    source, got = play(f"file:{path}")
    assert source.finished
    assert [redness(seen) for seen in got] == [77]
    source, got = play(f"file:{path}?loop=1&fps=5", most_s=1.9)
    assert not source.finished
    assert len(got) == 10


def _text(folder: Path) -> Path:
    path = folder / "text.mp4"
    path.write_text("not a video at all\n" * 50)
    return path


def _empty(folder: Path) -> Path:
    path = folder / "empty.avi"
    path.touch()
    return path


def _bad_picture(folder: Path) -> Path:
    path = folder / "bad.jpg"
    path.write_bytes(b"no picture")
    return path


def _no_pictures(folder: Path) -> Path:
    path = folder / "album"
    path.mkdir()
    (path / "notes.txt").write_text("no picture")
    return path


def _bad_pictures(folder: Path) -> Path:
    path = folder / "broken"
    path.mkdir()
    (path / "a.png").write_bytes(b"no picture")
    (path / "b.png").write_bytes(b"no picture")
    return path


@pytest.mark.parametrize("make", [_text, _empty, _bad_picture, _no_pictures, _bad_pictures])
def test_a_bad_file_is_one_line_with_its_path_and_the_formats(
    make: Callable[[Path], Path], tmp_path: Path, capfd
):
    path = make(tmp_path)
    with pytest.raises(DeviceError) as caught:
        open_source(f"file:{path}", clock=RealClock())
    text = str(caught.value)
    assert str(path) in text
    assert "mp4" in text
    assert "\n" not in text
    assert capfd.readouterr() == ("", "")  # OpenCV and FFmpeg keep quiet


def test_a_film_cut_before_its_index_cannot_be_opened(make_film, capfd):
    path = make_film("cut.mp4")
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(DeviceError, match=r"cut\.mp4 is no readable video"):
        open_source(f"file:{path}", clock=RealClock())
    assert capfd.readouterr() == ("", "")


def test_a_film_without_frames_cannot_be_opened(make_film):
    path = make_film("none.avi", frames=0)
    with pytest.raises(DeviceError, match=r"none\.avi"):
        open_source(f"file:{path}", clock=RealClock())


def test_a_truncated_film_plays_what_it_has_and_says_so(make_film, caplog):
    path = make_film("half.avi", frames=40)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with caplog.at_level(logging.WARNING):
        source, got = play(f"file:{path}")
    assert 5 < len(got) < 35
    assert source.finished
    assert not source.healthy
    assert "of 40 frames: truncated or damaged" in str(source.error)
    assert len(caplog.records) == 1


def test_a_film_that_goes_away_in_a_loop_ends_with_an_error(make_film):
    path = make_film(frames=3, fps=200.0)
    source = open_source(f"file:{path}?loop=1", clock=RealClock())
    source.start(lambda _: None)
    path.unlink()
    until(lambda: source.finished)
    assert "went away" in str(source.error)
    source.stop()


def test_a_machine_too_slow_for_the_frame_rate_still_shows_frames(make_film):
    class Slow:
        """Each look at the time finds that much of it gone by."""

        time_s = 0.0

        def now_s(self) -> float:
            self.time_s += 0.5
            return self.time_s

    source = open_source(f"file:{make_film(frames=20)}?fps=1000&loop=1", clock=Slow())
    got: list[Observation] = []
    source.start(got.append)
    until(lambda: source.counts().produced > 200)
    source.stop()
    counts = source.counts()
    assert counts.dropped["superseded"] > counts.produced // 2
    assert counts.dropped["superseded"] < counts.produced


@pytest.mark.parametrize("place", ["x" * 300, "~nobody-of-this-name/x.mp4"])
def test_a_path_that_cannot_be_looked_up_is_one_line(place: str):
    with pytest.raises(DeviceError) as caught:
        open_source(f"file:{place}", clock=RealClock())
    assert f"{place} cannot be read: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_that_may_not_be_listed_is_one_line(tmp_path: Path, monkeypatch):
    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(DeviceError) as caught:
        open_source(f"file:{tmp_path}", clock=RealClock())
    assert str(caught.value) == f"file:{tmp_path}: {tmp_path} cannot be read: Permission denied"
