"""How long the README's two commands take: in a fresh clone and environment, and again.

What is committed is cloned into an empty folder; nothing of this checkout's environment is used.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.report import Row, parser, publish
from sage.irp.errors import SageError

ROOT = Path(__file__).resolve().parents[1]


def timed(command: Sequence[str], where: Path, allowed: tuple[int, ...] = (0,)) -> float:
    """Minutes that a command takes; SageError with the end of its output where it fails."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")
    }
    with Console(stderr=True).status(" ".join(command)):
        began_s = time.perf_counter()
        done = subprocess.run(
            command,
            cwd=where,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        took_s = time.perf_counter() - began_s
    if done.returncode not in allowed:
        tail = " | ".join(done.stdout.strip().splitlines()[-6:])
        raise SageError(f"{' '.join(command)} ended with {done.returncode}: {tail}")
    return took_s / 60.0


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    options = parser(
        "house",
        __doc__.splitlines()[0],
        "  python -m benchmarks.house --json house.json\n"
        "  python -m benchmarks.house --quick   a 5 s run; a few tests, in this checkout",
    )
    args = options.parse_args(argv)
    run_args = "ARGS=--headless --duration 5" if args.quick else "ARGS=--headless"
    with tempfile.TemporaryDirectory(prefix="sage-house-") as folder:
        clone = Path(folder) / "main"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
        data = ROOT.parent / "shared"
        if data.exists():  # tests on real data look for it beside the checkout
            (Path(folder) / "shared").symlink_to(data)
        # 1: the tour ran, and ground truth did not agree with every command.
        fresh = timed(["make", "run", run_args], clone, (0, 1))
        again = timed(["make", "run", run_args], clone, (0, 1))
        baselines = {}
        if args.quick:  # installing torch alone takes longer: the tests run here
            test = timed(["make", "test", "ARGS=tests/telemetry"], ROOT)
        else:
            baselines["first time"] = timed(["make", "test"], clone)
            test = timed(["make", "test"], clone)
    rows = [
        Row("run.fresh_minutes", fresh, "lower", 8, 4),
        Row("run.again_minutes", again, "lower", 3, 2),
        Row("test.minutes", test, "lower", 6, 3, baselines),
    ]
    publish(
        "house",
        rows,
        f"house: make run {fresh:.2f} min fresh, {again:.2f} min again; make test {test:.2f} min",
        args.json,
        quick=args.quick,
    )
    return 0


if __name__ == "__main__":
    from sage.commands.cli import run_guarded

    sys.exit(run_guarded(main))
