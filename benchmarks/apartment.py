"""Commands in apartments never trained on: how many are really done, by ground truth.

Lock-step: virtual time advances by the lane time that each step was measured to take. Each seed is
one apartment and one run of commands, drawn from what is there. "No vision" leaves vision out,
"random weights" runs the same networks untrained; both are given the find and furniture commands.

With ``--spoken`` it is a script of 20 kinds of command (``benchmarks.spoken``), played into the
microphone beside a faint noise: voice activity, end-pointing, recogniser and language come before
the wheels. The robot's questions are answered and its errand is corrected by voice; what it asks to
hear again is said once more ("said once only" counts that as not done). What was done is held
against what was said, not against what was heard. ``--typed`` is the same script without the ears.
Beside it stand a deaf robot, which never moves and claims everything, and one that does no more
than drive to the first place that is named. The apartments are unseen; the recordings are not: they
are the shipped ones of espeak-ng, and other voices do worse (models/hearing/CARD.md has figures).
``--voices`` takes those of another folder. Decoding takes no virtual time here;
``benchmarks.hearing`` measures it in real time.

With ``--budget 0.5`` each apartment is run twice, with all of the lanes' time and with half of it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from rich.console import Console
from rich.progress import track

from benchmarks.apartment_rows import by_kind, each, fraction, publish_script
from benchmarks.report import Row, parser, publish, real, whole
from benchmarks.spoken import KINDS, QUICK, REFUSED
from benchmarks.trial import Sight, Speech, Tried, run_seed
from models.hearing import check_recogniser
from sage.irp.errors import ConfigError
from sage.worlds.apartment.voices import FOLDER, INDEX

_Work = tuple[int, Sight, int, float, Speech | None, float]


def run_all(jobs: int, work: Sequence[_Work]) -> list[Tried]:
    """Every apartment, ``jobs`` at a time, with a progress bar; in the order of ``work``."""
    console = Console(stderr=True)
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        futures = [pool.submit(run_seed, *item) for item in work]
        for future in track(as_completed(futures), "runs", len(futures), console=console):
            future.result()  # a run that cannot start ends the benchmark at once
    return [tried for future in futures for tried in future.result()]


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
        "  python -m benchmarks.apartment --typed --seeds 0:6 --kinds bring,put,follow\n"
        "  python -m benchmarks.apartment --spoken --voices ~/recorded\n"
        "  python -m benchmarks.apartment --seeds 0:6 --budget 0.5",
    )
    options.add_argument("--seeds", default="0:12", metavar="A:B", help="apartments (default 0:12)")
    script = options.add_mutually_exclusive_group()
    script.add_argument(
        "--spoken", action="store_true", help="20 kinds of command, played into the microphone"
    )
    script.add_argument("--typed", action="store_true", help="the same 20 kinds without the ears")
    options.add_argument(
        "--kinds", metavar="A,B", help=f"of the 20 only these: {', '.join((*KINDS, *REFUSED))}"
    )
    options.add_argument(
        "--recogniser", metavar="NAME", help="with --spoken: by name (default: the runtime's)"
    )
    options.add_argument(
        "--voices",
        type=Path,
        metavar="DIR",
        help="with --spoken: a folder with recordings and their voices.tsv (default: the shipped)",
    )
    options.add_argument(
        "--commands",
        type=whole("--commands", 1, 8),
        help="per apartment, without --spoken and --typed: 1 to 8 (default 8)",
    )
    options.add_argument(
        "--controls",
        type=whole("--controls", 0, 1_000_000),
        help="apartments for each control (default 4; spoken and typed 1)",
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
    seeds, count = seeds_of(args.seeds), args.commands or 8
    speech = _speech(args)
    if args.budget is not None and speech is not None:
        raise ConfigError("--budget is for typed commands; leave out --spoken and --typed")
    wanted = args.controls
    if wanted is None:
        wanted = 4 if speech is None else 1
    controls = 0 if args.budget is not None else wanted
    if args.quick:
        seeds, count, controls = seeds[:1], 3, 0 if speech is not None else min(1, controls)
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
    if speech is not None:
        tried = run_all(args.jobs, work("trained", seeds) + work("go only", few))
        _tell([item for item in tried if item.sight == "trained"], args.verbose)
        took_s = time.perf_counter() - began_s
        publish_script(tried, "spoken" if args.spoken else "typed", len(seeds), took_s, args.json)
        return 0
    tried = run_all(args.jobs, work("trained", seeds) + work("none", few) + work("random", few))
    trained, blind, untrained = (
        [item for item in tried if item.sight == sight] for sight in ("trained", "none", "random")
    )
    _tell(trained, args.verbose)

    def needs_sight(item: Tried) -> bool:
        return item.kind in ("approach", "find") and item.seed in seeds[:controls]

    sighted = fraction(trained, needs_sight)
    completed = fraction(trained)
    collisions = sum(item.collisions for item in trained) / max(1, len(trained))
    rows = [
        Row("apartment.completed", completed, "higher", 0.85, 0.97, by_kind(trained)),
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
        commands=each(trained),
    )
    return 0


def _speech(args: argparse.Namespace) -> Speech | None:
    """What the script's options ask for; None where they ask for none."""
    if not (args.spoken or args.typed):
        for name in ("voices", "kinds", "recogniser"):
            if getattr(args, name) is not None:
                raise ConfigError(f"--{name} belongs to the 20 kinds of --spoken; add --spoken")
        return None
    if args.commands is not None:
        raise ConfigError("--commands is for the short run; use --kinds with --spoken and --typed")
    if args.recogniser is not None:
        if args.typed:
            raise ConfigError("--recogniser hears nothing where all is --typed; use --spoken")
        check_recogniser(args.recogniser)
    voices = FOLDER if args.voices is None else args.voices.expanduser().resolve()
    if not (voices / INDEX).is_file():
        raise ConfigError(f"--voices {str(args.voices)!r} has no {INDEX}; see {FOLDER / INDEX}")
    kinds: tuple[str, ...] = (*KINDS, *REFUSED)
    if args.kinds is not None:
        kinds = tuple(kind.strip() for kind in args.kinds.split(","))
    elif args.quick:
        kinds = QUICK
    for kind in kinds:
        if kind not in (*KINDS, *REFUSED):
            raise ConfigError(f"--kinds {kind!r} is none of {', '.join((*KINDS, *REFUSED))}")
    if "remembered" in kinds and "ambiguous" not in kinds:
        raise ConfigError("--kinds 'remembered' comes after 'ambiguous'; add it")
    return Speech(kinds, voices, aloud=args.spoken, recogniser=args.recogniser)


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
        commands=each(tried),
    )


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
