"""Hearing: recordings through voice activity, ears, recogniser and language, as in a run.

Latency is taken in real time, with the recogniser in its own process: from the end of speech, as
measured in the recording's waveform, to the parsed command. All else is counted faster than real
time, in lock-step. What was heard is acted upon where its confidence is 0.3 or more and the parser
finds a meaning in it: one setting for all rows.

``--dir`` takes real people: WAV files at 16 kHz and ``transcripts.tsv`` (file, tab, words; no
words where nobody speaks). What they meant is what the parser makes of the transcript, or is
written down in ``benchmarks.hearing_truth`` where the parser misreads that. An utterance that
begins when the one before it began replaces it. ``--voices`` takes synthetic voices
(``scripts/record-voices --split fresh --into DIR``), heard in pink noise, babble and music. The
rows are those of the first recogniser; the other one, and a robot that hears nothing, stand beside
them.
"""

from __future__ import annotations

import argparse
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.hearing_truth import Gist, gist, meant
from benchmarks.report import Row, parser, percentile, publish
from models.hearing import (
    SileroActivity,
    check_recogniser,
    default_recogniser,
    open_recogniser,
)
from models.hearing.card import ACCEPT
from models.hearing.measure import in_domain
from models.hearing.noises import NOISES, made, mixed
from sage.clock import RealClock, VirtualClock
from sage.hearing import Ears, SimulatedMicrophone, open_microphone
from sage.hearing.isolated import IsolatedRecogniser
from sage.hearing.recogniser import RATE_HZ, Recogniser
from sage.irp import refine
from sage.irp.errors import ConfigError, ModelError
from sage.skills.meaning import Meaning
from sage.values import Float32Array, Observation, Utterance
from sage.worlds.apartment.voices import FOLDER, Recording, recordings

Understand = Callable[[Observation], Meaning]

PEOPLE: Final = Path(__file__).resolve().parents[2] / "shared" / "data" / "voices"
NAMES: Final = ("whisper", "pocketsphinx")
_WAIT_S: Final = 4.0
_NOISE_S: Final = 10.0
_QUIET_DB: Final = -60.0


@dataclass(frozen=True, slots=True)
class Figures:
    """What one recogniser does; None where it was not measured."""

    intent: float | None = None
    by_noise: tuple[tuple[str, float], ...] = ()
    acted: float | None = None
    acted_by_kind: tuple[tuple[str, float], ...] = ()
    wer: float | None = None
    people: float | None = None
    took_ms: tuple[float, ...] = ()
    lost: int = 0
    mistaken: tuple[str, ...] = ()


def listen(samples: Float32Array, recogniser: Recogniser, noise_db: float) -> list[Utterance]:
    """What the ears take out of a sound in the apartment, in lock-step; not what is replaced."""
    clock = VirtualClock()
    microphone = open_microphone(f"sim:apartment?noise_db={noise_db:g}", clock=clock, lockstep=True)
    assert isinstance(microphone, SimulatedMicrophone)
    found: list[Utterance] = []

    def on_utterance(observation: Observation) -> None:
        if found and found[-1].began_s == observation.data.began_s:
            found.pop()
        found.append(observation.data)

    ears = Ears(SileroActivity(), _Kept(recogniser), on_utterance, clock=clock, synchronous=True)
    microphone.start(ears.take)
    microphone.play(samples, RATE_HZ, after_s=0.5)
    clock.advance_to(len(samples) / RATE_HZ + 1.5)
    microphone.pump(clock.now_s())
    microphone.stop()
    ears.stop()
    return found


class _Kept:
    """A recogniser that outlives the ears that close it."""

    def __init__(self, inner: Recogniser) -> None:
        self.name = inner.name
        self.any_words = inner.any_words
        self.begin, self.feed = inner.begin, inner.feed
        self.partial, self.finish = inner.partial, inner.finish

    def close(self) -> None:
        """Not now."""


def latencies_ms(
    chosen: Sequence[Recording], name: str, understand: Understand
) -> tuple[list[float], int]:
    """End of speech to parsed command, in real time; and how many were not heard in time."""
    clock = RealClock()
    recogniser = IsolatedRecogniser("models.hearing:open_recogniser", {"name": name})
    heard = threading.Event()
    parsed_s: list[float] = []

    def on_utterance(observation: Observation) -> None:
        understand(observation)
        parsed_s.append(clock.now_s())
        heard.set()

    microphone = open_microphone("sim:apartment", clock=clock)
    assert isinstance(microphone, SimulatedMicrophone)
    ears = Ears(SileroActivity(), recogniser, on_utterance, clock=clock)
    microphone.start(ears.take)
    took: list[float] = []
    lost = 0
    try:
        for recording in chosen:
            time.sleep(0.3)
            heard.clear()
            parsed_s.clear()
            samples = recording.samples()
            began_s = microphone.play(samples, RATE_HZ, after_s=0.2)
            ended_s = began_s + recording.speech_ends_s
            heard.wait(ended_s - clock.now_s() + _WAIT_S)
            # An utterance that was cut in two is parsed when its last part is.
            while microphone.playing or ears.speaking:
                time.sleep(0.01)
            time.sleep(0.05)
            if parsed_s:
                took.append(1e3 * (parsed_s[-1] - ended_s))
            else:
                lost += 1
    finally:
        microphone.stop()
        ears.stop()
    return took, lost


