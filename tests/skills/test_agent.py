"""The agent: commands in, one skill at a time, orders out, and a report on each of them."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Generator
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sage.skills.agent import Agent
from sage.skills.body import Body, DriveTo, Hold, Order, Verdict
from sage.skills.grammar import parse
from sage.skills.intent import Declined, Intent
from sage.skills.repertoire import skill_for
from sage.skills.talking import Answers
from sage.skills.vocabulary import is_stop
from sage.telemetry import Task
from sage.values import Utterance
from tests.doubles import Broken
from tests.skills.kinematic_body import KinematicBody

FRIDGE = (8.2, 3.2)


class Life:
    """A body, its agent, and what the agent told; ``own`` stands in for every skill."""

    own: Callable[[], Generator[Order, None, Verdict]] | None = None

    def __init__(self, **options: Any) -> None:
        self.body = KinematicBody({"fridge": FRIDGE})
        self.events: list[Any] = []
        self.agent = Agent.with_parser(
            self.body, parse, emit=self.events.append, skills=self._skill, **options
        )

    def _skill(self, intent: Intent, body: Body) -> Generator[Order, None, Verdict]:
        return skill_for(intent, body) if self.own is None else self.own()

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
        monkeypatch.setattr(Life, "own", staticmethod(function))

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
    assert [report.ended_by for report in life.agent.reports[:2]] == ["stop"] * 2
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
        patch.setattr(Life, "own", staticmethod(broken))
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


class Slow(Life):
    """A life whose language answers when the test says so; ``asked`` is what it was asked."""

    def __init__(self, **options: Any) -> None:
        self.body = KinematicBody({"fridge": FRIDGE})
        self.events: list[Any] = []
        self.asked: list[tuple[int, str]] = []
        self.agent = Agent(self.body, self._note, emit=self.events.append, **options)

    def _note(self, number: int, said: Utterance) -> None:
        self.asked.append((number, said.text))

    def answer(self, **more: Any) -> bool:
        """Answer the newest question."""
        number, text = self.asked[-1]
        return self.agent.understood(number, parse(text), **more)


@pytest.fixture
def slow() -> Slow:
    return Slow()


def test_commands_are_understood_one_at_a_time_in_order(slow: Slow) -> None:
    texts = ["go to the kitchen", "come back", "go to the bedroom"]
    assert [slow.agent.hear(text) for text in texts] == [0, 1, 2]
    assert slow.phases(0) == ["heard"]
    assert slow.asked == [(0, texts[0])], "the next one waits for the answer"
    assert not slow.agent.idle
    slow.tick(5)
    assert slow.agent.doing is None
    assert slow.answer()
    assert slow.asked[1:] == [(1, texts[1])]
    slow.tick()
    assert slow.agent.doing == Intent("go", "kitchen", texts[0])
    assert slow.answer()
    assert slow.answer()
    slow.until_idle()
    assert [report.text for report in slow.agent.reports] == texts
    assert all(report.verdict.done for report in slow.agent.reports)


def test_what_a_report_tells_of_the_way_to_it(slow: Slow) -> None:
    said = Utterance("go to the kitchen", 0.8, 1.0, 2.5, "ears")
    slow.tick(3)
    slow.agent.hear(said)
    slow.tick(2)
    slow.answer(probability=0.9)
    slow.until_idle()
    (report,) = slow.agent.reports
    assert report.said == said
    assert report.heard_s == pytest.approx(0.3)
    assert report.understood_s == pytest.approx(0.5)
    assert report.probability == 0.9
    assert report.asked == ()


def test_a_question_back_is_in_the_report(slow: Slow) -> None:
    slow.agent.hear("go to the sink")
    slow.answer()
    (report,) = slow.agent.reports
    assert report.intent is None
    assert report.asked == ("go to the sink in the kitchen", "go to the sink in the bathroom")
    assert all(phrase in report.verdict.text for phrase in report.asked)


@pytest.mark.parametrize(
    "text", ["stop", "STOP!", "robot, stop now", "please halt", "freeze freeze"]
)
def test_stop_waits_for_nobody(slow: Slow, text: str) -> None:
    slow.agent.hear("go to the kitchen")
    slow.answer()
    slow.tick(5)
    slow.agent.hear("go to the bedroom")
    slow.agent.hear("come back")
    assert isinstance(slow.agent.order, DriveTo)
    slow.agent.hear(text)
    assert slow.agent.order == Hold()
    assert len(slow.asked) == 2, "nobody was asked what stop means"
    assert not slow.answer(), "the answer to what was dropped is not wanted any more"
    slow.until_idle()
    assert [(report.command, report.verdict.done) for report in slow.agent.reports] == [
        (0, False),
        (1, False),
        (2, False),
        (3, True),
    ]
    assert slow.phases(3) == ["heard", "understood", "started", "done"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("stop stop stop", True),
        ("oh no, stop!", True),
        ("do not stop", False),
        ("stop at the kitchen", False),
        ("please, robot", False),
        ("", False),
        ("unstoppable", False),
    ],
)
def test_what_is_nothing_but_stop(text: str, expected: bool) -> None:
    assert is_stop(text) is expected


def test_stop_that_language_understood_ends_what_came_before_it_only(slow: Slow) -> None:
    slow.agent.hear("go to the kitchen")
    slow.answer()
    slow.tick(3)
    slow.agent.hear("stay where you are")
    slow.agent.hear("go to the bedroom")
    slow.answer()
    assert slow.agent.order == Hold()
    assert [report.command for report in slow.agent.reports] == [0]
    slow.answer()
    slow.until_idle()
    assert [report.verdict.done for report in slow.agent.reports] == [False, True, True]


def test_without_an_answer_it_asks_once_more_and_then_declines() -> None:
    slow = Slow(patience_s=2.0)
    slow.agent.hear("go to the kitchen")
    slow.agent.hear("come back")
    slow.tick(19)
    assert len(slow.asked) == 1
    slow.tick(5)
    assert slow.asked == [(0, "go to the kitchen")] * 2
    slow.tick(20)
    (report,) = slow.agent.reports
    assert report.verdict.text == (
        "I heard 'go to the kitchen', but could not make out what it means in time"
    )
    assert slow.phases(0) == ["heard", "declined"]
    assert slow.asked[2:] == [(1, "come back")], "the next one has its turn"
    assert not slow.agent.understood(0, Intent("stop", None, ""))
    assert slow.answer()


def test_an_answer_to_the_second_question_counts() -> None:
    slow = Slow(patience_s=1.0)
    slow.agent.hear("go to the kitchen")
    slow.tick(15)
    assert len(slow.asked) == 2
    assert slow.answer()
    slow.until_idle()
    assert slow.agent.reports[0].verdict.done


def test_language_that_raises_declines_and_the_next_one_has_its_turn(
    caplog: pytest.LogCaptureFixture,
) -> None:
    life = Life()

    def broken(text: str) -> Intent | Declined:
        if "sofa" in text:
            raise Broken("lost for words")
        return parse(text)

    life.agent = Agent.with_parser(life.body, broken, emit=life.events.append)
    with caplog.at_level(logging.ERROR):
        life.agent.hear("go to the sofa")
    assert "lost for words" in caplog.text
    life.agent.hear("go to the kitchen")
    life.until_idle()
    first, second = life.agent.reports
    assert first.verdict == Verdict(False, "something went wrong: lost for words")
    assert second.verdict.done


def test_language_that_hangs_stops_nobody_else() -> None:
    """The thread that asked is lost; commands, stop and the other threads are not."""
    slow, gate = Slow(patience_s=1.0), threading.Event()
    slow.agent = Agent(
        slow.body, lambda number, said: gate.wait(10.0) and None, emit=slow.events.append
    )
    thread = threading.Thread(target=slow.agent.hear, args=("go to the kitchen",))
    thread.start()
    while not slow.agent.reports and not slow.events:
        pass
    slow.tick(3)
    slow.agent.hear("stop")
    slow.until_idle()
    gate.set()
    thread.join()
    assert [report.verdict.done for report in slow.agent.reports] == [False, True]


def test_many_that_wait_are_answered_at_once_without_end_of_stack(slow: Slow) -> None:
    for _ in range(3000):
        slow.agent.hear("make me a sandwich")
    slow.agent._understand = lambda number, said: (
        slow.agent.understood(number, parse(said.text)) and None
    )
    slow.answer()
    assert len(slow.agent.reports) == 3000


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (
            Utterance("go to the chicken", 0.1, 0.0, 1.0, "ears"),
            "something like 'go to the chicken'",
        ),
        (Utterance("", 0.9, 0.0, 1.0, "ears"), "no words"),
        (Utterance("  "), "no words"),
        (Utterance("stop", 0.05, 0.0, 1.0, "ears"), "something like 'stop'"),
    ],
)
def test_what_was_hardly_heard_is_asked_for_again(slow: Slow, said: Utterance, answer: str) -> None:
    slow.agent.hear(said)
    assert slow.asked == []
    (report,) = slow.agent.reports
    assert report.intent is None
    assert answer in report.verdict.text
    assert "please say" in report.verdict.text
    assert slow.phases(0) == ["heard", "declined"]
    assert slow.agent.idle


def test_stop_needs_half_the_confidence(slow: Slow) -> None:
    slow.agent.hear(Utterance("stop", 0.2, 0.0, 1.0, "ears"))
    slow.until_idle()
    assert slow.agent.reports[0].verdict.done


def test_cancel_covers_what_is_being_understood(slow: Slow) -> None:
    slow.agent.hear("go to the kitchen")
    slow.agent.hear("come back")
    slow.agent.cancel("the run ends")
    assert slow.agent.idle
    assert [report.verdict.text for report in slow.agent.reports] == ["the run ends"] * 2
    assert [report.intent for report in slow.agent.reports] == [None, None]
    assert not slow.answer()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"patience_s": 0.0}, "patience_s"), ({"least_confidence": 1.5}, "least_confidence")],
)
def test_settings_are_checked(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Slow(**options)


TEXTS = ("go to the kitchen", "stop", "find a dragon", "", "halt halt", "come back", "count")
DEEDS = st.one_of(
    st.tuples(st.just("hear"), st.sampled_from(TEXTS)),
    st.tuples(st.just("answer"), st.integers(0, 3)),
    st.tuples(st.just("tick"), st.integers(1, 30)),
    st.tuples(st.just("cancel"), st.just("enough")),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(DEEDS, max_size=40))
def test_every_command_ends_in_exactly_one_report(deeds: list[tuple[str, Any]]) -> None:
    slow = Slow(patience_s=1.0, limit_s=5.0)
    heard = 0
    for deed, what in deeds:
        if deed == "hear":
            assert slow.agent.hear(what) == heard
            heard += 1
        elif deed == "answer" and len(slow.asked) > what:
            number, text = slow.asked[-1 - what]  # an old question's answer does no harm
            slow.agent.understood(number, parse(text))
        elif deed == "tick":
            slow.tick(what)
        elif deed == "cancel":
            slow.agent.cancel(what)
    slow.until_idle()
    assert sorted(report.command for report in slow.agent.reports) == list(range(heard))
    for number in range(heard):
        phases = slow.phases(number)
        assert phases[0] == "heard"
        assert sum(phase in ("done", "failed", "declined") for phase in phases) == 1
        assert phases[-1] in ("done", "failed", "declined")


@pytest.mark.parametrize("seed", range(4))
def test_every_command_ends_in_one_report_with_threads(seed: int) -> None:
    """Speakers, a slow language and someone who cancels, all at once."""
    chance = random.Random(seed)
    slow = Slow(patience_s=50.0, limit_s=3.0)
    ended = threading.Event()

    def speak(own: random.Random) -> None:
        for _ in range(25):
            slow.agent.hear(own.choice(TEXTS))

    def answer() -> None:
        done = 0
        while not ended.is_set():
            while done < len(slow.asked):
                number, text = slow.asked[done]
                slow.agent.understood(number, parse(text))
                done += 1

    def cancel() -> None:
        for _ in range(10):
            slow.agent.cancel("enough")

    speakers = [
        threading.Thread(target=speak, args=(random.Random(chance.random()),)) for _ in range(3)
    ]
    threads = [*speakers, threading.Thread(target=cancel)]
    language = threading.Thread(target=answer)
    for thread in (*threads, language):
        thread.start()
    while any(thread.is_alive() for thread in threads):
        slow.tick()
    slow.until_idle(limit=30_000)
    ended.set()
    language.join(10.0)
    assert sorted(report.command for report in slow.agent.reports) == list(range(75))


def test_what_goes_on_after_a_pause_takes_the_place_of_its_beginning(life: Life) -> None:
    life.agent.hear(Utterance("go to the kitchen", 1.0, 2.0, 3.0, "ears"))
    life.tick()
    assert life.agent.doing is not None
    life.agent.hear(Utterance("go to the kitchen and find the fridge", 1.0, 2.0, 5.0, "ears"))
    first = life.agent.reports[0]
    assert (first.ended_by, first.verdict.done) == ("more", False)
    life.tick()
    assert life.agent.doing is not None
    assert life.agent.doing.phrase == "go to the fridge in the kitchen"


def test_a_question_that_is_asked_for_is_what_is_said_next(life: Life) -> None:
    answers = Answers(lambda question: "Ottawa." if "canada" in question else None)
    agent = Agent.with_parser(
        life.body,
        parse,
        emit=life.events.append,
        answers=answers,
        skills=partial(skill_for, answers=answers),
    )
    life.agent = agent
    agent.hear("answer a question")
    assert not agent.listens
    life.tick(3)
    assert life.body.spoken == ["please ask your question"]
    assert agent.listens
    agent.hear("and what about canada")
    life.until_idle()
    question, answer = agent.reports
    assert question.verdict.done
    assert (answer.verdict.done, answer.verdict.text) == (True, "Ottawa.")
    assert life.body.spoken[-1] == "Ottawa."


def test_nothing_is_asked_and_stop_ends_the_waiting(life: Life) -> None:
    life.agent.hear("answer a question")
    life.until_idle()
    assert life.agent.reports[-1].verdict.text == "nothing was asked"
    assert 20.0 <= life.body.now_s() < 22.0
    life.agent.hear("answer a question")
    life.tick(3)
    life.agent.hear("stop")
    life.until_idle()
    assert life.agent.reports[-1].verdict.text == "I stand still"


def test_what_the_robot_tells_is_said_aloud_once(life: Life) -> None:
    life.agent.hear("go to the sink")
    assert "did you mean" in life.body.spoken[-1]
    life.agent.hear("say good morning")
    life.until_idle()
    assert life.body.spoken[1:] == ["good morning"]
    life.agent.hear("go to the kitchen")
    life.until_idle()
    assert life.body.spoken[-1] == "I am in the kitchen"


def test_a_voice_that_fails_is_no_reason_to_fail(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(text: str) -> None:
        raise RuntimeError("no sound card")

    monkeypatch.setattr(life.body, "speak", broken)
    life.agent.hear("go to the kitchen")
    life.until_idle()
    assert life.agent.reports[-1].verdict.done
