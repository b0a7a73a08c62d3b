"""A recogniser in a process of its own: it answers, dies, hangs and is started again."""

from __future__ import annotations

import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from sage.clock import VirtualClock
from sage.hearing import Ears, Hypothesis
from sage.hearing.isolated import IsolatedRecogniser
from sage.hearing.pipe import (
    LIMIT_BYTES,
    Answer,
    Begin,
    Feed,
    Open,
    Pipe,
    PipeError,
    Reply,
    Request,
)
from sage.irp.errors import DeviceError, ModelError
from sage.values import Observation
from tests.hearing.doubles import LoudIsSpeech, blocks, silence, sound, until

ENTRY = "tests.hearing.recognisers:"


@pytest.fixture
def recogniser() -> Iterator[IsolatedRecogniser]:
    found = IsolatedRecogniser(ENTRY + "measuring")
    yield found
    found.close()


def alive(pid: int | None) -> bool:
    if pid is None:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def kill(recogniser: IsolatedRecogniser) -> None:
    assert recogniser.pid is not None
    os.kill(recogniser.pid, signal.SIGKILL)


def test_it_is_bound_to_a_grammar_or_not_as_the_recogniser_there(
    recogniser: IsolatedRecogniser,
) -> None:
    assert recogniser.any_words is True


def test_it_answers_what_the_recogniser_there_answers(recogniser: IsolatedRecogniser):
    assert recogniser.name == "measuring"
    for count in (3, 5):
        recogniser.begin()
        assert recogniser.partial() == Hypothesis("", 0.0)
        for _ in range(count):
            recogniser.feed(np.zeros(512, np.float32))
        until(lambda want=f"heard {512 * count}": recogniser.partial().text == want)
        assert recogniser.partial().complete
        assert recogniser.finish() == Hypothesis(f"all {512 * count}", 0.75, True)
    recogniser.begin()
    assert recogniser.finish() == Hypothesis("all 0", 0.0, True)
    pid = recogniser.pid
    recogniser.close()
    recogniser.close()
    assert not alive(pid)


def test_an_answer_that_lags_behind_the_sound_is_not_complete():
    recogniser = IsolatedRecogniser(ENTRY + "measuring", {"slow_s": 0.05})
    recogniser.begin()
    recogniser.feed(np.zeros(512, np.float32))
    until(lambda: recogniser.partial().complete)
    for _ in range(6):
        recogniser.feed(np.zeros(512, np.float32))
    late = recogniser.partial()
    assert late.text == "heard 512"
    assert not late.complete
    assert recogniser.finish().text == f"all {7 * 512}"
    recogniser.close()


def test_one_that_starts_slowly_is_waited_for_and_hears_what_was_said_meanwhile(
    tmp_path: Path, caplog
):
    slow = tmp_path / "slow"
    entry = ENTRY + "sometimes_slow"
    recogniser = IsolatedRecogniser(entry, {"slow_if": str(slow)}, reply_timeout_s=0.3)
    slow.touch()
    recogniser.begin()
    kill(recogniser)
    with pytest.raises(DeviceError, match="is still starting"):
        recogniser.finish()
    pid = recogniser.pid
    recogniser.begin()
    recogniser.feed(np.zeros(512, np.float32))
    assert recogniser.partial() == Hypothesis("", 0.0)
    with pytest.raises(DeviceError, match="is still starting"):
        recogniser.finish()
    recogniser._reply_timeout_s = 10.0
    recogniser.begin()
    for _ in range(300):  # more than a socket holds
        recogniser.feed(np.zeros(512, np.float32))
    slow.unlink()
    assert recogniser.finish().text == f"all {300 * 512}"
    assert recogniser.pid == pid
    assert recogniser.restarts == 1
    recogniser.close()


def test_what_it_raises_there_fails_one_utterance_only(recogniser: IsolatedRecogniser):
    pid = recogniser.pid
    recogniser.begin()
    recogniser.feed(np.full(512, -1.0, np.float32))
    recogniser.feed(np.zeros(512, np.float32))
    with pytest.raises(DeviceError, match="'measuring' failed: ValueError: that hurt very much"):
        recogniser.finish()
    recogniser.begin()
    recogniser.feed(np.zeros(512, np.float32))
    assert recogniser.finish().text == "all 512"
    assert recogniser.pid == pid
    assert recogniser.restarts == 0


