from __future__ import annotations

import json
import logging
import math
import threading
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import numpy as np
import pytest

from memory.context import BYTE_BUDGET, CAPACITY, Context, motion
from memory.experience import Experience
from memory.remember import Memory, MemoryConfig
from memory.snarc import SnarcConfig
from sage.clock import VirtualClock
from sage.irp.errors import ConfigError
from sage.skills.meaning import UNKNOWN, Meaning
from sage.telemetry.events import Event, Kept, Scored
from sage.values import (
    CameraModel,
    Detection,
    Frame,
    Observation,
    Odometry,
    Pose,
    Scene,
    Twist,
    Utterance,
)

CAMERA = CameraModel(224, 224, math.radians(75.0), 1.0, math.radians(12.0))
POSE = Pose(0.0, 0.0, 0.0)
FRIDGE = Detection("fridge", 0.95, (20.0, 60.0, 90.0, 190.0), 0.3, 1.6)
BOWL = Detection("bowl", 0.9, (110.0, 90.0, 140.0, 110.0), 0.25, 1.5)
PICTURE = np.full((224, 224, 3), 90, dtype=np.uint8)


class Shelf:
    """A store that acknowledges when told to."""

    def __init__(self) -> None:
        self.kept: list[Experience] = []
        self.pictures: list[Any] = []
        self._callbacks: list[Callable[[int], None]] = []

    def keep(
        self,
        experience: Experience,
        *,
        rgb: Any = None,
        on_acknowledged: Callable[[int], None] | None = None,
    ) -> None:
        self.kept.append(experience)
        self.pictures.append(rgb)
        if on_acknowledged is not None:
            self._callbacks.append(on_acknowledged)

    def acknowledge(self) -> None:
        for number, callback in enumerate(self._callbacks):
            callback(number + 1)


class Broken:
    def keep(self, experience: Experience, **_: Any) -> None:
        raise OSError("no space left")


class Robot:
    """A robot that looks at its kitchen, eight frames a second."""

    def __init__(self, store: Any = None, config: MemoryConfig | None = None) -> None:
        self.clock = VirtualClock()
        self.events: list[Event] = []
        self.memory = Memory(
            store,
            clock=self.clock,
            emit=self.events.append,
            config=config,
            room_at=lambda x, y: "kitchen",
            wall=lambda: datetime(2024, 5, 6, 7, 8, 9, tzinfo=timezone.utc),
        )
        self.frames = 0

    def look(self, seconds: float, *things: Detection, rgb: Any = PICTURE) -> list[float]:
        made = []
        for _ in range(int(8 * seconds)):
            at_s = 0.125 * self.frames
            self.frames += 1
            self.clock.advance_to(at_s)
            scene = Scene(at_s, things, "kitchen", 0.97)
            seen = Observation("test", "camera", at_s, self.frames, Frame(rgb, CAMERA))
            weighed = self.memory.saw(seen, scene, POSE)
            assert weighed is not None
            made.append(weighed.salience)
        return made

    def drive(self, at_s: float, bumper: bool = False) -> float:
        wheels = Odometry(POSE, 0.3, 0.0, bumper)
        reading = Observation("test", "odometry", at_s, 0, wheels)
        weighed = self.memory.moved(reading, Twist(0.3, 0.0))
        assert weighed is not None
        return weighed.salience


def test_a_new_thing_is_kept_with_picture_sentences_and_number() -> None:
    shelf = Shelf()
    robot = Robot(shelf)
    assert max(robot.look(30.0, FRIDGE)[64:]) <= 0.02
    assert shelf.kept == []
    assert max(robot.look(2.0, FRIDGE, BOWL)) > 0.4
    assert len(shelf.kept) == 1
    kept = shelf.kept[0]
    assert kept.modality == "scene"
    assert kept.summary == "a bowl appeared on the fridge, in the kitchen"
    assert kept.wall_time == "2024-05-06T07:08:09.000+00:00"
    assert kept.salience > 0.35
    assert "a bowl appeared" in kept.why["surprise"]
    assert float(np.linalg.norm(kept.embedding)) == pytest.approx(1.0, abs=1e-5)
    assert shelf.pictures[0] is PICTURE
    payload = json.loads(json.dumps(kept.payload, allow_nan=False))
    assert payload["pose"] == [0.0, 0.0, 0.0]
    assert [d["label"] for d in payload["detections"]] == ["fridge", "bowl"]
    assert not any(isinstance(event, Kept) for event in robot.events)
    shelf.acknowledge()
    told = [event for event in robot.events if isinstance(event, Kept)]
    assert [(e.experience, e.modality, e.summary) for e in told] == [(1, "scene", kept.summary)]
    assert robot.memory.kept == robot.memory.acknowledged == 1


