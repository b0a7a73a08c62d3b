"""The memory of where things were seen: fused from single detections, lost when contradicted."""

from __future__ import annotations

import math
import random
import threading

import pytest

from memory import SightingMap
from sage.values import CameraModel, Detection, Pose, Scene

CAMERA = CameraModel(640, 480, 1.0)
ORIGIN = Pose(0.0, 0.0, 0.0)


class Eye:
    """Looks at a map of the test's own, one scene per call."""

    def __init__(self) -> None:
        self.map = SightingMap()
        self.scenes = 0

    def see(
        self,
        *things: tuple[str, float, float],
        pose: Pose = ORIGIN,
        confidence: float = 0.9,
        times: int = 1,
    ) -> None:
        """Each thing is a label at a map point (x, y), seen from ``pose`` without error."""
        for _ in range(times):
            self.scenes += 1
            detections = tuple(
                Detection(
                    label,
                    confidence,
                    (0.0, 0.0, 1.0, 1.0),
                    pose.bearing_to(x_m, y_m),
                    pose.distance_to(x_m, y_m),
                )
                for label, x_m, y_m in things
            )
            self.map.see(Scene(0.1 * self.scenes, detections), pose, CAMERA)


@pytest.fixture
def eye() -> Eye:
    return Eye()


def test_what_was_never_seen_is_nowhere(eye: Eye) -> None:
    assert eye.map.best("fridge") is None
    assert eye.map.all() == ()
    eye.map.forget("fridge", 0.0, 0.0)


def test_it_takes_a_few_looks(eye: Eye) -> None:
    eye.see(("fridge", 2.0, 0.0), times=2)
    assert eye.map.best("fridge") is None
    assert eye.map.best("fridge", least_hits=2) is not None
    eye.see(("fridge", 2.0, 0.0))
    best = eye.map.best("fridge")
    assert best is not None
    assert (best.x_m, best.y_m) == pytest.approx((2.0, 0.0))
    assert best.hits == 3
    assert best.seen_s == pytest.approx(0.3)
    assert best.nearest_m == pytest.approx(2.0)
    assert 0.3 < best.probability <= 1.0


def test_it_lies_where_the_pose_says(eye: Eye) -> None:
    pose = Pose(3.0, 1.0, math.pi / 2)
    eye.see(("fridge", 2.5, 3.0), pose=pose, times=3)
    best = eye.map.best("fridge")
    assert best is not None
    assert (best.x_m, best.y_m) == pytest.approx((2.5, 3.0))


def test_noise_averages_out(eye: Eye) -> None:
    chance = random.Random(1)
    for _ in range(60):
        eye.see(("fridge", 2.0 + chance.gauss(0.0, 0.2), 0.5 + chance.gauss(0.0, 0.2)))
    best = eye.map.best("fridge")
    assert best is not None
    assert math.hypot(best.x_m - 2.0, best.y_m - 0.5) < 0.1
    assert best.hits == 60


def test_a_near_look_outweighs_a_far_one(eye: Eye) -> None:
    eye.see(("fridge", 4.4, 0.0), times=4)
    eye.see(("fridge", 4.0, 0.0), pose=Pose(3.2, 0.0, 0.0), times=4)
    best = eye.map.best("fridge")
    assert best is not None
    assert best.x_m < 4.1
    assert best.nearest_m == pytest.approx(0.8)


def test_a_sure_look_outweighs_a_doubtful_one(eye: Eye) -> None:
    eye.see(("fridge", 2.4, 0.0), confidence=0.3, times=4)
    eye.see(("fridge", 2.0, 0.0), confidence=0.9, times=4)
    best = eye.map.best("fridge")
    assert best is not None
    assert best.x_m < 2.15


def test_a_detection_without_a_distance_is_no_place(eye: Eye) -> None:
    detection = Detection("fridge", 0.9, (0.0, 0.0, 1.0, 1.0), 0.0, None)
    for number in range(9):
        eye.map.see(Scene(float(number), (detection,)), ORIGIN, CAMERA)
    assert eye.map.best("fridge", least_hits=1) is None


def test_two_of_a_kind_are_two_places_and_the_likelier_is_best(eye: Eye) -> None:
    eye.see(("chair", 3.0, 1.5), ("chair", 3.0, -1.5), times=3)
    eye.see(("chair", 3.0, 1.5), times=4)
    best = eye.map.best("chair")
    assert best is not None
    assert (best.x_m, best.y_m) == pytest.approx((3.0, 1.5))
    eye.map.forget("chair", 3.0, 1.5)
    other = eye.map.best("chair")
    assert other is not None
    assert (other.x_m, other.y_m) == pytest.approx((3.0, -1.5))


def test_a_false_detection_decays_when_a_closer_look_does_not_see_it(eye: Eye) -> None:
    eye.see(("fridge", 3.5, 0.0), times=4)
    assert eye.map.best("fridge") is not None
    near = Pose(1.5, 0.0, 0.0)
    looks = 0
    while eye.map.best("fridge") is not None:
        eye.see(pose=near)
        looks += 1
        assert looks < 40, "it is believed for ever"
    assert looks >= 3, "one miss is no proof"


@pytest.mark.parametrize(
    "pose",
    [
        pytest.param(Pose(1.5, 0.0, math.pi), id="behind the robot"),
        pytest.param(Pose(1.5, 0.0, 0.6), id="at the edge of the picture"),
        pytest.param(Pose(-2.0, 0.0, 0.0), id="too far to be sure"),
        pytest.param(Pose(3.0, 0.0, 0.0), id="too near to be seen whole"),
    ],
)
def test_what_could_not_be_seen_is_not_missed(eye: Eye, pose: Pose) -> None:
    eye.see(("fridge", 3.5, 0.0), times=4)
    before = eye.map.best("fridge")
    eye.see(pose=pose, times=50)
    assert eye.map.best("fridge") == before


