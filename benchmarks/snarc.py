"""SNARC: what is predictable scores nothing, what was never so stands out, at a flat cost.

Predictable: inputs that repeat exactly, through the memory that the robot runs; the largest
salience after warm-up, over all modalities. Events: in unseen apartments, lock-step with the real
vision, navigation and control, the robot tours a few pieces of furniture until they are familiar.
Then an object is put down or a piece of furniture moved, before its eyes or behind its back; and it
drives into furniture past its safety gate. Phrases reach memory as text, without a microphone: ten
over and over, said a little differently and now and then with a word lost, as a recogniser loses
one; among them ones never heard. AUROC of the largest salience in the 3 s after an event could be
noticed first, against 3 s without one, of the same modality; phrases are taken one by one. A change
behind the robot's back that never came into view is no event; ``never in view`` counts them.

The scores were developed on the seeds 20000 to 20023; figures are to be taken from 0 to 9999.
"""

from __future__ import annotations

import logging
import math
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.progress import track

from benchmarks.apartment import seeds_of
from benchmarks.report import Row, parser, percentile, publish
from benchmarks.snarc_tour import Record, tour
from memory.predictors import SCENE_DIMENSIONS, scene_embedding, text_embedding
from memory.remember import Memory
from memory.snarc import Signal, Snarc, Weighed
from sage.clock import VirtualClock
from sage.values import (
    Detection,
    Frame,
    Observation,
    Odometry,
    Pose,
    Scene,
    Twist,
    Utterance,
)
from sage.worlds.apartment.robot import CAMERA

WINDOW_S = 3.0
_BEFORE_S, _AFTER_S = 6.0, 12.0
_BUMP_AFTER_S = 5.0
_ASIDE = "aside"


@dataclass(frozen=True, slots=True)
class Window:
    """The largest of each figure in some seconds of one modality; no ``kind`` where no event."""

    stream: str
    kind: str
    salience: float
    surprise: float
    novelty: float
    change: float
    chance: float
    at_s: float
    why: str


def auroc(events: Sequence[float], others: Sequence[float]) -> float:
    """The chance that an event scores above a non-event; ties count half."""
    if not events or not others:
        return math.nan
    below = np.sort(np.asarray(others))
    left = np.searchsorted(below, events, side="left")
    right = np.searchsorted(below, events, side="right")
    return float(np.mean(0.5 * (left + right)) / len(below))


@dataclass(slots=True)
class _Told:
    """One input and what memory made of it."""

    at_s: float
    weighed: Weighed
    change: float


def score_record(record: Record) -> list[Window]:
    """What memory makes of a tour, window by window."""
    memory = Memory(clock=VirtualClock(), room_at=record.static_map.room_at)
    scenes, motions = [], []
    last = None
    for seen in record.seen:
        picture = seen.picture
        observation = Observation(
            "sim:apartment", "camera", seen.captured_s, seen.sequence, Frame(picture, CAMERA)
        )
        weighed = memory.saw(observation, seen.scene, seen.pose)
        assert weighed is not None
        change = 0.0 if last is None else float(np.abs(picture.astype(float) - last).mean())
        last = picture.astype(float)
        scenes.append(_Told(seen.captured_s, weighed, change))
    speed = (0.0, 0.0)
    for observation, twist in record.moved:
        weighed = memory.moved(observation, twist)
        assert weighed is not None
        now = observation.data.linear_m_s, observation.data.angular_rad_s
        change = abs(now[0] - speed[0]) + abs(now[1] - speed[1])
        speed = now
        motions.append(_Told(observation.captured_s, weighed, change))
    rng = np.random.default_rng([record.seed, 4711])
    bumps = [e for e in record.events if e.kind == "collision"]
    changes = [e for e in record.events if e.kind != "collision"]
    quiet = [(max(e.done_s, e.at_s - _BEFORE_S), e.at_s + _AFTER_S) for e in changes]
    bumped = [(e.at_s - 0.5, e.at_s + _BUMP_AFTER_S) for e in bumps]
    # Bumps that nobody injected are bumps all the same: what is around them is left out.
    bumped += [(o.captured_s - 0.5, o.captured_s + 0.5) for o, _ in record.moved if o.data.bumper]
    found = _windows("scene", scenes, [(e.at_s, e.kind) for e in changes], quiet, record, rng)
    found += _windows("motion", motions, [(e.at_s, e.kind) for e in bumps], bumped, record, rng)
    return found + score_speech(record.seed)


