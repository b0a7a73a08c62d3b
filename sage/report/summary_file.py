"""``summary.json``: what a run came to, typed; what the report and other programs read.

All times are seconds of the runtime's clock, all places metres and radians of the map frame. A
number that was not finite is null in the file and None here. Texts may come from anywhere.

.. code-block:: text

    {schema, title, device, sage, python, began_wall_time, began_s, ended_s, exit_code, interrupted,
     problems: [text],
     commands: [{command, text, intent|null, state, said, truth|null, why, began_s, ended_s,
                 found_at: [x_m, y_m]|null, picture|null, steps: [text],
                 as_expected|null}],
     plugins: {name: {refinements, steps, saved_steps, spent_atp, returned_atp, cost_s, trust,
                      credited, late, mean_value|null, value_per_1000_atp|null, agreement|null,
                      reasons: {reason: count}, drops: {reason: count}}},
     map: null | {bounds: [x_min, y_min, x_max, y_max], rooms: [{name, rect}], walls: [rect],
                  doors: [[x, y, width_m]], furniture: [{name, rect}]},
     start: [x_m, y_m, yaw_rad]|null, path: [[at_s, x_m, y_m, yaw_rad]],
     sightings: [{label, x_m, y_m, probability, hits}],
     pictures: [{file, caption}], telemetry|null, untold, memory|null, kept}
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from sage.irp.errors import ConfigError, DeviceError

SUMMARY_NAME = "summary.json"
TELEMETRY_NAME = "telemetry.jsonl"
REPORT_NAME = "report.html"
SUMMARY_SCHEMA = "urn:sage:summary:1"

Number = float | None
Rect = tuple[float, float, float, float]
"""(x_min, y_min, x_max, y_max) in metres."""


class CommandRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A command and what came of it.

    Attributes:
        command: its number, as in the telemetry.
        text: as it was said or typed.
        intent: what was understood, in words; None where it was declined.
        state: ``done``, ``failed`` or ``declined``, by the robot's own account.
        said: the robot's own words.
        truth: whether ground truth says that what was asked is done; None where there is none.
        why: what ground truth says, in words.
        found_at: the place that the robot names.
        picture: file name in the run's folder of what the robot saw at the end.
        steps: the parts of a compound command, in words.
        as_expected: whether it ended as it should have, where somebody knows (a command that must
            be declined was declined); None counts what is done, and not denied by truth, as right.
    """

    command: int
    text: str
    intent: str | None = None
    state: str = "failed"
    said: str = ""
    truth: bool | None = None
    why: str = ""
    began_s: Number = None
    ended_s: Number = None
    found_at: tuple[Number, Number] | None = None
    picture: str | None = None
    steps: list[str] = []
    as_expected: bool | None = None

    @property
    def right(self) -> bool:
        """As it should have been, as far as anyone can tell."""
        if self.as_expected is not None:
            return self.as_expected
        return self.state == "done" and self.truth is not False


class PluginRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What one plugin did; ATP as in the telemetry, ``cost_s`` in seconds of lane time.

    Attributes:
        credited: how many of its refinements were judged by what came of them.
        late: judgements that came too late to count.
        mean_value: what those were worth, in [0, 1]; None where nobody judged it.
        value_per_1000_atp: the sum of their values over all that it spent.
        agreement: how well low energy went with high value, in [0, 1].
        drops: observations never refined, by reason; ``shed`` where there was no ATP for them.
    """

    refinements: int = 0
    steps: int = 0
    saved_steps: int = 0
    spent_atp: Number = 0.0
    returned_atp: Number = 0.0
    cost_s: Number = 0.0
    trust: Number = 0.0
    credited: int = 0
    late: int = 0
    mean_value: Number = None
    value_per_1000_atp: Number = None
    agreement: Number = None
    reasons: dict[str, int] = {}
    drops: dict[str, int] = {}


class AreaRecord(msgspec.Struct, frozen=True):
    """A named rectangle of the map: a room, a piece of furniture."""

    name: str
    rect: Rect


class MapRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The static map; a door is (x, y, width_m) of an opening in a wall."""

    bounds: Rect
    rooms: list[AreaRecord] = []
    walls: list[Rect] = []
    doors: list[tuple[float, float, float]] = []
    furniture: list[AreaRecord] = []


class SightingRecord(msgspec.Struct, frozen=True):
    """Where a thing is believed to be."""

    label: str
    x_m: Number
    y_m: Number
    probability: Number = None
    hits: int = 0


class PictureRecord(msgspec.Struct, frozen=True):
    """A picture of the run: a file in its folder, and what it shows."""

    file: str
    caption: str = ""


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a run, whole.

    Attributes:
        title: what was run, such as ``sim:apartment?seed=7``.
        began_wall_time: ISO 8601.
        exit_code: of the process.
        problems: what went wrong, one line each.
        path: (at_s, x_m, y_m, yaw_rad), oldest first.
        telemetry: file name in the run's folder; None where there is none.
        untold: events that are missing from the telemetry.
        memory: where the store is.
        kept: how many experiences this run added to it.
    """

    schema: str = SUMMARY_SCHEMA
    title: str = ""
    device: str = ""
    sage: str = ""
    python: str = ""
    began_wall_time: str = ""
    began_s: Number = None
    ended_s: Number = None
    exit_code: int | None = None
    interrupted: bool = False
    problems: list[str] = []
    commands: list[CommandRecord] = []
    plugins: dict[str, PluginRecord] = {}
    map: MapRecord | None = None
    start: tuple[Number, Number, Number] | None = None
    path: list[tuple[Number, Number, Number, Number]] = []
    sightings: list[SightingRecord] = []
    pictures: list[PictureRecord] = []
    telemetry: str | None = TELEMETRY_NAME
    untold: int = 0
    memory: str | None = None
    kept: int = 0


def write_summary(folder: Path, summary: RunSummary) -> Path:
    """Write ``summary.json``, whole or not at all.

    Raises:
        DeviceError: it cannot be written; the text names the path and why.
        ConfigError: it holds what the file cannot, such as a map that is not finite.
    """
    path = Path(folder) / SUMMARY_NAME
    try:
        body = msgspec.json.encode(summary)  # a number that is not finite becomes null
        msgspec.json.decode(body, type=RunSummary)
    except (msgspec.MsgspecError, TypeError, ValueError) as error:
        raise ConfigError(f"the summary cannot be told as JSON: {error}") from None
    write_whole(path, msgspec.json.format(body, indent=1) + b"\n")
    return path


def read_summary(folder: Path) -> RunSummary:
    """Read ``summary.json``.

    Raises:
        ConfigError: it is missing, or is no summary of ours; the text says which.
    """
    path = Path(folder) / SUMMARY_NAME
    try:
        body = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from None
    try:
        summary = msgspec.json.decode(body, type=RunSummary)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is no summary of a run: {error}") from None
    if summary.schema != SUMMARY_SCHEMA:
        raise ConfigError(
            f"{path} follows the schema {summary.schema!r}; this SAGE reads {SUMMARY_SCHEMA!r}"
        )
    return summary


def write_whole(path: Path, body: bytes) -> None:
    """Replace a file by ``body``, or leave it as it was; DeviceError names path and reason."""
    partial = path.with_name(path.name + ".part")
    try:
        partial.write_bytes(body)
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise DeviceError(f"cannot write {path}: {error.strerror or error}") from None
