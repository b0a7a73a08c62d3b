"""The whole runtime in virtual time: real world, real weights, one loop from camera to wheels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator import LockStep, OrchestratorConfig
from orchestrator.trust import INITIAL
from plugins.detection import DetectionConfig
from plugins.detection_memory import DetectionMemory
from sage.build import RunConfig, Runtime, build
from sage.build.listening import Listening, voice_for
from sage.clock import VirtualClock
from sage.describing import describe
from sage.hearing import RATE_HZ
from sage.irp.errors import ConfigError
from sage.skills.agent import Report
from sage.skills.body import Verdict
from sage.skills.intent import Intent
from sage.telemetry import Credited, Event, Heard, Moved, Parsed, Saw, Scored
from sage.values import Twist
from sage.voice import Voice
from sage.worlds.apartment.judge import judge
from sage.worlds.apartment.voices import recording_for


class Trip:
    """A runtime in lock-step, and what it told."""

    def __init__(self, runtime: Runtime, clock: VirtualClock) -> None:
        assert runtime.body is not None
        self.runtime, self.clock = runtime, clock
        self.agent, self.body = runtime.agent, runtime.body
        self.told: list[Event] = []
        runtime.telemetry.subscribe(self.told.append)
        self.driver = LockStep(
            runtime.orchestrator, clock, lambda dt_s: runtime.pump(clock.now_s() + dt_s)
        )
        runtime.begin()

    def go_on(self, seconds: float) -> None:
        self.driver.run_until(self.clock.now_s() + seconds, done=lambda: False)
        self.runtime.telemetry.flush()

    def until_idle(self, limit_s: float) -> None:
        self.driver.run_until(self.clock.now_s() + limit_s, done=lambda: self.agent.idle)
        self.runtime.telemetry.flush()


@pytest.fixture
def trip() -> Iterator[Trip]:
    clock = VirtualClock()
    runtime = build(
        RunConfig(camera="sim:apartment?seed=0&frame_hz=10", recogniser="pocketsphinx"),
        clock=clock,
        lockstep=True,
    )
    try:
        yield Trip(runtime, clock)
    finally:
        runtime.close()


def test_furniture_is_found_by_sight_and_its_place_is_right(trip: Trip) -> None:
    trip.go_on(0.5)
    trip.agent.hear("go to the fridge")
    trip.until_idle(90.0)
    (report,) = trip.agent.reports
    truth = trip.runtime.world.truth()  # type: ignore[union-attr]
    agrees, why = judge(report, truth, trip.body.start)
    assert report.verdict.done, report.verdict.text
    assert agrees, why
    assert truth.collisions.total == 0
    (fridge,) = (piece for piece in truth.furniture if piece.name == "fridge")
    sighting = trip.body.sightings.best("fridge")
    assert sighting is not None
    assert abs(sighting.x_m - fridge.x_m) < 0.4
    assert abs(sighting.y_m - fridge.y_m) < 0.4
    assert any(isinstance(event, Saw) for event in trip.told)
    # What came of it is known: the parse led there, vision saw the fridge, plans were followed.
    credited = [event for event in trip.told if isinstance(event, Credited)]
    assert [e.value for e in credited if e.plugin == "language"] == [1.0]
    assert {e.refinement for e in credited if e.plugin == "vision" and e.value == 1.0} >= set(
        sighting.refinements[:1]
    )
    followed = [e.value for e in credited if e.plugin == "control"]
    assert len(followed) > 50
    assert sum(followed) / len(followed) > 0.8
    table = trip.runtime.orchestrator.value.table()
    assert all(table[name].value_per_1000_atp for name in ("language", "vision", "control"))
    assert sum(worth.late for worth in table.values()) == 0
    # More than a stranger has; how much more is a matter of how its energies happened to agree.
    assert trip.runtime.orchestrator.trust.of("control") > INITIAL


def test_who_asks_what_it_sees_is_told_from_a_fresh_look(trip: Trip) -> None:
    trip.go_on(0.5)
    trip.agent.hear("what do you see?")
    trip.until_idle(10.0)
    (report,) = trip.agent.reports
    assert report.verdict.done
    scenes = [event.scene for event in trip.told if isinstance(event, Saw)]
    assert report.verdict.text in {describe(scene) for scene in scenes[-3:]}
    assert scenes[-1].captured_s > 0.5
    assert not any(isinstance(event, Parsed) for event in trip.told)
    assert all(e.effect.twist == Twist() for e in trip.told if isinstance(e, Moved))


def test_an_order_taken_back_stops_the_wheels_at_once(trip: Trip) -> None:
    trip.go_on(0.3)
    trip.agent.hear("go to the bathroom")
    trip.go_on(2.0)
    moves = [event.effect.twist for event in trip.told if isinstance(event, Moved)]
    assert max(twist.linear_m_s for twist in moves) > 0.3
    trip.agent.cancel("enough")
    trip.go_on(0.15)  # well before the safe hold
    last = [event.effect.twist for event in trip.told if isinstance(event, Moved)][-1]
    assert last == Twist()


def test_a_bad_effector_closes_what_was_opened() -> None:
    with pytest.raises(ConfigError, match="teleport"):
        build(RunConfig(robot="teleport:"), clock=VirtualClock(), lockstep=True)


def test_lanes_that_the_runtime_needs_must_be_there() -> None:
    with pytest.raises(ConfigError, match="unknown lane"):
        build(
            RunConfig(orchestrator=RunConfig().orchestrator.__class__(lanes=("only",))),
            clock=VirtualClock(),
            lockstep=True,
        )


def test_a_spoken_stop_ends_a_drive_and_is_remembered(trip: Trip) -> None:
    trip.go_on(0.5)
    trip.agent.hear("go to the bathroom")
    trip.go_on(3.0)
    speaker = trip.runtime.listening.loudspeaker
    assert speaker is not None
    speaker.play(recording_for("please stop", "otto").samples(), RATE_HZ)
    trip.until_idle(10.0)
    first, second = trip.agent.reports
    assert not first.verdict.done
    assert second.intent is not None
    assert second.intent.kind == "stop"
    assert second.said is not None
    assert second.said.recogniser == "pocketsphinx"
    (heard,) = (event for event in trip.told if isinstance(event, Heard))
    assert heard.text == "please stop"
    (parsed,) = (event for event in trip.told if isinstance(event, Parsed))
    assert parsed.form == ("(", "go", '"', "<room>", '"', ")")
    assert any(isinstance(event, Scored) and event.modality == "speech" for event in trip.told)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"isolation": {"vison": "process"}}, "'vison'.*vision, control, language"),
        ({"isolation": {"language": "process"}, "parser": "grammar"}, "has vision, control$"),
        ({"isolation": {"vision": "rocket"}}, "valid: thread, process"),
    ],
)
def test_isolation_is_of_plugins_that_there_will_be(settings: Any, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        RunConfig(**settings)


def test_settings_reach_the_plugins_and_only_control_is_essential() -> None:
    frame = OrchestratorConfig(pool_atp=500.0)
    config = RunConfig(orchestrator=frame, isolation={"vision": "process"})
    runtime = build(config, clock=VirtualClock(), lockstep=True)
    try:
        settings = {n: m.settings for n, m in runtime.orchestrator.members.items()}
        assert {name for name, item in settings.items() if item.essential} == {"control"}
        assert {item.floor_atp for item in settings.values()} == {25.0}
        tiers = {name: item.isolation for name, item in settings.items()}
        assert tiers == {"control": "thread", "language": "thread", "vision": "process"}
    finally:
        runtime.close()


def test_frames_matter_more_while_a_command_is_carried_out(
    trip: Trip, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[float] = []
    submit = trip.runtime.orchestrator.submit

    def listen(plugin: str, observation: Any, **settings: Any) -> None:
        if plugin == "vision":
            told.append(settings["salience"])
        submit(plugin, observation, **settings)

    monkeypatch.setattr(trip.runtime.orchestrator, "submit", listen)
    trip.go_on(12.0)
    assert told[0] == 1.0, "nothing is known yet"
    idle = told[-20:]
    assert all(0.1 <= salience <= 1.0 for salience in idle)
    assert min(idle) < 0.5
    trip.agent.hear("go to the bathroom")
    told.clear()
    trip.go_on(1.0)
    assert min(told[3:]) >= 0.5


def test_a_detector_knows_its_source_s_last_frame(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = VirtualClock()
    model = str(shared_data / "models" / "nanodet.onnx")
    config = RunConfig(
        camera="sim:apartment?seed=0&frame_hz=10",
        mic="none:",
        detection=DetectionConfig(model, max_crops=0),
    )
    runtime = build(config, clock=clock, lockstep=True)
    try:
        known: list[Any] = []
        submit = runtime.orchestrator.submit

        def listen(plugin: str, observation: Any, **settings: Any) -> None:
            if plugin == "detection":
                known.append(settings["context"].get("previous"))
            submit(plugin, observation, **settings)

        monkeypatch.setattr(runtime.orchestrator, "submit", listen)
        Trip(runtime, clock).go_on(1.5)
        assert known[0] is None
        assert isinstance(known[-1], DetectionMemory)
        assert "vision" not in runtime.orchestrator.members
    finally:
        runtime.close()


def test_a_detector_stays_in_its_thread() -> None:
    with pytest.raises(ConfigError, match="valid: thread"):
        RunConfig(detection=DetectionConfig("any.onnx"), isolation={"detection": "process"})


def test_what_is_told_is_said_aloud_and_the_voice_ends_with_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    closed: list[bool] = []

    class Loud(Voice):
        def speak(self, text: str) -> None:
            said.append(text)

        def close(self) -> None:
            closed.append(True)

    monkeypatch.setattr("sage.build.listening.open_voice", lambda name, on: Loud(name, (), "", on))
    clock = VirtualClock()
    config = RunConfig(camera="sim:apartment?seed=0", voice="auto", recogniser="pocketsphinx")
    runtime = build(config, clock=clock, lockstep=True, see=False)
    try:
        trip = Trip(runtime, clock)
        trip.agent.hear("tell me the time")
        trip.until_idle(5.0)
    finally:
        runtime.close()
    assert [text for text in said if text.startswith("It is")]
    assert closed == [True]


@pytest.mark.parametrize(
    ("mic", "voice", "expected"),
    [
        (None, None, "none"),
        ("mic:", None, "auto"),
        ("mic:", "none", "none"),
        (None, "auto", "auto"),
    ],
)
def test_it_speaks_by_default_where_a_real_microphone_listens(
    monkeypatch: pytest.MonkeyPatch, mic: str | None, voice: str | None, expected: str
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("sage.build.listening.open_voice", lambda name, on: opened.append(name))
    voice_for(RunConfig(mic=mic, voice=voice), lambda speaking: None)
    assert opened == [expected]


@pytest.mark.parametrize(("scheme", "muted"), [("mic", [True, False]), ("sim", [])])
def test_ears_are_closed_only_where_they_would_hear_the_robot(
    scheme: str, muted: list[bool]
) -> None:
    told: list[bool] = []
    listening = object.__new__(Listening)
    listening.scheme = scheme
    listening.ears = SimpleNamespace(mute=told.append)  # type: ignore[assignment]
    listening.mute(True)
    listening.mute(False)
    assert told == muted


@pytest.mark.parametrize(
    ("text", "done", "asked", "over"),
    [
        ("go to the sink", False, ("go to the sink in the kitchen",), True),
        ("tell me the time", True, (), True),
        ("what is the national handsome", False, (), True),
        ("go to the", False, (), False),
    ],
)
def test_what_is_said_after_an_answer_does_not_continue_a_sentence(
    text: str, done: bool, asked: tuple[str, ...], over: bool
) -> None:
    answered: list[bool] = []
    listening = object.__new__(Listening)
    listening._told = 0
    listening.ears = SimpleNamespace(answered=lambda: answered.append(True))  # type: ignore[assignment]
    intent = Intent("say", None, text, words="the time") if done else None
    report = Report(0, text, intent, Verdict(done, ""), 0.0, 1.0, asked=asked)
    listening.answer([report])
    listening.answer([report])
    assert answered == [True] * over
