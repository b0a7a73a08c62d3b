"""From a voice to an intention: voice activity, words, and a logical form unmasked step by step.

Each sentence becomes one refinement: at first every slot of its form is masked, each step commits
what has become certain and may open again what has become doubtful, and the loop ends when the
meaning stands. Then the robot says what it would do, or what it asks back. Recordings of people
are heard by the default recogniser bound to the robot's own commands; ``--recogniser whisper``
hears anything. Point a profiler at it: everything happens in ``main``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import numpy as np

from models.hearing import SileroActivity, check_recogniser, open_recogniser
from models.language.forms import MASK_ID, PAD_ID, VOCABULARY
from plugins.language import LanguageConfig, LanguagePlugin, LanguageState
from sage import refine
from sage.clock import VirtualClock
from sage.hearing import Ears, Recogniser, open_microphone
from sage.irp import ConfigError, SageError
from sage.skills.agent import LEAST_CONFIDENCE
from sage.skills.intent import Declined
from sage.skills.interpretation import interpret
from sage.values import Observation, Utterance
from sage.worlds.apartment.voices import FOLDER as SHIPPED

PEOPLE = Path(__file__).resolve().parents[2] / "shared/data/voices"
SOUNDS = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".au")
EXAMPLES = """\
examples:
  python demos/language_real.py                         people's recordings, or the shipped ones
  python demos/language_real.py "find the apple" "what is the weather like tomorrow"
  python demos/language_real.py take.wav --recogniser whisper
  python demos/language_real.py voices/ --count 5 --max-steps 4
  py-spy record -o language.svg -- python demos/language_real.py --quiet "count the cups"
  nsys profile -t osrt python demos/language_real.py --quiet "come back"