def test_being_seen_again_restores_it(eye: Eye) -> None:
    near = Pose(1.5, 0.0, 0.0)
    eye.see(("fridge", 3.5, 0.0), times=4)
    eye.see(pose=near, times=30)
    assert eye.map.best("fridge") is None
    eye.see(("fridge", 3.5, 0.0), pose=near, times=30)
    assert eye.map.best("fridge") is not None


def test_doubtful_detections_are_not_enough(eye: Eye) -> None:
    eye.see(("fridge", 2.0, 0.0), confidence=0.2, times=20)
    assert eye.map.best("fridge") is None
    assert eye.map.best("fridge", least_probability=0.1) is not None


def test_forgetting_drops_the_place_and_leaves_the_rest(eye: Eye) -> None:
    eye.see(("fridge", 2.0, 0.0), ("stove", 2.0, 0.0), times=4)
    eye.map.forget("fridge", 2.3, 0.2)
    assert eye.map.best("fridge", least_hits=1, least_probability=0.0) is None
    assert eye.map.best("stove") is not None
    eye.see(("fridge", 2.0, 0.0), times=3)
    best = eye.map.best("fridge")
    assert best is not None
    assert best.hits == 3, "what was forgotten counts again"


def test_all_lists_the_best_place_of_each_label(eye: Eye) -> None:
    eye.see(("fridge", 2.0, 0.5), ("stove", 2.0, -0.5), times=4)
    eye.see(("sofa", 3.0, 0.0))
    assert {sighting.label for sighting in eye.map.all()} == {"fridge", "stove"}
    assert {sighting.label for sighting in eye.map.all(least_hits=1)} == {"fridge", "stove", "sofa"}


def test_a_flood_of_false_places_stays_small_and_keeps_the_real_one(eye: Eye) -> None:
    chance = random.Random(2)
    for _ in range(300):
        eye.see(("coke", 2.0, 0.0))
        eye.see(
            ("coke", 2.0, 0.0),
            ("coke", chance.uniform(-30.0, 30.0), chance.uniform(2.0, 30.0)),
            confidence=0.5,
        )
    assert len(eye.map._places["coke"]) <= 6
    best = eye.map.best("coke")
    assert best is not None
    assert (best.x_m, best.y_m) == pytest.approx((2.0, 0.0), abs=0.05)


def test_it_is_read_and_written_from_several_threads() -> None:
    eye = Eye()
    failed: list[BaseException] = []
    ended = threading.Event()

    def guarded(act: object) -> None:
        try:
            while not ended.is_set():
                act()  # type: ignore[operator]
        except BaseException as error:
            failed.append(error)

    readers = [
        threading.Thread(target=guarded, args=(act,))
        for act in (
            lambda: eye.map.best("label 3"),
            eye.map.all,
            lambda: eye.map.forget("label 3", 3.0, 0.0),
        )
    ]
    for reader in readers:
        reader.start()
    chance = random.Random(3)
    for _ in range(400):
        number = chance.randrange(40)
        eye.see((f"label {number}", number * 0.2, chance.uniform(-3.0, 3.0)))
    ended.set()
    for reader in readers:
        reader.join(10.0)
    assert failed == []


def test_every_place_of_a_label_is_listed_the_likeliest_first(eye: Eye) -> None:
    assert eye.map.places("chair") == ()
    eye.see(("chair", 3.0, 1.5), ("chair", 3.0, -1.5), times=4)
    eye.see(("chair", 3.0, -1.5), times=4)
    eye.see(("chair", 4.0, 0.0), times=2)
    assert [place.y_m for place in eye.map.places("chair")] == pytest.approx([-1.5, 1.5])
    assert eye.map.places("chair")[0] == eye.map.best("chair")
    assert len(eye.map.places("chair", least_hits=2)) == 3
    assert eye.map.places("chair", least_probability=0.99) == ()


def test_a_place_remembers_the_latest_refinements_that_saw_it() -> None:
    seen = SightingMap()
    detection = Detection("mug", 0.9, (0.0, 0.0, 1.0, 1.0), 0.0, 2.0)
    for number in range(20):
        seen.see(Scene(0.1 * number, (detection, detection)), ORIGIN, CAMERA, number)
    best = seen.best("mug")
    assert best is not None
    assert best.refinements == tuple(range(12, 20))


def test_what_is_refuted_is_told_with_who_saw_it() -> None:
    told: list[tuple[str, tuple[int, ...]]] = []
    seen = SightingMap(on_refuted=lambda *what: told.append(what))
    detection = Detection("mug", 0.9, (0.0, 0.0, 1.0, 1.0), 0.0, 2.0)
    for number in (4, 5):
        seen.see(Scene(0.1 * number, (detection,)), ORIGIN, CAMERA, number)
    seen.forget("mug", 5.0, 5.0, refuted=True)
    seen.forget("mug", 2.0, 0.0)
    assert told == [("mug", ())]
    seen.see(Scene(1.0, (detection,)), ORIGIN, CAMERA, 6)
    seen.forget("mug", 2.0, 0.0, refuted=True)
    assert told[1:] == [("mug", (6,))]
    assert seen.best("mug", 1) is None
