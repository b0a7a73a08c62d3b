from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sage.irp.errors import ConfigError
from sage.irp.halting import HaltReason
from sage.irp.trajectory import StepRecord, Trajectory
from sage.telemetry import Cycle, Dropped, Event, Finished, Health, Moved, Saw, Task
from sage.values import Detection, Effect, Scene, Twist
from sage.view.headless import HeadlessView
from sage.view.model import Rate, RunModel, quantile

ROOT = Path(__file__).parents[2]


def finished(
    at_s: float,
    energies: tuple[float, ...] = (2.0, 1.0, 0.5),
    *,
    plugin: str = "vision",
    reason: HaltReason = HaltReason.CONVERGED,
    granted_atp: float = 400.0,
    spent_atp: float = 300.0,
    trust: float = 0.8,
) -> Finished:
    best = min(range(len(energies)), key=energies.__getitem__) if energies else -1
    trajectory = Trajectory(energies, (0.01,) * len(energies), best, reason, 20)
    return Finished(
        at_s, plugin, "perception", 7, at_s - 0.05, trajectory, granted_atp, spent_atp, trust
    )


def run_events(cycles: int = 41, period_s: float = 0.1) -> list[Event]:
    """A little run that starts at 100 s: one refinement a cycle, one command."""
    events: list[Event] = [Task(100.0, 0, "heard", "Go to\nthe kitchen \u2603")]
    for index in range(cycles):
        at_s = 100.0 + index * period_s
        events.append(Cycle(at_s, index, 1000.0, 600.0, {"vision": 0.8, "forgotten": 0.1}))
        events.append(finished(at_s))
    return events


def lines_of(stream: io.StringIO, word: str) -> list[str]:
    return [line for line in stream.getvalue().splitlines() if line.startswith(word + " ")]


def test_a_status_line_comes_every_two_seconds_of_the_runs_clock() -> None:
    stream = io.StringIO()
    view = HeadlessView(stream)
    for event in run_events():
        view(event)
    status = lines_of(stream, "status")
    assert [line.split()[1] for line in status] == ["t=2.0", "t=4.0"]
    assert status[1] == (
        "status t=4.0 cycle=41 atp=600/1000"
        " | vision rate=10.0 steps=3.0 halt=converged:20 energy=2->0.5 trust=0.80"
        " atp=400/300/100 ms=30.0/30.0"
    )


def test_a_status_line_says_what_was_dropped_seen_and_driven() -> None:
    stream = io.StringIO()
    view = HeadlessView(stream, period_s=1.0)
    detections = (Detection("apple", 0.9, (0.0, 0.0, 1.0, 1.0)),)
    view(Cycle(0.0, 0, 1000.0, 0.0, {}))
    view(Saw(0.1, Scene(0.05, detections, "living room", 0.75)))
    view(Moved(0.2, Effect(0.2, Twist(0.3, -0.5), 0.12)))
    view(Dropped(0.3, "vision", "superseded", 0.2))
    view(Dropped(0.4, "vision", "stale", 0.2))
    view(Dropped(0.5, "vision", "stale", 0.2))
    view(finished(0.6, (), plugin="control", reason=HaltReason.FAILED, trust=0.05))
    view(Health(0.7, "control", "backing_off", 'bad "grid"'))
    view(Cycle(1.0, 1, 1000.0, 500.0, {}))
    assert lines_of(stream, "status") == [
        'status t=1.0 cycle=2 atp=500/1000 sees=1 room="living room":0.75 v_m_s=0.30 w_rad_s=-0.50'
        " lag_ms=80 | vision rate=0.0 drop=stale:2,superseded:1"
        " | control rate=1.0 steps=0.0 halt=failed:1 trust=0.05 atp=400/300/100 ms=0.0/0.0"
        " state=backing_off"
    ]
    assert lines_of(stream, "health") == [
        'health t=0.70 plugin=control state=backing_off detail="bad \\"grid\\""'
    ]


def test_each_phase_of_a_command_is_one_plain_line() -> None:
    stream = io.StringIO()
    view = HeadlessView(stream)
    view(Task(5.0, 0, "heard", "Go to\nthe kitchen \u2603"))
    view(Task(6.5, 0, "done", "I am in the kitchen"))
    assert stream.getvalue().splitlines() == [
        'task t=0.00 command=0 phase=heard text="Go to\\nthe kitchen \\u2603"',
        'task t=1.50 command=0 phase=done text="I am in the kitchen"',
    ]