def _windows(
    stream: str,
    told: Sequence[_Told],
    events: Sequence[tuple[float, str]],
    apart: Sequence[tuple[float, float]],
    record: Record,
    rng: np.random.Generator,
) -> list[Window]:
    """Windows after the events, and all between that keep clear of them."""
    starts = [(at_s, kind) for at_s, kind in events if kind != _ASIDE]
    count = int((record.ended_s - record.learnt_s) / WINDOW_S)
    for number in range(count):
        start_s = record.learnt_s + number * WINDOW_S
        if all(start_s + WINDOW_S <= a or start_s >= b for a, b in apart):
            starts.append((start_s, ""))
    times = np.array([item.at_s for item in told])
    made = []
    for start_s, kind in starts:
        low, high = np.searchsorted(times, (start_s - 1e-6, start_s + WINDOW_S))
        inside = told[low:high]
        if not inside:
            continue
        top = max(inside, key=lambda item: item.weighed.salience)
        made.append(
            Window(
                stream,
                kind,
                top.weighed.salience,
                max(item.weighed.scores.surprise for item in inside),
                max(item.weighed.scores.novelty for item in inside),
                max(item.change for item in inside),
                float(rng.random()),
                start_s,
                " ".join(top.weighed.why.values()),
            )
        )
    return made


_VERBS = ("go to", "drive to", "move to", "look at")
_PLACES = (
    "the kitchen", "the bedroom", "the fridge", "the sofa", "the dining table", "the bathroom",
    "the desk", "the counter", "the bookshelf", "the living room", "the stove", "the cabinet",
)  # fmt: skip
_THINGS = ("apple", "milk", "coke", "mug", "towel", "cereal", "tray", "banana", "water", "bowl")
_ASKS = ("find the", "look for the", "bring me the", "where is the", "how many times is there a")
_BEFORE = ("", "", "please", "robot", "could you please", "hey robot")
_FAMILIAR = 10
_LEARNT, _COUNTED, _EVERY = 50, 24, 8  # three unheard ones, about as many as of the other kinds


def score_speech(seed: int) -> list[Window]:
    """Ten phrases over and over, said a little differently and not always heard in full."""
    rng = np.random.default_rng([seed, 991])
    phrases = [f"{verb} {place}" for verb in _VERBS for place in _PLACES]
    phrases += [f"{ask} {thing}" for ask in _ASKS for thing in _THINGS]
    order = [phrases[index] for index in rng.permutation(len(phrases))]
    familiar, unheard = order[:_FAMILIAR], order[_FAMILIAR:]
    memory = Memory(clock=VirtualClock())
    made: list[Window] = []
    last = text_embedding("")
    for number in range(_LEARNT + _COUNTED):
        new = number >= _LEARNT and number % _EVERY == 0
        phrase = unheard.pop() if new else familiar[int(rng.integers(_FAMILIAR))]
        words = f"{_BEFORE[int(rng.integers(len(_BEFORE)))]} {phrase}".split()
        if rng.random() < 0.1:  # a word that the recogniser lost
            del words[int(rng.integers(len(words)))]
        text = " ".join(words)
        weighed = memory.heard(Utterance(text, 0.9, ended_s=10.0 * number))
        assert weighed is not None
        now = text_embedding(text)
        if number >= _LEARNT:
            scores = weighed.scores
            made.append(
                Window(
                    "speech",
                    "phrase" if new else "",
                    weighed.salience,
                    scores.surprise,
                    scores.novelty,
                    float(np.linalg.norm(now - last)),
                    float(rng.random()),
                    10.0 * number,
                    f"{text!r} " + " ".join(weighed.why.values()),
                )
            )
        last = now
    return made