@pytest.mark.parametrize("when", ["between", "at the beginning", "later", "at the end"])
def test_an_utterance_outlives_a_killed_process(recogniser: IsolatedRecogniser, when: str, caplog):
    recogniser.begin()
    recogniser.finish()
    if when == "between":
        kill(recogniser)
    recogniser.begin()
    if when == "at the beginning":
        kill(recogniser)
    for _ in range(3):
        recogniser.feed(np.zeros(512, np.float32))
    if when == "later":
        until(lambda: recogniser.partial().text == "heard 1536")
        kill(recogniser)
        recogniser.feed(np.zeros(512, np.float32))
    else:
        if when == "at the end":
            kill(recogniser)
        recogniser.feed(np.zeros(512, np.float32))
    assert recogniser.finish().text == "all 2048"
    assert recogniser.restarts == 1
    assert "ended with status -9; the utterance is heard again" in caplog.text
    recogniser.begin()
    assert recogniser.finish().text == "all 0"
    assert recogniser.restarts == 1


def test_an_utterance_outlives_a_process_that_stood_still_before(
    recogniser: IsolatedRecogniser, monkeypatch: pytest.MonkeyPatch, caplog
):
    monkeypatch.setattr("sage.hearing.isolated.ALIVE_S", 0.3)
    pid = recogniser.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    recogniser.begin()
    recogniser.feed(np.zeros(512, np.float32))
    monkeypatch.setattr("sage.hearing.isolated.ALIVE_S", 2.0)  # for the one that replaces it
    assert recogniser.finish().text == "all 512"
    assert recogniser.restarts == 1
    assert not alive(pid)
    assert "no sign of life" in caplog.text


def test_sound_that_kills_every_process_is_heard_twice_at_most(
    recogniser: IsolatedRecogniser, caplog
):
    recogniser.begin()
    recogniser.feed(np.ones(512, np.float32))
    with pytest.raises(DeviceError, match="ended with status 3"):
        recogniser.finish()
    with pytest.raises(DeviceError, match="has failed; begin another utterance"):
        recogniser.feed(np.zeros(512, np.float32))
    assert recogniser.restarts == 2  # the second of them for the next utterance
    pid = recogniser.pid
    assert alive(pid)
    recogniser.begin()
    recogniser.feed(np.zeros(512, np.float32))
    assert recogniser.finish().text == "all 512"
    assert recogniser.pid == pid
    assert "starting recogniser 'measuring' again" in caplog.text


def test_more_than_is_kept_is_not_heard_again():
    recogniser = IsolatedRecogniser(ENTRY + "measuring", kept_s=0.1)
    recogniser.begin()
    for _ in range(4):
        recogniser.feed(np.zeros(512, np.float32))
    kill(recogniser)
    with pytest.raises(DeviceError, match="ended with status -9"):
        recogniser.finish()
    recogniser.begin()
    assert recogniser.finish().text == "all 0"
    assert recogniser.restarts == 1
    recogniser.close()


def test_a_process_that_hangs_is_replaced():
    recogniser = IsolatedRecogniser(ENTRY + "measuring", {"slow_s": 0.5}, reply_timeout_s=0.2)
    recogniser.begin()
    pid = recogniser.pid
    recogniser.feed(np.zeros(512, np.float32))
    with pytest.raises(DeviceError, match=r"no answer within 0.2 s"):
        recogniser.finish()
    assert not alive(pid)
    recogniser.begin()
    assert recogniser.pid != pid
    recogniser.close()


