"""Hearing: recordings through voice activity, ears, recogniser and language, as in a run.

Latency is taken in real time, with the recogniser in its own process: from the end of speech, as
measured in the recording's waveform, to the parsed command. Words are counted faster than real
time, in lock-step. "Declined" is what the confidence declines (below 0.3); what language declines
is not counted here. The grammar was written with the errors on the committed recordings in view;
``--voices`` takes a folder of other ones (``scripts/record-voices --split fresh --into DIR``).
"""

from __future__ import annotations

import argparse
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import Row, parser, percentile, publish
from models.hearing import SileroActivity, check_recogniser, open_recogniser
from models.hearing.card import ACCEPT
from models.hearing.measure import in_domain, same_words
from sage.clock import RealClock, VirtualClock
from sage.hearing import Ears, SimulatedMicrophone, open_microphone
from sage.hearing.isolated import IsolatedRecogniser
from sage.hearing.recogniser import RATE_HZ, Recogniser
from sage.irp import refine
from sage.irp.errors import ConfigError, ModelError
from sage.values import Float32Array, Observation, Utterance
from sage.worlds.apartment.voices import FOLDER, Recording, recordings

Understand = Callable[[Observation], object]

PEOPLE = Path(__file__).resolve().parents[2] / "shared" / "data" / "voices"
_WAIT_S = 4.0
_NOISE_S = 30.0


@dataclass(frozen=True, slots=True)
class Tried:
    """One recording and the utterances that came of it."""

    recording: Recording
    found: tuple[Utterance, ...]

    @property
    def text(self) -> str:
        """All that was heard."""
        return " ".join(item.text for item in self.found).strip()

    @property
    def confidence(self) -> float:
        """Of the surest utterance; 0 where there is none."""
        return max((item.confidence for item in self.found), default=0.0)

    @property
    def right(self) -> bool:
        """Whether these are the words, articles aside."""
        return same_words(self.text, self.recording.text)


def listen(samples: Float32Array, recogniser: Recogniser, noise_db: float) -> list[Utterance]:
    """What the ears take out of a sound in the apartment, in lock-step."""
    clock = VirtualClock()
    microphone = open_microphone(f"sim:apartment?noise_db={noise_db:g}", clock=clock, lockstep=True)
    assert isinstance(microphone, SimulatedMicrophone)
    found: list[Utterance] = []
    ears = Ears(
        SileroActivity(),
        _Kept(recogniser),
        lambda observation: found.append(observation.data),
        clock=clock,
        synchronous=True,
    )
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


