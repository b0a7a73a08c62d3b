"""The SNARC benchmark: areas under curves, and which seconds count as which window."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks import snarc
from benchmarks.snarc import Window, auroc, figures, score_record
from benchmarks.snarc_tour import Injected, Record, Seen
from sage.values import Detection, Observation, Odometry, Pose, Scene, Twist
from sage.worlds.static_map import Room, StaticMap

FRIDGE = Detection("fridge", 0.95, (20.0, 60.0, 90.0, 190.0), 0.3, 1.6)
APPLE = Detection("apple", 0.9, (120.0, 90.0, 140.0, 130.0), -0.1, 1.2)
MILK = Detection("milk", 0.9, (150.0, 90.0, 170.0, 130.0), -0.3, 1.2)


def record() -> Record:
    """60 s before a fridge; an apple from 30.0 s on, milk from 45 s, a collision at 50.0 s."""
    room = Room("kitchen", -5.0, -5.0, 5.0, 5.0)
    made = Record(3, StaticMap((room,), (), (), (-5.0, -5.0, 5.0, 5.0)))
    picture = np.full((28, 28, 3), 90, dtype=np.uint8)
    for number in range(360):
        at_s = number / 6.0
        things = (FRIDGE, *[APPLE] * (at_s >= 30.0), *[MILK] * (at_s >= 45.0))
        made.seen.append(
            Seen(at_s, number, Scene(at_s, things, "kitchen", 0.97), Pose(0, 0, 0), picture)
        )
    for number in range(1200):
        at_s = number / 20.0
        hit = 50.0 <= at_s < 50.2
        wheels = Odometry(Pose(0, 0, 0), 0.0 if hit else 0.3, 0.0, bumper=hit)
        made.moved.append((Observation("sim:", "odometry", at_s, number, wheels), Twist(0.3, 0.0)))
    made.learnt_s, made.ended_s = 18.0, 60.0
    made.events += [
        Injected("object", 30.0, 30.0, "apple"),
        Injected("aside", 45.0, 45.0, "milk"),
        Injected("collision", 50.0, 50.0, "drove into it"),
    ]
    return made


@pytest.fixture(scope="module")
def windows() -> list[Window]:
    return score_record(record())


def test_an_area_is_the_chance_that_an_event_scores_above() -> None:
    assert auroc([3.0, 2.0], [1.0, 0.0]) == 1.0
    assert auroc([0.0], [1.0, 2.0]) == 0.0
    assert auroc([1.0, 1.0], [1.0, 1.0]) == 0.5
    assert auroc([0.5, 2.0], [1.0, 0.0, 0.0, 3.0]) == pytest.approx((0.5 + 0.75) / 2)
    assert math.isnan(auroc([], [1.0]))
    assert math.isnan(auroc([1.0], []))


def test_each_event_is_one_window_of_its_modality_and_an_aside_none(windows: list[Window]) -> None:
    scenes = [(w.kind, w.at_s) for w in windows if w.stream == "scene" and w.kind]
    motions = [(w.kind, w.at_s) for w in windows if w.stream == "motion" and w.kind]
    assert scenes == [("object", 30.0)]
    assert motions == [("collision", 50.0)]


def test_windows_without_an_event_keep_clear_of_every_change(windows: list[Window]) -> None:
    scenes = [w.at_s for w in windows if w.stream == "scene" and not w.kind]
    # Of 18, 21, ...: none that overlaps [30, 42) or [45, 57), nothing before the end of learning.
    assert scenes == [18.0, 21.0, 24.0, 27.0, 42.0, 57.0]
    motions = [w.at_s for w in windows if w.stream == "motion" and not w.kind]
    assert motions == [18.0 + 3 * n for n in range(10)] + [57.0]  # [49.5, 55) is the bump's


def test_events_stand_out(windows: list[Window]) -> None:
    areas = figures([w for w in windows if w.stream != "speech"], lambda w: w.salience)
    assert areas["object"] == areas["collision"] == 1.0


def test_phrases_are_taken_one_by_one(windows: list[Window]) -> None:
    spoken = [w for w in windows if w.stream == "speech"]
    assert len(spoken) == snarc._COUNTED
    assert sum(w.kind == "phrase" for w in spoken) == snarc._COUNTED // snarc._EVERY
    assert figures(spoken, lambda w: w.salience)["phrase"] > 0.8


def test_an_area_is_taken_within_a_modality_and_the_pooled_one_over_all() -> None:
    def window(stream: str, kind: str, salience: float) -> Window:
        return Window(stream, kind, salience, 0.0, 0.0, 0.0, 0.0, 0.0, "")

    some = [
        window("scene", "object", 0.4),
        window("scene", "", 0.3),
        window("motion", "collision", 0.9),
        window("motion", "", 0.5),
    ]
    assert figures(some, lambda w: w.salience) == {"object": 1.0, "collision": 1.0, "pooled": 0.75}


def test_what_never_came_into_view_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, windows: list[Window]
) -> None:
    import json
    from concurrent.futures import ThreadPoolExecutor

    monkeypatch.setattr(snarc, "_one", lambda *work: (windows, {"CPU ms a frame": 0.1}, 2))
    monkeypatch.setattr(snarc, "ProcessPoolExecutor", lambda jobs, how: ThreadPoolExecutor(jobs))
    monkeypatch.setattr(snarc, "cost_ms", lambda memories: [0.1])
    monkeypatch.setattr(snarc, "predictable", lambda: {"scene": 0.0})
    path = tmp_path / "snarc.json"
    assert snarc.main(["--seeds", "0:2", "--json", str(path)]) == 0
    rows = {row["id"]: row for row in json.loads(path.read_text())["rows"]}
    assert rows["snarc.auroc"]["baselines"]["never in view"] == 4.0
