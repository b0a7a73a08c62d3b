"""Events as plain records: what a line of ``telemetry.jsonl`` holds, before it is JSON.

``telemetry.schema.json`` beside this file describes every line, field by field. Numbers keep six
significant digits and times microseconds; a number that is not finite becomes null; an array
becomes a note of its shape, never its contents; a long text is cut.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, SupportsFloat, SupportsIndex

from sage.irp.trajectory import StepRecord
from sage.telemetry.events import (
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

SCHEMA_ID = "urn:sage:telemetry:1"
SCHEMA_PATH = Path(__file__).with_name("telemetry.schema.json")
MAX_TEXT_CHARS = 2000
_MAX_DEPTH = 4
_MAX_ENTRIES = 200

Record = dict[str, Any]


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) that every line of a telemetry file is valid against."""
    loaded: dict[str, Any] = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))
    return loaded


def record(event: Event, latest_s: float) -> Record:
    """The line for an event; ``latest_s`` is the time of the event before it.

    A step is told without a time of its own, so that telling it costs nothing; it gets the time of
    the event before it, which is when it ended at the earliest.

    Raises:
        ValueError: its time is not a number.
        TypeError: nobody has said what a line of this type of event looks like.
    """
    kind = type(event)
    if kind not in _FIELDS:
        raise TypeError(f"there is no line for events of type {kind.__name__}")
    name, fields_of = _FIELDS[kind]
    at_s = latest_s if kind is StepRecord else float(event.at_s)  # type: ignore[union-attr]
    if not math.isfinite(at_s):
        raise ValueError(f"the time of a {kind.__name__} must be finite, got {at_s}")
    return {"event": name, "at_s": round(at_s, 6), **fields_of(event)}


def number(value: SupportsFloat | SupportsIndex | None) -> float | None:
    """Six significant digits of a number; None where there is none or it is not finite."""
    if value is None:
        return None
    plain = float(value)
    return float(f"{plain:.6g}") if math.isfinite(plain) else None


def moment(value: SupportsFloat | SupportsIndex | None) -> float | None:
    """A time in seconds to the microsecond; None where there is none or it is not finite."""
    if value is None:
        return None
    plain = float(value)
    return round(plain, 6) if math.isfinite(plain) else None


def text(value: object) -> str:
    """A text that UTF-8 can hold, cut at ``MAX_TEXT_CHARS``."""
    whole = str(value)
    if len(whole) > MAX_TEXT_CHARS:
        whole = whole[: MAX_TEXT_CHARS - 3] + "..."
    return whole if whole.isascii() else whole.encode("utf-8", "replace").decode("utf-8")