"""


class Watched(LanguagePlugin):
    """The language plugin, with a note of each state that the loop weighs."""

    def __init__(self, config: LanguageConfig) -> None:
        super().__init__(config)
        self.states: list[LanguageState] = []

    def energy(self, state: LanguageState) -> float:
        """Note the state, which is what is shown of a step."""
        self.states.append(state)
        return super().energy(state)


def main() -> None:
    """Hear or read each command, refine its form, say what it means."""
    args = arguments()
    # Certain at the first step is no reason to stop here: the unmasking is what is shown.
    plugin = Watched(LanguageConfig(max_steps=args.max_steps, certain_nats=0.0))
    costs_ms: list[float] = []
    steps = obeyed = declined = 0
    if not args.quiet:
        print("[?...] is a guess: the slot is still masked for the next step\n")

    for said in sentences(args):
        plugin.states.clear()
        began_s = perf_counter()
        outcome = refine(plugin, Observation(said.recogniser, "speech", 0.0, len(costs_ms), said))
        costs_ms.append(1e3 * (perf_counter() - began_s))
        meaning, trajectory = outcome.result, outcome.trajectory
        if meaning is None:
            raise SageError(f"{said.text!r}: {outcome.error}")

        if not args.quiet:
            for step, (state, energy) in enumerate(
                zip(plugin.states, trajectory.energies, strict=True), start=1
            ):
                print(f"  step {step}  energy {energy:7.3f}  {shown(state)}")
        steps += trajectory.steps
        answer = interpret(meaning)
        named = ", ".join(f"{item.name} ({item.sort})" for item in meaning.entities)
        print(
            f"  {outcome.reason.value}, sure {meaning.probability:.2f}, names {named or 'nothing'}"
        )
        if isinstance(answer, Declined):
            declined += 1
            print(f'  asks or declines: "{answer.answer}"\n')
        else:
            obeyed += 1
            print(f"  would do: {answer.phrase}\n")

    if not costs_ms:
        raise SageError("nobody said anything")
    p50, p95 = np.percentile(costs_ms, [50, 95])
    count = len(costs_ms)
    print(
        f"{count} commands: {obeyed} to do, {declined} asked back or declined; "
        f"{steps / count:.1f} steps of {args.max_steps}, {p50:.1f} ms each (p95 {p95:.1f})"
    )


def shown(state: LanguageState) -> str:
    """The slots of a form: ``[?...]`` is a guess, which the next step sees as a mask."""
    draft = state.draft
    parts = []
    for chunk, slot in zip(draft.form, draft.slots, strict=True):
        if chunk == PAD_ID:
            break
        text = VOCABULARY[chunk]
        parts.append(f"[?{text}]" if slot == MASK_ID else text)
    return " ".join(parts)


def sentences(args: argparse.Namespace) -> Iterator[Utterance]:
    """What is typed, and what is heard in each recording."""
    ears_needed = any(isinstance(item, Path) for item in args.commands)
    vad = SileroActivity() if ears_needed else None
    recogniser = open_recogniser(args.recogniser) if ears_needed else None
    try:
        for item in args.commands:
            if isinstance(item, str):
                print(f'typed: "{item}"')
                yield Utterance(item)
                continue
            words = spoken(item)
            print(f'{item.name}: "{words}"' if words else item.name)
            assert vad is not None
            assert recogniser is not None
            yield from heard(item, vad, recogniser)
    finally:
        if recogniser is not None:
            recogniser.close()


def heard(path: Path, vad: SileroActivity, recogniser: Recogniser) -> Iterator[Utterance]:
    """The utterances in one recording."""
    found: list[Utterance] = []
    clock = VirtualClock()
    source = open_microphone(f"file:{path}", clock=clock, lockstep=True)
    ears = Ears(
        vad,
        recogniser,
        lambda observation: found.append(observation.data),
        clock=clock,
        synchronous=True,
    )
    began_s = perf_counter()
    source.start(ears.take)
    while not source.finished:
        clock.advance_to(clock.now_s() + 0.032)
        source.pump(clock.now_s())
    ears.flush()
    source.stop()
    took_s = perf_counter() - began_s
    print(f"  {clock.now_s():.1f} s of sound in {took_s:.1f} s, {len(found)} utterances")
    for said in found:
        print(
            f'  heard "{said.text}", confidence {said.confidence:.2f}, '
            f"speech from {said.began_s:.2f} to {said.ended_s:.2f} s ({said.recogniser})"
        )
        if said.confidence < LEAST_CONFIDENCE:
            print("  too unsure of the words: the robot asks to hear it again\n")
        else:
            yield said


def spoken(path: Path) -> str:
    """What was really said in a recording, where somebody wrote it down."""
    for index, column in (("transcripts.tsv", 1), ("voices.tsv", 3)):
        listed = path.parent / index
        if listed.is_file():
            for line in listed.read_text(encoding="utf-8").splitlines():
                cells = line.split("\t")
                if cells[0] == path.name and len(cells) > column:
                    return cells[column]
    return ""


def arguments() -> argparse.Namespace:
    """The command line, checked: ``commands`` holds texts and paths of recordings."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0] if __doc__ else "",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("said", nargs="*", help="a command, a recording, or a folder of them")
    parser.add_argument("--count", type=int, default=8, help="recordings of a folder (default 8)")
    parser.add_argument("--recogniser", default="pocketsphinx", help="pocketsphinx or whisper")
    parser.add_argument(
        "--max-steps", type=int, default=LanguageConfig().max_steps, help="a command, 1 to 16"
    )
    parser.add_argument("--quiet", action="store_true", help="without the steps")
    args = parser.parse_args()
    if args.count < 1:
        raise ConfigError(f"--count must be at least 1, got {args.count}")
    check_recogniser(args.recogniser)
    commands: list[str | Path] = []
    for given in args.said or [str(PEOPLE if PEOPLE.is_dir() else SHIPPED)]:
        path = Path(given).expanduser()
        if path.is_dir():
            sounds = sorted(item for item in path.iterdir() if item.suffix.lower() in SOUNDS)
            if not sounds:
                raise ConfigError(f"{given!r} holds no recordings ({', '.join(SOUNDS)})")
            commands += sounds[: args.count]
        else:
            commands.append(path if path.suffix.lower() in SOUNDS else given)
    args.commands = commands
    return args


if __name__ == "__main__":
    try:
        main()
    except SageError as error:
        sys.exit(f"error: {error}")