def test_what_stays_dull_is_told_once_a_second_and_what_changes_at_once() -> None:
    robot = Robot()
    robot.look(20.0, FRIDGE)
    dull = [event for event in robot.events if isinstance(event, Scored)]
    assert 18 <= len(dull) <= 21
    robot.look(1.0, FRIDGE, BOWL)
    lively = [event for event in robot.events if isinstance(event, Scored)][len(dull) :]
    assert max(event.salience for event in lively) > 0.35
    assert set(lively[0].scores) == {"surprise", "novelty", "arousal", "reward", "conflict"}
    assert len(lively) <= 10


def test_after_one_was_kept_the_next_waits_and_a_minute_has_a_budget() -> None:
    shelf = Shelf()
    quick = SnarcConfig(warmup=0)
    config = MemoryConfig(
        refractory_s=4.0, per_minute=3, keep_above=0.1, motion=quick, speech=quick
    )
    robot = Robot(shelf, config)
    for number in range(200):
        robot.drive(0.05 * number)
    for number in range(20):  # bumps at 10.0 to 10.95 s are one thing to remember
        robot.drive(10.0 + 0.05 * number, bumper=True)
    assert [kept.summary for kept in shelf.kept if kept.modality == "motion"][1:] == [
        "it ran into something"
    ]
    before = len(shelf.kept)
    for number, text in enumerate(("water the plants", "sing a song", "paint my door", "jump")):
        robot.memory.heard(Utterance(text, ended_s=11.0 + number))
    assert len(shelf.kept) == 3
    assert before == 2
    assert robot.memory.passed_over >= 3
    robot.memory.heard(Utterance("what a lovely morning", ended_s=80.0))
    assert len(shelf.kept) == 4


def test_speech_and_outcomes_are_kept_in_words() -> None:
    shelf = Shelf()
    robot = Robot(shelf)
    for number in range(12):
        robot.clock.advance_to(10.0 * number)
        utterance = Utterance("go to the kitchen", 0.9, ended_s=10.0 * number)
        form = Meaning("go to the kitchen", ("(", "go", ")"), probability=0.9)
        robot.memory.heard(utterance, form)
        robot.memory.ended("go to the kitchen", True, seconds=8.0, probability=0.9, limit_s=60.0)
    assert shelf.kept == []
    robot.memory.heard(
        Utterance("order me a pizza", 0.9, ended_s=125.0),
        Meaning("order me a pizza", (UNKNOWN,), probability=0.8),
    )
    robot.memory.ended(
        "go to the kitchen", False, seconds=60.0, probability=0.9, limit_s=60.0, told="I gave up"
    )
    assert [kept.modality for kept in shelf.kept] == ["speech", "outcome"]
    assert shelf.kept[0].summary == "heard 'order me a pizza'"
    assert shelf.kept[0].scores.conflict > 0.8
    assert shelf.kept[1].summary == "'go to the kitchen' failed after 60 s: I gave up"
    assert {"reward", "conflict", "arousal"} <= set(shelf.kept[1].why)
    assert json.loads(json.dumps(shelf.kept[1].payload))["done"] is False


def test_a_failure_is_contained_logged_once_and_counted(caplog: Any) -> None:
    robot = Robot(Broken(), MemoryConfig(speech=SnarcConfig(warmup=0)))
    with caplog.at_level(logging.ERROR):
        for text in ("one thing", "quite another", "and a third"):
            assert robot.memory.heard(Utterance(text)) is None
    assert robot.memory.failures["speech"] == 3
    assert len(caplog.records) == 1
    assert robot.memory.kept == 0
    bad = Observation("test", "odometry", 0.0, 0, "not a reading")
    assert robot.memory.moved(bad, Twist()) is None
    assert robot.drive(1.0) >= 0.0


def test_values_out_of_range_from_others_do_no_harm() -> None:
    robot = Robot()
    weighed = robot.memory.heard(
        Utterance("hello", 1.7), Meaning("hello", ("(", "go", ")"), probability=1.0)
    )
    assert weighed is not None
    assert robot.memory.ended("", False, seconds=90.0, probability=-2.0, limit_s=30.0) is not None
    assert not robot.memory.failures


def test_without_a_store_a_pose_or_a_picture_things_are_scored_all_the_same() -> None:
    memory = Memory(clock=VirtualClock())
    for number in range(100):
        at_s = 0.1 * number
        seen = Observation("file:clip.mp4", "camera", at_s, number, Frame(PICTURE))
        weighed = memory.saw(seen, Scene(at_s, (FRIDGE,)), None)
        assert weighed is not None
        last = weighed.salience
    assert last <= 0.02
    other = PICTURE.copy()
    other[80:120, 80:120] = 250
    seen = Observation("file:clip.mp4", "camera", 10.0, 100, Frame(other))
    weighed = memory.saw(seen, Scene(10.0, (FRIDGE,)), None)
    assert weighed is not None
    assert weighed.salience > 0.4
    assert memory.kept == 0


