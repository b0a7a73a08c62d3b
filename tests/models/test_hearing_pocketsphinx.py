from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from models.hearing.pocketsphinx import PocketsphinxRecogniser
from sage.hearing.recogniser import RATE_HZ, Hypothesis
from sage.hearing.speech_grammar import covers
from sage.irp.errors import ModelError
from sage.values import Float32Array
from sage.worlds.apartment.voices import recording_for, recordings, with_noise

NOTHING = Hypothesis("", 0.0)
SPOKEN = (
    "go to the kitchen",
    "find the apple in the kitchen",
    "how many people are in the living room",
    "come back",
    "stop moving",
)


@pytest.fixture(scope="module")
def recogniser() -> Iterator[PocketsphinxRecogniser]:
    made = PocketsphinxRecogniser()
    yield made
    made.close()


def in_room(samples: Float32Array, snr_db: float = 40.0) -> Float32Array:
    return with_noise(samples, snr_db, np.random.default_rng(3), 0.3)


def heard(
    recogniser: PocketsphinxRecogniser, samples: Float32Array, block: int = 512
) -> Hypothesis:
    recogniser.begin()
    for at in range(0, len(samples), block):
        recogniser.feed(samples[at : at + block])
    return recogniser.finish()


@pytest.mark.parametrize("text", SPOKEN)
def test_commands_are_heard(recogniser: PocketsphinxRecogniser, text: str) -> None:
    found = heard(recogniser, in_room(recording_for(text).samples()))
    assert found.text == text
    assert found.complete
    assert 0.3 < found.confidence <= 1.0


def test_each_utterance_is_heard_on_its_own(recogniser: PocketsphinxRecogniser) -> None:
    samples = in_room(recording_for("come back").samples())
    first = heard(recogniser, samples)
    heard(recogniser, np.float32(3.0) * np.random.default_rng(0).standard_normal(16_000))
    assert heard(recogniser, samples) == first


@pytest.mark.parametrize("block", [160, 5000, 10**6])
def test_blocks_of_any_size(recogniser: PocketsphinxRecogniser, block: int) -> None:
    samples = in_room(recording_for("go to the kitchen").samples())
    assert heard(recogniser, samples, block).text == "go to the kitchen"


@pytest.mark.parametrize("gain", [0.01, 0.1, 8.0])
def test_very_quiet_and_clipped_speech(recogniser: PocketsphinxRecogniser, gain: float) -> None:
    samples = in_room(recording_for("go to the kitchen").samples()) * np.float32(gain)
    assert heard(recogniser, samples).text == "go to the kitchen"


def test_a_whole_command_is_complete_while_it_is_still_listening(
    recogniser: PocketsphinxRecogniser,
) -> None:
    samples = in_room(recording_for("find the apple in the kitchen").samples())
    recogniser.begin()
    assert recogniser.partial() == NOTHING
    texts = []
    for at in range(0, len(samples), 512):
        recogniser.feed(samples[at : at + 512])
        partial = recogniser.partial()
        assert partial.complete == covers(partial.text)
        texts.append(partial.text)
    assert texts[-1] == "find the apple in the kitchen"
    assert any(text and not covers(text) for text in texts)
    assert recogniser.finish().text == texts[-1]


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(0, np.float32),
        np.zeros(160, np.float32),
        np.zeros(2 * RATE_HZ, np.float32),
        np.full(RATE_HZ, np.nan, np.float32),
        np.full(RATE_HZ, 1.0, np.float32),
    ],
    ids=["none", "10 ms", "silence", "not a number", "constant"],
)
def test_nothing_is_heard_where_nothing_is(
    recogniser: PocketsphinxRecogniser, samples: Float32Array
) -> None:
    assert heard(recogniser, samples).confidence < 0.3


@pytest.mark.parametrize("level", [0.001, 0.3])
def test_noise_is_not_believed(recogniser: PocketsphinxRecogniser, level: float) -> None:
    noise = np.random.default_rng(1).normal(0, level, 2 * RATE_HZ).astype(np.float32)
    assert heard(recogniser, noise).confidence < 0.3


def test_chords_are_not_believed(recogniser: PocketsphinxRecogniser) -> None:
    t = np.arange(2 * RATE_HZ) / RATE_HZ
    chord = sum(np.sin(2 * np.pi * f * t) for f in (220.0, 277.2, 329.6)) * 0.1
    assert heard(recogniser, np.asarray(chord, np.float32)).confidence < 0.3


def test_other_domains_and_languages_are_mostly_not_believed(
    recogniser: PocketsphinxRecogniser,
) -> None:
    others = [item for item in recordings() if item.kind in ("elsewhere", "foreign")][::4]
    assert len(others) >= 6
    sure = [heard(recogniser, in_room(item.samples())).confidence for item in others]
    assert sum(value >= 0.3 for value in sure) <= 1, sure


def test_an_unfinished_utterance_is_dropped(recogniser: PocketsphinxRecogniser) -> None:
    recogniser.begin()
    recogniser.feed(in_room(recording_for("go to the kitchen").samples()))
    assert heard(recogniser, in_room(recording_for("come back").samples())).text == "come back"
    assert recogniser.finish() == NOTHING


def test_it_decodes_while_it_is_fed_so_that_the_end_is_short(
    recogniser: PocketsphinxRecogniser,
) -> None:
    recogniser.begin()
    samples = in_room(recording_for("find the apple in the kitchen").samples())
    for at in range(0, len(samples), 512):
        recogniser.feed(samples[at : at + 512])
    assert len(recogniser._pending) < 0.1 * RATE_HZ


def test_once_closed_it_is_closed() -> None:
    made = PocketsphinxRecogniser()
    made.close()
    made.close()
    with pytest.raises(ModelError, match="closed"):
        heard(made, np.ones(RATE_HZ, np.float32))


def test_a_broken_model_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import pocketsphinx

    def fails(**_: object) -> None:
        raise RuntimeError("Failed to initialize PocketSphinx")

    monkeypatch.setattr(pocketsphinx, "Decoder", fails)
    with pytest.raises(ModelError, match=r"no usable English model .*pip install"):
        PocketsphinxRecogniser()