def predictable(inputs: int = 600) -> dict[str, float]:
    """The largest salience, by modality, of inputs that repeat exactly; the last third of them."""
    memory = Memory(clock=VirtualClock(), room_at=lambda x, y: "kitchen")
    scene_of = _still_room()
    pose = Pose(0.0, 0.0, 0.0)
    picture = np.full((64, 64, 3), 90, dtype=np.uint8)
    twist = Twist(0.3, 0.2)
    worst: dict[str, float] = {}

    def take(name: str, number: int, weighed: Weighed | None) -> None:
        assert weighed is not None
        if number >= inputs * 2 // 3:
            worst[name] = max(worst.get(name, 0.0), weighed.salience)

    for number in range(inputs):
        at_s = 0.1 * number
        seen = Observation("still", "camera", at_s, number, Frame(picture, CAMERA))
        take("scene", number, memory.saw(seen, scene_of(at_s), pose))
        wheels = Odometry(Pose(0.03 * number, 0.0, 0.0), twist.linear_m_s, twist.angular_rad_s)
        turned = Observation("still", "odometry", at_s, number, wheels)
        take("motion", number, memory.moved(turned, twist))
        phrase = ("go to the kitchen", "find the apple", "come back")[number % 3]
        take("speech", number, memory.heard(Utterance(phrase, 0.9, ended_s=at_s)))
        ended = memory.ended("go to the kitchen", True, seconds=9.0, probability=0.9, limit_s=60.0)
        take("outcome", number, ended)
    return worst


def _still_room() -> Callable[[float], Scene]:
    things = (
        Detection("fridge", 0.95, (20.0, 60.0, 90.0, 190.0), 0.3, 1.6),
        Detection("milk", 0.9, (120.0, 90.0, 140.0, 130.0), -0.1, 1.2),
    )
    return lambda at_s: Scene(at_s, things, "kitchen", 0.97)


def cost_ms(memories: int, inputs: int = 600) -> list[float]:
    """How long scoring takes with so many memories, input by input."""
    rng = np.random.default_rng(5)
    snarc = Snarc()
    for _ in range(memories):
        row = rng.standard_normal(SCENE_DIMENSIONS).astype(np.float32)
        snarc.remembered.add(row / np.linalg.norm(row))
    scene = _still_room()(0.0)
    embedding = scene_embedding(scene)
    took = []
    for number in range(inputs):
        signal = Signal(embedding, error=float(rng.exponential()), change=float(rng.random()))
        began_s = time.perf_counter()
        snarc.score(signal)
        if number >= 50:
            took.append(1e3 * (time.perf_counter() - began_s))
    return took


def calls_ms(record: Record) -> dict[str, float]:
    """The mean processor time of a call of memory, predictors and all, over a tour."""
    memory = Memory(clock=VirtualClock(), room_at=record.static_map.room_at)
    frame = Frame(np.zeros((CAMERA.height_px, CAMERA.width_px, 3), np.uint8), CAMERA)
    began_s = time.thread_time()
    for seen in record.seen:
        observation = Observation("sim:apartment", "camera", seen.captured_s, seen.sequence, frame)
        memory.saw(observation, seen.scene, seen.pose)
    saw_s = time.thread_time() - began_s
    began_s = time.thread_time()
    for observation, twist in record.moved:
        memory.moved(observation, twist)
    moved_s = time.thread_time() - began_s
    return {
        "CPU ms a frame": 1e3 * saw_s / max(1, len(record.seen)),
        "CPU ms a wheel reading": 1e3 * moved_s / max(1, len(record.moved)),
    }


def _one(seed: int, rounds: int, events: int) -> tuple[list[Window], dict[str, float], int]:
    logging.basicConfig(level=logging.ERROR)
    record = tour(seed, rounds, events)
    return score_record(record), calls_ms(record), record.unnoticed


