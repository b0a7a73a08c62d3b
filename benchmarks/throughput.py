"""How many commands a second the language plugin reads, many at once through the orchestrator.

Commands are drawn from the grammar with a seed that no training used, of every kind, a quarter
outside the domain, with names of the ontology and a speaker's slips; each text occurs once. As
many as may run are kept under way, and every result is compared with what the same command gives
alone. Beside it, in the same run: one command at a time through the orchestrator, and the parser
without it, one at a time and in batches of the same size.

The sweep offers commands at random moments (Poisson) at a fixed rate: what waiting for company
(``batch_delay_s``) costs in latency, and what it saves of the lane.
"""

from __future__ import annotations

import contextlib
import random
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.report import Row, add_seed, parser, percentile, publish, real, whole
from models.language import artifacts, grammar
from models.language.corpus import Example, noisy
from models.language.parser import MAX_STEPS, Parser, certain, stable
from orchestrator import HRMOrchestrator, PluginSettings
from plugins.language import LanguageConfig, LanguagePlugin
from sage.irp import HaltReason, Outcome
from sage.ontology import CATEGORIES, OBJECTS, PEOPLE, ROOM_NAMES, furniture_names
from sage.skills.entities import tag
from sage.skills.meaning import Meaning
from sage.values import Observation, Utterance

EXAMPLES: Final = """  python -m benchmarks.throughput --quick
  python -m benchmarks.throughput --commands 2000 --at-once 32 --threads 2
  python -m benchmarks.throughput --delays 0,0.002,0.02 --json throughput.json"""

_NAMES: Final = {
    "<object>": tuple(OBJECTS),
    "<category>": tuple(CATEGORIES),
    "<room>": tuple(ROOM_NAMES),
    "<location>": tuple(furniture_names()),
    "<name>": tuple(PEOPLE),
}
_CUT_SHORT: Final = (HaltReason.BUDGET, HaltReason.DEADLINE)
_PATIENCE_S: Final = 60.0
_LONGEST_DELAY_S: Final = 10.0


def commands(count: int, seed: int) -> list[Example]:
    """Different commands with their forms, as people might type them."""
    rng = random.Random(seed)
    found: dict[str, Example] = {}
    while len(found) < count:
        text, form = grammar.sample(rng, 0.25)
        words = noisy(text.split(), rng, 0.7)
        said = " ".join(rng.choice(_NAMES[word]) if word in _NAMES else word for word in words)
        found.setdefault(said, Example(said, tag(said).words, form))
    return list(found.values())


@dataclass(frozen=True, slots=True)
class Served:
    """What came of some commands: forms, and times in seconds.

    ``whole`` says which were refined until they stood; others, the budget cut short.
    """

    forms: tuple[str, ...]
    whole: tuple[bool, ...]
    latencies_s: tuple[float, ...]
    took_s: float
    lane_s: float
    steps: int

    @property
    def per_s(self) -> float:
        """Commands a second."""
        return len(self.forms) / self.took_s


def alone(parser: Parser, text: str) -> tuple[str, int]:
    """A command read by the parser, without engine and orchestrator: its form, its steps."""
    draft = parser.begin(text)
    best = draft
    for step in range(MAX_STEPS):
        before, draft = draft, parser.settle(parser.improve(draft))
        if not step or draft.energy < best.energy:
            best = draft
        if certain(draft) or stable(before, draft):
            break
    return " ".join(parser.answer(best).form), draft.steps


def in_batches(parser: Parser, texts: Sequence[str], at_once: int) -> list[str]:
    """The same in batches: as many as may are under way, one that is done makes room."""
    forms = [""] * len(texts)
    waiting = iter(enumerate(texts))
    under_way: dict[int, tuple[Any, Any]] = {}
    while True:
        for number, text in waiting:
            under_way[number] = (parser.unread(text), None)
            if len(under_way) == at_once:
                break
        if not under_way:
            return forms
        numbers = list(under_way)
        after = parser.improve_all([under_way[number][0] for number in numbers])
        for number, improved in zip(numbers, after, strict=True):
            before, best = under_way[number]
            draft = parser.settle(improved)
            if best is None or draft.energy < best.energy:
                best = draft
            under_way[number] = (draft, best)
            if certain(draft) or stable(before, draft) or draft.steps == MAX_STEPS:
                forms[number] = " ".join(parser.answer(best).form)
                del under_way[number]


