"""What a run leaves behind, with a robot that only remembers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.value import ValueLedger
from sage.build import Bystander
from sage.build.body import skill_without_robot
from sage.clock import VirtualClock
from sage.skills.agent import Agent, Report
from sage.skills.body import Verdict
from sage.skills.grammar import parse
from sage.skills.intent import Intent
from sage.summary import Judged, Recorder, Summary, plain
from sage.telemetry import Credited, Dropped
from sage.values import Frame, Observation, Pose, Scene
from sage.view.frames import from_png
from sage.way import Way


def judged(done: bool, agrees: bool | None, text: str = "go to the kitchen") -> Judged:
    intent = Intent("go", "kitchen", text)
    return Judged(Report(0, text, intent, Verdict(done, "so it is"), 0.0, 2.0), agrees, "measured")


@pytest.mark.parametrize(
    ("done", "agrees", "code", "said"),
    [
        (True, True, 0, "ground truth agrees"),
        (True, None, 0, "done"),
        (True, False, 1, "ground truth DISAGREES"),
        (False, False, 1, "ground truth agrees"),
        (False, True, 1, "ground truth says it is done"),
    ],
)
def test_a_claim_stands_beside_the_truth(
    done: bool, agrees: bool | None, code: int, said: str
) -> None:
    summary = Summary((judged(done, agrees),), {}, None, False)
    assert summary.exit_code == code
    assert said in summary.text()


def test_exit_codes() -> None:
    assert Summary((), {}, None, True).exit_code == 130
    assert Summary((), {}, None, False, "cannot write").exit_code == 2
    assert "cannot write" in Summary((), {}, None, False, "cannot write").text()


def test_texts_from_anywhere_stay_on_one_line() -> None:
    assert plain("caf\u00e9\x1b[31m\n") == "caf\u00e9\\x1b[31m\\n"
    assert len(plain("x" * 10_000)) < 300
    summary = Summary((judged(True, None, "stop\x1b[31m\nnow"),), {}, None, False)
    assert "\x1b" not in summary.text()


def frame(number: int) -> tuple[Observation, Scene]:
    rgb: Any = np.full((48, 64, 3), number % 256, np.uint8)
    return Observation("file:", "camera", float(number), number, Frame(rgb)), Scene(number, ())


def listener() -> Agent:
    return Agent.with_parser(Bystander(VirtualClock()), parse, emit=lambda event: None)  # type: ignore[arg-type]


def test_frames_are_kept_up_to_a_sheet_and_drawn(tmp_path: Path) -> None:
    recorder = Recorder("file:clip.mp4", tmp_path, listener())
    for number in range(0, 100, 2):
        recorder.saw(*frame(number))
    summary = recorder.draw(recorder.finish(interrupted=False))
    assert summary.sheet == tmp_path / "contact_sheet.png"
    assert summary.exit_code == 0


def test_what_is_seen_while_the_sheet_is_drawn_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder("file:clip.mp4", tmp_path, listener())
    for number in range(0, 6, 2):
        recorder.saw(*frame(number))
    summary, later = recorder.finish(interrupted=False), iter(range(6, 100, 2))

    def reading(png: bytes) -> np.ndarray:
        recorder.saw(*frame(next(later)))
        return from_png(png)

    monkeypatch.setattr("sage.view.frames.from_png", reading)
    assert recorder.draw(summary).sheet == tmp_path / "contact_sheet.png"


def carried_out(intent: Intent, bystander: Bystander) -> Verdict:
    skill = skill_without_robot(intent, bystander)  # type: ignore[arg-type]
    while True:
        try:
            next(skill)
        except StopIteration as stop:
            return stop.value
        bystander.scenes_seen += 1


def test_without_a_robot_pictures_say_what_is_seen_and_so_does_it(tmp_path: Path) -> None:
    bystander, asked = Bystander(VirtualClock()), Intent("describe", None, "what do you see")
    verdicts = []
    for scene in (None, frame(0)[1]):
        bystander.scene = scene
        verdicts.append(carried_out(asked, bystander))
    assert [verdict.done for verdict in verdicts] == [False, True]
    assert verdicts[1].text == "nothing that I know"
    recorder = Recorder("file:clip.mp4", tmp_path, listener())
    recorder.saw(*frame(1))
    assert [text for _, _, text in recorder._seen] == ["nothing that I know"]


def test_a_full_disk_loses_the_pictures_and_says_so(tmp_path: Path) -> None:
    recorder = Recorder("file:clip.mp4", Path("/dev/full"), listener())
    recorder.saw(*frame(1))
    summary = recorder.draw(recorder.finish(interrupted=False))
    assert summary.sheet is None
    assert summary.exit_code == 2
    assert "/dev/full" in summary.text()


def test_the_way_is_kept_whole_in_memory_that_does_not_grow() -> None:
    way = Way(capacity=8, step_m=0.1)
    for number in range(100):
        way.add(float(number), Pose(0.2 * number, 0.0, 0.5))
        way.add(float(number), Pose(0.2 * number + 0.01, 0.0, 0.5))  # hardly moved
    kept = way.poses()
    assert 4 <= len(kept) <= 8
    assert kept[0] == (0.0, Pose(0.0, 0.0, 0.5))
    assert kept[-1][0] > 80.0
    times = [at_s for at_s, _ in kept]
    assert times == sorted(set(times))


def test_what_a_plugin_was_worth_is_told_beside_what_was_shed(tmp_path: Path) -> None:
    recorder = Recorder("file:clip.mp4", tmp_path, listener())
    ledger = ValueLedger()
    for number in range(4):
        ledger.finished("vision", number, 50.0, 1.0)
    ledger.credit("vision", 1, 1.0)
    ledger.credit("vision", 2, 0.5)
    ledger.credit("vision", 99, 1.0)
    recorder(Credited(0.0, "vision", 1, 1.0, 0.75))
    for _ in range(3):
        recorder(Dropped(0.0, "vision", "shed", 0.0))
    summary = recorder.finish(interrupted=False, worth=ledger.table())
    text = summary.text()
    assert "trust 0.75; 2 judged, worth 0.75 each (7.5 per 1000 ATP)" in text
    assert "energy agrees 0.00, 1 late; dropped 3 shed" in text
    figures = summary.plugins["vision"]
    assert (figures.credited, figures.mean_value, figures.value_per_1000_atp) == (2, 0.75, 7.5)


def test_what_nobody_judged_is_told_without_a_value(tmp_path: Path) -> None:
    recorder = Recorder("file:clip.mp4", tmp_path, listener())
    recorder(Dropped(0.0, "vision", "stale", 0.0))
    assert "judged" not in recorder.finish(interrupted=False).text()