def edits(heard: str, said: str) -> int:
    """Levenshtein distance in words."""
    left, right = heard.split(), said.split()
    row = list(range(len(right) + 1))
    for i, word in enumerate(left, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(right, 1):
            cost = min(row[j] + 1, row[j - 1] + 1, before + (word != other))
            before, row[j] = row[j], cost
    return row[-1]


def sounds_right(heard: Sequence[Utterance], understand: Understand) -> Meaning | None:
    """The meaning that is acted upon, the last one; None where there is none."""
    for said in reversed(heard):
        if said.confidence < ACCEPT:
            continue
        meaning = understand(Observation("heard", "speech", 0.0, 0, said))
        if meaning.known:
            return meaning
    return None


def same(one: Meaning | None, other: Meaning) -> bool:
    """Whether form and entities are the same."""
    if one is None:
        return False
    names = [[(e.sort, e.name) for e in meaning.entities] for meaning in (one, other)]
    return one.form == other.form and names[0] == names[1]


def in_noise(
    options: argparse.Namespace, recogniser: Recogniser, understand: Understand
) -> Figures:
    """Commands at the signal-to-noise ratio asked for; and all that is no command, likewise."""
    rng = np.random.default_rng(options.seed)
    every = recordings(options.voices)
    outside = [item for item in every if not in_domain(item)]
    talk = [item.samples() for item in outside]
    inside = []
    for index in rng.permutation(len(every)):
        said = Utterance(every[index].text)
        wanted = understand(Observation("said", "speech", 0.0, 0, said))
        if in_domain(every[index]) and wanted.known:
            inside.append((every[index], wanted))
    inside = inside[: 9 if options.quick else options.commands]
    if options.quick:
        outside = outside[:4]
    right: dict[str, list[bool]] = {}
    mistaken = []
    for number, (item, wanted) in enumerate(inside):
        noise = NOISES[number % len(NOISES)]
        heard = listen(
            mixed(item.samples(), noise, options.snr_db, rng, talk), recogniser, _QUIET_DB
        )
        good = same(sounds_right(heard, understand), wanted)
        right.setdefault(noise, []).append(good)
        if not good:
            mistaken.append(_told(f"{item.voice}, {noise}", item.text, heard))
    acted: dict[str, list[bool]] = {}
    for number, item in enumerate(outside):
        noise = NOISES[number % len(NOISES)]
        heard = listen(
            mixed(item.samples(), noise, options.snr_db, rng, talk), recogniser, _QUIET_DB
        )
        fooled = sounds_right(heard, understand) is not None
        acted.setdefault("speech", []).append(fooled)
        if fooled:
            mistaken.append(_told(f"{item.voice}, {noise}", item.text, heard))
    for kind in (*NOISES, "silence"):
        for _ in range(1 if options.quick else 8):
            count = int((0.4 if options.quick else 1.0) * _NOISE_S * RATE_HZ)
            sound = np.zeros(count) if kind == "silence" else made(kind, count, rng, talk)
            sound *= 0.3 / max(float(np.abs(sound).max()), 1e-9)
            heard = listen(sound.astype(np.float32), recogniser, _QUIET_DB)
            acted.setdefault(kind, []).append(sounds_right(heard, understand) is not None)
    return Figures(
        intent=share([flag for flags in right.values() for flag in flags]),
        by_noise=tuple((kind, share(flags) or 0.0) for kind, flags in right.items()),
        acted=share([flag for flags in acted.values() for flag in flags]),
        acted_by_kind=tuple((kind, share(flags) or 0.0) for kind, flags in acted.items()),
        mistaken=tuple(mistaken),
    )


def _told(who: str, said: str, heard: Sequence[Utterance]) -> str:
    found = " / ".join(f"{item.text} ({item.confidence:.2f})" for item in heard)
    return f"{who}: {said!r} -> {found or 'nothing'}"


def of_people(
    folder: Path, recogniser: Recogniser, understand: Understand, most: int | None
) -> Figures:
    """Word error rate and share of right action and object; nothing where there is no data."""
    import soundfile

    index = folder / "transcripts.tsv"
    if not index.is_file():
        return Figures()
    wrong = words = 0
    right: list[bool] = []
    acted: list[bool] = []
    mistaken = []
    for line in index.read_text(encoding="utf-8").splitlines()[:most]:
        file, _, said = line.partition("\t")
        samples, rate_hz = soundfile.read(folder / file, dtype="float32")
        if rate_hz != RATE_HZ or samples.ndim != 1:
            raise ConfigError(f"{folder / file} is not 16 kHz mono")
        heard = listen(samples, recogniser, -80.0)
        meaning = sounds_right(heard, understand)
        if not said:
            acted.append(meaning is not None)
            continue
        wrong += edits(" ".join(item.text for item in heard), said)
        words += len(said.split())
        found = gist(meaning) if meaning is not None else Gist()
        right.append(found == meant(said, understand))
        if not right[-1]:
            mistaken.append(_told(file, said, heard))
    return Figures(
        wer=wrong / max(words, 1),
        people=share(right),
        acted=share(acted),
        mistaken=tuple(mistaken),
    )


def understanding() -> Understand:
    """From an utterance to its meaning, with the shipped parser."""
    from plugins.language import LanguagePlugin

    plugin = LanguagePlugin()

    def understand(observation: Observation) -> Meaning:
        meaning = refine(plugin, observation).result
        assert meaning is not None  # there is one after each step
        return meaning

    return understand


def share(flags: Sequence[bool]) -> float | None:
    """How many of them are true; None of none."""
    return sum(flags) / len(flags) if flags else None


def measure(options: argparse.Namespace, name: str, understand: Understand) -> Figures:
    """All figures of one recogniser."""
    recogniser = open_recogniser(name)
    try:
        noisy = in_noise(options, recogniser, understand)
        people = of_people(options.dir, recogniser, understand, 5 if options.quick else None)
    finally:
        recogniser.close()
    took: list[float] = []
    lost = 0
    if name == options.recogniser:
        rng = np.random.default_rng(options.seed)
        spoken = [item for item in recordings(options.voices) if in_domain(item)]
        timed = [spoken[i] for i in rng.permutation(len(spoken))[: 6 if options.quick else 40]]
        took, lost = latencies_ms(timed, name, understand)
    return Figures(
        noisy.intent,
        noisy.by_noise,
        noisy.acted,
        noisy.acted_by_kind,
        people.wer,
        people.people,
        tuple(took),
        lost,
        (*noisy.mistaken, *people.mistaken),
    )


def run(options: argparse.Namespace) -> tuple[list[Row], dict[str, Any]]:
    """All rows, and what is behind them."""
    understand = understanding()
    measured = {options.recogniser: measure(options, options.recogniser, understand)}
    for other in NAMES if not options.alone else ():
        if other not in measured:
            try:
                measured[other] = measure(options, other, understand)
            except ConfigError as error:
                print(f"{other} is not measured: {error}")
    main = measured[options.recogniser]

    def beside(field: str, deaf: float) -> dict[str, float]:
        values = {name: getattr(found, field) for name, found in list(measured.items())[1:]}
        known = {name: value for name, value in values.items() if value is not None}
        return {**known, "deaf": deaf}

    took = main.took_ms
    rows = [
        Row(
            "hearing.intent_10db",
            main.intent,
            "higher",
            0.60,
            0.85,
            {**beside("intent", 0.0), **dict(main.by_noise)},
        ),
        Row(
            "hearing.false_accept",
            main.acted,
            "lower",
            0.05,
            0.01,
            {**beside("acted", 0.0), **dict(main.acted_by_kind)},
        ),
        Row("hearing.people_wer", main.wer, "lower", 0.20, 0.08, beside("wer", 1.0)),
        Row("hearing.people_intent", main.people, "higher", 0.60, 0.85, beside("people", 0.0)),
        Row(
            "hearing.speech_to_parse_p95_ms",
            percentile(took, 0.95) if took else None,
            "lower",
            900,
            400,
            {"p50": percentile(took, 0.5), "not heard": float(main.lost)} if took else {},
        ),
    ]
    details = {
        "recogniser": options.recogniser,
        "latencies_ms": list(took),
        "mistaken": {name: list(found.mistaken) for name, found in measured.items()},
    }
    return rows, details


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    made_parser = parser(
        "hearing",
        __doc__ or "",
        "  python -m benchmarks.hearing --quick\n"
        "  python -m benchmarks.hearing --dir DIR --recogniser pocketsphinx --json hearing.json",
    )
    made_parser.add_argument("--dir", type=Path, default=PEOPLE, metavar="DIR", help="real people")
    made_parser.add_argument("--voices", type=Path, default=FOLDER, metavar="DIR", help="voices")
    made_parser.add_argument("--recogniser", default=default_recogniser(), metavar="NAME")
    made_parser.add_argument("--alone", action="store_true", help="measure no other recogniser")
    made_parser.add_argument("--commands", type=int, default=90, help="most commands in noise")
    made_parser.add_argument("--snr-db", type=float, default=10.0)
    made_parser.add_argument("--seed", type=int, default=0)
    made_parser.add_argument("--mistaken", action="store_true", help="print what went wrong")
    options = made_parser.parse_args(argv)
    logging.basicConfig(level=logging.ERROR)
    try:
        check_recogniser(options.recogniser)
        rows, details = run(options)
    except (ConfigError, ModelError) as error:
        print(f"error: {error}")
        return 1
    if options.mistaken:
        for name, lines in details["mistaken"].items():
            print(*(f"{name}: {line}" for line in lines), sep="\n")
    value = rows[0].value
    headline = (
        "nothing was heard"
        if value is None
        else f"{value:.2f} of the commands right at {options.snr_db:g} dB"
    )
    publish("hearing", rows, headline, options.json, **details)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
