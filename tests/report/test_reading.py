"""What a report takes from the telemetry, and the bounded collections that hold it."""

from __future__ import annotations

import typing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sage.clock import VirtualClock
from sage.irp import ConfigError, HaltReason
from sage.report.bins import Bins, Milliseconds, Sample
from sage.report.cards import layout_form
from sage.report.reading import Digest, read_telemetry
from sage.report.svg import clock_text, figure_text, ticks, time_ticks
from sage.telemetry import Event, Heard, Moved, Parsed, Task
from sage.telemetry.jsonl import JsonlSink
from sage.values import Effect, Twist
from tests.report.made_run import FORM, events, refined, write_telemetry
from tests.telemetry.examples import EVENTS


def digest_of(folder: Path, told: list[Event]) -> Digest:
    return read_telemetry(write_telemetry(folder, told))


def test_a_run_is_counted(tmp_path: Path) -> None:
    digest = digest_of(tmp_path, events())
    assert (digest.torn, digest.unreadable) == (False, 0)
    assert digest.header is not None
    assert digest.end is not None
    assert digest.end.reason == "closed"
    assert digest.lines == sum(digest.counts.values())
    assert (digest.counts["saw"], digest.counts["cycle"], digest.counts["step"]) == (100, 100, 304)
    assert digest.duration_s == pytest.approx(9.98, abs=0.05)
    vision = digest.plugins["vision"]
    assert (vision.refinements, vision.steps, vision.saved_steps) == (100, 300, 500)
    assert (vision.spent_atp, vision.returned_atp) == (2400.0, 3600.0)
    assert vision.cost_s == pytest.approx(100 * 0.013)
    assert vision.reasons == {"converged": 100}
    assert vision.drops == {"superseded": 1, "shed": 1}
    assert (vision.judgements, vision.value, vision.latest_trust) == (2, 1.5, 0.8)
    assert (digest.plugins["language"].judgements, digest.unreadable) == (1, 0)
    assert sum(vision.finished.counts) == 100
    assert [line.state for line in digest.health] == ["backing_off", "active"]
    assert digest.pool_atp == 1000.0
    assert (digest.kept, digest.kept_best[0][0].experience) == (1, 17)
    assert digest.kept_best[0][1]["surprise"] == 0.9


def test_a_command_is_followed_from_the_ear_to_its_end(tmp_path: Path) -> None:
    digest = digest_of(tmp_path, events())
    trace = digest.commands[0]
    assert trace.heard is not None
    assert trace.heard.confidence == 0.91
    assert trace.parsed is not None
    assert tuple(trace.parsed.form) == FORM
    assert trace.parse is not None
    assert trace.parse.energies == [4.0, 2.0, 1.0, 0.5]
    assert trace.last == ("done", "I am in the kitchen")
    assert digest.commands[1].heard is None, "what was typed was not heard"
    assert digest.commands[1].last == ("declined", "I cannot do that")


def test_the_same_words_twice_are_two_utterances(tmp_path: Path) -> None:
    told: list[Event] = []
    for number in range(2):
        at_s = 101.0 + 5 * number
        told.append(Heard(at_s, "Stop", 0.5 + 0.1 * number, at_s - 1, at_s - 0.5, "x"))
        told.append(Task(at_s, number, "heard", "stop"))
    digest = digest_of(tmp_path, told)
    sure = [digest.commands[n].heard.confidence for n in range(2)]  # type: ignore[union-attr]
    assert sure == [0.5, 0.6]


def test_a_parse_belongs_to_language_alone(tmp_path: Path) -> None:
    told = refined(101.0, "vision", 4, (1.0,)) + refined(101.1, "language", 4, (9.0, 8.0))
    told.append(Parsed(101.2, 0, 4, "stop", ("(", "stop", ")"), 0.9))
    parse = digest_of(tmp_path, told).commands[0].parse
    assert parse is not None
    assert parse.plugin == "language"


def test_delays_count_fresh_captures_that_move_the_wheels(tmp_path: Path) -> None:
    def moved(executed_s: float, captured_s: float, speed: float = 0.3) -> Event:
        return Moved(executed_s, Effect(executed_s, Twist(speed, 0.0), captured_s))

    told = [
        moved(101.050, 101.0),
        moved(101.090, 101.0),  # the same capture again
        moved(101.200, 101.1, speed=0.0),  # standing still
        moved(101.280, 101.2),
        moved(101.300, float("nan")),
    ]
    delays = digest_of(tmp_path, told).latency
    assert delays.total == 2
    assert delays.percentile_ms(0.5) == pytest.approx(50.5, abs=1.0)
    assert delays.percentile_ms(1.0) == pytest.approx(80.5, abs=1.0)


