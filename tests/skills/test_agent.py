"""The agent: commands in, one skill at a time, orders out, and a report on each of them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Generator
from typing import Any

import pytest

from sage.skills import agent as agent_module
from sage.skills.agent import Agent
from sage.skills.body import DriveTo, Hold, Order, Verdict
from sage.skills.grammar import parse
from sage.skills.intent import Declined, Intent
from sage.telemetry import Task
from tests.doubles import Broken
from tests.skills.kinematic_body import KinematicBody

FRIDGE = (8.2, 3.2)


class Life:
    """A body, its agent, and what the agent told."""

    def __init__(self, **options: Any) -> None:
        self.body = KinematicBody({"fridge": FRIDGE})
        self.events: list[Any] = []
        self.agent = Agent.with_parser(self.body, parse, emit=self.events.append, **options)

    def tick(self, times: int = 1) -> None:
        for _ in range(times):
            self.agent.tick()
            self.body.obey(self.agent.order)

    def until_idle(self, limit: int = 3000) -> None:
        for _ in range(limit):
            if self.agent.idle:
                return
            self.tick()
        pytest.fail("the agent never came to rest")

    def phases(self, command: int) -> list[str]:
        return [event.phase for event in self.events if event.command == command]


@pytest.fixture
def life() -> Life:
    return Life()


@pytest.fixture
def skill(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts a generator function of the test's own in the place of every skill."""

    def put(function: Callable[[], Generator[Order, None, Verdict]]) -> None:
        monkeypatch.setattr(agent_module, "skill_for", lambda intent, body: function())

    return put


def test_a_command_is_carried_out_and_reported(life: Life) -> None:
    assert life.agent.hear("go to the kitchen") == 0
    understood = Intent("go", "kitchen", "go to the kitchen")
    assert not life.agent.idle
    life.tick()
    assert life.agent.doing == understood
    assert isinstance(life.agent.order, DriveTo)
    life.until_idle()
    (report,) = life.agent.reports
    assert report.verdict == Verdict(True, "I am in the kitchen")
    assert (report.command, report.text, report.intent) == (0, "go to the kitchen", understood)
    assert report.ended_s - report.began_s == pytest.approx(life.body.now_s(), abs=0.2)
    assert life.phases(0) == ["heard", "understood", "started", "done"]
    assert all(isinstance(event, Task) for event in life.events)
    assert life.agent.order == Hold()
    assert life.agent.doing is None


def test_it_holds_while_there_is_nothing_to_do(life: Life) -> None:
    where = life.body.pose()
    life.tick(20)
    assert life.agent.order == Hold()
    assert life.body.pose() == where
    assert life.agent.idle
    assert life.events == []


def test_commands_wait_for_their_turn(life: Life) -> None:
    for text in ("go to the kitchen", "go to the fridge", "come back"):
        life.agent.hear(text)
    life.until_idle()
    assert [report.text for report in life.agent.reports] == [
        "go to the kitchen",
        "go to the fridge",
        "come back",
    ]
    assert all(report.verdict.done for report in life.agent.reports)
    starts = [event.command for event in life.events if event.phase == "started"]
    assert starts == [0, 1, 2]
    ends_s = [report.ended_s for report in life.agent.reports]
    assert [report.began_s for report in life.agent.reports][1:] >= ends_s[:-1]


def test_what_cannot_be_done_is_reported_as_failed(life: Life) -> None:
    life.body.blocked = ("kitchen",)
    life.agent.hear("go to the kitchen")
    life.until_idle()
    assert not life.agent.reports[0].verdict.done
    assert life.phases(0)[-1] == "failed"


def test_what_is_not_understood_is_declined_at_once(life: Life) -> None:
    life.agent.hear("make me a sandwich")
    answer = parse("make me a sandwich")
    assert isinstance(answer, Declined)
    (report,) = life.agent.reports
    assert report.intent is None
    assert report.verdict == Verdict(False, answer.answer)
    assert life.phases(0) == ["heard", "declined"]
    assert life.agent.idle


def test_what_is_declined_disturbs_nothing(life: Life) -> None:
    life.agent.hear("go to the kitchen")
    life.tick(5)
    life.agent.hear("make me a sandwich")
    life.until_idle()
    assert [report.verdict.done for report in life.agent.reports] == [False, True]


