"""The pipeline benchmark: which times make up a way, and what does not count."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import pipeline
from benchmarks.pipeline import Watch, stages
from sage.irp import HaltReason, Trajectory
from sage.irp.errors import ConfigError
from sage.telemetry import Admitted, Dropped, Finished, Moved
from sage.values import Effect, Observation, Scene, Twist

TRAJECTORY = Trajectory((3.0, 2.0, 1.0), (0.001, 0.001, 0.001), 2, HaltReason.CONVERGED, 12)


class Course:
    """A robot that is steered on demand; times in seconds."""

    def __init__(self) -> None:
        self.at_s = 0.0
        self.watch = Watch(lambda: self.at_s)

    def scan(self, captured_s: float, *, ordered: bool = True) -> None:
        """A scan, here after 5 ms, planned after 10, computed after 20, executed after 21."""
        self.at_s = captured_s + 0.005
        self.watch.arrived(Observation("sim:", "scan", captured_s, 0, None))
        if ordered:
            planned_s, finished_s = captured_s + 0.010, captured_s + 0.020
            self.watch(Admitted(planned_s, "control", "control", 1, captured_s, 100.0))
            self.watch(
                Finished(finished_s, "control", "control", 1, captured_s, TRAJECTORY, 9.0, 5.0, 0.5)
            )
        self.watch(Moved(captured_s + 0.021, Effect(captured_s + 0.021, Twist(0.5), captured_s)))

    def picture(self, captured_s: float, mapped_s: float) -> None:
        """A picture whose things are in the map."""
        self.at_s = mapped_s
        self.watch.mapped(Observation("sim:", "camera", captured_s, 0, None), Scene(captured_s, ()))


@pytest.fixture
def course() -> Course:
    made = Course()
    for number in range(100):  # 5 s, of which 3 are the warm-up
        made.scan(0.05 * number)
    return made


def test_a_command_is_as_old_as_its_scan_and_its_stages_add_up(course: Course) -> None:
    steered = course.watch.steered()
    assert len(steered) == 39
    assert steered[0].captured_s == pytest.approx(3.05)
    assert steered[0].steps == 3
    every = stages(steered)
    assert every["world and transport"] == pytest.approx([5.0] * 39)
    assert every["pose, map, route"] == pytest.approx([5.0] * 39)
    assert every["control"] == pytest.approx([10.0] * 39)
    assert every["gate and effector"] == pytest.approx([1.0] * 39)
    assert course.watch.until_replaced_ms() == pytest.approx([71.0] * 38)


def test_a_picture_counts_up_to_a_command_that_was_planned_after_it_was_read(
    course: Course,
) -> None:
    course.picture(4.0, 4.061)  # the scan of 4.05 was planned at 4.06: too early
    (looked,) = course.watch.looked()
    assert looked.executed_s == pytest.approx(4.121)
    assert looked.stages_ms() == pytest.approx(
        {"world, transport, vision": 61.0, "next scan to the wheels": 60.0}
    )


def test_what_happens_while_nothing_is_ordered_does_not_count(course: Course) -> None:
    course.picture(4.9, 4.975)
    assert course.watch.looked() == []  # no command has come since
    course.scan(5.0, ordered=False)
    course.scan(5.05)
    assert len(course.watch.steered()) == 40
    assert course.watch.looked() == []  # told to stand still in between
    assert len(course.watch.until_replaced_ms()) == 38
    course.picture(5.0, 5.051)
    assert len(course.watch.looked()) == 1


def test_drops_are_counted_by_reason() -> None:
    watch = Course().watch
    for _ in range(2):
        watch(Dropped(1.0, "vision", "superseded", 0.9))
    assert watch.drops == {"vision superseded": 2}
    assert watch.steered() == []


@pytest.mark.parametrize("duration", ["0", "4.9", "nan", "3601"])
def test_a_duration_out_of_range_is_named(duration: str) -> None:
    with pytest.raises(ConfigError, match=r"--duration must lie in \[5, 3600\] s"):
        pipeline.main(["--duration", duration])


def test_it_drives_and_prints_every_row(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    import json

    path = tmp_path / "pipeline.json"
    assert pipeline.main(["--duration", "8", "--json", str(path), "--verbose"]) == 0
    body = json.loads(path.read_text())
    values = {row["id"]: row["value"] for row in body["rows"]}
    assert set(values) == {
        f"pipeline.{way}_to_actuator_ms_{figure}"
        for way in ("capture", "scan")
        for figure in ("p50", "p99")
    }
    for way in ("capture", "scan"):
        p50, p99 = (values[f"pipeline.{way}_to_actuator_ms_{name}"] for name in ("p50", "p99"))
        assert 1.0 < p50 <= p99
    # A picture waits for vision, and then for a scan.
    steer = values["pipeline.scan_to_actuator_ms_p50"]
    assert values["pipeline.capture_to_actuator_ms_p50"] > steer
    headline = capsys.readouterr().out.splitlines()[-1]
    assert "picture to wheels" in headline
    assert "scan to wheels" in headline