def plain(value: Any, depth: int = 0) -> Any:
    """Any value as JSON can tell it; what it cannot becomes a short text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return text(value)
    if isinstance(value, int):
        return value if abs(value) < 2**53 else number(value)
    if isinstance(value, float):
        return number(value)
    shape = getattr(value, "shape", None)
    if shape == () and hasattr(value, "item"):
        return plain(value.item(), depth)
    if shape is not None:
        return f"array {getattr(value, 'dtype', '')} {tuple(shape)}"
    if depth >= _MAX_DEPTH:
        return f"{type(value).__name__} ..."
    if isinstance(value, Mapping):
        entries = list(value.items())[:_MAX_ENTRIES]
        return {text(key): plain(entry, depth + 1) for key, entry in entries}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(entry, depth + 1) for entry in list(value)[:_MAX_ENTRIES]]
    return text(value)


def _numbers(values: Iterable[SupportsFloat | SupportsIndex]) -> list[float | None]:
    return [number(value) for value in values]


def _by_name(values: Mapping[str, float]) -> dict[str, float | None]:
    return {text(name): number(value) for name, value in values.items()}


def _step(e: StepRecord) -> Record:
    return {
        "plugin": text(e.plugin),
        "refinement": int(e.refinement),
        "step": int(e.step),
        "energy": number(e.energy),
        "cost_s": number(e.cost_s),
    }


def _admitted(e: Admitted) -> Record:
    return {
        "plugin": text(e.plugin),
        "lane": text(e.lane),
        "refinement": int(e.refinement),
        "captured_s": moment(e.captured_s),
        "granted_atp": number(e.granted_atp),
    }


def _finished(e: Finished) -> Record:
    trajectory = e.trajectory
    return {
        "plugin": text(e.plugin),
        "lane": text(e.lane),
        "refinement": int(e.refinement),
        "captured_s": moment(e.captured_s),
        "energies": _numbers(trajectory.energies),
        "costs_s": _numbers(trajectory.costs_s),
        "best_step": int(trajectory.best_step),
        "reason": trajectory.reason.value,
        "max_steps": int(trajectory.max_steps),
        "result_cost_s": number(trajectory.result_cost_s),
        "failed_step_cost_s": number(trajectory.failed_step_cost_s),
        "granted_atp": number(e.granted_atp),
        "spent_atp": number(e.spent_atp),
        "trust": number(e.trust),
    }


def _dropped(e: Dropped) -> Record:
    return {
        "plugin": text(e.plugin),
        "reason": text(e.reason),
        "captured_s": moment(e.captured_s),
    }


def _credited(e: Credited) -> Record:
    return {
        "plugin": text(e.plugin),
        "refinement": int(e.refinement),
        "value": number(e.value),
        "trust": number(e.trust),
    }


def _health(e: Health) -> Record:
    return {"plugin": text(e.plugin), "state": text(e.state), "detail": text(e.detail)}


def _cycle(e: Cycle) -> Record:
    return {
        "number": int(e.number),
        "pool_atp": number(e.pool_atp),
        "spent_atp": number(e.spent_atp),
        "trust": _by_name(e.trust),
    }


def _saw(e: Saw) -> Record:
    scene = e.scene
    return {
        "captured_s": moment(scene.captured_s),
        "detections": [
            {
                "label": text(seen.label),
                "confidence": number(seen.confidence),
                "box_px": _numbers(seen.box_px),
                "bearing_rad": number(seen.bearing_rad),
                "distance_m": number(seen.distance_m),
            }
            for seen in scene.detections
        ],
        "room": None if scene.room is None else text(scene.room),
        "room_probability": number(scene.room_probability),
    }


def _moved(e: Moved) -> Record:
    effect = e.effect
    return {
        "executed_s": moment(effect.executed_s),
        "captured_s": moment(effect.captured_s),
        "linear_m_s": number(effect.twist.linear_m_s),
        "angular_rad_s": number(effect.twist.angular_rad_s),
        "clipped": bool(effect.clipped),
        "detail": plain(dict(effect.detail)),
    }


def _heard(e: Heard) -> Record:
    return {
        "text": text(e.text),
        "confidence": number(e.confidence),
        "began_s": moment(e.began_s),
        "ended_s": moment(e.ended_s),
        "recogniser": text(e.recogniser),
    }


def _parsed(e: Parsed) -> Record:
    return {
        "command": int(e.command),
        "refinement": int(e.refinement),
        "text": text(e.text),
        "form": [text(token) for token in e.form],
        "probability": number(e.probability),
    }


def _scored(e: Scored) -> Record:
    return {
        "modality": text(e.modality),
        "salience": number(e.salience),
        "scores": _by_name(e.scores),
    }


def _kept(e: Kept) -> Record:
    return {
        "experience": int(e.experience),
        "modality": text(e.modality),
        "salience": number(e.salience),
        "summary": text(e.summary),
    }


def _task(e: Task) -> Record:
    return {"command": int(e.command), "phase": text(e.phase), "text": text(e.text)}


_FIELDS: dict[type, tuple[str, Callable[[Any], Record]]] = {
    StepRecord: ("step", _step),
    Admitted: ("admitted", _admitted),
    Finished: ("finished", _finished),
    Dropped: ("dropped", _dropped),
    Credited: ("credited", _credited),
    Health: ("health", _health),
    Cycle: ("cycle", _cycle),
    Saw: ("saw", _saw),
    Moved: ("moved", _moved),
    Heard: ("heard", _heard),
    Parsed: ("parsed", _parsed),
    Scored: ("scored", _scored),
    Kept: ("kept", _kept),
    Task: ("task", _task),
}
"""One line for each type of event: its name, and the rest of its fields."""

LINE_NAMES = tuple(name for name, _ in _FIELDS.values())
