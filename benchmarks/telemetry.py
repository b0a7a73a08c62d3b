"""Telemetry: the fraction of a run's lines that are valid against the shipped JSON Schema.

Without a file it makes a short run of the apartment and checks what that leaves. A line is valid
where it is strict JSON (UTF-8, no NaN, no key twice), where its schema holds, and where time does
not run backwards: at_s of one kind of event of one plugin never falls behind by more than 50 ms.
The schema says oneOf by ``event``; each line is held against the part for its event, by
jsonschema's validator, which says the same and is a dozen times quicker.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from benchmarks.report import Row, parser, publish
from sage.irp.errors import ConfigError
from sage.report.folder import find_run
from sage.report.summary_file import TELEMETRY_NAME
from sage.telemetry.lines import schema

_BACK_S = 0.05
_TOLD = 10

Check = Callable[[dict[str, Any]], str]


@dataclass(slots=True)
class Checked:
    """What came of a file."""

    lines: int = 0
    valid: int = 0
    size_bytes: int = 0
    first_s: float | None = None
    last_s: float = 0.0
    back_s: float = 0.0
    ended: bool = False
    lost: int = 0
    events: Counter[str] = field(default_factory=Counter)
    event_bytes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    @property
    def fraction(self) -> float:
        """Valid lines of all lines; an empty file has none."""
        return self.valid / self.lines if self.lines else 0.0

    @property
    def duration_s(self) -> float:
        """From the first to the latest time."""
        return max(0.0, self.last_s - (self.first_s or 0.0))


def checks() -> dict[str, Check]:
    """For each event a function that says what is wrong with a line of it, or nothing."""
    whole = schema()
    Draft202012Validator.check_schema(whole)
    found: dict[str, Check] = {}
    for branch in whole["oneOf"]:
        name = branch["$ref"].rpartition("/")[2]
        part = {
            "$schema": whole["$schema"],
            "$defs": whole["$defs"],
            "$ref": f"#/$defs/{name}",
        }
        validator = Draft202012Validator(part, format_checker=Draft202012Validator.FORMAT_CHECKER)

        def check(line: dict[str, Any], validator: Draft202012Validator = validator) -> str:
            error = next(validator.iter_errors(line), None)
            return "" if error is None else f"{error.json_path}: {error.message}"

        found[name] = check
    return found


def strict(line: bytes) -> Any:
    """The value of a line of strict JSON; ValueError says what is not strict about it."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        known = dict(pairs)
        if len(known) != len(pairs):
            raise ValueError("a key stands twice")
        return known

    def never(token: str) -> float:
        raise ValueError(f"{token} is no JSON")

    return json.loads(line.decode("utf-8"), object_pairs_hook=once, parse_constant=never)


def check_file(path: Path) -> Checked:
    """Hold every line of a file against the schema."""
    by_event = checks()
    seen = Checked()
    latest_s: dict[tuple[str, str], float] = {}
    try:
        file = path.open("rb")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from None
    with file:
        for raw in file:
            seen.lines += 1
            seen.size_bytes += len(raw)
            fault = _fault(raw, seen, by_event, latest_s)
            seen.valid += not fault
            if fault and len(seen.faults) < _TOLD:
                seen.faults.append(f"{path.name}:{seen.lines}: {fault[:300]}")
    return seen


def _fault(
    raw: bytes,
    seen: Checked,
    by_event: dict[str, Check],
    latest_s: dict[tuple[str, str], float],
) -> str:
    """What is wrong with a line, or nothing."""
    if not raw.endswith(b"\n"):
        return "it does not end"
    try:
        line = strict(raw)
    except (ValueError, RecursionError) as error:
        return str(error)
    if not isinstance(line, dict) or line.get("event") not in by_event:
        return "it tells no event that the schema knows"
    name = line["event"]
    seen.events[name] += 1
    seen.event_bytes[name] += len(raw)
    if fault := by_event[name](line):
        return fault
    if (name == "header") != (seen.lines == 1):
        return "the header is the first line, and no other" if seen.lines > 1 else "no header"
    if seen.ended:
        return "there is a line after the end"
    if name == "end":
        seen.ended, seen.lost = True, line["lost"]
    at_s = line["at_s"]
    seen.first_s = at_s if seen.first_s is None else seen.first_s
    seen.last_s = max(seen.last_s, at_s)
    stream = name, str(line.get("plugin", ""))
    back_s = latest_s.get(stream, at_s) - at_s
    seen.back_s = max(seen.back_s, back_s)
    latest_s[stream] = max(latest_s.get(stream, at_s), at_s)
    return f"time runs {back_s:.3f} s backwards" if back_s > _BACK_S else ""


def make_run(folder: Path, duration_s: float) -> Path:
    """A short run of the apartment in a process of its own; the file that it leaves."""
    command = [sys.executable, "-m", "sage.run", "--headless", "--quiet", "--out", str(folder)]
    command += ["--state", str(folder / "state"), "--duration", f"{duration_s:g}"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=duration_s + 180.0, check=False
    )
    # 1: not every command was done in the time, which is no matter here.
    if done.returncode not in (0, 1):
        raise ConfigError(f"the run failed with {done.returncode}: {done.stderr.strip()[-500:]}")
    return find_run(folder) / TELEMETRY_NAME


def main(argv: Sequence[str] | None = None) -> int:
    """Check, print, write."""
    options = parser(
        "telemetry",
        __doc__.splitlines()[0],
        "  python -m benchmarks.telemetry --quick\n"
        "  python -m benchmarks.telemetry runs/latest --json telemetry.json\n"
        "  python -m benchmarks.telemetry somewhere/telemetry.jsonl",
    )
    options.add_argument(
        "run", nargs="?", type=Path, metavar="RUN", help="a run's folder, or a file of lines"
    )
    options.add_argument("--duration", type=float, default=45.0, metavar="S", help="of the run")
    args = options.parse_args(argv)
    if not 1.0 <= args.duration <= 3600.0:
        raise ConfigError(f"--duration must lie in [1, 3600] s, got {args.duration}")
    began_s = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="sage-telemetry-") as folder:
        if args.run is None:
            path = make_run(Path(folder), 15.0 if args.quick else args.duration)
        else:
            path = args.run if args.run.is_file() else find_run(args.run) / TELEMETRY_NAME
        began_check_s = time.perf_counter()
        seen = check_file(path)
    took_s = time.perf_counter() - began_check_s
    for fault in seen.faults:
        print(fault)
    counts = ", ".join(f"{count} {name}" for name, count in seen.events.most_common())
    print(f"lines: {counts or 'none'}")
    if not seen.ended:
        print("the file has no last line: the run was cut off")
    if seen.lost:
        print(f"{seen.lost} events are not in the file")
    duration_s = seen.duration_s or 1.0
    details = {
        "lines": float(seen.lines),
        "lines per second": seen.lines / duration_s,
        "kB per second": 1e-3 * seen.size_bytes / duration_s,
        "ms backwards at most": 1e3 * seen.back_s,
    }
    row = Row("telemetry.valid", seen.fraction, "higher", 1.0, 1.0, details)
    publish(
        "telemetry",
        [row],
        f"telemetry: {seen.valid} of {seen.lines} lines valid, checked in {took_s:.1f} s; "
        f"{time.perf_counter() - began_s:.0f} s in all",
        args.json,
        events=dict(seen.events),
        event_bytes=dict(seen.event_bytes),
        faults=seen.faults,
    )
    return 0


if __name__ == "__main__":
    from sage.commands.cli import run_guarded

    sys.exit(run_guarded(main))
