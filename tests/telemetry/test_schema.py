"""The shipped schema: it knows every event, and every line that is written is valid against it."""

from __future__ import annotations

import copy
import json
import typing
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from memory.experience import Scores
from memory.rows import SCORES
from orchestrator import HealthState
from sage.clock import VirtualClock
from sage.irp import HaltReason
from sage.telemetry import Event, Health, Kept, Scored, Task, Telemetry
from sage.telemetry.jsonl import JsonlSink
from sage.telemetry.lines import _FIELDS, LINE_NAMES, SCHEMA_ID, record, schema
from tests.telemetry.examples import EVENTS

SCHEMA = schema()
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)
ENCODER = msgspec.json.Encoder()
EXTRA = {"header", "end"}


def branches() -> dict[str, dict[str, Any]]:
    names = [branch["$ref"].rpartition("/")[2] for branch in SCHEMA["oneOf"]]
    return {name: SCHEMA["$defs"][name] for name in names}


def strict(line: bytes) -> Any:
    def never(token: str) -> float:
        raise AssertionError(f"{token} is not JSON")

    return json.loads(line.decode("utf-8"), parse_constant=never)


def test_the_schema_is_one_itself() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$id"] == SCHEMA_ID


def test_every_event_type_has_a_line_a_schema_and_an_example() -> None:
    types = set(typing.get_args(Event))
    assert set(_FIELDS) == types, "an event type has no line: add it to sage/telemetry/lines.py"
    assert set(EVENTS) == types, "an event type has no example in tests/telemetry/examples.py"
    assert set(branches()) == set(LINE_NAMES) | EXTRA, "telemetry.schema.json misses an event"


def test_every_object_is_closed_and_every_field_described() -> None:
    for name, branch in {**branches(), "detection": SCHEMA["$defs"]["detection"]}.items():
        assert branch["additionalProperties"] is False, name
        assert set(branch["required"]) == set(branch["properties"]), name
        for key, field in branch["properties"].items():
            assert key == "event" or field.get("description"), f"{name}.{key} has no description"
            if key.endswith(("_s", "_atp", "_m", "_rad", "_px", "_m_s", "_rad_s")):
                told = field["description"]
                assert any(unit in told for unit in ("second", "ATP", "metre", "radian", "pixel"))


@pytest.mark.parametrize("kind", list(EVENTS), ids=lambda kind: kind.__name__)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_every_event_makes_a_valid_line(kind: type, data: st.DataObject) -> None:
    event = data.draw(EVENTS[kind])
    line = ENCODER.encode(record(event, 12.5))
    assert b"\n" not in line
    told = strict(line)
    errors = [error.message for error in VALIDATOR.iter_errors(told)]
    assert errors == []
    assert set(told) == set(branches()[told["event"]]["properties"])


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_what_no_line_may_be_is_refused(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(list(EVENTS)))
    line = strict(ENCODER.encode(record(data.draw(EVENTS[kind]), 0.0)))
    assert VALIDATOR.is_valid(line)
    worse = copy.deepcopy(line)
    worse["surprise_field"] = 1
    assert not VALIDATOR.is_valid(worse)
    for key in line:
        less = {name: value for name, value in line.items() if name != key}
        assert not VALIDATOR.is_valid(less), f"{key} may be left out"
    assert not VALIDATOR.is_valid({**line, "at_s": None})
    assert not VALIDATOR.is_valid({**line, "event": "nothing"})


CLOSED: list[tuple[Event, str, list[str]]] = [
    (Task(1.0, 0, "done", ""), "phase", ["paused", "", "Done"]),
    (Health(1.0, "ears", "active", ""), "state", ["broken", ""]),
    (Scored(1.0, "scene", 0.5, dict.fromkeys(SCORES, 0.5)), "modality", ["smell", ""]),
    (Kept(1.0, 1, "scene", 0.5, ""), "modality", ["smell", ""]),
]


@pytest.mark.parametrize(("event", "field", "others"), CLOSED)
def test_a_closed_set_of_values_is_closed(event: Event, field: str, others: list[str]) -> None:
    line = record(event, 0.0)
    assert VALIDATOR.is_valid(line)
    for other in others:
        assert not VALIDATOR.is_valid({**line, field: other})


def test_the_closed_sets_are_those_of_the_code() -> None:
    parts = SCHEMA["$defs"]
    assert parts["health"]["properties"]["state"]["enum"] == [s.value for s in HealthState]
    assert parts["finished"]["properties"]["reason"]["enum"] == [r.value for r in HaltReason]
    names = {field.name for field in fields(Scores)}
    assert set(parts["scored"]["properties"]["scores"]["required"]) == names == set(SCORES)


def test_scores_are_the_five_and_no_other() -> None:
    five = dict.fromkeys(SCORES, 0.25)
    assert VALIDATOR.is_valid(record(Scored(1.0, "scene", 0.5, five), 0.0))
    for wrong in ({**five, "joy": 0.1}, {"surprise": 0.1}, {**five, "reward": 1.5}):
        assert not VALIDATOR.is_valid(record(Scored(1.0, "scene", 0.5, wrong), 0.0))


@settings(max_examples=10, deadline=None)
@given(events=st.lists(st.one_of(*EVENTS.values()), max_size=15))
def test_a_file_from_the_bus_is_valid_line_by_line(
    tmp_path_factory: pytest.TempPathFactory, events: list[Event]
) -> None:
    path: Path = tmp_path_factory.mktemp("run") / "telemetry.jsonl"
    sink = JsonlSink(path, clock=VirtualClock(3.0), device="a \x00 bench")
    bus = Telemetry((sink,))
    for event in events:
        bus.emit(event)
    bus.close()
    sink.close(bus.lost)
    raw = path.read_bytes()
    assert raw.endswith(b"\n")
    lines = [strict(line) for line in raw.splitlines()]
    for line in lines:
        assert [error.message for error in VALIDATOR.iter_errors(line)] == []
    assert [lines[0]["event"], lines[-1]["event"]] == ["header", "end"]
    assert len(lines) == len(events) + 2 == lines[-1]["lines"]
    assert sink.lost == 0