def test_stop_ends_what_runs_and_what_waits(life: Life) -> None:
    life.agent.hear("go to the kitchen")
    life.agent.hear("come back")
    life.tick(10)
    life.agent.hear("stop")
    assert life.agent.order == Hold(), "it went on until the next tick"
    where = life.body.pose()
    life.until_idle()
    assert life.body.pose() == where
    assert [(report.text, report.verdict.done) for report in life.agent.reports] == [
        ("go to the kitchen", False),
        ("come back", False),
        ("stop", True),
    ]
    assert [report.verdict.text for report in life.agent.reports[:2]] == ["stopped"] * 2
    assert life.phases(1) == ["heard", "understood", "failed"]


def test_after_a_stop_there_are_new_commands(life: Life) -> None:
    life.agent.hear("go to the kitchen")
    life.tick(5)
    life.agent.hear("stop")
    life.agent.hear("go to the bedroom")
    life.until_idle()
    assert life.agent.reports[-1].verdict.done


def test_cancel_gives_up_everything_and_says_why(life: Life) -> None:
    life.agent.hear("go to the kitchen")
    life.agent.hear("come back")
    life.tick(3)
    life.agent.cancel("the run ends")
    assert life.agent.idle
    assert life.agent.order == Hold()
    assert [report.verdict.text for report in life.agent.reports] == ["the run ends"] * 2
    life.agent.cancel("again")
    assert len(life.agent.reports) == 2


def test_a_command_that_takes_too_long_is_given_up() -> None:
    life = Life(limit_s=3.0)
    life.agent.hear("go to the kitchen")
    life.agent.hear("go to the living room")
    life.until_idle()
    first, second = life.agent.reports
    assert first.verdict == Verdict(False, "I gave up after 3 s")
    assert first.ended_s - first.began_s == pytest.approx(3.0, abs=0.2)
    assert second.verdict.done, "the next one has its own time"


@pytest.mark.parametrize("limit_s", [0.0, -1.0, float("nan")])
def test_the_limit_must_be_positive(limit_s: float) -> None:
    with pytest.raises(ValueError, match="limit_s must be positive, got"):
        Life(limit_s=limit_s)


def test_a_skill_that_raises_fails_and_the_next_one_runs(
    life: Life, skill: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> Generator[Order, None, Verdict]:
        yield DriveTo(2.0, 2.0)
        raise Broken("out of tune")

    with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr(agent_module, "skill_for", lambda intent, body: broken())
        life.agent.hear("go to the kitchen")
        life.tick(2)
    (report,) = life.agent.reports
    assert report.verdict == Verdict(False, "something went wrong: out of tune")
    assert life.agent.order == Hold()
    assert life.phases(0)[-1] == "failed"
    assert "'go to the kitchen' raised" in caplog.text
    life.agent.hear("go to the bedroom")
    life.until_idle()
    assert life.agent.reports[-1].verdict.done


def test_a_skill_that_clings_to_life_is_ended_all_the_same(
    life: Life, skill: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    def clinging() -> Generator[Order, None, Verdict]:
        try:
            while True:
                yield DriveTo(2.0, 2.0)
        finally:
            raise Broken("not yet")

    skill(clinging)
    life.agent.hear("go to the kitchen")
    life.tick()
    with caplog.at_level(logging.ERROR):
        life.agent.hear("stop")
    assert life.agent.reports[0].verdict == Verdict(False, "stopped")
    assert life.agent.order == Hold()
    assert "not yet" in caplog.text


def test_what_a_skill_opened_is_closed_when_it_is_given_up(skill: Callable[..., None]) -> None:
    closed = []

    def careful() -> Generator[Order, None, Verdict]:
        try:
            while True:
                yield Hold()
        finally:
            closed.append(True)

    skill(careful)
    life = Life(limit_s=1.0)
    life.agent.hear("go to the kitchen")
    life.tick(15)
    assert closed == [True]


def test_commands_come_from_any_thread(life: Life) -> None:
    texts = [f"go to the {room}" for room in ("kitchen", "bedroom", "corridor")] * 10

    def say(text: str) -> None:
        life.agent.hear(text)

    threads = [threading.Thread(target=say, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
        life.tick()
    for thread in threads:
        thread.join()
    life.agent.cancel("enough")
    assert sorted(report.command for report in life.agent.reports) == list(range(len(texts)))
