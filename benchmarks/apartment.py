"""Commands in apartments never trained on: how many are really done, by ground truth.

Lock-step: virtual time advances by the lane time that each step was measured to take. Each seed is
one apartment and one run of commands, drawn from what is there. "No vision" leaves vision out,
"random weights" runs the same networks untrained; both are given the find and furniture commands.

With ``--spoken`` the commands are recordings, played into the microphone beside a faint noise:
voice activity, end-pointing, recogniser and language come before the wheels, and what was done is
held against what was said, not against what was heard. The apartments are unseen; the recordings
are not: they are the shipped ones of espeak-ng, and the recogniser's grammar was developed with
these sentences in view, so that other voices do worse (models/hearing/CARD.md has figures).
``--voices`` takes those of another folder. Decoding takes no virtual time here;
``benchmarks.hearing`` measures it in real time.

With ``--budget 0.5`` each apartment is run twice, with all of the lanes' time and with half of it.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from rich.console import Console
from rich.progress import track

from benchmarks.report import Row, parser, publish, real, whole
from benchmarks.trial import REFUSED, SPOKEN, Sight, Speech, Tried, run_seed
from sage.irp.errors import ConfigError
from sage.worlds.apartment.voices import FOLDER, INDEX

_Work = tuple[int, Sight, int, float, Speech | None, float]
#: Kinds of a quick run that are soon over.
_QUICK_SPOKEN = ("go", "find", "elsewhere", "stop")


def run_all(jobs: int, work: Sequence[_Work]) -> list[Tried]:
    """Every apartment, ``jobs`` at a time, with a progress bar; in the order of ``work``."""
    console = Console(stderr=True)
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        futures = [pool.submit(run_seed, *item) for item in work]
        for future in track(as_completed(futures), "runs", len(futures), console=console):
            future.result()  # a run that cannot start ends the benchmark at once
    return [tried for future in futures for tried in future.result()]


def fraction(tried: Sequence[Tried], keep: Callable[[Tried], bool] = lambda t: True) -> float:
    """The fraction of the kept commands that were done."""
    kept = [item for item in tried if keep(item)]
    return sum(item.done for item in kept) / len(kept) if kept else 0.0


def seeds_of(text: str) -> range:
    """``A:B`` as the range from A to B - 1."""
    try:
        first, _, last = text.partition(":")
        seeds = range(int(first), int(last) if last else int(first) + 1)
    except ValueError:
        raise ConfigError(f"--seeds {text!r}: A:B is expected, two whole numbers") from None
    if not seeds or seeds.start < 0:
        raise ConfigError(f"--seeds {text!r}: A:B needs 0 <= A < B")
    return seeds


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    options = parser(
        "apartment",
        __doc__.splitlines()[0],
        "  python -m benchmarks.apartment --quick\n"
        "  python -m benchmarks.apartment --seeds 0:25 --json apartment.json\n"
        "  python -m benchmarks.apartment --seeds 40:41 --controls 0 --verbose\n"
        "  python -m benchmarks.apartment --spoken --seeds 0:6\n"
        "  python -m benchmarks.apartment --spoken --voices ~/recorded\n"
        "  python -m benchmarks.apartment --seeds 0:6 --budget 0.5",
    )
    options.add_argument("--seeds", default="0:12", metavar="A:B", help="apartments (default 0:12)")
    options.add_argument("--spoken", action="store_true", help="played into the microphone")
    options.add_argument(
        "--voices",
        type=Path,
        metavar="DIR",
        help="with --spoken: a folder with recordings and their voices.tsv (default: the shipped)",
    )
    options.add_argument(
        "--commands", type=int, help="per apartment, 1 to 8 (default 8); spoken 1 to 11 (11)"
    )
    options.add_argument(
        "--controls",
        type=whole("--controls", 0, 1_000_000),
        default=4,
        help="apartments for each control (default 4)",
    )
    options.add_argument(
        "--limit",
        type=real("--limit", 1, 3600),
        default=180.0,
        help="virtual seconds a command (default 180)",
    )
    options.add_argument(
        "--budget",
        type=real("--budget", 0.001, 0.999),
        metavar="FRACTION",
        help="also with this fraction of the ATP (0.001 to 0.999) beside all; no controls then",
    )
    options.add_argument(
        "--jobs",
        type=whole("--jobs", 1, 1024),
        default=os.cpu_count() or 1,
        help="runs at a time",
    )
    options.add_argument("--verbose", action="store_true", help="every command, not only failures")
    args = options.parse_args(argv)
    most = len(SPOKEN) if args.spoken else 8
    seeds, count = seeds_of(args.seeds), most if args.commands is None else args.commands
    if not 1 <= count <= most:
        raise ConfigError(f"--commands must lie in 1 to {most}, got {count}")
    speech = None
    if args.spoken:
        voices = FOLDER if args.voices is None else args.voices.expanduser().resolve()
        if not (voices / INDEX).is_file():
            raise ConfigError(f"--voices {str(args.voices)!r} has no {INDEX}; see {FOLDER / INDEX}")
        speech = Speech(_QUICK_SPOKEN if args.quick else SPOKEN[:count], voices)
    elif args.voices is not None:
        raise ConfigError("--voices are for --spoken commands; add --spoken")
    if args.budget is not None and args.spoken:
        raise ConfigError("--budget is for typed commands; leave out --spoken")
    controls = 0 if args.spoken or args.budget is not None else args.controls
    if args.quick:
        seeds, count, controls = seeds[:1], 3, min(1, controls)
        args.limit = min(args.limit, 27.0)
    began_s = time.perf_counter()

    def work(sight: Sight, some: range, budget: float = 1.0) -> list[_Work]:
        return [(seed, sight, count, args.limit, speech, budget) for seed in some]

    if args.budget is not None:
        both = [
            w
            for s in seeds
            for b in (1.0, args.budget)
            for w in work("trained", range(s, s + 1), b)
        ]
        tried = run_all(args.jobs, both)
        _tell(tried, args.verbose)
        _publish_budget(tried, args.budget, len(seeds), time.perf_counter() - began_s, args.json)
        return 0
    few = seeds[:controls]
    tried = run_all(args.jobs, work("trained", seeds) + work("none", few) + work("random", few))
    trained, blind, untrained = (
        [item for item in tried if item.sight == sight] for sight in ("trained", "none", "random")
    )
    _tell(trained, args.verbose)
    if args.spoken:
        _publish_spoken(trained, len(seeds), time.perf_counter() - began_s, args.json)
        return 0

    def needs_sight(item: Tried) -> bool:
        return item.kind in ("approach", "find") and item.seed in seeds[:controls]

    sighted = fraction(trained, needs_sight)
    completed = fraction(trained)
    collisions = sum(item.collisions for item in trained) / max(1, len(trained))
    rows = [
        Row("apartment.completed", completed, "higher", 0.85, 0.97, _by_kind(trained)),
        Row(
            "apartment.margin_no_vision",
            sighted - fraction(blind) if blind else None,
            "higher",
            0.2,
            0.4,
            {"completed without": fraction(blind), "completed with": sighted},
        ),
        Row(
            "apartment.margin_random_weights",
            sighted - fraction(untrained) if untrained else None,
            "higher",
            0.2,
            0.4,
            {"completed with random weights": fraction(untrained), "completed with": sighted},
        ),
        Row("apartment.collisions_per_command", collisions, "lower", 0.05, 0.0),
    ]
    publish(
        "apartment",
        rows,
        f"apartment: {completed:.3f} of {len(trained)} commands done in {len(seeds)} apartments, "
        f"{collisions:.3f} collisions each, {time.perf_counter() - began_s:.0f} s of wall time",
        args.json,
        commands=_told(trained),
    )
    return 0


def _publish_budget(
    tried: Sequence[Tried], budget: float, apartments: int, took_s: float, json_path: Path | None
) -> None:
    """What is still done with a fraction of the ATP, as a fraction of what is done with all."""
    full, part = (fraction(tried, lambda t, b=b: t.budget == b) for b in (1.0, budget))  # type: ignore[misc]
    ratio = part / full if full > 0.0 else None
    told = (
        "nothing is done with all of the ATP, so that no part of it can be compared"
        if ratio is None
        else f"with {budget:g} of the ATP {ratio:.3f} of the commands that are done with all of it"
    )
    publish(
        "apartment",
        [
            Row(
                "budget.apartment_half",
                ratio if budget == 0.5 else None,
                "higher",
                0.9,
                0.99,
                {"done with all": full, f"done with {budget:g}": part},
            )
        ],
        f"apartment: {told} ({part:.3f} of {full:.3f}) in {apartments} apartments, "
        f"{took_s:.0f} s of wall time",
        json_path,
        commands=_told(tried),
    )


def _publish_spoken(
    tried: Sequence[Tried], apartments: int, took_s: float, json_path: Path | None
) -> None:
    """The rows of spoken commands: those that can be done, and those that must be declined."""
    wanted = [item for item in tried if item.kind not in REFUSED]
    refused = [item for item in tried if item.kind in REFUSED]
    completed = fraction(wanted)
    collisions = sum(item.collisions for item in tried) / max(1, len(tried))
    publish(
        "apartment",
        [
            Row("apartment.spoken_completed", completed, "higher", 0.8, 0.95, _by_kind(wanted)),
            Row(
                "apartment.spoken_declined",
                fraction(refused) if refused else None,
                "higher",
                0.8,
                0.95,
                _by_kind(refused),
            ),
            Row("apartment.collisions_per_command", collisions, "lower", 0.05, 0.0),
        ],
        f"apartment, spoken: {completed:.3f} of {len(wanted)} commands done in {apartments} "
        f"apartments, {fraction(refused):.3f} of {len(refused)} others rightly declined, "
        f"{took_s:.0f} s of wall time",
        json_path,
        commands=_told(tried),
    )


def _by_kind(tried: Sequence[Tried]) -> dict[str, float]:
    kinds = sorted({item.kind for item in tried})
    return {kind: fraction([item for item in tried if item.kind == kind]) for kind in kinds}


def _told(tried: Sequence[Tried]) -> list[dict[str, object]]:
    return [
        {
            "seed": t.seed,
            "kind": t.kind,
            "text": t.text,
            "done": t.done,
            "why": t.why,
            "budget": t.budget,
        }
        for t in tried
    ]


def _tell(tried: Sequence[Tried], verbose: bool) -> None:
    """Failures, and how; everything where asked."""
    for item in tried:
        if verbose or not item.done or item.collisions:
            state = "done" if item.done else "wrong" if item.claimed else "failed"
            part = "" if item.budget == 1.0 else f" with {item.budget:g} of the ATP"
            print(
                f"seed {item.seed:4d}{part} {state:6s} {item.took_s:6.1f} s  "
                f"{item.text!r}: {item.why}"
                + (f" ({item.collisions} collisions)" if item.collisions else "")
            )
    failed = Counter(item.kind for item in tried if not item.done)
    if failed:
        print("failures by kind: " + ", ".join(f"{n} {kind}" for kind, n in failed.items()))


if __name__ == "__main__":
    from sage.commands.cli import run_guarded

    sys.exit(run_guarded(main))
