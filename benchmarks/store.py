"""What the memory store loses when its process is killed, and what keeping costs.

A child keeps experiences of random sizes as fast as it can and tells every acknowledged number,
with a digest of what it kept, over a pipe. It is killed with SIGKILL at a random time; the store
is opened again, and everything that was acknowledged must be there verbatim. As a control, a
child tells what it handed over before that was committed: this must lose something, or the test
could not tell.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import select
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from memory.experience import Experience, Scores
from memory.reader import StoreReader
from memory.schema import MemoryStoreError, Synchronous
from memory.store import ExperienceStore
from sage.irp.errors import ConfigError, SageError

ROOT = Path(__file__).resolve().parents[1]
LONGEST_S = 0.4  # a child lives this long at most
LARGEST_STORE_BYTES = 48 * 2**20  # then the next kills have a new one
NURSERY = "from benchmarks.store import nursery; nursery()"


def experience(number: int, rng: random.Random) -> Experience:
    """A random experience: embedding, payload and picture of any size up to 100 KB."""
    embedding = np.frombuffer(rng.randbytes(4 * 64), dtype=np.uint32).astype(np.float32)
    embedding /= np.linalg.norm(embedding)
    words = "w" * int(2.0 ** rng.uniform(0, 12))
    has_picture = rng.random() < 0.3
    png = b"\x89PNG\r\n\x1a\n" + rng.randbytes(int(2.0 ** rng.uniform(4, 16.6)))
    return Experience(
        at_s=rng.uniform(0.0, 1e6),
        wall_time="2025-01-31T12:00:00.123456+00:00",
        modality=rng.choice(("scene", "speech", "motion", "outcome")),
        summary=f"experience {number}",
        scores=Scores(*(rng.random() for _ in range(5))),
        salience=rng.random(),
        why={"novelty": "Nothing like it was kept before."},
        embedding=embedding,
        payload={"number": number, "words": words, "box": [rng.random(), None, True]},
        picture=png if has_picture else None,
    )


def digest(kept: Experience) -> str:
    """A digest of everything in an experience, made without the store's own encoding."""
    plain = [kept.at_s, kept.wall_time, kept.modality, kept.summary, kept.scores.as_dict()]
    text = json.dumps([*plain, kept.salience, dict(kept.why), dict(kept.payload)])
    sha = hashlib.sha256(text.encode())
    sha.update(kept.embedding.tobytes())
    sha.update(kept.picture or b"none")
    return sha.hexdigest()


def nursery() -> None:
    """Bear a child for every line of the standard input: forked, so that it need not import."""
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            try:
                child(**json.loads(line))
            finally:
                os._exit(1)
        os.waitpid(pid, 0)
        os.write(1, b"ended\n")


def child(path: str, seed: int, tell: str, synchronous: Synchronous) -> None:
    """Keep until killed; ``tell`` is ``committed``, or ``handed-over`` for the control."""
    rng, number = random.Random(seed), 0
    _say(f"ready {os.getpid()}")
    with ExperienceStore(path, synchronous=synchronous) as store:
        while True:
            kept = experience(number, rng)
            number += 1
            told = digest(kept)
            if tell == "committed":
                store.keep(kept, on_acknowledged=partial(_tell, told))
            else:
                store.keep(kept)
                _tell(told, 0)
            while store.waiting > 1000:
                time.sleep(0.001)


def _tell(told: str, number: int) -> None:
    _say(f"{number} {told}")


def _say(line: str) -> None:
    try:
        os.write(1, f"{line}\n".encode())  # shorter than a pipe takes at once: never torn
    except OSError:  # nobody listens any more
        os._exit(1)


Told = list[tuple[int, str]]  # (number in the store, digest)


@dataclass(slots=True)
class Kills:
    """What came of a series of kills."""

    kills: int = 0
    told: int = 0
    lost: int = 0
    broken: int = 0