def figures(windows: Iterable[Window], of: Callable[[Window], float]) -> dict[str, float]:
    """AUROC by kind of event, each against its own modality, and of all together."""
    all_windows = list(windows)
    kinds = sorted({w.kind for w in all_windows if w.kind})
    made = {}
    for kind in kinds:
        stream = next(w.stream for w in all_windows if w.kind == kind)
        others = [of(w) for w in all_windows if not w.kind and w.stream == stream]
        made[kind] = auroc([of(w) for w in all_windows if w.kind == kind], others)
    made["pooled"] = auroc(
        [of(w) for w in all_windows if w.kind], [of(w) for w in all_windows if not w.kind]
    )
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    options = parser(
        "snarc",
        __doc__.splitlines()[0],
        "  python -m benchmarks.snarc --quick\n"
        "  python -m benchmarks.snarc --seeds 0:12 --json snarc.json",
    )
    options.add_argument("--seeds", default="0:8", metavar="A:B", help="apartments (default 0:8)")
    options.add_argument("--rounds", type=int, default=2, help="tours to learn from (default 2)")
    options.add_argument("--events", type=int, default=8, help="events in each (default 8)")
    options.add_argument("--jobs", type=int, default=2, help="apartments at a time (default 2)")
    options.add_argument("--verbose", action="store_true", help="every event, and what misled")
    args = options.parse_args(argv)
    seeds = seeds_of(args.seeds)
    if args.quick:
        seeds, args.rounds, args.events = seeds[:1], 1, 3
    began_s = time.perf_counter()
    calm = predictable()
    flat, few = percentile(cost_ms(10_000), 0.95), percentile(cost_ms(100), 0.95)
    windows: list[Window] = []
    calls: dict[str, float] = {}
    unnoticed = 0
    with ProcessPoolExecutor(args.jobs, multiprocessing.get_context("spawn")) as pool:
        jobs = {pool.submit(_one, seed, args.rounds, args.events): seed for seed in seeds}
        console = Console(stderr=True)
        for job in track(as_completed(jobs), "tours", len(jobs), console=console):
            found, took, missed = job.result()
            windows += found
            unnoticed += missed
            calls = {name: max(ms, calls.get(name, 0.0)) for name, ms in took.items()}
            if args.verbose:
                _tell(jobs[job], found)
    ours = figures(windows, lambda w: w.salience)
    baselines = {kind: value for kind, value in ours.items() if kind != "pooled"}
    baselines["mean over kinds"] = float(np.mean(list(baselines.values())))
    for name, of in (
        ("surprise alone", lambda w: w.surprise),
        ("novelty alone", lambda w: w.novelty),
        ("raw change", lambda w: w.change),
        ("chance", lambda w: w.chance),
    ):
        by_kind = figures(windows, of)
        streams = [value for kind, value in by_kind.items() if kind != "pooled"]
        # Raw figures of two modalities have no common scale: their mean over kinds is told.
        baselines[name] = float(np.mean(streams)) if streams else math.nan
    events = sum(bool(w.kind) for w in windows)
    baselines["never in view"] = float(unnoticed)
    rows = [
        Row("snarc.predictable", max(calm.values()), "lower", 0.05, 0.02, calm),
        Row("snarc.auroc", ours["pooled"], "higher", 0.85, 0.97, baselines),
        Row("snarc.cost_ms", flat, "lower", 1.0, 0.2, {"with 100": few, **calls}),
    ]
    publish(
        "snarc",
        rows,
        f"snarc: {events} events and {len(windows) - events} windows without, {len(seeds)} "
        f"apartments, {unnoticed} events never came into view; "
        f"{time.perf_counter() - began_s:.0f} s of wall time",
        args.json,
        windows=len(windows),
        events=events,
        window_s=WINDOW_S,
    )
    return 0


def _tell(seed: int, windows: Sequence[Window]) -> None:
    """Events with their salience, and the windows without one that scored most."""
    print(f"seed {seed}")
    for window in windows:
        if window.kind:
            print(f"  {window.at_s:6.1f} s  {window.kind:15s} {window.salience:.2f} {window.why}")
    calm = sorted((w for w in windows if not w.kind), key=lambda w: -w.salience)
    for window in calm[:5]:
        print(f"  {window.at_s:6.1f} s  no {window.stream:12s} {window.salience:.2f} {window.why}")


if __name__ == "__main__":
    from sage.commands.cli import run_guarded

    sys.exit(run_guarded(main))