def test_calls_may_come_from_many_threads() -> None:
    shelf = Shelf()
    memory = Memory(shelf, clock=VirtualClock(), emit=lambda event: None)

    def talk(name: int) -> None:
        for number in range(100):
            memory.heard(Utterance(f"word{name} {number}", ended_s=float(number)))
            memory.moved(
                Observation("test", "odometry", float(number), 0, Odometry(POSE, 0.1, 0.0)), Twist()
            )

    threads = [threading.Thread(target=talk, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not memory.failures
    assert memory.kept == len(shelf.kept)


@pytest.mark.parametrize(
    ("name", "value"),
    [("keep_above", 0.0), ("refractory_s", -1.0), ("per_minute", 0), ("tell_every_s", 0.01)],
)
def test_configs_are_checked(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=name):
        MemoryConfig(**{name: value})  # type: ignore[arg-type]


def test_what_led_to_an_experience_is_kept_with_it() -> None:
    shelf = Shelf()
    robot = Robot(shelf)
    robot.look(30.0, FRIDGE)
    for number in range(40):
        robot.drive(28.0 + 0.05 * number)
    robot.memory.heard(Utterance("bring me a bowl", 0.9, ended_s=27.5))
    robot.memory.heard(Utterance("long ago", 0.9, ended_s=3.0))
    robot.look(2.0, FRIDGE, BOWL)
    (kept,) = shelf.kept
    context = json.loads(json.dumps(kept.payload, allow_nan=False))["context"]
    assert [line[1:2] + line[3:] for line in context] == [
        ["scene", "kitchen: fridge"],
        ["speech", "heard 'bring me a bowl'"],
        ["motion", "forwards"],
        ["scene", "a bowl appeared on the fridge"],
    ]
    assert context[0][0] == pytest.approx(10.0, abs=0.13)  # as long as it looks back
    assert context[1][0] == pytest.approx(kept.at_s - 27.5, abs=0.01)
    assert all(0.0 <= salience <= 1.0 for _, _, salience, _ in context)


def test_the_first_experience_has_nothing_before_it_and_its_own_input_is_no_context() -> None:
    shelf = Shelf()
    config = MemoryConfig(keep_above=0.1, speech=SnarcConfig(warmup=0))
    robot = Robot(shelf, config)
    robot.memory.heard(Utterance("one", ended_s=1.0))
    robot.memory.heard(Utterance("quite another", ended_s=2.0))
    assert shelf.kept[0].payload["context"] == []
    ((seconds, modality, _, text),) = shelf.kept[1].payload["context"]
    assert (seconds, modality, text) == (1.0, "speech", "heard 'one'")


def test_what_could_not_be_kept_is_context_all_the_same() -> None:
    robot = Robot(Broken(), MemoryConfig(speech=SnarcConfig(warmup=0)))
    assert robot.memory.heard(Utterance("one thing", ended_s=1.0)) is None
    assert [line[3] for line in robot.memory.context.before(2.0)] == ["heard 'one thing'"]


def test_the_recent_past_is_bounded_however_long_a_run_is() -> None:
    robot = Robot()
    for number in range(3000):
        robot.drive(0.02 * number)
        if number % 100 == 0:
            robot.memory.heard(Utterance("\u2603" * 500, ended_s=0.02 * number))
    ring = robot.memory.context.ring
    assert len(ring) <= CAPACITY
    assert ring.size_bytes <= BYTE_BUDGET
    assert ring.evicted >= 3000 - CAPACITY
    assert ring.refused == 0
    assert max(len(line[3]) for line in robot.memory.context.before(60.0)) <= 160


def test_the_context_tells_the_most_salient_of_what_went_on() -> None:
    context = Context(10.0)
    for number in range(80):
        salience = 0.9 if number == 20 else 0.01
        context.add(0.1 * number, "motion", salience, f"way {number}")
    context.add(4.0, "outcome", 0.5, "failed")
    assert context.before(8.0) == [
        [6.0, "motion", 0.9, "way 20"],
        [4.0, "outcome", 0.5, "failed"],
        [0.2, "motion", 0.01, "way 78"],
        [0.1, "motion", 0.01, "way 79"],
    ]
    assert context.before(30.0) == []


@pytest.mark.parametrize(
    ("speed", "turn", "bumper", "because", "said"),
    [
        (0.0, 0.0, False, "", "standing still"),
        (0.3, 0.0, False, "", "forwards"),
        (-0.2, -0.5, False, "", "backwards, turning right"),
        (0.0, 0.5, True, "", "turning left, against something"),
        (0.3, 0.0, True, "it ran into something", "it ran into something"),
    ],
)
def test_motion_is_told_in_words(
    speed: float, turn: float, bumper: bool, because: str, said: str
) -> None:
    assert motion(Odometry(POSE, speed, turn, bumper), because) == said