def kill_series(
    kills: int,
    folder: Path,
    *,
    tell: str = "committed",
    seed: int = 0,
    synchronous: Synchronous = "NORMAL",
    progress: Callable[[], object] = lambda: None,
) -> Kills:
    """Kill children that keep to one store after another, and count what is lost."""
    rng, series = random.Random(seed), Kills()
    path, told_here, lost_here = folder / f"{tell}-0.db", Told(), 0
    with subprocess.Popen(
        [sys.executable, "-c", NURSERY],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    ) as process:
        for number in range(1, kills + 1):
            asked = {"path": str(path), "tell": tell, "synchronous": synchronous}
            told = _one_kill(process, {**asked, "seed": rng.getrandbits(31)}, rng)
            told_here += told
            lost_here += lost(path, told)
            series.kills += 1
            series.broken += not whole(path)
            full = path.exists() and path.stat().st_size > LARGEST_STORE_BYTES
            if full or number == kills:
                # Before a store is left, all that was ever told of it is looked for again.
                series.lost += max(lost_here, lost(path, told_here))
                series.told += len(told_here)
                path, told_here, lost_here = folder / f"{tell}-{number}.db", Told(), 0
            progress()
        assert process.stdin is not None
        process.stdin.close()
    return series


def whole(path: Path) -> bool:
    """Whether SQLite finds nothing wrong in a store; one that was never begun is whole."""
    if not path.exists():
        return True
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return bool(connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok")


def lost(path: Path, told: Told) -> int:
    """How many of those that were told are not in the store verbatim."""
    if not told or not path.exists():
        return len(told)
    with StoreReader(path) as store:
        if told[0][0] == 0:  # handed over: it has no number yet
            held = {digest(store.get(record.id)) for record in store.list()}
            return sum(text not in held for _, text in told)
        return sum(not _holds(store, number, text) for number, text in told)


def _holds(store: StoreReader, number: int, text: str) -> bool:
    try:
        return digest(store.get(number)) == text
    except MemoryStoreError:
        return False


def _one_kill(
    process: subprocess.Popen[bytes], asked: dict[str, object], rng: random.Random
) -> Told:
    """Have a child born and kill it at a random time; all that it told."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(asked).encode() + b"\n")
    process.stdin.flush()
    pipe, data = process.stdout.fileno(), b""

    def listen() -> bytes:
        more = os.read(pipe, 65536)
        if not more or data.endswith(b"ended\n"):
            raise SageError("a child that was to be killed ended by itself; its error is above")
        return data + more

    while b"\n" not in data:
        data = listen()
    pid = int(data.split()[1])
    kill_at_s = time.perf_counter() + rng.uniform(0.0, LONGEST_S)
    while (left_s := kill_at_s - time.perf_counter()) > 0.0:
        if select.select([pipe], [], [], left_s)[0]:
            data = listen()
    os.kill(pid, signal.SIGKILL)
    while not data.endswith(b"ended\n"):
        data = listen()
    lines = data.decode().splitlines()[1:-1]
    return [(int(number), text) for number, text in (line.split() for line in lines)]


@dataclass(slots=True)
class Costs:
    """What keeping costs: on the caller, until acknowledged, and at full speed."""

    keep_us: list[float] = field(default_factory=list)
    keep_frame_us: list[float] = field(default_factory=list)
    keep_warm_us: list[float] = field(default_factory=list)
    acknowledged_ms: list[float] = field(default_factory=list)


def paced(folder: Path, seconds: float) -> Costs:
    """Keep a thing every 5 ms, one in ten with a camera frame, as a busy robot would."""
    rng, costs = random.Random(1), Costs()
    frame = np.random.default_rng(1).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    things = [experience(number, rng) for number in range(200)]
    with ExperienceStore(folder / "paced.db") as store:
        store.keep(things[0], rgb=frame).wait()  # loads what makes pictures
        end_s, number = time.perf_counter() + seconds, 0
        while (began_s := time.perf_counter()) < end_s:

            def acknowledged(_: int, began_s: float = began_s) -> None:
                costs.acknowledged_ms.append((time.perf_counter() - began_s) * 1e3)

            with_frame = number % 10 == 0
            thing = things[number % len(things)]
            began_s = time.perf_counter()
            store.keep(thing, rgb=frame if with_frame else None, on_acknowledged=acknowledged)
            took_us = (time.perf_counter() - began_s) * 1e6
            (costs.keep_frame_us if with_frame else costs.keep_us).append(took_us)
            number += 1
            time.sleep(0.005)
        store.flush()
        for thing in things:  # back to back: what it costs without a processor gone cold
            began_s = time.perf_counter()
            store.keep(thing)
            costs.keep_warm_us.append((time.perf_counter() - began_s) * 1e6)
    return costs


def per_second(folder: Path, name: str, count: int, synchronous: Synchronous = "NORMAL") -> float:
    """Experiences without pictures committed per second, handed over at once."""
    things = [
        replace(experience(number, random.Random(number)), picture=None) for number in range(256)
    ]
    with ExperienceStore(
        folder / f"{name}.db", synchronous=synchronous, capacity=count, capacity_bytes=2**30
    ) as store:
        began_s = time.perf_counter()
        for number in range(count):
            store.keep(things[number % len(things)])
        if not store.flush(120.0):
            raise MemoryStoreError(f"{count} experiences were not stored in 120 s: {store.fault}")
        return count / (time.perf_counter() - began_s)


def one_by_one_per_second(folder: Path, count: int) -> float:
    """The baseline: a commit for every experience, waited for."""
    things = [replace(experience(n, random.Random(n)), picture=None) for n in range(64)]
    with ExperienceStore(folder / "single.db", group_commit_s=0.0) as store:
        began_s = time.perf_counter()
        for number in range(count):
            store.keep(things[number % len(things)]).wait()
        return count / (time.perf_counter() - began_s)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    from benchmarks.report import Row, parser, percentile, publish  # a child starts without rich

    options = parser(
        "store",
        __doc__.splitlines()[0],
        "  python -m benchmarks.store --quick\n"
        "  python -m benchmarks.store --kills 200 --synchronous FULL",
    )
    options.add_argument("--kills", type=int, default=50, help="kills (default 50)")
    options.add_argument("--seed", type=int, default=0, help="of sizes and times (default 0)")
    options.add_argument(
        "--synchronous", choices=("NORMAL", "FULL"), default="NORMAL", help="of the killed stores"
    )
    args = options.parse_args(argv)
    if args.kills < 1:
        raise ConfigError(f"--kills must be at least 1, got {args.kills}")
    from rich.progress import Progress

    controls = 3 if args.quick else 10
    with tempfile.TemporaryDirectory(prefix="sage-store-") as name, Progress() as bar:
        folder = Path(name)
        task = bar.add_task("kills", total=args.kills + controls)

        def advance() -> None:
            bar.advance(task)

        series = kill_series(
            args.kills,
            folder,
            seed=args.seed,
            synchronous=args.synchronous,
            progress=advance,
        )
        control = kill_series(
            controls, folder, tell="handed-over", seed=args.seed, progress=advance
        )
        costs = paced(folder, 2.0 if args.quick else 10.0)
        count = 10_000 if args.quick else 50_000
        rate = per_second(folder, "grouped", count)
        full_rate = per_second(folder, "grouped-full", count, "FULL")
        single_rate = one_by_one_per_second(folder, count // 50)
    rows = [
        Row(
            "store.lost_after_kill9",
            float(series.lost + series.broken),
            "lower",
            0,
            0,
            {
                "acknowledged": float(series.told),
                "kills": float(series.kills),
                "told before the commit": float(control.lost),
            },
        ),
        Row(
            "store.keep_us",
            percentile(costs.keep_us, 0.5),
            "lower",
            50,
            20,
            {
                "p95": percentile(costs.keep_us, 0.95),
                "with a frame": percentile(costs.keep_frame_us, 0.5),
                "back to back": percentile(costs.keep_warm_us, 0.5),
            },
        ),
        Row(
            "store.acknowledged_p95_ms",
            percentile(costs.acknowledged_ms, 0.95),
            "lower",
            250,
            120,
            {"p50": percentile(costs.acknowledged_ms, 0.5)},
        ),
        Row(
            "store.writes_per_s",
            rate,
            "higher",
            5000,
            30000,
            {"synchronous FULL": full_rate, "a commit each": single_rate},
        ),
    ]
    publish(
        "store",
        rows,
        f"store: {series.lost} of {series.told} acknowledged lost in {series.kills} kills, "
        f"{series.broken} stores broken; told before the commit, {control.lost} of {control.told} "
        f"were lost in {control.kills}",
        args.json,
        quick=args.quick,
        kills=series.kills,
        seed=args.seed,
        synchronous=args.synchronous,
    )
    return 0


if __name__ == "__main__":
    from sage.commands.cli import run_guarded

    sys.exit(run_guarded(main))