def test_a_process_that_does_not_read_is_replaced(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sage.hearing.isolated.SEND_TIMEOUT_S", 0.2)
    recogniser = IsolatedRecogniser(ENTRY + "measuring", {"slow_s": 5.0})
    recogniser.begin()

    def flood() -> None:
        for _ in range(100):
            recogniser.feed(np.zeros(16000, np.float32))

    with pytest.raises(DeviceError, match="does not keep up"):
        flood()
    recogniser.close()


@pytest.mark.parametrize(
    ("entry", "error", "says"),
    [
        (ENTRY + "missing", ModelError, "^the acoustic model is missing; run: sage models fetch$"),
        (ENTRY + "broken", ModelError, "KeyError: 'hmm'"),
        (ENTRY + "nothing", ModelError, "AttributeError: .*nothing"),
        ("no.such.module:open", ModelError, "ModuleNotFoundError"),
    ],
)
def test_what_cannot_be_opened_there_is_said_here(entry: str, error: type, says: str):
    with pytest.raises(error, match=says):
        IsolatedRecogniser(entry)


def test_one_that_never_stands_is_given_up():
    with pytest.raises(DeviceError, match=r"not ready within 0.3 s"):
        IsolatedRecogniser(ENTRY + "stuck", start_timeout_s=0.3)


def test_its_process_ends_when_the_ears_are_gone(recogniser: IsolatedRecogniser):
    process, pipe = recogniser._process, recogniser._pipe
    assert process is not None
    assert pipe is not None
    pipe.close()
    assert process.wait(timeout=5.0) == 0


def test_ears_that_use_one_and_see_it_die(recogniser: IsolatedRecogniser):
    got: list[Observation] = []
    ears = Ears(LoudIsSpeech(), recogniser, got.append, clock=VirtualClock(), synchronous=True)
    told = blocks(np.concatenate([silence(0.32), sound(0.64), silence(0.96)] * 3))
    for number, block in enumerate(told):
        if number == len(told) // 2 - 5:  # in the middle of the second utterance
            assert recogniser.pid is not None
            os.kill(recogniser.pid, signal.SIGKILL)
        ears.take(block)
    ears.stop()
    assert [bool(seen.data.text) for seen in got] == [True, True, True]
    assert got[1].data.recogniser == "measuring"
    assert recogniser.restarts == 1
    assert recogniser.pid is None


# The pipe


def ends() -> tuple[Pipe[Request], socket.socket]:
    ours, theirs = socket.socketpair()
    return Pipe(ours, Request), theirs


def test_messages_arrive_whole_however_they_are_cut():
    pipe, other = ends()
    body = msgspec.msgpack.encode(Feed(b"\x00" * 70_000))
    data = struct.pack(">I", len(body)) + body

    def send() -> None:
        for begin in range(0, len(data), 9_999):
            other.sendall(data[begin : begin + 9_999])
            time.sleep(0.002)

    thread = threading.Thread(target=send)
    thread.start()
    message = pipe.receive(5.0)
    thread.join()
    assert message == Feed(b"\x00" * 70_000)
    assert pipe.receive(0.0) is None
    other.close()
    with pytest.raises(PipeError, match="it is gone"):
        pipe.receive()
    pipe.close()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (struct.pack(">I", LIMIT_BYTES + 1), "at most"),
        (struct.pack(">I", 4) + b"\xff\xff\xff\xff", "garbage"),
        (b"", "gone"),
    ],
)
def test_garbage_is_refused(data: bytes, says: str):
    pipe, other = ends()
    other.sendall(data)
    other.close()
    with pytest.raises(PipeError, match=says):
        pipe.receive(1.0)
    pipe.close()


@pytest.mark.parametrize(
    "message",
    [
        {"type": "Open", "entry": "os;system", "options": {}},
        {"type": "Begin", "utterance": -1},
        {"type": "Begin", "utterance": 1, "more": 2},
        {"type": "Nothing"},
    ],
)
def test_messages_that_fit_no_type_are_refused(message: dict[str, object]):
    pipe, other = ends()
    body = msgspec.msgpack.encode(message)
    other.sendall(struct.pack(">I", len(body)) + body)
    with pytest.raises(PipeError, match="garbage"):
        pipe.receive(1.0)
    pipe.close()
    other.close()


def test_replies_survive_the_way():
    ours, theirs = socket.socketpair()
    here: Pipe[Reply] = Pipe(ours, Reply)
    there: Pipe[Request] = Pipe(theirs, Request)
    here.send(Open("a.b:c", {"x": 1, "y": None, "z": ["a"]}))
    here.send(Begin(3))
    assert there.receive() == Open("a.b:c", {"x": 1, "y": None, "z": ["a"]})
    assert there.receive() == Begin(3)
    answer = Answer(3, 512, "go", 0.5, True, False)
    there.send(answer)
    assert here.receive() == answer
    with pytest.raises(PipeError, match="at most"):
        here.send(Feed(bytes(LIMIT_BYTES)))
    here.close()
    there.close()