@contextlib.contextmanager
def running(
    plugin: LanguagePlugin, settings: PluginSettings, deliver: Callable[[int, Outcome[Any]], None]
) -> Iterator[HRMOrchestrator]:
    """An orchestrator at work, ticking in a thread of its own as in life."""
    orchestrator = HRMOrchestrator()
    orchestrator.register(
        lambda: plugin,
        settings,
        lambda observation, outcome: deliver(observation.sequence, outcome),
    )
    stop = threading.Event()

    def tick() -> None:
        while not stop.wait(orchestrator.config.cycle_s):
            orchestrator.tick()

    ticks = threading.Thread(target=tick, name="ticks")
    orchestrator.start()
    orchestrator.tick()
    ticks.start()
    try:
        yield orchestrator
    finally:
        stop.set()
        ticks.join()
        orchestrator.close()


def serve(
    plugin: LanguagePlugin,
    texts: Sequence[str],
    *,
    at_once: int,
    batch_delay_s: float = 0.0,
    rate_per_s: float | None = None,
    seed: int = 0,
) -> Served:
    """Read commands through an orchestrator.

    Args:
        at_once: how many refinements may run; twice as many are kept submitted.
        batch_delay_s: how long a first step waits for company.
        rate_per_s: commands offered a second, at random moments; as many as it takes otherwise.
    """
    outcomes: dict[int, Outcome[Any]] = {}
    submitted_s, done_s = [0.0] * len(texts), [0.0] * len(texts)
    room = threading.Semaphore(len(texts) if rate_per_s else (2 * at_once if at_once > 1 else 1))
    finished = threading.Semaphore(0)

    def deliver(number: int, outcome: Outcome[Any]) -> None:
        done_s[number] = time.perf_counter()
        outcomes[number] = outcome
        room.release()
        finished.release()

    settings = PluginSettings(
        "perception",
        max_age_s=_PATIENCE_S,
        overrun_s=5.0,
        queue=len(texts),
        most_running=at_once,
        batch_delay_s=batch_delay_s,
    )
    rng = random.Random(seed)
    with running(plugin, settings, deliver) as orchestrator:
        began_s = due_s = time.perf_counter()
        for number, text in enumerate(texts):
            if rate_per_s is not None:
                due_s += rng.expovariate(rate_per_s)
                time.sleep(max(0.0, due_s - time.perf_counter()))
            room.acquire(timeout=_PATIENCE_S)
            # One that is late to be offered waits all the same, as its speaker does.
            submitted_s[number] = due_s if rate_per_s is not None else time.perf_counter()
            orchestrator.submit(
                plugin.name,
                Observation("typed", "speech", orchestrator.clock.now_s(), number, Utterance(text)),
            )
        for _ in texts:
            if not finished.acquire(timeout=_PATIENCE_S):
                raise RuntimeError(f"{len(texts) - len(outcomes)} commands were never answered")
        took_s = max(done_s) - began_s
    return Served(
        tuple(_form(outcomes[number]) for number in range(len(texts))),
        tuple(outcomes[number].reason not in _CUT_SHORT for number in range(len(texts))),
        tuple(end_s - start_s for start_s, end_s in zip(submitted_s, done_s, strict=True)),
        took_s,
        sum(outcome.trajectory.cost_s for outcome in outcomes.values()),
        sum(outcome.trajectory.steps for outcome in outcomes.values()),
    )


def _form(outcome: Outcome[Any]) -> str:
    if not isinstance(outcome.result, Meaning):
        raise RuntimeError(f"a command was not read: {outcome.reason.value}, {outcome.error!r}")
    return " ".join(outcome.result.form)


