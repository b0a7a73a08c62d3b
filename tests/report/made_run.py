"""A run's folder as a run would leave it, made in milliseconds."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from sage.clock import VirtualClock
from sage.irp import HaltReason, StepRecord
from sage.irp.trajectory import Trajectory
from sage.report.summary_file import (
    AreaRecord,
    CommandRecord,
    MapRecord,
    PictureRecord,
    PluginRecord,
    RunSummary,
    SightingRecord,
    write_summary,
)
from sage.telemetry import (
    Admitted,
    Credited,
    Cycle,
    Dropped,
    Event,
    Finished,
    Health,
    Heard,
    Kept,
    Moved,
    Parsed,
    Saw,
    Scored,
    Task,
)
from sage.telemetry.jsonl import JsonlSink
from sage.values import Detection, Effect, Scene, Twist

FORM = ("(", "go", '"', "<room>", '"', ")")


def refined(
    at_s: float,
    plugin: str,
    number: int,
    energies: tuple[float, ...],
    reason: HaltReason = HaltReason.CONVERGED,
) -> list[Event]:
    """All that one refinement tells."""
    costs = (0.004,) * len(energies)
    best = min(range(len(energies)), key=energies.__getitem__)
    told: list[Event] = [Admitted(at_s - 0.02, plugin, "perception", number, at_s - 0.03, 60.0)]
    told += [StepRecord(plugin, number, k, e, 0.004) for k, e in enumerate(energies)]
    trajectory = Trajectory(energies, costs, best, reason, 8, 0.001)
    spent = 8.0 * len(energies)
    captured_s = at_s - 0.03
    told.append(
        Finished(at_s, plugin, "perception", number, captured_s, trajectory, 60.0, spent, 0.8)
    )
    return told


def events(words: str = "go to the kitchen", start_s: float = 100.0) -> list[Event]:
    """Ten seconds: one spoken command that is done, one that is declined."""
    told: list[Event] = [
        Heard(start_s + 1.5, words, 0.91, start_s + 0.2, start_s + 1.2, "pocketsphinx"),
        Task(start_s + 1.5, 0, "heard", words),
        *refined(start_s + 1.58, "language", 1, (4.0, 2.0, 1.0, 0.5), HaltReason.STABLE),
        Parsed(start_s + 1.6, 0, 1, words, FORM, 0.97),
        Task(start_s + 1.6, 0, "understood", words),
        Task(start_s + 1.7, 0, "started", words),
        Task(start_s + 8.0, 0, "done", "I am in the kitchen"),
        Task(start_s + 8.5, 1, "heard", "do a backflip"),
        Task(start_s + 8.6, 1, "declined", "I cannot do that"),
        Dropped(start_s + 3.0, "vision", "superseded", start_s + 2.9),
        Dropped(start_s + 3.2, "vision", "shed", start_s + 2.9),
        Credited(start_s + 8.0, "language", 1, 1.0, 0.72),
        Credited(start_s + 8.0, "vision", 50, 0.5, 0.66),
        Credited(start_s + 8.0, "vision", 51, 1.0, 0.67),
        Health(start_s + 4.0, "vision", "backing_off", "it failed once"),
        Health(start_s + 4.5, "vision", "active", "restarted"),
    ]
    for tick in range(100):
        at_s = start_s + 0.1 * tick
        told.append(Cycle(at_s, tick, 1000.0, 400.0 + tick, {"vision": 0.5, "language": 0.7}))
        told += refined(at_s + 0.05, "vision", tick, (1.0, 0.8, 0.7 + 0.001 * tick))
        scene = Scene(at_s, (Detection("mug", 0.9, (1, 2, 3, 4), 0.1, 1.5),), "kitchen", 0.8)
        told.append(Saw(at_s + 0.06, scene))
        told.append(Moved(at_s + 0.07, Effect(at_s + 0.07, Twist(0.4, 0.0), at_s + 0.03)))
        salience = 0.9 if tick == 60 else 0.01
        scores = {
            "surprise": salience,
            "novelty": 0.5,
            "arousal": 0.1,
            "reward": 0.0,
            "conflict": 0.0,
        }
        told.append(Scored(at_s + 0.08, "scene", salience, scores))
    told.append(Kept(start_s + 6.09, 17, "scene", 0.9, "a mug that was not there"))
    return sorted(told, key=lambda event: getattr(event, "at_s", 0.0))


def in_order(told: list[Event]) -> list[Event]:
    """Steps right before the end of their refinement."""
    steps = [event for event in told if isinstance(event, StepRecord)]
    rest = [event for event in told if not isinstance(event, StepRecord)]
    return [*rest[:1], *steps, *rest[1:]]


def write_telemetry(folder: Path, told: list[Event], *, start_s: float = 100.0) -> Path:
    """The file, by the sink that every run uses."""
    clock = VirtualClock(start_s)
    sink = JsonlSink(folder / "telemetry.jsonl", clock=clock, device="bench")
    for event in in_order(told):
        sink(event)
    sink.close()
    return sink.path


def picture(path: Path, shade: int = 90) -> None:
    """A small picture."""
    rng = np.random.default_rng(shade)
    cv2.imwrite(str(path), rng.integers(0, 255, (120, 160, 3), dtype=np.uint8))


def summary(words: str = "go to the kitchen", start_s: float = 100.0) -> RunSummary:
    """What that run came to."""
    return RunSummary(
        title="sim:apartment?seed=7",
        device="bench",
        sage="0.1.0",
        python="3.11",
        began_wall_time="2026-01-02T03:04:05+00:00",
        began_s=start_s,
        ended_s=start_s + 10.0,
        exit_code=0,
        commands=[
            CommandRecord(
                command=0,
                text=words,
                intent="go to the kitchen",
                state="done",
                said="I am in the kitchen",
                truth=True,
                why="the robot is in the kitchen",
                began_s=start_s + 1.7,
                ended_s=start_s + 8.0,
                picture="command_0.png",
                steps=["go to the kitchen"],
            ),
            CommandRecord(
                command=1,
                text="do a backflip",
                state="declined",
                said="I cannot do that",
                began_s=start_s + 8.5,
                ended_s=start_s + 8.6,
                as_expected=True,
            ),
        ],
        plugins={
            "vision": PluginRecord(
                refinements=100,
                steps=300,
                trust=0.67,
                credited=2,
                mean_value=0.75,
                value_per_1000_atp=0.625,
                agreement=0.91,
                reasons={"converged": 100},
                drops={"superseded": 1, "shed": 1},
            )
        },
        map=MapRecord(
            bounds=(0.0, 0.0, 8.0, 6.0),
            rooms=[AreaRecord("kitchen", (0, 0, 4, 6)), AreaRecord("bedroom", (4, 0, 8, 6))],
            walls=[(3.9, 0.0, 4.1, 2.5)],
            doors=[(4.0, 3.0, 1.0)],
        ),
        start=(1.0, 1.0, 0.0),
        path=[(start_s + 0.1 * i, 1.0 + 0.05 * i, 1.0 + 0.03 * i, 0.5) for i in range(100)],
        sightings=[SightingRecord("mug", 2.0, 3.0, 0.9, 5), SightingRecord("ghost", 99.0, 3.0)],
        pictures=[
            PictureRecord("sheet.png", "the whole run"),
            PictureRecord("command_0.png", "in the kitchen: a mug 1.1 m ahead"),
        ],
        memory="memory.db",
        kept=1,
    )


def make_run(folder: Path, words: str = "go to the kitchen") -> Path:
    """A whole run in ``folder``, without its page."""
    folder.mkdir(parents=True, exist_ok=True)
    write_telemetry(folder, events(words))
    picture(folder / "command_0.png", 1)
    picture(folder / "sheet.png", 2)
    write_summary(folder, summary(words))
    return folder
