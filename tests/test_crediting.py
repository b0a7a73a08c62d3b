"""Results are judged by what the robot finds out: of commands, sightings and plans."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sage.build.crediting import Crediting
from sage.navigation.grid import GridFrame
from sage.navigation.route import CostToGo
from sage.skills.agent import EndedBy, Report
from sage.skills.body import Sighting, Verdict
from sage.skills.intent import Intent
from sage.values import ActionPlan, Pose

GO = Intent("go", "kitchen", "go to the kitchen")


class Desk:
    """Crediting, what it said, and the commands so far."""

    def __init__(self) -> None:
        self.said: list[tuple[str, int, float]] = []
        self.crediting = Crediting(lambda *told: self.said.append(told))
        self.reports: list[Report] = []
        self.now_s = 0.0

    def ended(
        self,
        text: str = "go to the kitchen",
        *,
        done: bool = True,
        intent: Intent | None = GO,
        read: int | None = None,
        ended_by: EndedBy = "itself",
        asked: tuple[str, ...] = (),
        used: tuple[Sighting, ...] = (),
        count: int | None = None,
        took_s: float = 5.0,
    ) -> None:
        """A command that was read by refinement ``read`` is over."""
        number = len(self.reports)
        if read is not None:
            self.crediting.read(number, read)
        heard_s = self.now_s
        self.now_s += took_s
        verdict = Verdict(done, "so it is", count=count, used=used)
        self.reports.append(
            Report(
                number,
                text,
                intent,
                verdict,
                heard_s,
                self.now_s,
                heard_s=heard_s,
                asked=asked,
                ended_by=ended_by,
            )
        )
        self.crediting.tick(self.reports)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_parse_that_led_to_a_command_that_was_done_is_worth_all(desk: Desk) -> None:
    desk.ended(read=7)
    desk.crediting.tick(desk.reports)
    assert desk.said == [("language", 7, 1.0)]


@pytest.mark.parametrize(
    ("ended_by", "took_s", "value"),
    [
        ("itself", 5.0, 0.5),  # it could not be done, which need not be the parse's fault
        ("limit", 5.0, 0.5),
        ("stop", 5.0, 0.2),  # somebody did not like what it did
        ("stop", 0.0, None),  # it had not begun: it says nothing of the parse
        ("cancel", 5.0, None),
    ],
)
def test_a_command_that_was_not_done_says_little(
    desk: Desk, ended_by: EndedBy, took_s: float, value: float | None
) -> None:
    desk.ended(done=False, read=7, ended_by=ended_by, took_s=took_s)
    assert desk.said == ([] if value is None else [("language", 7, value)])


def test_a_command_that_language_never_read_credits_nobody(desk: Desk) -> None:
    desk.ended("stop", intent=Intent("stop", None, "stop"))
    assert desk.said == []


def test_whether_it_was_declined_rightly_nobody_knows(desk: Desk) -> None:
    desk.ended("what is the weather", done=False, intent=None, read=3)
    desk.ended(read=4)
    assert desk.said == [("language", 4, 1.0)]


def test_declined_wrongly_when_one_of_its_suggestions_is_done_next(desk: Desk) -> None:
    desk.ended("kitchen please", done=False, intent=None, read=3, asked=("go to the kitchen",))
    desk.ended(read=4)
    assert desk.said == [("language", 3, 0.25), ("language", 4, 1.0)]


def test_declined_wrongly_when_the_same_words_are_done_next(desk: Desk) -> None:
    desk.ended("Go to  the kitchen", done=False, intent=None, read=3)
    desk.ended("go to the kitchen", read=4)
    assert desk.said == [("language", 3, 0.0), ("language", 4, 1.0)]


def test_much_later_it_is_another_wish(desk: Desk) -> None:
    desk.ended(done=False, intent=None, read=3)
    desk.now_s += 60.0
    desk.ended(read=4)
    assert desk.said == [("language", 4, 1.0)]


@pytest.mark.parametrize("word", ["no", "No!", "not that", "wrong."])
def test_a_no_is_about_the_latest_reading(desk: Desk, word: str) -> None:
    desk.ended(read=3)
    desk.ended(word, done=False, intent=None, read=4, took_s=1.0)
    assert desk.said == [("language", 3, 1.0), ("language", 3, 0.0)]


def test_a_no_while_it_runs_is_about_what_runs(desk: Desk) -> None:
    desk.ended(read=3)
    desk.crediting.read(2, 8)  # understood, and under way
    desk.reports.append(desk.reports[-1])  # so that the "no" is the third command
    desk.crediting.tick(desk.reports)
    desk.said.clear()
    number = 3
    desk.crediting.read(number, 9)
    desk.reports.append(Report(number, "no", None, Verdict(False, "?"), desk.now_s, desk.now_s))
    desk.crediting.tick(desk.reports)
    assert desk.said == [("language", 8, 0.0)]


def seen(label: str, *refinements: int) -> Sighting:
    return Sighting(label, 1.0, 2.0, 0.9, 5, 3.0, 1.0, refinements)


def test_detections_that_were_used_are_worth_all_once_each(desk: Desk) -> None:
    desk.ended(used=(seen("apple", 4, 5), seen("pear", 5, 6)))
    assert desk.said == [("vision", number, 1.0) for number in (4, 5, 6)]


def test_what_was_counted_nobody_checked(desk: Desk) -> None:
    desk.ended(used=(seen("apple", 4, 5),), count=1)
    desk.ended("no", done=False, intent=None, took_s=1.0)
    assert desk.said == []


@pytest.mark.parametrize(
    ("word", "after_s", "denied"),
    [("no!", 1.0, True), ("not that", 1.0, True), ("no", 40.0, False), ("thanks", 1.0, False)],
)
def test_a_no_is_about_the_sightings_too(
    desk: Desk, word: str, after_s: float, denied: bool
) -> None:
    desk.ended(used=(seen("apple", 4, 5),))
    desk.said.clear()
    desk.ended(word, done=False, intent=None, took_s=after_s)
    desk.ended(word, done=False, intent=None, took_s=0.0)  # said twice, denied once
    assert desk.said == ([("vision", 4, 0.0), ("vision", 5, 0.0)] if denied else [])


def test_a_no_to_a_later_command_leaves_the_sightings_alone(desk: Desk) -> None:
    desk.ended(used=(seen("apple", 4),))
    desk.ended(done=False, read=9)
    desk.said.clear()
    desk.ended("no", done=False, intent=None, took_s=1.0)
    assert desk.said == [("language", 9, 0.0)]


def test_a_search_that_failed_used_nothing(desk: Desk) -> None:
    desk.ended(done=False, used=(seen("apple", 4),))
    assert desk.said == []


def test_what_a_closer_look_did_not_find_was_worth_nothing(desk: Desk) -> None:
    desk.crediting.vision = "other eye"
    desk.crediting.refuted("apple", (4, 5))
    assert desk.said == [("other eye", 4, 0.0), ("other eye", 5, 0.0)]


FRAME = GridFrame(-5.0, -5.0, 0.1, 100, 100)


class Task:
    """Drive along x to a far goal: the cost to go falls metre by metre."""

    def __init__(self, goal: tuple[float, float] = (4.0, 0.0), start_s: float = 1.0) -> None:
        cost = np.repeat(4.0 - (-5.0 + 0.1 * (np.arange(100) + 0.5))[None], 100, axis=0)
        reached = np.ones((100, 100), bool)
        self.to_go = CostToGo(FRAME, goal, cost.astype(np.float32), reached, 99.0)
        self.goal = goal
        self.start_s = start_s


class Navigator:
    """Where the robot was: a pose by time."""

    def __init__(self, speed_m_s: float = 0.0, turn_rad_s: float = 0.0) -> None:
        self.bumper = False
        self._speed_m_s, self._turn_rad_s = speed_m_s, turn_rad_s

    def pose_at(self, time_s: float) -> Pose:
        since_s = time_s - 1.0
        return Pose(self._speed_m_s * since_s, 0.0, self._turn_rad_s * since_s)


def plan(speed_m_s: float = 0.5, turn_rad_s: float = 0.0, *, safe: bool = True) -> ActionPlan:
    time_s = 0.1 * np.arange(11)
    poses = np.stack([speed_m_s * time_s, 0.0 * time_s, turn_rad_s * time_s], axis=1)
    return ActionPlan(np.tile([speed_m_s, turn_rad_s], (10, 1)), poses, 0.1, 0.5, safe)


def judged(made: ActionPlan, came: Navigator) -> list[float]:
    desk = Desk()
    task: Any = Task()
    desk.crediting.planned(task, made, 11)
    navigator: Any = came
    desk.crediting.moved(1.2, navigator)
    assert desk.said == [], "too early to tell"
    desk.crediting.moved(1.31, navigator)
    assert all(told[:2] == ("control", 11) for told in desk.said)
    return [value for _, _, value in desk.said]


@pytest.mark.parametrize(
    ("made", "came", "value"),
    [
        (plan(0.5), Navigator(0.5), 1.0),
        (plan(0.5), Navigator(0.25), 0.5),
        (plan(0.5), Navigator(-0.5), 0.0),
        (plan(0.5), Navigator(2.0), 1.0),
        (plan(0.0, 1.0), Navigator(0.0, 0.5), 0.5),
        (plan(0.0, -1.0), Navigator(0.0, 1.0), 0.0),
    ],
)
def test_a_plan_is_worth_what_of_its_progress_came_true(
    made: ActionPlan, came: Navigator, value: float
) -> None:
    assert judged(made, came) == [pytest.approx(value, abs=0.02)]


def test_a_plan_that_promises_nothing_is_not_judged() -> None:
    assert judged(plan(0.0), Navigator(0.0)) == []


def test_a_plan_that_was_not_safe_or_ended_in_a_touch_is_worth_nothing() -> None:
    touched = Navigator(0.5)
    touched.bumper = True
    assert judged(plan(0.5), touched) == [0.0]
    assert judged(plan(0.5, safe=False), Navigator(0.5)) == [0.0]


def test_plans_that_somebody_else_ended_are_not_judged(desk: Desk) -> None:
    near: Any = Task()
    far: Any = Task(goal=(0.0, 3.0))
    navigator: Any = Navigator(0.5)
    desk.crediting.planned(near, plan(), 1)
    desk.crediting.planned(far, plan(), 2)  # another goal
    desk.crediting.moved(5.0, navigator)
    assert [number for _, number, _ in desk.said] == [2]
    desk.crediting.planned(far, plan(), 3)
    desk.crediting.halted()  # nowhere to go any more
    desk.crediting.moved(9.0, navigator)
    assert [number for _, number, _ in desk.said] == [2]