def delays_of(text: str) -> list[float]:
    """``S,S,...`` as waiting times in seconds."""
    delay_of = real("--delays", 0.0, _LONGEST_DELAY_S)
    return [delay_of(part) for part in text.split(",")]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, compare, print, write."""
    options = parser("throughput", __doc__.split("\n\n")[0], EXAMPLES)
    options.add_argument(
        "--commands",
        type=whole("--commands", 50, 10_000),  # so many can wait in a plugin's queue
        default=2000,
        help="different ones (default 2000)",
    )
    add_seed(options, 9_001, "of the commands")
    options.add_argument(
        "--at-once",
        type=whole("--at-once", 1, 10_000),
        default=64,
        help="refinements that may run",
    )
    options.add_argument(
        "--threads", type=whole("--threads", 1, 64), default=2, help="of a batch (default 2)"
    )
    options.add_argument(
        "--rounds",
        type=whole("--rounds", 1, 10_000),
        default=5,
        help="of each measurement (default 5)",
    )
    options.add_argument(
        "--delays",
        type=delays_of,
        default=[0.0, 0.002, 0.005, 0.01, 0.02],
        metavar="S,S,...",
        help="of the sweep: how long a first step waits for company, in seconds",
    )
    args = options.parse_args(argv)
    if args.quick:
        args.commands, args.rounds = min(args.commands, 600), min(args.rounds, 2)
    examples = commands(args.commands, args.seed)
    texts = [one.text for one in examples]
    plugin = LanguagePlugin(LanguageConfig(threads=args.threads))
    bare = artifacts.load_parser(threads=args.threads)
    some = texts[: max(50, args.commands // 5)]
    in_batches(bare, some, args.at_once)  # warm

    batched, one_by_one, bare_batched, bare_alone = [], [], [], []
    for _ in range(args.rounds):  # side by side, so that all share the machine's moods
        batched.append(serve(plugin, texts, at_once=args.at_once))
        one_by_one.append(serve(plugin, some, at_once=1))
        bare_batched.append(_rate(lambda: in_batches(bare, texts, args.at_once), len(texts)))
        bare_alone.append(_rate(lambda: [alone(bare, text) for text in some], len(some)))
    forms = [alone(bare, text)[0] for text in texts]
    right = [form == one.form for form, one in zip(forms, examples, strict=True)]
    exact, expected, different, cut_short = _compared(batched, forms, right, examples)
    if abs(exact - expected) > 0.001:
        raise RuntimeError(f"exact forms: {exact:.4f} in batches, {expected:.4f} alone")
    per_s = statistics.median(served.per_s for served in batched)
    sweep = _sweep(plugin, texts, args.at_once, args.delays, statistics.median(bare_alone))
    for line in sweep:
        print(
            f"offered {line['offered_per_s']:5.0f}/s, batch_delay_s {line['batch_delay_s']:.3f}: "
            f"latency p50 {line['p50_ms']:5.1f} ms, p95 {line['p95_ms']:5.1f} ms, "
            f"lane busy {line['lane_share']:.0%}"
        )
    row = Row(
        "throughput.parses_per_s",
        per_s,
        "higher",
        300,
        1500,
        {
            "one at a time": statistics.median(served.per_s for served in one_by_one),
            "bare parser, batched": statistics.median(bare_batched),
            "bare parser, one at a time": statistics.median(bare_alone),
            "steps per parse": statistics.fmean(one.steps / len(texts) for one in batched),
            "exact": exact,
            "exact alone": expected,
            "forms that differ": different,
            "cut short by the budget": cut_short,
        },
    )
    publish(
        "throughput",
        [row],
        f"throughput: {per_s:.0f} parses per second, {args.at_once} at once on {args.threads} "
        f"threads",
        args.json,
        sweep=sweep,
    )
    return 0


def _compared(
    served: Sequence[Served],
    forms: Sequence[str],
    right: Sequence[bool],
    examples: Sequence[Example],
) -> tuple[float, float, float, float]:
    """Over what was refined until it stood: exact in batches, exact alone, share of other forms;
    and the share that was not."""
    pairs = [
        (mine == one.form, alone_right, mine != theirs)
        for each in served
        for mine, whole, theirs, alone_right, one in zip(
            each.forms, each.whole, forms, right, examples, strict=True
        )
        if whole
    ]
    exact, expected, different = (statistics.fmean(column) for column in zip(*pairs, strict=True))
    return exact, expected, different, 1.0 - len(pairs) / (len(served) * len(examples))


def _rate(work: Callable[[], Any], count: int) -> float:
    began_s = time.perf_counter()
    work()
    return count / (time.perf_counter() - began_s)


def _sweep(
    plugin: LanguagePlugin,
    texts: Sequence[str],
    at_once: int,
    delays: Sequence[float],
    alone_per_s: float,
) -> list[dict[str, float]]:
    """Latency and lane time by waiting time, at half and at one and a half of what one at a
    time can do."""
    lines = []
    for share in (0.5, 1.5):
        offered_per_s = share * alone_per_s
        some = texts[: int(min(len(texts), 2.0 * offered_per_s))]
        for delay_s in delays:
            served = serve(
                plugin, some, at_once=at_once, batch_delay_s=delay_s, rate_per_s=offered_per_s
            )
            lines.append(
                {
                    "offered_per_s": offered_per_s,
                    "batch_delay_s": delay_s,
                    "p50_ms": 1e3 * percentile(served.latencies_s, 0.5),
                    "p95_ms": 1e3 * percentile(served.latencies_s, 0.95),
                    "per_s": served.per_s,
                    "lane_share": served.lane_s / served.took_s,
                }
            )
    return lines


if __name__ == "__main__":
    from sage.commands.cli import run_guarded

    sys.exit(run_guarded(main))