@settings(max_examples=15, deadline=None)
@given(told=st.lists(st.one_of(*EVENTS.values()), max_size=20))
def test_whatever_is_written_can_be_read(
    tmp_path_factory: pytest.TempPathFactory, told: list[Event]
) -> None:
    assert set(EVENTS) == set(typing.get_args(Event))
    path = tmp_path_factory.mktemp("run") / "telemetry.jsonl"
    sink = JsonlSink(path, clock=VirtualClock())
    for event in told:
        sink(event)
    sink.close()
    digest = read_telemetry(path)
    assert (digest.unreadable, digest.torn, digest.lines) == (0, False, len(told) + 2)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.jsonl.*cannot be read"):
        read_telemetry(tmp_path / "none.jsonl")


def test_a_digest_does_not_grow_without_bounds(tmp_path: Path) -> None:
    told: list[Event] = []
    for number in range(1200):
        told += refined(100.0 + number, f"plugin {number}", number, (1.0,), HaltReason.STABLE)
        told.append(Task(100.0 + number, number, "heard", "x"))
        told += [Task(100.0 + number, 0, "started", "again")]
    digest = digest_of(tmp_path, told)
    assert len(digest.plugins) == 32
    assert len(digest.commands) == 1000
    assert len(digest.commands[0].phases) == 50


@given(
    values=st.lists(st.tuples(st.floats(0, 5e4), st.floats(-10, 10)), min_size=1, max_size=60),
)
def test_bins_lose_nothing_however_long_it_takes(values: list[tuple[float, float]]) -> None:
    bins = Bins(0.0, width_s=0.1, most=16)
    for at_s, value in values:
        bins.add(at_s, value)
    assert len(bins.counts) <= 16
    assert sum(bins.counts) == len(values)
    assert sum(bins.sums) == pytest.approx(sum(value for _, value in values), abs=1e-6)
    assert max(top for _, top in bins.peaks()) == max(value for _, value in values)
    wide = bins.widened(4 * bins.width_s)
    assert wide.width_s >= 4 * bins.width_s
    assert sum(wide.counts) == len(values)


def test_bins_leave_out_what_lies_absurdly_late() -> None:
    bins = Bins(0.0)
    for at_s in (1.0, 1e300, float("inf"), float("nan")):
        bins.add(at_s)
    assert sum(bins.counts) == 1 + 1  # nan is no later than the start
    assert bins.width_s == 0.1


def test_a_sample_is_spread_evenly() -> None:
    sample: Sample[int] = Sample(most=8)
    for number in range(1000):
        sample.add(number)
    steps = {b - a for a, b in zip(sample.items, sample.items[1:], strict=False)}
    assert len(sample.items) <= 8
    assert len(steps) == 1
    assert sample.items[0] == 0
    assert sample.items[-1] > 700


def test_durations_beyond_the_last_bin_are_counted() -> None:
    delays = Milliseconds(most_ms=100)
    for duration_s in (-1.0, 0.01, 0.02, 99.0, float("inf")):
        delays.add(duration_s)
    assert delays.total == 5
    assert delays.percentile_ms(0.5) == 20.5
    assert delays.percentile_ms(1.0) == 100.5


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        ("UNKNOWN", "UNKNOWN"),
        ('( go " <room> " )', '(go "<room>")'),
        ("( stop )", "(stop)"),
        ('( go " a', '(go "a")'),
        (") stray", ")\nstray"),
    ],
)
def test_a_form_in_one_line(tokens: str, text: str) -> None:
    assert layout_form(tokens.split()) == text


def test_a_long_form_is_laid_out_in_lines() -> None:
    tokens = (
        '( bring " <name> " ( lambda $1 e ( ( is_a $1 " <object> " ) ( at $1 " <room> " ) ) ) )'
    )
    assert layout_form(tokens.split()).splitlines() == [
        '(bring "<name>"',
        "  (lambda $1 e",
        '    ((is_a $1 "<object>") (at $1 "<room>"))))',
    ]
    assert layout_form(["("] * 5000).startswith("( (")


def test_axes() -> None:
    assert ticks(0.0, 1.0, 4) == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert ticks(3.0, 3.0) == [3.0]
    assert len(ticks(0.0, 1e-12, 4)) <= 6
    assert time_ticks(33.0) == [0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0]
    assert len(time_ticks(90 * 86_400.0)) <= 14
    assert [clock_text(value) for value in (0, 59.6, 3725)] == ["0:00", "1:00", "1:02:05"]
    assert [figure_text(v) for v in (None, 0.0, 1234567.0, 0.25, 1e-6)] == [
        "–",
        "0",
        "1,234,567",
        "0.25",
        "1.0e-06",
    ]