def not_speech(rng: np.random.Generator) -> dict[str, Float32Array]:
    """Half a minute each of what nobody says."""
    count = int(_NOISE_S * RATE_HZ)
    t = np.arange(count) / RATE_HZ
    white = 0.1 * rng.standard_normal(count)
    music = np.zeros(count)
    for start, root in enumerate(rng.choice([220.0, 247.0, 262.0, 294.0, 330.0], 60)):
        at = slice(start * RATE_HZ // 2, (start + 2) * RATE_HZ // 2)
        age = t[at] - t[at.start] if at.start < count else t[:0]
        for ratio in (1.0, 1.25, 1.5, 2.0):
            music[at] += 0.08 * np.exp(-2 * age) * np.sin(2 * np.pi * root * ratio * age)
    knocks = np.zeros(count)
    for at in rng.integers(0, count - 800, 20):
        knocks[at : at + 800] += 0.6 * np.exp(-np.arange(800) / 120) * rng.standard_normal(800)
    sounds = {"silence": np.zeros(count), "white noise": white, "music": music, "knocks": knocks}
    return {name: np.clip(x, -1, 1).astype(np.float32) for name, x in sounds.items()}


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


def word_error_rate(folder: Path, recogniser: Recogniser) -> tuple[float | None, int]:
    """On real people, and utterances of sure words in rooms without speech; None without data."""
    import soundfile

    index = folder / "transcripts.tsv"
    if not index.is_file():
        return None, 0
    wrong = words = false = 0
    for line in index.read_text(encoding="utf-8").splitlines():
        file, _, said = line.partition("\t")
        samples, rate_hz = soundfile.read(folder / file, dtype="float32")
        assert rate_hz == RATE_HZ, f"{file} has {rate_hz} Hz"
        found = listen(samples, recogniser, -80.0)
        if said:
            wrong += edits(" ".join(item.text for item in found), said)
            words += len(said.split())
        else:
            false += sum(item.confidence >= ACCEPT for item in found)
    return wrong / max(words, 1), false


def whisper_error_rate(folder: Path) -> float | None:
    """The word error rate of Whisper; None where it or the recordings are not there."""
    try:
        recogniser = open_recogniser("whisper")
    except ConfigError as error:
        print(f"whisper is not measured: {error}")
        return None
    try:
        return word_error_rate(folder, recogniser)[0]
    finally:
        recogniser.close()


def understanding(name: str) -> Understand:
    """From an utterance to its meaning."""
    if name == "grammar":
        from sage.skills.grammar import parse

        return lambda observation: parse(observation.data.text)
    from plugins.language import LanguagePlugin

    plugin = LanguagePlugin()
    return lambda observation: refine(plugin, observation)


def share(flags: Sequence[bool]) -> float | None:
    """How many of them are true; None of none."""
    return sum(flags) / len(flags) if flags else None


def run(options: argparse.Namespace) -> tuple[list[Row], dict[str, Any]]:
    """All rows, and what is behind them."""
    every = recordings(options.voices)
    inside = [item for item in every if in_domain(item)]
    outside = [item for item in every if not in_domain(item)]
    rng = np.random.default_rng(options.seed)
    inside = [inside[i] for i in rng.permutation(len(inside))]
    timed = inside[: 8 if options.quick else 40]
    if options.quick:
        inside, outside = inside[:30], outside[::3]
    understand = understanding(options.language)
    took, lost = latencies_ms(timed, options.recogniser, understand)

    recogniser = open_recogniser(options.recogniser)
    try:
        tried = [Tried(r, tuple(listen(r.samples(), recogniser, -60.0))) for r in inside]
        others = [Tried(r, tuple(listen(r.samples(), recogniser, -60.0))) for r in outside]
        sounds = {
            name: listen(samples[: RATE_HZ * 10] if options.quick else samples, recogniser, -60.0)
            for name, samples in not_speech(rng).items()
        }
        error_rate, in_silence = (None, 0)
        if not options.quick:
            error_rate, in_silence = word_error_rate(PEOPLE, recogniser)
    finally:
        recogniser.close()
    accepted = [item.confidence >= ACCEPT for item in tried]
    sure = sum(u.confidence >= ACCEPT for found in sounds.values() for u in found) + in_silence
    by_voice = {
        voice: share([item.right for item in tried if item.recording.voice == voice])
        for voice in sorted({item.recording.voice for item in tried})
    }
    done = [a and item.right for a, item in zip(accepted, tried, strict=True)]
    fooled = [a and not item.right for a, item in zip(accepted, tried, strict=True)]
    voices = {voice: value for voice, value in by_voice.items() if value is not None}
    p95 = percentile(took, 0.95) if took else None
    p50 = percentile(took, 0.5) if took else None
    rows = [
        Row(
            "hearing.speech_to_parse_p95_ms",
            p95,
            "lower",
            800,
            300,
            {"p50": p50} if p50 is not None else {},
        ),
        Row("hearing.not_heard", float(lost), "lower", 0, 0),
        Row(
            "hearing.sentences_right", share([i.right for i in tried]), "higher", 0.8, 0.95, voices
        ),
        Row("hearing.right_and_accepted", share(done), "higher", 0.75, 0.95),
        Row("hearing.wrong_and_accepted", share(fooled), "lower", 0.1, 0.02),
        Row(
            "hearing.outside_declined",
            share([item.confidence < ACCEPT for item in others]),
            "higher",
            0.8,
            0.95,
        ),
        Row(
            "hearing.false_commands",
            float(sure),
            "lower",
            0,
            0,
            {name: float(len(found)) for name, found in sounds.items()},
        ),
        Row("hearing.people_wer", error_rate, "lower", 0.3, 0.1),
    ]
    if not options.quick:
        rows.append(
            Row("hearing.people_wer_whisper", whisper_error_rate(PEOPLE), "lower", 0.2, 0.05)
        )
    misheard = [
        {
            "voice": i.recording.voice,
            "said": i.recording.text,
            "heard": i.text,
            "sure": i.confidence,
        }
        for i in (*tried, *others)
        if not (i.right if in_domain(i.recording) else i.confidence < ACCEPT)
    ]
    return rows, {"latencies_ms": took, "misheard": misheard, "recogniser": options.recogniser}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    made = parser(
        "hearing",
        __doc__ or "",
        "  python -m benchmarks.hearing --quick\n"
        "  python -m benchmarks.hearing --recogniser whisper --json hearing.json",
    )
    made.add_argument("--voices", type=Path, default=FOLDER, metavar="DIR", help="recordings")
    made.add_argument("--recogniser", default="pocketsphinx", metavar="NAME")
    made.add_argument("--language", choices=("plugin", "grammar"), default="plugin")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--misheard", action="store_true", help="print what was misheard")
    options = made.parse_args(argv)
    logging.basicConfig(level=logging.ERROR)
    try:
        check_recogniser(options.recogniser)
        rows, details = run(options)
    except (ConfigError, ModelError) as error:
        print(f"error: {error}")
        return 1
    if options.misheard:
        for item in details["misheard"]:
            print(f"{item['voice']:<7} {item['said']} -> {item['heard']} ({item['sure']:.2f})")
    value = rows[0].value
    headline = "nothing was heard" if value is None else f"speech to parse, p95: {value:.0f} ms"
    publish("hearing", rows, headline, options.json, **details)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
