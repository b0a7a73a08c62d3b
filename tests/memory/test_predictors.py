from __future__ import annotations

import math

import numpy as np
import pytest

from memory.places import PlaceConfig, PlaceMemory
from memory.predictors import (
    MOTION_DIMENSIONS,
    SCENE_DIMENSIONS,
    SPEECH_DIMENSIONS,
    THUMBNAIL_PX,
    MotionPredictor,
    OutcomePredictor,
    ScenePredictor,
    SpeechPredictor,
    scene_embedding,
    text_embedding,
    thumbnail,
)
from memory.snarc import Snarc, SnarcConfig
from sage.irp.errors import ConfigError
from sage.values import CameraModel, Detection, Odometry, Pose, Scene, Twist

CAMERA = CameraModel(224, 224, math.radians(75.0), 1.0, math.radians(12.0))
KITCHEN = {"fridge": (1.6, 0.3), "counter": (1.4, -0.5), "milk": (1.5, 0.25)}


class Eye:
    """A detector of recall 0.85 whose every 25th detection is made up, and a robot that turns."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.things = dict(KITCHEN)
        self.time_s = 0.0

    def look(self, recall: float = 0.85, yaw_rad: float | None = None) -> tuple[Scene, Pose]:
        self.time_s += 0.125
        yaw = 0.4 * math.sin(self.time_s / 3.0) if yaw_rad is None else yaw_rad
        pose = Pose(0.05 * math.sin(self.time_s / 5.0), 0.0, yaw)
        seen = []
        for label, (x, y) in self.things.items():
            bearing, distance = pose.bearing_to(x, y), pose.distance_to(x, y)
            if abs(bearing) < 0.6 and self.rng.random() < recall:
                noise = self.rng.normal(size=2)
                seen.append(self.detection(label, bearing + 0.02 * noise[0], distance, noise[1]))
        if self.rng.random() < 0.04:
            label = ("mug", "box", "apple")[int(self.rng.integers(3))]
            where = float(self.rng.uniform(-0.5, 0.5)), float(self.rng.uniform(0.8, 2.0))
            seen.append(self.detection(label, *where, 0.0))
        return Scene(self.time_s, tuple(seen), "kitchen", 0.95), pose

    @staticmethod
    def detection(label: str, bearing: float, distance: float, noise: float) -> Detection:
        return Detection(label, 0.9, (0.0, 0.0, 9.0, 9.0), bearing, distance + 0.05 * noise)


def learnt() -> tuple[Eye, PlaceMemory]:
    eye, places = Eye(), PlaceMemory()
    for _ in range(600):
        places.look(*eye.look(), CAMERA)
    return eye, places


def worst(eye: Eye, places: PlaceMemory, looks: int) -> tuple[float, str, bool]:
    most = (0.0, "", False)
    for _ in range(looks):
        for misfit in places.look(*eye.look(), CAMERA):
            most = max(most, (misfit.nats, misfit.label, misfit.appeared))
    return most


def test_flicker_and_turning_are_ordinary_and_a_new_thing_is_not() -> None:
    eye, places = learnt()
    ordinary, _, _ = worst(eye, places, 400)
    eye.things["bowl"] = (1.3, 0.0)
    nats, label, appeared = worst(eye, places, 16)
    assert (label, appeared) == ("bowl", True)
    assert nats > 8.0
    assert nats > 1.5 * ordinary


def test_a_missing_piece_is_missed_within_two_seconds_and_then_accepted() -> None:
    eye, places = learnt()
    del eye.things["counter"]
    nats, label, appeared = worst(eye, places, 16)
    assert (label, appeared) == ("counter", False)
    assert nats > 4.0
    worst(eye, places, 600)
    late = [m for _ in range(80) for m in places.look(*eye.look(), CAMERA)]
    assert max((m.nats for m in late if m.label == "counter"), default=0.0) < 0.5 * nats


def test_a_thing_where_nobody_looked_before_is_no_surprise() -> None:
    eye, places = learnt()
    eye.things = {"sofa": (-1.5, 0.2), "lamp": (-1.4, -0.3)}
    most = 0.0
    for _ in range(40):
        for misfit in places.look(*eye.look(yaw_rad=math.pi), CAMERA):
            if misfit.label in eye.things:
                most = max(most, misfit.nats)
    assert most < 3.0


def test_people_come_and_go() -> None:
    eye, places = learnt()
    eye.things["person"] = (1.2, 0.0)
    assert all(m.label != "person" for _ in range(30) for m in places.look(*eye.look(), CAMERA))


def test_walls_hide_what_is_in_another_room() -> None:
    def room_at(x: float, y: float) -> str:
        return "here" if x < 1.0 else "there"

    eye, places = Eye(), PlaceMemory(room_at=room_at)
    for _ in range(200):
        places.look(*eye.look(recall=1.0), CAMERA)
    eye.things.clear()
    assert not any(m.nats > 1.0 for _ in range(30) for m in places.look(*eye.look(), CAMERA))


def test_places_stay_bounded() -> None:
    places, rng = PlaceMemory(), np.random.default_rng(0)
    for number in range(800):
        x, y, yaw = rng.uniform(-30.0, 30.0, 3).tolist()
        pose = Pose(x, y, yaw / 10.0)
        seen = Scene(0.1 * number, (Eye.detection("mug", 0.0, 1.5, 0.0),))
        places.look(seen, pose, CAMERA)
    assert len(places._places["mug"]) <= 12


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"near_m": 3.0}, "near_m and far_m"),
        ({"view_fraction": 0.0}, "view_fraction"),
        ({"radius_m": 0.0}, "radius_m"),
        ({"recent": 500.0}, "recent and memory"),
    ],
)
def test_place_configs_are_checked(given: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PlaceConfig(**given)  # type: ignore[arg-type]


def test_the_picture_may_change_while_driving_but_not_while_standing() -> None:
    eye, predictor = Eye(), ScenePredictor()
    rng = np.random.default_rng(0)
    picture = rng.uniform(0.2, 0.8, (28, 28)).astype(np.float32)
    changed = picture.copy()
    changed[10:14, 10:14] = 1.0 - changed[10:14, 10:14]
    scene, pose = eye.look(yaw_rad=0.0)
    predictor.observe(scene, picture, pose, CAMERA)
    assert predictor.observe(scene, picture, pose, CAMERA).error < 1.0
    signal = predictor.observe(scene, changed, pose, CAMERA)
    assert signal.error > 4.0
    assert signal.because == "something changed in the picture"
    elsewhere = Pose(pose.x_m + 0.1, pose.y_m, pose.yaw_rad)
    assert predictor.observe(scene, picture, elsewhere, CAMERA).error < 1.0


def test_a_person_who_walks_by_does_not_change_the_picture() -> None:
    predictor, pose = ScenePredictor(), Pose(0.0, 0.0, 0.0)
    picture = np.full((28, 28), 0.5, dtype=np.float32)
    changed = picture.copy()
    changed[8:20, 8:12] = 0.9
    person = Detection("person", 0.9, (64.0, 64.0, 96.0, 160.0), 0.2, 1.5)
    predictor.observe(Scene(0.0, ()), picture, pose, CAMERA)
    assert predictor.observe(Scene(0.1, (person,)), changed, pose, CAMERA).error < 1.0


def test_scenes_are_told_in_words() -> None:
    eye, predictor = Eye(), ScenePredictor(lambda x, y: "kitchen")
    for _ in range(400):
        scene, pose = eye.look(recall=1.0)
        predictor.observe(scene, None, pose, CAMERA)
    eye.things["bowl"] = (1.45, -0.3)
    told = {
        predictor.observe(*(lambda s: (s[0], None, s[1]))(eye.look(recall=1.0)), CAMERA).because
        for _ in range(16)
    }
    assert "a bowl appeared on the counter" in told


def test_a_room_that_stays_wrong_is_a_conflict() -> None:
    predictor = ScenePredictor(lambda x, y: "bathroom")
    eye = Eye()

    def beliefs() -> tuple[float, ...]:
        scene, pose = eye.look()
        return predictor.observe(scene, None, pose, CAMERA).beliefs

    assert beliefs()[1] > 0.8
    for _ in range(40):
        last = beliefs()
    assert last[0] == 0.95
    assert last[1] < 0.05


def test_thumbnails_are_small_and_keep_what_is_small() -> None:
    for shape in ((224, 224, 3), (480, 640, 3), (1080, 1920, 3), (28, 28, 3), (9, 5, 3)):
        small = thumbnail(np.full(shape, 128, dtype=np.uint8))
        assert max(small.shape) <= 4 * THUMBNAIL_PX
        assert small == pytest.approx(128 / 255)
    picture = np.random.default_rng(0).integers(0, 255, (28, 28, 3)).astype(np.uint8)
    assert np.array_equal(thumbnail(picture), picture[..., 1].astype(np.float32) / 255.0)


def test_embeddings_are_unit_vectors_of_their_dimension() -> None:
    scene, _ = Eye().look()
    made = (
        (scene_embedding(scene), SCENE_DIMENSIONS),
        (scene_embedding(Scene(0.0, ())), SCENE_DIMENSIONS),
        (text_embedding("go to the kitchen"), SPEECH_DIMENSIONS),
        (text_embedding(""), SPEECH_DIMENSIONS),
        (MotionPredictor().observe(0.0, wheels(0.3, 0.1), Twist()).embedding, MOTION_DIMENSIONS),
        (OutcomePredictor().observe("go", True, None, 0.5).embedding, SPEECH_DIMENSIONS),
    )
    for embedding, dimensions in made:
        assert embedding.shape == (dimensions,)
        assert embedding.dtype == np.float32
        assert float(np.linalg.norm(embedding)) == pytest.approx(1.0, abs=1e-5)


def test_phrases_alike_are_close_and_unlike_ones_are_not() -> None:
    said = text_embedding("go to the kitchen")
    assert said @ text_embedding("Go to the kitchen, please") > 0.8
    assert said @ text_embedding("how many apples are there") < 0.5


def test_an_unheard_phrase_surprises_among_familiar_ones() -> None:
    predictor, phrases = SpeechPredictor(), ("go to the kitchen", "find the apple", "come back")
    familiar = [predictor.observe(phrases[n % 3]).error for n in range(60)]
    assert max(familiar[30:]) == 0.0
    unheard = predictor.observe("water the plants")
    assert unheard.error > 3.0
    assert "'water' is hardly ever said" in unheard.because


def test_the_vocabulary_stays_bounded() -> None:
    predictor = SpeechPredictor()
    for number in range(1500):
        predictor.observe(f"word{number} other{number} third{number}")
    assert len(predictor._heard) < 20_000


def wheels(linear: float, angular: float, bumper: bool = False) -> Odometry:
    return Odometry(Pose(0.0, 0.0, 0.0), linear, angular, bumper)


def drive(predictor: MotionPredictor, readings: int, seed: int = 0) -> list[float]:
    """Errors of a base that follows its commands with limited acceleration and some noise."""
    rng = np.random.default_rng(seed)
    v, errors = 0.0, []
    for number in range(readings):
        command = 0.5 if number // 40 % 2 else 0.0
        v += float(np.clip(command - v, -0.06, 0.06))
        reading = wheels(v + 0.005 * float(rng.normal()), 0.0)
        errors.append(predictor.observe(0.05 * number, reading, Twist(command)).error)
    return errors


def test_a_sudden_stop_stands_out_from_driving() -> None:
    predictor = MotionPredictor()
    errors = drive(predictor, 1110)
    ordinary = max(errors[400:])
    stop = predictor.observe(0.05 * 1110, wheels(0.0, 0.0), Twist(0.5))
    assert stop.error > 3.0 * ordinary
    assert stop.because == "the speed was not as commanded"


def test_a_bump_stands_out() -> None:
    predictor = MotionPredictor()
    drive(predictor, 1000)
    bump = predictor.observe(50.0, wheels(0.0, 0.0, bumper=True), Twist(0.0))
    assert bump.error > 10.0
    assert bump.because == "it ran into something"


def test_standing_still_for_long_keeps_the_predictor_sound() -> None:
    predictor = MotionPredictor()
    for number in range(8000):
        signal = predictor.observe(0.05 * number, wheels(0.0, 0.0), Twist())
    assert signal.error == 0.0
    assert np.isfinite(predictor._spread).all()
    assert max(drive(predictor, 400)[200:]) < 10.0


def test_failure_surprises_where_success_was_the_rule() -> None:
    predictor, snarc = OutcomePredictor(), Snarc(SnarcConfig(warmup=2))
    for _ in range(10):
        snarc.score(predictor.observe("go to the kitchen", True, 0.95, 0.1))
    weighed = snarc.score(predictor.observe("go to the bedroom", False, 0.95, 1.0))
    assert weighed.scores.reward > 0.9
    assert weighed.scores.conflict > 0.8
    assert weighed.scores.arousal > 0.9
    assert weighed.salience > 0.8