def test_closing_prints_the_rest_once() -> None:
    stream = io.StringIO()
    with HeadlessView(stream) as view:
        view(Cycle(0.0, 0, 1000.0, 0.0, {}))
        view(finished(0.5))
    assert len(lines_of(stream, "status")) == 1
    assert "t=0.5" in stream.getvalue()
    view.close()
    assert len(lines_of(stream, "status")) == 1


def test_nothing_to_say_says_nothing() -> None:
    stream = io.StringIO()
    with HeadlessView(stream):
        pass
    assert stream.getvalue() == ""


class BrokenStream(io.StringIO):
    writes = 0

    def write(self, text: str) -> int:
        self.writes += 1
        raise BrokenPipeError(32, "Broken pipe")


def test_a_stream_that_nobody_reads_silences_the_view() -> None:
    stream = BrokenStream()
    view = HeadlessView(stream)
    for event in run_events():
        view(event)
    view.close()
    assert stream.writes == 1


def test_a_closed_stream_silences_the_view() -> None:
    stream = io.StringIO()
    stream.close()
    view = HeadlessView(stream)
    for event in run_events():
        view(event)
    view.close()


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX pipes")
def test_a_run_survives_the_end_of_a_pipe() -> None:
    script = (
        "import time\n"
        "from sage.telemetry import Task\n"
        "from sage.view.headless import HeadlessView\n"
        "view = HeadlessView()\n"
        "for index in range(200):\n"
        "    view(Task(float(index), index, 'heard', 'x' * 2000))\n"
        "print('and a print of its own', flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr:
        assert process.stdout.readline().startswith(b"task t=0.00")
        process.stdout.close()
        errors = process.stderr.read()
    assert process.wait(timeout=20) == 0
    assert errors == b""


@pytest.mark.parametrize("period_s", [0.0, -1.0, float("nan"), float("inf")])
def test_a_period_that_cannot_be(period_s: float) -> None:
    with pytest.raises(ConfigError, match="period_s"):
        HeadlessView(io.StringIO(), period_s=period_s)


def test_the_model_averages_atp_over_the_last_cycles() -> None:
    model = RunModel()
    for index in range(60):
        model.apply(finished(index * 0.1, granted_atp=100.0 if index < 30 else 400.0))
        model.apply(Cycle(index * 0.1, index, 1000.0, 300.0, {"vision": 0.5}))
    figures = model.plugins["vision"]
    assert figures.atp_per_cycle == pytest.approx((400.0, 300.0, 100.0))
    assert figures.trust == 0.5
    assert figures.rate.per_s(5.9) == pytest.approx(10.0)
    assert figures.mean_steps == 3.0
    assert figures.energy == 0.5
    assert figures.halts == {"converged": 60}


def test_the_model_knows_only_plugins_of_this_run() -> None:
    model = RunModel()
    model.apply(Cycle(0.0, 0, 1000.0, 0.0, {"forgotten": 0.4}))
    assert model.plugins == {}


def test_the_model_follows_a_running_refinement() -> None:
    model = RunModel()
    model.apply(StepRecord("vision", 3, 0, 1.25, 0.01))
    assert model.plugins["vision"].energy == 1.25
    assert model.elapsed_s == 0.0


def test_the_model_keeps_commands_and_tells_the_current_one() -> None:
    model = RunModel()
    assert model.current() is None
    for number in (0, 1):
        model.apply(Task(1.0, number, "heard", "GO"))
        model.apply(Task(1.0, number, "understood", "go to the kitchen"))
    current = model.current()
    assert current is not None
    assert (current.number, current.text, current.phase) == (0, "go to the kitchen", "understood")
    model.apply(Task(2.0, 1, "started", "go to the kitchen"))
    current = model.current()
    assert current is not None
    assert (current.number, current.began_s) == (1, 2.0)
    model.apply(Task(4.0, 1, "failed", "no way"))
    assert model.commands[1].over
    assert (model.commands[1].outcome, model.commands[1].ended_s) == ("no way", 4.0)
    for number in range(2, 500):
        model.apply(Task(5.0, number, "declined", "what?"))
    assert len(model.commands) <= 200


def test_a_rate_forgets() -> None:
    rate = Rate()
    assert rate.per_s(0.0) == 0.0
    for index in range(11):
        rate.tick(index * 0.1)
    assert rate.per_s(1.0) == pytest.approx(10.0)
    assert rate.per_s(100.0) == 0.0


def test_quantile() -> None:
    assert quantile([], 0.5) is None
    assert quantile([3.0], 0.95) == 3.0
    assert quantile([float(value) for value in range(101)], 0.95) == 95.0
